"""Every command does its work on a tiny folder; JSON, table and files say the same."""

import json

import pytest
import torch

from defective import build, evaluation, list_models, load, save
from defective.data import load_data
from printed import parse, table

QUICK = "--width-mult 0.0625 --epochs 1 --device cpu"
TOP = [f"stages.{stage}.{block}.{site}" for stage in (3, 4) for block in (0, 1) for site in ("norm1", "conv2")]


def test_models_lists_the_zoo(run):
    document = parse(run("models --json"))
    assert [row["name"] for row in document] == list_models()
    assert document[0]["parameters"] == 11_173_962
    assert document[0]["mask_sites"]["authors"] == {"bottom": 10, "top": 10}
    cells = table(run("models"))
    assert [row[0] for row in cells] == list_models()
    assert cells[0][1] == "11,173,962"


def test_describe_counts_live_neurons(run):
    document = parse(run("describe resnet18/0.1-bottom --json"))
    assert (document["drops"], document["thermometer"]) == ([], None)
    assert not any(word in line for word in ("ropout", "DropBlock", "thermometer") for line in document["summary"])
    sites = document["sites"]
    assert len(sites) == 10
    assert {(site["live"], site["dead"]) for site in sites if site["shape"] == [64, 32, 32]} == {(6_554, 58_982)}
    assert document["parameters"] == 11_173_962
    cells = table(run("describe resnet18/0.1-bottom"))
    assert cells[0] == ["stem.norm", "64 x 32 x 32", "neuron", "0.1", "6,554", "58,982"]
    assert cells[-1][-2:] == [f"{sum(site[kind] for site in sites):,}" for kind in ("live", "dead")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet18", ["no mask in it"]),
        ("resnet18/0.5-bottom-dc", ["no mask at all, and one projection shortcut more"]),
        ("vgg19/0.5-bottom-dc@text", ["whole channels of the full model are masked"]),
        (
            "resnet18/0.5-bottom+0.9-dropblock-x2-therm16",
            [
                "DropBlock (3 x 3), keep_prob 0.9, in training only, after 8 modules: stages.3.0.norm1, stages.3.0.conv2, ...",
                "thermometer code of 16 levels",
                "-x2: defective blocks have twice the channels, and one projection shortcut more in stage 1",
            ],
        ),
        (
            "vgg19/0.8-dropout+0.9-spatial-therm4-en@text",
            [
                "no mask in it",
                "Placement of the paper's text",
                "Dropout (single activations), keep_prob 0.8, in training only, after 20 modules: members.0.blocks.3.act1,",
                "Spatial dropout (whole channels), keep_prob 0.9",
                "thermometer code of 4 levels",
            ],
        ),
    ],
)
def test_describe_says_which_net_is_in_hand(run, name, said):
    code, out, _ = run(f"describe {name} --width-mult 0.0625")
    assert code == 0 and all(words in out for words in (name, *said))
    assert out.count("thermometer") == sum("thermometer" in words for words in said)


def test_describe_takes_checkpoints_of_any_dtype(run, tmp_path):
    name = "resnet18/0.5-bottom+0.9-dropblock-therm16"
    save(build(name, width_mult=0.0625).to(torch.bfloat16), tmp_path / "net.safetensors")
    document = parse(run(f"describe {tmp_path / 'net.safetensors'} --json"))
    assert (document["name"], document["thermometer"], len(document["sites"])) == (name, 16, 10)
    assert document["drops"] == [{"site": site, "kind": "dropblock", "keep_prob": 0.9} for site in TOP]


def test_data_get_and_check_say_what_is_there(place, run):
    document = parse(run("data get folder:data --json"))
    assert [(row["split"], row["images"], row["classes"]) for row in document] == [("train", 8, 2), ("test", 8, 2)]
    assert document[0]["image_shape"] == [3, 16, 16] and document[0]["smallest_class"] == 4
    assert document[0]["location"] == "data"
    assert table(run("data check folder:data")) == [["train", "8", "3 x 16 x 16", "2", "4"], ["test", "8", "3 x 16 x 16", "2", "4"]]
    assert parse(run("data get folder:whole.zip --image-size 8 --json"))[0]["image_shape"] == [3, 8, 8]


def test_data_prune_says_what_it_removed(run, cache):
    left = cache / "unpacked" / "temporary-killed"
    left.mkdir(parents=True)
    (left / "0.png").write_bytes(bytes(100))
    assert parse(run("data prune --json")) == {"cache": str(cache), "files": 1, "bytes": 100}
    assert "0 files removed" in run("data prune --all").out


def test_data_check_of_files_that_are_not_there_is_1(run, cache):
    code, out, err = run("data check mnist")
    assert (code, err) == (1, "")
    assert out.count("missing") == 5
    code, out, err = run("data check mnist --json")
    assert (code, err) == (1, "")
    assert [row["state"] for row in json.loads(out)] == ["missing"] * 4
    corrupt = cache / "downloads" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    corrupt.parent.mkdir(parents=True)
    corrupt.write_bytes(b"corrupt")
    assert "corrupt" in run("data check mnist --json").out
    assert "has its own image size" in run("data check mnist --image-size 64").err


def test_train_writes_a_net_and_is_not_repeated(place, run, tmp_path, monkeypatch):
    command = f"train resnet18/0.5-bottom --data folder:data --out {tmp_path / 'run'} {QUICK}"
    first = parse(run(f"{command} --json"))
    assert (first["net"], first["seed"], len(first["history"])) == ("resnet18/0.5-bottom", 0, 1)
    assert first == json.loads((tmp_path / "run" / "result.json").read_text())
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["model.safetensors", "result.json"]
    data = load_data("folder:data", "test")
    assert first["test_accuracy"] == evaluation.accuracy(load(tmp_path / "run"), data.x, data.y)
    monkeypatch.setattr("defective.training.train.fit", lambda *_, **__: pytest.fail("trained again"))
    assert parse(run(f"{command} --json")) == first
    row = first["history"][0]
    assert table(run(command))[0][2:5] == [
        f"{row['train_loss']:.3f}",
        f"{100 * row['train_accuracy']:.1f}",
        f"{100 * row['test_accuracy']:.1f}",
    ]
    # A folder called like its model is no other model.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet18").mkdir()
    (tmp_path / "run").rename(tmp_path / "resnet18" / "0.5-bottom")
    assert parse(run(f"train resnet18/0.5-bottom --data folder:{place / 'data'} --out resnet18/0.5-bottom {QUICK} --json")) == first
    (tmp_path / "resnet18" / "0.5-bottom").rename(tmp_path / "run")
    described = parse(run(f"describe {tmp_path / 'run'} --json"))
    assert (described["name"], described["input_shape"]) == ("resnet18/0.5-bottom", [3, 16, 16])
    assert all(site["live"] == site["dead"] for site in described["sites"])
