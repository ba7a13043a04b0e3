"""Adversarial sets are scored once and survive their files."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from defective import AttackSpec, InputError
from defective.evaluation import EvaluatedModel, generate, score
from defective.experiments.adversarial_files import read_adversarial, write_adversarial
from defective.files import read_tensors, write_tensors
from evaluations import FGSM, assert_equal, stored
from problems import level_set, plane

NOISE = AttackSpec.parse("noise")


def test_a_set_is_scored_once_on_each_target(net, tmp_path):
    work, data, asked = stored(tmp_path), level_set(net), []
    other = nn.Sequential(plane(1))
    made, further = (generate(EvaluatedModel.of("source", net, data), attack, samples=20) for attack in (FGSM, NOISE))
    right = [other(images / 255).argmax(1) == made.y for images in (made.x, made.x_adv)]
    target = EvaluatedModel.of("target", other, data, work)
    other.register_forward_hook(lambda module, inputs, output: asked.append(len(output)))
    for threat, outcome in (("adaptive", score(target, made, "adaptive")), ("black-box", score(target, made))):
        assert (outcome.target, outcome.threat_model, outcome.adversarial) == ("target", threat, made)
        assert torch.equal(outcome.clean_correct, right[0]) and torch.equal(outcome.adv_correct, right[1])
    # Clean and attacked images.
    assert asked == [20, 20]
    score(target, further)
    assert asked == [20, 20] * 2


def test_generated_images_survive_the_file(source, tmp_path):
    for rounded in (True, False):
        made = generate(source, FGSM, samples=20, rounded=rounded)
        write_adversarial(made, source.data, tmp_path / "made.safetensors")
        again = read_adversarial(tmp_path / "made.safetensors", source.data)
        assert_equal(again, made)
        assert again.fingerprint == made.fingerprint == source.fingerprint
        assert again.x_adv.dtype == (torch.uint8 if rounded else torch.float32)
    # They are known again on the net they were generated on.
    twin, other = (score(EvaluatedModel.of("target", net, source.data), again) for net in (plane(), plane(1)))
    assert (twin.threat_model, twin.transferred) == ("white-box", False)
    assert (other.threat_model, other.transferred) == ("black-box", True)


def test_other_images_of_the_same_name_and_labels_are_refused(source, tmp_path):
    write_adversarial(generate(source, FGSM, samples=5), source.data, tmp_path / "made.safetensors")
    with pytest.raises(InputError, match=r"made\.safetensors was generated from other images than those of levels here"):
        read_adversarial(tmp_path / "made.safetensors", replace(source.data, x=source.data.x // 2))


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
