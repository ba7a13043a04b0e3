"""Jobs: the units of work behind exhibits. Equal jobs of different exhibits have equal keys and are done once."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from defective.specs.attacks import AttackSpec
from defective.specs.nets import NetSpec
from defective.specs.recipe import Recipe
from defective.specs.spec import Spec
from defective.specs.versions import VERSIONS

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]


class _Job(Spec):
    kind: str

    @property
    def name(self) -> str:
        """``KIND-KEY``: what the job is called in a store."""
        return f"{self.kind}-{self.key}"

    @property
    def version(self) -> int:
        """Version of the function that executes the job."""
        return VERSIONS[self.kind]


class TrainJob(_Job):
    """Train one net. Value: ``test_accuracy``.

    ``data`` is the name of a data set as results show it, such as ``cifar10-jpeg``. A job whose recipe stops after one of its
    ``light_epochs`` is done by the whole run, which leaves its checkpoint as it passes that epoch; ensembles leave none. With
    ``queried`` the model is a substitute: its labels are that model's predictions on a random ``share`` of the training images.
    """

    kind: Literal["train"] = "train"
    net: NetSpec
    data: str
    recipe: Recipe
    seed: Seed
    mask_seed: Seed
    queried: "TrainJob | None" = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def light_epochs(self) -> tuple[int, ...]:
        """Epochs after which the run leaves a light checkpoint."""
        return self.recipe.light_epochs if self.net.members == 1 else ()

    @property
    def whole(self) -> "TrainJob | None":
        """The run that leaves this checkpoint; None for a job that is trained itself."""
        if not self.recipe.stop_after:
            return None
        whole = self.model_copy(update={"recipe": self.recipe.changed(stop_after=0)})
        return whole if self.recipe.stop_after in whole.light_epochs else None


class GenerateJob(_Job):
    """Attack the first ``samples`` test images, in a seeded order, that the sources and the models of ``among`` classify correctly.

    ``images="all"`` takes them however they are classified, which is the whole test set where that is no larger. Several
    sources are an ensemble: their logits are averaged. Value: ``fooled``, the share of the images that fooled the source.
    """

    kind: Literal["generate"] = "generate"
    sources: Annotated[tuple[TrainJob, ...], Field(min_length=1)]
    attack: AttackSpec
    samples: Count
    among: tuple[TrainJob, ...] = ()
    seed: Seed = 0
    images: Literal["correct", "all"] = "correct"


class ScoreJob(_Job):
    """Let a target classify an adversarial set.

    Values: ``paper``, ``target-correct`` and ``all``, the rate by its denominator; ``same-class``, the share of the images that fooled
    the source in which the target sees the class that the source sees.
    """

    kind: Literal["score"] = "score"
    target: TrainJob
    adversarial: GenerateJob


class DecisionJob(_Job):
    """Attack a model by its decisions alone, on images that it and the models of ``among`` classify correctly.

    Value: ``score``, S(M) of Eq. 10.
    """

    kind: Literal["decision"] = "decision"
    target: TrainJob
    attack: AttackSpec
    samples: Count
    seed: Seed = 0
    among: tuple[TrainJob, ...] = ()


class NoiseJob(_Job):
    """Noise of rising strength on images that every target classifies correctly. Values: ``{number of the target}/{sigma}``."""

    kind: Literal["noise"] = "noise"
    targets: Annotated[tuple[TrainJob, ...], Field(min_length=1)]
    sigmas: tuple[int, ...]
    samples: Count
    seed: Seed = 0

    @property
    def strengths(self) -> tuple[int, ...]:
        """The noise levels."""
        return self.sigmas


class ShuffleJob(_Job):
    """Shuffled patches of images that every target classifies correctly with ``confidence``. Values: ``{number of the target}/{grid}``."""

    kind: Literal["shuffle"] = "shuffle"
    targets: Annotated[tuple[TrainJob, ...], Field(min_length=1)]
    grids: tuple[int, ...]
    confidence: Annotated[float, Field(ge=0, le=1)]
    samples: Count
    seed: Seed = 0

    @property
    def strengths(self) -> tuple[int, ...]:
        """The grids."""
        return self.grids


Job = TrainJob | GenerateJob | ScoreJob | DecisionJob | NoiseJob | ShuffleJob
_ANY: TypeAdapter[Job] = TypeAdapter(Annotated[Job, Field(discriminator="kind")])


def read_job(document: object) -> Job:
    """A job from its JSON values."""
    return _ANY.validate_python(document)


def dependencies(job: Job) -> tuple[Job, ...]:
    """The jobs whose results a job starts from."""
    match job:
        case TrainJob():
            return tuple(each for each in (job.queried, job.whole) if each is not None)
        case GenerateJob():
            return (*job.sources, *job.among)
        case ScoreJob():
            return (job.target, job.adversarial)
        case DecisionJob():
            return (job.target, *job.among)
        case NoiseJob() | ShuffleJob():
            return job.targets


def trained_models(job: Job) -> tuple[TrainJob, ...]:
    """Every model that a job has to do with, itself included, each once and in order."""
    found = (job,) if isinstance(job, TrainJob) else tuple(net for needed in dependencies(job) for net in trained_models(needed))
    return tuple(dict.fromkeys(found))
