r"""How much room an old loss leaves for new writes, from the eigenvalues of its curvature.

A move :math:`\delta` of the parameters raises the old loss by :math:`\tfrac12 \delta^\top \mathcal{H} \delta`; it may rise by
E, and moves are no longer than R. For a linear readout :math:`\mathcal{H}` is the second moment of the keys.
"""

import math
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy import optimize
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import optimise

BISECTIONS = 200  # of the ratio of two prices: more than float64 resolves


def check_budget(forgetting: float, radius: float, noise: float = 1.0) -> None:
    """Raise ``ValueError`` unless the budget and the noise are positive and finite, and the radius is positive."""
    if not (0 < forgetting < math.inf and radius > 0 and 0 < noise < math.inf):
        raise ValueError(
            f"forgetting={forgetting}, radius={radius}, noise={noise}: all must be positive, and only the radius may be infinite"
        )


def check_eigenvalues(eigenvalues: Tensor) -> Tensor:
    """The eigenvalues, with what rounding leaves of zero set to zero.

    Raises ``ValueError`` unless they are a finite floating-point vector, and none is negative beyond rounding.
    """
    if eigenvalues.ndim != 1 or len(eigenvalues) == 0 or not eigenvalues.is_floating_point():
        raise ValueError(
            f"eigenvalues have shape {tuple(eigenvalues.shape)} and dtype {eigenvalues.dtype}: give a floating-point vector of "
            "at least one"
        )
    if not torch.isfinite(eigenvalues).all():
        raise ValueError("eigenvalues hold NaN or infinity: every entry must be finite")
    rounding = len(eigenvalues) * torch.finfo(eigenvalues.dtype).eps * float(eigenvalues.abs().max())
    if float(eigenvalues.min()) < -rounding:
        raise ValueError(
            f"the least eigenvalue is {float(eigenvalues.min()):.3g}: a curvature at an optimum has none below 0; give the "
            "eigenvalues of a positive semidefinite matrix"
        )
    return torch.where(eigenvalues > rounding, eigenvalues, 0.0)


def free_dimensions(eigenvalues: Float[Tensor, " dim"], forgetting: float, radius: float) -> int:
    r"""Dimensions in which every move of length at most ``radius`` raises the old loss by at most ``forgetting``.

    .. math:: N_{\mathrm{free}} = \#\{\lambda_i \leq 2E / R^2\}

    At an infinite radius the null directions are left. Raises ``ValueError`` as the two checks above.

    >>> free_dimensions(torch.tensor([0.0, 1.0, 10.0]), forgetting=1.0, radius=1.0)
    2
    """
    check_budget(forgetting, radius)
    return int((check_eigenvalues(eigenvalues) <= 2 * forgetting / radius**2).sum())


def worst_cost(
    hessian: Float[Tensor, "dim dim"], span: Float[Tensor, "*batch dim m"], radius: float
) -> Float[Tensor, "*batch"]:
    r"""Most that a move of length ``radius`` within the span of the columns can cost, by the largest eigenvalue there."""
    basis = torch.linalg.qr(span).Q
    return torch.linalg.eigvalsh(basis.mT @ hessian @ basis)[..., -1] * radius**2 / 2


def flattest_found(
    hessian: Float[Tensor, "dim dim"], m: int, *, generator: Generator, steps: int = 100
) -> Float[Tensor, "dim m"]:
    """A basis of the subspace of ``m`` dimensions whose worst move costs least, by gradient descent from a random start.

    It minimises a smooth norm of the restricted curvature that tends to its largest eigenvalue, and computes no eigenvector.
    """
    scale = torch.linalg.matrix_norm(hessian)

    def norm(span: Tensor) -> Tensor:
        basis = torch.linalg.qr(span).Q
        restricted = basis.mT @ (hessian / scale) @ basis
        fourth = torch.linalg.matrix_power(restricted, 4)
        return fourth.square().sum().log() / 8

    return optimise.minimise(norm, make.gaussian(len(hessian), m, generator=generator), steps)


def harmless_found(hessian: Float[Tensor, "dim dim"], forgetting: float, radius: float, *, generator: Generator) -> int:
    """Dimensions of the largest harmless subspace that a search finds, in which no move within the radius forgets more.

    It knows no eigenvalue, so it can fall short of :func:`free_dimensions`, and not exceed it. Raises ``ValueError`` as there.
    """
    check_budget(forgetting, radius)
    costs = (
        float(worst_cost(hessian, flattest_found(hessian, m, generator=generator), radius))
        for m in range(1, len(hessian) + 1)
    )
    return sum(1 for _ in takewhile(lambda cost: cost <= forgetting, costs))


def rotated(eigenvalues: Float[Tensor, " dim"], *, generator: Generator) -> Float[Tensor, "dim dim"]:
    """A symmetric matrix with these eigenvalues, in random directions."""
    directions = torch.linalg.qr(make.gaussian(len(eigenvalues), len(eigenvalues), generator=generator)).Q
    return directions * eigenvalues @ directions.T


def log_volume_ball(dim: int) -> float:
    r"""Logarithm of the volume of the unit ball, :math:`\pi^{P/2} / \Gamma(P/2 + 1)`."""
    return dim / 2 * math.log(math.pi) - math.lgamma(dim / 2 + 1)


def mean_log_width(eigenvalues: Float[Tensor, " dim"], forgetting: float, radius: float) -> float:
    r"""Mean of :math:`\ln(\lambda_i / 2E + 1/R^2)`, which gives the volume of harmless moves to within half a bit a parameter.

    Raises ``ValueError`` on a budget out of range, and where the volume is infinite: a null direction, no radius.
    """
    check_budget(forgetting, radius)
    widths = check_eigenvalues(eigenvalues) / (2 * forgetting) + 1 / radius**2
    if not (widths > 0).all():
        raise ValueError("radius=inf with a null direction: the volume is infinite; give a finite radius")
    return float(widths.log().mean())


def volume_samples(
    hessian: Float[Tensor, "dim dim"], forgetting: float, radius: float, trials: int, *, generator: Generator
) -> Float[Tensor, " trials"]:
    r"""Independent values whose mean is the volume of harmless moves, by integration along random rays.

    .. math:: V_P\, \min\Big(R^2, \frac{2E}{e^\top \mathcal{H} e}\Big)^{P/2}, \qquad e \text{ uniform on the sphere}

    Each lies below the volume of the ball of radius R. Raises ``ValueError`` on a budget out of range.
    """
    check_budget(forgetting, radius)
    rays = make.unit(trials, len(hessian), generator=generator)
    cost = ((rays @ hessian) * rays).sum(-1).clamp_min(0)
    reach = (2 * forgetting / cost).clamp_max(radius**2)
    return math.exp(log_volume_ball(len(hessian))) * reach ** (len(hessian) / 2)


class Filling(NamedTuple):
    """The best way to spread a message over the eigenvectors, and the prices that show that it is best."""

    bits: float
    variance: Float[Tensor, " dim"]  # of the message along each eigenvector
    price_forgetting: float  # nats of capacity that twice a unit of forgetting is worth
    price_length: float  # nats of capacity that twice a unit of squared length is worth


def bits(variance: Float[Tensor, "*batch dim"], noise: float) -> Float[Tensor, "*batch"]:
    r"""What a Gaussian message of these variances conveys, :math:`\sum_i \tfrac12 \log_2(1 + \psi_i / \sigma^2)`."""
    return (variance / noise**2).log1p().sum(-1) / math.log(4)


def water_fill(eigenvalues: Float[Tensor, " dim"], forgetting: float, radius: float, noise: float) -> Filling:
    r"""Most bits that a random change of the parameters conveys, within a mean forgetting and a mean squared length.

    .. math:: \psi_i = \Big(\frac{1}{\xi_E \lambda_i + \xi_R} - \sigma^2\Big)_+, \qquad
       \tfrac12 \sum_i \lambda_i \psi_i \leq E, \quad \sum_i \psi_i \leq R^2

    Forgetting is the power, curvature is the noise. Null directions hold infinitely many bits where the radius is infinite.
    Source: gallager1968. Raises ``ValueError`` on eigenvalues that are none and on a budget out of range.

    >>> water_fill(torch.tensor([1.0, 1.0]), forgetting=3.0, radius=math.inf, noise=1.0).bits
    2.0
    """
    check_budget(forgetting, radius, noise)
    eigenvalues = check_eigenvalues(eigenvalues)
    null = eigenvalues == 0
    if math.isinf(radius) and null.any():
        variance = torch.full_like(eigenvalues, math.inf)
        if not null.all():
            variance[~null], level = _fill(eigenvalues[~null], 2 * forgetting, noise)
        return Filling(math.inf, variance, 0.0 if null.all() else 1 / level, 0.0)
    uniform = torch.full_like(eigenvalues, radius**2 / len(eigenvalues))
    if math.isfinite(radius) and float((eigenvalues * uniform).sum()) <= 2 * forgetting:
        return Filling(float(bits(uniform, noise)), uniform, 0.0, 1 / (radius**2 / len(eigenvalues) + noise**2))
    if not null.any():
        variance, level = _fill(eigenvalues, 2 * forgetting, noise)
        if float(variance.sum()) <= radius**2:
            return Filling(float(bits(variance, noise)), variance, 1 / level, 0.0)
    low, high = -80.0, 80.0  # of the logarithm of the price of length over that of forgetting, in units of the budgets
    for _ in range(BISECTIONS):
        ratio = math.exp((low + high) / 2) * 2 * forgetting / radius**2
        variance, level = _fill(eigenvalues + ratio, 2 * forgetting + ratio * radius**2, noise)
        # At the best ratio both budgets are used up; the one with the smaller price tells on which side of it we are.
        if low + high < 0:
            too_long = float(variance.sum()) > radius**2
        else:
            too_long = float(eigenvalues @ variance) < 2 * forgetting
        low, high = ((low + high) / 2, high) if too_long else (low, (low + high) / 2)
    return Filling(float(bits(variance, noise)), variance, 1 / level, ratio / level)


def _fill(costs: Tensor, power: float, noise: float) -> tuple[Tensor, float]:
    """Variances under one linear budget, whose costs are positive, and the level of the water."""
    ordered = costs.sort().values * noise**2
    levels = (power + ordered.cumsum(0)) / torch.arange(1, len(costs) + 1, dtype=costs.dtype)
    level = float(levels[int((levels > ordered).sum()) - 1])
    return (level / costs - noise**2).clamp_min(0), level


def surplus(eigenvalues: Float[Tensor, " dim"], filling: Filling, noise: float) -> float:
    r"""What the bought directions gain beyond their rent: the sum of :math:`p - 1 - \ln p` over the prices of noise below 1."""
    prices = noise**2 * (filling.price_forgetting * eigenvalues + filling.price_length)
    prices = prices[prices < 1]
    return float((prices - 1 - prices.log()).sum())


def feasible(
    variance: Float[Tensor, "*batch dim"], eigenvalues: Float[Tensor, " dim"], forgetting: float, radius: float
) -> Float[Tensor, "*batch dim"]:
    """The variances, scaled so that one of the two budgets is used up and the other is kept."""
    used = ((variance @ eigenvalues) / (2 * forgetting)).maximum(variance.sum(-1) / radius**2)
    return variance / used[..., None]


def searched_variance(
    eigenvalues: Float[Tensor, " dim"], forgetting: float, radius: float, noise: float
) -> Float[Tensor, " dim"]:
    """Variances that convey most bits as a general optimiser finds them (SLSQP), for a finite radius; it knows of no prices.

    Raises ``ValueError`` on a budget out of range, ``RuntimeError`` where the optimiser does not converge.
    """
    check_budget(forgetting, radius, noise)
    start = feasible(
        torch.ones_like(eigenvalues), eigenvalues, forgetting, radius
    ).numpy()  # the unit of what is searched
    curvature, length = start * eigenvalues.numpy() / (2 * forgetting), start / radius**2
    budgets = (
        {"type": "ineq", "fun": lambda u: 1 - curvature @ u, "jac": lambda u: -curvature},
        {"type": "ineq", "fun": lambda u: 1 - length @ u, "jac": lambda u: -length},
    )
    snr = start / noise**2
    unit = np.log1p(snr).sum()  # so that what is minimised is of the order of 1
    found = optimize.minimize(
        lambda u: -np.log1p(snr * u).sum() / unit, np.full(len(start), 0.9), jac=lambda u: -snr / (1 + snr * u) / unit,
        method="SLSQP", bounds=[(0, None)] * len(start), constraints=budgets, options={"maxiter": 1000, "ftol": 1e-14},
    )  # fmt: skip
    if not found.success:
        raise RuntimeError(f"the optimiser stopped: {found.message}")
    return torch.as_tensor(start * found.x)
