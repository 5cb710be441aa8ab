r"""Gradient projection: each task may write only along directions that no earlier task's inputs have touched.

A linear readout learns a stream of tasks. The write of one output on a task, :math:`v = P v`, lies in the free
directions, the orthogonal complement of all earlier inputs, so it changes no earlier output (saha2021). Inputs are rows;
leading dimensions are a batch of streams. What can still be fitted is counted by singular values of the projected inputs,
against a tolerance that is *absolute*: relative to the inputs before the projection.
"""

from typing import Literal, NamedTuple, get_args

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from cls_toys import keys, probes

Tolerance = Literal["absolute", "relative"]
CUT = 1e-9  # a singular value below this fraction counts as zero
OUTPUTS = 10  # each with a target of its own


def stream(
    tasks: int, dim: int, task_rank: int, *, trials: int, shared: int = 0, generator: Generator
) -> Float[Tensor, "tasks trials task_rank dim"]:
    """Gaussian inputs of each task, ``task_rank`` a task; the first ``shared`` of them are the same in all tasks.

    Raises ``ValueError`` on counts below 1, on more inputs a task than dimensions, and on ``shared`` outside [0, task_rank].
    """
    if min(tasks, trials, task_rank) < 1 or task_rank > dim or not 0 <= shared <= task_rank:
        raise ValueError(
            f"tasks={tasks}, trials={trials}, task_rank={task_rank}, dim={dim}, shared={shared}: counts are at least 1, "
            "task_rank at most dim, shared from 0 to task_rank"
        )
    inputs = keys.gaussian(tasks * trials * task_rank, dim, generator=generator).unflatten(
        0, (tasks, trials, task_rank)
    )
    inputs[:, :, :shared] = inputs[0, :, :shared]
    return inputs


def _check(inputs: Tensor, projector: Tensor) -> None:
    probes.check_keys(inputs)
    if inputs.ndim != 3 or projector.shape != (len(inputs), inputs.shape[2], inputs.shape[2]):
        raise ValueError(
            f"inputs {tuple(inputs.shape)}, projector {tuple(projector.shape)}: give inputs [trials, task_rank, dim] and a "
            "projector [trials, dim, dim]"
        )


class Fit(NamedTuple):
    """The least harmless write on a task, for a batch of streams."""

    write: Float[Tensor, "trials dim outputs"]
    reached: Int[Tensor, " trials"]  # dimensions of the targets that count as within reach


def fit(
    inputs: Float[Tensor, "trials task_rank dim"],
    targets: Float[Tensor, "trials task_rank outputs"],
    projector: Float[Tensor, "trials dim dim"],
    tolerance: Tolerance = "absolute",
) -> Fit:
    r"""The shortest write in the free directions that comes nearest to the targets, for each output on its own.

    .. math:: v = P (X P)^+ y

    A ``relative`` tolerance compares the singular values of X P with the largest of them, an ``absolute`` one with the
    largest of X. Raises ``ValueError`` on bad inputs, on targets or projectors of another shape, on an unknown tolerance.
    """
    _check(inputs, projector)
    if tolerance not in get_args(Tolerance):
        raise ValueError(f"tolerance={tolerance!r}: must be one of {', '.join(get_args(Tolerance))}")
    if targets.ndim != 3 or targets.shape[:2] != inputs.shape[:2] or not torch.isfinite(targets).all():
        raise ValueError(
            f"inputs {tuple(inputs.shape)}, targets {tuple(targets.shape)}: give one finite row of targets an input"
        )
    left, values, right = torch.linalg.svd(inputs @ projector, full_matrices=False)
    scale = values[:, :1] if tolerance == "relative" else torch.linalg.matrix_norm(inputs, ord=2)[:, None]
    nonzero = values > (CUT * scale)
    along = torch.where(nonzero, 1 / values, 0.0)[..., None] * (left.mT @ targets)
    return Fit(projector @ (right.mT @ along), nonzero.sum(-1))


def protect(
    projector: Float[Tensor, "trials dim dim"], inputs: Float[Tensor, "trials task_rank dim"]
) -> Float[Tensor, "trials dim dim"]:
    r"""The projector without the directions that the inputs add to what is protected already.

    .. math:: P \leftarrow P - B B^\top

    with the columns of B an orthonormal basis of the rows of X P (saha2021). Raises ``ValueError`` on bad inputs, and on a
    projector of another shape.
    """
    _check(inputs, projector)
    _, values, right = torch.linalg.svd(inputs @ projector, full_matrices=False)
    new = values > CUT * torch.linalg.matrix_norm(inputs, ord=2)[:, None]
    basis = right * new[..., None]
    return projector - basis.mT @ basis


def learn(inputs: Float[Tensor, "tasks trials task_rank dim"], *, generator: Generator) -> pl.DataFrame:
    """Learn the tasks one after the other, each with targets of random directions; one row a task, stream and tolerance.

    Columns: ``task_place, stream, tolerance, task_rank, dim, lost_dims`` (as the tolerance counts them), ``unfitted`` (share
    of the squared target that the write misses), ``retained`` (share of the inputs' squared length outside the protected
    span), ``write_energy`` (squared length of the write for each unit of squared target), ``least`` (least singular value
    of an orthonormal basis of the inputs, projected: 1 if all is free), ``old_change`` (largest change of an old output,
    over length of write and input; 0 for the first task); shares and lengths are means over the outputs. Raises ``ValueError``
    on bad inputs.
    """
    probes.check_keys(inputs)
    if inputs.ndim != 4:
        raise ValueError(f"inputs have shape {tuple(inputs.shape)}: give [tasks, trials, task_rank, dim]")
    trials, task_rank, dim = inputs.shape[1:]
    projector = torch.eye(dim, dtype=inputs.dtype).repeat(trials, 1, 1)
    tables = []
    for task, of_task in enumerate(inputs):
        targets = keys.unit(trials * OUTPUTS, task_rank, generator=generator).unflatten(0, (trials, OUTPUTS)).mT
        old = inputs[:task].transpose(0, 1).flatten(1, 2)  # [trials, earlier inputs, dim]
        retained = (of_task @ projector).square().sum((1, 2)) / of_task.square().sum((1, 2))
        least = torch.linalg.svdvals(torch.linalg.qr(of_task.mT).Q.mT @ projector)[:, -1]
        for tolerance in get_args(Tolerance):
            found = fit(of_task, targets, projector, tolerance)
            length = found.write.norm(dim=1, keepdim=True)  # [trials, 1, outputs]
            miss = (targets - of_task @ found.write).square().sum(1).mean(-1)
            moved = (old @ found.write).abs() / old.norm(dim=-1, keepdim=True)
            relative = (moved / length.clamp_min(torch.finfo(length.dtype).tiny)).flatten(1)
            change = relative.amax(-1) if task else torch.zeros(trials)
            tables.append(
                pl.DataFrame(
                    {
                        "task_place": task + 1, "stream": range(trials), "tolerance": tolerance, "task_rank": task_rank,
                        "dim": dim, "lost_dims": task_rank - found.reached.numpy(), "unfitted": miss.numpy(),
                        "retained": retained.numpy(),
                        "write_energy": length.square().mean((1, 2)).numpy(), "least": least.numpy(),
                        "old_change": change.double().numpy(),
                    }
                )
            )  # fmt: skip
        projector = protect(projector, of_task)
    return pl.concat(tables)


def mean_lost(inputs: Float[Tensor, "tasks trials task_rank dim"], *, generator: Generator) -> Float[Tensor, " tasks"]:
    """Dimensions of the targets out of reach at each task, by :func:`learn` with the absolute tolerance, mean over the streams."""
    learned = learn(inputs, generator=generator).filter(pl.col("tolerance") == "absolute")
    return learned.group_by("task_place", maintain_order=True).agg(pl.col("lost_dims").mean())["lost_dims"].to_torch()
