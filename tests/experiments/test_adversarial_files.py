"""Adversarial sets are scored once and survive their files."""

import pytest
import torch
from torch import nn

from defective import AttackSpec, InputError
from defective.evaluation import EvaluatedModel, generate, score
from defective.experiments.adversarial_files import read_adversarial, write_adversarial
from defective.files import read_tensors, write_tensors
from evaluations import FGSM, assert_equal, own, stored
from problems import level_set, plane


def test_a_set_is_scored_once_on_each_target(net, tmp_path):
    work, data = stored(tmp_path), level_set(net)
    source = EvaluatedModel.of("source", net, data)
    other = nn.Sequential(plane(1))
    asked = []
    other.register_forward_hook(lambda module, inputs, output: asked.append(len(output)))
    target = EvaluatedModel.of("target", other, data, work)
    made, further = generate(source, FGSM, samples=20), generate(source, AttackSpec.parse("noise"), samples=20)
    asked.clear()
    first, second = score(target, made, "adaptive"), score(target, made)
    assert asked == [20, 20]
    right = [other(images / 255).argmax(1) == made.y for images in (made.x, made.x_adv)]
    for outcome, threat in ((first, "adaptive"), (second, "black-box")):
        assert (outcome.target, outcome.threat_model, outcome.adversarial) == ("target", threat, made)
        assert torch.equal(outcome.clean_correct, right[0]) and torch.equal(outcome.adv_correct, right[1])
    asked.clear()
    score(target, further)
    score(EvaluatedModel.of("source", net, data, work), made)
    assert asked == [20, 20]


def test_a_target_that_breaks_down_is_named(net):
    class Brittle(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :2] / (x.amax((1, 2, 3)) < 1)[:, None]

    target, source = (EvaluatedModel.of(name, model, level_set(net)) for name, model in (("brittle", Brittle()), ("source", net)))
    white = generate(source, own(lambda m, x, y: torch.ones_like(x)), samples=5)
    with pytest.raises(InputError, match=r"^brittle: the model returned nan or inf for 5 of 5 images"):
        score(target, white)


def test_crafted_images_survive_the_file(source, tmp_path):
    for rounded in (True, False):
        made = generate(source, FGSM, samples=20, rounded=rounded)
        write_adversarial(made, source.data, tmp_path / "made.safetensors")
        again = read_adversarial(tmp_path / "made.safetensors", source.data)
        assert_equal(again, made)
        assert again.fingerprint == made.fingerprint == source.fingerprint
        assert again.x_adv.dtype == (torch.uint8 if rounded else torch.float32)


def test_images_from_a_file_are_known_again_on_the_net_they_were_made_on(source, tmp_path):
    write_adversarial(generate(source, FGSM, samples=5), source.data, tmp_path / "made.safetensors")
    made = read_adversarial(tmp_path / "made.safetensors", source.data)
    twin, other = (score(EvaluatedModel.of("target", net, source.data), made) for net in (plane(), plane(1)))
    assert (twin.threat_model, twin.transferred) == ("white-box", False)
    assert (other.threat_model, other.transferred) == ("black-box", True)


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("data", lambda name: "elsewhere", r"holds no adversarial images of levels \(it holds those of 'elsewhere'\)"),
        ("y", lambda y: 1 - y, "was generated from other labels than those of levels here"),
        ("index", lambda index: index + 1000, r"names test image 10\d\d, levels has 60"),
        ("x_adv", lambda x: x[:, :, :3].contiguous(), r"holds images of shape \(2, 3, 4\), those of levels here are \(2, 4, 4\)"),
        *((name, None, "holds no adversarial images of levels") for name in ("x_adv", "y", "predicted", "index")),
    ],
)
def test_files_that_do_not_fit_the_data_are_refused(source, tmp_path, name, spoil, said):
    file = tmp_path / "made.safetensors"
    write_adversarial(generate(source, FGSM, samples=5), source.data, file)
    tensors, about = read_tensors(file)
    holder = about if name in about else tensors
    found = holder.pop(name)
    holder |= {name: spoil(found)} if spoil else {}
    write_tensors(file, tensors, about)
    with pytest.raises(InputError, match=rf"made\.safetensors {said}"):
        read_adversarial(file, source.data)
