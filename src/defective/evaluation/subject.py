"""A model under evaluation and what it answers on the test set."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from defective.data import Data, ImageSet, ImageStream, index_hash, pick
from defective.errors import InputError
from defective.evaluation.work import Work
from defective.inference import as_images, device_of, dtype_of, evaluating, logits
from defective.progress import progress_bar
from defective.sites import image_shape
from defective.statistics import Rate
from defective.verify import verify

CHUNK = 2000


@dataclass(frozen=True)
class Subject:
    """A model with its name, the test images it is judged on, and where its finished pieces are kept.

    Attributes:
        name: What it is called in tables.
        model: Classifier from images in [0, 1] to logits.
        data: Test images.
        work: Finished pieces.
        fingerprint: Hash of its weights, its logits and their gradient on the first images, and the test set: what every piece
            depends on.
        differentiable: Whether the logits have a gradient with respect to the image.
    """

    name: str
    model: nn.Module
    data: Data
    work: Work = field(default_factory=Work)
    fingerprint: str = ""
    differentiable: bool = True

    @classmethod
    def of(cls, name: str, model: nn.Module, data: Data, work: Work | None = None) -> "Subject":
        """Check that the model fits the data and take its fingerprint.

        Raises:
            InputError: Naming the model, if it takes other images or knows another number of classes.
        """
        verify(model)
        expected = image_shape(model) or data.image_shape
        if tuple(expected) != tuple(data.image_shape):
            raise InputError(f"{name} takes images of shape {tuple(expected)}, {data.name} has {tuple(data.image_shape)}")
        x, y = data.take(torch.arange(min(8, len(data))))
        with said_of(name):
            z = logits(model, x)
        if z.shape[1] != len(data.classes):
            raise InputError(f"{name} knows {z.shape[1]} classes, {data.name} has {len(data.classes)}")
        # The gradient too: a model of the user's own may learn to pass one on with the same weights and logits.
        slope = _gradient(model, x, y)
        parts: list[object] = [z, slope, data.y, data.x if isinstance(data, ImageSet) else _stamps(data)]
        for key, value in sorted(model.state_dict().items()):
            parts += [key, value]
        return cls(name, model, data, work or Work(), digest_of(parts), slope is not None)

    def identity(self, part: str, index: Tensor, **more: object) -> dict[str, object]:
        """What says which piece this is: part, model, data set, images."""
        return {"part": part, "model": self.fingerprint, "data": self.data.name, "index": index_hash(index), **more}

    def answers(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Bool ``(N,)`` and float ``(N,)``: is the model right on these test images, and how confident is it (softmax of its choice)?"""

        def ask() -> dict[str, Tensor]:
            x, y = self.data.take(index)
            with said_of(self.name):
                confidence, predicted = logits(self.model, x).softmax(1).max(1)
            return {"right": predicted == y.cpu(), "confidence": confidence}

        made = self.work.piece(self.identity("answers", index), ask)
        return made["right"], made["confidence"]

    def all_answers(self) -> tuple[Tensor, Tensor]:
        """:meth:`answers` on the whole test set."""
        rights, confidences = [], []
        with progress_bar(f"test set on {self.name}", len(self.data), unit="images") as advance:
            for index in torch.arange(len(self.data)).split(CHUNK):
                right, confidence = self.answers(index)
                rights.append(right)
                confidences.append(confidence)
                advance(len(index))
        return torch.cat(rights), torch.cat(confidences)

    def accuracy(self) -> Rate:
        """Share of the test set that the model classifies right."""
        right, _ = self.all_answers()
        return Rate.among(right, torch.ones_like(right))

    def sample(self, count: int, *, seed: int = 0) -> Tensor:
        """The first ``count`` test images, in a seeded random order, that the model classifies right.

        Raises:
            InputError: If the model classifies none right.

        Source: paper Appendix A.8 (5,000 for FGSM and PGD, 1,000 for CW).
        """
        if count < 1:
            raise InputError(f"samples {count} must be at least 1")
        index = self._right(count, seed)
        if len(index) == 0:
            raise InputError(
                f"{self.name} classifies no image of {self.data.name} right: train it, or check that its classes are in order"
            )
        return index

    def knows_any(self, *, seed: int = 0) -> bool:
        """Whether the model classifies any test image right: else there is none to attack."""
        return len(self._right(1, seed)) > 0

    def _right(self, count: int, seed: int) -> Tensor:
        found: list[Tensor] = []
        for index in pick(len(self.data), len(self.data), seed=seed).split(CHUNK):
            found.append(index[self.answers(index)[0]])
            if sum(map(len, found)) >= count:
                break
        return torch.cat(found)[:count]


@contextmanager
def said_of(name: str) -> Iterator[None]:
    """Put a name before what is wrong."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor | None:
    """Gradient of the loss with respect to the images; None if there is none."""
    images = as_images(x.to(device_of(model)))
    try:
        with evaluating(model), torch.enable_grad():
            z = model(images.requires_grad_().to(dtype_of(model)))
            loss = cross_entropy(z, y.to(z.device))
            # A trainable weight behind a detached image requires a gradient too, but not the image's.
            return torch.autograd.grad(loss, images, allow_unused=True)[0]
    except Exception:
        # It answers images, so that this is because of the gradient, as by numpy() inside the model.
        return None


def digest_of(parts: list[object]) -> str:
    """32 hex digits that tell lists of tensors and plain values apart."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(part.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()[:32]


def _stamps(data: ImageStream) -> list[tuple[int, int]]:
    """Files too large to be read for it go by size and time of change."""
    return [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in data.listing.files)]


def common_sample(subjects: list[Subject], count: int, *, confidence: float = 0.0, seed: int = 0) -> Tensor:
    """The first ``count`` test images, in a seeded random order, that every subject classifies right and is so confident about.

    Source: paper Section 3.2 (99 % for the shuffled images) and Appendix A.5.
    """
    kept = torch.ones(len(subjects[0].data), dtype=torch.bool)
    for subject in subjects:
        right, confidences = subject.all_answers()
        kept &= right & (confidences >= confidence)
    order = pick(len(kept), len(kept), seed=seed)
    return order[kept[order]][:count]
