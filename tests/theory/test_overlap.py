"""The claims of what sparse codes share: bounds worked by hand, where they do not apply, planted false versions."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import sympy as sp
import torch

from cls_toys import overlap
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    code_size,
    dim,
    largest_overlap,
    largest_tail,
    latex,
    mean_overlap,
    mean_square_overlap,
    n_items,
    overlap_rarity,
    overlap_tail,
)

Plant = Callable[..., Evidence]
TWO, TAILS, LARGEST, PACKING = map(claim, ("sparse-overlap", "overlap-tail", "largest-overlap", "overlap-packing"))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Worked by hand. Two of four units: of six codes one is the same (O = 2), four share one unit, one shares none.
@pytest.mark.parametrize(
    ("id", "statement", "symbols", "expected"),
    [
        ("sparse-overlap", "law", {"dim": 4, "code_size": 2, "overlap_level": 1}, 4 / 6),
        ("sparse-overlap", "law", {"dim": 5, "code_size": 4, "overlap_level": 2}, 0),
        ("sparse-overlap", "mean", {"dim": 4, "code_size": 2}, 1),
        ("sparse-overlap", "variance", {"dim": 4, "code_size": 2}, 1 / 3),
        ("sparse-overlap", "variance", {"dim": 7, "code_size": 7}, 0),
        ("sparse-overlap", "mean-square", {"dim": 4, "code_size": 2}, 1 / 3),
        ("sparse-overlap", "mean-square", {"dim": 9, "code_size": 1}, 1 / 9),
        ("sparse-overlap", "mean-square", {"dim": 9, "code_size": 9}, 1),
        ("overlap-tail", "moment", {"dim": 4, "code_size": 2, "overlap_level": 2}, 6),  # the same code
        ("overlap-tail", "moment-activity", {"dim": 4, "code_size": 2, "overlap_level": 2}, 4),
        ("overlap-tail", "chernoff", {"dim": 4, "code_size": 2, "overlap_level": 2}, 4),
        ("overlap-tail", "chernoff", {"dim": 16, "code_size": 4, "overlap_level": 2}, 2**2 * (2 / 3) ** 2),
        ("overlap-tail-serfling", "serfling", {"dim": 16, "code_size": 4, "overlap_level": 2}, np.exp(0.5 / (1 - 3 / 16))),
        ("largest-overlap", "upper", {"n_items": 3, "overlap_tail": 0.1}, 0.3),
        ("largest-overlap", "upper", {"n_items": 9, "overlap_tail": 0.1}, 1),
        ("largest-overlap", "lower", {"n_items": 3, "overlap_tail": 0.1}, 0.25),
        ("largest-overlap", "lower", {"n_items": 2, "overlap_tail": 0.1}, 0.1),
        ("overlap-packing", "average", {"n_items": 7, "dim": 7, "code_size": 3}, 1),  # the Fano plane
        ("overlap-packing", "packing", {"dim": 7, "code_size": 3, "largest_overlap": 1}, 7),
        ("overlap-packing", "packing", {"dim": 9, "code_size": 2, "largest_overlap": 0}, 4.5),
        ("overlap-packing", "disjoint", {"dim": 9, "code_size": 2}, 4.5),
        ("overlap-packing", "random", {"n_items": 3, "dim": 4, "code_size": 2}, 0.5),
    ],
)  # fmt: skip
def test_bounds_at_known_values(id: str, statement: str, symbols: dict[str, float], expected: float) -> None:
    np.testing.assert_allclose(claim(id).bound(statement, **symbols), expected, rtol=1e-12, atol=1e-15)


# The specification's table: bounds on the probability, three sizes.
@pytest.mark.parametrize(
    ("size", "expected"),
    [((1000, 30, 4), (4.8e-2, 0.52, 1.8e-2)), ((1000, 30, 8), (1.2e-5, 3.1e-2, 1.4e-6)), ((1000, 300, 110), (4.7e-2, 2.2e-2, None))],
)  # fmt: skip
def test_published_values_of_the_bounds(size: tuple[int, int, int], expected: tuple[float | None, ...]) -> None:
    of_size = dict(zip(("dim", "code_size", "overlap_level"), size, strict=True))
    found = [
        1 / claim(id).bound(name, **of_size)
        for id, name in (
            ("overlap-tail", "chernoff"),
            ("overlap-tail-serfling", "serfling"),
            ("overlap-tail", "moment"),
        )
    ]
    for value, published in zip(found, expected, strict=True):
        assert value > 1 if published is None else value == pytest.approx(published, rel=0.03)


def test_binomials_do_not_overflow_and_print_as_such() -> None:
    assert np.isfinite(TWO.bound("law", dim=1000, code_size=500, overlap_level=250))
    assert r"\binom{k}{O_0}" in latex(TWO.statement("law").relation)


def test_outside_of_the_hypotheses_no_verdict_is_given() -> None:
    one_unit = TWO.check([1.0], "floor", dim=1, code_size=1)
    too_many = TWO.check([1.0], "floor", dim=3, code_size=4)
    single = PACKING.check([0.0], "average", n_items=1, dim=3, code_size=1)
    below = TAILS.check([2.0], "chernoff", dim=10, code_size=5, overlap_level=1)
    for evidence in (one_unit, too_many, single, below):
        assert evidence.verdict is Verdict.NOT_APPLICABLE


def floor_two_in_place_of_one(plant: Plant) -> tuple[Evidence, Evidence]:
    found = overlap.moments(30)
    given = {name: found[name] for name in ("dim",)}
    measured = found["mean_square_overlap"]
    return (
        plant(sp.Ge(mean_square_overlap, 1 / dim), Kind.EXACT, measured, **given),
        plant(sp.Ge(mean_square_overlap, sp.Rational(101, 100) / dim), Kind.EXACT, measured, **given),
    )


def no_self_overlap(plant: Plant) -> tuple[Evidence, Evidence]:
    """As if the two codes could not be the same unit by unit: d in place of d - 1."""
    drawn = (overlap.pairs(12, 5, 50000, generator=rng()).double() / 5).square()[None]
    true = TWO.statement("mean-square").relation.rhs
    false = 1 / dim + (code_size - 1) ** 2 / dim**2
    given = {"dim": [12], "code_size": [5]}
    return (
        plant(sp.Eq(mean_square_overlap, true), Kind.EXPECTATION, drawn, **given),
        plant(sp.Eq(mean_square_overlap, false), Kind.EXPECTATION, drawn, **given),
    )


def tail_with_replacement_squared(plant: Plant) -> tuple[Evidence, Evidence]:
    """Counting sets, with one binomial coefficient too few."""
    found = overlap.tails([9, 20]).with_columns(rarity=1 / pl.col("overlap_tail"))
    given = {name: found[name] for name in ("dim", "code_size", "overlap_level")}
    true = TAILS.statement("moment-activity").relation.rhs
    false = TAILS.statement("moment").relation.rhs * sp.Rational(1001, 1000)
    return (
        plant(sp.Ge(overlap_rarity, true), Kind.EXACT, found["rarity"], **given),
        plant(sp.Ge(overlap_rarity, false), Kind.EXACT, found["rarity"], **given),
    )


def pairs_as_items(plant: Plant) -> tuple[Evidence, Evidence]:
    found = overlap.crowd([(20, 50, 12)], [[7, 8]], 2000, generator=rng())
    given = {name: found.cells[name] for name in ("n_items", "overlap_tail")}
    hit = (found.reached > 0).double()
    loose = {"statement": {"resolution": 0.5}}
    return (
        plant(LARGEST.statement("upper").relation, Kind.EXPECTATION, hit, **given, **loose),
        plant(sp.Le(largest_tail, n_items * overlap_tail), Kind.EXPECTATION, hit, **given, **loose),
    )


def lower_as_upper(plant: Plant) -> tuple[Evidence, Evidence]:
    found = overlap.crowd([(20, 50, 20)], [[12, 13]], 2000, generator=rng())
    given = {name: found.cells[name] for name in ("n_items", "overlap_tail")}
    hit = (found.reached > 0).double()
    loose = {"statement": {"resolution": 0.5}}
    return (
        plant(LARGEST.statement("lower").relation, Kind.EXPECTATION, hit, **given, **loose),
        plant(sp.Ge(largest_tail, LARGEST.statement("upper").relation.rhs), Kind.EXPECTATION, hit, **given, **loose),
    )


def chance_as_floor(plant: Plant) -> tuple[Evidence, Evidence]:
    built = overlap.designed([2, 3])
    given = {name: built[name] for name in ("n_items", "dim", "code_size")}
    return (
        plant(PACKING.statement("average").relation, Kind.EXACT, built["mean_overlap"], **given),
        plant(sp.Ge(mean_overlap, code_size**2 / dim), Kind.EXACT, built["mean_overlap"], **given),
    )


def one_line_less(plant: Plant) -> tuple[Evidence, Evidence]:
    built = overlap.designed([2, 3, 5]).filter(pl.col("family") == "projective plane")
    given = {name: built[name] for name in ("dim", "code_size", "largest_overlap")}
    true = PACKING.statement("packing").relation.rhs
    assert largest_overlap in true.free_symbols
    return (
        plant(sp.Le(n_items, true), Kind.EXACT, built["n_items"], **given),
        plant(sp.Le(n_items, true - 1), Kind.EXACT, built["n_items"], **given),
    )


@pytest.mark.parametrize(
    "planted",
    [
        floor_two_in_place_of_one, no_self_overlap, tail_with_replacement_squared, pairs_as_items, lower_as_upper,
        chance_as_floor, one_line_less,
    ],
)  # fmt: skip
def test_a_planted_false_claim_is_refuted_where_the_true_one_is_supported(planted: Callable, plant: Plant) -> None:
    true, false = planted(plant)
    assert true.verdict is Verdict.SUPPORTED, true.reason
    assert false.verdict is Verdict.REFUTED, false.reason


def test_codes_that_are_alike_refute_what_is_claimed_of_independent_ones() -> None:
    drawn = (overlap.alike(60, 6, 0.3, 5000, generator=rng()).double() / 6).square()
    assert TWO.check(drawn, "mean-square", dim=60, code_size=6).verdict is Verdict.REFUTED
    rarity = 1 / float((overlap.alike(60, 6, 0.9, 5000, generator=rng()) >= 4).double().mean())
    assert TAILS.check([rarity], "moment", dim=60, code_size=6, overlap_level=4).verdict is Verdict.REFUTED


def test_the_false_rule_holds_for_dense_codes_and_is_refuted_for_sparse_ones() -> None:
    rule = claim("sparseness-squares-overlap")
    dense, sparse = ((overlap.pairs(100, k, 40000, generator=rng()).double() / k).square() for k in (80, 3))
    assert rule.check(sparse, "square", dim=100, code_size=3).verdict is Verdict.REFUTED
    assert abs(float(dense.mean()) / 0.64 - 1) < 0.01
