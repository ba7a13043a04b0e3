"""How a checkpoint says what constructs its model."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from defective.baselines import thermometer_
from defective.errors import InputError
from defective.models import Ensemble, construct
from defective.sites import architecture_of
from defective.specs import Architecture
from defective.training.metadata import EnsembleArchitecture
from defective.wrapper import site_modules, unwrapped


def saved_architecture(model: nn.Module) -> Architecture | EnsembleArchitecture | None:
    """What :func:`constructed` needs, or None for a model that is not built in, or of which modules were changed."""
    if isinstance(model, Ensemble):
        members = tuple(architecture for member in model.members if (architecture := architecture_of(member)) is not None)
        complete = members and len(members) == len(model.members)
        named: Architecture | EnsembleArchitecture | None = EnsembleArchitecture(members=members) if complete else None
    else:
        named = architecture_of(model)
    if named is None:
        return None
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            fresh = site_modules(constructed(named, model.state_dict()))
    except InputError:
        return None
    found = {name: unwrapped(module) for name, module in site_modules(model).items()}
    same = found.keys() == fresh.keys() and all(_alike(found[name], module) for name, module in fresh.items())
    return named if same else None


def _alike(module: nn.Module, fresh: nn.Module) -> bool:
    kind = isinstance(module, type(fresh)) or (isinstance(module, nn.SyncBatchNorm) and isinstance(fresh, nn.BatchNorm2d))
    return kind and module.extra_repr() == fresh.extra_repr()


def constructed(architecture: Architecture | EnsembleArchitecture, tensors: Mapping[str, Tensor], prefix: str = "") -> nn.Module:
    """Construct a model; each member of an ensemble is compared with ``tensors`` before the next is begun."""
    if isinstance(architecture, EnsembleArchitecture):
        return Ensemble(constructed(member, tensors, f"members.{i}.") for i, member in enumerate(architecture.members))
    net = construct(architecture.model_copy(update={"thermometer": 0, "mask_size": None}))
    if architecture.thermometer:
        thermometer_(net, architecture.thermometer)
    net.architecture = architecture  # type: ignore[assignment]
    for name, needed in net.state_dict().items():
        found = tuple(tensors[prefix + name].shape) if prefix + name in tensors else "missing"
        if found != tuple(needed.shape):
            raise InputError(
                f"it does not hold the model that it names: {prefix}{name} is {found}, the architecture needs {tuple(needed.shape)}"
            )
    return net
