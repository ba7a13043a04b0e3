"""Figure 2: what defects look like in three channels."""

from defective.paper.exhibit import Exhibit

FIGURE2 = Exhibit(
    name="figure2",
    title="Three channels of a layer with and without defects",
    where="Section 3.1, Figure 2",
    caption="The upper row is the first layer of a ResNet-18, the lower row the same layer with half of its neurons dead; "
    "columns are an image and what the first three channels make of it. Each square is a neuron, the brighter the more active; "
    "dead ones are black.",
    view="drawing",
    notes=(
        "The drawing masks after the activation, as Eq. 5; the released code masks before it and, in residual blocks, before the "
        "sum.",
        "The text draws each neuron by chance; the released code kills an exact number of them in each layer.",
    ),
)
