"""What `attack` and `evaluate` print and write on a tiny folder."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from defective import evaluation
from defective.cli import substitutes
from defective.cli.references import open_attack, open_models, warn_of_other_classes
from defective.data import load_data
from defective.specs import Recipe
from defective.tables import format_table
from image_files import write_image
from printed import parse, shown, table

FGSM = "fgsm:eps=16/255"


@pytest.mark.parametrize("attack", [FGSM, "own_nets:step"])
def test_attack_keeps_images_inside_the_ball(place, run, tmp_path, attack):
    made = tmp_path / "made.safetensors"
    document = parse(run(f"attack own_nets:bright --data folder:data --attack {attack} --samples 6 --out {made} --json"))
    assert (document["source"], document["attack"], document["data"]) == ("own_nets:bright", attack, "data")
    data = load_data("folder:data", "test")
    with safe_open(made, "pt") as stored:
        x_adv, index = stored.get_tensor("x_adv"), stored.get_tensor("index")
        fooled = stored.get_tensor("predicted") != stored.get_tensor("y")
    assert x_adv.dtype == torch.uint8 and len(x_adv) == document["fooled"]["num_evaluated"] == 6
    assert (x_adv.int() - data.x[index].int()).abs().max() == 16
    assert document["fooled"]["num_correct"] == int(fooled.sum())
    cells = table(run(f"attack own_nets:bright --data folder:data --attack {attack} --samples 6 --out {made}"))
    assert cells == [["own_nets:bright", attack, "6", shown(document["fooled"])]]


def test_a_model_of_other_classes_is_warned_of(place, capsys):
    data, model = load_data("folder:data", "test"), torch.nn.Identity()
    for classes in (None, [*data.classes], [*data.classes, "more"]):
        model.notes = {"classes": classes}
        warn_of_other_classes({"a": model}, data)
    assert capsys.readouterr().err == ""
    model.notes = {"classes": [*data.classes][::-1]}
    warn_of_other_classes({"a": model}, data)
    first, *_, last = data.classes
    assert capsys.readouterr().err == f"warning: a was trained on other classes: class 0 was {last!r}, and is {first!r} in data\n"


def test_one_model_without_a_source_is_evaluated_without_transfer(place, run):
    said = run(f"evaluate own_nets:bright --data folder:data {ALL_PARTS} --json")
    assert said.err.startswith(
        "warning: one model and no source: the part transfer is left out; name a model of the attacker with --source"
    )
    assert json.loads(said.out)["settings"]["parts"] == ["white-box", "decision", "noise", "shuffle", "stimuli", "checks"]


def test_what_a_model_prints_is_no_part_of_the_document(place, run):
    said = run("evaluate own_nets:prints --data folder:data --parts noise --samples 2 --json")
    assert json.loads(said.out)["data"] == "data" and "layer (" in said.err


ALL_PARTS = "--decision boundary:steps=5 --decision-samples 3 --check-samples 6 --samples 6 --confidence 0.5 --stimuli cues"


def test_evaluate_says_the_same_in_table_json_and_files(place, run, tmp_path):
    command = f"evaluate own_nets:bright own_nets:cautious --data folder:data --attack {FGSM} {ALL_PARTS}"
    document = parse(run(f"{command} --out {tmp_path / 'out'} --json"))
    assert document == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    expected = evaluation.EvaluationResult.model_validate(document).as_table()
    titled = f"**Black-box evaluation on data**\n\n{format_table(expected, 'markdown')}"
    assert titled == (tmp_path / "out" / "evaluation.md").read_text()
    names = ["own_nets:bright", "own_nets:cautious"]
    assert list(document["accuracy"]) == names == list(document["models"])
    printed = run(command)
    rows = table(printed)
    assert rows == [line for heading, block in expected.blocks() for line in ([heading, "", ""], *map(list, block))]
    # Every part is in it, and the numbers of the table are those of the document.
    for part in ("cells", "decision", "noise", "shuffle", "stimuli", "checks", "sources"):
        assert document[part]
    assert document["stimuli_skipped"] == {"other_class": 0, "same_cues": 0}
    said = " ".join(printed.out.split())
    assert all(" ".join(note.split()) in said for note in expected.notes)
    assert rows[1][1:] == [shown(document["accuracy"][name]) for name in names]
    cell = document["cells"][0]
    assert (cell["target"], cell["source"], cell["threat_model"]) == (names[0], names[0], "white-box")
    assert [FGSM, shown(cell["defense"]["target-correct"])] in [row[:2] for row in rows]
    with safe_open(tmp_path / "out" / "outcomes.safetensors", "pt") as stored:
        for number, cell in enumerate(document["cells"]):
            right = [stored.get_tensor(f"{number}.{part}") for part in ("adv_correct", "clean_correct", "fooled")]
            assert cell["defense"]["paper"]["num_correct"] == int((right[0] & right[1] & right[2]).sum())


def test_decisions_among_categories_are_written_as_model_vs_human_reads_them(place, run, tmp_path):
    files = {"pets/test/cat/0": 20, "pets/test/dog/0": 200}
    files |= {f"stimuli/{name}": 200 for name in ("cue-conflict/cat/cat1-dog2", "cue-conflict/dog/dog1-cat2")}
    for name, value in {**files, "stimuli/edge/cat/cat3": 20}.items():
        write_image(tmp_path / f"{name}.png", np.full((16, 16, 3), value, np.uint8))
    out = tmp_path / "out"
    command = (
        f"evaluate own_nets:bright --data folder:{tmp_path}/pets --parts stimuli --stimuli {tmp_path}/stimuli --model-vs-human"
    )
    document = parse(run(f"{command} --out {out} --json"))
    found = {str(file.relative_to(out)): file.read_bytes().decode() for file in out.rglob("*.csv")}
    heading = "subj,session,trial,rt,object_response,category,condition,imagename\n"
    assert found == {
        "model-vs-human/cue-conflict/cue-conflict_own-nets-bright_session-1.csv": heading
        + "own_nets:bright,1,1,NaN,dog,cat,NaN,cat1-dog2.png\nown_nets:bright,1,2,NaN,dog,dog,NaN,dog1-cat2.png\n",
        "model-vs-human/edge/edge_own-nets-bright_session-1.csv": heading + "own_nets:bright,1,1,NaN,cat,cat,NaN,cat3.png\n",
    }
    assert document["stimuli"]["own_nets:bright"]["bias"]["rate"] == 0.5 and document["stimuli_categories"] == ["cat", "dog"]
    said = " ".join(run(f"{command} --out {out}").out.split())
    assert "Shape and texture: decisions among cat, dog (mean probability of their classes)." in said


def test_evaluate_scores_generated_images_as_if_it_had_made_them(place, run, tmp_path):
    made = tmp_path / "made.safetensors"
    parse(run(f"attack own_nets:bright --data folder:data --attack {FGSM} --samples 6 --out {made} --json"))
    common = f"evaluate plain.safetensors own_nets:bright --data folder:data --attack {FGSM} --parts transfer --samples 6 --json"
    cells = parse(run(f"{common} --adversarial {made}"))["cells"]
    # On the model that they were made on they are no transfer.
    assert [cell["threat_model"] for cell in cells] == ["black-box", "white-box"]
    assert parse(run(f"{common} --source own_nets:bright"))["cells"] == cells


def test_generated_sets_of_one_label_have_rows_of_their_own(place, run, tmp_path):
    files = [tmp_path / name for name in ("a/made.safetensors", "b/made.safetensors", "b/more.safetensors")]
    for number, file in enumerate(files):
        assert run(f"attack own_nets:bright --data folder:data --attack {FGSM} --samples {number + 1} --out {file}").code == 0
    base = "evaluate plain.safetensors --data folder:data --parts transfer"

    def sources(*chosen, more=""):
        generated = " ".join(f"--adversarial {file}" for file in chosen)
        document = parse(run(f"{base} {generated} {more} --json"))
        rows = evaluation.EvaluationResult.model_validate(document).as_table().rows
        assert len(rows) == len(["accuracy", *document["cells"]])
        return [(cell["source"], cell["images"]) for cell in document["cells"]]

    assert sources(files[0]) == [("own_nets:bright", 1)]
    assert sources(*files[1:]) == [("own_nets:bright (made.safetensors)", 2), ("own_nets:bright (more.safetensors)", 3)]
    assert sources(*files) == [
        (f"own_nets:bright ({files[0]})", 1),
        (f"own_nets:bright ({files[1]})", 2),
        ("own_nets:bright (more.safetensors)", 3),
    ]
    again = f"--source own_nets:bright --attack {FGSM} --samples 4"
    assert sources(files[2], more=again) == [("own_nets:bright (more.safetensors)", 3), ("own_nets:bright", 4)]


@pytest.mark.parametrize(("net", "code"), [("bright", 0), ("blunt", 1)])
def test_a_failed_check_is_named_and_is_1(place, run, tmp_path, net, code):
    command = f"evaluate own_nets:{net} --data folder:data --parts checks --check-samples 6 --out {tmp_path}"
    said = run(f"{command} --json")
    assert said.code == code
    document = json.loads(said.out, parse_constant=pytest.fail)
    assert document == json.loads((tmp_path / "evaluation.json").read_text())
    failed = [each for each in document["checks"][f"own_nets:{net}"] if each["verdict"] == "failed"]
    expected = {"bright": [], "blunt": ["gradient", "surface", "unbounded"]}
    assert [each["check"] for each in failed] == expected[net]
    said = run(command)
    assert said.code == code
    out = " ".join(said.out.split())
    assert out.count("fails the sanity check") == len(failed)
    for each in failed:
        assert f"own_nets:{net} fails the sanity check that {each['tests']}: {each['measured']}" in out


def test_several_nets_joined_are_one_source(place, run, tmp_path):
    # Of these the target's own weights are a part.
    joined = "plain.safetensors+bottom.safetensors+own_nets:bright"
    options = f"--data folder:data --attack {FGSM} --samples 4"
    (cell,) = parse(run(f"evaluate bottom.safetensors --source {joined} {options} --parts transfer --mask-draws 0 --json"))["cells"]
    assert (cell["source"], cell["threat_model"]) == (joined, "white-box (shared weights)")
    made = tmp_path / "made.safetensors"
    said = parse(run(f"attack {joined} {options} --out {made} --json"))
    assert (said["source"], said["sample"]) == (joined, cell["sample"])
    (model,) = open_models([[joined]], "cpu")[0].values()
    members = [open_models([[each]], "cpu")[0][each] for each in joined.split("+")]
    x, _ = load_data("folder:data", "test").take(torch.arange(4))
    torch.testing.assert_close(model(x / 255), sum(member(x / 255) for member in members) / 3)


def test_an_attack_of_ones_own_is_used_like_one_of_ours(place, run):
    common = "evaluate plain.safetensors --source own_nets:bright --data folder:data --parts transfer,white-box --samples 6 --json"
    ours, own = (parse(run(f"{common} --precision fp32 --attack {attack}"))["cells"] for attack in (FGSM, "own_nets:step"))
    assert [cell["attack"] for cell in own].count("own_nets:step") == 2
    assert [cell | {"attack": FGSM} if cell["attack"] == "own_nets:step" else cell for cell in own] == ours


def test_an_attack_of_ones_own_that_was_changed_is_another_one(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    # One helper is imported with the attack, the other when it is called.
    file, loaded, helper = tmp_path / "changing_attack.py", tmp_path / "its_parts/near.py", tmp_path / "its_helper.py"
    loaded.parent.mkdir()
    file.write_text("import its_parts.near\n\ndef step(model, x, y):\n    from its_helper import far\n    return x + far\n")
    loaded.write_text("near = 0\n")
    helper.write_text("far = 0\n")
    first, same = open_attack("changing_attack:step"), open_attack("changing_attack:step")
    versions = {first.version}
    for each, text in ((loaded, "near = 1\n"), (helper, "far = 0.1\n"), (file, "def step(model, x, y):\n    return 1 - x\n")):
        each.write_text(text)
        versions.add(open_attack("changing_attack:step").version)
    assert first.version == same.version and len(versions) == 4
    assert (str(first), first.eps) == ("changing_attack:step", None)


def test_names_tell_models_apart_over_all_options(tmp_path, place, run):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.safetensors").write_bytes((place / "plain.safetensors").read_bytes())
    first, second = (str(tmp_path / folder / "net.safetensors") for folder in ("a", "b"))
    targets, sources = open_models([[first, "plain.safetensors"], [second, "plain.safetensors"]], "cpu")
    assert list(targets) == [first, "plain.safetensors"] and list(sources) == [second, "plain.safetensors"]
    assert targets["plain.safetensors"] is sources["plain.safetensors"]
    joined = [f"{each}+{place}/plain.safetensors" for each in (first, second)]
    assert list(open_models([joined], "cpu")[0]) == joined
    assert list(open_models([joined[:1]], "cpu")[0]) == ["net.safetensors+plain.safetensors"]


def test_a_substitute_is_trained_on_each_models_answers_once(place, run, monkeypatch):
    recipe = Recipe(name="quick", width_mult=0.0625, epochs=1, batch_size=4, lr=0.05)
    monkeypatch.setattr(substitutes, "recipe_for", lambda *about: recipe)
    command = (
        f"evaluate plain.safetensors bottom.safetensors --data folder:data --attack {FGSM} --samples 4 --parts transfer --json"
    )
    first = parse(run(f"{command} --source substitute:0.5,model=vgg19"))
    named = {f"substitute:0.5 of {name}.safetensors" for name in ("plain", "bottom")}
    assert {cell["source"] for cell in first["cells"]} == named and len(first["cells"]) == 4
    assert {first["models"][name]["net"] for name in named} == {"vgg19"}
    monkeypatch.setattr("defective.training.train.fit", None)
    again = parse(run(f"{command} --source substitute:0.5,model=vgg19"))
    assert again["cells"] == first["cells"]


def test_substitutes_of_one_share_are_named_by_their_model(place, run, monkeypatch):
    recipe = Recipe(name="quick", width_mult=0.0625, epochs=1, batch_size=4, lr=0.05)
    monkeypatch.setattr(substitutes, "recipe_for", lambda *about: recipe)
    sources = " ".join(f"--source substitute:{each}" for each in ("0.5,model=vgg19", "0.5,model=resnet18", "1,model=vgg19"))
    found = parse(
        run(f"evaluate plain.safetensors --data folder:data --attack {FGSM} --samples 4 --parts transfer --json {sources}")
    )
    assert {cell["source"] for cell in found["cells"]} == {
        "substitute:0.5,model=vgg19,recipe=tiny of plain.safetensors",
        "substitute:0.5,model=resnet18,recipe=tiny of plain.safetensors",
        "substitute:1 of plain.safetensors",
    }
