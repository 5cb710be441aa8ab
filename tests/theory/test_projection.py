"""Gradient projection: the cliff worked by hand, and planted false versions on measured streams."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import sympy as sp
import torch

from cls_toys import projection
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import dim, lost_dims, retained, task_place, task_rank, unfitted, write_energy

Plant = Callable[..., Evidence]
LAW = claim("projection-cliff")
DIM, RANK, TASKS, TRIALS = 40, 6, 8, 400


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(name="learned", scope="module")
def learned_() -> pl.DataFrame:
    return projection.learn(projection.stream(TASKS, DIM, RANK, trials=TRIALS, generator=rng()), generator=rng(1))


def absolute(learned: pl.DataFrame, column: str) -> np.ndarray:
    """``[tasks, trials]``"""
    return learned.filter(pl.col("tolerance") == "absolute")[column].to_numpy().reshape(TASKS, TRIALS)


PLACES = {"task_place": np.arange(1, TASKS + 1), "dim": DIM, "task_rank": RANK}


# Worked by hand: 7 inputs a task in 20 dimensions leave 13, 6, 0.
@pytest.mark.parametrize(
    ("statement", "place", "expected"),
    [
        ("lost", 1, 0), ("lost", 2, 0), ("lost", 3, 1), ("lost", 4, 7), ("lost", 5, 7),
        ("unfitted", 2, 0), ("unfitted", 3, 1 / 7), ("unfitted", 4, 1),
        ("retained", 1, 1), ("retained", 2, 13 / 20), ("retained", 3, 6 / 20), ("retained", 4, 0),
        ("price", 1, 1 / 12), ("price", 2, 1 / 5),
    ],
)  # fmt: skip
def test_bounds_at_known_values(statement: str, place: int, expected: float) -> None:
    found = LAW.bound(statement, task_place=place, dim=20, task_rank=7)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_a_stream_that_just_fits_leaves_nobody_on_the_cliff() -> None:
    lost = LAW.bound("lost", task_place=np.arange(1, 8), dim=20, task_rank=5)
    np.testing.assert_array_equal(lost, [0, 0, 0, 0, 5, 5, 5])


def test_every_statement_holds_on_the_measured_streams(learned: pl.DataFrame) -> None:
    for statement, column in (("unfitted", "unfitted"), ("retained", "retained")):
        assert LAW.check(absolute(learned, column), statement, **PLACES).verdict is Verdict.SUPPORTED
    careful = learned.filter(pl.col("tolerance") == "absolute")
    at = {name: careful[name] for name in ("task_place", "dim", "task_rank")}
    assert LAW.check(careful["lost_dims"], "lost", **at).verdict is Verdict.SUPPORTED
    assert LAW.check(careful["old_change"], "old", dim=DIM, task_rank=RANK).verdict is Verdict.SUPPORTED


def one_task_late(plant: Plant, learned: pl.DataFrame) -> tuple[Evidence, Evidence]:
    lost = absolute(learned, "lost_dims")[:, 0]
    true = LAW.statement("lost").relation.rhs
    return (
        plant(sp.Eq(lost_dims, true), Kind.EXACT, lost, **PLACES),
        plant(sp.Eq(lost_dims, true.subs(task_place, task_place - 1)), Kind.EXACT, lost, **PLACES),
    )


def a_slope_instead_of_a_cliff(plant: Plant, learned: pl.DataFrame) -> tuple[Evidence, Evidence]:
    measured = absolute(learned, "unfitted")
    wide = {"statement": {"resolution": 0.15}}
    return (
        plant(sp.Eq(unfitted, LAW.statement("unfitted").relation.rhs), Kind.EXPECTATION, measured, **wide, **PLACES),
        plant(
            sp.Eq(unfitted, sp.Min(1, (task_place - 1) * task_rank / dim)), Kind.EXPECTATION, measured, **wide, **PLACES
        ),
    )


def decay_instead_of_exhaustion(plant: Plant, learned: pl.DataFrame) -> tuple[Evidence, Evidence]:
    """The law of overwriting, (1 - r/d)^(q-1), conjectured for projection."""
    measured = absolute(learned, "retained")[:-1]
    at = PLACES | {"task_place": np.arange(1, TASKS)}
    return (
        plant(sp.Eq(retained, LAW.statement("retained").relation.rhs), Kind.EXPECTATION, measured, **at),
        plant(sp.Eq(retained, (1 - task_rank / dim) ** (task_place - 1)), Kind.EXPECTATION, measured, **at),
    )


def a_degree_of_freedom_too_many(plant: Plant, learned: pl.DataFrame) -> tuple[Evidence, Evidence]:
    measured = absolute(learned, "write_energy")[:4]
    at = PLACES | {"task_place": np.arange(1, 5)}
    free = dim - task_place * task_rank
    return (
        plant(sp.Eq(write_energy, 1 / (free - 1)), Kind.EXPECTATION, measured, **at),
        plant(sp.Eq(write_energy, 1 / (free + 1)), Kind.EXPECTATION, measured, **at),
    )


@pytest.mark.parametrize(
    "planted", [one_task_late, a_slope_instead_of_a_cliff, decay_instead_of_exhaustion, a_degree_of_freedom_too_many]
)
def test_a_planted_false_claim_is_refuted_where_the_true_one_is_supported(
    planted: Callable, plant: Plant, learned: pl.DataFrame
) -> None:
    true, false = planted(plant, learned)
    assert true.verdict is Verdict.SUPPORTED, true.reason
    assert false.verdict is Verdict.REFUTED, false.reason


def test_the_relative_tolerance_is_refuted_and_only_after_the_cliff(learned: pl.DataFrame) -> None:
    careless = learned.filter(pl.col("tolerance") == "relative")
    trap = claim("relative-tolerance")

    def check(part: pl.DataFrame) -> Verdict:
        return trap.check(
            part["lost_dims"], **{name: part[name] for name in ("task_place", "dim", "task_rank")}
        ).verdict

    assert check(careless) is Verdict.REFUTED
    assert check(careless.filter(pl.col("task_place") <= DIM // RANK + 1)) is Verdict.SUPPORTED


def test_shared_inputs_break_the_count() -> None:
    shared = projection.stream(3, DIM, RANK, trials=5, shared=2, generator=rng())
    careful = projection.learn(shared, generator=rng()).filter(pl.col("tolerance") == "absolute")
    at = {name: careful[name] for name in ("task_place", "dim", "task_rank")}
    assert LAW.check(careful["lost_dims"], "lost", **at).verdict is Verdict.REFUTED


def test_where_the_variance_is_infinite_nothing_is_judged() -> None:
    evidence = LAW.check([0.1, 0.2, 0.3], "price", task_place=4, dim=20, task_rank=5)
    assert evidence.verdict is Verdict.NOT_APPLICABLE
    assert "finite variance" in evidence.reason
