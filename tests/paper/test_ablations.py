import pytest

from defective.paper import EXHIBITS
from defective.paper.ablations import PGD_SETTINGS, SOURCE, WEAK, WEAKLY_ATTACKED
from defective.specs import AttackSpec, GenerateJob, NetSpec, ScoreJob
from exhibits import setup_of

ATTACKS = {
    **{f"FGSM{eps}": f"fgsm:eps={eps}/255" for eps in (8, 16, 32)},
    "PGD16": "pgd:eps=16/255,step_size=1/255,steps=20",
    "PGD2,16": "pgd:eps=16/255,step_size=2/255,steps=10",
    "PGD32": "pgd:eps=32/255,step_size=1/255,steps=40",
}
TABLE4 = EXHIBITS["table4"]
TABLES = TABLE11, TABLE12, TABLE13, TABLE14, TABLE15 = [EXHIBITS[f"table{number}"] for number in range(11, 16)]


@pytest.fixture(scope="module")
def setup():
    return setup_of("tiny")


@pytest.fixture(scope="module")
def cells(setup):
    return {table.name: table.cells(setup) for table in TABLES}


def test_columns_are_the_printed():
    fixed = ("FGSM8", "FGSM16", "FGSM32", "PGD16", "PGD2,16", "PGD32")
    assert [table.columns for table in TABLES] == [
        (*fixed, "CW40", "Acc"),
        (*fixed, "CW20", "Acc"),
        (*fixed, "CW40", "Acc"),
        (*fixed, "CW40", "Acc"),
        (*fixed, "Acc"),
    ]


def test_some_numbers_where_the_paper_has_them():
    assert TABLE11.published("resnet18/0.1-bottom", "PGD16") == 96.70
    assert TABLE12.published("resnet18/0.5-bottom-x2-en", "CW20") == 42.59
    assert TABLE13.published("resnet18/0.3-bottom+0.7-top", "FGSM16") == 36.31
    assert TABLE14.published("resnet18/0.1-bottom-dc", "PGD2,16") == 34.10
    assert TABLE15.published("resnet18/0.3-bottom-sm", "PGD32") == 76.01


def test_table_11_has_the_numbers_and_the_jobs_of_table_4(setup, cells):
    for (row, column), cell in TABLE4.cells(setup).items():
        there = row.removesuffix(" again"), "Acc" if column == "Test Accuracy" else column
        assert TABLE11.published(*there) == TABLE4.published(row, column) is not None
        assert cells["table11"][there] == cell


def test_every_cell_has_a_job_and_beside_them_those_that_the_text_speaks_of(cells):
    for table in TABLES:
        assert set(cells[table.name]) >= {(row.name, column) for row in table.rows for column in table.columns}
        unprinted = {"table11": (*WEAK, "CW0"), "table15": ("CW40",)}.get(table.name, ())
        beside = {column for row, column in cells[table.name] if column not in table.columns}
        assert beside == set(unprinted)
        weakly = {row for row, column in cells[table.name] if column in unprinted}
        assert weakly == ({SOURCE, *WEAKLY_ATTACKED} if unprinted else set())
        assert {column for row, column in cells[table.name] if row == SOURCE} == {*table.columns[:-1], *unprinted}
        scored = [cell.job for cell in cells[table.name].values() if isinstance(cell.job, ScoreJob)]
        assert not any(job.target in job.adversarial.sources for job in scored)
        assert all(str(NetSpec.parse(row.name)) == row.name for row in table.rows)


def test_attacks_have_the_numbers_of_the_appendix(cells):
    def crafted(table: str) -> dict[str, GenerateJob]:
        return {column: cells[table]["resnet18", column].job.adversarial for column in EXHIBITS[table].columns[:-1]}

    for table in ("table12", "table13"):
        for column, job in list(crafted(table).items())[:-1]:
            assert str(job.attack) == ATTACKS[column] and job.samples == 1000
    # A quarter of the paper's confidence at scale tiny.
    for table, column, confidence in (("table12", "CW20", 5), ("table14", "CW40", 10)):
        job = crafted(table)[column]
        assert (job.attack.parameters["confidence"], job.samples) == (confidence, 50)


def test_all_pgd_settings_the_paper_tried_are_run(cells):
    """As Appendix A.8 lists them: step, steps, scale."""
    tried = [(1, 8, 4), (2, 4, 4), (4, 2, 4), (1, 12, 8), (2, 6, 8), (4, 3, 8)]
    tried += [(1, 20, 16), (2, 10, 16), (4, 5, 16), (1, 40, 32), (2, 20, 32), (4, 10, 32)]
    run = {str(cell.job.attack) for (row, _), cell in cells["table11"].items() if row == SOURCE and cell.job.attack.name == "pgd"}
    assert run == {f"pgd:eps={scale}/255,step_size={step}/255,steps={steps}" for step, steps, scale in tried}
    assert [str(AttackSpec.parse(text)) for text in PGD_SETTINGS.values()] == list(PGD_SETTINGS.values())


def test_notes_give_the_accuracy_of_each_source():
    found = [table.notes[0] for table in TABLES]
    assert all(f"{number} %" in note for note, number in zip(found, ("95.62", "95.27", "95.69", "95.15", "94.04"), strict=True))
