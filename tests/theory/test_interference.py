"""Tails and sparse inputs: bounds worked by hand, and false versions that measurements refute beside the true ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch
from scipy import special

from cls_toys import interference
from cls_toys import keys as make
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    activity,
    blast_radius,
    dim,
    exceedance,
    mean_excess,
    mean_square,
    n_active,
    n_items,
    threshold,
)
from theory.notation import interference as size

Plant = Callable[..., Evidence]
TAIL, SPARSE = claim("interference-tail"), claim("sparse-inputs")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Published by the derivation's author: d = 64, k = 4.
@pytest.mark.parametrize(("tau", "tail", "excess"), [(0.5, 0.271, 0.017), (0.8, 0.012, 7.5e-4)])
def test_bounds_worked_by_hand(tau: float, tail: float, excess: float) -> None:
    at = {"threshold": tau, "dim": 64, "n_active": 4}
    assert TAIL.bound("tail", **at) == pytest.approx(tail, rel=0.02)
    assert TAIL.bound("excess", **at) == pytest.approx(excess, rel=0.02)
    a, variance = tau / 0.25, 1 / 16
    sharp = 2 * variance * (np.exp(-(a**2) / 2) - a * np.sqrt(np.pi / 2) * special.erfc(a / np.sqrt(2)))
    assert TAIL.bound("sharp-excess", **at) == pytest.approx(sharp)
    assert sharp < TAIL.bound("excess", **at) / 5


def test_the_level_is_where_the_tail_is_a_twentieth() -> None:
    level = float(TAIL.bound("high-probability", n_active=4, dim=64))
    assert TAIL.bound("tail", threshold=level, n_active=4, dim=64) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("statement", "symbols", "expected"),
    [
        ("second-moment", {"activity": 1, "blast_radius": 7, "overlap_sum": 3}, 9),
        ("second-moment", {"activity": 0.5, "blast_radius": 2, "overlap_sum": -2}, 1.5),
        ("random-signs", {"activity": 0.25, "blast_radius": 4}, 1),
        ("random-keys", {"activity": 0.1, "n_items": 64, "dim": 64}, 0.0984375),
        ("random-keys", {"activity": 0.2, "n_items": 512, "dim": 64}, 1.596875),
        ("balanced", {"activity": 1, "blast_radius": 7}, 1),
        ("balanced-mean", {"activity": 0.5, "compression": 3}, 0.75),
    ],
)
def test_sparse_inputs_worked_by_hand(statement: str, symbols: dict[str, float], expected: float) -> None:
    assert SPARSE.bound(statement, **symbols) == pytest.approx(expected)


def test_an_activity_above_one_is_no_probability() -> None:
    evidence = SPARSE.check([[1.0, 2.0, 3.0]], "random-signs", activity=1.5, blast_radius=1)
    assert evidence.verdict is Verdict.NOT_APPLICABLE


def test_the_second_moment_at_the_extremes() -> None:
    """All active, with nothing random left: the square of the sum."""
    codes = interference.codes(8, 3, generator=rng())
    fired = interference.sparse(codes, [1.0], 5, generator=rng())
    np.testing.assert_allclose(fired.first.mean(1), fired.cells["overlap_sum"].to_numpy() ** 2, atol=1e-12)


def exceeds(tau: float, dims: int, active: int, trials: int = 40_000) -> np.ndarray:
    drawn = interference.of_random_keys(dims, active, trials, generator=rng())
    return (drawn.abs() > tau).double().numpy()


def a_tail_of_half_the_variance(plant: Plant) -> tuple[Evidence, Evidence]:
    at = {"threshold": 1.0, "dim": 64, "n_active": 8}
    seen = exceeds(1.0, 64, 8)
    false = sp.Le(exceedance, 2 * sp.exp(-(threshold**2) * dim / n_active))
    return TAIL.check(seen, "tail", **at), plant(false, Kind.EXPECTATION, seen, **at)


def a_tail_without_its_factor_two(plant: Plant) -> tuple[Evidence, Evidence]:
    at = {"threshold": 0.1, "dim": 64, "n_active": 8}
    seen = exceeds(0.1, 64, 8)
    false = sp.Le(exceedance, sp.exp(-(threshold**2) * dim / (2 * n_active)) * sp.Rational(3, 4))
    return TAIL.check(seen, "tail", **at), plant(false, Kind.EXPECTATION, seen, **at)


def active_items_that_look_at_the_keys(plant: Plant) -> tuple[Evidence, Evidence]:
    """The same statement, with the independence of the active set dropped."""
    at = {"threshold": 0.5, "dim": 64, "n_active": 4}
    nearest = interference.of_nearest(make.unit(512, 64, generator=rng()), 4)
    return TAIL.check(exceeds(0.5, 64, 4), "tail", **at), TAIL.check((nearest.abs() > 0.5).double(), "tail", **at)


def half_the_level(plant: Plant) -> tuple[Evidence, Evidence]:
    """Half of what the interference exceeds in at most one of twenty cases."""
    drawn = interference.of_random_keys(64, 8, 40_000, generator=rng()).abs()
    true = TAIL.check(drawn, "high-probability", dim=64, n_active=8)
    relation = sp.Le(size, sp.sqrt(2 * n_active / dim * sp.log(40)) / 2)
    statement = {"probability": 0.05}
    return true, plant(relation, Kind.HIGH_PROBABILITY, drawn, statement=statement, dim=64, n_active=8)


def less_than_the_gaussian_excess(plant: Plant) -> tuple[Evidence, Evidence]:
    """The Gaussian value predicts: nine tenths of it are exceeded."""
    drawn = (interference.of_random_keys(64, 4, 100_000, generator=rng()) - 0.25).clamp_min(0).square()
    gaussian = float(interference.gaussian_excess(torch.tensor(1.0, dtype=make.DTYPE))) / 16
    at = {"threshold": 0.25, "dim": 64, "n_active": 4}
    false = sp.Le(mean_excess, sp.Float(gaussian * 0.9))
    return TAIL.check(drawn, "sharp-excess", **at), plant(false, Kind.EXPECTATION, drawn)


def a_variance_of_one_item_more(plant: Plant) -> tuple[Evidence, Evidence]:
    drawn = interference.of_random_keys(16, 9, 40_000, generator=rng()).square()
    at = {"dim": 16, "n_active": 9}
    false = sp.Eq(mean_square, (n_active + 1) / dim)
    return TAIL.check(drawn, "variance", **at), plant(false, Kind.EXPECTATION, drawn, **at)


def sparse(code: str, p: float, signed: bool = False) -> tuple[np.ndarray, dict[str, float]]:
    codes = interference.codes(64, 8, generator=rng())
    found = interference.sparse({code: codes[code]}, [p], 40_000, signed=signed, generator=rng())
    (row,) = found.cells.iter_rows(named=True)
    return found.first[0].numpy(), {name: row[name] for name in ("activity", "blast_radius", "overlap_sum")}


def coherent_keys_scaled_by_the_activity(plant: Plant) -> tuple[Evidence, Evidence]:
    seen, at = sparse("nonnegative", 0.1)
    of_radius = {name: at[name] for name in ("activity", "blast_radius")}
    published = claim("sparsity-multiplies-damage")
    return SPARSE.check(seen, "second-moment", **at), published.check(seen, "any-keys", **of_radius)


def random_signs_without_their_randomness(plant: Plant) -> tuple[Evidence, Evidence]:
    (signed, at), (fixed, _) = (sparse("nonnegative", 0.3, signed) for signed in (True, False))
    of_radius = {name: at[name] for name in ("activity", "blast_radius")}
    return SPARSE.check(signed, "random-signs", **of_radius), SPARSE.check(fixed, "random-signs", **of_radius)


def balanced_keys_without_the_square(plant: Plant) -> tuple[Evidence, Evidence]:
    seen, at = sparse("antipodal pairs", 0.5)
    of_radius = {name: at[name] for name in ("activity", "blast_radius")}
    false = sp.Eq(mean_square, activity * (1 - activity) * blast_radius)
    return SPARSE.check(seen, "balanced", **of_radius), plant(false, Kind.EXPECTATION, seen, **of_radius)


def balance_of_keys_that_are_not(plant: Plant) -> tuple[Evidence, Evidence]:
    (good, at), (bad, other) = sparse("tight frame", 0.3), sparse("nonnegative", 0.3)
    names = ("activity", "blast_radius")
    return (
        SPARSE.check(good, "balanced", **{name: at[name] for name in names}),
        SPARSE.check(bad, "balanced", **{name: other[name] for name in names}),
    )


def random_keys_of_all_items(plant: Plant) -> tuple[Evidence, Evidence]:
    seen = interference.sparse_random(8, 8, 0.5, 40_000, generator=rng())
    at = {"n_items": 8, "dim": 8, "activity": 0.5}
    false = sp.Eq(mean_square, activity * n_items / dim)
    return SPARSE.check(seen, "random-keys", **at), plant(false, Kind.EXPECTATION, seen, **at)


PLANTED = (
    a_tail_of_half_the_variance, a_tail_without_its_factor_two, active_items_that_look_at_the_keys,
    half_the_level, less_than_the_gaussian_excess, a_variance_of_one_item_more,
    coherent_keys_scaled_by_the_activity, random_signs_without_their_randomness, balanced_keys_without_the_square,
    balance_of_keys_that_are_not, random_keys_of_all_items,
)  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_a_planted_false_claim_is_refuted(planted: Callable[[Plant], tuple[Evidence, Evidence]], plant: Plant) -> None:
    true, false = planted(plant)
    assert false.verdict is Verdict.REFUTED, false.reason
    assert true.verdict is Verdict.SUPPORTED, true.reason


def test_the_tail_is_measured_at_no_more_than_the_stated_level() -> None:
    """The equality among the statements, over many seeds: refuted about as rarely as its interval says."""
    alarms = 0
    for seed in range(100):
        drawn = interference.of_random_keys(16, 4, 400, generator=rng(seed)).square()
        verdict = TAIL.check(drawn, "variance", dim=16, n_active=4, confidence=0.9).verdict
        alarms += verdict is Verdict.REFUTED
    assert alarms <= 22, "beyond 22 of 100 at level 0.1 in fewer than one case in ten thousand"


def test_a_claim_with_the_sign_of_an_inequality_turned_is_refuted() -> None:
    turned = replace(
        TAIL,
        id="turned",
        statements=tuple(
            replace(s, relation=sp.Ge(*s.relation.args, evaluate=False))
            for s in TAIL.statements
            if s.name in ("tail", "excess")
        ),
    )
    at = {"threshold": 0.5, "dim": 64, "n_active": 4}
    drawn = interference.of_random_keys(64, 4, 40_000, generator=rng())
    assert turned.check((drawn.abs() > 0.5).double(), "tail", **at).verdict is Verdict.REFUTED
    assert turned.check((drawn - 0.5).clamp_min(0).square(), "excess", **at).verdict is Verdict.REFUTED
