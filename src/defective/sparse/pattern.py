"""A convolution between live neurons as a sparse matrix."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from defective.errors import InputError

ROWS_AT_ONCE = 2048


class Pattern(NamedTuple):
    """Compressed rows (CSR): one row for each output neuron, one column for each input neuron, both among the live ones.

    Attributes:
        crow: Where each row begins in ``col``: int32 ``(rows + 1,)``.
        col: Input neuron of each product: int32 ``(products,)``.
        source: Which weight each product takes, counted in the flattened ``(O, C/groups, kh, kw)``: int32 ``(products,)``.
        columns: Number of live input neurons.
    """

    crow: Tensor
    col: Tensor
    source: Tensor
    columns: int

    def transposed(self) -> tuple[Tensor, Tensor, Tensor]:
        """``crow`` and ``col`` of the transposed matrix, and where each of its products stands in this one."""
        rows = torch.repeat_interleave(torch.arange(len(self.crow) - 1), self.crow.diff())
        order = self.col.long().argsort(stable=True)
        crow = torch.zeros(self.columns + 1, dtype=torch.int32)
        crow[1:] = torch.bincount(self.col, minlength=self.columns).cumsum(0)
        return crow, rows[order].int(), order.int()


def positions(live: Tensor) -> Tensor:
    """Where the live neurons of a bool mask ``(C, H, W)`` stand, counted pixel by pixel and within a pixel channel by channel.

    In this order neighbouring rows of a convolution read the same inputs.
    """
    return live.permute(1, 2, 0).flatten().nonzero().squeeze(1)


def conv_pattern(conv: nn.Conv2d, live_in: Tensor, live_out: Tensor) -> Pattern:
    """The products of ``conv`` between live input neurons ``(C, H, W)`` and live output neurons ``(O, H', W')``."""
    inside, offset = _padded_rows(conv, live_in)
    out = positions(live_out)
    crow, col, source = [torch.zeros(1, dtype=torch.long)], [], []
    for part in out.split(ROWS_AT_ONCE):
        found = _columns_of(conv, part, live_out.shape, inside, offset)
        row, place = (found[0] >= 0).nonzero(as_tuple=True)
        crow.append(torch.bincount(row, minlength=len(part)))
        col.append(found[0][row, place])
        source.append(found[1][row, place].int())
    ends = torch.cat(crow).cumsum(0)
    if int(ends[-1]) >= 2**31:
        raise InputError(f"a layer of {int(ends[-1]):,} live products is too large for a sparse matrix: restore_ some of its sites")
    empty = torch.zeros(0, dtype=torch.int32)
    return Pattern(ends.int(), torch.cat([empty, *col]), torch.cat([empty, *source]), int(live_in.sum()))


def _padded_rows(conv: nn.Conv2d, live_in: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Row of each input neuron ``(H, W, C)``, -1 where it is dead, with a border of -1 for the taps that reach outside."""
    channels, height, width = live_in.shape
    top, left = (_padding(conv, axis, math.ceil) for axis in (0, 1))
    rows = torch.full((height + 2 * top, width + 2 * left, channels), -1, dtype=torch.int32)
    alive = live_in.permute(1, 2, 0)
    rows[top : top + height, left : left + width][alive] = torch.arange(int(alive.sum()), dtype=torch.int32)
    return rows, (top, left)


def _padding(conv: nn.Conv2d, axis: int, rounded: Callable[[float], int]) -> int:
    if isinstance(conv.padding, str):
        # torch puts the odd one of "same" behind.
        reach = conv.dilation[axis] * (conv.kernel_size[axis] - 1) * (conv.padding == "same")
        return rounded(reach / 2)
    return int(conv.padding[axis])


def _columns_of(conv: nn.Conv2d, part: Tensor, shape: torch.Size, inside: Tensor, offset: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """For each output neuron the row of every input neuron its window holds, -1 where dead or outside, and the weight between them."""
    outs, width = shape[0], shape[2]
    channel, pixel = part % outs, part // outs
    kernel_h, kernel_w = conv.kernel_size
    share = conv.in_channels // conv.groups
    taps_h = torch.arange(kernel_h) * conv.dilation[0] - _padding(conv, 0, math.floor) + offset[0]
    taps_w = torch.arange(kernel_w) * conv.dilation[1] - _padding(conv, 1, math.floor) + offset[1]
    row = (pixel // width * conv.stride[0])[:, None] + taps_h
    column = (pixel % width * conv.stride[1])[:, None] + taps_w
    group = channel // (conv.out_channels // conv.groups)
    inner = group[:, None] * share + torch.arange(share)
    found = inside[row[:, :, None, None], column[:, None, :, None], inner[:, None, None, :]]
    tap = torch.arange(kernel_h * kernel_w).view(kernel_h, kernel_w, 1)
    weight = channel.view(-1, 1, 1, 1) * (share * kernel_h * kernel_w) + torch.arange(share) * (kernel_h * kernel_w) + tap
    return found.flatten(1), weight.expand_as(found).flatten(1)
