"""Table 1: images whose patches changed places, for a plain and a defective net."""

from defective.paper.claims import Claim, above
from defective.paper.exhibit import Cell, Cells, Exhibit, Row
from defective.paper.protocol import NETS
from defective.paper.setup import Setup
from defective.specs import ShuffleJob

GRIDS = {2: "2×2", 4: "4×4", 8: "8×8"}

ROWS = (
    Row("resnet18", "Standard CNN", (99.53, 84.36, 20.08)),
    Row("resnet18/0.1-bottom", "Defective CNN", (96.32, 56.91, 9.04)),
)


def _cells(setup: Setup) -> Cells:
    job = ShuffleJob(
        targets=tuple(setup.target(row.name, data="imagenet") for row in ROWS),
        grids=tuple(GRIDS),
        confidence=setup.scale.confidence,
        samples=setup.scale.shuffle,
        seed=setup.replicate,
    )
    return {(row.name, GRIDS[grid]): Cell(job, f"{number}/{grid}") for number, row in enumerate(ROWS) for grid in GRIDS}


TABLE1 = Exhibit(
    name="table1",
    title="Accuracy on images cut into patches that changed places",
    where="Section 3.2, Table 1",
    caption="Rows are ResNet-18s (the defective one keeps 10 % of its bottom neurons), columns how many patches an image is cut "
    "into before they change places at random. A number is the share of images that the net then gets right, of images that both "
    "nets get right with high confidence while whole: at least 99 %, at scale tiny 90 %.",
    data="imagenet",
    columns=tuple(GRIDS.values()),
    rows=ROWS,
    cells=_cells,
    claims=(
        Claim(
            "Shuffled patches, which keep textures and destroy shapes, hurt the defective net more, for every number of patches.",
            "Section 3.2",
            above(tuple(GRIDS.values()), [("resnet18", "resnet18/0.1-bottom")]),
        ),
    ),
    notes=(
        *NETS,
        "The paper does not say which share of neurons is kept; 0.1 is that of the released ImageNet net.",
        "The released standard net is torchvision's, with a 7×7 stem and its own training; here the two nets differ in defects alone.",
        "The released sample is the first 4,000 images in folder order that both nets are sure of; ours is drawn at random.",
        "Another data set may stand in for ImageNet. The smaller its images, the fewer pixels a patch has: 28 at 8×8 on 224, 4 on 32.",
    ),
)
