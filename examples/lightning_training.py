"""Train a defective model with Lightning's Trainer, stop, and resume from its checkpoint; the masks are in the checkpoint."""

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from defective import build, evaluation, verify
from defective.data import shapes


class Training(lightning.LightningModule):
    """Any classifier on images in [0, 1]; nothing here knows of masks."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        x, y = batch
        return nn.functional.cross_entropy(self.model(x), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)


def trainer(epochs: int) -> lightning.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return lightning.Trainer(max_epochs=epochs, accelerator="cpu", devices=1, **quiet)


def main() -> None:
    lightning.seed_everything(0, verbose=False)
    data, test = shapes("train"), shapes("test")
    batches = DataLoader(TensorDataset(data.x[:640] / 255, data.y[:640]), batch_size=32, shuffle=True, num_workers=0)
    model = build("resnet18/0.3-bottom", width_mult=0.0625)
    stopped = trainer(epochs=1)
    stopped.fit(Training(model), batches)
    stopped.save_checkpoint("last.ckpt")

    resumed = build("resnet18/0.3-bottom", width_mult=0.0625)
    run = trainer(epochs=2)
    run.fit(Training(resumed), batches, ckpt_path="last.ckpt")
    verify(resumed)  # raises if the masks are not those of the name
    print("epochs:", run.current_epoch)
    x, y = test.take(torch.arange(200))
    print(f"accuracy: {evaluation.accuracy(resumed, x / 255, y):.2f}")


if __name__ == "__main__":
    main()
