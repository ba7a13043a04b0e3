"""Tables 3 and 4 once more, with masks where the paper's text puts them: they are measured only where they are named."""

from dataclasses import replace

from defective.paper.exhibit import Cell, Exhibit
from defective.paper.protocol import PLACEMENT
from defective.specs import ScoreJob, TrainJob

_NOTE = (
    "Masks are placed as in the paper's text (Equation 5, Appendix C), not as in the released code, which produced the printed numbers. "
    "DC masks whole channels of the full model, and x2 only widens."
)


def by_text(exhibit: Exhibit) -> Exhibit:
    """The exhibit with the defects of its targets placed by the text; the paper makes no claims about it."""
    return replace(
        exhibit,
        name=f"{exhibit.name}-text",
        title=f"{exhibit.title}; masks placed as in the text",
        cells=lambda setup: {key: _placed(cell) for key, cell in exhibit.cells(setup).items()},
        notes=(_NOTE, *(note for note in exhibit.notes if note != PLACEMENT and not note.startswith("DC "))),
        optional=True,
    )


def _placed(cell: Cell) -> Cell:
    match cell.job:
        case TrainJob():
            return replace(cell, job=_by_text(cell.job))
        case ScoreJob():
            return replace(cell, job=cell.job.model_copy(update={"target": _by_text(cell.job.target)}))
    return cell


def _by_text(job: TrainJob) -> TrainJob:
    return job.model_copy(update={"net": job.net.model_copy(update={"placement": "text"})}) if job.net.defects else job
