"""Models and attacks of the user's own: what they write, build or raise changes nothing else."""

import pytest
import torch
from torch import nn

from defective import AttackSpec, InputError, attacks, defect_, evaluation, sparsify
from defective.data import ImageSet
from defective.data.stimuli import Stimuli
from defective.evaluation import CustomAttack, EvaluatedModel
from defective.evaluation.corruptions import corruption_curve
from defective.evaluation.shape_bias import shape_bias
from evaluations import Around
from refusals import refused

SPECS = [
    "fgsm:eps=8/255",
    "vmifgsm:eps=8/255,steps=3,neighbors=3",
    "cw:steps=30,search_steps=3",
    "boundary:steps=20",
    "hopskipjump:steps=2",
]


class Writes(nn.Module):
    """Normalises its images, and writes into what it was given in one of several ways, or not at all."""

    def __init__(self, how: str = "not") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.how, self.body = how, nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4))

    def forward(self, x):
        z = self.body(x.sub_(0.5).div_(0.25) if self.how == "in place" else (x - 0.5) / 0.25)
        with torch.no_grad():
            if self.how == "data":
                x.data.zero_()
            elif self.how == "numpy":
                x.detach().cpu().numpy()[:] = 0
            elif self.how == "detach":
                x.detach().fill_(0.3)
        return z


class Cached(nn.Sequential):
    """Keeps a tensor that its first call makes, as position tables and normalisers do."""

    def forward(self, x):
        self.mean = self.mean if hasattr(self, "mean") else torch.full((1, 3, 1, 1), 2.0)
        return super().forward(x * self.mean)


def lazy():
    torch.manual_seed(0)
    return Cached(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))


def failing(error):
    """Raises where gradients are on."""

    def before(x):
        if torch.is_grad_enabled():
            raise error
        return x

    return Around(Writes(), before)


@pytest.fixture
def x():
    return torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def y(x):
    return Writes()(x).argmax(1)


@pytest.fixture
def data(x, y):
    return ImageSet("few", "test", (x * 255).byte(), y, tuple("abcd"))


@pytest.mark.parametrize("how", ["in place", "data", "numpy", "detach"])
def test_a_model_that_writes_into_its_images_writes_into_a_copy(x, y, how):
    given, model = x.clone(), Writes(how)
    for spec in map(AttackSpec.parse, SPECS):
        found = attacks.from_spec(spec)(model, given, y)
        assert torch.equal(found, attacks.from_spec(spec)(Writes(), x, y)) and not torch.equal(found, x)
    assert evaluation.accuracy(model, given, y) == evaluation.defense_rate(model, given, y, given) == 1
    shape_bias(model, given, y, (y + 1) % 4)
    corruption_curve(model, given, y, "noise", strengths=[8])
    assert torch.equal(given, x)


def test_conversion_leaves_the_images_alone(x):
    model, given = Writes("in place"), x.clone()
    defect_(model, 0.5, sites=["body.0"], example_inputs=given)
    fast = sparsify(model.eval(), given)
    assert torch.allclose(fast(given), model(given.clone()), atol=1e-4)
    attacks.fgsm(fast, given, torch.arange(20) % 4, eps=0.1)
    assert torch.equal(given, x)


def test_an_evaluation_gives_the_same_numbers_for_a_model_that_writes(x, y, data):
    stimuli = Stimuli((data.x, y, (y + 1) % 4), (data.x, y), (data.x, y), 0, 0)
    attack = CustomAttack("own", lambda model, x, y: (x.add_(0.1).clamp_(0, 1), model(x), x)[2])
    options = {"samples": 10, "decision": "boundary:steps=20", "confidence": 0.0, "stimuli": stimuli}
    documents = []
    for how in ("not", "in place"):
        models = {"n": Writes(how)}
        found = evaluation.evaluate(models, data, attacks=["fgsm:eps=8/255", attack], **options)
        documents.append(found.as_json())
        assert torch.equal(data.x, (x * 255).byte())
    assert documents[0] == documents[1]


def test_an_attack_that_leaves_gradients_modes_and_switches_behind(data):
    def attack(model, x, y):
        nn.functional.cross_entropy(model(x), y).backward()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        y.zero_()
        torch.set_grad_enabled(False)
        model.train()
        return x

    model = Writes()
    weight = model.body[0].weight
    weight.grad = torch.ones_like(weight)
    try:
        evaluation.evaluate({"n": model}, data, attacks=[attack], parts=("white-box",), samples=5)
        assert torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(weight.grad, torch.ones_like(weight)) and model.body[0].bias.grad is None


@pytest.mark.parametrize("first", ["accuracy", "evaluate", "fgsm", "cw", "boundary"])
def test_what_a_model_builds_at_its_first_call_can_be_attacked_and_trained(x, first):
    model, labels = lazy(), torch.arange(20) % 4
    if first == "accuracy":
        evaluation.accuracy(model, x, labels)
    elif first == "evaluate":
        data = ImageSet("few", "test", (x * 255).byte(), labels, tuple("abcd"))
        assert not evaluation.evaluate({"n": model}, data, parts=("noise",), samples=4).skipped
    else:
        options = {"fgsm": {"eps": 0.1}}.get(first, {"steps": 3})
        getattr(attacks, first)(model, x, labels, **options)
    assert attacks.fgsm(model, x, labels, eps=0.1).shape == x.shape
    model.train()(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_an_evaluation_runs_inside_inference_mode(x, y):
    model, options = Writes(), {"parts": ("noise", "white-box"), "attacks": ["fgsm:eps=8/255"], "samples": 5}
    wanted = evaluation.evaluate({"n": model}, (x, y), **options)
    with torch.inference_mode():
        found = evaluation.evaluate({"n": model}, (x.clone(), y.clone()), **options)
    assert found.as_json() == wanted.as_json() and not found.skipped


def test_a_model_made_in_inference_mode_has_no_gradient(x, y):
    with torch.inference_mode():
        model = Writes()
    assert evaluation.accuracy(model, x, y) == 1
    for spec in ("fgsm:eps=8/255", "cw:steps=2"):
        with pytest.raises(InputError, match=r"have no gradient \(RuntimeError: Inference tensors"):
            attacks.from_spec(AttackSpec.parse(spec))(model, x, y)
    attack = CustomAttack("own", lambda model, x, y: (x + 0.1).clamp(0, 1))
    found = evaluation.evaluate({"n": model}, (x, y), attacks=[attack], parts=("white-box", "noise"), samples=5)
    assert "no gradient" in found.skipped["n"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda z: z[:1], r"returned \(1, 4\) for 20 images"),
        (lambda z: z.T, r"returned \(4, \d+\) for"),
        (lambda z: z + 0j, "complex64"),
        (lambda z: z.to_sparse(), "sparse_coo"),
        (lambda z: (100 * z).long(), "no gradient .they are torch.int64"),
        (lambda z: z > 0, "no gradient .they are torch.bool"),
        (lambda z: z.to(torch.float8_e5m2), "no gradient .they are torch.float8_e5m2"),
    ],
)
def test_logits_of_a_kind_that_cannot_be_attacked(x, y, change, said):
    changed = Around(Writes(), after=lambda z, x: change(z))
    with refused(said):
        attacks.fgsm(changed, x, y, eps=0.1)
    if "no gradient" in said:
        assert 0 < evaluation.accuracy(changed, x, y) <= 1
        assert attacks.boundary(changed, x, y, steps=2).shape == x.shape
    else:
        with refused(said.replace("20", r"\d+")):
            attacks.boundary(changed, x, y, steps=2)


@pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    "change",
    [lambda model, x: torch.export.export(model, (x,)).module(), lambda model, x: torch.jit.freeze(torch.jit.trace(model, x))],
    ids=["exported", "frozen"],
)
def test_models_that_have_no_mode_are_used_as_they_are(x, y, change):
    model = Writes().eval()
    changed = change(model, x)
    assert evaluation.accuracy(changed, x, y) == 1
    assert torch.equal(attacks.fgsm(changed, x, y, eps=0.1), attacks.fgsm(model, x, y, eps=0.1))


MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    # Python, where there is no room for a stack.
    RuntimeError("can't start new thread"),
    RuntimeError("could not create a primitive"),
    # The loader, where there is none for a library.
    ImportError("libXau-154567c4.so.6.0.0: failed to map segment from shared object"),
]


@pytest.mark.parametrize("error", MEMORY, ids=repr)
def test_out_of_memory_is_never_taken_for_something_else(x, y, data, error):
    for work in (
        lambda: EvaluatedModel.of("n", failing(error), data),
        lambda: attacks.fgsm(failing(error), x, y, eps=8 / 255),
        lambda: attacks.cw(failing(error), x, y, steps=2),
    ):
        with pytest.raises(type(error)) as caught:
            work()
        assert caught.value is error


def test_a_real_error_of_the_gradient_pass_is_named_and_quoted(data):
    with refused(r"^n: the model failed on images .*: KeyError: 'scale'"):
        evaluation.evaluate({"n": failing(KeyError("scale"))}, data, parts=("noise",), samples=4)

    def backward(gradient):
        raise ValueError("half done")

    def after(z, x):
        if z.requires_grad:
            z.register_hook(backward)
        return z

    with refused(r"^n: the gradient of the model cannot be computed: ValueError: half done"):
        EvaluatedModel.of("n", Around(Writes(), after=after), data)


@pytest.mark.parametrize("kept", [torch.eye(3).to_sparse(), torch.tensor([1 + 2j]).conj()], ids=["sparse", "conjugate view"])
def test_a_buffer_of_another_layout_is_a_part_of_the_fingerprint(data, kept):
    models = [Writes(), Writes()]
    for factor, model in enumerate(models, 1):
        model.register_buffer("kept", factor * kept)
    one, other = (EvaluatedModel.of("n", model, data).fingerprint for model in models)
    assert one != other


class Silent(Writes):
    def state_dict(self, *args, **kwargs):
        raise KeyError("no state")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Silent(), "its state dict cannot be read: KeyError: 'no state'"),
        (Writes().to("meta"), "failed on images .*NotImplemented"),
    ],
    ids=["no state dict", "meta"],
)
def test_a_model_that_cannot_be_read_is_refused(data, model, said):
    with refused(f"^n: .*{said}"):
        EvaluatedModel.of("n", model, data)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(lambda model, x: {}["oh"], "KeyError: 'oh'$"), (lambda model, x: x.sum().backward(), "RuntimeError: .*grad")],
    ids=["an error", "a gradient of its own that is not there"],
)
def test_an_error_of_an_attack_is_named_and_quoted(data, wrong, said):
    def mine(model, x, y):
        return wrong(model, x)

    with refused(f"^mine on s: the attack failed: {said}"):
        evaluation.evaluate({"n": Writes()}, data, sources={"s": Writes()}, attacks=[mine], parts=("transfer",), samples=4)
