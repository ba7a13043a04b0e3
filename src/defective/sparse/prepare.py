"""From a model to its graph: refuse what cannot be followed, copy the model, trace it, and check the result against the model."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import prune, skip_init

from defective.errors import InputError
from defective.inference import IMAGE_TYPES, as_images, check_images, evaluating, reported
from defective.sparse.graph import Traced, has_hooks, is_timm
from defective.text import choices
from defective.wrapper import replace_

PRECISIONS = ("fp32", "bf16")


def refuse(model: object, precision: str, example_inputs: Tensor) -> None:
    """Refuse what is no model, no precision, or no images."""
    if not isinstance(model, nn.Module):
        raise InputError(f"the model is {type(model).__name__}, not a torch.nn.Module")
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise InputError("a TorchScript model cannot be sparsified: pass the model that it was made from")
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


def copied(model: nn.Module, shared: dict[int, Tensor]) -> nn.Module:
    """A copy of ``model`` in which the tensors of ``shared``, by their id, are the model's own."""
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


def remove_pruning_(model: nn.Module) -> None:
    """Put plain weights in the place of pruned ones, which a hook computes anew at each call."""
    for module in model.modules():
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, prune.BasePruningMethod):
                prune.remove(module, hook._tensor_name)


def follow(
    model: nn.Module, example_inputs: Tensor, device: torch.device, dtype: torch.dtype | None
) -> tuple[Traced, Tensor, Tensor]:
    """The graph of ``model``, a copy that may be changed; the first image and one of random pixels; and its logits for them."""
    first = as_images(example_inputs[:1].clone()).to(device, dtype)
    random = torch.rand(first.shape, generator=torch.Generator("cpu").manual_seed(0), dtype=torch.float64, device="cpu")
    images = torch.cat([first, random.to(first)])
    wanted = _logits(model, images.clone())
    traced = Traced(model, images.clone())
    if not (isinstance(traced.output, Tensor) and torch.allclose(traced.output, wanted, 1e-4, 1e-6)):
        raise InputError(
            f"the graph of torch.fx does not compute what {type(model).__name__} computes: look for a sum in place (x += y) whose operand "
            "is read again under another name, and for random numbers outside a dropout layer"
        )
    return traced, images, wanted


def _split_norms(model: nn.Module) -> None:
    """timm's norm with dropout and activation in one module, as three; where the user has hooked it, it stays one."""
    for module in list(model.modules())[1:]:
        if is_timm(module, ["BatchNormAct2d"]) and not has_hooks(module):
            replace_(model, module, nn.Sequential(_plain(module), *(module.get_submodule(key) for key in ("drop", "act"))))


def _plain(norm: nn.Module) -> nn.BatchNorm2d:
    """A batch norm of torch on the parameters and statistics of another."""
    options = {key: getattr(norm, key) for key in ("eps", "momentum", "affine", "track_running_stats")}
    plain: nn.BatchNorm2d = skip_init(nn.BatchNorm2d, norm.num_features, **options)
    for key in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        setattr(plain, key, getattr(norm, key))
    return plain.train(norm.training)


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
