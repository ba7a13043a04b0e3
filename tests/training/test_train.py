import json
import math
from dataclasses import replace

import pytest
import torch

from defective import Ensemble, InputError, build, load
from defective.build import member_seed
from defective.data import ImageSet
from defective.specs import Recipe
from defective.training.recipes import RECIPES, SCALES, adversary, recipe_for
from defective.training.train import train

RECIPE = Recipe(name="test", width_mult=0.0625, epochs=1, batch_size=50, lr=0.05)


def test_a_run_is_kept_and_not_repeated(data, tmp_path):
    first = train("vgg19/0.5-bottom", data, data, RECIPE, tmp_path, seed=3, device="cpu")
    assert {file.name for file in tmp_path.iterdir()} == {"model.safetensors", "result.json"}
    assert json.loads((tmp_path / "result.json").read_text()) == first
    assert first["machine"]["torch"] == torch.__version__ and first["seed"] == 3
    written = (tmp_path / "model.safetensors").stat().st_mtime_ns
    assert train("vgg19/0.5-bottom", data, data, RECIPE, tmp_path, seed=3, device="cpu") == first
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == written


def test_another_run_in_the_same_folder_is_refused(data, tmp_path):
    settings = {"spec": "vgg19/0.5-bottom", "recipe": RECIPE, "seed": 0, "data": data}
    other = ImageSet(data.name, "train", data.x, data.y, tuple(f"class {i}" for i in range(10)))
    changes = {"seed": 1, "mask_seed": 9, "recipe": RECIPE.changed(lr=0.1), "spec": "vgg19", "data": other}
    # As many images of the same name, with other pixels.
    brighter = replace(data, x=data.x // 2 + 100)
    settings["test"] = data
    train(out=tmp_path, device="cpu", **settings)
    for name, value in [*changes.items(), ("data", brighter), ("test", brighter)]:
        differs = {"data": "training_set" if value is brighter else "classes", "test": "test_set", "spec": "net"}.get(name, name)
        with pytest.raises(InputError, match=rf"another training run \(its {differs} differs\)"):
            train(out=tmp_path, device="cpu", **{**settings, name: value})


def test_an_ensemble_trains_its_members_apart(data, tmp_path):
    result = train("vgg19/0.5-bottom-en", data, data, RECIPE, tmp_path / "en", seed=1, device="cpu")
    net = load(tmp_path / "en")
    assert isinstance(net, Ensemble) and len(result["history"]) == 5
    train("vgg19/0.5-bottom", data, data, RECIPE, tmp_path / "alone", seed=member_seed(1, 2), device="cpu")
    alone = load(tmp_path / "alone")
    assert torch.equal(alone.head.weight, net.members[2].head.weight)


BASELINES = {
    "vgg19/0.9-dropout": {},
    "vgg19/0.9-spatial": {"label_smoothing": 0.1},
    "resnet18/0.9-dropblock": {"epochs": 2},
    "vgg19/therm16": {"adversarial": adversary("buckman")},
    "vgg19/0.5-bottom": {"adversarial": adversary("madry")},
    "vgg19/0.5-bottom+0.9-dropblock-x2-therm4": {"label_smoothing": 0.1, "adversarial": adversary("fgsm:eps=4/255")},
}


@pytest.mark.parametrize(("name", "changes"), BASELINES.items())
def test_every_baseline_trains_by_the_same_call_and_goes_with_defects(data, tmp_path, name, changes):
    result = train(name, data, data, RECIPE.changed(**changes), tmp_path, seed=2, device="cpu")
    assert result["net"] == name and all(math.isfinite(row["train_loss"]) for row in result["history"])
    net = load(tmp_path)
    assert str(net.spec) == name and net(data.x[:4].float() / 255).shape == (4, 10)


def test_recipes_follow_appendix_d():
    cifar, mnist = recipe_for("paper", "cifar10", (3, 32, 32)), recipe_for("paper", "mnist", (1, 28, 28))
    assert (cifar.epochs, cifar.batch_size, cifar.lr, cifar.momentum, cifar.weight_decay) == (350, 128, 0.1, 0.9, 5e-4)
    assert (cifar.milestones, cifar.augment, cifar.selection) == ((150, 250), "crop-flip", "best-on-test")
    assert (mnist.epochs, mnist.milestones, mnist.augment) == (50, (20, 40), "flip")


def test_every_recipe_is_valid():
    assert all(Recipe.make(name=scale, **scales[scale]).name == scale for scales in RECIPES.values() for scale in SCALES)


@pytest.mark.parametrize(("shape", "epochs"), [((1, 28, 28), 50), ((3, 32, 32), 350), ((3, 64, 64), 350), ((3, 224, 224), 100)])
@pytest.mark.parametrize("folder", ["holiday-pictures", "imagenet", "mnist"])
def test_folders_take_the_recipe_of_their_kind_of_image(shape, epochs, folder):
    assert recipe_for("paper", folder, shape).epochs == epochs


def test_mask_seed_reaches_the_net(data, tmp_path):
    train("vgg19/0.5-bottom", data, data, RECIPE, tmp_path, seed=0, mask_seed=4, device="cpu")
    expected = build("vgg19/0.5-bottom", seed=9, mask_seed=4, width_mult=0.0625)
    assert torch.equal(load(tmp_path).blocks[0].norm1.defect_mask, expected.blocks[0].norm1.defect_mask)
