"""Three steps for a runner that is going to be killed: each writes its result and then waits until a file of its name appears."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.runner import Runner, Step

CODE = """
import json, sys, time
from pathlib import Path
out, go = map(Path, sys.argv[1:])
print("begun", flush=True)
out.write_text(json.dumps({"whole": True}))
while not go.exists():
    time.sleep(0.01)
"""


def main(folder: Path) -> None:
    # A shell starts what it puts into the background with interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    made = folder / "made"
    made.mkdir(exist_ok=True)
    steps = [
        Step("a", name, (sys.executable, "-c", CODE, str(made / f"{name}.json"), str(folder / name)), 1e6, (made / f"{name}.json",))
        for name in ("one", "two", "three")
    ]
    Runner(folder / "out", {"a": 1e6}, 1e6).run(steps)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
