"""The inputs of :func:`defective.evaluation.evaluate`: models, data and attacks in the forms that users have."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from defective.attacks import Attack, from_spec
from defective.attacks.logit_space import encoders
from defective.data import Data, ImageSet, ImageStream
from defective.data.stimuli import Stimuli
from defective.errors import InputError
from defective.evaluation.adversarial import AdversarialSet, CustomAttack
from defective.inference import check_images, check_labels, logits, reported
from defective.sites import spec_of
from defective.specs import AttackSpec

Models = nn.Module | Sequence[nn.Module] | Mapping[str, nn.Module]
AnyData = Data | tuple[Tensor, Tensor] | list[Tensor] | DataLoader[Any] | torch.utils.data.Dataset[Any]
AnyAttack = str | AttackSpec | CustomAttack | Attack


_PASS = "pass images and labels (x, y), a Dataset or a DataLoader of such pairs"


def as_models(models: Models | None, *, others: Mapping[str, nn.Module] | None = None) -> dict[str, nn.Module]:
    """Name to model: one model, several, or several by name.

    A model without a name is called by its name in the grammar or its class, numbered where that is not unique; as in ``others`` where
    it is among them.

    Example:
        >>> list(as_models([nn.Flatten(), nn.Identity(), nn.Identity()]))
        ['Flatten', 'Identity 1', 'Identity 2']
    """
    if isinstance(models, Mapping):
        found = dict(models)
    else:
        listed = [] if models is None else [models] if isinstance(models, nn.Module) else list(models)
        known = {id(model): name for name, model in (others or {}).items()}
        own = [str(spec_of(model) or type(model).__name__) for model in listed]
        own = [f"source {name}" if name in known.values() else name for name in own]
        plain = [known.get(id(model), name) for model, name in zip(listed, own, strict=True)]
        counts, seen = Counter(plain), Counter[str]()
        found = {}
        for name, model in zip(plain, listed, strict=True):
            seen[name] += 1
            found[f"{name} {seen[name]}" if counts[name] > 1 else name] = model
    for name, model in found.items():
        if not isinstance(model, nn.Module):
            raise InputError(f"model {name!r} is {type(model).__name__}, not a torch.nn.Module: wrap it in a module with a forward")
    return found


def as_sources(sources: Models | None, models: Mapping[str, nn.Module], given: Collection[object]) -> dict[str, nn.Module]:
    """Name to source; by default the models themselves, where there are several and no adversarial sets are ``given``."""
    if sources is None and len(models) > 1 and not given:
        return dict(models)
    found = as_models(sources, others=models)
    for name, source in found.items():
        if models.get(name, source) is not source:
            raise InputError(f"a source and another model are both called {name!r}: give one of them another name")
    return found


def check_transfer(
    parts: Collection[str],
    sources: Collection[object],
    attacks: Collection[object],
    given: Collection[object],
) -> None:
    """Refuse the part transfer where it would measure nothing: without a source and ``given`` adversarial sets, or without an attack."""
    if "transfer" in parts and not sources and not given:
        raise InputError(
            "transfer needs a source: name one, or adversarial sets or further models, or leave transfer out of the parts"
        )
    if "transfer" in parts and sources and not attacks:
        raise InputError("transfer needs an attack: name one, or leave transfer out of the parts")


def check_given(adversarial: object, stimuli: object) -> None:
    """Refuse what is no adversarial sets, and no stimuli."""
    if not isinstance(adversarial, Sequence) or not all(isinstance(each, AdversarialSet) for each in adversarial):
        raise InputError("adversarial is no list of AdversarialSet: generate() makes them")
    if not isinstance(stimuli, Stimuli | None):
        raise InputError(f"stimuli are {type(stimuli).__name__}: pass load_stimuli(path)")


def as_data(data: AnyData, models: Iterable[nn.Module]) -> Data:
    """A data set of this library as it is; anything else is read into memory, with the classes that the first of the models knows."""
    if isinstance(data, ImageSet | ImageStream):
        return data
    if isinstance(data, str | os.PathLike | Mapping):
        raise InputError(f"data is {type(data).__name__}: {_PASS}; load_data(name, 'test') reads data sets by name")
    # A list of two may also be two pairs of an image and its label.
    if isinstance(data, tuple | list) and len(data) == 2 and (isinstance(data, tuple) or isinstance(data[0], Tensor)):
        x, y = data
    elif isinstance(data, DataLoader):
        x, y = _joined(data, torch.cat)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        x, y = _joined((data[i] for i in range(len(data))), torch.stack)
    else:
        raise InputError(f"data is {type(data).__name__}: {_PASS}")
    check_images(x)
    check_labels(x, y)
    classes = next((logits(model, x[:1]).shape[1] for model in models), 0)
    return ImageSet("data", "test", x, y.cpu().long(), tuple(map(str, range(classes))))


@reported("the data set cannot be read: it must hold images of one size, each with a whole number as its label", model=False)
def _joined(pairs: Iterable[Any], join: Callable[[list[Tensor]], Tensor]) -> tuple[Tensor, Tensor]:
    images: list[Tensor] = []
    labels: list[Tensor] = []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], Tensor):
            raise InputError(
                f"the data set returned {type(pair).__name__}, not an image tensor and a label: add a transform such as ToTensor()"
            )
        # A loader may put its batches on several devices.
        images.append(pair[0].to(images[0].device) if images else pair[0])
        labels.append(torch.as_tensor(pair[1]).cpu())
    if not images:
        raise InputError("the data set is empty")
    return join(images), join(labels)


def check_encoders(models: Mapping[str, nn.Module], attacks: Iterable[AttackSpec | CustomAttack]) -> None:
    """Refuse lspga where none of the models it would attack has a thermometer: nothing would be measured."""
    needed = any(isinstance(attack, AttackSpec) and attack.name == "lspga" for attack in attacks)
    if needed and models and not any(map(encoders, models.values())):
        raise InputError(f"lspga is for thermometer models (such as resnet18/therm16), {', '.join(models)} has no encoder: use pgd")


def as_attacks(attacks: AnyAttack | Iterable[AnyAttack]) -> list[AttackSpec | CustomAttack]:
    """Several attacks, each once; a callable by its ``__name__``, with its ``eps``, if it has one, as the radius."""
    found: dict[str, AttackSpec | CustomAttack] = {}
    one = isinstance(attacks, str | AttackSpec | CustomAttack) or callable(attacks)
    if not one and (isinstance(attacks, Mapping) or not isinstance(attacks, Iterable)):
        raise InputError(f"attacks are {type(attacks).__name__}: pass names with numbers, such as ['pgd:eps=8/255,steps=10']")
    for each in map(_as_attack, cast("Iterable[AnyAttack]", [attacks] if one else attacks)):
        if isinstance(each, AttackSpec):
            # A package that is missing is reported now, not after the other attacks.
            from_spec(each)
        if found.setdefault(str(each), each) != each:
            raise InputError(
                f"two attacks are called {str(each)!r}: name them, as in defective.evaluation.CustomAttack(name, attack)"
            )
    return list(found.values())


def _as_attack(attack: AnyAttack) -> AttackSpec | CustomAttack:
    if isinstance(attack, str):
        return AttackSpec.parse(attack)
    if isinstance(attack, AttackSpec | CustomAttack):
        return attack
    if not callable(attack):
        raise InputError(f"attack {attack!r} is neither a name nor a callable (model, x, y) -> x_adv")
    return CustomAttack(str(getattr(attack, "__name__", type(attack).__name__)), attack, getattr(attack, "eps", None))
