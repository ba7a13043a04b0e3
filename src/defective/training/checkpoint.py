"""Models as safetensors: weights, masks and what rebuilds them in one file, never pickle."""

from dataclasses import astuple
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from defective._version import __version__
from defective.baselines import attach_drop_, drops, undrop_
from defective.errors import InputError
from defective.files import check_file, is_foreign, read_tensors, write_tensors
from defective.inference import evaluating, quoted, reported
from defective.layers import DefectMask
from defective.machine import unwrap_model
from defective.models import Ensemble
from defective.sites import architecture_of, forget_spec, spec_of
from defective.sparse import LiveTraining, SparseNet
from defective.specs import Architecture, NetSpec
from defective.specs.spec import validated
from defective.surgery import attach_, mask_layers, restore_
from defective.text import as_text
from defective.training.architectures import constructed, saved_architecture
from defective.training.metadata import FORMAT, CheckpointMetadata
from defective.training.state_dict import is_torch_file
from defective.verify import verify
from defective.wrapper import site_modules


def save(model: nn.Module, path: str | Path, *, notes: dict[str, Any] | None = None, half: bool = False) -> None:
    """Write a model to one safetensors file: weights, masks, dropout, architecture, spec.

    Built-in models and ensembles of them come back by :func:`load` alone. Any other model can be saved too, and a built-in one whose
    modules you changed; loading it needs a plain model of the same kind to load into. Weights that a model uses under two names are
    written under both. A sharded model (FSDP2) is gathered: call it in every process, the first one writes.

    Args:
        model: The model, plain or defective.
        path: File to write; it appears whole or not at all.
        notes: More to keep beside it, as plain JSON values (data set, recipe, accuracy).
        half: Round float32 parameters to float16, for half the file; loading gives them back as float32.

    Raises:
        InputError: If spec and masks of the model disagree (:func:`defective.verify`), ``path`` is a folder, ``notes`` are not JSON
            values, or the file cannot hold a tensor, as a sparse one.

    Example:
        >>> import tempfile
        >>> from defective import build, defects
        >>> file = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> save(build("vgg19/0.5-bottom", width_mult=0.125), file)
        >>> len(defects(load(file)))
        4
    """
    if isinstance(model, SparseNet | LiveTraining):
        raise InputError(f"a {type(model).__name__} is a view of a model and cannot be saved: save the model that it was made from")
    model, path = unwrap_model(model), _as_path(path, "save(model, path)")
    verify(model)
    architecture = saved_architecture(model)
    spec = _spec(model) if architecture else None
    with reported("notes and build options must be plain JSON values, and these are not"):
        about = CheckpointMetadata(
            version=__version__,
            architecture=architecture,
            spec=spec,
            build_options=getattr(model, "build_options", None) if spec else None,
            defects={site: layer.draw for site, layer in mask_layers(model).items()},
            drops=tuple(astuple(drop) for drop in drops(model)),
            notes=notes or {},
            half=half,
        ).model_dump(mode="json")
    state = whole_state(model)
    if half:
        parameters = [name for name, each in model.state_dict(keep_vars=True).items() if isinstance(each, nn.Parameter)]
        state |= {name: _rounded(state[name]) for name in parameters}
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        check_file(path)
        write_tensors(path, state, about)


def _as_path(path: Any, call: str) -> Path:
    if not isinstance(path, str | PathLike):
        raise InputError(f"the path is {type(path).__name__}: write {call}")
    return Path(path)


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict as :func:`save` writes it; a model that it could not write is refused."""
    with reported("the state dict of the model cannot be read"):
        return {name: _whole_tensor(name, tensor) for name, tensor in model.state_dict().items()}


def _whole_tensor(name: str, value: Any) -> Tensor:
    kind, way_out = "", "save the model before that step"
    if is_lazy(value):
        kind, way_out = "not initialised", "call the model once"
    elif not isinstance(value, Tensor):
        kind = f"a {type(value).__name__}"
    elif value.is_meta:
        kind, way_out = "on the meta device", "load its weights first"
    elif value.is_quantized or value.layout != torch.strided:
        kind = "a quantized tensor" if value.is_quantized else f"in {value.layout}"
    if kind:
        raise InputError(f"{name!r} of the state dict is {kind}, and safetensors stores plain tensors only: {way_out}")
    whole: Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return whole


def _rounded(parameter: Tensor) -> Tensor:
    """In float16, unless it is of another precision or too large for that."""
    rounded = parameter.half()
    return rounded if parameter.dtype == torch.float32 and bool(rounded.isfinite().all()) else parameter


def load(path: str | Path, model: nn.Module | None = None) -> nn.Module:
    """Read a model written by :func:`save`, masks and dropout included, onto the CPU, in eval mode.

    Each tensor has its dtype as saved; the half-precision weights of a light checkpoint become float32.

    Args:
        path: The file, or the folder that ``defective train`` wrote.
        model: Plain model to load into, for models that are not built in. Masks and dropout that it has make way for those of the
            file.

    Returns:
        The model; a built-in one has ``.spec``, ``.build_options`` and ``.notes`` as saved.

    Raises:
        InputError: If the file is missing, corrupt, of another kind, or does not fit ``model``; names, shapes and dtypes are checked
            before the model is changed.
    """
    path = _as_path(path, "load(path, model)")
    if model is not None:
        unwrap_model(model)
    path = path / "model.safetensors" if path.is_dir() else path
    if path.is_file() and (is_torch_file(path) or is_foreign(path)):
        raise InputError(
            f"{path} was not written by defective: load it with load_state_dict, and masks in it with attach_masks_, or name what builds "
            "its model on the command line, --model module:factory"
        )
    tensors, about = read_tensors(path)
    if "architecture" not in about:
        raise InputError(f"{path} is not a model saved by defective")
    if about.get("format") != FORMAT:
        version = str(about.get("version", "unknown"))[:40]
        raise InputError(f"{path} was written by another version of defective ({version}), which this one cannot read: train again")
    try:
        # What the values of a corrupt file may do is not foreseen in each place that uses them.
        with reported("it cannot be rebuilt"):
            return _rebuilt(tensors, validated(CheckpointMetadata, about), model)
    except InputError as error:
        raise InputError(f"{path}: {error}; copy it again, train again, or load it into a model that it fits") from error


def _rebuilt(tensors: dict[str, Tensor], about: CheckpointMetadata, model: nn.Module | None) -> nn.Module:
    if about.half:
        tensors = {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in tensors.items()}
    built_in = model is None
    if model is None:
        if about.architecture is None:
            of = f" ({as_text(about.notes['net'])[:200]})" if isinstance(about.notes.get("net"), str) else ""
            raise InputError(
                f"its model is not built in, or was changed{of}: pass a plain model to load into, load(path, model=net)"
            )
        # Memory is taken for what the file holds, not for what it claims.
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            model = constructed(about.architecture, tensors)
        # The file stays mapped as long as its own tensors are in use.
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    inner = unwrap_model(model)
    tensors = _with_names_of(inner, tensors, about)
    try:
        _check_fit(inner, tensors, about)
        _attach(inner, tensors, about)
        if built_in:
            _check_masks(inner)
        _take_dtypes(inner, tensors)
        inner.load_state_dict(tensors, assign=built_in)
    except RuntimeError as error:
        raise InputError(f"it does not fit this model: {quoted(error)}") from None
    if isinstance(about.architecture, Architecture) and (own := architecture_of(inner)) is not None:
        inner.architecture = own.model_copy(update={"mask_size": about.architecture.mask_size})  # type: ignore[assignment]
    if about.architecture is not None:
        inner.spec, inner.build_options, inner.notes = about.spec, about.build_options, about.notes  # type: ignore[assignment]
        if about.spec and isinstance(inner, Ensemble):
            for member in inner.members:
                member.spec, member.build_options = about.spec.member(), None  # type: ignore[assignment]
    verify(inner)
    return model.eval()


def _with_names_of(model: nn.Module, tensors: dict[str, Tensor], about: CheckpointMetadata) -> dict[str, Tensor]:
    """Tensors under the model's names: what a tool adds to a module is ``SITE.X`` in a plain model, ``SITE.module.X`` in a masked one."""
    own = model.state_dict().keys()
    plain = {
        f"{site}.module.{rest}": name for site in about.defects for name in own if (rest := name.removeprefix(f"{site}.")) != name
    }
    return {plain.get(name, name) if name not in own else name: tensor for name, tensor in tensors.items()}


def _check_masks(model: nn.Module) -> None:
    """Refuse masks of another size than the feature maps, by an error of their own; ``model`` lies on the meta device."""
    for module in model.modules():
        if (architecture := architecture_of(module)) is not None and mask_layers(module):
            with evaluating(module), torch.no_grad():
                module(torch.empty(1, *architecture.image_shape, device="meta"))


def _check_fit(model: nn.Module, tensors: dict[str, Tensor], about: CheckpointMetadata) -> None:
    """Refuse a file that does not fit the model, before that is changed; of names and shapes, by the error of torch."""
    modules, own = site_modules(model), model.state_dict(keep_vars=True)
    for site in about.defects:
        mask = tensors.get(f"{site}.defect_mask")
        if site not in modules or mask is None or mask.dim() != 4:
            raise InputError(f"it has a mask for {site[:200]!r}, which this model does not have")
    for drop in about.dropouts:
        if drop.site not in modules:
            raise InputError(f"it has {drop.kind} for {drop.site[:200]!r}, which this model does not have")
    for name in own.keys() & tensors.keys():
        found, needed = tensors[name].dtype, own[name].dtype
        if found.is_floating_point != needed.is_floating_point or (needed == torch.bool) != (found == torch.bool):
            raise InputError(f"{name} is {found}, not {needed} as in the model")
    state = {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[2] != "defect_mask"}
    for name, tensor in own.items():
        # Masks may be others, and what fits is copied onto itself.
        if name.rpartition(".")[2] == "defect_mask" or (
            name in state and not is_lazy(tensor) and tensor.shape == state[name].shape
        ):
            state[name] = tensor
    model.load_state_dict(state)


def _attach(model: nn.Module, tensors: dict[str, Tensor], about: CheckpointMetadata) -> None:
    """Give the model the masks and the dropout of the file in place of its own."""
    restore_(model)
    undrop_(model)
    forget_spec(model)
    sites = [site for site, module in site_modules(model).items() if site in about.defects and not isinstance(module, DefectMask)]
    attach_(model, {site: DefectMask(tensors[f"{site}.defect_mask"][0], draw=about.defects[site], name=site) for site in sites})
    for drop in about.dropouts:
        attach_drop_(model, drop)


def _take_dtypes(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    for name, own in model.state_dict(keep_vars=True).items():
        if name in tensors and own.is_floating_point():
            own.data = own.data.to(tensors[name].dtype)


def _spec(model: nn.Module) -> NetSpec | None:
    """The spec, unless a member of the ensemble was changed since."""
    spec = spec_of(model)
    members = model.members if isinstance(model, Ensemble) else ()
    return spec if spec and all(spec_of(member) == spec.member() for member in members) else None
