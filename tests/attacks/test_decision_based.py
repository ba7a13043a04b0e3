"""What the boundary attack and HopSkipJump share: starts, counted queries, images attacked as if they were alone."""

import pytest
import torch

from defective.attacks import boundary_details, hopskipjump_details
from defective.attacks.schedule import SCHEDULES
from problems import Brightness, distances, linear_case, seeded


def walk(schedule):
    return lambda *images, **options: boundary_details(*images, steps=30, schedule=schedule, **options)


def jump(norm):
    return lambda *images, **options: hopskipjump_details(*images, steps=4, norm=norm, **options)


ATTACKS = {name: walk(name) for name in SCHEDULES} | {name: jump(name) for name in ("l2", "linf")}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_image_does_not_feel_its_batch(attack):
    model, x, y = linear_case()
    together = attack(model, x, y, generator=seeded())
    for sizes, batch_size in (([1, 5], 500), ([4, 2], 7)):
        options = {"generator": seeded(), "batch_size": batch_size}
        parts = [attack(model, *pair, **options) for pair in zip(x.split(sizes), y.split(sizes), strict=True)]
        assert torch.equal(together.x_adv, torch.cat([part.x_adv for part in parts]))
        assert torch.equal(together.queries, torch.cat([part.queries for part in parts]))


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_every_query_is_counted(attack):
    model, x, y = linear_case()
    asked = []
    model.register_forward_hook(lambda module, inputs, output: asked.append(len(output)))
    # One more than the attack's: the model is asked once how many classes it has.
    assert int(attack(model, x, y, generator=seeded()).queries.sum()) == sum(asked) - 1


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_images_that_are_misclassified_or_find_no_start_are_left_alone_and_the_others_go_on(attack):
    x = torch.tensor([0.2, 0.9, 0.3, 0.6])[:, None, None, None].expand(4, 1, 8, 8)
    result = attack(Brightness(), x, torch.tensor([0, 1, 0, 1]), generator=seeded())
    assert result.started.tolist() == [False, True, False, True]
    assert torch.equal(result.x_adv[[0, 2, 3]], x[[0, 2, 3]])
    assert result.queries[3] == 1 and (result.queries[[0, 2]] == 1001).all()
    assert result.x_adv[1].mean() < 0.7 and 0 < distances(x, result.x_adv)[1] < 4
