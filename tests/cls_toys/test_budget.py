"""The budget's tables on keys small enough to work by hand, and its random keys against published means."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from scipy import stats

from cls_toys import allocation, budget, probes

# M = [[2, 1], [1, 2]], eigenvalues 3 and 1; the zero key, item 1, does not count.
BY_HAND = torch.tensor([[1, 0], [0, 0], [0, 1], [1, 1]]).double()
SHARES = {
    "local": [1 / 2, 1 / 2, 2 / 3],  # item 0 moves the others by 0, 1; the last moves them by 1, 1 and itself by 2
    "optimal": [2 / 3] * 3,  # M^-1 k is proportional to (2, -1), (-1, 2), (1, 1)
    "ridge": [121 / 182, 121 / 182, 2 / 3],  # mu = 0.1 * (1 + 3) / 2; rows (2.2, -1), (-1, 2.2), (1, 1)
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------------------ spend and totals


def test_spend_on_keys_worked_by_hand() -> None:
    table = budget.spend({"hand": BY_HAND}, generator=rng(), rules=tuple(SHARES))
    assert set(table.columns) == {"code", "rule", "item", "writability", "leverage", "n_keys", "rank", "condition"}
    assert table["code"].to_list() == ["hand"] * 9
    assert table["rule"].to_list() == [rule for rule in SHARES for _ in range(3)]
    assert table["item"].to_list() == [0, 2, 3] * 3
    assert table["n_keys"].to_list() == [3] * 9
    assert table["rank"].to_list() == [2] * 9
    np.testing.assert_allclose(table["writability"], np.concatenate(list(SHARES.values())), rtol=1e-13)
    np.testing.assert_allclose(table["leverage"], 2 / 3, rtol=1e-14)
    np.testing.assert_allclose(table["condition"], math.sqrt(3), rtol=1e-14)


def test_totals_of_keys_worked_by_hand() -> None:
    table = budget.totals(budget.spend({"hand": BY_HAND}, generator=rng(), rules=tuple(SHARES)))
    assert set(table.columns) == {
        "code", "rule", "n_keys", "rank", "condition", "compression", "sum_writability", "mean_collateral",
    }  # fmt: skip
    assert table["rule"].to_list() == ["local", "optimal", "ridge"]
    np.testing.assert_allclose(table["compression"], 3 / 2)
    np.testing.assert_allclose(table["sum_writability"], [5 / 3, 2, 242 / 182 + 2 / 3], rtol=1e-13)
    np.testing.assert_allclose(table["mean_collateral"], [5 / 6, 1 / 2, (2 * 61 / 121 + 1 / 2) / 3], rtol=1e-13)


def test_three_keys_that_are_tight_but_of_unequal_norm() -> None:
    half = math.sqrt(0.5)
    keys = torch.tensor([[1, 0], [0, half], [0, half]], dtype=torch.float64)
    table = budget.totals(budget.spend({"three": keys}, generator=rng(), rules=("local", "optimal")))
    np.testing.assert_allclose(table["mean_collateral"], 2 / 3, rtol=1e-13)
    np.testing.assert_allclose(table["sum_writability"], 2, rtol=1e-13)


def test_codes_of_different_size_and_precision_share_a_table() -> None:
    codes = {"single": BY_HAND.float(), "one key": torch.tensor([[2.0, 0, 0]]).double()}
    table = budget.totals(budget.spend(codes, generator=rng()))
    assert table["code"].to_list() == ["single"] * 4 + ["one key"] * 4
    assert table["rule"].to_list() == ["local", "optimal", "ridge", "random"] * 2
    np.testing.assert_allclose(table["sum_writability"][:2], [5 / 3, 2], rtol=1e-6)
    np.testing.assert_allclose(table["sum_writability"][4:], 1, rtol=1e-13)  # the only item gets all of any write
    np.testing.assert_allclose(table["mean_collateral"][4:], 0, atol=1e-13)


def test_an_unwritten_item_makes_the_mean_collateral_infinite() -> None:
    items = budget.spend({"hand": BY_HAND}, generator=rng(), rules=["local"])
    first_unwritten = pl.when(pl.col("item") == 0).then(0.0).otherwise("writability").alias("writability")
    assert budget.totals(items.with_columns(first_unwritten))["mean_collateral"].to_list() == [math.inf]


def test_a_code_of_zero_keys_and_an_unknown_rule_are_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="code 'dead': all its 3 keys are zero") as raised:
        budget.spend({"dead": torch.zeros(3, 2)}, generator=rng())
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match="rule='hebb': must be one of local, optimal, ridge, random") as raised:
        budget.measured_writability(BY_HAND, "hebb", generator=rng())
    assert "\n" not in str(raised.value)


# ------------------------------------------------------------------------------------------------- measured writability


def test_in_one_dimension_every_rule_writes_alike() -> None:
    """Shares go with squared keys: 1 + 4 + 4 = 9."""
    keys = torch.tensor([[1.0], [-2], [2]]).double()
    for rule in budget.RULES:
        measured = budget.measured_writability(keys, rule, generator=rng())
        np.testing.assert_allclose(measured, [1 / 9, 4 / 9, 4 / 9], rtol=1e-13)


def test_a_zero_key_has_no_writability_under_any_rule() -> None:
    for rule in budget.RULES:
        measured = budget.measured_writability(BY_HAND, rule, generator=rng())
        assert (measured > 0).tolist() == [True, False, True, True]


def test_random_writes_are_spread_evenly_and_follow_the_generator() -> None:
    """A random direction gives an item of an orthonormal code one part in d on average: one in all."""
    keys = torch.eye(8).double()
    draws = torch.stack([budget.measured_writability(keys, "random", generator=rng(seed)) for seed in range(400)])
    total = draws.sum(-1)
    assert abs(total.mean() - 1) < 5 * total.std() / 20
    assert torch.equal(draws[3], budget.measured_writability(keys, "random", generator=rng(3)))
    assert not torch.equal(draws[3], draws[4])


# ------------------------------------------------------------------------------------------------------------ key makers


def test_families_have_the_size_and_the_rank_of_their_name() -> None:
    families = budget.families(12, 6, generator=rng(), spread=100.0)
    ranks = {name: int(np.linalg.matrix_rank(keys.numpy())) for name, keys in families.items()}
    full = ("Gaussian", "unit sphere", "anisotropic", "duplicated", "tight frame")
    assert ranks == dict.fromkeys(full, 6) | {"rank-deficient": 3}
    assert {tuple(keys.shape) for keys in families.values()} == {(12, 6)}
    again = budget.families(12, 6, generator=rng(), spread=100.0)
    assert all(torch.equal(keys, again[name]) for name, keys in families.items())
    wider = budget.families(12, 6, generator=rng(), spread=1e4)["anisotropic"]
    np.testing.assert_allclose((families["anisotropic"] / wider)[:, -1], 100, rtol=1e-12)


@pytest.mark.parametrize(("items", "dim", "framed"), [(5, 6, False), (6, 6, True), (1, 1, True)])
def test_the_tight_frame_is_there_where_one_exists(items: int, dim: int, framed: bool) -> None:
    assert ("tight frame" in budget.families(items, dim, generator=rng())) == framed


def test_frames_run_from_the_dimension_to_the_most_items_and_meet_the_bound() -> None:
    frames = budget.frames(40, 8)
    sizes = [len(keys) for keys in frames.values()]
    assert (sizes[0], sizes[-1], sizes) == (8, 40, sorted(set(sizes)))
    assert list(frames) == [f"frame of {n}" for n in sizes]
    totals = budget.totals(budget.spend(frames, generator=rng(), rules=("local", "optimal")))
    np.testing.assert_allclose(totals["mean_collateral"], np.repeat(sizes, 2) / 8 - 1, atol=1e-10)
    assert [len(keys) for keys in budget.frames(3, 8).values()] == [8]


def test_random_keys_have_the_published_means_and_the_beta_law() -> None:
    """Mean optimal collateral (n - d) / (d - 2) by Hotelling, local (n - 1) / d; leverage Beta(d / 2, (n - d) / 2)."""
    items, dim, trials = 30, 12, 1500
    drawn = budget.random_keys(items, dim, trials, generator=rng())
    for measured, mean in (
        (drawn.leverage, dim / items),
        (drawn.optimal_collateral, (items - dim) / (dim - 2)),
        (drawn.local_collateral, (items - 1) / dim),
    ):
        assert tuple(measured.shape) == (trials,)
        assert abs(measured.mean() - mean) < 5 * measured.std() / math.sqrt(trials)
    assert stats.kstest(drawn.leverage.numpy(), stats.beta(dim / 2, (items - dim) / 2).cdf).pvalue > 1e-3


def test_random_keys_follow_their_generator_and_are_independent_draws() -> None:
    first, again = (budget.random_keys(6, 3, 5, generator=rng()) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.leverage, budget.random_keys(6, 3, 5, generator=rng(1)).leverage)
    assert len(set(first.leverage.tolist())) == 5


# ---------------------------------------------------------------------------------------------- the two traps of the book


def test_the_shortcut_is_right_only_where_each_key_lies_in_the_span_of_the_others() -> None:
    spanned = budget.trap(20, 8, generator=rng())
    np.testing.assert_allclose(spanned["shortcut"], spanned["measured"], rtol=1e-9)
    assert spanned["measured"].min() > 0.1
    beyond = budget.trap(6, 8, generator=rng())
    assert beyond["item"].to_list() == list(range(6))
    np.testing.assert_allclose(beyond["measured"], 0, atol=1e-12)
    assert beyond["shortcut"].min() > 0.1
    assert budget.trap(1, 3, generator=rng())["shortcut"].to_list() == [math.inf]


def test_near_duplicates_are_merged_by_a_pseudo_inverse_of_m_alone() -> None:
    near = budget.near_duplicates(1e-7, generator=rng())
    assert near["key"].to_list() == ["first", "its near-copy"]
    np.testing.assert_allclose(near["singular values"], 1, atol=1e-12)
    np.testing.assert_allclose(near["pseudo-inverse"], 0.5, atol=1e-3)
    apart = budget.near_duplicates(1e-2, generator=rng())
    np.testing.assert_allclose(apart["pseudo-inverse"], 1, atol=1e-6)
    default = budget.near_duplicates(generator=rng())
    np.testing.assert_allclose(default["singular values"], 1, atol=1e-12)


def test_the_spend_of_many_real_sized_keys_never_exceeds_the_leverage() -> None:
    keys = torch.relu(torch.randn(300, 64, generator=rng()).double() @ torch.randn(64, 64, generator=rng(1)).double())
    table = budget.spend({"activations": keys}, generator=rng())
    assert (table["writability"] <= table["leverage"] + 1e-9).all()
    optimal = table.filter(pl.col("rule") == "optimal")
    assert optimal["writability"].sum() == pytest.approx(int(probes.rank(keys)), rel=1e-8)


@pytest.mark.parametrize(("items", "dim"), [(13, 5), (9, 4), (20, 7)])
def test_a_search_over_keys_ends_on_the_bound_and_never_below(items: int, dim: int) -> None:
    """The specification's falsification search: 1.6, 1.25 and 1.857142857."""
    everyone = torch.ones(items).double()
    found = allocation.search(everyone, everyone, dim, starts=5, generator=rng())
    mean = (1 / probes.leverage(found) - 1).mean(-1)
    assert (mean >= (items / dim - 1) * (1 - 1e-12)).all()
    assert float(mean.min()) == pytest.approx(items / dim - 1, rel=1e-9)
