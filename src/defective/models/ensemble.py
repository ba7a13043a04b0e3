"""Several models as one."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from defective.errors import InputError


class Ensemble(nn.Module):
    """Average the logits of several models: the paper's EN rows and the sources of Table 5.

    Args:
        members: Models with equal input and class count.

    Example:
        >>> Ensemble([nn.Flatten(), nn.Flatten()])(torch.ones(1, 1, 1, 2))
        tensor([[1., 1.]])
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        listed = list(members)
        if not listed or not all(isinstance(member, nn.Module) for member in listed):
            raise InputError(
                f"the members are {', '.join(type(each).__name__ for each in listed) or 'none'}: pass at least one module"
            )
        self.members = nn.ModuleList(listed)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x) for member in self.members]).mean(0)
