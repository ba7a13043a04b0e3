"""Every model after every tool: the same function with masked neurons masked, or a message that says what to do."""

import importlib.util
import re
from functools import cache

import pytest
import torch

from defective.surgery import mask_layers
from interop.models import MODELS, Cell
from interop.table import PAGE, TOOLS, Tool, table

# What the tools warn of without looking at the model: most of it says that a tool of torch has a successor.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*torch\.jit\..* is deprecated:DeprecationWarning",
    r"ignore:torch\.ao\.quantization is deprecated:DeprecationWarning",
    r"ignore:.*isinstance\(treespec, LeafSpec\):FutureWarning",
    r"ignore:torch\.quantize_per_tensor, .* are deprecated:UserWarning",
    r"ignore:Please use quant_min and quant_max:UserWarning",
    r"ignore:The input of maxpool2d is not quantized:UserWarning",
)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tool", [pytest.param(tool, id=tool.id, marks=[pytest.mark.slow] * tool.slow) for tool in TOOLS])
def test_function_is_kept_or_the_tool_refuses(tool: Tool, name: str) -> None:
    _need(*tool.packages, MODELS[name].package)
    torch.manual_seed(0)
    cell = Cell(name)
    unseen = cell.unseen()
    with torch.no_grad():
        before = cell.model(cell.x)
    if message := tool.refused.get(name, tool.refused.get("")):
        with pytest.raises(Exception, match=re.escape(message)):
            tool.run(cell)
        with torch.no_grad():
            assert torch.equal(cell.model(cell.x), before)
        return
    made = tool.run(cell)
    result, reference = made if isinstance(made, tuple) else (made, None)
    with torch.no_grad():
        logits, wanted = result(cell.x), reference(cell.x) if reference else before
        assert reference is None or not torch.equal(wanted, before), "the tool changed nothing"
        tolerance = tool.tolerance * float(wanted.abs().max())
        torch.testing.assert_close(logits, wanted, rtol=0, atol=min(tolerance, _least_effect(name) / 2))
        # Pixels that reach masked neurons alone change nothing, not a bit.
        assert torch.equal(result(unseen), logits)


@cache
def _least_effect(name: str) -> float:
    """How far the logits move when the mask is left out that matters least."""
    cell, effects = Cell(name), []
    with torch.no_grad():
        before = cell.model(cell.x)
        for layer in mask_layers(cell.model).values():
            mask = layer.defect_mask.clone()
            layer.defect_mask.fill_(True)
            effects.append(float((cell.model(cell.x) - before).abs().max()))
            layer.defect_mask.copy_(mask)
    return min(effects)


@pytest.mark.parametrize("name", MODELS)
def test_every_mask_matters(name: str) -> None:
    _need(MODELS[name].package)
    cell = Cell(name)
    with torch.no_grad():
        assert _least_effect(name) > 0.1 * float(cell.model(cell.x).abs().max())
        # To the plain model the pixels matter that the defective one does not see.
        assert not torch.allclose(cell.plain()(cell.x), cell.plain()(cell.unseen()), rtol=1e-2)


def test_page_has_this_table() -> None:
    assert table() in PAGE.read_text(), "run: PYTHONPATH=tests python -m interop.table"


def _need(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
