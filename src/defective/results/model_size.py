"""Claims of the size of models, which training does not change: counted on models as they are built."""

from collections.abc import Callable
from functools import lru_cache
from operator import eq, lt

import torch

from defective.build import build
from defective.paper import CellKey, Claim, Verdict
from defective.sparse.liveness import live_neurons
from defective.sparse.prepare import follow

# That of the scales tiny and small: the whole width takes ten times as long.
_WIDTH = 0.25


@lru_cache
def parameters(name: str, width_mult: float = _WIDTH) -> int:
    """Number of parameters of a model.

    Example:
        >>> parameters("resnet18"), parameters("resnet18/0.5-bottom")
        (701466, 701466)
    """
    return sum(each.numel() for each in build(name, width_mult=width_mult).parameters())


@lru_cache
def operations(name: str, width_mult: float = _WIDTH) -> int:
    """Multiply-adds of the convolutions of a model on one image, at outputs that the masks behind them leave.

    Example:
        >>> operations("resnet18"), operations("resnet18/0.5-bottom")
        (35045376, 25911296)
    """
    model = build(name, width_mult=width_mult).eval()
    traced, *_ = follow(model, torch.zeros(1, 3, 32, 32), torch.device("cpu"), torch.float32)
    live = live_neurons(traced)
    convs = [node for node in traced.nodes if traced.kinds[node] == "conv"]
    return sum(int(live[conv].sum()) * traced.module(conv).weight[0].numel() for conv in convs)


_COUNTS: dict[str, Callable[[str], int]] = {"parameters": parameters, "operations": operations}


def verdict_of_counts(claim: Claim) -> Verdict:
    """Whether in every comparison of a claim the model named first counts as much as the second, or less."""
    compare = eq if claim.kind == "equal" else lt
    counts = ([_COUNTS[part.about](_model(key)) for key, _ in block] for part in claim.parts for block in part.blocks)
    return "holds" if all(compare(*both) for both in counts) else "fails"


def _model(key: CellKey) -> str:
    """The name of a row's model, with masks where its table has them."""
    return key.row + "@text" * key.exhibit.endswith("-text")
