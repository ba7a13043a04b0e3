from dataclasses import replace

import numpy as np
import pytest
import torch

from defective import build, defects
from defective.data import ImageSet
from defective.evaluation import AdversarialSet
from defective.experiments.store import Store
from defective.files import write_tensors
from defective.paper import EXHIBITS, Cell, Exhibit, Row
from defective.report.galleries import examples, gallery, masks
from defective.report.sections import ResultReader
from defective.results.exhibit_result import document
from defective.specs import ScoreJob
from defective.training.checkpoint import save
from image_files import decoded
from runs import finish, table4

NETS = {"resnet18": "ResNet-18", "resnet18/0.1-bottom": "0.1-Bottom"}
FGSM, CW = "fgsm:eps=16/255", "cw:confidence=0"
COUNT = 12


def cells(setup):
    generated = {
        (net, attack): setup.generate(setup.source(net), attack=attack, samples=COUNT) for net in NETS for attack in (FGSM, CW)
    }
    return {
        (f"{net} {attack}", label): Cell(ScoreJob(target=setup.target(model), adversarial=generated[net, attack]), "all")
        for net, attack in generated
        for model, label in NETS.items()
    }


GALLERY = Exhibit(
    name="made gallery",
    title="t",
    section="w",
    data="cifar10",
    columns=tuple(NETS.values()),
    rows=tuple(Row(f"{net} {attack}", f"{label}, {attack[:2]}") for attack in (FGSM, CW) for net, label in NETS.items()),
    cells=cells,
    view="gallery",
)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(EXHIBITS, GALLERY.name, GALLERY)


@pytest.fixture
def data(generator) -> ImageSet:
    x = torch.randint(0, 256, (30, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return ImageSet("cifar10", "test", x, torch.arange(30) % 10, tuple("abcdefghij"))


def set_of(job, data: ImageSet, generator) -> AdversarialSet:
    index = torch.randperm(30, generator=generator)[: job.samples]
    x, y = data.take(index)
    x_adv = (x.int() + torch.randint(-16, 17, x.shape, generator=generator)).clamp(0, 255).to(torch.uint8)
    return AdversarialSet(x, y, x_adv, (y + 1) % 10, index, "source", str(job.attack))


@pytest.fixture
def made(store, data, generator):
    """Every job of the gallery as if it was done; generated sets and predictions by job."""

    def make(exhibit=GALLERY, seeds=1, skip=()):
        sets, answers = {}, {}
        for place, each in table4(seeds).of(exhibit).items():
            for cell in each:
                job = cell.job
                if job.kind != "score" or place in skip:
                    continue
                if job.adversarial not in sets:
                    sets[job.adversarial] = set_of(job.adversarial.model_copy(update={"samples": COUNT}), data, generator)
                    made = sets[job.adversarial]
                    at = finish(store, job.adversarial, changes=made.changes())
                    kept = {"x": made.x, "x_adv": made.x_adv, "y": made.y}
                    write_tensors(at / "pictures.safetensors", kept, {"classes": list(data.classes)})
                answers[job] = torch.randint(0, 10, (COUNT,), generator=generator)
                at = finish(store, job, values={cell.value: {"num_correct": 1, "num_evaluated": COUNT}})
                kept = {"clean": sets[job.adversarial].y, "attacked": answers[job], "index": sets[job.adversarial].index}
                write_tensors(at / "outcome.safetensors", kept, {})
        return sets, answers

    return make


def shown(store, view=gallery, exhibit=GALLERY, seeds=1):
    asked = table4(seeds)
    return view(document(exhibit, asked, store), asked, ResultReader(store))


def test_pictures_and_verdicts_are_those_of_the_store(store, data, made):
    sets, answers = made()
    asked, pictures = table4(), shown(store)
    assert [each.caption for each in pictures] == [row.label for row in GALLERY.rows for _ in range(COUNT)]
    for place, each in enumerate(pictures):
        row, number = GALLERY.rows[place // COUNT], place % COUNT
        jobs = {column: asked.of(GALLERY)[row.name, column][0].job for column in GALLERY.columns}
        generated = sets[next(iter(jobs.values())).adversarial]
        assert each.label == data.classes[generated.y[number]]
        assert np.array_equal(decoded(each.original), generated.x[number].permute(1, 2, 0))
        assert np.array_equal(decoded(each.adversarial), generated.x_adv[number].permute(1, 2, 0))
        assert each.predictions == tuple(
            (model, data.classes[answers[job][number]], bool(answers[job][number] == generated.y[number]))
            for model, job in jobs.items()
        )
        assert row.name.split()[1].partition(":")[0] in each.attack
        # A perturbation is shown against the radius, or else the largest change of the set.
        changes = generated.x_adv.float() - generated.x.float()
        radius = 16 if "fgsm" in row.name else changes.abs().max()
        expected = (changes[number] / radius * 127 + 128).permute(1, 2, 0).numpy()
        assert np.abs(decoded(each.perturbation) - expected).max() <= 0.51


def test_what_is_not_measured_is_left_out(store, data, made):
    row = GALLERY.rows[0].name
    made(skip=[(row, "0.1-Bottom"), *((GALLERY.rows[1].name, column) for column in GALLERY.columns)])
    pictures = shown(store)
    assert {each.caption for each in pictures} == {GALLERY.rows[place].label for place in (0, 2, 3)}
    assert [each.model for each in pictures[0].predictions] == ["ResNet-18"]


def test_of_several_seeds_the_first_is_shown(store, data, made):
    sets, _ = made(seeds=2)
    asked, pictures = table4(2), shown(store, seeds=2)
    first = asked.of(GALLERY)[GALLERY.rows[0].name, "ResNet-18"][0].job.adversarial
    assert first.seed == 0 and len(pictures) == len(GALLERY.rows) * COUNT
    assert np.array_equal(decoded(pictures[0].adversarial), sets[first].x_adv[0].permute(1, 2, 0))


def test_a_store_without_results_or_copied_without_its_images_shows_none(store, data, made):
    assert shown(store) == shown(store, examples) == []
    sets, _ = made()
    assert shown(store) and shown(store, examples)
    for job in sets:
        (store.at(job) / "pictures.safetensors").unlink()
    assert shown(store) == shown(store, examples) == []


def test_a_table_shows_the_set_that_most_models_were_evaluated_on(store, data, made):
    table = EXHIBITS["table4"]
    rows = [row.name for row in table.rows]
    # Only the second attack has scores of all models.
    sets, answers = made(table, skip=[(row, column) for row in rows[1:] for column in ("FGSM16", "PGD32", "CW40")])
    job = table4().of(table)["resnet18", "PGD16"][0].job.adversarial
    pictures = shown(store, examples, table)
    assert len(pictures) == 6 and {each.caption for each in pictures} == {str(job.attack)}
    models = [model for model in answers if model.adversarial == job]
    # Of all images those first on which the models differ most.
    correct = sum((answers[model] == sets[job].y).int() for model in models)
    order = sorted(range(COUNT), key=lambda place: abs(2 * int(correct[place]) - len(models)))
    place = order[2]
    assert np.array_equal(decoded(pictures[2].adversarial), sets[job].x_adv[place].permute(1, 2, 0))
    assert [each.predicted for each in pictures[2].predictions] == [data.classes[answers[model][place]] for model in models]
    assert len({each.model for each in pictures[2].predictions}) == len(models) == len(set(rows)) - 1


def test_models_are_called_as_their_rows_and_none_takes_the_place_of_another(store, data, made):
    """Two rows of Table 2 are one model, trained in two ways; models of one name are all shown."""
    table = EXHIBITS["table2"]
    made(table)
    for rows in (table.rows, tuple(Row(row.name, "Model", row.published) for row in table.rows)):
        models = [each.model for each in shown(store, examples, replace(table, rows=rows))[0].predictions]
        assert models == [row.label for row in rows] and len(models) == 7


def train(store: Store, name: str, **options):
    job = table4().setups[0].target(name)
    net = build(name, width_mult=0.0625, **options)
    save(net, finish(store, job) / "net" / "model.safetensors")
    return net


def damage(file):
    file.write_bytes(file.read_bytes()[:50])


def test_corrupt_files_are_left_out_and_said_once_each(store, data, made):
    made()
    asked, reader = table4(), ResultReader(store)
    about, jobs = document(GALLERY, asked, store), asked.of(GALLERY)
    first, second = (jobs[row.name, "0.1-Bottom"][0].job for row in GALLERY.rows[:2])
    damage(store.at(first) / "outcome.safetensors")
    damage(store.at(second.adversarial) / "pictures.safetensors")
    pictures = gallery(about, asked, reader)
    by_row = {row.label: [each for each in pictures if each.caption == row.label] for row in GALLERY.rows}
    models = {label: [each.model for each in found[0].predictions] if found else [] for label, found in by_row.items()}
    whole = list(GALLERY.columns)
    assert [*models.values()] == [["ResNet-18"], [], whole, whole]
    gallery(about, asked, reader)
    assert len(reader.skipped) == 2
    for line, job in zip(reader.skipped, (first, second.adversarial), strict=True):
        assert f"left out of the report. With {store.at(job)} moved away, defective reproduce makes it again" in line


def test_masks_are_those_of_a_defective_model_the_preferred_one_first_that_can_be_read(store):
    def found():
        return masks(table4(), reader)

    reader = ResultReader(store)
    for name in ("resnet18", "resnet18/0.5-bottom-dc"):
        train(store, name)
    assert found() == []
    train(store, "resnet18/0.3-bottom")
    assert [each.model for each in found()] == ["resnet18/0.3-bottom"] * 2
    net = train(store, "resnet18/0.1-bottom", seed=3)
    first, second = defects(net)[:2]
    assert [(each.model, each.data, each.site) for each in found()] == [
        ("resnet18/0.1-bottom", "cifar10", site) for site in (first.site, second.site)
    ]
    assert (found()[0].live, found()[0].total) == (first.live, first.total)
    mask = net.get_submodule(first.site).defect_mask[0]
    assert np.array_equal(decoded(found()[0].picture)[1:33, 1:33] > 128, mask[0].numpy())
    damage(store.at(table4().setups[0].target("resnet18/0.1-bottom")) / "net" / "model.safetensors")
    assert {each.model for each in found()} == {"resnet18/0.3-bottom"} and len(reader.skipped) == 1
