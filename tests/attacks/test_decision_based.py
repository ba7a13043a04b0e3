"""What the boundary attack and HopSkipJump share: starts, counted queries, surrogates, images attacked as if they were alone."""

import copy

import pytest
import torch

from defective.attacks import boundary_details, hopskipjump_details
from defective.attacks.boundary import SCHEDULES
from evaluations import Around
from problems import Brightness, distances, linear_case, seeded
from refusals import refused


def walk(schedule, steps=30):
    return lambda *images, **options: boundary_details(*images, steps=steps, schedule=schedule, **options)


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


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_clean_images_without_a_class_are_refused(attack):
    model, x, y = linear_case()
    nan_for_one = Around(model, after=lambda z, x: z.index_fill(0, torch.tensor(2), torch.nan) if len(z) == 6 else z)
    with refused("^the model returned nan or inf for 1 of 6 images$"):
        attack(nan_for_one, x, y, generator=seeded())


# An attack, its steps, its norm and the dual one, and how much farther than the boundary its images may lie.
WITH_SURROGATE = {
    "boundary": (walk("quick", 600), 600, 2, 2, 1.15),
    "hopskipjump": (jump("l2"), 4, 2, 2, 2),
    "hopskipjump, linf": (jump("linf"), 4, torch.inf, 1, 2),
}


@pytest.mark.parametrize("name", WITH_SURROGATE)
@pytest.mark.parametrize(("share", "asked_again"), [(0.05, False), (10.0, True), (-1000.0, True)])
def test_what_a_surrogate_reaches_is_extended_and_else_the_model_is_asked(share, asked_again, name):
    """The surrogate's boundary is nearer by a share of the distance; where all is wrong to it, the image itself is what it finds, and
    where all is right it finds no start."""
    attack, steps, norm, dual, farther = WITH_SURROGATE[name]
    model, x, y = linear_case()
    x, y = x[:1], y[:1]
    handicap = share * model(x).detach().diff().abs() * (torch.arange(2) == y)
    surrogate, walked = Around(copy.deepcopy(model), after=lambda z, x: z - handicap), []
    asked = {model: 0, surrogate: 0}
    for each in asked:
        each.register_forward_hook(lambda module, inputs, output: asked.update({module: asked[module] + len(output)}))
    result = attack(model, x, y, generator=seeded(), surrogate=surrogate, on_step=lambda: walked.append(None))
    assert len(walked) == (2 * steps if asked_again else steps)
    assert (asked[model] > 20) == asked_again and asked[surrogate] > 50
    # Each checks its classes on one image first.
    assert int(result.queries.sum()) == asked[model] + asked[surrogate] - 2
    assert result.started.all() and (model(result.x_adv).argmax(1) != y).all()
    best = model(x).diff().abs() / (model[1].weight[0] - model[1].weight[1]).norm(dual)
    assert best * (1 - 1e-9) <= distances(x, result.x_adv, norm) <= farther * best
