"""Decisions on shape and texture stimuli as the tables of trials that model-vs-human reads (Geirhos et al. 2021)."""

from collections.abc import Mapping

from defective.data.stimuli import Stimuli
from defective.evaluation.shape_bias import ShapeReport

COLUMNS = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")
# What it calls the kinds of stimuli.
DATASETS = {"conflict": "cue-conflict", "silhouettes": "silhouette", "edges": "edge"}
_NONE = "NaN"


def trial_tables(stimuli: Stimuli, reports: Mapping[str, ShapeReport]) -> dict[str, list[tuple[str, ...]]]:
    """Rows of each model and data set of which there are images, by the path of the file they belong into, headings first.

    A row is one image: the model, session 1, the number of the trial, no reaction time, the category that the model chose, that of the
    image (of its shape, where two cues differ), no condition, and the file name, by which error consistency finds the same image in the
    trials of humans.

    Example:
        >>> import torch
        >>> from defective.statistics import Rate
        >>> x, y, none = torch.rand(1, 3, 8, 8), torch.tensor([1]), torch.zeros(0)
        >>> weights = {"cat": torch.tensor([1.0, 0]), "dog": torch.tensor([0, 1.0])}
        >>> stimuli = Stimuli((none, none, none), (none, none), (x, y), 0, 0, weights, {"edges": ("dog7.png",)})
        >>> rate = Rate.of(0, 1)
        >>> report = ShapeReport(bias=rate, cue_accuracy=rate, silhouettes=rate, edges=rate, decisions={"edges": (0,)})
        >>> trial_tables(stimuli, {"my_net": report})["edge/edge_my-net_session-1.csv"][1]
        ('my_net', '1', '1', 'NaN', 'cat', 'dog', 'NaN', 'dog7.png')
    """
    names = list(stimuli.categories or ())
    found: dict[str, list[tuple[str, ...]]] = {}
    for model, report in reports.items():
        # It tells the parts of a file name apart by underscores.
        safe = "".join(letter if letter.isalnum() or letter in ".-+" else "-" for letter in model)
        for kind, dataset in DATASETS.items():
            if not (files := stimuli.files.get(kind, ())):
                continue
            trials = zip(report.decisions[kind], getattr(stimuli, kind)[1].tolist(), files, strict=True)
            rows: list[tuple[str, ...]] = [
                (model, "1", str(number), _NONE, names[chosen], names[category], _NONE, file)
                for number, (chosen, category, file) in enumerate(trials, start=1)
            ]
            # Models a_b and a-b each have a file.
            while (path := f"{dataset}/{dataset}_{safe}_session-1.csv") in found:
                safe += "+"
            found[path] = [COLUMNS, *rows]
    return found
