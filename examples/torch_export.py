"""Export a defective model with torch.export, store the program, and evaluate and attack what is loaded again."""

import torch

from defective import attacks, build, evaluation


def main() -> None:
    model = build("resnet18/0.1-bottom", width_mult=0.125).eval()
    x, y = torch.rand(4, 3, 32, 32), torch.arange(4)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, "model.pt2")

    # The file needs neither this package nor the class of the model.
    exported = torch.export.load("model.pt2").module()
    with torch.no_grad():
        print("same logits:", torch.equal(exported(x[:3]), model(x[:3])))
    x_adv = attacks.pgd(exported, x, y, eps=8 / 255, step_size=2 / 255, steps=3)
    print("same attack:", torch.equal(x_adv, attacks.pgd(model, x, y, eps=8 / 255, step_size=2 / 255, steps=3)))
    print("accuracy under attack:", float(evaluation.accuracy(exported, x_adv, y)))


if __name__ == "__main__":
    main()
