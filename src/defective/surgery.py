"""Make any CNN defective in place, say what was done, and undo it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from defective.errors import InputError
from defective.inference import device_of, evaluating
from defective.layers import apply_mask
from defective.masks import sample_mask, stream
from defective.sites import Blocks, Sites, block_sites, forget_spec, named_sites, refuse_both, refuse_compiled, register_hook
from defective.specs import Pattern, Placement, Sampling


@dataclass(frozen=True)
class Defect:
    """One defective site: the module whose output is masked, and what its mask is like."""

    site: str
    shape: tuple[int, int, int]
    keep_prob: float
    pattern: Pattern
    live: int
    total: int


def defect_(
    model: nn.Module,
    keep_prob: float,
    *,
    blocks: Blocks | None = None,
    sites: Sites | None = None,
    pattern: Pattern = "neuron",
    sampling: Sampling = "exact",
    placement: Placement = "authors",
    example_inputs: Tensor | None = None,
    seed: int = 0,
) -> list[Defect]:
    """Make ``model`` defective in place: mask the output of each chosen site with a fixed random mask.

    Weights, parameter count and old state-dict keys stay; each site gains one bool buffer ``defect_mask``. Call it before
    ``torch.compile``, ``torch.export`` and before the optimiser's first step. Mask bits depend only on ``seed``, the site's name and
    the activation shape, so they are the same on every machine and device. A ``.spec`` that :func:`defective.build` gave the net no
    longer says what it is and becomes None.

    Args:
        model: Any module whose sites output ``(N, C, H, W)``.
        keep_prob: Chance in ``[0, 1]`` that a neuron is kept.
        blocks: For nets of the zoo: ``"bottom"``, ``"top"``, a block number or several. Default ``"bottom"``.
        sites: For any net: module names, or a predicate ``(name, module) -> bool``.
        pattern: ``"neuron"``, ``"channel"`` (paper: DC) or ``"shared"`` (paper: SM).
        sampling: ``"exact"`` (released code) or ``"bernoulli"`` (paper's text).
        placement: For ``blocks``: ``"authors"`` (after norm, before activation) or ``"text"`` (Eq. 5, after the activation).
        example_inputs: Images ``(N, C, H, W)`` for one dry forward in eval mode, which finds the mask shapes. Nets of the zoo know
            their own.
        seed: Root seed of the masks.

    Returns:
        What was done, one :class:`Defect` per site, in the order of ``model.named_modules()``.

    Raises:
        InputError: If no site matches, a name does not exist, a site is defective already, runs twice or not at all in one forward
            pass, outputs something other than ``(N, C, H, W)``, or ``keep_prob`` lies outside ``[0, 1]``. The model is then unchanged.

    Source: paper Section 3.1 and Appendix C.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
        >>> defect_(net, 0.25, sites=["1"], example_inputs=torch.zeros(1, 3, 16, 16))
        [Defect(site='1', shape=(8, 16, 16), keep_prob=0.25, pattern='neuron', live=512, total=2048)]
    """
    refuse_compiled(model)
    refuse_both(blocks, sites)
    names = block_sites(model, "bottom" if blocks is None else blocks, placement) if sites is None else named_sites(model, sites)
    if example_inputs is None:
        example_inputs = _zoo_inputs(model)
    shapes = _output_shapes(model, names, example_inputs)
    masks = {
        name: sample_mask(shape, keep_prob, pattern=pattern, sampling=sampling, generator=stream(seed, f"mask/{name}"))
        for name, shape in shapes.items()
    }
    for name, mask in masks.items():
        attach_(model, name, mask.to(device_of(model)), keep_prob, pattern)
    forget_spec(model)
    return [defect for defect in defects(model) if defect.site in masks]


def attach_(model: nn.Module, name: str, mask: Tensor, keep_prob: float, pattern: Pattern) -> None:
    """Put a ready bool mask ``(C, H, W)`` on the module called ``name``."""
    site = model.get_submodule(name)
    # Four axes, so that .to(memory_format=torch.channels_last) lays the mask out like the activations it meets.
    site.register_buffer("defect_mask", mask.unsqueeze(0))
    site.defect_record = (name, keep_prob, pattern)  # type: ignore[assignment]
    register_hook(site, _mask_output)


def defects(model: nn.Module) -> list[Defect]:
    """List the defective sites of ``model`` in module order; empty for a plain net.

    Live and total neurons are counted on the masks as they are now, so loading a state dict is reflected.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3))
        >>> _ = defect_(net, 0.5, sites=["0"], example_inputs=torch.zeros(1, 1, 4, 4))
        >>> [(d.site, d.live, d.total) for d in defects(net)]
        [('0', 8, 16)]
    """
    found = []
    for name, module in model.named_modules():
        mask = module._buffers.get("defect_mask")
        if mask is not None:
            live, total = int(mask.sum()), mask.numel()
            _, keep_prob, pattern = getattr(module, "defect_record", (name, live / total, "neuron"))
            channels, height, width = mask.shape[1:]
            found.append(Defect(name, (channels, height, width), keep_prob, cast("Pattern", pattern), live, total))
    return found


def restore_(model: nn.Module) -> None:
    """Take every mask that :func:`defect_` put in out again; weights stay as they are, ``.spec`` becomes None.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3))
        >>> _ = defect_(net, 0.5, sites=["0"], example_inputs=torch.zeros(1, 1, 4, 4))
        >>> restore_(net)
        >>> defects(net), list(net.state_dict())
        ([], ['0.weight', '0.bias'])
    """
    refuse_compiled(model)
    if defects(model):
        forget_spec(model)
    for module in model.modules():
        for key, hook in list(module._forward_hooks.items()):
            if hook is _mask_output:
                del module._forward_hooks[key], module.defect_mask, module.defect_record


def _mask_output(site: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    # A module-level function that reads the mask from the module it is called with: it survives deepcopy, pickling and replication.
    in_place = not torch.compiler.is_compiling() and _owns_output(site)
    return apply_mask(output, site.defect_mask, site.defect_record[0], in_place=in_place)  # type: ignore[arg-type, index]


def _owns_output(site: nn.Module) -> bool:
    """Whether the site has just made its output, needs it no more, and has shown it to nobody yet."""
    return (
        type(site) in (nn.BatchNorm2d, nn.Conv2d)
        and "forward" not in vars(site)
        and next(iter(site._forward_hooks.values())) is _mask_output
        and not getattr(torch_module, "_global_forward_hooks", True)
    )


def _zoo_inputs(model: nn.Module) -> Tensor:
    if not hasattr(model, "input_shape"):
        raise InputError("example_inputs is needed to find the mask shapes: pass images of shape (N, C, H, W)")
    tensor = next(model.parameters())
    return torch.zeros(1, *model.input_shape, device=tensor.device, dtype=tensor.dtype)  # type: ignore[misc]


def _output_shapes(model: nn.Module, names: list[str], example_inputs: Tensor) -> dict[str, tuple[int, int, int]]:
    """Find each site's ``(C, H, W)`` by one dry forward in eval mode."""
    seen: dict[str, tuple[int, ...]] = {}

    def record(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if name in seen:
                raise InputError(f"site {name!r} runs more than once in a forward pass and can hold only one mask: pick others")
            if not isinstance(output, Tensor) or output.dim() != 4:
                what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise InputError(f"site {name!r} outputs {what}, not (N, C, H, W): pick a site that outputs feature maps")
            seen[name] = tuple(output.shape[1:])

        return hook

    for name in names:
        if "defect_mask" in model.get_submodule(name)._buffers:
            raise InputError(f"site {name!r} is defective already: restore_ the net first, or name other sites")
    handles = [model.get_submodule(name).register_forward_hook(record(name)) for name in names]
    try:
        with evaluating(model), torch.no_grad():
            model(example_inputs)
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the dry forward of example_inputs {tuple(example_inputs.shape)} failed: {reason}") from error
    finally:
        for handle in handles:
            handle.remove()
    for name in names:
        if name not in seen:
            raise InputError(f"site {name!r} did not run in the dry forward pass: pick a module that the net calls")
    return {name: (c, h, w) for name, (c, h, w) in seen.items()}
