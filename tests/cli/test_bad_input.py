"""Each bad input: exit code 2, nothing on standard output, one line on standard error that names what is wrong, nothing made."""

import os
import sys

import pytest
import torch

from cli.own_nets import cnn
from defective import data, demo
from defective.data import stimuli
from printed import one_line

TRAIN = "train resnet18 --data cifar10 --device cpu --out new"
ATTACK = "attack own_nets:bright --data cifar10 --device cpu --out new.safetensors"
EVALUATE = "evaluate own_nets:bright plain.safetensors --data cifar10 --device cpu"
REPRODUCE = "reproduce table4 figure14 --device cpu --store new"
FOLDER = "--data folder:data --device cpu"
FIGURE14 = f"reproduce figure14 {FOLDER} --store new"
OF_STORES = ("store ls", "store show train-0", "store export --out new", "store copy --out new", "store gc", "report --out new")

# Before any data set is read, made or downloaded.
OPTIONS = [
    ("describe", "'MODEL'"),
    ("destroy", "'destroy'"),
    ("describe resnet18 --frobnicate", "--frobnicate"),
    ("train resnet18 --out new", "'--data'"),
    ("describe resnet18 --num-classes ten", "'--num-classes': must be a whole number"),
    ("describe own_nets:cnn --image-size 1000000", "'--image-size'"),
    (f"describe resnet18/therm{'9' * 5000}", "'resnet18/therm99999999999999999999999999'...: a name has at most 2000"),
    ("data get cifar100", "'cifar100'"),
    ("data get tiny-imagnet", "did you mean tiny-imagenet?"),
    ("train resnet20 --data cifar10 --out new", "'resnet20'"),
    (f"{TRAIN} --recipe tinny", "no recipe 'tinny'; did you mean tiny?"),
    (f"{TRAIN} --epochs 0", "epochs = 0"),
    (f"{TRAIN} --lr 0", "lr = 0"),
    (f"{TRAIN} --flip altrenating", "did you mean alternating?"),
    (f"{TRAIN} --adversarial mardy", "no attack 'mardy' to train on; did you mean madry?"),
    *((f"{TRAIN} --adversarial {name}", f"no attack '{name}' to train on") for name in ("autoattack", "boundary", "cw", "noise")),
    (f"{TRAIN} --adversarial buckman", "resnet18 has no thermometer"),
    (f"{TRAIN} --neurons live", "neurons live: resnet18 has no masks"),
    (f"{TRAIN.replace('resnet18', 'resnet18/0.5-bottom-dc')} --neurons live", "resnet18/0.5-bottom-dc has no masks"),
    (
        f"{TRAIN.replace('resnet18', 'resnet18/therm16')} --normalization pixel-mean",
        "without a thermometer, not for resnet18/therm16",
    ),
    (f"{TRAIN} --precision fp8", "'fp8'"),
    (f"{TRAIN} --device warp", "'warp'"),
    (f"{TRAIN} --out notes.txt", "notes.txt is a file"),
    (f"{TRAIN} --out locked/new", "locked is not writable"),
    (f"{TRAIN} --image-size 64", "cifar10 has its own image size"),
    (f"{TRAIN} --mask-seed 1", "--mask-seed 1: resnet18 has no masks to draw: name a defective model"),
    (f"{TRAIN.replace('resnet18', 'resnet18/0.5-bottom-dc')} --mask-seed 0", "resnet18/0.5-bottom-dc has no masks to draw"),
    (f"{TRAIN.replace('resnet18', 'own_nets:cnn')} --mask-seed 1", "own_nets:cnn has no masks to draw"),
    (f"{TRAIN.replace('resnet18', 'own_nets:cnn')} --normalization pixel-mean", "--normalization is for built-in models"),
    (f"{ATTACK} --attack ''", "''"),
    (f"{ATTACK} --attack pgd:eps=16", "eps=16 lies outside [0, 1]: write it as 16/255"),
    (f"{ATTACK} --attack pdg", "no attack 'pdg'; did you mean pgd?"),
    (f"{ATTACK} --attack autoattack", "AutoAttack is not installed"),
    (f"{ATTACK} --attack no_module:step", "as module:attack it cannot be imported"),
    (f"{ATTACK} --samples 0", "'--samples'"),
    (f"{ATTACK} --device warp", "'warp'"),
    (f"{ATTACK} --out data", "data is a folder"),
    (f"{ATTACK} --out locked/new.safetensors", "locked is not writable"),
    (f"{ATTACK} --attack lspga", "own_nets:bright has no encoder"),
    (f"{EVALUATE} --attack lspga", "has no encoder"),
    (f"{EVALUATE} --decision walk", "error: decision: no attack 'walk'; there are "),
    (f"{EVALUATE} --decision pgd", "needs more than decisions: use hopskipjump or boundary"),
    (f"{EVALUATE} --decision hopskipjump-linf", "minimises another distance than S(M) measures: use hopskipjump"),
    (f"{EVALUATE} --parts transfer,magic", "parts.1 = 'magic': must be 'transfer', 'white-box'"),
    (f"{EVALUATE} --parts trasnfer", "parts.0 = 'trasnfer': did you mean transfer? It must be 'transfer'"),
    (f"{EVALUATE} --parts ,", "--parts ',' names no part"),
    (f"{EVALUATE} --samples 0", "samples = 0"),
    (f"{EVALUATE} --source plain.safetensors --mask-draws 1", "no source has masks to draw (plain.safetensors)"),
    (f"{EVALUATE} --source bottom.safetensors --mask-draws 4 --parts noise", "--mask-draws 4 needs the part transfer"),
    (f"{EVALUATE} --source bottom.safetensors --parts noise", "--source bottom.safetensors needs the part transfer"),
    (f"{EVALUATE} --adversarial loop", "loop"),
    (f"{EVALUATE} --out loop", "loop is a broken link"),
    ("store copy --store nothing-done --out loop", "loop is a broken link"),
    ("reproduce table4 --data folder:loop --dry-run", "loop"),
    ("reproduce figure8 --store ''", "'' names no folder"),
    (f"{EVALUATE} --stimuli nowhere.zip", "nowhere.zip: there is no such file"),
    (f"{EVALUATE} --stimuli notes.txt", "notes.txt is neither a folder nor an archive"),
    (f"{EVALUATE} --parts transfer --stimuli cues", "go together: name both, or neither"),
    (f"{EVALUATE} --model-vs-human --stimuli cues", "--model-vs-human needs --stimuli ARCHIVE, and --out FOLDER"),
    (f"{EVALUATE} --model-vs-human --out new", "--model-vs-human needs --stimuli ARCHIVE, and --out FOLDER"),
    (f"{EVALUATE} --adversarial nowhere.safetensors", "nowhere.safetensors: there is no such file"),
    (f"{EVALUATE} --adversarial foreign.safetensors", "foreign.safetensors was not written by defective"),
    (f"{EVALUATE} --adversarial of-birds.safetensors --adversarial ./of-birds.safetensors", "of-birds.safetensors is named twice"),
    *(
        (f"{EVALUATE} --source substitute:{text}", said)
        for text, said in {
            "0": "is not a share",
            "half": "is not a share",
            "0.1,lr=1": "cannot read",
            "1,recipe=x": "no recipe",
        }.items()
    ),
    (f"{EVALUATE} --out notes.txt", "notes.txt is a file"),
    (f"{EVALUATE} --source plain.safetensors+", "an empty name"),
    (f"{EVALUATE} --source bottom.safetensors --source ./bottom.safetensors", "./bottom.safetensors is named twice"),
    ("evaluate own_nets:bright --data cifar10 --parts transfer", "transfer needs a source: name one"),
    ("evaluate resnet18 --data cifar10", "'resnet18' names an architecture, and no weights: train it first"),
    ("demo --out notes.txt", "notes.txt is a file"),
    ("demo --device warp --out new", "'warp'"),
    ("play", "demo-output lacks the models of the demo: run defective demo"),
    ("play plain.safetensors bottom.safetensors", "such as --data cifar10"),
    ("play plain.safetensors bottom.safetensors --data cifar100", "'cifar100'"),
    ("play plain.safetensors bottom.safetensors --data folder:data --port 65536", "'--port'"),
    ("reproduce --store new", "'NAME...'"),
    ("reproduce tabel4 --store new", "no table or figure 'tabel4'; did you mean table4? There are all, table1,"),
    (f"{REPRODUCE} --scale smal", "no scale 'smal'; did you mean small?"),
    (f"{REPRODUCE} --seeds 0", "'--seeds'"),
    *((f"{REPRODUCE} --time-budget '{budget}'", f"time budget '{budget}'") for budget in ("0", "-1m", "9 m", "nan", "")),
    (f"{REPRODUCE} --rows 'resnet18*' --rows 9", "no row matches '9'; there are resnet18, "),
    (f"{REPRODUCE} --ray nonsense", "'nonsense' is not the address of a Ray cluster: write auto, local or HOST:PORT"),
    (f"{REPRODUCE} --ray auto", "Ray is not installed"),
    (f"{REPRODUCE} --device warp", "'warp'"),
    (f"{REPRODUCE} --data cifar=shapes", "no kind 'cifar'"),
    (f"{REPRODUCE} --data ''", "--data '' names no data set"),
    (f"{REPRODUCE} --data cifar10 --data mnist=folder:nowhere", "folder:nowhere"),
    (f"{REPRODUCE} --data cifar10 --data mnist=folder:nowhere --dry-run", "folder:nowhere"),
    (f"{REPRODUCE} --data shapes --data folder:data", "is already shapes"),
    ("reproduce figure14 --store new --data imagenet", "figure14 is measured on cifar10 and mnist, not on imagenet"),
    ("reproduce table1 --store new --data imagenet", "the path of the images is missing: write imagenet:PATH"),
    (REPRODUCE.replace("new", "locked"), "locked is not writable"),
    *((f"{FIGURE14.replace('new', 'notes.txt')}{more}", "notes.txt is a file") for more in ("", "/deeper", " --dry-run")),
    *((f"{FIGURE14.replace('new', 'cues')}{more}", "cues is not empty and not a store") for more in ("", " --dry-run")),
    *((f"{command} --store nowhere", "nowhere: there is no store") for command in OF_STORES),
    ("report --store cues", "cues: there is no store"),
    ("store ls", "runs/store: there is no store"),
    ("store throw --store nothing-done", "'throw'"),
    ("store show train-0 --store nothing-done", "nothing-done has no finished job 'train-0'; defective store ls"),
    ("store show .. --store nothing-done", "no finished job '..'"),
    (
        "store show train-0 --store other-version",
        "other-version/jobs/train-0/spec.json is corrupt (it is not a job of this version)",
    ),
    ("store gc --store nothing-done --days -1", "'--days'"),
    ("store export --store nothing-done --out notes.txt", "notes.txt is a file"),
    *(
        (f"{command} --out ''", "'--out': '' names no folder")
        for command in (
            *(f"{command} --store nothing-done" for command in ("store export", "store copy", "report")),
            "demo",
            "train resnet18 --data shapes",
            "evaluate resnet18 --data shapes",
        )
    ),
    ("report --store nothing-done --out new", "nothing-done holds no plan"),
    ("report --store nothing-done --out notes.txt", "notes.txt is a file"),
]

MODELS = [
    ("describe ''", "''"),
    ("describe resnet18/1.5-bottom", "keep_prob 1.5 lies outside [0, 1]"),
    ("describe resnet18/0.1-bottom-mm", "no suffix '-mm'; did you mean -sm?"),
    ("describe resnet18 --width-mult 0", "width_mult 0.0"),
    ("describe resnet20", "error: model 'resnet20': no such file or architecture; did you mean resnet50? There are resnet18,"),
    ("describe plian.safetensors", "'plian.safetensors': no such file; did you mean plain.safetensors?"),
    ("describe plian.safetensors --model own_nets:cnn", "'plian.safetensors': no such file; did you mean plain.safetensors?"),
    ("describe runs/nowhere", "'runs/nowhere': no such file"),
    ("describe data", "data is a folder without model.safetensors: name a folder that train wrote"),
    ("describe own_nets.py", "own_nets.py is code, not weights: name a function in it, as own_nets:factory"),
    ("describe cut.safetensors", "cut.safetensors is corrupt"),
    ("describe plain.safetensors --num-classes 5", "num_classes"),
    ("describe plain.safetensors --model own_nets:cnn", "no file here needs it"),
    ("describe foreign.safetensors", "foreign.safetensors was not written by defective: it holds weights alone"),
    ("describe foreign.safetensors --model own_nets:cnn", "of another model (missing: 0.bias and 8 more; unknown: a)"),
    ("describe foreign.safetensors --model resnet18,width_mult=a", "width_mult 'a' is not a number"),
    ("describe resnet18 --model own_nets:cnn", "'resnet18' is not a file: leave it out"),
    ("describe timm:", "timm"),
    ("describe own_nets:cnn,3", "cannot read '3'"),
    ("describe own_nets:cnn,width=", "'width=' gives no value"),
    ("describe own_nets:cnn,widht=3", "unexpected keyword argument 'widht'; arguments are written own_nets:cnn,"),
    ("describe own_nets:cn", "module 'own_nets' has no 'cn'; did you mean own_nets:cnn?"),
    ("describe own_net:cnn", "did you mean own_nets:cnn?"),
    ("describe own_nets.py:cnn", "name the module, not its file, as own_nets:cnn"),
    ("describe own_nets:", "'own_nets:': write module:factory, with the name of a function"),
    ("describe :cnn", "':cnn': write module:factory, with the name of a function"),
    ("describe own_nets:model", "own_nets:model is a model, not a function that returns one: write def make(): return model"),
    ("describe syntax:net", "syntax.py, line 1"),
    ("describe own_nets:value", "no function 'value'"),
    ("describe own_nets:number", "own_nets:number() returned int"),
    ("describe own_nets:raises", "own_nets:raises() failed: KeyError: 'no weights\\nhere' (own_nets.py, line"),
    ("describe own_nets:leaves", "own_nets:leaves() failed: SystemExit: bye (own_nets.py, line"),
    ("describe own_nets:asks", "argument: 'path'"),
    ("describe own_nets:fails_inside", "KeyError: 'weights'"),
    ("describe own_nets:cnn --width-mult 0.5", "--width-mult is for built-in models"),
    ("describe own_nets:cnn --sites 1", "--sites needs --defect KEEP_PROB"),
    ("describe own_nets:cnn --defect 0.3", "--defect 0.3 needs --sites PATTERN"),
    ("describe own_nets:cnn --defect 3 --sites 1", "--defect 3 lies outside [0, 1]"),
    ("describe own_nets:cnn --defect 0.3 --sites BatchNrom2d", "'BatchNrom2d' match no module; did you mean BatchNorm2d?"),
    ("describe own_nets:cnn --defect 0.3 --sites 5", "site '5' outputs (1, 2), not (N, C, H, W)"),
    (f"evaluate foreign.safetensors --model foreing.safetensors=own_nets:cnn {FOLDER}", "there are foreign.safetensors"),
]

RUNS = [
    ("data get folder:truncated", "truncated/train/dark/1.png"),
    (f"train own_nets:cnn,num_classes=7 {FOLDER} --out new", "the model knows 7 classes, data has 2"),
    (f"train own_nets:cnn {FOLDER} --adversarial buckman --out new", "own_nets:cnn has no thermometer"),
    (f"train own_nets:cnn {FOLDER} --neurons live --out new", "own_nets:cnn has no masks"),
    (f"train own_nets:frozen {FOLDER} --out new", "own_nets:frozen: the logits have no gradient with respect to any weight"),
    (f"train own_nets:stumbles_in_training {FOLDER} --out new", "cannot be trained: KeyError: 'weights'"),
    (f"train resnet18 {FOLDER} --out other-run", "other-run holds another training run (its net differs)"),
    (f"train resnet18 {FOLDER} --out begun-run", "begun-run/state.safetensors"),
    # One step an epoch: the loss before it is finite, the net after it is not.
    (f"train resnet18 {FOLDER} --width-mult 0.0625 --epochs 1 --lr 1e30 --out new", "step of epoch 1 (learning rate 1e+30)"),
    (f"attack own_nets:detached {FOLDER} --out new.safetensors", "own_nets:detached: the model's logits have no gradient"),
    (f"attack three-classes.safetensors {FOLDER} --out new.safetensors", "three-classes.safetensors knows 3 classes, data has 2"),
    (f"attack plain.safetensors+nowhere {FOLDER} --out new.safetensors", "'nowhere': no such file"),
    (f"attack plain.safetensors+larger.safetensors {FOLDER} --out new.safetensors", "of shapes (3, 16, 16) and (3, 32, 32)"),
    *(
        (
            f"attack own_nets:bright {FOLDER} --attack own_nets:{name} --out new.safetensors",
            f"own_nets:{name} on own_nets:bright: {said}",
        )
        for name, said in {
            "stumbles": "own_nets:stumbles() failed: KeyError: 'no plan\\nhere' (own_nets.py, line",
            "walks_out": "own_nets:walks_out() failed: SystemExit: bye (own_nets.py, line",
        }.items()
    ),
    (f"evaluate own_nets:stays {FOLDER} --parts noise", "own_nets:stays cannot be moved to cpu: RuntimeError: stays here"),
    (f"evaluate own_nets:nowhere {FOLDER} --parts noise", "own_nets:nowhere cannot be moved to cpu: NotImplementedError: "),
    (f"evaluate own_nets:exits {FOLDER} --parts noise --samples 2", "error: own_nets:exits: "),
    (f"evaluate own_nets:bright {FOLDER} --source own_nets:always_wrong", "own_nets:always_wrong classifies no image of data"),
    (f"evaluate own_nets:bright {FOLDER} --parts stimuli --stimuli data", "data holds no stimuli"),
    (f"evaluate own_nets:bright {FOLDER} --parts noise --adversarial of-birds.safetensors", "(it holds those of 'birds')"),
    (FIGURE14.replace("folder:data", "folder:truncated"), "truncated/train/dark/1.png"),
]


@pytest.fixture
def untouched(monkeypatch):
    """Any look at data fails the test; AutoAttack and Ray are missing, and nothing may be written into ``locked``."""
    for module, name in ((data, "_read"), (data, "download"), (data, "shapes"), (demo, "shapes"), (stimuli, "_read")):
        monkeypatch.setattr(module, name, lambda *args, **options: pytest.fail("data was opened"))
    for name in ("pyautoattack", "autoattack", "ray"):
        monkeypatch.setitem(sys.modules, name, None)
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: access(path, mode) and not (mode == os.W_OK and str(path).endswith("locked"))
    )


@pytest.mark.parametrize(("command", "named"), OPTIONS, ids=[command[:80] for command, _ in OPTIONS])
def test_a_bad_option_is_reported_before_data_is_read(place, run, untouched, command, named):
    before = sorted(place.rglob("*"))
    assert named in one_line(run(command))
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(("command", "named"), MODELS + RUNS, ids=[command[:80] for command, _ in MODELS + RUNS])
def test_one_line_names_what_is_wrong_and_the_way_out(place, run, command, named):
    assert named in one_line(run(command))
    assert not any((place / made).exists() for made in ("new.safetensors", "new/result.json", "new/jobs"))


TORCH_FILES = {
    "whole.pt": (cnn, "cannot be read with weights_only=True, which runs no code"),
    "numbers.pt": (lambda: {"epoch": 3}, "has 'epoch' of type int: write it with torch.save(model.state_dict(), file)"),
    "list.pt": (lambda: [torch.zeros(1)], "holds a list, not a state dict"),
    "empty.pt": (dict, "holds an empty dict"),
}


@pytest.mark.parametrize("name", TORCH_FILES)
def test_other_files_of_torch_are_refused_with_the_way_out(place, run, tmp_path, name):
    make, said = TORCH_FILES[name]
    torch.save(make(), tmp_path / name)
    assert said in one_line(run(f"describe {tmp_path / name} --model own_nets:cnn"))
    assert "name what builds the model, --model module:factory" in one_line(run(f"describe {tmp_path / name}"))
