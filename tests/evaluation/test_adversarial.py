import math
import random

import numpy as np
import pytest
import torch
from torch import nn

from defective import AttackSpec, InputError
from defective.data import ImageSet
from defective.evaluation import EvaluatedModel, adversarial, generate
from evaluations import EPS, FGSM, Around, Counted, own, stored
from problems import best_linear_attack, level_set, plane


def test_a_linear_net_is_attacked_exactly(source):
    made = generate(source, FGSM, samples=20, seed=3)
    assert torch.equal(made.index, source.sample(20, seed=3))
    x, y = source.data.take(made.index)
    assert torch.equal(made.x, x) and torch.equal(made.y, y)
    best = best_linear_attack(source.model, x / 255, y, EPS)
    assert torch.equal(made.x_adv, (255 * best).round().to(torch.uint8))
    assert torch.equal(made.predicted, source.model(best).argmax(1))
    assert (made.source, made.attack, made.settings) == ("source", str(FGSM), {"seed": 3, "samples": 20, "rounded": True})
    assert made.fingerprint == source.fingerprint
    # Every pixel moved by 8 levels, in each of 32 pixels.
    assert made.changes() == pytest.approx({"linf_max": EPS, "l2_mean": EPS * math.sqrt(32)}, rel=1e-5)
    # There are 60 images.
    more = generate(source, FGSM, samples=500)
    assert len(more.y) == 60 and more.settings["samples"] == 500
    kept = generate(source, FGSM, samples=20, seed=3, rounded=False)
    torch.testing.assert_close(kept.x_adv, best, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "text", ["noise:sigma=16/255", "difgsm:eps=16/255,step_size=4/255,steps=3,resize_rate=0.5", "boundary:steps=8"]
)
def test_random_attacks_do_not_feel_the_batch_size_but_the_seed(net, monkeypatch, text):
    monkeypatch.setattr(adversarial, "CHUNK", 16)
    # A gradient that turns from place to place.
    wavy = Around(net, before=lambda x: (20 * x).sin())
    source = EvaluatedModel.of("source", wavy, level_set(wavy))
    whole, other, again = (
        generate(source, AttackSpec.parse(text), index=torch.arange(20), batch_size=size, seed=seed)
        for size, seed in ((250, 0), (5, 0), (250, 1))
    )
    assert torch.equal(whole.x_adv, other.x_adv) and torch.equal(whole.predicted, other.predicted)
    assert not torch.equal(whole.x_adv, again.x_adv)


def test_each_piece_draws_numbers_of_its_own(net, monkeypatch):
    monkeypatch.setattr(adversarial, "CHUNK", 1)
    data = level_set(net, 1)
    twice = ImageSet("twice", "test", data.x.repeat(2, 1, 1, 1), data.y.repeat(2), data.classes)
    x_adv = generate(EvaluatedModel.of("source", net, twice), AttackSpec.parse("noise"), samples=2).x_adv
    assert not torch.equal(x_adv[0], x_adv[1])


def test_fewer_images_are_the_first_of_more(net, tmp_path, monkeypatch):
    monkeypatch.setattr(adversarial, "CHUNK", 5)
    source, attack = EvaluatedModel.of("source", net, level_set(net), stored(tmp_path)), Counted()
    few, more, none = (generate(source, own(attack), samples=count) for count in (5, 12, 10))
    assert attack.calls == [5, 5, 2]
    for name in ("x_adv", "predicted", "index"):
        assert torch.equal(getattr(more, name)[:5], getattr(few, name))
        assert torch.equal(getattr(more, name)[:10], getattr(none, name))


CHANGES = {
    "seed": {"seed": 1},
    "rounded": {"rounded": False},
    "version": {"attack": {"version": "2"}},
    "radius": {"attack": {"eps": 0.5}},
    "net": {"source": plane(1)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_the_images_makes_them_anew(net, tmp_path, change):
    changes = dict(CHANGES[change])
    attack, of_attack, model = Counted(), changes.pop("attack", {}), changes.pop("source", net)
    data = level_set(net)
    generate(EvaluatedModel.of("source", net, data, stored(tmp_path)), own(attack), samples=5)
    generate(EvaluatedModel.of("source", model, data, stored(tmp_path)), own(attack, **of_attack), samples=5, **changes)
    assert len(attack.calls) == 2
    # Its name does not; without a version it may be another one each time.
    for again, version in ((2, "1"), (3, ""), (4, "")):
        generate(EvaluatedModel.of("other", net, data, stored(tmp_path)), own(attack, version=version), samples=5)
        assert len(attack.calls) == again


def test_the_size_of_the_batches_counts_for_an_attack_that_may_depend_on_it_alone(net, tmp_path):
    attack, data = Counted(), level_set(net)
    source = EvaluatedModel.of("source", net, data, stored(tmp_path))
    for size in (5, 2, 5, 2):
        generate(source, own(attack), samples=5, batch_size=size)
    assert attack.calls == [5, 2, 2, 1]
    known = len(list(tmp_path.rglob("*.safetensors")))
    for size in (5, 2):
        generate(source, FGSM, samples=5, batch_size=size)
    assert len(list(tmp_path.rglob("*.safetensors"))) == known + 1


def scatter(model, x, y):
    return (x + 0.1 * torch.rand_like(x)).clamp(0, 1)


def scatter_by_numpy(model, x, y):
    moved = x.numpy() + np.random.uniform(0, 0.1, x.shape) + random.uniform(0, 0.1)  # noqa: NPY002 - as ART does
    return torch.from_numpy(moved).float().clamp(0, 1)


def noisy(net):
    return Around(net, before=lambda x: (20 * x + torch.randn_like(x)).sin())


@pytest.mark.parametrize(
    ("change", "attack"),
    [(lambda net: net, own(scatter)), (lambda net: net, own(scatter_by_numpy)), (noisy, FGSM)],
    ids=["attack", "attack by numpy", "model"],
)
def test_what_the_users_own_code_draws_follows_the_seed(net, change, attack):
    source = EvaluatedModel.of("source", change(net), level_set(net))
    torch.manual_seed(5)
    before, others = torch.get_rng_state(), (random.getstate(), repr(np.random.get_state()))  # noqa: NPY002
    first, again, other = (generate(source, attack, index=torch.arange(20), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert (random.getstate(), repr(np.random.get_state())) == others  # noqa: NPY002
    assert torch.equal(first.x_adv, again.x_adv) and not torch.equal(first.x_adv, other.x_adv)


def trains(model, x, y):
    model.train()
    model(x)
    return x


def writes(model, x, y):
    with torch.no_grad():
        next(model.parameters()).add_(1)
    return x


def writes_data(model, x, y):
    next(model.parameters()).data.add_(1)
    return x


def replaces(model, x, y):
    model.load_state_dict({name: value + 1 for name, value in model.state_dict().items()}, assign=True)
    return x


@pytest.mark.parametrize("attack", [trains, writes, writes_data, replaces])
def test_an_attack_that_changes_the_model_is_refused(attack):
    net = nn.Sequential(nn.BatchNorm2d(2), plane()).eval()
    with pytest.raises(InputError, match=r"^mine on net: the attack changed the model's weights"):
        generate(EvaluatedModel.of("net", net, level_set(plane())), own(attack), samples=5)
    assert not net.training


@pytest.mark.parametrize("kept", [torch.tensor(math.nan), torch.eye(2).to_sparse()], ids=["nan", "sparse"])
def test_whatever_a_model_holds_is_unchanged_where_it_is_left_alone(kept):
    net = plane()
    net.register_buffer("kept", kept)
    assert len(generate(EvaluatedModel.of("net", net, level_set(net)), own(lambda model, x, y: x), samples=5).y) == 5


@pytest.mark.parametrize(("eps", "kept"), [(np.float32(0.5), 0.5), (0, 0.0), (torch.tensor(0.25), 0.25)])
def test_any_number_is_a_radius(net, tmp_path, eps, kept):
    attack = own(lambda model, x, y: x, eps=eps)
    assert type(attack.eps) is float and attack.eps == kept
    with pytest.raises(InputError, match="write it as 16/255"):
        own(lambda model, x, y: x, eps=16 + eps)
    generate(EvaluatedModel.of("source", net, level_set(net), stored(tmp_path)), attack, samples=5)


def in_place(model, x, y):
    return x.add_(0.1)


BROKEN = {
    "tuple": (
        lambda m, x, y: (x, x),
        r"the attack returned tuple, not images: return only the images, for example attack\(...\)\[1\]",
    ),
    "shape": (lambda m, x, y: x[:1], r"the attack returned shape \(1, 2, 4, 4\) for images \(6, 2, 4, 4\)"),
    "nan": (lambda m, x, y: x * torch.nan, r"the attack returned images that are not in \[0, 1\]"),
    "range": (lambda m, x, y: x + 1, r"the attack returned images that are not in \[0, 1\]"),
    "ball": (lambda m, x, y: x + 0.1, r"the attack exceeded its radius: it changed a pixel by 0\.1, eps is 0\.03137"),
    "in place": (in_place, r"the attack exceeded its radius: it changed a pixel by 0\.1, eps is 0\.03137"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_attack_that_breaks_its_word_is_refused_by_name(source, case):
    attack, said = BROKEN[case]
    with pytest.raises(InputError, match=f"^mine on source: {said}"):
        generate(source, own(attack, eps=EPS), samples=6)
