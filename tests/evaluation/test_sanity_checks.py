import pytest
import torch
from torch import nn

from defective import AttackSpec
from defective.data import ImageSet
from defective.evaluation import AdversarialSet, EvaluatedModel, Outcome, evaluate, sanity_checks
from defective.evaluation.sanity_checks import CHECKS, run_checks
from evaluations import Around, numb
from problems import level_set, plane, trained_on_patterns

PASSED = dict.fromkeys(CHECKS, "passed") | {"white-box": "undecided"}


def verdicts(model, data, outcomes=(), **options):
    return {check.check: check.verdict for check in run_checks(EvaluatedModel.of("mine", model, data), outcomes, **options)}


def patterns():
    """A small net trained for a moment to tell four coloured patterns apart, and 8-bit images that it is to classify."""
    net, x, y = trained_on_patterns()
    return net, ImageSet("patterns", "test", (255 * x).round().to(torch.uint8), y, tuple("abcd"))


class Staircase(nn.Module):
    """PGD pushes one pixel after the other up; the net is right or wrong by how many it has pushed, as a list says.

    Its gradient is its own, true gradient: each pixel in turn lowers the margin a little until it is 7 levels up. Within 8 levels five
    steps push 1 pixel, then 2, 5 and 10; twenty steps within 2, 4, 8, 16 and 32 levels 0, 0, 5, 10 and 20; random noise of 8 levels some
    32 of the 64; fifty steps without bounds 50.
    """

    def __init__(self, wrong):
        super().__init__()
        self.register_buffer("wrong", torch.tensor([float(count in wrong) for count in range(65)]))

    def forward(self, x):
        levels = 255 * x.flatten(1) - 128
        pushed = levels > 7
        pixel = (~pushed).float().argmax(1, keepdim=True)
        margin = 1 - 2 * self.wrong[pushed.sum(1)] - 0.01 * levels.gather(1, pixel).squeeze(1)
        return torch.stack([margin, -margin], 1)


FLAT = ImageSet("flat", "test", torch.full((60, 1, 8, 8), 128, dtype=torch.uint8), torch.zeros(60, dtype=torch.long), ("a", "b"))

# --- honest nets pass, dishonest ones fail in just what is wrong with them ---


@pytest.mark.parametrize("made", [lambda: (plane(), level_set(plane(), 100)), patterns], ids=["linear", "trained"])
def test_an_honest_net_passes(made):
    assert verdicts(*made()) == PASSED


def in_steps(x):
    """Images rounded to even levels, with the gradient of images that are not."""
    return x + (2 * ((255 * x + 1) / 2).floor() / 255 - x).detach()


def sqrt_of_nothing(z, x):
    return z + (x - x.detach()).abs().sqrt().flatten(1).sum(1, keepdim=True)


DISHONEST = {
    "noise on the logits": ({"after": lambda z, x: z + 1e-3 * torch.randn_like(z)}, {"deterministic"}),
    "one image alone answered otherwise": ({"after": lambda z, x: z + 0.3 * (len(x) == 1) * z}, {"deterministic"}),
    "images rounded": ({"before": in_steps}, {"surface"}),
    "logits rounded": ({"after": lambda z, x: z.round(decimals=1)}, {"gradient", "surface", "noise", "unbounded"}),
    "logits so large that the loss is 0": ({"after": lambda z, x: 1e6 * z}, {"gradient", "noise", "unbounded"}),
    "a gradient that points the other way": ({"before": lambda x: 2 * x.detach() - x}, {"surface", "noise", "unbounded"}),
    "a gradient that is nan": ({"after": sqrt_of_nothing}, {"gradient", "surface", "noise", "steps", "radius", "unbounded"}),
}


@pytest.mark.parametrize("case", DISHONEST)
def test_a_dishonest_net_fails(case):
    changes, failed = DISHONEST[case]
    data = level_set(plane(), 200)
    data.x.bitwise_and_(254)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = verdicts(Around(plane(), **changes), data)
    assert found == PASSED | dict.fromkeys(failed, "failed")


@pytest.mark.parametrize(
    ("wrong", "failed"),
    [
        (range(1, 65), None),
        ({1, 2, 50}, "steps"),
        ({5, 10, 50}, "radius"),
        ({*range(21, 45), 50}, "noise"),
        (range(1, 45), "unbounded"),
    ],
)
def test_each_check_of_strength_fails_alone(wrong, failed):
    assert verdicts(Staircase(wrong), FLAT) == PASSED | ({failed: "failed"} if failed else {})


def test_the_numbers_are_those_of_the_staircase():
    found = {
        check.check: check.measured
        for check in run_checks(EvaluatedModel.of("stairs", Staircase({1, 2, 20, 50}), FLAT), samples=30)
    }
    assert found["deterministic"] == "logits differ by 0 from call to call, by 0 in another batch"
    assert found["gradient"].startswith("30 of 30 images have one")
    assert found["surface"] == "30 of 30 images"
    assert found["noise"] == "still correct under noise 100.0 %, under PGD 100.0 %"
    assert found["steps"] == "still correct at 5: 0.0 %, 10: 0.0 %, 20: 100.0 %, 40: 100.0 %"
    assert found["radius"] == "still correct at 2: 100.0 %, 4: 100.0 %, 8: 100.0 %, 16: 100.0 %, 32: 0.0 %"
    assert found["unbounded"] == "0 of 30 images still correct"


def test_a_model_that_fails_on_attacked_images_alone_fails_the_checks_that_attack_it():
    def nan_where_moved(z, x):
        return torch.where(((255 * x - 128).abs() > 4).flatten(1).any(1, keepdim=True), torch.nan, z)

    model = Around(Staircase(range(1, 65)), after=nan_where_moved)
    found = evaluate({"fails": model, "stairs": Staircase(range(1, 65))}, FLAT, parts=("checks",), check_samples=20)
    failed = dict.fromkeys(("noise", "steps", "radius", "unbounded"), "failed")
    assert {check.check: check.verdict for check in found.checks["fails"]} == PASSED | failed
    assert {check.check: check.verdict for check in found.checks["stairs"]} == PASSED
    said = {check.measured for check in found.checks["fails"] if check.verdict == "failed"}
    assert said == {"on attacked images the model returned nan or inf for 20 of 20 images"}


def test_without_a_gradient_only_determinism_can_be_asked():
    found = run_checks(EvaluatedModel.of("mine", numb(), level_set(plane())))
    expected = dict.fromkeys(CHECKS, "undecided") | {"deterministic": "passed", "gradient": "failed"}
    assert {check.check: check.verdict for check in found} == expected
    assert [check.check for check in found] == list(CHECKS)
    assert "decision-based" in found[1].measured


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_nets_of_other_precision_can_be_asked(dtype):
    assert verdicts(plane().to(dtype), level_set(plane(), 50)) == PASSED


# --- white-box against transfer ---

PGD = AttackSpec.parse("pgd:eps=64/255,step_size=16/255,steps=10")


def nearly_plane():
    """A net of its own that is wrong where a plane is."""
    net = plane()
    net[1].weight.data.mul_(1.0001)
    return net


def test_a_net_that_hides_from_its_own_attacker_fails_white_box():
    targets = {"honest": plane(), "hiding": Around(plane(), after=lambda z, x: 1e6 * z)}
    parts = ("transfer", "white-box", "checks")
    found = evaluate(
        targets, level_set(plane(), 100), sources={"twin": nearly_plane()}, attacks=[PGD], parts=parts, check_samples=20
    )
    said = {name: {check.check: check for check in each} for name, each in found.checks.items()}
    assert said["honest"]["white-box"].verdict == "passed"
    assert said["hiding"]["white-box"].verdict == "failed"
    # What fools the twin fools its equal; the equal's own attacker finds no gradient.
    assert said["hiding"]["white-box"].measured == "still correct: pgd white-box 100.0 %, from twin 0.0 %"
    assert found.failed() == [f"hiding: {name}" for name in ("gradient", "unbounded", "white-box")]


def outcome(relation, right, attack="pgd:steps=1", *, clean=True):
    """100 images, on so many of which the target is robust."""
    x, y, index = torch.zeros(100, 1, 1, 1), torch.zeros(100, dtype=torch.long), torch.arange(100)
    made = AdversarialSet(x, y, x, y + 1, index, "other", attack)
    return Outcome("mine", made, y + int(not clean), (index >= right).long(), relation)


OUTCOMES = {
    "weaker in itself": ("failed", [outcome("white-box", 60), outcome("black-box", 20)]),
    "as strong": ("passed", [outcome("white-box", 20), outcome("black-box", 20)]),
    "weaker by chance": ("passed", [outcome("white-box", 25), outcome("black-box", 20)]),
    "the strongest of several counts": (
        "failed",
        [outcome("black-box", 90), outcome("adaptive", 20), outcome("white-box", 60), outcome("gray-box (other masks)", 80)],
    ),
    "no white-box attack": ("undecided", [outcome("black-box", 20)]),
    "no transfer": ("undecided", [outcome("white-box", 60)]),
    "another attack": ("undecided", [outcome("white-box", 60), outcome("black-box", 20, "fgsm:")]),
    "no image to compare with": ("undecided", [outcome("white-box", 60), outcome("black-box", 20, clean=False)]),
    "one source without images": (
        "failed",
        [outcome("black-box", 20, clean=False), outcome("white-box", 60), outcome("black-box", 20)],
    ),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_white_box_attacks_must_not_be_weaker_than_transferred_ones(case):
    verdict, outcomes = OUTCOMES[case]
    found = run_checks(EvaluatedModel.of("mine", Staircase({1}), FLAT), outcomes, samples=2)[-1]
    assert (found.check, found.verdict) == ("white-box", verdict)


# --- chance ---


@pytest.mark.parametrize(("usable", "verdict"), [(200, "passed"), (198, "passed"), (197, "failed"), (0, "failed")])
def test_a_gradient_for_99_of_100_is_enough(usable, verdict):
    norm = torch.ones(200)
    norm[usable:] = torch.tensor([0.0, torch.nan, torch.inf])[torch.arange(200 - usable) % 3]
    assert sanity_checks._gradient(norm).verdict == verdict


@pytest.mark.parametrize(("falls", "verdict"), [(100, "passed"), (86, "passed"), (80, "failed")])
def test_nine_of_ten_must_fall_up_to_chance(falls, verdict):
    assert sanity_checks._surface(torch.arange(100) < falls).verdict == verdict
