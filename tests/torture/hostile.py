"""Words that a command line may hold: good ones, bad ones, and any text."""

import typer
from hypothesis import strategies as st

from defective.cli import app

_WORDS = """
. ./ nowhere /proc/x /dev/null /dev/null/x notes.txt/x ~nobody/x cut.safetensors new/deeper few few.zip store notes.txt
no/0.1-bottom resnet18/2-bottom vgg19/0.1-blocks9 own:no own: : + cw autoattack lspga pgd:eps= boundary:directions=3 hopskipjump:radius=0
folder: folder:/proc folder:notes.txt imagenet:few cifar10 mnist no:such cifar10=folder:few cifar10=
-1 1e400 -1e400 nan inf 1/0 1e-400 1_0 ٣ 0x1 9223372036854775808 meta cuda cpu:1 fp16 paper 1e99h 0s -- - -x [/b] [red]:factory: a|b
own:cnn,width= own:cnn,width=x own:cnn,x weights.pt= timm: [
"""
HOSTILE = [*_WORDS.split(), "", "a\0b", "\ud800", "r\udce9[x]", "x" * 300, "2" * 400, "9" * 5000, "\x1b[2J", "a\nb"]
# Nothing that leads out of the folder of the test: it may be run by an administrator.
_text = st.text(max_size=20).filter(lambda word: not word.startswith(("/", "~")) and ".." not in word)
hostile = st.sampled_from(HOSTILE) | _text

_MODELS = ["plain.safetensors", "bottom.safetensors", "own:bright", "bottom.safetensors+plain.safetensors", "weights.pt"]
_ATTACKS = ["fgsm", "pgd:eps=8/255,steps=2", "mifgsm:steps=2", "cw:steps=2,search_steps=1", "noise", "own:step"]
# What a parameter is for, by its name; the others take a small number.
LIKELY = {
    "data": ["folder:few"],
    "name": ["folder:few", "folder:few.zip", "shapes"],
    "names": ["table9", "table7", "figure5", "table14", "figure1"],
    "net": [
        "resnet18",
        "vgg19/0.1-bottom",
        "resnet18/0.5-bottom-x2-en",
        "resnet18/0.9-dropblock",
        "bottom.safetensors",
        "own:cnn",
        "weights.pt",
    ],
    "model": ["own:cnn", "weights.pt=own:cnn,width=4", "own:bright", "resnet18,width_mult=0.0625", "timm:resnet18"],
    "defect": ["0.5", "0"],
    "sites": ["0", "BatchNorm2d", "*", "stem.norm"],
    "models": _MODELS,
    "checkpoint": _MODELS,
    "source": _MODELS,
    "attack": _ATTACKS,
    "decision": ["boundary:steps=3"],
    "parts": ["noise", "transfer", "white-box", "transfer,checks", "shuffle,noise", "decision"],
    "out": ["new", "new.safetensors"],
    "store": ["store", "new"],
    "job": ["train-", "score-"],
    "device": ["cpu"],
    "recipe": ["tiny", "fast"],
    "scale": ["tiny", "small"],
    "width_mult": ["0.0625", "0.5"],
    "image_size": ["16", "32"],
    "precision": ["fp32", "bf16"],
    "neurons": ["all", "live"],
    "adversarial": ["madry", "fgsm:eps=8/255"],
    "time_budget": ["1s"],
    "stimuli": ["few"],
}


def commands() -> dict[tuple[str, ...], typer.core.TyperCommand]:
    """Every command by its words."""
    found, groups = {}, [((), typer.main.get_command(app))]
    for words, command in groups:
        inner = getattr(command, "commands", {})
        groups += [((*words, name), each) for name, each in inner.items()]
        if not inner:
            found[words] = command
    return found


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command with its arguments and some of its options; none, one or many values are hostile."""
    known = commands()
    words = draw(st.sampled_from(sorted(known)))
    one_in = draw(st.sampled_from([3, 12, 1000]))

    def value(name: str) -> str:
        if draw(st.integers(1, one_in)) == 1:
            return draw(hostile)
        return draw(st.sampled_from(LIKELY.get(name, ["1", "2", "3"])))

    arguments = []
    for parameter in known[words].params:
        if parameter.param_type_name == "argument":
            arguments += [value(parameter.name) for _ in range(draw(st.integers(1, 2)) if parameter.nargs != 1 else 1)]
        elif parameter.required or parameter.name == "device" or draw(st.integers(0, 3)) == 0:
            arguments += [parameter.opts[0], *([] if parameter.is_flag else [value(parameter.name)])]
    if draw(st.integers(1, one_in)) == 1:
        arguments = draw(st.permutations([*arguments, draw(hostile)]))
    return [*words, *arguments]
