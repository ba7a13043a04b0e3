"""The training step, and when it is recorded. CUDA itself is made up here; tests/test_gpu.py has the real one."""

import copy
import logging
from contextlib import contextmanager, nullcontext
from unittest.mock import MagicMock

import pytest
import torch

from defective import build
from defective.specs import AttackSpec, Recipe
from defective.training import step as steps
from defective.training.loop import make_sgd
from defective.training.step import WARM_UP, RecordedStep, Step, make_step, recordable
from trainings import copied, equal

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
RECIPE = Recipe(name="test", epochs=1, batch_size=8, lr=0.1)


@pytest.fixture(autouse=True)
def one_thread():
    """torch 2.13 corrupts memory where several threads take channels-last steps on batches as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recorder(monkeypatch):
    """A function that makes a recorded step on the CPU; ``fails`` is what recording raises."""

    def make(net, *, fails=None):
        optimizer = make_sgd(net, RECIPE, CPU)
        recorded = RecordedStep(net, optimizer, RECIPE, CPU, "fp32")

        class MadeUpGraph:
            """As a CUDA graph: recording takes no step, and a replay reads the same tensors and writes the same results."""

            recorded = replays = 0

            def replay(self):
                self.replays += 1
                for kept, new in zip(recorded.outcome, Step.__call__(recorded, recorded.x, recorded.y), strict=True):
                    kept.copy_(new)

        @contextmanager
        def graph(made, stream):
            before = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
            yield
            net.load_state_dict(before[0])
            optimizer.load_state_dict(before[1])
            if fails is not None:
                raise fails
            made.recorded += 1

        monkeypatch.setattr(steps.torch.cuda, "CUDAGraph", MadeUpGraph)
        monkeypatch.setattr(steps.torch.cuda, "graph", graph)
        return recorded

    for name in ("Stream", "current_stream"):
        monkeypatch.setattr(steps.torch.cuda, name, MagicMock())
    monkeypatch.setattr(steps.torch.cuda, "stream", lambda stream: nullcontext())
    return make


def net():
    return build("resnet18/0.3-bottom", width_mult=0.125).to(memory_format=torch.channels_last).train()


def batches(count):
    generator = torch.Generator().manual_seed(0)
    for number in range(count):
        # The third and the last are short ones.
        size = 5 if number in (2, count - 1) else 8
        yield torch.rand(size, 3, 32, 32, generator=generator), torch.randint(10, (size,), generator=generator), 0.1 / (1 + number)


def run(step, count=WARM_UP + 6):
    found = []
    for x, y, lr in batches(count):
        step.set_lr(lr)
        found.append([float(number) for number in step(x, y)])
    return found


def test_recorded_steps_end_where_eager_ones_do(recorder):
    eager, other = net(), net()
    step = recorder(other)
    assert run(Step(eager, make_sgd(eager, RECIPE, CPU), RECIPE, CPU, "fp32")) == run(step)
    assert equal(copied(eager), copied(other))
    # All but those of the warm-up and the two short ones.
    assert step.graph.recorded == 1 and step.graph.replays == WARM_UP + 6 - WARM_UP - 2


def test_where_recording_fails_training_goes_on_eagerly_and_says_so_once(recorder, caplog):
    eager, other = net(), net()
    step = recorder(other, fails=RuntimeError("operation not permitted\nmore"))
    with caplog.at_level(logging.WARNING):
        assert run(Step(eager, make_sgd(eager, RECIPE, CPU), RECIPE, CPU, "fp32")) == run(step)
    assert equal(copied(eager), copied(other))
    assert step.graph is None and [record.getMessage() for record in caplog.records] == [
        "training continues without a CUDA graph: operation not permitted"
    ]


def test_an_attack_on_the_batch_is_never_recorded(recorder):
    step = recorder(net())
    for x, y, _ in batches(WARM_UP + 4):
        step(x, y, lambda model, x, y: x)
    assert step.graph is None and step.warm == 0


def test_the_learning_rate_reaches_a_tensor_and_a_number():
    model = net()
    for lr in (0.5, torch.tensor(0.5)):
        optimizer = torch.optim.SGD(model.parameters(), lr)
        Step(model, optimizer, RECIPE, CPU, "fp32").set_lr(0.25)
        assert optimizer.param_groups[0]["lr"] == 0.25
    assert lr == 0.25


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_rate_that_is_a_tensor_takes_the_same_steps_as_a_number(momentum):
    ends = []
    for lr in (0.1, torch.tensor(0.1)):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr, momentum, weight_decay=5e-4, fused=True)
        run(Step(model, optimizer, RECIPE, CPU, "fp32"))
        ends.append(model)
    for one, other in zip(*(model.parameters() for model in ends), strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_recorded(monkeypatch):
    attack = AttackSpec.parse("pgd:eps=4/255,step_size=2/255,steps=1")
    plain, dropping = net(), build("resnet18/0.9-dropout", width_mult=0.125)
    assert recordable(plain, RECIPE, CUDA) and not recordable(plain, RECIPE, CPU)
    assert not any(recordable(model, RECIPE, CUDA) for model in (dropping, torch.nn.Sequential(plain)))
    assert not any(recordable(plain, RECIPE.changed(**change), CUDA) for change in ({"adversarial": attack}, {"neurons": "live"}))
    assert type(make_step(plain, make_sgd(plain, RECIPE, CPU), RECIPE, CPU, "fp32")) is Step
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not recordable(plain, RECIPE, CUDA)
