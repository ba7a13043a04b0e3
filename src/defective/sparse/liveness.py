"""Which neurons of a traced model can be nonzero and are needed, and which layers are faster through live neurons only."""

from dataclasses import dataclass
from functools import cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from defective.sparse.graph import Traced
from defective.sparse.layer_times import CountedTimes, MeasuredTimes


@dataclass(frozen=True)
class LayerChoice:
    """How one convolution is computed.

    Attributes:
        layer: Its name in the model.
        live: Whether it is computed through live neurons alone.
        needed: Products between a live input neuron and a live output neuron, for one image.
        dense: Products of the dense convolution.
        seconds: What its live and its dense form took on this machine, without what leads in and out of them; None if it was not timed.
    """

    layer: str
    live: bool
    needed: int
    dense: int
    seconds: tuple[float, float] | None = None


def live_neurons(traced: Traced) -> dict[fx.Node, Tensor]:
    """For each feature map the neurons ``(C, H, W)`` that can be other than 0 and that something depends on."""
    alive, needed = _alive(traced), _needed(traced)
    return {node: alive[node] & needed[node] for node in alive}


def choose_layers(
    traced: Traced, live: dict[fx.Node, Tensor], precision: str, device: torch.device, *, timed_images: int = 0
) -> tuple[set[fx.Node], list[LayerChoice]]:
    """The nodes that are computed through live neurons only, so that the whole takes least time, and the choice for each layer.

    Every convolution that is cheaper so begins as live; then those that cost more in conversions than they save turn dense again,
    one after the other. With ``timed_images`` layers are timed on that many at once instead of counted. Only a CPU gains: on an
    accelerator dense products are hundreds of times as fast as sparse ones.
    """
    convs = [node for node in traced.nodes if traced.kinds[node] == "conv"]
    products = {conv: _products(traced, conv, live) for conv in convs}
    times = MeasuredTimes(traced, live, precision, timed_images) if timed_images else CountedTimes(live, products, precision)
    able = [conv for conv in convs if device.type == "cpu" and products[conv][0] < products[conv][1] / 2]
    seconds = {conv: (times.live(conv), times.dense(conv)) for conv in able}
    chosen = {conv for conv, (as_live, as_dense) in seconds.items() if as_live < as_dense}
    whole = _shift_nothing_dead(traced, live)
    conversion = cache(times.conversion)

    def saved(chosen: set[fx.Node]) -> float:
        nodes = live_nodes(traced, whole, chosen)
        gain = sum(seconds[conv][1] - seconds[conv][0] for conv in convs if conv in chosen)
        return gain - sum(conversion(node, node in nodes) for node in _converted(nodes))

    best = saved(chosen)
    while chosen:
        gain, conv = max(((saved(chosen - {conv}), conv) for conv in convs if conv in chosen), key=lambda pair: pair[0])
        if gain <= best:
            break
        best, chosen = gain, chosen - {conv}
    timed = seconds if timed_images else {}
    choices = [LayerChoice(traced.layer_name(conv), conv in chosen, *products[conv], timed.get(conv)) for conv in convs]
    return live_nodes(traced, whole, chosen), choices


def live_nodes(traced: Traced, norms: set[fx.Node], convs: set[fx.Node]) -> set[fx.Node]:
    """All nodes in live form if ``convs`` are: what follows them, reads nothing dense, and if it is a norm is one of ``norms``."""
    found: set[fx.Node] = set()
    for node in traced.nodes:
        kind = traced.kinds[node]
        if kind == "conv":
            follows = node in convs
        else:
            able = node in norms if kind == "norm" else kind in ("mask", "elementwise", "add", "cat")
            follows = able and all(source in found for source in node.all_input_nodes)
        if follows:
            found.add(node)
    return found


def _shift_nothing_dead(traced: Traced, live: dict[fx.Node, Tensor]) -> set[fx.Node]:
    """The norms all of whose needed inputs are alive: others would have to shift dead neurons."""
    norms = [node for node in traced.nodes if traced.kinds[node] == "norm"]
    return {norm for norm in norms if bool((live[norm] <= live[norm.all_input_nodes[0]]).all())}


def _converted(nodes: set[fx.Node]) -> set[fx.Node]:
    """Feature maps that are needed in both forms."""
    entering = {source for node in nodes for source in node.all_input_nodes if source not in nodes and source.op != "get_attr"}
    return entering | {node for node in nodes if any(user not in nodes for user in node.users)}


def _alive(traced: Traced) -> dict[fx.Node, Tensor]:
    alive: dict[fx.Node, Tensor] = {}
    for node, shape in traced.shapes.items():
        kind = traced.kinds[node]
        sources = [alive[source] for source in node.all_input_nodes if source in alive]
        if kind == "mask":
            alive[node] = sources[0] & traced.masks[node]
        elif kind == "elementwise":
            alive[node] = sources[0]
        elif kind == "add":
            alive[node] = sources[0] | sources[1]
        elif kind == "cat":
            alive[node] = torch.cat([alive[part] for part in cast("list[fx.Node]", node.args[0])])
        else:
            alive[node] = torch.ones(shape, dtype=torch.bool)
    return alive


def _needed(traced: Traced) -> dict[fx.Node, Tensor]:
    needed = {node: torch.zeros(shape, dtype=torch.bool) for node, shape in traced.shapes.items()}
    for node in reversed(traced.nodes):
        kind = traced.kinds[node]
        if kind == "cat":
            start = 0
            for part in cast("list[fx.Node]", node.args[0]):
                needed[part] |= needed[node][start : start + len(needed[part])]
                start += len(needed[part])
            continue
        for source in node.all_input_nodes:
            if source not in needed:
                continue
            if kind == "mask":
                needed[source] |= needed[node] & traced.masks[node]
            elif kind in ("elementwise", "add") or (kind == "norm" and _passes_need(traced, node)):
                needed[source] |= needed[node]
            else:
                needed[source] |= True
    return needed


def _passes_need(traced: Traced, norm: fx.Node) -> bool:
    """In train mode a dense norm reads all there is for its statistics; only a convolution before it can give less, if both are live."""
    module = traced.module(norm)
    return not module.training or traced.kinds[norm.all_input_nodes[0]] == "conv"


def _products(traced: Traced, conv: fx.Node, live: dict[fx.Node, Tensor]) -> tuple[int, int]:
    """Products between live neurons, for each live output neuron the live input neurons in its window; and those of the dense layer."""
    module = traced.module(conv)
    ones = torch.ones(module.groups, module.in_channels // module.groups, *module.kernel_size, dtype=torch.float32)
    inputs = live[conv.all_input_nodes[0]].float()[None]
    windows = F.conv2d(inputs, ones, None, module.stride, module.padding, module.dilation, module.groups)[0]
    outputs = live[conv].view(module.groups, -1, *live[conv].shape[1:]).sum(1)
    return int((windows.double() * outputs).sum()), live[conv].numel() * ones[0].numel()
