"""Find the modules of a net whose output is to be changed: by block of a zoo net, by name, by predicate."""

from collections.abc import Callable, Iterable
from numbers import Integral
from typing import Any

import torch
from torch import nn

from defective.errors import InputError
from defective.specs import NetSpec, Placement

Sites = Iterable[str] | Callable[[str, nn.Module], bool]
Blocks = str | int | Iterable[int]


def named_sites(model: nn.Module, sites: Sites) -> list[str]:
    """Names of the modules that ``sites`` names or picks, each checked to be there.

    Example:
        >>> named_sites(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU()), lambda name, module: isinstance(module, nn.ReLU))
        ['1']
    """
    modules = dict(model.named_modules())
    if callable(sites):
        names = [name for name, module in modules.items() if sites(name, module)]
        if not names:
            raise InputError("no module matched the predicate of sites; list(model.named_modules()) shows what there is")
        return names
    names = [sites] if isinstance(sites, str) else list(sites)
    if not names:
        raise InputError("sites is empty: name at least one module")
    for name in names:
        if name not in modules:
            raise InputError(f"no module {name!r} in this model; it has for example {', '.join(list(modules)[1:6])}")
        if names.count(name) > 1:
            raise InputError(f"site {name!r} is named twice")
    return names


def block_sites(model: nn.Module, blocks: Blocks, placement: Placement) -> list[str]:
    """Names of the mask sites in some blocks of a zoo net, which carries them as data."""
    mask_sites = getattr(model, "mask_sites", None)
    if mask_sites is None:
        raise InputError(f"{type(model).__name__} is not a net of the zoo and has no numbered blocks: name its sites instead")
    if placement not in mask_sites:
        raise InputError(f"no placement {placement!r}; there are {', '.join(mask_sites)}")
    if isinstance(blocks, str):
        if blocks not in ("bottom", "top"):
            raise InputError(f"no blocks {blocks!r}; there are 'bottom', 'top' and numbers")
        numbers = getattr(model, blocks)
    else:
        numbers = [int(blocks)] if isinstance(blocks, Integral) else [int(number) for number in blocks]  # type: ignore[union-attr]
    unknown = [number for number in numbers if number not in mask_sites[placement]]
    if unknown:
        raise InputError(f"no block {unknown[0]}; this net has blocks {', '.join(map(str, mask_sites[placement]))}")
    names = [name for number in numbers for name in mask_sites[placement][number]]
    if not names:
        raise InputError(f"blocks {list(numbers)} of this net have no mask site in placement {placement!r}")
    if len(set(names)) < len(names):
        raise InputError(f"blocks {list(numbers)} name a block twice")
    return names


def refuse_both(blocks: Blocks | None, sites: Sites | None) -> None:
    """Blocks and sites are two ways to say the same thing."""
    if blocks is not None and sites is not None:
        raise InputError("give either blocks (nets of the zoo) or sites (any net), not both")


def refuse_compiled(model: nn.Module) -> None:
    """A net that is compiled already must not be changed: the change would silently do nothing."""
    # torch.compile ignores hooks that come after its first call (pytorch#117758).
    if any(isinstance(m, torch._dynamo.OptimizedModule) or m._compiled_call_impl is not None for m in model.modules()):
        raise InputError("this model is compiled already, and torch.compile ignores later changes: change it first, compile second")


def register_hook(site: nn.Module, hook: Callable[..., Any]) -> None:
    """Put a forward hook on a module so that torch.compile cannot pass it over.

    Code compiled for a net is used again for the next net of its class, and by default torch does not look whether hooks have come or
    gone: a defective net would run as the plain one that was compiled before it.
    """
    config = torch._dynamo.config
    if config.skip_nnmodule_hook_guards:
        config.skip_nnmodule_hook_guards = False
        # What is compiled already was not told to look.
        torch._dynamo.reset()
    site.register_forward_hook(hook)


def forget_spec(model: nn.Module) -> None:
    """Take away the spec and build options of a net that is no longer what they say, and those of the nets inside it."""
    for module in model.modules():
        if isinstance(getattr(module, "spec", None), NetSpec):
            module.spec = module.build_options = None  # type: ignore[assignment]
