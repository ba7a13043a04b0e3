"""Recipes as plain values, by scale and kind of image."""

from defective.data.official import KINDS
from defective.errors import InputError
from defective.specs import GRADIENT_ATTACKS, AttackSpec, Recipe
from defective.text import choices

SCALES = ("tiny", "small", "fast", "paper")

# paper: Appendix D with the released code's details (weight decay on all parameters, no Nesterov, norm scales drawn from U(0, 1) as
# PyTorch 0.4.1 did, the checkpoint with the best test accuracy). The others: one-cycle schedules of our own.
_PAPER = {"schedule": "steps", "selection": "best-on-test", "norm_scale_init": "uniform"}
# What a short schedule gains by without another loss or augmentation.
_AVERAGED = {"nesterov": True, "averaging": 0.995, "flip": "alternating"}

RECIPES: dict[str, dict[str, dict[str, object]]] = {
    "cifar10": {
        "tiny": {"width_mult": 0.25, "epochs": 5, "lr": 0.2},
        "small": {"width_mult": 0.25, "epochs": 24, "lr": 0.1, "batch_size": 64, **_AVERAGED},
        # For one H100. A step of 512 images of ResNet-18 is 1.7 TFLOP and moves some 15 GB, about 5 ms each way: it fills the GPU, so
        # that a second model beside it would gain little. 98 such steps, 1 to 1.3 s, make an epoch.
        "fast": {"epochs": 15, "lr": 0.4, "batch_size": 512},
        "paper": {"epochs": 350, "milestones": (150, 250), **_PAPER},
    },
    "mnist": {
        "tiny": {"width_mult": 0.25, "epochs": 3, "augment": "flip"},
        "small": {"width_mult": 0.25, "epochs": 6, "lr": 0.05, "batch_size": 64, "augment": "flip"},
        "fast": {"epochs": 10, "augment": "flip"},
        "paper": {"epochs": 50, "milestones": (20, 40), "augment": "flip", **_PAPER},
    },
    "tiny-imagenet": {
        "tiny": {"width_mult": 0.25, "epochs": 6, "lr": 0.2},
        "small": {"width_mult": 0.25, "epochs": 16, "lr": 0.05, "batch_size": 64},
        "fast": {"epochs": 30, "lr": 0.2},
        "paper": {"epochs": 350, "milestones": (150, 250), **_PAPER},
    },
    "imagenet": {
        "tiny": {"width_mult": 0.25, "epochs": 5, "lr": 0.1, "augment": "resized-crop-flip"},
        "small": {"width_mult": 0.25, "epochs": 9, "lr": 0.1, "augment": "resized-crop-flip"},
        "fast": {"epochs": 18, "lr": 0.2, "batch_size": 256, "augment": "resized-crop-flip"},
        "paper": {
            "epochs": 100,
            "batch_size": 256,
            "weight_decay": 1e-4,
            "schedule": "steps",
            "milestones": (30, 60, 90),
            "augment": "resized-crop-flip",
        },
    },
    # A mirror image would swap the textures "rising" and "falling", so shapes are not mirrored.
    "shapes": {
        "tiny": {"width_mult": 0.25, "epochs": 4, "augment": "none"},
        "small": {"width_mult": 0.25, "epochs": 6, "augment": "none"},
        "fast": {"epochs": 8, "augment": "none"},
        "paper": {"epochs": 20, "milestones": (10, 15), "schedule": "steps", "augment": "none"},
    },
}


# Madry et al. 2017 and Buckman et al. 2018, CIFAR-10: the rows that the paper's Table 2 quotes.
ADVERSARIES = {
    "madry": "pgd:eps=8/255,step_size=2/255,steps=7,random_start=1",
    "buckman": "lspga:eps=8/255,steps=7",
}


def adversary(name: str) -> AttackSpec:
    """The attack of a known kind of adversarial training, or an attack by its own name."""
    kind, known = name.partition(":")[0], (*ADVERSARIES, *GRADIENT_ATTACKS)
    if kind not in known:
        raise InputError(f"no attack {kind!r} to train on{choices(kind, known)}")
    return AttackSpec.parse(ADVERSARIES.get(name, name))


def recipe_for(scale: str, data_name: str, image_shape: tuple[int, int, int]) -> Recipe:
    """The recipe of a scale for a data set; folders take that of the official set with the same kind of image.

    Args:
        scale: ``"tiny"`` (two cores, minutes), ``"small"`` (two cores, a night), ``"fast"`` (one GPU, an hour) or ``"paper"``
            (Appendix D).
        data_name: Name of the loaded data set.
        image_shape: ``(C, H, W)`` of its images.

    Example:
        >>> recipe_for("paper", "cifar10", (3, 32, 32)).milestones
        (150, 250)
    """
    if scale not in SCALES:
        raise InputError(f"no recipe {scale!r}{choices(scale, SCALES)}")
    channels, height, _ = image_shape
    # A folder may have any name.
    if data_name == "shapes" or KINDS.get(data_name) == image_shape:
        kind = data_name
    elif channels == 1:
        kind = "mnist"
    else:
        kind = "cifar10" if height < 48 else "tiny-imagenet" if height < 128 else "imagenet"
    return Recipe.make(name=scale, **RECIPES[kind][scale])
