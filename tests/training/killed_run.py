"""A small training run in a process of its own, to be killed or shared by torchrun."""

import hashlib
import os
import sys
from itertools import count

import torch

from defective import load, progress
from defective.data import ImageSet, shapes
from defective.errors import OutOfTime
from defective.machine import rank_and_world_size
from defective.specs import Recipe
from defective.training.train import train


def say(line: str) -> None:
    """One line at once: two processes share the output."""
    os.write(1, f"{line}\n".encode())


def in_turns(work):
    """Stop after each epoch; the first process alone sees the time pass."""
    progress.monotonic = count().__next__ if rank_and_world_size()[0] == 0 else lambda: 0
    for stops in range(20):
        try:
            with progress.until(2):
                result = work()
            say(f"stopped {stops} times")
            return result
        except OutOfTime:
            pass
    raise AssertionError("it makes no progress")


def main(out: str, in_pieces: str = "") -> None:
    """Train, and if there is a second folder, train again in turns; torchrun's processes then say what each has in the end."""
    torch.set_num_threads(1)
    made = shapes("test")
    data = ImageSet("some-shapes", "train", made.x[:100], made.y[:100], made.classes)
    recipe = Recipe(name="test", width_mult=0.0625, epochs=6, batch_size=20, lr=0.05)

    def work(folder):
        return train("resnet18/0.3-bottom", data, data, recipe, folder, device="cpu")

    result = work(out)
    if in_pieces:
        report(out, result)
        report(in_pieces, in_turns(lambda: work(in_pieces)))
        torch.distributed.destroy_process_group()


def report(out, result):
    torch.distributed.barrier()
    state = load(out).state_dict()
    digest = hashlib.sha256(b"".join(state[name].numpy().tobytes() for name in sorted(state))).hexdigest()
    losses = [round(row["train_loss"], 1) for row in result["history"]]
    assert losses[-1] < losses[0], losses
    say(f"rank {rank_and_world_size()[0]} {digest} {result['test_accuracy']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
