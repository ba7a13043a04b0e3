"""The boundary attack with as many queries for each image as the peers'."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.nets import Attacked, attacked, ours
from benchmarks.paired import ratios
from benchmarks.settings import Found, Settings, absent, measured, wrong
from defective.attacks import DecisionBasedResult, boundary_details, hopskipjump_details
from defective.errors import InputError
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


def startable(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Bool ``(N,)``: images that a walk from uniform noise can start for. Foolbox refuses all images if one of them has no start.

    Raises:
        InputError: If there is no such image.
    """
    started = hopskipjump_details(net, x, y, steps=1, initial_queries=1, generator=torch.Generator().manual_seed(0)).started
    if not started.any():
        raise InputError("the net takes uniform noise for the class of every image: pass a trained net, --checkpoint DIR")
    return started


def measure(settings: Settings) -> Found:
    """Row ``boundary``."""
    here = attacked(settings, settings.amount(100 if settings.device.type == "cpu" else 500, 8))
    lines = {
        **_against(settings, "Foolbox", here, len(here.x), settings.amount(100, 10)),
        # It attacks image by image, and would take hours for all of them; ours takes as many as above.
        **_against(settings, "ART", here, settings.amount(10, 2), settings.amount(10, 1)),
    }
    return {"lines": lines, "net": here.about, "images": len(here.x), "missing": peers.missing()}


def _against(settings: Settings, name: str, here: Attacked, few: int, steps: int) -> dict[str, Found]:
    """A peer's walk on the first ``few`` images, ours in float32 and ours with a bfloat16 surrogate on all; time for each image and query.

    Distances are compared on those ``few``.
    """
    keys = {precision: f"{name.lower()}-{precision}" for precision in ("fp32", "bf16")}
    net, draft = ours(here.net, here.x, "fp32"), ours(here.net, here.x, "bf16")
    turns: dict[str, list[Turn]] = {"theirs": [], **{precision: [] for precision in keys}}
    # Queries of the search for a start.
    start = float(_walk(net, here, 1).queries.float().mean()) - A_STEP

    def their() -> None:
        turns["theirs"].append(_peer(name, here._replace(x=here.x[:few], y=here.y[:few]), steps))

    def own(precision: str) -> None:
        # As many queries as the peer has just used.
        own_steps = max(1, round((turns["theirs"][-1].queries - start) / A_STEP))
        result = _walk(net, here, own_steps, draft if precision == "bf16" else None)
        turns[precision].append(Turn(_distances(here, result.x_adv)[:few], float(result.queries.float().mean())))

    contestants: dict[str, Callable[[], None]] = {"theirs": their}
    contestants |= {precision: partial(own, precision) for precision in keys}
    try:
        seconds = settings.in_turn(contestants, warm=False)
    except (LookupError, ValueError) as error:
        return dict.fromkeys(keys.values(), absent(str(error)))
    sizes = {"theirs": min(few, len(here.x)), **dict.fromkeys(keys, len(here.x))}
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


def _peer(name: str, here: Attacked, steps: int) -> Turn:
    """A peer's walk.

    Raises:
        LookupError: If it is not installed.
        ValueError: If it finds no start.
    """
    counting = Counting(here.net).eval()
    act = peers.boundary(name, counting, here.x, here.y, steps=steps)
    if act is None:
        raise LookupError(f"{name} is not installed")
    counting.queries = 0
    try:
        x_adv = act()
    except ValueError as error:
        raise ValueError(f"{name} found no start: {error}") from None
    return Turn(_distances(here, x_adv), counting.queries / len(here.x))


def _walk(net: nn.Module, here: Attacked, steps: int, draft: nn.Module | None = None) -> DecisionBasedResult:
    generator = torch.Generator().manual_seed(0)
    return boundary_details(net, here.x, here.y, steps=steps, generator=generator, schedule=SCHEDULE, draft=draft)


def no_worse(own: list[Turn], their: list[Turn], name: str, norm: str = "L2", *, more: float = SLACK) -> tuple[bool, str]:
    """Whether our distance is no larger than a peer's, image by image in the median, after no more queries, or a share ``more``."""
    lengths = [torch.cat([turn.distances for turn in turns]) for turns in (own, their)]
    quotient = float((lengths[0] / lengths[1]).median())
    queries = [sum(turn.queries for turn in turns) / len(turns) for turns in (own, their)]
    text = (
        f"median {norm} {float(lengths[0].median()):.4f} after {queries[0]:.0f} queries for each image, {name} "
        f"{float(lengths[1].median()):.4f} after {queries[1]:.0f}; {quotient:.3f} times as far, image by image in the median"
    )
    return quotient <= 1 + SLACK and queries[0] <= (1 + more) * queries[1], text


def _distances(here: Attacked, x_adv: Tensor) -> Tensor:
    lengths: Tensor = (x_adv - here.x).flatten(1).norm(dim=1).cpu()
    return lengths
