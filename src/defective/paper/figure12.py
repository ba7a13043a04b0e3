"""Figure 12: VGG-19."""

from defective.paper.exhibit import Exhibit
from defective.paper.protocol import OUTLINE

FIGURE12 = Exhibit(
    name="figure12",
    title="VGG-19 and its defective layers",
    where="Appendix C.5, Figure 12",
    caption=OUTLINE,
    view="drawing",
    notes=(
        "Text and released code agree: the first four layers, of two blocks, and a single linear layer at the end.",
        "On MNIST the released code leaves out the last pooling, for which the images are too small.",
    ),
)
