"""Row 5: the boundary attack with as many queries for each image as the peers ask."""

from collections.abc import Callable
from itertools import cycle
from typing import NamedTuple

import torch
from torch import Tensor, nn

from defective.attacks import boundary_details
from defective.bench import peers
from defective.bench.nets import Attacked, attacked, ours
from defective.bench.paired import ratios
from defective.bench.settings import Found, Settings, absent, measured, wrong
from defective.inference import dtype_of

# Both attacks ask once a step, and once more every tenth step.
A_STEP = 1.1
# The share by which our queries, or our median distance, may be above a peer's.
SLACK = 0.01


class Counting(nn.Module):
    """A net that counts the images it is asked about."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.asked = net, 0

    def forward(self, x: Tensor) -> Tensor:
        self.asked += len(x)
        # ART asks in double precision.
        z: Tensor = self.net(x.to(dtype_of(self.net)))
        return z


class Turn(NamedTuple):
    """What a turn led to: how far each image is, and queries for each of them."""

    distances: Tensor
    queries: float


def measure(settings: Settings) -> Found:
    """Row 5. On a CPU each turn takes its own part of the images; on a GPU each takes all of them."""
    here = attacked(settings, settings.count(500, 8))
    steps = settings.amount(100, 10)
    size = max(1, len(here.x) // settings.repeats) if settings.device.type == "cpu" else len(here.x)
    parts = [here._replace(x=x, y=y) for x, y in zip(here.x.split(size), here.y.split(size), strict=True)][: settings.repeats]
    lines = {
        "foolbox": _against(settings, "Foolbox", parts, steps),
        # It walks image by image, and would take hours for all of them; ours takes as many as above.
        "art": _against(settings, "ART", parts, settings.amount(10, 1), few=2),
    }
    return {"lines": lines, "net": here.about, "images": sum(len(part.x) for part in parts), "missing": peers.missing()}


def _against(settings: Settings, name: str, parts: list[Attacked], steps: int, few: int | None = None) -> Found:
    """Ours and a peer's, part by part in turn; time for each image and query, distances over all parts.

    ``few``: images of each part that the peer takes, and that distances and queries are compared on.
    """
    counting = Counting(parts[0].net).eval()
    theirs = [part._replace(x=part.x[:few], y=part.y[:few]) for part in parts]
    asked = [_asked(name, counting, part, steps) for part in (theirs if few else theirs[:1])]
    failed = next((line for _, line in asked if line), None)
    if failed:
        return failed
    budget = min(queries for queries, _ in asked)
    net = ours(parts[0].net, parts[0].x, "fp32")
    start = float(_walk(net, parts[0], 1)[1].float().mean()) - A_STEP
    own_steps = max(1, round((budget - start) / A_STEP))
    turns: dict[str, list[Turn]] = {"ours": [], "theirs": []}

    def own(part: Attacked) -> None:
        x_adv, queries = _walk(net, part, own_steps)
        turns["ours"].append(Turn(_distances(part, x_adv)[:few], float(queries.float().mean())))

    def their(part: Attacked) -> None:
        act = peers.boundary(name, counting, part.x, part.y, steps=steps)
        assert act is not None
        counting.asked = 0
        x_adv = act()
        turns["theirs"].append(Turn(_distances(part, x_adv), counting.asked / len(part.x)))

    contestants = {"ours": _taking(own, parts), "theirs": _taking(their, theirs)}
    seconds = settings.in_turn(contestants, warm=False)
    passed, check = no_worse(turns["ours"], turns["theirs"], name)
    if not passed:
        return wrong(check)
    sizes = {"ours": len(parts[0].x), "theirs": len(theirs[0].x)}
    rates = {who: [time / turn.queries / sizes[who] for time, turn in zip(seconds[who], turns[who], strict=True)] for who in turns}
    queries = {who: [turn.queries for turn in turns[who]] for who in turns}
    note = f"{sizes['ours']} images a turn, {sizes['theirs']} with {name}"
    return measured(check, ratios(rates["theirs"], rates["ours"]), seconds=seconds, note=note, queries=queries)


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


def _taking(act: Callable[[Attacked], None], parts: list[Attacked]) -> Callable[[], None]:
    """A contestant that takes part after part."""
    take = cycle(parts)
    return lambda: act(next(take))


def _asked(name: str, counting: Counting, part: Attacked, steps: int) -> tuple[float, Found | None]:
    """Queries that a peer asks for each image; or the line, if it is not installed or does not start."""
    act = peers.boundary(name, counting, part.x, part.y, steps=steps)
    if act is None:
        return 0.0, absent(f"{name} is not installed")
    counting.asked = 0
    try:
        act()
    except ValueError as error:
        return 0.0, absent(f"{name} found no start: {error}")
    return counting.asked / len(part.x), None


def _walk(net: nn.Module, part: Attacked, steps: int) -> tuple[Tensor, Tensor]:
    result = boundary_details(net, part.x, part.y, steps=steps, generator=torch.Generator().manual_seed(0))
    return result.x_adv, result.queries


def _distances(part: Attacked, x_adv: Tensor) -> Tensor:
    lengths: Tensor = (x_adv - part.x).flatten(1).norm(dim=1).cpu()
    return lengths
