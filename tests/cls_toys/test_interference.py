"""Interference against exact moments on the sphere, published values, and enumeration of every set of active items."""

import inspect
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cls_toys import interference
from cls_toys import keys as make


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def within(measured: torch.Tensor, expected: float, errors: float = 4) -> bool:
    """The mean of independent draws is that, to so many standard errors."""
    return abs(float(measured.mean()) - expected) < errors * float(measured.std()) / math.sqrt(len(measured))


@pytest.mark.parametrize("dim", [2, 3, 8, 64])
def test_even_moments_of_an_overlap_on_the_sphere(dim: int) -> None:
    """E u^2 = 1/d, E u^4 = 3/(d(d+2)), E u^6 = 15/(d(d+2)(d+4)); the odd ones vanish."""
    drawn = interference.of_random_keys(dim, 1, 200_000, generator=rng(dim))
    for power, moment in ((2, 1 / dim), (4, 3 / (dim * (dim + 2))), (6, 15 / (dim * (dim + 2) * (dim + 4)))):
        assert within(drawn**power, moment)
    assert within(drawn, 0)
    assert within(drawn**3, 0)


@pytest.mark.parametrize("dim", [1, 4, 16])
def test_an_overlap_of_random_signs_is_binomial(dim: int) -> None:
    drawn = interference.of_random_keys(dim, 1, 40_000, "signs", generator=rng())
    heads = ((drawn * dim + dim) / 2).round().long()
    seen = torch.bincount(heads, minlength=dim + 1).numpy()
    assert stats.chisquare(seen, 40_000 * stats.binom.pmf(range(dim + 1), dim, 0.5)).pvalue > 1e-4


@pytest.mark.parametrize(("dim", "active"), [(64, 4), (16, 1), (5, 7)])
@pytest.mark.parametrize("family", ["sphere", "signs"])
def test_variance_and_fourth_moment_of_the_sum(dim: int, active: int, family: interference.Family) -> None:
    """Cumulants of independent terms add up: kurtosis -6/(d+2) on the sphere, -2/d of signs, over k."""
    drawn = interference.of_random_keys(dim, active, 200_000, family, generator=rng())
    variance = active / dim
    below = 6 / (dim + 2) if family == "sphere" else 2 / dim
    assert within(drawn**2, variance)
    assert within(drawn**4, variance**2 * (3 - below / active))


@pytest.fixture(scope="module")
def four_in_64() -> torch.Tensor:
    return interference.of_random_keys(64, 4, 400_000, generator=rng(1))


# Published by the derivation's author: threshold, probability to exceed it, mean squared excess, and their Gaussian values.
@pytest.mark.parametrize(("threshold", "tail", "excess"), [(0.5, 0.0457, 3.6e-4), (0.8, 1.3e-3, 5.5e-6)])
def test_known_tails(threshold: float, tail: float, excess: float, four_in_64: torch.Tensor) -> None:
    drawn, trials = four_in_64, len(four_in_64)
    seen = float((drawn.abs() > threshold).double().mean())
    assert abs(seen - tail) < 4 * math.sqrt(2 * tail / trials) + 0.5 * 10 ** math.floor(math.log10(tail) - 1)
    assert float((drawn - threshold).clamp_min(0).square().mean()) == pytest.approx(excess, rel=0.1)
    a = threshold / math.sqrt(4 / 64)
    assert seen == pytest.approx(
        2 * stats.norm.sf(a), rel=0.15
    )  # its kurtosis makes it 8 % less at the higher threshold


@given(st.floats(0, 6))
def test_gaussian_values_by_integration(a: float) -> None:
    points = np.linspace(a, a + 12, 20_001)
    density = stats.norm.pdf(points)
    assert float(interference.gaussian_tail(torch.tensor(a, dtype=make.DTYPE))) == pytest.approx(
        2 * stats.norm.sf(a), rel=1e-9
    )
    expected = np.trapezoid((points - a) ** 2 * density, points)
    assert float(interference.gaussian_excess(torch.tensor(a, dtype=make.DTYPE))) == pytest.approx(
        expected, rel=1e-4, abs=1e-12
    )


def test_tails_count_what_was_drawn() -> None:
    tails = interference.tails([("sphere", 8, 2), ("signs", 4, 1)], [1.0, 2.0], 500, generator=rng())
    assert tails.interference.shape == (2, 500)
    assert tails.exceeds.shape == tails.excess.shape == (4, 500)
    for cell, row in enumerate(tails.cells.iter_rows(named=True)):
        drawn = tails.interference[cell // 2].tolist()
        assert row["threshold"] == pytest.approx(row["deviations"] * math.sqrt(row["n_active"] / row["dim"]))
        assert float(tails.exceeds[cell].sum()) == sum(abs(z) > row["threshold"] for z in drawn)
        assert float(tails.excess[cell].sum()) == pytest.approx(
            sum((z - row["threshold"]) ** 2 for z in drawn if z > row["threshold"])
        )


def test_the_nearest_items_interfere_most() -> None:
    """Over all active sets and signs, by enumeration."""
    keys = make.unit(7, 3, generator=rng())
    for active in (1, 3, 6):
        found = interference.of_nearest(keys, active)
        for item in range(7):
            others = [j for j in range(7) if j != item]
            overlaps = [
                [abs(float(keys[item] @ keys[j])) for j in chosen] for chosen in itertools.combinations(others, active)
            ]
            assert float(found[item]) == pytest.approx(max(map(sum, overlaps)))


def enumerated(keys: torch.Tensor, activity: float, signed: bool) -> np.ndarray:
    """Mean squared interference at each item, over all active sets (and signs) of the others, one by one."""
    items = len(keys)
    overlap = (keys @ keys.T).numpy()
    found = np.zeros(items)
    for item in range(items):
        others = [j for j in range(items) if j != item]
        for states in itertools.product((0, 1, -1) if signed else (0, 1), repeat=items - 1):
            chance = math.prod(1 - activity if state == 0 else activity / (2 if signed else 1) for state in states)
            found[item] += chance * sum(state * overlap[item, j] for state, j in zip(states, others, strict=True)) ** 2
    return found


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("activity", [0.1, 0.5, 1.0])
def test_sparse_inputs_against_every_active_set(activity: float, signed: bool) -> None:
    codes = interference.codes(6, 3, generator=rng(3))
    measured = interference.sparse(codes, [activity], 60_000, signed=signed, generator=rng())
    for cell, keys in enumerate(codes.values()):
        exact = enumerated(keys, activity, signed)
        assert float(measured.first[cell].mean()) == pytest.approx(exact[0], rel=0.05, abs=1e-12)
        assert float(measured.mean[cell].mean()) == pytest.approx(exact.mean(), rel=0.05, abs=1e-12)


def test_constants_of_the_codes() -> None:
    codes = interference.codes(20, 4, generator=rng())
    cells = interference.sparse(codes, [0.5], 3, generator=rng()).cells
    assert cells.filter(cells["balanced"])["code"].to_list() == ["antipodal pairs", "tight frame"]
    assert cells.filter(cells["balanced"])["overlap_sum"].to_list() == pytest.approx([-1, -1])
    frame = cells.filter(cells["code"] == "tight frame")
    assert frame["mean_blast"].item() == pytest.approx(20 / 4 - 1)
    assert (codes["nonnegative"] >= 0).all()
    for row in cells.iter_rows(named=True):
        first, *others = codes[row["code"]]
        overlaps = [float(first @ other) for other in others]
        assert row["overlap_sum"] == pytest.approx(sum(overlaps), abs=1e-9)
        assert row["blast_radius"] == pytest.approx(sum(o * o for o in overlaps))
    assert set(interference.codes(5, 8, generator=rng())) == {"random", "antipodal pairs", "nonnegative"}
    assert len(interference.codes(5, 2, generator=rng())["antipodal pairs"]) == 4


# Published by the derivation's author, with its own sampling error: mean square over random keys.
@pytest.mark.parametrize(("items", "dim", "activity", "value"), [(64, 64, 0.1, 0.0981), (512, 64, 0.2, 1.599)])
def test_known_values_of_random_keys(items: int, dim: int, activity: float, value: float) -> None:
    drawn = interference.sparse_random(items, dim, activity, 1500, generator=rng())
    assert within(drawn, activity * (items - 1) / dim)
    assert float(drawn.mean()) == pytest.approx(value, rel=0.05)


def test_chunks_cover_all_trials() -> None:
    for trials, numbers in ((1, 1), (7, 10**9), (1_000_001, 3), (10, interference.NUMBERS_AT_A_TIME // 4)):
        sizes = interference.chunks(trials, numbers)
        assert sum(sizes) == trials
        assert min(sizes) >= 1


def test_the_same_seed_measures_the_same() -> None:
    for draw in (
        lambda: interference.of_random_keys(8, 3, 50, generator=rng(5)),
        lambda: (
            interference.sparse(
                interference.codes(6, 3, generator=rng(1)), [0.3], 20, signed=True, generator=rng(5)
            ).mean
        ),
        lambda: interference.sparse_random(6, 3, 0.5, 20, generator=rng(5)),
    ):
        assert torch.equal(draw(), draw())


def test_bad_input() -> None:
    keys = make.unit(4, 2, generator=rng())
    for dim, active in ((0, 1), (4, 0)):
        with pytest.raises(ValueError, match="at least one dimension and one active item"):
            interference.of_random_keys(dim, active, 10, generator=rng())
    with pytest.raises(ValueError, match="trials=0: measure at least once"):
        interference.of_random_keys(4, 1, 0, generator=rng())
    for active in (0, 4):
        with pytest.raises(ValueError, match="from 1 to 3 others can be active"):
            interference.of_nearest(keys, active)
    with pytest.raises(ValueError, match="NaN"):
        interference.of_nearest(keys * float("nan"), 1)
    with pytest.raises(ValueError, match="an antipodal pair takes two"):
        interference.codes(1, 2, generator=rng())
    with pytest.raises(ValueError, match="code 'long': keys must have norm 1"):
        interference.sparse({"long": 2 * keys}, [0.5], 5, generator=rng())
    for activity in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="a probability that an item is active"):
            interference.sparse({"keys": keys}, [0.5, activity], 5, generator=rng())
        with pytest.raises(ValueError, match="a probability that an item is active"):
            interference.sparse_random(4, 2, activity, 5, generator=rng())
    for items, dim in ((0, 2), (4, 0)):
        with pytest.raises(ValueError, match="at least one item and one dimension"):
            interference.sparse_random(items, dim, 0.5, 5, generator=rng())
    with pytest.raises(ValueError, match="0 codes, 1 activities"):
        interference.sparse({}, [0.5], 5, generator=rng())
    with pytest.raises(ValueError, match="0 sizes, 1 thresholds"):
        interference.tails([], [1.0], 5, generator=rng())
    for deviation in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="thresholds must be finite and at least 0"):
            interference.tails([("sphere", 4, 1)], [1.0, deviation], 5, generator=rng())
    with pytest.raises(ValueError, match="family='cube': must be one of sphere, signs"):
        inspect.unwrap(interference.random_unit)((3, 2), "cube", generator=rng())
