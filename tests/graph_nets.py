"""Small models that the tests of sparse graphs share."""

from hand_nets import Net, conv, images, mask

X = images()


def chained(between, **layers):
    """conv, mask, something in between, conv, mask."""
    return Net(
        lambda model, x: model.k(model.b(between(model, model.m(model.a(x))))),
        a=conv(),
        b=conv(8, 8),
        m=mask(),
        k=mask(seed=1),
        **layers,
    )
