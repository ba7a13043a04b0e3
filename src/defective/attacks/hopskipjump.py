"""HopSkipJump: gradient directions estimated at the decision boundary by a model's decisions alone."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from defective.attacks.budget import check_counts, check_range, project, upcast
from defective.attacks.decision_based import DecisionBasedResult, Query, Search
from defective.errors import InputError
from defective.text import choices

Norm = Literal["l2", "linf"]
FIRST_RADIUS = 0.1
# Halvings after which a step is given up: a step so short is lost in float32.
STEP_HALVINGS = 30


def hopskipjump(
    model: nn.Module, x: Tensor, y: Tensor, *, steps: int = 40, generator: torch.Generator | None = None, **options: Any
) -> Tensor:
    """The images of :func:`hopskipjump_details`, which names the options.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> x = torch.rand(3, 1, 2, 2)
        >>> hopskipjump(model, x, model(x).argmax(1), steps=2, norm="linf").shape
        torch.Size([3, 1, 2, 2])
    """
    return hopskipjump_details(model, x, y, steps=steps, generator=generator, **options).x_adv


def hopskipjump_details(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    steps: int = 40,
    norm: Norm = "l2",
    initial_queries: int = 100,
    max_queries: int = 10_000,
    radius: float = 0.01,
    generator: torch.Generator | None = None,
    surrogate: nn.Module | None = None,
    batch_size: int = 500,
    on_step: Callable[[], object] = lambda: None,
) -> DecisionBasedResult:
    r"""Find a near adversarial image by steps along estimated gradient directions, each followed by a search for the boundary.

    .. math:: v = \frac{1}{B_t} \sum_b (\phi_b - \bar\phi) u_b, \qquad
        \tilde x = x^t + \xi_t \, \frac{v}{\lVert v \rVert_2} \;\text{or}\; x^t + \xi_t \, \mathrm{sign}(v), \qquad
        x^{t+1} = \text{boundary between } x \text{ and } \tilde x

    where ``phi`` is 1 if ``x^t + delta u`` is misclassified, else -1. The walk starts from uniform noise that is
    misclassified. ``xi`` begins at the distance over ``sqrt(t)`` and is halved until the image is misclassified. The boundary is
    searched along the line to ``x``, or, with ``linf``, among the projections on balls around ``x``. An image that is misclassified
    from the start is returned as it is. All images are attacked at once, each with its own random numbers.

    Args:
        steps: Estimates ``t`` of the direction.
        norm: ``"l2"`` or ``"linf"``: the distance to minimise.
        initial_queries: Queries ``B_1`` of the first estimate; ``B_t`` grows as ``sqrt(t)``.
        max_queries: Most queries of an estimate.
        radius: Share of the distance at which an estimate queries around its point; in the first estimate the radius is 0.1 itself. The
            boundary is searched to ``radius d^-0.5`` of the distance in L2 and ``radius / d`` in L-infinity, with ``d`` values in an
            image. The paper has ``1 / d``, which is near float32's rounding of a model.
        generator: On the CPU; torch's global one if not given. It gives one seed to each image in turn, so that splitting images
            into batches changes nothing.
        surrogate: A faster copy of the model to query on the way, such as ``sparsify(model, x[:1], precision="bf16")``; what is found is
            then extended along its own direction until ``model`` misclassifies it, as in :func:`boundary_details`. Queries to both are
            counted. A ``radius`` of 0.03 rises above the rounding of bfloat16.
        batch_size: Images per forward pass; only time and memory depend on it.
        on_step: Called after each step, to show progress; up to twice as often with a surrogate.

    Returns:
        The nearest image of each walk along the boundary.

    Raises:
        InputError: If a number is out of range, a label is not a class of the model, or the logits are nan.

    Source: Chen et al. 2020. The radius of the first estimate, and uniform noise in L-infinity, are those of the authors' code.
    """
    check_counts(steps=steps, initial_queries=initial_queries, max_queries=max_queries)
    check_range(0, 1, exclusive=True, radius=radius)
    if norm not in ("l2", "linf"):
        raise InputError(f"no norm {norm!r}{choices(norm, ('l2', 'linf'))}")
    search = Search(model, surrogate, x, y, generator, batch_size)

    def walk(query: Query, rows: Tensor) -> None:
        """Move ``search.best[rows]`` towards the images in place."""
        size, best = search.x[0].numel(), search.best
        images = upcast(search.x[rows].flatten(1))
        # As far as the precision of the numbers allows.
        threshold = max(radius * size ** (-0.5 if norm == "l2" else -1.0), torch.finfo(images.dtype).eps)
        halvings = max(1, math.ceil(-math.log2(threshold)))

        def holds(some: Tensor, points: Tensor) -> Tensor:
            """Whether points are misclassified as images of the given precision."""
            return query(rows[some], points.to(best.dtype).view(-1, *best.shape[1:]))

        everyone = torch.arange(len(rows), device=rows.device)
        here = _boundary(images, best[rows].flatten(1).to(images), norm, halvings, lambda points: holds(everyone, points))
        distance = _distance(images, here, norm)
        best[rows], nearest = here.to(best.dtype).view_as(best[rows]), distance
        for step in range(1, steps + 1):
            count = min(int(initial_queries * math.sqrt(step)), max_queries)
            around = torch.full_like(distance, FIRST_RADIUS) if step == 1 else radius * distance
            direction = _directions(search, rows, here, around, norm, count, holds)
            there = _jump(here, direction, distance / math.sqrt(step), holds)
            here = _boundary(images, there, norm, halvings, lambda points: holds(everyone, points))
            distance = _distance(images, here, norm)
            nearer = distance < nearest
            best[rows[nearer]] = here[nearer].to(best.dtype).view(-1, *best.shape[1:])
            nearest = torch.minimum(nearest, distance)
            on_step()

    return search.attack(walk)


def _distance(x: Tensor, points: Tensor, norm: Norm) -> Tensor:
    return (points - x).norm(dim=1) if norm == "l2" else (points - x).abs().amax(1)


def _boundary(x: Tensor, there: Tensor, norm: Norm, halvings: int, holds: Callable[[Tensor], Tensor]) -> Tensor:
    """The point between each image and a misclassified one where the decision changes, on the misclassified side."""
    reach = torch.ones_like(x[:, :1]) if norm == "l2" else (there - x).abs().amax(1, keepdim=True)
    low, high, here = torch.zeros_like(reach), reach, there
    for _ in range(halvings):
        middle = (low + high) / 2
        points = (x + middle * (there - x)).clamp(0, 1) if norm == "l2" else project(there, x, middle)
        held = holds(points)[:, None]
        low, high, here = torch.where(held, low, middle), torch.where(held, middle, high), torch.where(held, points, here)
    return here


def _directions(
    search: Search, rows: Tensor, here: Tensor, radius: Tensor, norm: Norm, count: int, holds: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Directions of growing misclassification at points on the boundary, from the decisions at ``count`` points around each."""
    found, draw = [], torch.randn if norm == "l2" else torch.rand
    # So many images are estimated together as fill a forward pass.
    for some in torch.arange(len(rows), device=rows.device).split(max(1, search.batch_size // count)):
        noise = torch.empty(len(some), count, here.shape[1], dtype=torch.float32, device="cpu")
        for row, numbers in zip(rows[some].tolist(), noise, strict=True):
            draw(numbers.shape, generator=search.generators[row], out=numbers, dtype=torch.float32, device="cpu")
        around = (noise if norm == "l2" else noise.mul_(2).sub_(1)).to(here)
        around *= (radius[some, None] / around.norm(dim=2))[:, :, None]
        around.add_(here[some, None]).clamp_(0, 1)
        held = holds(some.repeat_interleave(count), around.flatten(0, 1)).view(len(some), count)
        phi = 2 * held.to(here.dtype) - 1
        mean = phi.mean(1, keepdim=True)
        # Where all decisions are the same there is nothing to take off.
        phi = torch.where(mean.abs() == 1, phi, phi - mean)
        around -= here[some, None]
        # One by one: a product of many at once could depend on how many they are.
        found += [weights @ steps for weights, steps in zip(phi, around, strict=True)]
    direction = torch.stack(found) if found else here
    return direction / direction.norm(dim=1, keepdim=True).clamp_min(1e-30) if norm == "l2" else direction.sign()


def _jump(here: Tensor, direction: Tensor, length: Tensor, holds: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """A step of each point along its direction, halved until it ends on a misclassified point."""
    there, left = here.clone(), torch.arange(len(here), device=here.device)
    length = length.clone()
    for _ in range(STEP_HALVINGS):
        if not len(left):
            break
        points = (here[left] + length[left, None] * direction[left]).clamp(0, 1)
        held = holds(left, points)
        there[left[held]] = points[held]
        left = left[~held]
        length[left] /= 2
    return there
