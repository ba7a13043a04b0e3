"""Whatever a checkpoint holds, it is read or refused in one line."""

import copy

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from defective import InputError, build, load, save
from defective.files import read_tensors, write_tensors
from effort import effort

NUMBERS = [-1, 0, 1, 2, 10**6, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")]
TEXTS = ["", "x" * 10_000, "\0", "vgg19", "blocks.0.norm1", "neuron", "\ud800", "[/b]"]
VALUES = st.one_of(
    st.sampled_from(
        [None, True, *NUMBERS, *TEXTS, [], {}, [[[]]], {"members": []}, {"members": [None]}, [["blocks.4", 0.5, "dropout"]] * 2]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ),
)
TYPES = [torch.bool, torch.int8, torch.int64, torch.float16, torch.float64, torch.float8_e4m3fn, torch.complex64]
EXAMPLES = settings(max_examples=effort(60, 5000), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    file = tmp_path_factory.mktemp("checkpoints") / "made.safetensors"
    save(build("vgg19/0.5-bottom+0.9-dropout", width_mult=0.0625, image_size=16), file, notes={"accuracy": 0.5})
    return file


def refused(file):
    """Whether it is, in one short line that names the file."""
    try:
        load(file)
    except InputError as error:
        assert str(file) in str(error) and "\n" not in str(error) and len(str(error)) < 2000
        return True
    return False


def places(document, path=()):
    """Every place of a JSON document, by the keys that lead to it."""
    inner = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    yield path
    for key, value in inner:
        yield from places(value, (*path, key))


@EXAMPLES
@given(data=st.data())
def test_any_value_at_any_place_of_the_metadata(made, data):
    tensors, about = read_tensors(made)
    *way, last = data.draw(st.sampled_from(sorted(set(places(about)) - {()}, key=str)))
    changed = copy.deepcopy(about)
    at = changed
    for key in way:
        at = at[key]
    if isinstance(at, dict) and data.draw(st.booleans()):
        del at[last]
    else:
        at[last] = data.draw(VALUES)
    other = made.with_name("changed.safetensors")
    write_tensors(other, tensors, changed)
    refused(other)


@EXAMPLES
@given(data=st.data())
def test_tensors_of_any_kind_and_shape(made, data):
    tensors, about = read_tensors(made)
    name = data.draw(st.sampled_from(sorted(tensors)))
    tensor = tensors[name]
    changes = {
        "missing": lambda: None,
        "of a type": lambda: tensor.to(data.draw(st.sampled_from(TYPES))),
        "cut": lambda: tensor.flatten()[: data.draw(st.integers(0, 3))],
        "empty": lambda: torch.empty(0, 3, 0),
        "deeper": lambda: tensor[None],
        "not finite": lambda: torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor,
    }
    changed = changes[data.draw(st.sampled_from(sorted(changes)))]()
    rest = {key: value for key, value in tensors.items() if key != name}
    write_tensors(made.with_name("changed.safetensors"), rest if changed is None else rest | {name: changed}, about)
    refused(made.with_name("changed.safetensors"))


@EXAMPLES
@given(data=st.data())
def test_any_bytes_of_the_header_and_any_length(made, data):
    whole = bytearray(made.read_bytes())
    header = int.from_bytes(whole[:8], "little")
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, header + 8))] = data.draw(st.integers(0, 255))
    other = made.with_name("changed.safetensors")
    other.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    assert refused(other) or other.read_bytes() == made.read_bytes()


def changed(made, **values):
    tensors, about = read_tensors(made)
    other = made.with_name("changed.safetensors")
    write_tensors(other, tensors, about | values)
    return other


def test_metadata_that_is_nested_without_end(made):
    nested = '{"members": [' * 100_000 + "]}" * 100_000
    other = made.with_name("changed.safetensors")
    save_file({"a": torch.zeros(1)}, other, {"defective": f'[{{"architecture": {nested}}}, {{}}]'})
    assert refused(other)


def test_a_million_members_are_refused_at_the_first(made):
    _, about = read_tensors(made)
    assert refused(changed(made, architecture={"members": [{"members": [about["architecture"]]}]}))
    with pytest.raises(InputError, match=r"members\.0\.\S+ is missing"):
        load(changed(made, architecture={"members": [about["architecture"]] * 100_000}))


def test_images_larger_than_the_masks_are_refused_before_they_are_made(made):
    _, about = read_tensors(made)
    with pytest.raises(InputError, match="the mask is for activations"):
        # 68 GB for the first layer alone.
        load(changed(made, architecture=about["architecture"] | {"image_size": 65_536}))
