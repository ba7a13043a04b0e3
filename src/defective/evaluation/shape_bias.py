"""Does a model go by shape or by texture?"""

from torch import Tensor, nn

from defective.errors import InputError
from defective.evaluation.rates import Rate
from defective.inference import logits


def shape_bias(model: nn.Module, x: Tensor, y_shape: Tensor, y_texture: Tensor) -> Rate:
    r"""Share of shape decisions among the decisions for either cue, on images whose two cues disagree.

    .. math:: \frac{\#\{\hat y = y_\mathrm{shape}\}}{\#\{\hat y = y_\mathrm{shape}\} + \#\{\hat y = y_\mathrm{texture}\}}

    Args:
        model: Classifier from images in [0, 1] to logits.
        x: Cue-conflict images ``(N, C, H, W)``.
        y_shape, y_texture: Classes of the two cues ``(N,)``; they must differ for every image.

    Returns:
        A float in [0, 1]: 1 goes by shape alone. ``.total`` counts the decisions for either cue.

    Raises:
        InputError: If an image's cues agree.

    Source: Geirhos et al. 2018, which the paper builds on (Section 2).
    """
    if (y_shape == y_texture).any():
        raise InputError(f"{int((y_shape == y_texture).sum())} images have the same class for shape and texture: leave them out")
    predicted = logits(model, x).argmax(1)
    by_shape = predicted == y_shape.cpu()
    return Rate.among(by_shape, by_shape | (predicted == y_texture.cpu()))
