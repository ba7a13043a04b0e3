"""Plain frozen values that say what to build, attack and train. No torch here.

Every spec turns into one canonical JSON document and back, and ``spec.key`` is a hash of that document, so equal specs have
equal keys on every machine. Net names follow one grammar::

    ARCH                                  resnet18
    ARCH/P-REGION[+P-REGION][-SUFFIX...]  resnet18/0.1-bottom, resnet18/0.7-bottom+0.3-top, resnet18/0.5-bottom-x2-en
    ARCH/en                               five plain nets, logits averaged

with suffixes ``-dc`` (whole channels), ``-sm`` (one mask for all channels), ``-x2`` (twice the channels at defective layers) and
``-en`` (ensemble of five); a final ``@text`` picks the mask placement of the paper's text (Eq. 5, Appendix C).
"""

import hashlib
import json
import math
import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from defective.errors import InputError

Pattern = Literal["neuron", "channel", "shared"]
Sampling = Literal["exact", "bernoulli"]
Placement = Literal["authors", "text"]
Region = Literal["bottom", "top"]

ARCHITECTURES = ("resnet18", "resnet50", "densenet121", "senet18", "vgg19", "wrn32_4")
ENSEMBLE_SIZE = 5

Number = int | float


class Spec(BaseModel):
    """A frozen value with a canonical JSON form and a content hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def key(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @classmethod
    def make(cls, **values: object) -> Self:
        """Validate ``values``; a mistake becomes one line that names the field and the value."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            reason = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{field} = {first['input']!r}: {reason}" if first["loc"] else reason) from None


class DefectSpec(Spec):
    """One region of a net whose neurons are kept with probability ``keep_prob``."""

    keep_prob: Annotated[float, Field(ge=0, le=1)]
    region: Region


class NetSpec(Spec):
    """A net of the zoo and what is done to it; ``str(spec)`` is its name.

    Example:
        >>> spec = NetSpec.parse("resnet18/0.5-bottom-x2-en")
        >>> spec.defects[0].keep_prob, spec.widen, spec.members
        (0.5, True, 5)
        >>> str(spec)
        'resnet18/0.5-bottom-x2-en'
    """

    arch: str
    defects: tuple[DefectSpec, ...] = ()
    pattern: Pattern = "neuron"
    widen: bool = False
    members: Annotated[int, Field(ge=1)] = 1
    placement: Placement = "authors"
    sampling: Sampling = "exact"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        regions = [defect.region for defect in self.defects]
        if len(set(regions)) < len(regions):
            raise ValueError(f"region {regions[-1]!r} is named twice")
        if not self.defects and (self.widen or self.pattern != "neuron"):
            raise ValueError("-dc, -sm and -x2 act on defective layers, and the name has none: add for example 0.5-bottom")
        if self.widen and self.pattern == "channel":
            raise ValueError("-dc and -x2 cannot be combined")
        return self

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read a name of the grammar above.

        Raises:
            InputError: If the architecture, a region, a suffix or a number is unknown; the message names it.
        """
        text, _, placement = name.partition("@")
        arch, _, rest = text.partition("/")
        if arch not in ARCHITECTURES:
            raise InputError(f"net {name!r}: no architecture {arch!r}; there are {', '.join(ARCHITECTURES)}")
        if "@" in name and placement != "text":
            raise InputError(f"net {name!r}: unknown placement {'@' + placement!r}; only '@text' may end a name")
        if "/" in text and not rest:
            raise InputError(f"net {name!r}: nothing follows the slash; write for example {arch}/0.5-bottom")
        values: dict[str, object] = {"arch": arch, "placement": placement or "authors"}
        values |= _parse_variant(name, rest)
        try:
            return cls.make(**values)
        except InputError as error:
            raise InputError(f"net {name!r}: {error}") from None

    def member(self) -> "NetSpec":
        """The spec of one net of the ensemble."""
        return self.model_copy(update={"members": 1})

    def __str__(self) -> str:
        parts = ["+".join(f"{_decimal(defect.keep_prob)}-{defect.region}" for defect in self.defects)]
        parts += {"neuron": [], "channel": ["dc"], "shared": ["sm"]}[self.pattern]
        parts += ["x2"] * self.widen + ["en"] * (self.members > 1)
        variant = "-".join(part for part in parts if part)
        return self.arch + ("/" + variant if variant else "") + ("@text" if self.placement == "text" else "")


_SUFFIXES: dict[str, dict[str, object]] = {
    "dc": {"pattern": "channel"},
    "sm": {"pattern": "shared"},
    "x2": {"widen": True},
    "en": {"members": ENSEMBLE_SIZE},
}


def _parse_variant(name: str, variant: str) -> dict[str, object]:
    values: dict[str, object] = {}
    suffixes = variant
    if variant and variant.split("-")[0] not in _SUFFIXES:
        regions = re.match(r"([^-+]+-[^-+]+\+)*[^-+]+-[^-+]+|", variant)
        assert regions is not None
        values["defects"] = tuple(_parse_defect(name, part) for part in (regions[0] or variant).split("+"))
        suffixes = variant[regions.end() :]
    for suffix in suffixes.removeprefix("-").split("-") if suffixes else ():
        if suffix not in _SUFFIXES:
            raise InputError(f"net {name!r}: no suffix {'-' + suffix!r}; there are -dc, -sm, -x2 and -en")
        if values.keys() & _SUFFIXES[suffix].keys():
            raise InputError(f"net {name!r}: suffix -{suffix} repeats or contradicts another suffix")
        values.update(_SUFFIXES[suffix])
    return values


def _parse_defect(name: str, part: str) -> DefectSpec:
    number, _, region = part.partition("-")
    if region not in ("bottom", "top"):
        raise InputError(f"net {name!r}: cannot read {part!r}; write a region as 0.1-bottom or 0.3-top, joined by +")
    try:
        keep_prob = float(number)
    except ValueError:
        raise InputError(f"net {name!r}: {number!r} is not a keep probability") from None
    if not 0 <= keep_prob <= 1:
        raise InputError(f"net {name!r}: keep_prob {number} lies outside [0, 1]")
    return DefectSpec(keep_prob=keep_prob, region=region)  # type: ignore[arg-type]


# Defaults are the paper's settings (Section 4.1, Table 4); lengths in [0, 1] units.
ATTACK_DEFAULTS: dict[str, dict[str, Number]] = {
    "fgsm": {"eps": 16 / 255},
    "pgd": {"eps": 16 / 255, "step_size": 1 / 255, "steps": 20},
    "mifgsm": {"eps": 16 / 255, "step_size": 1 / 255, "steps": 20, "decay": 1.0},
    "cw": {"confidence": 0.0, "steps": 1000, "search_steps": 9, "lr": 0.01, "initial_const": 1e-3},
    "boundary": {"steps": 5000},
    "noise": {"sigma": 16 / 255},
}


class AttackSpec(Spec):
    """An attack by name with all its numbers, lengths in [0, 1] units.

    Example:
        >>> spec = AttackSpec.parse("pgd:eps=8/255,steps=7,step_size=2/255")
        >>> str(spec)
        'pgd:eps=8/255,step_size=2/255,steps=7'
        >>> AttackSpec.parse(str(spec)) == spec
        True
    """

    name: str
    parameters: dict[str, int | float]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME`` or ``NAME:PARAMETER=NUMBER,...``; a number may be a fraction such as ``16/255``.

        Raises:
            InputError: If the attack or a parameter is unknown or a number is out of range.
        """
        name, _, rest = text.partition(":")
        if name not in ATTACK_DEFAULTS:
            raise InputError(f"attack {text!r}: no attack {name!r}; there are {', '.join(ATTACK_DEFAULTS)}")
        parameters = dict(ATTACK_DEFAULTS[name])
        for assignment in filter(None, rest.split(",")):
            key, _, value = assignment.partition("=")
            if key not in parameters:
                raise InputError(f"attack {text!r}: {name} has no parameter {key!r}; it has {', '.join(parameters)}")
            parameters[key] = _parse_number(text, key, value)
        return cls.make(name=name, parameters=parameters)

    def __str__(self) -> str:
        numbers = (f"{key}={_format_number(key, value)}" for key, value in self.parameters.items())
        return f"{self.name}:{','.join(numbers)}"


_LENGTHS = ("eps", "step_size", "sigma")
_COUNTS = ("steps", "search_steps")


def _parse_number(text: str, key: str, value: str) -> Number:
    numerator, slash, denominator = value.partition("/")
    try:
        # The same float as what a person writes in Python: 16 / 255.
        number = float(numerator) / float(denominator) if slash else float(value)
    except (ValueError, ZeroDivisionError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"attack {text!r}: {key}={value!r} is not a number or fraction such as 16/255")
    if key in _COUNTS:
        if number < 1 or not number.is_integer():
            raise InputError(f"attack {text!r}: {key}={value} must be a whole number, at least 1")
        return int(number)
    if number < 0 or (key in _LENGTHS and number > 1):
        bound = "[0, 1]: write 16/255, not 16" if key in _LENGTHS else "[0, inf)"
        raise InputError(f"attack {text!r}: {key}={value} lies outside {bound}")
    return number


def _format_number(key: str, value: Number) -> str:
    pixels = value * 255
    if key in _LENGTHS and value and abs(pixels - round(pixels)) < 1e-9:
        return f"{round(pixels)}/255"
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _decimal(value: float) -> str:
    """The shortest decimal that reads back as the same number, without an exponent."""
    return f"{Decimal(repr(value)).normalize():f}"


class Recipe(Spec):
    """How a net is trained: plain SGD with momentum on cross-entropy, one schedule, one augmentation.

    ``schedule="one-cycle"`` warms up linearly over the first fifth and falls linearly to 0; ``"steps"`` divides the learning rate
    by 10 at each epoch of ``milestones``. ``selection="best-on-test"`` is the released code's choice and peeks at the test set.
    """

    name: str
    width_mult: Annotated[float, Field(gt=0, le=8)] = 1.0
    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=2)] = 128
    lr: Annotated[float, Field(gt=0)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    schedule: Literal["one-cycle", "steps"] = "one-cycle"
    milestones: tuple[int, ...] = ()
    augment: Literal["crop-flip", "flip", "resized-crop-flip", "none"] = "crop-flip"
    selection: Literal["last", "best-on-test"] = "last"
    norm_scale_init: Literal["one", "uniform"] = "one"

    @model_validator(mode="after")
    def _milestones_inside(self) -> Self:
        if any(not epoch > 0 for epoch in self.milestones) or list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones {self.milestones} must rise and be at least 1")
        return self

    def changed(self, **values: Any) -> "Recipe":
        """The same recipe with the values that are not None put in, renamed if anything changed."""
        given = {key: value for key, value in values.items() if value is not None and value != getattr(self, key)}
        if not given:
            return self
        return Recipe.make(**{**self.model_dump(), **given, "name": f"{self.name.removesuffix('*')}*"})
