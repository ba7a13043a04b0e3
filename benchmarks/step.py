"""What masks add to the time of a training step, and what training through live neurons only takes away from it."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.nets import batch, fresh
from benchmarks.paired import ratios
from benchmarks.settings import EMULATED, Found, Settings, first_failure, measured, wrong
from defective.machine import memory_format
from defective.sparse import train_live
from defective.specs import Recipe
from defective.surgery import defect_, mask_layers
from defective.training.loop import make_sgd
from defective.training.step import WARM_UP, RecordedStep, Step, make_step

BATCH = 128
# Running variances are unbiased ones: what is left of that in the logits, times the number of images.
SAME_MOMENTS = 4
PLAIN, DEFECTIVE = "resnet18", "resnet18/0.1-bottom"


def measure(settings: Settings) -> Found:
    """Row ``step``."""
    x, y = batch(settings, settings.amount(BATCH, 8))
    checks = [_dead_are_zero(settings, x, y), _kept_is_plain(settings, x, y)]
    passed, check = first_failure([*checks, _recorded_is_eager(settings, x, y)] if x.device.type == "cuda" else checks)
    return _lines(settings, x, y, passed, check, live=False)


def measure_live(settings: Settings) -> Found:
    """Row ``live``."""
    x, y = batch(settings, settings.amount(BATCH, 8))
    return _lines(settings, x, y, *_live_is_dense(settings, x), live=True)


def _lines(settings: Settings, x: Tensor, y: Tensor, passed: bool, check: str, *, live: bool) -> Found:
    """The lines of both precisions: steps of the defective net, through live neurons only if ``live``, against those of the plain one."""
    lines = {}
    for precision in ("fp32", "bf16") if passed else ():
        if precision == "bf16" and settings.emulates_bf16:
            lines[precision] = EMULATED
            continue
        net = fresh(DEFECTIVE, settings, x)
        if live:
            net = net.to(memory_format=memory_format(net, x.device))  # type: ignore[call-overload]
            net = train_live(net, x[:1], precision=precision)
        acts = {"ours": step(net, x, y, precision), "theirs": step(fresh(PLAIN, settings, x), x, y, precision)}
        seconds = settings.in_turn(acts)
        lines[precision] = measured(check, ratios(seconds["ours"], seconds["theirs"]), seconds=seconds)
    return {"lines": lines or dict.fromkeys(("fp32", "bf16"), wrong(check)), "batch": len(x)}


def step(net: nn.Module, x: Tensor, y: Tensor, precision: str, *, eager: bool = False) -> Callable[[], object]:
    """One training step on a batch, as the training loop takes it: forward, loss, backward, SGD with momentum.

    Where the loop records its step, it is recorded when this returns, which takes a few steps; ``eager`` leaves it as it is.
    """
    layout = memory_format(net, x.device)
    net, x = net.to(memory_format=layout).train(), x.contiguous(memory_format=layout)  # type: ignore[call-overload]
    recipe = Recipe(name="bench", epochs=1, batch_size=len(x), lr=0.01)
    optimizer = make_sgd(net, recipe, x.device)
    act = (Step if eager else make_step)(net, optimizer, recipe, x.device, precision)
    for _ in range(WARM_UP + 1 if isinstance(act, RecordedStep) else 0):
        act(x, y)
    return partial(act, x, y)


def _dead_are_zero(settings: Settings, x: Tensor, y: Tensor) -> tuple[bool, str]:
    """Whether dead neurons are exactly zero in a training step, forward and backward."""
    net = fresh(DEFECTIVE, settings, x)
    bad: list[str] = []

    def look(name: str, dead: Tensor, module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        def check(values: Tensor) -> None:
            if values.masked_select(dead).any():
                bad.append(name)

        check(output)
        # What reaches the layer below.
        args[0].register_hook(check)

    for name, layer in mask_layers(net).items():
        layer.register_forward_hook(partial(look, name, layer.defect_mask == 0))
    step(net, x, y, "fp32", eager=True)()
    return not bad, f"dead neurons of {bad[0]} are not 0" if bad else "dead neurons are exactly 0, forward and backward"


def _kept_is_plain(settings: Settings, x: Tensor, y: Tensor) -> tuple[bool, str]:
    """Whether a net all of whose neurons are kept ends a step with the bits of the plain net."""
    plain, kept = (fresh(PLAIN, settings, x) for _ in range(2))
    defect_(kept, 1.0, blocks="bottom")
    for net in (plain, kept):
        step(net, x, y, "fp32", eager=True)()
    same = all(torch.equal(*weights) for weights in zip(plain.parameters(), kept.parameters(), strict=True))
    return same, "with all neurons kept a step ends with the plain net's bits" + " (it does not)" * (not same)


def _recorded_is_eager(settings: Settings, x: Tensor, y: Tensor) -> tuple[bool, str]:
    """Whether what is timed on a GPU computes what the checks looked at: the logits after some steps."""
    apart = 0.0
    for name in (PLAIN, DEFECTIVE):
        recorded, eager = (fresh(name, settings, x) for _ in range(2))
        step(recorded, x, y, "fp32")()
        one = step(eager, x, y, "fp32", eager=True)
        for _ in range(WARM_UP + 2):
            one()
        with torch.no_grad():
            z, wanted = (net.eval()(x) for net in (recorded, eager))
        apart = max(apart, float((z - wanted).abs().max() / wanted.abs().max()))
    # TF32 keeps 10 bits, and the kernels add up in an order that changes from run to run.
    return apart <= 5e-2, f"logits after {WARM_UP + 2} recorded steps {apart:.1e} from those after eager ones"


def _live_is_dense(settings: Settings, x: Tensor) -> tuple[bool, str]:
    """Whether a pass through live neurons in train mode gives the logits of the dense net with the same moments in eval mode."""
    net = fresh(DEFECTIVE, settings, x)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            # The running moments become those of the one pass.
            module.momentum = 1.0
    with torch.no_grad():
        live = train_live(net, x[:1]).train()(x)
        dense = net.eval()(x)
    apart = float((live - dense).abs().max() / dense.abs().max())
    return apart <= SAME_MOMENTS / len(x), f"logits {apart:.1e} from the dense net's with the same moments"
