import math

import pytest
import torch

from defective import InputError
from defective.data.stimuli import Stimuli
from defective.evaluation.shape_bias import shape_bias, shape_report
from evaluations import Answers, images


def labels(*y):
    return torch.tensor(y, dtype=torch.int64)


NOTHING = (images(), labels())
# Shape, shape, texture, neither, neither.
CONFLICT = (images(0, 1, 2, 7, 3), labels(0, 1, 5, 6, 4), labels(9, 9, 2, 8, 5))


def test_every_rate_has_its_own_denominator():
    stimuli = Stimuli(CONFLICT, (images(1, 2, 3), labels(1, 2, 0)), (images(4, 4), labels(4, 5)), 3, 2)
    report = shape_report(Answers(), stimuli)
    counts = {name: (rate["num_correct"], rate["num_evaluated"]) for name, rate in report.as_json().items()}
    assert counts == {"bias": (2, 3), "cue_accuracy": (3, 5), "silhouettes": (2, 3), "edges": (1, 2)}
    assert report.bias == shape_bias(Answers(), *CONFLICT) == 2 / 3
    assert report.as_json()["bias"] == report.bias.as_dict()


def test_kinds_without_images_have_no_rate():
    report = shape_report(Answers(), Stimuli((images(), labels(), labels()), NOTHING, (images(4), labels(4)), 0, 0))
    assert report.edges == 1
    for name in ("bias", "cue_accuracy", "silhouettes"):
        assert math.isnan(getattr(report, name)) and report.as_json()[name]["rate"] is None


def test_no_decision_for_either_cue_is_no_bias_but_counts():
    report = shape_report(Answers(), Stimuli((images(3, 3), labels(0, 1), labels(1, 2)), NOTHING, NOTHING, 0, 0))
    assert math.isnan(report.bias) and report.bias.num_evaluated == 0
    assert (report.cue_accuracy.num_correct, report.cue_accuracy.num_evaluated) == (0, 2)


@pytest.mark.parametrize(
    ("conflict", "said"),
    [
        ((images(0), labels(1), labels(1)), "leave them out"),
        ((images(0), labels(1), labels(10)), r"\[1, 10\] but the model knows 10 classes"),
        ((images(0), labels(1, 2), labels(2, 1)), "labels are"),
        ((images(0), labels(1), labels(2).float()), "labels are torch.float32"),
        (([1], labels(1), labels(2)), "images are list, not a tensor"),
        ((images(0), None, labels(2)), "labels are NoneType, not a tensor"),
    ],
)
def test_cues_that_do_not_fit_are_refused(conflict, said):
    with pytest.raises(InputError, match=said):
        shape_bias(Answers(), *conflict)


@pytest.mark.parametrize("edges", [(images(4), labels(4, 5)), (images(4), labels(4).float()), NOTHING])
def test_stimuli_are_refused_before_any_pass(edges):
    model = Answers()
    model.register_forward_pre_hook(lambda *_: pytest.fail("a forward pass"))
    conflict = (images(0, 1), labels(1, 2), labels(1, 3)) if edges is NOTHING else CONFLICT
    with pytest.raises(InputError, match="1 images have the same class" if edges is NOTHING else "labels are"):
        shape_report(model, Stimuli(conflict, CONFLICT[:2], edges, 0, 0))
