"""What holds for every exhibit: its rows can be told apart, and its caption says what they are, what columns and numbers are."""

import re

import pytest

from defective.paper import EXHIBITS
from defective.paper.architectures import LABELS
from defective.specs import ScoreJob, TrainJob
from exhibits import setup_of

ALL = pytest.mark.parametrize("exhibit", EXHIBITS.values(), ids=lambda exhibit: exhibit.name)


@pytest.fixture(scope="module")
def jobs():
    """Of an exhibit at the paper's scale, the jobs behind its printed cells that are of one kind."""
    setup = setup_of("paper")
    return lambda exhibit, kind: [
        cell.job for (_, column), cell in exhibit.cells(setup).items() if column in exhibit.columns and isinstance(cell.job, kind)
    ]


def numbers(text):
    return {float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)}


@ALL
def test_no_two_rows_have_the_same_label(exhibit):
    labels = [row.label for row in exhibit.rows]
    assert len(set(labels)) == len(labels)


@ALL
def test_a_caption_is_one_or_two_sentences(exhibit):
    caption = exhibit.caption
    assert 0 < len(caption) < 450 and caption.endswith(".")
    assert len(re.findall(r"\.(?: [A-Z]|$)", caption)) <= 2
    assert not exhibit.columns or re.search(r"\bcolumns?\b", caption, re.IGNORECASE)
    assert not exhibit.rows or caption.startswith("Rows")


@ALL
def test_a_caption_repeats_no_sentence_of_title_and_notes(exhibit):
    def sentences(*texts):
        return {sentence.rstrip(".") for text in texts for sentence in text.split(". ")}

    assert not sentences(exhibit.caption) & sentences(exhibit.title, *exhibit.notes)


@ALL
def test_a_caption_says_how_strong_the_attacks_are(exhibit, jobs):
    told = numbers(" ".join((exhibit.caption, *exhibit.columns)))
    for job in jobs(exhibit, ScoreJob):
        values = job.adversarial.attack.parameters
        # In levels of 255, as the paper has it but for MNIST, whose attack is in shares of the range.
        unit = 1 if exhibit.data == "mnist" else 255
        lengths = {round(unit * values[key], 6) for key in ("eps", "step_size") if key in values}
        steps = {values["steps"]} if "step_size" in values else set()
        assert lengths | steps <= told, job.adversarial.attack


@ALL
def test_a_caption_says_which_images_count(exhibit, jobs):
    cells = exhibit.cells(setup_of("paper"))
    measured = {cell.value for (_, column), cell in cells.items() if isinstance(cell.job, ScoreJob) and column in exhibit.columns}
    before, fooled = ("classified correctly before" in exhibit.caption, "fool the" in exhibit.caption)
    found = {(True, True): "paper", (True, False): "target-correct", (False, False): "all"}[before, fooled]
    assert measured <= {found}
    if "all" in measured:
        assert re.search(r"share of (all attacked images|the images shown)", exhibit.caption)
    if jobs(exhibit, TrainJob):
        assert re.search(r"all test images, unattacked\.$|on the test set", exhibit.caption)


@ALL
def test_a_caption_names_the_source_that_no_column_names(exhibit, jobs):
    found = jobs(exhibit, ScoreJob)
    sources = {job.adversarial.sources for job in found}
    if len(sources) == 1:
        ((source,),) = sources
        assert LABELS.get(source.net.arch, "another, plain one") in exhibit.caption
    elif found and all(job.adversarial.sources == (job.target,) for job in found):
        assert "with its own gradients" in exhibit.caption
