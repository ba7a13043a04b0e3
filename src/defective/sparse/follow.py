"""Trace a model with torch.fx and check the result against the model."""

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.inference import IMAGE_TYPES, as_images, check_images, evaluating, reported
from defective.sparse.graph import Traced
from defective.text import choices

PRECISIONS = ("fp32", "bf16")


def follow(
    model: nn.Module, example_inputs: Tensor, device: torch.device, dtype: torch.dtype | None
) -> tuple[Traced, Tensor, Tensor]:
    """The graph of ``model``, with its masks as nodes; images it was tried on; and the logits that it has for them in eval mode.

    Args:
        model: A copy that may be changed.
        example_inputs: Images in [0, 1]; tried are the first and one of random pixels.

    Raises:
        InputError: If torch.fx cannot follow the model, or follows something else than what it computes in eval mode.
    """
    first = as_images(example_inputs[:1].clone()).to(device, dtype)
    random = torch.rand(first.shape, generator=torch.Generator("cpu").manual_seed(0), dtype=torch.float64, device="cpu")
    images = torch.cat([first, random.to(first)])
    wanted = _logits(model, images.clone())
    traced = Traced(model, images.clone())
    if not (isinstance(traced.output, Tensor) and torch.allclose(traced.output, wanted, 1e-4, 1e-6)):
        raise InputError(
            f"what torch.fx followed is not what {type(model).__name__} computes: look for a sum in place (x += y) whose operand is read "
            "again under another name, and for random numbers that are no layer of their own"
        )
    return traced, images, wanted


def refuse(model: object, precision: str, example_inputs: Tensor) -> None:
    """Refuse what is no model, no precision, or no images."""
    if not isinstance(model, nn.Module):
        raise InputError(f"the model is {type(model).__name__}, not a torch.nn.Module")
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise InputError("TorchScript cannot be taken apart: pass the model that it was made from")
    if any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        raise InputError("the model has no weights: it is on the meta device")
    if precision not in PRECISIONS:
        raise InputError(f"no precision {precision!r}{choices(precision, PRECISIONS)}")
    check_images(example_inputs)


def refuse_other_images(x: Tensor, shape: tuple[int, ...]) -> None:
    """Live neurons are those of one image size."""
    if tuple(x.shape[1:]) != shape:
        raise InputError(
            f"images have shape {tuple(x.shape)}; example_inputs were (N, {', '.join(map(str, shape))}): pass such images"
        )


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    """What the dense model makes of the images, before anything of it is taken apart."""
    shape = f"(N, {', '.join(map(str, images.shape[1:]))})"
    with evaluating(model), torch.no_grad(), reported(f"the model cannot take images of shape {shape} as example_inputs are"):
        z = model(images)
    # Feature maps are fine, too: a part of a model can be sparsified.
    if not isinstance(z, Tensor):
        raise InputError(f"the model returned {type(z).__name__} for {len(images)} images, not logits (N, K)")
    if z.dtype not in IMAGE_TYPES[1:] or z.layout != torch.strided:
        raise InputError(
            f"the model's logits are {z.dtype} and {z.layout}: only dense floating-point ones of 16 bits or more can be sparsified"
        )
    if not z.isfinite().all():
        raise InputError("the model returned nan or inf for example_inputs, or for an image of random pixels of that shape")
    return z
