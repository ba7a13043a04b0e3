"""Nets by name: architecture, defects, baselines; and how a built-in model is constructed."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from defective.errors import InputError
from defective.specs.spec import Spec
from defective.text import choices

Pattern = Literal["neuron", "channel", "shared"]
Sampling = Literal["exact", "bernoulli"]
Placement = Literal["authors", "text"]
# bottom, top, or blocks by number in rising order, 0 being the stem: blocks12.
_REGION = r"bottom|top|blocks(?:01?2?3?4?|12?3?4?|23?4?|34?|4)"
Region = Annotated[str, Field(pattern=rf"^({_REGION})$")]
Kind = Literal["dropout", "spatial", "dropblock"]

ARCHITECTURES = ("resnet18", "resnet50", "densenet121", "senet18", "vgg19", "wrn32_4")
ENSEMBLE_SIZE = 5
# Characters of a name; the longest that means something is far shorter, and Python reads no number of over 4,300 digits.
_LONGEST = 2000


class Architecture(Spec):
    """Values that construct a built-in model: architecture, channels of each block, classes, images.

    ``pixel_mean``: whether a mean image is subtracted instead of the channels' means. ``thermometer``: levels of the input code, 0
    for none. ``mask_size``: image height and width that its masks were resized to by :func:`defective.resize_masks_`; the layers
    stay those of ``image_size``.
    """

    name: str
    widths: tuple[Annotated[int, Field(ge=1)], ...]
    # The upper limits keep what a file of a few bytes may ask for within this machine.
    num_classes: Annotated[int, Field(ge=2, le=1_000_000)]
    in_chans: Annotated[int, Field(ge=1, le=4096)]
    image_size: Annotated[int, Field(ge=16, le=65_536)]
    project_first: bool = False
    pixel_mean: bool = False
    thermometer: Annotated[int, Field(ge=0, le=256)] = 0
    mask_size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape ``(C, H, W)`` of the images that the model takes."""
        return self.in_chans, *(self.mask_size or (self.image_size, self.image_size))


class DefectSpec(Spec):
    """One region of a model whose neurons are kept with probability ``keep_prob``."""

    keep_prob: Annotated[float, Field(ge=0, le=1)]
    region: Region

    @property
    def blocks(self) -> str | tuple[int, ...]:
        """The region as :func:`defective.defect_` takes it."""
        if self.region in ("bottom", "top"):
            return self.region
        return tuple(int(digit) for digit in self.region.removeprefix("blocks"))


class DropSpec(Spec):
    """A dropout baseline in the top blocks: activations, channels or 3 x 3 blocks are kept with probability ``keep_prob``."""

    keep_prob: Annotated[float, Field(gt=0, le=1)]
    kind: Kind


class NetSpec(Spec):
    """A built-in model and what is done to it; ``str(spec)`` is its name.

    Example:
        >>> spec = NetSpec.parse("resnet18/0.5-bottom-x2-en")
        >>> spec.defects[0].keep_prob, spec.widen, spec.members
        (0.5, True, 5)
        >>> str(spec)
        'resnet18/0.5-bottom-x2-en'
    """

    arch: Annotated[str, Field(max_length=40)]
    defects: tuple[DefectSpec, ...] = ()
    drops: tuple[DropSpec, ...] = ()
    thermometer: Annotated[int, Field(ge=0, le=256)] = 0
    pattern: Pattern = "neuron"
    widen: bool = False
    members: Annotated[int, Field(ge=1)] = 1
    placement: Placement = "authors"
    sampling: Sampling = "exact"

    @field_validator("defects", "drops")
    @classmethod
    def _in_order(cls, parts: tuple[Any, ...]) -> tuple[Any, ...]:
        # Equal models have equal keys, however their name was written.
        return tuple(sorted(parts, key=lambda part: part.region if isinstance(part, DefectSpec) else part.kind))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for parts in ([defect.region for defect in self.defects], [drop.kind for drop in self.drops]):
            if len(set(parts)) < len(parts):
                raise ValueError(f"{parts[-1]!r} is named twice")
        if not self.defects and (self.widen or self.pattern != "neuron"):
            raise ValueError("-dc, -sm and -x2 act on defective layers, and the name has none: add for example 0.5-bottom")
        if self.sampling == "bernoulli" and (not self.defects or self.narrows):
            raise ValueError("-bernoulli says how masks are drawn, and this model has none: add for example 0.5-bottom")
        if self.widen and self.pattern == "channel":
            raise ValueError("-dc and -x2 cannot be combined")
        if self.thermometer == 1:
            raise ValueError("a thermometer of 1 level distinguishes no images: use at least 2, such as -therm16")
        return self

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read a name of the grammar above.

        Raises:
            InputError: If the architecture, a region, a suffix or a number is unknown; the message names it.
        """
        if not isinstance(name, str):
            raise InputError(f"the model is {type(name).__name__}, not a name{choices(name, ARCHITECTURES)}")
        if len(name) > _LONGEST:
            raise InputError(f"model {name[:40]!r}...: a name has at most {_LONGEST} characters, this one has {len(name)}")
        text, at, placement = name.partition("@")
        arch, slash, variant = text.partition("/")
        if arch not in ARCHITECTURES:
            whole = "" if arch == name else f"model {name!r}: "
            raise InputError(f"{whole}no architecture {arch!r}{choices(arch, ARCHITECTURES)}")
        try:
            if at and placement != "text":
                raise InputError(f"unknown placement {'@' + placement!r}; only '@text' may end a name")
            if slash and not variant:
                raise InputError(f"nothing follows the slash; write for example {arch}/0.5-bottom")
            return cls.make(arch=arch, placement=placement or "authors", **_parse_variant(variant))
        except InputError as error:
            raise InputError(f"model {name!r}: {error}") from None

    @property
    def narrows(self) -> bool:
        """Whether defective channels are left out of the model, as in the released code, instead of masked."""
        return self.pattern == "channel" and self.placement == "authors"

    @property
    def masked(self) -> bool:
        """Whether the model has masks."""
        return bool(self.defects) and not self.narrows

    @property
    def drop_blocks(self) -> str | int:
        """Where its dropout acts: in the released code in the top blocks, by the text (Section 4.1) in block 3."""
        return "top" if self.placement == "authors" else 3

    def member(self) -> "NetSpec":
        """The spec of one model of the ensemble."""
        return self.model_copy(update={"members": 1})

    def __str__(self) -> str:
        regions = [f"{_decimal(defect.keep_prob)}-{defect.region}" for defect in self.defects]
        regions += [f"{_decimal(drop.keep_prob)}-{drop.kind}" for drop in self.drops]
        parts = ["+".join(regions)]
        parts += {"neuron": [], "channel": ["dc"], "shared": ["sm"]}[self.pattern]
        parts += ["bernoulli"] * (self.sampling == "bernoulli")
        parts += ["x2"] * self.widen + [f"therm{self.thermometer}"] * (self.thermometer > 0) + ["en"] * (self.members > 1)
        variant = "-".join(part for part in parts if part)
        return self.arch + ("/" + variant if variant else "") + ("@text" if self.placement == "text" else "")


_SUFFIXES: dict[str, dict[str, object]] = {
    "dc": {"pattern": "channel"},
    "sm": {"pattern": "shared"},
    "bernoulli": {"sampling": "bernoulli"},
    "x2": {"widen": True},
    "en": {"members": ENSEMBLE_SIZE},
}


def _suffix(text: str) -> dict[str, object] | None:
    """What a suffix sets; None if it is none."""
    levels = re.fullmatch(r"therm([0-9]+)", text)
    return {"thermometer": int(levels[1])} if levels else _SUFFIXES.get(text)


def _parse_variant(variant: str) -> dict[str, object]:
    values: dict[str, object] = {}
    suffixes = variant
    if variant and _suffix(variant.split("-")[0]) is None:
        regions = re.match(r"([^-+]+-[^-+]+\+)*[^-+]+-[^-+]+|", variant)
        assert regions is not None
        parts = [_parse_region(part) for part in (regions[0] or variant).split("+")]
        values["defects"] = tuple(part for part in parts if isinstance(part, DefectSpec))
        values["drops"] = tuple(part for part in parts if isinstance(part, DropSpec))
        suffixes = variant[regions.end() :]
    for suffix in suffixes.removeprefix("-").split("-") if suffixes else ():
        setting = _suffix(suffix)
        if setting is None:
            known = [f"-{each}" for each in (*_SUFFIXES, "therm16")]
            raise InputError(f"no suffix {'-' + suffix!r}{choices('-' + suffix, known)}")
        if values.keys() & setting.keys():
            raise InputError(f"suffix -{suffix} repeats or contradicts another suffix")
        values.update(setting)
    return values


def _parse_region(part: str) -> DefectSpec | DropSpec:
    number, _, where = part.partition("-")
    if where in get_args(Kind):
        return DropSpec.make(keep_prob=_keep_prob(number), kind=where)
    if re.fullmatch(_REGION, where):
        return DefectSpec.make(keep_prob=_keep_prob(number), region=where)
    raise InputError(
        f"cannot read {part!r}; write a region as 0.1-bottom, 0.3-top or 0.1-blocks12, a dropout baseline as 0.9-dropout, 0.9-spatial "
        "or 0.9-dropblock, joined by +"
    )


def _keep_prob(text: str) -> float:
    try:
        # Python reads 0_1 as 1.
        keep_prob = float(text.replace("_", "?"))
    except ValueError:
        raise InputError(f"{text!r} is not a keep probability") from None
    if not 0 <= keep_prob <= 1:
        raise InputError(f"keep_prob {text} lies outside [0, 1]")
    return keep_prob


def _decimal(value: float) -> str:
    """The shortest decimal that reads back as the same number, without an exponent."""
    return f"{Decimal(repr(value)).normalize():f}"
