"""The page of an evaluation: what it shows, and of odd names no more than their letters."""

from dataclasses import replace

import torch

from defective import evaluation
from defective.data import ImageSet
from defective.evaluation import AdversarialSet
from defective.report.evaluation_page import examples_of, write_evaluation_page
from evaluations import FGSM, Lambda, pictures, small_net


def test_images_that_fooled_the_source_are_shown_those_first_on_which_models_differ():
    y = torch.zeros(10, dtype=torch.long)
    x = torch.zeros(10, 3, 2, 2, dtype=torch.uint8)
    x[:, 0, 0, 0] = torch.arange(10, dtype=torch.uint8)
    generated = AdversarialSet(x, y, x + 3, torch.tensor([1, 0] * 5), torch.arange(10), "source", "fgsm")
    right, wrong = torch.zeros(10, dtype=torch.long), torch.ones(10, dtype=torch.long)
    mixed = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1, 0, 0])
    shown = examples_of(generated, {"a": right, "b": mixed}, ("zero", "one"))
    # Images 0, 2, 4, 6, 8 fooled it; on 2 and 6 the models differ.
    assert [[each.predicted for each in one.predictions] for one in shown] == [["zero", "one"]] * 2 + [["zero", "zero"]] * 3
    assert [each.correct for each in shown[0].predictions] == [True, False]
    assert {one.label for one in shown} == {"zero"}
    # Of float images, which are not rounded, the same pictures.
    unrounded = replace(generated, x=x / 255, x_adv=(x + 3) / 255)
    assert examples_of(unrounded, {"a": right, "b": mixed}, ("zero", "one")) == shown
    assert len(examples_of(replace(generated, predicted=wrong), {"a": right}, ("zero", "one"))) == 6
    assert examples_of(replace(generated, predicted=right), {"a": right}, ("zero", "one")) == []


def page(tmp_path, data, models, parts):
    found = evaluation.evaluate(models, data, sources={"s$": small_net()}, attacks=[FGSM], parts=parts, samples=10)
    write_evaluation_page(found, models, data.classes, tmp_path / "index.html")
    return (tmp_path / "index.html").read_text("utf-8")


def test_names_stand_as_they_are(tmp_path):
    data = pictures(40)
    labels = small_net()(data.x.float() / 255).argmax(1)
    data = ImageSet("p<i>", "test", data.x, labels, ("a", "<b>", "c", "d", "e"))
    constant = Lambda(lambda x: torch.eye(5)[torch.zeros(len(x), dtype=torch.long)] + 0 * x.flatten(1)[:, :5])
    text = page(tmp_path, data, {r"$\frac$ <m>": small_net(), "plain": constant}, ("transfer", "noise"))
    assert "Black-box evaluation on p&lt;i&gt;" in text and "<m>" not in text and "<b>" not in text
    assert 'href="#examples">Adversarial images<' in text and 'href="#masks">The masks<' in text
    assert "fool it. Shown are some of those" in text and text.count("<svg") == 1


def test_without_attacks_and_masks_the_page_has_neither(tmp_path):
    constant = Lambda(lambda x: torch.eye(5)[torch.zeros(len(x), dtype=torch.long)])
    text = page(tmp_path, pictures(), {"plain": constant}, ("noise",))
    assert "Adversarial images" not in text and "The masks" not in text and text.count("<svg") == 1 and "sigma 32" in text
