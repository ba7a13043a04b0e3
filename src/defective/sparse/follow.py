"""Follow a net with torch.fx, and see that what was followed is the net."""

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.inference import evaluating
from defective.sparse.graph import Traced

PRECISIONS = ("fp32", "bf16")


def follow(net: nn.Module, images: Tensor) -> Traced:
    """The graph of ``net``, with its masks as nodes.

    Args:
        net: A copy that may be changed.
        images: What it is tried on, in its dtype and on its device.

    Raises:
        InputError: If torch.fx cannot follow the net, or follows something else than what it computes in eval mode.
    """
    wanted = _logits(net, images)
    traced = Traced(net, images)
    if not (isinstance(traced.output, Tensor) and torch.allclose(traced.output, wanted, 1e-4, 1e-6, equal_nan=True)):
        raise InputError(
            f"what torch.fx followed is not what {type(net).__name__} computes: look for a hook on the net or after a mask, for a sum "
            "in place (x += y) whose operand is read again under another name, and for random numbers that are no layer of their own"
        )
    return traced


def refuse(model: object, precision: str) -> None:
    """Refuse what is no net, or no precision."""
    if not isinstance(model, nn.Module):
        raise InputError(f"the model is {type(model).__name__}, not a torch.nn.Module")
    if precision not in PRECISIONS:
        raise InputError(f"no precision {precision!r}; there are {', '.join(PRECISIONS)}")


def refuse_other_images(x: Tensor, shape: tuple[int, ...]) -> None:
    """Live neurons are those of one image size."""
    if tuple(x.shape[1:]) != shape:
        raise InputError(
            f"images have shape {tuple(x.shape)}; example_inputs were (N, {', '.join(map(str, shape))}): pass such images"
        )


def _logits(net: nn.Module, images: Tensor) -> Tensor:
    """What the dense net makes of the images, before anything of it is taken apart."""
    try:
        with evaluating(net), torch.no_grad():
            z = net(images)
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the model cannot take example_inputs of shape {tuple(images.shape)}: {reason}") from error
    if not isinstance(z, Tensor):
        raise InputError(f"the model returned {type(z).__name__}, not logits (N, K)")
    return z
