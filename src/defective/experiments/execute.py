"""Do one job: train a net, attack it, score it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from defective.data import Data, load_data
from defective.errors import InputError
from defective.evaluation import Crafted, Outcome, Work
from defective.evaluation.accuracy import correct
from defective.evaluation.crafted import craft_on, read_crafted, write_crafted
from defective.evaluation.decision import decide
from defective.evaluation.noise import noisy
from defective.evaluation.relations import relation
from defective.evaluation.shuffle import shuffled
from defective.evaluation.subject import Subject, common_sample, digest_of
from defective.experiments.describe import title
from defective.experiments.forecast import forecast
from defective.experiments.store import Store, write_json
from defective.files import write_tensors
from defective.inference import logits
from defective.machine import choose_device, describe_machine, inference_precision
from defective.models import Ensemble
from defective.progress import deadline
from defective.specs import CraftJob, DecisionJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob
from defective.statistics import Rate
from defective.training.checkpoint import load
from defective.training.train import train

# What is kept in memory between jobs that share it.
NETS, SETS = 8, 8
# Images of each crafted set that are kept with their originals.
SHOWN = 12
Values = dict[str, dict[str, Any]]


@dataclass
class Bench:
    """Where jobs are done: a store, the data sets by name, a device; nets, test sets and crafted sets are read once.

    Args:
        store: Where finished jobs lie, and where new ones go.
        data: Name of a data set to what :func:`defective.data.load_data` reads it from.
        device: Torch device name; default the accelerator if there is one.
    """

    store: Store
    data: Mapping[str, str]
    device: str | None = None
    _splits: dict[tuple[str, str], Data] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.net = lru_cache(NETS)(self._net)
        self.crafted = lru_cache(SETS)(self._crafted)

    @cached_property
    def place(self) -> torch.device:
        """The device."""
        return choose_device(self.device)

    @cached_property
    def work(self) -> Work:
        """Parts of attacks: a killed job goes on from them."""
        return Work(self.store.folder / "pieces", device=self.place.type)

    def split(self, name: str, split: str) -> Data:
        """A split of a data set by the name that results show it under."""
        if (name, split) not in self._splits:
            self._splits[name, split] = load_data(self.data[name], split)
        return self._splits[name, split]

    def check_data(self, name: str) -> None:
        """Refuse a data set other than that which results of this name in the store are of."""
        parts: list[object] = []
        for split in ("train", "test"):
            data = self.split(name, split)
            # Spread over all classes, which lie one after another in a folder.
            x, _ = data.take(torch.arange(len(data))[:: max(1, len(data) // 100)])
            parts += [x, data.y, data.classes]
        self.store.check_data(name, digest_of(parts))

    def _net(self, job: TrainJob) -> nn.Module:
        return load(self.store.at(job) / "net").to(self.place)

    def subject(self, *jobs: TrainJob) -> Subject:
        """A trained net, or several fused, with the test set."""
        nets = [self.net(job) for job in jobs]
        name = " + ".join(title(job) for job in jobs)
        return Subject.of(name, nets[0] if len(nets) == 1 else Ensemble(nets), self.split(jobs[0].data, "test"), self.work)

    def _crafted(self, job: CraftJob) -> Crafted:
        return read_crafted(self.store.at(job) / "images.safetensors", self.split(job.sources[0].data, "test"))

    def do(self, job: Job, place: Path) -> dict[str, Any]:
        """Do a job in a directory; ``result.json`` there is written last."""
        if deadline.get() is not None:
            self.work.expected = {job.kind: self._forecast(job)}
        started, before = time.perf_counter(), self.work.seconds
        made: dict[str, Any] = self._HOW[job.kind](self, job, place)
        result = {
            # Of parts that an earlier process made, the time it took for them.
            "seconds": max(time.perf_counter() - started, self.work.seconds - before),
            "machine": describe_machine(self.place, inference_precision(self.place)),
            "kind_of_device": self.place.type,
            "finished": time.strftime("%Y-%m-%d", time.gmtime()),
            **made,
        }
        write_json(place / "result.json", result)
        return result

    def _forecast(self, job: Job) -> float:
        shapes = {name: self.split(name, "test").image_shape for name in self.data}
        counts = {name: (len(self.split(name, "train")), len(self.split(name, "test"))) for name in self.data}
        return forecast(job, self.store, shapes, counts, self.place.type)

    def _train(self, job: TrainJob, place: Path) -> dict[str, Any]:
        training, test = (self.split(job.data, split) for split in ("train", "test"))
        made = train(job.net, training, test, job.recipe, place / "net", seed=job.seed, mask_seed=job.mask_seed, device=self.device)
        hits = round(made["test_accuracy"] * made["test_images"])
        kept = {key: made[key] for key in ("seconds", "machine", "parameters", "history", "train_images")}
        # Who always answers the largest class is right so often.
        chance = int(test.y.bincount().max()) / len(test)
        return {"values": {"test_accuracy": {"hits": hits, "total": made["test_images"]}}, "chance": chance, **kept}

    def _craft(self, job: CraftJob, place: Path) -> dict[str, Any]:
        source = self.subject(*job.sources)
        index = _common([source, *(self.subject(each) for each in job.among)], job) if job.among else None
        made = craft_on(source, job.attack, samples=job.samples, seed=job.seed, index=index)
        write_crafted(made, source.data, place / "images.safetensors")
        # What a report shows; it needs no data set for it.
        shown = {"x": made.x, "x_adv": made.x_adv, "y": made.y, "predicted": made.predicted}
        write_tensors(
            place / "pictures.safetensors",
            {key: each[:SHOWN] for key, each in shown.items()},
            {"classes": list(source.data.classes)},
        )
        return {"values": {"fooled": _rate(Rate.among(made.fooled, torch.ones_like(made.fooled)))}, "changes": made.changes()}

    def _score(self, job: ScoreJob, place: Path) -> dict[str, Any]:
        crafted, target = self.crafted(job.crafted), self.net(job.target)
        clean, attacked = (logits(target, x).argmax(1) for x in (crafted.x, crafted.x_adv))
        write_tensors(place / "outcome.safetensors", {"clean": clean, "attacked": attacked, "index": crafted.index}, {})
        sources = [self.net(each) for each in job.crafted.sources]
        related = relation(sources[0] if len(sources) == 1 else Ensemble(sources), target)
        outcome = Outcome(title(job.target), crafted, clean == crafted.y, attacked == crafted.y, related)
        return {"values": {each: _rate(outcome.rate(each)) for each in ("paper", "target-correct", "all")}, "relation": related}

    def _decision(self, job: DecisionJob, place: Path) -> dict[str, Any]:
        found = decide(self.subject(job.target), job.attack, samples=job.samples, seed=job.seed)
        tensors = {"index": found.index, "squared": found.squared, "queries": found.queries, "started": found.started}
        write_tensors(place / "outcome.safetensors", tensors, {})
        about = found.as_dict()
        return {"values": {"score": {key: about[key] for key in ("score", "low", "high", "images")}}, **about}

    def _noise(self, job: NoiseJob, place: Path) -> dict[str, Any]:
        return self._curves(job, place, job.sigmas, noisy)

    def _shuffle(self, job: ShuffleJob, place: Path) -> dict[str, Any]:
        return self._curves(job, place, job.grids, shuffled, job.confidence)

    def _curves(
        self,
        job: NoiseJob | ShuffleJob,
        place: Path,
        strengths: Sequence[int],
        disturbed: Callable[..., torch.Tensor],
        confidence: float = 0.0,
    ) -> dict[str, Any]:
        subjects = [self.subject(target) for target in job.targets]
        index = _common(subjects, job, confidence)
        x, y = subjects[0].data.take(index)
        right: dict[str, torch.Tensor] = {}
        for strength in strengths:

            def make(strength: int = strength) -> dict[str, torch.Tensor]:
                images = disturbed(x, strength, seed=job.seed)
                return {f"{number}/{strength}": correct(subject.model, images, y) for number, subject in enumerate(subjects)}

            nets = [subject.fingerprint for subject in subjects]
            right |= self.work.piece(subjects[0].identity(job.kind, index, nets=nets, strength=strength, seed=job.seed), make)
        write_tensors(place / "outcome.safetensors", {**right, "index": index}, {})
        values: Values = {name: _rate(Rate.among(each, torch.ones_like(each))) for name, each in right.items()}
        return {"values": values, "images": len(index)}

    _HOW: ClassVar[dict[str, Callable[..., dict[str, Any]]]] = {
        "train": _train,
        "craft": _craft,
        "score": _score,
        "decision": _decision,
        "noise": _noise,
        "shuffle": _shuffle,
    }


def _common(subjects: list[Subject], job: CraftJob | NoiseJob | ShuffleJob, confidence: float = 0.0) -> torch.Tensor:
    index = common_sample(subjects, job.samples, confidence=confidence, seed=job.seed)
    if not len(index):
        sure = f" and is {100 * confidence:g} % sure of" * (confidence > 0)
        raise InputError(f"there is no test image that each of {', '.join(each.name for each in subjects)} classifies right{sure}")
    return index


def _rate(rate: Rate) -> dict[str, Any]:
    return {"hits": rate.hits, "total": rate.total}
