"""Shape bias: does a model decide by shape or by texture?"""

import torch
from pydantic import Field
from torch import Tensor, nn

from defective.data.stimuli import Stimuli
from defective.errors import InputError
from defective.inference import check_images, check_label_values, check_labels, logits
from defective.specs import Document
from defective.statistics import Rate


class ShapeReport(Document):
    """Decisions of a model on stimuli that separate shape from texture; nan where there was no image.

    ``bias``: share of shape decisions among those for either cue; ``cue_accuracy``: share of cue-conflict images decided for either (where
    it is low, the bias rests on few images); accuracies on filled silhouettes, which have no texture, and on edge drawings.
    ``decisions``: the class, or category where models choose among those, of each image of each kind; no part of the JSON.
    """

    bias: Rate
    cue_accuracy: Rate
    silhouettes: Rate
    edges: Rate
    decisions: dict[str, tuple[int, ...]] = Field(default_factory=dict, exclude=True, repr=False)


def shape_bias(model: nn.Module, x: Tensor, y_shape: Tensor, y_texture: Tensor) -> Rate:
    r"""Share of shape decisions among the decisions for either cue, on images whose two cues disagree.

    .. math:: \frac{\#\{\hat y = y_\mathrm{shape}\}}{\#\{\hat y = y_\mathrm{shape}\} + \#\{\hat y = y_\mathrm{texture}\}}

    The decision is the largest logit of all classes the model knows; a decision for neither cue does not count.

    Args:
        model: Classifier from images in [0, 1] to logits.
        x: Cue-conflict images ``(N, C, H, W)``.
        y_shape, y_texture: Classes of the two cues ``(N,)``; they must differ for every image.

    Returns:
        A float in [0, 1]: 1 means by shape alone. ``.num_evaluated`` counts the decisions for either cue.

    Raises:
        InputError: If an image's cues agree, or images, labels and logits do not fit together.

    Source: Geirhos et al. 2018, which the paper builds on (Section 2).

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Flatten(), nn.Identity())
        >>> x = torch.eye(3).view(3, 1, 1, 3)
        >>> shape_bias(model, x, torch.tensor([0, 0, 0]), torch.tensor([1, 1, 1]))
        0.5
    """
    check_images(x)
    for y in (y_shape, y_texture):
        check_labels(x, y)
    return shape_report(model, Stimuli((x, y_shape, y_texture), (x[:0], y_shape[:0]), (x[:0], y_shape[:0]), 0, 0)).bias


def shape_report(model: nn.Module, stimuli: Stimuli) -> ShapeReport:
    """Shape bias of a model, how much it rests on, and accuracy where there is only shape; errors as :func:`shape_bias`.

    The decision is the largest logit of all classes of the data set, also of those no stimulus shows, unless the stimuli were loaded
    with ``human_categories``: then it is the category with the largest mean probability of its classes, as in Geirhos et al. 2021, and
    numbers for the same images can be higher.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Flatten(), nn.Identity())
        >>> x, y = torch.eye(3).view(3, 1, 1, 3), torch.tensor([0, 0, 0])
        >>> report = shape_report(model, Stimuli((x, y, y + 1), (x[:1], y[:1]), (x[:0], y[:0]), 0, 0))
        >>> report.bias, report.cue_accuracy.num_correct, report.silhouettes, report.edges.num_evaluated
        (0.5, 2, 1.0, 0)
    """
    weights = None if stimuli.categories is None else torch.stack(list(stimuli.categories.values()), 1)
    kinds = {"conflict": stimuli.conflict, "silhouettes": stimuli.silhouettes, "edges": stimuli.edges}
    for x, *labels in kinds.values():
        for y in labels:
            check_labels(x, y)
    y_shape, y_texture = (y.cpu() for y in stimuli.conflict[1:])
    differ = y_shape != y_texture
    if weights is None and not differ.all():
        raise InputError(f"{int((~differ).sum())} images have the same class for shape and texture: leave them out")
    decisions = {kind: _decisions(model, x, labels, weights) for kind, (x, *labels) in kinds.items()}
    by_shape, by_texture = ((decisions["conflict"] == y) & differ for y in (y_shape, y_texture))
    correct = {kind: decisions[kind] == kinds[kind][1].cpu() for kind in ("silhouettes", "edges")}
    return ShapeReport(
        bias=Rate.among(by_shape, by_shape | by_texture),
        cue_accuracy=Rate.among(by_shape | by_texture, differ),
        **{kind: Rate.among(each) for kind, each in correct.items()},
        decisions={kind: tuple(each.tolist()) for kind, each in decisions.items()},
    )


def _decisions(model: nn.Module, x: Tensor, labels: list[Tensor], weights: Tensor | None) -> Tensor:
    """The largest class ``(N,)``, or the largest of the class probabilities times ``weights`` ``(K, categories)``."""
    if not len(x):
        return torch.zeros(0, dtype=torch.int64)
    z = logits(model, x)
    if weights is None:
        check_label_values(torch.cat([y.cpu() for y in labels]), z.shape[1])
        return z.argmax(1)
    if z.shape[1] != len(weights):
        raise InputError(f"the model knows {z.shape[1]} classes, the data set has {len(weights)}")
    return (z.double().softmax(1) @ weights.double()).argmax(1)
