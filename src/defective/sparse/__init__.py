"""Models computed through their live neurons only."""

from defective.sparse.liveness import LayerChoice
from defective.sparse.sparsify import SparseNet, sparsify
from defective.sparse.training import LiveTraining, train_live

__all__ = ["LayerChoice", "LiveTraining", "SparseNet", "sparsify", "train_live"]
