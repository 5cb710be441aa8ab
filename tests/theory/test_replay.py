"""The claims on replay: bounds worked by hand, and false versions that data measured in cls_toys refutes."""

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import sympy as sp
import torch

from cls_toys import budget, networks, probes, replay, replay_time
from cls_toys import keys as make
from theory import claim
from theory.evidence import Evidence, Kind, Verdict, rounding
from theory.notation import (
    dimensionality,
    error_trace,
    expected_error,
    expected_inverse_gram,
    expected_residual,
    gram_determinant,
    initial_error,
    inverse_move,
    largest_eigenvalue,
    least_eigenvalue,
    leverage,
    load,
    mean_residual,
    n_items,
    network_replayed,
    noise_floor,
    refitted,
    replayed,
    replayed_later,
    sweep_factor,
    trained_alone,
)
from theory.notation import (
    replay_time as time,
)

Plant = Callable[..., Evidence]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# At time ln 2 / g half of the slowest mode is left: (1/2 / 3/2)^2 = 1/9 is missing.
@pytest.mark.parametrize(
    ("id", "statement", "symbols", "expected"),
    [
        ("replay-path", "rate", {"leverage": 0.9, "replay_time": math.log(2) / 3, "least_eigenvalue": 3}, 0.8),
        (
            "replay-path", "rate-descent",
            {"leverage": 0.9, "replay_time": 2, "least_eigenvalue": 1, "step_size": 1 - math.sqrt(0.5)}, 0.8,
        ),
        (
            "replay-path", "start",
            {"dimensionality": 0.2, "replay_time": math.log(2), "largest_eigenvalue": 1}, 0.8 * math.log(2) ** 2,
        ),
        (
            "replay-time", "upper",
            {"n_items": 2, "replay_time": 3, "least_eigenvalue": 1, "initial_error": 1.6}, 0.2,
        ),
        ("replay-time", "lower", {"n_items": 2, "replay_time": 3, "least_eigenvalue": 0.5, "slow_share": 0.5}, 0.75**6),
        (
            "replay-time", "enough",
            {"n_items": 4, "least_eigenvalue": 0.5, "largest_eigenvalue": 2, "inverse_gram": 1.5, "residual_goal": 0.03},
            math.ceil(8 * math.log(100)),
        ),
        (
            "replay-time", "least",
            {"n_items": 2, "least_eigenvalue": 1, "slow_share": 0.64, "residual_goal": 0.01}, 3,
        ),
        ("replay-time", "random-norm", {"n_items": 30, "dim": 60}, 2),
        ("replay-time", "random-norm", {"n_items": 1, "dim": 9}, 1),  # a single unit key is written by a unit
        ("cyclic-replay", "sweep", {"gram_determinant": 0.64}, 0.36),
        ("replay-noise-floor", "floor", {"leverage": 2 / 3}, 2 / 3),
        (
            "replay-time-divergence", "growth",
            {"load": 0.81, "reference_load": 0.25, "reference_epochs": 3}, 75,
        ),
    ],
)  # fmt: skip
def test_bounds_at_known_values(id: str, statement: str, symbols: dict[str, float], expected: float) -> None:
    np.testing.assert_allclose(claim(id).bound(statement, **symbols), expected, rtol=1e-12)


def test_outside_their_hypotheses_nothing_is_judged() -> None:
    path, clock = claim("replay-path"), claim("replay-time")
    descent = {"leverage": 0.5, "replay_time": 3, "least_eigenvalue": 1, "largest_eigenvalue": 2}
    assert path.check([0.5], "rate-descent", step_size=0.6, **descent).verdict is Verdict.NOT_APPLICABLE
    assert path.check([0.2], "first-step", dimensionality=0.2, replay_time=2).verdict is Verdict.NOT_APPLICABLE
    crowded = clock.check([[1.0, 2.0, 3.0]], "random-norm", n_items=9, dim=8)
    assert crowded.verdict is Verdict.NOT_APPLICABLE
    heavy = clock.check([[1.0, 2.0, 3.0]], "random-norm", n_items=9, dim=12)
    assert heavy.verdict is Verdict.NOT_APPLICABLE
    assert "finite variance" in heavy.reason
    at_one = claim("replay-time-divergence").check(
        [[1.0, 2.0, 3.0]], load=1, reference_load=0.25, reference_epochs=3, n_items=8, dim=8
    )
    assert at_one.verdict is Verdict.NOT_APPLICABLE


# ----------------------------------------------------------------------------------------------------- planted: the path


def descended(rate: float = 0.99) -> pl.DataFrame:
    codes = budget.families(12, 5, spread=10.0, generator=rng())
    return replay.measure(codes, [1, 2, 5, 20, 100], rate)


def flowed() -> pl.DataFrame:
    codes = budget.families(12, 5, spread=10.0, generator=rng())
    return replay.measure(codes, [0.1, 0.5, 2.0, 10.0, 50.0])


def columns(table: pl.DataFrame, *names: str) -> dict[str, pl.Series]:
    return {name: table[name] for name in names}


def the_rate_of_the_fastest_mode(plant: Plant) -> tuple[Evidence, Evidence]:
    table = flowed()
    symbols = columns(table, "leverage", "replay_time")

    def check(g: sp.Symbol) -> Evidence:
        left = sp.exp(-time * g)
        relation = sp.Ge(replayed, leverage * (1 - (left / (2 - left)) ** 2))
        return plant(relation, Kind.EXACT, table["replayed"], **symbols, **columns(table, g.name))

    return check(least_eigenvalue), check(largest_eigenvalue)


def the_rate_without_its_square(plant: Plant) -> tuple[Evidence, Evidence]:
    """A tighter power than the second is false."""
    table = flowed()
    left = sp.exp(-time * least_eigenvalue)

    def check(power: int) -> Evidence:
        relation = sp.Ge(replayed, leverage * (1 - (left / (2 - left)) ** power))
        symbols = columns(table, "leverage", "replay_time", "least_eigenvalue")
        return plant(relation, Kind.EXACT, table["replayed"], **symbols)

    return check(2), check(4)


def monotone_beyond_the_edge(plant: Plant) -> tuple[Evidence, Evidence]:
    table = replay.steps_too_long([0.99, 1.9], 8, 4, trials=50, steps=50, generator=rng())

    def check(rate: float) -> Evidence:
        rows = table.filter(pl.col("rate") == rate)
        return plant(sp.Ge(replayed_later, replayed), Kind.EXACT, rows["replayed_later"], replayed=rows["replayed"])

    return check(0.99), check(1.9)


def replay_that_stays_where_it_began(plant: Plant) -> tuple[Evidence, Evidence]:
    """Training on the item alone keeps the dimensionality; replaying all does not."""
    keys = make.gaussian(10, 4, generator=rng())
    own = probes.dimensionality(keys).numpy()
    return tuple(
        plant(
            sp.Eq(trained_alone, dimensionality), Kind.EXACT, replay.descend(keys, [9], alone=alone)[:, 0].numpy(),
            dimensionality=own,
        )
        for alone in (True, False)
    )  # fmt: skip


def replay_that_ends_at_the_dimensionality(plant: Plant) -> tuple[Evidence, Evidence]:
    keys = make.gaussian(10, 4, generator=rng())
    measured = replay.refit(keys).numpy()
    return (
        plant(sp.Eq(refitted, leverage), Kind.EXACT, measured, leverage=probes.leverage(keys).numpy()),
        plant(
            sp.Eq(refitted, dimensionality), Kind.EXACT, measured, dimensionality=probes.dimensionality(keys).numpy()
        ),
    )


def replay_that_breaks_the_budget(plant: Plant) -> tuple[Evidence, Evidence]:
    """Long replay makes writes free of collateral where there are no more items than dimensions, and not beyond."""

    def check(items: int) -> Evidence:
        keys = make.unit(items, 6, generator=rng())
        return plant(sp.Ge(replayed, leverage), Kind.EXACT, replay.refit(keys).numpy(), leverage=1)

    return check(5), check(12)


def a_network_whose_error_falls_twice_as_fast(plant: Plant) -> tuple[Evidence, Evidence]:
    model = networks.mlp([3, 6, 1], "tanh", generator=rng(), dtype=torch.float64)
    inputs = torch.randn(30, 3, generator=rng(1), dtype=torch.float64)
    moves = np.logspace(-1, -4, 8)
    found = replay.network(model, inputs, [(5, move) for move in moves.tolist()], [60])
    symbols = {"replayed": float(found.tangent[0, 0]), "inverse_move": 1 / moves}
    measured = found.measured[:, 0].numpy()
    return tuple(
        plant(
            sp.Eq(network_replayed, replayed), Kind.ASYMPTOTIC, measured,
            statement={"size": inverse_move, "rate": rate}, **symbols,
        )
        for rate in (1, 2)
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------------- planted: the time


def progressed() -> pl.DataFrame:
    table = replay_time.progress(replay_time.unit_codes(8, 12, 4, generator=rng()), 8)
    return table.filter(pl.col("replay_time") > 0)


def an_error_that_falls_at_twice_the_rate(plant: Plant) -> tuple[Evidence, Evidence]:
    """Often it does; not for two keys at an overlap of 0.6."""
    keys = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]], dtype=make.DTYPE)
    table = replay_time.progress(keys, 4).filter(pl.col("replay_time") > 0)
    symbols = columns(table, "n_items", "least_eigenvalue", "replay_time", "initial_error")
    return tuple(
        plant(
            sp.Le(expected_error, (1 - least_eigenvalue / n_items) ** (power * time) * initial_error), Kind.EXACT,
            table["expected_error"], tolerance=rounding(np.float64, condition=100), **symbols,
        )
        for power in (1, 2)
    )  # fmt: skip


def a_lower_bound_at_the_rate_of_the_upper(plant: Plant) -> tuple[Evidence, Evidence]:
    table = progressed()
    registered = claim("replay-time")
    symbols = columns(table, "n_items", "dim", "least_eigenvalue", "slow_share", "replay_time")
    true = registered.check(table["expected_error"], "lower", **symbols)
    slow = {name: value for name, value in symbols.items() if name != "dim"}
    relation = registered.statement("lower").relation
    false = plant(relation.subs(time, time / 2), Kind.EXACT, table["expected_error"], **slow)
    return true, false


def collateral_taken_for_the_residual(plant: Plant) -> tuple[Evidence, Evidence]:
    table = progressed()
    bound = sp.Ge(expected_residual, mean_residual)
    return tuple(
        plant(bound, Kind.EXACT, table[counted], mean_residual=table["mean_residual"])
        for counted in ("expected_residual", "collateral")
    )


def a_recursion_without_its_last_term(plant: Plant) -> tuple[Evidence, Evidence]:
    """The mean path takes the variance of the order for nothing."""
    keys, steps = make.unit(6, 9, generator=rng()), [6, 12]
    happened = replay_time.simulate(keys, steps, 20_000, generator=rng(1)).error.T.numpy()
    exact = replay_time.expected(keys, 12).error[steps].numpy()
    second_moment, start = keys.T @ keys, torch.linalg.pinv(keys)[:, 0]
    sigma, wrong = torch.outer(start, start), []
    for step in range(13):
        if step in steps:
            wrong.append(float(sigma.trace()))
        sigma = sigma - (second_moment @ sigma + sigma @ second_moment) / 6
    relation = sp.Eq(expected_error, error_trace)
    return tuple(plant(relation, Kind.EXPECTATION, happened, error_trace=trace) for trace in (exact, np.array(wrong)))


def a_limit_used_at_finite_dimension(plant: Plant) -> tuple[Evidence, Evidence]:
    measured = replay_time.random_write_norms(8, 24, 8000, generator=rng()).numpy()
    true = claim("replay-time").check(measured, "random-norm", n_items=8, dim=24)
    false = plant(sp.Eq(expected_inverse_gram, 1 / (1 - load)), Kind.EXPECTATION, measured, load=8 / 24)
    return true, false


def a_noise_floor_of_one_least_residual(plant: Plant) -> tuple[Evidence, Evidence]:
    table = replay_time.noise_floor(make.unit(8, 3, generator=rng()))
    return tuple(
        plant(
            sp.Eq(noise_floor, factor * (1 - leverage)), Kind.EXACT, table["noise_floor"], leverage=table["leverage"]
        )
        for factor in (2, 1)
    )  # fmt: skip


def a_sweep_that_contracts_by_the_squared_bound(plant: Plant) -> tuple[Evidence, Evidence]:
    keys = replay_time.unit_codes(3, 4, 40, generator=rng())
    errors = replay_time.in_order(keys, 2)
    factors = (errors[..., 1:] / errors[..., :-1]).flatten().numpy()
    determinant = replay_time.constants(keys).gram_determinant.repeat_interleave(6).numpy()
    return tuple(
        plant(sp.Le(sweep_factor, (1 - gram_determinant) ** power), Kind.EXACT, factors, gram_determinant=determinant)
        for power in (1, 2)
    )


PLANTED = (
    the_rate_of_the_fastest_mode, the_rate_without_its_square, monotone_beyond_the_edge,
    replay_that_stays_where_it_began, replay_that_ends_at_the_dimensionality, replay_that_breaks_the_budget,
    a_network_whose_error_falls_twice_as_fast, an_error_that_falls_at_twice_the_rate,
    a_lower_bound_at_the_rate_of_the_upper, collateral_taken_for_the_residual, a_recursion_without_its_last_term,
    a_limit_used_at_finite_dimension, a_noise_floor_of_one_least_residual, a_sweep_that_contracts_by_the_squared_bound,
)  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_a_planted_false_claim_is_refuted(planted: Callable[[Plant], tuple[Evidence, Evidence]], plant: Plant) -> None:
    true, false = planted(plant)
    assert false.verdict is Verdict.REFUTED, false.reason
    assert true.verdict is Verdict.SUPPORTED, true.reason


# ------------------------------------------------------------------------------- the published ones, on data of this test


def test_what_is_published_as_false_is_refuted() -> None:
    over = replay.steps_too_long([1.9], 8, 4, trials=100, steps=60, generator=rng())
    too_long = claim("replay-any-step").check(
        over["replayed_later"], replayed=over["replayed"], step_size=1.9, largest_eigenvalue=1
    )
    needed = replay_time.looseness(replay_time.unit_codes(10, 20, 4, generator=rng()), [0.1, 1e-3])
    names = ("least_eigenvalue", "largest_eigenvalue", "inverse_gram", "residual_goal", "n_items", "dim")
    formula = claim("replay-kaczmarz-formula").check(needed["steps_needed"], **columns(needed, *names))
    timed = replay_time.against_load(30, [0.2, 0.5, 0.8], [0.1], draws=6, most=200, generator=rng())
    means = timed.group_by("load", maintain_order=True).mean()
    rest = timed.filter(pl.col("load") > 0.3)
    divergence = claim("replay-time-divergence").check(
        rest["epochs"].to_numpy().reshape(2, 6), load=[0.5, 0.8], reference_load=0.2,
        reference_epochs=means["epochs"][0], n_items=[15, 24], dim=30,
    )  # fmt: skip
    for evidence in (too_long, formula, divergence):
        assert evidence.verdict is Verdict.REFUTED, evidence.reason
    # They fail where they claim to hold, not everywhere: below the edge of the step, replay is monotone.
    short = replay.steps_too_long([0.99], 8, 4, trials=100, steps=60, generator=rng())
    below = claim("replay-any-step").check(
        short["replayed_later"], replayed=short["replayed"], step_size=0.99, largest_eigenvalue=1
    )
    assert below.verdict is Verdict.SUPPORTED


def test_the_formula_is_right_to_a_factor_of_two_where_the_residual_vanishes() -> None:
    """In logarithms the constants no longer matter: the refuted statement is one about residuals that somebody waits for."""
    keys = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]], dtype=make.DTYPE)
    needed = replay_time.looseness(keys, [1e-200])
    names = ("least_eigenvalue", "largest_eigenvalue", "inverse_gram", "residual_goal", "n_items", "dim")
    formula = claim("replay-kaczmarz-formula").bound(**columns(needed, *names[:-1]))
    assert (needed["steps_needed"].to_numpy() >= formula * 0.98).all()


def test_the_path_is_supported_on_the_families_of_keys() -> None:
    table, path = descended(), claim("replay-path")
    tolerance = rounding(np.float64, condition=table["condition"])
    for statement, names in (
        ("rate-descent", ("leverage", "replay_time", "least_eigenvalue", "largest_eigenvalue", "step_size")),
        ("floor", ("dimensionality",)),
        ("ceiling", ("leverage",)),
    ):
        evidence = path.check(table["replayed"], statement, tolerance=tolerance, **columns(table, *names))
        assert evidence.verdict is Verdict.SUPPORTED, evidence.reason
