"""HopSkipJump with as many queries for each image as the peers'."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.boundary import Counting, Turn, no_worse, startable
from benchmarks.nets import Attacked, attacked, ours
from benchmarks.paired import ratios
from benchmarks.settings import Found, Settings, absent, first_failure, measured, wrong
from defective.attacks import hopskipjump_details
from defective.inference import logits

Norm = Literal["l2", "linf"]
# The share of the distance within which the bfloat16 surrogate is queried, above its rounding.
RADIUS: dict[Norm, float] = {"l2": 0.03, "linf": 0.9}
# The least share of our images that fool the net itself. They lie on the boundary of the net as `ours` computes it: rounding moves it.
FOOLED = 0.9
# The share of queries that ours may take more than a peer's at the same number of steps: their searches for the boundary differ by a few.
MORE_QUERIES = 0.05


def measure(settings: Settings) -> Found:
    """Row ``hopskipjump``."""
    here = attacked(settings, settings.amount(100, 8))
    kept = startable(here.net, here.x, here.y)
    here = here._replace(x=here.x[kept], y=here.y[kept])
    steps = settings.amount(3, 2)
    lines: dict[str, Found] = {}
    for norm in RADIUS:
        lines |= _in_turn(settings, here, norm, steps)
    return {"lines": lines, "net": here.about, "images": len(here.x), "steps": steps, "missing": peers.missing()}


def _in_turn(settings: Settings, here: Attacked, norm: Norm, steps: int) -> dict[str, Found]:
    """Both peers and both of ours in one norm; ART attacks image by image, so only a few. Times are those for each image and query."""
    few = {"Foolbox": len(here.x), "ART": min(len(here.x), settings.amount(20, 2))}
    turns: dict[str, list[Turn]] = {}
    last: dict[str, Tensor] = {}
    contestants: dict[str, Callable[[], None]] = {}

    def record(who: str, x_adv: Tensor, queries: float) -> None:
        change = (x_adv - here.x[: len(x_adv)]).flatten(1)
        turns[who].append(Turn((change.norm(dim=1) if norm == "l2" else change.abs().amax(1)).cpu(), queries))
        last[who] = x_adv

    def their(name: str, act: peers.Act, counting: Counting) -> None:
        counting.queries = 0
        x_adv = act()
        record(name, x_adv, counting.queries / len(x_adv))

    def own(who: str, **options: Any) -> None:
        generator = torch.Generator().manual_seed(0)
        found = hopskipjump_details(net, here.x, here.y, steps=steps, norm=norm, generator=generator, **options)
        record(who, found.x_adv, float(found.queries.float().mean()))

    for name, count in few.items():
        counting = Counting(here.net).eval()
        act = peers.hopskipjump(name, counting, here.x[:count], here.y[:count], norm=norm, steps=steps)
        if act is not None:
            contestants[name] = partial(their, name, act, counting)
    net, draft = ours(here.net, here.x, "fp32"), ours(here.net, here.x, "bf16")
    own_contestants = {"fp32": partial(own, "fp32"), "bf16": partial(own, "bf16", draft=draft, radius=RADIUS[norm])}
    lines = {f"{name.lower()}-{norm}-{who}": absent(f"{name} is not installed") for name in few for who in own_contestants}
    if not contestants:
        return lines
    installed = list(contestants)
    contestants |= own_contestants
    turns |= {who: [] for who in contestants}
    seconds = settings.in_turn(contestants, warm=False)
    rates = {
        who: [time / turn.queries / few.get(who, len(here.x)) for time, turn in zip(seconds[who], turns[who], strict=True)]
        for who in turns
    }
    queries = {who: [turn.queries for turn in each] for who, each in turns.items()}
    for name in installed:
        note = f"{len(here.x)} images a turn, {few[name]} with {name}"
        for who in own_contestants:
            fooled = int((logits(here.net, last[who]).argmax(1) != here.y.cpu()).sum())
            distances = [turn._replace(distances=turn.distances[: few[name]]) for turn in turns[who]]
            passed, check = first_failure(
                [
                    (fooled >= FOOLED * len(here.x), f"{fooled} of our {len(here.x)} images fool the net"),
                    no_worse(distances, turns[name], name, norm, more=MORE_QUERIES),
                ]
            )
            found = measured(check, ratios(rates[name], rates[who]), seconds=seconds, note=note, queries=queries)
            lines[f"{name.lower()}-{norm}-{who}"] = found if passed else wrong(check)
    return lines
