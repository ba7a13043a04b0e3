"""The core of Tables 4 and 9 from a ResNet-18, in an order in which a run that is cut short has measured the most.

Jobs, store and documents are those of ``defective reproduce``; only the order is this file's. After each job the documents are written
anew, so that whatever stops the run leaves all that was measured.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from defective.data import load_data, shapes
from defective.experiments.describe import title
from defective.experiments.execute import ExperimentRunner
from defective.experiments.json_files import write_json
from defective.experiments.plan import Plan, topological_order
from defective.experiments.run import run
from defective.experiments.schema import JsonObject
from defective.experiments.sources import data_name
from defective.experiments.store import Store
from defective.paper import EXHIBITS, Cell, Exhibit, Row, Scale, Setup
from defective.paper.ablations import VARIANTS
from defective.paper.protocol import ACCURACY, DEFENCE_RATE, LAST_COLUMN, PGD16, TRANSFER, accuracies, scores
from defective.results.measured import document
from defective.specs import Job, NoiseJob, TrainJob

TABLE4, TABLE9 = EXHIBITS["table4"], EXHIBITS["table9"]
SOURCE = "resnet18"
FIRST = ("resnet18", "resnet18/0.3-bottom", "resnet18/0.1-bottom")
THEN = (
    "resnet18/0.5-bottom",
    "resnet18/0.7-bottom",
    "resnet18/0.3-top",
    "resnet18/0.1-bottom-dc",
    "resnet18/0.1-bottom-sm",
)
NETS = FIRST + THEN
# Nets that a checkpoint of the plain run is measured beside, the one nearest in test accuracy: an under-trained net looks robust too.
CONTROLLED = ("resnet18/0.1-bottom", "resnet18/0.3-bottom")
ATTACKS = {"PGD16": PGD16, "FGSM16": "fgsm:eps=16/255", "MI-FGSM16": "mifgsm:eps=16/255"}
SIGMAS = (8, 16, 32)
ADAPTIVE = "PGD16 from 0.3-Bottom"
# Seeds in all: of the first part, and at most.
SEEDS, MORE_SEEDS = 2, 5
TOY = {"width_mult": 0.0625, "epochs": 2, "batch_size": 32, "lr": 0.1}
COLUMNS = (*ATTACKS, "PGD16, all images", *(f"noise {sigma}" for sigma in SIGMAS), ACCURACY)


@dataclass(frozen=True)
class CorePlan(Plan):
    """A plan at a scale; ``toy`` makes the scale so small that it only shows that everything runs."""

    toy: bool = False

    @cached_property
    def setups(self) -> list[Setup]:
        """One for each seed."""
        found: list[Setup] = super().setups
        if not self.toy:
            return found
        small = Scale("tiny", adversarial=20, noise=10)
        return [
            replace(setup, scale=small, recipes={kind: recipe.changed(**TOY) for kind, recipe in setup.recipes.items()})
            for setup in found
        ]


class Remembered(Store):
    """A store that reads each result once: the documents are written anew after every job."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._results: dict[str, JsonObject] = {}

    def result(self, job: Job | str) -> JsonObject | None:
        """As the store's, which a finished result never leaves here."""
        name = self.at(job).name
        if name not in self._results:
            found = super().result(job)
            if found is None:
                return None
            self._results[name] = found
        return self._results[name]


class Core:
    """The run.

    Args:
        plan: Scale, data and seeds.
        runner: Where jobs are executed.
        out: Folder for the documents.
    """

    def __init__(self, plan: CorePlan, runner: ExperimentRunner, out: Path) -> None:
        self.plan, self.runner, self.store, self.out = plan, runner, runner.store, out

    def first(self) -> None:
        """Source, plain and two defective nets; the other nets; an adaptive source; equal accuracy; a second seed; Table 9."""
        setup, second = self.plan.setups[:SEEDS]
        self.seed(setup)
        for net in THEN:
            self.measure(setup, (net,), COLUMNS)
        self.measure(setup, NETS, (ADAPTIVE,))
        self.measure(setup, self.controls(setup), (*COLUMNS, ADAPTIVE))
        self.seed(second)
        self.do(cell.job for cell in TABLE9.cells(setup).values())

    def more(self) -> None:
        """Further seeds of the first nets."""
        for setup in self.plan.setups[SEEDS:]:
            self.seed(setup)

    def seed(self, setup: Setup) -> None:
        """One seed of the source and the first nets: all are trained before the first is attacked."""
        self.do([setup.source(SOURCE), *map(setup.target, FIRST)])
        self.measure(setup, FIRST, COLUMNS)

    def measure(self, setup: Setup, rows: Iterable[str], columns: Iterable[str]) -> None:
        """Do what some cells need."""
        rows, columns = set(rows), set(columns)
        self.do(cell.job for (row, column), cell in self.cells(setup).items() if row in rows and column in columns)

    def do(self, jobs: Iterable[Job]) -> None:
        """Do jobs and what they need, one by one; a job that fails leaves the others."""
        for job in topological_order(jobs):
            if self.store.result(job) is None:
                run([job], self.runner, lambda line: sys.stdout.write(f"{line.partition('] ')[2]}\n"))
                self.write()
                sys.stdout.flush()

    def cells(self, setup: Setup) -> dict[tuple[str, str], Cell]:
        """What measures each number for one seed."""
        nets = {net: setup.target(net) for net in NETS} | self.controls(setup)
        source = setup.source(SOURCE)
        sets = {name: setup.generate(source, attack=attack) for name, attack in ATTACKS.items()}
        adaptive = setup.generate(setup.source("resnet18/0.3-bottom", mask_seed=2 * setup.replicate), attack=PGD16)
        found = scores(nets, sets) | scores(nets, {"PGD16, all images": sets["PGD16"]}, "all")
        for row, net in nets.items():
            noise = NoiseJob(targets=(net,), sigmas=SIGMAS, samples=setup.scale.noise, seed=setup.replicate)
            found |= {(row, f"noise {sigma}"): Cell(noise, f"0/{sigma}") for sigma in SIGMAS}
        return found | scores(nets, {ADAPTIVE: adaptive}) | accuracies(nets)

    def controls(self, setup: Setup) -> dict[str, TrainJob]:
        """Row to the checkpoint of the plain run that is nearest in accuracy to a defective net, where both are trained."""
        plain_run = self.store.result(setup.target(SOURCE))
        found = {}
        for net in CONTROLLED:
            result = self.store.result(setup.target(net))
            if plain_run is None or result is None:
                continue
            counts = result["values"]["test_accuracy"]
            accuracies_then = [row["test_accuracy"] for row in plain_run["history"]]
            nearest = min(
                range(len(accuracies_then)), key=lambda i: abs(accuracies_then[i] - counts["num_correct"] / counts["num_evaluated"])
            )
            whole = nearest == len(accuracies_then) - 1
            found[_control(net)] = setup.target(SOURCE, stop_after=None if whole else nearest + 1)
        return found

    @property
    def exhibit(self) -> Exhibit:
        """What is measured, as a table."""
        labels = {row.name: row.label for row in TABLE4.rows}
        rows = [Row(net, labels[net], (*(None,) * len(COLUMNS[:-1]), None, TABLE4.published(net, ACCURACY))) for net in NETS]
        rows += [Row(_control(net), f"ResNet-18, checkpoint as accurate as {labels[net]}") for net in CONTROLLED]
        return Exhibit(
            name="core",
            title="Defective ResNet-18s against attacks generated on a ResNet-18",
            section="Section 4.2, Table 4, here with another source",
            caption=f"Rows are attacked ResNet-18s, columns attacks generated on a ResNet-18 of other initial weights, {ADAPTIVE}: on a "
            f"0.3-Bottom with the masks of the row 0.3-Bottom. {DEFENCE_RATE}; in 'PGD16, all images' of all attacked images. 'noise s': "
            f"of images that the row's net gets right, the share that it gets right under Gaussian noise of s levels of 255{LAST_COLUMN}",
            data="cifar10",
            columns=(*COLUMNS[:-1], ADAPTIVE, ACCURACY),
            rows=tuple(rows),
            cells=self.cells,
            notes=(
                *TRANSFER,
                VARIANTS,
                "Published beside it is the test accuracy alone: the paper's source is a DenseNet-121.",
                "A checkpoint is the plain run, stopped where its test accuracy was nearest to the other net's.",
            ),
        )

    def write(self) -> None:
        """Write all documents anew."""
        # A copy remembers no cells: controls are found only as their models are trained.
        plan = replace(self.plan)
        stem = f"{plan.data['cifar10']}-{plan.scale}-{self.runner.torch_device.type}"
        for exhibit in (self.exhibit, TABLE9):
            write_json(self.out / f"{stem}-{exhibit.name}.json", document(exhibit, plan, self.store).as_json())
        write_json(self.out / f"{stem}-nets.json", {"nets": list(self._nets())})

    def _nets(self) -> Iterable[dict[str, Any]]:
        for name, job in self.store.specs():
            if isinstance(job, TrainJob):
                result = self.store.result(name) or {}
                counts = result["values"]["test_accuracy"]
                kept = {key: result[key] for key in ("seconds", "machine", "history")}
                yield {"job": name, "net": title(job), "test_accuracy": counts["num_correct"] / counts["num_evaluated"], **kept}


def _control(net: str) -> str:
    return f"{SOURCE} like {net}"


def toy_images(folder: Path) -> Path:
    """A class-folder tree of a few JPEGs, to try everything with."""
    for split, count in (("train", 8), ("test", 5)):
        made = shapes(split)
        for label, name in enumerate(made.classes):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for index in (made.y == label).nonzero()[:count, 0].tolist():
                Image.fromarray(made.x[index].permute(1, 2, 0).numpy()).save(folder / split / name / f"{index:05}.jpg", quality=95)
    return folder


def main() -> None:
    """``core.py data|first|more``: read the images, do the first part, do further seeds."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("what", choices=("data", "first", "more"))
    parser.add_argument("--data", required=True, help="data set as defective.data.load_data takes it")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default=None)
    parser.add_argument("--toy", action="store_true")
    given = parser.parse_args()
    kind, _, path = given.data.partition(":")
    if given.toy and kind == "folder" and not Path(path).exists():
        toy_images(Path(path))
    shape = load_data(given.data, "test").image_shape
    if given.what == "data":
        return
    name = data_name(given.data)
    store = Remembered(given.store)
    seeds = SEEDS if given.what == "first" else SEEDS + 1 if given.toy else MORE_SEEDS
    plan = CorePlan(
        (), "tiny" if given.toy else "fast", {"cifar10": name}, {"cifar10": shape}, seeds, {"cifar10": kind}, toy=given.toy
    )
    core = Core(plan, ExperimentRunner(store, {name: given.data}, given.device), given.out)
    core.first() if given.what == "first" else core.more()
    failures = store.failures()
    sys.stdout.write(json.dumps(failures, indent=1) + "\n" if failures else "")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
