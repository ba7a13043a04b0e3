"""The exhibit on ImageNet, run on a small folder laid out as the official one: train/WNID/*.JPEG and val/WNID/*.JPEG."""

import json

import numpy as np
import pytest
from PIL import Image

from defective.cli import main
from defective.paper import EXHIBITS


def imagenet(root):
    """Two classes, as different as day and night; sides of 150 to 180 pixels."""
    draws = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 3)):
        for shade, wnid in ((20, "n01440764"), (200, "n02123045")):
            for n in range(count):
                pixels = draws.integers(0, 40, (150 + n, 180 - n, 3)) + shade
                file = root / split / wnid / f"{wnid}_{n}.JPEG"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(file)
    return root


@pytest.mark.slow
# Two workers decode images; a machine of one core is warned of that.
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_table1_on_a_folder_of_the_official_layout(tmp_path, capsys):
    folder, store = imagenet(tmp_path / "small-imagenet"), tmp_path / "store"
    command = ["reproduce", "table1", "--data", f"imagenet:{folder}", "--store", str(store), "--device", "cpu", "--json"]
    assert main(command) in (0, 1)
    (document,) = json.loads(capsys.readouterr().out)["exhibits"]
    assert document["data"] == {"imagenet": "small-imagenet"}
    trained = [json.loads(file.read_text()) for file in store.glob("jobs/train-*/spec.json")]
    assert [(job["net"]["arch"], job["recipe"]["augment"]) for job in trained] == [("resnet18", "resized-crop-flip")] * 2
    assert [cell["column"] for cell in document["cells"]] == list(EXHIBITS["table1"].columns) * 2
    for cell in document["cells"]:
        # Up to six test images, if both nets are sure of them; else none was counted and nothing is claimed.
        assert cell["measured"] is None or 0 < cell["measured"]["counts"][0]["num_evaluated"] <= 6
