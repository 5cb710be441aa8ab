r"""What sparse codes share: the overlap of two, the largest of all pairs, and families that are chosen, not drawn.

The overlap of two codes is :math:`O = |S \cap S'|`, the number of units that both switch on.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import scipy.sparse
import torch
from jaxtyping import Float, Int
from scipy import stats
from torch import Generator, Tensor

from cls_toys import codes, probes
from cls_toys.codes import Codes
from cls_toys.keys import DTYPE

ENUMERABLE = 10**4  # codes of a family that is listed
CHUNK = 2**22  # active units that are drawn at a time


def _check(dim: int, code_size: int) -> None:
    if not 1 <= code_size <= dim:
        raise ValueError(
            f"code_size={code_size}, dim={dim}: give 1 <= code_size <= dim; a code without active units has no relative overlap"
        )


def every(dim: int, code_size: int) -> Codes:
    """All codes of that size, each once, in lexicographic order.

    Raises ``ValueError`` unless ``1 <= code_size <= dim``, and on more than 10 000 of them.

    >>> every(3, 2).active.tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    _check(dim, code_size)
    if math.comb(dim, code_size) > ENUMERABLE:
        raise ValueError(
            f"there are {math.comb(dim, code_size)} codes of {code_size} of {dim} units, more than {ENUMERABLE}: draw some"
        )
    return Codes(torch.tensor(list(itertools.combinations(range(dim), code_size))), dim)


def enumerated(sizes: Sequence[tuple[int, int]]) -> pl.DataFrame:
    """The overlap of every code with every code, itself included: ``dim, code_size, overlap_level, overlap_law``.

    One row a size ``(dim, code_size)`` and possible overlap; ``overlap_law`` is the share of pairs that have it. Raises as
    :func:`every`.
    """
    rows = []
    for dim, code_size in sizes:
        listed = every(dim, code_size)
        counts = torch.bincount(probes.overlaps(listed).flatten(), minlength=code_size + 1).double()
        rows += [(dim, code_size, overlap, float(count) / len(listed) ** 2) for overlap, count in enumerate(counts)]
    return pl.DataFrame(rows, schema=["dim", "code_size", "overlap_level", "overlap_law"], orient="row")


def pairs(dim: int, code_size: int, trials: int, *, generator: Generator) -> Int[Tensor, " trials"]:
    """Overlaps of independent pairs of random codes. Raises as :func:`cls_toys.codes.random`."""
    sizes = _chunks(trials, max(1, CHUNK // max(1, code_size)))
    drawn = [[codes.random(size, dim, code_size, generator=generator) for _ in range(2)] for size in sizes]
    return torch.cat([probes.overlap(*both) for both in drawn])


def _chunks(total: int, most: int) -> list[int]:
    return [min(most, total - done) for done in range(0, total, most)] or [total]


def tail(dim: int, code_size: int, level: int) -> float:
    r"""Probability that two random codes share at least ``level`` units, from the exact hypergeometric distribution.

    .. math:: \Pr(O \geq O_0) = \sum_{s \geq O_0} \binom ks \binom{d-k}{k-s} \Big/ \binom dk

    Raises ``ValueError`` unless ``1 <= code_size <= dim``.

    >>> round(tail(5, 2, 2), 12)  # one in ten: there are ten codes
    0.1
    """
    _check(dim, code_size)
    return float(stats.hypergeom.sf(level - 1, dim, code_size, code_size))


def moments(dim: int) -> pl.DataFrame:
    """``dim, code_size, mean_square_overlap`` for all code sizes up to ``dim``, by summing the exact distribution.

    Raises ``ValueError`` on ``dim`` below 1.
    """
    _check(dim, 1)
    sizes = np.arange(1, dim + 1)
    shared = np.arange(dim + 1)[:, None]
    chances = stats.hypergeom.pmf(shared, dim, sizes, sizes)  # [overlap, size]
    return pl.DataFrame(
        {"dim": dim, "code_size": sizes, "mean_square_overlap": (chances * (shared / sizes) ** 2).sum(0)}
    )


def tails(dims: Sequence[int]) -> pl.DataFrame:
    """``dim, code_size, overlap_level, overlap_tail`` for every size and every level from 1 that it can reach.

    By summing the exact distribution from its far end, where the numbers are small. Raises ``ValueError`` on a dimension
    below 1.
    """
    tables = []
    for dim in dims:
        _check(dim, 1)
        sizes, shared = np.arange(1, dim + 1), np.arange(dim + 1)[:, None]
        tail = stats.hypergeom.pmf(shared, dim, sizes, sizes)[::-1].cumsum(0)[::-1]  # [overlap, size]
        level, size = np.nonzero((shared >= 1) & (shared <= sizes))
        tables.append(
            pl.DataFrame(
                {"dim": dim, "code_size": sizes[size], "overlap_level": level, "overlap_tail": tail[level, size]}
            )
        )
    return pl.concat(tables)


def alike(dim: int, code_size: int, correlation: float, trials: int, *, generator: Generator) -> Int[Tensor, " trials"]:
    r"""Overlaps of two codes whose units are driven alike: the winners of two inputs of that correlation.

        .. math:: 	ext{drive}_i = \sqrt{
    ho_x}\, c + \sqrt{1 -
    ho_x}\, e_i

        with Gaussian c, common to both, and e. Raises ``ValueError`` on a correlation outside [0, 1], and unless
        ``1 <= code_size <= dim``.
    """
    _check(dim, code_size)
    if not 0 <= correlation <= 1:
        raise ValueError(f"correlation={correlation}: what two inputs have in common is a share, from 0 to 1")
    common, *own = torch.randn(3, trials, dim, generator=generator, dtype=DTYPE)
    both = [correlation**0.5 * common + (1 - correlation) ** 0.5 * each for each in own]
    return probes.overlap(*(codes.winners(drive, code_size) for drive in both))


class Crowd(NamedTuple):
    """All pairs of many draws of ``n_items`` codes, one row a cell."""

    cells: pl.DataFrame  # n_items, dim, code_size, overlap_level, overlap_tail
    reached: Int[Tensor, "cells trials"]  # pairs that share at least that many units
    largest: Int[Tensor, "sizes trials"]  # overlap of the two that share most


def crowd(
    sizes: Sequence[tuple[int, int, int]], levels: Sequence[Sequence[int]], trials: int, *, generator: Generator
) -> Crowd:
    """Count the pairs that reach each of the levels among all pairs of codes, in many draws.

    Each of the ``sizes`` is ``(n_items, dim, code_size)`` and has levels of its own, at least 1, which share the
    draws. Raises ``ValueError`` on fewer than two items, on no trials, on other levels or not as many lists of them as
    sizes, and as :func:`cls_toys.codes.random`.
    """
    if trials < 1 or len(sizes) != len(levels) or any(items < 2 for items, _, _ in sizes):
        raise ValueError(
            f"trials={trials}, sizes={list(sizes)} and {len(levels)} lists of levels: give at least one trial, two items, "
            "and levels for each size"
        )
    if any(level < 1 for wanted in levels for level in wanted):
        raise ValueError(f"levels={list(levels)}: every pair shares at least 0 units; ask for 1 or more")
    rows, reached, largest = [], [], []
    for (items, dim, code_size), wanted in zip(sizes, levels, strict=True):
        rows += [(items, dim, code_size, level, tail(dim, code_size, level)) for level in wanted]
        draws = _chunks(trials, max(1, CHUNK // (4 * items * code_size)))
        parts = [_crowd(draw, items, dim, code_size, wanted, generator) for draw in draws]
        largest.append(torch.cat([most for most, _ in parts]))
        reached.append(torch.cat([counts for _, counts in parts], dim=-1))
    names = ["n_items", "dim", "code_size", "overlap_level", "overlap_tail"]
    return Crowd(pl.DataFrame(rows, schema=names, orient="row"), torch.cat(reached), torch.stack(largest))


def _crowd(
    trials: int, items: int, dim: int, code_size: int, levels: Sequence[int], generator: Generator
) -> tuple[Int[Tensor, " trials"], Int[Tensor, "levels trials"]]:
    """Largest overlap, and pairs at each level, by one sparse product: units of different draws are different units."""
    active = codes.random(trials * items, dim, code_size, generator=generator).active
    draw = torch.arange(trials).repeat_interleave(items)
    places = (active + dim * draw[:, None]).flatten().numpy()
    starts = np.arange(0, len(places) + 1, code_size)
    code = scipy.sparse.csr_array((np.ones(len(places), dtype=np.int32), places, starts), (len(active), trials * dim))
    product = (code @ code.T).tocoo()
    row, column = product.coords
    shared, draw_of = product.data[row < column], row[row < column] // items
    counts = np.stack([np.bincount(draw_of[shared >= level], minlength=trials) for level in levels])
    most = np.zeros(trials, dtype=np.int64)
    np.maximum.at(most, draw_of, shared)
    return torch.from_numpy(most), torch.from_numpy(counts)


def levels(items: int, dim: int, code_size: int, fewest: float, most: float = 3.0) -> list[int]:
    """The levels, from 1, that between ``fewest`` and ``most`` pairs of random codes are expected to reach.

    >>> levels(200, 1000, 20, 0.01)
    [5, 6]
    """
    pairs_of = math.comb(items, 2)
    return [level for level in range(1, code_size + 1) if fewest <= pairs_of * tail(dim, code_size, level) <= most]


def safe(items: int, dim: int, code_size: int, delta: float) -> int:
    r"""The least level that the union bound lets some pair reach with probability at most ``delta``.

    .. math:: O_\delta = \min\{O_0 : \tbinom n2 \Pr(O \geq O_0) \leq \delta\}

    It is ``code_size + 1`` where even two equal codes are too probable. Raises ``ValueError`` on fewer than two items, on
    ``delta`` outside (0, 1), and unless ``1 <= code_size <= dim``.

    >>> safe(200, 1000, 20, 0.05)
    6
    """
    if items < 2 or not 0 < delta < 1:
        raise ValueError(
            f"items={items}, delta={delta}: give at least two items and a probability strictly between 0 and 1"
        )
    levels = range(1, code_size + 2)
    return next(level for level in levels if math.comb(items, 2) * tail(dim, code_size, level) <= delta)


def describe(code: Codes) -> dict[str, int | float]:
    """``n_items, dim, code_size, mean_overlap, largest_overlap`` of the pairs of different items.

    ``code_size`` is that of the first item. Raises ``ValueError`` on fewer than two items, and on items of unequal size.
    """
    if len(code) < 2 or not (code.sizes == code.sizes[0]).all():
        raise ValueError(
            f"{len(code)} codes of {code.sizes.unique().tolist()} active units: give two or more, all alike"
        )
    upper = torch.triu_indices(len(code), len(code), 1)
    shared = probes.overlaps(code)[*upper]
    return {
        "n_items": len(code), "dim": code.units, "code_size": int(code.sizes[0]),
        "mean_overlap": float(shared.double().mean()), "largest_overlap": int(shared.max()),
    }  # fmt: skip


def families(trials: int, *, generator: Generator) -> pl.DataFrame:
    """:func:`describe` for ``trials`` random families of codes in each of many small sizes, one row a family.

    In half of them the codes are drawn from a few, so that duplicates and large overlaps are common. Raises ``ValueError``
    on no trials.
    """
    if trials < 1:
        raise ValueError(f"trials={trials}: draw at least one family")
    tables = []
    for dim, code_size, items in itertools.product((4, 7, 12), (1, 2, 3, 4), (2, 3, 5, 8)):
        own = codes.random(trials * items, dim, code_size, generator=generator).dense().reshape(trials, items, dim)
        picked = torch.randint(0, min(items, 3), (trials // 2, items), generator=generator)
        own[: trials // 2] = own[: trials // 2].gather(1, picked[..., None].expand(-1, -1, dim))
        shared = (own @ own.mT)[:, *torch.triu_indices(items, items, 1)]  # [trials, pairs]
        usage = own.sum(1)
        tables.append(
            pl.DataFrame(
                {
                    "n_items": items, "dim": dim, "code_size": code_size,
                    "mean_overlap": shared.mean(-1).numpy(), "largest_overlap": shared.amax(-1).long().numpy(),
                    "balanced": (usage == usage[:, :1]).all(-1).numpy(),
                }
            )
        )  # fmt: skip
    return pl.concat(tables)


def ring(items: int, dim: int, code_size: int) -> Codes:
    """Windows of ``code_size`` neighbours on a ring of units, each beginning where the last one ends.

    Every unit is used equally often where ``dim`` divides ``items * code_size``. Raises ``ValueError`` on no items, and
    unless ``1 <= code_size <= dim``.

    >>> ring(3, 4, 2).active.tolist()
    [[0, 1], [2, 3], [0, 1]]
    """
    _check(dim, code_size)
    if items < 1:
        raise ValueError(f"items={items}: give at least one")
    starts = torch.arange(items)[:, None] * code_size
    return Codes(((starts + torch.arange(code_size)) % dim).sort(-1).values, dim)


def plane(order: int) -> Codes:
    """The lines of the projective plane of a prime order q: as many codes as units, q² + q + 1; any two share one unit.

    Each has q + 1 active units. Raises ``ValueError`` on an order that is no prime.

    >>> describe(plane(2))
    {'n_items': 7, 'dim': 7, 'code_size': 3, 'mean_overlap': 1.0, 'largest_overlap': 1}
    """
    if order < 2 or any(order % divisor == 0 for divisor in range(2, math.isqrt(order) + 1)):
        raise ValueError(f"order={order}: this construction needs a prime, for example 2, 3, 5 or 7")
    points = torch.tensor(
        [(1, y, z) for y in range(order) for z in range(order)] + [(0, 1, z) for z in range(order)] + [(0, 0, 1)]
    )
    return Codes.of((points @ points.T % order == 0).to(DTYPE))


def designed(orders: Sequence[int]) -> pl.DataFrame:
    """:func:`describe` for families that are chosen, one row each, with their ``family``.

    Projective planes of the given orders; windows on a ring of as many units and items, and side by side; all codes of the
    same set; all sets of two of so many units.
    """
    rows = []
    for order in orders:
        lines = plane(order)
        dim, code_size = lines.units, order + 1
        built = {
            "projective plane": lines,
            "windows on a ring": ring(dim, dim, code_size),
            "side by side": ring(dim // code_size, dim, code_size),
            "one set for all": lines[torch.zeros(dim, dtype=torch.long)],
            "all pairs of units": every(dim, 2),
        }
        rows += [{"family": name, **describe(code)} for name, code in built.items()]
    return pl.DataFrame(rows)


def excess(
    sizes: Sequence[tuple[int, int, int]], trials: int, *, generator: Generator
) -> Float[Tensor, "sizes trials"]:
    r"""Mean overlap of random codes above the least there can be, for sizes ``(n_items, dim, code_size)``.

    .. math:: \bar O - \bar O_{\min}, \qquad \bar O_{\min} = \frac{k(nk - d)}{d(n - 1)}

    From the usage of the units, without any pair: ``sum(usage * (usage - 1))`` counts the shared units of all ordered pairs.
    Raises ``ValueError`` on fewer than two items, and as :func:`cls_toys.codes.random`.
    """
    found = []
    for items, dim, code_size in sizes:
        if items < 2:
            raise ValueError(f"items={items}: the overlap of pairs needs at least two items")
        least = code_size * (items * code_size - dim) / (dim * (items - 1))
        drawn = codes.random(trials * items, dim, code_size, generator=generator).active
        places = drawn.reshape(trials, -1) + dim * torch.arange(trials)[:, None]
        usage = torch.bincount(places.flatten(), minlength=trials * dim).reshape(trials, dim).to(DTYPE)
        found.append((usage * (usage - 1)).sum(-1) / (items * (items - 1)) - least)
    return torch.stack(found)


def triples(dim: int, code_size: int) -> pl.DataFrame:
    """Three codes, all draws enumerated: how often all three pairs reach a level, and how often three independent ones would.

    One row a level: ``overlap_level``, and four shares of all draws. Raises as :func:`every`.
    """
    shared = probes.overlaps(every(dim, code_size))
    rows = []
    for level in range(1, code_size + 1):
        close = (shared >= level).to(DTYPE)
        total, one = len(close), float(close.mean())
        rows.append(
            {
                "overlap_level": level,
                "two pairs": float((close.sum(0) ** 2).sum()) / total**3,
                "two pairs, if independent": one**2,
                "all three": float((close * (close @ close)).sum()) / total**3,
                "all three, if independent": one**3,
            }
        )
    return pl.DataFrame(rows)
