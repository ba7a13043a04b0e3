"""Estimates from measured steps: the arithmetic, and what is measured once."""

import pytest
import torch

from defective import progress
from defective.experiments import measure
from defective.experiments.cost import ImageCost, estimate
from defective.experiments.measure import STEPS, Measured, measure_steps
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob, ShuffleJob
from runs import SHAPE, net

SHAPES, COUNTS = {"few": SHAPE}, {"few": (100, 30)}
CPU = torch.device("cpu")
# Of a model by its architecture: seconds in a training step, in a gradient and in a forward pass.
COST = {"resnet18": ImageCost(0.5, 0.25, 0.125), "vgg19": ImageCost(8.0, 4.0, 2.0)}
PLAIN, OTHER = net("resnet18", epochs=3), net("vgg19/0.5-bottom", epochs=3)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def measured(asked):
    def made(*nets, shapes=SHAPES):
        def measure(job, shape, device):
            asked.append((str(job.net), shape, device))
            return COST[job.net.arch]

        return Measured(nets, shapes, CPU, measure)

    return made


def craft(attack, *sources):
    return GenerateJob(sources=sources, attack=AttackSpec.parse(attack), samples=10)


MADRY = net("resnet18", epochs=3, adversarial=AttackSpec.parse("pgd:steps=7"))


@pytest.mark.parametrize(
    ("job", "seconds"),
    [
        # 3 epochs of 100 training and 30 test images.
        (PLAIN, 3 * (100 * 0.5 + 30 * 0.125)),
        (MADRY, 3 * (100 * (0.5 + 7 * 0.25) + 30 * 0.125)),
        # One gradient more for the images themselves.
        (craft("fgsm", PLAIN), 10 * 2 * 0.25),
        (craft("pgd:steps=20", PLAIN, OTHER), 10 * 21 * (0.25 + 4.0)),
        (craft("cw:steps=100,search_steps=9", PLAIN), 10 * 901 * 0.25),
        (craft("sifgsm:steps=10,scales=5", PLAIN), 10 * 51 * 0.25),
        (craft("vmifgsm:steps=10,neighbors=20", PLAIN), 10 * 211 * 0.25),
        (ScoreJob(target=OTHER, adversarial=craft("fgsm", PLAIN)), 10 * 3 * 2.0),
        (DecisionJob(target=OTHER, attack=AttackSpec.parse("boundary:steps=50,directions=25"), samples=10), 10 * 1250 * 1.5 * 2.0),
        (NoiseJob(targets=(PLAIN, OTHER), sigmas=(1, 2, 4), samples=10), (30 + 3 * 10) * (0.125 + 2.0)),
        (ShuffleJob(targets=(PLAIN,), grids=(2,), confidence=0.9, samples=10), (30 + 10) * 0.125),
    ],
    ids=lambda each: getattr(each, "kind", None),
)
def test_a_job_costs_its_images_times_what_one_took(measured, job, seconds):
    assert estimate(job, measured(PLAIN, OTHER, MADRY), COUNTS) == seconds


def test_each_architecture_width_shape_and_batch_is_measured_once(measured, asked):
    ensemble = net("resnet18/0.5-bottom-en")
    alike = [net(), net(seed=1), net("resnet18/0.5-bottom"), net("resnet18/0.9-dropout"), ensemble]
    others = [net("vgg19"), net("resnet18/0.5-bottom-x2"), net(width_mult=0.5), net(batch_size=32), net(data="larger")]
    shapes = SHAPES | {"larger": (3, 64, 64)}
    costs = measured(*alike, *others, shapes=shapes)
    names = [(str(each.net), shapes[each.data], CPU) for each in (alike[0], *others)]
    assert asked == names
    assert costs(alike[2]) == COST["resnet18"] and costs(ensemble) == ImageCost(2.5, 1.25, 0.625)
    assert costs(net(seed=7)) == COST["resnet18"]
    for unknown in (net(width_mult=1.0), net(data="unknown")):
        with pytest.raises(KeyError):
            costs(unknown)
    rows = costs.as_rows()
    assert [(row["net"], row["batch_size"]) for row in rows[:2]] == [("resnet18", 8), ("vgg19", 8)]
    assert {key: rows[1][key] for key in ("train", "gradient", "forward")} == {"train": 8.0, "gradient": 4.0, "forward": 2.0}


@pytest.mark.parametrize("job", [net("resnet18/0.5-bottom", batch_size=16, width_mult=0.0625), net("vgg19", width_mult=0.0625)])
def test_a_measurement_is_a_few_steps_whatever_the_recipe(monkeypatch, job):
    """Adversarial training, the best epoch and a streamed augmentation are not what is measured; nobody sees its bars."""
    steps, attacks, fit, pgd = [], [], measure.fit, measure.pgd

    def trained(model, data, recipe, **options):
        assert not progress.shown.get() and recipe.adversarial is None and recipe.augment in ("crop-flip", "none")
        steps.append(recipe.epochs * len(data) // recipe.batch_size)
        return fit(model, data, recipe, **options)

    def attacked(model, x, y, **numbers):
        attacks.append(numbers["steps"])
        return pgd(model, x, y, **numbers)

    monkeypatch.setattr(measure, "fit", trained)
    monkeypatch.setattr(measure, "pgd", attacked)
    changes = {"adversarial": AttackSpec.parse("pgd"), "selection": "best-on-test", "augment": "resized-crop-flip"}
    hard = job.model_copy(update={"recipe": job.recipe.model_copy(update=changes)})
    token = progress.shown.set(True)
    found = measure_steps(hard, SHAPE, CPU)
    progress.shown.reset(token)
    assert steps == [2 * STEPS] and attacks == [STEPS, STEPS] and min(found) > 0
