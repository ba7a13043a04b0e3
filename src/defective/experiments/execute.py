"""Execute one job: train a model, attack it, score it."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

import torch
from torch import nn

from defective.data import load_data
from defective.data.sets import digest_of, pick
from defective.errors import InputError
from defective.evaluation.adversarial import AdversarialSet, generate
from defective.evaluation.corruptions import corrupted_correct
from defective.evaluation.decision import decide
from defective.evaluation.evaluated_model import EvaluatedModel, common_sample
from defective.evaluation.threat_model import threat_model
from defective.evaluation.transfer import score
from defective.experiments.adversarial_files import read_adversarial, write_adversarial
from defective.experiments.describe import title
from defective.experiments.json_files import sealed, write_json
from defective.experiments.schema import JsonObject
from defective.experiments.store import Store
from defective.experiments.stored_run import StoredRun
from defective.files import read_tensors, write_tensors, write_whole
from defective.machine import choose_device, describe_machine, inference_precision
from defective.models import Ensemble
from defective.specs import DecisionJob, GenerateJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob
from defective.statistics import Rate
from defective.training.checkpoint import load
from defective.training.substitute import answered
from defective.training.train import light_checkpoint, train

# Held in memory between jobs that share them.
MODELS, SETS = 8, 8
# Images of each adversarial set that are stored with their originals.
SHOWN = 12


class CorruptJobError(InputError):
    """What a finished job left cannot be read.

    Attributes:
        job: The job.
    """

    def __init__(self, job: Job, error: InputError) -> None:
        super().__init__(str(error))
        self.job = job


@dataclass
class ExperimentRunner:
    """Executes jobs with a store, the data sets by name and a device; models, test sets and adversarial sets are read once.

    Args:
        store: Where finished jobs lie, and where new ones go.
        data: Name of a data set to what :func:`defective.data.load_data` reads it from.
        device: Torch device name; default the accelerator if there is one.
    """

    store: Store
    data: Mapping[str, str]
    device: str | None = None

    def __post_init__(self) -> None:
        # A split of a data set by the name that results show it under.
        self.split = cache(lambda name, split: load_data(self.data[name], split))
        self.model = lru_cache(MODELS)(self._model)
        self.evaluated = lru_cache(MODELS)(self._evaluated)
        self.adversarial = lru_cache(SETS)(self._adversarial)
        self.measure = StoredRun(self.store)

    @cached_property
    def torch_device(self) -> torch.device:
        """The device."""
        return choose_device(self.device)

    def check_data(self, name: str) -> None:
        """Refuse a data set other than that which results of this name in the store are of."""
        self.store.check_data(name, digest_of([self.split(name, split).digest for split in ("train", "test")]))

    def _model(self, job: TrainJob) -> nn.Module:
        with self._finished(job):
            return load(self.store.at(job) / "net").to(self.torch_device)

    def _source(self, *jobs: TrainJob) -> nn.Module:
        models = [self.model(job) for job in jobs]
        return models[0] if len(models) == 1 else Ensemble(models)

    def _evaluated(self, *jobs: TrainJob) -> EvaluatedModel:
        """A trained model, or an ensemble of several, with the test set."""
        name = " + ".join(map(title, jobs))
        return EvaluatedModel.of(name, self._source(*jobs), self.split(jobs[0].data, "test"), self.measure)

    def _adversarial(self, job: GenerateJob) -> AdversarialSet:
        test = self.split(job.sources[0].data, "test")
        with self._finished(job):
            return read_adversarial(self.store.at(job) / "images.safetensors", test)

    @contextmanager
    def _finished(self, job: Job) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            raise CorruptJobError(job, error) from error

    @contextmanager
    def recording(self, job: Job, folder: Path) -> Iterator[JsonObject]:
        """Do a job inside the block; what is put into the document that it gets goes to ``result.json``, with cost and machine."""
        found: JsonObject = {}
        started, before = time.perf_counter(), self.measure.seconds
        self.measure.unfinished = folder / "chunks"
        yield found
        result = {
            # Of chunks that an earlier process computed, the time it took for them.
            "seconds": max(time.perf_counter() - started, self.measure.seconds - before),
            "machine": describe_machine(self.torch_device, inference_precision(self.torch_device)),
            "kind_of_device": self.torch_device.type,
            "finished": time.strftime("%Y-%m-%d", time.gmtime()),
            **found,
        }
        write_json(folder / "result.json", sealed(job.name, result))


def _train(runner: ExperimentRunner, job: TrainJob, folder: Path) -> JsonObject:
    found = _passed(runner.store, job, folder) or _fit(runner, job, folder)
    model, test = load(folder / "net").to(runner.torch_device), runner.split(job.data, "test")
    correct, _ = EvaluatedModel.of(title(job), model, test).all_predictions()
    write_tensors(folder / "outcome.safetensors", {"correct": correct}, {})
    # What the curve of training was after half of the epochs.
    half_way = found["history"][(len(found["history"]) - 1) // 2]["test_accuracy"]
    values = {
        "test_accuracy": _rate(correct),
        "half_way": {"num_correct": round(half_way * len(test)), "num_evaluated": len(test)},
    }
    # Accuracy of always predicting the largest class.
    return {"values": values, "chance": int(test.y.bincount().max()) / len(test), **found}


def _fit(runner: ExperimentRunner, job: TrainJob, folder: Path) -> JsonObject:
    training, test = (runner.split(job.data, split) for split in ("train", "test"))
    if job.queried is not None:
        training = answered(runner.model(job.queried), training, job.share, name=job.queried.name, seed=job.seed)
    made = train(
        job.net,
        training,
        test,
        job.recipe,
        folder / "net",
        seed=job.seed,
        mask_seed=job.mask_seed,
        device=runner.device,
        light_epochs=job.light_epochs,
    )
    return {key: made[key] for key in ("seconds", "machine", "parameters", "history", "train_images")}


def _passed(store: Store, job: TrainJob, folder: Path) -> JsonObject | None:
    """The checkpoint that the whole run left; None if there is none, so that the job has to be trained."""
    if job.whole is None or (found := store.result(job.whole)) is None:
        return None
    light = light_checkpoint(store.at(job.whole) / "net", job.recipe.stop_after)
    with suppress(InputError):
        read_tensors(light)
        write_whole(folder / "net" / "model.safetensors", lambda temporary: shutil.copyfile(light, temporary))
        kept = {key: found[key] for key in ("machine", "kind_of_device", "parameters", "train_images")}
        return {"history": found["history"][: job.recipe.stop_after], **kept}
    return None


def _generate(runner: ExperimentRunner, job: GenerateJob, folder: Path) -> JsonObject:
    source = runner.evaluated(*job.sources)
    index = _common([source, *map(runner.evaluated, job.among)], job) if job.among else None
    if job.images == "all":
        index = pick(len(source.data), job.samples, seed=job.seed)
    made = generate(source, job.attack, samples=job.samples, seed=job.seed, index=index)
    write_adversarial(made, source.data, folder / "images.safetensors")
    # What a report shows; it needs no data set for it.
    shown = {name: getattr(made, name)[:SHOWN] for name in ("x", "x_adv", "y", "predicted")}
    write_tensors(folder / "pictures.safetensors", shown, {"classes": list(source.data.classes)})
    return {"values": {"fooled": _rate(made.fooled)}, "changes": made.changes()}


def _score(runner: ExperimentRunner, job: ScoreJob, folder: Path) -> JsonObject:
    target = runner.evaluated(job.target)
    threat = threat_model(runner._source(*job.adversarial.sources), target.model)
    found = score(target, runner.adversarial(job.adversarial), threat)
    tensors = {"clean": found.clean_predicted, "attacked": found.adv_predicted, "index": found.adversarial.index}
    write_tensors(folder / "outcome.safetensors", tensors, {})
    values = {each: _rate(found.adv_correct, found.eligible(each)) for each in ("paper", "target-correct", "all")}
    values["same-class"] = _rate(found.adv_predicted == found.adversarial.predicted, found.adversarial.fooled)
    return {"values": values, "threat_model": threat}


def _decide(runner: ExperimentRunner, job: DecisionJob, folder: Path) -> JsonObject:
    target = runner.evaluated(job.target)
    index = _common([target, *map(runner.evaluated, job.among)], job) if job.among else None
    found = decide(target, job.attack, samples=job.samples, seed=job.seed, index=index)
    tensors = {name: getattr(found, name) for name in ("index", "squared", "queries", "started")}
    write_tensors(folder / "outcome.safetensors", tensors, {})
    about = found.result().model_dump(mode="json", exclude={"sample"})
    return {"values": {"score": {key: about[key] for key in ("score", "low", "high", "images")}}, **about}


def _corrupt(runner: ExperimentRunner, job: NoiseJob | ShuffleJob, folder: Path) -> JsonObject:
    models = [runner.evaluated(target) for target in job.targets]
    index = _common(models, job)
    correct = {
        f"{number}/{strength}": found
        for number, model in enumerate(models)
        for strength, found in corrupted_correct(model, index, job.kind, job.strengths, seed=job.seed).items()
    }
    write_tensors(folder / "outcome.safetensors", {**correct, "index": index}, {})
    return {"values": {name: _rate(each) for name, each in correct.items()}, "images": len(index)}


EXECUTORS: dict[str, Callable[..., JsonObject]] = {
    "train": _train,
    "generate": _generate,
    "score": _score,
    "decision": _decide,
    "noise": _corrupt,
    "shuffle": _corrupt,
}


def _common(models: list[EvaluatedModel], job: GenerateJob | DecisionJob | NoiseJob | ShuffleJob) -> torch.Tensor:
    confidence = job.confidence if isinstance(job, ShuffleJob) else 0.0
    index = common_sample(models, job.samples, confidence=confidence, seed=job.seed)
    if not len(index):
        sure = f" with {100 * confidence:g} % confidence" * (confidence > 0)
        names = ", ".join(each.name for each in models)
        raise InputError(f"there is no test image that each of {names} classifies correctly{sure}")
    return index


def _rate(success: torch.Tensor, eligible: torch.Tensor | None = None) -> JsonObject:
    rate = Rate.among(success, eligible)
    return {"num_correct": rate.num_correct, "num_evaluated": rate.num_evaluated}
