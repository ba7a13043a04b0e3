"""Figure 6: adversarial CIFAR-10 images of defective nets and of the standard net."""

from defective.paper.exhibit import Exhibit
from defective.paper.gallery import Gallery, caption
from defective.paper.protocol import PLACEMENT

NETS = {
    "resnet18/0.2-bottom": "0.2-Bottom",
    "resnet18/0.1-blocks12": "0.1-Blocks 1, 2",
    "resnet18": "ResNet-18",
}
ATTACKS = {
    "mifgsm:eps=16/255,step_size=1/255,steps=20": "MIFGSM16",
    "mifgsm:eps=32/255,step_size=1/255,steps=40": "MIFGSM32",
}
STRENGTH = "16/255 in 20 steps or 32/255 in 40, of 1/255 each"
KEPT = "0.2-Bottom: a fifth of the bottom neurons kept; 0.1-Blocks 1, 2: a tenth in these blocks"
_GALLERY = Gallery("cifar10", nets=NETS, attacks=ATTACKS, among=tuple(NETS))

FIGURE6 = Exhibit(
    name="figure6",
    title="Adversarial CIFAR-10 images of defective nets and of the standard net",
    where="Appendix B.1, Figure 6",
    caption=caption(STRENGTH, KEPT),
    data="cifar10",
    columns=_GALLERY.columns,
    rows=_GALLERY.rows,
    cells=_GALLERY.cells,
    view="gallery",
    notes=(
        "The paper gives the scales, 16 and 32, but no steps: as in its PGD, they are of size 1, 20 and 40 in number (the released "
        "MIFGSM has the latter).",
        "The paper does not say how it chose its images; these are the first in a seeded order that all three nets classify right.",
        "The caption calls two of its three rows the second.",
        PLACEMENT,
    ),
)
