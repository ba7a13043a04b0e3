"""Find modules of a model: by block of a built-in model, by name, type or predicate."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from operator import index

from torch import nn

from defective.errors import InputError
from defective.inference import reported
from defective.specs import Architecture, NetSpec, Placement
from defective.text import choices, nearest
from defective.wrapper import site_modules, unwrapped

Sites = str | Iterable[str] | type[nn.Module] | tuple[type[nn.Module], ...] | Callable[[str, nn.Module], bool]
Blocks = str | int | Iterable[int]


def named_sites(model: nn.Module, sites: Sites) -> list[str]:
    """Names of the modules that ``sites`` names or picks, each checked to be there."""
    modules = {name: unwrapped(module) for name, module in site_modules(model).items()}
    kinds = (sites,) if isinstance(sites, type) else tuple(sites) if isinstance(sites, tuple | list) else ()
    if kinds and all(isinstance(kind, type) for kind in kinds):
        picked = f"is a {' or a '.join(kind.__name__ for kind in kinds)}"
        names = [name for name, module in modules.items() if isinstance(module, kinds)]
    elif isinstance(sites, nn.Module):
        raise InputError(f"sites is a module, {type(sites).__name__}: pass its name or its type")
    elif callable(sites):
        picked = "matched the predicate of sites"
        with reported("sites must be a predicate (name, module) -> bool, and this one failed"):
            names = [name for name, module in modules.items() if sites(name, module)]
    else:
        listed = sites if isinstance(sites, Iterable) and not isinstance(sites, str) else [sites]
        return _checked([str(name) for name in listed], modules)
    if not names:
        raise InputError(f"no module {picked}; print(model) shows what there is")
    return names


def _checked(names: list[str], modules: Mapping[str, nn.Module]) -> list[str]:
    if not names:
        raise InputError("sites is empty: name at least one module")
    for name in names:
        if name not in modules:
            if alias := _other_name(modules, name):
                raise InputError(f"module {name!r} is the same as {alias!r}: name that one")
            raise InputError(f"no module {name!r} in this model; it has for example {', '.join(list(modules)[1:6])}")
        if not name:
            raise InputError("the model itself cannot be a site: name modules inside it, or put it into an nn.Sequential")
        if names.count(name) > 1:
            raise InputError(f"site {name!r} is named twice")
    return names


def _other_name(modules: Mapping[str, nn.Module], name: str) -> str | None:
    """The name by which a module that has two is known."""
    try:
        wanted = unwrapped(modules[""].get_submodule(name))
    except AttributeError:
        return None
    return next((other for other, module in modules.items() if module is wanted), None)


def matching_sites(model: nn.Module, patterns: Iterable[str]) -> list[str]:
    """Names of the modules that patterns match: by name, as ``layer1.*.bn*``, or by the exact name of their class, as ``BatchNorm2d``.

    A class matches its subclasses too.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3))
        >>> matching_sites(model, ["Conv2d"]), matching_sites(model, ["[01]"])
        (['0', '3'], ['0', '1'])
    """
    modules = {name: unwrapped(module) for name, module in site_modules(model).items() if name}
    found: set[str] = set()
    for pattern in patterns:
        matched = {name for name, module in modules.items() if fnmatchcase(name, pattern) or pattern in _classes(module)}
        if not matched:
            # The abstract classes of torch match, but are not what a person would write.
            kinds = (kind for module in modules.values() for kind in _classes(module) if not kind.startswith("_"))
            near = nearest(pattern, [*modules, *kinds])
            raise InputError(
                f"sites {pattern!r} match no module; {f'did you mean {near}? There' if near else 'there'} are for example "
                f"{', '.join(f'{name} ({type(module).__name__})' for name, module in list(modules.items())[:5])}"
            )
        found |= matched
    return [name for name in modules if name in found]


def _classes(module: nn.Module) -> list[str]:
    return [kind.__name__ for kind in type(module).__mro__ if issubclass(kind, nn.Module) and kind is not nn.Module]


def block_sites(model: nn.Module, blocks: Blocks, placement: Placement) -> list[str]:
    """Names of the mask sites in some blocks of a built-in model, which carries them as data."""
    if architecture_of(model) is None:
        raise InputError(f"{type(model).__name__} is not a built-in model and has no numbered blocks: name its sites instead")
    mask_sites: dict[str, dict[int, tuple[str, ...]]] = model.mask_sites  # type: ignore[assignment]
    # As a list: a value that has no hash is refused, too.
    if placement not in list(mask_sites):
        raise InputError(f"no placement {placement!r}{choices(placement, mask_sites)}")
    if isinstance(blocks, str):
        if blocks not in ("bottom", "top"):
            raise InputError(f"no blocks {blocks!r}{choices(blocks, ('bottom', 'top', 'numbers'))}")
        numbers = getattr(model, blocks)
    else:
        try:
            numbers = [index(number) for number in (blocks if isinstance(blocks, Iterable) else [blocks])]
        except (TypeError, ValueError, RuntimeError):
            raise InputError(f"blocks {blocks!r:.60} are neither bottom, top nor whole numbers") from None
    unknown = [number for number in numbers if number not in mask_sites[placement]]
    if unknown:
        raise InputError(f"no block {unknown[0]}; this model has blocks {', '.join(map(str, mask_sites[placement]))}")
    names = [name for number in numbers for name in mask_sites[placement][number]]
    if not names:
        raise InputError(f"blocks {list(numbers)} of this model have no mask site in placement {placement!r}")
    if len(set(names)) < len(names):
        raise InputError(f"blocks {list(numbers)} name a block twice")
    return names


def architecture_of(model: nn.Module) -> Architecture | None:
    """How a built-in model was constructed; None for any other model, whatever attributes of these names it may have."""
    architecture = getattr(model, "architecture", None)
    return architecture if isinstance(architecture, Architecture) else None


def spec_of(model: nn.Module) -> NetSpec | None:
    """What a built-in model is by its name in the grammar; None for any other model, whatever it has of this name."""
    spec = getattr(model, "spec", None)
    return spec if isinstance(spec, NetSpec) else None


def image_shape(model: nn.Module) -> tuple[int, int, int] | None:
    """Image shape ``(C, H, W)`` that a built-in model, or an ensemble of such, was made for; None for any other model."""
    architecture = architecture_of(model)
    if architecture is not None:
        return architecture.image_shape
    members = getattr(model, "members", None)
    shapes = {image_shape(member) for member in members} if isinstance(members, nn.ModuleList) else set()
    return shapes.pop() if len(shapes) == 1 else None


def refuse_both(blocks: Blocks | None, sites: Sites | None) -> None:
    """Refuse blocks together with sites."""
    if blocks is not None and sites is not None:
        raise InputError("give either blocks (built-in models) or sites (any model), not both")


def forget_spec(model: nn.Module) -> None:
    """Remove the spec and build options of a changed model, and those of the models inside it."""
    for module in model.modules():
        if spec_of(module):
            module.spec = module.build_options = None  # type: ignore[assignment]
