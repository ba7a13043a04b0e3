"""Normalisation inside the model, so that images stay in [0, 1] everywhere outside."""

import torch
from torch import Tensor, nn

from defective.errors import InputError

# Per-channel mean and standard deviation of the training images (the released code's constants; ImageNet's usual ones).
CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MNIST = ((0.1307,), (0.3081,))


class Normalize(nn.Module):
    """Subtract a mean and divide by a standard deviation, per channel or per pixel: ``(N, C, H, W)`` in, the same out.

    ``mean`` and ``std`` are numbers in [0, 1] units, one for each channel or a single one.

    Raises:
        InputError: If they are not as many, or a standard deviation is not positive.

    Example:
        >>> Normalize.for_images(1, 28)(torch.full((1, 1, 1, 1), 0.1307))
        tensor([[[[0.]]]])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            kept = torch.as_tensor(values).detach().clone().view(1, -1, 1, 1)
            # NumPy's numbers have twice the precision of images, whole ones none of it.
            self.register_buffer(name, kept if isinstance(values, Tensor) else kept.to(torch.get_default_dtype()))
        if len({*self.mean.shape, *self.std.shape} - {1}) > 1:
            raise InputError(f"mean {mean} and std {std} differ in their numbers of channels")
        if not self.std.is_meta and not (self.std > 0).all():
            raise InputError(f"std {std} must be positive: images are divided by it")

    @classmethod
    def for_images(cls, in_chans: int, image_size: int) -> "Normalize":
        """The constants of the data set that has such images; mean and deviation 0.5 for any other channel count."""
        if in_chans == 1:
            return cls(*MNIST)
        if in_chans == 3:
            return cls(*(CIFAR10 if image_size <= 32 else IMAGENET))
        return cls((0.5,) * in_chans, (0.5,) * in_chans)

    @classmethod
    def centred(cls, mean: Tensor) -> "Normalize":
        """Subtract a mean image ``(C, H, W)`` and divide by nothing, as the paper's Appendix D has it."""
        found = cls((0.0,) * len(mean), (1.0,) * len(mean))
        found.mean = mean[None]
        return found

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std
