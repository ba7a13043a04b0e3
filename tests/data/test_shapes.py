import hashlib

import pytest
import torch

from defective.data.shapes import CLASSES, SPLITS, shapes

# SHA-256 of the images' bytes: the same on every machine.
GOLDEN = {
    "train": "143fb02b4cb87b243a67698bae6495acd62ae75ac3cae5b5f52b8f0b6cba2f50",
    "test": "895cfeda18e0ce563d95188a2be6ea060c2a68cb01e70f51b0871eb1a31591eb",
    "conflict": "8ee5033c396c45e5dc3d37c9f173d81e61fdbd8e4ce9047b98f7ffb3b17e1e88",
    "shape-only": "d34a20fb0677b9472f6db12c794df68bb4d5e07a550b7e03843d7a32a14adcfb",
    "texture-only": "8b3e0117c95e3058ff1327f4c2ca59c28707243c3dd10e3a7f484a354093d9af",
}


def blocks(x: torch.Tensor) -> torch.Tensor:
    """Standard deviation within the 16 blocks of 8 x 8 pixels, largest over the channels: ``(N, 16)``."""
    cut = x.double().unfold(2, 8, 8).unfold(3, 8, 8).reshape(len(x), 3, 16, 64)
    return cut.std(-1).amax(1)


@pytest.mark.parametrize("split", SPLITS)
def test_images_and_labels_are_the_ones_on_record_whatever_the_global_generator(split):
    torch.manual_seed(99)
    made = shapes.__wrapped__(split)
    count = {"train": 10_000}.get(split, 2_000)
    assert (made.name, made.split, made.classes) == ("shapes", split, CLASSES)
    assert (made.x.dtype, made.x.shape) == (torch.uint8, (count, 3, 32, 32))
    assert (made.y.dtype, made.y.bincount().tolist()) == (torch.int64, [count // 10] * 10)
    assert (made.y_texture is None) == (split != "conflict")
    assert hashlib.sha256(made.x.numpy().tobytes()).hexdigest() == GOLDEN[split]


def test_cues_of_conflict_images_never_agree_and_every_pair_comes_up():
    made = shapes("conflict")
    assert not (made.y == made.y_texture).any()
    pairs = torch.zeros(10, 10, dtype=torch.int64).index_put_((made.y, made.y_texture), torch.tensor(1), accumulate=True)
    assert (pairs.diagonal() == 0).all()
    # 2,000 images over 90 pairs: 22 each.
    assert pairs[~torch.eye(10, dtype=torch.bool)].min() > 5


def test_texture_only_has_texture_everywhere():
    # Noise alone deviates by 0.04 * 255 = 10, the faintest texture by more than 0.1 * 255 * 0.8.
    assert blocks(shapes("texture-only").x).min() > 20
    corners = [0, 3, 12, 15]
    for split in ("test", "conflict", "shape-only"):
        assert blocks(shapes(split).x)[:, corners].median() < 12


def test_shape_only_has_no_texture_within_the_shape():
    for split, flat in (("shape-only", 1), ("test", 0)):
        made = shapes(split)
        # The middle of a disc and of a square is always inside.
        middle = made.x[made.y < 2][:, :, 12:20, 12:20].double().flatten(2).std(-1).amax(1)
        assert ((middle < 14).double().mean() - flat).abs() < 0.02


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
