"""Binary memories: bulk writes against single ones, the chain against exhaustive enumeration, counts against hand-made tables."""

import itertools
from fractions import Fraction
from inspect import unwrap

import numpy as np
import pytest
import torch

from cls_toys import codes, willshaw
from cls_toys.codes import Codes
from cls_toys.stores.willshaw import WillshawStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_bulk_writes_and_reads_are_those_of_the_protocol() -> None:
    keys = codes.winners(torch.randn(40, 30, generator=rng()).double(), 6, positive=True)  # of unequal sizes
    keys = keys[keys.sizes > 0]
    values = codes.random(len(keys), 25, 3, generator=rng(1))
    one, bulk = WillshawStore(30, 25), WillshawStore(30, 25)
    for key, value in zip(keys.dense(), values.dense(), strict=True):
        one.write(key, value)
    before = bulk.copy()
    bulk.write_codes(keys, values)
    assert torch.equal(one.weight, bulk.weight)
    assert not before.weight.any(), "a copy is independent"
    assert torch.equal(one.read(keys.dense()), bulk.read_codes(keys).double())


def test_bulk_input_that_does_not_fit() -> None:
    store, keys = WillshawStore(30, 25), codes.random(4, 30, 3, generator=rng())
    for wrong in (codes.random(4, 30, 3, generator=rng()), codes.random(3, 25, 3, generator=rng())):
        with pytest.raises(ValueError, match="give one value a key, of 25 units"):
            store.write_codes(keys, wrong)
    with pytest.raises(ValueError, match="at least one one"):
        store.read_codes(Codes(torch.tensor([[30]]), 30))
    with pytest.raises(ValueError, match="give 30 units"):
        store.read_codes(codes.random(2, 25, 3, generator=rng()))


def enumerated(dim: int, active: int, items: int, out: int, out_active: int) -> Fraction:
    """Spurious rate over all sequences of the other pairs, counted one by one: the first key and one silent unit are fixed."""
    keys = [frozenset(key) for key in itertools.combinations(range(dim), active)]
    holds = [True] * out_active + [False] * (out - out_active)  # whether a value, out of all rotations, holds the unit
    cue, total, errors = keys[0], 0, 0
    for others in itertools.product(itertools.product(keys, holds), repeat=items - 1):
        on = frozenset().union(*(key for key, held in others if held)) if others else frozenset()
        total, errors = total + 1, errors + (cue <= on)
    return Fraction(errors, total)


@pytest.mark.parametrize(
    ("dim", "active", "items", "out", "out_active"),
    [
        (4, 2, 3, 3, 1),
        (4, 1, 3, 2, 1),
        (3, 2, 4, 4, 1),
        (4, 3, 3, 3, 2),
        (3, 3, 3, 2, 1),
        (5, 2, 2, 2, 1),
        (2, 1, 1, 2, 1),
    ],
)
def test_the_chain_is_exhaustive_enumeration(dim: int, active: int, items: int, out: int, out_active: int) -> None:
    exact = enumerated(dim, active, items, out, out_active)
    assert willshaw.chain_error(dim, active, items, out_active / out) == pytest.approx(
        float(exact), rel=1e-12, abs=1e-15
    )


def test_the_chain_of_an_autoassociative_memory_is_exhaustive_enumeration() -> None:
    patterns = [frozenset(p) for p in itertools.combinations(range(5), 2)]
    cue, unit, errors = frozenset({0, 1}), 4, 0
    for others in itertools.product(patterns, repeat=3):
        reached = frozenset().union(*(p - {unit} for p in others if unit in p))
        errors += cue <= reached
    assert willshaw.chain_error(5, 2, 4, auto=True) == pytest.approx(errors / len(patterns) ** 3, rel=1e-12)


def test_the_measurement_counts_what_the_store_answers() -> None:
    table = willshaw.measure([(20, 3, 15)], 2, out=12, out_active=2, generator=rng(3))
    generator, rows = rng(3), []
    for _ in range(2):
        keys = codes.random(15, 20, 3, generator=generator)
        values = codes.random(15, 12, 2, generator=generator).dense()
        store = WillshawStore(20, 12)
        for key, value in zip(keys.dense(), values, strict=True):
            store.write(key, value)
        read = store.read(keys.dense())
        rows.append(
            (
                float(store.weight.double().mean()), float(((1 - read) * values).sum()), float((read * values).sum()),
                float((read * (1 - values)).sum() / (1 - values).sum()),
            )
        )  # fmt: skip
    found = table.select("fill", "missed", "recalled", "spurious").rows()
    np.testing.assert_allclose(found, rows)
    assert willshaw.by_setting(table, "spurious").shape == (1, 2)
    assert willshaw.settings(table) == {
        "dim": [20], "code_size": [3], "value_dim": [12], "value_size": [2], "n_items": [15],
    }  # fmt: skip


def test_without_its_diagonal_an_autoassociative_memory_recalls_nothing_and_with_it_everything() -> None:
    kept, cleared = (
        willshaw.measure([(40, 4, 30)], 3, auto=True, diagonal=diagonal, generator=rng()) for diagonal in (True, False)
    )
    assert kept["missed"].sum() == 0
    assert cleared["recalled"].sum() == 0
    assert cleared["spurious"].to_list() == kept["spurious"].to_list(), "silent units do not see it"
    assert cleared["fill"].to_list() == kept["fill"].to_list()


def test_mutual_information_has_its_known_values() -> None:
    assert willshaw.mutual_information(np.array([[4, 0], [0, 4]])) == pytest.approx(1)
    assert willshaw.mutual_information(np.array([[2, 2], [4, 4]])) == pytest.approx(0, abs=1e-12)
    # Z-channel, half active, half of the silent units spurious: h(3/4) - h(1/2)/2.
    assert willshaw.mutual_information(np.array([[4, 0], [2, 2]])) == pytest.approx(0.8112781244591328 - 0.5)


def test_the_number_of_pairs_is_the_last_that_keeps_the_tolerance() -> None:
    for auto in (False, True):
        items = willshaw.items_at(200, 8, 0.01, auto=auto)
        errors = [192 * willshaw.chain_error(200, 8, n, auto=auto) for n in (items, items + 1)]
        assert errors[0] <= 0.08 < errors[1]


# Table of the specification (sparsity.md, 3.2): best code and its bits at a tolerance of one per cent.
@pytest.mark.parametrize(("dim", "active", "bits"), [(200, 8, 0.296), (1000, 11, 0.386)])
def test_the_best_code_is_the_published_one(dim: int, active: int, bits: float) -> None:
    size, items = willshaw.best(dim)
    assert size == active
    assert willshaw.bits_at(dim, size, items) == pytest.approx(bits, abs=5e-4)
    assert willshaw.textbook([dim])["rule"][0] == pytest.approx({200: 10.8, 1000: 12.9}[dim], abs=0.05)


def test_broken_memories_break_as_told() -> None:
    table = willshaw.broken(200, 6, 400, generator=rng())
    by = {row["case"]: row for row in table.to_dicts()}
    assert by["one value for all"]["spurious"] == 0
    assert by["keys share half of their units"]["fill"] < by["random pairs"]["fill"]
    assert by["keys share half of their units"]["spurious"] > by["random pairs"]["spurious"]
    assert by["a unit of the cue is missing"]["missed"] == 0 < by["a unit of the cue is wrong"]["missed"]


def test_bad_input_is_told() -> None:
    with pytest.raises(ValueError, match="without silent units"):
        willshaw.measure([(5, 5, 3)], 1, generator=rng())
    with pytest.raises(ValueError, match="at least 2 active"):
        willshaw.measure([(5, 1, 3)], 1, auto=True, generator=rng())
    with pytest.raises(ValueError, match="at least one memory"):
        willshaw.measure([(5, 1, 3)], 0, generator=rng())
    with pytest.raises(ValueError, match="1 <= active <= units"):
        willshaw.measure([(5, 0, 3)], 1, out=4, out_active=1, generator=rng())
    for wrong in ((5, 0, 3), (5, 6, 3), (5, 2, 0)):
        with pytest.raises(ValueError, match="give 1 <= active <= dim"):
            willshaw.chain_error(*wrong)
    with pytest.raises(ValueError, match="share in"):
        unwrap(willshaw.chain_error)(5, 2, 3, 1.5)
    with pytest.raises(ValueError, match="positive tolerance"):
        willshaw.items_at(5, 5, 0.1)
    with pytest.raises(ValueError, match="no number is too many"):
        willshaw.items_at(5, 4, 0.5)
    with pytest.raises(ValueError, match="even number"):
        willshaw.broken(20, 3, 5, generator=rng())
