"""Row 5: the boundary attack with as many queries for each image as the peers ask."""

from collections.abc import Callable
from functools import partial
from itertools import cycle
from statistics import mean
from typing import NamedTuple

import torch
from torch import Tensor, nn

from defective.attacks import BoundaryResult, boundary_details
from defective.bench import peers
from defective.bench.nets import Attacked, attacked, ours
from defective.bench.paired import ratios
from defective.bench.settings import Found, Settings, absent, measured, wrong
from defective.inference import dtype_of

# Questions that a step of ours asks at most, in the mean: every second one asks about the sphere too.
SCHEDULE, A_STEP = "quick", 1.5
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
        **_against(settings, "Foolbox", parts, steps),
        # It walks image by image, and would take hours for all of them; ours takes as many as above.
        **_against(settings, "ART", parts, settings.amount(10, 1), few=settings.amount(10, 2)),
    }
    return {"lines": lines, "net": here.about, "images": sum(len(part.x) for part in parts), "missing": peers.missing()}


def _against(settings: Settings, name: str, parts: list[Attacked], steps: int, few: int | None = None) -> dict[str, Found]:
    """Ours in float32, ours drafted in bfloat16 and a peer's, part by part in turn; time for each image and query.

    ``few``: images of each part that the peer takes, and that distances and queries are compared on.
    """
    counting = Counting(parts[0].net).eval()
    theirs = [part._replace(x=part.x[:few], y=part.y[:few]) for part in parts]
    asked = [_asked(name, counting, part, steps) for part in theirs]
    keys = {precision: f"{name.lower()}-{precision}" for precision in ("fp32", "bf16")}
    failed = next((line for _, line in asked if line), None)
    if failed:
        return dict.fromkeys(keys.values(), failed)
    walks = _walks(parts[0], mean(queries for queries, _ in asked))
    turns: dict[str, list[Turn]] = {who: [] for who in (*walks, "theirs")}

    def own(who: str, part: Attacked) -> None:
        result = walks[who](part)
        turns[who].append(Turn(_distances(part, result.x_adv)[:few], float(result.queries.float().mean())))

    def their(part: Attacked) -> None:
        act = peers.boundary(name, counting, part.x, part.y, steps=steps)
        assert act is not None
        counting.asked = 0
        x_adv = act()
        turns["theirs"].append(Turn(_distances(part, x_adv), counting.asked / len(part.x)))

    contestants = {who: _taking(partial(own, who), parts) for who in walks}
    seconds = settings.in_turn({**contestants, "theirs": _taking(their, theirs)}, warm=False)
    sizes = dict.fromkeys(walks, len(parts[0].x)) | {"theirs": len(theirs[0].x)}
    rates = {who: [time / turn.queries / sizes[who] for time, turn in zip(seconds[who], turns[who], strict=True)] for who in turns}
    queries = {who: [turn.queries for turn in turns[who]] for who in turns}
    note = f"{len(parts[0].x)} images a turn, {sizes['theirs']} with {name}"
    checks = {precision: no_worse(turns[f"ours {precision}"], turns["theirs"], name) for precision in keys}
    return {
        key: measured(
            checks[precision][1],
            ratios(rates["theirs"], rates[f"ours {precision}"]),
            seconds=seconds,
            note=note,
            queries=queries,
        )
        if checks[precision][0]
        else wrong(checks[precision][1])
        for precision, key in keys.items()
    }


def _walks(part: Attacked, budget: float) -> dict[str, Callable[[Attacked], BoundaryResult]]:
    """Our attack in float32 and drafted in bfloat16, each of as many steps as the queries for an image allow."""
    net, draft = (ours(part.net, part.x, precision) for precision in ("fp32", "bf16"))
    walks: dict[str, Callable[[Attacked], BoundaryResult]] = {}
    for precision, options in (("fp32", {}), ("bf16", {"draft": draft})):

        def walk(part: Attacked, steps: int, options: dict[str, nn.Module] = options) -> BoundaryResult:
            generator = torch.Generator().manual_seed(0)
            return boundary_details(net, part.x, part.y, steps=steps, generator=generator, schedule=SCHEDULE, **options)  # type: ignore[arg-type]

        start = float(walk(part, 1).queries.float().mean()) - A_STEP
        walks[f"ours {precision}"] = partial(walk, steps=max(1, round((budget - start) / A_STEP)))
    return walks


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


def _distances(part: Attacked, x_adv: Tensor) -> Tensor:
    lengths: Tensor = (x_adv - part.x).flatten(1).norm(dim=1).cpu()
    return lengths
