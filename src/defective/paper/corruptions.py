"""Table 1 and Figure 5: images with shuffled patches and with Gaussian noise.

The paper claims that defective models lose more accuracy than plain ones to shuffled patches, and less to strong noise.
"""

from defective.paper.exhibit import Cell, Cells, Row
from defective.paper.protocol import TRAINED, figure, table
from defective.paper.published import printed
from defective.paper.setup import Setup
from defective.specs import NoiseJob, ShuffleJob

_COLUMNS, _ROWS = printed("table1")
_GRIDS = dict(zip((2, 4, 8), _COLUMNS, strict=True))


def _shuffled(setup: Setup) -> Cells:
    job = ShuffleJob(
        targets=tuple(setup.target(row.name, data="imagenet") for row in _ROWS),
        grids=tuple(_GRIDS),
        confidence=setup.scale.confidence,
        samples=setup.scale.shuffle,
        seed=setup.replicate,
    )
    return {
        (row.name, column): Cell(job, f"{number}/{grid}") for number, row in enumerate(_ROWS) for grid, column in _GRIDS.items()
    }


_TABLE1 = table(
    1,
    "Accuracy on images cut into patches that changed places",
    "Section 3.2",
    data="imagenet",
    caption="Rows are ResNet-18s (the defective one keeps 10 % of its bottom neurons), columns how many patches an image is cut "
    "into before they change places at random. A number is the share of images that the model then classifies correctly, of images that "
    "both models classify correctly with high confidence while whole: at least 99 %, at scale tiny 90 %.",
    cells=_shuffled,
    notes=(
        *TRAINED,
        "The paper does not say which share of neurons is kept; 0.1 is that of the released ImageNet model.",
        "The released standard model is torchvision's, with a 7×7 stem and its own training; here the two models differ in defects alone.",
        "The released sample is the first 4,000 images in folder order that both models are sure of; ours is drawn at random.",
        "Another data set may replace ImageNet. The smaller its images, the fewer pixels a patch has: 28 at 8×8 on 224, 4 on 32.",
    ),
)

NOISY = {
    "resnet18": "ResNet-18",
    "resnet18/0.5-bottom": "0.5-Bottom",
    "resnet18/0.3-bottom": "0.3-Bottom",
    "resnet18/0.1-bottom": "0.1-Bottom",
}
SIGMAS = (1, 2, 4, 8, 12, 16, 20, 24, 28, 32)


def _noisy(setup: Setup) -> Cells:
    targets = tuple(setup.target(model) for model in NOISY)
    job = NoiseJob(targets=targets, sigmas=SIGMAS, samples=setup.scale.noise, seed=setup.replicate)
    return {(model, str(sigma)): Cell(job, f"{number}/{sigma}") for number, model in enumerate(NOISY) for sigma in SIGMAS}


_FIGURE5 = figure(
    5,
    "Accuracy under Gaussian noise of rising strength",
    "Appendix A.5",
    caption="Rows, drawn as curves, are ResNet-18s (p-Bottom: a share p of the bottom neurons kept), columns the standard "
    "deviation of the noise, in levels of 255; noise beyond twice that is cut off. A number is the share of noisy images that "
    "the model classifies correctly, of images that all four models classify correctly without noise.",
    columns=tuple(str(sigma) for sigma in SIGMAS),
    rows=tuple(Row(model, label) for model, label in NOISY.items()),
    cells=_noisy,
    view="curves",
    notes=(
        "The figure is a drawing without numbers, so none are published beside the measured.",
        "Of the p-Bottom models that it shows, the text names p = 0.1 alone; 0.5 and 0.3 are others of the released code.",
        *TRAINED,
    ),
)

EXHIBITS = (_TABLE1, _FIGURE5)
