"""Overlaps against brute force over all codes, designs against their definition, edge cases, bad input."""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cls_toys import overlap, probes
from cls_toys.codes import Codes


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counted(dim: int, code_size: int) -> dict[int, Fraction]:
    """Law of the overlap, by listing all second codes for one first code as Python sets."""
    first = set(range(code_size))
    seen = Counter(len(first & set(other)) for other in itertools.combinations(range(dim), code_size))
    return {shared: Fraction(count, math.comb(dim, code_size)) for shared, count in seen.items()}


SIZES = [(1, 1), (2, 1), (4, 2), (5, 4), (6, 6), (7, 3), (8, 5)]


@pytest.mark.parametrize(("dim", "code_size"), SIZES)
def test_the_law_is_that_of_all_codes(dim: int, code_size: int) -> None:
    expected = counted(dim, code_size)
    for *_, shared, share in overlap.enumerated([(dim, code_size)]).iter_rows():
        assert share == pytest.approx(float(expected.get(shared, 0)), abs=1e-14)
    for level in range(code_size + 2):
        exact = float(sum((p for shared, p in expected.items() if shared >= level), Fraction(0)))
        assert overlap.tail(dim, code_size, level) == pytest.approx(exact, rel=1e-12, abs=1e-15)
    of_size = overlap.moments(dim).filter(pl.col("code_size") == code_size)
    exact = float(sum(p * Fraction(shared, code_size) ** 2 for shared, p in expected.items()))
    assert of_size["mean_square_overlap"].item() == pytest.approx(exact, rel=1e-12)
    for _, size, level, value in overlap.tails([dim]).iter_rows():
        if size == code_size:
            assert value == pytest.approx(overlap.tail(dim, code_size, level), rel=1e-10)


def test_tails_have_one_row_a_level() -> None:
    found = overlap.tails([3, 4])
    assert len(found) == sum(range(1, 4)) + sum(range(1, 5))
    assert found.filter(pl.col("dim") == pl.col("code_size"))["overlap_tail"].to_list() == pytest.approx([1.0] * 7)


@pytest.mark.parametrize(("dim", "code_size"), [(6, 2), (7, 5), (5, 1), (4, 4)])
def test_drawn_pairs_follow_the_law(dim: int, code_size: int) -> None:
    trials = 40000
    counts = torch.bincount(overlap.pairs(dim, code_size, trials, generator=rng()), minlength=code_size + 1)
    for shared, p in counted(dim, code_size).items():
        spread = math.sqrt(trials * float(p * (1 - p)))
        assert abs(int(counts[shared]) - trials * p) <= 4 * spread


def test_a_crowd_has_all_its_pairs() -> None:
    """Three codes of two of four units: counted over all 6^3 draws."""
    listed = [set(code) for code in itertools.combinations(range(4), 2)]
    largest = [max(len(a & b), len(a & c), len(b & c)) for a, b, c in itertools.product(listed, repeat=3)]
    exact = np.mean(np.array(largest) == 2)
    found = overlap.crowd([(3, 4, 2)], [[1, 2]], 20000, generator=rng())
    measured = float((found.reached[1] > 0).double().mean())
    assert abs(measured - exact) < 4 * math.sqrt(exact * (1 - exact) / 20000)
    assert torch.equal(found.largest[0] == 2, found.reached[1] > 0)
    assert torch.equal(found.largest[0] >= 1, found.reached[0] > 0)
    assert found.cells["overlap_tail"].to_list() == pytest.approx([5 / 6, 1 / 6])


def test_a_crowd_counts_as_the_dense_product_does(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[torch.Tensor] = []
    draw = overlap.codes.random

    def remember(*arguments: int, generator: torch.Generator) -> Codes:
        code = draw(*arguments, generator=generator)
        kept.append(code.dense())
        return code

    monkeypatch.setattr(overlap.codes, "random", remember)
    found = overlap.crowd([(6, 15, 5)], [[1, 2, 3]], 7, generator=rng())
    codes = torch.cat(kept).reshape(7, 6, 15)
    shared = (codes @ codes.mT)[:, *torch.triu_indices(6, 6, 1)]
    for level, reached in zip((1, 2, 3), found.reached, strict=True):
        assert torch.equal((shared >= level).sum(-1), reached)
    assert torch.equal(shared.amax(-1).long(), found.largest[0])


@given(st.integers(2, 40), st.integers(1, 12), st.floats(0.01, 0.5))
def test_the_safe_level_is_the_first_that_the_union_bound_allows(items: int, code_size: int, delta: float) -> None:
    dim = 3 * code_size
    level = overlap.safe(items, dim, code_size, delta)
    pairs = items * (items - 1) / 2
    assert level == code_size + 1 or pairs * overlap.tail(dim, code_size, level) <= delta
    assert pairs * overlap.tail(dim, code_size, level - 1) > delta
    reached = overlap.levels(items, dim, code_size, fewest=delta, most=math.inf)
    assert reached == list(range(1, level)) or pairs * overlap.tail(dim, code_size, level) == delta


def test_families_are_described_as_their_codes_are() -> None:
    code = Codes(torch.tensor([[0, 1], [1, 2], [0, 1]]), 4)
    assert overlap.describe(code) == {
        "n_items": 3, "dim": 4, "code_size": 2, "mean_overlap": pytest.approx(4 / 3), "largest_overlap": 2,
    }  # fmt: skip
    found = overlap.families(50, generator=rng())
    assert found["n_items"].n_unique() == 4
    assert (found["mean_overlap"] <= found["largest_overlap"]).all()
    assert found["balanced"].any()
    assert not found["balanced"].all()
    assert (found.filter(pl.col("largest_overlap") == pl.col("code_size")).height) > len(found) / 4, "duplicates"


@pytest.mark.parametrize("order", [2, 3, 5, 7])
def test_two_lines_of_a_plane_share_one_point(order: int) -> None:
    lines = overlap.plane(order)
    shared = probes.overlaps(lines)
    off = shared[~torch.eye(len(lines), dtype=torch.bool)]
    assert len(lines) == lines.units == order**2 + order + 1
    assert (lines.sizes == order + 1).all()
    assert (off == 1).all()
    assert (lines.dense().sum(0) == order + 1).all(), "and as many lines meet in each point"


def test_a_ring_uses_all_units_alike_where_it_can() -> None:
    assert (overlap.ring(9, 12, 4).dense().sum(0) == 3).all()
    assert overlap.describe(overlap.ring(3, 12, 4))["largest_overlap"] == 0
    assert overlap.ring(4, 5, 2).active.tolist() == [[0, 1], [2, 3], [0, 4], [1, 2]]
    assert overlap.ring(2, 3, 3).active.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert set(overlap.designed([2])["family"]) >= {"projective plane", "one set for all"}


def test_the_excess_is_that_of_all_pairs() -> None:
    """The usage of units gives the mean overlap; enumerated for two codes of two of four units, where the least is 0."""
    found = overlap.excess([(2, 4, 2)], 30000, generator=rng())[0]
    assert set(found.tolist()) == {0.0, 1.0, 2.0}
    assert abs(float(found.mean()) - 1) < 4 * float(found.std()) / math.sqrt(30000)


def test_alike_codes_range_from_strangers_to_twins() -> None:
    strangers, relatives, twins = (
        overlap.alike(60, 6, share, 20000, generator=rng()).double() for share in (0.0, 0.7, 1.0)
    )
    assert abs(float(strangers.mean()) - 0.6) < 4 * float(strangers.std()) / math.sqrt(20000)
    assert float(relatives.mean()) > 1.5
    assert (twins == 6).all()


def test_three_pairs_are_not_independent_though_any_two_are() -> None:
    listed = [set(code) for code in itertools.combinations(range(5), 2)]
    draws = list(itertools.product(listed, repeat=3))
    for level, two, if_two, three, if_three in overlap.triples(5, 2).iter_rows():
        close = np.array([[len(a & b) >= level, len(a & c) >= level, len(b & c) >= level] for a, b, c in draws])
        assert two == pytest.approx(close[:, :2].all(1).mean()) == pytest.approx(if_two)
        assert three == pytest.approx(close.all(1).mean())
        assert three > 1.05 * if_three


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: overlap.every(4, 0), "no relative overlap"),
        (lambda: overlap.every(4, 5), "1 <= code_size <= dim"),
        (lambda: overlap.every(60, 30), "more than 10000"),
        (lambda: overlap.tail(3, 0, 1), "no relative overlap"),
        (lambda: overlap.moments(0), "1 <= code_size <= dim"),
        (lambda: overlap.tails([3, 0]), "1 <= code_size <= dim"),
        (lambda: overlap.pairs(5, 0, 3, generator=rng()), "1 <= active <= units"),
        (lambda: overlap.pairs(5, 2, 0, generator=rng()), "at least one item"),
        (lambda: overlap.crowd([(1, 5, 2)], [[1]], 3, generator=rng()), "two items"),
        (lambda: overlap.crowd([(3, 5, 2)], [], 3, generator=rng()), "for each size"),
        (lambda: overlap.crowd([(3, 5, 2)], [[1]], 0, generator=rng()), "at least one trial"),
        (lambda: overlap.crowd([(3, 5, 2)], [[0]], 3, generator=rng()), "1 or more"),
        (lambda: overlap.safe(1, 5, 2, 0.1), "two items"),
        (lambda: overlap.safe(3, 5, 2, 1.0), "strictly between 0 and 1"),
        (lambda: overlap.describe(Codes(torch.tensor([[0, 1]]), 3)), "two or more"),
        (lambda: overlap.describe(Codes(torch.tensor([[0, 1], [0, 3]]), 3)), "all alike"),
        (lambda: overlap.families(0, generator=rng()), "at least one family"),
        (lambda: overlap.ring(0, 5, 2), "at least one"),
        (lambda: overlap.plane(4), "a prime"),
        (lambda: overlap.plane(1), "a prime"),
        (lambda: overlap.excess([(1, 5, 2)], 3, generator=rng()), "at least two items"),
        (lambda: overlap.alike(5, 2, 1.1, 3, generator=rng()), "from 0 to 1"),
    ],
)  # fmt: skip
def test_bad_input_is_told(call: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
