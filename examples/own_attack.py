"""Put a custom attack into the protocol: any callable (model, x, y) -> x_adv, even of another library."""

import torch
from torch import Tensor, nn

from defective import AttackSpec, Recipe, build
from defective.data import ImageSet, shapes
from defective.evaluation import CustomAttack, evaluate
from defective.training.loop import fit

EPS = 16 / 255


def darken(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Try a few shades of darkness and keep the one with the highest loss."""
    with torch.no_grad():
        shades = [(x - shade).clamp(0, 1) for shade in (0.0, EPS / 2, EPS)]
        losses = torch.stack([nn.functional.cross_entropy(model(shade), y, reduction="none") for shade in shades])
    worst = losses.argmax(0)
    return torch.stack(shades)[worst, torch.arange(len(x))]


def foolbox_pgd(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """An attack of Foolbox."""
    import foolbox

    attack = foolbox.attacks.LinfPGD(rel_stepsize=0.1, steps=10, random_start=False)
    return attack(foolbox.PyTorchModel(model, bounds=(0, 1), device=x.device), x, y, epsilons=EPS)[1]


def main() -> None:
    made, held = shapes("train"), shapes("test")
    training = ImageSet(made.name, "train", made.x[:1000], made.y[:1000], made.classes)
    test = ImageSet(held.name, "test", held.x[:200], held.y[:200], held.classes)
    nets = {name: build(name, seed=seed, width_mult=0.0625) for seed, name in enumerate(("resnet18", "resnet18/0.1-bottom"))}
    source = build("resnet18", seed=9, width_mult=0.0625)
    for net in (*nets.values(), source):
        fit(net, training, Recipe(name="example", epochs=2, batch_size=32, lr=0.1, augment="none"))

    attacks: list[AttackSpec | CustomAttack] = [
        CustomAttack("darken", darken, eps=EPS),
        AttackSpec.parse("pgd:eps=16/255,step_size=1.6/255,steps=10"),
    ]
    try:
        import foolbox  # noqa: F401
    except ImportError:
        print("foolbox is not installed: its line is left out")
    else:
        attacks.append(CustomAttack("foolbox pgd", foolbox_pgd, eps=EPS))
    found = evaluate(nets, test, sources={"source": source}, attacks=attacks, parts=("transfer",), samples=100)
    for outcome in found.outcomes:
        rate = outcome.rate()
        low, high = rate.interval
        said = (
            f"{rate:.1%} ({low:.1%} to {high:.1%}, n = {rate.num_evaluated})"
            if rate.num_evaluated
            else "no rate: it classified none of the images that fooled the source correctly before"
        )
        print(f"{outcome.adversarial.attack} on {outcome.adversarial.source}: {outcome.target} has a defence rate of {said}")


if __name__ == "__main__":
    main()
