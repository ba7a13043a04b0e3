"""Each bad input to the commands of a campaign: one line that names what is wrong, and nothing is made."""

import pytest

from printed import one_line

STORE = ("store ls", "store show train-0", "store export --out new", "store gc", "report --out new")
REPRODUCE = "reproduce figure14 --data folder:data --device cpu --store new"

CASES = [
    ("reproduce --store new", "'EXHIBIT...'"),
    ("reproduce table16 --store new", "no exhibit 'table16'; did you mean table6?"),
    (f"{REPRODUCE} --seeds -1", "'-1'"),
    *((f"{REPRODUCE} --time-budget '{budget}'", f"time budget '{budget}'") for budget in ("0", "-1m", "9 m", "1d", "nan", "")),
    (f"{REPRODUCE} --rows 'resnet18*' --rows 0.3", "no row matches '0.3'; there are resnet18, resnet18/0.5-bottom"),
    ("reproduce figure2 --store new --rows '*'", "no row matches '*'; these exhibits have none"),
    ("reproduce figure14 --store new --data folder:nowhere", "folder:nowhere"),
    ("reproduce figure14 --store new --data folder:~nobody-at-all/data", "no such file"),
    ("reproduce figure14 --store new --data cifar=shapes", "no kind 'cifar'"),
    ("reproduce figure14 --store new --data cifar10=", "no data set ''"),
    ("reproduce figure14 --store new --data mnist --dry-run --data folder:nowhere", "folder:nowhere"),
    ("reproduce figure14 --store new --data imagenet", "figure14 is measured on cifar10 and mnist, not on imagenet"),
    ("reproduce figure14 --store new --data imagenet --dry-run", "figure14 is measured on cifar10 and mnist, not on imagenet"),
    ("reproduce figure14 --store new --data ''", "--data '' names no data set"),
    (f"{REPRODUCE} --ray nonsense", "'nonsense' is no address of a Ray cluster: write auto, local or HOST:PORT"),
    (f"{REPRODUCE} --ray ray://head:10001", "Ray's client (ray://head:10001) is not supported"),
    ("reproduce table1 --store new --data imagenet", "the path of the images is missing: write imagenet:PATH"),
    ("reproduce figure14 --store new --data shapes --data folder:data", "is already shapes"),
    ("reproduce figure14 --store new --data folder:truncated", "truncated/train/dark/1.png"),
    (REPRODUCE.replace("new", "notes.txt"), "notes.txt is a file"),
    (REPRODUCE.replace("new", "notes.txt/deeper"), "notes.txt is a file"),
    (REPRODUCE.replace("new", "cues"), "cues is no store and not empty"),
    (f"{REPRODUCE.replace('new', 'cues')} --dry-run", "cues is no store and not empty"),
    (f"{REPRODUCE.replace('new', 'notes.txt')} --dry-run", "notes.txt is a file"),
    *((f"{command} --store nowhere", "nowhere: there is no store") for command in STORE),
    *((f"{command} --store cues", "cues: there is no store") for command in STORE),
    ("store show train-0 --store nothing-done", "nothing-done has no finished job 'train-0'; defective store ls"),
    ("store show .. --store nothing-done", "no finished job '..'"),
    ("store gc --store nothing-done --days -1", "'--days'"),
    ("store export --store nothing-done --out notes.txt", "notes.txt is a file"),
    ("store export --store nothing-done --out ''", "Invalid value for '--out': '' names no folder"),
    ("report --store nothing-done --out ''", "Invalid value for '--out': '' names no folder"),
    ("store ls", "runs/store: there is no store"),
    ("store throw --store nothing-done", "'throw'"),
    ("report --store nothing-done --out new", "nothing-done holds no plan"),
    ("report --store nothing-done --out notes.txt", "notes.txt is a file"),
    ("store show train-0 --store other-version", "other-version/jobs/train-0/spec.json is corrupt (it is no job of this version)"),
]


@pytest.mark.parametrize(("command", "named"), CASES, ids=[command for command, _ in CASES])
def test_one_line_names_what_is_wrong(place, run, command, named):
    before = sorted(place.rglob("*"))
    assert named in one_line(run(command))
    assert sorted(place.rglob("*")) == before
