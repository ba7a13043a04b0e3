"""FGSM, PGD and MI-FGSM on the same net and images as the peers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from benchmarks import peers
from benchmarks.nets import Attacked, attacked, ours, share_fooled
from benchmarks.settings import Found, Settings, absent, against_the_fastest, first_failure
from defective.attacks import fgsm, mifgsm, pgd
from defective.inference import logits

EPS, STEP, STEPS = 16 / 255, 1 / 255, 20
# Images timed, and images on which the success in bfloat16 is compared with that in float32.
AMOUNTS = {"fgsm": (512, 512), "pgd": (64, 256), "mifgsm": (64, 256), "defective": (64, 256)}
# One step must give equal pixels. Over many, a pixel whose gradient is nearly 0 goes one way or the other by the rounding of a sum, and
# others follow it, between any two of the packages: there success and the rise of the loss must be equal, and the pixels are counted.
SAME_PIXEL, SAME_PIXELS, SAME_SUCCESS, SAME_LOSS = 1e-6, 0.999, 0.005, 0.05
ATTACKS: dict[str, tuple[Callable[..., Tensor], dict[str, Any]]] = {
    "fgsm": (fgsm, {"eps": EPS}),
    "pgd": (pgd, {"eps": EPS, "step_size": STEP, "steps": STEPS}),
    "mifgsm": (mifgsm, {"eps": EPS, "step_size": STEP, "steps": STEPS}),
    "defective": (pgd, {"eps": EPS, "step_size": STEP, "steps": STEPS}),
}


def measure(settings: Settings) -> Found:
    """Row ``gradient``."""
    lines: dict[str, Found] = {}
    about = []
    for attack, (timed, checked) in AMOUNTS.items():
        name = "resnet18/0.1-bottom" if attack == "defective" else "resnet18"
        many = attacked(settings, settings.amount(max(timed, checked), 8), name)
        about += [many.about] * (many.about not in about)
        count = settings.amount(timed, 8)
        lines |= _attack(settings, attack, many, many._replace(x=many.x[:count], y=many.y[:count]))
    return {"lines": lines, "net": "; ".join(about), "missing": peers.missing()}


def _attack(settings: Settings, attack: str, many: Attacked, few: Attacked) -> dict[str, Found]:
    """Both lines of an attack: ``few`` images are timed, the success of ``many`` is compared."""
    act, numbers = ATTACKS[attack]
    kind, all_numbers = "pgd" if attack == "defective" else attack, {"eps": EPS, "step_size": STEP, "steps": STEPS}
    found = {name: peers.gradient(name, kind, few.net, few.x, few.y, **all_numbers) for name in peers.PEERS}
    theirs = {name: run for name, run in found.items() if run}
    if not theirs:
        return dict.fromkeys((f"{attack}-fp32", f"{attack}-bf16"), absent("no peer is installed"))
    nets = {"fp32": ours(few.net, few.x, "fp32"), "bf16": ours(few.net, few.x, "bf16")}
    made = {name: run() for name, run in theirs.items()}
    acts = {precision: partial(act, net, few.x, few.y, **numbers) for precision, net in nets.items()}
    own = {precision: run() for precision, run in acts.items()}
    checks = {
        "fp32": first_failure([_equal(few, own["fp32"], name, images, one_step=act is fgsm) for name, images in made.items()]),
        "bf16": _success(many, {precision: act(net, many.x, many.y, **numbers) for precision, net in nets.items()}),
    }
    lines = against_the_fastest(settings, checks, acts, theirs, images=len(few.x))
    return {f"{attack}-{precision}": line for precision, line in lines.items()}


def _equal(few: Attacked, own: Tensor, name: str, theirs: Tensor, *, one_step: bool) -> tuple[bool, str]:
    """Whether our images are a peer's: in their pixels after one step, in success and loss after many."""
    same = float(((own - theirs).abs() <= SAME_PIXEL).float().mean())
    success, other = (share_fooled(few.net, images, few.y) for images in (own, theirs))
    before, loss, their_loss = (float(F.cross_entropy(logits(few.net, images), few.y.cpu())) for images in (few.x, own, theirs))
    text = (
        f"{100 * same:.2f} % of the pixels equal to {name}'s, success {100 * success:.1f} and {100 * other:.1f} %, "
        f"loss {loss:.3f} and {their_loss:.3f}"
    )
    close = _as_successful(success, other, len(few.x)) and abs(loss - their_loss) <= SAME_LOSS * abs(their_loss - before)
    return close and (same >= SAME_PIXELS or not one_step), text


def _success(many: Attacked, made: dict[str, Tensor]) -> tuple[bool, str]:
    """Whether the success in bfloat16 is that in float32."""
    full, half = (share_fooled(many.net, made[precision], many.y) for precision in ("fp32", "bf16"))
    text = f"success {100 * half:.1f} % in bf16 and {100 * full:.1f} % in fp32 on {len(many.x)} images"
    return _as_successful(half, full, len(many.x)), text


def _as_successful(share: float, other: float, images: int) -> bool:
    # One image is as near as a small number of them can tell.
    return abs(share - other) < max(SAME_SUCCESS, 1.01 / images)
