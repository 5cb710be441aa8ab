"""Writes confined to a subspace: against adapters that are optimised directly, by hand, and against published sums."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from cls_toys import keys as make
from cls_toys import probes, restriction


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_mask_by_hand() -> None:
    """Keys (1, 0), (1, 1), (0, 1) seen through the first coordinate are 1, 1 and nothing."""
    keys = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=make.DTYPE)
    first = torch.eye(2, dtype=make.DTYPE)[:, :1]
    share = probes.writability(keys, restriction.directions(keys, first))
    assert share.tolist() == pytest.approx([0.5, 0.5, 0])
    assert probes.leverage(keys).tolist() == pytest.approx([2 / 3] * 3)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_an_adapter_whose_other_factor_is_optimised(size: int) -> None:
    """B of the change BA is found by BFGS on the logarithm of all change over the hit; A, frozen, is no orthonormal basis."""
    keys = make.gaussian(9, 5, generator=rng(size))
    frozen = make.gaussian(size, 5, generator=rng(size + 10))  # A
    basis = torch.linalg.qr(frozen.T)[0]
    ours = probes.writability(keys, restriction.directions(keys, basis))
    seen = (keys @ frozen.T).numpy()
    for item in (0, 4):

        def spread(b: np.ndarray, item: int = item, seen: np.ndarray = seen) -> float:
            moved = np.square(seen @ b)
            return float(np.log(moved.sum() / moved[item]))

        found = min(optimize.minimize(spread, start, method="BFGS").fun for start in (np.eye(size) + 0.1))
        assert float(ours[item]) == pytest.approx(math.exp(-found), rel=1e-6)


@given(
    st.integers(2, 10),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from(["adapter", "mask"]),
    st.integers(0, 2**31),
)
def test_confined_writes_stay_confined_and_below_their_leverage(
    items: int, dim: int, size: int, kind: restriction.Kind, seed: int
) -> None:
    size = min(size, dim)
    generator = rng(seed)
    keys = make.gaussian(items, dim, generator=generator)
    basis = restriction.subspace(dim, size, kind, generator=generator)
    seen = probes.leverage(keys @ basis)
    assert (seen <= probes.leverage(keys) + 1e-9).all()
    for rule in ("optimal", "local"):
        rows = restriction.directions(keys, basis, rule)
        torch.testing.assert_close(rows @ basis @ basis.T, rows, rtol=1e-9, atol=1e-9 * float(rows.abs().max()))
        share = probes.writability(keys, rows)
        assert (share <= seen + 1e-9).all()
        assert float(share.sum()) <= min(size, items, dim) + 1e-8
    assert float(probes.writability(keys, restriction.directions(keys, basis)).sum()) == pytest.approx(
        min(size, items), rel=1e-6
    )


def test_totals_add_up_what_was_written_and_not_what_could_have_been() -> None:
    table = restriction.measure({"": make.anisotropic(12, 6, 30.0, generator=rng())}, [3, 6], generator=rng())
    totals = restriction.totals(table)
    assert len(totals) == 2 * 2 * 2
    for row in totals.iter_rows(named=True):
        of = table.filter(*(pl.col(name) == row[name] for name in ("kind", "subspace_dim", "rule")))
        share = of["writability"].to_numpy()
        assert row["sum_restricted"] == pytest.approx(share.sum())
        assert row["median_collateral"] == pytest.approx(float(np.median(1 / share - 1)))
    local = totals.filter(pl.col("rule") == "local")
    assert (local["sum_restricted"] < 0.9 * local["subspace_dim"]).all(), "local writes do not spend it all"


def test_published_sum_of_seven() -> None:
    table = restriction.totals(restriction.measure({"": make.gaussian(30, 20, generator=rng())}, [7], generator=rng()))
    optimal = table.filter(table["rule"] == "optimal")
    np.testing.assert_allclose(optimal["sum_restricted"], 7, rtol=1e-10)
    assert set(optimal["kind"]) == {"adapter", "mask"}


def test_the_whole_space_restricts_nothing() -> None:
    keys = make.gaussian(12, 4, generator=rng())
    basis = restriction.subspace(4, 4, "adapter", generator=rng())
    torch.testing.assert_close(probes.writability(keys, restriction.directions(keys, basis)), probes.leverage(keys))


def test_a_mask_helps_a_local_rule_and_costs_the_optimal_one_a_dimension() -> None:
    table = restriction.masked(30.0, 40, 20, generator=rng())
    share = {(m, r): s for m, r, s in table.select("mask", "rule", "sum_writability").iter_rows()}
    assert share["loud coordinate masked", "local"] > 5 * share["none", "local"]
    assert share["none", "optimal"] == pytest.approx(20)
    assert share["loud coordinate masked", "optimal"] == pytest.approx(19)


def test_a_table_holds_items_that_no_confined_write_moves() -> None:
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=make.DTYPE)
    table = restriction.measure({"": keys}, [1], generator=rng())
    masked = table.filter(table["kind"] == "mask")
    assert sorted(masked["writability"].to_list()) == [0, 0, 1, 1]
    one, two = (restriction.measure({"": keys}, [1, 2], generator=rng(2)) for _ in range(2))
    assert one.equals(two)


def test_bad_input() -> None:
    keys = make.gaussian(4, 3, generator=rng())
    for size in (0, 4):
        with pytest.raises(ValueError, match=f"size={size}: give one of adapter, mask, and 1 <= size <= dim=3"):
            restriction.subspace(3, size, "mask", generator=rng())
    with pytest.raises(ValueError, match="kind='lora'"):
        restriction.subspace.__wrapped__(3, 1, "lora", generator=rng())
    with pytest.raises(ValueError, match="give orthonormal columns of length 3"):
        restriction.directions(keys, torch.ones(3, 2, dtype=make.DTYPE))
    with pytest.raises(ValueError, match="give orthonormal columns of length 3"):
        restriction.directions.__wrapped__(keys, torch.eye(2, dtype=make.DTYPE))
    with pytest.raises(ValueError, match="rule='best': must be one of optimal, local"):
        restriction.directions.__wrapped__(keys, torch.eye(3, dtype=make.DTYPE), "best")
    with pytest.raises(ValueError, match="NaN or infinity"):
        restriction.directions(keys * math.nan, torch.eye(3, dtype=make.DTYPE))
    with pytest.raises(ValueError, match="dim=1: nothing is left"):
        restriction.masked(10.0, 4, 1, generator=rng())
