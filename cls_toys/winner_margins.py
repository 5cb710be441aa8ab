r"""The margin between the last of k winners and the first loser, of independent drives: drawn, and by exact order statistics.

.. math:: \gamma = u_{(k)} - u_{(k+1)}, \qquad u_{(1)} \geq u_{(2)} \geq \dots \geq u_{(d)}
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from scipy import integrate, special
from torch import Generator, Tensor

from cls_toys.keys import DTYPE

Law = Literal["gaussian", "exponential"]
_CHUNK = 2**22  # drives held at a time


def _check(units: int, active: int) -> None:
    if not 1 <= active < units:
        raise ValueError(
            f"active={active}, units={units}: a margin needs 1 <= active < units, so that some unit wins and some loses"
        )


def drawn(
    units: int, active: int, trials: int, law: Law = "gaussian", *, generator: Generator
) -> Float[Tensor, " trials"]:
    """Margins of ``trials`` random layers of independent drives with standard deviation 1.

    Raises ``ValueError`` unless ``1 <= active < units`` and ``trials >= 1``, and on an unknown law.
    """
    _check(units, active)
    if trials < 1 or law not in get_args(Law):
        raise ValueError(f"trials={trials}, law={law!r}: draw at least one, of {' or '.join(get_args(Law))}")
    parts = []
    for size in torch.arange(trials).split(max(1, _CHUNK // units)):
        drive = torch.empty(len(size), units, dtype=DTYPE)
        drive = drive.normal_(generator=generator) if law == "gaussian" else drive.exponential_(generator=generator)
        top = drive.topk(active + 1).values
        parts.append(top[:, -2] - top[:, -1])
    return torch.cat(parts)


def mean(units: int, active: int) -> float:
    r"""Expected margin of independent standard Gaussian drives, exact at any width, by quadrature.

    .. math:: \mathbb{E}\,\gamma = \binom{d}{k} \int \Phi(u)^{d-k} \bar\Phi(u)^k \, du

    It is the expected length of the stretch of the line that has exactly k of the d drives above it. Raises ``ValueError``
    unless ``1 <= active < units``.

    >>> round(mean(2, 1), 9), round(2 / math.pi**0.5, 9)  # the mean range of two
    (1.128379167, 1.128379167)
    """
    _check(units, active)
    log_choose = -special.betaln(units - active + 1, active + 1) - math.log(units + 1)

    def inside(u: float) -> float:
        return math.exp(log_choose + (units - active) * special.log_ndtr(u) + active * special.log_ndtr(-u))

    return _integral(inside, units, active)


def tail(units: int, active: int, beyond: float) -> float:
    r"""Probability that the margin of standard Gaussian drives exceeds ``beyond``, exact at any width, by quadrature.

    .. math:: \Pr(\gamma > g) = (d - k) \binom{d}{k} \int \Phi(u)^{d-k-1} \varphi(u)\, \bar\Phi(u + g)^k \, du

    The density is that of the largest loser. Raises ``ValueError`` unless ``1 <= active < units`` and ``beyond >= 0``.
    """
    _check(units, active)
    if not beyond >= 0:
        raise ValueError(f"beyond={beyond}: a margin is never negative, give at least 0")
    log_choose = -special.betaln(units - active + 1, active + 1) - math.log(units + 1) + math.log(units - active)

    def inside(u: float) -> float:
        density = -u * u / 2 - math.log(2 * math.pi) / 2
        return math.exp(
            log_choose + (units - active - 1) * special.log_ndtr(u) + density + active * special.log_ndtr(-u - beyond)
        )

    return _integral(inside, units, active)


def _integral(inside: Callable[[float], float], units: int, active: int) -> float:
    """Over the line, with the threshold's neighbourhood resolved: there all the weight is in wide layers."""
    share = (active + 0.5) / (units + 1)
    centre = float(-special.ndtri(share))
    width = math.sqrt(share * (1 - share) / units) / math.exp(-centre * centre / 2) * math.sqrt(2 * math.pi)
    edges = [centre - 40 * width, *(centre + width * np.arange(-10, 11, 2)), centre + 40 * width]
    pieces = [integrate.quad(inside, low, high, epsabs=0, epsrel=1e-11)[0] for low, high in itertools.pairwise(edges)]
    return math.fsum(pieces)


def by_size(sizes: Sequence[int], share: float, ratios: Sequence[float]) -> pl.DataFrame:
    r"""One row a width: ``dim``, ``code_size``, the exact ``mean_margin``, and a column a ratio with the exact tail.

    The tail at ratio :math:`\xi` is the probability that the margin exceeds :math:`\xi/(d\,\varphi(\theta))`, where
    the share :math:`a` of a Gaussian exceeds :math:`\theta`. Raises ``ValueError`` as :func:`mean`, and where ``share``
    times a size is no whole number.
    """
    rows = []
    for units in sizes:
        active = round(share * units)
        if not math.isclose(active, share * units, rel_tol=1e-9):
            raise ValueError(f"share={share} of {units} units is no whole number: give sizes for which it is")
        threshold = special.ndtri(1 - share)
        scale = math.sqrt(2 * math.pi) * math.exp(threshold**2 / 2) / units
        rows.append(
            {"dim": units, "code_size": active, "mean_margin": mean(units, active)}
            | {f"tail {ratio:g}": tail(units, active, ratio * scale) for ratio in ratios}
        )
    return pl.DataFrame(rows)
