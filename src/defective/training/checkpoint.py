"""Nets and training states as safetensors: weights, masks and what rebuilds them in one file, never pickle."""

from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from defective._version import __version__
from defective.baselines import Drop, attach_drop_, drops, thermometer_, undrop_
from defective.errors import InputError
from defective.files import read_tensors, write_tensors
from defective.machine import bare
from defective.models import Ensemble, construct
from defective.sparse import LiveTraining, SparseNet
from defective.specs import NetSpec
from defective.surgery import attach_, defects, restore_


def save(model: nn.Module, path: str | Path, *, notes: dict[str, Any] | None = None) -> None:
    """Write a net to one safetensors file: weights, masks, dropout, architecture, spec.

    Nets of the zoo and ensembles of them come back by :func:`load` alone. Any other net can be saved too; loading it needs a plain
    net of the same kind to load into. Weights that a net uses under two names are written under both.

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
    if isinstance(model, SparseNet | LiveTraining):
        raise InputError(f"a {type(model).__name__} is a view of a net and is not saved: save the net it was made from")
    model = bare(model)
    spec = _spec(model)
    about = {
        "version": __version__,
        "architecture": _architecture(model),
        "spec": spec.model_dump(mode="json") if spec else None,
        "build_options": getattr(model, "build_options", None) if spec else None,
        "defects": {defect.site: [defect.keep_prob, defect.pattern] for defect in defects(model)},
        "drops": [[drop.site, drop.keep_prob, drop.kind] for drop in drops(model)],
        "notes": notes or {},
    }
    write_tensors(Path(path), model.state_dict(), about)


def load(path: str | Path, *, model: nn.Module | None = None) -> nn.Module:
    """Read a net written by :func:`save`, masks and dropout included, onto the CPU, in eval mode, each tensor in its dtype as saved.

    Args:
        path: The file, or the folder that ``defective train`` wrote.
        model: Plain net to load into, for nets that are not of the zoo. Masks and dropout that it has make way for those of the file.

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
    _attach(model, tensors, about, path)
    _take_dtypes(model, tensors)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit this net: {' '.join(str(error).split())}") from None
    spec = NetSpec.model_validate(about["spec"]) if about["spec"] else None
    model.spec, model.build_options, model.notes = spec, about["build_options"], about["notes"]  # type: ignore[assignment]
    if spec and isinstance(model, Ensemble):
        for member in model.members:
            member.spec = spec.member()  # type: ignore[assignment]
    return model.eval()


def _attach(model: nn.Module, tensors: dict[str, Tensor], about: dict[str, Any], path: Path) -> None:
    """Give the net the masks and the dropout of the file in place of its own."""
    restore_(model)
    undrop_(model)
    modules = dict(model.named_modules())
    for site, (keep_prob, pattern) in about["defects"].items():
        name = f"{site}.defect_mask" if site else "defect_mask"
        if site not in modules or name not in tensors:
            raise InputError(f"{path} has a mask for {site!r}, which this net does not have")
        attach_(model, site, tensors[name][0], keep_prob, pattern)
    # Files of versions before dropout was there have no such entry.
    for site, keep_prob, kind in about.get("drops", ()):
        if site not in modules:
            raise InputError(f"{path} has {kind} for {site!r}, which this net does not have")
        attach_drop_(model, Drop(site, keep_prob, kind))


def _take_dtypes(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    for name, own in chain(model.named_parameters(), model.named_buffers()):
        if name in tensors and own.is_floating_point() and tensors[name].is_floating_point():
            own.data = own.data.to(tensors[name].dtype)


def _spec(model: nn.Module) -> NetSpec | None:
    """The spec, unless a member of the ensemble was changed since."""
    spec = getattr(model, "spec", None)
    if not isinstance(spec, NetSpec):
        return None
    members = model.members if isinstance(model, Ensemble) else ()
    return spec if all(getattr(member, "spec", None) == spec.member() for member in members) else None


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
    net = construct(**{key: value for key, value in architecture.items() if key != "thermometer"})
    if "thermometer" in architecture:
        thermometer_(net, architecture["thermometer"])
    return net
