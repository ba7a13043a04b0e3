import pytest

from defective.paper import EXHIBITS
from defective.paper.ablations import ATTACKED, PGD_SETTINGS, SOURCES
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


def test_every_cell_has_a_job(cells):
    for table in TABLES:
        assert set(cells[table.name]) == {(row.name, column) for row in table.rows for column in table.columns}
        scored = [cell.job for cell in cells[table.name].values() if isinstance(cell.job, ScoreJob)]
        assert not any(job.target in job.adversarial.sources for job in scored)
        assert all(str(NetSpec.parse(row.name)) == row.name for row in table.rows)


def test_all_pgd_settings_the_paper_tried_are_run(setup, cells):
    """As Appendix A.8 lists them: step, steps, scale."""
    settings = EXHIBITS["settings"].cells(setup)
    assert [row.name for row in EXHIBITS["settings"].rows] == [*SOURCES, *ATTACKED]
    tried = [(1, 8, 4), (2, 4, 4), (4, 2, 4), (1, 12, 8), (2, 6, 8), (4, 3, 8)]
    tried += [(1, 20, 16), (2, 10, 16), (4, 5, 16), (1, 40, 32), (2, 20, 32), (4, 10, 32)]
    attacks = [f"pgd:eps={scale}/255,step_size={step}/255,steps={steps}" for step, steps, scale in tried]
    attacks += [setup.cw(confidence) for confidence in (0, 40)]
    columns = EXHIBITS["settings"].columns[:-1]
    assert {(row, column) for row, column in settings if row == "vgg19"} == {("vgg19", column) for column in ("CW0", "CW40")}
    for column, attack in zip(columns, attacks, strict=True):
        generated = settings["densenet121", column].job
        assert generated.attack == AttackSpec.parse(attack) and str(generated.sources[0].net) == "densenet121"
        for row in ATTACKED:
            scored = settings[row, column].job
            assert (str(scored.target.net), scored.adversarial) == (row, generated)
            # What Table 11 prints is measured once.
            assert cells["table11"].get((row, column), settings[row, column]) == settings[row, column]
    assert [str(AttackSpec.parse(text)) for text in PGD_SETTINGS.values()] == list(PGD_SETTINGS.values())


def test_notes_give_the_accuracy_of_each_source():
    found = [table.notes[0] for table in TABLES]
    assert all(f"{number} %" in note for note, number in zip(found, ("95.62", "95.27", "95.69", "95.15", "94.04"), strict=True))
