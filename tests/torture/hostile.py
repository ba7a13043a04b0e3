"""Words that a command line may hold: good ones, bad ones, and any text."""

import typer
from hypothesis import strategies as st

from defective.cli import app

FILES = ["plain.safetensors", "bottom.safetensors", "cut.safetensors", "few", "few.zip", "store", "notes.txt", "new", "new/deeper"]
PLACES = [".", "./", "nowhere", "/proc/x", "/dev/null", "/dev/null/x", "a\x00b", "�", "r�[x]", "notes.txt/x", "~nobody/x"] + [
    "",
    "x" * 300,
]
MODELS = ["resnet18", "vgg19/0.1-bottom", "resnet18/0.5-bottom-x2-en", "resnet18/0.9-dropblock", "own:bright", "own:no", ":", "+"]
ATTACKS = [
    "fgsm",
    "pgd:eps=8/255,steps=2",
    "cw",
    "boundary:steps=3",
    "boundary",
    "lspga",
    "gaussian_noise",
    "own:shift",
    "autoattack",
    "pgd:eps=",
]
DATA = [
    "folder:few",
    "folder:few.zip",
    "folder:",
    "folder:/proc",
    "folder:notes.txt",
    "imagenet:few",
    "cifar10",
    "mnist",
    "no:such",
    "few",
]
NUMBERS = ["0", "1", "2", "-1", "0.5", "1e400", "-1e400", "nan", "inf", "1/0", "1e-400", "1_0", "٣", "0x1"] + [
    "2" * 400,
    "9" * 5000,
    str(2**63),
]
WORDS = [
    "cpu",
    "cuda",
    "meta",
    "cpu:1",
    "tiny",
    "fast",
    "paper",
    "fp32",
    "bf16",
    "live",
    "transfer",
    "noise,shuffle",
    "table9",
    "figure5",
    "table4",
    "train-0",
    "1,2",
    "--",
    "-",
    "-x",
]
WORDS += [
    "[/b]",
    "[red]:factory:",
    "a|b",
    "\x1b[2J",
    "a\nb",
    "1h",
    "0s",
    "1e99h",
    "few=folder:few",
    "cifar10=folder:few",
    "cifar10=",
]
POOL = [*FILES, *PLACES, *MODELS, *ATTACKS, *DATA, *NUMBERS, *WORDS]

# Nothing that leads out of the folder of the test: tests may run as root.
text = st.text(max_size=20).filter(lambda word: not word.startswith(("/", "~")) and ".." not in word)
word = st.sampled_from(POOL) | text


def commands() -> dict[tuple[str, ...], typer.core.TyperCommand]:
    """Every command by its words."""
    found, groups = {}, [((), typer.main.get_command(app))]
    for words, command in groups:
        inner = getattr(command, "commands", {})
        groups += [((*words, name), each) for name, each in inner.items()]
        if not inner:
            found[words] = command
    return found


def _likely(name: str) -> st.SearchStrategy[str]:
    """Words that the parameter may take, and every other word now and then."""
    pools = {
        "data": DATA,
        "attack": ATTACKS,
        "decision": ATTACKS,
        "device": ["cpu"],
        "out": ["new", "new.safetensors"],
        "store": ["store"],
    }
    pools |= {key: [*FILES[:2], *MODELS] for key in ("net", "models", "checkpoint", "source")}
    return st.sampled_from(pools.get(name, NUMBERS[:5] + WORDS)) | word


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command with arguments and some of its options, most of them with values of the right kind."""
    known = commands()
    words = draw(st.sampled_from(sorted(known)))
    arguments = []
    for parameter in known[words].params:
        if parameter.param_type_name == "argument":
            arguments += draw(st.lists(_likely(parameter.name), min_size=1, max_size=1 if parameter.nargs == 1 else 3))
        elif draw(st.booleans()) if not parameter.required else True:
            arguments.append(parameter.opts[0])
            arguments += [] if parameter.is_flag else [draw(_likely(parameter.name))]
    if draw(st.integers(0, 9)) == 0:
        arguments = draw(st.permutations([*arguments, draw(word)]))
    return [*words, *arguments]
