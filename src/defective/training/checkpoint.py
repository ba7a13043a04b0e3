"""Models as safetensors: weights, masks and what rebuilds them in one file, never pickle."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from defective._version import __version__
from defective.baselines import Drop, attach_drop_, drops, thermometer_, undrop_
from defective.errors import InputError
from defective.files import read_tensors, write_tensors
from defective.layers import DefectMask
from defective.machine import unwrap_model
from defective.masks import MaskDraw
from defective.models import Ensemble, construct
from defective.sites import architecture_of
from defective.sparse import LiveTraining, SparseNet
from defective.specs import Architecture, NetSpec
from defective.surgery import attach_, mask_layers, restore_
from defective.verify import verify
from defective.wrapper import site_modules

# Of the JSON document beside the tensors.
FORMAT = 2


def save(model: nn.Module, path: str | Path, *, notes: dict[str, Any] | None = None) -> None:
    """Write a model to one safetensors file: weights, masks, dropout, architecture, spec.

    Built-in models and ensembles of them come back by :func:`load` alone. Any other model can be saved too; loading it needs a plain
    model of the same kind to load into. Weights that a model uses under two names are written under both. A sharded model (FSDP2) is
    gathered: call it in every process, the first one writes.

    Args:
        model: The model, plain or defective.
        path: File to write; it appears whole or not at all.
        notes: More to keep beside it, as plain JSON values (data set, recipe, accuracy).

    Raises:
        InputError: If spec and masks of the model disagree (:func:`defective.verify`).

    Example:
        >>> import tempfile
        >>> from defective import build, defects
        >>> file = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> save(build("vgg19/0.5-bottom", width_mult=0.125), file)
        >>> len(defects(load(file)))
        4
    """
    if isinstance(model, SparseNet | LiveTraining):
        raise InputError(f"a {type(model).__name__} is a view of a model and is not saved: save the model it was made from")
    model = unwrap_model(model)
    verify(model)
    spec = _spec(model)
    about = {
        "format": FORMAT,
        "version": __version__,
        "architecture": _architecture(model),
        "spec": spec.model_dump(mode="json") if spec else None,
        "build_options": getattr(model, "build_options", None) if spec else None,
        "defects": {site: asdict(layer.draw) if layer.draw else None for site, layer in mask_layers(model).items()},
        "drops": [[drop.site, drop.keep_prob, drop.kind] for drop in drops(model)],
        "notes": notes or {},
    }
    state = {name: _whole_tensor(name, tensor) for name, tensor in model.state_dict().items()}
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        write_tensors(Path(path), state, about)


def _whole_tensor(name: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.is_quantized:
        kind = "a quantized tensor" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise InputError(
            f"{name!r} of the state dict is {kind}, and safetensors holds plain tensors alone: save the model before that"
        )
    return value.full_tensor() if hasattr(value, "full_tensor") else value


def load(path: str | Path, model: nn.Module | None = None) -> nn.Module:
    """Read a model written by :func:`save`, masks and dropout included, onto the CPU, in eval mode, each tensor in its dtype as saved.

    Args:
        path: The file, or the folder that ``defective train`` wrote.
        model: Plain model to load into, for models that are not built in. Masks and dropout that it has make way for those of the
            file.

    Returns:
        The model; a built-in one has ``.spec``, ``.build_options`` and ``.notes`` as saved.

    Raises:
        InputError: If the file is missing, corrupt, of another kind, or does not fit ``model``.
    """
    path = Path(path)
    path = path / "model.safetensors" if path.is_dir() else path
    tensors, about = read_tensors(path)
    if "architecture" not in about:
        raise InputError(f"{path} is not a model saved by defective")
    if about.get("format") != FORMAT:
        version = about.get("version", "unknown")
        raise InputError(f"{path} was written by another version of defective ({version}), which this one cannot read: train again")
    try:
        return _rebuilt(path, tensors, about, model)
    except InputError:
        raise
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError, RuntimeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{path} is corrupt ({reason}): copy it anew, or train again") from error


def _rebuilt(path: Path, tensors: dict[str, Tensor], about: dict[str, Any], model: nn.Module | None) -> nn.Module:
    if model is None:
        if about["architecture"] is None:
            raise InputError(f"{path} holds a model that is not built in: pass a plain one to load into, load(path, model=net)")
        _check_shapes(path, about["architecture"], tensors)
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            model = _construct(about["architecture"])
    inner = unwrap_model(model)
    _attach(inner, tensors, about, path)
    _take_dtypes(inner, tensors)
    try:
        inner.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit this model: {' '.join(str(error).split())}") from None
    if about["architecture"] is not None:
        spec = NetSpec.model_validate(about["spec"]) if about["spec"] else None
        inner.spec, inner.build_options, inner.notes = spec, about["build_options"], about["notes"]  # type: ignore[assignment]
        if spec and isinstance(inner, Ensemble):
            for member in inner.members:
                member.spec, member.build_options = spec.member(), None  # type: ignore[assignment]
    verify(inner)
    return model.eval()


def _check_shapes(path: Path, architecture: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Refuse a file whose architecture needs other tensors than it holds, before any memory is taken for them."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        needed = _construct(architecture).state_dict()
    for name, tensor in needed.items():
        found = tuple(tensors[name].shape) if name in tensors else "missing"
        if found != tuple(tensor.shape):
            raise InputError(
                f"{path} does not hold the model that it names: {name} is {found}, the architecture needs {tuple(tensor.shape)}"
            )


def _attach(model: nn.Module, tensors: dict[str, Tensor], about: dict[str, Any], path: Path) -> None:
    """Give the model the masks and the dropout of the file in place of its own."""
    restore_(model)
    undrop_(model)
    modules, masks = site_modules(model), {}
    for site, draw in about["defects"].items():
        if site not in modules or f"{site}.defect_mask" not in tensors:
            raise InputError(f"{path} has a mask for {site!r}, which this model does not have")
        if not isinstance(modules[site], DefectMask):
            mask = tensors[f"{site}.defect_mask"][0]
            masks[site] = DefectMask(mask, draw=MaskDraw(**draw) if draw else None, name=site)
    attach_(model, masks)
    for site, keep_prob, kind in about["drops"]:
        if site not in modules:
            raise InputError(f"{path} has {kind} for {site!r}, which this model does not have")
        attach_drop_(model, Drop(site, keep_prob, kind))


def _take_dtypes(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    for name, own in model.state_dict(keep_vars=True).items():
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
    """What :func:`_construct` needs, or None for a model that is not built in."""
    if isinstance(model, Ensemble):
        members = [_architecture(member) for member in model.members]
        return None if None in members else {"members": members}
    architecture = architecture_of(model)
    return architecture and architecture.model_dump(mode="json", exclude_defaults=True)


def _construct(about: dict[str, Any]) -> nn.Module:
    if "members" in about:
        return Ensemble(_construct(member) for member in about["members"])
    architecture = Architecture.make(**about)
    net = construct(**architecture.model_dump(exclude={"thermometer", "mask_size"}))
    if architecture.thermometer:
        thermometer_(net, architecture.thermometer)
    net.architecture = architecture  # type: ignore[assignment]
    return net
