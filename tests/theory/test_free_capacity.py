"""Free capacity: bounds worked by hand, and planted false versions on measured rooms, streams and spectra."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
import torch

from cls_toys import capacity, load, retention
from theory import claim
from theory.capacity.writable_bits import _bound
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    bits,
    bits_per_parameter,
    curvature_along,
    dim,
    doubling_loss,
    expected_retained,
    free_share,
    item_forgetting,
    mean_log_eigenvalue,
    mean_log_width,
    message_variance,
    n_flat,
    n_free,
    n_parameters,
    n_tasks,
    noise,
    price_forgetting,
    price_length,
    rank,
    retained_cdf,
    surplus,
    task_rank,
    volume,
    x,
)
from theory.notation import load as load_symbol

Plant = Callable[..., Evidence]
LOADS = [2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def caught(true: Evidence, planted: Evidence) -> None:
    assert true.verdict is Verdict.SUPPORTED, true.reason
    assert planted.verdict is Verdict.REFUTED, planted.reason


@pytest.mark.parametrize(
    ("id", "statement", "symbols", "expected"),
    [
        ("exhaustion", "union", {"task_rank": 4, "n_tasks": 3, "n_parameters": 40}, 0.7),
        ("exhaustion", "union", {"task_rank": 4, "n_tasks": 11, "n_parameters": 40}, 0),
        ("exhaustion", "common-part", {"task_rank": 4, "common_rank": 2, "n_tasks": 3, "n_parameters": 40}, 0.8),
        ("exhaustion", "overwriting", {"task_rank": 4, "n_tasks": 3, "n_parameters": 40}, 0.729),
        ("retention", "mean", {"rank": 10, "n_parameters": 40}, 0.75),
        ("retention", "law", {"rank": 2, "n_parameters": 4, "x": 0.3}, 0.3),  # Beta(1, 1) is uniform
        ("volume-sandwich", "lower", {"n_parameters": 2, "mean_log_width": 0}, math.pi),  # the unit disc
        ("volume-sandwich", "upper", {"n_parameters": 2, "mean_log_width": math.log(2)}, math.pi),
        ("load-law", "free-share", {"load": 1, "ridge": 2}, math.sqrt(3) - 1),
        ("load-law", "log-eigenvalue", {"load": 2}, 2 * math.log(2) - 1),
        ("capacity-scaling", "per-item", {"item_forgetting": 1.5, "noise": 1}, 1),
        ("capacity-scaling", "for-each-item", {"item_forgetting": 1.5, "noise": 1, "load": 4}, 0.25),
        (
            "writable-bits",
            "allocation",
            {"price_forgetting": 1, "price_length": 0, "curvature_along": 0.5, "noise": 1},
            1,
        ),
        (
            "writable-bits",
            "allocation",
            {"price_forgetting": 1, "price_length": 0, "curvature_along": 2, "noise": 1},
            0,
        ),
    ],
)
def test_bounds_at_known_values(id: str, statement: str, symbols: dict[str, float], expected: float) -> None:
    assert float(claim(id).bound(statement, **symbols)) == pytest.approx(expected)


def test_half_the_budget_counts_too_few_dimensions(plant: Plant) -> None:
    spectrum = torch.logspace(-1, 1, 5, dtype=torch.float64)
    hessian = capacity.rotated(spectrum, generator=rng())
    budgets = [0.09, 0.3, 0.9, 2.8]  # of half an eigenvalue: between each two
    found = [capacity.harmless_found(hessian, at, 1.0, generator=rng(1)) for at in budgets]
    counts = [capacity.free_dimensions(spectrum, at, 1.0) for at in budgets]
    halved = [capacity.free_dimensions(spectrum, at / 2, 1.0) for at in budgets]
    caught(
        claim("free-dimensions").check(found, "count", n_flat=counts),
        plant(sp.Eq(n_free, n_flat), Kind.EXACT, found, n_flat=halved),
    )


def test_a_gradient_has_as_many_degrees_of_freedom_as_parameters(plant: Plant) -> None:
    shares = retention.random_shares(12, 8, 6000, generator=rng())
    symbols = {"n_parameters": 12, "rank": 8}
    caught(
        claim("retention").check(shares, "law", **symbols),
        plant(
            sp.Eq(retained_cdf, sp.betainc_regularized(n_parameters - rank, rank, 0, x)), Kind.LAW, shares, **symbols
        ),
    )


def test_common_dimensions_are_not_paid_for_each_time(plant: Plant) -> None:
    left = retention.stream(24, 4, 5, 4000, common=2, generator=rng()).protected
    symbols = {"n_parameters": 24, "task_rank": 4, "n_tasks": np.arange(1, 6)}
    caught(
        claim("exhaustion").check(left, "common-part", common_rank=2, **symbols),
        plant(
            sp.Eq(expected_retained, sp.Max(0, 1 - task_rank * n_tasks / n_parameters)),
            Kind.EXPECTATION,
            left,
            **symbols,
        ),
    )


def test_overwriting_does_not_add_up(plant: Plant) -> None:
    left = retention.stream(24, 4, 5, 4000, generator=rng())
    symbols = {"n_parameters": 24, "task_rank": 4, "n_tasks": np.arange(1, 6)}
    straight = sp.Eq(expected_retained, sp.Max(0, 1 - task_rank * n_tasks / n_parameters))
    caught(
        claim("exhaustion").check(left.overwritten, "overwriting", **symbols),
        plant(straight, Kind.EXPECTATION, left.overwritten, **symbols),
    )
    assert claim("protected-palimpsest").check(left.protected, **symbols).verdict is Verdict.REFUTED
    one = claim("protected-palimpsest").check(left.protected[:1], **symbols | {"n_tasks": 1})
    assert one.verdict is Verdict.SUPPORTED, "for one task the two laws agree"


def test_the_room_is_not_larger_than_its_ellipsoid_by_more_than_half_a_bit(plant: Plant) -> None:
    spectrum = torch.logspace(-1, 1, 5, dtype=torch.float64)
    samples = capacity.volume_samples(capacity.rotated(spectrum, generator=rng()), 0.5, 1.0, 50_000, generator=rng(1))
    ball = sp.pi ** (n_parameters / 2) / sp.gamma(n_parameters / 2 + 1)
    ellipsoid = ball * sp.exp(-n_parameters * mean_log_width / 2)
    symbols = {"n_parameters": 5, "mean_log_width": capacity.mean_log_width(spectrum, 0.5, 1.0)}
    room = claim("volume-sandwich")
    caught(
        room.check(samples, "lower", **symbols),
        plant(sp.Ge(volume, 2 ** (n_parameters / 2) * ellipsoid), Kind.EXPECTATION, samples, **symbols),
    )
    caught(
        room.check(samples, "upper", **symbols),
        plant(sp.Le(volume, ellipsoid), Kind.EXPECTATION, samples, **symbols),
    )


def test_bits_are_more_than_the_rent_and_variances_are_less_than_the_level(plant: Plant) -> None:
    spectrum = torch.logspace(-2, 1, 6, dtype=torch.float64)
    filling = capacity.water_fill(spectrum, 0.1, 1.0, 0.1)
    searched = capacity.searched_variance(spectrum, 0.1, 1.0, 0.1)
    prices = {
        "noise": 0.1, "price_forgetting": filling.price_forgetting, "price_length": filling.price_length
    }  # fmt: skip
    symbols = prices | {"forgetting": 0.1, "radius": 1.0}
    measured = [float(capacity.bits(searched, 0.1))]
    said = claim("writable-bits")
    extra = capacity.surplus(spectrum, filling, 0.1)
    caught(
        said.check(measured, "bound", surplus=extra, **symbols),
        plant(sp.Le(bits, _bound.subs(surplus, 0)), Kind.EXACT, measured, **symbols),
    )
    level = 1 / (price_forgetting * curvature_along + price_length)
    assert said.check(filling.variance, "allocation", curvature_along=spectrum, **prices).verdict is Verdict.SUPPORTED
    false = plant(sp.Eq(message_variance, level), Kind.EXACT, filling.variance, curvature_along=spectrum, **prices)
    assert false.verdict is Verdict.REFUTED
    assert noise in said.statement("allocation").relation.free_symbols


def test_a_ridge_leaves_more_room_than_the_null_directions(plant: Plant) -> None:
    table = load.by_dimension([4, 6, 8, 10, 12, 16, 20, 24, 32], 0.5, 0.5, 4000, generator=rng())
    symbols = {"dim": table["dim"], "load": 0.5}
    caught(
        claim("load-law").check(table["free_share"], "free-share", ridge=0.5, **symbols),
        plant(
            sp.Eq(free_share, 1 - load_symbol), Kind.ASYMPTOTIC, table["free_share"], statement={"size": dim, "rate": 1.0}, **symbols
        ),
    )  # fmt: skip


def test_the_mean_logarithm_is_not_the_logarithm_of_the_mean(plant: Plant) -> None:
    table = load.by_dimension([4, 6, 8, 10, 12, 16, 20, 24, 32], 4.0, 0.5, 4000, generator=rng())
    symbols = {"dim": table["dim"], "load": 4.0}
    caught(
        claim("load-law").check(table["mean_log_eigenvalue"], "log-eigenvalue", **symbols),
        plant(
            sp.Eq(mean_log_eigenvalue, sp.log(load_symbol)), Kind.ASYMPTOTIC, table["mean_log_eigenvalue"],
            statement={"size": dim, "rate": 1.0}, **symbols,
        ),
    )  # fmt: skip


def test_a_doubling_costs_half_a_bit_only_if_the_budget_is_shared(plant: Plant) -> None:
    table = load.bits_by_load(LOADS, 10, 1.0, 1e-3, 150, generator=rng())
    total, each = (dict(zip(table["load"], table[name], strict=True)) for name in ("total", "per_item"))
    halves = [at for at in LOADS if 2 * at in total]
    trend = {"size": load_symbol, "rate": 1.0}
    scaling = claim("capacity-scaling")
    shared = [total[at] - total[2 * at] for at in halves]
    apart = [each[at] - each[2 * at] for at in halves]
    half = sp.Eq(doubling_loss, sp.Rational(1, 2))
    caught(
        scaling.check(shared, "fixed-total", load=halves),
        plant(half, Kind.ASYMPTOTIC, apart, statement=trend, load=halves),
    )
    symbols = {"load": LOADS, "item_forgetting": 1.0, "noise": 1e-3}
    plain = sp.log(1 + item_forgetting / noise**2) / (2 * sp.log(2))  # without the factor two of a quadratic loss
    caught(
        scaling.check(table["per_item"], "per-item", **symbols),
        plant(sp.Eq(bits_per_parameter, plain), Kind.ASYMPTOTIC, table["per_item"], statement=trend, **symbols),
    )


def test_the_law_of_the_load_is_true_of_random_keys_and_false_of_networks() -> None:
    table = load.digit_networks([6], [40], 4, 60, 0.1, generator=rng())
    at = table["load"][0]
    false = claim("network-load-law")
    assert false.check(table["free_share"], load=at, ridge=0.1).verdict is Verdict.REFUTED
    assert false.check(table["random_share"], load=at, ridge=0.1).verdict is Verdict.SUPPORTED
