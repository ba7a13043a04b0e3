"""Every path that differs on a GPU, against the CPU or against what must hold exactly; skipped where there is no GPU."""

import copy
import json
import logging
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from defective import build, defects, sparsify
from defective.cli import main
from defective.errors import OutOfTime
from defective.evaluation.inputs import as_data
from defective.evaluation.shape_bias import shape_bias
from defective.machine import resolve_precision
from defective.specs import AttackSpec, Recipe
from defective.training import loop
from defective.training.loop import fit, make_sgd
from defective.training.step import WARM_UP, RecordedStep, Step, make_step
from trainings import some_shapes

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
BATCHES = RECIPE.changed(batch_size=16)


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
    # The last batch is a short one.
    return some_shapes(300)


@pytest.fixture(scope="module")
def trained_once(data):
    net = build("resnet18/0.3-bottom", width_mult=0.125)
    fit(net, data, RECIPE.changed(epochs=12, lr=0.1), device="cpu", precision="fp32")
    return net.eval()


def masks(net):
    return [mask for name, mask in net.named_buffers() if name.endswith("defect_mask")]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_dead_neurons_are_exactly_zero_forward_and_backward(dtype):
    net = build("vgg19/0.3-bottom", width_mult=0.125).to(DEVICE, dtype)
    site, dead = net.get_submodule(defects(net)[0].site), masks(net)[0][0] == 0
    z = torch.randn(4, *dead.shape, device=DEVICE, dtype=dtype).requires_grad_()
    site.eval()
    out = site(z)
    assert dead.any() and not out[:, dead].any()
    (gradient,) = torch.autograd.grad(out.float().sum(), z)
    assert not gradient[:, dead].any() and gradient[:, ~dead].any()


def steps_of(kind, name, data, count, *, precision="fp32", lrs=(0.05, 0.02)):
    """Losses, hits and the model after some steps on the same batches, with a learning rate that changes."""
    net = build(name, width_mult=0.125).to(DEVICE).to(memory_format=torch.channels_last).train()
    optimizer = make_sgd(net, RECIPE, DEVICE)
    step = kind(net, optimizer)
    found = []
    for number in range(count):
        x = (data.x[number * 16 : number * 16 + 16].float() / 255).to(DEVICE).to(memory_format=torch.channels_last)
        # The last batch is a short one.
        x, y = x[: 16 if number < count - 1 else 7], data.y[number * 16 : number * 16 + 16].to(DEVICE)
        step.set_lr(lrs[number % len(lrs)])
        loss, hits = step(x, y[: len(x)])
        found.append((float(loss), int(hits)))
    return found, net, step


@pytest.mark.parametrize("name", ["resnet18", "resnet18/0.3-bottom", "vgg19/0.5-bottom", "densenet121/0.3-bottom", "senet18"])
def test_a_recorded_step_computes_what_the_eager_one_does(name, data):
    count = WARM_UP + 6
    eager, one, _ = steps_of(lambda net, optimizer: Step(net, optimizer, BATCHES, DEVICE, "fp32"), name, data, count)
    recorded, other, step = steps_of(
        lambda net, optimizer: RecordedStep(net, optimizer, BATCHES, DEVICE, "fp32"), name, data, count
    )
    assert step.graph is not None and not step.given_up
    assert [loss for loss, _ in recorded] == pytest.approx([loss for loss, _ in eager], rel=2e-3)
    assert sum(abs(a[1] - b[1]) for a, b in zip(recorded, eager, strict=True)) <= 2
    for (key, value), wanted in zip(other.state_dict().items(), one.state_dict().values(), strict=True):
        torch.testing.assert_close(value, wanted, rtol=2e-2, atol=2e-3, msg=key)
    assert len({int(value) for key, value in other.state_dict().items() if key.endswith("num_batches_tracked")}) == 1


def test_where_recording_fails_training_goes_on_and_says_so(data, caplog):
    net = build("resnet18", width_mult=0.125).to(DEVICE).train()
    # Reading a number of the device is not allowed in a recording.
    net.register_forward_hook(lambda module, args, output: output * (1 if float(output.detach().sum()) < torch.inf else 0))
    step = RecordedStep(net, make_sgd(net, RECIPE, DEVICE), BATCHES, DEVICE, "fp32")
    x, y = (data.x[:16].float() / 255).to(DEVICE), data.y[:16].to(DEVICE)
    with caplog.at_level(logging.WARNING):
        losses = [float(step(x, y)[0]) for _ in range(WARM_UP + 4)]
    assert step.given_up and len(caplog.records) == 1 and "without a CUDA graph" in caplog.text
    assert losses[-1] < losses[0]


def test_what_is_recorded_and_what_runs_as_it_is():
    def kind(name, **changes):
        net, recipe = build(name, width_mult=0.0625).to(DEVICE), RECIPE.changed(**changes)
        return type(make_step(net, make_sgd(net, recipe, DEVICE), recipe, DEVICE, "fp32"))

    assert kind("resnet18") is kind("resnet18/0.3-bottom") is RecordedStep
    assert kind("resnet18/0.9-dropout") is kind("resnet18", adversarial=attack_spec()) is Step


def attack_spec():
    return AttackSpec.parse("pgd:eps=4/255,step_size=2/255,steps=1")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_models_one_after_the_other_end_where_a_cpu_ends(precision, data):
    recipe = RECIPE.changed(epochs=1, batch_size=32)
    for name in ("resnet18", "resnet18/0.3-bottom", "resnet18/0.1-bottom"):
        nets = [build(name, width_mult=0.125) for _ in range(2)]
        (here,) = fit(nets[0], data, recipe, device=str(DEVICE), precision=precision)
        (there,) = fit(nets[1], data, recipe, device="cpu", precision="fp32")
        assert here["train_loss"] == pytest.approx(there["train_loss"], rel=1e-2 if precision == "fp32" else 3e-2)
        assert next(nets[0].parameters()).device.type == DEVICE.type


def test_adversarial_training_runs(data):
    net = build("resnet18/0.3-bottom", width_mult=0.0625)
    rows = fit(net, data, RECIPE.changed(adversarial=attack_spec(), epochs=3), device=str(DEVICE), precision="fp32")
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_a_run_resumes_after_an_epoch(data, tmp_path, monkeypatch):
    whole, parts = (build("resnet18/0.9-dropout", width_mult=0.125) for _ in range(2))
    kept = {"device": str(DEVICE), "precision": "fp32", "state_file": tmp_path / "state.safetensors"}
    rows = fit(whole, data, RECIPE, device=str(DEVICE), precision="fp32")
    looks = iter([False])
    monkeypatch.setattr(loop, "_time_is_up", lambda run: next(looks, True))
    with pytest.raises(OutOfTime):
        fit(parts, data, RECIPE, **kept)
    monkeypatch.undo()
    again = fit(build("resnet18/0.9-dropout", width_mult=0.125), data, RECIPE, **kept)
    assert [row["train_loss"] for row in again] == pytest.approx([row["train_loss"] for row in rows], rel=1e-4)


@pytest.mark.parametrize("name", ["resnet18/0.1-bottom", "densenet121/0.3-bottom", "wrn32_4"])
def test_sparsify_is_the_same_function(name, data):
    net = build(name, width_mult=0.125).to(DEVICE)
    x = (data.x[:32].float() / 255).to(DEVICE)
    with torch.no_grad():
        net.train()(x)
        net.eval()
        torch.testing.assert_close(sparsify(net, x[:1])(x), net(x), rtol=1e-4, atol=1e-4)


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
    """From the batch to the end of the step, recorded or not; the loss is read after the last one."""
    seen = []

    class Strict(RecordedStep):
        def __call__(self, *arguments):
            found = super().__call__(*arguments)
            seen.append(self.graph is not None)
            # Recording waits for the device by itself, and what comes after the last step is the end of the epoch.
            quiet = len(seen) in (1, WARM_UP) or len(seen) == 8
            torch.cuda.set_sync_debug_mode("default" if quiet else "error")
            return found

    monkeypatch.setattr(loop, "make_step", Strict)
    few = replace(data, x=data.x[:256], y=data.y[:256])
    try:
        fit(build("vgg19/0.5-bottom", width_mult=0.125), few, RECIPE.changed(epochs=1, batch_size=32), device=str(DEVICE))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert seen == [False] * WARM_UP + [True] * (8 - WARM_UP)


def test_labels_of_several_devices_are_those_of_one(trained_once, data):
    """The batches of a loader, and the two cues of a stimulus."""
    halves = [(data.x[:64], data.y[:64]), (data.x[64:128].to(DEVICE), data.y[64:128].to(DEVICE))]
    [joined, whole] = [
        as_data(each, [trained_once]) for each in (DataLoader(halves, batch_size=None), (data.x[:128], data.y[:128]))
    ]
    assert joined.digest == whole.digest
    other = (data.y[:64] + 1) % len(data.classes)
    model = copy.deepcopy(trained_once).to(DEVICE)
    assert shape_bias(model, data.x[:64], data.y[:64].to(DEVICE), other) == shape_bias(
        trained_once, data.x[:64], data.y[:64], other
    )
