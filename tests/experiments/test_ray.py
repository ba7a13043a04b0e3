"""Two workers of a local Ray cluster, one of them killed midway: nothing is lost, and the results are those of one process."""

import os
import signal
import subprocess
import sys
import time

import pytest

from runs import held
from whole_runs import JOBS, begin, end

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def workers(cluster):
    """Processes of this cluster that are at a job."""
    nodes = {str(each.process.pid) for node in cluster.list_all_nodes() for each in node.all_processes["raylet"]}
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=2) for line in listed.splitlines()]
    return [int(number) for parent, number, *name in lines if parent in nodes and name and name[0].startswith("ray::_do")]


def test_a_worker_killed_midway_loses_nothing(cluster, fewer, tmp_path, undisturbed):
    on_ray = begin(tmp_path / "ray", fewer, "--ray", cluster.address)
    running = tmp_path / "ray" / "running"
    victims = []
    while on_ray.poll() is None and not (victims and any(running.glob("train-*/net/state.safetensors"))):
        victims = workers(cluster)
        time.sleep(0.2)
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    assert end(on_ray)["jobs"] == {"finished": JOBS, "failed": 0, "blocked": 0, "pending": 0, "executed": JOBS}
    assert held(tmp_path / "ray") == undisturbed[1]


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


def test_a_busy_cluster_does_not_hold_the_command_past_its_budget(cluster, fewer, tmp_path):
    command = [sys.executable, "-c", OCCUPY, cluster.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as other:
        assert other.stdout.readline() == "busy\n"
        try:
            made = end(begin(tmp_path / "store", fewer, "--ray", cluster.address, "--time-budget", "10s"))
        finally:
            other.kill()
    assert made["jobs"] == {"finished": 0, "failed": 0, "blocked": 0, "pending": JOBS, "executed": 0}


def test_no_cluster_there_is_said_in_one_line_before_data_is_read(fewer, tmp_path, capfd, monkeypatch):
    from defective.cli import main

    monkeypatch.setattr("defective.data._read", lambda *_, **__: pytest.fail("data was opened"))
    arguments = ["reproduce", "table10", "--data", f"folder:{fewer}", "--store", str(tmp_path / "store"), "--ray", "127.0.0.1:1"]
    assert main(arguments) == 2
    assert "no Ray cluster answers at '127.0.0.1:1'" in capfd.readouterr().err.splitlines()[-1]
