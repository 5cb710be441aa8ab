"""Leverage, writability and collateral against exact arithmetic, brute-force search, explicit loops and properties.

The integer key matrices that hypothesis draws are full of zero, parallel and duplicate keys and of rank deficiency.
"""

import inspect
import math

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import optimize

from cls_toys import keys as make
from cls_toys import probes
from cls_toys.stores.linear import LinearStore

EPS = np.finfo(np.float64).eps
many = settings(deadline=None, max_examples=150, derandomize=True)
entries = {"elements": st.integers(-3, 3), "fill": st.nothing()}  # without a fill, most entries would be equal
integer_keys = arrays.arrays(np.int64, st.tuples(st.integers(1, 7), st.integers(1, 5)), **entries)
seeds = st.integers(0, 2**31)


def floats(keys: np.ndarray) -> torch.Tensor:
    return torch.tensor(keys, dtype=torch.float64)


def gaussian(items: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((items, dim))


# ---------------------------------------------------------------------------------------------------------- leverage


def exact_leverage(keys: np.ndarray) -> list[sp.Rational]:
    """Diagonal of the projector on the column space, from a basis of it, in rational arithmetic."""
    basis = sp.Matrix(keys.tolist()).columnspace()
    if not basis:
        return [sp.Integer(0)] * len(keys)
    b = sp.Matrix.hstack(*basis)
    projector = b * (b.T * b).inv() * b.T
    return [projector[i, i] for i in range(len(keys))]


@many
@given(integer_keys)
def test_leverage_and_rank_are_those_of_exact_arithmetic(keys: np.ndarray) -> None:
    exact = exact_leverage(keys)
    np.testing.assert_allclose(probes.leverage(floats(keys)), np.array(exact, dtype=float), atol=1e-11)
    assert int(probes.rank(floats(keys))) == sp.Matrix(keys.tolist()).rank() == sum(exact)


@many
@given(integer_keys)
def test_leverages_sum_to_the_rank_and_none_exceeds_one(keys: np.ndarray) -> None:
    leverage = probes.leverage(floats(keys))
    assert leverage.sum().item() == pytest.approx(np.linalg.matrix_rank(keys), abs=1e-12)
    assert (leverage >= 0).all()
    assert (leverage <= 1).all()
    np.testing.assert_array_less(leverage[~keys.any(1)], 1e-12)


@pytest.mark.parametrize(("items", "dim"), [(6, 4), (9, 3), (20, 12)])
def test_leverage_survives_rounding_to_just_above_one(items: int, dim: int) -> None:
    """A key that no other shares a direction with has leverage exactly one, and rounding does not push it beyond."""
    keys = gaussian(items, dim, 0)
    keys[:, -1] = 0
    keys[0, -1] = 1
    leverage = probes.leverage(floats(keys))
    assert leverage.max() <= 1
    assert leverage[0].item() == pytest.approx(1, abs=1e-14)


@many
@given(seeds, st.integers(1, 8), st.integers(1, 5))
def test_leverage_is_invariant_under_recoding_of_the_coordinates(seed: int, items: int, dim: int) -> None:
    keys, recoding = gaussian(items, dim, seed), gaussian(dim, dim, seed + 1)
    condition = np.linalg.cond(keys) * np.linalg.cond(recoding)
    assume(condition < 1e6)
    expected, leverage = probes.leverage(floats(keys)), probes.leverage(floats(keys @ recoding))
    np.testing.assert_allclose(leverage, expected, atol=50 * EPS * condition)


@many
@given(integer_keys, st.integers(2, 5), st.data())
def test_copies_share_a_leverage_of_at_most_one(keys: np.ndarray, copies: int, data: st.DataObject) -> None:
    item = data.draw(st.integers(0, len(keys) - 1))
    copied = np.concatenate((keys, np.repeat(keys[item : item + 1], copies - 1, axis=0)))
    leverage = probes.leverage(floats(copied)).numpy()[[item, *range(len(keys), len(copied))]]
    np.testing.assert_allclose(leverage, leverage[0], atol=1e-12)
    assert leverage[0] <= 1 / copies + 1e-12


def test_parallel_keys_divide_one_leverage_by_their_squared_lengths() -> None:
    keys = floats(np.array([[3, 0], [-4, 0], [0, 7]]))
    np.testing.assert_allclose(probes.leverage(keys), [9 / 25, 16 / 25, 1], atol=1e-15)


@many
@given(integer_keys, st.floats(1.1, 8), st.data())
def test_a_louder_key_gains_leverage_and_no_other_does(keys: np.ndarray, louder: float, data: st.DataObject) -> None:
    item = data.draw(st.integers(0, len(keys) - 1))
    rescaled = keys.astype(float)
    rescaled[item] *= louder
    before, after = probes.leverage(floats(keys)).numpy(), probes.leverage(floats(rescaled)).numpy()
    others = np.arange(len(keys)) != item
    assert (after[others] <= before[others] + 1e-11).all()
    if 1e-9 < before[item] < 1 - 1e-9:
        assert after[item] > before[item] + 1e-3
    else:  # a zero key stays unwritable, a key of its own dimension stays perfectly writable
        assert after[item] == pytest.approx(before[item], abs=1e-11)


def test_leverage_is_scale_free_in_both_precisions() -> None:
    expected = exact_leverage(np.array([[1, 0], [0, 1], [0, 1], [1, 1]]))
    keys = torch.tensor([[1, 0], [0, 1], [0, 1], [1, 1.0]])
    for dtype, scale in (
        (torch.float32, 1e-25),
        (torch.float32, 1e25),
        (torch.float64, 1e-170),
        (torch.float64, 1e200),
    ):
        leverage = probes.leverage(keys.to(dtype) * scale)
        assert leverage.dtype == dtype
        np.testing.assert_allclose(leverage, np.array(expected, dtype=float), rtol=1e-6)


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-7, 1e-9])
def test_near_duplicates_are_kept_apart_where_a_pseudo_inverse_of_m_merges_them(gap: float) -> None:
    """Independent keys have leverage one however near they are: 1 / 2 is right for equal keys only."""
    keys = gaussian(5, 6, 0)
    keys[1] = keys[0] + gap * gaussian(1, 6, 1)[0]
    np.testing.assert_allclose(probes.leverage(floats(keys)), 1, atol=1e-12)
    merged = np.diag(keys @ np.linalg.pinv(keys.T @ keys, rcond=1e-12, hermitian=True) @ keys.T)
    if gap < 1e-6:
        np.testing.assert_allclose(merged[:2], 0.5, atol=1e-3)


# ------------------------------------------------------------------------------------------- writability, optimality


def shares_by_loop(keys: np.ndarray, directions: np.ndarray) -> list[float]:
    """The rank-one write of each item, applied to every key with plain Python numbers."""
    shares = []
    for item, row in enumerate(directions.tolist()):
        moved = [sum(v * k for v, k in zip(row, key, strict=True)) ** 2 for key in keys.tolist()]
        shares.append(moved[item] / sum(moved) if sum(moved) > 0 else 0.0)
    return shares


@st.composite
def keys_and_directions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    keys = draw(integer_keys)
    return keys, draw(arrays.arrays(np.int64, keys.shape, **entries))


@many
@given(keys_and_directions())
def test_writability_is_the_share_of_the_write_that_lands_on_its_item(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(probes.writability(*map(floats, drawn)), shares_by_loop(*drawn), atol=1e-14)


@many
@given(keys_and_directions())
def test_no_write_has_more_writability_than_the_leverage(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    keys, directions = map(floats, drawn)
    assert (probes.writability(keys, directions) <= probes.leverage(keys) + 1e-12).all()


@many
@given(integer_keys)
def test_the_optimal_directions_reach_the_leverage(keys: np.ndarray) -> None:
    directions = probes.optimal_directions(floats(keys)).numpy()
    shares = shares_by_loop(keys, np.where(np.abs(directions) > 1e-13, directions, 0))
    np.testing.assert_allclose(shares, np.array(exact_leverage(keys), dtype=float), atol=1e-11)


def least_collateral(keys: np.ndarray, item: int, seed: int) -> float:
    """The best that a quasi-Newton search over the written row finds from several starts, in plain coordinates."""

    def log_cost(row: np.ndarray) -> tuple[float, np.ndarray]:
        moved = keys @ row
        total = moved @ moved
        slope = 2 * keys.T @ moved / total - 2 * keys[item] / moved[item]
        return math.log(total / moved[item] ** 2), slope

    starts = np.random.default_rng(seed).standard_normal((4, keys.shape[1]))
    found = [
        optimize.minimize(log_cost, row, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 2000}).fun
        for row in starts
    ]
    return math.exp(min(found)) - 1


@pytest.mark.parametrize(("items", "dim", "rank"), [(5, 3, 3), (9, 4, 4), (6, 6, 6), (4, 6, 4), (8, 5, 3), (7, 1, 1)])
@pytest.mark.parametrize("whitened", [False, True])
def test_brute_force_finds_the_least_collateral_and_never_less(items: int, dim: int, rank: int, whitened: bool) -> None:
    keys = gaussian(items, rank, 0) @ gaussian(rank, dim, 1)
    leverage = probes.leverage(floats(keys)).numpy()
    if whitened:  # orthonormal coordinates of the span of the keys' columns, by Gram-Schmidt
        keys = np.linalg.qr(keys[:, :rank])[0]
    found = np.array([least_collateral(keys, item, item) for item in range(items)])
    least = 1 / leverage - 1
    np.testing.assert_allclose(found, least, rtol=1e-6, atol=1e-9)
    assert (found >= least - 1e-9 * (1 + least)).all()


def test_a_write_that_moves_nothing_has_no_writability_and_nan_is_not_hidden() -> None:
    keys = floats(np.array([[1, 0], [0, 1], [0, 0]]))
    np.testing.assert_array_equal(probes.writability(keys, keys), [1, 1, 0])
    np.testing.assert_array_equal(probes.writability(keys, 0 * keys), [0, 0, 0])
    assert probes.writability(keys, keys.new_full((3, 2), torch.nan)).isnan().all()


def test_writability_of_small_float32_keys_does_not_underflow() -> None:
    """Each share is a half or two thirds (the overlaps of item 0 are 1, 0, 1), while the squared changes underflow."""
    keys = torch.tensor([[1, 0], [0, 1], [1, 1.0]]) * 1e-15
    np.testing.assert_allclose(probes.writability(keys, keys), [1 / 2, 1 / 2, 2 / 3], rtol=1e-6)


# ---------------------------------------------------------------------------------------------------- dimensionality


def dimensionality_by_loop(keys: np.ndarray) -> list[float]:
    found = []
    for key in keys.tolist():
        squared = sum(x * x for x in key)
        overlap = sum(sum(x * y for x, y in zip(key, other, strict=True)) ** 2 for other in keys.tolist())
        found.append(squared**2 / overlap if squared else 0.0)
    return found


@many
@given(integer_keys)
def test_dimensionality_is_the_writability_of_the_local_write_and_at_most_the_leverage(keys: np.ndarray) -> None:
    measured = probes.dimensionality(floats(keys))
    np.testing.assert_allclose(measured, dimensionality_by_loop(keys), atol=1e-14)
    np.testing.assert_allclose(probes.writability(floats(keys), floats(keys)), measured, atol=1e-14)
    assert (measured <= probes.leverage(floats(keys)) + 1e-12).all()


def test_three_keys_that_are_tight_but_of_unequal_norm() -> None:
    """(1, 0), (0, 1/sqrt 2), (0, 1/sqrt 2): local is optimal, the mean collateral 2/3 and not the bound 1/2."""
    half = math.sqrt(0.5)
    keys = floats(np.array([[1, 0], [0, half], [0, half]]))
    for shares in (probes.leverage(keys), probes.dimensionality(keys), probes.writability(keys, keys)):
        np.testing.assert_allclose(shares, [1, 0.5, 0.5], rtol=1e-14)
        assert (1 / shares - 1).mean().item() == pytest.approx(2 / 3)


# ------------------------------------------------------------------------------------ batches, condition, bad arguments


@pytest.mark.parametrize(("items", "dim"), [(5, 3), (3, 5), (1, 1)])
def test_a_batch_is_a_loop(items: int, dim: int) -> None:
    batch = floats(np.random.default_rng(0).integers(-2, 3, (2, 3, items, dim)))
    one_argument = (
        probes.rank, probes.leverage, probes.condition, probes.optimal_directions, probes.dimensionality,
        probes.nonzero_keys, lambda keys: probes.writability(keys, keys.roll(1, -1)),
    )  # fmt: skip
    for probe in one_argument:
        together = probe(batch)
        for i, j in np.ndindex(2, 3):
            np.testing.assert_allclose(together[i, j], probe(batch[i, j]), atol=1e-12)


@pytest.mark.parametrize(
    ("keys", "condition"),
    [
        ([[3, 0], [0, -4], [0, 0]], 4 / 3),
        ([[1, 0], [0, 1], [1, 1]], math.sqrt(3)),  # M = [[2, 1], [1, 2]] has eigenvalues 3 and 1
        ([[2, 2], [2, 2]], 1),  # on their span, rank-deficient keys may be perfectly conditioned
        ([[0, 0], [0, 0]], 1),
    ],
)
def test_condition_on_the_span(keys: list[list[int]], condition: float) -> None:
    assert probes.condition(floats(np.array(keys))).item() == pytest.approx(condition, rel=1e-14)


@pytest.mark.parametrize("scale", [1e-165, 1e-23, 1.0, 1e23, 1e160])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shares_have_no_scale(scale: float, dtype: torch.dtype) -> None:
    if dtype == torch.float32 and not 1e-30 < scale < 1e30:
        return
    keys = make.gaussian(6, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    for probe in (probes.dimensionality, probes.leverage, lambda k: probes.writability(k, k)):
        torch.testing.assert_close(probe(keys * scale), probe(keys), rtol=1e-4, atol=0)
    assert probes.rank(keys * scale) == 3


def test_nonzero_keys() -> None:
    keys = floats(np.array([[0, -0.0], [0, 1e-300], [0, 1e-3], [-1, 1]]))
    assert probes.nonzero_keys(keys).tolist() == [False, False, True, True], "1e-300 is no more than rounding beside 1"
    assert probes.nonzero_keys(keys[:2]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (torch.ones(3, 2, dtype=torch.int64), r"keys have dtype torch.int64: give a floating-point"),
        (torch.ones(3), r"keys have shape \(3,\): give \[items, dim\]"),
        (torch.ones(0, 3), r"keys have shape \(0, 3\): give \[items, dim\]"),
        (torch.ones(3, 0), r"keys have shape \(3, 0\): give \[items, dim\]"),
        (torch.tensor([[1.0, torch.nan]]), "keys hold NaN or infinity"),
        (torch.tensor([[1.0, -torch.inf]]), "keys hold NaN or infinity"),
    ],
)
def test_bad_keys_are_refused_in_one_line(keys: torch.Tensor, message: str) -> None:
    """By every probe, also where the tests' own shape check does not stand before it."""
    store = Scribbler(np.zeros((1, 1)))
    for call in (
        lambda: probes.check_keys(keys),
        *(lambda probe=probe: inspect.unwrap(probe)(keys) for probe in (probes.svd, probes.dimensionality)),
        lambda: inspect.unwrap(probes.writability)(keys, keys),
        lambda: inspect.unwrap(probes.collateral)(store, keys, keys),
    ):
        with pytest.raises(ValueError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value)


def test_directions_must_match_the_keys() -> None:
    with pytest.raises(ValueError, match=r"keys \(3, 2\) and directions \(1, 2\): give one direction an item"):
        inspect.unwrap(probes.writability)(torch.ones(3, 2), torch.ones(1, 2))


# -------------------------------------------------------------------------------- collateral of stores that are not linear


class Scribbler:
    """A store whose every write adds the same change to its weights, whatever it was asked for."""

    def __init__(self, change: np.ndarray) -> None:
        self.change = floats(change)  # [out, dim]
        self.weight = torch.ones_like(self.change)

    def read(self, keys: torch.Tensor) -> torch.Tensor:
        return keys @ self.weight.T

    def write(self, key: torch.Tensor, value: torch.Tensor) -> None:
        self.weight += self.change

    @property
    def parameters(self) -> int:
        return self.weight.numel()

    def copy(self) -> "Scribbler":
        clone = Scribbler(self.change.numpy())
        clone.weight = self.weight.clone()
        return clone


class Table:
    """A lookup table of keys: no write touches another item, unless ``leak`` is added to every entry."""

    parameters = 0

    def __init__(self, leak: float = 0.0, entries: dict[tuple[float, ...], torch.Tensor] | None = None) -> None:
        self.leak, self.entries, self.everywhere = leak, dict(entries or {}), 0.0

    def read(self, keys: torch.Tensor) -> torch.Tensor:
        blank = torch.zeros(1, dtype=keys.dtype)
        return torch.stack([self.entries.get(tuple(key.tolist()), blank) + self.everywhere for key in keys])

    def write(self, key: torch.Tensor, value: torch.Tensor) -> None:
        self.everywhere += self.leak
        self.entries[tuple(key.tolist())] = value - self.leak

    def copy(self) -> "Table":
        return Table(self.leak, self.entries)


@many
@given(keys_and_directions(), st.integers(1, 3))
def test_collateral_is_what_the_store_does_not_what_it_was_asked(
    drawn: tuple[np.ndarray, np.ndarray], out: int
) -> None:
    keys, change = drawn[0], drawn[1][:1].repeat(out, axis=0) * np.arange(1, out + 1)[:, None]
    store = Scribbler(change)
    measured = probes.collateral(store, floats(keys), floats(np.ones((len(keys), out))))
    moved = [sum(x * x for x in (change @ key).tolist()) for key in keys]
    expected = [(sum(moved) - own) / own if own else math.inf for own in moved]
    np.testing.assert_allclose(measured, expected, rtol=1e-12)
    assert (store.weight == 1).all(), "the store itself is not written"


def test_a_lookup_table_escapes_the_budget() -> None:
    keys = floats(gaussian(6, 2, 0))
    values = floats(gaussian(6, 1, 1))
    np.testing.assert_array_equal(probes.collateral(Table(), keys, values), 0)


def test_collateral_is_a_sum_over_the_other_items_relative_to_the_change_at_the_own() -> None:
    """The table moves its own item from 0 to 3 and leaks a half to each of the five others: 5 / 4 over 9."""
    measured = probes.collateral(Table(leak=0.5), floats(gaussian(6, 2, 0)), torch.full((6, 1), 3.0).double())
    np.testing.assert_allclose(measured, 5 / 36, rtol=1e-14)


def test_a_write_that_leaves_its_item_alone_has_infinite_collateral_and_nan_is_not_hidden() -> None:
    keys, ones = floats(np.eye(2)), floats(np.ones((2, 1)))
    np.testing.assert_array_equal(probes.collateral(Scribbler(np.array([[0, 1]])), keys, ones), [math.inf, 0])
    np.testing.assert_array_equal(probes.collateral(Scribbler(np.array([[0, 0]])), keys, ones), [math.inf, math.inf])
    assert probes.collateral(Scribbler(np.full((1, 2), math.nan)), keys, ones).isnan().all()


def test_a_write_of_what_is_recalled_already_moves_nothing_beyond_rounding() -> None:
    """A tenth, read back from weights, is off by a rounding or two; writing it again is no write."""
    keys = floats(gaussian(3, 4, 0))
    store, values = LinearStore(keys, rule="optimal"), torch.full((3, 1), 0.1).double()
    for key, value in zip(keys, values, strict=True):
        store.write(key, value)
    assert 0 < (store.read(keys) - values).abs().max() < 1e-15
    assert probes.collateral(store, keys, values).isinf().all()
    assert probes.collateral(store, keys, values + 1).isfinite().all()


def test_collateral_of_one_item_is_zero() -> None:
    assert probes.collateral(Scribbler(np.array([[2]])), floats(np.array([[3]])), floats(np.ones((1, 1)))).item() == 0
