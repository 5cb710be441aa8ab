r"""Pattern separation by sparse units: what two codes share, for two inputs of known correlation.

Units fire above a threshold, or as the k winners. A pair of standard normal drives of correlation :math:`\rho_x` stands behind
every unit; what the codes share is computed by quadrature, or counted in layers with random weights.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from scipy import special
from torch import Generator, Tensor

from cls_toys import codes
from cls_toys.keys import DTYPE
from cls_toys.probes import overlap

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_FAR = 6.0  # a drive that no unit exceeds
_REACH = 40.0  # e-folds after which an integrand no longer counts


def threshold(activity: Float[np.ndarray, "*shape"] | float) -> np.ndarray:
    r"""The threshold :math:`\theta_a` that a standard normal drive exceeds with probability ``activity``.

    Raises ``ValueError`` unless the activity lies strictly between 0 and 1: no unit, or all, would fire at every input.

    >>> threshold(0.5).item(), round(threshold(0.02).item(), 4)
    (0.0, 2.0537)
    """
    activity = np.asarray(activity, dtype=float)
    if not ((activity > 0) & (activity < 1)).all():
        raise ValueError(
            f"activity from {activity.min():g} to {activity.max():g}: give a share of units strictly between 0 and 1"
        )
    return np.asarray(0.0 - special.ndtri(activity))


def transfer(firing_threshold: np.ndarray | float, correlation: np.ndarray | float) -> np.ndarray:
    r"""Expected share of the active units that two inputs have in common, by quadrature over the drive beyond the threshold.

    .. math:: q_a = \frac{2}{a} \int_{\theta_a}^{\infty} \varphi(t)\, \bar\Phi(\kappa t)\, dt, \qquad \kappa = \sqrt{\frac{1-\rho_x}{1+\rho_x}}

    It is accurate relative to itself, at thresholds beyond which next to nothing fires, and for anticorrelated inputs, of
    which more than half active codes must share :math:`2 - 1/a`. Arguments are broadcast. Raises ``ValueError`` on a
    threshold that is not finite, and on a correlation outside -1 to 1.

    >>> round(transfer(0.0, 0.5).item(), 6), transfer(1.0, 1.0).item(), transfer(1.0, -1.0).item()
    (0.666667, 1.0, 0.0)
    """
    theta, rho = np.broadcast_arrays(*(np.asarray(given, dtype=float) for given in (firing_threshold, correlation)))
    if not np.isfinite(theta).all():
        raise ValueError("the firing threshold must be finite: beyond it no unit fires, or all do")
    _check_correlation(rho)
    above = np.abs(theta)  # a negative one is mirrored: what is silent takes the part of what fires
    kappa = np.sqrt((1 - rho) / np.maximum(1 + rho, np.finfo(float).tiny))
    reach = np.sqrt(above**2 + 2 * _REACH / (1 + kappa**2)) - above
    drive = above[..., None] + reach[..., None] * (1 + _NODES) / 2
    active = special.log_ndtr(-above)
    log_integrand = special.log_ndtr(-kappa[..., None] * drive) - drive**2 / 2 - active[..., None]
    share = reach / math.sqrt(2 * math.pi) * (np.exp(log_integrand) @ _WEIGHTS)
    share = np.where(rho == 1, 1.0, np.where(rho == -1, 0.0, np.minimum(share, 1.0)))
    silent, firing = special.ndtr(-above), special.ndtr(above)
    return np.where(theta < 0, (firing - silent + share * silent) / firing, share)


def change(firing_threshold: np.ndarray | float, distance: np.ndarray | float) -> np.ndarray:
    r"""Expected share of an item's active units that it loses as the input's correlation falls from 1 to ``1 - distance``.

    .. math:: 1 - q_a = \frac{1}{2\pi a} \int_0^{\arccos \rho_x} e^{-\theta_a^2/(1 + \cos\psi)} \, d\psi

    Unlike one less :func:`transfer` it keeps its digits for inputs that are nearly equal. Raises ``ValueError`` on a distance
    outside 0 to 1.

    >>> round(change(0.0, 1.0).item(), 6)
    0.5
    """
    theta, distance = np.broadcast_arrays(*(np.asarray(given, dtype=float) for given in (firing_threshold, distance)))
    if not ((distance >= 0) & (distance <= 1)).all():
        raise ValueError(f"distance from {distance.min():g} to {distance.max():g}: must lie between 0 and 1")
    angle = 2 * np.arcsin(np.sqrt(distance / 2))
    psi = angle[..., None] * (1 + _NODES) / 2
    integral = angle / 2 * (np.exp(-(theta[..., None] ** 2) / (1 + np.cos(psi))) @ _WEIGHTS)
    return np.asarray(integral / (2 * math.pi * special.ndtr(-theta)))


def output_correlation(firing_threshold: np.ndarray | float, correlation: np.ndarray | float) -> np.ndarray:
    r"""Correlation over the units of the codes of two inputs, :math:`\rho_z = (q_a - a)/(1 - a)`. Raises as :func:`transfer`."""
    activity = special.ndtr(-np.asarray(firing_threshold, dtype=float))
    return np.asarray((transfer(firing_threshold, correlation) - activity) / (1 - activity))


def pairs(count: int, *, largest: float = 0.5, generator: Generator) -> pl.DataFrame:
    """Random activities and input correlations, with what the codes share, one row a pair: for bounds to be tried on.

    Activities are log-uniform from 1e-6 to ``largest``; correlations uniform in [0, 1]. Columns ``code_activity,
    input_correlation, transfer, output_correlation``. Raises ``ValueError`` on ``count < 1`` and ``largest`` outside (1e-6, 1).
    """
    if count < 1 or not 1e-6 < largest < 1:
        raise ValueError(
            f"count={count}, largest={largest}: give at least one pair, and a largest activity in (1e-6, 1)"
        )
    uniform = torch.rand(2, count, generator=generator, dtype=DTYPE).numpy()
    activity, rho = 1e-6 * (largest / 1e-6) ** uniform[0], uniform[1]
    theta = threshold(activity)
    shared = transfer(theta, rho)
    return pl.DataFrame(
        {
            "code_activity": activity,
            "input_correlation": rho,
            "firing_threshold": theta,
            "transfer": shared,
            "output_correlation": (shared - activity) / (1 - activity),
        }
    )


class Counted(NamedTuple):
    """What codes share in random layers: one row of ``cells`` a setting, one layer a column."""

    cells: pl.DataFrame
    share: Float[Tensor, "cells trials"]


def counted(
    activities: Sequence[float],
    correlations: Sequence[float],
    units: int,
    trials: int,
    *,
    inputs: int = 8,
    kwta: bool = False,
    generator: Generator,
) -> Counted:
    """Overlap over expected active units in layers with Gaussian weights, of two inputs whose cosine is the correlation.

    With ``kwta`` the nearest whole number of units win, at least one, and ``code_activity`` is their share; otherwise a unit
    fires above its threshold. Every cell sees the same layers. Raises ``ValueError`` on no cells, fewer than two inputs,
    fewer than one unit or trial, an activity outside (0, 1) and a correlation outside [-1, 1].
    """
    if not activities or not correlations or min(units, trials) < 1 or inputs < 2:
        raise ValueError(
            f"{len(activities)} activities, {len(correlations)} correlations, units={units}, trials={trials}, inputs={inputs}: "
            "give at least one of each, and two inputs"
        )
    theta = threshold(np.array(activities))
    _check_correlation(np.array(correlations))
    share = torch.empty(len(activities), len(correlations), trials, dtype=DTYPE)
    sizes = [max(1, round(a * units)) for a in activities]
    for trial in range(trials):
        weights = torch.randn(units, inputs, generator=generator, dtype=DTYPE)
        basis = torch.linalg.qr(torch.randn(inputs, 2, generator=generator, dtype=DTYPE)).Q  # [inputs, 2]
        first, second = (weights @ basis).mT  # independent, of variance 1
        others = [rho * first + math.sqrt(1 - rho**2) * second for rho in correlations]
        drives = torch.stack([first, *others])
        for row, (size, above) in enumerate(zip(sizes, theta, strict=True)):
            if kwta:
                code = codes.winners(drives, size)
                first_code = codes.Codes(code.active[:1].expand(len(others), -1), units)
                share[row, :, trial] = overlap(first_code, code[1:]) / size
            else:
                fires = drives > float(above)
                share[row, :, trial] = (fires[0] & fires[1:]).sum(-1) / (activities[row] * units)
    cells = pl.DataFrame(
        {
            "code_activity": np.repeat([size / units for size in sizes] if kwta else activities, len(correlations)),
            "input_correlation": np.tile(correlations, len(activities)),
        }
    )
    return Counted(cells, share.reshape(-1, trials))


def pearson(code: codes.Codes, other: codes.Codes) -> Float[Tensor, " items"]:
    """Correlation of the two codes of each item over the units, from all their zeros and ones; NaN for a constant code.

    Raises ``ValueError`` unless both have as many items and units.

    >>> one, two = codes.Codes(torch.tensor([[0, 1]]), 4), codes.Codes(torch.tensor([[1, 2]]), 4)
    >>> pearson(one, two).item(), pearson(one, one).item()
    (0.0, 1.0)
    """
    if (len(code), code.units) != (len(other), other.units):
        raise ValueError(
            f"{len(code)} codes of {code.units} units and {len(other)} of {other.units}: give as many of as many units"
        )
    both = [dense - dense.mean(-1, keepdim=True) for dense in (code.dense(), other.dense())]
    products = [(left * right).sum(-1) for left, right in ((both[0], both[1]), (both[0], both[0]), (both[1], both[1]))]
    return products[0] / (products[1] * products[2]).sqrt()


class Moments(NamedTuple):
    """Expected share of the winners that two codes have in common, and the variance of the overlap for each unit."""

    share: float
    variance: float


def winner_moments(units: int, active: int, correlation: float) -> Moments:
    r"""Mean and variance of the overlap of two codes of k winners among finitely many units, exactly but for quadrature.

    A set of r units wins for both inputs if few enough of the others are driven more than its weakest member, whose two
    drives are the minima (x, y) of r pairs; how many are is multinomial:

    .. math:: \mathbb{E}\,(O)_r = (d)_r \int\!\!\int \Pr(A + B \le k - r,\, A + C \le k - r) \;
       \partial_x \partial_y P(x, y)^r \, dx \, dy,

    with P the probability that a unit exceeds both, A, B, C the numbers of others above x and y, above x only, above y only.
    Its cost grows as the square of ``active``. Raises ``ValueError`` unless ``1 <= active <= units``, and on a correlation outside
    [0, 1].

    >>> winner_moments(10, 4, 1.0), winner_moments(7, 7, 0.3)
    (Moments(share=1.0, variance=0.0), Moments(share=1.0, variance=0.0))
    """
    if not 1 <= active <= units:
        raise ValueError(f"units={units}, active={active}: give 1 <= active <= units")
    if not 0 <= correlation <= 1:
        raise ValueError(f"correlation={correlation}: the quadrature is for 0 to 1")
    if active == units or correlation == 1:
        return Moments(1.0, 0.0)
    if correlation == 0:  # two random subsets
        share = active / units
        return Moments(share, (share * (1 - share)) ** 2 * units / (units - 1))
    low = 0.0 - special.ndtri(special.betaincinv(active + 1.0, max(units - active - 1, 1), 1 - 1e-10))
    drive = low + (_FAR - low) * (1 + _NODES) / 2
    weight = np.outer(_WEIGHTS, _WEIGHTS) * ((_FAR - low) / 2) ** 2
    x, y = np.meshgrid(drive, drive, indexing="ij")
    both, tail = _both(x, y, correlation), special.ndtr(-drive)
    rest = math.sqrt(1 - correlation**2)
    normal = np.exp(-(drive**2) / 2) / math.sqrt(2 * math.pi)
    slope_x = -normal[:, None] * special.ndtr(-(y - correlation * x) / rest)
    slope_y = -normal[None, :] * special.ndtr(-(x - correlation * y) / rest)
    joint = np.exp(-(x**2 - 2 * correlation * x * y + y**2) / (2 * rest**2)) / (2 * math.pi * rest)
    mean = units * (weight * joint * _outdone(units - 1, active - 1, both, tail)).sum()
    pairs = 0.0
    if active > 1:
        minima = 2 * (slope_x * slope_y + both * joint)
        pairs = units * (units - 1) * (weight * minima * _outdone(units - 2, active - 2, both, tail)).sum()
    return Moments(float(mean / active), float((pairs + mean - mean**2) / units))


def _outdone(others: int, most: int, both: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Probability that at most ``most`` of the others exceed x, and at most ``most`` exceed y."""
    only_x, only_y = np.maximum(tail[:, None] - both, 0), np.maximum(tail[None, :] - both, 0)
    not_x = np.maximum(1 - both - only_x, 0)
    of_y = np.minimum(only_y / np.maximum(not_x, np.finfo(float).tiny), 1)
    logs = [np.log(np.maximum(chance, np.finfo(float).tiny)) for chance in (both, only_x, not_x)]
    total = np.zeros_like(both)
    for above_both in range(most + 1):
        for above_x in range(most - above_both + 1):
            left = others - above_both - above_x
            ways = (
                special.gammaln(others + 1)
                - special.gammaln(above_both + 1)
                - special.gammaln(above_x + 1)
                - special.gammaln(left + 1)
            )
            log_chance = ways + above_both * logs[0] + above_x * logs[1] + left * logs[2]
            counts = log_chance > -_REACH
            total[counts] += np.exp(log_chance[counts]) * special.bdtr(most - above_both, left, of_y[counts])
    return total


def _both(x: np.ndarray, y: np.ndarray, correlation: float) -> np.ndarray:
    """Probability that two standard normal variables exceed x and y, by Plackett's integral over the angle."""
    angle = math.asin(correlation) * (1 + _NODES) / 2
    exponent = -(x[..., None] ** 2 - 2 * x[..., None] * y[..., None] * np.sin(angle) + y[..., None] ** 2)
    integral = np.exp(exponent / (2 * np.cos(angle) ** 2)) @ _WEIGHTS * math.asin(correlation) / 2
    return special.ndtr(-x) * special.ndtr(-y) + integral / (2 * math.pi)


def _check_correlation(rho: np.ndarray) -> None:
    if not ((rho >= -1) & (rho <= 1)).all():
        raise ValueError(f"correlation from {rho.min():g} to {rho.max():g}: must lie between -1 and 1")
