"""Shape bias: does a model decide by shape or by texture?"""

import torch
from pydantic import Field
from torch import Tensor, nn

from defective.data.stimuli import Stimuli
from defective.errors import InputError
from defective.evaluation.metrics import accuracy
from defective.inference import check_labels, logits
from defective.specs import Document
from defective.statistics import Rate


class ShapeReport(Document):
    """Decisions of a model on stimuli that separate shape from texture; nan where there was no image.

    ``bias``: share of shape decisions among those for either cue; ``cue_accuracy``: share of cue-conflict images decided for either (where
    it is low, the bias rests on few images); accuracies on filled silhouettes, which have no texture, and on edge drawings.
    ``decisions``: the category chosen for each image of each kind, where models choose among categories; no part of the JSON.
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
        A float in [0, 1]: 1 is by shape alone. ``.num_evaluated`` counts the decisions for either cue.

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
    by_shape, by_texture = _decisions(model, x, y_shape, y_texture)
    return Rate.among(by_shape, by_shape | by_texture)


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
    if stimuli.categories is not None:
        return _among_categories(model, stimuli, torch.stack(list(stimuli.categories.values()), 1))
    bias = cue_accuracy = Rate.of(0, 0)
    if len(stimuli.conflict[0]):
        by_shape, by_texture = _decisions(model, *stimuli.conflict)
        decided = by_shape | by_texture
        bias, cue_accuracy = Rate.among(by_shape, decided), Rate.of(int(decided.sum()), len(decided))
    silhouettes, edges = (_accuracy(model, *each) for each in (stimuli.silhouettes, stimuli.edges))
    return ShapeReport(bias=bias, cue_accuracy=cue_accuracy, silhouettes=silhouettes, edges=edges)


def _among_categories(model: nn.Module, stimuli: Stimuli, weights: Tensor) -> ShapeReport:
    """The report where a decision is the largest of the class probabilities ``(N, K)`` times ``weights`` ``(K, categories)``."""
    kinds = {"conflict": stimuli.conflict[0], "silhouettes": stimuli.silhouettes[0], "edges": stimuli.edges[0]}
    decisions = {kind: _category(model, x, weights) for kind, x in kinds.items()}
    _, y_shape, y_texture = (each.cpu() for each in stimuli.conflict)
    differ = y_shape != y_texture
    by_shape, by_texture = ((decisions["conflict"] == y) & differ for y in (y_shape, y_texture))
    decided = by_shape | by_texture
    right = {kind: decisions[kind] == y.cpu() for kind, (_, y) in (("silhouettes", stimuli.silhouettes), ("edges", stimuli.edges))}
    return ShapeReport(
        bias=Rate.among(by_shape, decided),
        cue_accuracy=Rate.among(decided, differ),
        **{kind: Rate.among(each, torch.ones_like(each)) for kind, each in right.items()},
        decisions={kind: tuple(each.tolist()) for kind, each in decisions.items()},
    )


def _category(model: nn.Module, x: Tensor, weights: Tensor) -> Tensor:
    if not len(x):
        return torch.zeros(0, dtype=torch.int64)
    z = logits(model, x)
    if z.shape[1] != len(weights):
        raise InputError(f"the model knows {z.shape[1]} classes, the data set has {len(weights)}")
    return (z.double().softmax(1) @ weights.double()).argmax(1)


def _decisions(model: nn.Module, x: Tensor, y_shape: Tensor, y_texture: Tensor) -> tuple[Tensor, Tensor]:
    """Bool ``(N,)`` twice: whether the model decided for the shape, and whether for the texture."""
    for y in (y_shape, y_texture):
        check_labels(x, y)
    y_shape, y_texture = y_shape.cpu(), y_texture.cpu()
    if (y_shape == y_texture).any():
        raise InputError(f"{int((y_shape == y_texture).sum())} images have the same class for shape and texture: leave them out")
    z = logits(model, x)
    low, high = min(int(y_shape.min()), int(y_texture.min())), max(int(y_shape.max()), int(y_texture.max()))
    if low < 0 or high >= z.shape[1]:
        raise InputError(f"classes of the cues lie in [{low}, {high}] but the model knows {z.shape[1]} classes")
    predicted = z.argmax(1)
    return predicted == y_shape, predicted == y_texture


def _accuracy(model: nn.Module, x: Tensor, y: Tensor) -> Rate:
    return accuracy(model, x, y) if len(x) else Rate.of(0, 0)
