"""Publish a defective model on the Hugging Face Hub, its evaluation as the model card, and load it again, masks included.

Here in a local folder; ``model.push_to_hub("NAME/REPOSITORY")`` uploads the same files.
"""

import torch
from huggingface_hub import EvalResult, ModelCard, ModelCardData, PyTorchModelHubMixin
from torch import Tensor, nn

from defective import Recipe, build, defects, verify
from defective.data import ImageSet, shapes
from defective.evaluation import EvaluationResult, evaluate
from defective.tables import format_table
from defective.training.loop import fit


class Published(nn.Module, PyTorchModelHubMixin):
    """A built-in model by its name. The arguments are stored in ``config.json``, the weights and masks in ``model.safetensors``."""

    def __init__(self, spec: str, width_mult: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        self.model = build(spec, width_mult=width_mult, seed=seed)
        self.found: EvaluationResult | None = None

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def generate_model_card(self, *arguments: object, **options: object) -> ModelCard:
        """What ``save_pretrained`` and ``push_to_hub`` write to ``README.md``: the numbers for the Hub's index, then the table."""
        if self.found is None:
            return super().generate_model_card(*arguments, **options)
        name, data = str(self.model.spec), self.found.data
        named = {"accuracy": self.found.accuracy[name]}
        for each in self.found.outcomes:
            attack, source = each.adversarial.attack, each.adversarial.source
            named[f"accuracy under {attack} transferred from {source}, on images that {source} classifies correctly"] = each.rate(
                "all"
            )
        about = ModelCardData(
            model_name=name,
            license="mit",
            tags=["image-classification", "adversarial-robustness"],
            eval_results=[
                EvalResult("image-classification", data, data, "accuracy", float(rate), metric_name=metric)
                for metric, rate in named.items()
            ],
        )
        table = format_table(self.found.as_table(), "markdown")
        return ModelCard(f"---\n{about.to_yaml()}\n---\n\n# {name}\n\nMasked neurons always output zero.\n\n{table}")


def some(split: str, count: int) -> ImageSet:
    made = shapes(split)
    return ImageSet(made.name, split, made.x[:count], made.y[:count], made.classes)


def main() -> None:
    model = Published("resnet18/0.3-bottom", width_mult=0.0625, seed=3)
    source = build("resnet18", seed=1, width_mult=0.0625)
    for each in (model.model, source):
        fit(each, some("train", 500), Recipe(name="example", epochs=2, batch_size=32, augment="none"))
    attacks = ["pgd:eps=8/255,step_size=2/255,steps=5"]
    named = {str(model.model.spec): model.model}
    model.found = evaluate(named, some("test", 100), sources={"resnet18": source}, attacks=attacks, parts=("transfer",), samples=50)
    model.save_pretrained("published")

    again = Published.from_pretrained("published").eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        print("same model again:", torch.allclose(again(x), model.eval()(x), atol=1e-5))
    verify(again.model)
    print("masks:", len(defects(again)))
    (clean, robust) = ModelCard.load("published/README.md").data.eval_results
    print(f"on the card: {clean.metric_name} {clean.metric_value:.2f}, {robust.metric_name} {robust.metric_value:.2f}")


if __name__ == "__main__":
    main()
