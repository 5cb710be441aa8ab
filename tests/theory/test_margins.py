"""Margins: bounds worked by hand, and false versions that measurements refute beside the true ones."""

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
import torch

from cls_toys import keys as make
from cls_toys import margins
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    blast_radius,
    compression,
    dim,
    expected_flips,
    mean_collateral,
    mean_flipped,
    n_flipped,
    n_items,
    n_writes,
    outside_mean_square,
    threshold,
)

Plant = Callable[..., Evidence]
ONE, MANY = claim("margin-single-write"), claim("margin-sustained")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_bounds_worked_by_hand() -> None:
    assert ONE.bound("blast", blast_radius=0.5, threshold=0.5) == 2  # three keys at 120 degrees
    assert ONE.bound("tight-frame", compression=1.5, threshold=0.5) == 2
    assert ONE.bound("random", n_items=3, dim=8, threshold=0.5) == pytest.approx(4 * np.exp(-1))
    assert ONE.bound("random-mean", n_items=40, dim=2, threshold=0.5) == pytest.approx(26)  # two thirds of the circle
    assert ONE.bound("random-mean", n_items=11, dim=3, threshold=0.25) == pytest.approx(7.5)  # uniform in space
    assert MANY.bound("bound", n_writes=1, n_items=16, compression=16 / 6) == pytest.approx(1 / 9)
    assert MANY.bound("bound", n_writes=2, n_items=3, compression=1.5) == 0.5
    assert MANY.bound("bound", n_writes=16, n_items=512, compression=8) == pytest.approx(0.2192, abs=1e-4)
    assert MANY.bound("bound", n_writes=256, n_items=512, compression=8) == pytest.approx(3.51, abs=5e-3)


@pytest.mark.parametrize(
    ("statement", "symbols", "said"),
    [
        ("bound", {"n_writes": 8, "n_items": 8, "compression": 2}, "left over"),
        ("margin", {"n_writes": 3, "n_items": 9, "compression": 2, "threshold": 0.9}, "writes"),
        ("margin", {"n_writes": 8, "n_items": 9, "compression": 1.1, "threshold": 0.5}, "writes"),
        (
            "safe",
            {"n_writes": 2, "n_items": 512, "dim": 64, "threshold": 0.5, "tolerated_flips": 1},
            "There are at most",
        ),
    ],
)
def test_outside_the_hypotheses_nothing_is_judged(statement: str, symbols: dict[str, float], said: str) -> None:
    evidence = MANY.check([[0.1, 0.2, 0.3]], statement, **symbols)
    assert evidence.verdict is Verdict.NOT_APPLICABLE
    assert said in evidence.reason


def flips(codes: dict[str, torch.Tensor], *margin: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    table = margins.flips(codes, margin)
    return table["n_flipped"].to_numpy(), {
        "blast_radius": table["blast_radius"].to_numpy(), "threshold": table["margin"].to_numpy(),
    }  # fmt: skip


def a_smaller_constant_than_one(plant: Plant) -> tuple[Evidence, Evidence]:
    """Three keys at 120 degrees tell 1 from 0.999."""
    seen, at = flips({"three": make.harmonic_frame(3, 2), "unit": make.unit(20, 4, generator=rng())}, 0.4999)
    false = sp.Le(n_flipped, sp.Rational(999, 1000) * blast_radius / threshold**2)
    return ONE.check(seen, "blast", **at), plant(false, Kind.EXACT, seen, **at)


def a_margin_that_is_not_squared(plant: Plant) -> tuple[Evidence, Evidence]:
    seen, at = flips({"unit": make.unit(60, 4, generator=rng())}, 0.1)
    false = sp.Le(n_flipped, blast_radius * 2 * threshold)
    return ONE.check(seen, "blast", **at), plant(false, Kind.EXACT, seen, **at)


def a_frame_that_is_not_tight(plant: Plant) -> tuple[Evidence, Evidence]:
    """Keys that lean one way flip more than a tight frame may."""
    frame, cone = make.harmonic_frame(24, 8), make.unit(24, 8, generator=rng()).abs()
    mean = [float(margins.flipped_by_one(keys, 0.5).double().mean()) for keys in (frame, cone)]
    return tuple(ONE.check(value, "tight-frame", compression=3, threshold=0.5) for value in mean)


def chebyshev_with_the_tail_of_random_keys(plant: Plant) -> tuple[Evidence, Evidence]:
    """The exponential bound is for random keys: keys in one cone break it."""
    seen = margins.random_flipped_by_one(20, 32, [0.5], 500, generator=rng())
    cone = make.unit(500 * 20, 32, generator=rng()).abs().reshape(500, 20, 32)
    at = {"n_items": 20, "dim": 32, "threshold": 0.5}
    return (
        ONE.check(seen, "random", **at),
        ONE.check(margins.flipped_by_one(cone, 0.5).double().mean(-1), "random", **at),
    )


def flips_of_one_side(plant: Plant) -> tuple[Evidence, Evidence]:
    seen = margins.random_flipped_by_one(30, 6, [0.4], 500, generator=rng())
    at = {"n_items": 30, "dim": 6, "threshold": 0.4}
    false = sp.Eq(mean_flipped, ONE.statement("random-mean").relation.rhs / 2)
    return ONE.check(seen, "random-mean", **at), plant(false, Kind.EXPECTATION, seen, **at)


def written(code: torch.Tensor, rule: str, number: int) -> tuple[float, np.ndarray, dict[str, float]]:
    found = margins.sustained({"code": code}, [number], 8000, generator=rng())
    cells = found.cells.with_row_index().filter(found.cells["rule"] == rule)
    (row,) = cells.iter_rows(named=True)
    at = {name: row[name] for name in ("n_writes", "n_items", "compression", "mean_collateral")}
    return row["mean_square"], found.sampled[row["index"]].numpy(), at


def a_slightly_larger_bound(plant: Plant) -> tuple[Evidence, Evidence]:
    exact, _, at = written(make.harmonic_frame(20, 4), "optimal", 5)
    at.pop("mean_collateral")
    false = sp.Ge(outside_mean_square, n_writes * (compression - 1) / (n_items - 1) * (1 + sp.Rational(1, 10**8)))
    return MANY.check(exact, "bound", **at), plant(false, Kind.EXACT, exact, **at)


def over_all_items_in_place_of_the_others(plant: Plant) -> tuple[Evidence, Evidence]:
    _, sampled, at = written(make.unit(8, 3, generator=rng()), "local", 3)
    at.pop("compression")
    false = sp.Eq(outside_mean_square, n_writes * mean_collateral / n_items)
    return MANY.check(sampled, "mean-square", **at), plant(false, Kind.EXPECTATION, sampled, **at)


def a_rule_that_sees_the_set(plant: Plant) -> tuple[Evidence, Evidence]:
    """The one hypothesis that bites: adaptive rules drop it."""
    three = make.harmonic_frame(3, 2)
    exact, _, at = written(three, "optimal", 2)
    at.pop("mean_collateral")
    sees = margins.informed(three, 2, 10, generator=rng())
    return MANY.check(exact, "bound", **at), MANY.check(sees, "bound", **at)


def attained_by_any_code(plant: Plant) -> tuple[Evidence, Evidence]:
    exact = [written(keys, "optimal", 4) for keys in (make.harmonic_frame(16, 6), make.unit(16, 6, generator=rng()))]
    return tuple(
        MANY.check(value, "attained", n_writes=4, n_items=16, compression=at["compression"]) for value, _, at in exact
    )


def a_margin_reached_by_half_the_writes(plant: Plant) -> tuple[Evidence, Evidence]:
    """tau = 1/2 at n = 65, d = 13: N = tau^2 (n - 1)/(rho - 1) = 4 exactly."""
    frame = make.harmonic_frame(65, 13)
    exact, late = (written(frame, "optimal", number)[0] for number in (2, 4))
    false = sp.Ge(outside_mean_square, threshold**2)
    return (
        MANY.check(late, "margin", n_writes=4, n_items=65, compression=5, threshold=0.5),
        plant(false, Kind.EXACT, exact, threshold=0.5),
    )


def flips_that_do_not_grow_with_the_writes(plant: Plant) -> tuple[Evidence, Evidence]:
    """A margin that protects many writes as well as one."""
    seen = margins.random_flips(64, 32, [1, 8], 0.5, 1500, generator=rng())
    at = {"n_items": 64, "dim": 32, "threshold": 0.5}
    false = sp.Le(expected_flips, 2 * n_items * sp.exp(-(threshold**2) * dim / 2))
    return MANY.check(seen, "flips", n_writes=[1, 8], **at), plant(false, Kind.EXPECTATION, seen, **at)


def five_times_as_many_writes_are_safe(plant: Plant) -> tuple[Evidence, Evidence]:
    number = int(margins.safe_writes(256, 128, 0.5, 1.0))
    seen = [margins.random_flips(256, 128, [n], 0.5, 400, generator=rng())[0] for n in (number, 5 * number)]
    at = {"n_items": 256, "dim": 128, "threshold": 0.5, "tolerated_flips": 1}
    false = sp.Le(expected_flips, sp.Integer(1))
    return MANY.check(seen[0], "safe", n_writes=number, **at), plant(false, Kind.EXPECTATION, seen[1])


PLANTED = (
    a_smaller_constant_than_one, a_margin_that_is_not_squared, a_frame_that_is_not_tight,
    chebyshev_with_the_tail_of_random_keys, flips_of_one_side, a_slightly_larger_bound,
    over_all_items_in_place_of_the_others, a_rule_that_sees_the_set, attained_by_any_code,
    a_margin_reached_by_half_the_writes, flips_that_do_not_grow_with_the_writes, five_times_as_many_writes_are_safe,
)  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_a_planted_false_claim_is_refuted(planted: Callable[[Plant], tuple[Evidence, Evidence]], plant: Plant) -> None:
    true, false = planted(plant)
    assert false.verdict is Verdict.REFUTED, false.reason
    assert true.verdict is Verdict.SUPPORTED, true.reason
