"""Hand-made models with masks in chosen places, their batch norms as after training."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from defective import DefectMask, sample_mask
from defective.sparse import SparseNet, sparsify


class Net(nn.Module):
    """A model whose forward is ``function(self, x)``; its layers are given by name."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def conv(ins: int = 3, outs: int = 8, kernel: int = 3, **options: object) -> nn.Conv2d:
    """A convolution that keeps the size."""
    return nn.Conv2d(ins, outs, kernel, padding=kernel // 2, **options)


def mask(keep_prob: float = 0.1, *, seed: int = 0, shape: tuple[int, int, int] = (8, 8, 8)) -> DefectMask:
    return DefectMask(sample_mask(shape, keep_prob, generator=torch.Generator().manual_seed(seed)))


def chained(between: Callable[[nn.Module, Tensor], Tensor] = lambda model, z: z, **layers: nn.Module) -> Net:
    """conv, mask, something in between, conv, mask; any of them may be given."""
    usual = {"a": conv(), "b": conv(8, 8), "m": mask(), "k": mask(seed=1)}
    return Net(lambda model, x: model.k(model.b(between(model, model.m(model.a(x))))), **usual | layers)


def trained(model: nn.Module) -> nn.Module:
    """The model in eval mode and float64, its norms with statistics and factors of their own: fresh ones would hide a wrong fold."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                tensors = (module.running_mean, module.running_var, module.weight, module.bias)
                for tensor, least in zip(tensors, (-0.3, 0.5, 0.5, -0.3), strict=True):
                    if tensor is not None:
                        tensor.copy_(least + torch.rand(tensor.shape, generator=generator))
    return model.double().eval()


def images(count: int = 2, shape: tuple[int, int, int] = (3, 8, 8)) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def assert_same(fast: nn.Module, model: nn.Module, x: Tensor, tolerance: float = 1e-10) -> None:
    """Both models give the same output and pull the same gradient back to the images, as shares of the largest number in each."""
    found, wanted = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, dense = fast(found), model(wanted)
    assert out.dtype == dense.dtype
    torch.testing.assert_close(out, dense, rtol=0, atol=tolerance * float(dense.detach().abs().max()))
    pull = torch.randn(dense.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dense.dtype)
    out.backward(pull)
    dense.backward(pull)
    torch.testing.assert_close(found.grad, wanted.grad, rtol=0, atol=tolerance * float(wanted.grad.abs().max()))


def sparsified(model: nn.Module, x: Tensor) -> SparseNet:
    """The model through its live neurons, which is the same function."""
    fast = sparsify(model, x)
    assert_same(fast, model, x)
    return fast
