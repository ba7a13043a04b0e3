"""Row 3: FGSM, PGD and MI-FGSM on the same net and images as the peers."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from defective.attacks import fgsm, mifgsm, pgd
from defective.bench import peers
from defective.bench.nets import Attacked, attacked, ours, share_fooled
from defective.bench.paired import fastest, matmuls, ratios
from defective.bench.settings import Found, Settings, absent, first_failure, measured, wrong

EPS, STEP, STEPS = 16 / 255, 1 / 255, 20
# Images timed, and images on which the success in bfloat16 is compared with that in float32.
AMOUNTS = {"fgsm": (512, 512), "pgd": (64, 256), "mifgsm": (64, 256)}
# On the peer's own net nearly all pixels must be equal. On ours the sums run in another order: a pixel whose gradient is nearly 0 may go
# the other way, and over many steps others follow it, so that there most of them and the success must be.
SAME_PIXEL, SAME_ON_THEIRS, SAME_ON_OURS, SAME_SUCCESS = 1e-6, 0.999, 0.9, 0.005
ATTACKS: dict[str, tuple[Callable[..., Tensor], dict[str, Any]]] = {
    "fgsm": (fgsm, {"eps": EPS}),
    "pgd": (pgd, {"eps": EPS, "step_size": STEP, "steps": STEPS}),
    "mifgsm": (mifgsm, {"eps": EPS, "step_size": STEP, "steps": STEPS}),
}


def measure(settings: Settings) -> Found:
    """Row 3."""
    lines: dict[str, Found] = {}
    about = ""
    for attack, (timed, checked) in AMOUNTS.items():
        many = attacked(settings, max(settings.count(timed, 8), settings.amount(checked, 8)))
        about = many.about
        count = settings.count(timed, 8)
        lines |= _attack(settings, attack, many, many._replace(x=many.x[:count], y=many.y[:count]))
    return {"lines": lines, "net": about, "missing": peers.missing()}


def _attack(settings: Settings, attack: str, many: Attacked, few: Attacked) -> dict[str, Found]:
    """Both lines of an attack: ``few`` images are timed, the success of ``many`` is compared."""
    act, numbers = ATTACKS[attack]
    theirs = {
        name: found
        for name in peers.PEERS
        if (found := peers.gradient(name, attack, few.net, few.x, few.y, eps=EPS, step_size=STEP, steps=STEPS))
    }
    if not theirs:
        return dict.fromkeys((f"{attack}-fp32", f"{attack}-bf16"), absent("no peer is installed"))
    nets = {"fp32": ours(few.net, few.x, "fp32"), "bf16": ours(few.net, few.x, "bf16")}
    made = {name: run() for name, run in theirs.items()}
    own = {precision: act(net, few.x, few.y, **numbers) for precision, net in nets.items()}
    same_net = act(few.net, few.x, few.y, **numbers)
    checks = {
        "fp32": first_failure([_equal(few, own["fp32"], same_net, name, images) for name, images in made.items()]),
        "bf16": _success(many, {precision: act(net, many.x, many.y, **numbers) for precision, net in nets.items()}),
    }
    contestants: dict[str, Callable[[], object]] = {
        f"ours {precision}": lambda net=net: act(net, few.x, few.y, **numbers)  # type: ignore[misc]
        for precision, net in nets.items()
        if checks[precision][0]
    }
    if not contestants:
        return {f"{attack}-{precision}": wrong(check) for precision, (_, check) in checks.items()}
    multiplying = matmuls(settings.device, settings.amount(2048, 128))
    seconds = settings.in_turn({**contestants, **theirs, **multiplying})
    best = fastest(seconds, list(theirs))
    return {
        f"{attack}-{precision}": measured(
            check,
            ratios(seconds[best], seconds[f"ours {precision}"]),
            seconds=seconds,
            note=f"the fastest is {best}",
            images=len(few.x),
        )
        if passed
        else wrong(check)
        for precision, (passed, check) in checks.items()
    }


def _equal(few: Attacked, own: Tensor, same_net: Tensor, name: str, theirs: Tensor) -> tuple[bool, str]:
    """Whether our images, made on our form of the net and on the very net that the peer attacks, are the peer's but for rounding."""
    shares = [float(((images - theirs).abs() <= SAME_PIXEL).float().mean()) for images in (own, same_net)]
    success, other = (share_fooled(few.net, images, few.y) for images in (own, theirs))
    text = (
        f"{100 * shares[0]:.2f} % of the pixels equal to {name}'s ({100 * shares[1]:.2f} % where both attack one net), "
        f"success {100 * success:.1f} and {100 * other:.1f} %"
    )
    # One image is as near as a small number of them can tell.
    close = abs(success - other) <= max(SAME_SUCCESS, 1.01 / len(few.x))
    return shares[0] >= SAME_ON_OURS and shares[1] >= SAME_ON_THEIRS and close, text


def _success(many: Attacked, made: dict[str, Tensor]) -> tuple[bool, str]:
    """Whether the success in bfloat16 is that in float32."""
    full, half = (share_fooled(many.net, made[precision], many.y) for precision in ("fp32", "bf16"))
    text = f"success {100 * half:.1f} % in bf16 and {100 * full:.1f} % in fp32 on {len(many.x)} images"
    return abs(half - full) < SAME_SUCCESS, text
