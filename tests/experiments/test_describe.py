import pytest

from defective.experiments.describe import title
from defective.paper import EXHIBITS
from defective.specs import NetSpec, Recipe, TrainJob
from exhibits import nets, setup_of


def titles(scale, *names, data="cifar10"):
    """Titles of the nets of some exhibits on one data set."""
    return {title(job) for job in nets(setup_of(scale), *names) if job.data == data}


def test_what_a_scale_changes_is_said_in_words():
    assert titles("tiny", "table2", "table3") >= {
        "wrn32_4 (tiny, seed 0)",
        "wrn32_4 (tiny, adversarial, 2 epochs, seed 0)",
        "wrn32_4/therm16 (tiny, adversarial, 2 epochs, seed 0)",
        "densenet121/0.3-bottom (tiny, 3 epochs, seed 0)",
        "resnet50 (tiny, 3 epochs, seed 1)",
        "vgg19 (tiny, seed 0)",
    }
    assert titles("tiny", "table7") == {
        "resnet18 (tiny, seed 0)",
        "resnet18 (tiny, label smoothing 0.1, seed 0)",
        "resnet18/0.1-bottom (tiny, seed 0)",
    }


def test_what_is_as_the_scale_has_it_is_not_said():
    # As many epochs as the scale's recipe has: of adversarial training at other scales, of slow nets on MNIST.
    assert "wrn32_4/therm16 (paper, adversarial, seed 0)" in titles("paper", "table2")
    assert "resnet50 (tiny, seed 0)" in titles("tiny", "table6", data="mnist")


@pytest.mark.parametrize("scale", ["tiny", "small", "fast", "paper"])
def test_each_net_of_the_paper_has_a_title_of_its_own(scale):
    found = [(title(job), job.data) for job in nets(setup_of(scale, 1), *EXHIBITS)]
    assert len(set(found)) == len(found) and not any("*" in words for words, _ in found)


def test_epochs_of_a_recipe_that_no_scale_has_are_told_when_it_is_changed():
    recipe = Recipe(name="quick", epochs=9)
    job = TrainJob(net=NetSpec.parse("vgg19"), data="few", recipe=recipe, seed=1, mask_seed=1)
    assert title(job) == "vgg19 (quick, seed 1)"
    assert title(job.model_copy(update={"recipe": recipe.changed(lr=0.3)})) == "vgg19 (quick, 9 epochs, seed 1)"
