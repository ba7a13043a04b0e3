"""Figure 2: what defects look like in three channels."""

from defective.paper.exhibit import Exhibit

FIGURE2 = Exhibit(
    name="figure2",
    title="Three channels of a layer with and without defects",
    where="Section 3.1, Figure 2",
    view="drawing",
    notes=(
        "The drawing masks after the activation, as Eq. 5; the released code masks before it and, in residual blocks, before the "
        "sum.",
        "The text draws each neuron by chance; the released code kills an exact number of them in each layer.",
    ),
)
