import pytest
import torch

from defective import AttackSpec, InputError, build
from defective.data import ImageSet, index_hash, shapes
from defective.evaluation.protocol import check_fits, craft_on, evaluate_transfer, read_crafted, source_sample, write_crafted
from defective.files import read_tensors, write_tensors

FGSM = AttackSpec.parse("fgsm:eps=8/255")


@pytest.fixture(scope="module")
def data():
    made = shapes("test")
    return ImageSet("some-shapes", "test", made.x[:300], made.y[:300], made.classes)


@pytest.fixture(scope="module")
def nets():
    names = ("vgg19", "vgg19/0.5-bottom", "resnet18")
    return {name: build(name, seed=number, width_mult=0.0625).eval() for number, name in enumerate(names)}


def test_the_sample_is_right_on_the_source_seeded_and_of_the_asked_size(data, nets):
    source = nets["vgg19"]
    sample = source_sample(source, data, 10, seed=4)
    x, y = data.take(sample)
    assert len(sample.unique()) == len(sample) == 10
    assert (source(x.float() / 255).argmax(1) == y).all()
    assert torch.equal(sample, source_sample(source, data, 10, seed=4))
    assert index_hash(sample) != index_hash(source_sample(source, data, 10, seed=5))
    assert torch.equal(sample[:5], source_sample(source, data, 5, seed=4))


def test_every_target_meets_every_source_and_attack(data, nets):
    targets = {name: nets[name] for name in ("vgg19/0.5-bottom", "resnet18")}
    specs = [FGSM, AttackSpec.parse("pgd:eps=8/255,step_size=4/255,steps=2")]
    evaluation = evaluate_transfer(targets, {"source": nets["vgg19"]}, data, specs, samples=20, white_box=True)
    cells = [(o.target, o.crafted.source, o.crafted.attack.split(":")[0]) for o in evaluation.outcomes]
    transfer = [(target, "source", attack) for attack in ("fgsm", "pgd") for target in targets]
    white_box = [(target, target, attack) for target in targets for attack in ("fgsm", "pgd")]
    assert cells == transfer + white_box
    document = evaluation.as_dict()
    assert document["cells"][0]["defense"]["all"]["total"] == document["cells"][0]["images"] <= 20
    for number, outcome in enumerate(evaluation.outcomes):
        stored = evaluation.as_tensors()
        counted = stored[f"{number}.clean_correct"] & stored[f"{number}.fooled"]
        assert int(counted.sum()) == outcome.rate().total


def test_crafted_images_survive_the_file(data, nets, tmp_path):
    made = craft_on(nets["vgg19"], "source", data, FGSM, samples=20)
    file = tmp_path / "made.safetensors"
    write_crafted(made, data, file)
    again = read_crafted(file, data)
    assert again.source == "source" and again.attack == str(FGSM)
    for name in ("x", "y", "x_adv", "predicted", "index"):
        assert torch.equal(getattr(again, name), getattr(made, name))


def spoil(tensors, about, how):
    if how == "data":
        about["data"] = "elsewhere"
    if how == "labels":
        tensors["y"] = (tensors["y"] + 1) % 10
    if how == "index":
        tensors["index"] = tensors["index"] + 1000


@pytest.mark.parametrize(("how", "said"), [("data", "elsewhere"), ("labels", "labels"), ("index", "300")])
def test_crafted_images_of_other_data_are_refused(data, nets, tmp_path, how, said):
    file = tmp_path / "made.safetensors"
    write_crafted(craft_on(nets["vgg19"], "source", data, FGSM, samples=5), data, file)
    tensors, about = read_tensors(file)
    spoil(tensors, about, how)
    write_tensors(file, tensors, about)
    with pytest.raises(InputError, match=said):
        read_crafted(file, data)


@pytest.mark.parametrize(
    ("options", "said"), [({"num_classes": 7}, "7 classes"), ({"image_size": 64}, "64"), ({"in_chans": 1}, r"\(1, 32, 32\)")]
)
def test_a_net_that_does_not_fit_the_data_is_refused(data, options, said):
    with pytest.raises(InputError, match=said):
        check_fits(build("vgg19", width_mult=0.0625, **options), data, "mine")


def test_a_source_that_knows_nothing_is_refused(data, nets):
    answers = nets["vgg19"](data.x[:3].float() / 255).argmax(1)
    wrong = ImageSet("wrong", "test", data.x[:3], (answers + 1) % 10, data.classes)
    with pytest.raises(InputError, match="no image"):
        source_sample(nets["vgg19"], wrong, 3)


def test_no_samples_are_refused(data, nets):
    with pytest.raises(InputError, match="samples 0"):
        source_sample(nets["vgg19"], data, 0)
