"""Free dimensions, volumes and bits against enumeration, Monte Carlo in a box, and general optimisers."""

import inspect
import math

import numpy as np
import pytest
import torch
from scipy import stats

from cls_toys import capacity
from cls_toys import keys as make


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("forgetting", "radius", "count"),
    [(0.5, 1.0, 3), (0.499, 1.0, 2), (5.0, 1.0, 4), (1e-9, 1.0, 1), (0.5, math.inf, 1), (0.5, 1e-9, 4)],
)
def test_free_dimensions_at_known_eigenvalues(forgetting: float, radius: float, count: int) -> None:
    assert capacity.free_dimensions(tensor(0.0, 0.5, 1.0, 7.0), forgetting, radius) == count


def test_the_worst_cost_is_that_of_the_worst_move_in_the_span() -> None:
    hessian = capacity.rotated(tensor(0.1, 1, 3, 5), generator=rng())
    span = make.gaussian(4, 2, generator=rng(1))
    moves = span @ make.gaussian(2, 4000, generator=rng(2))
    moves = 2.0 * moves / moves.norm(dim=0)
    costs = 0.5 * (moves * (hessian @ moves)).sum(0)
    worst = float(capacity.worst_cost(hessian, span, 2.0))
    assert costs.max() <= worst
    assert costs.max() == pytest.approx(worst, rel=1e-3)


def test_a_search_finds_the_flattest_subspace() -> None:
    spectrum = tensor(0.01, 0.1, 1, 10)
    hessian = capacity.rotated(spectrum, generator=rng())
    for m in (1, 2, 3):
        found = capacity.worst_cost(hessian, capacity.flattest_found(hessian, m, generator=rng(m)), 1.0)
        assert spectrum[m - 1] / 2 * (1 - 1e-9) <= found <= spectrum[m - 1] / 2 * 1.5
    assert capacity.harmless_found(hessian, 0.16, 1.0, generator=rng()) == 2
    assert capacity.harmless_found(hessian, 0.001, 1.0, generator=rng()) == 0


def test_rotated_has_the_eigenvalues_and_no_preferred_axes() -> None:
    hessian = capacity.rotated(tensor(0, 1, 5), generator=rng())
    torch.testing.assert_close(torch.linalg.eigvalsh(hessian), tensor(0, 1, 5), atol=1e-12, rtol=1e-12)
    assert hessian.fill_diagonal_(0).abs().max() > 0.1


@pytest.mark.parametrize("dim", [1, 2, 3, 7])
def test_the_volume_of_the_ball(dim: int) -> None:
    known = {1: 2, 2: math.pi, 3: 4 / 3 * math.pi, 7: 16 / 105 * math.pi**3}
    assert math.exp(capacity.log_volume_ball(dim)) == pytest.approx(known[dim])


@pytest.mark.parametrize("forgetting", [0.05, 0.5, 5.0])
def test_rays_measure_the_volume_that_darts_in_a_box_do(forgetting: float) -> None:
    hessian = capacity.rotated(tensor(0.1, 1, 4), generator=rng())
    rays = capacity.volume_samples(hessian, forgetting, 1.0, 50_000, generator=rng(1))
    darts = 2 * torch.rand(200_000, 3, generator=rng(2), dtype=torch.float64) - 1
    cost = 0.5 * (darts * (darts @ hessian)).sum(-1)
    inside = ((cost <= forgetting) & (darts.square().sum(-1) <= 1)).double() * 8
    error = math.hypot(float(rays.std()) / len(rays) ** 0.5, float(inside.std()) / len(inside) ** 0.5)
    assert float(rays.mean() - inside.mean()) == pytest.approx(0, abs=4 * error)
    assert float(rays.max()) <= math.exp(capacity.log_volume_ball(3)) * (1 + 1e-12)


def test_bits_of_one_channel() -> None:
    assert float(capacity.bits(tensor(3.0), 1.0)) == 1.0
    assert capacity.water_fill(tensor(2.0), 1.0, math.inf, 1.0).bits == pytest.approx(0.5)  # variance 2E / lambda = 1


@pytest.mark.parametrize(
    ("forgetting", "radius", "noise"),
    [(0.1, 1.0, 0.1), (10.0, 1.0, 0.3), (1e-3, 50.0, 0.05), (0.3, 0.7, 1.0), (1.0, 1.0, 3.0)],
)
@pytest.mark.parametrize("null", [0, 2])
def test_filling_finds_what_a_general_optimiser_finds(
    forgetting: float, radius: float, noise: float, null: int
) -> None:
    eigenvalues = torch.cat([torch.zeros(null, dtype=torch.float64), torch.logspace(-2, 1, 6, dtype=torch.float64)])
    filling = capacity.water_fill(eigenvalues, forgetting, radius, noise)
    searched = capacity.searched_variance(eigenvalues, forgetting, radius, noise)
    assert filling.bits == pytest.approx(float(capacity.bits(searched, noise)), rel=1e-6)
    assert 0.5 * float(eigenvalues @ filling.variance) <= forgetting * (1 + 1e-9)
    assert float(filling.variance.sum()) <= radius**2 * (1 + 1e-9)


def test_filling_leaves_out_what_is_too_steep() -> None:
    filling = capacity.water_fill(tensor(1, 1, 1e6), 0.01, math.inf, 1.0)
    assert filling.variance[2] == 0
    assert filling.variance[0] == pytest.approx(0.01)  # half of 2E each


@pytest.mark.parametrize("eigenvalues", [tensor(0, 1), tensor(0, 0)])
def test_null_directions_hold_any_number_of_bits_without_a_radius(eigenvalues: torch.Tensor) -> None:
    filling = capacity.water_fill(eigenvalues, 1.0, math.inf, 0.1)
    assert filling.bits == math.inf
    assert (filling.variance[eigenvalues == 0] == math.inf).all()
    finite = capacity.water_fill(eigenvalues, 1.0, 1.0, 0.1)
    assert math.isfinite(finite.bits)


def test_the_surplus_closes_the_gap_between_bits_and_rent() -> None:
    eigenvalues = torch.logspace(-2, 1, 6, dtype=torch.float64)
    filling = capacity.water_fill(eigenvalues, 0.1, 1.0, 0.1)
    rent = 0.2 * filling.price_forgetting + filling.price_length
    nats = rent + capacity.surplus(eigenvalues, filling, 0.1)
    assert nats / (2 * math.log(2)) == pytest.approx(filling.bits)


def test_feasible_variances_use_one_budget_up_and_keep_the_other() -> None:
    eigenvalues = torch.logspace(-2, 1, 6, dtype=torch.float64)
    for radius in (0.1, 10.0):
        variance = capacity.feasible(torch.rand(50, 6, generator=rng(), dtype=torch.float64), eigenvalues, 0.1, radius)
        used = torch.stack([variance @ eigenvalues / 0.2, variance.sum(-1) / radius**2])
        torch.testing.assert_close(used.amax(0), torch.ones(50, dtype=torch.float64))


def test_bad_budgets_and_spectra_are_refused() -> None:
    good = tensor(1, 2)
    for forgetting, radius in [(0, 1), (-1, 1), (math.inf, 1), (math.nan, 1), (1, 0), (1, -1), (1, math.nan)]:
        with pytest.raises(ValueError, match="only the radius may be infinite"):
            capacity.free_dimensions(good, float(forgetting), float(radius))
        with pytest.raises(ValueError, match="only the radius may be infinite"):
            capacity.water_fill(good, float(forgetting), float(radius), 1.0)
    with pytest.raises(ValueError, match="only the radius may be infinite"):
        capacity.water_fill(good, 1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match=r"least eigenvalue is -1\b.*none below 0"):
        capacity.free_dimensions(tensor(-1, 2), 1.0, 1.0)
    assert capacity.free_dimensions(tensor(-1e-17, 2), 1.0, math.inf) == 1, "rounding of zero counts as zero"
    for bad in (tensor(math.nan, 1), tensor(math.inf, 1)):
        with pytest.raises(ValueError, match="NaN or infinity"):
            capacity.free_dimensions(bad, 1.0, 1.0)
    for bad in (torch.ones(0), torch.ones(2, 2), torch.ones(2, dtype=torch.int64)):
        with pytest.raises(ValueError, match="give a floating-point vector of at least one"):
            inspect.unwrap(capacity.free_dimensions)(bad, 1.0, 1.0)
    with pytest.raises(ValueError, match="the volume is infinite; give a finite radius"):
        capacity.mean_log_width(tensor(0, 1), 1.0, math.inf)


def test_the_mean_log_width_gives_the_half_axes() -> None:
    assert capacity.mean_log_width(tensor(1.0, 3.0), 0.5, 1.0) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_a_gaussian_message_of_the_filled_variances_forgets_what_was_allowed() -> None:
    eigenvalues = torch.logspace(-1, 1, 5, dtype=torch.float64)
    filling = capacity.water_fill(eigenvalues, 0.3, math.inf, 0.1)
    messages = make.gaussian(40_000, 5, generator=rng()) * filling.variance.sqrt()
    forgotten = 0.5 * (messages.square() @ eigenvalues)
    low, high = stats.t.interval(0.999, len(messages) - 1, float(forgotten.mean()), stats.sem(np.asarray(forgotten)))
    assert low <= 0.3 <= high
