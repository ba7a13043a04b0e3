"""Nets and training states as safetensors: weights, masks and what rebuilds them in one file, never pickle."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from defective._version import __version__
from defective.errors import InputError
from defective.files import read_tensors, write_tensors
from defective.models import Ensemble, construct
from defective.specs import NetSpec
from defective.surgery import attach_, defects, restore_


def save(model: nn.Module, path: str | Path, *, notes: dict[str, Any] | None = None) -> None:
    """Write a net to one safetensors file: weights, masks, architecture, spec.

    Nets of the zoo and ensembles of them come back by :func:`load` alone. Any other net can be saved too; loading it needs a plain
    net of the same kind to load into.

    Args:
        model: The net, plain or defective.
        path: File to write; it appears whole or not at all.
        notes: More to keep beside it, as plain JSON values (data set, recipe, accuracy).

    Example:
        >>> import tempfile
        >>> from defective import build, defects
        >>> file = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> save(build("vgg19/0.5-bottom", width_mult=0.125), file)
        >>> len(defects(load(file)))
        4
    """
    # What torch.compile, DataParallel and DDP wrap is the net.
    model = getattr(model, "_orig_mod", model)
    model = model.module if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel) else model
    spec = getattr(model, "spec", None)
    about = {
        "version": __version__,
        "architecture": _architecture(model),
        "spec": spec.model_dump(mode="json") if isinstance(spec, NetSpec) else None,
        "build_options": getattr(model, "build_options", None),
        "defects": {defect.site: [defect.keep_prob, defect.pattern] for defect in defects(model)},
        "notes": notes or {},
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_tensors(Path(path), tensors, about)


def load(path: str | Path, *, model: nn.Module | None = None) -> nn.Module:
    """Read a net written by :func:`save`, masks included, onto the CPU, in eval mode.

    Args:
        path: The file, or the folder that ``defective train`` wrote.
        model: Plain net to load into, for nets that are not of the zoo.

    Returns:
        The net, with ``.spec``, ``.build_options`` and ``.notes`` as saved.

    Raises:
        InputError: If the file is missing, damaged, of another kind, or does not fit ``model``.
    """
    path = Path(path)
    path = path / "model.safetensors" if path.is_dir() else path
    tensors, about = read_tensors(path)
    if "architecture" not in about:
        raise InputError(f"{path} is not a net saved by defective")
    if model is None:
        if about["architecture"] is None:
            raise InputError(f"{path} holds a net that is not of the zoo: pass a plain one to load into, load(path, model=net)")
        with torch.random.fork_rng(devices=[]):
            model = _construct(about["architecture"])
    restore_(model)
    for site, (keep_prob, pattern) in about["defects"].items():
        name = f"{site}.defect_mask" if site else "defect_mask"
        if site not in dict(model.named_modules()) or name not in tensors:
            raise InputError(f"{path} has a mask for {site!r}, which this net does not have")
        attach_(model, site, tensors[name][0], keep_prob, pattern)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit this net: {' '.join(str(error).split())}") from None
    model.spec = NetSpec.model_validate(about["spec"]) if about["spec"] else None  # type: ignore[assignment]
    model.build_options, model.notes = about["build_options"], about["notes"]
    return model.eval()


def _architecture(model: nn.Module) -> Any:
    """What :func:`_construct` needs, or None for a net that is not of the zoo."""
    if isinstance(model, Ensemble):
        members = [_architecture(member) for member in model.members]
        return None if None in members else {"members": members}
    return getattr(model, "architecture", None)


def _construct(architecture: dict[str, Any]) -> nn.Module:
    if "members" in architecture:
        ensemble = Ensemble(_construct(member) for member in architecture["members"])
        ensemble.input_shape = ensemble.members[0].input_shape
        return ensemble
    return construct(**architecture)
