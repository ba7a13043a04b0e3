"""Compile a defective model ahead of time with AOTInductor, which needs a C++ compiler, and run the package without its Python code."""

import torch
from torch import nn

from defective import defect_


def main() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 10)).eval()
    x = torch.rand(4, 3, 32, 32)
    defect_(model, keep_prob=0.3, sites=nn.BatchNorm2d, example_inputs=x)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    torch._inductor.aoti_compile_and_package(program, package_path="model.pt2")

    # A C++ program loads the same file with torch::inductor::AOTIModelPackageLoader.
    compiled = torch._inductor.aoti_load_package("model.pt2")
    for batch in (x, torch.rand(7, 3, 32, 32)):
        with torch.no_grad():
            print(f"{len(batch)} images, same logits: {torch.allclose(compiled(batch), model(batch), atol=1e-4)}")


if __name__ == "__main__":
    main()
