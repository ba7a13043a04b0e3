"""Figure 9: ResNet-50."""

from defective.paper.exhibit import Exhibit
from defective.paper.protocol import OUTLINE

FIGURE9 = Exhibit(
    name="figure9",
    title="ResNet-50 and its defective layers",
    where="Appendix C.2, Figure 9",
    caption=OUTLINE,
    view="drawing",
    notes=(
        "Text and released code agree: the 3 x 3 layers of the bottom blocks. The text does not say whether the stem counts; the "
        "code masks it.",
    ),
)
