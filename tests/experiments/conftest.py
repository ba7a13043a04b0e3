from evaluation_fixtures import data, net, quick, source  # noqa: F401
from run_fixtures import fewer, images, no_power_cuts, place, undisturbed  # noqa: F401
