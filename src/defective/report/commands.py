"""Commands that a page names: what measures its exhibits again, and what to do next."""

import shlex
from collections.abc import Iterable

from defective.data.download import REMOTES
from defective.data.official import KINDS
from defective.experiments.plan import Plan
from defective.paper import EXHIBITS, SCALES
from defective.report.sections import Section
from defective.tables import count


def command(exhibit: str, plan: Plan, *, scale: str = "", seeds: int = 0) -> str:
    """The command that measures an exhibit as a plan has it, or at another scale or for more seeds.

    Example:
        >>> plan = Plan(("table4",), "tiny", {"cifar10": "cifar10-jpeg"}, {"cifar10": (3, 32, 32)})
        >>> command("table4", plan)
        'defective reproduce table4 --scale tiny --data cifar10=folder:CIFAR10-JPEG --store runs/store'
    """
    shown, seeds = EXHIBITS[exhibit], seeds or plan.seeds
    words = ["defective", "reproduce", exhibit, "--scale", scale or plan.scale]
    for kind in plan.kinds(shown):
        option = _data_option(kind, plan)
        # The official set is what an exhibit takes for its own kind if nothing is said.
        words += ["--data", option] if option != kind or kind != shown.data else []
    return shlex.join([*words, *(["--seeds", str(seeds)] if seeds > 1 else []), "--store", "runs/store"])


def commands(sections: Iterable[Section]) -> list[str]:
    """The commands of a page's exhibits, each once."""
    return list(dict.fromkeys(command(section.result.exhibit, section.plan) for section in sections))


def next_steps(sections: list[Section], *, jobs: int, finished: int) -> list[tuple[str, str]]:
    """Sentences, each with the command that does it: finish what is not done, repeat with more seeds, a larger scale, another model."""
    first = next((each for each in sections if any(not cell.jobs for cell in each.result.cells)), sections[0])
    exhibit, plan = first.result.exhibit, first.plan
    found = []
    if finished < jobs:
        left = f"{jobs - finished:,} of {count(jobs, 'job')} left."
        about = f"{left} The command of a table or figure resumes it, for example {first.result.heading}."
        found.append((about, command(exhibit, plan)))
    if plan.seeds == 1:
        about = "One seed does not show the effect of training: train every model with three seeds."
        found.append((about, command(exhibit, plan, seeds=3)))
    larger = list(SCALES)[list(SCALES).index(plan.scale) + 1 :]
    if larger:
        found.append((f"Come closer to the paper's settings at scale {larger[0]}.", command(exhibit, plan, scale=larger[0])))
    return [*found, ("Evaluate your own model under the same attacks.", "defective evaluate --help")]


def _data_option(kind: str, plan: Plan) -> str:
    """The value of ``--data``; where a set lies is not in the store, as no result may depend on it."""
    name = plan.data[kind]
    reader = plan.readers.get(kind, name if name in (*KINDS, "shapes") else "folder")
    path = "" if reader == name and name in (*REMOTES, "shapes") else f":{name.upper()}"
    return f"{reader}{path}" if reader == kind else f"{kind}={reader}{path}"
