"""Models trained by two processes over gloo: ``torchrun --nproc-per-node 2 processes.py FOLDER MODEL ...`` writes ``FOLDER/RANK.pt``.

Each process takes half of the images for one step and writes what the model computes then, for the test to compare with one process
that had all of them. Norms stay in eval mode: their statistics would differ with the images.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from defective import load, save
from interop.models import MODELS, Cell, defective_model, images
from interop.weights import Model


def data_parallel(cell: Cell) -> tuple[Model, Model]:
    return _saved_and_reference(cell, "DDP")


def sharded(cell: Cell) -> tuple[Model, Model]:
    return _saved_and_reference(cell, "FSDP2")


def _saved_and_reference(cell: Cell, tool: str) -> tuple[Model, Model]:
    """The model that two processes trained and saved, and one trained here; what each process computed is that as well."""
    folder = Path(_trained().name)
    _step(cell.model, cell.x)
    with torch.no_grad():
        wanted = cell.model(cell.x)
    for rank in range(2):
        logits = torch.load(folder / f"{rank}.pt")[tool, cell.name]
        torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))
    return load(folder / f"{tool} {cell.name}.safetensors", None if MODELS[cell.name].spec else cell.plain()), cell.model


@cache
def _trained() -> "tempfile.TemporaryDirectory[str]":
    folder = tempfile.TemporaryDirectory()
    names = [name for name, architecture in MODELS.items() if importlib.util.find_spec(architecture.package)]
    processes = ["--nproc_per_node=2", "--master_addr=127.0.0.1", "--master_port=0"]
    rendezvous = ["--rdzv_backend=c10d", "--rdzv_endpoint=127.0.0.1:0"]
    command = [sys.executable, "-m", "torch.distributed.run", *processes, *rendezvous, __file__, folder.name, *names]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return folder


def _step(model: nn.Module, x: Tensor) -> torch.optim.Optimizer:
    # The loss is a mean over the images, so that the mean over the processes is that of all images.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    with torch.enable_grad():
        model(x).square().mean().backward()
    optimizer.step()
    return optimizer


def _data_parallel(name: str, half: Tensor) -> nn.Module:
    model = DistributedDataParallel(defective_model(name))
    _step(model, half)
    return model


def _sharded(name: str, half: Tensor) -> nn.Module:
    """The model after one step, taken through the state dicts of model and optimizer into one that had other masks."""
    first, second = _shard(name, seed=0), _shard(name, seed=1)
    optimizer, other = _step(first, half), _step(second, half)
    state: Any = dict(zip(("model_state_dict", "optim_state_dict"), get_state_dict(first, optimizer), strict=True))
    set_state_dict(second, other, **state)
    return second


def _shard(name: str, *, seed: int) -> nn.Module:
    model, mesh = defective_model(name, seed=seed), init_device_mesh("cpu", (2,))
    # A site by itself, as sharding layer by layer does it, then the rest.
    fully_shard(model.get_submodule(MODELS[name].stem[1]), mesh=mesh)
    return fully_shard(model, mesh=mesh)


def _main(folder: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    half = images().chunk(2)[dist.get_rank()]
    found = {}
    for name in names:
        for tool, train in (("DDP", _data_parallel), ("FSDP2", _sharded)):
            model = train(name, half)
            with torch.no_grad():
                found[tool, name] = model(images())
            save(model, folder / f"{tool} {name}.safetensors")
    torch.save(found, folder / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
