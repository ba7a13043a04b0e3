"""Substitutes: models that are trained on the answers of another."""

import pytest
import torch
from torch import nn

from defective import InputError, load
from defective.data import load_data, shapes
from defective.experiments.describe import title
from defective.experiments.run import run
from defective.inference import logits
from defective.specs import dependencies
from defective.training.substitute import answered
from defective.training.train import train
from runs import QUICK, net


@pytest.fixture(scope="module")
def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))


@pytest.mark.parametrize("share", [0.01, 0.1, 1])
def test_a_share_of_the_images_carries_the_answers_and_comes_again(linear, share):
    data = shapes("test")
    made = answered(linear, data, share, name="linear", seed=3)
    count = round(share * len(data))
    assert (len(made), made.name, made.classes) == (len(data), f"{share:g} of shapes as linear classifies it", data.classes)
    assert torch.equal(made.y, logits(linear, made.x).argmax(1))
    assert all(torch.equal(part, made.x[: len(part)]) for part in made.x.split(count))
    assert len(made.x[:count].unique(dim=0)) == count
    assert not torch.equal(made.x, answered(linear, data, share, name="linear", seed=4).x)


@pytest.mark.parametrize(
    ("share", "message"), [(0, "outside"), (1.5, "outside"), (float("nan"), "outside"), (0.0005, "is 1: a substitute needs")]
)
def test_shares_that_are_none_are_refused(linear, share, message):
    with pytest.raises(InputError, match=message):
        answered(linear, shapes("test"), share, name="linear")


def test_a_substitute_is_a_training_on_the_answers(place, images, tmp_path):
    target = net("resnet18/0.5-bottom")
    job = net("vgg19", 1).model_copy(update={"queried": target, "share": 0.25})
    assert dependencies(job) == (target,) and job.key != net("vgg19", 1).key
    assert title(job) == ("vgg19 (quick, seed 1, substitute by 25 % of the answers of resnet18/0.5-bottom (quick, seed 0))")
    assert run([job], place).executed == 2
    training, test = (load_data(f"folder:{images}", split) for split in ("train", "test"))
    queried = answered(load(place.store.at(target) / "net"), training, 0.25, name="q", seed=1)
    train("vgg19", queried, test, QUICK, tmp_path / "net", seed=1, device="cpu")
    ours, theirs = (load(folder / "net").state_dict() for folder in (place.store.at(job), tmp_path))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
