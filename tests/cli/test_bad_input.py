"""Each bad input: exit code 2, nothing on standard output, one line on standard error that names what is wrong."""

import pytest

from printed import one_line

TRAIN = "train resnet18 --data folder:data --width-mult 0.0625 --device cpu --out new"
ATTACK = "attack own_nets:bright --data folder:data --out new.safetensors"
CRAFT = "--data folder:data --out new.safetensors"
EVALUATE = "evaluate own_nets:bright plain.safetensors --data folder:data --attack fgsm"

NAMES = [
    ("describe ''", "''"),
    ("describe resnet18/0.1-middle", "'0.1-middle'"),
    ("describe resnet18/1.5-bottom", "keep_prob 1.5 lies outside [0, 1]"),
    ("describe resnet18/x2", "model 'resnet18/x2': -dc, -sm and -x2 act on defective layers"),
    ("describe resnet18 --num-classes 1", "num_classes = 1"),
    ("describe resnet18 --width-mult 0", "width_mult 0.0"),
    ("describe plain.safetensors --num-classes 5", "num_classes"),
    ("describe cut.safetensors", "cut.safetensors"),
]

ARGUMENTS = [
    ("describe", "'MODEL'"),
    ("destroy", "'destroy'"),
    ("data get", "'NAME'"),
    ("describe resnet18 --frobnicate", "--frobnicate"),
    ("train resnet18 --out new", "'--data'"),
    ("evaluate --data folder:data", "'MODEL...'"),
    ("describe resnet18 --num-classes ten", "'--num-classes': Input should be a valid integer"),
    (f"describe resnet18/therm{'9' * 5000}", "'resnet18/therm99999999999999999999999999'...: a name has at most 2000"),
    (f"{TRAIN} --mask-seed 1.5", "'1.5'"),
    (f"{ATTACK} --samples 0", "'--samples'"),
    (f"{EVALUATE} --confidence much", "'much'"),
]

DATA = [
    ("data get cifar100", "'cifar100'"),
    ("data get folder:", "folder:PATH"),
    ("data get shapes:more", "shapes:more"),
    ("data get folder:data --image-size 0", "'0'"),
    ("data get folder:single", "1 class"),
    ("data get folder:truncated", "truncated/train/dark/1.png"),
    ("data get folder:upward.tar", "'../evil.txt'"),
]

TRAINING = [
    (f"{TRAIN} --mask-seed 1", "--mask-seed 1: resnet18 has no masks to draw: name a defective model"),
    (f"{TRAIN.replace('resnet18', 'resnet18/0.5-bottom-dc')} --mask-seed 0", "resnet18/0.5-bottom-dc has no masks to draw"),
    ("train bottom.safetensors --data folder:data --mask-seed 1 --device cpu --out new", "bottom.safetensors has no masks to draw"),
    ("train own_nets:cnn --data folder:data --mask-seed 1 --device cpu --out new", "own_nets:cnn has no masks to draw"),
    (f"{TRAIN} --lr 0", "lr = 0"),
    (f"{TRAIN} --label-smoothing 1", "label_smoothing = 1.0"),
    (f"{TRAIN} --adversarial pgd:eps=8", "eps=8 lies outside"),
    (f"{TRAIN} --adversarial pgd:random_start=2", "random_start=2"),
    (f"{TRAIN} --adversarial buckman", "such as resnet18/therm16, or use madry"),
    (f"{TRAIN.replace('resnet18', 'resnet18/0.9-dropblok')}", "0.9-dropblock"),
    (f"{TRAIN} --out other-run", "other-run holds another training run (its net differs)"),
    (f"{TRAIN} --out begun-run", "begun-run/state.safetensors"),
    # One step an epoch: the loss before it is finite, the net after it is not.
    (f"{TRAIN} --epochs 1 --lr 1e30", "step of epoch 1 (learning rate 1e+30)"),
    (f"{TRAIN} --epochs 1 --lr 1e30 --batch-size 4", "nan at step 2 of epoch 1 (learning rate"),
]

OWN_ATTACKS = [
    ("stumbles", "own_nets:stumbles() failed: KeyError: 'no plan\\nhere' (own_nets.py, line"),
    ("walks_out", "own_nets:walks_out() failed: SystemExit: bye (own_nets.py, line"),
]

ATTACKS = [
    (f"{ATTACK} --attack ''", "''"),
    (f"{ATTACK} --attack pgd:eps=16", "eps=16 lies outside [0, 1]: write 16/255, not 16"),
    (f"{ATTACK} --out notes.txt/new", "notes.txt is a file"),
    (f"attack nowhere.safetensors {CRAFT}", "'nowhere.safetensors'"),
    (f"attack data {CRAFT}", "data is a folder without model.safetensors"),
    (f"attack cut.safetensors {CRAFT}", "cut.safetensors is corrupt"),
    (f"attack foreign.safetensors {CRAFT}", "foreign.safetensors was not written by defective"),
    (f"attack no_module:net {CRAFT}", "'no_module'"),
    (f"attack :net {CRAFT}", "':net'"),
    (f"attack syntax:net {CRAFT}", "syntax.py, line 1"),
    (f"attack own_nets:missing {CRAFT}", "'missing'"),
    (f"attack own_nets:value {CRAFT}", "no function 'value'"),
    (f"attack own_nets:number {CRAFT}", "own_nets:number() returned int"),
    (f"attack own_nets:raises {CRAFT}", "own_nets:raises() failed: KeyError"),
    (f"attack own_nets:leaves {CRAFT}", "own_nets:leaves() failed: SystemExit: bye (own_nets.py, line"),
    (f"attack own_nets:asks {CRAFT}", "argument: 'path'"),
    (f"attack own_nets:fails_inside {CRAFT}", "KeyError: 'weights'"),
    (f"attack own_nets:detached {CRAFT}", "steps=20 on own_nets:detached: the model's logits have no gradient"),
    (f"attack plain.safetensors+nowhere {CRAFT}", "'nowhere': no such file"),
    (
        f"attack plain.safetensors+three-classes.safetensors {CRAFT}",
        "plain.safetensors+three-classes.safetensors: the model cannot",
    ),
    (f"attack plain.safetensors+larger.safetensors {CRAFT}", "joins models for images of shapes (3, 16, 16) and (3, 32, 32)"),
    (f"{ATTACK} --attack no_module:step", "as module:attack it cannot be imported"),
    (f"{ATTACK} --attack own_nets:missing", "module 'own_nets' has no 'missing'"),
    *((f"{ATTACK} --attack own_nets:{name}", f"own_nets:{name} on own_nets:bright: {said}") for name, said in OWN_ATTACKS),
    (f"attack three-classes.safetensors {CRAFT}", "three-classes.safetensors knows 3 classes, data has 2"),
    (f"attack larger.safetensors {CRAFT}", "larger.safetensors takes images of shape (3, 32, 32)"),
]

EVALUATION = [
    ("evaluate own_nets:exits --data folder:data --parts noise --samples 2", "error: own_nets:exits: "),
    ("evaluate own_nets:bright --data folder:data", "one model alone"),
    ("evaluate own_nets:bright --source plain.safetensors+ --data folder:data", "an empty name"),
    (f"{EVALUATE} --source plain.safetensors --mask-draws 1", "no source has masks to draw anew (plain.safetensors)"),
    (f"{EVALUATE} --source bottom.safetensors --mask-draws 4 --parts noise", "--mask-draws 4 is for the part transfer"),
    ("evaluate plain.safetensors ./plain.safetensors --data folder:data", "./plain.safetensors is named twice"),
    (f"{EVALUATE} --source bottom.safetensors --source bottom.safetensors", "bottom.safetensors is named twice"),
    (f"{EVALUATE} --data folder:three", "own_nets:bright knows 2 classes, three has 3"),
    (f"{EVALUATE} --source own_nets:always_wrong", "own_nets:always_wrong classifies no image of data correctly: train it"),
    (f"{EVALUATE} --parts transfer,magic", "no part 'magic'; there are transfer, white-box"),
    (f"{EVALUATE} --parts ,", "--parts ',' names no part"),
    (f"{EVALUATE} --parts noise,shufle", "no part 'shufle'; did you mean shuffle? There are transfer, white-box"),
    (f"{EVALUATE} --decision pgd", "needs more than decisions: use boundary"),
    (f"{EVALUATE} --decision hopskipjump-linf", "another distance small than S(M) measures: use hopskipjump"),
    (f"{EVALUATE} --decision boundary:directions=3", "directions=3 must be 1"),
    (f"{EVALUATE} --parts transfer --stimuli cues", "go together: name both, or neither"),
    (f"{EVALUATE} --stimuli cut.zip", "cut.zip"),
    (f"{EVALUATE} --stimuli data", "data holds no stimuli"),
    (f"{EVALUATE} --model-vs-human --stimuli cues", "--model-vs-human needs --stimuli ARCHIVE, and --out FOLDER"),
    (f"{EVALUATE} --model-vs-human --out new", "--model-vs-human needs --stimuli ARCHIVE, and --out FOLDER"),
    (f"{EVALUATE} --model-vs-human --out new --stimuli cues", "0 of the 16 categories (airplane, bear,"),
    (
        f"{EVALUATE} --adversarial of-birds.safetensors",
        "of-birds.safetensors holds no adversarial images of data (it holds those of 'birds')",
    ),
    ("demo --device meta", "no device 'meta' here"),
]

PLAY = [
    ("play", "demo-output lacks those of the demo: make them with defective demo"),
    ("play plain.safetensors bottom.safetensors", "Name their data set, as --data cifar10"),
    ("play plain.safetensors bottom.safetensors --data cifar100", "'cifar100'"),
    ("play plain.safetensors bottom.safetensors --data folder:data --port 65536", "'--port'"),
]

CASES = NAMES + ARGUMENTS + DATA + TRAINING + ATTACKS + EVALUATION + PLAY


@pytest.mark.parametrize(("command", "named"), CASES, ids=[command for command, _ in CASES])
def test_one_line_names_what_is_wrong(place, run, command, named):
    assert named in one_line(run(command))
    assert not (place / "new.safetensors").exists()
    assert not (place / "new" / "result.json").exists()
