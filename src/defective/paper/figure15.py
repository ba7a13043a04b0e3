"""Figure 15: a random sample of adversarial Tiny-ImageNet images."""

from defective.paper.exhibit import Exhibit
from defective.paper.figure7 import KEPT, NETS
from defective.paper.gallery import Gallery, caption
from defective.paper.protocol import PLACEMENT

_GALLERY = Gallery(
    "tiny-imagenet",
    nets=NETS,
    attacks={"mifgsm:eps=64/255,step_size=1/255,steps=80": "MIFGSM64 (80 steps)"},
    among=tuple(NETS),
)

FIGURE15 = Exhibit(
    name="figure15",
    title="A random sample of adversarial Tiny-ImageNet images of a defective net and of the standard net",
    where="Appendix B.2, Figure 15",
    caption=caption("64/255 in 80 steps of 1/255", KEPT),
    data="tiny-imagenet",
    columns=_GALLERY.columns,
    rows=_GALLERY.rows,
    cells=_GALLERY.cells,
    view="gallery",
    notes=(
        "The sample is of images that both nets classify right, the same as in Figure 7; the paper does not say whether its own "
        "is.",
        "The caption calls the defective net Random Mask.",
        "Nothing of Tiny-ImageNet was released: net and recipe are those of CIFAR-10 at 64 x 64 pixels.",
        PLACEMENT,
    ),
)
