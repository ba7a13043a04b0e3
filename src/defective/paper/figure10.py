"""Figure 10: DenseNet-121."""

from defective.paper.exhibit import Exhibit
from defective.paper.protocol import OUTLINE

FIGURE10 = Exhibit(
    name="figure10",
    title="DenseNet-121 and its defective layers",
    where="Appendix C.3, Figure 10",
    caption=OUTLINE,
    view="drawing",
    notes=(
        "The text counts five dense blocks; the released net has four, which with the stem make five blocks.",
        "The text masks the 3 x 3 layers of the first three blocks; the released code masks what enters the 1 x 1 layers of dense "
        "blocks 1 and 2 and the two transitions behind them, and no 3 x 3 layer.",
    ),
)
