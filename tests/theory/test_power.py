"""The evidence checker has power, and raises no false alarms.

Planted false claims come out refuted on data measured with cls_toys, never computed from the formula under test.
Beside each stands the true claim it distorts, which the same data supports: the checker does not refute everything.
Over 200 seeds, true claims are refuted at no more than the stated level.
"""

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
import torch
from scipy import stats

from cls_toys import allocation, probes
from cls_toys import keys as make
from cls_toys.stores.linear import LinearStore
from theory import claim as registered
from theory.evidence import Evidence, Kind, Verdict, rounding
from theory.notation import (
    blast_radius,
    collateral,
    compression,
    dim,
    dimensionality,
    expected_local,
    expected_optimal,
    leverage,
    leverage_cdf,
    max_overlap,
    mean_blast,
    mean_collateral,
    n_items,
    n_keys,
    rank,
    sum_writability,
    writability,
    x,
)

Plant = Callable[..., Evidence]

shortcut = sp.Symbol("shortcut", positive=True)  # k' pinv(M without item i) k
copies = sp.Symbol("copies", positive=True)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draws(
    trials: int, items: int, dim: int, seed: int = 0, family: Callable[..., torch.Tensor] = make.gaussian
) -> torch.Tensor:
    """Independent key matrices, ``[trials, items, dim]``."""
    return family(trials * items, dim, generator=rng(seed)).reshape(trials, items, dim)


def written(keys: torch.Tensor, rule: str) -> np.ndarray:
    """Collateral of one write at each item, by writing it into a store and reading every item before and after."""
    return probes.collateral(LinearStore(keys, rule=rule), keys, torch.ones(len(keys), 1, dtype=keys.dtype)).numpy()


def overlaps(keys: torch.Tensor) -> np.ndarray:
    """Squared overlaps of distinct items, 0 on the diagonal."""
    squared = (keys @ keys.mT).square().numpy()
    return squared * (1 - np.eye(keys.shape[-2]))


def flipped_inequality(plant: Plant) -> tuple[Evidence, Evidence]:
    keys = make.gaussian(24, 6, generator=rng())
    total = (1 / (1 + written(keys, "local"))).sum()
    return (
        plant(sp.Le(sum_writability, rank), Kind.EXACT, total, rank=6),
        plant(sp.Ge(sum_writability, rank), Kind.EXACT, total, rank=6),
    )


def wrong_constant(plant: Plant) -> tuple[Evidence, Evidence]:
    items, dims = (8, 24, 15), (4, 8, 5)
    mean = [written(make.harmonic_frame(n, d), "optimal").mean() for n, d in zip(items, dims, strict=True)]
    symbols = {"n_keys": items, "rank": dims}
    bound = n_keys / rank - 1
    return (
        plant(sp.Ge(mean_collateral, bound), Kind.EXACT, mean, **symbols),
        plant(sp.Ge(mean_collateral, bound * sp.Rational(105, 100)), Kind.EXACT, mean, **symbols),
    )


def slightly_wrong_constant(plant: Plant) -> tuple[Evidence, Evidence]:
    mean = written(make.harmonic_frame(24, 8), "optimal").mean()
    return (
        plant(sp.Ge(mean_collateral, n_keys / rank - 1), Kind.EXACT, mean, n_keys=24, rank=8),
        plant(sp.Ge(mean_collateral, n_keys / rank - 1 + sp.Rational(1, 10**9)), Kind.EXACT, mean, n_keys=24, rank=8),
    )


def items_instead_of_others(plant: Plant) -> tuple[Evidence, Evidence]:
    mean = overlaps(draws(4000, 24, 8, family=make.unit)).sum(-1).mean(-1)
    return (
        plant(sp.Eq(expected_local, (n_items - 1) / dim), Kind.EXPECTATION, mean, n_items=24, dim=8),
        plant(sp.Eq(expected_local, n_items / dim), Kind.EXPECTATION, mean, n_items=24, dim=8),
    )


def frame_potential_without_unit_norm(plant: Plant) -> tuple[Evidence, Evidence]:
    unit = make.unit(24, 8, generator=rng())
    bound = sp.Ge(mean_blast, n_items / rank - 1)
    return (
        plant(bound, Kind.EXACT, overlaps(unit).sum(-1).mean(), n_items=24, rank=8),
        plant(bound, Kind.EXACT, overlaps(unit / 2).sum(-1).mean(), n_items=24, rank=8),
    )


def blast_radius_without_unit_norm(plant: Plant) -> tuple[Evidence, Evidence]:
    unit = make.unit(24, 8, generator=rng())
    gaussian = make.gaussian(24, 8, generator=rng())
    relation = sp.Eq(blast_radius, 1 / dimensionality - 1)
    return (
        plant(relation, Kind.EXACT, overlaps(unit).sum(-1), dimensionality=probes.dimensionality(unit).numpy()),
        plant(relation, Kind.EXACT, overlaps(gaussian).sum(-1), dimensionality=probes.dimensionality(gaussian).numpy()),
    )


def welch_without_unit_norm(plant: Plant) -> tuple[Evidence, Evidence]:
    frame = make.harmonic_frame(3, 2)
    bound = sp.Ge(max_overlap, (n_items - dim) / (dim * (n_items - 1)))
    return (
        plant(bound, Kind.EXACT, overlaps(frame).max(), n_items=3, dim=2),
        plant(bound, Kind.EXACT, overlaps(frame * 0.99).max(), n_items=3, dim=2),
    )


def the_trap(plant: Plant) -> tuple[Evidence, Evidence]:
    """The shortcut is right while each key lies in the span of the others, and wrong beyond: n = 6 items, d = 8."""

    def check(items: int, dim: int) -> Evidence:
        keys = make.gaussian(items, dim, generator=rng())
        others = [torch.cat((keys[:i], keys[i + 1 :])) for i in range(items)]
        q = [float(keys[i] @ torch.linalg.pinv(rest.T @ rest) @ keys[i]) for i, rest in enumerate(others)]
        tolerance = rounding(np.float64, condition=float(probes.condition(keys)) ** 2)
        measured = written(keys, "optimal")
        return plant(sp.Eq(collateral, 1 / shortcut), Kind.EXACT, measured, tolerance=tolerance, shortcut=np.array(q))

    return check(20, 8), check(6, 8)


def asymptotic_formula_claimed_as_the_mean(plant: Plant) -> tuple[Evidence, Evidence]:
    keys = draws(1000, 30, 12)
    mean = (1 / probes.leverage(keys) - 1).numpy().mean(-1)
    symbols = {"n_items": 30, "dim": 12}
    return (
        plant(sp.Eq(expected_optimal, (n_items - dim) / (dim - 2)), Kind.EXPECTATION, mean, **symbols),
        plant(sp.Eq(expected_optimal, (n_items - dim) / dim), Kind.EXPECTATION, mean, **symbols),
    )


def mean_claimed_of_every_draw(plant: Plant) -> tuple[Evidence, Evidence]:
    keys = draws(1000, 30, 12)
    mean = (1 / probes.leverage(keys) - 1).numpy().mean(-1)
    relation = sp.Eq(expected_optimal, (n_items - dim) / (dim - 2))
    return (
        plant(relation, Kind.EXPECTATION, mean, n_items=30, dim=12),
        plant(relation, Kind.EXACT, mean, n_items=30, dim=12),
    )


def _beta(first: sp.Expr, second: sp.Expr) -> sp.Basic:
    return sp.Eq(leverage_cdf, sp.betainc_regularized(first, second, 0, x))


def wrong_beta_parameters(plant: Plant) -> tuple[Evidence, Evidence]:
    """At the sizes and with the draws of the notebook's fast profile."""
    sizes = {"n_items": [40, 40, 80], "dim": [8, 16, 8]}
    first = [probes.leverage(draws(4000, n, d))[:, 0].numpy() for n, d in zip(*sizes.values(), strict=True)]
    true, false = (_beta(dim / 2, (n_items - dim - less) / 2) for less in (0, 1))  # as if only n - 1 items counted
    return tuple(plant(relation, Kind.LAW, np.stack(first), **sizes) for relation in (true, false))


def beta_law_without_gaussian_keys(plant: Plant) -> tuple[Evidence, Evidence]:
    law = registered("random-keys")
    samples = [probes.leverage(draws(6000, 8, 3, family=f))[:, 0].numpy() for f in (make.gaussian, make.unit)]
    return tuple(law.check(sample, "leverage-law", n_items=8, dim=3) for sample in samples)


def too_small_a_probability(plant: Plant) -> tuple[Evidence, Evidence]:
    blast = overlaps(draws(3000, 24, 8, family=make.unit))[:, 0].sum(-1)
    bound = sp.Le(blast_radius, sp.Rational(3, 2) * (n_items - 1) / dim)
    rate = float((blast > 1.5 * 23 / 8).mean())
    assert 0.01 < rate < 0.2, "neither never nor always: otherwise nothing is tested"
    symbols = {"n_items": 24, "dim": 8}
    return (
        plant(bound, Kind.HIGH_PROBABILITY, blast, statement={"probability": 1.3 * rate}, **symbols),
        plant(bound, Kind.HIGH_PROBABILITY, blast, statement={"probability": 0.5 * rate}, **symbols),
    )


def wrong_rate(plant: Plant) -> tuple[Evidence, Evidence]:
    sizes = (12, 16, 20, 26, 32, 42, 54, 70, 90)
    mean = [float((1 / probes.leverage(draws(60000 // d**2 + 40, 3 * d, d)) - 1).mean()) for d in sizes]
    relation = sp.Eq(mean_collateral, compression - 1)
    return tuple(
        plant(relation, Kind.ASYMPTOTIC, mean, statement={"size": dim, "rate": rate}, compression=3, dim=sizes)
        for rate in (1, 2)
    )


def blast_radius_taken_for_dimensionality(plant: Plant) -> tuple[Evidence, Evidence]:
    """Feature dimensionality without its norms: right for unit keys only."""
    unnormed = sp.Symbol("unnormed", positive=True)

    def check(keys: torch.Tensor) -> Evidence:
        measured = 1 / (1 + written(keys, "local"))
        wrong = 1 / (1 + overlaps(keys).sum(-1))
        return plant(sp.Eq(writability, unnormed), Kind.EXACT, measured, unnormed=wrong)

    return check(make.unit(24, 8, generator=rng())), check(make.gaussian(24, 8, generator=rng()))


def local_writes_taken_for_optimal(plant: Plant) -> tuple[Evidence, Evidence]:
    """D = leverage holds in a tight frame, and nowhere but at eigenvectors of M."""

    def check(keys: torch.Tensor) -> Evidence:
        measured = 1 / (1 + written(keys, "local"))
        return plant(sp.Eq(writability, leverage), Kind.EXACT, measured, leverage=probes.leverage(keys).numpy())

    return check(make.harmonic_frame(24, 8)), check(make.gaussian(24, 8, generator=rng()))


def local_writes_that_spend_the_rank(plant: Plant) -> tuple[Evidence, Evidence]:
    """Local writes spend all of the rank in a tight frame, not of anisotropic keys."""

    def check(keys: torch.Tensor) -> Evidence:
        return plant(sp.Ge(sum_writability, rank), Kind.EXACT, (1 / (1 + written(keys, "local"))).sum(), rank=8)

    return check(make.harmonic_frame(24, 8)), check(make.anisotropic(24, 8, 100.0, generator=rng()))


def local_writes_at_the_bound(plant: Plant) -> tuple[Evidence, Evidence]:
    def check(keys: torch.Tensor) -> Evidence:
        mean = written(keys, "local").mean()
        return plant(sp.Le(mean_collateral, n_keys / rank - 1), Kind.EXACT, mean, n_keys=24, rank=8)

    return check(make.harmonic_frame(24, 8)), check(make.unit(24, 8, generator=rng()))


def one_item_too_many_of_its_own(plant: Plant) -> tuple[Evidence, Evidence]:
    """Water filled to a level that is too low: the bound is then above what the best code pays."""
    p = 20 * allocation.zipf(20, 1.0)
    best = allocation.allocate(p * p, 5)
    measured = allocation.item_damage(allocation.code_with_leverage(best.leverage) / p.sqrt()[:, None], p, p).sum()

    def check(dedicated: int) -> Evidence:
        shared = (p * p)[dedicated:]
        symbols = {"dim": 5, "n_dedicated": dedicated, "shared_root": shared.sqrt().sum(), "shared_use": shared.sum()}
        return registered("importance-allocation").check(measured, "allocation", **symbols)

    return check(best.dedicated), check(best.dedicated + 1)


def copies_have_leverage_one(plant: Plant) -> tuple[Evidence, Evidence]:
    measured = probes.leverage(make.duplicated(24, 6, 3, generator=rng())).numpy()
    return (
        plant(sp.Le(leverage, 1 / copies), Kind.EXACT, measured, copies=3),
        plant(sp.Eq(leverage, copies / 3), Kind.EXACT, measured, copies=3),
    )


def zero_keys_counted(plant: Plant) -> tuple[Evidence, Evidence]:
    keys = torch.cat((make.harmonic_frame(12, 4), torch.zeros(4, 4, dtype=make.DTYPE)))
    mean = written(keys, "optimal")[probes.nonzero_keys(keys)].mean()
    return (
        plant(sp.Ge(mean_collateral, n_keys / rank - 1), Kind.EXACT, mean, n_keys=12, rank=4),
        plant(sp.Ge(mean_collateral, n_items / rank - 1), Kind.EXACT, mean, n_items=16, rank=4),
    )


def equality_without_equal_leverage(plant: Plant) -> tuple[Evidence, Evidence]:
    """Keys (1, 0), (0, 1/sqrt 2), (0, 1/sqrt 2) are a tight frame, of unequal norms: mean collateral 2/3, not 1/2."""
    unequal = torch.tensor([[1, 0], [0, 0.5**0.5], [0, 0.5**0.5]], dtype=make.DTYPE)
    means = [written(keys, "optimal").mean() for keys in (make.harmonic_frame(3, 2), unequal)]
    assert means[1] == pytest.approx(2 / 3)
    return tuple(registered("writability-budget").check(m, "equality", n_keys=3, rank=2) for m in means)


def one_false_cell_among_many(plant: Plant) -> tuple[Evidence, Evidence]:
    mean = np.stack([overlaps(draws(2000, n, 8, family=make.unit)).sum(-1).mean(-1) for n in range(10, 20)])
    claimed = np.arange(10, 20)
    wrong = np.where(claimed == 17, 18, claimed)
    relation = sp.Eq(expected_local, (n_items - 1) / dim)
    return tuple(plant(relation, Kind.EXPECTATION, mean, n_items=n, dim=8) for n in (claimed, wrong))


PLANTED = (
    flipped_inequality, wrong_constant, slightly_wrong_constant, items_instead_of_others,
    frame_potential_without_unit_norm, blast_radius_without_unit_norm, welch_without_unit_norm, the_trap,
    asymptotic_formula_claimed_as_the_mean, mean_claimed_of_every_draw, wrong_beta_parameters,
    beta_law_without_gaussian_keys, too_small_a_probability, wrong_rate, blast_radius_taken_for_dimensionality,
    local_writes_taken_for_optimal, local_writes_that_spend_the_rank, local_writes_at_the_bound,
    one_item_too_many_of_its_own, copies_have_leverage_one, zero_keys_counted,
    equality_without_equal_leverage, one_false_cell_among_many,
)  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_a_planted_false_claim_is_refuted(planted: Callable[[Plant], tuple[Evidence, Evidence]], plant: Plant) -> None:
    true, false = planted(plant)
    assert false.verdict is Verdict.REFUTED, false.reason
    assert false.violations > 0
    assert true.verdict is Verdict.SUPPORTED, true.reason
    assert true.violations == 0 or true.kind is Kind.HIGH_PROBABILITY


SEEDS = 200


def refutations(check: Callable[[int, float], Evidence], confidence: float) -> int:
    return sum(check(seed, confidence).verdict is Verdict.REFUTED for seed in range(SEEDS))


def law(seed: int, confidence: float) -> Evidence:
    """Two sizes at once: the level holds over the family of cells."""
    first = [probes.leverage(draws(250, n, d, seed))[:, 0].numpy() for n, d in ((5, 2), (9, 4))]
    sizes = {"n_items": [5, 9], "dim": [2, 4]}
    return registered("random-keys").check(np.stack(first), "leverage-law", confidence=confidence, **sizes)


def optimal_mean(seed: int, confidence: float) -> Evidence:
    """At d = 10: a t interval is honest above d = 8, where fourth moments are finite; at d = 5 it misses too often."""
    mean = (1 / probes.leverage(draws(150, 14, 10, seed)) - 1).numpy().mean(-1)
    return registered("random-keys").check(mean, "optimal-mean", confidence=confidence, n_items=14, dim=10)


def local_mean(seed: int, confidence: float) -> Evidence:
    sizes = ((8, 4), (16, 4), (12, 6))
    mean = [overlaps(draws(200, n, d, seed, make.unit)).sum(-1).mean(-1) for n, d in sizes]
    items, dims = zip(*sizes, strict=True)
    return registered("random-keys").check(np.stack(mean), "local-mean", confidence=confidence, n_items=items, dim=dims)


@pytest.mark.parametrize("confidence", [0.99, 0.9])
@pytest.mark.parametrize("check", [law, optimal_mean, local_mean], ids=lambda check: check.__name__)
def test_true_claims_are_refuted_at_no_more_than_the_stated_level(
    check: Callable[[int, float], Evidence], confidence: float
) -> None:
    alarms = refutations(check, confidence)
    # Refuted here only if the exact binomial test excludes the stated level at one in a thousand.
    assert stats.binomtest(alarms, SEEDS, 1 - confidence, alternative="greater").pvalue > 1e-3, f"{alarms} of {SEEDS}"


def test_the_interval_of_a_mean_is_not_too_wide_either(plant: Plant) -> None:
    """An interval that never misses has no power."""
    claim, level = sp.Eq(expected_local, (n_items - 1) / dim), 0.7

    def one_cell(seed: int, confidence: float) -> Evidence:
        mean = overlaps(draws(100, 8, 4, seed, make.unit)).sum(-1).mean(-1)
        return plant(claim, Kind.EXPECTATION, mean, confidence=confidence, n_items=8, dim=4)

    alarms = refutations(one_cell, level)
    assert stats.binomtest(alarms, SEEDS, 1 - level).pvalue > 1e-3, f"{alarms} of {SEEDS}"


def test_this_many_seeds_would_see_a_wrong_interval(plant: Plant) -> None:
    """Trials counted twice make an interval too narrow by the root of two: it misses 24 % of the time, not 10 %."""

    def twice(seed: int, confidence: float) -> Evidence:
        mean = overlaps(draws(100, 8, 4, seed, make.unit)).sum(-1).mean(-1).repeat(2)
        relation = sp.Eq(expected_local, (n_items - 1) / dim)
        return plant(relation, Kind.EXPECTATION, mean, confidence=confidence, n_items=8, dim=4)

    alarms = refutations(twice, 0.9)
    assert stats.binomtest(alarms, SEEDS, 0.1, alternative="greater").pvalue < 1e-3, f"{alarms} of {SEEDS}"
