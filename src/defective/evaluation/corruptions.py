"""Accuracy on corrupted images: Gaussian noise of rising strength, and shuffled patches."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from defective.attacks import gaussian_noise, quantize
from defective.attacks.budget import LARGEST_COUNT, check_range
from defective.data.patches import shuffle_patches
from defective.errors import InputError
from defective.evaluation.evaluated_model import EvaluatedModel, naming
from defective.evaluation.measurement import Advance, Chunk, Measurement, Tensors
from defective.evaluation.metrics import accuracy, correct
from defective.inference import as_images
from defective.statistics import Rate
from defective.text import choices

# Strengths in the paper: standard deviation in levels of 255 (Appendix A.5), patches along each side (Table 1, Figure 3).
STRENGTHS: dict[str, tuple[int, ...]] = {"noise": (1, 2, 4, 8, 12, 16, 20, 24, 28, 32), "shuffle": (1, 2, 4, 8)}


def corrupt(x: Tensor, corruption: str, strength: float, *, seed: int = 0) -> Tensor:
    """Corrupted images, the same for the same seed.

    Args:
        x: Images ``(N, C, H, W)``, uint8 or floats in [0, 1].
        corruption: ``"noise"``: Gaussian noise, rounded to 8 bits; ``"shuffle"``: patches shuffled at random.
        strength: Standard deviation in levels of 255; patches along each side, which must divide the image size.
        seed: Seed of noise and permutations.

    Raises:
        InputError: If there is no such corruption, or the grid does not divide the image size.
    """
    return _corrupt(x, corruption, strength, torch.Generator().manual_seed(seed))


def _corrupt(x: Tensor, corruption: str, strength: float, generator: torch.Generator) -> Tensor:
    _check_known(corruption)
    check_range(0, 255 if corruption == "noise" else LARGEST_COUNT, strength=strength)
    if corruption == "noise":
        return quantize(gaussian_noise(as_images(x), sigma=strength / 255, generator=generator))
    if strength % 1:
        raise InputError(f"strength {strength} is not a whole number of patches along each side")
    return shuffle_patches(x, int(strength), generator=generator)


def corruption_curve(
    model: nn.Module, x: Tensor, y: Tensor, corruption: str, *, strengths: Sequence[float] | None = None, seed: int = 0
) -> dict[float, Rate]:
    """Accuracy on corrupted images for each strength (default the paper's); arguments and errors as :func:`corrupt`.

    The paper uses images that every compared model classifies correctly, for shuffled patches with at least 99 % confidence.

    Source: paper Section 3.2, Table 1 (patches), Appendix A.5, Figure 5 (noise).
    """
    _check_known(corruption)
    chosen = STRENGTHS[corruption] if strengths is None else strengths
    return {strength: accuracy(model, corrupt(x, corruption, strength, seed=seed), y) for strength in chosen}


def _check_known(corruption: str) -> None:
    # As a list: a value that has no hash is refused, too.
    if corruption not in list(STRENGTHS):
        raise InputError(f"no corruption {corruption!r}{choices(corruption, STRENGTHS)}")


def corrupted_correct(
    model: EvaluatedModel, index: Tensor, corruption: str, strengths: Sequence[int], *, seed: int = 0
) -> dict[int, Tensor]:
    """Strength to bool ``(N,)``: whether the model is correct on the corrupted test images at ``index``."""
    if len(index) == 0:
        return dict.fromkeys(strengths, torch.ones(0, dtype=torch.bool))
    chunks = []
    for strength in strengths:
        inputs = model.inputs(corruption, index, strength=strength, seed=seed)
        chunks.append(Chunk(inputs, 1, partial(_correct, model, index, corruption, strength, seed)))
    found = model.run(Measurement(f"{corruption} on {model.name}", chunks, unit="strengths"))
    return dict(zip(strengths, found["correct"], strict=True))


def _correct(model: EvaluatedModel, index: Tensor, corruption: str, strength: int, seed: int, advance: Advance) -> Tensors:
    # Images are corrupted one after another, so that batches change nothing but the memory that it takes.
    generator, found = torch.Generator().manual_seed(seed), []
    for part in index.split(model.batch_size):
        x, y = model.data.take(part)
        with naming(model.name):
            found.append(correct(model.model, _corrupt(x, corruption, strength, generator), y, batch_size=model.batch_size))
    advance(1)
    return {"correct": torch.cat(found)[None]}
