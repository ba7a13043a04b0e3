"""Attack a source on its sample of the test set, piece by piece, and keep the images."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from defective.attacks import Attack, from_spec
from defective.data import Data
from defective.errors import InputError
from defective.evaluation.relations import Relation
from defective.evaluation.subject import Subject, said_of
from defective.evaluation.transfer import Crafted, Outcome, attack_batches, score
from defective.evaluation.work import Tensors
from defective.files import read_tensors, write_tensors
from defective.masks import stream
from defective.progress import progress_bar
from defective.specs import AttackSpec

# Images in one piece: what a kill can cost. Random attacks are seeded anew for each, so it is a constant.
CHUNK = 250


@dataclass(frozen=True)
class OwnAttack:
    """An attack of the user's own.

    Attributes:
        name: What it is called in tables.
        attack: Any callable ``(model, x, y) -> x_adv`` on float images in [0, 1].
        eps: Radius of its L-infinity ball, if it promises one: checked, and kept when rounding.
        version: Tells one state of its code from the next; pieces made by another are not used.
    """

    name: str
    attack: Attack
    eps: float | None = None
    version: str = ""

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
) -> Crafted:
    """Attack a source on its sample of the test set.

    Args:
        source: Net the attacker owns.
        attack: What to craft with.
        samples: Images, among those that the source classifies right.
        seed: Seed of the sample and of random attacks.
        rounded: Round to 8 bits.
        batch_size: Images attacked at once, at most 250; only time and memory depend on it.

    Raises:
        InputError: If the attack returns something other than images in [0, 1] and its ball.
    """
    index = source.sample(samples, seed=seed)
    parts: list[Tensors] = []
    with progress_bar(f"{attack} on {source.name}", len(index), unit="images") as advance:
        for number, chunk in enumerate(index.split(CHUNK)):
            function, eps = _function(attack, stream(seed, f"craft/{number}").initial_seed())
            what = source.identity("craft", chunk, attack=str(attack), eps=eps, version=getattr(attack, "version", ""))
            what |= {"seed": seed, "chunk": number, "rounded": rounded}
            settings: dict[str, Any] = {"eps": eps, "rounded": rounded, "batch_size": batch_size}
            done = 0

            def step(n: int) -> None:
                nonlocal done
                done += n
                advance(n)

            def make(chunk: Tensor = chunk, function: Attack = function, settings: dict[str, Any] = settings) -> Tensors:
                x, y = source.data.take(chunk)
                with said_of(f"{attack} on {source.name}"):
                    x_adv, predicted = attack_batches(source.model, x, y, function, **settings, advance=step)
                return {"x_adv": x_adv, "predicted": predicted}

            parts.append(source.work.piece(what, make))
            advance(len(chunk) - done)
    x, y = source.data.take(index)
    x_adv, predicted = (torch.cat([part[name] for part in parts]) for name in ("x_adv", "predicted"))
    how = {"seed": seed, "samples": samples, "rounded": rounded}
    return Crafted(x, y.cpu(), x_adv, predicted, index, source.name, str(attack), how)


def _function(attack: AttackSpec | OwnAttack, seed: int) -> tuple[Attack, float | None]:
    if isinstance(attack, OwnAttack):
        return attack.attack, attack.eps
    return from_spec(attack, seed=seed), attack.parameters.get("eps")


def score_on(target: Subject, crafted: Crafted, relation: Relation = "black-box") -> Outcome:
    """Let a target classify a crafted set, clean and attacked, unless that was done before."""
    what = target.identity("score", crafted.index, images=_digest(crafted.x_adv))

    def make() -> Tensors:
        with said_of(target.name):
            outcome = score(target.model, crafted)
        return {"clean": outcome.clean_correct, "adv": outcome.adv_correct}

    made = target.work.piece(what, make)
    return Outcome(target.name, crafted, made["clean"], made["adv"], relation)


def _digest(images: Tensor) -> str:
    return hashlib.sha256(images.contiguous().view(-1).view(torch.uint8).numpy().tobytes()).hexdigest()[:32]


def write_crafted(crafted: Crafted, data: Data, path: Path) -> None:
    """Keep attacked images in one safetensors file: ``x_adv``, ``y``, ``predicted``, ``index``."""
    tensors = {
        "x_adv": crafted.x_adv.contiguous(),
        "y": crafted.y,
        "predicted": crafted.predicted,
        "index": crafted.index,
    }
    about = {"source": crafted.source, "attack": crafted.attack, "data": data.name, "settings": crafted.settings}
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
    settings = about.get("settings", {})
    return Crafted(x, y.cpu(), tensors["x_adv"], tensors["predicted"], index, about["source"], about["attack"], settings)
