"""Numbers, labels, images and names that no evaluation can take are refused in one short line."""

import pytest
import torch

from defective import AttackSpec, InputError, attacks, evaluation
from defective.data import ImageSet
from defective.evaluation import CustomAttack
from problems import linear_net

CLASSES = tuple("abcd")


@pytest.fixture
def x():
    return torch.rand(20, 2, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def y(x):
    return linear_net(4)(x.double()).argmax(1)


HUGE = [10**400, 10**5000, float("nan"), float("inf"), -1]


@pytest.mark.parametrize("number", HUGE, ids=["400 digits", "5000 digits", "nan", "inf", "-1"])
def test_numbers_that_no_attack_can_take_are_refused_in_one_short_line(x, y, number):
    model, eps = linear_net(4), {"eps": 0.1}
    calls = [
        lambda: attacks.fgsm(model, x, y, eps=number),
        lambda: attacks.pgd(model, x, y, **eps, step_size=0.1, steps=number),
        lambda: attacks.mifgsm(model, x, y, **eps, step_size=0.1, steps=1, decay=number),
        lambda: attacks.cw(model, x, y, confidence=number),
        lambda: attacks.cw(model, x, y, lr=number),
        lambda: attacks.boundary(model, x, y, steps=number),
        lambda: attacks.gaussian_noise(x, sigma=number),
        lambda: AttackSpec.make(name="fgsm", parameters={"eps": number}),
        lambda: CustomAttack("own", attacks.fgsm, number),
    ]
    for call in calls:
        with pytest.raises(InputError) as caught:
            call()
        assert len(str(caught.value)) < 150


def test_attacks_of_one_name_are_refused(x, y):
    data = ImageSet("few", "test", (x * 255).byte(), y, CLASSES)
    with pytest.raises(InputError, match="two attacks are called '<lambda>'"):
        evaluation.evaluate({"n": linear_net(4)}, data, attacks=[lambda m, x, y: x, lambda m, x, y: 1 - x])


def test_lspga_that_no_model_can_take_is_refused_before_data_is_read():
    with pytest.raises(InputError, match=r"lspga is for thermometer models .*, n has no encoder"):
        evaluation.evaluate({"n": linear_net(4)}, object(), attacks=["lspga"])


def test_labels_and_images_of_other_kinds_are_refused(x):
    model = linear_net(4)
    for labels, said in (([0] * 20, "labels are list"), (torch.full((20,), 4), r"labels lie in \[4, 4\] but the model knows 4")):
        with pytest.raises(InputError, match=said):
            evaluation.evaluate({"n": model}, (x, labels), parts=("noise",))
    for images in (x.to(torch.float8_e4m3fn), x.to("meta"), x.to_sparse(), x.to(torch.complex64)):
        with pytest.raises(InputError, match=r"^images are"):
            evaluation.accuracy(model, images, torch.zeros(20, dtype=torch.long))
