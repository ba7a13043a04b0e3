import pytest
import torch

from defective import Ensemble, InputError, build, defects
from defective.build import member_seed

X = torch.rand(2, 3, 32, 32)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_the_seed_decides_everything_and_the_global_generator_is_left_alone():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    a = build("resnet18/0.3-bottom", seed=4, width_mult=0.125)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert same(a, build("resnet18/0.3-bottom", seed=4, width_mult=0.125))
    assert not same(a, build("resnet18/0.3-bottom", seed=5, width_mult=0.125))


def test_masks_and_weights_vary_apart():
    a = build("vgg19/0.3-bottom", seed=1, mask_seed=7, width_mult=0.125)
    other_masks = build("vgg19/0.3-bottom", seed=1, mask_seed=8, width_mult=0.125)
    other_weights = build("vgg19/0.3-bottom", seed=2, mask_seed=7, width_mult=0.125)
    site = defects(a)[0].site
    assert torch.equal(a.head.weight, other_masks.head.weight)
    assert not torch.equal(a.get_submodule(site).defect_mask, other_masks.get_submodule(site).defect_mask)
    assert torch.equal(a.get_submodule(site).defect_mask, other_weights.get_submodule(site).defect_mask)
    assert not torch.equal(a.head.weight, other_weights.head.weight)


def test_weights_do_not_depend_on_the_masks():
    assert torch.equal(
        build("resnet18", seed=3, width_mult=0.125).head.weight, build("resnet18/0.1-bottom", seed=3, width_mult=0.125).head.weight
    )


def test_an_ensemble_averages_five_nets_of_different_masks():
    net = build("vgg19/0.5-bottom-en", seed=2, width_mult=0.125).eval()
    assert isinstance(net, Ensemble) and len(net.members) == 5
    torch.testing.assert_close(net(X), sum(member(X) for member in net.members) / 5)
    assert same(net.members[3], build("vgg19/0.5-bottom", seed=member_seed(2, 3), width_mult=0.125))
    masks = {member.blocks[0].norm1.defect_mask.numpy().tobytes() for member in net.members}
    assert len(masks) == 5
    assert len(defects(net)) == 20


@pytest.mark.parametrize("name", ["resnet18/0.5-bottom-sm", "resnet18/0.5-bottom-x2-en", "resnet18/en", "wrn32_4/0.1-bottom-dc"])
def test_variants_of_the_paper_run(name):
    assert build(name, width_mult=0.0625).eval()(X).shape == (2, 10)


def test_sm_has_one_plane_per_layer_and_layers_differ():
    net = build("resnet18/0.5-bottom-sm", width_mult=0.125)
    planes = [net.get_submodule(defect.site).defect_mask[0] for defect in defects(net)]
    assert all((plane == plane[:1]).all() for plane in planes)
    assert not torch.equal(planes[0][0], planes[1][0])


def test_a_negative_seed_is_refused():
    with pytest.raises(InputError, match="-1"):
        build("resnet18", seed=-1)
