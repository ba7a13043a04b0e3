"""Attack a plain and a defective net with images made on a third net, in plain Python."""

from defective import AttackSpec, build
from defective.attacks import from_spec
from defective.data import ImageSet, shapes
from defective.evaluation import accuracy, craft, score
from defective.specs import Recipe
from defective.training.loop import fit


def some(split: str, count: int) -> ImageSet:
    """The first images of a split, so that the example ends within a minute."""
    made = shapes(split)
    return ImageSet(made.name, split, made.x[:count], made.y[:count], made.classes)


def main() -> None:
    training, test = some("train", 4000), some("test", 300)
    recipe = Recipe(name="example", epochs=3, lr=0.1, augment="none")
    nets = {}
    for label, name, seed in (("source", "resnet18", 1), ("plain", "resnet18", 0), ("defective", "resnet18/0.1-bottom", 0)):
        nets[label] = build(name, seed=seed, width_mult=0.125)
        fit(nets[label], training, recipe, seed=seed)

    # Any callable (model, x, y) -> x_adv may stand here, so an attack of another library does too.
    pgd = from_spec(AttackSpec.parse("pgd:eps=16/255,step_size=2/255,steps=10"))
    crafted = craft(nets["source"], test.x, test.y, pgd, eps=16 / 255)
    print(f"{int(crafted.fooled.sum())} of {len(test)} attacked images fool the source")
    for label in ("plain", "defective"):
        right = accuracy(nets[label], test.x, test.y)
        withstood = score(nets[label], crafted).rate()
        low, high = withstood.interval
        print(f"{label}: accuracy {right:.1%}, withstands {withstood:.1%} ({low:.1%} to {high:.1%}, n = {withstood.total})")


if __name__ == "__main__":
    main()
