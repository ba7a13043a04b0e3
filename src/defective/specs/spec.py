"""What all specs share: frozen values, one canonical JSON form, a content hash."""

import hashlib
import json
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from defective.errors import InputError


class Spec(BaseModel):
    """A frozen value with a canonical JSON form and a content hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def version(self) -> int:
        """Version of what the spec describes, raised when equal values mean something else than before."""
        return 1

    @property
    def key(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON of all values and versions, those inside included."""
        canonical = json.dumps(_plain(self), sort_keys=True, separators=(",", ":"))
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


def _plain(value: object) -> object:
    if isinstance(value, Spec):
        return {"version": value.version, **{name: _plain(getattr(value, name)) for name in type(value).model_fields}}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
