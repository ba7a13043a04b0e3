import re

import numpy as np
import pytest
import torch

from defective import InputError
from defective.data.stimuli import load_stimuli
from image_files import as_tensor, pack, pixels, write_image

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (3, 8, 8)
FILES = (
    "cue-conflict/boat1-car2.png",
    "cue-conflict/car10-cat3.png",
    "cue-conflict/car2-car3.png",
    "cue-conflict/car2-bear1.png",
    "edges/airplane1.png",
    "edges/clock2.png",
    "filled-silhouettes/boat1.png",
    "filled-silhouettes/boat2.png",
)


def write_stimuli(root, files=FILES, size=8):
    """Returns the pixels by file name."""
    images = {name: pixels(seed, size) for seed, name in enumerate(files)}
    for name, image in images.items():
        write_image(root / name, image)
    return images


def test_images_of_the_right_size_are_read_exactly_and_labelled(tmp_path):
    images = write_stimuli(tmp_path)
    stimuli = load_stimuli(tmp_path, CIFAR10, image_shape=SHAPE)
    x, y_shape, y_texture = stimuli.conflict
    assert torch.equal(x, as_tensor([images[name] for name in FILES[:2]]))
    assert (y_shape.tolist(), y_texture.tolist()) == ([8, 1], [1, 3])
    assert torch.equal(stimuli.edges[0], as_tensor([images["edges/airplane1.png"]])) and stimuli.edges[1].tolist() == [0]
    assert torch.equal(stimuli.silhouettes[0], as_tensor([images[name] for name in FILES[6:]]))
    assert stimuli.silhouettes[1].tolist() == [8, 8]
    assert (stimuli.other_class, stimuli.same_cues) == (2, 1)
    assert x.dtype == torch.uint8 and x.is_contiguous()
    assert {y.dtype for y in (y_shape, y_texture, stimuli.edges[1], stimuli.silhouettes[1])} == {torch.int64}


@pytest.mark.parametrize("enclosed", ["", "stimuli/"])
def test_an_archive_reads_as_its_folder_does(tmp_path, enclosed):
    write_stimuli(tmp_path / "tree" / enclosed)
    archive = pack(tmp_path / "tree", tmp_path / "packed.zip")
    one, other = (load_stimuli(path, CIFAR10, image_shape=SHAPE) for path in (archive, tmp_path / "tree"))
    for kind in ("conflict", "silhouettes", "edges"):
        assert all(map(torch.equal, getattr(one, kind), getattr(other, kind)))
    assert (one.other_class, one.same_cues) == (other.other_class, other.same_cues)


def test_the_layout_of_the_release_reads_the_same(tmp_path):
    images = write_stimuli(tmp_path / "flat")
    for name, image in images.items():
        folder, file = name.replace("cue-conflict", "style-transfer-preprocessed-512").split("/")
        inside = re.match("[a-z]+", file)[0]
        write_image(tmp_path / "release" / "stimuli" / folder / inside / file, image)
    write_image(tmp_path / "release" / "paper-figures" / "figure 1.png", pixels(0))
    (tmp_path / "release" / "stimuli" / "edges" / "README.md").write_text("no image")
    write_image(tmp_path / "release" / "stimuli" / "edges" / ".hidden.png", pixels(0))
    released = load_stimuli(tmp_path / "release", CIFAR10, image_shape=SHAPE)
    flat = load_stimuli(tmp_path / "flat", CIFAR10, image_shape=SHAPE)
    assert sorted(released.conflict[1].tolist()) == sorted(flat.conflict[1].tolist())
    assert (
        (released.other_class, released.same_cues) == (2, 1) and len(released.edges[0]) == 1 and len(released.silhouettes[0]) == 2
    )


def test_the_folder_itself_may_be_the_kind_of_stimulus(tmp_path):
    write_stimuli(tmp_path)
    alone = load_stimuli(tmp_path / "cue-conflict", CIFAR10, image_shape=SHAPE)
    assert torch.equal(alone.conflict[0], load_stimuli(tmp_path, CIFAR10, image_shape=SHAPE).conflict[0])
    assert alone.edges[0].shape == alone.silhouettes[0].shape == (0, *SHAPE) and alone.edges[1].shape == (0,)
    edges = load_stimuli(str(tmp_path / "edges"), CIFAR10, image_shape=SHAPE)
    assert [tuple(each.shape) for each in edges.conflict] == [(0, *SHAPE), (0,), (0,)]


@pytest.mark.parametrize("size", [5, 64])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 24)])
@pytest.mark.parametrize("gray", [False, True])
def test_any_size_is_scaled_to_the_model(tmp_path, size, shape, gray):
    image = np.full((size, size) if gray else (size, size, 3), 77, np.uint8)
    write_image(tmp_path / "edges" / "cat1.png", image)
    x, _ = load_stimuli(tmp_path, CIFAR10, image_shape=shape).edges
    assert x.shape == (1, *shape) and (x == 77).all()


def test_thin_lines_fade_instead_of_vanishing(tmp_path):
    image = np.full((64, 64, 3), 255, np.uint8)
    image[:, ::8] = 0
    write_image(tmp_path / "edges" / "cat1.png", image)
    x, _ = load_stimuli(tmp_path, CIFAR10, image_shape=(3, 8, 8)).edges
    assert abs(x.float().mean() - 255 * 7 / 8) < 4 and x.max() < 250


@pytest.mark.parametrize(
    ("name", "classes", "label"),
    [
        ("BOAT1-car2.PNG", ("Ship", "CAR"), (0, 1)),
        ("BOAT1-car2.PNG", ("automobile", "BOAT"), (1, 0)),
        ("BOAT1-car2.PNG", ("boat", "ship", "car"), (0, 2)),
        ("BOAT1-car2.PNG", ("ship", "boat", "automobile", "car"), (1, 3)),
        ("plane1-car2.png", ("car", "Aeroplane"), (1, 0)),
        ("aeroplane1-car2.png", ("car", "airplane"), (1, 0)),
        ("airplane1-car2.png", ("plane", "car"), (0, 1)),
    ],
)
def test_classes_go_by_several_names_and_their_own_name_first(tmp_path, name, classes, label):
    write_stimuli(tmp_path, [f"cue-conflict/{name}"])
    _, y_shape, y_texture = load_stimuli(tmp_path, classes, image_shape=SHAPE).conflict
    assert (y_shape.item(), y_texture.item()) == label


def test_cues_that_are_one_class_under_two_names_are_no_conflict(tmp_path):
    write_stimuli(tmp_path, ["cue-conflict/boat1-ship2.png", "cue-conflict/boat1-cat2.png"])
    stimuli = load_stimuli(tmp_path, CIFAR10, image_shape=SHAPE)
    assert (len(stimuli.conflict[0]), stimuli.same_cues, stimuli.other_class) == (1, 1, 0)


@pytest.mark.parametrize(
    "name",
    ["cue-conflict/cat1.png", "cue-conflict/cat1-dog.png", "cue-conflict/cat1-dog2-car3.png", "edges/cat.png", "edges/cat1-dog2.png",
     "filled-silhouettes/12.png", "filled-silhouettes/cat1b.png"],
)  # fmt: skip
def test_a_misnamed_file_is_refused_by_name(tmp_path, name):
    write_stimuli(tmp_path, [*FILES, name])
    with pytest.raises(InputError, match=rf"{name} is misnamed: call it [^\n]* like cat7[^\n]*png[^\n]*$"):
        load_stimuli(tmp_path, CIFAR10, image_shape=SHAPE)


def test_nothing_usable_is_refused_with_the_classes_of_both_sides(tmp_path):
    write_stimuli(tmp_path)
    with pytest.raises(InputError, match=r"shows airplane, bear, boat, car, cat, clock; the data set has disc, ring: no image"):
        load_stimuli(tmp_path, ("disc", "ring"), image_shape=SHAPE)
    with pytest.raises(InputError, match=r"has n0, n1, [^\n]*n19 and 180 more: no image"):
        load_stimuli(tmp_path, [f"n{number}" for number in range(200)], image_shape=SHAPE)


def test_paths_that_hold_no_stimuli_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no archive")
    (tmp_path / "torn.zip").write_bytes(b"PK")
    write_image(tmp_path / "others" / "train" / "cat" / "1.png", pixels(0))
    says = {
        "gone": "no such file",
        "empty": "needs images in folders called cue-conflict",
        "others": "needs images in folders called",
        "notes.txt": "neither a folder nor an archive",
        "torn.zip": "cannot be unpacked",
    }
    for name, said in says.items():
        with pytest.raises(InputError, match=f"{name}.*{said}"):
            load_stimuli(tmp_path / name, CIFAR10, image_shape=SHAPE)


@pytest.mark.parametrize("shape", [(2, 8, 8), (0, 8, 8), (3, 0, 8), (3, 8, -1)])
def test_an_image_shape_that_no_image_has_is_refused(tmp_path, shape):
    with pytest.raises(InputError, match="is not"):
        load_stimuli(tmp_path, CIFAR10, image_shape=shape)


def test_the_real_stimuli(real_data):
    shape = (3, 32, 32)
    stimuli = load_stimuli(real_data / "shape-texture-stimuli.tar.xz", CIFAR10, image_shape=shape)
    x, y_shape, y_texture = stimuli.conflict
    # 245, of which 5 for each of 7 classes have one class for both cues.
    assert (len(x), stimuli.same_cues, stimuli.other_class) == (210, 35, 0)
    assert x.shape == (210, *shape) and stimuli.edges[0].shape == stimuli.silhouettes[0].shape == (70, *shape)
    thirty, ten = ([number if label in (0, 1, 2, 3, 5, 8, 9) else 0 for label in range(10)] for number in (30, 10))
    assert y_shape.bincount(minlength=10).tolist() == y_texture.bincount(minlength=10).tolist() == thirty
    assert stimuli.edges[1].bincount().tolist() == stimuli.silhouettes[1].bincount().tolist() == ten
    assert not (y_shape == y_texture).any()
    # Silhouettes are black on white, edges are mostly paper.
    assert stimuli.edges[0].float().mean() > 180 and stimuli.silhouettes[0].float().mean() > 100
