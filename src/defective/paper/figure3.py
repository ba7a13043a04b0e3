"""Figure 3: shuffled patches."""

from defective.paper.exhibit import Exhibit

FIGURE3 = Exhibit(
    name="figure3",
    title="An image cut into patches that change places",
    where="Section 3.2, Figure 3",
    caption="From left to right an image that is whole, then cut into 4, 16 and 64 square patches of one size that change places "
    "at random.",
    view="drawing",
    notes=("The image is one of the data set at hand, since the paper's own is not released.",),
)
