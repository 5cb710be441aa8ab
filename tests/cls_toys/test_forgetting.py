"""Forgetting against writes worked by hand, dense linear algebra, the sparse store; edge cases; bad input."""

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from inspect import unwrap

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cls_toys import codes, forgetting
from cls_toys import keys as make


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_fractions(dim: int, code_size: int, before: int, after: int, rate: Fraction) -> Fraction:
    """All sequences, in exact arithmetic: weights as lists of what each target contributes to each unit."""
    subsets = list(itertools.combinations(range(dim), code_size))
    total, count = Fraction(0), 0
    for sequence in itertools.product(subsets, repeat=before + 1 + after):
        weight = [[Fraction(0)] * dim for _ in sequence]
        for step, active in enumerate(sequence):
            eta = Fraction(1) if step == before else rate
            for target, row in enumerate(weight):
                error = (target == step) - sum(row[unit] for unit in active)
                for unit in active:
                    row[unit] += eta * error / code_size
        item = sequence[before]
        answers = [sum(row[unit] for unit in item) for row in weight]
        total += sum((answer - (target == before)) ** 2 for target, answer in enumerate(answers))
        count += 1
    return total / count


@pytest.mark.parametrize(
    ("dim", "code_size", "before", "after", "rate"),
    [
        (3, 1, 1, 1, Fraction(1)), (3, 2, 1, 2, Fraction(1, 2)), (4, 3, 0, 2, Fraction(13, 10)), (4, 2, 1, 1, Fraction(7, 10)),
        (3, 3, 2, 2, Fraction(2, 5)), (1, 1, 1, 2, Fraction(3, 2)), (2, 1, 3, 1, Fraction(1)), (3, 1, 0, 0, Fraction(1)),
    ],
)  # fmt: skip
def test_enumeration_agrees_with_exact_arithmetic(
    dim: int, code_size: int, before: int, after: int, rate: Fraction
) -> None:
    expected = float(by_fractions(dim, code_size, before, after, rate))
    assert forgetting.exact(dim, code_size, before, after, float(rate)) == pytest.approx(expected, abs=1e-13)


def test_enumeration_does_not_depend_on_how_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = forgetting.exact(4, 2, 1, 2, 0.7), forgetting.exact(4, 2, 1, 2, 0.7, steady=True)
    monkeypatch.setattr(forgetting, "CHUNK", 500)
    cut = forgetting.exact(4, 2, 1, 2, 0.7), forgetting.exact(4, 2, 1, 2, 0.7, steady=True)
    assert cut == pytest.approx(whole, rel=1e-12)
    table = forgetting.enumerated([(4, 2, 1, 2, 0.7)])
    assert table["forgetting"].item() == pytest.approx(whole[0])
    assert table["sequences"].item() == 6**4


@pytest.mark.parametrize(("dim", "code_size", "rate"), [(4, 2, 0.7), (3, 1, 1.0), (4, 3, 1.4)])
def test_the_steady_state_is_where_long_histories_lead(dim: int, code_size: int, rate: float) -> None:
    """Second moment of the weights after very many writes, by averaging over all codes: no symmetry is used."""
    subsets = torch.tensor(list(itertools.combinations(range(dim), code_size)))
    code = torch.zeros(len(subsets), dim, dtype=make.DTYPE).scatter_(1, subsets, 1.0)
    kept = torch.eye(dim, dtype=make.DTYPE) - rate * code[:, :, None] * code[:, None] / code_size
    new = (rate / code_size) ** 2 * (code[:, :, None] * code[:, None]).mean(0)
    moment = torch.zeros(dim, dim, dtype=make.DTYPE)
    for _ in range(400):
        moment = (kept @ moment @ kept).mean(0) + new
    torch.testing.assert_close(moment, torch.eye(dim, dtype=make.DTYPE) * rate / ((2 - rate) * code_size))


@pytest.mark.parametrize("rate", [0.4, 1.0, 1.7])
def test_drift_is_that_of_the_sparse_store(rate: float) -> None:
    code = codes.random(8, 15, 4, generator=rng())
    targets = torch.randn(8, 3, generator=rng(1)).double()
    found = forgetting.drift(code.dense()[None], targets[None], rate)
    torch.testing.assert_close(found.moved[0], forgetting.in_store(code, targets, rate))


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.1, 1.9))
def test_drift_is_the_sum_of_the_pushes_and_within_their_sizes(seed: int, rate: float) -> None:
    keys = make.gaussian(5 * 4, 6, generator=rng(seed)).reshape(5, 4, 6)
    targets = make.gaussian(5 * 4, 2, generator=rng(seed + 1)).reshape(5, 4, 2)
    found = forgetting.drift(keys, targets, rate)
    torch.testing.assert_close(found.moved, rate * found.pushes, rtol=1e-9, atol=1e-9)
    assert (found.moved.norm(dim=-1) <= rate * found.size * (1 + 1e-9)).all()
    alone = forgetting.drift(keys[:, :1], targets[:, :1], rate)
    assert not alone.moved.any()


def test_drift_worked_by_hand() -> None:
    """Write 2 at (1, 1): both weights 1. Then 4 at (0, 1) with half the rate: error 3, weight 2.5; the first reads 3.5."""
    keys = torch.tensor([[[1.0, 1.0], [0.0, 1.0]]]).double()
    found = forgetting.drift(keys, torch.tensor([[[2.0], [4.0]]]).double(), 0.5)
    assert found.moved.item() == pytest.approx(1.5)
    assert found.pushes.item() == pytest.approx(3.0)
    assert found.size.item() == pytest.approx(3.0)


def test_orthogonal_codes_are_all_kept_and_others_are_not() -> None:
    for units in (1, 2, 8, 16):
        code = forgetting.hadamard(units)
        assert torch.equal(code @ code.T, units * torch.eye(units, dtype=make.DTYPE))
        assert code.abs().min() == 1
        assert forgetting.kept(code) == units
    assert forgetting.kept(torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]).double()) == 1, "the last one"
    assert forgetting.kept(torch.eye(3, dtype=make.DTYPE)) == 3


@pytest.mark.parametrize(
    ("setting", "exact"),
    [((5, 2, 1, 2, 0.6), None), ((4, 3, 0, 3, 1.3), None), ((6, 1, 2, 2, 1.0), None), ((4, 4, 1, 2, 1.0), None)],
)
def test_sampling_agrees_with_enumeration(setting: tuple[int, int, int, int, float], exact: None) -> None:
    drawn = forgetting.sampled(*setting, 40000, generator=rng())
    exact = forgetting.exact(*setting)
    assert abs(float(drawn.mean()) - exact) < 4 * float(drawn.std()) / 200


def test_subsets_are_uniform_and_independent_of_the_last() -> None:
    runs = 60000
    for units, active in ((4, 2), (5, 1), (4, 3)):
        subsets = forgetting._Subsets(runs, units, rng())
        one, other = (torch.zeros(runs, units, dtype=torch.long).scatter_(1, subsets.draw(active), 1) for _ in range(2))
        assert (one.sum(1) == active).all()
        powers = 2 ** torch.arange(units)
        joint = torch.bincount((one @ powers) * 2**units + other @ powers, minlength=4**units)
        cells = joint[joint > 0]
        assert len(cells) == math.comb(units, active) ** 2
        expected = runs / len(cells)
        chi_square = float(((cells - expected) ** 2 / expected).sum())
        freedom = len(cells) - 1
        assert abs(chi_square - freedom) < 4 * math.sqrt(2 * freedom)
    whole = forgetting._Subsets(3, 4, rng()).draw(4)
    assert (whole.sort(-1).values == torch.arange(4)).all()
    first = forgetting._Subsets(50, 6, rng())
    kept = first.draw(1)
    before = kept.clone()
    first.draw(1)
    assert torch.equal(kept, before), "what was drawn does not change with the next draw"


def test_paths_are_products_of_projections() -> None:
    """The same draws, followed with dense matrices."""
    dim, k, writes, rate = 7, 3, 4, 0.6
    found = forgetting.paths(dim, k, writes, rate, 5, generator=rng())
    subsets = forgetting._Subsets(5, dim, rng())
    drawn = [subsets.draw(k) for _ in range(writes + 1)]
    for run in range(5):
        code = [torch.zeros(dim, dtype=make.DTYPE).scatter_(0, each[run], 1.0) for each in drawn]
        left = code[0]
        for each in reversed(code[1:]):
            left = left - rate * each * (each @ left) / k
        assert float(found.recall[run]) == pytest.approx(float(code[0] @ left) / k)
        assert float(found.energy[run]) == pytest.approx(float(left @ left) / k)
        weight = torch.outer(code[0], torch.eye(writes + 1, dtype=make.DTYPE)[0]) / k
        for step, each in enumerate(code[1:], 1):
            target = torch.eye(writes + 1, dtype=make.DTYPE)[step]
            weight = weight + rate * torch.outer(each, target - each @ weight) / k
        torch.testing.assert_close(found.weights[run], (code[0] @ weight)[1:])
        assert float(found.echo[run]) == pytest.approx(float((code[0] @ weight)[1:].square().sum()))


def test_signs_are_all_tried() -> None:
    """A single other item at overlap c leaves errors of size c^2 + c and c - c^2 with equal probability, for codes 0 and 1."""
    found = forgetting.Paths(*(torch.tensor(x).double() for x in ([0.75], [0.25], [0.75], [[0.5]])))
    table = forgetting.sign_tails(found, [0.1, 0.5, 0.8])
    assert table["forgetting_rarity"].to_list() == [1.0, 2.0, math.inf]
    assert table["code_forgetting"].to_list() == [0.3125] * 3


def test_total_overlaps_are_those_of_all_sequences() -> None:
    subsets = [set(code) for code in itertools.combinations(range(4), 2)]
    totals = [sum(len({0, 1} & other) for other in sequence) for sequence in itertools.product(subsets, repeat=3)]
    found = forgetting.total_overlaps([(4, 2, 3)])
    for level, rarity in found.select("total_overlap", "total_rarity").iter_rows():
        assert 1 / rarity == pytest.approx(np.mean(np.array(totals) >= level))
    assert found["total_overlap"].to_list() == list(range(1, 7))


def test_broken_assumptions_do_what_they_say() -> None:
    setting = (30, 3, 5, 4, 1.0)
    same = forgetting.sampled(*setting, 20000, codes="one for all", generator=rng())
    assert abs(float(same.mean()) - 2) < 4 * float(same.std()) / math.sqrt(20000)
    alike = forgetting.sampled(6, 6, 2, 3, 1.0, 50, targets="alike", generator=rng())
    assert float(alike.abs().max()) < 1e-20, "one code and one target: written again and again"
    opposed = forgetting.sampled(6, 6, 2, 3, 1.0, 20000, targets="opposed", generator=rng())
    assert abs(float(opposed.mean()) - 4) < 4 * float(opposed.std()) / math.sqrt(20000)


def test_without_later_writes_nothing_is_forgotten() -> None:
    assert forgetting.exact(4, 2, 2, 0, 0.5) == pytest.approx(0, abs=1e-25)
    assert float(forgetting.sampled(9, 3, 4, 0, 0.5, 100, generator=rng()).max()) < 1e-25


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: forgetting.exact(4, 0, 1, 1), "never written"),
        (lambda: forgetting.exact(4, 5, 1, 1), "1 <= code_size <= dim"),
        (lambda: forgetting.exact(4, 2, -1, 1), "from 0"),
        (lambda: forgetting.exact(4, 2, 1, 1, 2.0), "diverges"),
        (lambda: forgetting.exact(12, 6, 1, 1), "more than 1000000"),
        (lambda: forgetting.sampled(4, 2, 1, 1, 0.0, 3, generator=rng()), "strictly between 0 and 2"),
        (lambda: forgetting.sampled(4, 2, 1, 1, 1.0, 0, generator=rng()), "at least one"),
        (lambda: unwrap(forgetting.sampled)(4, 2, 1, 1, 1.0, 3, codes="odd", generator=rng()), "one for all"),
        (lambda: unwrap(forgetting.sampled)(4, 2, 1, 1, 1.0, 3, targets="odd", generator=rng()), "opposed"),
        (lambda: forgetting.paths(4, 2, -1, 1.0, 3, generator=rng()), "from 0"),
        (lambda: forgetting.paths(4, 2, 1, 1.0, 0, generator=rng()), "at least one"),
        (lambda: forgetting.drift(torch.ones(2, 3, 4).double(), torch.ones(2, 3, 1).double(), 2.0), "strictly between"),
        (lambda: forgetting.drift(torch.zeros(2, 3, 4).double(), torch.ones(2, 3, 1).double()), "none of them zero"),
        (lambda: unwrap(forgetting.drift)(torch.ones(2, 3, 4).double(), torch.ones(2, 2, 1).double()), "a target to each"),
        (lambda: forgetting.hadamard(6), "power of 2"),
        (lambda: forgetting.hadamard(0), "power of 2"),
        (lambda: forgetting.total_overlaps([(4, 2, 0)]), "from 0"),
        (lambda: forgetting.total_overlaps([(4, 0, 2)]), "never written"),
    ],
)  # fmt: skip
def test_bad_input_is_told(call: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


def test_tables_have_their_columns() -> None:
    assert isinstance(forgetting.enumerated([(3, 1, 0, 1, 1.0)], steady=True), pl.DataFrame)
