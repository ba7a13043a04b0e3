"""What stands beside the tensors in a checkpoint: one schema, checked when a file is read."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from defective.baselines import Drop
from defective.masks import MaskDraw
from defective.specs import Architecture, Kind, NetSpec, Spec

# Raised when files of before cannot be read any more.
FORMAT: Literal[2] = 2

_Share = Annotated[float, Field(ge=0, le=1)]


class EnsembleArchitecture(Spec):
    """The architectures of an ensemble's members."""

    members: Annotated[tuple[Architecture, ...], Field(min_length=1)]


class CheckpointMetadata(BaseModel):
    """The JSON document of a checkpoint.

    Attributes:
        architecture: How to construct the model; None for one that is not built in.
        spec, build_options: As :func:`defective.build` set them; None where they do not describe the model any more.
        defects: How the mask at each site was drawn; None where that is unknown. The masks themselves are tensors of the file.
        drops: Site, keep probability and kind of each dropout.
        notes: What the writer added.
        half: Whether parameters of float32 were rounded to float16.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[2] = FORMAT
    version: str
    architecture: Architecture | EnsembleArchitecture | None
    spec: NetSpec | None
    build_options: dict[str, Any] | None
    defects: dict[str, MaskDraw | None]
    drops: tuple[tuple[str, _Share, Kind], ...]
    notes: dict[str, Any]
    half: bool = False

    @model_validator(mode="after")
    def _each_dropout_once(self) -> Self:
        places = [(site, kind) for site, _, kind in self.drops]
        if len(set(places)) < len(places):
            raise ValueError("a site has the same kind of dropout twice")
        return self

    @property
    def dropouts(self) -> list[Drop]:
        """The dropout of the model."""
        return [Drop(*values) for values in self.drops]
