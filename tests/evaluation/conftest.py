from evaluation_fixtures import data, drawn, net, quick, source, zoo  # noqa: F401
