"""Jobs in words."""

from defective.specs import DecisionJob, GenerateJob, Job, NoiseJob, Recipe, ScoreJob, ShuffleJob, TrainJob
from defective.training.recipes import RECIPES


def title(job: TrainJob) -> str:
    """What a model is called in messages: its name, its scale and what of the scale's recipe is changed, its seeds.

    Example:
        >>> from defective.specs import NetSpec, Recipe
        >>> title(TrainJob(net=NetSpec.parse("vgg19"), data="d", recipe=Recipe(name="tiny", epochs=1), seed=1, mask_seed=0))
        'vgg19 (tiny, seed 1, mask seed 0)'
        >>> recipe = Recipe(name="tiny", epochs=5).changed(epochs=2, label_smoothing=0.1)
        >>> title(TrainJob(net=NetSpec.parse("vgg19"), data="d", recipe=recipe, seed=0, mask_seed=0))
        'vgg19 (tiny, label smoothing 0.1, 2 epochs, seed 0)'
    """
    masks = [f"mask seed {job.mask_seed}"] if job.mask_seed != job.seed else []
    queried = [] if job.queried is None else [f"substitute by {100 * job.share:g} % of the answers of {title(job.queried)}"]
    return f"{job.net} ({', '.join([*_recipe(job.recipe), f'seed {job.seed}', *masks, *queried])})"


def describe(job: Job) -> str:
    """What a job does, on one line.

    Example:
        >>> from defective.specs import AttackSpec, NetSpec, Recipe
        >>> net = TrainJob(net=NetSpec.parse("vgg19"), data="d", recipe=Recipe(name="tiny", epochs=1), seed=1, mask_seed=1)
        >>> describe(GenerateJob(sources=(net,), attack=AttackSpec.parse("fgsm"), samples=5))
        'fgsm:eps=16/255 on vgg19 (tiny, seed 1), up to 5 images of d'
    """
    match job:
        case TrainJob():
            return f"train {title(job)} on {job.data}"
        case GenerateJob():
            return f"{job.attack} on {' + '.join(map(title, job.sources))}, up to {job.samples} images of {job.sources[0].data}"
        case ScoreJob():
            return f"{title(job.target)} against {describe(job.adversarial)}"
        case DecisionJob():
            return f"{job.attack} on {title(job.target)}, up to {job.samples} images of {job.target.data}"
        case NoiseJob():
            return f"noise on {', '.join(map(title, job.targets))}, up to {job.samples} images of {job.targets[0].data}"
        case ShuffleJob():
            return f"shuffled patches on {', '.join(map(title, job.targets))}, up to {job.samples} images of {job.targets[0].data}"


def _recipe(recipe: Recipe) -> list[str]:
    """The scale, and where a recipe is not that of its scale, what of it is changed."""
    scale = recipe.name.removesuffix("*")
    stopped = [f"stopped after epoch {recipe.stop_after} of {recipe.epochs}"] if recipe.stop_after else []
    if scale == recipe.name:
        return [scale, *stopped]
    changed: dict[str, object] = {
        "adversarial": recipe.adversarial,
        "label_smoothing": recipe.label_smoothing,
        "stop_after": recipe.stop_after or None,
    }
    # A job does not say of which kind its data are, so its epochs are told unless they are those of one kind.
    usual = [Recipe.make(name=scale, **kind[scale]) for kind in RECIPES.values() if scale in kind]
    return [
        scale,
        *(["adversarial"] if recipe.adversarial else []),
        *([f"label smoothing {recipe.label_smoothing:g}"] if recipe.label_smoothing else []),
        *stopped,
        *([f"{recipe.epochs} epochs"] if recipe not in [each.changed(**changed) for each in usual] else []),
    ]
