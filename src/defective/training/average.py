"""The average of a model over the steps of its training."""

import torch
from torch import nn


class WeightAverage:
    r"""Exponential moving average of all float tensors of a model's state, weights and running statistics.

    .. math:: \bar w_t = \frac{\sum_{i=1}^{t} d^{t-i} w_i}{\sum_{i=1}^{t} d^{t-i}}

    The weights before the first step have no part in it. The tensors of ``model`` must be changed in place from here on.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.present = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
        self.mean = {name: tensor.clone() for name, tensor in self.present.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the model after its ``step``-th step in, counted from 1."""
        share = (1 - self.decay) / (1 - self.decay**step)
        for name, tensor in self.present.items():
            self.mean[name].lerp_(tensor, share)
