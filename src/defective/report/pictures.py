"""Tensors as pictures inside a page."""

import base64
import io

import numpy as np
import torch
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
    difference = (x_adv.float() - x.float()) / 255
    return picture(((difference / eps).clamp(-1, 1) * 127 + 128).round().to(torch.uint8))


def mask_picture(mask: Tensor, *, columns: int = 8, count: int = 16) -> str:
    """The first channels of a bool mask ``(C, H, W)`` side by side: black neurons are dead (paper Figure 2)."""
    chosen = mask[:count].cpu().to(torch.uint8)
    channels, height, width = chosen.shape
    columns = min(columns, channels)
    rows = -(-channels // columns)
    sheet = torch.full((rows * (height + 2), columns * (width + 2)), 128, dtype=torch.uint8)
    for index, channel in enumerate(chosen):
        top, left = index // columns * (height + 2) + 1, index % columns * (width + 2) + 1
        sheet[top : top + height, left : left + width] = channel * 225 + 15
    return picture(sheet.unsqueeze(0))
