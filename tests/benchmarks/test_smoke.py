"""All that is to be measured on a GPU, at toy size on a CPU."""

import json
import os
import re
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_whole_script_runs_and_leaves_complete_documents(benchmarks, tmp_path):
    out = tmp_path / "out"
    done = subprocess.run(
        [benchmarks / "gpu.sh", "--smoke", out],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads((out / "run.json").read_text())
    assert {record["state"] for record in run["steps"]} == {"done"}
    assert [record["part"] for record in run["steps"]] == ["0", "a", "b", "c", "d"]
    core, table9, nets = (json.loads((out / f"toy-images-tiny-cpu-{name}.json").read_text()) for name in ("core", "table9", "nets"))
    # Two seeds of the source and three nets and one more, five nets, checkpoints, and the two sources and one net of Table 9.
    assert len(nets["nets"]) >= 3 * 4 + 5 + 3 and all(net["history"] for net in nets["nets"])
    assert all(cell["jobs"] for document in (core, table9) for cell in document["cells"])
    assert core["seeds"] == 3 and core["data"] == {"cifar10": "toy-images"}
    rows = [entry["row"] for entry in json.loads((out / "bench.json").read_text())["rows"]]
    assert rows == ["step", "throughput", "gradient", "cw", "boundary", "memory"]
    # What comes back from such a machine: at most 8 files, none large, with plain names, in no folder.
    files = list(out.iterdir())
    assert len(files) <= 8 and all(file.is_file() and file.stat().st_size < 16 << 20 for file in files)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", file.name) for file in files)
