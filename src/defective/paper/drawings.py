"""Figures 2, 3 and 8-13: what defects, shuffled patches and the six architectures look like. Nothing is measured."""

from defective.paper.exhibit import Exhibit
from defective.paper.protocol import figure

# Caption of every architecture.
_ARCHITECTURE = (
    "Boxes are the model's steps in the order in which they run, from the image at the top to the ten classes, grouped by block; "
    "×2 stands for two such groups in a row, and at the right is the size of what comes out, as channels × height × width. Coloured are "
    "steps whose output can be masked, filled in the bottom blocks; dashed are those on a shortcut."
)


def _exhibit(number: int, title: str, section: str, *notes: str, caption: str = _ARCHITECTURE) -> Exhibit:
    return figure(number, title, section, data="", caption=caption, view="drawing", notes=notes)


EXHIBITS = (
    _exhibit(
        2,
        "Three channels of a layer with and without defects",
        "Section 3.1",
        "The drawing masks after the activation, as Eq. 5; the released code masks before it and, in residual blocks, before the sum.",
        "The text draws each neuron by chance; the released code kills an exact number of them in each layer.",
        caption="The upper row is the first layer of a ResNet-18, the lower row the same layer with half of its neurons dead; columns "
        "are an image and what the first three channels make of it. Each square is a neuron, the brighter the more active; dead ones "
        "are black.",
    ),
    _exhibit(
        3,
        "An image cut into patches that change places",
        "Section 3.2",
        "The image is one of the data set at hand, since the paper's own is not released.",
        caption="From left to right an image that is whole, then cut into 4, 16 and 64 square patches of one size that change places "
        "at random.",
    ),
    _exhibit(
        8,
        "ResNet-18 and its defective layers",
        "Appendix C.1",
        "Blocks 0, 1 and 2 are the bottom. The text gives blocks 1 to 4 four 3 x 3 layers each and is silent about the projection "
        "shortcuts; the released code masks that of block 2 too.",
        "Appendix A.4 calls this drawing Figure 2.",
    ),
    _exhibit(
        9,
        "ResNet-50 and its defective layers",
        "Appendix C.2",
        "Text and released code agree: the 3 x 3 layers of the bottom blocks. The text does not say whether the stem counts; the "
        "code masks it.",
    ),
    _exhibit(
        10,
        "DenseNet-121 and its defective layers",
        "Appendix C.3",
        "The text counts five dense blocks; the released model has four, which with the stem make five blocks.",
        "The text masks the 3 x 3 layers of the first three blocks; the released code masks what enters the 1 x 1 layers of dense "
        "blocks 1 and 2 and the two transitions behind them, and no 3 x 3 layer.",
    ),
    _exhibit(
        11,
        "SENet-18 and its defective layers",
        "Appendix C.4",
        "The text masks the layers of the first three SE blocks; the released code masks what enters the layers of the first four "
        "and leaves the stem alone.",
    ),
    _exhibit(
        12,
        "VGG-19 and its defective layers",
        "Appendix C.5",
        "Text and released code agree: the first four layers, of two blocks, and a single linear layer at the end.",
        "On MNIST the released code leaves out the last pooling, for which the images are too small.",
    ),
    _exhibit(
        13,
        "WideResNet-32 of width 4 and its defective layers",
        "Appendix C.6",
        "Blocks 0 and 1 are the bottom. The released model activates after the sum, unlike the wide residual models it cites, and "
        "leaves the projection shortcut of block 1 unmasked.",
    ),
)
