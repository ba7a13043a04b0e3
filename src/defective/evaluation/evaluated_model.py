"""A model under evaluation: its predictions on the test set, and its fingerprint."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.nn.functional import cross_entropy

from defective.data import Data, index_hash, pick
from defective.data.sets import digest_of
from defective.errors import InputError
from defective.evaluation.measurement import Advance, Chunk, Measurement, Run, Tensors, compute
from defective.evaluation.settings import Neurons
from defective.inference import (
    NoGradientError,
    adapted,
    as_images,
    check_label_values,
    device_of,
    evaluating,
    forward,
    image_gradient,
    logits,
    reported,
)
from defective.machine import Precision, resolve_precision, unwrap_model
from defective.sites import image_shape
from defective.sparse.graph import has_hooks
from defective.sparse.sparsify import sparsify
from defective.specs.versions import VERSIONS
from defective.statistics import Rate
from defective.surgery import defects
from defective.verify import verify

# Test images in one chunk of predictions.
CHUNK = 2000
# Packages whose modules, without hooks, compute logits and do nothing else.
KNOWN = {"torch", "timm", "defective"}


@dataclass(frozen=True)
class EvaluatedModel:
    """A model with its name in tables, its test images, and the function that executes its measurements.

    Attributes:
        fingerprint: Hash of its weights, buffers and code, its logits and their gradient on the first images, and the test set: what
            every measurement depends on.
        differentiable: Whether the logits have a gradient with respect to the image.
        batch_size: Images per forward pass; only time and memory depend on it. An attack takes half as many at once.
        neurons, precision: How attacks of this library compute the model, as in :func:`defective.evaluation.evaluate`.
    """

    name: str
    model: nn.Module
    data: Data
    run: Run = compute
    fingerprint: str = ""
    differentiable: bool = True
    batch_size: int = 500
    neurons: Neurons = "auto"
    precision: Precision = "fp32"
    _predicted: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        name: str,
        model: nn.Module,
        data: Data,
        run: Run = compute,
        *,
        batch_size: int = 500,
        neurons: Neurons = "auto",
        precision: Precision = "fp32",
    ) -> "EvaluatedModel":
        """Check that the model fits the data and take its fingerprint.

        A model that returns an object with ``logits``, or that writes into its images, is adapted.

        Raises:
            InputError: Naming the model, if it takes other images or knows another number of classes.
        """
        verify(model)
        expected = image_shape(model) or data.image_shape
        if tuple(expected) != tuple(data.image_shape):
            raise InputError(f"{name} takes images of shape {tuple(expected)}, {data.name} has {tuple(data.image_shape)}")
        x, y = data.take(torch.arange(min(8, len(data))))
        with naming(name):
            model = adapted(model, x)
            z = logits(model, x)
        if z.shape[1] != len(data.classes):
            raise InputError(
                f"{name} knows {z.shape[1]} classes, {data.name} has {len(data.classes)}: pass the data set that it was trained on, "
                f"or build the model for {len(data.classes)}"
            )
        with naming(name):
            check_label_values(data.y, z.shape[1])
            # Logits and gradient too: weights and code do not tell what a closure holds.
            gradient = _gradient(model, x, y)
        parts: list[object] = [z, gradient, data.digest, _code(model)]
        with naming(name), reported("its state dict cannot be read"):
            for key, value in sorted(model.state_dict().items()):
                parts += [key, value]
            fingerprint = digest_of(parts)
        return cls(name, model, data, run, fingerprint, gradient is not None, batch_size, neurons, precision)

    @cached_property
    def fast(self) -> nn.Module:
        """The same function computed faster, for the many passes of an attack; the model itself where that is not known."""
        if self.neurons == "live" and defects(self.model):
            with naming(self.name):
                return self._sparsified("fp32")
        if self._may_be_copied:
            with suppress(InputError):
                return self._sparsified("fp32")
        return self.model

    @cached_property
    def surrogate(self) -> nn.Module | None:
        """A copy of the model in bfloat16 for attacks to search on, where ``precision`` is that and ``fast`` is such a copy, too."""
        if self._may_be_copied and resolve_precision(device_of(self.model), self.precision) == "bf16":
            with suppress(InputError):
                return self._sparsified("bf16")
        return None

    @property
    def _may_be_copied(self) -> bool:
        return self.neurons != "all" and device_of(self.model).type == "cpu" and _is_known(self.model)

    def _sparsified(self, precision: Literal["fp32", "bf16"]) -> nn.Module:
        x, _ = self.data.take(torch.arange(1))
        return sparsify(self.model, x, precision=precision, **({} if self.neurons == "live" else {"timed_images": 0}))

    @property
    def computed(self) -> dict[str, str]:
        """How attacks compute it, for :meth:`inputs`: what is found on a surrogate differs a little."""
        return {"neurons": self.neurons} | ({} if self.surrogate is None else {"precision": "bf16"})

    @property
    def attacked_at_once(self) -> int:
        """Images per batch of an attack: a forward pass alone needs about half its memory."""
        return max(1, self.batch_size // 2)

    def inputs(self, measurement: str, index: Tensor, **more: object) -> dict[str, Any]:
        """What a chunk depends on: function (a key of ``VERSIONS``) and version, model, images, where it is computed, and ``more``."""
        return {
            "measurement": measurement,
            "version": VERSIONS[measurement],
            "model": self.fingerprint,
            "data": self.data.name,
            "index": index_hash(index),
            "device": device_of(self.model).type,
            "torch": torch.__version__,
            **more,
        }

    def predictions(self, index: Tensor, *, description: str = "") -> tuple[Tensor, Tensor]:
        """Bool ``(N,)`` and float ``(N,)``: whether the model is correct on test images, and its confidence (softmax of its choice)."""
        key = index_hash(index)
        # Every part of an evaluation takes its sample from the same predictions.
        if key not in self._predicted:
            chunks = [Chunk(self.inputs("predict", part), len(part), partial(self._predict, part)) for part in index.split(CHUNK)]
            found = self.run(Measurement(description, chunks))
            self._predicted[key] = found["correct"], found["confidence"]
        return self._predicted[key]

    def _predict(self, index: Tensor, advance: Advance) -> Tensors:
        x, y = self.data.take(index)
        with naming(self.name):
            confidence, predicted = logits(self.model, x, batch_size=self.batch_size).softmax(1).max(1)
        advance(len(index))
        return {"correct": predicted == y.cpu(), "confidence": confidence}

    def all_predictions(self) -> tuple[Tensor, Tensor]:
        """:meth:`predictions` on the whole test set."""
        return self.predictions(torch.arange(len(self.data)), description=f"test set on {self.name}")

    def accuracy(self) -> Rate:
        """Share of the test set that the model classifies correctly."""
        correct, _ = self.all_predictions()
        return Rate.among(correct)

    def sample(self, count: int, *, seed: int = 0) -> Tensor:
        """The first ``count`` test images, in a seeded random order, that the model classifies correctly.

        Raises:
            InputError: If the model classifies none correctly.

        Source: paper Appendix A.8 (5,000 for FGSM and PGD, 1,000 for CW).
        """
        if count < 1:
            raise InputError(f"samples {count} must be at least 1")
        found = torch.empty(0, dtype=torch.long)
        for index in pick(len(self.data), len(self.data), seed=seed).split(CHUNK):
            # No more images are classified than it takes.
            if len(found) < count:
                found = torch.cat([found, index[self.predictions(index)[0]]])
        if len(found) == 0:
            raise InputError(
                f"{self.name} classifies no image of {self.data.name} correctly: train it, or check that its classes are in order"
            )
        return found[:count]


def common_sample(models: list[EvaluatedModel], count: int, *, confidence: float = 0.0, seed: int = 0) -> Tensor:
    """The first ``count`` test images, in a seeded random order, that every model classifies correctly with this confidence.

    Source: paper Section 3.2 (99 % for the shuffled images) and Appendix A.5.
    """
    kept = torch.ones(len(models[0].data), dtype=torch.bool)
    for model in models:
        correct, confidences = model.all_predictions()
        kept &= correct & (confidences >= confidence)
    order = pick(len(kept), len(kept), seed=seed)
    return order[kept[order]][:count]


def _is_known(model: nn.Module) -> bool:
    """Whether a model is a float32 convolutional network without hooks, all of whose modules come from known packages.

    Elsewhere may hide what a copy of its graph leaves out: a count of queries, or a defence that depends on earlier images.
    """
    modules = list(model.modules())
    packages = {type(module).__module__.partition(".")[0] for module in modules}
    altered = any(has_hooks(module) or isinstance(module, fx.GraphModule) for module in modules)
    single = all(tensor.dtype == torch.float32 for tensor in model.parameters())
    convolutional = any(type(module) is nn.Conv2d for module in modules)
    return single and convolutional and packages <= KNOWN and not altered and unwrap_model(model) is model


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put a name before what is wrong."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


@torch.inference_mode(False)
def _gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor | None:
    """Gradient of the loss with respect to the images; None if there is none."""
    images = as_images(x.to(device_of(model))).clone()
    try:
        with evaluating(model), torch.enable_grad():
            z = forward(model, images.requires_grad_())
            return image_gradient(cross_entropy(z, y.long().to(z.device)), images)
    except NoGradientError:
        return None


def _code(model: nn.Module) -> list[str]:
    """Source of the classes of its modules; those of torch go by torch's version."""
    found = []
    for kind in {type(module) for module in model.modules()}:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if not kind.__module__.startswith("torch."):
            # Written at a prompt, it has no source.
            with suppress(OSError, TypeError):
                name += f": {inspect.getsource(kind)}"
        found.append(name)
    return sorted(found)
