"""HopSkipJump with as many queries for each image as the peers'."""

from functools import partial
from typing import Any, Literal

import torch

from benchmarks import peers
from benchmarks.boundary import against, startable
from benchmarks.nets import attacked, ours
from benchmarks.settings import Found, Settings
from defective.attacks import DecisionBasedResult, hopskipjump_details

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
    net, surrogate = ours(here.net, here.x, "fp32"), ours(here.net, here.x, "bf16")
    steps = settings.amount(3, 2)

    def own(norm: Norm, precision: str, queries: float) -> DecisionBasedResult:
        options: dict[str, Any] = {"surrogate": surrogate, "radius": RADIUS[norm]} if precision == "bf16" else {}
        generator = torch.Generator().manual_seed(0)
        return hopskipjump_details(net, here.x, here.y, steps=steps, norm=norm, generator=generator, **options)

    lines: dict[str, Found] = {}
    allowed = {"more": MORE_QUERIES, "fooled": FOOLED}
    for norm in RADIUS:
        # ART attacks image by image, so only a few.
        for name, few in {"Foolbox": len(here.x), "ART": settings.amount(20, 2)}.items():
            peer = partial(peers.hopskipjump, name, norm=norm, steps=steps)
            lines |= against(settings, here, name, few, peer, partial(own, norm), f"{name.lower()}-{norm}", norm=norm, **allowed)
    return {"lines": lines, "net": here.about, "images": len(here.x), "steps": steps, "missing": peers.missing()}
