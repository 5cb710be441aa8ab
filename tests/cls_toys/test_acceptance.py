"""The acceptance tests of the theory of compression, with its sizes and tolerances; each routine has finer ones of its own."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from cls_toys import allocation, batch, budget, fidelity, finite, first_order, frames, probes, protection, replay
from cls_toys import keys as make
from cls_toys.stores.linear import LinearStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CODES = budget.families(24, 8, generator=rng())


@pytest.mark.parametrize("code", CODES)
def test_optimal_writes_spend_the_rank_and_no_write_exceeds_its_leverage(code: str) -> None:
    keys = CODES[code]
    leverage, rank = probes.leverage(keys), int(probes.rank(keys))
    store = LinearStore(keys, rule="optimal")
    collateral = probes.collateral(store, keys, torch.ones(len(keys), 1, dtype=keys.dtype))
    assert float((1 / (1 + collateral)).sum()) == pytest.approx(rank, rel=1e-8)
    for directions in (keys, make.gaussian(*keys.shape, generator=rng(1))):  # Hebb, which is one step of SGD; random
        assert (probes.writability(keys, directions) <= leverage + 1e-9).all()


@pytest.mark.parametrize(("items", "dim"), [(7, 3), (12, 4), (24, 8)])
def test_harmonic_frames_are_on_the_bound(items: int, dim: int) -> None:
    keys = make.harmonic_frame(items, dim)
    collateral = probes.collateral(LinearStore(keys), keys, torch.ones(items, 1, dtype=keys.dtype))
    assert float(collateral.mean()) == pytest.approx(items / dim - 1, abs=1e-10)


def test_leverage_of_independent_items_follows_the_beta_law() -> None:
    leverage = budget.random_keys(24, 8, 3000, generator=rng()).leverage  # one item a draw
    assert stats.kstest(leverage, stats.beta(4, 8).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("items", "dim", "exponent"), [(50, 10, 0.0), (50, 10, 1.0), (50, 10, 2.0), (200, 20, 1.0)])
def test_water_filling_is_attained(items: int, dim: int, exponent: float) -> None:
    use = allocation.zipf(items, exponent)
    filled = allocation.allocate(use, dim)
    code = allocation.code_with_leverage(filled.leverage)
    torch.testing.assert_close(probes.leverage(code), filled.leverage, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize(
    "code", [frames.simplex(5), frames.icosahedron(), frames.sixteen()], ids=["5", "icosahedron", "16"]
)
def test_batches_of_two_meet_the_bound_on_equiangular_frames(code: torch.Tensor) -> None:
    items, dim = code.shape
    collateral = batch.collateral(code, batch.all_batches(items, 2))
    # Two items at the angle of the frame: a block with diagonal d/n and off-diagonal d/n times the coherence.
    coherence = math.sqrt((items - dim) / (dim * (items - 1)))
    expected = items / dim * (1 / (1 + coherence) + 1 / (1 - coherence)) / 2 - 1
    np.testing.assert_allclose(collateral, expected, rtol=1e-8)


def test_fidelity_and_collateral_trade_along_a_line() -> None:
    keys = make.gaussian(20, 6, generator=rng())
    requests = torch.ones(20, 1, dtype=keys.dtype)
    least = 1 / probes.leverage(keys) - 1
    for miss in (0.0, 0.09, 0.49, 1.0):
        outcome = fidelity.outcome(keys, fidelity.frontier(keys, requests, miss, generator=rng()), requests)
        total = (outcome.requested_collateral / least).sqrt() + outcome.miss.sqrt()
        torch.testing.assert_close(total, torch.ones_like(total), atol=1e-10, rtol=0)


def test_partial_protection_costs_what_was_derived_away_from_the_peak() -> None:
    items, dim, sizes = 60, 20, [0, 6, 12, 30, 40]  # at most d - 8, or at least d + 10
    found = protection.buffers(items, dim, sizes, 4000, generator=rng()).exact  # [sizes, trials]
    for size, costs in zip(sizes, found, strict=True):
        few = (items - 1 - size) / (dim - size - 2)
        many = (size - dim + 1 + (items - 1 - size) * (size - 1) / (size - dim or 1)) / (dim - 2)
        error = float(costs.std()) / len(costs) ** 0.5
        assert float(costs.mean()) == pytest.approx(few if size < dim else many, abs=5 * error)


@pytest.mark.parametrize("rate", [None, 0.99])
def test_replay_is_monotone_and_keeps_its_rate(rate: float | None) -> None:
    for seed in range(30):
        keys = make.gaussian(8, 5, generator=rng(seed))
        times = torch.logspace(-2, 2, 61).double() if rate is None else torch.arange(1, 400).double()
        path = replay.path(keys, times, rate)
        assert (path.diff(dim=-1) >= -1e-12).all()
        values = torch.linalg.svdvals(keys).square()
        left = torch.exp(-times * values[4]) if rate is None else (1 - rate * values[4] / values[0]) ** times
        short = 1 - path / probes.leverage(keys)[:, None]
        assert (short <= (left / (2 - left)).square() + 1e-9).all()


def test_finite_writes_stay_within_the_angle_they_leave_the_tangent_by() -> None:
    network, inputs = first_order.regression((3, 4, 1), "tanh", 30, generator=rng(), steps=20)
    for size in (1e-3, 1.0):
        found = finite.judge(network, inputs, finite.search(network, inputs, size, steps=200))
        leverage, off = found["leverage"].to_numpy(), found["off_tangent"].to_numpy()
        angle = np.arccos(np.sqrt(leverage)) - np.arcsin(np.sqrt(np.clip(off, 0, 1)))
        bound = np.where(angle > 0, np.cos(np.maximum(angle, 0)) ** 2, 1)
        assert (found["writability"].to_numpy() <= bound + 1e-9).all()
