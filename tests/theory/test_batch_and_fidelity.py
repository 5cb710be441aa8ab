"""Batches, misses, ridges, buffers and restricted writes: bounds by hand, and false versions that measurement refutes.

All that is measured comes from cls_toys. Beside each false statement stands the true one, which the same data supports.
"""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import sympy as sp
import torch

from cls_toys import batch, fidelity, frames, protection, restriction
from cls_toys import keys as make
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    batch_collateral,
    batch_size,
    dim,
    effective_dim,
    expected_batch,
    expected_protected,
    expected_ridge,
    hit,
    leverage,
    mean_batch,
    mean_ridge,
    mean_single,
    miss,
    miss_price,
    n_items,
    n_keys,
    n_protected,
    optimal_collateral,
    rank,
    requested_collateral,
    subspace_dim,
    sum_restricted,
    sum_spared,
)

Plant = Callable[..., Evidence]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("id", "statement", "symbols", "expected"),
    [
        ("batch-writes", "mean", {"n_items": 6, "rank": 3, "batch_size": 2}, 1.5),
        ("batch-writes", "mean", {"n_items": 16, "rank": 6, "batch_size": 3}, 2.5),
        ("batch-writes", "mean", {"n_items": 12, "rank": 5, "batch_size": 5}, 7),
        ("batch-writes", "equality", {"n_items": 6, "rank": 5, "batch_size": 5}, 1),
        ("batch-writes", "mean", {"n_items": 40, "rank": 8, "batch_size": 1}, 4),  # the budget's bound
        ("batch-writes", "spared", {"rank": 5, "batch_size": 3}, 3),
        ("batch-writes", "orthogonal", {"n_items": 18, "rank": 6}, 2),
        ("batch-writes", "gaussian", {"n_items": 40, "dim": 20, "batch_size": 10}, 20 / 9),
        ("batch-writes", "gaussian", {"n_items": 40, "dim": 10, "batch_size": 1}, 3.75),  # as for single writes
        ("every-batch-pays", "batch", {"n_items": 18, "rank": 6, "batch_size": 6}, 12),
        ("fidelity-frontier", "least", {"optimal_collateral": 4, "miss": 0.25}, 1),
        ("fidelity-frontier", "least", {"optimal_collateral": 4, "miss": 1}, 0),
        ("fidelity-frontier", "above", {"optimal_collateral": 4, "miss": 0.25, "excess": 0.5}, 1.5),
        ("fidelity-frontier", "line", {"miss": 0.25}, 0.5),
        ("fidelity-frontier", "price", {"miss_price": 1, "optimal_collateral": 3}, 0.25),
        ("fidelity-frontier", "price", {"miss_price": 1, "optimal_collateral": 0}, 1),
        ("fidelity-frontier", "mean", {"n_keys": 40, "rank": 8, "miss": 0.25}, 1),
        ("fidelity-frontier", "refit", {"leverage": 0.25}, 3 / 16),
        ("ridge-budget", "mean", {"n_keys": 24, "effective_dim": 6}, 3),
        ("ridge-budget", "attained", {"ridge_leverage": 0.2}, 4),
        # Published: n = 200, d = 40.
        ("partial-protection", "few", {"n_items": 200, "dim": 40, "n_protected": 0}, 199 / 38),
        ("partial-protection", "few", {"n_items": 200, "dim": 40, "n_protected": 30}, 169 / 8),
        ("partial-protection", "rise", {"n_items": 200, "dim": 40, "n_protected": 30}, 169 / 8 - 199 / 38),
        ("partial-protection", "many", {"n_items": 200, "dim": 40, "n_protected": 50}, (11 + 149 * 49 / 10) / 38),
        ("partial-protection", "many", {"n_items": 200, "dim": 40, "n_protected": 199}, 160 / 38),
        ("partial-protection", "ridge", {"n_items": 200, "dim": 40}, 199 / 38),
        ("restricted-writes", "sum", {"subspace_dim": 7, "rank": 20}, 7),
        ("restricted-writes", "sum", {"subspace_dim": 7, "rank": 5}, 5),
    ],
)
def test_bounds_at_known_values(id: str, statement: str, symbols: dict[str, float], expected: float) -> None:
    np.testing.assert_allclose(claim(id).bound(statement, **symbols), expected, rtol=1e-12, atol=1e-12)


def test_exact_protection_rises_below_the_dimension_and_falls_above() -> None:
    law = claim("partial-protection")
    below, above = np.arange(38), np.arange(41, 200)
    assert (np.diff(law.bound("few", n_items=200, dim=40, n_protected=below)) > 0).all()
    many = law.bound("many", n_items=200, dim=40, n_protected=above)
    assert (np.diff(many) < 0).all()
    assert many[-1] < law.bound("few", n_items=200, dim=40, n_protected=0) < many[0]


# ------------------------------------------------------------------------------------------------------ planted false claims

_bound = (n_items - rank) / (rank - batch_size + 1)


def _means(codes: dict[str, torch.Tensor], sizes: list[int]) -> tuple[pl.Series, dict[str, pl.Series]]:
    table = batch.measure(codes, sizes)
    return table["mean_batch"], {name: table[name] for name in ("n_items", "rank", "batch_size")}


def a_batch_that_keeps_all_its_dimensions(plant: Plant) -> tuple[Evidence, Evidence]:
    measured, symbols = _means({"six": frames.icosahedron(), "simplex": frames.simplex(5)}, [2])
    return tuple(
        plant(sp.Eq(mean_batch, rhs), Kind.EXACT, measured, **symbols)
        for rhs in (_bound, (n_items - rank) / (rank - batch_size))
    )


def the_bound_of_single_writes_as_an_equality(plant: Plant) -> tuple[Evidence, Evidence]:
    measured, symbols = _means({"six": frames.icosahedron()}, [1, 2])
    return (
        plant(sp.Ge(mean_batch, n_items / rank - 1), Kind.EXACT, measured, **symbols),
        plant(sp.Eq(mean_batch, n_items / rank - 1), Kind.EXACT, measured, **symbols),
    )


def equiangular_is_enough_for_threes(plant: Plant) -> tuple[Evidence, Evidence]:
    law = claim("batch-writes")
    pairs, of_pairs = _means({"16": frames.sixteen()}, [2])
    threes, of_threes = _means({"16": frames.sixteen()}, [3])
    return law.check(pairs, "equality", **of_pairs), law.check(threes, "equality", **of_threes)


def a_slightly_larger_bound(plant: Plant) -> tuple[Evidence, Evidence]:
    found = batch.searched([(6, 3, 2)], starts=2, generator=rng())
    symbols = {name: found[name] for name in ("n_items", "rank", "batch_size")}
    return tuple(
        plant(sp.Ge(mean_batch, rhs), Kind.EXACT, found["mean_batch"], **symbols)
        for rhs in (_bound, _bound * (1 + sp.Rational(1, 10**9)))
    )


def a_frame_where_there_is_none(plant: Plant) -> tuple[Evidence, Evidence]:
    law = claim("batch-writes")
    there, not_there = (batch.searched([size], starts=3, generator=rng()) for size in ((6, 3, 2), (7, 3, 2)))
    return tuple(
        law.check(
            found["mean_batch"].min(),
            "equality",
            **{name: found[name][:1] for name in ("n_items", "rank", "batch_size")},
        )
        for found in (there, not_there)
    )


def batches_cost_what_their_items_do(plant: Plant) -> tuple[Evidence, Evidence]:
    """So they do in an orthogonal basis, and not elsewhere; `at least` holds everywhere."""
    writes = batch.writes({"Gaussian": make.gaussian(9, 4, generator=rng())}, 2, outputs=2, generator=rng())
    optimal = writes.filter(pl.col("rule") == "optimal", pl.col("values") == "alike")
    return tuple(
        plant(relation(batch_collateral, mean_single), Kind.EXACT, optimal["collateral"], mean_single=optimal["single"])
        for relation in (sp.Ge, sp.Eq)
    )


def single_without_values_alike(plant: Plant) -> tuple[Evidence, Evidence]:
    """Values that agree with the overlap of two keys make a pair cheaper than its items."""
    keys, pair = make.harmonic_frame(3, 2), torch.tensor([[0, 1]])
    alike, opposite = (
        batch.collateral(keys, pair),
        batch.collateral(keys, pair, torch.tensor([[1.0, -1.0]], dtype=make.DTYPE)),
    )
    law = claim("batch-writes")
    return tuple(
        law.check(c.numpy(), "single", mean_single=batch.single(keys, pair).numpy()) for c in (alike, opposite)
    )


def optimal_batches_without_the_optimal_rule(plant: Plant) -> tuple[Evidence, Evidence]:
    writes = batch.writes({"Gaussian": make.gaussian(9, 4, generator=rng())}, 2, outputs=2, generator=rng())
    law = claim("batch-writes")
    rules = (writes.filter(pl.col("rule") == rule) for rule in ("optimal", "least change"))
    return tuple(law.check(w["collateral"], "optimal", batch_inverse=w["inverse"]) for w in rules)


def companions_leave_the_whole_rank(plant: Plant) -> tuple[Evidence, Evidence]:
    table = batch.shares({"Gaussian": make.gaussian(9, 4, generator=rng())}, [1, 2, 3])
    symbols = {"rank": table["rank"], "batch_size": table["batch_size"]}
    return tuple(
        plant(sp.Eq(sum_spared, rhs), Kind.EXACT, table["sum_spared"], **symbols)
        for rhs in (rank - batch_size + 1, rank - batch_size)
    )


def gaussian_mean_off_by_one(plant: Plant) -> tuple[Evidence, Evidence]:
    sizes = [2, 5, 8]
    measured = batch.gaussian(40, 20, sizes, 3000, generator=rng())
    symbols = {"n_items": 40, "dim": 20, "batch_size": sizes}
    return tuple(
        plant(sp.Eq(expected_batch, (n_items - dim) / (dim - batch_size - less)), Kind.EXPECTATION, measured, **symbols)
        for less in (1, 0)
    )


def _fidelity(*kinds: str) -> pl.DataFrame:
    codes = {"Gaussian": make.gaussian(12, 5, generator=rng()), "tight": make.harmonic_frame(12, 4)}
    table = fidelity.measure(codes, [0.04, 0.25, 0.64], [0.5, 1.0, 4.0], generator=rng())
    return table.filter(pl.col("write").is_in(kinds), pl.col("miss") <= 1)


def collateral_falls_with_the_miss_itself(plant: Plant) -> tuple[Evidence, Evidence]:
    """Energy, not amplitude: c (1 - miss) is no bound, c (1 - sqrt miss)^2 is."""
    table = _fidelity("frontier", "above", "wild")
    symbols = {"optimal_collateral": table["optimal_collateral"], "miss": table["miss"]}
    return tuple(
        plant(
            sp.Ge(requested_collateral, optimal_collateral * rhs), Kind.EXACT, table["requested_collateral"], **symbols
        )
        for rhs in ((1 - sp.sqrt(miss)) ** 2, 1 - miss)
    )


def the_line_away_from_the_frontier(plant: Plant) -> tuple[Evidence, Evidence]:
    law = claim("fidelity-frontier")
    tables = (_fidelity(kind) for kind in ("frontier", "above"))
    return tuple(
        law.check((t["requested_collateral"] / t["optimal_collateral"]).sqrt(), "line", miss=t["miss"]) for t in tables
    )


def a_price_on_the_root_of_the_miss(plant: Plant) -> tuple[Evidence, Evidence]:
    table = _fidelity("priced")
    symbols = {"miss_price": table["asked"], "optimal_collateral": table["optimal_collateral"]}
    return tuple(
        plant(sp.Eq(hit, price / (price + optimal_collateral)), Kind.EXACT, table["hit"], **symbols)
        for price in (miss_price, sp.sqrt(miss_price))
    )


def a_refit_that_hits_fully(plant: Plant) -> tuple[Evidence, Evidence]:
    """Its collateral per request is l (1 - l), not that of an exact hit, 1/l - 1."""
    table = _fidelity("refit")
    return tuple(
        plant(sp.Eq(requested_collateral, rhs), Kind.EXACT, table["requested_collateral"], leverage=table["leverage"])
        for rhs in (leverage * (1 - leverage), 1 / leverage - 1)
    )


def the_rank_beside_a_ridge(plant: Plant) -> tuple[Evidence, Evidence]:
    """With the rank the bound holds, and says too little: even the best code stays far above it."""
    table = protection.totals(protection.spend({"tight": make.harmonic_frame(24, 8)}, [3.0]))
    best = table.filter(pl.col("rule") == "ridge")
    symbols = {"n_keys": best["n_keys"], "effective_dim": best["effective_dim"], "rank": best["rank"]}
    return tuple(
        plant(sp.Eq(mean_ridge, n_keys / size - 1), Kind.EXACT, best["mean_ridge"], **symbols)
        for size in (effective_dim, rank)
    )


def the_ridge_cost_of_another_rule(plant: Plant) -> tuple[Evidence, Evidence]:
    table = protection.spend({"anisotropic": make.anisotropic(20, 6, 30.0, generator=rng())}, [0.5])
    law = claim("ridge-budget")
    rules = (table.filter(pl.col("rule") == rule) for rule in ("ridge", "optimal"))
    return tuple(law.check(t["ridge_collateral"], "attained", ridge_leverage=t["ridge_leverage"]) for t in rules)


_few = (n_items - 1 - n_protected) / (dim - n_protected - 2)


def protecting_helps(plant: Plant) -> tuple[Evidence, Evidence]:
    sizes = [4, 8]
    measured = protection.buffers(60, 20, sizes, 2000, generator=rng()).exact
    symbols = {"n_items": 60, "dim": 20, "n_protected": sizes}
    return (
        plant(sp.Eq(expected_protected, _few), Kind.EXPECTATION, measured, statement={"resolution": 0.1}, **symbols),
        claim("more-protection-helps").check(measured, **symbols),
    )


def an_inverse_chi_square_of_the_wrong_mean(plant: Plant) -> tuple[Evidence, Evidence]:
    sizes = [0, 4]
    measured = protection.buffers(60, 20, sizes, 4000, generator=rng()).exact
    symbols = {"n_items": 60, "dim": 20, "n_protected": sizes}
    return tuple(
        plant(sp.Eq(expected_protected, (n_items - 1 - n_protected) / (dim - n_protected - less)), Kind.EXPECTATION, measured, **symbols)
        for less in (2, 1)
    )  # fmt: skip


def outside_items_forgotten(plant: Plant) -> tuple[Evidence, Evidence]:
    """Only what is known counts as collateral: the least collateral of b + 1 keys, without the items outside."""
    sizes = [40, 59]
    measured = protection.buffers(80, 20, sizes, 3000, generator=rng()).exact
    symbols = {"n_items": 80, "dim": 20, "n_protected": sizes}
    return (
        claim("partial-protection").check(measured, "many", **symbols),
        plant(sp.Eq(expected_protected, (n_protected + 1 - dim) / (dim - 2)), Kind.EXPECTATION, measured, **symbols),
    )


def exact_protection_taken_for_the_ridge(plant: Plant) -> tuple[Evidence, Evidence]:
    law, sizes = claim("partial-protection"), [0, 6, 11, 27]
    found = protection.buffers(60, 20, sizes, 2000, generator=rng())
    return tuple(
        law.check(costs, "ridge", n_items=60, dim=20, n_protected=sizes) for costs in (found.ridge, found.exact)
    )


def a_ridge_that_knows_all(plant: Plant) -> tuple[Evidence, Evidence]:
    """With a buffer of half the items the ridge is better than nothing, and not as good as knowing all."""
    measured = protection.buffers(60, 20, [30], 2000, generator=rng()).ridge
    symbols = {"n_items": 60, "dim": 20}
    return tuple(
        plant(sp.Le(expected_ridge, rhs), Kind.EXPECTATION, measured, **symbols)
        for rhs in ((n_items - 1) / (dim - 2), (n_items - dim) / (dim - 2))
    )


def protection_of_anisotropic_items(plant: Plant) -> tuple[Evidence, Evidence]:
    """The formula is for keys of covariance I; one loud coordinate breaks it."""
    law = claim("partial-protection")
    found = (
        protection.buffers(60, 20, [2], 3000, generator=rng(), family=of).exact
        for of in (make.gaussian, protection.loud)
    )
    return tuple(law.check(costs, "few", n_items=60, dim=20, n_protected=2) for costs in found)


def a_ridge_that_rises_with_the_buffer(plant: Plant) -> tuple[Evidence, Evidence]:
    law = claim("partial-protection")
    found = protection.buffers(60, 20, [6, 30], 2000, generator=rng()).ridge
    symbols = {"n_items": 60, "dim": 20, "n_protected": 30}
    return tuple(
        law.check(change, "ridge-falls", **symbols) for change in (found[1:] - found[:1], found[:1] - found[1:])
    )


def an_adapter_beyond_its_dimension(plant: Plant) -> tuple[Evidence, Evidence]:
    table = restriction.totals(
        restriction.measure({"": make.gaussian(20, 8, generator=rng())}, [2, 4, 6], generator=rng())
    )
    best = table.filter(pl.col("rule") == "optimal")
    symbols = {"subspace_dim": best["subspace_dim"], "rank": best["rank"]}
    return tuple(
        plant(sp.Eq(sum_restricted, rhs), Kind.EXACT, best["sum_restricted"], **symbols)
        for rhs in (sp.Min(subspace_dim, rank), rank)
    )


def a_mask_that_makes_writes_more_precise(plant: Plant) -> tuple[Evidence, Evidence]:
    """False of the best writes, though a mask helps local ones."""
    law = claim("restricted-writes")
    narrow = restriction.measure({"": make.gaussian(20, 8, generator=rng())}, [4], generator=rng())
    seen, whole = narrow["restricted_leverage"], narrow["leverage"]
    return law.check(seen, "leverage", leverage=whole), law.check(whole, "leverage", leverage=seen)


PLANTED = (
    a_batch_that_keeps_all_its_dimensions, the_bound_of_single_writes_as_an_equality, equiangular_is_enough_for_threes,
    a_slightly_larger_bound, a_frame_where_there_is_none, batches_cost_what_their_items_do, single_without_values_alike,
    optimal_batches_without_the_optimal_rule, companions_leave_the_whole_rank, gaussian_mean_off_by_one,
    collateral_falls_with_the_miss_itself, the_line_away_from_the_frontier, a_price_on_the_root_of_the_miss,
    a_refit_that_hits_fully, the_rank_beside_a_ridge, the_ridge_cost_of_another_rule, protecting_helps,
    an_inverse_chi_square_of_the_wrong_mean, outside_items_forgotten, exact_protection_taken_for_the_ridge,
    a_ridge_that_knows_all, protection_of_anisotropic_items, a_ridge_that_rises_with_the_buffer,
    an_adapter_beyond_its_dimension, a_mask_that_makes_writes_more_precise,
)  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_a_planted_false_claim_is_refuted(planted: Callable[[Plant], tuple[Evidence, Evidence]], plant: Plant) -> None:
    true, false = planted(plant)
    assert false.verdict is Verdict.REFUTED, false.reason
    assert false.violations > 0
    assert true.verdict is Verdict.SUPPORTED, true.reason
    assert true.violations == 0


def test_the_refuted_readings_are_refuted_by_measurement() -> None:
    basis = batch.within_basis(2, 6, outputs=1, generator=rng()).filter(pl.col("values") == "alike")
    symbols = {name: basis[name] for name in ("n_items", "rank", "batch_size")}
    assert claim("every-batch-pays").check(basis["collateral"], **symbols).verdict is Verdict.REFUTED
    ordinary = {"Gaussian": make.gaussian(12, 5, generator=rng())}
    pairs = batch.writes(ordinary, 2, outputs=1, generator=rng()).filter(
        pl.col("rule") == "optimal", pl.col("values") == "alike"
    )
    found = claim("every-batch-pays").check(pairs["collateral"], n_items=12, rank=5, batch_size=2)
    assert found.verdict is Verdict.REFUTED, "in any code some pairs are cheaper than the mean"


def test_no_verdict_where_a_mean_or_its_interval_does_not_exist() -> None:
    law = claim("partial-protection")
    sample = np.ones((1, 4))
    for statement, size in (("few", 12), ("few", 19), ("many", 20), ("many", 26)):
        found = law.check(sample, statement, n_items=60, dim=20, n_protected=size)
        assert found.verdict is Verdict.NOT_APPLICABLE
        assert "fourth moment" in found.reason or "same reason" in found.reason
    found = claim("batch-writes").check(sample, "gaussian", n_items=40, dim=20, batch_size=13)
    assert found.verdict is Verdict.NOT_APPLICABLE
    found = claim("batch-writes").check([1.0], "mean", n_items=6, rank=3, batch_size=4)
    assert found.verdict is Verdict.NOT_APPLICABLE
    found = claim("fidelity-frontier").check([0.25], "above", optimal_collateral=1, miss=0.25, excess=0.5, rank=1)
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert "rank 2" in found.reason
