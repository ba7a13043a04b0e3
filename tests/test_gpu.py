"""Every path that differs on a GPU, against the CPU or against what must hold exactly; skipped where there is no GPU."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from torch.utils._triton import has_triton

from defective import attacks, build, defects, load, save, sparsify
from defective.cli import main
from defective.data import ImageSet, shapes
from defective.errors import OutOfTime
from defective.inference import logits
from defective.machine import compiled, resolve_precision
from defective.specs import Recipe
from defective.training import epoch
from defective.training.loop import fit

DEVICE = torch.device("cuda")
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
    pytest.mark.filterwarnings(
        "ignore:.*torch.jit.script_method:DeprecationWarning",
        "ignore:Synchronization debug mode:UserWarning",
        "ignore:TensorFloat32 tensor cores:UserWarning",
    ),
]
RECIPE = Recipe(name="test", width_mult=0.125, epochs=2, batch_size=64, lr=0.05, augment="crop-flip")
EPS = 16 / 255


@pytest.fixture(autouse=True)
def full_precision():
    """TF32 rounds to 10 bits: nothing could be compared."""
    switches = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = False
    yield
    for switch, allowed in zip(switches, before, strict=True):
        switch.allow_tf32 = allowed


@pytest.fixture(scope="module")
def data():
    test = shapes("test")
    # The last batch is a short one.
    return ImageSet("some-shapes", "train", test.x[:300], test.y[:300], test.classes)


@pytest.fixture(scope="module")
def trained_once(data):
    net = build("resnet18/0.3-bottom", width_mult=0.125)
    fit(net, data, RECIPE.changed(epochs=12, lr=0.1), device="cpu", precision="fp32")
    return net.eval()


@pytest.fixture
def trained(trained_once):
    """On the CPU; a copy, whatever becomes of it."""
    return copy.deepcopy(trained_once)


@pytest.fixture(scope="module")
def images(data, trained_once):
    x = data.x[:16].float() / 255
    return x, logits(trained_once, x).argmax(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", ["eager", "compiled"])
def test_dead_neurons_are_exactly_zero_forward_and_backward(dtype, form):
    net = build("vgg19/0.3-bottom", width_mult=0.125).to(DEVICE, dtype).train()
    site = net.get_submodule(defects(net)[0].site)
    dead = ~site.defect_mask[0]
    run = site if form == "eager" else compiled(site, DEVICE)
    z = torch.randn(4, *dead.shape, device=DEVICE, dtype=dtype)
    z[0, :, 0, 0] = torch.inf
    z.requires_grad_()
    site.eval()
    out = run(z)
    assert not out[:, dead].any()
    (gradient,) = torch.autograd.grad(out[1:].float().sum(), z)
    assert not gradient[1:, dead].any() and gradient[1:, ~dead].any()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_nets_one_after_the_other_end_where_a_cpu_ends(precision, data):
    recipe = RECIPE.changed(epochs=1)
    for name in ("resnet18", "resnet18/0.3-bottom", "resnet18/0.1-bottom"):
        nets = [build(name, width_mult=0.125) for _ in range(2)]
        (here,) = fit(nets[0], data, recipe, device=str(DEVICE), precision=precision)
        (there,) = fit(nets[1], data, recipe, device="cpu", precision="fp32")
        assert here["train_loss"] == pytest.approx(there["train_loss"], rel=1e-3 if precision == "fp32" else 1e-2)
        assert next(nets[0].parameters()).device.type == DEVICE.type


def test_nets_are_compiled_where_that_can_be_done(trained):
    assert (compiled(trained, DEVICE) is not trained) == has_triton()


def test_a_run_that_was_broken_off_within_an_epoch_goes_on(data, tmp_path, monkeypatch):
    """Dropout draws on the device: its generator goes on too."""
    whole, parts = (build("resnet18/0.9-dropout", width_mult=0.125) for _ in range(2))
    kept = {"device": str(DEVICE), "precision": "fp32", "state_file": tmp_path / "state.safetensors"}
    rows = fit(whole, data, RECIPE, device=str(DEVICE), precision="fp32")
    monkeypatch.setattr(epoch, "_must_stop", lambda run, state, step: step == 2)
    with pytest.raises(OutOfTime):
        fit(parts, data, RECIPE, **kept)
    monkeypatch.undo()
    again = fit(build("resnet18/0.9-dropout", width_mult=0.125), data, RECIPE, **kept)
    assert [row["train_loss"] for row in again] == pytest.approx([row["train_loss"] for row in rows], rel=1e-4)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "mifgsm"])
def test_gradient_attacks_agree_with_the_cpu(name, trained, images):
    x, y = images
    numbers = {"eps": EPS} if name == "fgsm" else {"eps": EPS, "step_size": EPS / 4, "steps": 4}
    attack = getattr(attacks, name)
    here = attack(trained, x, y, **numbers)
    there = attack(trained.to(DEVICE), x.to(DEVICE), y.to(DEVICE), **numbers)
    assert there.device.type == DEVICE.type and float((there.cpu() - x).abs().max()) <= EPS + 1e-6
    assert float(((there.cpu() - here).abs() < 1e-5).float().mean()) > (0.99 if name == "fgsm" else 0.95)


def test_cw_and_boundary_hold_on_the_cpu_too(trained, images):
    x, y = images
    net = trained.to(DEVICE)
    draft = sparsify(net, x[:1], precision="bf16")
    found = {
        "cw": attacks.cw(net, x.to(DEVICE), y.to(DEVICE), steps=60, search_steps=5, initial_const=0.1),
        "draft": attacks.cw(net, x.to(DEVICE), y.to(DEVICE), steps=60, search_steps=5, initial_const=0.1, draft=draft),
        "boundary": attacks.boundary(net, x.to(DEVICE), y.to(DEVICE), steps=50, generator=torch.Generator().manual_seed(0)),
    }
    trained.cpu()
    lengths = {name: (made.cpu() - x).flatten(1).norm(dim=1) for name, made in found.items()}
    for name, made in found.items():
        assert (logits(trained, made.cpu()).argmax(1) != y)[lengths[name] > 0].float().mean() > 0.9
    assert float(lengths["draft"].mean()) < 1.1 * float(lengths["cw"].mean()) < 1.1 * float(lengths["boundary"].mean())


@pytest.mark.parametrize("name", ["resnet18/0.1-bottom", "densenet121/0.3-bottom", "wrn32_4"])
def test_sparsify_is_the_same_function(name, data):
    net = build(name, width_mult=0.125).to(DEVICE)
    x = (data.x[:32].float() / 255).to(DEVICE)
    with torch.no_grad():
        net.train()(x)
        net.eval()
        torch.testing.assert_close(sparsify(net, x[:1])(x), net(x), rtol=1e-4, atol=1e-4)


def test_a_net_travels_by_its_file(tmp_path, trained, images):
    save(trained.to(DEVICE), tmp_path / "net.safetensors")
    trained.cpu()
    torch.testing.assert_close(logits(load(tmp_path / "net.safetensors"), images[0]), logits(trained, images[0]))


def test_bfloat16_is_chosen_where_the_gpu_has_it():
    assert resolve_precision(DEVICE) == ("bf16" if torch.cuda.get_device_capability()[0] >= 8 else "fp32")


def test_the_commands_run_from_training_to_evaluation(tmp_path, capsys):
    def run(*arguments):
        code = main([*map(str, arguments), "--device", DEVICE.type, "--json"])
        assert code == 0
        return json.loads(capsys.readouterr().out)

    for net, out in (("resnet18", "plain"), ("resnet18/0.3-bottom", "defective")):
        result = run("train", net, "--data", "shapes", "--epochs", 1, "--width-mult", 0.125, "--out", tmp_path / out)
    assert result["test_accuracy"] > 0.3 and result["machine"]["device"]
    nets = [tmp_path / "plain", tmp_path / "defective"]
    small = ("--samples", 40, "--check-samples", 20, "--decision-samples", 5, "--decision", "boundary:steps=20")
    found = run("evaluate", *nets, "--data", "shapes", *small, "--confidence", 0, "--out", tmp_path / "out")
    assert found["machine"]["device"] == result["machine"]["device"]


def test_a_step_waits_for_nothing(data, monkeypatch):
    """From the batch to the end of the step; the loss is read after the last one."""
    step, steps = epoch._step, []

    def strictly(*arguments):
        steps.append(None)
        step(*arguments)
        # The first one compiles, and what comes after the fourth is the end of the epoch.
        torch.cuda.set_sync_debug_mode("error" if 1 <= len(steps) < 4 else "default")

    monkeypatch.setattr(epoch, "_step", strictly)
    few = replace(data, x=data.x[:256], y=data.y[:256])
    try:
        fit(build("vgg19/0.5-bottom", width_mult=0.125), few, RECIPE.changed(epochs=1), device=str(DEVICE))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(steps) == 4
