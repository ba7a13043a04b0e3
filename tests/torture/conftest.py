from run_fixtures import fewer, undisturbed  # noqa: F401
