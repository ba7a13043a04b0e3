import pytest

from defective.experiments.describe import describe
from defective.experiments.unfinished import unfinished
from defective.files import write_tensors
from runs import net


def begin(store, job):
    with store.working(job) as place:
        return place


def state(folder, epochs):
    write_tensors(folder / "state.safetensors", {}, {"key": "any", "history": [{"epoch": n} for n in range(epochs)]})


def finish(folder):
    write_tensors(folder / "model.safetensors", {}, {})
    (folder / "result.json").write_text("{}")


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_a_net_in_training_says_how_far_it_is(store, epochs):
    job = net()
    state(begin(store, job) / "net", epochs)
    assert unfinished(store) == [{"job": job.name, "about": describe(job), "epochs": epochs, "of_epochs": 2}]


def test_an_ensemble_counts_the_epochs_of_all_its_members(store):
    job = net("resnet18/en")
    place = begin(store, job) / "net"
    assert [(each["epochs"], each["of_epochs"]) for each in unfinished(store)] == [(0, 10)]
    finish(place / "member-0")
    finish(place / "member-1")
    state(place / "member-2", 1)
    assert [(each["epochs"], each["of_epochs"]) for each in unfinished(store)] == [(5, 10)]


def test_a_net_whose_training_has_ended_or_whose_state_is_corrupt(store):
    ended, corrupt = net(), net(seed=1)
    finish(begin(store, ended) / "net")
    place = begin(store, corrupt) / "net"
    place.mkdir()
    (place / "state.safetensors").write_text("half")
    assert {each["job"]: each["epochs"] for each in unfinished(store)} == {ended.name: 2, corrupt.name: 0}


def test_what_nothing_says_is_not_known(store):
    (store.folder / "running" / "train-0123456789abcdef").mkdir()
    assert [each["about"] for each in unfinished(store)] == [None]
