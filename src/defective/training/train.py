"""Train one net from its name to a folder with the checkpoint and the measured result."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from pydantic import ValidationError
from torch import nn

from defective.build import build, member_seed
from defective.data import Data
from defective.errors import InputError
from defective.files import write_whole
from defective.machine import choose_device, describe_machine, rank_and_world_size, resolve_precision
from defective.models import Ensemble
from defective.specs import NetSpec, Recipe
from defective.training.checkpoint import load, save
from defective.training.loop import fit, test_accuracy

Result = dict[str, Any]


def train(
    spec: NetSpec | str,
    data: Data,
    test: Data,
    recipe: Recipe,
    out: str | Path,
    *,
    seed: int = 0,
    mask_seed: int | None = None,
    device: str | None = None,
    precision: str = "auto",
) -> Result:
    """Build and train a net; write ``model.safetensors`` and ``result.json`` into ``out``.

    A finished run is not repeated: the stored result comes back. A killed one goes on after its last whole epoch, one that a deadline
    stopped (:func:`defective.progress.until`) at its next step. An ensemble trains its members one after another in ``out/member-0``
    and so on. Under torchrun each batch is shared among the processes, and a deadline waits for the end of the epoch.

    Args:
        spec: Net to train (see :func:`defective.build`).
        data, test: Training and test images.
        recipe: How to train; ``recipe.width_mult`` scales the net.
        out: Folder of the run.
        seed, mask_seed: Seeds of weights and order, and of the masks if they should differ.
        device, precision: As in :func:`defective.training.loop.fit`.

    Returns:
        The content of ``result.json``: spec, seed, recipe, data, test accuracy, history, cost and machine.

    Raises:
        InputError: If ``out`` holds another run, or training cannot go on.
        OutOfTime: If the deadline has passed before the last step.
    """
    spec = NetSpec.parse(spec) if isinstance(spec, str) else spec
    out = Path(out)
    mask_seed = seed if mask_seed is None else mask_seed
    identity = _identity(spec, data, recipe, seed, mask_seed)
    done = _finished(out, identity)
    if done:
        return done
    if recipe.adversarial is not None and recipe.adversarial.name == "lspga" and not spec.thermometer:
        raise InputError(f"{spec} has no thermometer, and lspga attacks its levels: train {spec.arch}/therm16, or use madry")
    place = choose_device(device)
    precision = resolve_precision(place, precision)
    channels, image_size, _ = data.image_shape
    shape: dict[str, Any] = {"num_classes": len(data.classes), "in_chans": channels, "image_size": image_size}
    net = build(spec, seed=seed, mask_seed=mask_seed, width_mult=recipe.width_mult, **shape)
    history: list[Any] = []
    if isinstance(net, Ensemble):
        for i in range(spec.members):
            seeds = {"seed": member_seed(seed, i), "mask_seed": member_seed(mask_seed, i)}
            place_of_member = out / f"member-{i}"
            member = train(spec.member(), data, test, recipe, place_of_member, **seeds, device=device, precision=precision)
            net.members[i] = load(place_of_member).to(place)
            history += member["history"]
    else:
        _join_processes(place)
        state = {"state_file": out / "state.safetensors", "state_key": json.dumps(identity, sort_keys=True)}
        history = fit(net, data, recipe, seed=seed, test=test, device=str(place), precision=precision, **state)  # type: ignore[arg-type]
    return _conclude(net, test, out, identity, history, describe_machine(place, precision))


def _identity(spec: NetSpec, data: Data, recipe: Recipe, seed: int, mask_seed: int) -> dict[str, Any]:
    return {
        "net": str(spec),
        "spec": spec.model_dump(mode="json"),
        "seed": seed,
        "mask_seed": mask_seed,
        "data": data.name,
        "train_images": len(data),
        "image_shape": list(data.image_shape),
        "classes": list(data.classes),
        "recipe": recipe.model_dump(mode="json"),
    }


def _finished(out: Path, identity: dict[str, Any]) -> Result | None:
    file = out / "result.json"
    if not file.exists():
        return None
    try:
        result: Result = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is corrupt ({error}): delete it, or choose another folder") from None
    stored = {key: result.get(key) for key in identity}
    # A result of an earlier version has fewer fields: what it did not know was at its default.
    for key, kind in (("spec", NetSpec), ("recipe", Recipe)):
        with suppress(ValidationError):
            stored[key] = kind.model_validate(stored[key]).model_dump(mode="json")
    if stored != json.loads(json.dumps(identity)):
        different = next(key for key in identity if stored[key] != json.loads(json.dumps(identity[key])))
        raise InputError(f"{out} holds another training run (its {different} differs): choose another folder")
    return result


def _conclude(
    net: nn.Module,
    test: Data,
    out: Path,
    identity: dict[str, Any],
    history: list[Any],
    machine: dict[str, Any],
) -> Result:
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
        notes = {key: result[key] for key in ("data", "classes", "recipe", "test_accuracy")}
        save(net, out / "model.safetensors", notes=notes)
        write_whole(out / "result.json", lambda temporary: temporary.write_text(json.dumps(result, indent=1), encoding="utf-8"))
        (out / "state.safetensors").unlink(missing_ok=True)
    if torch.distributed.is_initialized():
        # The others may go on to read what the first has written.
        torch.distributed.barrier()
    return result


def _join_processes(place: torch.device) -> None:
    if rank_and_world_size()[1] > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
