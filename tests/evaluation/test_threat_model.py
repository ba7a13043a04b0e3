import pytest
import torch
from torch import nn

from defective import InputError, build, defect_, restore_, sparsify
from defective.evaluation.threat_model import mask_average, threat_model
from defective.inference import LogitsAdapter
from defective.models import Ensemble
from defective.sites import image_shape
from defective.surgery import defects

SIZES = {"width_mult": 0.0625}


def net(name, seed=0, **options):
    return build(name, seed=seed, **SIZES | options).eval()


def own(seed=0, keep_prob=0.5, pattern="neuron", sampling="exact"):
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 64, 4)).eval()
    made[1].running_mean += 0.1
    if keep_prob < 1:
        inputs = torch.zeros(1, 3, 8, 8)
        defect_(made, keep_prob, sites=["0", "2"], pattern=pattern, sampling=sampling, example_inputs=inputs, seed=seed)
    return made


def changed_afterwards():
    made = net("vgg19")
    defect_(made, 0.5, blocks="bottom")
    return made


def plain_again():
    made = net("vgg19/0.5-bottom")
    restore_(made)
    return made


def sparsified():
    return sparsify(net("vgg19"), torch.zeros(1, 3, 32, 32), timed_images=0)


# Two models of the grammar by seeds of weights and masks, or what makes any two.
TABLE = {
    "two plain nets of one kind": ("gray-box (same architecture)", ("vgg19", 0, 0), ("vgg19", 1, 1)),
    "narrower nets without masks": (
        "gray-box (same architecture)",
        ("resnet18/0.5-bottom-dc", 0, 0),
        ("resnet18/0.5-bottom-dc", 1, 1),
    ),
    "one seed of masks, two of weights": ("gray-box (same masks)", ("vgg19/0.5-bottom", 0, 7), ("vgg19/0.5-bottom", 1, 7)),
    "two seeds of masks": ("gray-box (other masks)", ("vgg19/0.5-bottom", 0, 0), ("vgg19/0.5-bottom", 1, 1)),
    "one seed of weights, two of masks": ("white-box (shared weights)", ("vgg19/0.5-bottom", 0, 7), ("vgg19/0.5-bottom", 0, 8)),
    "the net built again": ("white-box", ("vgg19/0.5-bottom", 3, 3), ("vgg19/0.5-bottom", 3, 3)),
    "fused twice over with the net": (
        "white-box (shared weights)",
        lambda: Ensemble([net("resnet18"), Ensemble([net("vgg19/0.5-bottom", 1), net("vgg19", 2)])]),
        ("vgg19/0.5-bottom", 1, 1),
    ),
    "a member of the target": (
        "white-box (shared weights)",
        ("vgg19", 1, 1),
        lambda: Ensemble([net("resnet18"), net("vgg19", 1)]),
    ),
    "one member of both": (
        "white-box (shared weights)",
        lambda: Ensemble([net("vgg19", 1), net("vgg19", 2)]),
        lambda: Ensemble([net("vgg19", 3), net("vgg19", 1)]),
    ),
    "other members": (
        "black-box",
        lambda: Ensemble([net("vgg19", 1), net("vgg19", 2)]),
        lambda: Ensemble([net("vgg19", 3), net("vgg19", 4)]),
    ),
    "the net in half precision": ("white-box", lambda: net("vgg19/0.5-bottom", 1).half(), ("vgg19/0.5-bottom", 1, 1)),
    "the net in double precision": ("white-box", lambda: own().double(), own),
    "another net in half precision": (
        "gray-box (same architecture)",
        lambda: net("vgg19", 1).bfloat16(),
        ("vgg19", 0, 0),
    ),
    "the net sparsified": ("unknown", sparsified, ("vgg19", 0, 0)),
    "a member sparsified": ("unknown", ("vgg19", 0, 0), lambda: Ensemble([sparsified(), net("vgg19", 1)])),
    "the net over other masks": (
        "white-box (shared weights)",
        lambda: mask_average(net("vgg19/0.5-bottom"), draws=2),
        ("vgg19/0.5-bottom", 0, 0),
    ),
    "the masks taken out": ("white-box (shared weights)", plain_again, ("vgg19/0.5-bottom", 0, 0)),
    "equal nets without weights": ("black-box", nn.Flatten, nn.Flatten),
    "other share of neurons": ("adaptive", ("vgg19/0.5-bottom", 1, 1), ("vgg19/0.3-bottom", 0, 0)),
    "other width": ("adaptive", ("vgg19/0.5-bottom", 0, 0), lambda: net("vgg19/0.5-bottom", width_mult=0.125)),
    "other architecture": ("adaptive", ("resnet18/0.5-bottom", 0, 0), ("vgg19/0.5-bottom", 0, 0)),
    "a fused source, one of it defective": (
        "adaptive",
        lambda: Ensemble([net("vgg19", 1), net("vgg19/0.5-bottom", 2)]),
        ("vgg19/0.3-bottom", 0, 0),
    ),
    "an average over masks": (
        "adaptive",
        lambda: mask_average(net("vgg19/0.5-bottom"), draws=2),
        ("vgg19/0.5-bottom", 1, 1),
    ),
    "own defective nets": ("adaptive", own, lambda: own(1)),
    "a net made defective by hand": ("adaptive", changed_afterwards, ("vgg19/0.5-bottom", 1, 1)),
    "plain against defective": ("black-box", ("vgg19", 1, 1), ("vgg19/0.5-bottom", 0, 0)),
    "two widths": ("black-box", ("vgg19", 0, 0), lambda: net("vgg19", width_mult=0.125)),
    "own plain nets": ("black-box", lambda: own(0, 1.0), lambda: own(1, 1.0)),
    "restored by hand": ("black-box", plain_again, ("vgg19", 1, 1)),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_the_source_tells_of_the_target(case):
    expected, *made = TABLE[case]
    source, target = (each() if callable(each) else net(each[0], each[1], mask_seed=each[2]) for each in made)
    assert threat_model(source, target) == expected
    assert threat_model(source, source) == threat_model(target, target) == "white-box"


@pytest.mark.parametrize("wrap", [nn.DataParallel, nn.Sequential, lambda made: torch.compile(made, backend="eager"), LogitsAdapter])
def test_a_wrapped_model_is_the_model(wrap):
    made = net("vgg19/0.5-bottom", 1, mask_seed=7)
    assert threat_model(wrap(made), made) == threat_model(made, wrap(made)) == "white-box"
    others = net("vgg19/0.5-bottom", 1, mask_seed=8)
    assert threat_model(wrap(others), made) == threat_model(made, wrap(others)) == "white-box (shared weights)"


def test_one_mask_bit_makes_other_masks():
    first, second = net("vgg19/0.5-bottom", 0, mask_seed=7), net("vgg19/0.5-bottom", 1, mask_seed=7)
    site = defects(second)[-1].site
    second.get_submodule(site).defect_mask[0, 0, 0, 0] ^= True
    assert threat_model(first, second) == "gray-box (other masks)"


# --- averages over masks ---


def masks(model):
    return {defect.site: model.get_submodule(defect.site).defect_mask.clone() for defect in defects(model)}


AVERAGED = {
    "bernoulli": lambda: own(sampling="bernoulli"),
    "channels": lambda: own(pattern="channel"),
    "shared": lambda: own(pattern="shared"),
    "built-in": lambda: net("resnet18/0.5-bottom", image_size=16),
    "ensemble": lambda: Ensemble([own(), own(3)]).eval(),
}


@pytest.mark.parametrize("case", AVERAGED)
def test_the_draws_share_the_weights_have_masks_of_their_own_and_are_averaged(case, generator):
    source = AVERAGED[case]()
    x = torch.rand(4, *(image_shape(source) or (3, 8, 8)), generator=generator)
    before, own_masks = source(x), masks(source)
    average = mask_average(source, draws=3, seed=2).eval()
    assert isinstance(average, Ensemble) and len(average.members) == 3
    for draw in average.members:
        assert all(one is other for one, other in zip(draw.parameters(), source.parameters(), strict=True))
        assert {defect.pattern for defect in defects(draw)} == {defect.pattern for defect in defects(source)}
    drawn = [masks(draw) for draw in average.members]
    for site in own_masks:
        seen = [own_masks[site], *(each[site] for each in drawn)]
        assert len({mask.numpy().tobytes() for mask in seen}) == 4
        assert len({(mask.shape, mask.dtype, int(mask.sum())) for mask in seen}) == 1
    each = [draw(x) for draw in average.members]
    torch.testing.assert_close(average(x), torch.stack(each).mean(0))
    assert not torch.allclose(each[0], each[1]) and not torch.allclose(each[0], before)
    # The model itself is as it was.
    assert torch.equal(source(x), before)


def test_the_seed_alone_decides():
    source = own()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, same, other, more = (mask_average(source, draws=n, seed=s).members for n, s in ((2, 0), (2, 0), (2, 1), (4, 0)))
    assert torch.equal(before, torch.get_rng_state())
    for draw in range(2):
        for site, mask in masks(one[draw]).items():
            assert torch.equal(mask, masks(same[draw])[site]) and torch.equal(mask, masks(more[draw])[site])
            assert not torch.equal(mask, masks(other[draw])[site])


@pytest.mark.parametrize(("keep_prob", "draws", "said"), [(1.0, 2, "a plain model has no masks"), (0.5, 0, "draws 0")])
def test_what_cannot_be_averaged(keep_prob, draws, said):
    with pytest.raises(InputError, match=said):
        mask_average(own(0, keep_prob), draws=draws)
