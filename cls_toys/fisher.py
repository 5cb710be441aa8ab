r"""Quadratic penalties on leaving an old optimum: full and diagonal Fisher information, and how to learn with them.

A new loss is minimised together with a penalty that says how much each direction mattered to the old one,

.. math:: \min_w \; L_B(w) + \tfrac{\lambda}{2} (w - a)^\top F (w - a),

where a is the old optimum and F the Fisher information there, or its diagonal (elastic weight consolidation,
kirkpatrick2017). For the quadratic losses of this module Fisher information and second derivative are one matrix.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float
from scipy import optimize
from torch import Generator, Tensor

DTYPE = torch.float64
PENALTIES = ("diagonal", "full")


class Quadratic(NamedTuple):
    r"""The loss :math:`\tfrac12 (w - m)^\top \mathcal{H} (w - m)`."""

    curvature: Float[Tensor, "dim dim"]
    optimum: Float[Tensor, " dim"]

    def loss(self, point: Float[Tensor, " dim"]) -> float:
        """The loss there."""
        away = point - self.optimum
        return float(away @ self.curvature @ away / 2)


class Tasks(NamedTuple):
    """What is known, and what comes next. Learning starts at the optimum of the old task."""

    old: Quadratic
    new: Quadratic


def rotated(old_curvature: float, new_curvature: float, new_target: float, axis_share: float = 0.5) -> Tasks:
    r"""An old loss that is stiff along u only, and a new one that wants one coordinate elsewhere.

    .. math:: L_A = \tfrac{h_A}{2} (u^\top w)^2, \quad L_B = \tfrac{h_B}{2} (w_1 - c)^2, \quad
       u = (\sqrt{q}, \sqrt{1 - q})

    with the axis share :math:`q = u_1^2`. Raises ``ValueError`` on curvatures that are not positive, and on a share outside
    (0, 1].
    """
    numbers = (old_curvature, new_curvature, new_target)
    if not (min(old_curvature, new_curvature) > 0 and all(map(math.isfinite, numbers)) and 0 < axis_share <= 1):
        raise ValueError(
            f"old_curvature={old_curvature}, new_curvature={new_curvature}, new_target={new_target}, axis_share={axis_share}: "
            "give positive curvatures, finite numbers, and a share in (0, 1]"
        )
    stiff = torch.tensor([math.sqrt(axis_share), math.sqrt(1 - axis_share)], dtype=DTYPE)
    return Tasks(
        Quadratic(old_curvature * torch.outer(stiff, stiff), torch.zeros(2, dtype=DTYPE)),
        Quadratic(
            torch.diag(torch.tensor([new_curvature, 0.0], dtype=DTYPE)), torch.tensor([new_target, 0.0], dtype=DTYPE)
        ),
    )


def importance(task: Quadratic, penalty: str) -> Float[Tensor, "dim dim"]:
    """The Fisher information of a task, or its diagonal. Raises ``ValueError`` on a penalty that is neither."""
    if penalty not in PENALTIES:
        raise ValueError(f"penalty={penalty!r}: must be one of {', '.join(PENALTIES)}")
    return task.curvature if penalty == "full" else torch.diag(task.curvature.diagonal())


def _check(importance: Tensor, strength: float, anchor: Tensor) -> None:
    if importance.shape != (len(anchor), len(anchor)):
        raise ValueError(
            f"importance has shape {tuple(importance.shape)}, the anchor {len(anchor)} weights: give a row and a column a weight"
        )
    if not torch.isfinite(importance).all() or (importance.diagonal() < 0).any():
        raise ValueError("importance holds a negative or no finite number: give a positive semidefinite matrix")
    if not 0 <= strength < math.inf:
        raise ValueError(f"strength={strength}: must be finite and at least 0")


def _check_rate(rate: float) -> None:
    if not 0 < rate < math.inf:
        raise ValueError(f"rate={rate}: give a positive, finite rate")


def consolidate(
    new: Quadratic, anchor: Float[Tensor, " dim"], importance: Float[Tensor, "dim dim"], strength: float
) -> Float[Tensor, " dim"]:
    r"""Where learning the new task ends: the minimum of new loss and penalty, the nearest to the anchor if there are many.

    .. math:: (\mathcal{H}_B + \lambda F)\,(w - a) = \mathcal{H}_B\,(m_B - a)

    Raises ``ValueError`` on an importance that is no finite matrix with a row a weight and a diagonal of at least 0, and on
    a strength that is negative or not finite.

    >>> consolidate(rotated(1.0, 1.0, 1.0).new, torch.zeros(2).double(), torch.eye(2).double(), 1.0)
    tensor([0.5000, 0.0000], dtype=torch.float64)
    """
    _check(importance, strength, anchor)
    pull = new.curvature @ (new.optimum - anchor)
    return (
        anchor + torch.linalg.lstsq(new.curvature + strength * importance, pull[:, None], driver="gelsd").solution[:, 0]
    )


def proximal_step(
    point: Float[Tensor, " dim"],
    gradient: Float[Tensor, " dim"],
    anchor: Float[Tensor, " dim"],
    importance: Float[Tensor, "dim dim"],
    *,
    rate: float,
    strength: float,
) -> Float[Tensor, " dim"]:
    r"""One step down the new loss, then the exact minimum of penalty and distance: stable at any strength if that step is.

    .. math:: w \leftarrow (I + \eta\lambda F)^{-1} (w - \eta \nabla L_B(w) + \eta\lambda F a)

    An explicit step on the penalty diverges once :math:`\eta\lambda` times the largest eigenvalue of F exceeds 2. Raises
    ``ValueError`` as :func:`consolidate`, and on a rate that is not positive and finite.
    """
    _check(importance, strength, anchor)
    _check_rate(rate)
    pull = rate * strength * importance
    return torch.linalg.solve(torch.eye(len(point), dtype=point.dtype) + pull, point - rate * gradient + pull @ anchor)


def explicit_step(
    point: Float[Tensor, " dim"],
    gradient: Float[Tensor, " dim"],
    anchor: Float[Tensor, " dim"],
    importance: Float[Tensor, "dim dim"],
    *,
    rate: float,
    strength: float,
) -> Float[Tensor, " dim"]:
    r"""One gradient step on new loss and penalty together. Raises ``ValueError`` as :func:`proximal_step`.

    .. math:: w \leftarrow w - \eta (\nabla L_B(w) + \lambda F (w - a))
    """
    _check(importance, strength, anchor)
    _check_rate(rate)
    return point - rate * (gradient + strength * importance @ (point - anchor))


def descend(
    new: Quadratic,
    anchor: Float[Tensor, " dim"],
    importance: Float[Tensor, "dim dim"],
    strength: float,
    *,
    rate: float,
    steps: int,
    step: Callable[..., Tensor] = proximal_step,
) -> Float[Tensor, "points dim"]:
    """The path of learning from the anchor, its start included. Raises ``ValueError`` on ``steps < 1``, and as ``step``."""
    if steps < 1:
        raise ValueError(f"steps={steps}: take at least one step")
    path = [anchor]
    for _ in range(steps):
        gradient = new.curvature @ (path[-1] - new.optimum)
        path.append(step(path[-1], gradient, anchor, importance, rate=rate, strength=strength))
    return torch.stack(path)


def compare(problems: Sequence[dict[str, float]], strengths: Sequence[float]) -> pl.DataFrame:
    """One row a problem, penalty and strength: the arguments of :func:`rotated`, where learning ends, and the losses.

    Columns: ``old_curvature, new_curvature, new_target, axis_share, penalty, penalty_strength, w_1, w_2, old, new, total``,
    ``share_of_gain``, the total over the new loss at the old optimum, which is all that the new task has to gain, and
    ``condition``, that of the linear system which was solved. Raises ``ValueError`` on no problems or no strengths.
    """
    if not problems or not strengths:
        raise ValueError(f"{len(problems)} problems, {len(strengths)} strengths: give at least one of each")
    rows = []
    for problem in problems:
        tasks = rotated(**problem)
        for penalty in PENALTIES:
            weights = importance(tasks.old, penalty)
            for strength in strengths:
                point = consolidate(tasks.new, tasks.old.optimum, weights, strength)
                old, new = tasks.old.loss(point), tasks.new.loss(point)
                share = (old + new) / tasks.new.loss(tasks.old.optimum)
                values = torch.linalg.svdvals(tasks.new.curvature + strength * weights)
                found = {
                    "penalty": penalty, "penalty_strength": strength, "w_1": float(point[0]), "w_2": float(point[1]),
                    "old": old, "new": new, "total": old + new, "share_of_gain": share,
                    "condition": float(values[0] / values[-1]),
                }  # fmt: skip
                rows.append(problem | found)
    return pl.DataFrame(rows)


def any_diagonal(problems: Sequence[dict[str, float]], trials: int, *, generator: Generator) -> pl.DataFrame:
    """One row a problem and trial: :func:`rotated`'s arguments, and the ``total`` loss with two random diagonal weights.

    Their logarithms are uniform, from 1e-4 to 1e4 times the old curvature. Raises ``ValueError`` on no problems, and on
    ``trials < 1``.
    """
    if not problems or trials < 1:
        raise ValueError(
            f"{len(problems)} problems, trials={trials}: give at least one problem, draw at least one penalty"
        )
    rows = []
    for problem in problems:
        tasks = rotated(**problem)
        for _ in range(trials):
            exponents = 8 * torch.rand(2, generator=generator, dtype=DTYPE) - 4
            weights = torch.diag(problem["old_curvature"] * 10**exponents)
            point = consolidate(tasks.new, tasks.old.optimum, weights, 1.0)
            rows.append(problem | {"total": tasks.old.loss(point) + tasks.new.loss(point)})
    return pl.DataFrame(rows)


def best_strength(tasks: Tasks, penalty: str = "diagonal") -> tuple[float, float]:
    """The strength with the least total loss, found by searching its logarithm from 1e-4 to 1e4, and that loss."""
    weights = importance(tasks.old, penalty)

    def total(log_strength: float) -> float:
        point = consolidate(tasks.new, tasks.old.optimum, weights, math.exp(log_strength))
        return tasks.old.loss(point) + tasks.new.loss(point)

    span = math.log(1e4)
    found = optimize.minimize_scalar(total, bounds=(-span, span), method="bounded", options={"xatol": 1e-10})
    return math.exp(found.x), float(found.fun)


def search(problems: Sequence[dict[str, float]]) -> pl.DataFrame:
    """:func:`best_strength` of the diagonal for each problem: :func:`rotated`'s arguments, ``best_strength, best_loss``.

    ``share_of_gain`` is that loss over the new loss at the old optimum: all that the new task has to gain. Raises
    ``ValueError`` on no problems.
    """
    if not problems:
        raise ValueError("no problems are given: give at least one")
    rows = []
    for problem in problems:
        tasks = rotated(**problem)
        strength, loss = best_strength(tasks)
        gain = tasks.new.loss(tasks.old.optimum)
        rows.append(problem | {"best_strength": strength, "best_loss": loss, "share_of_gain": loss / gain})
    return pl.DataFrame(rows)


def level_curve(tasks: Tasks, loss: float, points: int = 200) -> pl.DataFrame:
    """The closed curve ``w_1, w_2`` on which the two losses together are ``loss``, for tasks that have one optimum in common.

    Raises ``ValueError`` where old and new loss together have a flat direction, ``loss`` is not positive, or there are
    fewer than three points.
    """
    if points < 3:
        raise ValueError(f"points={points}: a closed curve needs at least 3")
    curvature = tasks.old.curvature + tasks.new.curvature
    values, vectors = torch.linalg.eigh(curvature)
    if not loss > 0 or values[0] <= 0:
        raise ValueError(f"loss={loss}, least curvature {values[0]:.3g}: both must be positive for a closed curve")
    pull = tasks.old.curvature @ tasks.old.optimum + tasks.new.curvature @ tasks.new.optimum
    angle = torch.linspace(0, 2 * math.pi, points, dtype=DTYPE)
    circle = torch.stack((angle.cos(), angle.sin()))
    curve = torch.linalg.solve(curvature, pull)[:, None] + vectors @ (
        math.sqrt(2 * loss) / values.sqrt()[:, None] * circle
    )
    return pl.DataFrame({"w_1": curve[0].numpy(), "w_2": curve[1].numpy(), "order": range(points)})


def paths(tasks: Tasks, strength: float, steps: int = 60) -> pl.DataFrame:
    """The paths of :func:`descend` with either penalty, at a third of the largest stable rate: ``penalty, step, w_1, w_2``."""
    rate = 2 / (3 * float(torch.linalg.eigvalsh(tasks.new.curvature)[-1]))
    tables = []
    for penalty in PENALTIES:
        weights = importance(tasks.old, penalty)
        path = descend(tasks.new, tasks.old.optimum, weights, strength, rate=rate, steps=steps).numpy()
        tables.append(
            pl.DataFrame({"penalty": penalty, "step": range(len(path)), "w_1": path[:, 0], "w_2": path[:, 1]})
        )
    return pl.concat(tables)


def steps_compared(tasks: Tasks, strengths: Sequence[float], *, rate: float, steps: int = 100) -> pl.DataFrame:
    """Loss on both tasks after explicit and after proximal steps with the diagonal penalty: ``strength, explicit, proximal``.

    The last column, ``limit``, is the loss where learning ends.
    """
    weights = importance(tasks.old, "diagonal")
    rows = []
    for strength in strengths:
        ends = {
            name: descend(tasks.new, tasks.old.optimum, weights, strength, rate=rate, steps=steps, step=step)[-1]
            for name, step in (("explicit", explicit_step), ("proximal", proximal_step))
        } | {"limit": consolidate(tasks.new, tasks.old.optimum, weights, strength)}
        losses = {name: tasks.old.loss(point) + tasks.new.loss(point) for name, point in ends.items()}
        rows.append({"strength": strength} | losses)
    return pl.DataFrame(rows)
