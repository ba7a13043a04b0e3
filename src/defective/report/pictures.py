"""Tensors as pictures inside a page."""

import base64
import io

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def picture(x: Tensor) -> str:
    """One image, uint8 ``(C, H, W)`` with 1 or 3 channels, as a PNG data address."""
    from PIL import Image

    pixels = x.permute(1, 2, 0).cpu().numpy().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def perturbation_picture(x: Tensor, x_adv: Tensor, eps: float) -> str:
    """The difference of two uint8 images as a picture: gray is no change, black and white are ``-eps`` and ``+eps``."""
    return picture(_around_gray((x_adv.float() - x.float()) / 255, eps))


def mask_picture(mask: Tensor, *, columns: int = 8, count: int = 16) -> str:
    """The first channels of a bool mask ``(C, H, W)`` side by side: black neurons are dead (paper Figure 2)."""
    return _sheet(mask[:count].cpu().to(torch.uint8) * 225 + 15, columns)


def feature_picture(maps: Tensor, scale: float, *, columns: int = 8) -> str:
    """Feature maps ``(C, H, W)`` side by side: gray is 0, black and white are ``-scale`` and ``+scale`` and all beyond."""
    return _sheet(_around_gray(maps.float().cpu(), scale), columns)


def _around_gray(values: Tensor, scale: float) -> Tensor:
    return ((values / scale).clamp(-1, 1) * 127 + 128).round().to(torch.uint8)


def _sheet(channels: Tensor, columns: int) -> str:
    """Uint8 ``(C, H, W)`` in reading order, each in a gray frame."""
    columns = min(columns, len(channels))
    framed = F.pad(channels, (1, 1, 1, 1, 0, -len(channels) % columns), value=128)
    return picture(framed.unflatten(0, (-1, columns)).transpose(1, 2).flatten(2).flatten(0, 1).unsqueeze(0))
