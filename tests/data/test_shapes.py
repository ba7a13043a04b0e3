import pytest
import torch

from defective.data.shapes import CLASSES, SPLITS, shapes

# Of images, labels and class names: the same on every machine.
DIGESTS = {
    "train": "107b9fd2415726721dac7d2ef2172b1f",
    "test": "8b19dddfafad1b413e69d64e175c637e",
    "conflict": "3ee05f2307b1af01733f833b6325c449",
    "shape-only": "45c88a1d98b2a4d17d71467727dc1bb3",
    "texture-only": "e913d34ef7af9715c22fe4e6064ae904",
}


@pytest.mark.parametrize("split", SPLITS)
def test_images_and_labels_are_the_ones_on_record_whatever_the_global_generator(split):
    torch.manual_seed(99)
    made = shapes.__wrapped__(split)
    count = {"train": 10_000}.get(split, 2_000)
    assert (made.name, made.split, made.classes) == ("shapes", split, CLASSES)
    assert (made.x.dtype, made.x.shape) == (torch.uint8, (count, 3, 32, 32))
    assert (made.y.dtype, made.y.bincount().tolist()) == (torch.int64, [count // 10] * 10)
    assert made.digest == DIGESTS[split]


def test_cues_of_conflict_images_never_agree_and_every_pair_comes_up():
    made = shapes("conflict")
    assert not (made.y == made.y_texture).any()
    pairs = torch.zeros(10, 10, dtype=torch.int64).index_put_((made.y, made.y_texture), torch.tensor(1), accumulate=True)
    assert (pairs.diagonal() == 0).all()
    # 2,000 images over 90 pairs: 22 each.
    assert pairs[~torch.eye(10, dtype=torch.bool)].min() > 5


def test_a_class_is_told_by_its_texture_alone_where_it_should_be():
    """Rows repeat along j, columns along i: the correlation of neighbours says which, in the test split and where cues conflict."""
    for split in ("test", "conflict", "texture-only", "shape-only"):
        made = shapes(split)
        texture = made.y if made.y_texture is None else made.y_texture
        x = made.x.double()[:, :, 12:20, 12:20]
        down, right = (x.diff(dim=axis).abs().mean((1, 2, 3)) for axis in (2, 3))
        rows, columns = ((down > right)[texture == label].float().mean() for label in (0, 1))
        assert 0.3 < rows < 0.7 if split == "shape-only" else rows > 0.9 and columns < 0.1


def test_the_shape_is_where_the_label_says():
    """A disc covers the centre, a ring does not: the centre of the ring has the colour of the corners."""
    made = shapes("shape-only")
    x = made.x.double()
    centre, corner = x[:, :, 14:18, 14:18].mean((2, 3)), x[:, :, :3, :3].mean((2, 3))
    same = (centre - corner).abs().amax(1) < 15
    assert same[made.y == 0].float().mean() < 0.2
    assert same[made.y == 5].float().mean() > 0.6
