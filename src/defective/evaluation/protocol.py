"""The transfer part of the black-box protocol: every target against every source and attack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from defective.attacks import from_spec
from defective.data import Data, index_hash, pick
from defective.errors import InputError
from defective.evaluation.accuracy import correct
from defective.evaluation.rates import Rate
from defective.evaluation.transfer import Crafted, Outcome, craft, score
from defective.files import read_tensors, write_tensors
from defective.inference import logits
from defective.progress import progress_bar
from defective.specs import AttackSpec


@dataclass(frozen=True)
class Evaluation:
    """Accuracies over the whole test set, and the outcome of every crafted set on every target."""

    data: str
    test_images: int
    accuracies: dict[str, Rate]
    outcomes: list[Outcome]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "data": self.data,
            "test_images": self.test_images,
            "accuracy": {name: rate.as_dict() for name, rate in self.accuracies.items()},
            "cells": [{**outcome.as_dict(), "sample": index_hash(outcome.crafted.index)} for outcome in self.outcomes],
        }

    def as_tensors(self) -> dict[str, Tensor]:
        """What became of each image: for each cell its place in the test set, and whether the target was right before and after."""
        tensors = {}
        for number, outcome in enumerate(self.outcomes):
            tensors[f"{number}.index"] = outcome.crafted.index.clone()
            tensors[f"{number}.fooled"] = outcome.crafted.fooled
            tensors[f"{number}.clean_correct"] = outcome.clean_correct
            tensors[f"{number}.adv_correct"] = outcome.adv_correct
        return tensors


def check_fits(model: nn.Module, data: Data, name: str) -> None:
    """Refuse a model that takes other images or knows another number of classes than the data set.

    Raises:
        InputError: Naming the model and both sides.
    """
    expected = getattr(model, "input_shape", data.image_shape)
    if tuple(expected) != tuple(data.image_shape):
        raise InputError(f"{name} takes images of shape {tuple(expected)}, {data.name} has {tuple(data.image_shape)}")
    try:
        known = logits(model, data.take(torch.zeros(1, dtype=torch.long))[0]).shape[1]
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    if known != len(data.classes):
        raise InputError(f"{name} knows {known} classes, {data.name} has {len(data.classes)}")


def source_sample(source: nn.Module, data: Data, count: int, *, seed: int = 0) -> Tensor:
    """The first ``count`` test images, in a seeded random order, that the source classifies right.

    Raises:
        InputError: If the source classifies none right.

    Source: paper Appendix A.8 (5,000 for FGSM and PGD, 1,000 for CW).
    """
    if count < 1:
        raise InputError(f"samples {count} must be at least 1")
    found: list[Tensor] = []
    for index in pick(len(data), len(data), seed=seed).split(max(500, count)):
        x, y = data.take(index)
        found.append(index[correct(source, x, y)])
        if sum(map(len, found)) >= count:
            break
    index = torch.cat(found)[:count]
    if len(index) == 0:
        raise InputError(f"the source classifies no image of {data.name} right: train it, or check that its classes are in order")
    return index


def craft_on(
    source: nn.Module, name: str, data: Data, spec: AttackSpec, *, samples: int, seed: int = 0, rounded: bool = True
) -> Crafted:
    """Attack a source on its sample of a test set."""
    index = source_sample(source, data, samples, seed=seed)
    x, y = data.take(index)
    eps = spec.parameters.get("eps")
    attack = from_spec(spec, seed=seed)
    return craft(source, x, y, attack, eps=eps, rounded=rounded, source_name=name, attack_name=str(spec), index=index)


def evaluate_transfer(
    targets: Mapping[str, nn.Module],
    sources: Mapping[str, nn.Module],
    data: Data,
    attacks: Sequence[AttackSpec],
    *,
    crafted: Sequence[Crafted] = (),
    white_box: bool = False,
    samples: int = 2000,
    seed: int = 0,
    rounded: bool = True,
) -> Evaluation:
    """Measure every target's accuracy and its defence rate against images made on every source.

    Args:
        targets: Name to classifier.
        sources: Name to classifier the attacker owns.
        data: Test images.
        attacks: What to craft with.
        crafted: Sets that were crafted before.
        white_box: Also attack each target that is no source with images made on itself.
        samples: Images per source and attack; each source's sample holds only images it classifies right.
        seed: Seed of the sample and of random attacks.
        rounded: Score 8-bit images.

    Raises:
        InputError: If a net does not fit the data.
    """
    for name, model in {**targets, **sources}.items():
        check_fits(model, data, name)
    order = torch.arange(len(data))
    accuracies = {}
    with progress_bar("test accuracy", len(targets) * len(data), unit="images") as advance:
        for name, model in targets.items():
            hits = 0
            for x, y in data.batches(order, 1000):
                hits += int(correct(model, x, y).sum())
                advance(len(y))
            accuracies[name] = Rate.of(hits, len(data))
    settings: dict[str, Any] = {"samples": samples, "seed": seed, "rounded": rounded}
    outcomes = [score(model, each, name=name) for each in crafted for name, model in targets.items()]
    for source_name, source in sources.items():
        for spec in attacks:
            made = craft_on(source, source_name, data, spec, **settings)
            outcomes += [score(model, made, name=name, white_box=model is source) for name, model in targets.items()]
    for name, model in targets.items() if white_box else ():
        if sources.get(name) is model:
            continue
        own = (craft_on(model, name, data, spec, **settings) for spec in attacks)
        outcomes += [score(model, each, name=name, white_box=True) for each in own]
    return Evaluation(data.name, len(data), accuracies, outcomes)


def write_crafted(crafted: Crafted, data: Data, path: Path) -> None:
    """Keep attacked images in one safetensors file: ``x_adv``, ``y``, ``predicted``, ``index``."""
    tensors = {
        "x_adv": crafted.x_adv.contiguous(),
        "y": crafted.y,
        "predicted": crafted.predicted,
        "index": crafted.index,
    }
    write_tensors(path, tensors, {"source": crafted.source, "attack": crafted.attack, "data": data.name})


def read_crafted(path: Path, data: Data) -> Crafted:
    """Read attacked images again, with their clean versions from the test set.

    Raises:
        InputError: If the file is damaged, of another kind, or was made from another data set.
    """
    tensors, about = read_tensors(path)
    if about.get("data") != data.name or "x_adv" not in tensors:
        raise InputError(f"{path} holds no images attacked from {data.name} (it says {about.get('data')!r})")
    index = tensors["index"]
    if len(index) and int(index.max()) >= len(data):
        raise InputError(f"{path} names test image {int(index.max())}, {data.name} has {len(data)}")
    x, y = data.take(index)
    if not torch.equal(y.cpu(), tensors["y"]):
        raise InputError(f"{path} was made from other labels than those of {data.name} here")
    if x.shape != tensors["x_adv"].shape:
        here, there = tuple(x.shape[1:]), tuple(tensors["x_adv"].shape[1:])
        raise InputError(f"{path} holds images of shape {there}, those of {data.name} here are {here}")
    return Crafted(x, y.cpu(), tensors["x_adv"], tensors["predicted"], index, about["source"], about["attack"])
