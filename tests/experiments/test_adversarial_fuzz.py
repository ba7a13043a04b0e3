"""Whatever a file of adversarial images holds, it is read or refused in one line."""

import random
from contextlib import suppress

import pytest
import torch

from defective import InputError
from defective.evaluation import generate, score
from defective.experiments.adversarial_files import read_adversarial, write_adversarial
from defective.files import read_tensors, write_tensors
from effort import effort
from evaluations import FGSM

EXAMPLES = effort(150, 10_000)
VALUES = [None, True, -1, 2**70, 0.5, "", "\ud800", "x" * 20_000, [], {}, {"seed": "0"}, {"defense": 1}, {"seed": -1}, [[]] * 9]
TYPES = (torch.bool, torch.int8, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64, torch.float8_e4m3fn)


@pytest.fixture
def made(source, tmp_path):
    file = tmp_path / "made.safetensors"
    write_adversarial(generate(source, FGSM, samples=5), source.data, file)
    return file


def mutated(tensors, about, rng):
    """One field or one tensor replaced by something else of a wrong kind, size or value."""
    name = rng.choice([*tensors, *about, "more"])
    if name not in tensors:
        return tensors, about | {name: rng.choice(VALUES)}
    tensor = tensors[name]
    changes = [
        lambda: tensor.to(rng.choice(TYPES)),
        lambda: tensor[: rng.randrange(5)],
        lambda: tensor[None],
        lambda: torch.full_like(tensor, rng.choice([0, 1, 255])),
        lambda: tensor.long() + rng.choice([-(2**62), -300, -1, 1, 300, 2**62]),
        lambda: tensor.float() * rng.choice([float("nan"), float("inf"), 1e30]),
        lambda: tensor.flatten()[0],
        lambda: torch.empty(0, 3),
    ]
    return tensors | {name: rng.choice(changes)().contiguous()}, about


def test_mutated_fields_and_tensors(source, made):
    rng, (tensors, about) = random.Random(0), read_tensors(made)
    refused = 0
    for _ in range(EXAMPLES):
        other, more = mutated(tensors, about, rng)
        write_tensors(made, other, more)
        try:
            score(source, read_adversarial(made, source.data)).cell()
        except InputError as error:
            refused += 1
            assert str(made) in str(error) and "\n" not in str(error)
    assert EXAMPLES / 3 < refused < EXAMPLES


def test_mutated_bytes(source, made):
    rng, whole = random.Random(0), made.read_bytes()
    for _ in range(EXAMPLES):
        spoilt = bytearray(whole)
        for _ in range(rng.choice([1, 3])):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        made.write_bytes(spoilt[: rng.choice([len(spoilt), rng.randrange(len(spoilt))])])
        with suppress(InputError):
            score(source, read_adversarial(made, source.data)).cell()
