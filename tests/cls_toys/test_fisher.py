"""Consolidation against general optimisers, penalties against samples, and the published values of the counterexample."""

import math
from inspect import unwrap

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from cls_toys import fisher

NUMBERS = st.floats(0.1, 30)
SHARES = st.floats(0.05, 0.95)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def semidefinite(dim: int, rank: int, seed: int) -> torch.Tensor:
    factor = torch.randn(rank, dim, generator=rng(seed), dtype=fisher.DTYPE)
    return factor.mT @ factor


def total(tasks: fisher.Tasks, point: torch.Tensor) -> float:
    return tasks.old.loss(point) + tasks.new.loss(point)


def test_the_losses_are_those_of_the_definition() -> None:
    tasks = fisher.rotated(3.0, 5.0, 2.0, 0.36)
    for w_1, w_2 in ((0.0, 0.0), (1.0, -2.0), (0.3, 0.7)):
        point = torch.tensor([w_1, w_2], dtype=fisher.DTYPE)
        assert tasks.old.loss(point) == pytest.approx(1.5 * (0.6 * w_1 + 0.8 * w_2) ** 2)
        assert tasks.new.loss(point) == pytest.approx(2.5 * (w_1 - 2) ** 2)


def test_the_curvature_is_the_fisher_information_of_a_noisy_reading() -> None:
    """Scores of observations drawn from the model with unit noise, at the old optimum; and those of residuals are zero."""
    tasks = fisher.rotated(4.0, 1.0, 1.0, 0.3)
    feature = 2 * torch.tensor([0.3**0.5, 0.7**0.5], dtype=fisher.DTYPE)
    noise = torch.randn(200_000, 1, generator=rng(), dtype=fisher.DTYPE)
    scores = noise * feature  # gradient of the log likelihood of w . feature + noise
    measured = scores.mT @ scores / len(scores)
    torch.testing.assert_close(measured, tasks.old.curvature, rtol=5 * math.sqrt(2 / len(scores)), atol=0)


@given(st.integers(0, 2**31), st.integers(1, 5), st.floats(0, 50))
def test_consolidation_is_a_minimum_that_a_general_optimiser_does_not_beat(
    seed: int, rank: int, strength: float
) -> None:
    new = fisher.Quadratic(semidefinite(5, rank, seed), torch.randn(5, generator=rng(seed), dtype=fisher.DTYPE))
    weights, anchor = semidefinite(5, 3, seed + 1), torch.randn(5, generator=rng(seed + 2), dtype=fisher.DTYPE)

    def objective(point: np.ndarray) -> float:
        away = torch.from_numpy(point) - anchor
        return new.loss(torch.from_numpy(point)) + strength * float(away @ weights @ away) / 2

    found = fisher.consolidate(new, anchor, weights, strength)
    best = optimize.minimize(objective, anchor.numpy(), method="BFGS")
    assert objective(found.numpy()) <= best.fun + 1e-9 * (1 + abs(best.fun))


@pytest.mark.parametrize("penalty", fisher.PENALTIES)
def test_both_kinds_of_step_descend_to_it(penalty: str) -> None:
    tasks = fisher.rotated(2.0, 1.0, 1.5, 0.4)
    weights = fisher.importance(tasks.old, penalty)
    limit = fisher.consolidate(tasks.new, tasks.old.optimum, weights, 0.7)
    for step in (fisher.proximal_step, fisher.explicit_step):
        path = fisher.descend(tasks.new, tasks.old.optimum, weights, 0.7, rate=0.5, steps=3000, step=step)
        assert torch.equal(path[0], tasks.old.optimum)
        torch.testing.assert_close(path[-1], limit, rtol=0, atol=1e-9)


def test_a_proximal_step_minimises_the_penalty_and_the_distance() -> None:
    point, gradient, anchor = torch.randn(3, 4, generator=rng(1), dtype=fisher.DTYPE)
    weights = semidefinite(4, 2, 3)
    landed = fisher.proximal_step(point, gradient, anchor, weights, rate=0.3, strength=5.0)
    free = point - 0.3 * gradient
    gradient_there = (landed - free) / 0.3 + 5 * weights @ (landed - anchor)
    torch.testing.assert_close(gradient_there, torch.zeros(4, dtype=fisher.DTYPE), rtol=0, atol=1e-10)


def test_explicit_steps_diverge_past_two_and_proximal_ones_never() -> None:
    tasks = fisher.rotated(1.0, 1.0, 1.0)  # curvature 1 and importance 1/2: 0.1 (1 + 38 / 2) = 2
    found = fisher.steps_compared(tasks, [37.0, 39.0, 100.0, 1e6], rate=0.1, steps=1000)
    assert found["explicit"][0] < 1
    assert all(not loss < 1e6 for loss in found["explicit"][1:]), "or no number"
    np.testing.assert_allclose(found["proximal"], found["limit"], rtol=1e-9)


# Published by the derivation's author: loss of the best diagonal penalty at h = g, c = 1.
@pytest.mark.parametrize(("scale", "published"), [(1.0, 0.1667), (10.0, 1.667), (1000.0, 166.7)])
def test_known_values(scale: float, published: float) -> None:
    tasks = fisher.rotated(scale, scale, 1.0)
    strength, loss = fisher.best_strength(tasks)
    assert loss == pytest.approx(published, rel=5e-4)
    assert strength == pytest.approx(1, abs=1e-5)
    full = fisher.consolidate(tasks.new, tasks.old.optimum, tasks.old.curvature, 1.0)
    torch.testing.assert_close(full, torch.tensor([1.0, -1.0], dtype=fisher.DTYPE))
    assert total(tasks, full) == pytest.approx(0, abs=1e-9)


@settings(max_examples=25)
@given(NUMBERS, NUMBERS, NUMBERS, SHARES)
def test_the_best_strength_is_one_and_beats_both_ends(old: float, new: float, target: float, share: float) -> None:
    tasks = fisher.rotated(old, new, target, share)
    strength, loss = fisher.best_strength(tasks)
    assert strength == pytest.approx(1, abs=1e-4)
    assert loss < total(tasks, torch.tensor([target, 0.0], dtype=fisher.DTYPE))
    assert loss < total(tasks, torch.zeros(2, dtype=fisher.DTYPE))
    grid = np.linspace(0, target, 100)  # all points that a diagonal penalty can reach
    assert loss <= min(total(tasks, torch.tensor([w, 0.0], dtype=fisher.DTYPE)) for w in grid) + 1e-12


def test_no_diagonal_penalty_does_better_and_the_second_weight_stays() -> None:
    problem = {"old_curvature": 2.0, "new_curvature": 3.0, "new_target": 1.0, "axis_share": 0.4}
    tasks = fisher.rotated(**problem)
    best = fisher.best_strength(tasks)[1]
    found = fisher.any_diagonal([problem], 200, generator=rng())
    assert found["total"].min() >= best - 1e-12
    assert found["total"].max() > 2 * best
    compared = fisher.compare([problem], [0.01, 1.0, 100.0])
    assert compared.filter(pl.col("penalty") == "diagonal")["w_2"].abs().max() == 0
    np.testing.assert_allclose(compared["total"], compared["old"] + compared["new"])
    np.testing.assert_allclose(compared["share_of_gain"], compared["total"] / 1.5)
    assert (compared["condition"] >= 1).all()


def test_the_share_of_the_gain_has_no_scale() -> None:
    problem = {"old_curvature": 2.0, "new_curvature": 3.0, "new_target": 1.0, "axis_share": 0.4}
    scaled = problem | {"old_curvature": 200.0, "new_curvature": 300.0}
    found = fisher.search([problem, scaled])
    assert found["best_loss"][1] == pytest.approx(100 * found["best_loss"][0])
    assert found["share_of_gain"][0] == pytest.approx(found["best_loss"][0] / 1.5)
    assert found["share_of_gain"][1] == pytest.approx(found["share_of_gain"][0])


def test_without_tilt_both_penalties_lose_the_same() -> None:
    compared = fisher.compare(
        [{"old_curvature": 2.0, "new_curvature": 3.0, "new_target": 1.0, "axis_share": 1.0}], [0.5, 1.0, 2.0]
    )
    diagonal, full = (compared.filter(pl.col("penalty") == penalty)["total"] for penalty in fisher.PENALTIES)
    np.testing.assert_allclose(diagonal, full)
    assert full.min() > 0.1


def test_level_curves_have_one_loss_and_paths_end_where_learning_does() -> None:
    tasks = fisher.rotated(2.0, 1.0, 1.5, 0.4)
    curve = fisher.level_curve(tasks, 0.3, points=40)
    for w_1, w_2 in curve.select("w_1", "w_2").iter_rows():
        assert total(tasks, torch.tensor([w_1, w_2], dtype=fisher.DTYPE)) == pytest.approx(0.3)
    assert curve.row(0)[:2] == pytest.approx(curve.row(-1)[:2])
    paths = fisher.paths(tasks, 1.0, steps=2000)
    for penalty in fisher.PENALTIES:
        last = paths.filter(pl.col("penalty") == penalty).row(-1, named=True)
        limit = fisher.consolidate(tasks.new, tasks.old.optimum, fisher.importance(tasks.old, penalty), 1.0)
        assert (last["w_1"], last["w_2"]) == pytest.approx(tuple(limit.tolist()), abs=1e-8)


def test_the_same_seed_draws_the_same_penalties() -> None:
    problem = {"old_curvature": 2.0, "new_curvature": 3.0, "new_target": 1.0, "axis_share": 0.4}
    one, two = (fisher.any_diagonal([problem], 5, generator=rng(3)) for _ in range(2))
    assert one.equals(two)


def test_bad_input() -> None:
    for arguments in (
        (0.0, 1.0, 1.0),
        (1.0, -1.0, 1.0),
        (1.0, 1.0, math.nan),
        (1.0, 1.0, 1.0, 0.0),
        (1.0, 1.0, 1.0, 1.1),
    ):
        with pytest.raises(ValueError, match="give positive curvatures, finite numbers, and a share"):
            fisher.rotated(*arguments)
    tasks = fisher.rotated(1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="must be one of diagonal, full"):
        fisher.importance(tasks.old, "block")
    weights = tasks.old.curvature
    for wrong in (-weights, weights * math.nan):
        with pytest.raises(ValueError, match="give a positive semidefinite matrix"):
            fisher.consolidate(tasks.new, tasks.old.optimum, wrong, 1.0)
    for strength in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="must be finite and at least 0"):
            fisher.consolidate(tasks.new, tasks.old.optimum, weights, strength)
    with pytest.raises(ValueError, match="give a row and a column a weight"):
        unwrap(fisher.consolidate)(tasks.new, tasks.old.optimum, torch.eye(3, dtype=fisher.DTYPE), 1.0)
    for step in (fisher.proximal_step, fisher.explicit_step):
        for rate in (0.0, -0.1, math.nan):
            with pytest.raises(ValueError, match="give a positive, finite rate"):
                fisher.descend(tasks.new, tasks.old.optimum, weights, 1.0, rate=rate, steps=5, step=step)
        point = tasks.old.optimum
        with pytest.raises(ValueError, match="must be finite and at least 0"):
            step(point, point, point, weights, rate=0.1, strength=-1.0)
    with pytest.raises(ValueError, match="take at least one step"):
        fisher.descend(tasks.new, tasks.old.optimum, weights, 1.0, rate=0.1, steps=0)
    with pytest.raises(ValueError, match="both must be positive for a closed curve"):
        fisher.level_curve(fisher.rotated(1.0, 1.0, 1.0, 1.0), 1.0)
    with pytest.raises(ValueError, match="needs at least 3"):
        fisher.level_curve(tasks, 1.0, points=2)
    problem = {"old_curvature": 2.0, "new_curvature": 3.0, "new_target": 1.0, "axis_share": 0.4}
    for problems, trials in (([], 3), ([problem], 0)):
        with pytest.raises(ValueError, match="draw at least one penalty"):
            fisher.any_diagonal(problems, trials, generator=rng())
    for problems, strengths in (([], [1.0]), ([problem], [])):
        with pytest.raises(ValueError, match="give at least one of each"):
            fisher.compare(problems, strengths)
    with pytest.raises(ValueError, match="no problems are given"):
        fisher.search([])
