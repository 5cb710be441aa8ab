r"""How long replay takes: one item at a time, drawn at random or in a fixed order, until the write has no collateral.

The label of item i has been moved by 1. Each step replays one item j and corrects it completely, the keys being of norm 1:

.. math:: W \leftarrow W + (y_j - W k_j)\, k_j^\top .

For linear equations this is the Kaczmarz method; drawn at random, the randomised one (strohmer2009). With the error
:math:`e_t = W_t - W^\star` from the least-norm solution, the *residual* :math:`\|K^\top e_t\|^2` counts the squared error of
all items: the miss of item i and the collateral at all others. The collateral alone is no measure of progress, as it is 0
before anything is written.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import probes, replay
from cls_toys.stores.linear import LinearStore

CHUNK = 64  # steps of replay between two looks at what they have reached


def unit_codes(items: int, dim: int, draws: int, *, generator: Generator) -> Float[Tensor, "draws items dim"]:
    """Independent key matrices of unit keys."""
    return make.unit(draws * items, dim, generator=generator).reshape(draws, items, dim)


class Constants(NamedTuple):
    """What bounds the time of replay."""

    least_eigenvalue: Float[Tensor, "*batch"]  # of the Gram matrix G
    largest_eigenvalue: Float[Tensor, "*batch"]
    inverse_gram: Float[Tensor, "*batch items"]  # diagonal of the inverse of G
    slow_share: Float[
        Tensor, "*batch items"
    ]  # squared component of the item along the eigenvector of the least eigenvalue
    gram_determinant: Float[Tensor, "*batch"]
    condition: Float[Tensor, "*batch"]  # of the keys; what is divided by an eigenvalue suffers from its square


def constants(keys: Float[Tensor, "*batch items dim"]) -> Constants:
    """The constants of the bounds; raises ``ValueError`` unless the keys are independent and of norm 1."""
    _check_independent(keys)
    eigenvalues, shares = replay.spectrum(keys)
    return Constants(
        eigenvalues[..., -1], eigenvalues[..., 0], (shares / eigenvalues[..., None, :]).sum(-1), shares[..., -1],
        eigenvalues.prod(-1), probes.condition(keys),
    )  # fmt: skip


def _check_unit(keys: Tensor) -> None:
    probes.check_keys(keys)
    norms = keys.norm(dim=-1)
    if not torch.allclose(norms, torch.ones_like(norms)):
        raise ValueError(
            f"keys have norms from {float(norms.min()):.3g} to {float(norms.max()):.3g}: replay that corrects an item "
            "completely is stated for norm 1; divide each key by its norm"
        )


def _check_independent(keys: Tensor) -> None:
    _check_unit(keys)
    items, least = keys.shape[-2], int(probes.rank(keys).min())
    if least < items:
        raise ValueError(
            f"{items} keys have rank {least}: only independent keys can all be recalled; give at most as many keys as "
            f"dimensions ({keys.shape[-1]}), none of them in the span of the others"
        )


def _check_item(keys: Tensor, item: int | None) -> None:
    items = keys.shape[-2]
    if item is not None and not 0 <= item < items:
        raise ValueError(f"item={item}: must be an index of one of the {items} items")


def _moments(keys: Tensor, item: int | None) -> Iterator[Tensor]:
    r"""Second moment of the residuals, ``[*batch, items, items]``, after 0, 1, 2, ... steps of random replay: exact.

    With :math:`\Sigma = \mathbb E\,e e^\top` it is :math:`S = K^\top \Sigma K`, and the recursion of one is that of the other:

    .. math:: \Sigma' = \Sigma - \tfrac1n (M \Sigma + \Sigma M) + \tfrac1n \sum_j k_j k_j^\top (k_j^\top \Sigma k_j), \qquad
       S' = S - \tfrac1n (G S + S G) + \tfrac1n\, G\,\mathrm{diag}(S)\,G .

    Without an ``item`` it is the mean over the items.
    """
    _check_item(keys, item)
    gram = keys @ keys.mT
    items = keys.shape[-2]
    start = torch.ones(items, dtype=keys.dtype) / items if item is None else torch.eye(items, dtype=keys.dtype)[item]
    return _recursion(gram, torch.diag(start).expand_as(gram))


def _recursion(gram: Tensor, moment: Tensor) -> Iterator[Tensor]:
    items = gram.shape[-1]
    while True:
        yield moment
        scaled = moment.diagonal(dim1=-2, dim2=-1)[..., None, :] * gram  # G diag(S), by columns
        mixed = gram @ moment
        moment = moment - (mixed + mixed.mT - scaled @ gram) / items


class Expected(NamedTuple):
    """Exact expectations over the random order of replay, after 0, 1, ..., steps."""

    error: Float[Tensor, "*batch times"]  # of the weights, squared: trace of the second moment
    residual: Float[Tensor, "*batch times items"]  # squared error of each item's answer


def expected(keys: Float[Tensor, "*batch items dim"], steps: int, item: int | None = 0) -> Expected:
    """Squared error of the weights and of every answer in random replay, without sampling.

    ``item`` is the one that is written; ``None`` averages over all of them. Raises ``ValueError`` on keys that are not
    independent or not of norm 1, on an item that is none, and on ``steps < 0``.
    """
    if steps < 0:
        raise ValueError(f"steps={steps}: give a number of steps that is at least 0")
    _check_independent(keys)
    eigenvalues, _ = replay.spectrum(keys)
    left = torch.linalg.svd(keys, full_matrices=False)[0]
    inverse = (left / eigenvalues[..., None, :]) @ left.mT
    errors, residuals = [], []
    for moment in itertools.islice(_moments(keys, item), steps + 1):
        errors.append((inverse * moment).sum((-2, -1)))
        residuals.append(moment.diagonal(dim1=-2, dim2=-1))
    return Expected(torch.stack(errors, -1), torch.stack(residuals, -2))


def mean_residual(
    keys: Float[Tensor, "*batch items dim"], steps: int, item: int | None = 0
) -> Float[Tensor, "*batch times"]:
    r"""Squared residual of the mean path, which is gradient descent on all items with step ``1/n``: a lower bound.

    .. math:: \|K^\top \mathbb E\,e_t\|^2 = \sum_a U_{ia}^2 (1 - g_a/n)^{2t}

    Without an ``item`` it is the mean of the bound over the items. Raises ``ValueError`` as :func:`expected`.
    """
    if steps < 0:
        raise ValueError(f"steps={steps}: give a number of steps that is at least 0")
    _check_independent(keys)
    _check_item(keys, item)
    eigenvalues, shares = replay.spectrum(keys)
    chosen = shares.mean(-2) if item is None else shares[..., item, :]
    time = torch.arange(steps + 1, dtype=keys.dtype)
    left = (1 - eigenvalues / keys.shape[-2])[..., None, :] ** (2 * time[:, None])  # [*batch, times, modes]
    return (left @ chosen[..., None])[..., 0]


def _mean_passage(keys: Float[Tensor, "draws items dim"], goals: Sequence[float], most: int) -> Tensor:
    """First step at which the residual of the mean path, averaged over the items, is at most each goal; ``[draws, goals]``.

    It never rises, so the step is found by bisection; NaN beyond ``most``.
    """
    eigenvalues, shares = replay.spectrum(keys)
    left, chosen = (1 - eigenvalues / keys.shape[-2])[:, None], shares.mean(-2)[:, None]  # [draws, 1, modes]
    limits = torch.tensor(list(goals), dtype=keys.dtype).expand(len(keys), -1)
    low, high = torch.full_like(limits, -1), torch.full_like(limits, most + 1)  # above the goal, and not
    while (high - low).max() > 1:
        middle = ((low + high) / 2).floor()
        reached = (chosen * left ** (2 * middle[..., None])).sum(-1) <= limits
        low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
    return torch.where(high > most, torch.nan, high)


def first_passage(
    keys: Float[Tensor, "*batch items dim"], goals: Sequence[float], *, item: int | None = 0, most: int = 100_000
) -> Float[Tensor, "*batch goals"]:
    """First number of steps of random replay at which the expected residual is at most each goal; NaN beyond ``most``.

    Raises ``ValueError`` on goals outside (0, 1], where 1 is the residual before the first step, and as :func:`expected`.
    """
    if not goals or not all(0 < goal <= 1 for goal in goals):
        raise ValueError(f"goals={list(goals)}: give residuals in (0, 1]; before the first step it is 1")
    _check_independent(keys)
    limits = torch.tensor(list(goals), dtype=keys.dtype)
    first = torch.full((*keys.shape[:-2], len(limits)), torch.nan, dtype=keys.dtype)
    residuals = (moment.diagonal(dim1=-2, dim2=-1).sum(-1) for moment in _moments(keys, item))
    for start in range(0, most + 1, CHUNK):
        seen = torch.stack(list(itertools.islice(residuals, min(CHUNK, most + 1 - start))), -1)[..., None, :]
        reached = seen <= limits[:, None]  # [*batch, goals, times]
        found = torch.where(reached.any(-1), start + reached.int().argmax(-1).to(keys.dtype), torch.nan)
        first = torch.where(first.isnan(), found, first)
        if not first.isnan().any():
            break
    return first


class Simulated(NamedTuple):
    """Random replay as it happens: squared error of the weights, and squared residual over all items, in every run."""

    error: Float[Tensor, "runs times"]
    residual: Float[Tensor, "runs times"]


def simulate(
    keys: Float[Tensor, "items dim"], steps: Sequence[int], runs: int, *, generator: Generator, item: int = 0
) -> Simulated:
    """Write one item and replay items drawn at random, in independent runs; measured after so many steps.

    Raises ``ValueError`` on no steps or negative ones, on ``runs < 1``, and as :func:`expected`.
    """
    if not steps or min(steps) < 0 or runs < 1:
        raise ValueError(f"steps={list(steps)}, runs={runs}: give steps that are at least 0, and at least one run")
    _check_independent(keys)
    _check_item(keys, item)
    labels = torch.eye(len(keys), dtype=keys.dtype)[item]
    solution = probes.optimal_directions(keys)[item]  # recalls all labels, and is a combination of keys
    weight = torch.zeros(runs, keys.shape[1], dtype=keys.dtype)
    errors, residuals = [], []
    for count in range(max(steps) + 1):
        if count in steps:
            errors.append((weight - solution).square().sum(-1))
            residuals.append((weight @ keys.T - labels).square().sum(-1))
        drawn = torch.randint(len(keys), (runs,), generator=generator)
        key = keys[drawn]  # [runs, dim]
        weight = weight + (labels[drawn] - (weight * key).sum(-1))[:, None] * key
    return Simulated(torch.stack(errors, -1), torch.stack(residuals, -1))


def in_order(keys: Float[Tensor, "*batch items dim"], sweeps: int) -> Float[Tensor, "*batch items times"]:
    """Squared error of the weights after 0, 1, ..., ``sweeps`` sweeps over all items in their order, for each item written."""
    _check_independent(keys)
    labels = torch.eye(keys.shape[-2], dtype=keys.dtype)
    solution = probes.optimal_directions(keys)  # [*batch, write, dim]
    weight = torch.zeros_like(keys)
    errors = [solution.square().sum(-1)]
    for _ in range(sweeps):
        for item in range(keys.shape[-2]):
            key = keys[..., item, :]
            missing = labels[:, item] - (weight @ key[..., None])[..., 0]  # [*batch, write]
            weight = weight + missing[..., None] * key[..., None, :]
        errors.append((weight - solution).square().sum(-1))
    return torch.stack(errors, -1)


def random_write_norms(items: int, dim: int, trials: int, *, generator: Generator) -> Float[Tensor, " trials"]:
    """Squared norm of the least exact write of one item among independent unit keys, in independent draws.

    Raises ``ValueError`` on more items than dimensions, of which not all can be recalled.
    """
    if items > dim:
        raise ValueError(f"items={items}, dim={dim}: only as many items as dimensions can all be written exactly")
    keys = unit_codes(items, dim, trials, generator=generator)
    return probes.optimal_directions(keys)[:, 0].square().sum(-1)


def against_load(
    dim: int, loads: Sequence[float], goals: Sequence[float], *, draws: int, most: int, generator: Generator
) -> pl.DataFrame:
    """Epochs (steps over items) until the expected residual, averaged over the items, is at most each goal: random unit keys.

    One row a load, draw and goal: ``load, items, draw, goal, epochs, lower, upper``, with the lower bound of the mean path
    and the upper one of Strohmer and Vershynin; missing where more than ``most`` epochs are needed. Raises ``ValueError``
    on loads outside (0, 1] and on a load so small that it leaves no item.
    """
    tables = []
    for load in loads:
        items = round(load * dim)
        if not 0 < load <= 1 or items < 1:
            raise ValueError(f"load={load}, dim={dim}: give a load in (0, 1] that leaves at least one item")
        keys = unit_codes(items, dim, draws, generator=generator)
        known = constants(keys)
        limits = torch.tensor(list(goals), dtype=keys.dtype)
        scale = (known.largest_eigenvalue * known.inverse_gram.mean(-1))[:, None] / limits
        tables.append(
            pl.DataFrame(
                {
                    "load": items / dim,
                    "items": items,
                    "draw": torch.arange(draws).repeat_interleave(len(limits)).numpy(),
                    "goal": limits.repeat(draws).numpy(),
                    "epochs": _per_item(first_passage(keys, goals, item=None, most=most * items), items),
                    "lower": _per_item(_mean_passage(keys, goals, most * items), items),
                    "upper": _per_item(items / known.least_eigenvalue[:, None] * scale.log(), items),
                }
            )
        )
    return pl.concat(tables).with_columns(pl.col("epochs", "lower").fill_nan(None))


def _per_item(steps: Float[Tensor, "draws goals"], items: int) -> object:
    return (steps / items).flatten().numpy()


def looseness(
    keys: Float[Tensor, "*batch items dim"], goals: Sequence[float], *, most: int = 1_000_000
) -> pl.DataFrame:
    """One row a key matrix and goal: steps needed to write the first item, and what the bounds on them are made of."""
    batch = keys.reshape(-1, *keys.shape[-2:])
    known = constants(batch)
    steps = first_passage(batch, goals, most=most)  # [draws, goals]
    of_draws = {
        "least_eigenvalue": known.least_eigenvalue, "largest_eigenvalue": known.largest_eigenvalue,
        "inverse_gram": known.inverse_gram[:, 0], "slow_share": known.slow_share[:, 0],
    }  # fmt: skip
    return pl.DataFrame(
        {
            "draw": torch.arange(len(batch)).repeat_interleave(len(goals)).numpy(),
            "residual_goal": torch.tensor(list(goals), dtype=keys.dtype).repeat(len(batch)).numpy(),
            "steps_needed": steps.flatten().numpy(),
            "n_items": batch.shape[1],
            "dim": batch.shape[2],
            **{name: value.repeat_interleave(len(goals)).numpy() for name, value in of_draws.items()},
        }
    )


def progress(keys: Float[Tensor, "draws items dim"], epochs: int) -> pl.DataFrame:
    """One row a key matrix and step of random replay, in exact expectation, with what bounds it; the first item is written.

    ``expected_residual`` is ``miss`` (of the written item) plus ``collateral`` (at all others).
    """
    draws, items, dim = keys.shape
    known = constants(keys)
    error, residual = expected(keys, epochs * items)
    times = error.shape[-1]
    of_draws = {
        "initial_error": known.inverse_gram[:, 0], "slow_share": known.slow_share[:, 0],
        "least_eigenvalue": known.least_eigenvalue, "condition": known.condition,
    }  # fmt: skip
    return pl.DataFrame(
        {
            "draw": torch.arange(draws).repeat_interleave(times).numpy(),
            "replay_time": torch.arange(times).repeat(draws).numpy(),
            "expected_error": error.flatten().numpy(),
            "expected_residual": residual.sum(-1).flatten().numpy(),
            "miss": residual[..., 0].flatten().numpy(),
            "collateral": residual[..., 1:].sum(-1).flatten().numpy(),
            "mean_residual": mean_residual(keys, times - 1).flatten().numpy(),
            "n_items": items,
            "dim": dim,
            **{name: value.repeat_interleave(times).numpy() for name, value in of_draws.items()},
        }
    )


def time_constants(keys: Float[Tensor, "draws items dim"]) -> pl.DataFrame:
    """One row a key matrix: ``items, least_eigenvalue, time_constant``, epochs per factor e of the expected squared error.

    Measured from the second moment when the slowest mode rules, after eight epochs over the least eigenvalue.
    """
    known, items, gram = constants(keys), keys.shape[-2], keys @ keys.mT
    moment = torch.eye(items, dtype=keys.dtype).expand_as(gram)
    for _ in range(math.ceil(8 / float(known.least_eigenvalue.min()))):
        moment = next(itertools.islice(_recursion(gram, moment), items, None))
        moment = moment / moment.abs().amax((-2, -1), keepdim=True)  # the fastest code would underflow meanwhile
    traces = [
        torch.linalg.solve(gram, later).diagonal(dim1=-2, dim2=-1).sum(-1)
        for later in itertools.islice(_recursion(gram, moment), 2)
    ]
    fall = (traces[0] / traces[1]).log() * items
    return pl.DataFrame(
        {"items": items, "least_eigenvalue": known.least_eigenvalue.numpy(), "time_constant": (1 / fall).numpy()}
    )


def write_norms(keys: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
    """Squared change of weights of the optimal write of each item by 1, made in a store."""
    _check_independent(keys)
    norms = []
    for key in keys:
        store = LinearStore(keys, rule="optimal")
        store.write(key, torch.ones(1, dtype=keys.dtype))
        norms.append(store.weight.square().sum())
    return torch.stack(norms)


def noise_floor(keys: Float[Tensor, "items dim"]) -> pl.DataFrame:
    """One row an item: ``item, leverage, noise_floor``, the expected residual at which its random replay stays.

    So many epochs that of anything that decays less than rounding is left. Raises ``ValueError`` on keys not of norm 1.
    """
    _check_unit(keys)
    steps = math.ceil(40 / float(replay.spectrum(keys).least)) * len(keys)
    starts = torch.diag_embed(torch.eye(len(keys), dtype=keys.dtype))  # [write, items, items]
    moment = next(itertools.islice(_recursion(keys @ keys.mT, starts), steps, None))
    floors = moment.diagonal(dim1=-2, dim2=-1).sum(-1)
    return pl.DataFrame(
        {"item": range(1, len(keys) + 1), "leverage": probes.leverage(keys).numpy(), "noise_floor": floors.numpy()}
    )
