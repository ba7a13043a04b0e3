"""Layers on live neurons alone: a feature map is a matrix ``(live neurons, N)``, a convolution a sparse matrix."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from defective.sparse.pattern import Pattern


class Gather(nn.Module):
    """Dense feature maps ``(N, C, H, W)`` to their live rows ``(L, N)``, float32 at least."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Buffer(rows)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.permute(0, 2, 3, 1).flatten(1)
        if len(self.rows) < flat.shape[1]:
            flat = flat.index_select(1, self.rows)
        return flat.to(torch.promote_types(x.dtype, torch.float32)).t().contiguous()


class Scatter(nn.Module):
    """Live rows ``(L, N)`` back to dense feature maps ``(N, C, H, W)``, exactly 0 at all other neurons."""

    def __init__(self, rows: Tensor, shape: tuple[int, int, int], dtype: torch.dtype | None) -> None:
        super().__init__()
        self.rows, self.shape, self.dtype = nn.Buffer(rows), shape, dtype

    def forward(self, live: Tensor) -> Tensor:
        channels, height, width = self.shape
        flat = live.to(self.dtype or live.dtype).t().contiguous()
        if len(live) < channels * height * width:
            flat = flat.new_zeros(len(flat), channels * height * width).index_copy_(1, self.rows, flat)
        return flat.view(-1, height, width, channels).permute(0, 3, 1, 2)


class LiveLayer(nn.Module):
    """A layer whose output is its own and not needed for its derivative: what follows may overwrite it."""


class Place(LiveLayer):
    """Sum of sets of live rows, those ``taken`` of each added to rows ``placed``: a residual sum, a concatenation, a selection.

    ``counts`` are the operands' numbers of rows. ``whole`` is the operand that has the rows of the result in its order and no others, if
    one does; ``inplace`` lets the others be added onto it.
    """

    def __init__(self, taken: list[Tensor], placed: list[Tensor], counts: list[int], size: int) -> None:
        super().__init__()
        for index, (taken_rows, placed_rows) in enumerate(zip(taken, placed, strict=True)):
            self.register_buffer(f"taken{index}", taken_rows)
            self.register_buffer(f"placed{index}", placed_rows)
        self.size, self.inplace = size, False
        all_rows = [i for i, rows in enumerate(placed) if len(rows) == counts[i] == size and torch.equal(taken[i], rows)]
        self.whole = all_rows[0] if all_rows else None

    def forward(self, *operands: Tensor) -> Tensor:
        if self.whole is None:
            total = operands[0].new_zeros(self.size, operands[0].shape[1])
        else:
            total = operands[self.whole] if self.inplace else operands[self.whole].clone()
        for index, live in enumerate(operands):
            if index == self.whole:
                continue
            taken, placed = self.get_buffer(f"taken{index}"), self.get_buffer(f"placed{index}")
            total.index_add_(0, placed, live if len(taken) == len(live) else live.index_select(0, taken))
        return total


class Scale(LiveLayer):
    """A frozen batch norm on live rows: each row times its channel's factor plus its channel's shift."""

    def __init__(self, factor: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.factor, self.shift = nn.Buffer(factor[:, None].clone()), nn.Buffer(shift[:, None].clone())

    def forward(self, live: Tensor) -> Tensor:
        return torch.addcmul(self.shift, live, self.factor)


class LiveProduct(nn.Module):
    """The products of a convolution between live neurons: ``(columns, N)`` to ``(rows, N)``."""

    def __init__(self, pattern: Pattern) -> None:
        super().__init__()
        self.crow, self.col = nn.Buffer(pattern.crow), nn.Buffer(pattern.col)
        self.turned_crow, self.turned_col, self.order = map(nn.Buffer, pattern.transposed())

    def forward(self, live: Tensor, values: Tensor) -> Tensor:
        product: Tensor = _Product.apply(live, values, self)  # type: ignore[no-untyped-call]
        return product


class LiveConv(LiveLayer):
    """A frozen convolution between live neurons, from its dense weight ``(O, C/groups, kh, kw)`` and a bias for each row."""

    def __init__(self, pattern: Pattern, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.product = LiveProduct(pattern)
        self.values = nn.Buffer(weight.detach().flatten()[pattern.source.long()])
        self.bias = nn.Buffer(bias.detach()[:, None].clone())

    def forward(self, live: Tensor) -> Tensor:
        found: Tensor = self.product(live, self.values)
        return found.add_(self.bias)


class _Product(torch.autograd.Function):
    """A sparse matrix times a dense one; derivatives with respect to both."""

    @staticmethod
    def forward(ctx: Any, live: Tensor, values: Tensor, at: LiveProduct) -> Tensor:
        ctx.save_for_backward(live if ctx.needs_input_grad[1] else None, values)
        ctx.at = at
        # Autocast would turn the sparse matrix into bfloat16, for which there is no product.
        with torch.autocast(live.device.type, enabled=False):
            return _csr(at.crow, at.col, values, len(live)) @ live

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (live, values), at = ctx.saved_tensors, ctx.at
        to_live = to_values = None
        gradient = gradient.contiguous()
        with torch.autocast(gradient.device.type, enabled=False):
            if ctx.needs_input_grad[0]:
                to_live = _csr(at.turned_crow, at.turned_col, values[at.order], len(gradient)) @ gradient
            if ctx.needs_input_grad[1]:
                # Zeros, not empty: 0 times what an empty tensor may hold is not always 0.
                sampled = _csr(at.crow, at.col, torch.zeros_like(values), len(live))
                to_values = torch.sparse.sampled_addmm(sampled, gradient, live.t(), beta=0.0).values()
        return to_live, to_values, None


def _csr(crow: Tensor, col: Tensor, values: Tensor, columns: int) -> Tensor:
    with warnings.catch_warnings():
        # torch calls its compressed sparse rows a beta once in every process.
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(crow, col, values, (len(crow) - 1, columns), check_invariants=False)
