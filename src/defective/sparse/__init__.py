"""Nets computed through their live neurons only."""

from defective.sparse.liveness import LayerChoice
from defective.sparse.sparsify import SparseNet, sparsify

__all__ = ["LayerChoice", "SparseNet", "sparsify"]
