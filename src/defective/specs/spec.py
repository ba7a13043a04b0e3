"""What all specs share: frozen values, one canonical JSON form, a content hash."""

import hashlib
import json
import re
from functools import cached_property
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from defective.errors import InputError
from defective.text import nearest, plain

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
T = TypeVar("T", bound=BaseModel)


class Spec(BaseModel):
    """A frozen value with a canonical JSON form and a content hash, of all its values: those at their default, too."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def version(self) -> int:
        """Version of what the spec describes, raised when equal values mean something else than before."""
        return 1

    @cached_property
    def key(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON of the values and versions, those inside included."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:16]

    @cached_property
    def canonical(self) -> str:
        """JSON of the values and versions, the names sorted; specs of thousands of jobs share their parts, so each is written once."""
        texts = {name: _canonical(getattr(self, name)) for name in type(self).model_fields} | {"version": str(self.version)}
        return "{" + ",".join(f'"{name}":{text}' for name, text in sorted(texts.items())) + "}"

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __copy__(self) -> Self:
        copied = super().__copy__()
        # The copy is made to be changed.
        for remembered in ("canonical", "key"):
            copied.__dict__.pop(remembered, None)
        return copied

    @classmethod
    def make(cls, /, **values: object) -> Self:
        """Validate ``values``; a mistake becomes one line that names the field and the value."""
        return validated(cls, values)


def validated(kind: type[T], values: object) -> T:
    """Values as a document of this kind; a mistake becomes one line that names the field and the value."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = plain(first["msg"])
        if first["type"] == "literal_error" and (
            near := nearest(str(first["input"]), re.findall("'(.*?)'", first["ctx"]["expected"]))
        ):
            reason = f"did you mean {near}? It {reason}"
        value = _short(first["input"])
        named = isinstance(first["input"], str) and value in reason
        raise InputError(f"{field[:200]}{'' if named else f' = {value}'}: {reason}" if first["loc"] else reason) from None


def _short(value: object) -> str:
    """The representation of a value, which may come from any file, cut to a length that a line holds."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # A number of more digits than Python writes, or a list nested too deeply.
        text = f"a {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]}..."


def _canonical(value: object) -> str:
    if isinstance(value, Spec):
        return value.canonical
    if isinstance(value, tuple):
        return f"[{','.join(map(_canonical, value))}]"
    return _encode(value)
