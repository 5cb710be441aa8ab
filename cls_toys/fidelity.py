r"""Writes that may miss: how far a write falls short of what is requested, and what it moves beside that.

A write at item i that is requested to change it by :math:`\delta \neq 0` has

.. math:: \varepsilon_i = \frac{\|\Delta W k_i - \delta\|^2}{\|\delta\|^2} \text{ (miss)}, \qquad
   \chi_i = \frac{\sum_{j \neq i} \|\Delta W k_j\|^2}{\|\delta\|^2} \text{ (collateral per requested energy)}.

Keys are rows, ``[items, dim]``; changes of weights are ``[items, out, dim]``, one for each item.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import probes

OUTPUTS, EXCESS = 2, 0.5  # of the writes that are compared: entries of a value, collateral above the frontier


class Outcome(NamedTuple):
    """What each item's write does, measured by reading all items."""

    miss: Float[Tensor, " items"]
    requested_collateral: Float[Tensor, " items"]
    hit: Float[Tensor, " items"]  # fraction of the request, along the request


def outcome(
    keys: Float[Tensor, "items dim"], changes: Float[Tensor, "items out dim"], requests: Float[Tensor, "items out"]
) -> Outcome:
    r"""Apply each change to the weights, read every item before and after, compare with the request.

    .. math:: \varepsilon_i = \frac{\|\Delta W k_i - \delta\|^2}{\|\delta\|^2}, \qquad
       \chi_i = \frac{\sum_{j \neq i} \|\Delta W k_j\|^2}{\|\delta\|^2}, \qquad
       f_i = \frac{\delta^\top \Delta W k_i}{\|\delta\|^2}

    Raises ``ValueError`` on bad keys, shapes that do not match, requests that are zero, and what is not finite.
    """
    energy = _energy(keys, requests)
    if changes.shape != (*requests.shape, keys.shape[1]) or not torch.isfinite(changes).all():
        raise ValueError(
            f"keys {tuple(keys.shape)}, changes {tuple(changes.shape)}, requests {tuple(requests.shape)}: give one change "
            "[out, dim] and one request [out] an item, all finite"
        )
    moved = changes @ keys.T  # [write, out, item]
    own = moved.diagonal(dim1=0, dim2=2).T  # [items, out]
    others = moved.square().sum(1).fill_diagonal_(0).sum(1)
    return Outcome((own - requests).square().sum(-1) / energy, others / energy, (own * requests).sum(-1) / energy)


def frontier(
    keys: Float[Tensor, "items dim"], requests: Float[Tensor, "items out"], miss: float, excess: float = 0.0, *,
    generator: Generator,
) -> Float[Tensor, "items out dim"]:  # fmt: skip
    r"""Changes that miss by exactly ``miss`` with the least collateral, or with ``excess`` more than the least.

    .. math:: \Delta W = (1 - \sqrt\varepsilon)\, \delta\, (M^+ k_i)^\top / \ell_i + \|\delta\|\, e\, u^\top, \qquad
       u^\top k_i = 0, \; u^\top M u = \chi^+

    The direction u is random and e is the first output. Raises ``ValueError`` on a miss outside [0, 1], a negative excess,
    an excess for keys of rank 1 (which leave no direction that spares the item), zero keys, and requests that are none.
    """
    size = _energy(keys, requests).sqrt()
    if not 0 <= miss <= 1 or not 0 <= excess < math.inf:
        raise ValueError(f"miss={miss}, excess={excess}: a miss lies in [0, 1] and an excess is finite and at least 0")
    left, singular, right, nonzero = probes.svd(keys)
    whitened, reach = left[:, nonzero], right[nonzero] / singular[nonzero, None]  # [items, rank], [rank, dim]
    leverage = probes.leverage(keys)
    if not probes.nonzero_keys(keys).all() or (excess and whitened.shape[1] == 1):
        raise ValueError(
            f"excess={excess}, rank {whitened.shape[1]}: no key may be zero, and more than the least collateral at the same "
            "miss needs keys of rank 2 or more"
        )
    along = (1 - math.sqrt(miss)) * requests[:, :, None] * (whitened / leverage[:, None] @ reach)[:, None, :]
    if not excess:
        return along
    aside = torch.randn(whitened.shape, generator=generator, dtype=keys.dtype)
    aside = aside - ((aside * whitened).sum(-1) / leverage)[:, None] * whitened
    aside = torch.nn.functional.normalize(aside, dim=-1) * math.sqrt(excess) @ reach  # [items, dim]
    along[:, 0] += size[:, None] * aside
    return along


def priced(keys: Float[Tensor, "items dim"], price: float) -> Float[Tensor, "items 1 dim"]:
    r"""For each item the change that minimises :math:`\chi_i + \omega \varepsilon_i` for a request of 1, by least squares.

    Solved as a regression on all items, in which item i counts :math:`\omega` times. Raises ``ValueError`` unless the price
    is positive and finite.
    """
    if not 0 < price < math.inf:
        raise ValueError(f"price={price}: the price of a miss must be positive and finite")
    probes.check_keys(keys)
    weight = torch.ones(len(keys), len(keys), dtype=keys.dtype).fill_diagonal_(math.sqrt(price))
    inverse = torch.linalg.pinv(weight[:, :, None] * keys)  # [items, dim, items]
    return math.sqrt(price) * inverse.diagonal(dim1=0, dim2=2).T[:, None, :]


def refit(
    keys: Float[Tensor, "items dim"], labels: Float[Tensor, "items out"], requests: Float[Tensor, "items out"]
) -> Float[Tensor, "items out dim"]:
    r"""What fitting all items anew by least squares changes, after the label of one item has moved by its request.

    .. math:: \Delta W = \delta\, e_i^\top K^+

    Two fits for each item, before and after. Raises ``ValueError`` on bad keys, requests that are none, and labels that are
    not finite or of another shape.
    """
    _energy(keys, requests)
    if labels.shape != requests.shape or not torch.isfinite(labels).all():
        raise ValueError(
            f"labels {tuple(labels.shape)}, requests {tuple(requests.shape)}: give one finite label and one request an item"
        )
    before = torch.linalg.lstsq(keys, labels, driver="gelsd").solution  # [dim, out]
    moved = labels + requests * torch.eye(len(keys), dtype=keys.dtype)[:, :, None]  # [fit, items, out]
    after = torch.linalg.lstsq(keys.expand(len(keys), -1, -1), moved, driver="gelsd").solution
    return (after - before).mT


def wild(keys: Float[Tensor, "items dim"], outputs: int, *, generator: Generator) -> Float[Tensor, "items out dim"]:
    """Changes of no design: random multiples of optimal and local writes, plus noise, for requests of the first unit vector.

    Raises ``ValueError`` on bad keys and zero keys, and on ``outputs < 1``.
    """
    if outputs < 1 or not probes.nonzero_keys(keys).all():
        raise ValueError(f"outputs={outputs}: give at least one output, and no zero key")
    items, dim = keys.shape
    direction = torch.where(
        torch.rand(items, 1, generator=generator, dtype=keys.dtype) < 0.5, keys, probes.optimal_directions(keys)
    )
    direction = direction / (direction * keys).sum(-1, keepdim=True)
    size = 1.5 * torch.rand(items, 1, generator=generator, dtype=keys.dtype)
    changes = torch.zeros(items, outputs, dim, dtype=keys.dtype)
    changes[:, 0] = size * direction
    noise = torch.randn(items, outputs, dim, generator=generator, dtype=keys.dtype)
    level = 0.3 * torch.rand(items, 1, 1, generator=generator, dtype=keys.dtype)
    return changes + level * noise * direction.norm(dim=-1)[:, None, None] / math.sqrt(dim)


def measure(
    codes: Mapping[str, Float[Tensor, "_ _"]], misses: Sequence[float], prices: Sequence[float], *, generator: Generator
) -> pl.DataFrame:
    """One row an item, code and write, for items with a nonzero key.

    ``code, write, asked, item, miss, requested_collateral, hit, optimal_collateral, leverage, excess, n_keys, rank,
    condition``. The writes are the ``frontier`` at each of ``misses`` and ``above`` it (by ``EXCESS``, where the rank allows),
    ``priced`` at each of ``prices``, ``refit``, and ``wild``; ``asked`` is the miss or the price. Values have ``OUTPUTS``
    entries, so that an error can hide in a direction that nobody asked for.
    """
    tables = []
    for name, given in codes.items():
        keys = given[probes.nonzero_keys(given)]
        leverage, rank = probes.leverage(keys), int(probes.rank(keys))
        requests = make.gaussian(len(keys), OUTPUTS, generator=generator)
        first = torch.eye(OUTPUTS, dtype=keys.dtype)[:1].expand(len(keys), -1)
        one = first[:, :1]
        made = [
            ("frontier", miss, 0.0, frontier(keys, requests, miss, generator=generator), requests) for miss in misses
        ]
        if rank > 1:
            made += [
                ("above", miss, EXCESS, frontier(keys, requests, miss, EXCESS, generator=generator), requests)
                for miss in misses
            ]
        made += [("priced", price, 0.0, priced(keys, price), one) for price in prices]
        labels = make.gaussian(len(keys), OUTPUTS, generator=generator)
        made += [("refit", 0.0, 0.0, refit(keys, labels, requests), requests)]
        made += [("wild", 0.0, 0.0, wild(keys, OUTPUTS, generator=generator), first)]
        common = {
            "code": name, "item": range(len(keys)), "leverage": leverage.numpy(),
            "optimal_collateral": (1 / leverage - 1).numpy(), "n_keys": len(keys), "rank": rank,
            "condition": float(probes.condition(keys)),
        }  # fmt: skip
        for write, asked, more, changes, requested in made:
            found = {field: value.numpy() for field, value in outcome(keys, changes, requested)._asdict().items()}
            tables.append(pl.DataFrame(common | {"write": write, "asked": float(asked), "excess": more} | found))
    return pl.concat(tables)


def means(writes: pl.DataFrame) -> pl.DataFrame:
    """One row a code and write of :func:`measure`'s table: mean collateral, and the largest miss as common tolerance."""
    of_write = ("code", "write", "asked", "excess", "n_keys", "rank", "condition")
    return writes.group_by(of_write, maintain_order=True).agg(
        miss=pl.col("miss").max(), mean_requested=pl.col("requested_collateral").mean()
    )


def in_one_dimension(miss: float) -> pl.DataFrame:
    """Two items with the same one-dimensional key: the only two writes that miss by exactly ``miss``, and their collateral.

    Raises ``ValueError`` on a miss outside [0, 1].
    """
    if not 0 <= miss <= 1:
        raise ValueError(f"miss={miss}: a miss lies in [0, 1]")
    keys, request = torch.ones(2, 1, dtype=make.DTYPE), torch.ones(2, 1, dtype=make.DTYPE)
    rows = []
    for write, size in (("falls short", 1 - math.sqrt(miss)), ("overshoots", 1 + math.sqrt(miss))):
        found = outcome(keys, torch.full((2, 1, 1), size, dtype=make.DTYPE), request)
        rows.append({
            "write": write, "miss": float(found.miss[0]), "requested_collateral": float(found.requested_collateral[0])
        })  # fmt: skip
    return pl.DataFrame(rows)


def _energy(keys: Tensor, requests: Tensor) -> Tensor:
    """Squared length of each item's request; raises ``ValueError`` on bad keys and where an item has none."""
    probes.check_keys(keys)
    energy = requests.square().sum(-1)
    if requests.ndim != 2 or len(requests) != len(keys) or not (torch.isfinite(energy) & (energy > 0)).all():
        raise ValueError(
            f"requests {tuple(requests.shape)}: every one of {len(keys)} items must be requested to change, by values [out] "
            "that are finite and not all zero"
        )
    return energy
