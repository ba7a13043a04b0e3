"""Every model after every tool: the same function with the masked neurons masked, or a message that says what to do."""

import importlib

import pytest
import torch
from interop.models import MODELS, defective_model, images, plain_model, unseen_pixels
from interop.table import TOOLS
from interop.tools import Cell, Tool

from defective.surgery import mask_layers

@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param
