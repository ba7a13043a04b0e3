"""Decisions among categories, and the tables of trials, judged as model-vs-human's own analysis judges them."""

import csv
import re

import numpy as np
import pytest
import torch
from torch import nn

from defective import InputError
from defective.data.stimuli import load_stimuli
from defective.evaluation.model_vs_human import COLUMNS, trial_tables
from defective.evaluation.shape_bias import shape_report
from image_files import write_image

CLASSES = ("n02123045", "n02123159", "n02504013", "n04111531", "n01440764")  # cat, cat, elephant, oven, none of them


class Fixed(nn.Module):
    """Log probabilities that the first pixel numbers."""

    def __init__(self, *probabilities):
        super().__init__()
        self.register_buffer("z", torch.tensor(probabilities).log())

    def forward(self, x):
        return self.z[(x[:, 0, 0, 0] * 255).round().long()]


# By sum the first is a cat, by mean an elephant; the second is a cat by either; the last class is of no category.
MODEL = Fixed([0.3, 0.1, 0.25, 0.05, 0.3], [0.3, 0.3, 0.1, 0.1, 0.2], [0.02, 0.02, 0.02, 0.03, 0.91])
FILES = {
    "cue-conflict/cat/cat1-elephant1.png": 0,
    "cue-conflict/cat/cat2-cat3.png": 1,
    "cue-conflict/cat/cat3-oven1.png": 1,
    "cue-conflict/elephant/0007_s5n_s01_0_elephant_00_elephant1-oven2.png": 2,
    "cue-conflict/bear/bear1-cat1.png": 0,
    "edge/cat/cat1.png": 0,
    "silhouette/oven/oven4.png": 2,
    "silhouette/oven/0002_sif_s01_0_oven_00_oven5.png": 1,
}


@pytest.fixture
def stimuli(tmp_path):
    for name, number in FILES.items():
        write_image(tmp_path / name, np.full((8, 8, 3), number, np.uint8))
    return load_stimuli(tmp_path, CLASSES, image_shape=(3, 8, 8), human_categories=True)


def test_a_decision_is_the_category_whose_classes_have_the_largest_mean_probability(stimuli):
    assert (stimuli.other_class, stimuli.same_cues) == (1, 1)
    report = shape_report(MODEL, stimuli)
    assert report.decisions == {"conflict": (1, 0, 0, 2), "silhouettes": (0, 2), "edges": (1,)}
    dumped = report.model_dump(mode="json")
    counts = {name: (rate["num_correct"], rate["num_evaluated"]) for name, rate in dumped.items()}
    # The image whose cues are both of a cat is no conflict.
    assert counts == {"bias": (1, 3), "cue_accuracy": (3, 3), "silhouettes": (1, 2), "edges": (0, 1)}


def test_the_tables_are_laid_out_as_its_own(stimuli):
    tables = trial_tables(stimuli, {"a/my_net": shape_report(MODEL, stimuli)})
    assert list(tables) == [
        "cue-conflict/cue-conflict_a-my-net_session-1.csv",
        "silhouette/silhouette_a-my-net_session-1.csv",
        "edge/edge_a-my-net_session-1.csv",
    ]
    assert ",".join(COLUMNS) == "subj,session,trial,rt,object_response,category,condition,imagename"
    assert [",".join(row) for row in tables["cue-conflict/cue-conflict_a-my-net_session-1.csv"][1:]] == [
        "a/my_net,1,1,NaN,elephant,cat,NaN,cat1-elephant1.png",
        "a/my_net,1,2,NaN,cat,cat,NaN,cat2-cat3.png",
        "a/my_net,1,3,NaN,cat,cat,NaN,cat3-oven1.png",
        "a/my_net,1,4,NaN,oven,elephant,NaN,0007_s5n_s01_0_elephant_00_elephant1-oven2.png",
    ]
    assert tables["edge/edge_a-my-net_session-1.csv"][1:] == [("a/my_net", "1", "1", "NaN", "elephant", "cat", "NaN", "cat1.png")]


def test_models_whose_names_differ_in_signs_alone_have_a_file_each(stimuli):
    report = shape_report(MODEL, stimuli)
    tables = trial_tables(stimuli, dict.fromkeys(("a_b", "a-b"), report))
    assert [rows[1][0] for rows in tables.values()] == ["a_b"] * 3 + ["a-b"] * 3


def test_a_model_of_other_classes_is_refused(stimuli):
    with pytest.raises(InputError, match="the model knows 2 classes, the data set has 5"):
        shape_report(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), stimuli)


def shape_bias_of(rows):
    """From the trials alone: the texture's category stands in the file name, rows without a conflict do not count."""
    texture = [re.sub(r"\d", "", row["imagename"].split("_")[-1].split(".")[0].split("-")[-1]) for row in rows]
    conflict = [(row, other) for row, other in zip(rows, texture, strict=True) if row["category"] != other]
    shape = sum(row["object_response"] == row["category"] for row, _ in conflict)
    return shape, shape + sum(row["object_response"] == other for row, other in conflict)


def test_on_the_real_stimuli_its_analysis_of_the_tables_gives_the_bias_that_is_reported(real_data):
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    stimuli = load_stimuli(real_data / "shape-texture-stimuli.tar.xz", classes, image_shape=(3, 32, 32), human_categories=True)
    torch.manual_seed(0)
    report = shape_report(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10)), stimuli)
    tables = trial_tables(stimuli, {"net": report})
    assert [len(rows) - 1 for rows in tables.values()] == [245, 70, 70] and stimuli.same_cues == 35
    rows = list(csv.DictReader([",".join(row) for row in next(iter(tables.values()))]))
    assert shape_bias_of(rows) == (report.bias.num_correct, report.bias.num_evaluated)
    assert report.cue_accuracy.num_evaluated == 210
    assert {row["object_response"] for row in rows} <= {"airplane", "bird", "boat", "car", "cat", "dog", "truck"}
