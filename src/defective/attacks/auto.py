"""AutoAttack, if it is installed: a strong white-box attack to check the results of weaker ones."""

import importlib
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from defective.attacks.budget import cast_into_ball, check_classes, check_inputs, project, upcast
from defective.attacks.gradient import differentiating
from defective.errors import InputError
from defective.inference import NotFiniteError, reported
from defective.inference import forward as forward_copy


def autoattack(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, seed: int = 0) -> Tensor:
    """The standard version of AutoAttack: APGD, targeted APGD, targeted FAB and Square, each on the images that are still correct.

    Args:
        eps: Radius of the L-infinity ball in [0, 1] units.
        seed: Seed of its random numbers. They are drawn for the whole batch, so results depend on the batch.

    Returns:
        For each image the first that is misclassified; the image itself where none was found. With fewer than 10 classes all incorrect
        ones are targets, instead of 9.

    Raises:
        InputError: If it is not installed or fails, the model has fewer than 4 classes, a label is none of them, or a logit is nan or inf.

    Source: Croce and Hein 2020; package ``pyautoattack`` or the original ``autoattack``. It works in float32.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> autoattack(model, torch.rand(1, 1, 2, 2), torch.tensor([0]), eps=8 / 255)
        Traceback (most recent call last):
        defective.errors.InputError: AutoAttack needs 4 classes, the model has 2: use pgd or cw
    """
    check_inputs(x, y, eps=eps)
    classes = check_classes(model, x, y)
    if classes < 4:
        raise InputError(f"AutoAttack needs 4 classes, the model has {classes}: use pgd or cw")

    def forward(images: Tensor) -> Tensor:
        # By way of flat images, so that gradients come back contiguous: AutoAttack takes views of them.
        z = forward_copy(model, images.flatten(1).unflatten(1, x.shape[1:])).float()
        if not z.isfinite().all():
            raise NotFiniteError(z)
        return z

    with _contained(model, x.device), differentiating(model):
        clean = upcast(x)
        with reported("AutoAttack failed"):
            attack = package().AutoAttack(forward, norm="Linf", eps=eps, seed=seed, version="standard", device=str(x.device))
            attack.apgd_targeted.n_target_classes = attack.fab.n_target_classes = min(9, classes - 1)
            made = attack.run_standard_evaluation(clean.float().contiguous(), y.to(x.device).long().clone())
        images: Tensor = made[0] if isinstance(made, tuple) else made
        # Unchanged images are returned exactly, not rounded to float32.
        x_adv = project(torch.where(images == clean.float(), clean, images.to(clean.dtype)), clean, eps)
        return cast_into_ball(x_adv, x.detach(), eps)


def package() -> Any:
    """The module of AutoAttack; the maintained fork is preferred.

    Raises:
        InputError: If neither is installed.
    """
    for name in ("pyautoattack", "autoattack"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise InputError("AutoAttack is not installed: pip install '.[autoattack]' in a clone")


@contextmanager
def _contained(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Undo the side effects of AutoAttack: seeds, output, warnings, ``requires_grad`` of weights, the trace function."""
    trainable = [weight for weight in model.parameters() if weight.requires_grad and not weight.is_inference()]
    tracer = sys.gettrace()
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        try:
            for weight in trainable:
                weight.requires_grad_(False)
            yield
        finally:
            for weight in trainable:
                weight.requires_grad_(True)
            sys.settrace(tracer)
