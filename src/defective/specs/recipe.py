"""How a model is trained."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from defective.errors import InputError
from defective.specs.attacks import GRADIENT_ATTACKS, AttackSpec
from defective.specs.spec import Spec


class Recipe(Spec):
    """How a model is trained: plain SGD with momentum on cross-entropy, one schedule, one augmentation.

    ``schedule="one-cycle"`` warms up linearly over the first fifth and falls linearly to 0; ``"steps"`` divides the learning rate
    by 10 at each epoch of ``milestones``. ``adversarial`` is an attack on the model itself, with gradient steps, whose images take the
    place of each batch (Madry et al. 2017). ``selection="best-on-test"`` is the released code's choice and peeks at the test set.
    ``neurons="live"`` computes defective layers through their live neurons only, where batch norm then takes its statistics
    (:func:`defective.sparse.train_live`); ``"all"`` is what paper and released code do. ``stop_after`` ends the run after so many
    epochs of its schedule, which leaves the checkpoint that the whole run has there; 0 goes to the end.

    ``nesterov`` takes Nesterov's momentum. ``averaging`` above 0 scores and leaves the moving average of weights and running
    statistics over the steps with that decay (:class:`defective.training.state.WeightAverage`). ``flip="alternating"`` mirrors each
    image in every other epoch, at random in the first; ``"random"`` at random in each. ``normalization="pixel-mean"`` subtracts the
    mean training image, as the paper's Appendix D has it; ``"channel"`` is what the released code does.
    """

    name: str
    width_mult: Annotated[float, Field(gt=0, le=8, description="width of the models")] = 1.0
    epochs: Annotated[int, Field(ge=1, description="epochs")]
    batch_size: Annotated[int, Field(ge=2, description="images in a batch")] = 128
    lr: Annotated[float, Field(gt=0, description="learning rate")] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1, description="momentum")] = 0.9
    weight_decay: Annotated[float, Field(ge=0, description="weight decay")] = 5e-4
    label_smoothing: Annotated[float, Field(ge=0, lt=1, description="label smoothing")] = 0.0
    schedule: Annotated[Literal["one-cycle", "steps"], Field(description="schedule of the learning rate")] = "one-cycle"
    milestones: Annotated[tuple[int, ...], Field(description="epochs after which it falls")] = ()
    augment: Annotated[Literal["crop-flip", "flip", "resized-crop-flip", "none"], Field(description="augmentation")] = "crop-flip"
    adversarial: AttackSpec | None = None
    selection: Annotated[Literal["last", "best-on-test"], Field(description="model selection")] = "last"
    norm_scale_init: Annotated[Literal["one", "uniform"], Field(description="start of the norm scales")] = "one"
    neurons: Annotated[Literal["all", "live"], Field(description="neurons that training computes")] = "all"
    stop_after: Annotated[int, Field(ge=0, description="epochs after which training is stopped")] = 0
    nesterov: Annotated[bool, Field(description="Nesterov's momentum")] = False
    averaging: Annotated[float, Field(ge=0, lt=1, description="decay of the average of the weights")] = 0.0
    flip: Annotated[Literal["random", "alternating"], Field(description="mirrored images")] = "random"
    normalization: Annotated[Literal["channel", "pixel-mean"], Field(description="normalisation of images")] = "channel"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(not epoch > 0 for epoch in self.milestones) or list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones {self.milestones} must rise and be at least 1")
        if self.adversarial is not None and self.adversarial.name not in GRADIENT_ATTACKS:
            raise ValueError(
                f"adversarial {self.adversarial.name} takes no gradient steps: train on one of {', '.join(GRADIENT_ATTACKS)}"
            )
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        if self.flip != "random" and self.augment == "none":
            raise ValueError(f"flip {self.flip} needs an augment that mirrors images, not none")
        if self.stop_after > self.epochs:
            raise ValueError(f"stop_after {self.stop_after} lies beyond the {self.epochs} epochs of the schedule")
        return self

    def check_model(self, name: object, *, masked: bool, thermometer: bool, built_in: bool = True) -> None:
        """Refuse a model that cannot be trained so.

        Raises:
            InputError: If the recipe needs a thermometer, masks or a built-in model, and this is none.
        """
        if self.adversarial is not None and self.adversarial.name == "lspga" and not thermometer:
            raise InputError(
                f"{name} has no thermometer, and lspga attacks its levels: train one such as resnet18/therm16, or use madry"
            )
        if self.neurons == "live" and not masked:
            raise InputError(f"neurons live: {name} has no masks: train a defective model, as resnet18/0.1-bottom, or all neurons")
        if self.normalization == "pixel-mean" and (thermometer or not built_in):
            raise InputError(f"normalization pixel-mean is for built-in models without a thermometer, not for {name}: use channel")

    @property
    def light_epochs(self) -> tuple[int, ...]:
        """Epochs after which a run leaves a light checkpoint: at most nine, geometrically spaced from either end of the schedule.

        Accuracy rises fastest in the first epochs and, where the learning rate falls to 0, in the last.

        Example:
            >>> [Recipe(name="r", epochs=epochs).light_epochs for epochs in (5, 16)]
            [(1, 2, 3, 4), (1, 2, 3, 5, 8, 11, 13, 14, 15)]
        """
        from_start = {round((self.epochs / 2) ** (step / 4)) for step in range(5)} if self.epochs > 1 else set()
        found = from_start | {self.epochs - epoch for epoch in from_start}
        return tuple(sorted(epoch for epoch in found if 0 < epoch < self.trained_epochs))

    @property
    def trained_epochs(self) -> int:
        """Epochs that are run: all of the schedule, or as many as ``stop_after`` says.

        Example:
            >>> recipe = Recipe(name="r", epochs=15)
            >>> recipe.trained_epochs, recipe.changed(stop_after=12).trained_epochs
            (15, 12)
        """
        return self.stop_after or self.epochs

    def changed(self, **values: Any) -> "Recipe":
        """The same recipe with the values that are not None put in; milestones keep their place in it.

        It is renamed if anything but ``stop_after`` changed, which leaves all epochs up to there as they are.

        Example:
            >>> paper = Recipe(name="paper", epochs=350, schedule="steps", milestones=(150, 250))
            >>> paper.changed(epochs=35).milestones
            (15, 25)
        """
        given: dict[str, Any] = {key: value for key, value in values.items() if value is not None and value != getattr(self, key)}
        if not given:
            return self
        if "epochs" in given and "milestones" not in given:
            scaled = {max(1, round(epoch * given["epochs"] / self.epochs)) for epoch in self.milestones}
            given["milestones"] = tuple(sorted(scaled))
        name = self.name if given.keys() == {"stop_after"} else f"{self.name.removesuffix('*')}*"
        return Recipe.make(**{**self.model_dump(), **given, "name": name})
