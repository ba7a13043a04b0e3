"""Logits through live neurons only, against dense nets through torch."""

import copy
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.nets import batch, fresh
from benchmarks.paired import fastest, ratios
from benchmarks.settings import EMULATED, Found, Settings, first_failure, measured, wrong
from defective.machine import autocast
from defective.sparse import sparsify

NET = "resnet18/0.1-bottom"
# Largest difference of logits and of input gradients, as a share of the largest of them.
SAME = 1e-4
# Images whose gradients are compared in double precision.
FEW = 8
Precision = Literal["fp32", "bf16"]
# Line: net, precision, the dense net it is compared with.
CASES: dict[str, tuple[str, Precision, str]] = {
    "fp32": (NET, "fp32", "resnet18"),
    "bf16": (NET, "bf16", "resnet18"),
    "fp32-own": (NET, "fp32", NET),
    "bf16-own": (NET, "bf16", NET),
    "x2": (f"{NET}-x2", "fp32", f"{NET}-x2"),
}


def measure(settings: Settings) -> Found:
    """Row ``sparse``."""
    x, _ = batch(settings, settings.amount(128, 8))
    return {"lines": {key: _case(settings, x, *case) for key, case in CASES.items()}, "images": len(x)}


def _case(settings: Settings, x: Tensor, name: str, precision: Precision, other: str) -> Found:
    if precision == "bf16" and settings.emulates_bf16:
        return EMULATED
    dense = fresh(name, settings, x)
    live = sparsify(dense, x, precision=precision)
    passed, check = first_failure([_same_logits(dense, live, x, precision), _same_gradient(dense, live, x, precision)])
    if not passed:
        return wrong(check)
    against = dense if other == name else fresh(other, settings, x)
    # Torch is given the memory layout in which it is faster.
    layouts = {"theirs, contiguous": torch.contiguous_format, "theirs, channels last": torch.channels_last}
    theirs = {
        layout: _forward(
            copy.deepcopy(against).to(memory_format=form),  # type: ignore[call-overload]
            x.contiguous(memory_format=form),
            precision,
        )
        for layout, form in layouts.items()
    }
    with torch.inference_mode():
        seconds = settings.in_turn({"ours": lambda: live(x), **theirs})
    best = fastest(seconds, list(layouts))
    return measured(check, ratios(seconds[best], seconds["ours"]), seconds=seconds, note=best.removeprefix("theirs, "))


def _forward(net: nn.Module, x: Tensor, precision: str) -> Callable[[], Tensor]:
    def act() -> Tensor:
        with autocast(x.device, precision):
            z: Tensor = net(x)
        return z

    return act


def _same_logits(dense: nn.Module, live: nn.Module, x: Tensor, precision: str) -> tuple[bool, str]:
    with torch.inference_mode():
        return _same("logits", dense(x), live(x).float(), _forward(dense, x, precision)().float(), precision)


def _same_gradient(dense: nn.Module, live: nn.Module, x: Tensor, precision: str) -> tuple[bool, str]:
    def gradient(net: nn.Module, half: str) -> Tensor:
        point = x.clone().requires_grad_()
        with autocast(x.device, half):
            z = net(point)
        return torch.autograd.grad(z.float().logsumexp(1).sum(), point)[0]

    if precision == "fp32":
        # In double precision: where float32 rounds a neuron to the other side of ReLU's kink, a derivative jumps.
        x = x[:FEW].double()
        dense = copy.deepcopy(dense).double()
        live = sparsify(dense, x)
    full = gradient(dense, "fp32")
    rounded = full if precision == "fp32" else gradient(dense, precision)
    return _same("input gradients", full, gradient(live, "fp32"), rounded, precision)


def _same(what: str, full: Tensor, live: Tensor, rounded: Tensor, precision: str) -> tuple[bool, str]:
    """Whether ``live`` is ``full`` in float32, and in bfloat16 no farther from it than the dense net under autocast, twice over."""
    largest = float(full.abs().max())
    off, allowed = float((live - full).abs().max()), SAME * largest
    if precision == "bf16":
        allowed = max(allowed, 2 * float((rounded - full).abs().max()))
    return (
        off <= allowed,
        f"{what} differ by {off / largest:.1e} of the largest from the dense net's, {allowed / largest:.1e} allowed",
    )
