r"""What sparse codes cost and buy: how long memories last, and how well a noisy cue recalls them at each activity.

A unit's drives by a cue and by a memory are two standard normal variables of correlation rho; codes are k winners, or the
units above a threshold. The *signal* of a readout is the overlap of the codes of cue and memory, the *noise* their overlaps with
the codes of other memories, raw or less the mean activity.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from scipy import integrate, optimize, special
from torch import Generator, Tensor

from cls_toys import codes, keys, probes

Kind = Literal["winners", "threshold"]


def mean_square_overlap(dim: int, active: int | float) -> float:
    """Mean squared relative overlap of two random codes, with the number of active units as a continuous variable."""
    return 1 / dim + (active - 1) ** 2 / (dim * (dim - 1))


def _check_correlation(correlation: float) -> None:
    if not -1 <= correlation <= 1:
        raise ValueError(f"correlation={correlation}: give a correlation in [-1, 1]")


def drives(
    items: int, units: int, correlation: float, *, generator: Generator
) -> tuple[Float[Tensor, "items units"], Float[Tensor, "items units"]]:
    """Pairs of standard normal drives of this correlation. Raises ``ValueError`` outside [-1, 1]."""
    _check_correlation(correlation)
    one, own = (torch.randn(items, units, generator=generator) for _ in range(2))
    return one, correlation * one + math.sqrt(1 - correlation**2) * own


def centred_overlaps(
    units: int,
    activity: float,
    correlation: float,
    trials: int,
    *,
    kind: Kind = "winners",
    generator: Generator,
) -> Float[np.ndarray, " trials"]:
    r"""Centred overlaps of the codes of two correlated inputs, relative to the length of a centred code.

    .. math:: \frac{\sum_u (z_u - a)(z'_u - a)}{d\, a (1 - a)}

    ``winners`` are the ``activity * units`` units driven most; ``threshold`` codes hold the units above the threshold
    that gives the activity on average. Raises ``ValueError`` on an activity outside (0, 1), one that leaves no whole number of
    winners between 1 and ``units - 1``, and on a correlation outside [-1, 1].

    >>> centred_overlaps(50, 0.1, 1.0, 2, generator=torch.Generator().manual_seed(0)).round(12).tolist()
    [1.0, 1.0]
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind={kind!r}: must be one of {', '.join(get_args(Kind))}")
    active = round(activity * units)
    if not 0 < activity < 1 or (kind == "winners" and not 1 <= active < units):
        raise ValueError(
            f"activity={activity} of {units} units: give an activity in (0, 1), with at least one active and one silent unit"
        )
    measured = []
    step = max(1, 2**21 // units)
    for start in range(0, trials, step):
        pair = drives(min(step, trials - start), units, correlation, generator=generator)
        if kind == "winners":
            a, levels = active / units, [_least_winner(drive, active) for drive in pair]
        else:
            a, levels = activity, [-float(special.ndtri(activity))] * 2
        one, other = (drive >= level for drive, level in zip(pair, levels, strict=True))
        both, sizes = (one & other).sum(-1).double(), one.sum(-1) + other.sum(-1)
        measured.append(((both - a * sizes + units * a**2) / (units * a * (1 - a))).numpy())
    return np.concatenate(measured)


def _least_winner(drive: Float[Tensor, "items units"], active: int) -> Float[Tensor, "items one"]:
    """The drive of the winner that is driven least, in time proportional to the units: there are no ties to break."""
    place = drive.shape[-1] - active
    return torch.from_numpy(np.partition(drive.numpy(), place, axis=-1)[:, place : place + 1])


def random_overlaps(dim: int, active: int, trials: int, *, generator: Generator) -> pl.DataFrame:
    """Overlaps of pairs of independent random codes: ``dim, code_size, overlap, raw, centred``, the last two squared.

    ``raw`` is the squared relative overlap, ``centred`` the squared centred overlap relative to the lengths of both codes.
    Raises ``ValueError`` unless ``1 <= active < dim``.
    """
    if not 1 <= active < dim:
        raise ValueError(f"active={active}, dim={dim}: a centred code needs an active and a silent unit")
    one, other = (codes.random(trials, dim, active, generator=generator) for _ in range(2))
    shared = probes.overlap(one, other).double().numpy()
    centred = (shared - active**2 / dim) / (active * (1 - active / dim))
    return pl.DataFrame(
        {
            "dim": dim, "code_size": active, "overlap": shared, "raw": (shared / active) ** 2, "centred": centred**2,
        }
    )  # fmt: skip


def readout_noise(
    dim: int, active: int, memories: int, trials: int, *, generator: Generator
) -> Float[np.ndarray, " trials"]:
    """Squared answer of a Hebbian readout of ``memories`` random codes with values +1 and -1, at a code that is none of them."""
    stored = codes.random(trials * memories, dim, active, generator=generator).active.reshape(trials, -1)
    cue = codes.random(trials, dim, active, generator=generator).dense()
    values = torch.randint(0, 2, (trials, memories), generator=generator).double() * 2 - 1
    overlap = cue.gather(-1, stored).reshape(trials, memories, active).sum(-1)
    return (overlap / active * values).sum(-1).square().numpy()


def paths(
    dim: int,
    active: int,
    later: int,
    earlier: int,
    trials: int,
    *,
    shared: bool = False,
    values: int = 64,
    generator: Generator,
) -> Float[np.ndarray, "trials writes"]:
    r"""Squared error at a memory after 0, 1, ..., ``later`` more writes by the delta rule, one row a trial.

    What a :class:`~cls_toys.stores.sparse.SparseStore` does at rate 1, for all trials together. ``earlier`` writes were made
    before it. Codes are random, or all ``shared``; values are +1 and -1, and each trial averages
    over ``values`` outputs that have the codes in common. Raises ``ValueError`` on negative numbers of writes and on fewer
    than one trial.
    """
    if min(later, earlier) < 0 or trials < 1:
        raise ValueError(f"later={later}, earlier={earlier}, trials={trials}: give no negative numbers, and a trial")
    writes = earlier + 1 + later
    active_units = codes.random(trials * writes, dim, active, generator=generator).active.reshape(
        trials, writes, active
    )
    if shared:
        active_units = active_units[:, :1].expand(-1, writes, -1)
    targets = torch.randint(0, 2, (trials, writes, values), generator=generator).double() * 2 - 1
    places = active_units[..., None].expand(-1, -1, -1, values)  # [trials, writes, active, values]
    weight, found = torch.zeros(trials, dim, values, dtype=keys.DTYPE), []
    for write in range(writes):
        missing = targets[:, write] - weight.gather(1, places[:, write]).sum(1)  # [trials, values]
        weight.scatter_add_(1, places[:, write], (missing[:, None] / active).expand(-1, active, -1))
        if write >= earlier:
            kept = weight.gather(1, places[:, earlier]).sum(1)
            found.append((kept - targets[:, earlier]).square().mean(-1))
    return torch.stack(found, -1).numpy()


def promised(dim: int, active: int, tolerated: float) -> int:
    r"""Later writes that are promised to be harmless: the largest whole number up to :math:`\epsilon_F / 2 I(k)`.

    >>> promised(100, 5, 0.5), promised(100, 50, 0.5)
    (21, 0)
    """
    return int(tolerated / (2 * mean_square_overlap(dim, active)))


def survival(
    settings: Iterable[tuple[int, int, int]], tolerated: float, trials: int, *, generator: Generator
) -> pl.DataFrame:
    r"""One row a setting ``(dim, active, earlier)`` and trial: the error after as many writes as :func:`promised`.

    Columns: ``dim, code_size, n_earlier, n_writes, survivor_error``.
    """
    rows = []
    for dim, active, earlier in settings:
        later = promised(dim, active, tolerated)
        rows.append(
            pl.DataFrame(
                {
                    "dim": dim, "code_size": active, "n_earlier": earlier, "n_writes": later,
                    "survivor_error": paths(dim, active, later, earlier, trials, generator=generator)[:, -1],
                }
            )
        )  # fmt: skip
    return pl.concat(rows)


def mean_paths(
    settings: Iterable[tuple[str, dict[str, int]]], later: int, tolerated: float, trials: int, *, generator: Generator
) -> pl.DataFrame:
    """Mean of :func:`paths` for named settings, its other arguments: ``setting, n_writes, error, promised``."""
    tables = []
    for name, given in settings:
        mean = paths(later=later, trials=trials, generator=generator, **given).mean(0)
        tables.append(
            pl.DataFrame(
                {
                    "setting": name, "n_writes": np.arange(later + 1), "error": mean,
                    "promised": promised(given["dim"], given["active"], tolerated),
                }
            )
        )  # fmt: skip
    return pl.concat(tables)


def families(dim: int, items: Sequence[int], draws: int = 1, *, generator: Generator) -> pl.DataFrame:
    """Interference of several kinds of code at each number of items above ``dim``: ``family, dim, n_items, mean_square_cosine``.

    Random directions, random sparse codes (an eighth of the units active) raw and centred, tight frames, which are the real and
    imaginary parts of ``dim / 2`` harmonics, and the same blurred, each ``draws`` times. Raises ``ValueError`` on an odd ``dim``
    or one below 8, and on too few items.
    """
    if dim < 8 or dim % 2 or min(items) <= dim:
        raise ValueError(f"dim={dim}, items={list(items)}: give an even dim of at least 8, and more items than dim")
    rows = []
    for count in [count for count in items for _ in range(draws)]:
        active = codes.random(count, dim, dim // 8, generator=generator).dense()
        made = {
            "random directions": keys.unit(count, dim, generator=generator),
            "sparse codes": active,
            "sparse codes, centred": active - active.mean(-1, keepdim=True),
            "tight frame": harmonic_frame(count, dim),
            "blurred tight frame": harmonic_frame(count, dim) + 0.05 * keys.gaussian(count, dim, generator=generator),
        }
        for family, vectors in made.items():
            rows.append(
                {
                    "family": family, "dim": dim, "n_items": count, "mean_square_cosine": probes.mean_square_cosine(vectors),
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


def harmonic_frame(items: int, dim: int) -> Float[Tensor, "items dim"]:
    """Unit vectors of cosines and sines of ``dim / 2`` different frequencies: a tight frame for more than ``dim`` items."""
    angle = 2 * math.pi * torch.outer(torch.arange(items), torch.arange(1, dim // 2 + 1)).double() / items
    return torch.cat((angle.cos(), angle.sin()), dim=-1) * math.sqrt(2 / dim)


def transfer(activity: float, correlation: float) -> float:
    r"""Share of the active units of one input that a second input activates too, by quadrature.

    .. math:: q_a(\rho) = \frac1a \int_\theta^\infty \varphi(t)\, \bar\Phi\Big(\frac{\theta - \rho t}{\sqrt{1 - \rho^2}}\Big) dt

    It is a at correlation 0, 1 at 1, and at -1 what two opposite drives can share. Raises ``ValueError`` on an activity outside (0, 1) and a
    correlation outside [-1, 1].

    >>> round(transfer(0.5, 0.5), 6)  # 1/2 + arcsin(1/2)/pi
    0.666667
    """
    _check_correlation(correlation)
    if not 0 < activity < 1:
        raise ValueError(f"activity={activity}: give an activity strictly between 0 and 1")
    if abs(correlation) == 1:
        return 1.0 if correlation == 1 else max(0.0, (2 * activity - 1) / activity)
    level, scale = -float(special.ndtri(activity)), math.sqrt(1 - correlation**2)
    middle = max(level, 0.0) + 4
    parts = [
        integrate.quad(
            lambda t: math.exp(-t * t / 2) * special.ndtr((correlation * t - level) / scale),
            *ends,
            epsabs=0,
            epsrel=1e-12,
        )[0]
        for ends in ((level, middle), (middle, level + 40))
    ]
    return sum(parts) / math.sqrt(2 * math.pi) / activity


def raw_ratio(activity: float, dim: int, correlation: float) -> float:
    """Squared signal over the noise of one other memory, for a raw readout: squared transfer over mean squared overlap."""
    return transfer(activity, correlation) ** 2 / mean_square_overlap(dim, activity * dim)


def raw_optimum(dim: int, correlation: float) -> float:
    """The activity between ``1 / dim`` and one half with the largest :func:`raw_ratio`, by numerical search.

    Raises ``ValueError`` where the largest ratio is at an end of that range.
    """
    grid = np.geomspace(1 / dim, 0.5, 60)
    ratios = [raw_ratio(float(a), dim, correlation) for a in grid]
    place = int(np.argmax(ratios))
    if place in (0, len(grid) - 1):
        raise ValueError(
            f"dim={dim}, correlation={correlation}: the best activity is {grid[place]:.3g}, at the end of its range; give more units, or another correlation"
        )
    found = optimize.minimize_scalar(
        lambda log_a: -math.log(raw_ratio(math.exp(log_a), dim, correlation)),
        bounds=(math.log(grid[place - 1]), math.log(grid[place + 1])), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    return math.exp(found.x)


def raw_optima(cells: Iterable[tuple[int, float]]) -> pl.DataFrame:
    r"""One row a cell ``(dim, correlation)``: ``dim, input_correlation, best_activity, whole_units, noise_slope, hazard, leading``.

    ``whole_units`` is the best activity with a whole number of active units; ``noise_slope`` half the logarithmic slope of the
    mean squared overlap at the optimum, by finite differences; ``hazard`` and ``leading`` are two approximations,

    .. math:: \sqrt{\frac{s}{(1 - s) d}}, \quad s = \kappa \frac{h(\kappa\theta)}{h(\theta)} \text{ at the optimum},
       \qquad \sqrt{\frac{1 - \rho}{2 \rho d}} .
    """
    rows = []
    for dim, rho in cells:
        best = raw_optimum(dim, rho)
        near = max(1, int(best * dim) - 2)
        whole = max(range(near, near + 6), key=lambda k, d=dim, r=rho: raw_ratio(k / d, d, r)) / dim
        step = 1e-4
        ends = [math.log(mean_square_overlap(dim, dim * best * math.exp(sign * step))) for sign in (1, -1)]
        slope = hazard_slope(best, rho)
        rows.append(
            {
                "dim": dim, "input_correlation": rho, "best_activity": best, "whole_units": whole,
                "noise_slope": (ends[0] - ends[1]) / (4 * step), "hazard": math.sqrt(slope / (1 - slope) / dim),
                "leading": math.sqrt((1 - rho) / (2 * rho * dim)),
            }
        )  # fmt: skip
    return pl.DataFrame(rows)


def hazard_slope(activity: float, correlation: float) -> float:
    """Slope of the signal with the transfer replaced by the tail beyond the scaled threshold: kappa times a ratio of hazards."""
    kappa = math.sqrt((1 - correlation) / (1 + correlation))
    level = -float(special.ndtri(activity))
    return kappa * _hazard(kappa * level) / _hazard(level)


def _hazard(x: float) -> float:
    return math.sqrt(2 / math.pi) / float(special.erfcx(x / math.sqrt(2)))


def curve(dims: Sequence[int], correlations: Sequence[float], points: int = 40) -> pl.DataFrame:
    """:func:`raw_ratio` along a grid of activities, relative to its largest: ``dim, input_correlation, code_activity, ratio``."""
    rows = []
    for dim in dims:
        for rho in correlations:
            grid = np.geomspace(1 / dim, 0.5, points).tolist()
            ratios = np.array([raw_ratio(a, dim, rho) for a in grid])
            rows += [
                {"dim": dim, "input_correlation": rho, "code_activity": a, "ratio": float(ratio)}
                for a, ratio in zip(grid, ratios / ratios.max(), strict=True)
            ]
    return pl.DataFrame(rows)


def uncompensated(dim: int, noise: float, memories: int) -> dict[str, float]:
    r"""The best activity if the readout is not scaled up for the lost overlap: ``best_activity`` and ``approximation``.

    It minimises :math:`(1 - q_a)^2 + n I` at correlation 1 - ``noise``; for small noise it is near :math:`\sqrt{e/(\pi n)}`.
    """
    found = optimize.minimize_scalar(
        lambda log_a: (1 - transfer(math.exp(log_a), 1 - noise)) ** 2
        + memories * mean_square_overlap(dim, dim * math.exp(log_a)),
        bounds=(math.log(1 / dim), math.log(0.5)), method="bounded",
    )  # fmt: skip
    return {
        "cue_noise": noise, "n_items": memories, "best_activity": math.exp(found.x),
        "approximation": math.sqrt(noise / (math.pi * memories)),
    }  # fmt: skip


def centred_ratios(
    units: int,
    activities: Sequence[float],
    between: Sequence[float],
    within: float,
    trials: int,
    *,
    batches: int = 8,
    generator: Generator,
) -> pl.DataFrame:
    r"""One row an activity, a correlation ``between`` memories and a batch: squared signal over noise of a centred readout.

    .. math:: \frac{(\text{mean overlap of cue and memory})^2}{\text{mean squared overlap of cue and another memory}}

    with centred overlaps of k winners, and ``trials`` pairs a batch. Columns: ``code_activity, between, batch, ratio``.
    """
    rows = []
    for activity in activities:
        signal = centred_overlaps(units, activity, within, trials * batches, generator=generator)
        means = signal.reshape(batches, trials).mean(1)
        for rho in between:
            noise = centred_overlaps(units, activity, rho, trials * batches, generator=generator)
            squares = np.square(noise).reshape(batches, trials).mean(1)
            rows += [
                {"code_activity": activity, "between": rho, "batch": batch, "ratio": float(mean**2 / square)}
                for batch, (mean, square) in enumerate(zip(means, squares, strict=True))
            ]
    return pl.DataFrame(rows)


def centred_curve(
    units: int, between: Sequence[float], within: float, points: int = 60, least: float = 0.004
) -> pl.DataFrame:
    """Ratios of :func:`centred_ratios` for threshold codes, by quadrature: ``code_activity, between, ratio``.

    Activities from ``least`` to one half. The mean square of an overlap is that of its mean, and the variance of one unit over
    their number.
    """
    rows = []
    for a in np.geomspace(least, 0.5, points).tolist():
        signal = (transfer(a, within) - a) / (1 - a)
        for rho in between:
            both = a * transfer(a, rho)
            mean = (both - a**2) / (a * (1 - a))
            unit = np.array([(1 - a) ** 2, -a * (1 - a), a**2]) / (a * (1 - a))  # both active, one of them, none
            square = float(unit**2 @ [both, 2 * (a - both), 1 - 2 * a + both])
            rows.append(
                {
                    "code_activity": a,
                    "between": rho,
                    "ratio": signal**2 / (mean**2 + (square - mean**2) / units),
                }
            )
    return pl.DataFrame(rows)


def gain(table: pl.DataFrame, sparse: float, between: float, dense: float = 0.5) -> Float[np.ndarray, " batches"]:
    """Ratio of a sparse code over that of a dense one, batch by batch, from :func:`centred_ratios`."""
    at = [
        table.filter(pl.col("code_activity") == a, pl.col("between") == between)["ratio"].to_numpy()
        for a in (sparse, dense)
    ]
    return at[0] / at[1]
