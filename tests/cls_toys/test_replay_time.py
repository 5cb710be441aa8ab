"""The exact recursion against every order of replay, simulation against the recursion, bounds against both."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cls_toys import keys as make
from cls_toys import probes, replay_time


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def double(values: object) -> torch.Tensor:
    return torch.as_tensor(values, dtype=make.DTYPE)


def replayed(keys: np.ndarray, order: tuple[int, ...], item: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and residuals after replaying the items in this order, the label of one having been moved by 1."""
    labels, weight = np.eye(len(keys))[item], np.zeros(keys.shape[1])
    for j in order:
        weight = weight + (labels[j] - weight @ keys[j]) * keys[j]
    return weight, labels - keys @ weight


TWO = double([[1.0, 0.0], [0.6, 0.8]])  # Gram matrix with overlap 0.6: eigenvalues 1.6 and 0.4, determinant 0.64


def test_one_step_by_hand() -> None:
    """Half of the time the moved item comes: its miss goes, and the other is off by 0.6. Else nothing happens."""
    found = replay_time.expected(TWO, 1)
    np.testing.assert_allclose(found.residual, [[1, 0], [0.5, 0.18]], atol=1e-12)
    assert float(found.error[0]) == pytest.approx(1 / 0.64)
    assert float(found.error[1]) == pytest.approx(1 / 0.64 - 0.5)


@pytest.mark.parametrize(("items", "dim", "steps"), [(2, 2, 7), (3, 4, 5), (3, 3, 5), (1, 3, 2)])
@pytest.mark.parametrize("item", [0, None])
def test_the_recursion_is_the_mean_over_all_orders(items: int, dim: int, steps: int, item: int | None) -> None:
    keys = make.unit(items, dim, generator=rng())
    found = replay_time.expected(keys, steps, item)
    solutions = np.linalg.pinv(keys.numpy())  # column i writes item i
    for t in range(steps + 1):
        outcomes = [
            (replayed(keys.numpy(), order, i), i)
            for order in itertools.product(range(items), repeat=t)
            for i in ([item] if item is not None else range(items))
        ]
        residual = np.mean([residual**2 for (_, residual), _ in outcomes], axis=0)
        error = np.mean([((weight - solutions[:, i]) ** 2).sum() for (weight, _), i in outcomes])
        np.testing.assert_allclose(found.residual[t], residual, atol=1e-12)
        assert float(found.error[t]) == pytest.approx(error)


def test_it_is_the_recursion_of_the_error_too() -> None:
    """As the derivation states it, in the space of the weights."""
    keys = make.unit(5, 7, generator=rng())
    second_moment, items = keys.T @ keys, len(keys)
    start = torch.linalg.pinv(keys)[:, 2]
    sigma = torch.outer(start, start)
    found = replay_time.expected(keys, 40, item=2)
    for t in range(41):
        assert float(found.error[t]) == pytest.approx(float(sigma.trace()), rel=1e-10)
        np.testing.assert_allclose(found.residual[t], (keys @ sigma @ keys.T).diagonal(), rtol=1e-9, atol=1e-13)
        corrections = sum(torch.outer(k, k) * (k @ sigma @ k) for k in keys)
        sigma = sigma - (second_moment @ sigma + sigma @ second_moment) / items + corrections / items


def test_simulated_replay_has_these_means() -> None:
    keys, steps, runs = make.unit(6, 9, generator=rng()), [0, 3, 6, 18], 20_000
    found = replay_time.expected(keys, 18, item=4)
    happened = replay_time.simulate(keys, steps, runs, generator=rng(1), item=4)
    for measured, exact in ((happened.error, found.error), (happened.residual, found.residual.sum(-1))):
        wide = 5 * measured.std(0) / math.sqrt(runs) + 1e-12
        assert ((measured.mean(0) - exact[steps]).abs() <= wide).all()
    again = replay_time.simulate(keys, steps, runs, generator=rng(1), item=4)
    assert torch.equal(again.error, happened.error)


def test_orthonormal_items_wait_for_their_turn() -> None:
    """Only the moved item's own replay does anything, and then everything."""
    keys = torch.eye(5, dtype=make.DTYPE)
    found = replay_time.expected(keys, 10, item=3)
    np.testing.assert_allclose(found.error, [0.8**t for t in range(11)], rtol=1e-12)
    np.testing.assert_allclose(replay_time.mean_residual(keys, 10, 3), [0.64**t for t in range(11)], rtol=1e-12)
    np.testing.assert_allclose(replay_time.in_order(keys, 1)[..., 1], 0, atol=1e-30)
    assert replay_time.first_passage(keys, [1.0, 0.5, 0.1]).tolist() == [0, 4, 11]  # 0.8^4 = 0.41, 0.8^11 = 0.086


@given(st.integers(1, 6), st.integers(0, 3), st.integers(0, 2**31))
def test_the_bounds_hold_at_every_step(items: int, more: int, seed: int) -> None:
    keys = make.unit(items, items + more + 1, generator=rng(seed))
    known, time = replay_time.constants(keys), torch.arange(31, dtype=make.DTYPE)
    g = float(known.least_eigenvalue)
    for item in range(items):
        found = replay_time.expected(keys, 30, item)
        upper = (1 - g / items) ** time * known.inverse_gram[item]
        lower = (1 - g / items) ** (2 * time) * known.slow_share[item] / g
        slack = 1e-9 * float(known.condition) ** 2
        assert (found.error <= upper + slack).all()
        assert (found.error >= lower - slack).all()
        assert (found.residual.sum(-1) >= replay_time.mean_residual(keys, 30, item) - 1e-12).all()


def test_the_mean_path_is_gradient_descent_with_step_one_over_n() -> None:
    keys = make.unit(5, 8, generator=rng())
    residual = torch.eye(5, dtype=make.DTYPE)
    for t in range(12):
        np.testing.assert_allclose(
            replay_time.mean_residual(keys, 12, None)[t], residual.square().sum(-1).mean(), rtol=1e-10
        )
        assert float(replay_time.mean_residual(keys, 12, 1)[t]) == pytest.approx(float(residual[1].square().sum()))
        residual = residual - residual @ (keys @ keys.T) / 5


def test_constants_of_two_keys_by_hand() -> None:
    known = replay_time.constants(TWO)
    assert float(known.least_eigenvalue) == pytest.approx(0.4)
    assert float(known.largest_eigenvalue) == pytest.approx(1.6)
    assert float(known.gram_determinant) == pytest.approx(0.64)
    assert known.inverse_gram.tolist() == pytest.approx([1 / 0.64] * 2)
    assert known.slow_share.tolist() == pytest.approx([0.5] * 2)
    assert replay_time.write_norms(TWO).tolist() == pytest.approx([1 / 0.64] * 2)


def test_the_least_exact_write_is_as_long_as_its_key_is_far_from_the_others() -> None:
    keys = make.unit(6, 9, generator=rng())
    norms = replay_time.write_norms(keys)
    for item in range(6):
        others = torch.cat((keys[:item], keys[item + 1 :]))
        outside = keys[item] - torch.linalg.lstsq(others.T, keys[item]).solution @ others
        assert float(norms[item]) == pytest.approx(float(1 / outside.square().sum()))
        assert float(replay_time.constants(keys).inverse_gram[item]) == pytest.approx(float(norms[item]))


def test_first_passage_is_the_first_that_the_expectation_says() -> None:
    keys = replay_time.unit_codes(4, 6, 3, generator=rng())
    goals = [0.5, 0.1, 0.02]
    first = replay_time.first_passage(keys, goals)
    residual = replay_time.expected(keys, 300).residual.sum(-1)
    for draw, (index, goal) in itertools.product(range(3), enumerate(goals)):
        reached = int(first[draw, index])
        assert residual[draw, reached] <= goal < residual[draw, reached - 1]
    assert replay_time.first_passage(keys, [1e-9], most=10).isnan().all()


def test_a_sweep_of_two_keys_by_hand() -> None:
    """After the first sweep the error is orthogonal to the second key, and each further one leaves 0.6^4 of its square."""
    errors = replay_time.in_order(TWO, 3)
    np.testing.assert_allclose(errors[:, 2:] / errors[:, 1:-1], 0.6**4)
    assert (errors[:, 1:] / errors[:, :-1] <= 1 - 0.64 + 1e-12).all()
    weight, residual = replayed(TWO.numpy(), (0, 1), 0)
    assert float(errors[0, 1]) == pytest.approx(float(((weight - np.linalg.pinv(TWO.numpy())[:, 0]) ** 2).sum()))
    assert residual[1] == pytest.approx(0)


@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 2**31))
def test_every_sweep_contracts_as_the_determinant_says(items: int, more: int, seed: int) -> None:
    keys = make.unit(items, items + more, generator=rng(seed))
    errors = replay_time.in_order(keys, 3)
    bound = (1 - replay_time.constants(keys).gram_determinant) * errors[:, :-1]
    assert (errors[:, 1:] <= bound + 1e-10 * errors[:, :1]).all()


def test_three_directions_in_the_plane_never_settle() -> None:
    """At 120 degrees each leverage is 2/3, and replay stays at a residual of 2/3, twice the 1/3 of least squares."""
    keys = make.harmonic_frame(3, 2)
    table = replay_time.noise_floor(keys)
    np.testing.assert_allclose(table["noise_floor"], 2 / 3, rtol=1e-12)
    uneven = make.unit(5, 2, generator=rng())
    each = [float(((np.eye(5) - np.linalg.pinv(uneven.T.numpy()) @ uneven.T.numpy())[i] ** 2).sum()) for i in range(5)]
    np.testing.assert_allclose(replay_time.noise_floor(uneven)["noise_floor"], 2 * np.array(each), rtol=1e-10)
    draws = np.random.default_rng(0).integers(3, size=20_000)
    k, weight, seen = keys.numpy(), np.zeros(2), []
    for j in draws:
        weight = weight + ((j == 0) - weight @ k[j]) * k[j]
        seen.append(((np.eye(3)[0] - k @ weight) ** 2).sum())
    assert np.mean(seen[100:]) == pytest.approx(2 / 3, rel=0.02)


def test_the_time_constant_is_the_leading_eigenvalue_of_one_step() -> None:
    keys = replay_time.unit_codes(4, 6, 3, generator=rng())
    table = replay_time.time_constants(keys)
    identity = np.eye(6)
    for draw, k in enumerate(keys.numpy()):
        step = sum(np.kron(p, p) for p in (identity - np.outer(key, key) for key in k)) / 4
        span = np.linalg.svd(k)[2][:4]  # what lies outside the span of the keys never moves
        basis = np.kron(span, span)
        largest = np.linalg.eigvalsh(basis @ step @ basis.T)[-1]
        assert table["time_constant"][draw] == pytest.approx(-1 / (4 * math.log(largest)), rel=1e-3)


def test_random_keys_are_as_far_apart_as_the_beta_law_says() -> None:
    """The mean of the squared write norm is (d - 2) / (d - n - 1), not 1 / (1 - n/d)."""
    items, dim, trials = 8, 24, 8000
    norms = replay_time.random_write_norms(items, dim, trials, generator=rng())
    error = float(norms.std()) / math.sqrt(trials)
    assert abs(float(norms.mean()) - 22 / 15) < 5 * error
    assert abs(float(norms.mean()) - 24 / 16) > 5 * error


def test_a_table_of_progress_splits_the_residual() -> None:
    table = replay_time.progress(replay_time.unit_codes(3, 5, 2, generator=rng()), 4)
    assert len(table) == 2 * (4 * 3 + 1)
    np.testing.assert_allclose(table["miss"] + table["collateral"], table["expected_residual"], rtol=1e-12)
    start = table.filter(table["replay_time"] == 0)
    assert start["collateral"].to_list() == [0, 0], "nothing is written yet"
    assert start["expected_residual"].to_list() == [1, 1]


def test_the_time_to_a_fixed_residual_is_finite_at_load_one() -> None:
    table = replay_time.against_load(12, [0.5, 1.0], [0.3, 1e-6], draws=3, most=40, generator=rng())
    reached = table.filter(table["goal"] == 0.3)
    assert reached["epochs"].null_count() == 0
    assert (reached["lower"] <= reached["epochs"]).all()
    assert (reached["epochs"] <= reached["upper"] + 1).all()
    assert table.filter(table["goal"] < 0.1, table["load"] == 1)["epochs"].null_count() == 3, "given up"
    keys = replay_time.unit_codes(6, 12, 3, generator=rng()).numpy()  # what the table drew for the first load
    for draw, k in enumerate(keys):
        g, inverse = np.linalg.eigvalsh(k @ k.T), np.linalg.inv(k @ k.T)
        formula = math.log(g[-1] * np.trace(inverse) / 6 / 0.3) / g[0]
        assert reached.filter(reached["load"] == 0.5)["upper"][draw] == pytest.approx(formula)
    # Published by the derivation's author, in 240 dimensions: 3.2, 4.6 and 9.4 epochs to 0.1 at these loads.
    known = replay_time.against_load(60, [0.25, 0.5, 0.75], [0.1], draws=6, most=60, generator=rng())
    means = known.group_by("load", maintain_order=True).mean()["epochs"]
    np.testing.assert_allclose(means, [3.2, 4.6, 9.4], rtol=0.15)


def test_the_bounds_on_steps_enclose_them() -> None:
    table = replay_time.looseness(replay_time.unit_codes(5, 8, 4, generator=rng()), [0.5, 0.01])
    g, n = table["least_eigenvalue"].to_numpy(), table["n_items"].to_numpy()
    enough = n / g * np.log(table["largest_eigenvalue"] * table["inverse_gram"] / table["residual_goal"])
    least = np.log(table["slow_share"] / table["residual_goal"]) / (-2 * np.log(1 - g / n))
    assert (table["steps_needed"] <= np.ceil(enough)).all()
    assert (table["steps_needed"] >= least).all()


def test_bad_input() -> None:
    unit, unequal = make.unit(3, 4, generator=rng()), make.gaussian(3, 4, generator=rng())
    for keys, complaint in (
        (unequal, "divide each key by its norm"),
        (make.unit(5, 4, generator=rng()), "5 keys have rank 4"),
        (torch.cat((unit[:1], unit[:1])), "2 keys have rank 1"),
        (unit * float("nan"), "NaN"),
        (unit[:0], "at least one item"),
        (unit[:, :0], "at least one item"),
    ):
        for call in (
            replay_time.constants,
            lambda k: replay_time.expected(k, 1),
            lambda k: replay_time.in_order(k, 1),
            lambda k: replay_time.first_passage(k, [0.1]),
            lambda k: replay_time.simulate(k, [1], 3, generator=rng()),
        ):
            with pytest.raises(ValueError, match=complaint):
                call(keys)
    with pytest.raises(ValueError, match="divide each key by its norm"):
        replay_time.noise_floor(unequal)
    for goals in ([], [0.0], [1.5], [float("nan")]):
        with pytest.raises(ValueError, match="before the first step it is 1"):
            replay_time.first_passage(unit, goals)
    for item in (3, -1):
        with pytest.raises(ValueError, match="index of one of the 3 items"):
            replay_time.expected(unit, 1, item)
    for load in (0.0, 1.2, 0.01):
        with pytest.raises(ValueError, match=r"a load in \(0, 1\]"):
            replay_time.against_load(12, [load], [0.1], draws=1, most=1, generator=rng())


def test_leverage_of_independent_items_is_one() -> None:
    """What replay of them reaches in the end."""
    np.testing.assert_allclose(probes.leverage(make.unit(5, 9, generator=rng())), 1)


def test_time_constants_of_codes_of_very_different_pace() -> None:
    """Long before the slow code has settled, the error of the fast one is smaller than any number: it must not decide."""
    slow = double([[1.0, 0.0], [math.cos(0.03), math.sin(0.03)]])
    together = replay_time.time_constants(torch.stack((slow, TWO)))["time_constant"].to_list()
    alone = [replay_time.time_constants(code[None])["time_constant"][0] for code in (slow, TWO)]
    assert together == pytest.approx(alone, rel=1e-6)


@given(st.integers(1, 5), st.integers(0, 3), st.floats(1e-4, 1), st.integers(0, 2**31))
def test_the_lower_bound_on_steps_is_the_first_that_the_mean_path_reaches(
    items: int, more: int, goal: float, seed: int
) -> None:
    """Against the path itself, step by step; missing where the path stays above the goal."""
    keys = replay_time.unit_codes(items, items + more + 2, 2, generator=rng(seed))
    table = replay_time.against_load(
        items + more + 2, [items / (items + more + 2)], [goal], draws=2, most=10, generator=rng(seed)
    )
    path = replay_time.mean_residual(keys, 10 * items, None)
    for draw in range(2):
        below = (path[draw] <= goal).nonzero()
        assert table["lower"][draw] == (int(below[0]) / items if len(below) else None)


def test_bad_numbers_of_steps_runs_and_items() -> None:
    unit = make.unit(3, 4, generator=rng())
    for call in (lambda: replay_time.expected(unit, -1), lambda: replay_time.mean_residual(unit, -1)):
        with pytest.raises(ValueError, match="steps=-1"):
            call()
    for steps, runs in (([], 3), ([-1], 3), ([1], 0)):
        with pytest.raises(ValueError, match="at least one run"):
            replay_time.simulate(unit, steps, runs, generator=rng())
    for item in (3, -1):
        with pytest.raises(ValueError, match="index of one of the 3 items"):
            replay_time.simulate(unit, [1], 3, generator=rng(), item=item)
        with pytest.raises(ValueError, match="index of one of the 3 items"):
            replay_time.mean_residual(unit, 1, item)
    with pytest.raises(ValueError, match="5 keys have rank 4"):
        replay_time.mean_residual(make.unit(5, 4, generator=rng()), 1)
    with pytest.raises(ValueError, match="items=5, dim=4"):
        replay_time.random_write_norms(5, 4, 10, generator=rng())
