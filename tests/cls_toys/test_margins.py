"""Flips and sustained interference against enumeration of every set and every sign, and against a store that is written."""

import inspect
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cls_toys import keys as make
from cls_toys import margins
from cls_toys.stores.linear import LinearStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def enumerated(keys: torch.Tensor, writes: torch.Tensor, number: int) -> float:
    """Mean squared interference outside the set, over all sets and all signs, one by one."""
    items, found = len(keys), []
    for chosen in itertools.combinations(range(items), number):
        outside = [j for j in range(items) if j not in chosen]
        for signs in itertools.product((1, -1), repeat=number):
            change = sum(sign * writes[i] for sign, i in zip(signs, chosen, strict=True))
            found.append(float((keys[outside] @ change).square().mean()))
    return sum(found) / len(found)


@pytest.mark.parametrize("number", [1, 2, 3, 5])
@pytest.mark.parametrize("rule", ["local", "optimal", "any"])
def test_mean_square_is_that_of_every_set_and_sign(number: int, rule: str) -> None:
    keys = make.gaussian(6, 3, generator=rng())
    writes = (
        margins.unit_hit(keys, make.gaussian(6, 3, generator=rng(1)))
        if rule == "any"
        else margins.unit_writes(keys, rule)
    )
    assert margins.mean_square(keys, writes, number) == pytest.approx(enumerated(keys, writes, number), rel=1e-12)


def test_three_keys_at_120_degrees() -> None:
    keys = make.harmonic_frame(3, 2)
    writes = margins.unit_writes(keys, "local")
    assert margins.mean_square(keys, writes, 1) == pytest.approx(1 / 4)
    assert margins.mean_square(keys, writes, 2) == pytest.approx(1 / 2)
    assert margins.informed(keys, 2, 10, generator=rng()).tolist() == pytest.approx([0] * 10, abs=1e-12)
    assert margins.flipped_by_one(keys, 0.4999).tolist() == [2, 2, 2]
    assert margins.flipped_by_one(keys, 0.5001).tolist() == [0, 0, 0]


def test_sampled_sets_have_the_exact_mean() -> None:
    keys = make.unit(12, 4, generator=rng())
    for rule, number in itertools.product(("local", "optimal"), (1, 4, 11)):
        writes = margins.unit_writes(keys, rule)
        drawn = margins.sample(keys, writes, number, 20_000, generator=rng(number))
        error = float(drawn.std()) / math.sqrt(len(drawn))
        assert float(drawn.mean()) == pytest.approx(margins.mean_square(keys, writes, number), abs=4 * error)


def test_writes_into_a_store_add_up_alike() -> None:
    """One draw of a set with signs, written into a linear memory one after the other, each a change of size 1."""
    keys = make.unit(10, 4, generator=rng())
    for rule in ("local", "optimal"):
        writes = margins.unit_writes(keys, rule)
        drawn = margins.sample(keys, writes, 3, 1, generator=rng(7))
        signs = margins._signed_sets(1, 10, 3, rng(7))[0]
        store = LinearStore(keys, rule=rule)
        for item in signs.nonzero()[:, 0]:
            store.write(keys[item], store.read(keys[item][None])[0] + signs[item])
        assert float(drawn) == pytest.approx(float(store.read(keys)[signs == 0].square().mean()))


@given(st.integers(2, 9), st.data())
def test_sets_have_the_size_and_signs(items: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, items))
    signs = margins._signed_sets(20, items, number, rng(data.draw(st.integers(0, 2**31))))
    assert (signs.abs().sum(-1) == number).all()
    assert set(signs.unique().tolist()) <= {-1.0, 0.0, 1.0}


def test_sets_and_signs_are_uniform() -> None:
    signs = margins._signed_sets(30_000, 4, 2, rng())
    codes, counts = torch.unique(signs, dim=0, return_counts=True)
    assert len(codes) == 6 * 4
    np.testing.assert_allclose(counts.numpy(), 30_000 / 24, rtol=0.15)


# Published by the derivation's author, from a few sets: d = 64, n = 512, N = 16 and 256.
@pytest.mark.parametrize(
    ("number", "local", "optimal", "bound"), [(16, 0.2615, 0.2227, 0.2192), (256, 4.12, 3.57, 3.51)]
)
def test_known_values(number: int, local: float, optimal: float, bound: float) -> None:
    keys = make.unit(512, 64, generator=rng())
    found = [margins.mean_square(keys, margins.unit_writes(keys, rule), number) for rule in ("local", "optimal")]
    np.testing.assert_allclose(found, [local, optimal], rtol=0.05)
    frame = make.harmonic_frame(512, 64)
    assert margins.mean_square(frame, margins.unit_writes(frame, "optimal"), number) == pytest.approx(bound, rel=2e-3)
    assert found[0] >= found[1] >= margins.mean_square(frame, margins.unit_writes(frame, "optimal"), number)


def test_the_search_reaches_the_known_minimum_and_nothing_below() -> None:
    """(16, 6) at one write: .1111111, as published."""
    found = margins.searched([(16, 6), (9, 4)], [1, 2], starts=2, generator=rng())
    sixteen = found.filter(found["n_items"] == 16, found["n_writes"] == 1)["mean_square"].to_numpy()
    assert (sixteen >= 1 / 9 - 1e-12).all()
    assert sixteen.min() == pytest.approx(0.1111111, abs=1e-7)
    nine = found.filter(found["n_items"] == 9, found["n_writes"] == 2)["mean_square"].to_numpy()
    assert (nine >= 2 * (9 / 4 - 1) / 8 - 1e-12).all()
    assert nine.min() == pytest.approx(0.3125, abs=1e-7)


def test_what_a_search_finds_is_no_artefact_of_its_loss() -> None:
    ((keys, writes),) = margins.search(6, 3, starts=1, generator=rng())
    torch.testing.assert_close((keys * writes).sum(-1), torch.ones(6, dtype=make.DTYPE))
    assert enumerated(keys, writes, 2) == pytest.approx(margins.mean_square(keys, writes, 2))
    assert enumerated(keys, writes, 2) == pytest.approx(2 * (6 / 3 - 1) / 5, rel=1e-6)


def test_a_rule_that_sees_the_set_spares_the_rest_alone() -> None:
    """Against brute force: the least mean square over the write, for the one set there is to draw of size n - 1."""
    keys = make.unit(4, 3, generator=rng())
    found = margins.informed(keys, 3, 20, generator=rng())
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-12)
    frame = make.harmonic_frame(12, 4)
    fixed = margins.unit_writes(frame, "optimal")
    for number in (1, 4, 8):
        sees = margins.informed(frame, number, 50, generator=rng())
        assert float(sees.mean()) <= margins.mean_square(frame, fixed, number) + 1e-9
    assert margins.informed(frame, 1, 5, generator=rng()).tolist() == pytest.approx([2 / 11] * 5)


@given(st.integers(0, 2**31), st.floats(0.05, 0.95))
def test_flips_are_counted_one_by_one(seed: int, margin: float) -> None:
    keys = make.unit(7, 3, generator=rng(seed))
    expected = []
    for item in range(7):
        store = LinearStore(keys)
        store.write(keys[item], torch.ones(1, dtype=make.DTYPE))
        moved = store.read(keys)[:, 0].abs()
        expected.append(sum(float(moved[j]) > margin for j in range(7) if j != item))
    assert margins.flipped_by_one(keys, margin).tolist() == expected


def test_flips_of_random_codes_are_those_of_the_codes() -> None:
    drawn = margins.random_flipped_by_one(8, 3, [0.2, 0.6], 5, generator=rng(3))
    codes = make.unit(40, 3, generator=rng(3)).reshape(5, 8, 3)
    for row, margin in zip(drawn, (0.2, 0.6), strict=True):
        assert row.tolist() == pytest.approx([float(margins.flipped_by_one(k, margin).double().mean()) for k in codes])


def test_flips_of_many_writes_leave_each_write_itself_out() -> None:
    """Orthogonal keys move nobody else, however many are written."""
    eye = torch.eye(5, dtype=make.DTYPE)
    table = margins.flips({"orthogonal": eye}, [0.1])
    assert table["n_flipped"].to_list() == [0] * 5
    one = margins.random_flips(6, 400, [1, 6], 0.9, 50, generator=rng())
    assert not one.any()
    two = margins.random_flips(40, 2, [1], 0.5, 400, generator=rng())
    assert float(two.mean()) == pytest.approx(39 * 2 / 3, rel=0.05)  # |cos| > 1/2 in two thirds of the plane


def test_safe_writes_solve_the_bound() -> None:
    for items, dim, margin, tolerated in ((512, 64, 0.5, 1.0), (1024, 128, 0.5, 1.0), (100, 300, 0.3, 5.0)):
        number = margins.safe_writes(items, dim, margin, tolerated)
        assert 2 * items * math.exp(-(margin**2) * dim / (2 * number)) == pytest.approx(tolerated)
    assert margins.safe_writes(512, 64, 0.5, 1.0) == pytest.approx(1.15, abs=0.005)  # as published
    assert margins.safe_writes(1024, 128, 0.5, 1.0) == pytest.approx(2.10, abs=0.005)
    safe = margins.safe([(512, 64), (512, 32), (512, 256)], 0.5, 1.0, 30, generator=rng())
    assert safe.cells["dim"].to_list() == [64, 256], "at 32 dimensions not one write is safe"
    assert safe.cells["n_writes"].to_list() == [1, 4]
    assert safe.flips.shape == (2, 30)


def test_a_table_holds_every_code_rule_and_number() -> None:
    codes = {"unit": make.unit(8, 3, generator=rng()), "frame": make.harmonic_frame(8, 4)}
    found = margins.sustained(codes, [1, 7, 8], 10, generator=rng())
    assert len(found.cells) == len(found.sampled) == 2 * 2 * 2, "8 of 8 items leave none over"
    for row in found.cells.iter_rows(named=True):
        assert row["compression"] == pytest.approx(row["n_items"] / row["rank"])
        assert row["mean_square"] == pytest.approx(row["n_writes"] * row["mean_collateral"] / 7)


def test_the_same_seed_measures_the_same() -> None:
    for draw in (
        lambda: margins.random_flips(8, 3, [1, 3], 0.3, 9, generator=rng(5)),
        lambda: margins.informed(make.harmonic_frame(6, 3), 2, 9, generator=rng(5)),
        lambda: margins.search(5, 2, starts=1, generator=rng(5))[0][0],
    ):
        assert torch.equal(draw(), draw())


def test_bad_input() -> None:
    keys = make.unit(4, 2, generator=rng())
    for margin in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be positive and finite"):
            margins.flipped_by_one(keys, margin)
        with pytest.raises(ValueError, match="must be positive and finite"):
            margins.random_flips(4, 2, [1], margin, 5, generator=rng())
    for number in (0, 4):
        with pytest.raises(ValueError, match="some must be written, and some left over"):
            margins.mean_square(keys, keys, number)
        with pytest.raises(ValueError, match="some must be written, and some left over"):
            margins.sample(keys, keys, number, 5, generator=rng())
    for numbers in ([5], [1, 0], []):
        with pytest.raises(ValueError, match="from 1 to all 4 items can be written"):
            margins.random_flips(4, 2, numbers, 0.5, 5, generator=rng())
    with pytest.raises(ValueError, match="at least one item and one dimension"):
        margins.random_flips(4, 0, [1], 0.5, 5, generator=rng())
    with pytest.raises(ValueError, match="at least one item and one dimension"):
        margins.random_flipped_by_one(0, 2, [0.5], 5, generator=rng())
    with pytest.raises(ValueError, match="no margin is given"):
        margins.random_flipped_by_one(4, 2, [], 5, generator=rng())
    with pytest.raises(ValueError, match="must be positive and finite"):
        margins.random_flipped_by_one(4, 2, [0.5, float("nan")], 5, generator=rng())
    for wrong, said in ((keys[:3], "one write an item"), (keys[:, :1], "one write an item")):
        with pytest.raises(ValueError, match=said):
            inspect.unwrap(margins.mean_square)(keys, wrong, 1)
        with pytest.raises(ValueError, match=said):
            inspect.unwrap(margins.sample)(keys, wrong, 1, 5, generator=rng())
    with pytest.raises(ValueError, match="NaN"):
        margins.informed(keys * float("nan"), 1, 5, generator=rng())
    with pytest.raises(ValueError, match="trials=0: measure at least once"):
        margins.informed(keys, 1, 0, generator=rng())
    for items, starts in ((1, 1), (4, 0)):
        with pytest.raises(ValueError, match="interference takes two items, and a search a start"):
            margins.search(items, 2, starts=starts, generator=rng())
    with pytest.raises(ValueError, match="must be local or optimal"):
        margins.unit_writes(keys, "ridge")
    with pytest.raises(ValueError, match="some keys are zero"):
        margins.unit_writes(torch.cat((keys, keys[:1] * 0)), "local")
    with pytest.raises(ValueError, match="keys must have norm 1"):
        margins.flips({"long": keys * 2}, [0.5])
    with pytest.raises(ValueError, match="not one write is safe"):
        margins.safe([(4, 2)], 0.1, 1.0, 5, generator=rng())
    for tolerated in (0.0, 8.0):
        with pytest.raises(ValueError, match="below twice the number of items"):
            margins.safe_writes(4, 2, 0.5, tolerated)
