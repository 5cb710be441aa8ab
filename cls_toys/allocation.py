r"""How a code should share its dimensions among items that are not used equally, and what a stream of writes then costs.

Item j is used (read) with importance :math:`p_j` and written at rate :math:`q_j`; its use is :math:`a_j = p_j q_j`. A write
at item i damages the others by

.. math:: \mathcal{D}_i = q_i \sum_{j \neq i} p_j \frac{\|\Delta W k_j\|^2}{\|\Delta W k_i\|^2} .
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
from cls_toys.stores.linear import LinearStore, Rule


class Allocation(NamedTuple):
    """The leverages of the best code, and the level at which dimensions are shared."""

    leverage: Float[Tensor, " items"]
    water_level: float  # items with sqrt(use) at or above it have a dimension of their own
    dedicated: int  # how many items those are


def zipf(items: int, exponent: float) -> Float[Tensor, " items"]:
    r"""Frequencies :math:`p_j \propto j^{-\gamma}` that sum to 1. Raises ``ValueError`` on no items or a negative exponent.

    >>> zipf(3, 1.0)
    tensor([0.5455, 0.2727, 0.1818], dtype=torch.float64)
    """
    if items < 1 or not exponent >= 0:
        raise ValueError(f"items={items}, exponent={exponent}: give at least one item and an exponent of at least 0")
    weights = torch.arange(1, items + 1, dtype=make.DTYPE) ** -exponent
    return weights / weights.sum()


def allocate(use: Float[Tensor, " items"], dim: int) -> Allocation:
    r"""Reverse water-filling: the leverages that minimise :math:`\sum_i a_i (1/\ell_i - 1)` in ``dim`` dimensions.

    .. math:: \ell_i = \min(1, \sqrt{a_i} / \theta), \qquad \sum_i \ell_i = d

    Where no more than ``dim`` items are used at all, each of them has a dimension of its own. Raises ``ValueError`` on
    uses that are negative, not finite or all zero, and on ``dim < 1``.
    """
    if dim < 1 or not (torch.isfinite(use) & (use >= 0)).all() or not (use > 0).any():
        raise ValueError(f"dim={dim}, use={use.tolist()}: give a dimension, and finite uses of which one is positive")
    roots, order = use.sqrt().sort(descending=True)
    used = int((use > 0).sum())
    if used <= dim:
        return Allocation((use > 0).to(use.dtype), float(roots[used - 1]), used)
    shared = roots.flip(0).cumsum(0).flip(0)[:dim]  # what is left when the s largest have their own, s = 0, 1, ...
    levels = shared / torch.arange(dim, 0, -1, dtype=use.dtype)
    dedicated = int((roots[:dim] <= levels).nonzero()[0])
    level = levels[dedicated]
    leverage = torch.empty_like(use)
    leverage[order] = (roots / level).clamp_max(1)
    return Allocation(leverage, float(level), dedicated)


def code_with_leverage(leverage: Float[Tensor, " items"]) -> Float[Tensor, "items dim"]:
    """Keys whose items have exactly these leverages, in as many dimensions as they sum to (Schur and Horn's theorem).

    Built from the first unit vectors by rotating two keys at a time: one of them then has its leverage for good, the other
    carries the rest on. Source: horn1954. Raises ``ValueError`` on leverages outside [0, 1] or of a sum that is no integer.
    """
    total = float(leverage.sum())
    dim = round(total) if math.isfinite(total) else 0
    if not ((leverage >= 0) & (leverage <= 1)).all() or abs(total - dim) > 1e-9 or dim < 1:
        raise ValueError(f"leverages sum to {total:.12g}: give values in [0, 1] whose sum is a positive integer")
    fresh = {
        1.0: [*torch.eye(dim, dtype=leverage.dtype)],
        0.0: [*torch.zeros(len(leverage) - dim, dim, dtype=leverage.dtype)],
    }
    keys = torch.empty(len(leverage), dim, dtype=leverage.dtype)
    carried = fresh[1.0].pop()
    for item, target in enumerate(leverage[:-1]):
        norm = carried.square().sum()
        partner = 1.0 if norm < target else 0.0
        if not fresh[partner]:  # then the carried key has the target already, up to rounding
            keys[item], carried = carried, fresh[1.0 - partner].pop()
            continue
        other = fresh[partner].pop()
        sine = ((target - norm) / (partner - norm) if partner != norm else target * 0).clamp(0, 1).sqrt()
        cosine = (1 - sine.square()).sqrt()
        keys[item], carried = cosine * carried + sine * other, cosine * other - sine * carried
    keys[-1] = carried
    return keys


def item_damage(
    keys: Float[Tensor, "items dim"],
    importance: Float[Tensor, " items"],
    rate: Float[Tensor, " items"],
    rule: Rule = "optimal",
) -> Float[Tensor, " items"]:
    r"""Damage :math:`\mathcal{D}_i` of the write at each item, by writing it into a store and reading every item.

    The optimal rule knows the importance. Infinite for an item that is written and has a zero key. Raises ``ValueError``
    on importances that are not positive, negative rates and shapes that do not match.
    """
    if not (importance.shape == rate.shape == keys.shape[:1] and (importance > 0).all() and (rate >= 0).all()):
        raise ValueError(
            f"importance {tuple(importance.shape)}, rate {tuple(rate.shape)}, keys {tuple(keys.shape)}: give one positive "
            "importance and one rate of at least 0 an item"
        )
    weighted = keys * importance.sqrt()[:, None]
    store = LinearStore(weighted, rule=rule)
    collateral = probes.collateral(store, weighted, torch.ones(len(keys), 1, dtype=keys.dtype))
    return torch.where(rate > 0, rate * importance * collateral, 0.0)


def search(
    importance: Float[Tensor, " items"],
    rate: Float[Tensor, " items"],
    dim: int,
    *,
    starts: int,
    generator: Generator,
    steps: int = 200,
) -> Float[Tensor, "starts items dim"]:
    """Codes found by minimising the total damage of optimal writes over all keys, by L-BFGS from random starts.

    It knows nothing of the bound. Every item that is written keeps a nonzero key.
    """
    found = []
    for _ in range(starts):
        keys = make.gaussian(len(importance), dim, generator=generator).requires_grad_()
        optimiser = torch.optim.LBFGS(
            [keys], max_iter=steps, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe"
        )

        def damage(keys: Tensor = keys, optimiser: torch.optim.LBFGS = optimiser) -> Tensor:
            optimiser.zero_grad()
            basis = torch.linalg.qr(keys * importance.sqrt()[:, None])[0]
            loss = (importance * rate * (1 / basis.square().sum(-1) - 1)).sum()
            loss.backward()
            return loss

        optimiser.step(damage)
        found.append(keys.detach())
    return torch.stack(found)


def codes(
    importance: Float[Tensor, " items"], rate: Float[Tensor, " items"], dim: int, *, starts: int, generator: Generator
) -> dict[str, Float[Tensor, "items _"]]:
    """Codes to compare, by name: the filled one, one of equal leverages, random ones, and what :func:`search` finds."""
    root = importance.sqrt()[:, None]
    items = len(importance)
    found = {
        "filled": code_with_leverage(allocate(importance * rate, dim).leverage) / root,
        "unit sphere": make.unit(items, dim, generator=generator),
        "Gaussian": make.gaussian(items, dim, generator=generator),
    }
    if items >= dim:
        found["equal leverage"] = make.harmonic_frame(items, dim) / root
        searched = search(importance, rate, dim, starts=starts, generator=generator)
        found |= {f"search {start}": keys for start, keys in enumerate(searched, 1)}
    return found


def measure(
    codes: Mapping[str, Float[Tensor, "items _"]], importance: Float[Tensor, " items"], rate: Float[Tensor, " items"]
) -> pl.DataFrame:
    """One row an item, code and rule: ``code, rule, item, use, damage, leverage, writability, rank, condition``.

    Leverage, writability, rank and condition are those of the weighted keys.
    """
    tables = []
    for name, keys in codes.items():
        weighted = keys * importance.sqrt()[:, None]
        common = {
            "code": name, "item": range(1, len(keys) + 1), "use": (importance * rate).numpy(),
            "leverage": probes.leverage(weighted).numpy(), "rank": int(probes.rank(weighted)),
            "condition": float(probes.condition(weighted)),
        }  # fmt: skip
        for rule in ("optimal", "local"):
            damage = item_damage(keys, importance, rate, rule)
            share = (importance * rate) / (importance * rate + damage)
            tables.append(pl.DataFrame(common | {"rule": rule, "damage": damage.numpy(), "writability": share.numpy()}))
    return pl.concat(tables)


def sharing(use: Float[Tensor, " items"], dim: int) -> dict[str, float | int]:
    """``n_dedicated``, ``water_level``, and the sums of the roots of use and of use: of the items that share, and of all."""
    best = allocate(use, dim)
    shared = use[best.leverage < 1]
    return {
        "n_dedicated": len(use) - len(shared), "water_level": best.water_level,
        "shared_root": float(shared.sqrt().sum()), "shared_use": float(shared.sum()),
        "total_root": float(use.sqrt().sum()), "total_use": float(use.sum()), "dim": dim,
    }  # fmt: skip


def compare(exponents: Sequence[float], items: int, dim: int, *, starts: int, generator: Generator) -> pl.DataFrame:
    """:func:`measure` of all :func:`codes` where importance and rate follow :func:`zipf` with mean 1, for each exponent.

    Beside the exponent each row holds what :func:`sharing` says of it.
    """
    tables = []
    for exponent in exponents:
        p = items * zipf(items, exponent)
        measured = measure(codes(p, p, dim, starts=starts, generator=generator), p, p)
        constants = {"exponent": exponent} | sharing(p * p, dim)
        tables.append(measured.with_columns(pl.lit(value).alias(name) for name, value in constants.items()))
    return pl.concat(tables)


def totals(compared: pl.DataFrame) -> pl.DataFrame:
    """One row an exponent, code and rule of :func:`compare`'s table, with total damage and total writability."""
    of_items = ("item", "use", "leverage", "damage", "writability")
    return compared.group_by([name for name in compared.columns if name not in of_items], maintain_order=True).agg(
        damage=pl.col("damage").sum(), sum_writability=pl.col("writability").sum()
    )
