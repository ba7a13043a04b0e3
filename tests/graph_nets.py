"""Small models that the tests of sparse graphs share."""

from hand_nets import Net, conv, images, mask

X = images()


def chained(between, **layers):
    """conv, mask, something in between, conv, mask."""
    return Net(
        lambda net, x: net.k(net.b(between(net, net.m(net.a(x))))), a=conv(), b=conv(8, 8), m=mask(), k=mask(seed=1), **layers
    )
