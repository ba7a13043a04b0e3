"""Make torchvision importable where its compiled operators do not fit torch (a CPU build); timm, lightning and peft import it.

Import this module before them. The Python part of torchvision needs no operator, only to know two of them by name.
"""

import importlib
import sys

import torch

try:
    importlib.import_module("torchvision")
except RuntimeError:
    for _name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[_name]
    _LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
    for _operator in ("nms", "qnms"):
        _LIBRARY.define(f"{_operator}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
    importlib.import_module("torchvision")
except ImportError:
    pass
