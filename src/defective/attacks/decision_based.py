"""What attacks share that query a model for nothing but its decisions: counted queries, and noise to start from."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defective.attacks.budget import check_classes, check_counts, check_inputs, drawn, image_generators
from defective.attacks.surrogate import extended
from defective.inference import NotFiniteError, evaluating, forward

START_DRAWS = 1000

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

    def __init__(
        self,
        model: nn.Module,
        surrogate: nn.Module | None,
        x: Tensor,
        y: Tensor,
        generator: torch.Generator | None,
        batch_size: int,
    ) -> None:
        check_inputs(x, y)
        check_counts(batch_size=batch_size)
        for each in [model] if surrogate is None else [model, surrogate]:
            check_classes(each, x, y)
        self.model, self.surrogate = model, surrogate
        self.x, self.y, self.batch_size = x.detach().clamp(0, 1), y.to(x.device, torch.long), int(batch_size)
        self.best, self.queries = self.x.clone(), torch.zeros(len(x), dtype=torch.long, device=x.device)
        self.generators = image_generators(x, generator)

    def querying(self, model: nn.Module) -> Query:
        """Whether images are misclassified by a model; each query is counted. A row may be named many times."""

        def query(rows: Tensor, images: Tensor) -> Tensor:
            if not len(rows):
                return rows.bool()
            z = self._logits(model, rows, images)
            return (z.argmax(1) != self.y[rows]) & ~z.isnan().any(1)

        return query

    def _logits(self, model: nn.Module, rows: Tensor, images: Tensor) -> Tensor:
        self.queries.index_add_(0, rows, torch.ones_like(rows))
        return torch.cat([forward(model, part) for part in images.split(self.batch_size)])

    def start(self, query: Query, rows: Tensor) -> Tensor:
        """Put misclassified uniform noise in the place of images; return the rows where some was found."""
        searching = rows
        for _ in range(START_DRAWS):
            if not len(searching):
                break
            noise = drawn(torch.rand, self.x.shape[1:], [self.generators[row] for row in searching.tolist()])
            self.best[searching] = noise.to(self.x)
            searching = searching[~query(searching, self.best[searching])]
        self.best[searching] = self.x[searching]
        return rows[~torch.isin(rows, searching)]

    def attack(self, walk: Callable[[Query, Tensor], None]) -> DecisionBasedResult:
        """Attack all images that the model classifies correctly: on the surrogate if there is one, then on the model if it is not fooled.

        Args:
            walk: Moves ``best`` of some rows by the answers to queries.
        """
        x, best, surrogate = self.x, self.best, self.surrogate

        def walked(query: Query, rows: Tensor) -> Tensor:
            started = self.start(query, rows)
            walk(query, started)
            return started

        with evaluating(self.model), torch.no_grad():
            z = self._logits(self.model, torch.arange(len(x), device=x.device), x)
            # An image without a class is neither classified correctly nor misclassified.
            if z.isnan().any():
                raise NotFiniteError(z)
            query, wrong = self.querying(self.model), z.argmax(1) != self.y
            rows, held = (~wrong).nonzero().squeeze(1), wrong.nonzero().squeeze(1)
            if surrogate is not None:
                with evaluating(surrogate):
                    found = walked(self.querying(surrogate), rows)
                best[found], enough = extended(x[found], best[found], lambda some, images: query(found[some], images))
                held = torch.cat([held, found[enough]])
                rows = rows[~torch.isin(rows, held)]
                best[rows] = x[rows]
            # With a surrogate, mostly no image is left.
            if surrogate is None or len(rows):
                held = torch.cat([held, walked(query, rows)])
        return DecisionBasedResult(best, self.queries, wrong.index_fill(0, held, True))
