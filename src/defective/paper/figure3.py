"""Figure 3: shuffled patches."""

from defective.paper.exhibit import Exhibit

FIGURE3 = Exhibit(
    name="figure3",
    title="An image cut into patches that change places",
    where="Section 3.2, Figure 3",
    view="drawing",
    notes=("The image is one of the data set at hand, since the paper's own is not released.",),
)
