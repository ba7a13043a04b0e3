"""A transparent wrapper that adds layers behind a module and keeps its place, names and attributes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from defective.errors import InputError

# Not forwarded: code that removes a parametrization must find it on the module inside, and what a block's own fuse() returns would take
# the place of the wrapper, without the layers behind it.
_NOT_FORWARDED = ("parametrizations", "fuse")
# Parameters as pruning and weight norm name them while they are at work.
_REPLACED = re.compile(r"parametrizations\.(\w+)\.original\d*$|(\w+)_(?:orig|g|v)$")


class SiteWrapper(nn.Module):
    """A module that takes one argument and returns one tensor, and the layers that are applied to its output.

    The wrapper takes the module's place in the model. State-dict keys stay as they were (``bn1.weight``; a mask adds
    ``bn1.defect_mask``), attributes are read from and written to the module, and so is indexing. Tools that rebuild or replace the
    module find it as ``bn1.module`` and leave the layers behind it alone.
    """

    def __init__(self, module: nn.Module, after: nn.Sequential) -> None:
        super().__init__()
        self.training = module.training
        # Only what the module has now is forwarded or renamed: tools look for names of their own (base_layer, parametrizations) to
        # find what they have put in, and must find it inside the wrapper.
        self.forwarded = _forwarded_names(module)
        keys = module.state_dict().keys()
        # And what a tool that is at work on the module gives back when it is done.
        self.keys = frozenset(keys) | {_REPLACED.sub(lambda found: found[1] or found[2], key) for key in keys}
        self.module = module
        self.after = after
        self.register_state_dict_post_hook(_to_outer_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_to_inner_names)  # type: ignore[no-untyped-call]

    # One argument and one result: torch.jit.script takes no other signature.
    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.module(x))  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            owner = self._owner(name)
            if owner is None:
                raise
            if name == "eps":
                # Code that fuses a norm into a convolution reads it: without the layers behind the norm the result is another.
                inside = type(self.module).__name__
                raise AttributeError(f"{name!r} is not read from a wrapped {inside}: use that of SITE.module") from None
            return getattr(owner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = name in self.__dict__ or name in ("module", "after") or hasattr(type(self), name)
        owner = None if own else self._owner(name)
        if owner is None:
            if not own and isinstance(value, nn.Module | nn.Parameter):
                self._refuse(name)
            super().__setattr__(name, value)
        elif isinstance(value, Tensor) and name in owner._parameters:
            # torch.func.functional_call puts plain tensors in the place of parameters.
            owner._parameters[name] = value  # type: ignore[assignment]
        else:
            setattr(owner, name, value)

    def __delattr__(self, name: str) -> None:
        owner = None if name in self.__dict__ else self._owner(name)
        if owner is None:
            super().__delattr__(name)
        else:
            delattr(owner, name)

    def _owner(self, name: str) -> nn.Module | None:
        """The module inside that an attribute of the wrapper belongs to; None if it is the wrapper's own."""
        children = self.__dict__.get("_modules", {})
        if "after" not in children:
            return None
        layers = [layer for layer in children["after"] if name in layer._buffers]
        return layers[0] if layers else children["module"] if name in self.forwarded else None

    # Parameters, buffers and modules of the wrapper itself would have no effect.
    def _refuse(self, name: str, *_: object, **__: object) -> None:
        inside = type(self.module).__name__
        raise InputError(f"{name!r} cannot be added to a wrapped {inside}: call this on the module inside the wrapper, SITE.module")

    register_parameter = register_buffer = _refuse

    def add_module(self, name: str, module: nn.Module | None) -> None:
        # Converters put the wrapped module back this way.
        if name not in ("module", "after"):
            self._refuse(name)
        super().add_module(name, module)

    # Code that calls the modules of a container one by one gets what is behind it with the last of them.
    def __getitem__(self, index: Any) -> Any:
        if not isinstance(self.module, nn.Sequential):
            return self.module[index]  # type: ignore[index]
        return nn.Sequential(*list(self)[index]) if isinstance(index, slice) else list(self)[index]

    def __len__(self) -> int:
        return len(self.module)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        found = list(self.module)  # type: ignore[call-overload]
        if found and isinstance(self.module, nn.Sequential):
            found[-1] = _Last(found[-1], self.after)
        return iter(found)

    def __bool__(self) -> bool:
        return True


class _Last(SiteWrapper):
    """The last module of a container, with the layers behind the container; hooks are put on the module, as this is made anew each time."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("register_forward", "register_full_backward", "register_backward")):
            return getattr(self.module, name)
        return super().__getattribute__(name)


def _forwarded_names(module: nn.Module) -> frozenset[str]:
    # dir() leaves out children that are named by numbers.
    names = [*dir(module), *(name for name, _ in module.named_children())]
    return frozenset(name for name in names if not name.startswith("__") and name not in _NOT_FORWARDED)


def site_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The modules of ``model`` by the names they had before any was wrapped; a wrapped one is given as its wrapper."""
    found: dict[nn.Module, str] = {}

    def visit(module: nn.Module, name: str) -> None:
        if module in found:
            return
        found[module] = name
        for key, child in unwrapped(module).named_children():
            visit(child, f"{name}.{key}" if name else key)

    visit(model, "")
    return {name: module for module, name in found.items()}


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside a wrapper; any other module itself."""
    return module.module if isinstance(module, SiteWrapper) else module


def refuse_compiled(model: nn.Module, names: Iterable[str]) -> None:
    """Refuse sites inside a scripted or exported model, whose code does not call the modules that it shows."""
    modules = site_modules(model)
    fixed = {path: module for path, module in modules.items() if isinstance(module, torch.jit.ScriptModule | fx.GraphModule)}
    for name in names:
        for path, module in fixed.items():
            inner = name if not path else name.removeprefix(f"{path}.")
            if inner == name and path:
                continue
            if isinstance(module, torch.jit.ScriptModule):
                raise InputError(
                    f"site {name!r} is inside a scripted model, which cannot be changed: do this before torch.jit.script or trace"
                )
            called = [str(node.target) for node in module.graph.nodes if node.op == "call_module"]
            if not any(f"{inner}.".startswith(f"{target}.") or f"{target}.".startswith(f"{inner}.") for target in called):
                raise InputError(f"site {name!r} is not called by the graph that holds it: do this before the model is exported")


def wrap_(model: nn.Module, key: str, layers: Mapping[str, nn.Module]) -> None:
    """Put layers behind the modules with these names, wherever the model holds the modules; ``key`` is what they are called there."""
    sites, places = site_modules(model), _places(model)
    for name, layer in layers.items():
        site = sites[name]
        if site is model and not isinstance(site, SiteWrapper):
            raise InputError("the model itself cannot be a site: name modules inside it, or put it into an nn.Sequential")
        if not isinstance(site, SiteWrapper):
            _replace(places[site], site := SiteWrapper(site, nn.Sequential().train(site.training)))
        site.after.add_module(key, layer.train(site.training))


def unwrap_(model: nn.Module, kind: type[nn.Module]) -> bool:
    """Remove every layer of one kind, and wrappers that have no layer left; return whether there was any."""
    changed, places = False, _places(model)
    for wrapper in [module for module in model.modules() if isinstance(module, SiteWrapper)]:
        for key, layer in list(wrapper.after.named_children()):
            if isinstance(layer, kind):
                delattr(wrapper.after, key)
                changed = True
        # The model itself has no place that it could give up.
        if not len(wrapper.after) and wrapper is not model:
            _replace(places[wrapper], wrapper.module)
    return changed


def replace_(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put one module in the place of another, wherever the model holds that."""
    _replace(_places(model)[old], new)


def _replace(places: Iterable[tuple[nn.Module, str]], new: nn.Module) -> None:
    for parent, key in places:
        setattr(parent, key, new)


def _places(model: nn.Module) -> dict[nn.Module, list[tuple[nn.Module, str]]]:
    """Each module to its parents, and its name in each."""
    found: dict[nn.Module, list[tuple[nn.Module, str]]] = {}
    for parent in model.modules():
        for key, child in parent._modules.items():
            if child is not None:
                found.setdefault(child, []).append((parent, key))
    return found


def _to_outer_names(wrapper: SiteWrapper, state: dict[str, Any], prefix: str, metadata: object) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        child, _, rest = key.removeprefix(prefix).partition(".")
        if child == "after":
            rest = rest.partition(".")[2]
        elif rest not in wrapper.keys and rest.rpartition(".")[2] != "defect_mask":
            rest = f"module.{rest}"
        # Popped where nothing changes too: the order stays that of the modules.
        state[prefix + rest] = state.pop(key)


def _to_inner_names(
    wrapper: SiteWrapper, state: dict[str, Any], prefix: str, metadata: object, strict: bool, missing: list[str], *_: object
) -> None:
    own = wrapper.after.state_dict()
    layers = {key.partition(".")[2]: f"after.{key}" for key in own}
    for key in [key for key in state if key.startswith(prefix)]:
        rest = key.removeprefix(prefix)
        # As named_parameters() and named_buffers() call it, or a key that came into the module later.
        inner = rest.partition(".")[0] in ("module", "after") and rest not in wrapper.keys
        if not inner:
            state[prefix + layers.get(rest, f"module.{rest}")] = state.pop(key)
    for key, inside in layers.items():
        # What a plain model's state dict lacks is reported under its outer name, and stays as it is.
        if prefix + inside not in state:
            missing.append(prefix + key)
            state[prefix + inside] = own[inside.removeprefix("after.")]
