"""The boundary attack with as many queries for each image as the peers'."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.nets import Attacked, attacked, ours
from benchmarks.paired import ratios
from benchmarks.settings import Found, Settings, absent, first_failure, measured, wrong
from defective.attacks import DecisionBasedResult, boundary_details, hopskipjump_details
from defective.errors import InputError
from defective.inference import dtype_of, logits

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
    net, surrogate = ours(here.net, here.x, "fp32"), ours(here.net, here.x, "bf16")

    def walk(steps: int, surrogate: nn.Module | None = None) -> DecisionBasedResult:
        generator = torch.Generator().manual_seed(0)
        return boundary_details(net, here.x, here.y, steps=steps, generator=generator, schedule=SCHEDULE, surrogate=surrogate)

    # Queries of the search for a start.
    start = float(walk(1).queries.float().mean()) - A_STEP

    def own(precision: str, queries: float) -> DecisionBasedResult:
        # As many queries as the peer has just used.
        return walk(max(1, round((queries - start) / A_STEP)), surrogate if precision == "bf16" else None)

    lines: dict[str, Found] = {}
    # ART attacks image by image, and would take hours for all of them; ours takes as many as beside Foolbox.
    images = {"Foolbox": len(here.x), "ART": settings.amount(10, 2)}
    steps = {"Foolbox": settings.amount(100, 10), "ART": settings.amount(10, 1)}
    for name, few in images.items():
        lines |= against(settings, here, name, few, partial(peers.boundary, name, steps=steps[name]), own, name.lower())
    return {"lines": lines, "net": here.about, "images": len(here.x), "missing": peers.missing()}


def against(
    settings: Settings,
    here: Attacked,
    name: str,
    few: int,
    peer: Callable[[nn.Module, Tensor, Tensor], peers.Act | None],
    own: Callable[[str, float], DecisionBasedResult],
    key: str,
    *,
    norm: str = "l2",
    more: float = SLACK,
    fooled: float = 0.0,
) -> dict[str, Found]:
    """A peer's walk on the first ``few`` images, ours in float32 and ours with a bfloat16 surrogate on all; time for each image and query.

    Distances are compared on those ``few``.

    Args:
        peer: Makes an attack of a net, images and labels; returns None if the package is not installed.
        own: Our walk, from a precision and the queries for each image that the peer has just used.
        key: Of the lines, before their precision.
        norm, more: As in :func:`no_worse`.
        fooled: Least share of our images that fool the net itself.
    """
    keys = {precision: f"{key}-{precision}" for precision in ("fp32", "bf16")}
    counting, few = Counting(here.net).eval(), min(few, len(here.x))
    act = peer(counting, here.x[:few], here.y[:few])
    if act is None:
        return dict.fromkeys(keys.values(), absent(f"{name} is not installed"))
    turns: dict[str, list[Turn]] = {who: [] for who in ("theirs", *keys)}
    last: dict[str, Tensor] = {}

    def record(who: str, x_adv: Tensor, queries: float) -> None:
        change, last[who] = (x_adv - here.x[: len(x_adv)]).flatten(1), x_adv
        turns[who].append(Turn(change.norm(2 if norm == "l2" else torch.inf, dim=1).cpu(), queries))

    def their_turn() -> None:
        counting.queries = 0
        try:
            x_adv = act()
        except ValueError as error:
            raise LookupError(f"{name} found no start: {error}") from error
        record("theirs", x_adv, counting.queries / few)

    def own_turn(precision: str) -> None:
        found = own(precision, turns["theirs"][-1].queries)
        record(precision, found.x_adv, float(found.queries.float().mean()))

    try:
        seconds = settings.in_turn({"theirs": their_turn, **{each: partial(own_turn, each) for each in keys}}, warm=False)
    except LookupError as error:
        return dict.fromkeys(keys.values(), absent(str(error)))
    sizes = {"theirs": few, **dict.fromkeys(keys, len(here.x))}
    rates = {who: [time / turn.queries / sizes[who] for time, turn in zip(seconds[who], turns[who], strict=True)] for who in turns}
    about: dict[str, Any] = {
        "seconds": seconds,
        "queries": {who: [turn.queries for turn in each] for who, each in turns.items()},
        "note": f"{len(here.x)} images a turn, {few} with {name}",
    }
    lines = {}
    for precision, line in keys.items():
        count = int((logits(here.net, last[precision]).argmax(1) != here.y.cpu()).sum())
        on_few = [turn._replace(distances=turn.distances[:few]) for turn in turns[precision]]
        enough = count >= fooled * len(here.x), f"{count} of our {len(here.x)} images fool the net"
        passed, check = first_failure([enough, no_worse(on_few, turns["theirs"], name, norm, more=more)])
        lines[line] = measured(check, ratios(rates["theirs"], rates[precision]), **about) if passed else wrong(check)
    return lines


def no_worse(own: list[Turn], their: list[Turn], name: str, norm: str = "l2", *, more: float = SLACK) -> tuple[bool, str]:
    """Whether our distance is no larger than a peer's, image by image in the median, after no more queries, or a share ``more``."""
    lengths = [torch.cat([turn.distances for turn in turns]) for turns in (own, their)]
    quotient = float((lengths[0] / lengths[1]).median())
    queries = [sum(turn.queries for turn in turns) / len(turns) for turns in (own, their)]
    text = (
        f"median {norm} {float(lengths[0].median()):.4f} after {queries[0]:.0f} queries for each image, {name} "
        f"{float(lengths[1].median()):.4f} after {queries[1]:.0f}; {quotient:.3f} times as far, image by image in the median"
    )
    return quotient <= 1 + SLACK and queries[0] <= (1 + more) * queries[1], text
