"""What all results share: frozen documents whose dump is the JSON that is stored and that ``--json`` prints."""

import math
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None


_null = PlainSerializer(_finite, return_type=float | None, when_used="json")
# A bound of an interval. JSON knows no infinity: null is a bound that lies nowhere.
Low = Annotated[float, BeforeValidator(lambda found: -math.inf if found is None else found), _null]
High = Annotated[float, BeforeValidator(lambda found: math.inf if found is None else found), _null]


class Document(BaseModel):
    """A typed result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The result that a file holds."""
        return cls.model_validate_json(text)
