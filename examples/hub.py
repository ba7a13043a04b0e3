"""Publish a defective model in the format of the Hugging Face Hub and load it again, masks included; here in a local folder."""

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from defective import build, defects, verify


class Published(nn.Module, PyTorchModelHubMixin, license="mit", tags=["image-classification", "adversarial-robustness"]):
    """A built-in model by its name. The arguments are stored in ``config.json``, the weights and masks in ``model.safetensors``."""

    def __init__(self, spec: str, width_mult: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        self.model = build(spec, width_mult=width_mult, seed=seed)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def main() -> None:
    model = Published("resnet18/0.1-bottom", width_mult=0.125, seed=3).eval()
    model.save_pretrained("published")  # model.push_to_hub("NAME/REPOSITORY") uploads the same files

    again = Published.from_pretrained("published").eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        print("same model again:", torch.equal(again(x), model(x)))
    verify(again.model)
    print("masks:", len(defects(again)))


if __name__ == "__main__":
    main()
