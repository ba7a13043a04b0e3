import pytest
import torch
from torch import nn

from defective import InputError, attacks
from defective.data import ImageSet
from defective.evaluation import CustomAttack, EvaluatedModel, accuracy, corruption_curve, defense_rate, generate, score, shape_bias
from problems import linear_net


class Answers(nn.Module):
    """Says the class whose number is the first pixel in levels of 255."""

    def __init__(self, classes=10):
        super().__init__()
        self.classes = classes

    def forward(self, x):
        label = (x[:, 0, 0, 0] * 255).round().long().clamp(max=self.classes - 1)
        return nn.functional.one_hot(label, self.classes).float()


def images(labels):
    x = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    x[:, 0, 0, 0] = torch.tensor(labels, dtype=torch.uint8)
    return x


def craft(model, x, y, attack, *, eps=None, **options):
    """The adversarial set of an attack on all images, and the model under evaluation."""
    classes = tuple(map(str, range(model(x[:1].double() / 255 if x.dtype == torch.uint8 else x[:1]).shape[1])))
    source = EvaluatedModel.of("source", model, ImageSet("images", "test", x, y, classes))
    return source, generate(source, CustomAttack("attack", attack, eps), index=torch.arange(len(y)), **options)


def test_accuracy_counts():
    rate = accuracy(Answers(), images([0, 1, 2, 3]), torch.tensor([0, 1, 2, 9]))
    assert (float(rate), rate.num_correct, rate.num_evaluated) == (0.75, 3, 4)


def test_float_and_uint8_images_and_any_batch_size_agree():
    x, y = images(list(range(10)) * 3), torch.arange(30) % 10
    assert accuracy(Answers(), x, y) == accuracy(Answers(), x.float() / 255, y, batch_size=7) == 1


def test_defense_rate_counts_what_the_paper_counts():
    y = torch.tensor([0, 1, 2, 3, 4])
    clean, attacked = images([0, 1, 2, 3, 9]), images([0, 5, 2, 6, 4])
    fooled = torch.tensor([True, True, False, True, True])
    rate = defense_rate(Answers(), clean, y, attacked, fooled=fooled)
    # Right before: 0-3. Source fooled among them: 0, 1, 3. Still right: 0.
    assert (rate.num_correct, rate.num_evaluated) == (1, 3)
    everything = defense_rate(Answers(), clean, y, attacked)
    assert (everything.num_correct, everything.num_evaluated) == (2, 4)


def test_denominators_have_names():
    y = torch.tensor([0, 1, 2, 3])
    source, made = craft(Answers(), images([0, 1, 2, 9]), y, lambda m, x, y: (x + 1 / 255).clamp(0, 1))
    assert made.predicted.tolist() == [1, 2, 3, 9] and made.fooled.all()
    outcome = score(source, made)
    counts = {
        name: (outcome.rate(name).num_correct, outcome.rate(name).num_evaluated) for name in ("paper", "target-correct", "all")
    }
    assert counts == {"paper": (0, 3), "target-correct": (0, 3), "all": (0, 4)}
    with pytest.raises(InputError, match="everyone"):
        outcome.rate("everyone")


def test_no_image_that_counts_is_refused_by_the_function_and_shown_by_the_table():
    y = torch.tensor([0, 1])
    with pytest.raises(InputError, match="no image is eligible"):
        defense_rate(Answers(), images([5, 5]), y, images([0, 1]))


def test_crafting_rounds_and_records_the_source_before_rounding():
    net = linear_net(classes=2)
    x = (torch.rand(40, 2, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 255).round() / 255
    y = net(x).argmax(1)
    eps = 2.5 / 255
    _, made = craft(net, x, y, lambda m, x, y: attacks.fgsm(m, x, y, eps=eps), eps=eps, batch_size=7)
    assert made.x_adv.dtype == torch.uint8
    assert (made.x_adv.double() / 255 - x).abs().max() <= 2 / 255 + 1e-9
    exact = attacks.fgsm(net, x, y, eps=eps)
    assert torch.equal(made.predicted, net(exact).argmax(1))
    _, kept = craft(net, x, y, lambda m, x, y: attacks.fgsm(m, x, y, eps=eps), eps=eps, rounded=False)
    torch.testing.assert_close(kept.x_adv, exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (lambda m, x, y: x[:1], "shape"),
        (lambda m, x, y: x + 2, r"not in \[0, 1\]"),
        (lambda m, x, y: x * float("nan"), r"not in \[0, 1\]"),
        (lambda m, x, y: (x + 0.1).clamp(0, 1), "left the ball"),
    ],
)
def test_the_harness_proves_the_budget_of_any_attack(attack, said):
    with pytest.raises(InputError, match=said):
        craft(Answers(), images([0, 1, 2]), torch.tensor([0, 1, 2]), attack, eps=8 / 255)


def test_a_defective_net_is_scored_like_any_other():
    net = linear_net(classes=2).float()
    x = torch.rand(60, 2, 4, 4)
    y = net(x).argmax(1)
    source, made = craft(net, x, y, lambda m, x, y: attacks.fgsm(m, x, y, eps=1.0), eps=1.0)
    # A linear net falls to an unbounded step, and what fools it fools its twin.
    assert made.fooled.all()
    assert score(source, made).rate() == 0.0


def test_shape_bias_is_the_share_of_shape_decisions():
    rate = shape_bias(Answers(), images([0, 1, 2, 7, 3]), torch.tensor([0, 1, 5, 6, 4]), torch.tensor([9, 9, 2, 8, 3]))
    assert (rate.num_correct, rate.num_evaluated) == (2, 4)
    with pytest.raises(InputError, match="leave them out"):
        shape_bias(Answers(), images([0]), torch.tensor([0]), torch.tensor([0]))


def test_noise_curve_is_the_same_for_every_batch_and_falls():
    net = linear_net(classes=5).float()
    x = torch.rand(200, 2, 4, 4)
    y = net(x).argmax(1)
    curve = corruption_curve(net, x, y, "noise", strengths=(1, 8, 64), seed=1)
    assert list(curve) == [1, 8, 64]
    assert curve[1] > curve[64] and curve[1] > 0.9
    assert curve == corruption_curve(net, x, y, "noise", strengths=(1, 8, 64), seed=1)


BAD = {
    "logits with nan": (nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), "nan"),
    "no logits": (nn.Identity(), r"not logits"),
    "too few classes": (Answers(2), r"\[0, 9\].*2 classes"),
    "crash": (nn.Conv2d(3, 3, 1), "cannot take images"),
}


@pytest.mark.parametrize("case", BAD)
def test_models_that_cannot_be_scored(case):
    model, said = BAD[case]
    if case == "logits with nan":
        nn.init.constant_(model[1].bias, float("nan"))
    with pytest.raises(InputError, match=said):
        accuracy(model, images([0, 1]), torch.tensor([0, 9]))


@pytest.mark.parametrize("labels", [torch.tensor([0]), torch.tensor([0.0, 1.0]), torch.tensor([True, False])])
def test_labels_that_do_not_fit(labels):
    with pytest.raises(InputError, match="labels"):
        accuracy(Answers(), images([0, 1]), labels)
