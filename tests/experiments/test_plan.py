import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

import exhibits as planned
from defective.data.official import KINDS
from defective.errors import InputError
from defective.experiments.plan import Plan, plan_key, read_plan, topological_order, with_rows
from defective.paper import EXHIBITS
from defective.specs import TrainJob, dependencies, trained_models
from runs import SHAPE, plan_of, whole

SHARING = tuple(f"table{number}" for number in (3, 4, *range(10, 16)))
SMALL = ("table1", "table7", "table8", "table9", "figure2", "figure5", "figure6", "figure14")


def counts(plan):
    return Counter(job.kind for job in plan.jobs)


def test_a_plan_has_what_its_exhibits_need_each_once():
    plan = whole(*EXHIBITS)
    controlled = topological_order(job for exhibit in EXHIBITS.values() for job in plan.controls_of(exhibit))
    wanted = planned.jobs(planned.setup_of("tiny"), *EXHIBITS).keys() | {job.key for job in controlled}
    assert Counter(job.key for job in plan.jobs) == dict.fromkeys(wanted, 1)
    papers = [name for name, exhibit in EXHIBITS.items() if not exhibit.optional]
    assert whole(*papers).jobs == whole("all").jobs


def test_all_that_one_seed_needs_comes_before_the_next():
    names = ("table8", "table9", "table12", "figure5")
    two, one = whole(*names, seeds=2).jobs, whole(*names).jobs
    assert len(two) > len(one) and two[: len(one)] == one


def test_tables_share_nets_and_attacked_images():
    together, alone = counts(whole(*SHARING)), [counts(whole(name)) for name in SHARING]
    # Five architectures and the models of the ablations, each as target, five of them as source too; Table 12 to 15 have CW.
    # Controls of equal accuracy: each of the five is scored at its four or two light checkpoints on what a defective one of it meets.
    assert together == {"train": 48 + 3 * 4 + 2 * 2, "generate": 34, "score": 1114 + 196}
    assert sum(each["train"] for each in alone) > 3 * together["train"]
    assert sum(each["generate"] for each in alone) > 1.2 * together["generate"]


def test_a_corner_of_another_table_costs_nothing():
    assert whole("table3").jobs == whole("table3", "table10").jobs
    assert {job.key for job in whole("figure4").jobs} <= {job.key for job in whole("table11").jobs}


def test_what_a_job_needs_comes_before_it():
    place = {job: number for number, job in enumerate(whole(*EXHIBITS, seeds=2).jobs)}
    assert all(place[needed] < place[job] for job in place for needed in dependencies(job))
    score = whole("table8").jobs[-1]
    assert topological_order([score, score]) == [score.target, score.adversarial, score]


@pytest.mark.parametrize("name", ["table3", "table8", "figure5", "figure6"])
def test_with_three_seeds_each_net_is_trained_thrice(name):
    seeds = {}
    for job in whole(name, seeds=3).jobs:
        if isinstance(job, TrainJob):
            assert job.mask_seed == job.seed
            seeds.setdefault((job.net, job.recipe), []).append(job.seed)
    targets, sources = [0, 2, 4], [1, 3, 5]
    assert all(sorted(each) in (targets, sorted(targets + sources)) for each in seeds.values())


@pytest.mark.parametrize("name", SMALL)
def test_the_seeds_of_a_cell_share_no_net(name):
    plan = whole(name, seeds=3)
    for cells in plan.of(EXHIBITS[name]).values():
        assert len(cells) == 3
        nets = [set(trained_models(cell.job)) for cell in cells]
        # Those of other masks in Table 9 are the next seed's own.
        assert name == "table9" or not any(one & other for one, other in pairwise(nets))
        assert len({cell.job for cell in cells}) == 3


def test_a_data_set_that_stands_for_another_gives_its_name_and_recipe():
    plan = Plan(("table1",), "tiny", {"imagenet": "few"}, {"imagenet": SHAPE})
    assert {job.data for job in plan.jobs if isinstance(job, TrainJob)} == {"few"}
    assert plan.jobs[0].recipe == plan_of("table8").jobs[0].recipe
    assert plan.images == {"few": SHAPE}


def test_an_exhibit_uses_what_else_is_there():
    both = Plan(("figure14",), "tiny", {"cifar10": "few", "mnist": "mnist"}, {"cifar10": SHAPE, "mnist": KINDS["mnist"]})
    assert [job.data for job in both.jobs] == ["few", "mnist", "few", "mnist"]
    assert [job.data for job in plan_of("figure14").jobs] == ["few", "few"]


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("rows", [("resnet18/0.3-bottom",), ("0.3-Bottom",), ("resnet18/0.[3]-bottom",)])
def test_a_chosen_row_has_its_printed_cells_and_plain_controls(rows, seeds):
    """Seven attacks of one source: a model is trained and scored on each, as are a plain one and its checkpoints after 1 to 4 epochs."""
    table, part = plan_of("table11", seeds=seeds), replace(plan_of("table11", seeds=seeds), rows=rows)
    assert counts(part) == {"train": 7 * seeds, "generate": 7 * seeds, "score": 6 * 7 * seeds}
    targets = {str(job.target.net) for job in part.jobs if job.kind == "score"}
    assert targets == {"resnet18", "resnet18/0.3-bottom"} and set(part.jobs) < set(table.jobs)
    # What a store keeps of it, and what a report shows.
    assert part.as_dict() == table.as_dict() and part.of(EXHIBITS["table11"]) == table.of(EXHIBITS["table11"])


def test_exhibits_without_a_chosen_row_are_left_out():
    found = [EXHIBITS[name] for name in ("table7", "table8", "figure2", "figure14")]
    assert [exhibit.name for exhibit in with_rows(found, ["resnet18/0.5-*", "* smoothed"])] == ["table7", "table8", "figure14"]
    assert with_rows(found, []) == found
    with pytest.raises(
        InputError, match=r"no row matches 'resnet19'; did you mean resnet18\? There are resnet18, resnet18 smoothed, "
    ):
        with_rows(found, ["resnet18", "resnet19"])


def test_a_plan_is_read_as_it_was_written():
    plan = whole(*EXHIBITS, seeds=2)
    again = read_plan(plan_key(plan.as_dict()), json.loads(json.dumps(plan.as_dict())))
    assert again == plan and again.jobs == plan.jobs
