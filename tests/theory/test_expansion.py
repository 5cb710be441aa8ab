"""Rank and its price: bounds worked by hand, and false versions that measurements refute beside the true ones."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import sympy as sp
import torch
from scipy import integrate

from cls_toys import expansion
from cls_toys import keys as make
from theory import claim
from theory.evidence import Evidence, Kind, Verdict, rounding
from theory.notation import (
    degree,
    dim,
    expected_thresholded,
    feature_rank,
    mean_collateral,
    n_items,
    n_keys,
    n_outputs,
    n_parameters,
    threshold,
)

Plant = Callable[..., Evidence]
LAW, FALSE = claim("rank-expansion"), claim("threshold-breaks-budget")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def memories() -> pl.DataFrame:
    return expansion.compare(make.unit(40, 4, generator=rng()), [0.4, 0.7], [1, 2, 3])


def test_bounds_worked_by_hand() -> None:
    np.testing.assert_allclose(
        LAW.bound("polynomial-mean", n_keys=120, dim=5, degree=[1, 2, 3, 4]), [23, 7, 17 / 7, 5 / 7]
    )
    assert LAW.bound("polynomial-rank", dim=3, degree=4) == 15
    assert LAW.bound("polynomial-rank", dim=7, degree=1) == 7
    assert LAW.bound("price", n_parameters=30, n_outputs=3) == 10
    # Published by the derivation's author: 17.3, which says nothing, and 7e-4.
    assert LAW.bound("random-bound", n_items=256, dim=16, threshold=0.5) == pytest.approx(17.3, abs=0.05)
    assert LAW.bound("random-bound", n_items=2048, dim=64, threshold=0.65) == pytest.approx(7e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("items", "dims", "tau"),
    [(256, 16, 0.5), (2048, 64, 0.65), (30, 2, 0.3), (120, 3, 0.9), (500, 300, 0.1), (9, 5, 0.01)],
)
def test_the_exact_mean_is_an_integral_over_the_sphere(items: int, dims: int, tau: float) -> None:
    def weight(angle: float) -> float:
        return np.sin(angle) ** (dims - 2)

    whole = integrate.quad(weight, 0, np.pi, epsabs=0)[0]
    above = integrate.quad(lambda t: (np.cos(t) - tau) ** 2 * weight(t), 0, np.arccos(tau), epsabs=0, epsrel=1e-10)[0]
    exact = LAW.bound("random-mean", n_items=items, dim=dims, threshold=tau)
    assert exact == pytest.approx((items - 1) * above / whole / (1 - tau) ** 2, rel=1e-6)
    assert exact < LAW.bound("random-bound", n_items=items, dim=dims, threshold=tau)


def test_hypotheses_are_kept() -> None:
    too_coherent = LAW.check([0.0], "separate", max_coherence=0.6, threshold=0.5)
    assert too_coherent.verdict is Verdict.NOT_APPLICABLE
    assert "overlap by more than the threshold" in too_coherent.reason
    at_one = LAW.check([[0.1, 0.2, 0.3]], "random-mean", n_items=9, dim=3, threshold=1.0)
    assert at_one.verdict is Verdict.NOT_APPLICABLE
    line = LAW.check([[0.1, 0.2, 0.3]], "random-mean", n_items=9, dim=1, threshold=0.5)
    assert line.verdict is Verdict.NOT_APPLICABLE


def test_every_memory_keeps_the_budget_and_pays_its_price(memories: pl.DataFrame) -> None:
    tolerance = rounding(np.float64, condition=memories["condition"])
    of_rank = {"feature_rank": memories["feature_rank"]}
    verdicts = [
        LAW.check(memories["sum_writability"], "sum", **of_rank, tolerance=tolerance),
        LAW.check(memories["mean_collateral"], "mean", **of_rank, n_keys=memories["n_keys"], tolerance=tolerance),
        LAW.check(
            memories["feature_rank"], "price", n_parameters=memories["n_parameters"], n_outputs=memories["n_outputs"]
        ),
    ]
    assert {evidence.verdict for evidence in verdicts} == {Verdict.SUPPORTED}


def the_budget_of_the_keys(plant: Plant, memories: pl.DataFrame) -> tuple[Evidence, Evidence]:
    """The published false claim, on polynomial memories too; linear ones do keep it."""
    linear = memories.filter(pl.col("memory") == "linear")
    rest = memories.filter(pl.col("memory") != "linear")
    return (
        plant(sp.Ge(mean_collateral, n_keys / dim - 1), Kind.EXACT, linear["mean_collateral"], n_keys=40, dim=4),
        FALSE.check(rest["mean_collateral"], "dimension", n_keys=40, dim=4),
    )


def a_threshold_below_the_budget(plant: Plant, memories: pl.DataFrame) -> tuple[Evidence, Evidence]:
    units = memories.filter(pl.col("memory") == "thresholded")
    at = {"n_keys": units["n_keys"], "feature_rank": units["feature_rank"]}
    return LAW.check(units["mean_collateral"], "mean", **at), FALSE.check(units["mean_collateral"], "rank", **at)


def rank_for_nothing(plant: Plant, memories: pl.DataFrame) -> tuple[Evidence, Evidence]:
    """That a single output's parameters are paid once for all outputs."""
    at = {"n_parameters": memories["n_parameters"], "n_outputs": memories["n_outputs"]}
    false = sp.Le(feature_rank, n_parameters / n_outputs**2)
    return LAW.check(memories["feature_rank"], "price", **at), plant(false, Kind.EXACT, memories["feature_rank"], **at)


def one_monomial_too_few(plant: Plant, memories: pl.DataFrame) -> tuple[Evidence, Evidence]:
    polynomial = memories.filter(pl.col("degree").is_not_null())
    at = {"dim": polynomial["dim"], "degree": polynomial["degree"]}
    false = sp.Le(feature_rank, sp.binomial(dim + degree - 1, degree) - 1)
    rank = polynomial["feature_rank"]
    return LAW.check(rank, "polynomial-rank", **at), plant(false, Kind.EXACT, rank, **at)


def monomials_without_repetition(plant: Plant, memories: pl.DataFrame) -> tuple[Evidence, Evidence]:
    polynomial = memories.filter(pl.col("degree") >= 2, pl.col("rule") == "optimal")
    at = {name: polynomial[name] for name in ("dim", "degree", "n_keys")}
    false = sp.Ge(mean_collateral, n_keys / sp.binomial(dim, degree) - 1)
    mean = polynomial["mean_collateral"]
    return LAW.check(mean, "polynomial-mean", **at), plant(false, Kind.EXACT, mean, **at)


def drawn(items: int, dims: int, tau: float) -> np.ndarray:
    return expansion.random_collateral(items, dims, tau, 3000, generator=rng()).numpy()


def an_excess_on_both_sides(plant: Plant, memories: pl.DataFrame) -> tuple[Evidence, Evidence]:
    at = {"n_items": 30, "dim": 6, "threshold": 0.3}
    false = sp.Eq(expected_thresholded, 2 * LAW.statement("random-mean").relation.rhs)
    seen = drawn(30, 6, 0.3)
    return LAW.check(seen, "random-mean", **at), plant(false, Kind.EXPECTATION, seen, **at)


def gain_forgotten(plant: Plant, memories: pl.DataFrame) -> tuple[Evidence, Evidence]:
    """Without the division by (1 - tau)^2 that gives a unit's own item an activity of 1."""
    at = {"n_items": 30, "dim": 6, "threshold": 0.5}
    seen = drawn(30, 6, 0.5)
    rate = sp.exp(-(threshold**2) * dim / 2) / dim
    return (
        LAW.check(seen, "random-bound", **at),
        plant(sp.Le(expected_thresholded, (n_items - 1) * rate / 10), Kind.EXPECTATION, seen, **at),
    )


PLANTED = (
    the_budget_of_the_keys, a_threshold_below_the_budget, rank_for_nothing, one_monomial_too_few,
    monomials_without_repetition, an_excess_on_both_sides, gain_forgotten,
)  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_a_planted_false_claim_is_refuted(
    planted: Callable[[Plant, pl.DataFrame], tuple[Evidence, Evidence]], plant: Plant, memories: pl.DataFrame
) -> None:
    true, false = planted(plant, memories)
    assert false.verdict is Verdict.REFUTED, false.reason
    assert true.verdict is Verdict.SUPPORTED, true.reason
