"""Two workers of a local Ray cluster, one of them killed midway: nothing is lost, and the results are those of one process."""

import json
import os
import signal
import subprocess
import sys

import pytest

from image_files import pixels, write_image

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
pytest.importorskip("ray", reason="Ray is not installed: pip install 'defective[ray]'")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Two classes that a net learns at once: dark images and bright ones."""
    root = tmp_path_factory.mktemp("few")
    for split, count in (("train", 20), ("test", 10)):
        for shade, label in ((0, "dark"), (1, "bright")):
            for n in range(count):
                write_image(root / split / label / f"{n}.png", pixels(n + 100 * shade, 32) // 4 + 150 * shade)
    return root


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def reproduce(few, store, *options):
    command = [
        sys.executable,
        "-m",
        "defective",
        "reproduce",
        "table10",
        "--data",
        f"folder:{few}",
        "--store",
        str(store),
        *options,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def workers(cluster):
    """Processes of this cluster that are at a job."""
    nodes = {str(each.process.pid) for node in cluster.list_all_nodes() for each in node.all_processes["raylet"]}
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=2) for line in listed.splitlines()]
    return [int(number) for parent, number, *name in lines if parent in nodes and name and name[0].startswith("ray::_do")]


def kept(store):
    """What a store holds of every job: the values, and the bytes of what is not JSON."""
    found = {}
    for place in sorted((store / "jobs").iterdir()):
        values = json.loads((place / "result.json").read_text())["values"]
        files = {file.relative_to(place): file.read_bytes() for file in sorted(place.rglob("*.safetensors"))}
        found[place.name] = (values, files)
    return found


def test_a_worker_killed_midway_loses_nothing(cluster, few, tmp_path):
    alone = reproduce(few, tmp_path / "alone")
    alone.communicate()
    on_ray = reproduce(few, tmp_path / "ray", "--ray", cluster.address, "--json")
    running = tmp_path / "ray" / "running"
    victims = []
    while on_ray.poll() is None and not (victims and any(running.glob("train-*/net/state.safetensors"))):
        victims = workers(cluster)
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    printed, _ = on_ray.communicate()
    document = json.loads(printed)
    assert document["jobs"] == {"finished": 10, "failed": 0, "blocked": 0, "pending": 0, "executed": 10}
    assert kept(tmp_path / "ray") == kept(tmp_path / "alone")


OCCUPY = """
import sys, time, ray
ray.init(address=sys.argv[1], log_to_driver=False)
task = ray.remote(num_cpus=1)(lambda: time.sleep(600))
refs = [task.remote() for _ in range(2)]
while ray.available_resources().get("CPU", 0):
    time.sleep(0.1)
print("busy", flush=True)
time.sleep(600)
"""


def test_a_busy_cluster_does_not_hold_the_command_past_its_budget(cluster, few, tmp_path):
    command = [sys.executable, "-c", OCCUPY, cluster.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as other:
        assert other.stdout.readline() == "busy\n"
        try:
            on_ray = reproduce(few, tmp_path / "store", "--ray", cluster.address, "--json", "--time-budget", "10s")
            printed, _ = on_ray.communicate()
        finally:
            other.kill()
    assert on_ray.returncode == 0
    assert json.loads(printed)["jobs"] == {"finished": 0, "failed": 0, "blocked": 0, "pending": 10, "executed": 0}


def test_no_cluster_there_is_said_in_one_line(few, tmp_path, capfd):
    from defective.cli import main

    arguments = ["reproduce", "table10", "--data", f"folder:{few}", "--store", str(tmp_path / "store"), "--ray", "127.0.0.1:1"]
    assert main(arguments) == 2
    assert "no Ray cluster answers at '127.0.0.1:1'" in capfd.readouterr().err.splitlines()[-1]
