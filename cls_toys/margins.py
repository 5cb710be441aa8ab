"""What a margin protects against: the items that one write flips, and the interference that many writes add up to."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import optimise, probes
from cls_toys.interference import check_unit, chunks


def flipped_by_one(keys: Float[Tensor, "*draws items dim"], margin: float) -> Int[Tensor, "*draws items"]:
    """How many other items the local write of unit size at each item flips: those it moves by more than the margin.

    Keys must have norm 1. Raises ``ValueError`` on a margin that is not positive, and on bad keys.
    """
    probes.check_keys(keys)
    _check_margin(margin)
    overlap = (keys @ keys.mT).abs()
    overlap.diagonal(dim1=-2, dim2=-1).zero_()
    return (overlap > margin).sum(-1)


def flips(codes: Mapping[str, Float[Tensor, "_ _"]], margins: Sequence[float]) -> pl.DataFrame:
    """One row an item, margin and code of unit keys: ``code, margin, n_flipped, blast_radius, compression``."""
    tables = []
    for name, keys in codes.items():
        check_unit(name, keys)
        blast = (keys @ keys.T).square().fill_diagonal_(0).sum(-1)
        for margin in margins:
            tables.append(pl.DataFrame({
                "code": name, "margin": margin, "n_flipped": flipped_by_one(keys, margin).numpy(),
                "blast_radius": blast.numpy(), "compression": len(keys) / int(probes.rank(keys)),
            }))  # fmt: skip
    return pl.concat(tables)


def random_flipped_by_one(
    items: int, dim: int, margins: Sequence[float], trials: int, *, generator: Generator
) -> Float[Tensor, "margins trials"]:
    """:func:`flipped_by_one`, mean over the items, in draws of unit keys; one row a margin.

    Raises ``ValueError`` on a margin that is not positive, no margin, no item, no dimension and no trial.
    """
    if not len(margins):
        raise ValueError("no margin is given: give at least one")
    for margin in margins:
        _check_margin(margin)
    parts = []
    for draws in chunks(trials, items * items):
        keys = make.unit(draws * items, dim, generator=generator).reshape(draws, items, dim)
        parts.append(torch.stack([flipped_by_one(keys, margin).to(keys.dtype).mean(-1) for margin in margins]))
    return torch.cat(parts, dim=-1)


def unit_writes(keys: Float[Tensor, "items dim"], rule: str) -> Float[Tensor, "items dim"]:
    """Row i is the write at item i under the rule ``local`` or ``optimal``, so long that it moves its item by 1.

    Raises ``ValueError`` on another rule, and on a zero key, which no write moves.
    """
    if rule not in ("local", "optimal"):
        raise ValueError(f"rule={rule!r}: must be local or optimal")
    if not probes.nonzero_keys(keys).all():
        raise ValueError("some keys are zero, and no write moves their items: leave them out")
    return unit_hit(keys, keys if rule == "local" else probes.optimal_directions(keys))


def unit_hit(keys: Float[Tensor, "items dim"], directions: Float[Tensor, "items dim"]) -> Float[Tensor, "items dim"]:
    """The directions scaled such that each moves its item by 1."""
    return directions / (directions * keys).sum(-1, keepdim=True)


def mean_square(keys: Float[Tensor, "items dim"], writes: Float[Tensor, "items dim"], number: int) -> float:
    r"""Mean squared interference at the items outside a random set of ``number`` that are written, each with a random sign.

    .. math:: \mathbb{E}\,\overline{\zeta^2}
       = \frac{1}{n - N} \sum_{i \neq j} \Pr(i \in S, j \notin S)\, (v_i^\top k_j)^2

    Exact: over all sets and signs, of which it needs to draw none. ``writes[i]`` moves item i by 1. Raises ``ValueError``
    unless some items are written and some are not, on bad keys, and where there is not one write an item.
    """
    _check_writes(keys, writes)
    items = len(keys)
    _check_number(number, items)
    moved = (writes @ keys.T).square().fill_diagonal_(0)
    inside_outside = number * (items - number) / (items * (items - 1))
    return float(inside_outside * moved.sum() / (items - number))


def sample(
    keys: Float[Tensor, "items dim"],
    writes: Float[Tensor, "items dim"],
    number: int,
    trials: int,
    *,
    generator: Generator,
) -> Float[Tensor, " trials"]:
    """Mean squared interference outside the written set, after writing random sets with random signs.

    Raises ``ValueError`` on fewer than one trial, and as :func:`mean_square` does.
    """
    _check_writes(keys, writes)
    _check_number(number, len(keys))
    parts = []
    for draws in chunks(trials, len(keys)):
        signs = _signed_sets(draws, len(keys), number, generator)
        moved = ((signs @ writes) @ keys.T).square_().masked_fill_(signs != 0, 0)
        parts.append(moved.sum(-1) / (len(keys) - number))
    return torch.cat(parts)


class Sustained(NamedTuple):
    """Mean squared interference of many writes; a cell is a code, a rule and a number of writes."""

    cells: pl.DataFrame  # code, rule, n_writes, n_items, rank, compression, mean_collateral, mean_square, condition
    sampled: Float[Tensor, "cells trials"]


def sustained(
    codes: Mapping[str, Float[Tensor, "_ _"]], numbers: Sequence[int], trials: int, *, generator: Generator
) -> Sustained:
    """Local and optimal writes at random sets of items: the exact mean square of each code, and samples of it.

    Only numbers of writes below the number of items count. Raises ``ValueError`` on a zero key.
    """
    rows, sampled = [], []
    for name, keys in codes.items():
        rank = int(probes.rank(keys))
        for rule in ("local", "optimal"):
            writes = unit_writes(keys, rule)
            of_code = {
                "code": name, "rule": rule, "n_items": len(keys), "rank": rank, "compression": len(keys) / rank,
                "mean_collateral": float((1 / probes.writability(keys, writes) - 1).mean()),
                "condition": float(probes.condition(keys)),
            }  # fmt: skip
            for number in (number for number in numbers if number < len(keys)):
                rows.append(of_code | {"n_writes": number, "mean_square": mean_square(keys, writes, number)})
                sampled.append(sample(keys, writes, number, trials, generator=generator))
    return Sustained(pl.DataFrame(rows), torch.stack(sampled))


def random_flips(
    items: int, dim: int, numbers: Sequence[int], margin: float, trials: int, *, generator: Generator
) -> Float[Tensor, "numbers trials"]:
    """How many of all items the local writes at other items flip; every trial draws keys, set and signs anew.

    One row for each number of writes, on the same keys. Raises ``ValueError`` on a margin that is not positive, on no
    number of writes, and on fewer than one or more than there are items.
    """
    _check_margin(margin)
    if not len(numbers) or not all(1 <= number <= items for number in numbers):
        raise ValueError(
            f"numbers={list(numbers)}: from 1 to all {items} items can be written; give at least one number"
        )
    parts = []
    for draws in chunks(trials, items * dim):
        keys = make.unit(draws * items, dim, generator=generator).reshape(draws, items, dim)
        flips = []
        for number in numbers:
            signs = _signed_sets(draws, items, number, generator)
            moved = (keys @ (signs[:, None] @ keys).mT)[..., 0] - signs  # less its own write, of size 1
            flips.append((moved.abs() > margin).sum(-1).to(keys.dtype))
        parts.append(torch.stack(flips))
    return torch.cat(parts, dim=-1)


def informed(
    keys: Float[Tensor, "items dim"], number: int, trials: int, *, generator: Generator
) -> Float[Tensor, " trials"]:
    """Mean squared interference outside random sets, mean over the signs, if each write is the best one for the set.

    Such a rule sees the set before it writes: each write spares the items outside it, and only those. Raises
    ``ValueError`` unless some items are written and some are not, on bad keys, and on fewer than one trial.
    """
    probes.check_keys(keys)
    if trials < 1:
        raise ValueError(f"trials={trials}: measure at least once")
    items = len(keys)
    _check_number(number, items)
    found = []
    for _ in range(trials):
        order = torch.randperm(items, generator=generator)
        spared = keys[order[number:]]
        against = torch.stack([torch.cat((key[None], spared)) for key in keys[order[:number]]])
        collateral = 1 / probes.leverage(against)[:, 0] - 1
        found.append(collateral.sum() / (items - number))
    return torch.stack(found)


def search(
    items: int, dim: int, *, starts: int, generator: Generator, steps: int = 500
) -> list[tuple[Float[Tensor, "items dim"], Float[Tensor, "items dim"]]]:
    """Codes, and a write for each item that moves it by 1, with as little interference as a search over both finds.

    It minimises the exact :func:`mean_square` of one write by L-BFGS from random starts, and knows nothing of the bound.
    Raises ``ValueError`` on fewer than two items, on no dimension, and on no start.
    """
    if items < 2 or starts < 1:
        raise ValueError(f"items={items}, starts={starts}: interference takes two items, and a search a start")

    def interference(both: Tensor) -> Tensor:
        keys, directions = both
        moved = (directions @ keys.T).square()
        return (moved.sum(-1) / moved.diagonal() - 1).mean() / (items - 1)

    found = []
    for _ in range(starts):
        start = torch.stack([make.gaussian(items, dim, generator=generator) for _ in range(2)])
        keys, directions = optimise.minimise(interference, start, steps)
        found.append((keys, unit_hit(keys, directions)))
    return found


def searched(
    sizes: Sequence[tuple[int, int]], numbers: Sequence[int], *, starts: int, generator: Generator
) -> pl.DataFrame:
    """One row a search and number of writes: ``code, rule, n_writes, n_items, rank, compression, mean_square, condition``."""
    rows = []
    for items, dim in sizes:
        for start, (keys, writes) in enumerate(search(items, dim, starts=starts, generator=generator), 1):
            rank = int(probes.rank(keys))
            of_code = {
                "code": f"{items} items, {dim} dimensions, search {start}", "rule": "searched", "n_items": items,
                "rank": rank, "compression": items / rank, "condition": float(probes.condition(keys)),
            }  # fmt: skip
            rows += [
                of_code | {"n_writes": n, "mean_square": mean_square(keys, writes, n)} for n in numbers if n < items
            ]
    return pl.DataFrame(rows)


def safe_writes(items: int, dim: int, margin: float, tolerated: float) -> float:
    r"""Number of local writes at random keys after which no more than so many items are expected to be flipped.

    .. math:: N = \frac{\tau^2 d}{2 \ln(2n/F_0)}

    Raises ``ValueError`` unless margin and tolerated number are positive, and the latter below ``2 items``.
    """
    _check_margin(margin)
    if not 0 < tolerated < 2 * items:
        raise ValueError(f"tolerated={tolerated}: must be positive and below twice the number of items ({items})")
    return margin**2 * dim / (2 * math.log(2 * items / tolerated))


class Safe(NamedTuple):
    """Flips after as many writes as are safe; a cell is a size."""

    cells: pl.DataFrame  # n_items, dim, n_writes, safe_writes
    flips: Float[Tensor, "cells trials"]


def safe(
    sizes: Sequence[tuple[int, int]], margin: float, tolerated: float, trials: int, *, generator: Generator
) -> Safe:
    """:func:`random_flips` after the whole number of :func:`safe_writes`, at those sizes where it is at least 1.

    Raises ``ValueError`` where that is no size at all.
    """
    rows, found = [], []
    for items, dim in sizes:
        number = safe_writes(items, dim, margin, tolerated)
        if number >= 1:
            rows.append({"n_items": items, "dim": dim, "n_writes": int(number), "safe_writes": number})
            found.append(random_flips(items, dim, [int(number)], margin, trials, generator=generator)[0])
    if not found:
        raise ValueError(
            f"margin={margin}: not one write is safe at sizes {list(sizes)}; give a larger one, or more dimensions"
        )
    return Safe(pl.DataFrame(rows), torch.stack(found))


def _signed_sets(draws: int, items: int, number: int, generator: Generator) -> Float[Tensor, "draws items"]:
    """Random signs at a random set of ``number`` items in each draw, 0 elsewhere."""
    members = torch.rand(draws, items, generator=generator, dtype=make.DTYPE).topk(number, dim=-1).indices
    signs = 2 * torch.randint(2, (draws, number), generator=generator, dtype=make.DTYPE) - 1
    return torch.zeros(draws, items, dtype=make.DTYPE).scatter_(1, members, signs)


def _check_margin(margin: float) -> None:
    if not 0 < margin < math.inf:
        raise ValueError(f"margin={margin}: must be positive and finite")


def _check_writes(keys: Tensor, writes: Tensor) -> None:
    probes.check_keys(keys)
    if writes.shape != keys.shape:
        raise ValueError(f"writes {tuple(writes.shape)} and keys {tuple(keys.shape)}: give one write an item")


def _check_number(number: int, items: int) -> None:
    if not 1 <= number < items:
        raise ValueError(f"{number} writes at {items} items: some must be written, and some left over")
