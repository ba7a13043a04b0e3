"""Log a training run of ``fit`` to TensorBoard: ``log`` is called with each row of the history (``tensorboard --logdir runs``)."""

from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from defective import Recipe, build
from defective.data import ImageSet, shapes
from defective.training.loop import fit


def some(split: str, count: int) -> ImageSet:
    made = shapes(split)
    return ImageSet(made.name, split, made.x[:count], made.y[:count], made.classes)


def main() -> None:
    model = build("resnet18/0.3-bottom", width_mult=0.0625)
    with SummaryWriter("runs/bottom-0.3") as writer:

        def log(row: dict[str, Any]) -> None:
            for name in ("train_loss", "train_accuracy", "test_accuracy", "lr"):
                writer.add_scalar(name, row[name], row["epoch"])

        recipe = Recipe(name="example", epochs=2, augment="none")
        history = fit(model, some("train", 500), recipe, test=some("test", 200), log=log)

    events = EventAccumulator("runs/bottom-0.3").Reload()
    for event, row in zip(events.Scalars("train_loss"), history, strict=True):
        print(f"epoch {event.step}: loss {event.value:.3f}, as in the history: {abs(event.value - row['train_loss']) < 1e-5}")


if __name__ == "__main__":
    main()
