"""What each exhibit is estimated to cost on machines that are not at hand."""

import math
from collections.abc import Iterable
from math import prod

from defective.data.official import KINDS
from defective.experiments.cost import ImageCost, estimate
from defective.experiments.plan import Plan
from defective.paper import EXHIBITS, SCALES
from defective.results.documents import heading
from defective.specs import TrainJob
from defective.tables import DASH, Code, Table, format_table

# Cost of one training image, in those of a ResNet-18 at a quarter of its width on 32 x 32 pixels; measured on one CPU core.
_RELATIVE = {"resnet18": 1.0, "resnet50": 2.9, "densenet121": 3.6, "senet18": 1.1, "vgg19": 0.6, "wrn32_4": 1.7}
# Scale to the machine that it is meant for, and of these images how many it trains on in a second; that of the GPU is a guess.
_MACHINES = {
    "tiny": ("two CPU cores", 1600.0),
    "small": ("two CPU cores", 1600.0),
    "fast": ("one GPU", 200_000.0),
    "paper": ("one GPU", 200_000.0),
}


def cost_table() -> str:
    """Jobs, estimated time and command of every exhibit, each by itself, from an empty store, on the official data sets."""
    rows = []
    for name in (*EXHIBITS, "all"):
        kinds = {EXHIBITS[name].data} - {""} if name in EXHIBITS else KINDS
        data = " --data imagenet:PATH" * ("imagenet" in kinds)
        outlines = [_outline(name, scale, kinds) for scale in SCALES]
        jobs = [str(count) for count, _ in outlines]
        times = [_time(seconds) if count else DASH for count, seconds in outlines]
        rows.append((heading(name), ", ".join(jobs if len(set(jobs)) > 1 else jobs[:1]), *times, Code(f"{name}{data}")))
    scales = [f"{scale}, {_MACHINES[scale][0]}" for scale in SCALES]
    columns = ("Table or figure", "Jobs", *scales, "Argument of defective reproduce")
    return format_table(Table(columns, tuple(rows), align="lr" + "r" * len(scales) + "l"), "markdown")


def _outline(name: str, scale: str, kinds: Iterable[str]) -> tuple[int, float]:
    """Jobs of an exhibit and their estimated seconds."""
    plan = Plan((name,), scale, {kind: kind for kind in kinds}, KINDS)

    def cost(net: TrainJob) -> ImageCost:
        pixels = prod(plan.images[net.data][1:]) / 1024
        # ImageNet models begin with a stride and a max-pool.
        pixels = pixels / 16 if pixels > 16 else pixels
        width = float((net.recipe.width_mult / 0.25) ** 1.5)
        weight = _RELATIVE[net.net.arch] * pixels * width * (2.5 if net.net.widen else 1.0) * net.net.members
        seconds = weight / _MACHINES[scale][1]
        return ImageCost(seconds, seconds, seconds / 3)

    return len(plan.jobs), sum(estimate(job, cost, plan.counts) for job in plan.jobs)


def _time(seconds: float) -> str:
    """Two digits at most: an estimate has no more.

    Example:
        >>> _time(20), _time(3000), _time(50_000), _time(2e6)
        ('< 1 min', '50 min', '14 h', '23 d')
    """
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            number = seconds / size
            rounded = round(number, 1 - math.floor(math.log10(number)))
            return f"{rounded:.1f} {unit}" if rounded < 10 and unit != "min" else f"{rounded:,.0f} {unit}"
    return "< 1 min"
