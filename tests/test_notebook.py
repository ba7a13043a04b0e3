"""The notebook runs from top to bottom and shows what a notebook user expects."""

from importlib.util import find_spec
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "tour.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_tour_shows_masks_curves_images_and_a_table(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "stored outputs: clear them"
    nbclient.NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    data = [output.data for output in outputs if "data" in output]
    assert sum("image/png" in each for each in data) == 3
    shown = " ".join(each.get("text/html", "") for each in data)
    assert "Warning" not in shown
    if find_spec("ipywidgets"):
        assert any("application/vnd.jupyter.widget-view+json" in each for each in data), "no progress bar"
    table = next(each["text/html"] for each in reversed(data) if "<table" in each.get("text/html", ""))
    assert all(label in table for label in ("plain", "defective", "transfer", "white-box", "noise"))
