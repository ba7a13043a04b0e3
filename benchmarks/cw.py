"""CW-L2 with the same search and the same steps as the peers."""

from functools import partial
from typing import Any

from torch import Tensor

from benchmarks import peers
from benchmarks.nets import Attacked, attacked, ours
from benchmarks.settings import Found, Settings, absent, against_the_fastest
from defective.attacks import cw
from defective.inference import logits

# The share by which our mean distance may be above a peer's and still be no worse.
SLACK = 0.01
# A peer whose first run is so many times slower than the fastest's is not run again.
SLOW = 4.0


def measure(settings: Settings) -> Found:
    """Row ``cw``."""
    here = attacked(settings, settings.amount(16, 4))
    numbers = {"confidence": 0.0, "steps": settings.amount(50, 20), "lr": 0.01}
    cases = {
        "search": {**numbers, "search_steps": settings.amount(5, 3), "initial_const": 0.1},
        "one-constant": {**numbers, "search_steps": 1, "initial_const": 1.0},
    }
    lines: dict[str, Found] = {}
    for key, each in cases.items():
        lines |= {f"{key}-{precision}": line for precision, line in _case(settings, here, each).items()}
    return {"lines": lines, "net": here.about, "images": len(here.x), "numbers": cases, "missing": peers.missing()}


def _case(settings: Settings, here: Attacked, numbers: dict[str, Any]) -> dict[str, Found]:
    """Both lines of a case: in float32, and with a bfloat16 surrogate."""
    theirs = {name: found for name in peers.PEERS if (found := peers.carlini_wagner(name, here.net, here.x, here.y, **numbers))}
    if not theirs:
        return dict.fromkeys(("fp32", "bf16"), absent("no peer is installed"))
    made, once = _first_runs(settings, theirs)
    best = min(once, key=lambda name: once[name])
    act = partial(cw, ours(here.net, here.x, "fp32"), here.x, here.y, **numbers)
    acts = {"fp32": act, "bf16": partial(act, surrogate=ours(here.net, here.x, "bf16"))}
    own = {precision: act() for precision, act in acts.items()}
    checks = {precision: no_worse(here, images, best, made[best]) for precision, images in own.items()}
    again = {name: act for name, act in theirs.items() if once[name] <= SLOW * once[best]}
    slower = "".join(f"; {name} took {once[name] / once[best]:.0f} x as long" for name in theirs if name not in again)
    return against_the_fastest(settings, checks, acts, again, warm=False, slower=slower)


def _first_runs(settings: Settings, acts: dict[str, peers.Act]) -> tuple[dict[str, Tensor], dict[str, float]]:
    """What each peer makes, and the seconds it takes."""
    made: dict[str, Tensor] = {}

    def first(name: str) -> None:
        made[name] = acts[name]()

    return made, {name: settings.once(partial(first, name)) for name in acts}


def no_worse(here: Attacked, own: Tensor, name: str, theirs: Tensor) -> tuple[bool, str]:
    """Whether we fool the net on no fewer images, and lie no farther from those that both fool it on."""
    fooled = [logits(here.net, images).argmax(1) != here.y.cpu() for images in (own, theirs)]
    lengths = [(images - here.x).flatten(1).norm(dim=1).cpu() for images in (own, theirs)]
    both = fooled[0] & fooled[1]
    means = [float(length[both].mean()) if both.any() else 0.0 for length in lengths]
    counts = [int(each.sum()) for each in fooled]
    text = f"{counts[0]} images of {len(here.x)} fooled and {counts[1]} by {name}, mean L2 {means[0]:.4f} and {means[1]:.4f}"
    return bool(both.any()) and counts[0] >= counts[1] and means[0] <= (1 + SLACK) * means[1], text
