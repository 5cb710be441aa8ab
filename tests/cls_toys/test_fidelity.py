"""Writes that may miss, against a general optimiser, by hand, and against two least-squares fits of our own."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from cls_toys import fidelity, probes
from cls_toys import keys as make

THREE = make.harmonic_frame(3, 2)  # three unit keys at 120 degrees: leverage 2/3, least collateral 1/2


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ones(items: int, outputs: int = 1) -> torch.Tensor:
    return torch.eye(outputs, dtype=make.DTYPE)[:1].expand(items, -1)


def test_an_outcome_by_hand() -> None:
    """Along its own key with half the size: each item moves by 1/2 of what is asked, and the others by -1/4 each."""
    found = fidelity.outcome(THREE, 0.5 * THREE[:, None, :], ones(3))
    np.testing.assert_allclose(found.miss, 0.25)
    np.testing.assert_allclose(found.hit, 0.5)
    np.testing.assert_allclose(found.requested_collateral, 2 / 16)
    doubled = fidelity.outcome(THREE, THREE[:, None, :], 2 * ones(3))
    np.testing.assert_allclose(doubled.requested_collateral, 2 / 16, err_msg="a share, whatever is asked")


@pytest.mark.parametrize("miss", [0.04, 0.25, 1.0])
def test_a_general_optimiser_finds_no_less_collateral_at_a_miss(miss: float) -> None:
    for seed, (items, dim) in enumerate([(3, 2), (6, 3), (8, 5)]):
        keys = make.gaussian(items, dim, generator=rng(seed))
        k, others = keys[0].numpy(), keys[1:].numpy()
        least = math.inf
        for outputs, start in ((1, 0.5), (2, 0.2)):  # one output, and one more to hide the error in

            def error(flat: np.ndarray, outputs: int = outputs, k: np.ndarray = k) -> float:
                return float(np.square(flat.reshape(outputs, -1) @ k - np.eye(outputs)[0]).sum())

            def moved(flat: np.ndarray, outputs: int = outputs, others: np.ndarray = others) -> float:
                return float(np.square(flat.reshape(outputs, -1) @ others.T).sum())

            found = optimize.minimize(
                moved, np.full(outputs * dim, start), method="SLSQP", options={"maxiter": 2000, "ftol": 1e-13},
                constraints={"type": "ineq", "fun": lambda flat, error=error: miss - error(flat)},
            )  # fmt: skip
            least = min(least, found.fun)
        ours = fidelity.outcome(keys, fidelity.frontier(keys, ones(items), miss, generator=rng()), ones(items))
        assert float(ours.miss[0]) == pytest.approx(miss, abs=1e-12)
        assert float(ours.requested_collateral[0]) == pytest.approx(least, rel=1e-4, abs=1e-5)


@given(st.integers(2, 8), st.integers(2, 6), st.floats(0, 1), st.floats(0, 5), st.integers(0, 2**31))
def test_a_write_has_the_miss_and_the_excess_that_were_asked(
    items: int, dim: int, miss: float, excess: float, seed: int
) -> None:
    generator = rng(seed)
    keys = make.gaussian(items, dim, generator=generator)
    requests = make.gaussian(items, 3, generator=generator)
    least, above = (
        fidelity.outcome(keys, fidelity.frontier(keys, requests, miss, more, generator=generator), requests)
        for more in (0.0, excess)
    )
    scale = float(probes.condition(keys)) ** 2
    np.testing.assert_allclose(above.miss, miss, atol=1e-11 * scale)
    np.testing.assert_allclose(above.requested_collateral - least.requested_collateral, excess, atol=1e-11 * scale)


def test_on_the_frontier_the_roots_add_up_to_one() -> None:
    keys = make.gaussian(12, 5, generator=rng())
    least = 1 / probes.leverage(keys) - 1
    for price in (0.1, 1.0, 10.0, 100.0):
        found = fidelity.outcome(keys, fidelity.priced(keys, price), ones(12))
        np.testing.assert_allclose((found.requested_collateral / least).sqrt() + found.miss.sqrt(), 1, rtol=1e-10)


def test_a_price_by_direct_minimisation() -> None:
    keys = make.gaussian(7, 4, generator=rng(2))
    for price in (0.3, 2.0):
        ours = fidelity.priced(keys, price)
        for item in (0, 3):

            def cost(v: np.ndarray, item: int = item, price: float = price) -> float:
                moved = keys.numpy() @ v
                return float(np.square(np.delete(moved, item)).sum() + price * (moved[item] - 1) ** 2)

            found = optimize.minimize(cost, np.zeros(4), method="BFGS", options={"gtol": 1e-9})
            np.testing.assert_allclose(ours[item, 0], found.x, atol=1e-6)


def test_a_refit_by_normal_equations_and_by_hand() -> None:
    keys = make.gaussian(9, 4, generator=rng())
    labels, requests = make.gaussian(9, 2, generator=rng(1)), make.gaussian(9, 2, generator=rng(2))
    changes = fidelity.refit(keys, labels, requests)
    for item in range(9):
        moved = labels.clone()
        moved[item] += requests[item]
        fits = [torch.linalg.solve(keys.T @ keys, keys.T @ y).T for y in (labels, moved)]
        torch.testing.assert_close(changes[item], fits[1] - fits[0], rtol=1e-9, atol=1e-9)
    found = fidelity.outcome(THREE, fidelity.refit(THREE, torch.zeros(3, 1, dtype=make.DTYPE), ones(3)), ones(3))
    np.testing.assert_allclose(found.hit, 2 / 3)
    np.testing.assert_allclose(found.requested_collateral, 2 / 9)


def test_independent_items_refit_exactly_and_at_no_cost() -> None:
    keys = make.gaussian(3, 6, generator=rng())
    found = fidelity.outcome(keys, fidelity.refit(keys, make.gaussian(3, 1, generator=rng()), ones(3)), ones(3))
    np.testing.assert_allclose(found.hit, 1, rtol=1e-9)
    np.testing.assert_allclose(found.requested_collateral, 0, atol=1e-18)


def test_one_dimension_leaves_two_writes() -> None:
    """Keys 1 and 1, miss 1/4: the collateral is 1/4 or 9/4, and nothing between; in two dimensions it could be anything more."""
    table = fidelity.in_one_dimension(0.25)
    assert table["requested_collateral"].to_list() == [0.25, 2.25]
    assert table["miss"].to_list() == [0.25, 0.25]
    with pytest.raises(ValueError, match="needs keys of rank 2 or more"):
        fidelity.frontier(torch.ones(2, 1, dtype=make.DTYPE), ones(2), 0.25, 0.5, generator=rng())


def test_a_table_leaves_out_zero_keys_and_rank_one_has_nothing_above() -> None:
    line = torch.tensor([[1.0, 2.0], [0.0, 0.0], [2.0, 4.0], [-1.0, -2.0]], dtype=make.DTYPE)
    codes = {"line": line, "plane": make.gaussian(5, 2, generator=rng())}
    table = fidelity.measure(codes, [0.0, 0.5], [1.0], generator=rng())
    assert table.filter(pl.col("code") == "line")["n_keys"].unique().to_list() == [3]
    assert set(table.filter(pl.col("code") == "line")["write"]) == {"frontier", "priced", "refit", "wild"}
    assert "above" in set(table.filter(pl.col("code") == "plane")["write"])
    least = table["optimal_collateral"] * (1 - table["miss"].sqrt()) ** 2
    inside = table["miss"] <= 1
    assert (table["requested_collateral"] >= least * (1 - 1e-9) - 1e-9).filter(inside).all()
    means = fidelity.means(table)
    assert len(means) == 5 + 7
    assert means["miss"].max() == table["miss"].max()


def test_wild_writes_are_wild_and_the_same_for_a_seed() -> None:
    keys = make.gaussian(40, 6, generator=rng())
    one, two = (fidelity.wild(keys, 2, generator=rng(5)) for _ in range(2))
    assert torch.equal(one, two)
    found = fidelity.outcome(keys, one, ones(40, 2))
    assert float(found.miss.max()) > 0.5 > 0.05 > float(found.miss.min())


@pytest.mark.parametrize(("miss", "excess"), [(-0.1, 0.0), (1.1, 0.0), (math.nan, 0.0), (0.5, -1.0), (0.5, math.inf)])
def test_a_miss_or_an_excess_out_of_range(miss: float, excess: float) -> None:
    with pytest.raises(ValueError, match=r"a miss lies in \[0, 1\]"):
        fidelity.frontier(THREE, ones(3), miss, excess, generator=rng())


def test_other_bad_input() -> None:
    with pytest.raises(ValueError, match="no key may be zero"):
        fidelity.frontier(torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=make.DTYPE), ones(2), 0.5, generator=rng())
    for price in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="the price of a miss must be positive and finite"):
            fidelity.priced(THREE, price)
    for requests in (torch.tensor([[1.0], [0.0], [1.0]]), torch.tensor([[1.0], [math.nan], [1.0]]), torch.ones(2, 1)):
        asked = requests.double()
        for call in (
            lambda asked: fidelity.outcome.__wrapped__(THREE, THREE[:, None, :], asked),
            lambda asked: fidelity.frontier.__wrapped__(THREE, asked, 0.5, generator=rng()),
            lambda asked: fidelity.refit.__wrapped__(THREE, ones(3), asked),
        ):
            with pytest.raises(ValueError, match="every one of 3 items must be requested to change"):
                call(asked)
    for labels in (ones(3) * math.nan, ones(3, 2)):
        with pytest.raises(ValueError, match="give one finite label and one request an item"):
            fidelity.refit.__wrapped__(THREE, labels, ones(3))
    with pytest.raises(ValueError, match="one request \\[out\\] an item, all finite"):
        fidelity.outcome(THREE, THREE[:, None, :] * math.nan, ones(3))
    with pytest.raises(ValueError, match="no zero key"):
        fidelity.wild(THREE * 0, 2, generator=rng())
    for miss in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=r"a miss lies in \[0, 1\]"):
            fidelity.in_one_dimension(miss)
    with pytest.raises(ValueError, match="NaN or infinity"):
        fidelity.refit(THREE * math.nan, ones(3), ones(3))
    with pytest.raises(ValueError, match=r"changes \(3, 1, 2\), requests \(3, 2\): give one change"):
        fidelity.outcome.__wrapped__(THREE, THREE[:, None, :], ones(3, 2))
