"""The claims of sparse capacity: bounds at known values, exact oracles, and planted false versions on measured data."""

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

from cls_toys import forgetting, willshaw
from cls_toys import sparse_capacity as sparse
from theory import claim
from theory.evidence import Evidence, Kind, Tolerance, Verdict
from theory.notation import (
    best_activity,
    bits_per_synapse,
    centred_noise,
    code_size,
    correlated_noise,
    cue_overlap,
    dim,
    fill,
    fill_bits,
    input_correlation,
    mean_square_cosine,
    n_items,
    n_writes,
    noise_slope,
    readout_noise,
    spurious,
    survivor_error,
    tolerated_forgetting,
    value_dim,
    value_size,
)
from theory.separation import capacity
from theory.separation.willshaw import Covered

Plant = Callable[..., Evidence]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# By hand: 43/324 for two other pairs (see the exhaustive count); fills as products; the rest from closed forms at simple numbers.
@pytest.mark.parametrize(
    ("id", "statement", "symbols", "expected"),
    [
        ("willshaw-error", "spurious", {"dim": 4, "code_size": 2, "value_dim": 3, "value_size": 1, "n_items": 3}, 43 / 324),
        ("willshaw-error", "spurious", {"dim": 4, "code_size": 2, "value_dim": 3, "value_size": 1, "n_items": 1}, 0),
        ("willshaw-error", "spurious", {"dim": 5, "code_size": 5, "value_dim": 4, "value_size": 1, "n_items": 3}, 7 / 16),
        ("willshaw-error", "spurious", {"dim": 5, "code_size": 1, "value_dim": 2, "value_size": 1, "n_items": 3}, 0.19),
        ("willshaw-error", "fill", {"dim": 2, "code_size": 1, "value_dim": 2, "value_size": 1, "n_items": 2}, 7 / 16),
        ("willshaw-error", "auto-fill", {"dim": 4, "code_size": 2, "n_items": 1}, 1 / 6),
        ("willshaw-power-law", "equal", {"dim": 2, "code_size": 1, "value_dim": 2, "value_size": 1, "n_items": 2}, 7 / 16),
        ("willshaw-information", "ceiling", {}, math.log(2)),
        ("palimpsest-capacity", "any-code", {"dim": 2, "mean_square_cosine": 0.25}, 3),
        ("price-of-extreme-sparsity", "noise", {"dim": 10, "code_size": 1, "n_writes": 5}, 0.5),
        ("price-of-extreme-sparsity", "noise", {"dim": 10, "code_size": 10, "n_writes": 5}, 5),
        ("dense-for-independent", "signal", {"input_correlation": 0.5}, 1 / 3),
        ("correlated-interference", "noise", {"code_activity": 0.5, "input_correlation": 0.5, "dim": 4}, 1 / 9 + (1 - 1 / 9) / 4),
        ("correlated-interference", "noise", {"code_activity": 0.1, "input_correlation": 0.0, "dim": 7}, 1 / 7),
    ],
)  # fmt: skip
def test_bounds_at_known_values(id: str, statement: str, symbols: dict[str, float], expected: float) -> None:
    np.testing.assert_allclose(claim(id).bound(statement, **symbols), expected, rtol=1e-10, atol=1e-12)


# Table of the specification (sparsity.md, 3.1).
def test_the_errors_are_the_published_ones() -> None:
    law = claim("willshaw-error")
    hetero = law.bound("spurious", dim=[200, 500, 1000], code_size=[5, 20, 10], value_dim=[200, 500, 1000], value_size=[5, 20, 10], n_items=[300, 600, 6000])  # fmt: skip
    np.testing.assert_allclose(hetero, [0.000286, 0.00038, 0.00048], rtol=0.02)
    auto = law.bound("auto-spurious", dim=[500, 1000], code_size=[20, 10], n_items=[600, 9000])
    np.testing.assert_allclose(auto, [0.00023, 0.00333], rtol=0.02)


@pytest.mark.parametrize("auto", [False, True])
@pytest.mark.parametrize(
    ("dim", "active", "items"), [(50, 3, 40), (200, 8, 250), (500, 20, 600), (300, 40, 100), (60, 40, 30)]
)
def test_the_alternating_sum_is_the_chain_of_positive_terms(dim: int, active: int, items: int, auto: bool) -> None:
    """Down to rates that no double precision would survive."""
    name = "auto-spurious" if auto else "spurious"
    symbols = {"dim": dim, "code_size": active, "value_dim": dim, "value_size": active, "n_items": items}
    needed = claim("willshaw-error").statement(name).symbols
    bound = claim("willshaw-error").bound(name, **{key: symbols[key] for key in needed})
    np.testing.assert_allclose(bound, willshaw.chain_error(dim, active, items, auto=auto), rtol=1e-9)


def test_in_double_precision_the_sum_would_be_noise() -> None:
    d, k, n = 500, 40, 70
    terms = [
        (-1) ** s * math.comb(k, s) * (1 - k / d * (1 - math.comb(d - s, k) / math.comb(d, k))) ** (n - 1)
        for s in range(k + 1)
    ]
    exact = float(Covered._imp_(k, k, d, k / d, n - 1))
    assert exact == pytest.approx(willshaw.chain_error(d, k, n), rel=1e-9)
    assert abs(sum(terms) / exact - 1) > 1


def test_the_sum_is_a_count_of_all_memories() -> None:
    """All 18^2 pairs of other pairs of a memory of four inputs and three outputs, in fractions."""
    keys = [set(key) for key in itertools.combinations(range(4), 2)]
    errors = sum(
        {0, 1} <= (one if held else set()) | (other if also else set())
        for (one, held), (other, also) in itertools.product(itertools.product(keys, (True, False, False)), repeat=2)
    )
    assert Fraction(errors, 18**2) == Fraction(43, 324)


@pytest.mark.parametrize("rho", [0.05, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("activity", [1e-4, 0.01, 0.2, 0.5])
def test_the_slope_of_the_signal_lies_between_the_two_that_bound_it(rho: float, activity: float) -> None:
    """By numerical differentiation of an integral in 30 digits."""
    with mpmath.workdps(30):
        kappa = mpmath.sqrt((1 - mpmath.mpf(rho)) / (1 + mpmath.mpf(rho)))

        def log_transfer(log_a: mpmath.mpf) -> mpmath.mpf:
            level = mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * mpmath.exp(log_a))
            both = mpmath.quad(
                lambda t: 2 * mpmath.npdf(t) * mpmath.ncdf(-kappa * t), [level, level + 2, level + 6, level + 15]
            )
            return mpmath.log(both) - log_a

        slope = mpmath.diff(log_transfer, mpmath.log(activity), h=mpmath.mpf(10) ** -10)
    assert kappa**2 < slope < kappa
    predicted = claim("price-of-extreme-sparsity").bound("stationary", code_activity=activity, input_correlation=rho)
    assert float(slope) == pytest.approx(float(predicted), rel=1e-6)


@pytest.mark.parametrize(
    ("active", "earlier", "tolerated"), [(2, 0, 0.6), (2, 1, 0.75), (1, 0, 0.5), (1, 1, 0.6), (4, 0, 1.0)]
)
def test_the_exact_capacity_is_that_of_all_codes_enumerated(active: int, earlier: int, tolerated: float) -> None:
    """The last number of later writes before the expected error, over every sequence of codes, exceeds what is tolerated."""
    survived = capacity.survived(active, earlier, dim=4, tolerated=tolerated)
    errors = [forgetting.exact(4, active, earlier, later) for later in range(survived + 2)]
    assert max(errors[:-1]) <= tolerated + 1e-12 < errors[-1]
    assert survived >= sparse.promised(4, active, tolerated)


def test_capacity_that_is_not_reached_is_told() -> None:
    with pytest.raises(ValueError, match="look further"):
        capacity.survived(2, 0, dim=100, tolerated=0.9, most=5)


def test_no_violation_of_floor_and_ceiling_and_the_leading_order_is_the_floors() -> None:
    law = claim("price-of-extreme-sparsity")
    cells = [
        (int(d), rho) for d in np.geomspace(50, 1e6, 8) for rho in np.linspace(0.05, 0.97, 12) if rho > 0.1 or d > 100
    ]
    optima = sparse.raw_optima(cells)
    at = {name: optima[name] for name in ("dim", "input_correlation")}
    for statement in ("floor", "ceiling"):
        assert law.check(optima["best_activity"], statement, **at).verdict is Verdict.SUPPORTED
    leading = math.sqrt(0.2 / (1.6 * 1e12))
    assert float(law.bound("floor", dim=1e12, input_correlation=0.8)) == pytest.approx(leading, rel=1e-5)


def memories(seed: int = 0) -> tuple[dict[str, list[int]], np.ndarray, np.ndarray, np.ndarray]:
    table = willshaw.measure([(100, 6, 150), (60, 4, 100)], 150, generator=rng(seed))
    return willshaw.settings(table), *(willshaw.by_setting(table, c) for c in ("spurious", "fill", "bits_per_synapse"))


def one_pattern_too_many(plant: Plant) -> tuple[Evidence, Evidence]:
    """The pair that is asked for counted among the others, at a load so low that one pattern matters."""
    table = willshaw.measure([(8, 2, 4)], 1500, generator=rng())
    at, rates = willshaw.settings(table), willshaw.by_setting(table, "spurious")
    share = value_size / value_dim
    loose = {"statement": {"resolution": 0.15}}
    return tuple(
        plant(
            sp.Eq(spurious, Covered(code_size, code_size, dim, share, others)), Kind.EXPECTATION, rates, **loose, **at
        )
        for others in (n_items - 1, n_items)
    )


def values_as_dense_as_keys(plant: Plant) -> tuple[Evidence, Evidence]:
    table = willshaw.measure([(60, 4, 100)], 100, out=40, out_active=5, generator=rng())
    at, rates = willshaw.settings(table), willshaw.by_setting(table, "spurious")
    return tuple(
        plant(
            sp.Eq(spurious, Covered(code_size, code_size, dim, share, n_items - 1)), Kind.EXPECTATION, rates,
            statement={"resolution": 0.15}, **(at | {"value_size": 5}),
        )
        for share in (value_size / value_dim, code_size / dim)
    )  # fmt: skip


def fill_by_exponential(plant: Plant) -> tuple[Evidence, Evidence]:
    at, _, fills, _ = memories()
    mean = n_items * code_size * value_size / (dim * value_dim)
    true = claim("willshaw-error").statement("fill").relation
    return plant(true, Kind.EXPECTATION, fills, **at), plant(sp.Eq(fill, mean), Kind.EXPECTATION, fills, **at)


def bits_without_the_entropy_of_the_noise(plant: Plant) -> tuple[Evidence, Evidence]:
    at, _, _, bits = memories()
    true = claim("willshaw-information").statement("information").relation
    activity = code_size / dim
    entropy = -(activity * sp.log(activity) + (1 - activity) * sp.log(1 - activity)) / sp.log(2)
    return (
        plant(true, Kind.EXPECTATION, bits, **at),
        plant(sp.Eq(bits_per_synapse, n_items / dim * entropy), Kind.EXPECTATION, bits, **at),
    )


def ceiling_two_per_cent_lower(plant: Plant) -> tuple[Evidence, Evidence]:
    p = np.linspace(0.001, 0.999, 999)
    bits = np.log(p) * np.log1p(-p) / np.log(2)
    return (
        plant(sp.Le(fill_bits, sp.log(2)), Kind.EXACT, bits),
        plant(sp.Le(fill_bits, sp.Rational(98, 100) * sp.log(2)), Kind.EXACT, bits),
    )


def promise_without_its_factor_two(plant: Plant) -> tuple[Evidence, Evidence]:
    """In steady state at small loads the factor two is needed."""
    overlap = sparse.mean_square_overlap(60, 3)
    later = 4
    errors = sparse.paths(60, 3, later, 200, 600, generator=rng())[:, -1]
    loose = {"statement": {"resolution": 0.4}}
    return (
        plant(sp.Le(survivor_error, tolerated_forgetting), Kind.EXPECTATION, errors, **loose, tolerated_forgetting=2 * later * overlap),
        plant(sp.Le(survivor_error, tolerated_forgetting), Kind.EXPECTATION, errors, **loose, tolerated_forgetting=later * overlap),
    )  # fmt: skip


def more_codes_than_welch_allows(plant: Plant) -> tuple[Evidence, Evidence]:
    table = sparse.families(8, [9, 12, 20], generator=rng())
    tight = table.filter(table["family"] == "tight frame")
    at = {"dim": 8, "mean_square_cosine": tight["mean_square_cosine"]}
    true = claim("palimpsest-capacity").statement("any-code").relation.rhs
    found = tight["n_items"] * (1 - 1e-12)
    return (
        plant(sp.Le(n_items, true), Kind.EXACT, found, **at),
        plant(sp.Le(n_items, true * (1 - dim * mean_square_cosine)), Kind.EXACT, found, **at),
    )


def floor_a_fifth_higher(plant: Plant) -> tuple[Evidence, Evidence]:
    optima = sparse.raw_optima([(1000, 0.2), (100_000, 0.1)])
    at = {name: optima[name] for name in ("dim", "input_correlation")}
    true = claim("price-of-extreme-sparsity").statement("floor").relation.rhs
    return (
        plant(sp.Ge(best_activity, true), Kind.EXACT, optima["best_activity"], **at),
        plant(sp.Ge(best_activity, sp.Rational(6, 5) * true), Kind.EXACT, optima["best_activity"], **at),
    )


def leading_order_as_a_bound_from_above(plant: Plant) -> tuple[Evidence, Evidence]:
    optima = sparse.raw_optima([(1000, 0.5), (10_000, 0.8)])
    at = {name: optima[name] for name in ("dim", "input_correlation")}
    true = claim("price-of-extreme-sparsity").statement("ceiling").relation.rhs
    leading = sp.sqrt((1 - input_correlation) / (2 * input_correlation * dim))
    return (
        plant(sp.Le(best_activity, true), Kind.EXACT, optima["best_activity"], **at),
        plant(sp.Le(best_activity, leading), Kind.EXACT, optima["best_activity"], **at),
    )


def slope_of_the_tail_alone(plant: Plant) -> tuple[Evidence, Evidence]:
    optima = sparse.raw_optima([(1000, 0.5), (10_000, 0.8)])
    at = {"input_correlation": optima["input_correlation"]}
    true = claim("price-of-extreme-sparsity").statement("stationary").relation.rhs
    measured = optima["noise_slope"].round(6)
    search = {"tolerance": Tolerance(1e-5, "a search")}
    return (
        plant(sp.Eq(noise_slope, true), Kind.EXACT, measured, code_activity=optima["best_activity"], **at, **search),
        plant(
            sp.Eq(noise_slope, (1 - input_correlation) / (1 + input_correlation)), Kind.EXACT, measured, **at, **search
        ),
    )


def noise_as_the_squared_activity(plant: Plant) -> tuple[Evidence, Evidence]:
    noise = sparse.readout_noise(50, 5, 10, 20_000, generator=rng())
    at = {"dim": 50, "code_size": 5, "n_writes": 10}
    true = claim("price-of-extreme-sparsity").statement("noise").relation
    return (
        plant(true, Kind.EXPECTATION, noise, **at),
        plant(sp.Eq(readout_noise, n_writes * (code_size / dim) ** 2), Kind.EXPECTATION, noise, **at),
    )


def signal_at_most_the_correlation_over_two(plant: Plant) -> tuple[Evidence, Evidence]:
    overlaps = sparse.centred_overlaps(200, 0.5, 0.8, 3000, kind="threshold", generator=rng())
    at = {"input_correlation": 0.8}
    true = claim("dense-for-independent").statement("signal").relation.rhs
    return (
        plant(sp.Le(cue_overlap, true), Kind.EXPECTATION, overlaps, **at),
        plant(sp.Le(cue_overlap, sp.Rational(95, 100) * true), Kind.EXPECTATION, overlaps, **at),
    )


def noise_one_over_d(plant: Plant) -> tuple[Evidence, Evidence]:
    squares = sparse.random_overlaps(6, 3, 100_000, generator=rng())["centred"]
    return (
        plant(sp.Eq(centred_noise, 1 / (dim - 1)), Kind.EXPECTATION, squares, dim=6),
        plant(sp.Eq(centred_noise, 1 / dim), Kind.EXPECTATION, squares, dim=6),
    )


def correlated_noise_without_its_variance(plant: Plant) -> tuple[Evidence, Evidence]:
    squares = sparse.centred_overlaps(300, 0.05, 0.4, 8000, kind="threshold", generator=rng()) ** 2
    at = {"dim": 300, "code_activity": 0.05, "input_correlation": 0.4}
    true = claim("correlated-interference").statement("noise").relation
    false = claim("noise-of-correlated-memories-adds-up").statement("sum").relation
    loose = {"statement": {"resolution": 0.1}}
    return (
        plant(true, Kind.EXPECTATION, squares, **loose, **at),
        plant(sp.Eq(correlated_noise, false.rhs), Kind.EXPECTATION, squares, **loose, **at),
    )


@pytest.mark.parametrize(
    "planted",
    [
        one_pattern_too_many, values_as_dense_as_keys, fill_by_exponential, bits_without_the_entropy_of_the_noise,
        ceiling_two_per_cent_lower, promise_without_its_factor_two, more_codes_than_welch_allows, floor_a_fifth_higher,
        leading_order_as_a_bound_from_above, slope_of_the_tail_alone, noise_as_the_squared_activity,
        signal_at_most_the_correlation_over_two, noise_one_over_d, correlated_noise_without_its_variance,
    ],
)  # fmt: skip
def test_a_planted_false_claim_is_refuted_where_the_true_one_is_supported(planted: Callable, plant: Plant) -> None:
    true, false = planted(plant)
    assert true.verdict is Verdict.SUPPORTED, true.reason
    assert false.verdict is Verdict.REFUTED, false.reason


def test_outside_their_hypotheses_the_claims_say_nothing() -> None:
    law = claim("palimpsest-capacity")
    assert law.check([9], "any-code", dim=8, mean_square_cosine=0.2).verdict is Verdict.NOT_APPLICABLE
    late = {"dim": 100, "code_size": 5, "n_writes": 200, "tolerated_forgetting": 0.5}
    assert law.check([0.1, 0.2, 0.3], "kept", **late).verdict is Verdict.NOT_APPLICABLE
    price = claim("price-of-extreme-sparsity")
    for correlation in (0.0, 1.0, -0.5):
        found = price.check([0.01], "floor", dim=100, input_correlation=correlation)
        assert found.verdict is Verdict.NOT_APPLICABLE
    crowded = {"dim": 10, "code_size": 11, "value_dim": 10, "value_size": 3, "n_items": 4}
    assert claim("willshaw-error").check([0.1] * 3, "spurious", **crowded).verdict is Verdict.NOT_APPLICABLE
