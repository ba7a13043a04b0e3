"""Figure 1: adversarial images of defective nets."""

from defective.paper.exhibit import Exhibit
from defective.paper.figure6 import ATTACKS, KEPT, NETS, STRENGTH
from defective.paper.gallery import Gallery, caption
from defective.paper.protocol import PLACEMENT

_GALLERY = Gallery(
    "cifar10",
    nets={net: label for net, label in NETS.items() if net != "resnet18"},
    attacks=ATTACKS,
    among=tuple(NETS),
)

FIGURE1 = Exhibit(
    name="figure1",
    title="Adversarial CIFAR-10 images of defective nets",
    where="Section 1, Figure 1",
    caption=caption(STRENGTH, KEPT),
    data="cifar10",
    columns=_GALLERY.columns,
    rows=_GALLERY.rows,
    cells=_GALLERY.cells,
    view="gallery",
    notes=(
        "The paper sends the reader to Appendix B for nets and attacks and names neither, nor the data set: shown are the CIFAR-10 "
        "images of Figure 6's defective nets.",
        "The paper does not say how it chose its images; these are the first in a seeded order that all nets of Figure 6 classify right.",
        PLACEMENT,
    ),
)
