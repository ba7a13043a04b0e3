"""Tools that copy, store and load the weights of a model.

Each takes a :class:`Cell` and returns a callable from images to logits; or two where the tool is meant to change the function, its
result and a reference made without it.
"""

import copy
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import problems
from defective import attach_masks_, defects, load, load_weights_, save
from interop.models import MODELS, Cell, mask_

Model = Callable[[Tensor], Tensor]


def deepcopied(cell: Cell) -> Model:
    return copy.deepcopy(cell.model)


def pickled(cell: Cell) -> Model:
    return pickle.loads(pickle.dumps(cell.model))


def torch_saved(cell: Cell) -> Model:
    return problems.pickled(cell.model)


def saved(cell: Cell) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        save(cell.model, Path(folder) / "model.safetensors")
        return load(Path(folder) / "model.safetensors", None if MODELS[cell.name].spec else cell.plain())


def state_loaded(cell: Cell) -> Model:
    other = cell.others()
    other.load_state_dict(cell.model.state_dict())
    return other


def weights_loaded(cell: Cell) -> Model:
    other = copy.deepcopy(cell.model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    load_weights_(other, cell.plain().state_dict())
    return other


def attached(cell: Cell) -> Model:
    plain = cell.plain()
    attach_masks_(plain, cell.model.state_dict())
    return plain


def from_meta(cell: Cell) -> Model:
    with torch.device("meta"):
        model = mask_(cell.name, MODELS[cell.name].make())
    model.to_empty(device="cpu").load_state_dict(cell.model.state_dict())
    return model.eval()


def published(cell: Cell) -> Model:
    return _published(cell, cell.others)[0]


def published_plain(cell: Cell) -> Model:
    model, state = _published(cell, cell.plain)
    assert not defects(model)
    attach_masks_(model, state)
    return model


def _published(cell: Cell, make: Callable[[], nn.Module]) -> tuple[nn.Module, dict[str, Tensor]]:
    """The model loaded into what ``make`` makes, and the tensors of the file."""
    from huggingface_hub import PyTorchModelHubMixin
    from safetensors.torch import load_file

    class Published(nn.Module, PyTorchModelHubMixin):
        def __init__(self) -> None:
            super().__init__()
            self.model = make()

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x)

    source = Published()
    source.model = cell.model
    with tempfile.TemporaryDirectory() as folder:
        source.save_pretrained(folder)
        return Published.from_pretrained(folder).eval(), load_file(Path(folder) / "model.safetensors")
