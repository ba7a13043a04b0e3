from dataclasses import replace
from itertools import product

import pytest

from defective.paper import EXHIBITS, SCALES
from defective.specs import NoiseJob, ScoreJob
from exhibits import jobs

FIGURES = {number: EXHIBITS[f"figure{number}"] for number in range(1, 16)}
GALLERIES = {1: (4, 2), 6: (6, 3), 7: (4, 2), 15: (2, 2)}
DRAWINGS = (2, 3, *range(8, 14))


def generated(figure, setup):
    return [cell.job.adversarial for cell in FIGURES[figure].cells(setup).values()]


def test_figures_say_what_they_are():
    for number, figure in FIGURES.items():
        assert figure.section.endswith(f"Figure {number}") and figure.title and figure.notes
    views = {number: figure.view for number, figure in FIGURES.items()}
    expected = dict.fromkeys(GALLERIES, "gallery") | dict.fromkeys(DRAWINGS, "drawing")
    assert views == expected | {4: "scatter", 5: "curves", 14: "training"}
    assert [number for number, figure in FIGURES.items() if not figure.rows] == list(DRAWINGS)


def test_every_cell_is_in_its_figure(setup):
    for figure in FIGURES.values():
        places = {(row.name, column) for row in figure.rows for column in figure.columns}
        assert set(figure.cells(setup)) == places


@pytest.mark.parametrize(("number", "size"), GALLERIES.items())
def test_a_gallery_shows_the_same_originals_throughout(number, size, setup):
    figure = FIGURES[number]
    assert (len(figure.rows), len(figure.columns)) == size
    assert all(cell.value == "all" and isinstance(cell.job, ScoreJob) for cell in figure.cells(setup).values())
    sets = generated(number, setup)
    assert len({(each.among, each.samples, each.seed) for each in sets}) == 1
    assert sets[0].samples == SCALES["tiny"].gallery
    assert all(set(each.sources) <= set(each.among) for each in sets)


def test_galleries_of_one_data_set_show_the_same_originals(setup):
    assert set(jobs(setup, "figure1")) < set(jobs(setup, "figure6"))
    assert generated(7, setup)[0].among == generated(15, setup)[0].among


def test_attacks_of_the_galleries(setup):
    assert [sorted({str(each.attack) for each in generated(number, setup)}) for number in (6, 7, 15)] == [
        ["mifgsm:eps=16/255,step_size=1/255,steps=20,decay=1", "mifgsm:eps=32/255,step_size=1/255,steps=40,decay=1"],
        ["mifgsm:eps=32/255,step_size=1/255,steps=80,decay=1", "mifgsm:eps=64/255,step_size=1/255,steps=40,decay=1"],
        ["mifgsm:eps=64/255,step_size=1/255,steps=80,decay=1"],
    ]


def test_a_gallery_pairs_each_row_with_its_attacked_net(setup):
    cell = FIGURES[6].cells(setup)["resnet18/0.1-blocks12 MIFGSM32", "0.2-Bottom"]
    (attacked,) = cell.job.adversarial.sources
    assert (str(attacked.net), str(cell.job.target.net)) == ("resnet18/0.1-blocks12", "resnet18/0.2-bottom")
    assert attacked.data == "cifar10"
    assert {each.sources[0].data for each in generated(7, setup)} == {"tiny-imagenet"}


def test_the_scatter_is_of_table_11(setup):
    figure = FIGURES[4]
    assert [row.label for row in figure.rows] == ["0.7", "0.5", "0.3", "0.25", "0.2", "0.15", "0.1", "0.05"]
    assert figure.rows[0].published == (94.03, 51.29)
    assert figure.rows[-1].published == (84.53, 97.43)
    assert set(jobs(setup, "figure4")) < set(jobs(setup, "table11"))


def test_the_noise_curves_are_one_job(setup):
    cells = FIGURES[5].cells(setup)
    job = cells["resnet18", "1"].job
    assert all(cell.job == job for cell in cells.values())
    assert isinstance(job, NoiseJob)
    assert [str(target.net) for target in job.targets] == ["resnet18", *(f"resnet18/{p}-bottom" for p in (0.5, 0.3, 0.1))]
    assert job.sigmas == (1, 2, 4, 8, 12, 16, 20, 24, 28, 32)
    assert cells["resnet18/0.3-bottom", "24"].value == "2/24"


@pytest.mark.parametrize("data", [{"cifar10": "cifar10", "mnist": "mnist"}, {"cifar10": "cifar10"}])
def test_training_curves_are_of_the_data_sets_that_are_there(data, setup):
    found = {(cell.job.data, str(cell.job.net)) for cell in FIGURES[14].cells(replace(setup, data=data)).values()}
    assert found == set(product(data, ("resnet18", "resnet18/0.5-bottom")))
