"""Files that hold weights, and ``--model``, which names what builds the model that they are for."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from defective.cli.factories import TIMM, Factory
from defective.data import load_data
from defective.errors import InputError
from defective.files import is_foreign, read_about
from defective.text import as_text
from defective.training.checkpoint import load
from defective.training.state_dict import fitting, is_torch_file, load_state_dict_, names_in, read_state_dict

# Between what builds a model and the file that it is trained on from, in the name of a run.
FROM = " from "
_ANY_BUILDER = f"--model module:factory or {TIMM}NAME"
Sizes = Callable[[], dict[str, int]]


class Builders:
    """What ``--model`` names: a factory for each of the files that is named with one, and one for all others."""

    def __init__(self, texts: Sequence[str] | None = None, files: Iterable[str] = ()) -> None:
        self.by_file: dict[str, Factory] = {}
        self._unused: dict[str, str] = {}
        known = set(files)
        for text in texts or []:
            file, sign, reference = text.partition("=")
            if sign and file not in known and "," not in file:
                raise InputError(f"--model {text}: {file!r} is not a file of this command; there are {', '.join(known)}")
            if not sign or file not in known:
                file, reference = "", text
            if file in self.by_file:
                raise InputError(f"--model is given twice for {file or 'all files'}: write --model FILE=REFERENCE for each file")
            if reference in known:
                raise InputError(f"--model {reference}: that is a file of weights; name what builds its model, {_ANY_BUILDER}")
            self.by_file[file], self._unused[file] = Factory.find(reference), text

    def of(self, reference: str) -> Factory | None:
        """The factory for a file, if one was named."""
        key = reference if reference in self.by_file else ""
        self._unused.pop(key, None)
        return self.by_file.get(key)

    def check_used(self) -> None:
        """Refuse a factory that no file needed."""
        if self._unused:
            text = next(iter(self._unused.values()))
            raise InputError(
                f"--model {text}: no file here needs it, as checkpoints of built-in models name their own: leave it out"
            )


def open_file(reference: str, builders: Builders, sizes: Sizes) -> tuple[nn.Module, dict[str, Any]]:
    """The model in a file or a folder of train, in eval mode, and what stands beside it; ``sizes`` is called where it does not say them."""
    path = Path(reference)
    file = path / "model.safetensors" if path.is_dir() else path
    if path.suffix == ".py":
        raise InputError(
            f"{reference} is code, not weights: name a function in it, as {path.stem}:factory, in the folder of the file"
        )
    if path.is_dir() and not file.exists():
        raise InputError(f"{reference} is a folder without model.safetensors: name a folder that train wrote, or a file of weights")
    foreign = file.is_file() and (is_torch_file(file) or is_foreign(file))
    about = {} if foreign else read_about(file)
    notes = found if isinstance(found := about.get("notes"), dict) else {}
    if not foreign and (about.get("architecture") is not None or "defects" not in about):
        return load(file), notes
    factory = builders.of(reference)
    if factory is None and foreign:
        raise InputError(
            f"{reference} was not written by defective: it holds weights alone, so name what builds the model, {_ANY_BUILDER}"
        )
    if factory is None:
        trained = as_text(str(notes.get("net", "")))[:200]
        builder = trained.partition(FROM)[0]
        raise InputError(
            f"{reference} holds the weights and masks of a model that is not built in{trained and f', {trained}'}: name what builds it, "
            f"{f'--model {builder}' if builder else _ANY_BUILDER}"
        )
    state = read_state_dict(file) if foreign else None
    model = factory(**(sizes() if foreign else sizes_of(notes)))
    try:
        if state is not None:
            load_state_dict_(model, state)
        else:
            load(file, fitting(model, names_in(file)))
    except InputError as error:
        written = f"{factory.name},num_classes=10"
        raise InputError(f"{reference} does not fit {factory.text}: {error}; arguments are written {written}") from error
    return model.eval(), notes


def data_sizes(data: str, image_size: int | None) -> dict[str, int]:
    """Classes and images of a data set's test split."""
    test = load_data(data, "test", image_size=image_size)
    channels, height, _ = test.image_shape
    return {"num_classes": len(test.classes), "in_chans": channels, "image_size": height}


def sizes_of(notes: dict[str, Any]) -> dict[str, int]:
    """Classes and images in the notes of a training run; nothing where they are of another form."""
    classes, shape = notes.get("classes"), notes.get("image_shape")
    sizes = {"num_classes": len(classes)} if isinstance(classes, list) else {}
    if isinstance(shape, list) and len(shape) == 3 and all(isinstance(size, int) for size in shape):
        sizes |= {"in_chans": shape[0], "image_size": shape[1]}
    return sizes
