"""The boundary attack: a random walk along the decision boundary that uses only the decisions of a model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from defective.attacks.budget import check_counts, check_range
from defective.attacks.decision_based import DecisionBasedResult, Query, Search
from defective.errors import InputError
from defective.inference import as_images, check_images
from defective.text import choices

BLEND_LEVELS, BLEND_COARSE = 1000, 25
CONVERGED = 1e-7
BLOCK_NUMBERS = 8192
ADAPTATION = 1.5


class Schedule(NamedTuple):
    """How step lengths follow success.

    Attributes:
        directions: Most directions tried in a step.
        conditional: Whether one is dropped when its step on the sphere is queried and fails.
        low, high: Success rates of the step towards the image between which its length stays; on the sphere they are 0.2 and 0.5.
        every: Steps from one query about the sphere to the next; lengths change then, and outcomes of other steps do not count.
        on_sphere, towards: Outcomes that are counted before a length may change.
    """

    directions: int
    conditional: bool
    low: float
    high: float
    every: int = 10
    on_sphere: int = 100
    towards: int = 30


SCHEDULES = {
    "foolbox3": Schedule(1, False, 0.1, 0.25),
    "foolbox1": Schedule(25, True, 0.2, 0.5),
    "quick": Schedule(1, True, 0.2, 0.5, every=2, on_sphere=10, towards=10),
}
SCHEDULE_OF = {1: "foolbox3", 25: "foolbox1"}


@dataclass
class Recent:
    """The last outcomes of each image, and how many there were since its step last changed."""

    outcomes: Tensor
    seen: Tensor

    def add(self, rows: Tensor, outcomes: Tensor) -> None:
        self.outcomes[rows, self.seen[rows] % self.outcomes.shape[1]] = outcomes
        self.seen[rows] += 1

    def factor(self, low: float, high: float) -> Tensor:
        """What each image's step is to be multiplied by, if enough outcomes are in; those of a step that changes are forgotten."""
        size, successes = self.outcomes.shape[1], self.outcomes.sum(1)
        longer, shorter = ((self.seen >= size) & far for far in (successes > high * size, successes < low * size))
        self.seen[longer | shorter] = 0
        return ADAPTATION ** (longer.float() - shorter.float())


def boundary(
    model: nn.Module, x: Tensor, y: Tensor, *, steps: int = 5000, generator: torch.Generator | None = None, **options: Any
) -> Tensor:
    """The images of :func:`boundary_details`, which names the options.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> x = torch.rand(3, 1, 2, 2)
        >>> boundary(model, x, model(x).argmax(1), steps=10).shape
        torch.Size([3, 1, 2, 2])
    """
    return boundary_details(model, x, y, steps=steps, generator=generator, **options).x_adv


def boundary_details(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    steps: int = 5000,
    generator: torch.Generator | None = None,
    schedule: str = "foolbox3",
    spherical_step: float = 0.01,
    source_step: float = 0.01,
    surrogate: nn.Module | None = None,
    batch_size: int = 500,
    on_step: Callable[[], object] = lambda: None,
) -> DecisionBasedResult:
    r"""Walk along the decision boundary towards each image, from noise blended in until the image is misclassified.

    .. math:: s = x + \frac{\delta d \, \eta - (x - x^k)}{\sqrt{1 + \delta^2}}, \qquad
        x^{k+1} = s + \epsilon d \, \frac{x - s}{\lVert x - s \rVert_2}, \qquad d = \lVert x - x^k \rVert_2

    with a random unit vector ``eta`` orthogonal to ``x - x^k``. A proposal is kept if it is misclassified and closer. An image that
    is misclassified from the start is returned unchanged. All images walk together, each with its own random numbers and step sizes.

    Args:
        steps: Steps of the walk; an image stops earlier once its step towards the original is below 1e-7.
        generator: On the CPU; torch's global one if not given. It seeds a generator for each image, so that the result does not
            depend on the batch size.
        schedule: ``"foolbox3"`` tries one direction a step; ``"foolbox1"``, the paper's, up to 25; ``"quick"`` adapts its step lengths
            after tens of queries instead of thousands, and needs fewer queries. Scores of different schedules are not comparable.
        spherical_step: First length ``delta`` of the step on the sphere around the image, in units of the distance ``d``.
        source_step: First length ``epsilon`` of the step towards the image, in units of ``d``.
        surrogate: A faster copy of the model to query on the way, such as ``sparsify(model, x[:1], precision="bf16")``. At the end,
            images are extended along their own direction until ``model`` misclassifies them. Where twice the distance is not enough,
            or no start was found, the walk is repeated on ``model``. Queries to both are counted. In bfloat16 rounding hides small
            steps: the walk ends about a quarter farther away, on some images several times as far.
        batch_size: Images per forward pass; only time and memory depend on it.
        on_step: Called after each step, to show progress; up to twice as often with a surrogate.

    Raises:
        InputError: If a number is out of range, the schedule is unknown, a label is not a class of the model, or the logits are nan.

    Source: paper Appendix A.4; Brendel et al. 2017, without Foolbox 1's second walk after convergence.
    """
    check_counts(steps=steps)
    check_range(0, 1, exclusive=True, spherical_step=spherical_step, source_step=source_step)
    # As a list: a value that has no hash is refused, too.
    if schedule not in list(SCHEDULES):
        raise InputError(f"no schedule {schedule!r}{choices(schedule, SCHEDULES)}")
    search, chosen = Search(model, surrogate, x, y, generator, batch_size), SCHEDULES[schedule]

    def walk(query: Query, rows: Tensor) -> None:
        """Move ``search.best[rows]`` towards the images in place."""
        _blend(search, query, rows)
        images, best, draw = search.x, search.best, _normal_numbers(search)
        count, dtype = len(images), torch.promote_types(images.dtype, torch.float32)
        spherical, source = (images.new_full((count,), length, dtype=dtype) for length in (spherical_step, source_step))
        windows = chosen.on_sphere, chosen.towards
        on_sphere, towards = (Recent(rows.new_zeros(count, size, dtype=torch.bool), rows.new_zeros(count)) for size in windows)
        for step in range(1, steps + 1):
            checking, trying = step % chosen.every == 0, rows
            for _ in range(chosen.directions if len(rows) else 0):
                sphere, nearer, closer = _propose(images[trying], best[trying], draw(trying), spherical[trying], source[trying])
                allowed = torch.ones_like(closer)
                if checking:
                    held = query(trying, sphere)
                    on_sphere.add(trying, held)
                    allowed = held if chosen.conditional else allowed
                success = allowed.clone()
                success[allowed] = query(trying[allowed], nearer[allowed])
                if checking:
                    towards.add(trying[allowed], success[allowed])
                best[trying[success & closer]] = nearer[success & closer]
                trying = trying[~success]
                if not len(trying):
                    break
            if checking:
                factor = on_sphere.factor(0.2, 0.5)
                spherical *= factor
                source *= factor * towards.factor(chosen.low, chosen.high)
                rows = rows[source[rows] >= CONVERGED]
            on_step()

    return search.attack(walk)


def boundary_score(x: Tensor, x_adv: Tensor) -> float:
    r"""Score of a model under the boundary attack; larger is more robust.

    .. math:: S(M) = \mathrm{Median}_i \left( \frac{1}{N} \lVert P_i^M \rVert_2^2 \right)

    Args:
        x, x_adv: Images, uint8 or floats in [0, 1], and their adversarial images. Leave out those that found no start and those
            misclassified from the start, whose distance is 0.

    Source: paper Eq. 10.

    Example:
        >>> round(boundary_score(torch.zeros(3, 1, 1, 1), torch.tensor([0.1, 0.2, 0.9]).view(3, 1, 1, 1)), 3)
        0.04
    """
    for images in (x, x_adv):
        check_images(images)
    if x.shape != x_adv.shape:
        raise InputError(f"images have shape {tuple(x.shape)}, attacked images {tuple(x_adv.shape)}")
    return float((as_images(x_adv.cpu()).double() - as_images(x.cpu()).double()).square().flatten(1).mean(1).quantile(0.5))


def _blend(search: Search, query: Query, rows: Tensor) -> None:
    """Take as much of the noise in ``search.best[rows]`` away as leaves the image misclassified."""
    x, best = search.x, search.best
    noise, level = best.clone(), torch.zeros(len(x), dtype=torch.long, device=x.device)

    def blend(searching: Tensor, by: int, times: int) -> None:
        """Raise the noise level until the image is misclassified."""
        for _ in range(times):
            level[searching] += by
            share = (level[searching].float() / BLEND_LEVELS)[:, None, None, None].to(x.dtype)
            best[searching] = ((1 - share) * x[searching] + share * noise[searching]).clamp(0, 1)
            searching = searching[~query(searching, best[searching])]
            if not len(searching):
                break

    # Coarse levels first, then those since the last coarse one: 65 queries at most, not 1000.
    blend(rows, BLEND_COARSE, BLEND_LEVELS // BLEND_COARSE)
    level[rows] -= BLEND_COARSE
    blend(rows, 1, BLEND_COARSE)


def _propose(x: Tensor, best: Tensor, noise: Tensor, spherical: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each image a point on the sphere around it, a point nearer to it, and whether that one is nearer in spite of rounding."""
    spherical, source = spherical[:, None], source[:, None]
    flat, noise = x.flatten(1).to(spherical), noise.to(spherical)
    towards = flat - best.flatten(1).to(spherical)
    distance = towards.norm(dim=1, keepdim=True)
    noise = noise - (noise * towards).sum(1, keepdim=True) / distance.square() * towards
    noise *= spherical * distance / noise.norm(dim=1, keepdim=True)
    sphere = (flat + (noise - towards) / (1 + spherical.square()).sqrt()).clamp(0, 1)
    left = flat - sphere
    reach = left.norm(dim=1, keepdim=True)
    # Clipping leaves the sphere; the step corrects for that.
    nearer = sphere + left * ((source * distance + reach - distance) / reach).clamp(0, 1)
    sphere, nearer = (images.to(x.dtype).view_as(x) for images in (sphere, nearer))
    return sphere, nearer, ((flat - nearer.flatten(1).to(flat)).norm(dim=1, keepdim=True) < distance).squeeze(1)


def _normal_numbers(search: Search) -> Callable[[Tensor], Tensor]:
    """A function from rows to normal numbers for each; it draws blocks, as for small images a call costs more than its numbers."""
    x = search.x
    size = x[0].numel()
    block = max(1, BLOCK_NUMBERS // size)
    stock, used = torch.empty(len(x), block, size, dtype=torch.float32, device="cpu"), torch.full((len(x),), block, device="cpu")

    def draw(rows: Tensor) -> Tensor:
        rows = rows.cpu()
        for row in rows[used[rows] == block].tolist():
            torch.randn(block, size, generator=search.generators[row], out=stock[row], device="cpu")
            used[row] = 0
        numbers = stock[rows, used[rows]]
        used[rows] += 1
        return numbers.to(x.device)

    return draw
