"""Figure 11: SENet-18."""

from defective.paper.exhibit import Exhibit
from defective.paper.protocol import OUTLINE

FIGURE11 = Exhibit(
    name="figure11",
    title="SENet-18 and its defective layers",
    where="Appendix C.4, Figure 11",
    caption=OUTLINE,
    view="drawing",
    notes=(
        "The text masks the layers of the first three SE blocks; the released code masks what enters the layers of the first four "
        "and leaves the stem alone.",
    ),
)
