"""Every command does its work on a tiny folder; JSON, table and files say the same."""

import json

import pytest
import torch
from safetensors import safe_open

from defective import evaluation, list_models, load
from defective.cli.references import open_models
from defective.data import load_data

QUICK = "--width-mult 0.0625 --epochs 1 --device cpu"
FGSM = "fgsm:eps=16/255"


def parse(said) -> object:
    """The one JSON document of a command; nothing but progress is beside it."""
    code, out, err = said
    assert code == 0
    assert all("━" in line for line in err.splitlines())
    return json.loads(out, parse_constant=pytest.fail)


def table(said) -> list[list[str]]:
    """The cells of a printed table, heading left out."""
    assert said.code == 0
    rows = [line for line in said.out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]


def shown(rate: dict) -> str:
    return f"{100 * rate['rate']:.1f} ({100 * rate['low']:.1f}-{100 * rate['high']:.1f})" if rate["total"] else "no images"


@pytest.fixture
def trained(place, run, tmp_path):
    assert run(f"train resnet18/0.5-bottom --data folder:data --out {tmp_path / 'run'} {QUICK}").code == 0
    return tmp_path / "run"


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
    sites = document["sites"]
    assert len(sites) == 10
    assert {(site["live"], site["dead"]) for site in sites if site["shape"] == [64, 32, 32]} == {(6_554, 58_982)}
    assert document["parameters"] == 11_173_962
    cells = table(run("describe resnet18/0.1-bottom"))
    assert cells[0] == ["stem.norm", "64 x 32 x 32", "neuron", "0.1", "6,554", "58,982"]
    assert cells[-1][-2:] == [f"{sum(site[kind] for site in sites):,}" for kind in ("live", "dead")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet18", "no mask in it"),
        ("resnet18/0.5-bottom-dc", "no mask at all, and one projection shortcut more"),
        ("vgg19/0.5-bottom-x2", "-x2: defective blocks have twice the channels"),
        ("vgg19/0.5-bottom-dc@text", "whole channels of the full net are masked"),
    ],
)
def test_describe_says_which_net_is_in_hand(run, name, words):
    code, out, _ = run(f"describe {name} --width-mult 0.0625")
    assert code == 0
    assert name in out and words in out


def test_data_get_and_check_say_what_is_there(place, run):
    document = parse(run("data get folder:data --json"))
    assert [(row["split"], row["images"], row["classes"]) for row in document] == [("train", 8, 2), ("test", 8, 2)]
    assert document[0]["image_shape"] == [3, 16, 16] and document[0]["smallest_class"] == 4
    assert document[0]["location"] == "data"
    assert table(run("data check folder:data")) == [["train", "8", "3 x 16 x 16", "2", "4"], ["test", "8", "3 x 16 x 16", "2", "4"]]
    assert parse(run("data get folder:whole-cut.zip --image-size 8 --json"))[0]["image_shape"] == [3, 8, 8]


def test_data_check_of_files_that_are_not_there_is_1(run, cache):
    code, out, err = run("data check mnist")
    assert (code, err) == (1, "")
    assert out.count("missing") == 5
    code, out, err = run("data check mnist --json")
    assert (code, err) == (1, "")
    assert [row["state"] for row in json.loads(out)] == ["missing"] * 4
    damaged = cache / "downloads" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"damaged")
    assert "damaged" in run("data check mnist --json").out


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


def test_a_trained_net_can_be_described(trained, run):
    document = parse(run(f"describe {trained} --json"))
    assert document["name"] == "resnet18/0.5-bottom"
    assert document["input_shape"] == [3, 16, 16]
    assert all(site["live"] == site["dead"] for site in document["sites"])


def test_attack_keeps_images_inside_the_ball(place, run, tmp_path):
    made = tmp_path / "made.safetensors"
    document = parse(run(f"attack own_nets:bright --data folder:data --attack {FGSM} --samples 6 --out {made} --json"))
    assert (document["source"], document["attack"], document["data"]) == ("own_nets:bright", FGSM, "data")
    data = load_data("folder:data", "test")
    with safe_open(made, "pt") as stored:
        x_adv, index = stored.get_tensor("x_adv"), stored.get_tensor("index")
        fooled = stored.get_tensor("predicted") != stored.get_tensor("y")
    assert x_adv.dtype == torch.uint8 and len(x_adv) == document["fooled"]["total"] == 6
    assert (x_adv.int() - data.x[index].int()).abs().max() == 16
    assert document["fooled"]["hits"] == int(fooled.sum())
    cells = table(run(f"attack own_nets:bright --data folder:data --attack {FGSM} --samples 6 --out {made}"))
    assert cells == [["own_nets:bright", FGSM, "6", shown(document["fooled"])]]


def test_evaluate_says_the_same_in_table_json_and_file(place, run, tmp_path):
    command = f"evaluate plain.safetensors bottom.safetensors --source own_nets:bright --data folder:data --attack {FGSM}"
    document = parse(run(f"{command} --out {tmp_path / 'out'} --json"))
    assert document == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert [(cell["target"], cell["source"]) for cell in document["cells"]] == [
        ("plain.safetensors", "own_nets:bright"),
        ("bottom.safetensors", "own_nets:bright"),
    ]
    expected = [
        [cell["target"], shown(document["accuracy"][cell["target"]]), shown(cell["defense"]["paper"])] for cell in document["cells"]
    ]
    assert table(run(command)) == expected
    with safe_open(tmp_path / "out" / "outcomes.safetensors", "pt") as stored:
        right = stored.get_tensor("1.adv_correct") & stored.get_tensor("1.clean_correct") & stored.get_tensor("1.fooled")
    assert document["cells"][1]["defense"]["paper"]["hits"] == int(right.sum())


def test_evaluate_scores_crafted_images_as_if_it_had_made_them(place, run, tmp_path):
    made = tmp_path / "made.safetensors"
    parse(run(f"attack own_nets:bright --data folder:data --attack {FGSM} --out {made} --json"))
    common = f"evaluate plain.safetensors --data folder:data --attack {FGSM} --json"
    assert parse(run(f"{common} --crafted {made}"))["cells"] == parse(run(f"{common} --source own_nets:bright"))["cells"]


def test_evaluate_white_box_attacks_each_model_on_itself_once(place, run):
    common = f"evaluate plain.safetensors own_nets:bright --data folder:data --attack {FGSM} --white-box"
    pairs = [(cell["target"], cell["source"]) for cell in parse(run(f"{common} --json"))["cells"]]
    assert len(set(pairs)) == len(pairs) == 4
    own = parse(run(f"{common} --source bottom.safetensors --json"))["cells"][2:]
    said = run(f"{common} --source bottom.safetensors")
    assert "on itself" in said.out
    assert [row[3] for row in table(said)] == [shown(cell["defense"]["target-correct"]) for cell in own]
    assert all(all(row) for row in table(said)) and len(table(said)[0]) == 4


def test_a_net_of_the_current_folder_needs_no_installation(tmp_path, place, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net_of_mine.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(768, 2))\n"
    )
    document = parse(run(f"evaluate net_of_mine:net {place}/plain.safetensors --data folder:{place}/data --attack {FGSM} --json"))
    assert set(document["accuracy"]) == {"net_of_mine:net", "plain.safetensors"}


def test_names_tell_models_apart_over_all_options(tmp_path, place, run):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.safetensors").write_bytes((place / "plain.safetensors").read_bytes())
    first, second = (str(tmp_path / folder / "net.safetensors") for folder in ("a", "b"))
    targets, sources = open_models([[first, "plain.safetensors"], [second, "plain.safetensors"]], "cpu")
    assert list(targets) == [first, "plain.safetensors"] and list(sources) == [second, "plain.safetensors"]
    assert targets["plain.safetensors"] is sources["plain.safetensors"]
