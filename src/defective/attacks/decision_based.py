"""What attacks share that query a model for nothing but its decisions: counted queries, and a start that is misclassified."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defective.attacks.budget import check_classes, check_inputs, image_generators
from defective.inference import forward

START_DRAWS, BLEND_LEVELS, BLEND_COARSE = 1000, 1000, 25

Query = Callable[[Tensor, Tensor], Tensor]  # (rows, an image for each) -> bool for each: is it misclassified?


@dataclass(frozen=True)
class DecisionBasedResult:
    """For each image: its adversarial image (misclassified if ``started``, else unchanged), queries, and whether there was a start."""

    x_adv: Tensor
    queries: Tensor
    started: Tensor


class Search:
    """Images under attack: the nearest adversarial image to each so far, its queries and its random numbers.

    Each image has a generator of its own, seeded by ``generator`` in turn, so that splitting images into batches changes nothing.
    """

    def __init__(self, models: list[nn.Module], x: Tensor, y: Tensor, generator: torch.Generator | None, batch_size: int) -> None:
        check_inputs(x, y)
        for model in models:
            check_classes(model, x, y)
        self.x, self.y, self.batch_size = x.detach().clamp(0, 1), y.to(x.device), batch_size
        self.best, self.queries = self.x.clone(), torch.zeros(len(x), dtype=torch.long, device=x.device)
        self.generators = image_generators(x, generator)

    def querying(self, model: nn.Module) -> Query:
        """Whether images are misclassified by a model; each query is counted. A row may be named many times."""

        def query(rows: Tensor, images: Tensor) -> Tensor:
            if not len(rows):
                return rows.bool()
            self.queries.index_add_(0, rows, torch.ones_like(rows))
            z = torch.cat([forward(model, part) for part in images.split(self.batch_size)])
            return (z.argmax(1) != self.y[rows]) & ~z.isnan().any(1)

        return query

    def misclassified(self, query: Query) -> Tensor:
        """Which images are misclassified as they are."""
        return query(torch.arange(len(self.x), device=self.x.device), self.x)

    def start(self, query: Query, rows: Tensor) -> Tensor:
        """Blend images with just enough uniform noise to be misclassified; return the rows where that is possible."""
        x, blended, noise, searching = self.x, self.x.clone(), torch.empty_like(self.x), rows
        for _ in range(START_DRAWS):
            if not len(searching):
                break
            noise[searching] = torch.stack(
                [torch.rand(x.shape[1:], generator=self.generators[row], device="cpu") for row in searching.tolist()]
            ).to(x)
            searching = searching[~query(searching, noise[searching])]
        rows = rows[~torch.isin(rows, searching)]
        level = torch.zeros(len(x), dtype=torch.long, device=x.device)

        def blend(searching: Tensor, by: int, times: int) -> None:
            """Raise the noise level until the image is misclassified."""
            for _ in range(times):
                level[searching] += by
                share = (level[searching] / BLEND_LEVELS)[:, None, None, None].to(x.dtype)
                blended[searching] = ((1 - share) * x[searching] + share * noise[searching]).clamp(0, 1)
                searching = searching[~query(searching, blended[searching])]
                if not len(searching):
                    break

        # Coarse levels first, then those since the last coarse one: 65 queries at most, not 1000.
        blend(rows, BLEND_COARSE, BLEND_LEVELS // BLEND_COARSE)
        level[rows] -= BLEND_COARSE
        blend(rows, 1, BLEND_COARSE)
        self.best[rows] = blended[rows]
        return rows
