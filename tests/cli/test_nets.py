"""What ``models`` and ``describe`` say of the baselines."""

import json

import pytest
import torch

from defective import build, save

TOP = [f"stages.{stage}.{block}.{site}" for stage in (3, 4) for block in (0, 1) for site in ("norm1", "conv2")]


def test_describe_shows_dropout_and_the_input_code(run):
    name = "resnet18/0.5-bottom+0.9-dropblock-x2-therm16"
    code, out, _ = run(f"describe {name} --width-mult 0.0625 --json")
    document = json.loads(out)
    assert code == 0 and document["thermometer"] == 16 and len(document["sites"]) == 10
    assert document["drops"] == [{"site": site, "kind": "dropblock", "keep_prob": 0.9} for site in TOP]
    said = run(f"describe {name} --width-mult 0.0625").out
    assert "DropBlock (3 x 3), keep_prob 0.9, in training only, after 8 modules: stages.3.0.norm1, stages.3.0.conv2, ..." in said
    assert "thermometer code of 16 levels" in said
    assert "-x2: defective blocks have twice the channels, and one projection shortcut more in stage 1" in said
    assert all(line in said for line in document["summary"])
    other = json.loads(run("describe resnet18/0.5-bottom --width-mult 0.0625 --json").out)
    assert (other["drops"], other["thermometer"]) == ([], None)
    assert not any(word in line for word in ("ropout", "DropBlock", "thermometer") for line in other["summary"])


def test_describe_groups_the_members_of_an_ensemble(run):
    said = run("describe vgg19/0.9-spatial+0.8-dropout-therm4-en@text --width-mult 0.0625").out
    assert "no mask in it" in said and "Placement of the paper's text" in said
    assert "Dropout (single activations), keep_prob 0.8, in training only, after 20 modules: members.0.blocks.3.act1," in said
    assert "Spatial dropout (whole channels), keep_prob 0.9" in said and said.count("thermometer") == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_describe_takes_checkpoints_of_any_dtype(run, dtype, tmp_path):
    save(build("vgg19/0.9-dropout-therm4", width_mult=0.0625).to(dtype), tmp_path / "net.safetensors")
    document = json.loads(run(f"describe {tmp_path / 'net.safetensors'} --json").out)
    assert (document["name"], len(document["drops"]), document["thermometer"]) == ("vgg19/0.9-dropout-therm4", 8, 4)
