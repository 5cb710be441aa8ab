r"""Writes that also pay for what they do not know: the ridge, and a buffer of items that are protected.

A write at item i along v that is charged for its size costs, beside what it moves,

.. math:: c_i^\mu = \frac{\sum_{j \neq i} (v^\top k_j)^2 + \mu \|v\|^2}{(v^\top k_i)^2} .

Keys are rows, ``[*batch, items, dim]``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import probes

Rule = Literal["ridge", "optimal", "local"]
DRAWS_AT_A_TIME = 200  # of all keys: fast, and in bounded memory


def ridge_leverage(keys: Float[Tensor, "*batch items dim"], ridge: float) -> Float[Tensor, "*batch items"]:
    r"""Leverage of every item beside a ridge.

    .. math:: \ell_i(\mu) = k_i^\top (M + \mu I)^{-1} k_i, \qquad \sum_i \ell_i(\mu) = d_{\mathrm{eff}}(\mu)

    Raises ``ValueError`` on bad keys and a ridge that is not positive and finite.

    >>> ridge_leverage(torch.eye(2), ridge=1.0)
    tensor([0.5000, 0.5000])
    """
    _check(ridge)
    left, singular, _, nonzero = probes.svd(keys)
    return (left.square() * (nonzero * _share(singular, ridge))[..., None, :]).sum(-1)


def effective_dim(keys: Float[Tensor, "*batch items dim"], ridge: float) -> Float[Tensor, "*batch"]:
    r"""Effective dimension of the keys, :math:`\sum_a \sigma_a^2/(\sigma_a^2 + \mu)`, with the singular values of the keys.

    Raises ``ValueError`` as :func:`ridge_leverage` does.
    """
    _check(ridge)
    _, singular, _, nonzero = probes.svd(keys)
    return (nonzero * _share(singular, ridge)).sum(-1)


def directions(keys: Float[Tensor, "items dim"], rule: Rule, ridge: float) -> Float[Tensor, "items dim"]:
    r"""Direction of each item's write: :math:`(M + \mu I)^{-1} k_i` (ridge), :math:`M^+ k_i` (optimal) or :math:`k_i` (local).

    Raises ``ValueError`` as :func:`ridge_leverage` does, and on an unknown rule.
    """
    _check(ridge)
    probes.check_keys(keys)
    if rule not in get_args(Rule):
        raise ValueError(f"rule={rule!r}: must be one of {', '.join(get_args(Rule))}")
    if rule == "optimal":
        return probes.optimal_directions(keys)
    if rule == "local":
        return keys
    left, singular, right, nonzero = probes.svd(keys)
    return (left * (nonzero * singular / (singular.square() + ridge))) @ right


def ridge_collateral(
    keys: Float[Tensor, "items dim"], rows: Float[Tensor, "items dim"], ridge: float
) -> Float[Tensor, " items"]:
    r"""Cost of writing each item along its row, by reading all items and measuring the row.

    .. math:: c_i^\mu = \frac{\sum_{j \neq i} (v_i^\top k_j)^2 + \mu \|v_i\|^2}{(v_i^\top k_i)^2}

    Infinite where the item stays. Raises ``ValueError`` as :func:`ridge_leverage` does, and unless there is one finite row an
    item.
    """
    _check(ridge)
    probes.check_keys(keys)
    if rows.shape != keys.shape or not torch.isfinite(rows).all():
        raise ValueError(f"keys {tuple(keys.shape)}, rows {tuple(rows.shape)}: give one finite row an item")
    moved = (rows @ keys.T).square()  # [write, item]
    hit = moved.diagonal().clone()
    others = moved.fill_diagonal_(0).sum(-1) + ridge * rows.square().sum(-1)
    return torch.where(hit > 0, others / hit, torch.inf)


def spend(codes: Mapping[str, Float[Tensor, "_ _"]], ridges: Sequence[float]) -> pl.DataFrame:
    """One row an item with a nonzero key, code, ridge and rule of writing.

    ``code, rule, ridge, item, ridge_collateral, ridge_writability, ridge_leverage, effective_dim, n_keys, rank, condition``.
    """
    tables = []
    for name, given in codes.items():
        keys = given[probes.nonzero_keys(given)]
        for ridge in ridges:
            common = {
                "code": name, "ridge": float(ridge), "item": range(len(keys)), "ridge_leverage": ridge_leverage(keys, ridge).numpy(),
                "effective_dim": float(effective_dim(keys, ridge)), "n_keys": len(keys), "rank": int(probes.rank(keys)),
                "condition": float(probes.condition(keys)),
            }  # fmt: skip
            for rule in get_args(Rule):
                cost = ridge_collateral(keys, directions(keys, rule, ridge), ridge).numpy()
                tables.append(pl.DataFrame(common | {
                    "rule": rule, "ridge_collateral": cost, "ridge_writability": 1 / (1 + cost)
                }))  # fmt: skip
    return pl.concat(tables)


def totals(items: pl.DataFrame) -> pl.DataFrame:
    """One row a code, ridge and rule of :func:`spend`'s table: total writability and mean cost."""
    of_code = ("code", "rule", "ridge", "effective_dim", "n_keys", "rank", "condition")
    return items.group_by(of_code, maintain_order=True).agg(
        sum_ridge=pl.col("ridge_writability").sum(), mean_ridge=pl.col("ridge_collateral").mean()
    )


class Buffers(NamedTuple):
    """Total collateral on all other items of one write in each draw, by size of the buffer."""

    exact: Float[Tensor, "sizes trials"]
    ridge: Float[Tensor, "sizes trials"]


def protected(
    known: Float[Tensor, "*batch known dim"], key: Float[Tensor, "*batch dim"], ridges: Sequence[float] = (0.0,)
) -> list[Float[Tensor, "*batch dim"]]:
    r"""For each ridge the write v with :math:`v^\top k = 1` that minimises :math:`\sum_j (v^\top k_j)^2 + \mu \|v\|^2`, j known.

    At ridge 0 it moves the ``known`` items as little as can be, and is the shortest of several such writes. ``known`` may
    hold no item. Raises ``ValueError`` on a negative ridge, on keys that are not finite or of another dimension, and on a key
    that is zero, which no write hits.
    """
    if not all(0 <= ridge < math.inf for ridge in ridges):
        raise ValueError(f"ridges={list(ridges)}: each must be finite and at least 0")
    if key.shape[-1] != known.shape[-1] or not (torch.isfinite(key).all() and key.any(-1).all()):
        raise ValueError(
            f"known {tuple(known.shape)}, key {tuple(key.shape)}: give a finite key of the same dimension that is not zero"
        )
    if known.shape[-2] == 0:
        rows = [key for _ in ridges]
    else:
        _, singular, basis, nonzero = probes.svd(known)
        inside = (basis @ key[..., None])[..., 0] * nonzero  # [*batch, rank]
        outside = key - (inside[..., None, :] @ basis)[..., 0, :]
        # What lies outside the span of the known keys costs nothing, so without a ridge all of the write goes there.
        free = outside.norm(dim=-1, keepdim=True) > math.sqrt(torch.finfo(key.dtype).eps) * key.norm(
            dim=-1, keepdim=True
        )
        rows = []
        for ridge in ridges:
            gain = torch.where(nonzero, 1 / (singular.square() + ridge), 0.0)
            within = ((gain * inside)[..., None, :] @ basis)[..., 0, :]
            rows.append(within + free * outside / ridge if ridge else torch.where(free, outside, within))
    return [row / (row * key).sum(-1, keepdim=True) for row in rows]


def sizes(items: int, dim: int) -> list[int]:
    """Sizes of a buffer to look at: some below the dimension, some around it, some above, up to all the others.

    >>> sizes(80, 20)
    [0, 5, 10, 11, 16, 20, 24, 27, 40, 60, 79]
    """
    found = {0, dim // 4, dim // 2, dim - 9, dim - 4, dim, dim + 4, dim + 7, 2 * dim, 3 * dim, items - 1}
    return sorted(size for size in found if 0 <= size < items)


def buffers(
    items: int, dim: int, sizes: Sequence[int], trials: int, *, generator: Generator,
    family: Callable[..., Float[Tensor, "_ dim"]] = make.gaussian,
) -> Buffers:  # fmt: skip
    """Write one item of ``items`` random keys while the next ``b`` are protected, for each ``b`` of ``sizes``, and read all.

    One draw of keys serves all sizes. ``exact`` protects the buffer and nothing else; ``ridge`` charges
    ``items - 1 - b``, the number of items outside the buffer. Raises ``ValueError`` on sizes outside
    ``0 .. items - 1``, on no more items than dimensions, and on no trials.
    """
    if trials < 1:
        raise ValueError(f"trials={trials}: draw keys at least once")
    if items <= dim or not all(0 <= size < items for size in sizes):
        raise ValueError(
            f"items={items}, dim={dim}, sizes={list(sizes)}: give more items than dimensions, and buffers of 0 to {items - 1}"
        )
    found = torch.empty(2, len(sizes), trials, dtype=make.DTYPE)
    for first in range(0, trials, DRAWS_AT_A_TIME):
        count = min(trials - first, DRAWS_AT_A_TIME)
        keys = family(count * items, dim, generator=generator).reshape(count, items, dim)
        for row, size in enumerate(sizes):
            written = torch.stack(protected(keys[:, 1 : 1 + size], keys[:, 0], (0.0, float(items - 1 - size))))
            moved = keys[:, 1:] @ written[..., None]  # [rule, draw, item, 1]
            found[:, row, first : first + count] = moved.square().sum((-2, -1))
    return Buffers(*found)


def loud(items: int, dim: int, loudness: float = 10.0, *, generator: Generator) -> Float[Tensor, "items dim"]:
    """Gaussian keys whose first coordinate is ``loudness`` times as large as the others.

    Raises ``ValueError`` on a loudness that is not finite and at least 1.
    """
    if not 1 <= loudness < math.inf:
        raise ValueError(f"loudness={loudness}: must be finite and at least 1")
    keys = make.gaussian(items, dim, generator=generator)
    keys[:, 0] *= loudness
    return keys


def summary(found: Buffers, sizes: Sequence[int]) -> pl.DataFrame:
    """One row a size and rule: ``n_protected, rule, mean, median, low, high``, the last two the quartiles."""
    tables = []
    for rule, costs in found._asdict().items():
        low, median, high = costs.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=costs.dtype), dim=1)
        tables.append(pl.DataFrame({
            "n_protected": list(sizes), "rule": rule, "mean": costs.mean(1).numpy(), "median": median.numpy(),
            "low": low.numpy(), "high": high.numpy(),
        }))  # fmt: skip
    return pl.concat(tables)


def _share(singular: Tensor, ridge: float) -> Tensor:
    return singular.square() / (singular.square() + ridge)


def _check(ridge: float) -> None:
    if not 0 < ridge < math.inf:
        raise ValueError(f"ridge={ridge}: must be positive and finite")
