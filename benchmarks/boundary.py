"""The boundary attack with as many queries for each image as the peers'."""

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.nets import Attacked, attacked, ours
from benchmarks.paired import ratios
from benchmarks.settings import Found, Settings, absent, measured, wrong
from defective.attacks import BoundaryResult, boundary_details
from defective.inference import dtype_of

# Queries of a step of ours at most, in the mean: every second step queries a point on the sphere too.
SCHEDULE, A_STEP = "quick", 1.5
# The share by which our queries, or our median distance, may be above a peer's.
SLACK = 0.01


class Counting(nn.Module):
    """A model that counts its queries: the images that it is called with."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.queries = net, 0

    def forward(self, x: Tensor) -> Tensor:
        self.queries += len(x)
        # ART's images are in double precision.
        z: Tensor = self.net(x.to(dtype_of(self.net)))
        return z


class Turn(NamedTuple):
    """Result of a turn: the distance of each image, and queries for each of them."""

    distances: Tensor
    queries: float


def measure(settings: Settings) -> Found:
    """Row ``boundary``. On a CPU each turn takes its own part of the images; on a GPU each takes all of them."""
    here = attacked(settings, settings.amount(500, 8))
    steps = settings.amount(100, 10)
    size = max(1, len(here.x) // settings.repeats) if settings.device.type == "cpu" else len(here.x)
    parts = [here._replace(x=x, y=y) for x, y in zip(here.x.split(size), here.y.split(size), strict=True)][: settings.repeats]
    lines = {
        **_against(settings, "Foolbox", parts, steps),
        # It walks image by image, and would take hours for all of them; ours takes as many as above.
        **_against(settings, "ART", parts, settings.amount(10, 1), few=settings.amount(10, 2)),
    }
    return {"lines": lines, "net": here.about, "images": sum(len(part.x) for part in parts), "missing": peers.missing()}


def _against(settings: Settings, name: str, parts: list[Attacked], steps: int, few: int | None = None) -> dict[str, Found]:
    """A peer's, ours in float32 and ours with a bfloat16 surrogate, part by part in turn; time for each image and query.

    ``few``: images of each part that the peer takes, and that distances and queries are compared on.
    """
    keys = {precision: f"{name.lower()}-{precision}" for precision in ("fp32", "bf16")}
    net, draft = ours(parts[0].net, parts[0].x, "fp32"), ours(parts[0].net, parts[0].x, "bf16")
    turns: dict[str, list[Turn]] = {"theirs": [], **{precision: [] for precision in keys}}
    # Queries of the search for a start.
    starts = [float(_walk(net, part, 1).queries.float().mean()) - A_STEP for part in parts]

    def their(index: int) -> None:
        part = parts[index]
        turns["theirs"].append(_peer(name, part._replace(x=part.x[:few], y=part.y[:few]), steps))

    def own(index: int, precision: str) -> None:
        # As many queries as the peer has just asked on the same part.
        part, own_steps = parts[index], max(1, round((turns["theirs"][-1].queries - starts[index]) / A_STEP))
        result = _walk(net, part, own_steps, draft if precision == "bf16" else None)
        turns[precision].append(Turn(_distances(part, result.x_adv)[:few], float(result.queries.float().mean())))

    contestants: dict[str, Callable[[int], None]] = {"theirs": their}
    contestants |= {precision: partial(own, precision=precision) for precision in keys}
    try:
        seconds = settings.in_turn({who: _taking(act, len(parts)) for who, act in contestants.items()}, warm=False)
    except (LookupError, ValueError) as error:
        return dict.fromkeys(keys.values(), absent(str(error)))
    size = len(parts[0].x)
    sizes = {"theirs": min(few or size, size), **dict.fromkeys(keys, size)}
    rates = {who: [time / turn.queries / sizes[who] for time, turn in zip(seconds[who], turns[who], strict=True)] for who in turns}
    about: dict[str, Any] = {
        "seconds": {f"ours {who}" if who in keys else who: times for who, times in seconds.items()},
        "queries": {who: [turn.queries for turn in turns[who]] for who in turns},
        "note": f"{sizes['fp32']} images a turn, {sizes['theirs']} with {name}",
    }
    lines = {}
    for precision, key in keys.items():
        passed, check = no_worse(turns[precision], turns["theirs"], name)
        lines[key] = measured(check, ratios(rates["theirs"], rates[precision]), **about) if passed else wrong(check)
    return lines


def _peer(name: str, part: Attacked, steps: int) -> Turn:
    """A peer's walk.

    Raises:
        LookupError: If it is not installed.
        ValueError: If it finds no start.
    """
    counting = Counting(part.net).eval()
    act = peers.boundary(name, counting, part.x, part.y, steps=steps)
    if act is None:
        raise LookupError(f"{name} is not installed")
    counting.queries = 0
    try:
        x_adv = act()
    except ValueError as error:
        raise ValueError(f"{name} found no start: {error}") from None
    return Turn(_distances(part, x_adv), counting.queries / len(part.x))


def _walk(net: nn.Module, part: Attacked, steps: int, draft: nn.Module | None = None) -> BoundaryResult:
    generator = torch.Generator().manual_seed(0)
    return boundary_details(net, part.x, part.y, steps=steps, generator=generator, schedule=SCHEDULE, draft=draft)


def no_worse(own: list[Turn], their: list[Turn], name: str) -> tuple[bool, str]:
    """Whether our distance is no larger than a peer's, image by image in the median, after no more queries for each image."""
    lengths = [torch.cat([turn.distances for turn in turns]) for turns in (own, their)]
    quotient = float((lengths[0] / lengths[1]).median())
    asked = [sum(turn.queries for turn in turns) / len(turns) for turns in (own, their)]
    text = (
        f"median L2 {float(lengths[0].median()):.4f} after {asked[0]:.0f} queries for each image, {name} "
        f"{float(lengths[1].median()):.4f} after {asked[1]:.0f}; {quotient:.3f} times as far, image by image in the median"
    )
    return quotient <= 1 + SLACK and asked[0] <= (1 + SLACK) * asked[1], text


def _taking(act: Callable[[int], None], parts: int) -> Callable[[], None]:
    """A contestant that takes part after part."""
    take = cycle(range(parts))
    return lambda: act(next(take))


def _distances(part: Attacked, x_adv: Tensor) -> Tensor:
    lengths: Tensor = (x_adv - part.x).flatten(1).norm(dim=1).cpu()
    return lengths
