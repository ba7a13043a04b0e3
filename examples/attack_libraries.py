"""Attack a defective model with Foolbox, torchattacks and ART: it is an ordinary module, and PGD finds the same images everywhere."""

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor, nn

from defective import Recipe, attacks, build
from defective.data import ImageSet, shapes
from defective.training.loop import fit

EPS, STEP, STEPS = 8 / 255, 1 / 255, 5


def with_foolbox(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    import foolbox

    attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=False)
    return attack(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, y, epsilons=EPS)[1]


def with_torchattacks(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    import torchattacks

    return torchattacks.PGD(model, eps=EPS, alpha=STEP, steps=STEPS, random_start=False)(x, y)


def with_art(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    shape = tuple(x.shape[1:])
    classifier = PyTorchClassifier(model, nn.CrossEntropyLoss(), shape, nb_classes=10, clip_values=(0, 1), device_type="cpu")
    attack = ProjectedGradientDescent(classifier, eps=EPS, eps_step=STEP, max_iter=STEPS, verbose=False)
    return torch.from_numpy(attack.generate(x.numpy(), y.numpy()))


LIBRARIES: dict[str, Callable[[nn.Module, Tensor, Tensor], Tensor]] = {
    "foolbox": with_foolbox,
    "torchattacks": with_torchattacks,
    "art": with_art,
}


def main() -> None:
    data, test = shapes("train"), shapes("test")
    model = build("resnet18/0.3-bottom", width_mult=0.0625)
    few = ImageSet(data.name, "train", data.x[:1000], data.y[:1000], data.classes)
    fit(model, few, Recipe(name="example", epochs=2, batch_size=32, lr=0.1, augment="none"), precision="fp32")
    images, y = test.take(torch.arange(20))
    x = images / 255
    ours = attacks.pgd(model, x, y, eps=EPS, step_size=STEP, steps=STEPS)
    print(f"defective: {int((model(ours).argmax(1) == y).sum())} of {len(y)} images still correct")
    for name, attack in LIBRARIES.items():
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed")
            continue
        theirs = attack(model.eval(), x, y).detach()
        same = float(((theirs - ours).abs() < 1e-5).float().mean())
        print(f"{name}: {int((model(theirs).argmax(1) == y).sum())} of {len(y)} still correct, {same:.1%} of the pixels as ours")


if __name__ == "__main__":
    main()
