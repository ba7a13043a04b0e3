"""HopSkipJump with as many queries for each image as the peers'."""

from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.boundary import Counting, Turn, no_worse
from benchmarks.nets import Attacked, attacked, ours
from benchmarks.paired import ratios
from benchmarks.settings import Found, Settings, absent, first_failure, measured, wrong
from defective.attacks import DecisionBasedResult, hopskipjump_details
from defective.inference import logits

Norm = Literal["l2", "linf"]
NORMS: tuple[Norm, ...] = ("l2", "linf")
# The least share of our images that fool the net itself. They lie on the boundary of the net as `ours` computes it: rounding moves it.
FOOLED = 0.9


def measure(settings: Settings) -> Found:
    """Row ``hopskipjump``."""
    here = attacked(settings, settings.amount(200, 8))
    found = hopskipjump_details(here.net, here.x, here.y, steps=1, initial_queries=1, generator=torch.Generator().manual_seed(0))
    # Foolbox refuses all images if one of them finds no start.
    here = here._replace(x=here.x[found.started], y=here.y[found.started])
    steps = settings.amount(5, 2)
    some = here._replace(x=here.x[:100], y=here.y[:100])
    lines = {}
    for norm in NORMS:
        lines[f"foolbox-{norm}"] = _against(settings, "Foolbox", here, len(here.x), norm, steps)
        # It attacks image by image.
        lines[f"art-{norm}"] = _against(settings, "ART", some, settings.amount(20, 2), norm, steps)
    return {"lines": lines, "net": here.about, "images": len(here.x), "steps": steps, "missing": peers.missing()}


def _against(settings: Settings, name: str, here: Attacked, few: int, norm: Norm, steps: int) -> Found:
    """A peer's attack on the first ``few`` images and ours on all; time for each image and query, distances on those ``few``."""
    net = ours(here.net, here.x, "fp32")
    turns: dict[str, list[Turn]] = {"theirs": [], "ours": []}
    last: list[Tensor] = []
    counting = Counting(here.net).eval()
    act = peers.hopskipjump(name, counting, here.x[:few], here.y[:few], norm=norm, steps=steps)
    if act is None:
        return absent(f"{name} is not installed")

    def their() -> None:
        counting.queries = 0
        x_adv = act()
        turns["theirs"].append(Turn(_distances(here, x_adv, norm), counting.queries / len(x_adv)))

    def own() -> None:
        found = _own(net, here, norm, steps)
        last[:] = [found.x_adv]
        turns["ours"].append(Turn(_distances(here, found.x_adv[:few], norm), float(found.queries.float().mean())))

    seconds = settings.in_turn({"theirs": their, "ours": own}, warm=False)
    sizes = {"theirs": min(few, len(here.x)), "ours": len(here.x)}
    rates = {who: [time / turn.queries / sizes[who] for time, turn in zip(seconds[who], turns[who], strict=True)] for who in turns}
    fooled = int((logits(here.net, last[0]).argmax(1) != here.y.cpu()).sum())
    passed, check = first_failure(
        [
            (fooled >= FOOLED * len(here.x), f"{fooled} of our {len(here.x)} images fool the net"),
            no_worse(turns["ours"], turns["theirs"], name, norm),
        ]
    )
    if not passed:
        return wrong(check)
    queries = {who: [turn.queries for turn in turns[who]] for who in turns}
    note = f"{sizes['ours']} images a turn, {sizes['theirs']} with {name}"
    return measured(check, ratios(rates["theirs"], rates["ours"]), seconds=seconds, note=note, queries=queries)


def _own(net: nn.Module, here: Attacked, norm: Norm, steps: int) -> DecisionBasedResult:
    generator = torch.Generator().manual_seed(0)
    return hopskipjump_details(net, here.x, here.y, steps=steps, norm=norm, generator=generator)


def _distances(here: Attacked, x_adv: Tensor, norm: Norm) -> Tensor:
    change = (x_adv - here.x[: len(x_adv)]).flatten(1)
    return (change.norm(dim=1) if norm == "l2" else change.abs().amax(1)).cpu()
