"""Sparse codes: their two views, uniformity of random ones, winners under each tie policy, projections, bad input."""

import itertools
import math
from collections.abc import Callable
from inspect import unwrap

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cls_toys import codes
from cls_toys.codes import Codes


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 6), st.integers(1, 20), st.integers(0, 1000))
def test_the_views_agree(items: int, units: int, seed: int) -> None:
    dense = (torch.rand(items, units, generator=rng(seed)) < 0.4).double()
    code = Codes.of(dense)
    assert torch.equal(code.dense(), dense)
    assert torch.equal(code.sizes, dense.sum(-1).long())
    assert np.array_equal(np.unpackbits(code.packed(), axis=-1, count=units), dense.numpy())
    assert torch.equal(code[1:].dense(), dense[1:])


def test_random_codes_are_uniform_over_all_subsets() -> None:
    for units, active in ((5, 2), (5, 3), (6, 1)):
        code = codes.random(60000, units, active, generator=rng())
        found = {subset: 0 for subset in itertools.combinations(range(units), active)}
        for subset, count in zip(*np.unique(code.active.numpy(), axis=0, return_counts=True), strict=True):
            found[tuple(subset)] = count
        expected = 60000 / math.comb(units, active)
        chi_square = sum((count - expected) ** 2 / expected for count in found.values())
        freedom = len(found) - 1
        assert chi_square < freedom + 4 * math.sqrt(2 * freedom)
    assert torch.equal(codes.random(2, 3, 3, generator=rng()).active, torch.arange(3).expand(2, 3))
    assert torch.equal(codes.random(1, 1, 1, generator=rng()).active, torch.zeros(1, 1, dtype=torch.long))


def test_the_most_driven_units_win() -> None:
    drive = torch.randn(50, 30, generator=rng()).double()
    code = codes.winners(drive, 4)
    lowest = torch.where(code.dense() > 0, drive, torch.inf).amin(-1)
    highest = torch.where(code.dense() > 0, -torch.inf, drive).amax(-1)
    assert (code.sizes == 4).all()
    assert (lowest > highest).all()
    assert torch.equal(codes.winners(drive, 30).active, torch.arange(30).expand(50, 30))
    positive = codes.winners(drive, 20, positive=True)
    assert torch.equal(positive.sizes, (drive > 0).sum(-1).clamp_max(20))


def test_units_below_the_last_winner_never_win_by_a_tie() -> None:
    drive = torch.tensor([[3.0, 1.0, 1.0, 1.0, 0.0]]).double()
    for ties in ("hash", "index", "random"):
        code = codes.winners(drive.expand(200, -1), 3, ties=ties, generator=rng() if ties == "random" else None)
        assert (code.dense()[:, 0] == 1).all()
        assert (code.dense()[:, 4] == 0).all()


def test_each_tie_policy_does_what_it_says() -> None:
    alike = torch.zeros(2000, 20).double()
    assert torch.equal(codes.winners(alike, 4, ties="index").active, torch.arange(4).expand(2000, 4))
    drawn = codes.winners(alike, 4, ties="random", generator=rng()).dense()
    assert torch.allclose(drawn.mean(0), torch.full((20,), 0.2).double(), atol=4 * math.sqrt(0.16 / 2000))
    hashed = codes.winners(alike, 4)
    assert (hashed.active == hashed.active[0]).all(), "one input, one code"
    differing = alike + torch.arange(2000)[:, None]
    usage = codes.winners(differing, 4).dense().mean(0)
    assert torch.allclose(usage, torch.full((20,), 0.2).double(), atol=4 * math.sqrt(0.16 / 2000))
    assert torch.equal(codes.winners(-alike, 4).active, hashed.active), "zero has two signs and is one number"


def test_an_item_is_tied_where_a_tie_decides() -> None:
    drive = torch.tensor([[2.0, 1.0, 1.0], [1.0, 1.0, 0.0], [3.0, 2.0, 1.0]])
    assert codes.tied(drive, 2).tolist() == [True, False, False]
    assert codes.tied(drive, 1).tolist() == [False, True, False]
    assert not codes.tied(drive, 3).any()


def test_threshold_codes_have_the_units_above_it() -> None:
    drive = torch.randn(10, 8, generator=rng()).double()
    assert torch.equal(codes.above(drive, 0.3).dense(), (drive > 0.3).double())
    assert torch.equal(codes.above(drive, drive.mean(0)).dense(), (drive > drive.mean(0)).double())
    assert codes.above(drive, 100.0).sizes.tolist() == [0] * 10


def test_projections_have_the_stated_fan_in_and_variance() -> None:
    weights = codes.projection(2000, 50, 10, generator=rng())
    assert ((weights != 0).sum(-1) == 10).all()
    assert float(weights.square().sum(-1).mean()) == pytest.approx(1, abs=4 * math.sqrt(0.2 / 2000))
    assert (weights != 0).any(0).all()
    equal = codes.projection(7, 50, 10, "equal", generator=rng())
    assert torch.allclose(equal.sum(-1), torch.ones(7).double())
    assert (codes.projection(3, 4, generator=rng()) != 0).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Codes(torch.tensor([[1, 0]]), 3), "ascending"),
        (lambda: Codes(torch.tensor([[1, 1]]), 3), "distinct"),
        (lambda: Codes(torch.tensor([[0, 4]]), 3), "from 0 to 2"),
        (lambda: Codes(torch.tensor([[0]]), 0), "at least one unit"),
        (lambda: codes.random(2, 5, 0, generator=rng()), "1 <= active <= units"),
        (lambda: codes.random(2, 5, 6, generator=rng()), "1 <= active <= units"),
        (lambda: codes.random(0, 5, 2, generator=rng()), "at least one item"),
        (lambda: codes.winners(torch.zeros(2, 3), 0), "between 1 and 3"),
        (lambda: codes.winners(torch.zeros(2, 3), 4), "between 1 and 3"),
        (lambda: codes.winners(torch.full((2, 3), torch.nan), 1), "NaN"),
        (lambda: codes.winners(torch.zeros(2, 3), 1, ties="random"), "need a generator"),
        (lambda: codes.winners(torch.zeros(2, 3), 1, generator=rng()), "take none"),
        (lambda: unwrap(codes.winners)(torch.zeros(2, 3), 1, ties="first"), "one of hash"),
        (lambda: unwrap(codes.winners)(torch.zeros(2, 3, dtype=torch.long), 1), "floating-point"),
        (lambda: codes.projection(3, 4, 0, generator=rng()), "1 <= fan_in <= inputs"),
        (lambda: codes.projection(3, 4, 5, generator=rng()), "1 <= fan_in <= inputs"),
        (lambda: unwrap(codes.projection)(3, 4, weights="odd", generator=rng()), "one of gaussian"),
    ],
)
def test_bad_input_is_told(call: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
