"""Accuracy on clean images, defence rate on adversarial ones."""

import torch
from torch import Tensor, nn

from defective.attacks.budget import check_counts
from defective.errors import InputError
from defective.inference import check_images, check_label_values, check_labels, logits
from defective.statistics import Rate


def predictions(model: nn.Module, x: Tensor, y: Tensor, *, batch_size: int = 500) -> Tensor:
    """Class of the largest logit ``(N,)``, after a check that the labels fit images and logits.

    Raises:
        InputError: If images, labels and logits do not fit together.
    """
    check_images(x)
    check_labels(x, y)
    check_counts(batch_size=batch_size)
    z = logits(model, x, batch_size=batch_size)
    check_label_values(y, z.shape[1])
    return z.argmax(1)


def correct(model: nn.Module, x: Tensor, y: Tensor, *, batch_size: int = 500) -> Tensor:
    """Bool ``(N,)``: whether the largest logit is that of the label; errors as :func:`predictions`."""
    return predictions(model, x, y, batch_size=batch_size) == y.cpu().long()


def accuracy(model: nn.Module, x: Tensor, y: Tensor, *, batch_size: int = 500) -> Rate:
    """Share of images that the model classifies correctly.

    Args:
        model: Classifier from images in [0, 1] to logits ``(N, K)``; it is not changed.
        x, y: Images ``(N, C, H, W)``, uint8 or floats in [0, 1], and labels ``(N,)``.
        batch_size: Images per forward pass; the result does not depend on it.

    Returns:
        A float in [0, 1] with ``.num_correct``, ``.num_evaluated`` and the 95 % ``.interval``.

    Raises:
        InputError: If images, labels and logits do not fit together, or a value is nan.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Identity())
        >>> x = torch.tensor([[0.2, 0.8], [0.9, 0.1]]).view(2, 1, 1, 2)
        >>> accuracy(model, x, torch.tensor([1, 1]))
        0.5
    """
    found = correct(model, x, y, batch_size=batch_size)
    return Rate.among(found)


def defense_rate(
    target: nn.Module, x: Tensor, y: Tensor, x_adv: Tensor, *, fooled: Tensor | None = None, batch_size: int = 500
) -> Rate:
    """The paper's defence success rate: adversarial images still classified correctly, among the eligible ones.

    An image is eligible if the target classified its clean version correctly *and* its adversarial version fooled the source.

    Args:
        target: Classifier that is attacked.
        x, y, x_adv: Clean images ``(N, C, H, W)``, true labels ``(N,)``, adversarial images like the clean ones.
        fooled: Bool ``(N,)``, whether the adversarial image fooled the source it was generated on; None: all did.

    Returns:
        A float in [0, 1] with ``.num_correct``, ``.num_evaluated`` and the 95 % ``.interval``.

    Raises:
        InputError: If shapes do not fit or no image is eligible.

    Source: paper Section 4.1.2 and Appendix A.8 (all tables but Table 2, where every image is eligible).

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Identity())
        >>> x = torch.tensor([[0.2, 0.8], [0.9, 0.1], [0.6, 0.4]]).view(3, 1, 1, 2)
        >>> y = torch.tensor([1, 0, 1])
        >>> rate = defense_rate(model, x, y, x.flip(3), fooled=torch.tensor([True, False, True]))
        >>> rate, rate.num_evaluated
        (0.0, 1)
    """
    check_images(x)
    check_images(x_adv)
    check_labels(x, y)
    if x_adv.shape != x.shape:
        raise InputError(f"adversarial images have shape {tuple(x_adv.shape)}, clean ones {tuple(x.shape)}")
    if fooled is not None and (not isinstance(fooled, Tensor) or fooled.shape != y.shape or fooled.dtype != torch.bool):
        kind = f"{fooled.dtype} of shape {tuple(fooled.shape)}" if isinstance(fooled, Tensor) else type(fooled).__name__
        raise InputError(f"fooled is {kind}: pass a tensor with one bool for each of {len(y)} images")
    eligible = correct(target, x, y, batch_size=batch_size)
    if fooled is not None:
        eligible &= fooled.cpu()
    if not eligible.any():
        raise InputError("no image is eligible: the target classified none correctly whose adversarial version fooled the source")
    return Rate.among(correct(target, x_adv, y, batch_size=batch_size), eligible)
