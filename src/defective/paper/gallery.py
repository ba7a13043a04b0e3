"""What the galleries share: adversarial images of several nets, made from the same originals and judged by all of these nets."""

from dataclasses import dataclass

from defective.paper.exhibit import Cell, Cells, Row
from defective.paper.setup import Setup


def caption(strength: str, kept: str) -> str:
    """What rows and columns of a gallery are, given radius and steps of its attacks and which neurons its defective nets keep."""
    return (
        f"Rows are nets with the attack on their own gradients that made the images: MIFGSM of radius {strength} ({kept}). "
        "Columns are nets that judge, a number is the share of the images shown that they get right; where both are one net, the "
        "attack is white-box."
    )


@dataclass(frozen=True)
class Gallery:
    """Attacked nets and attacks on them; each attacked net also judges.

    Attributes:
        data: Kind of data set.
        nets: Net to label.
        attacks: Attack to label.
        among: Nets that must classify the originals right, so that galleries with the same ones show the same originals.
    """

    data: str
    nets: dict[str, str]
    attacks: dict[str, str]
    among: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Labels of the nets that judge."""
        return tuple(self.nets.values())

    @property
    def rows(self) -> tuple[Row, ...]:
        """One row for each attacked net and attack."""
        return tuple(
            Row(f"{net} {short}", f"{label}, {short}") for short in self.attacks.values() for net, label in self.nets.items()
        )

    def cells(self, setup: Setup) -> Cells:
        """Predictions of each judging net on each set of images."""
        found: dict[tuple[str, str], Cell] = {}
        among = tuple(setup.target(net, data=self.data) for net in self.among)
        for attack, short in self.attacks.items():
            for attacked in self.nets:
                crafted = setup.craft(
                    setup.target(attacked, data=self.data), attack=attack, samples=setup.scale.gallery, among=among
                )
                for judge, label in self.nets.items():
                    found[f"{attacked} {short}", label] = Cell(setup.score(setup.target(judge, data=self.data), crafted), "all")
        return found
