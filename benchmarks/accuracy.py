"""Time until a trained model reaches an accuracy: our recipe of scale small against the usual recipe in the usual loop."""

from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from benchmarks.nets import fresh, image_set
from benchmarks.paired import ratios
from benchmarks.rows import TARGETS
from benchmarks.settings import Found, Settings, absent, measured
from benchmarks.throughput import UsualLoop
from defective.data import ImageSet
from defective.inference import as_images
from defective.machine import resolve_precision
from defective.specs import Recipe
from defective.training.loop import fit, test_accuracy
from defective.training.recipes import recipe_for

NET = "resnet18"
# The usual recipe: batches of 128; a tenth of the learning rate after half of the epochs and again after three quarters.
USUAL_EPOCHS, USUAL_LR = 30, 0.1


@dataclass
class Curve:
    """Seconds of training and test accuracy, epoch by epoch; scoring takes no part of the seconds."""

    seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)

    def epochs_until(self, percent: float) -> int | None:
        """Epochs until the test accuracy is at least this for the first time; None if it never is."""
        return next((epoch for epoch, share in enumerate(self.accuracy, 1) if 100 * share >= percent), None)

    def __str__(self) -> str:
        return f"{100 * max(self.accuracy):.1f} % at best, after {len(self.seconds)} epochs and {sum(self.seconds):.0f} s"


def measure(settings: Settings) -> Found:
    """Row ``accuracy``: each trains once; an epoch of ours is followed by one of theirs."""
    training, test = (_images(settings, split) for split in ("train", "test"))
    recipe = _recipe(settings, training)
    x = as_images(training.x[:32]).to(settings.device)
    theirs = _UsualTraining(fresh(NET, settings, x), training, test, settings)

    def their_turn(row: dict[str, Any]) -> None:
        if not theirs.over:
            theirs.train_epoch()

    history = fit(fresh(NET, settings, x), training, recipe, test=test, device=str(settings.device), log=their_turn)
    while not theirs.over:
        theirs.train_epoch()
    ours = Curve(*([row[key] for row in history] for key in ("seconds", "test_accuracy")))
    note = f"ours in {resolve_precision(settings.device)}, {recipe.epochs} epochs"
    return {
        "lines": {str(target): _line(ours, theirs.curve, target, note) for target in TARGETS},
        "curves": {"ours": vars(ours), "theirs": vars(theirs.curve)},
        "images": len(training),
        "turns": min(len(ours.seconds), len(theirs.curve.seconds)),
    }


def _images(settings: Settings, split: str) -> ImageSet:
    data = image_set(settings, split)
    count = settings.amount(len(data), 128)
    return replace(data, x=data.x[:count], y=data.y[:count])


def _recipe(settings: Settings, training: ImageSet) -> Recipe:
    recipe = recipe_for("small", training.name, training.image_shape)
    return recipe.changed(epochs=settings.epochs or settings.amount(recipe.epochs, 2), width_mult=settings.width)


class _UsualTraining:
    """The usual recipe, an epoch at each call, until the highest target or the end of its schedule."""

    def __init__(self, net: nn.Module, training: ImageSet, test: ImageSet, settings: Settings) -> None:
        self.net, self.test, self.settings = net, test.to(settings.device), settings
        self.epochs, self.curve = settings.amount(USUAL_EPOCHS, 2), Curve()
        self.loop = UsualLoop(net, training, settings, USUAL_LR)

    @property
    def over(self) -> bool:
        return len(self.curve.seconds) == self.epochs or self.curve.epochs_until(max(TARGETS)) is not None

    def train_epoch(self) -> None:
        done = len(self.curve.seconds) / self.epochs
        self.loop.set_lr(USUAL_LR * 0.1 ** ((done >= 1 / 2) + (done >= 3 / 4)))
        self.curve.seconds.append(self.settings.once(self.loop.epoch))
        self.curve.accuracy.append(test_accuracy(self.net.eval(), self.test))


def _line(ours: Curve, theirs: Curve, target: int, note: str) -> Found:
    """Epochs that each takes, times the seconds of its epochs; these spread, the luck of a training does not show."""
    check = f"ours {ours}; theirs {theirs}"
    ours_epochs, their_epochs = ours.epochs_until(target), theirs.epochs_until(target)
    if ours_epochs is None or their_epochs is None:
        return absent(f"one of the two does not reach {target} %: {check}")
    turns = list(zip(ours.seconds, theirs.seconds, strict=False))
    seconds = {"ours": [ours_epochs * each for each, _ in turns], "theirs": [their_epochs * each for _, each in turns]}
    ratio = ratios(seconds["theirs"], seconds["ours"])
    return measured(
        check, ratio, seconds=seconds, note=f"{note}; {target} % after {ours_epochs} epochs of ours, {their_epochs} of theirs"
    )
