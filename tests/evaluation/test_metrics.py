import numpy as np
import pytest
import torch

from defective import InputError
from defective.data import ImageSet
from defective.evaluation import CustomAttack, EvaluatedModel, accuracy, defense_rate, generate, score
from evaluations import Answers, images
from refusals import refused


def test_accuracy_counts():
    rate = accuracy(Answers(), images(0, 1, 2, 3), torch.tensor([0, 1, 2, 9]))
    assert (float(rate), rate.num_correct, rate.num_evaluated) == (0.75, 3, 4)
    assert accuracy(Answers(), images(0, 1, 2, 3), torch.tensor([0, 1, 2, 9], dtype=torch.uint16)) == 0.75


def test_float_and_uint8_images_and_any_batch_size_agree():
    x, y = images(*range(10), *range(10), *range(10)), torch.arange(30) % 10
    assert accuracy(Answers(), x, y) == accuracy(Answers(), x.float() / 255, y, batch_size=7) == 1


def test_defense_rate_counts_what_the_paper_counts():
    y = torch.tensor([0, 1, 2, 3, 4])
    clean, attacked = images(0, 1, 2, 3, 9), images(0, 5, 2, 6, 4)
    fooled = torch.tensor([True, True, False, True, True])
    rate = defense_rate(Answers(), clean, y, attacked, fooled=fooled)
    # Right before: 0-3. Source fooled among them: 0, 1, 3. Still right: 0.
    assert (rate.num_correct, rate.num_evaluated) == (1, 3)
    everything = defense_rate(Answers(), clean, y, attacked)
    assert (everything.num_correct, everything.num_evaluated) == (2, 4)
    with pytest.raises(InputError, match="no image is eligible"):
        defense_rate(Answers(), images(5, 5), y[:2], images(0, 1))


def test_denominators_have_names():
    y = torch.tensor([0, 1, 2, 3])
    source = EvaluatedModel.of("source", Answers(), ImageSet("images", "test", images(0, 1, 2, 9), y, tuple("0123456789")))
    made = generate(source, CustomAttack("attack", lambda m, x, y: (x + 1 / 255).clamp(0, 1)), index=torch.arange(4))
    assert made.predicted.tolist() == [1, 2, 3, 9] and made.fooled.all()
    outcome = score(source, made)
    counts = {
        name: (outcome.rate(name).num_correct, outcome.rate(name).num_evaluated) for name in ("paper", "target-correct", "all")
    }
    assert counts == {"paper": (0, 3), "target-correct": (0, 3), "all": (0, 4)}
    with pytest.raises(InputError, match="everyone"):
        outcome.rate("everyone")


X, Y = images(0, 1), torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: accuracy(Answers(), X, torch.tensor([0])), "labels are"),
        (lambda: accuracy(Answers(), X, torch.tensor([0.0, 1.0])), "labels are"),
        (lambda: accuracy(Answers(), X, torch.tensor([0, 10])), r"\[0, 10\].*10 classes"),
        (lambda: accuracy(Answers(), X.tolist(), Y), "images are list"),
        (lambda: accuracy(Answers(), X, Y, batch_size=0), "batch_size 0 must be a whole number"),
        (lambda: accuracy(Answers(), X, Y, batch_size=2.5), "batch_size 2.5 must be a whole number"),
        (lambda: defense_rate(Answers(), X, Y, X.tolist()), "images are list"),
        (lambda: defense_rate(Answers(), X, Y.tolist(), X), "labels are list"),
        (lambda: defense_rate(Answers(), X, Y, X, fooled=[True, True]), "fooled is list: pass a tensor"),
        (lambda: defense_rate(Answers(), X, Y, X, fooled=np.ones(2, bool)), "fooled is ndarray: pass a tensor"),
        (lambda: defense_rate(Answers(), X, Y, X, fooled=Y), r"fooled is torch.int64 of shape \(2,\): pass a tensor"),
    ],
)
def test_labels_that_do_not_fit_and_other_values_than_tensors_and_counts_are_refused(act, said):
    with refused(said):
        act()
    assert accuracy(Answers(), X, Y, batch_size=np.int64(1)) == 1
