"""Figure 8: ResNet-18."""

from defective.paper.exhibit import Exhibit
from defective.paper.protocol import OUTLINE

FIGURE8 = Exhibit(
    name="figure8",
    title="ResNet-18 and its defective layers",
    where="Appendix C.1, Figure 8",
    caption=OUTLINE,
    view="drawing",
    notes=(
        "Blocks 0, 1 and 2 are the bottom. The text gives blocks 1 to 4 four 3 x 3 layers each and is silent about the projection "
        "shortcuts; the released code masks that of block 2 too.",
        "Appendix A.4 calls this drawing Figure 2.",
    ),
)
