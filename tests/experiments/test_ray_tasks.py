"""What a driver and its tasks do, without a cluster."""

from types import SimpleNamespace

import pytest

from defective import progress
from defective.errors import InputError
from defective.experiments import ray as cluster
from defective.experiments.plan import topological_order
from defective.experiments.ray import _collect, _do, check_address
from defective.experiments.store import Store
from defective.progress import until
from defective.specs import AttackSpec, DecisionJob, GenerateJob, ScoreJob
from runs import few, net

TARGET, SOURCE = net(), net("resnet18/0.5-bottom", 1)
CRAFT = GenerateJob(sources=(SOURCE,), attack=AttackSpec.parse("fgsm"), samples=10)
JOBS = topological_order(
    [ScoreJob(target=TARGET, adversarial=CRAFT), DecisionJob(target=SOURCE, attack=AttackSpec.parse("boundary"), samples=4)]
)


class Ray:
    """Stands for Ray: of the tasks so many end, in order; the others go on for ever."""

    exceptions = SimpleNamespace(RayTaskError=KeyError, RayError=KeyError)

    def __init__(self, **ended):
        self.ended, self.timeouts, self.cancelled = ended, [], []

    def wait(self, refs, timeout):
        self.timeouts.append(timeout)
        ready = [ref for ref in refs if ref in self.ended][:1]
        assert ready or timeout is not None
        return ready, [ref for ref in refs if ref not in ready]

    def get(self, ref):
        return self.ended[ref], self.ended[ref] == "finished"

    def cancel(self, ref):
        self.cancelled.append(ref)


@pytest.fixture
def clock(monkeypatch):
    """Both clocks stand still."""
    monkeypatch.setattr(progress, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(cluster, "time", SimpleNamespace(monotonic=lambda: 1010.0, time=lambda: 5000.0))


@pytest.fixture
def refs():
    return {job: f"{number}" for number, job in enumerate(JOBS)}


def test_a_busy_cluster_does_not_hold_the_driver_past_the_deadline(tmp_path, refs, clock):
    ray, said = Ray(**{"0": "finished", "1": "failed"}), []
    with until(60):
        summary = _collect(ray, refs, Store(tmp_path / "store"), said.append)
    assert ray.timeouts == [60.0] * 3
    assert ray.cancelled == ["2", "3", "4"]
    # The source failed, so that nothing can be made of what needs it.
    assert [summary.states[job] for job in JOBS] == ["finished", "failed", *["blocked"] * 3] and summary.executed == 1
    assert [line.split()[:2] for line in said] == [["[1/5]", "finished:"], ["[2/5]", "failed:"]]


@pytest.mark.parametrize(("seconds", "ended"), [(0, 1), (None, 5)])
def test_the_driver_waits_as_long_as_there_is_time(tmp_path, refs, seconds, ended):
    ray = Ray(**dict.fromkeys(list(refs.values())[:ended], "finished"))
    with until(seconds):
        summary = _collect(ray, refs, Store(tmp_path / "store"), lambda line: None)
    assert [summary.states[job] for job in JOBS] == ["finished"] * ended + ["pending"] * (5 - ended)
    assert set(ray.timeouts) == {seconds} and len(ray.cancelled) == 5 - ended == 5 - summary.executed


def test_tasks_stop_before_their_driver_does(tmp_path, clock):
    """What they have is kept then, and the driver still there."""
    ends = []

    class Cluster(Ray):
        def remote(self, **options):
            return lambda task: SimpleNamespace(remote=lambda job, *settings: ends.append(settings[3]) or str(len(ends)))

        def cluster_resources(self):
            return {}

        def shutdown(self):
            pass

    bench = SimpleNamespace(store=Store(tmp_path / "store"), data={}, device=None)
    with until(60):
        cluster.run_on_ray(JOBS, bench, Cluster())
    assert ends == [5000 + 60 - cluster.STOP_MARGIN] * 5
    ends.clear()
    cluster.run_on_ray(JOBS, bench, Cluster(**{str(n): "finished" for n in range(6)}))
    assert ends == [None] * 5


def test_other_images_of_the_same_name_are_refused_to_every_task(place, tmp_path, monkeypatch):
    """Not to the first of a worker alone."""
    monkeypatch.setattr(cluster, "_runners", {})
    place.check_data("few")
    other = few(tmp_path / "other" / "few", train=31)
    task = (TARGET.model_dump(mode="json"), str(place.store.folder))
    for _ in range(3):
        with pytest.raises(InputError, match="few: its images differ from those of the results in"):
            _do(*task, {"few": f"folder:{other}"}, "cpu", None)
    assert list(place.store.finished()) == [] and cluster._runners == {}
    # The worker is not lost for those that name the right images.
    assert _do(*task, dict(place.data), "cpu", 0.0) == ("pending", False)
    kept = cluster._runners[str(place.store.folder)]
    assert _do(*task, dict(place.data), "cpu", 0.0) == ("pending", False)
    assert cluster._runners == {str(place.store.folder): kept}


def test_addresses():
    for address in ("auto", "local", "127.0.0.1:6379", "head.lan:1"):
        check_address(address)
    for address in ("", "nonsense", "head", "head:", ":6379", "head:port", "head:99999", "auto:", "head:٣"):
        with pytest.raises(InputError, match=f"'{address}' is not the address of a Ray cluster: write auto, local or HOST:PORT"):
            check_address(address)
    with pytest.raises(InputError, match=r"Ray's client \(ray://head:10001\) is not supported: .* with --ray auto"):
        check_address("ray://head:10001")
