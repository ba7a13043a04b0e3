"""The steps of ``gpu.sh``: what is run, for how long, and where its results go."""

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.runner import Runner, Step

ROOT = Path(__file__).parents[1]
# Seconds for each part and for all of them; what gpu.sh took before is taken off.
PARTS = {"a": 60.0, "b": 120.0, "c": 420.0, "d": 420.0}
TOTAL = 530.0
# What a smoke run may take of all this: a machine that is busy with something else must not fail it.
PATIENCE = 20.0
TESTS = (
    "tests/test_gpu.py",
    "tests/attacks",
    "tests/test_surgery.py",
    "tests/test_surgery_in_place.py",
    "tests/training",
)
# Rows of the benchmark, the most seconds and the timed turns of each.
ROWS = {"step": (20, 5), "throughput": (35, 3), "gradient": (45, 2), "cw": (35, 2), "boundary": (35, 2), "memory": (45, 1)}


def steps(out: Path, scratch: Path, *, smoke: bool) -> list[Step]:
    """All steps in order.

    Args:
        out: Folder for the results.
        scratch: Folder for nets, images and the store, which do not come back.
        smoke: At toy size on a CPU.
    """
    device = "cpu" if smoke else "cuda"
    core = (
        *(sys.executable, "-m", "benchmarks.core"),
        *("--data", _data(scratch, smoke=smoke), "--store", str(scratch / "store"), "--out", str(out), "--device", device),
        *(("--toy",) if smoke else ()),
    )
    # Timed while nothing else runs, so the images are read beside the tests.
    found = [
        Step("0", "images", (*core, "data"), 100.0, background=True),
        Step("a", "tests", _tests(device, smoke=smoke), 60.0),
        *_bench(device, scratch, smoke=smoke),
        Step("c", "core of tables 4 and 9", (*core, "first"), 420.0, after="images"),
        Step("d", "more seeds", (*core, "more"), 420.0),
    ]
    return [replace(step, limit=PATIENCE * step.limit) for step in found] if smoke else found


def _tests(device: str, *, smoke: bool) -> tuple[str, ...]:
    # Only the plugins that the tests need, and no failure for a warning of a package in another version.
    plugins = ("-p", "xdist.plugin", "-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider", "-o", "filterwarnings=default")
    common = (sys.executable, "-m", "pytest", *plugins, "-v", "--tb=short", "--device", device)
    return (*common, "tests/test_gpu.py", "tests/attacks/test_budget.py") if smoke else (*common, "-n", "12", *TESTS)


def _bench(device: str, scratch: Path, *, smoke: bool) -> list[Step]:
    file = scratch / "bench.json"
    common = (sys.executable, "-m", "benchmarks", "--out", str(file), "--device", device)
    if smoke:
        command = (*common, *ROWS, "--quick", "--repeats", "1")
        # Such numbers say nothing, so the other core may work meanwhile, and a check of them (exit code 1) may fail.
        return [Step("b", "bench", command, 120.0, (file,), background=True, well=(0, 1))]
    return [
        Step("b", f"bench {row}", (*common, row, "--repeats", str(repeats)), float(limit), (file,))
        for row, (limit, repeats) in ROWS.items()
    ]


def _data(scratch: Path, *, smoke: bool) -> str:
    """Where the images are: carried along, or in the folder that the tests use."""
    if smoke:
        return f"folder:{scratch / 'toy-images'}"
    folders = [ROOT / ".carry" / "data", *map(Path, filter(None, [os.environ.get("DEFECTIVE_TEST_DATA")]))]
    files = [folder / "cifar10-jpeg.tar.xz" for folder in folders]
    found = next((file for file in files if file.exists()), None)
    if found is None:
        sys.exit(f"gpu.sh: cifar10-jpeg.tar.xz is not in {' or '.join(map(str, folders))}")
    return f"folder:{found}"


def missing(out: Path) -> list[str]:
    """What a complete run leaves and this one has not."""
    bench = out / "bench.json"
    rows = {entry["row"] for entry in json.loads(bench.read_text("utf-8"))["rows"]} if bench.exists() else set()
    gaps = [f"bench row {row}" for row in ROWS if row not in rows]
    for name in ("core", "table9"):
        files = list(out.glob(f"*-{name}.json"))
        cells = [cell for file in files for cell in json.loads(file.read_text("utf-8"))["cells"]]
        gaps += [] if cells else [name]
        gaps += [f"{name}: {cell['row']}, {cell['column']}" for cell in cells if not cell["jobs"]]
    return gaps


def main() -> None:
    """``gpu.py OUT [--smoke] [--began SECONDS]``."""
    smoke = "--smoke" in sys.argv
    out, began = Path(sys.argv[1]), float(os.environ.get("GPU_SH_SECONDS", 0))
    # In memory where that is possible: every net and every attacked image is written and synced.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) and not smoke else None
    with tempfile.TemporaryDirectory(prefix="defective-gpu-", dir=place) as scratch:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        environment |= {
            "PYTHONUNBUFFERED": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "DEFECTIVE_CACHE": f"{scratch}/cache",
            # Foolbox imports GitPython, which else refuses to be imported where there is no git.
            "GIT_PYTHON_REFRESH": "quiet",
            "MPLCONFIGDIR": f"{scratch}/matplotlib",
        }
        if smoke:
            environment |= {"OMP_NUM_THREADS": "1"}
        patience = PATIENCE if smoke else 1.0
        parts = {part: patience * limit for part, limit in PARTS.items()}
        runner = Runner(out, parts, patience * TOTAL - began, environment)
        well = runner.run(steps(out, Path(scratch), smoke=smoke))
    if gaps := missing(out):
        sys.stdout.write(f"missing: {', '.join(gaps)}\n")
    sys.exit(not well or bool(gaps))


if __name__ == "__main__":
    main()
