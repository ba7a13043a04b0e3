from run_fixtures import images, no_power_cuts, place  # noqa: F401
