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
from cls_toys import optimise, probes
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
    known = use.is_floating_point() and bool((torch.isfinite(use) & (use >= 0)).all() and (use > 0).any())
    if dim < 1 or not known:
        raise ValueError(
            f"dim={dim}, use={use.tolist()} of dtype {use.dtype}: give a dimension, and finite uses (floating-point) of which "
            "one is positive"
        )
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
    shares = leverage.is_floating_point() and bool(((leverage >= 0) & (leverage <= 1)).all())
    if not shares or abs(total - dim) > 1e-9 or dim < 1:
        raise ValueError(
            f"leverages of dtype {leverage.dtype} sum to {total:.12g}: give values (floating-point) in [0, 1] whose sum is a "
            "positive integer"
        )
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
    on bad keys, importances that are not positive, negative rates, what is not finite, and shapes that do not match.
    """
    probes.check_keys(keys)
    _check_use(importance, rate, len(keys))
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
) -> Float[Tensor, "starts items dim"]:
    r"""Codes found by minimising the total damage of optimal writes over all keys, by L-BFGS from random starts.

    .. math:: \mathcal{D}(K) = \sum_i a_i \Big(\frac{1}{\ell_i(K)} - 1\Big)

    with the leverages of the weighted keys; it knows nothing of the bound. Raises ``ValueError`` on importances and rates
    that are none, and unless ``1 <= dim <= items``.
    """
    _check_use(importance, rate)
    items, use = len(importance), importance * rate
    if not 1 <= dim <= items:
        raise ValueError(f"dim={dim}: {items} items span at least one dimension and at most {items}")

    def damage(keys: Tensor) -> Tensor:
        basis = torch.linalg.qr(keys * importance.sqrt()[:, None])[0]
        return (use * (1 / basis.square().sum(-1) - 1)).sum()

    return optimise.minimise_keys(damage, items, dim, starts=starts, generator=generator)


def filled(
    importance: Float[Tensor, " items"], rate: Float[Tensor, " items"], dim: int
) -> Float[Tensor, "items shared"]:
    r"""Keys of the code with the least total damage: weighted by importance, their leverages are those of :func:`allocate`.

    .. math:: k_i = b_i / \sqrt{p_i}, \qquad \|b_i\|^2 = \ell_i, \quad \sum_i b_i b_i^\top = I

    In ``dim`` dimensions, or in as many as there are items in use. Raises ``ValueError`` on importances and rates that are
    none, and where nothing is used.
    """
    _check_use(importance, rate)
    return code_with_leverage(allocate(importance * rate, dim).leverage) / importance.sqrt()[:, None]


def codes(
    importance: Float[Tensor, " items"], rate: Float[Tensor, " items"], dim: int, *, starts: int, generator: Generator
) -> dict[str, Float[Tensor, "items _"]]:
    """Codes to compare, by name: the filled one, one of equal leverages, random ones, and what :func:`search` finds.

    Those of equal leverages and the searched ones have no more dimensions than items. Raises ``ValueError`` on importances
    and rates that are none, ``dim < 1`` and ``starts < 1``.
    """
    root = importance.sqrt()[:, None]
    items, span = len(importance), min(len(importance), dim)
    found = {
        "filled": filled(importance, rate, dim),
        "unit sphere": make.unit(items, dim, generator=generator),
        "Gaussian": make.gaussian(items, dim, generator=generator),
    }
    found["equal leverage"] = make.harmonic_frame(items, span) / root
    searched = search(importance, rate, span, starts=starts, generator=generator)
    return found | {f"search {start}": keys for start, keys in enumerate(searched, 1)}


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


def without(importance: Float[Tensor, " items"], dim: int) -> pl.DataFrame:
    """What the best code keeps, and pays, if every item is written at the rate of its importance, and if every second is.

    One row each: ``written, items kept, damage``. An item is kept that has a nonzero key; the damage is measured. Raises
    ``ValueError`` on importances that are none.
    """
    half = importance.clone()
    half[1::2] = 0
    rows = []
    for written, rate in (("every item", importance), ("every second item", half)):
        keys = filled(importance, rate, dim)
        rows.append({
            "written": written, "items kept": int(probes.nonzero_keys(keys).sum()),
            "damage": float(item_damage(keys, importance, rate).sum()),
        })  # fmt: skip
    return pl.DataFrame(rows)


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


def _check_use(importance: Tensor, rate: Tensor, items: int | None = None) -> None:
    """Raise ``ValueError`` unless there are one positive importance and one rate of at least 0 an item, all finite."""
    shapes = importance.ndim == 1 and importance.shape == rate.shape and items in (None, len(importance))
    known = (importance > 0) & importance.isfinite() & (rate >= 0) & rate.isfinite() if shapes else torch.zeros(1)
    if not known.all():
        raise ValueError(
            f"importance {tuple(importance.shape)}, rate {tuple(rate.shape)}: give one positive importance and one rate of at "
            f"least 0 an item{'' if items is None else f' ({items} items)'}, all finite"
        )
