"""Attacks by name, with all their numbers."""

import math
from typing import Self

from pydantic import model_validator

from defective.errors import InputError
from defective.specs.spec import Spec
from defective.specs.versions import ATTACK_VERSIONS
from defective.text import choices, visible

Number = int | float

_HOPSKIPJUMP = {"steps": 40, "initial_queries": 100, "max_queries": 10_000, "radius": 0.01}
_MIFGSM = {"eps": 16 / 255, "step_size": 1 / 255, "steps": 20, "decay": 1.0}

# Defaults are the paper's settings (Section 4.1, Table 4) where it has the attack; lengths in [0, 1] units.
ATTACK_DEFAULTS: dict[str, dict[str, Number]] = {
    "fgsm": {"eps": 16 / 255},
    "pgd": {"eps": 16 / 255, "step_size": 1 / 255, "steps": 20, "random_start": 0},
    "mifgsm": _MIFGSM,
    "difgsm": {**_MIFGSM, "resize_rate": 0.9, "diversity_prob": 0.5},
    "tifgsm": {**_MIFGSM, "kernel_size": 7},
    "sifgsm": {**_MIFGSM, "scales": 5},
    "nifgsm": _MIFGSM,
    "vmifgsm": {**_MIFGSM, "neighbors": 20, "beta": 1.5},
    "lspga": {"eps": 8 / 255, "logit_step": 1.0, "steps": 7, "anneal": 1.2},
    "cw": {"confidence": 0.0, "steps": 1000, "search_steps": 9, "lr": 0.01, "initial_const": 1e-3},
    "boundary": {"steps": 5000, "directions": 1},
    "hopskipjump": _HOPSKIPJUMP,
    "hopskipjump-linf": _HOPSKIPJUMP,
    "noise": {"sigma": 16 / 255},
    "autoattack": {"eps": 8 / 255},
}
# Parameters that are written in an attack's name only where they differ from their default.
_OPTIONAL = ("random_start", "directions")

# The paper's white-box attacks, by their columns in Table 8.
WHITE_BOX_ATTACKS = {
    "FGSM1": "fgsm:eps=1/255",
    "FGSM2": "fgsm:eps=2/255",
    "FGSM4": "fgsm:eps=4/255",
    "PGD2": "pgd:eps=2/255,step_size=1/255,steps=4",
    "PGD4": "pgd:eps=4/255,step_size=1/255,steps=6",
    "PGD8": "pgd:eps=8/255,step_size=1/255,steps=10",
}

# Those that a model can be trained on: their steps follow the gradient.
GRADIENT_ATTACKS = ("fgsm", "pgd", "mifgsm", "difgsm", "tifgsm", "sifgsm", "nifgsm", "vmifgsm", "lspga")

_LENGTHS = ("eps", "step_size", "sigma")
_COUNTS = ("steps", "search_steps", "kernel_size", "scales", "neighbors", "initial_queries", "max_queries")
_SHARES = ("resize_rate", "diversity_prob", "radius")
_POSITIVE = ("lr", "initial_const", "logit_step", "anneal", "radius")
# More steps, or a larger number, than any attack could take; beyond it a number no longer fits a tensor.
_LARGEST = 10**9


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

    @property
    def version(self) -> int:
        """Version of the attack's function."""
        return ATTACK_VERSIONS.get(self.name, 1)

    @model_validator(mode="after")
    def _known_and_in_range(self) -> Self:
        if self.name not in ATTACK_DEFAULTS:
            raise ValueError(_unknown(self.name))
        known = ATTACK_DEFAULTS[self.name]
        if missing := known.keys() - self.parameters.keys():
            raise ValueError(f"{self.name} needs {', '.join(sorted(missing))}")
        for key, value in self.parameters.items():
            if key not in known:
                raise ValueError(f"{self.name} has no parameter {key!r}{choices(key, known)}")
            _check_range(key, value)
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME`` or ``NAME:PARAMETER=NUMBER,...``; a number may be a fraction such as ``16/255``.

        Raises:
            InputError: If the attack or a parameter is unknown or named twice, or a number is out of range.
        """
        if not isinstance(text, str):
            raise InputError(f"the attack is {type(text).__name__}, not text such as 'pgd:eps=8/255'")
        name, _, rest = text.partition(":")
        if name not in ATTACK_DEFAULTS:
            raise InputError(_unknown(name))
        given: dict[str, Number] = {}
        for assignment in filter(None, map(str.strip, rest.split(","))):
            key, _, value = assignment.partition("=")
            if key in given:
                raise InputError(f"attack {text[:80]!r} names {visible(key[:80])} twice: write it once")
            given[key] = _parse_number(text, key, value)
        try:
            return cls.make(name=name, parameters=ATTACK_DEFAULTS[name] | given)
        except InputError as error:
            raise InputError(f"attack {text[:80]!r}: {error}") from None

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.parameters.items())))

    def __str__(self) -> str:
        default = ATTACK_DEFAULTS[self.name]
        named = ((key, value) for key, value in self.parameters.items() if key not in _OPTIONAL or value != default[key])
        return f"{self.name}:{','.join(f'{key}={_format_number(key, value)}' for key, value in named)}"


def _unknown(name: str) -> str:
    return f"no attack {name[:80]!r}{choices(name, ATTACK_DEFAULTS)}"


def _parse_number(text: str, key: str, value: str) -> Number:
    numerator, slash, denominator = value.partition("/")
    try:
        # The same float as what a person writes in Python: 16 / 255.
        number = float(numerator) / float(denominator) if slash else float(value)
    except (ValueError, ZeroDivisionError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"attack {text[:80]!r}: {visible(key[:80])}={value[:80]!r} is not a number or fraction such as 16/255")
    return int(number) if key in (*_COUNTS, *_OPTIONAL) and number.is_integer() else number


def _check_range(key: str, value: Number) -> None:
    if not abs(value) <= _LARGEST:
        raise ValueError(f"{key} is {str(value)[:20] if abs(value) < 10**400 else 'a huge number'}: use at most {_LARGEST:g}")
    shown = _exact(value)
    if key in _COUNTS and (value < 1 or value != int(value)):
        raise ValueError(f"{key}={shown} must be a whole number, at least 1")
    if key == "kernel_size" and value % 2 == 0:
        raise ValueError(f"kernel_size={shown} must be odd")
    if key == "random_start" and value not in (0, 1):
        raise ValueError(f"random_start={shown} must be 0 or 1")
    if key == "directions" and value not in (1, 25):
        raise ValueError(f"directions={shown} must be 1 (Foolbox 3) or 25 (Foolbox 1, the paper's)")
    if key in _LENGTHS and not 0 <= value <= 1:
        raise ValueError(f"{key}={shown} lies outside [0, 1]: write it as 16/255")
    if key in _SHARES and not 0 <= value <= 1:
        raise ValueError(f"{key}={shown} lies outside [0, 1]")
    if key in _POSITIVE and not value > 0:
        raise ValueError(f"{key}={shown} must be above 0")
    if value < 0:
        raise ValueError(f"{key}={shown} lies outside [0, inf)")


def _format_number(key: str, value: Number) -> str:
    pixels = round(value * 255)
    # The text is read back as the same number.
    return f"{pixels}/255" if key in _LENGTHS and value and pixels / 255 == value else _exact(value)


def _exact(value: Number) -> str:
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)
