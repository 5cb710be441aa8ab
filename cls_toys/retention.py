"""What is left of a gradient that is projected off protected directions, and of a memory that is overwritten."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import networks, probes, tangent, tasks

TRIALS_AT_A_TIME = 500  # each holds a square matrix of the parameters


def retained(
    gradients: Float[Tensor, "*batch parameters"], protected: Float[Tensor, "directions parameters"]
) -> Float[Tensor, "*batch"]:
    r"""Share of each gradient's squared length outside the span of the protected directions, in [0, 1].

    .. math:: \mathcal{R} = \|(I - \Pi) g\|^2 / \|g\|^2

    Raises ``ValueError`` on protected directions that are no finite floating-point matrix, on gradients of another
    dimension, and on a gradient that is zero.

    >>> retained(torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([0.3600, 1.0000])
    """
    _, _, right, nonzero = probes.svd(protected)
    if gradients.shape[-1] != protected.shape[-1]:
        raise ValueError(
            f"gradients have {gradients.shape[-1]} parameters and protected directions {protected.shape[-1]}: they must agree"
        )
    length = gradients.square().sum(-1)
    if not (length > 0).all():
        raise ValueError("a gradient is zero (or not finite), so nothing can be retained of it: leave it out")
    basis = right[nonzero]
    outside = gradients - gradients @ basis.T @ basis
    return (outside.square().sum(-1) / length).clamp_max(1)


class Stream(NamedTuple):
    """Shares retained after one task, two tasks, and so on, one row a task."""

    protected: Float[Tensor, "tasks trials"]  # of a new gradient, projected off all spans so far
    overwritten: Float[Tensor, "tasks trials"]  # of an old vector that each task erases in its own span


def stream(parameters: int, rank: int, n_tasks: int, trials: int, *, common: int = 0, generator: Generator) -> Stream:
    """Tasks of ``rank`` random directions each, of which the first ``common`` are the same in all tasks.

    Raises ``ValueError`` on counts below 1, on a rank above ``parameters``, and on ``common`` outside [0, rank].
    """
    if min(parameters, rank, n_tasks, trials) < 1 or rank > parameters or not 0 <= common <= rank:
        raise ValueError(
            f"parameters={parameters}, rank={rank}, n_tasks={n_tasks}, trials={trials}, common={common}: counts must be at least "
            "1, rank at most parameters, common between 0 and rank"
        )
    sizes = [min(TRIALS_AT_A_TIME, trials - done) for done in range(0, trials, TRIALS_AT_A_TIME)]
    parts = [_stream(parameters, rank, n_tasks, size, common, generator) for size in sizes]
    return Stream(*(torch.cat(part, dim=1) for part in zip(*parts, strict=True)))


def _stream(parameters: int, rank: int, n_tasks: int, trials: int, common: int, generator: Generator) -> Stream:
    own = rank - common
    columns = common + n_tasks * own
    spans = make.gaussian(trials * parameters, columns, generator=generator).reshape(trials, parameters, columns)
    vector = make.unit(trials, parameters, generator=generator)[..., None]  # [trials, parameters, 1]
    along = (
        (torch.linalg.qr(spans).Q.mT @ vector).square()[..., 0].cumsum(-1)
    )  # of the first column, the first two, ...
    used = [min(common + task * own, parameters) for task in range(1, n_tasks + 1)]
    protected = 1 - along[:, [count - 1 for count in used]]
    left, overwritten = vector, []
    for task in range(n_tasks):
        chosen = [*range(common), *range(common + task * own, common + (task + 1) * own)]
        basis = torch.linalg.qr(spans[..., chosen]).Q
        left = left - basis @ (basis.mT @ left)
        overwritten.append(left.square().sum((1, 2)))
    return Stream(protected.T.clamp_min(0), torch.stack(overwritten))


def random_shares(parameters: int, rank: int, trials: int, *, generator: Generator) -> Float[Tensor, " trials"]:
    """Shares that ``trials`` random gradients retain, each with protected directions of its own.

    Raises ``ValueError`` as :func:`stream`.
    """
    return stream(parameters, rank, 1, trials, generator=generator).protected[0]


def digit_gradients(ranks: Sequence[int], hidden: int, items: int, *, generator: Generator) -> pl.DataFrame:
    """Protect what a network needs for the digits 0 to 4, then ask what is left of the gradients of 5 to 9.

    Protected are the gradients of the right answer's output at ``rank`` random items, as orthogonal gradient descent does
    (farajtabar2020). One row a gradient and rank: ``gradient`` (*new digits*: of the loss at an item of the new task;
    *random*), ``rank``, ``n_parameters``, ``retained``. Raises ``ValueError`` where there are fewer digits than ``items`` or
    the largest rank.
    """
    digits = tasks.digits(generator=generator, dtype=make.DTYPE)
    old = digits.train_labels < 5
    if max(ranks) > int(old.sum()) or items > int((~old).sum()):
        raise ValueError(
            f"ranks={list(ranks)}, items={items}: there are {int(old.sum())} old and {int((~old).sum())} new digits"
        )
    network = networks.mlp([64, hidden, 10], "tanh", generator=generator, dtype=make.DTYPE)
    inputs, labels = digits.train_inputs[old], digits.train_labels[old]
    networks.fit(network, inputs, labels, networks.Training(), generator=generator)
    known = tangent.features(network, inputs[: max(ranks)])
    known = known[torch.arange(len(known)), labels[: max(ranks)]]  # [items, parameters]
    new, classes = digits.train_inputs[~old][:items], digits.train_labels[~old][:items]
    error = network(new).detach().softmax(-1) - torch.nn.functional.one_hot(classes, 10)
    gradients = {
        "new digits": torch.einsum("io,iop->ip", error, tangent.features(network, new)),
        "random": make.gaussian(items, known.shape[1], generator=generator),
    }
    return pl.concat(
        pl.DataFrame(
            {
                "gradient": name, "rank": int(probes.rank(known[:rank])), "n_parameters": known.shape[1],
                "retained": retained(of, known[:rank]).numpy(),
            }
        )
        for rank in ranks
        for name, of in gradients.items()
    )  # fmt: skip
