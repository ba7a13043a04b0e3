from run_fixtures import images, undisturbed  # noqa: F401
