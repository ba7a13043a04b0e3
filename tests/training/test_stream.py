"""Training on images that are decoded on the way."""

import dataclasses

import pytest
import torch

from defective import build
from defective.data import ImageStream, load_data
from defective.specs import Recipe
from defective.training.loop import fit
from image_files import write_tree


@pytest.fixture
def folder(tmp_path, cache):
    write_tree(tmp_path / "pictures", size=150)
    return f"folder:{tmp_path / 'pictures'}"


@pytest.mark.parametrize("augment", ["resized-crop-flip", "crop-flip", "none"])
def test_a_streamed_folder_trains_and_workers_change_nothing(folder, augment):
    data = load_data(folder, "train", image_size=128)
    assert isinstance(data, ImageStream) and data.image_shape == (3, 128, 128)
    recipe = Recipe(name="test", epochs=2, batch_size=4, lr=0.01, augment=augment)
    weights = []
    for workers in (0, 2):
        net = build("vgg19/0.5-bottom", num_classes=2, image_size=128, width_mult=0.0625)
        history = fit(net, dataclasses.replace(data, workers=workers), recipe, test=data, device="cpu")
        assert len(history) == 2
        weights.append(torch.cat([parameter.flatten() for parameter in net.parameters()]))
    assert torch.equal(*weights)
