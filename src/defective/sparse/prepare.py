"""Copy a model and replace layers of other libraries by those of torch, so that the graph shows what they compute."""

import copy
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils import prune, remove_spectral_norm, remove_weight_norm, skip_init
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from defective.inference import reported
from defective.sparse.graph import has_hooks, is_timm
from defective.wrapper import SiteWrapper


def copied(model: nn.Module, shared: dict[int, Tensor]) -> nn.Module:
    """A copy of ``model`` in which the tensors of ``shared``, by their id, are the model's own.

    Raises:
        InputError: If the model cannot be copied.
    """
    # Pruning and the older weight norm leave weights on the module that are results, and caches are: torch copies no results.
    results = {id(tensor): tensor.detach().clone() for tensor in _attributes(model) if tensor.grad_fn is not None}
    with reported(f"{type(model).__name__} cannot be copied, and copy.deepcopy(model) must work"):
        made = copy.deepcopy(model, {**results, **shared})
    _split_norms(made)
    return made


def _attributes(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        for value in vars(module).values():
            parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
            yield from (part for part in parts if isinstance(part, Tensor))


def fix_weights_(model: nn.Module) -> None:
    """Put plain weights in the place of those that are computed anew at each call: pruned, weight-normed, spectral-normed ones."""
    for module in list(model.modules()):
        if not isinstance(module, SiteWrapper) and is_parametrized(module):
            weights = {key: getattr(module, key).detach() for key in module.parametrizations}  # type: ignore[union-attr]
            # Not remove_parametrizations: it changes the class, which the copy has in common with the model.
            module.__class__ = type_before_parametrizations(module)
            del module.parametrizations
            # One of weight_norm's would read older checkpoints, and cannot be pickled.
            module._load_state_dict_pre_hooks.clear()
            for key, weight in weights.items():
                module.register_parameter(key, nn.Parameter(weight, requires_grad=False))
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, prune.BasePruningMethod):
                prune.remove(module, hook._tensor_name)
            elif isinstance(hook, WeightNorm):
                remove_weight_norm(module, hook.name)
            elif isinstance(hook, SpectralNorm):
                remove_spectral_norm(module, hook.name)


def _split_norms(model: nn.Module) -> None:
    """timm's norm with dropout and activation in one module, as three; where the user has hooked it, it stays one."""
    made: dict[nn.Module, nn.Module] = {}
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if path and is_timm(module, ["BatchNormAct2d"]) and not has_hooks(module):
            if module not in made:
                made[module] = nn.Sequential(_plain(module), module.drop, module.act)
            parent, _, key = path.rpartition(".")
            setattr(model.get_submodule(parent), key, made[module])


def _plain(norm: nn.Module) -> nn.BatchNorm2d:
    """A batch norm of torch on the parameters and statistics of another."""
    options = {key: getattr(norm, key) for key in ("eps", "momentum", "affine", "track_running_stats")}
    plain: nn.BatchNorm2d = skip_init(nn.BatchNorm2d, norm.num_features, **options)
    for key in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        setattr(plain, key, getattr(norm, key))
    return plain.train(norm.training)
