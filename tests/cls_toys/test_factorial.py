"""The factorial design: forgetting against a store that is written to, shares against a balanced analysis of variance, ties."""

import numpy as np
import polars as pl
import pytest
import torch

from cls_toys import codes, factorial
from cls_toys.stores.sparse import SparseStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_forgetting_is_what_a_store_forgets_of_random_values() -> None:
    """Twenty thousand outputs with independent values: their mean square is the expectation, within four standard errors."""
    code = codes.random(7, 20, 4, generator=rng(1))
    values = torch.randn(7, 20_000, generator=rng(2)).double()
    store = SparseStore(20, out=20_000)
    keys = code.dense()
    for key, value in zip(keys, values, strict=True):
        store.write(key, value)
    squares = (store.read(keys) - values).square()
    error = squares.std(1) / 20_000**0.5
    assert ((squares.mean(1) - factorial.forgetting(code)).abs() <= 4 * error + 1e-12).all()


def test_an_item_without_active_units_recalls_nothing_and_harms_nobody() -> None:
    code = codes.Codes(torch.tensor([[0, 1], [4, 4], [2, 3]]), 4)
    assert factorial.forgetting(code).tolist() == [0, 1, 0]
    assert factorial.mean_square_overlap(code) == 0


def test_mean_square_overlap_counts_shares_of_each_items_own_units() -> None:
    code = codes.Codes(torch.tensor([[0, 1], [1, 3]]), 3)  # two units, and one of them alone
    assert factorial.mean_square_overlap(code) == pytest.approx((0.5**2 + 1) / 2)


def test_patterns_are_correlated_by_half_and_differ_in_strength() -> None:
    for activity in (None, 0.1):
        drawn = factorial.patterns(60, 2000, activity, generator=rng(3))
        alike = torch.corrcoef(drawn) - torch.eye(60).double()
        assert float(alike.sum()) / (60 * 59) == pytest.approx(0.5, abs=0.07)
        assert float(drawn.norm(dim=1).log().std()) == pytest.approx(0.3, abs=0.1)
    assert ((drawn != 0).sum(1) == 200).all()


def test_a_design_has_every_cell_once_and_the_same_patterns_throughout() -> None:
    table = factorial.design(
        factorial.Layer(), [3, 10], [2, 5], dim=20, units=30, items=6, replicates=2, generator=rng(4)
    )
    assert len(table) == 8
    assert table.select("replicate", "fan_in", "active").n_unique() == 8
    assert (table["silent"] == 0).all()
    excitatory = factorial.excitatory_design([2, 20], [4, 8], dim=20, units=30, items=6, replicates=2, generator=rng(5))
    dense = excitatory.filter(pl.col("fan_in") == 20)  # all units read all: one direction for all memories
    assert dense["mean_square_overlap"].to_numpy() == pytest.approx(1)
    assert dense["forgetting"].to_numpy() == pytest.approx(10 / 6)  # two for each item but the last


def made(effect: float) -> pl.DataFrame:
    """A design in which log forgetting is known: activity's levels, connectivity's times ``effect``, a little noise."""
    noise = torch.randn(3, 3, 4, generator=rng(6)).double().numpy() * 0.01
    rows = [
        {
            "replicate": r, "fan_in": m, "active": k, "forgetting": float(np.exp(i + effect * j + noise[r, j, i])),
            "mean_square_overlap": float(np.exp(i)),
        }
        for r in range(3)
        for j, m in enumerate([2, 4, 8])
        for i, k in enumerate([1, 2, 3, 4])
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_shares_are_those_of_a_balanced_analysis_of_variance() -> None:
    found = factorial.shares(made(0.5)).row(0, named=True)
    of_activity, of_connectivity = np.var([0, 1, 2, 3]), 0.25 * np.var([0, 1, 2])
    assert found["activity"] == pytest.approx(of_activity / (of_activity + of_connectivity), abs=0.01)
    assert found["connectivity"] == pytest.approx(of_connectivity / (of_activity + of_connectivity), abs=0.01)
    assert found["connectivity_rest"] > 0.99
    assert found["overlap"] == pytest.approx(found["activity"], abs=0.01)
    assert factorial.shares(made(0.0))["connectivity"].max() < 0.01


def test_ratios_are_those_of_the_sparsest_to_the_densest_wiring() -> None:
    ratios = factorial.sparse_over_dense(made(0.5))
    assert ratios["active"].to_list() == [1, 2, 3, 4]
    assert ratios["ratio"].to_numpy() == pytest.approx(np.exp(-1), rel=0.05)
    assert ((ratios["low"] < ratios["ratio"]) & (ratios["ratio"] < ratios["high"])).all()


def test_a_summary_says_mean_and_interval() -> None:
    (row,) = factorial.summary(made(0.5), "made").rows(named=True)
    assert row["layer"] == "made"
    assert row["connectivity_rest"].startswith("1.00 (")


def test_students_interval_is_scipys() -> None:
    low, high = factorial.interval(np.array([1.0, 2.0, 3.0]))
    assert (low + high) / 2 == 2
    assert high - 2 == pytest.approx(4.3027 / 3**0.5, rel=1e-4)


def test_each_tie_policy_has_its_trap() -> None:
    inputs = factorial.patterns(10, 50, 0.2, generator=rng(7))
    table = factorial.tie_breaking(400, 20, inputs, generator=rng(8))
    found = {row["ties"]: row for row in table.iter_rows(named=True)}
    assert found["index"]["two_items"] == 1
    assert found["index"]["forgetting"] == pytest.approx(2 * 9 / 10)
    assert found["random"]["one_item_twice"] < 0.2
    assert found["random"]["forgetting_again"] > 0.8 > found["random"]["forgetting"]
    assert found["hash"]["one_item_twice"] == 1
    assert found["hash"]["one_item_louder"] < 0.2
    assert found["hash"]["forgetting_again"] == pytest.approx(found["hash"]["forgetting"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: factorial.Layer(0.7), "share of ones"),
        (lambda: factorial.patterns(0, 5, generator=rng()), "at least one item"),
        (lambda: factorial.patterns(3, 10, 0.01, generator=rng()), "no room"),
        (lambda: factorial.design(factorial.Layer(), [], [1], generator=rng()), "0 fan-ins"),
        (lambda: factorial.design(factorial.Layer(), [1], [1], items=1, generator=rng()), "two items"),
        (lambda: factorial.excitatory_design([1], [], generator=rng()), "0 sizes"),
        (lambda: factorial.shares(made(0.5).filter(pl.col("fan_in") == 2)), "two levels"),
        (lambda: factorial.shares(made(0.5).head(-1)), "every cell"),
        (lambda: factorial.interval(np.array([1.0, 2.0])), "at least three"),
    ],
)
def test_bad_input_is_explained(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
