import hashlib
from dataclasses import replace

import pytest
import torch

from defective.data.sets import ImageSet, index_hash, pick


@pytest.fixture
def ten() -> ImageSet:
    x = torch.arange(10 * 3 * 2 * 4, dtype=torch.uint8).view(10, 3, 2, 4)
    return ImageSet("made", "test", x, torch.arange(10) % 3, ("a", "b", "c"), torch.arange(10) % 2)


@pytest.mark.parametrize(
    ("total", "count", "length"), [(10, 3, 3), (10, 10, 10), (10, 99, 10), (1000, 1000, 1000), (10, 0, 0), (0, 5, 0)]
)
def test_a_pick_has_no_index_twice(total, count, length):
    picked = pick(total, count, seed=4).tolist()
    assert len(set(picked)) == len(picked) == length
    assert set(picked) <= set(range(total))


def test_a_pick_is_random_and_the_same_for_the_same_seed():
    state = torch.get_rng_state()
    assert pick(1000, 5).tolist() == pick(1000, 5, seed=0).tolist()
    assert torch.equal(torch.get_rng_state(), state)
    assert len({tuple(pick(1000, 5, seed=seed).tolist()) for seed in range(20)}) == 20
    assert pick(1000, 5, seed=3).tolist() == pick(1000, 9, seed=3).tolist()[:5]
    counts = torch.stack([pick(10, 3, seed=seed).bincount(minlength=10) for seed in range(1000)]).sum(0)
    assert ((counts - 300).abs() < 75).all()


def test_the_hash_of_an_index_tells_its_numbers_and_their_order():
    index = torch.tensor([3, 1, 2])
    numbers = b"".join(number.to_bytes(8, "little") for number in (3, 1, 2))
    assert index_hash(index) == index_hash(index.int()) == hashlib.sha256(numbers).hexdigest()[:16]
    others = [torch.tensor(other) for other in ([1, 2, 3], [3, 2, 1], [3, 1], [3, 1, 2, 2], [3, 1, 4])]
    assert len({index_hash(other) for other in (index, *others)}) == 6


def test_a_set_describes_itself_without_its_pixels(ten):
    assert (len(ten), ten.image_shape) == (10, (3, 2, 4))
    assert str(ten) == "ImageSet(name='made', split='test', classes=('a', 'b', 'c'))"
    moved = ten.to(torch.device("meta"))
    assert {moved.x.device.type, moved.y.device.type} == {"meta"} and str(moved) == str(ten)


@pytest.mark.parametrize("crop_seed", [None, 1])
def test_batches_follow_the_order(ten, crop_seed):
    order = torch.tensor([9, 3, 5, 0, 3])
    batches = list(ten.batches(order, 2, crop_seed=crop_seed))
    assert [len(y) for _, y in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([x for x, _ in batches]), ten.x[order])
    assert torch.equal(torch.cat([y for _, y in batches]), ten.y[order])


def test_the_digest_is_of_every_pixel_label_and_class_and_computed_once():
    x = torch.randint(0, 256, (600, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = ImageSet("made", "test", x, torch.arange(600) % 2, ("a", "b"))
    other = x.clone()
    other[577, 1, 3, 3] ^= 1
    changed = [
        replace(data, x=other),
        replace(data, x=x.view(600, 3, 4, 16)),
        replace(data, y=1 - data.y),
        replace(data, classes=("a", "c")),
        replace(data, y_texture=data.y),
    ]
    assert len({each.digest for each in (data, *changed)}) == 6
    assert replace(data, name="other", split="train").digest == data.digest
