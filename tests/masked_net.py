"""What the tests of surgery share: a small model with masks."""

import torch

from defective import defect_

X = torch.rand(2, 3, 8, 8, dtype=torch.float64)


def masked(model, sites=("1", "4"), keep_prob=0.3, **options):
    defect_(model, keep_prob, sites=sites, example_inputs=X, **options)
    return model
