"""Train one model, by name or from its builder, into a folder with the checkpoint and the result."""

import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from pydantic import BaseModel
from torch import nn

from defective.attacks.logit_space import encoders
from defective.build import build, member_seed
from defective.data import Data
from defective.errors import InputError
from defective.files import check_folder, read_tensors, write_text
from defective.inference import as_images, reported
from defective.machine import choose_device, describe_machine, rank_and_world_size, resolve_precision
from defective.models import Ensemble
from defective.models.normalize import Normalize
from defective.sites import architecture_of
from defective.specs import NetSpec, Recipe
from defective.specs.spec import validated
from defective.surgery import defects
from defective.training.checkpoint import load, save
from defective.training.loop import fit, test_accuracy
from defective.training.own_model import OwnModel
from defective.training.state import set_aside

Result = dict[str, Any]


def train(
    spec: NetSpec | str | OwnModel,
    data: Data,
    test: Data,
    recipe: Recipe,
    out: str | Path,
    *,
    seed: int = 0,
    mask_seed: int | None = None,
    device: str | None = None,
    precision: str = "auto",
    light_epochs: Sequence[int] = (),
) -> Result:
    """Build and train a model; write ``model.safetensors`` and ``result.json`` into ``out``.

    A finished run is not repeated: the stored result comes back. One that was killed, interrupted or stopped by a deadline
    (:func:`defective.progress.until`, checked between epochs) resumes after the last epoch that is stored. Corrupt files of the run
    are renamed, with a warning, and it begins again. An ensemble trains its members one after another in ``out/member-0`` and so on.
    Under torchrun each batch is shared among the processes.

    Args:
        spec: Model to train: built in (see :func:`defective.build`), or one of yours.
        data, test: Training and test images.
        recipe: How to train; ``recipe.width_mult`` scales a built-in model.
        out: Folder of the run.
        seed, mask_seed: Seeds of weights and order, and of the masks if they should differ.
        device, precision: As in :func:`defective.training.loop.fit`.
        light_epochs: Epochs after which a checkpoint is left in :func:`light_checkpoint`, its weights rounded to half precision: what
            the recipe gives with that ``stop_after``. Not of ensembles.

    Returns:
        The content of ``result.json``: spec, seed, recipe, data, test accuracy, history, cost and machine.

    Raises:
        InputError: If ``out`` holds another run, even of other images, or cannot be written, or training cannot go on, or quoting an
            error of your model.
        OutOfTime: If the deadline has passed before the last epoch.
    """
    spec = NetSpec.parse(spec) if isinstance(spec, str) else spec
    out = Path(out)
    mask_seed = seed if mask_seed is None else mask_seed
    identity = _identity(spec, data, test, recipe, seed, mask_seed)
    net: nn.Module
    if isinstance(spec, OwnModel):
        net = spec.built(data, seed=seed, mask_seed=mask_seed)
        built_in = architecture_of(net) is not None
        recipe.check_model(spec, masked=bool(defects(net)), thermometer=bool(encoders(net)), built_in=built_in)
        identity |= spec.identity(net)
    else:
        recipe.check_model(spec, masked=spec.masked, thermometer=bool(spec.thermometer))
    if done := _finished(out, identity):
        return done
    check_folder(out)
    torch_device = choose_device(device)
    precision = resolve_precision(torch_device, precision)
    if isinstance(spec, NetSpec):
        channels, image_size, _ = data.image_shape
        shape: dict[str, Any] = {"num_classes": len(data.classes), "in_chans": channels, "image_size": image_size}
        net = build(spec, seed=seed, mask_seed=mask_seed, width_mult=recipe.width_mult, **shape)
    history: list[Any] = []
    if isinstance(spec, NetSpec) and isinstance(net, Ensemble):
        for i in range(spec.members):
            seeds: dict[str, Any] = {"seed": member_seed(seed, i), "mask_seed": member_seed(mask_seed, i)}
            member_folder = out / f"member-{i}"
            member = train(spec.member(), data, test, recipe, member_folder, **seeds, device=device, precision=precision)
            net.members[i] = load(member_folder).to(torch_device)
            history += member["history"]
    else:
        if rank_and_world_size()[1] > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if torch_device.type == "cuda" else "gloo")
        if recipe.normalization == "pixel-mean":
            _subtract_pixel_mean_(net, data)

        def keep(epochs: int) -> None:
            if epochs in light_epochs:
                save(net, light_checkpoint(out, epochs), notes={**_notes(identity), "epochs": epochs}, half=True)

        with nullcontext() if isinstance(spec, NetSpec) else reported(f"{spec} cannot be trained", model=False):
            history = fit(
                net,
                data,
                recipe,
                seed=seed,
                test=test,
                device=str(torch_device),
                precision=precision,
                state_file=out / "state.safetensors",
                state_key=json.dumps(identity, sort_keys=True),
                after_epoch=keep,
            )
    return _conclude(net, test, out, identity, history, describe_machine(torch_device, precision))


def light_checkpoint(out: Path, epochs: int) -> Path:
    """Where a run leaves the checkpoint of an epoch."""
    return out / "epochs" / f"{epochs}.safetensors"


def _notes(of: Result) -> Result:
    own = ("net", "image_shape") if of["spec"] is None else ()
    return {key: of[key] for key in (*own, "data", "classes", "recipe")}


def _identity(spec: NetSpec | OwnModel, data: Data, test: Data, recipe: Recipe, seed: int, mask_seed: int) -> dict[str, Any]:
    return {
        "net": str(spec),
        "spec": spec.model_dump(mode="json") if isinstance(spec, NetSpec) else None,
        "seed": seed,
        "mask_seed": mask_seed,
        "data": data.name,
        "train_images": len(data),
        "image_shape": list(data.image_shape),
        "classes": list(data.classes),
        "recipe": recipe.model_dump(mode="json"),
        "training_set": data.digest,
        "test_set": test.digest,
    }


class _Epoch(BaseModel):
    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float
    images_per_second: float


class _Measured(BaseModel):
    """What is read of a stored result beside its identity."""

    test_accuracy: float
    seconds: float
    history: list[_Epoch]


def _finished(out: Path, identity: dict[str, Any]) -> Result | None:
    """The result of the run if it is finished; files of it that are corrupt are set aside, and then it is not."""
    file, model = out / "result.json", out / "model.safetensors"
    if not file.exists():
        return None
    # An error of the disk says nothing about what the file holds.
    content = file.read_bytes()
    try:
        with reported(f"{file} is corrupt"):
            result = json.loads(content)
            other = _difference(result, identity)
        # Files of another run, or of another program, stay where they are.
        if other is None:
            validated(_Measured, result)
            read_tensors(model)
    except InputError as error:
        set_aside([file, model], str(error))
        return None
    if other is not None:
        raise InputError(f"{out} holds another training run (its {other} differs): choose another folder")
    if rank_and_world_size()[0] == 0:
        # Left by a process that was killed between the last two steps of its work.
        (out / "state.safetensors").unlink(missing_ok=True)
    return result  # type: ignore[no-any-return]


def _difference(result: Result, identity: dict[str, Any]) -> str | None:
    """The first part of the identity in which a stored result is that of another run."""
    wanted = json.loads(json.dumps(identity))
    return next((key for key, value in wanted.items() if result.get(key) != value), None)


def _conclude(net: nn.Module, test: Data, out: Path, identity: Result, history: list[Any], machine: Result) -> Result:
    started = time.perf_counter()
    result = {
        **identity,
        "test_images": len(test),
        "test_accuracy": test_accuracy(net, test),
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "seconds": sum(row["seconds"] for row in history) + time.perf_counter() - started,
        "machine": machine,
        "history": history,
    }
    if rank_and_world_size()[0] == 0:
        save(net, out / "model.safetensors", notes={**_notes(result), "test_accuracy": result["test_accuracy"]})
        write_text(out / "result.json", json.dumps(result, indent=1))
        (out / "state.safetensors").unlink(missing_ok=True)
    if torch.distributed.is_initialized():
        # The others may go on to read what the first has written.
        torch.distributed.barrier()
    return result


def _subtract_pixel_mean_(model: nn.Module, data: Data) -> None:
    """Let a built-in model subtract the mean training image, as paper Appendix D has it; the released code normalises by channel."""
    total = torch.zeros(data.image_shape, dtype=torch.float64, device="cpu")
    for x, _ in data.batches(torch.arange(len(data), device="cpu"), 500):
        total += as_images(x.cpu()).double().sum(0)
    model.normalize = Normalize.centred((total / len(data)).float())
    architecture = architecture_of(model)
    assert architecture is not None
    model.architecture = architecture.model_copy(update={"pixel_mean": True})  # type: ignore[assignment]
