import json
import math
import statistics

import pytest

from defective.experiments.plan import Plan
from defective.paper import EXHIBITS, exhibits
from defective.results.documents import ExhibitResult, ImageCounts, RowLabel
from defective.results.exhibit_result import document
from defective.results.from_store import best_plans
from defective.specs import DecisionJob
from defective.statistics import Rate
from runs import finish, plan_of, whole


def fill(store, plan, leave=()):
    for job in plan.jobs:
        if job not in leave and store.result(job) is None:
            finish(store, job)
    return plan


def documents(plan, store):
    return [document(exhibit, plan, store) for exhibit in exhibits(list(plan.exhibits))]


# Every kind of job, unit and view.
KINDS_OF_ALL = ("table1", "table2", "table7", "table8", "figure2", "figure5", "figure6", "figure14")


def test_each_cell_is_the_value_of_its_job(store):
    plan = fill(store, whole(*KINDS_OF_ALL))
    for made in documents(plan, store):
        exhibit = EXHIBITS[made.exhibit]
        assert [(cell.row, cell.column) for cell in made.cells] == [
            (row.name, column) for row in exhibit.rows for column in exhibit.columns
        ]
        for place, cell in made.by_key.items():
            assert cell.published == exhibit.published(*place)
            sources = plan.of(exhibit).get(place, [])
            assert cell.jobs == tuple(source.job.name for source in sources)
            if not sources:
                assert (cell.measured, cell.difference) == (None, None)
                continue
            stored = store.result(sources[0].job)["values"][sources[0].value]
            measured = cell.measured
            if isinstance(sources[0].job, DecisionJob):
                assert measured.values == (stored["score"],) and measured.counts == (ImageCounts(num_evaluated=5),)
                assert (measured.low, measured.high) == (stored["low"], math.inf)
            else:
                rate = Rate.of(**stored)
                assert measured.values == (100 * rate,) and measured.counts == (ImageCounts(**stored),)
                assert measured.intervals == (tuple(100 * bound for bound in rate.interval),)
                assert (measured.low, measured.high) == measured.intervals[0]
            assert measured.mean == measured.values[0]
            if cell.published is not None:
                difference = cell.difference
                assert difference.mean == measured.mean - cell.published
                assert difference.low == pytest.approx(measured.low - cell.published)
                assert difference.high == pytest.approx(measured.high - cell.published)
            else:
                assert cell.difference is None


def test_the_jobs_behind_the_numbers_are_named(store):
    plan = fill(store, plan_of("table10"))
    made = document(EXHIBITS["table10"], plan, store)
    assert made.jobs.keys() == {job.name for job in plan.jobs if job.kind == "score"}
    about = next(iter(made.jobs.values()))
    assert about.seconds == 1.5 and about.finished == "2026-01-31" and about.machine["device"].startswith("A made")
    assert about.description.startswith("resnet18 (tiny, seed 0) against pgd:eps=16/255")
    assert (made.data, made.scale, made.seeds, made.unit) == ({"cifar10": "few"}, "tiny", 1, "%")
    assert made.rows == (RowLabel(name="resnet18", label="ResNet-18"), RowLabel(name="densenet121", label="DenseNet-121"))


def test_a_document_is_plain_json(store):
    plan = whole(*KINDS_OF_ALL, seeds=2)
    fill(store, plan, leave=plan.jobs[::9])
    for made in documents(plan, store):
        text = json.dumps(made.as_json(), allow_nan=False)
        assert json.loads(text) == made.as_json() and ExhibitResult.from_json(text) == made


def test_of_an_empty_store_every_exhibit_is_there_and_nothing_measured(store):
    found = documents(whole("all"), store)
    assert [made.exhibit for made in found] == [name for name, exhibit in EXHIBITS.items() if not exhibit.optional]
    for made in found:
        assert all(cell.measured is None and cell.difference is None and cell.jobs == () for cell in made.cells)
        assert made.jobs == {}


def test_a_bound_that_lies_nowhere_is_null(store):
    plan = fill(store, plan_of("table7"))
    made = document(EXHIBITS["table7"], plan, store)
    assert [cell.measured.high for cell in made.cells] == [math.inf] * 3
    for cell in made.as_json()["cells"]:
        assert cell["measured"]["high"] is cell["measured"]["intervals"][0][1] is cell["difference"]["high"] is None
        assert cell["measured"]["low"] == cell["measured"]["intervals"][0][0] is not None


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("table10", {key: {"num_correct": 0, "num_evaluated": 0} for key in ("paper", "target-correct", "all")}),
        ("table7", {"score": {"score": None, "low": 0.0, "high": None, "images": 4}}),
    ],
)
def test_where_nothing_could_be_counted_nothing_is_measured(store, name, values):
    plan = plan_of(name)
    for job in plan.jobs:
        finish(store, job, values)
    for cell in document(EXHIBITS[name], plan, store).cells:
        assert (cell.measured, cell.difference, len(cell.jobs)) == (None, None, 1)


def test_several_seeds_have_an_interval_for_images_and_seeds(store):
    plan = fill(store, plan_of("table8", seeds=3))
    made = document(EXHIBITS["table8"], plan, store)
    assert made.seeds == 3
    for place, cell in made.by_key.items():
        sources = plan.of(EXHIBITS["table8"])[place]
        stored = [store.result(source.job)["values"][source.value] for source in sources]
        values = [100 * each["num_correct"] / each["num_evaluated"] for each in stored]
        assert cell.measured.values == pytest.approx(values) and len(set(cell.jobs)) == 3
        assert cell.measured.mean == pytest.approx(sum(values) / 3)
        # The images are others for each seed, as far as is known, and the variance between seeds holds theirs.
        between = statistics.variance(values) / 3
        images = sum(value * (100 - value) / 1000 for value in values) / 9
        half = (cell.measured.high - cell.measured.mean, cell.measured.mean - cell.measured.low)
        assert max(half) >= 0.99 * 1.96 * max(between, images) ** 0.5 and 0 <= cell.measured.low <= cell.measured.high <= 100
        assert len(cell.measured.intervals) == len(cell.measured.counts) == 3


def test_of_several_seeds_those_count_that_are_there(store):
    plan = plan_of("table8", seeds=3)
    fill(store, plan, leave=set(plan.jobs) - set(plan_of("table8").jobs))
    one, three = (document(EXHIBITS["table8"], each, store) for each in (plan_of("table8"), plan))
    assert one.cells == three.cells


def test_only_data_sets_in_use_are_named(store):
    shapes = {"cifar10": (3, 16, 16), "imagenet": (3, 16, 16), "mnist": (1, 28, 28)}
    plan = Plan(("table8", "figure14", "figure2"), "tiny", {"cifar10": "few", "imagenet": "few", "mnist": "mnist"}, shapes)
    table, drawing, curves = documents(plan, store)
    assert [each.exhibit for each in (table, drawing, curves)] == ["table8", "figure2", "figure14"]
    assert (table.data, drawing.data) == ({"cifar10": "few"}, {})
    assert curves.data == {"cifar10": "few", "mnist": "mnist"}


SHAPES = {"cifar10": (3, 16, 16), "mnist": (1, 28, 28), "imagenet": (3, 16, 16), "tiny-imagenet": (3, 16, 16)}


def curves(seeds=1, **names):
    return Plan(("figure14",), "tiny", names, SHAPES, seeds)


@pytest.mark.parametrize(
    ("plans", "shown"),
    [
        # Sets that an exhibit is not measured on do not count.
        ([curves(cifar10="a", mnist="m"), curves(cifar10="a", imagenet="i", **{"tiny-imagenet": "t"})], {"a-m": 0}),
        ([curves(cifar10="a", mnist="m"), curves(cifar10="a")], {"a-m": 0}),
        ([curves(cifar10="a", mnist="m"), curves(cifar10="a", mnist="n")], {"a-m": 0, "a-n": 1}),
        ([curves(cifar10="a", mnist="m"), curves(2, cifar10="a")], {"a-m": 0, "a": 1}),
        ([curves(2, cifar10="a", mnist="m"), curves(2, cifar10="a")], {"a-m": 0}),
        ([curves(cifar10="a", mnist="a"), curves(3, cifar10="a")], {"a-a": 0, "a": 1}),
        ([curves(2, cifar10="a"), curves(3, cifar10="a"), curves(cifar10="b")], {"a": 1, "b": 2}),
    ],
)
def test_a_plan_is_shown_unless_another_has_all_that_it_has(plans, shown):
    expected = {("figure14", "tiny", name): plans[number] for name, number in shown.items()}
    assert best_plans(plans) == best_plans(reversed(plans)) == expected
