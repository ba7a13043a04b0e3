from evaluation_fixtures import data, net, quick, source  # noqa: F401
