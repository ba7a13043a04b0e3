"""Figure 13: WideResNet-32."""

from defective.paper.exhibit import Exhibit
from defective.paper.protocol import OUTLINE

FIGURE13 = Exhibit(
    name="figure13",
    title="WideResNet-32 of width 4 and its defective layers",
    where="Appendix C.6, Figure 13",
    caption=OUTLINE,
    view="drawing",
    notes=(
        "Blocks 0 and 1 are the bottom. The released net activates after the sum, unlike the wide residual nets it cites, and "
        "leaves the projection shortcut of block 1 unmasked.",
    ),
)
