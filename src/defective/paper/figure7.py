"""Figure 7: adversarial Tiny-ImageNet images of a defective net and of the standard net."""

from defective.paper.exhibit import Exhibit
from defective.paper.gallery import Gallery, caption
from defective.paper.protocol import PLACEMENT

NETS = {"resnet18/0.1-blocks12": "0.1-Blocks 1, 2", "resnet18": "ResNet-18"}
KEPT = "0.1-Blocks 1, 2: a tenth of the neurons in these blocks kept"
_GALLERY = Gallery(
    "tiny-imagenet",
    nets=NETS,
    attacks={
        "mifgsm:eps=64/255,step_size=1/255,steps=40": "MIFGSM64 (40 steps)",
        "mifgsm:eps=32/255,step_size=1/255,steps=80": "MIFGSM32 (80 steps)",
    },
    among=tuple(NETS),
)

FIGURE7 = Exhibit(
    name="figure7",
    title="Adversarial Tiny-ImageNet images of a defective net and of the standard net",
    where="Appendix B.1, Figure 7",
    caption=caption("64/255 in 40 steps or 32/255 in 80, of 1/255 each", KEPT),
    data="tiny-imagenet",
    columns=_GALLERY.columns,
    rows=_GALLERY.rows,
    cells=_GALLERY.cells,
    view="gallery",
    notes=(
        "Scales and step numbers are paired as the text has them. The pairs may be swapped: 40 steps of size 1 cannot reach scale 64, "
        "and Figure 15 pairs 64 with 80 steps.",
        "The paper does not say how it chose its images; these are the first in a seeded order that both nets classify right.",
        "Nothing of Tiny-ImageNet was released: net and recipe are those of CIFAR-10 at 64 x 64 pixels.",
        "The caption calls two of its three rows the second.",
        PLACEMENT,
    ),
)
