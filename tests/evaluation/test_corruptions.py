import pytest
import torch

from defective import InputError
from defective.data.patches import shuffle_patches
from defective.evaluation import EvaluatedModel, accuracy
from defective.evaluation.corruptions import STRENGTHS, corrupted_correct, corruption_curve
from evaluations import Lambda
from problems import level_set, plane

GRIDS = STRENGTHS["shuffle"]


def shuffle_curve(*given, grids=None, seed=0):
    return corruption_curve(*given, "shuffle", strengths=grids, seed=seed)


def bright(part, least):
    """Class 1 where a part of the image is bright in the mean."""
    return Lambda(lambda x: (part(x).mean((1, 2, 3)) - least)[:, None] * torch.tensor([-1, 1]))


CORNER, TEXTURE = bright(lambda x: x[:, :, :4, :4], 0.5), bright(lambda x: x, 0.2)


@pytest.fixture
def corners():
    """400 images, one quarter of each white: the upper left one."""
    x = torch.zeros(400, 1, 8, 8, dtype=torch.uint8)
    x[:, :, :4, :4] = 255
    return x, torch.ones(400, dtype=torch.long)


def test_a_net_of_shapes_loses_what_chance_leaves_and_a_net_of_textures_nothing(corners):
    curve = shuffle_curve(CORNER, *corners, seed=3)
    assert list(curve) == list(GRIDS) and curve[1] == 1
    # Of four quarters one is white, and comes to the upper left in one of four orders.
    assert curve[2] == pytest.approx(0.25, abs=0.06)
    assert shuffle_curve(TEXTURE, *corners) == dict.fromkeys(GRIDS, 1.0)


def test_every_model_sees_the_same_images(corners):
    x, y = corners
    curve = shuffle_curve(CORNER, x, y, grids=(2, 4), seed=3)
    for k in (2, 4):
        images = shuffle_patches(x, k, generator=torch.Generator().manual_seed(3))
        expected = accuracy(CORNER, images, y)
        assert (curve[k].num_correct, curve[k].num_evaluated) == (expected.num_correct, 400)
    assert shuffle_curve(CORNER, x, y, grids=(4,), seed=3)[4] == curve[4]
    assert shuffle_curve(CORNER, x / 255, y, grids=(2, 4), seed=3) == curve
    assert shuffle_curve(CORNER, x, y, grids=(2, 4), seed=4) != curve


@pytest.mark.parametrize("corruption", STRENGTHS)
def test_the_size_of_the_batches_changes_nothing(corruption):
    drawn, strengths = level_set(plane(), 20), (1, 2, 4) if corruption == "shuffle" else (64, 128)
    index = torch.arange(19, -1, -1)
    whole, parts = (
        corrupted_correct(EvaluatedModel.of("net", plane(), drawn, batch_size=size), index, corruption, strengths, seed=3)
        for size in (500, 3)
    )
    expected = corruption_curve(plane(), drawn.x[index], drawn.y[index], corruption, strengths=strengths, seed=3)
    for strength in strengths:
        assert torch.equal(whole[strength], parts[strength])
        assert int(whole[strength].sum()) == expected[strength].num_correct
    assert not whole[strengths[1]].all()


@pytest.mark.parametrize(
    ("corruption", "strength", "said"),
    [
        ("shuffle", 3, "k = 3"),
        ("shuffle", 2.5, "strength 2.5 is not a whole number"),
        ("noise", 300, r"strength 300 lies outside \[0, 255\]"),
        ("shuffle", "abc", "strength 'abc' is not a number"),
        ("fog", 1, "no corruption 'fog'; there are noise, shuffle"),
        ("blur", None, "no corruption 'blur'; there are noise, shuffle"),
    ],
)
def test_what_cannot_be_done_is_refused(corners, corruption, strength, said):
    with pytest.raises(InputError, match=said):
        corruption_curve(CORNER, *corners, corruption, strengths=None if strength is None else (strength,))
