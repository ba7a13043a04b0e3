"""Train a defective ResNet of transformers with its Trainer, resume from a checkpoint, and bring the masks back after from_pretrained."""

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import ResNetConfig, ResNetForImageClassification, Trainer, TrainingArguments, set_seed

from defective import attach_masks_, defect_, defects, evaluation
from defective.data import ImageSet, shapes


class Images(Dataset[dict[str, Tensor]]):
    """A data set with the keys that the Trainer expects."""

    def __init__(self, data: ImageSet) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"pixel_values": self.data.x[index] / 255, "labels": self.data.y[index]}


def make_model() -> ResNetForImageClassification:
    config = ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", num_labels=10)
    model = ResNetForImageClassification(config)

    def bottom(name: str, module: nn.Module) -> bool:
        return isinstance(module, nn.BatchNorm2d) and name.startswith(("resnet.embedder", "resnet.encoder.stages.0"))

    defect_(model, keep_prob=0.5, sites=bottom, example_inputs=torch.zeros(1, 3, 32, 32))
    return model


def trainer(model: nn.Module, steps: int) -> Trainer:
    arguments = TrainingArguments(
        "checkpoints",
        max_steps=steps,
        save_steps=20,
        per_device_train_batch_size=64,
        learning_rate=5e-3,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    return Trainer(model, arguments, train_dataset=Images(shapes("train")))


def main() -> None:
    set_seed(0)
    trainer(make_model(), steps=20).train()
    model = make_model()
    run = trainer(model, steps=40)
    run.train(resume_from_checkpoint="checkpoints/checkpoint-20")
    print("steps:", run.state.global_step)

    run.save_model("saved")
    # The class knows of no masks: it leaves them out, and says so.
    again = ResNetForImageClassification.from_pretrained("saved")
    attach_masks_(again, load_file("saved/model.safetensors"))
    x, y = shapes("test").take(torch.arange(500))
    with torch.no_grad():
        print("same model again:", torch.equal(again(x / 255).logits, model.eval()(x / 255).logits))
    print(f"masks: {len(defects(again))}, accuracy: {evaluation.accuracy(again, x, y):.2f}")


if __name__ == "__main__":
    main()
