import pytest

from defective.paper import EXHIBITS
from defective.paper.ablations import PGD_SETTINGS, SOURCE, WEAK, WEAKLY_ATTACKED
from defective.specs import AttackSpec, NetSpec, ScoreJob

TABLE4 = EXHIBITS["table4"]
TABLES = TABLE11, *_ = [EXHIBITS[f"table{number}"] for number in range(11, 16)]


@pytest.fixture(scope="module")
def cells(setup):
    return {table.name: table.cells(setup) for table in TABLES}


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
