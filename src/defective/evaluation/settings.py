"""What an evaluation does, as plain values."""

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator

from defective.machine import Precision
from defective.specs import WHITE_BOX_ATTACKS, AttackSpec, Spec

Part = Literal["transfer", "white-box", "decision", "noise", "shuffle", "stimuli", "checks"]
PARTS: tuple[Part, ...] = get_args(Part)
# Which neurons of a model an attack computes.
Neurons = Literal["auto", "all", "live"]

# The paper's transfer attacks (Table 3, Table 4) and its white-box ones.
ATTACKS = tuple(map(AttackSpec.parse, ("pgd:eps=16/255", "fgsm:eps=16/255")))
WHITE_BOX = tuple(map(AttackSpec.parse, WHITE_BOX_ATTACKS.values()))

# In words, as users write it.
_Attack = Annotated[
    AttackSpec,
    BeforeValidator(lambda found: AttackSpec.parse(found) if isinstance(found, str) else found),
    PlainSerializer(str, when_used="json"),
]
# More than any data set has images.
_Count = Annotated[int, Field(ge=1, le=10**9)]


class Settings(Spec):
    """What an evaluation does and on how many images: arguments of :func:`defective.evaluation.evaluate`, with their ranges."""

    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = PARTS
    samples: _Count = 2000
    decision: _Attack = AttackSpec.parse("boundary:steps=5000")
    decision_samples: _Count = 100
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.99
    check_samples: _Count = 200
    mask_draws: Annotated[int, Field(ge=0, le=1000)] = 0
    neurons: Neurons = "auto"
    precision: Precision = "auto"
    rounded: bool = True
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    batch_size: _Count = 250

    @field_validator("decision")
    @classmethod
    def _queries_decisions(cls, decision: AttackSpec) -> AttackSpec:
        if decision.name == "hopskipjump-linf":
            raise ValueError(f"{decision} minimises another distance than S(M) measures: use hopskipjump")
        if decision.name not in ("boundary", "hopskipjump"):
            raise ValueError(
                f"{decision} needs more than decisions: use hopskipjump or boundary, for example boundary:steps=5000,directions=25"
            )
        return decision


# Of :func:`defective.evaluation.evaluate`, and of the options of ``defective evaluate``.
DEFAULTS = Settings()
