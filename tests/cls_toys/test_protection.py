"""Ridges and buffers: by hand, against augmented keys and direct minimisation, and against published means."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from cls_toys import keys as make
from cls_toys import probes, protection


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def augmented(keys: torch.Tensor, ridge: float) -> torch.Tensor:
    return torch.cat((keys, math.sqrt(ridge) * torch.eye(keys.shape[1], dtype=keys.dtype)))


# ------------------------------------------------------------------------------------------------------ ridge


@given(st.integers(1, 9), st.integers(1, 6), st.floats(1e-3, 1e3), st.integers(0, 2**31))
def test_a_ridge_is_a_virtual_key_along_each_axis(items: int, dim: int, ridge: float, seed: int) -> None:
    keys = make.gaussian(items, dim, generator=rng(seed))
    with_virtual = probes.leverage(augmented(keys, ridge))[:items]
    found = protection.ridge_leverage(keys, ridge)
    torch.testing.assert_close(found, with_virtual, rtol=1e-9, atol=1e-12)
    assert float(found.sum()) == pytest.approx(float(protection.effective_dim(keys, ridge)), rel=1e-12)
    rows = make.gaussian(items, dim, generator=rng(seed + 1))
    expected = (
        1 / probes.writability(augmented(keys, ridge), augmented(rows, 1)) - 1
    )  # the padding rows are not looked at
    torch.testing.assert_close(protection.ridge_collateral(keys, rows, ridge), expected[:items], rtol=1e-9, atol=1e-12)


def test_two_keys_by_hand() -> None:
    """Keys 2 and 1 on different axes, ridge 1: leverages 4/5 and 1/2, costs 1/4 and 1."""
    keys = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=make.DTYPE)
    assert protection.ridge_leverage(keys, 1.0).tolist() == pytest.approx([0.8, 0.5])
    assert float(protection.effective_dim(keys, 1.0)) == pytest.approx(1.3)
    for rule in ("ridge", "optimal", "local"):
        assert protection.ridge_collateral(keys, protection.directions(keys, rule, 1.0), 1.0).tolist() == pytest.approx(
            [0.25, 1]
        )


def test_a_general_optimiser_finds_no_cheaper_write() -> None:
    keys = make.gaussian(8, 4, generator=rng())
    for ridge in (0.1, 5.0):
        ours = protection.ridge_collateral(keys, protection.directions(keys, "ridge", ridge), ridge)
        for item in (0, 5):

            def cost(v: np.ndarray, item: int = item, ridge: float = ridge) -> float:
                moved = np.square(keys.numpy() @ v)
                return (moved.sum() - moved[item] + ridge * v @ v) / moved[item]

            found = min((optimize.minimize(cost, start, method="BFGS") for start in np.eye(4)), key=lambda f: f.fun)
            assert float(ours[item]) == pytest.approx(found.fun, rel=1e-6)


def test_the_effective_dimension_is_continuous_where_the_rank_jumps() -> None:
    keys = make.gaussian(3, 5, generator=rng())
    apart, together = keys.clone(), keys.clone()
    apart[1] = keys[0] + 1e-7 * make.unit(1, 5, generator=rng(1))[0]
    together[1] = keys[0]
    assert int(probes.rank(apart)) == 3
    assert int(probes.rank(together)) == 2
    torch.testing.assert_close(
        protection.effective_dim(apart, 0.1), protection.effective_dim(together, 0.1), rtol=1e-6, atol=0
    )


def test_the_mean_obeys_the_budget_and_a_tight_frame_attains_it() -> None:
    codes = {"Gaussian": make.gaussian(24, 8, generator=rng()), "tight": make.harmonic_frame(24, 8)}
    codes["with a zero"] = torch.cat((codes["tight"], torch.zeros(2, 8, dtype=make.DTYPE)))
    table = protection.totals(protection.spend(codes, [0.01, 1.0, 10.0]))
    assert table["n_keys"].unique().to_list() == [24], "a zero key is not counted"
    bound = table["n_keys"] / table["effective_dim"] - 1
    assert (table["mean_ridge"] >= bound * (1 - 1e-12)).all()
    assert (table["sum_ridge"] <= table["effective_dim"] * (1 + 1e-12)).all()
    tight = table["code"].str.contains("tight|zero")
    np.testing.assert_allclose(table["mean_ridge"].filter(tight), bound.filter(tight), rtol=1e-10)
    # M = 3 I, so an item has leverage 1/(3 + ridge).
    np.testing.assert_allclose(bound.filter(tight & (table["ridge"] == 1.0)), 3, rtol=1e-10)


@pytest.mark.parametrize("ridge", [0.0, -1.0, math.nan, math.inf])
def test_a_ridge_that_is_none(ridge: float) -> None:
    keys = make.gaussian(3, 2, generator=rng())
    for call in (protection.ridge_leverage, protection.effective_dim):
        with pytest.raises(ValueError, match="must be positive and finite"):
            call(keys, ridge)
    with pytest.raises(ValueError, match="must be positive and finite"):
        protection.ridge_collateral(keys, keys, ridge)
    with pytest.raises(ValueError, match="must be positive and finite"):
        protection.directions(keys, "ridge", ridge)


# ------------------------------------------------------------------------------------------------------ buffers


@pytest.mark.parametrize("known", [0, 1, 3, 4, 5, 9])
def test_a_protected_write_by_constrained_minimisation(known: int) -> None:
    keys, key = (
        make.gaussian(known, 4, generator=rng(known)) if known else torch.empty(0, 4, dtype=make.DTYPE),
        make.unit(1, 4, generator=rng(99))[0],
    )
    for ridge, row in zip((0.0, 2.0), protection.protected(keys, key, (0.0, 2.0)), strict=True):
        assert float(row @ key) == pytest.approx(1)
        small = ridge or 1e-8  # the shortest of the best is the limit of a vanishing ridge
        moment = (keys.T @ keys + small * torch.eye(4, dtype=make.DTYPE)).numpy()
        best = np.linalg.solve(moment, key.numpy())
        np.testing.assert_allclose(row, best / (best @ key.numpy()), rtol=1e-9 if ridge else 1e-4, atol=1e-6)


def test_a_buffer_below_the_dimension_is_left_alone() -> None:
    known, key = make.gaussian(5, 8, generator=rng()), make.gaussian(1, 8, generator=rng(1))[0]
    (row,) = protection.protected(known, key)
    np.testing.assert_allclose(known @ row, 0, atol=1e-12)
    twice = torch.cat((known, known))  # more items than dimensions, of too low a rank to span
    torch.testing.assert_close(protection.protected(twice, key)[0], row, rtol=1e-9, atol=1e-12)
    inside = known.T @ torch.ones(5, dtype=make.DTYPE)  # nothing lies outside: then it moves the known ones least
    (row,) = protection.protected(known, inside)
    assert float((known @ row).square().sum()) == pytest.approx(1 / 5), "1 over k' pinv(M) k, which is 5"


# Published by the derivation's author: n = 200, d = 40, from 600 runs; s = 36 has no finite variance.
def test_published_means() -> None:
    sizes = [0, 10, 20, 30, 50, 60, 80, 120, 160, 199]
    theory = [5.24, 6.75, 9.94, 21.1, 19.5, 11.3, 7.26, 5.22, 4.54, 4.21]
    ridge = [5.21, 5.25, 5.18, 5.11, 4.97, 4.99, 4.85, 4.70, 4.48, 4.22]
    found = protection.buffers(200, 40, sizes, 600, generator=rng(4))
    rounded = 0.06  # half of the last published digit
    for costs, published in ((found.exact, theory), (found.ridge, ridge)):
        error = costs.std(1).numpy() / math.sqrt(600)
        assert (np.abs(costs.mean(1).numpy() - published) < 5 * error + rounded).all()
    torch.testing.assert_close(
        found.exact[-1], found.ridge[-1], msg="with all in the buffer there is nothing to charge for"
    )


def test_a_write_with_the_whole_buffer_is_the_optimal_one() -> None:
    keys = make.gaussian(12, 5, generator=rng(3))
    found = protection.buffers(12, 5, [11], 1, generator=rng(3))
    least = 1 / probes.leverage(keys)[0] - 1
    assert float(found.exact[0, 0]) == pytest.approx(float(least))


def test_the_ridge_has_the_least_expected_collateral_given_the_buffer() -> None:
    """Monte Carlo over what lies outside, at one buffer: no other ridge, and no exact protection, does better on average."""
    known, key = make.gaussian(6, 10, generator=rng()), make.gaussian(1, 10, generator=rng(1))[0]
    outside = make.gaussian(20 * 4000, 10, generator=rng(2)).reshape(4000, 20, 10)

    def mean(row: torch.Tensor) -> float:
        return float((known @ row).square().sum() + (outside @ row).square().sum(-1).mean())

    best, *others = (mean(row) for row in protection.protected(known, key, (20.0, 0.0, 2.0, 200.0)))
    assert all(best < other for other in others)
    moment = known.T @ known + 20 * torch.eye(10, dtype=make.DTYPE)
    assert best == pytest.approx(float(1 / (key @ torch.linalg.solve(moment, key))), rel=0.02)


def test_one_loud_coordinate_makes_the_first_protected_items_help() -> None:
    sizes = [0, 1, 2, 5, 20]
    plain, loud = (
        protection.summary(protection.buffers(60, 20, sizes, 300, generator=rng(), family=of), sizes)
        for of in (make.gaussian, protection.loud)
    )
    rises, falls = (t.filter(pl.col("rule") == "exact")["median"].to_list() for t in (plain, loud))
    assert rises == sorted(rises)
    assert falls[0] > 2 * falls[2]
    assert falls[2] > falls[3]
    assert falls[4] > 3 * falls[3], "the peak at the dimension stays"


def test_summary_sizes_and_seeds() -> None:
    found, again = (protection.buffers(30, 10, [0, 5], 450, generator=rng(7)) for _ in range(2))
    assert torch.equal(found.exact, again.exact)
    assert found.exact.shape == (2, 450)
    assert found.exact.unique().numel() == 900
    table = protection.summary(found, [0, 5])
    assert table["n_protected"].to_list() == [0, 5, 0, 5]
    assert (table["low"] < table["median"]).all()
    assert (table["median"] < table["high"]).all()
    assert table["mean"][0] == pytest.approx(float(found.exact[0].mean()))
    for items, dim in ((80, 20), (200, 40), (60, 12), (60, 59)):
        sizes = protection.sizes(items, dim)
        assert sizes == sorted(set(sizes))
        assert sizes[0] == 0
        assert sizes[-1] == items - 1
        assert dim in sizes


def test_bad_input() -> None:
    for sizes in ([-1], [30], [0, 31]):
        with pytest.raises(ValueError, match="buffers of 0 to 29"):
            protection.buffers(30, 10, sizes, 10, generator=rng())
    with pytest.raises(ValueError, match="give more items than dimensions"):
        protection.buffers(10, 10, [0], 10, generator=rng())
    keys, key = make.gaussian(3, 2, generator=rng()), torch.ones(2, dtype=make.DTYPE)
    for ridge in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="each must be finite and at least 0"):
            protection.protected(keys, key, (0.0, ridge))
    with pytest.raises(ValueError, match="give a finite key of the same dimension"):
        protection.protected(keys, key * math.nan)
    for known in (keys, keys[:0]):
        with pytest.raises(ValueError, match="that is not zero"):
            protection.protected(known, key * 0)
    for rows in (keys * math.nan, keys[:2]):
        with pytest.raises(ValueError, match="give one finite row an item"):
            protection.ridge_collateral.__wrapped__(keys, rows, 1.0)
    for rule in ("ridge", "optimal", "local"):
        with pytest.raises(ValueError, match="NaN or infinity"):
            protection.directions(keys * math.nan, rule, 1.0)
    with pytest.raises(ValueError, match="trials=0: draw keys at least once"):
        protection.buffers(30, 10, [0], 0, generator=rng())
    with pytest.raises(ValueError, match="NaN or infinity"):
        protection.protected(keys * math.nan, key)
    for loudness in (0.5, math.nan, math.inf):
        with pytest.raises(ValueError, match="finite and at least 1"):
            protection.loud(3, 2, loudness, generator=rng())
    with pytest.raises(ValueError, match="rule='best': must be one of ridge, optimal, local"):
        protection.directions.__wrapped__(keys, "best", 1.0)
