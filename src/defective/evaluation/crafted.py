"""Attack a source on its sample of the test set, piece by piece, and keep the images."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from defective.attacks import Attack, from_spec
from defective.data import Data
from defective.errors import InputError
from defective.evaluation.relations import Relation
from defective.evaluation.subject import Subject, digest_of, said_of
from defective.evaluation.transfer import Crafted, Outcome, attack_batches, score
from defective.evaluation.work import Tensors, Work
from defective.files import read_tensors, write_tensors
from defective.inference import device_of, evaluating
from defective.masks import stream
from defective.progress import Count, progress_bar
from defective.specs import AttackSpec

# Images in one piece: what a kill can cost. Random attacks are seeded anew for each, so it is a constant.
CHUNK = 250


@dataclass(frozen=True)
class OwnAttack:
    """An attack of the user's own.

    Attributes:
        name: What it is called in tables.
        attack: Any callable ``(model, x, y) -> x_adv`` on float images in [0, 1].
        eps: Radius of its L-infinity ball in [0, 1] units, if it promises one: checked, and kept when rounding.
        version: Tells one state of its code from the next; pieces made by another are not used. Without one no piece is kept.

    Raises:
        InputError: If ``eps`` lies outside [0, 1].
    """

    name: str
    attack: Attack
    eps: float | None = None
    version: str = ""

    def __post_init__(self) -> None:
        if self.eps is not None:
            if not 0 <= float(self.eps) <= 1:
                raise InputError(f"attack {self.name}: eps {self.eps} lies outside [0, 1]: write 16/255, not 16")
            # A plain number, whatever kind of number it was.
            object.__setattr__(self, "eps", float(self.eps))

    def __str__(self) -> str:
        return self.name


def craft_on(
    source: Subject,
    attack: AttackSpec | OwnAttack,
    *,
    samples: int,
    seed: int = 0,
    rounded: bool = True,
    batch_size: int = CHUNK,
    index: Tensor | None = None,
) -> Crafted:
    """Attack a source on its sample of the test set, or on the test images at ``index``.

    Args:
        source: Net the attacker owns.
        attack: What to craft with.
        samples: Images, among those that the source classifies right.
        seed: Seed of the sample and of random attacks.
        rounded: Round to 8 bits.
        batch_size: Images attacked at once, at most 250. For the attacks of this library only time and memory depend on it;
            AutoAttack and attacks of your own may draw other numbers for another size.

    Raises:
        InputError: If the attack returns something other than images in [0, 1] and its ball, or changes the source.
    """
    index = source.sample(samples, seed=seed) if index is None else index
    own = isinstance(attack, OwnAttack)
    how = {"seed": seed, "rounded": rounded, "eps": attack.eps if isinstance(attack, OwnAttack) else attack.parameters.get("eps")}
    if own or str(attack).startswith("autoattack"):
        how["batch_size"] = batch_size
    work = Work() if isinstance(attack, OwnAttack) and not attack.version else source.work
    parts: list[Tensors] = []
    with progress_bar(f"{attack} on {source.name}", len(index), unit="images") as advance:
        for number, chunk in enumerate(index.split(CHUNK)):
            what = source.identity("craft", chunk, attack=str(attack), version=getattr(attack, "version", ""), chunk=number, **how)
            count = Count(advance)

            def make(chunk: Tensor = chunk, number: int = number, count: Count = count) -> Tensors:
                chunk_seed = stream(seed, f"craft/{number}").initial_seed()
                with said_of(f"{attack} on {source.name}"), unchanged(source.model):
                    return _attacked(source, chunk, attack, chunk_seed, how["eps"], rounded, batch_size, count)

            parts.append(work.piece(what, make))
            count.to(len(chunk))
    x, y = source.data.take(index)
    x_adv, predicted = (torch.cat([part[name] for part in parts]) for name in ("x_adv", "predicted"))
    settings = {"seed": seed, "samples": samples, "rounded": rounded}
    return Crafted(x, y.cpu(), x_adv, predicted, index, source.name, str(attack), settings, source.fingerprint)


def _attacked(
    source: Subject,
    index: Tensor,
    attack: AttackSpec | OwnAttack,
    seed: int,
    eps: float | None,
    rounded: bool,
    batch_size: int,
    advance: Callable[[int], object],
) -> Tensors:
    x, y = source.data.take(index)
    settings: dict[str, Any] = {"eps": eps, "rounded": rounded, "batch_size": batch_size, "advance": advance}
    if isinstance(attack, AttackSpec):
        x_adv, predicted = attack_batches(source.model, x, y, from_spec(attack, seed=seed), **settings)
    else:
        # An attack of the user's own draws from torch's global generator, if it draws.
        device = device_of(source.model)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            x_adv, predicted = attack_batches(source.model, x, y, attack.attack, **settings)
    return {"x_adv": x_adv, "predicted": predicted}


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Refuse an attack that changes the model: everything after it would be measured on another one.

    Raises:
        InputError: If a weight or buffer is written inside the block.
    """
    tensors = [*model.parameters(), *model.buffers()]
    before = [tensor._version for tensor in tensors]
    with evaluating(model):
        yield
    if [tensor._version for tensor in tensors] != before:
        raise InputError("the attack changed the model's weights or running statistics: attack a copy, in eval mode")


def score_on(target: Subject, crafted: Crafted, relation: Relation = "black-box") -> Outcome:
    """Let a target classify a crafted set, clean and attacked, unless that was done before."""
    what = target.identity("score", crafted.index, images=digest_of([crafted.x_adv]))

    def make() -> Tensors:
        with said_of(target.name):
            outcome = score(target.model, crafted)
        return {"clean": outcome.clean_correct, "adv": outcome.adv_correct}

    made = target.work.piece(what, make)
    if crafted.fingerprint == target.fingerprint:
        # Also where the images come from a file and their source is not at hand.
        relation = "white-box"
    return Outcome(target.name, crafted, made["clean"], made["adv"], relation)


def write_crafted(crafted: Crafted, data: Data, path: Path) -> None:
    """Keep attacked images in one safetensors file: ``x_adv``, ``y``, ``predicted``, ``index``."""
    tensors = {
        "x_adv": crafted.x_adv,
        "y": crafted.y,
        "predicted": crafted.predicted,
        "index": crafted.index,
    }
    about = {name: getattr(crafted, name) for name in ("source", "attack", "settings", "fingerprint")} | {"data": data.name}
    write_tensors(path, tensors, about)


def read_crafted(path: Path, data: Data) -> Crafted:
    """Read attacked images again, with their clean versions from the test set.

    Raises:
        InputError: If the file is damaged, of another kind, or was made from another data set.
    """
    tensors, about = read_tensors(path)
    if about.get("data") != data.name or not {"x_adv", "y", "predicted", "index"} <= tensors.keys():
        raise InputError(f"{path} holds no images attacked from {data.name} (it says {about.get('data')!r})")
    index = tensors["index"]
    if len(index) and int(index.max()) >= len(data):
        raise InputError(f"{path} names test image {int(index.max())}, {data.name} has {len(data)}")
    x, y = data.take(index)
    if not torch.equal(y.cpu(), tensors["y"]):
        raise InputError(f"{path} was made from other labels than those of {data.name} here")
    if x.shape != tensors["x_adv"].shape:
        here, there = tuple(x.shape[1:]), tuple(tensors["x_adv"].shape[1:])
        raise InputError(f"{path} holds images of shape {there}, those of {data.name} here are {here}")
    made: dict[str, Any] = {name: tensors[name] for name in ("x_adv", "predicted")}
    made |= {name: about[name] for name in ("source", "attack", "settings", "fingerprint") if name in about}
    return Crafted(x=x, y=y.cpu(), index=index, **made)
