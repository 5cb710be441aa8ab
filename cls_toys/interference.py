r"""Interference: what the items that are active together add up to at an item that is not.

.. math:: \zeta_i = \sum_{j \in S} \omega_j \langle k_i, k_j \rangle
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import probes

Family = Literal["sphere", "signs"]
NUMBERS_AT_A_TIME = 500_000  # what fits a cache: larger blocks are slower


def chunks(trials: int, numbers: int) -> list[int]:
    """How many trials to make at a time, where each holds so many numbers; they sum to ``trials``.

    Raises ``ValueError`` on fewer than one trial, and on trials that hold nothing.
    """
    if trials < 1:
        raise ValueError(f"trials={trials}: measure at least once")
    if numbers < 1:
        raise ValueError(f"a trial of {numbers} numbers: give at least one item and one dimension")
    size = max(1, NUMBERS_AT_A_TIME // numbers)
    return [min(size, trials - done) for done in range(0, trials, size)]


def random_unit(shape: tuple[int, ...], family: Family, *, generator: Generator) -> Tensor:
    r"""Independent unit keys: uniform on the sphere, or with random coordinates :math:`\pm 1/\sqrt d`.

    ``shape`` ends with the dimension of the keys. Raises ``ValueError`` on another family.
    """
    if family not in get_args(Family):
        raise ValueError(f"family={family!r}: must be one of {', '.join(get_args(Family))}")
    *batch, dim = shape
    if family == "sphere":
        return make.unit(math.prod(batch), dim, generator=generator).reshape(shape)
    return (2 * torch.randint(2, shape, generator=generator, dtype=make.DTYPE) - 1) / math.sqrt(dim)


def of_random_keys(
    dim: int, active: int, trials: int, family: Family = "sphere", *, generator: Generator
) -> Float[Tensor, " trials"]:
    """Interference of ``active`` items of amplitude 1 at another one; every trial draws all its keys anew.

    Raises ``ValueError`` on no dimension, no active item or no trial.
    """
    if dim < 1 or active < 1:
        raise ValueError(f"dim={dim}, active={active}: give at least one dimension and one active item")
    parts = []
    for draws in chunks(trials, (active + 1) * dim):
        keys = random_unit((draws, active + 1, dim), family, generator=generator)
        parts.append((keys[:, 1:].sum(1) * keys[:, 0]).sum(-1))
    return torch.cat(parts)


class Tails(NamedTuple):
    """Interference of random keys against thresholds. A size is a family, dimension and number of active items; a cell is
    a size at one threshold."""

    sizes: pl.DataFrame  # family, dim, n_active
    interference: Float[Tensor, "sizes trials"]
    cells: pl.DataFrame  # and deviations, threshold, gaussian_tail, gaussian_excess
    exceeds: Float[Tensor, "cells trials"]  # 1 where the interference exceeds the threshold on either side, else 0
    excess: Float[Tensor, "cells trials"]  # squared excess above the threshold


def gaussian_tail(deviations: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    r"""Probability :math:`2Q(a)` that a Gaussian exceeds so many standard deviations on either side.

    It predicts interference well and bounds nothing.

    >>> gaussian_tail(torch.tensor(2.0)).round(decimals=4)
    tensor(0.0455)
    """
    return torch.erfc(torch.as_tensor(deviations) / math.sqrt(2))


def gaussian_excess(deviations: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    r"""Mean squared excess of a standard Gaussian, :math:`(1 + a^2)Q(a) - a\phi(a)`."""
    a = torch.as_tensor(deviations)
    return (1 + a**2) * gaussian_tail(a) / 2 - a * (-(a**2) / 2).exp() / math.sqrt(2 * math.pi)


def tails(
    sizes: Sequence[tuple[Family, int, int]], deviations: Sequence[float], trials: int, *, generator: Generator
) -> Tails:
    r"""Measured at thresholds of so many standard deviations :math:`\sqrt{k/d}`, beside what a Gaussian would have there.

    Raises ``ValueError`` where there is no size or no threshold, on a negative or infinite threshold, and as
    :func:`of_random_keys` does.
    """
    if 0 in (len(sizes), len(deviations)):
        raise ValueError(f"{len(sizes)} sizes, {len(deviations)} thresholds: give at least one of each")
    if not all(0 <= a < math.inf for a in deviations):
        raise ValueError(f"deviations={list(deviations)}: thresholds must be finite and at least 0")
    rows, found, exceeds, excess = [], [], [], []
    for family, dim, active in sizes:
        drawn = of_random_keys(dim, active, trials, family, generator=generator)
        found.append(drawn)
        for a in torch.tensor(deviations, dtype=make.DTYPE):
            threshold = a * math.sqrt(active / dim)
            rows.append({
                "family": family, "dim": dim, "n_active": active, "deviations": float(a), "threshold": float(threshold),
                "gaussian_tail": float(gaussian_tail(a)), "gaussian_excess": float(active / dim * gaussian_excess(a)),
            })  # fmt: skip
            exceeds.append((drawn.abs() > threshold).to(drawn.dtype))
            excess.append((drawn - threshold).clamp_min(0).square())
    cells = pl.DataFrame(rows)
    return Tails(
        pl.DataFrame(sizes, schema=["family", "dim", "n_active"], orient="row"), torch.stack(found), cells,
        torch.stack(exceeds), torch.stack(excess),
    )  # fmt: skip


def of_nearest(keys: Float[Tensor, "items dim"], active: int) -> Float[Tensor, " items"]:
    """Interference at each item from those ``active`` others, with the signs, that make it largest.

    Raises ``ValueError`` where there are not that many others, and on bad keys.
    """
    probes.check_keys(keys)
    if not 1 <= active < len(keys):
        raise ValueError(f"active={active}: with {len(keys)} items, from 1 to {len(keys) - 1} others can be active")
    return (keys @ keys.T).abs().fill_diagonal_(0).topk(active, dim=-1).values.sum(-1)


def codes(items: int, dim: int, *, generator: Generator) -> dict[str, Float[Tensor, "_ dim"]]:
    """Unit keys by name: random, in antipodal pairs, a tight frame if there is one, nonnegative.

    Pairs are balanced, and need an even number of items: one is left out if it is odd. So is a tight frame, if ``dim`` is even
    and there are more items than dimensions. Raises ``ValueError`` on fewer than two items.
    """
    if items < 2:
        raise ValueError(f"items={items}: an antipodal pair takes two")
    half = make.unit(items // 2, dim, generator=generator)
    found = {
        "random": make.unit(items, dim, generator=generator),
        "antipodal pairs": torch.cat((half, -half)),
        "nonnegative": make.unit(items, dim, generator=generator).abs(),
    }
    return found | {"tight frame": make.harmonic_frame(items, dim)} if items >= dim else found


class Sparse(NamedTuple):
    """Squared interference in many draws of the active items; a cell is one code at one activity."""

    cells: (
        pl.DataFrame
    )  # code, activity, blast_radius, overlap_sum (of the first item), n_items, rank, mean_blast, balanced
    first: Float[Tensor, "cells trials"]  # at the first item
    mean: Float[Tensor, "cells trials"]  # mean over all items


def sparse(
    codes: Mapping[str, Float[Tensor, "_ _"]],
    activities: Sequence[float],
    trials: int,
    *,
    signed: bool = False,
    generator: Generator,
) -> Sparse:
    """Squared interference where every other item is active with some probability, with amplitude 1 (``signed``: or -1).

    Raises ``ValueError`` where there is no code or no activity, on an activity outside (0, 1], and on keys that are not of
    norm 1.
    """
    if 0 in (len(codes), len(activities)):
        raise ValueError(f"{len(codes)} codes, {len(activities)} activities: give at least one of each")
    for name, keys in codes.items():
        check_unit(name, keys)
    for activity in activities:
        _check_activity(activity)
    rows, first, mean = [], [], []
    for name, keys in codes.items():
        overlap = (keys @ keys.T).fill_diagonal_(0)
        for activity in activities:
            rows.append({
                "code": name, "activity": activity, "blast_radius": float(overlap[0].square().sum()),
                "overlap_sum": float(overlap[0].sum()), "n_items": len(keys), "rank": int(probes.rank(keys)),
                "mean_blast": float(overlap.square().sum() / len(keys)),
                "balanced": bool(keys.sum(0).norm() < 1e-9 * len(keys)),
            })  # fmt: skip
            parts = [_squared(keys, activity, draws, signed, generator) for draws in chunks(trials, len(keys))]
            first.append(torch.cat([part[:, 0] for part in parts]))
            mean.append(torch.cat([part.mean(-1) for part in parts]))
    return Sparse(pl.DataFrame(rows), torch.stack(first), torch.stack(mean))


def sparse_random(
    items: int, dim: int, activity: float, trials: int, *, generator: Generator
) -> Float[Tensor, " trials"]:
    """Squared interference, mean over all items; every trial draws its keys and its active items anew.

    Raises ``ValueError`` on an activity outside (0, 1], no item, no dimension and no trial.
    """
    _check_activity(activity)
    return torch.cat([
        _squared(random_unit((draws, items, dim), "sphere", generator=generator), activity, draws, False, generator).mean(-1)
        for draws in chunks(trials, items * dim)
    ])  # fmt: skip


def _squared(
    keys: Float[Tensor, "*draws items dim"], activity: float, trials: int, signed: bool, generator: Generator
) -> Float[Tensor, "trials items"]:
    """Of every item if the others are active at random, in ``draws`` key matrices or in one."""
    items = keys.shape[-2]
    amplitude = (torch.rand(trials, items, generator=generator, dtype=keys.dtype) < activity).to(keys.dtype)
    if signed:
        amplitude *= 2 * torch.randint(2, amplitude.shape, generator=generator, dtype=keys.dtype) - 1
    # [trials, items], of one key matrix or of one for each trial
    felt = (amplitude @ keys) @ keys.T if keys.ndim == 2 else (keys @ (amplitude[:, None] @ keys).mT)[..., 0]
    return (felt - amplitude).square_()  # an item of norm 1 does not count at itself


def _check_activity(activity: float) -> None:
    if not 0 < activity <= 1:
        raise ValueError(f"activity={activity}: a probability that an item is active lies above 0, and at 1 at most")


def check_unit(name: str, keys: Tensor) -> None:
    """Raise ``ValueError`` unless all keys of the code of that name have norm 1."""
    probes.check_keys(keys)
    if not torch.allclose(keys.norm(dim=-1), torch.ones(len(keys), dtype=keys.dtype)):
        raise ValueError(f"code {name!r}: keys must have norm 1; divide each by its norm")
