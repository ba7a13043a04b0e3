"""Record the feature maps of sites in a forward pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.inference import device_of, dtype_of, evaluating, reported
from defective.wrapper import SiteWrapper, refuse_compiled, site_modules, unwrap_, unwrapped, wrap_

# Kinds of modules that are the usual sites.
NORMS_AND_CONVOLUTIONS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.modules.conv._ConvNd)


class _Probe(nn.Module):
    """Record what passes through, before the next layer may write into it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def forward(self, z: Any) -> Any:
        self.seen.append(z.detach().clone() if isinstance(z, Tensor) else z)
        return z


def site_outputs(model: nn.Module, names: list[str], example_inputs: Tensor) -> dict[str, Tensor]:
    """Feature maps ``(N, C, H, W)`` of each site in one forward pass in eval mode, without masks and other layers behind sites.

    Raises:
        InputError: If the pass fails, or a site does not run, runs twice, or outputs something other than ``(N, C, H, W)``.
    """
    if not isinstance(example_inputs, Tensor):
        raise InputError(
            f"example_inputs is {type(example_inputs).__name__}, not a tensor: pass images, for example torch.zeros(1, 3, 224, 224)"
        )
    images = example_inputs.detach().clone().to(device_of(model))
    images = images.to(dtype_of(model)) if images.is_floating_point() else images
    with probed(model, names, without_layers=True) as probes:
        failed = f"the forward pass of example_inputs {tuple(images.shape)} failed"
        try:
            with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]), reported(failed):
                model(images)
        except InputError as error:
            if "SiteWrapper.forward" in str(error):
                raise InputError(f"{error}; a site takes one tensor") from error
            raise
        modules = site_modules(model)
        return {name: _checked(name, unwrapped(modules[name]), probe.seen, images) for name, probe in probes.items()}


@contextmanager
def probed(model: nn.Module, names: list[str], *, without_layers: bool = False) -> Iterator[dict[str, _Probe]]:
    """Probes behind some sites, after their masks and other layers; or ``without_layers``. The model is restored at the end.

    Raises:
        InputError: If a site is inside a scripted or exported model, which does not call the modules that it shows.
    """
    refuse_compiled(model, names)
    probes, layers = {name: _Probe() for name in names}, dict[SiteWrapper, nn.Sequential]()
    try:
        for site in site_modules(model).values():
            if without_layers and isinstance(site, SiteWrapper):
                layers[site], site.after = site.after, nn.Sequential()
        wrap_(model, "probe", probes)
        yield probes
    finally:
        for wrapper, after in layers.items():
            wrapper.after = after
        unwrap_(model, _Probe)


def _checked(name: str, site: nn.Module, seen: list[Any], images: Tensor) -> Tensor:
    if not seen:
        raise InputError(f"site {name!r} did not run in the forward pass: pick a module that the model calls")
    if len(seen) > 1:
        raise InputError(f"site {name!r} runs more than once in a forward pass and can hold only one mask: pick others")
    (output,) = seen
    if not isinstance(output, Tensor) or output.dim() != 4:
        what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(f"site {name!r} outputs {what}, not (N, C, H, W): pick a site that outputs feature maps")
    if _channels_last(site, output, images):
        raise InputError(
            f"site {name!r} outputs {tuple(output.shape)}, which looks like (N, H, W, C): a mask is drawn for (N, C, H, W); pick a "
            "convolution, a batch norm, or a module after the axes are permuted"
        )
    return output


def _channels_last(site: nn.Module, output: Tensor, images: Tensor) -> bool:
    """Whether the channels come last: so in a plain layer norm or linear layer, and where only the first two axes fit the image."""
    if isinstance(site, NORMS_AND_CONVOLUTIONS):
        return False
    if isinstance(site, nn.Linear) or (type(site) is nn.LayerNorm and len(site.normalized_shape) == 1):
        return True
    if images.dim() != 4:
        return False
    (height, width), (_, first, second, third) = images.shape[2:], output.shape
    return first * width == second * height and second * width != third * height
