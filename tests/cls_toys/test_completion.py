"""The recurrent memory against dense sums, its laws against slow sampling of whole networks, and input that makes no sense."""

import math
from inspect import unwrap

import numpy as np
import pytest
import torch
from scipy import stats

from cls_toys import codes, completion, probes
from cls_toys.codes import Codes
from cls_toys.completion import Memory
from cls_toys.stores import Store
from cls_toys.stores.autoassociative import AutoassociativeStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stored(connectivity: float = 0.4, items: int = 12) -> tuple[AutoassociativeStore, Codes]:
    store, patterns = (
        AutoassociativeStore(30, 5, connectivity, generator=rng()),
        codes.random(items, 30, 5, generator=rng(1)),
    )
    store.write_codes(patterns)
    return store, patterns


def test_weights_are_the_covariance_rule_on_the_connections_that_exist() -> None:
    store, patterns = stored()
    centred = patterns.dense() - 5 / 30
    expected = centred.T @ centred * store.connected
    torch.testing.assert_close(store.weight, expected)
    assert not store.connected.diagonal().any()
    assert store.parameters == int(store.connected.sum())
    assert abs(store.parameters / 870 - 0.4) < 4 * math.sqrt(0.24 / 870)
    torch.testing.assert_close(store.fields(patterns), patterns.dense() @ expected)


def test_single_writes_are_bulk_writes_and_a_copy_is_independent() -> None:
    bulk, patterns = stored()
    single = AutoassociativeStore(30, 5, 0.4, generator=rng())
    assert isinstance(single, Store)
    for pattern in patterns.dense():
        single.write(pattern, pattern)
    torch.testing.assert_close(single.weight, bulk.weight)
    copy, before = bulk.copy(), bulk.weight.clone()
    copy.write(patterns.dense()[0], patterns.dense()[0])
    assert torch.equal(bulk.weight, before)
    assert not torch.equal(copy.weight, before)


def test_a_read_is_one_step_of_winners_and_steps_are_repeated_reads() -> None:
    store, patterns = stored(1.0, 6)
    cue = completion.partial(patterns, 0.6, generator=rng(2))
    once = store.complete(cue)
    assert torch.equal(store.read(cue.dense()), once.dense())
    assert torch.equal(store.complete(cue, 3).active, store.complete(store.complete(once)).active)
    assert (once.sizes == 5).all()
    chosen = store.fields(cue).gather(-1, once.active).amin(-1)
    others = store.fields(cue).masked_fill(once.dense() > 0, -math.inf).amax(-1)
    assert (chosen >= others).all()


def test_few_patterns_are_completed_at_once() -> None:
    store = AutoassociativeStore(400, 20, generator=rng())
    patterns = codes.random(5, 400, 20, generator=rng(1))
    store.write_codes(patterns)
    assert torch.equal(store.complete(completion.partial(patterns, 0.5, generator=rng(2))).active, patterns.active)


def test_partial_cues_keep_their_share_and_are_uniform() -> None:
    patterns = codes.random(4000, 12, 4, generator=rng())
    for fidelity in (0.0, 0.25, 0.75, 1.0):
        cue = completion.partial(patterns, fidelity, generator=rng(1))
        assert (probes.overlap(cue, patterns) == round(4 * fidelity)).all()
        assert (cue.sizes == 4).all()
    same = Codes(torch.tensor([[1, 4, 6, 9]]).expand(8000, -1), 12)
    used = completion.partial(same, 0.5, generator=rng(3)).dense().sum(0)
    on = torch.zeros(12, dtype=torch.bool)
    on[[1, 4, 6, 9]] = True
    for part, rate in ((used[on], 0.5), (used[~on], 0.25)):
        assert ((part / 8000 - rate).abs() < 4 * math.sqrt(rate * (1 - rate) / 8000)).all()


def test_winners_share_out_their_ties() -> None:
    assert completion.shared_winners(np.array([2.0]), np.array([0.0, 1.0]), 0.25) == 1
    assert completion.shared_winners(np.array([0.0]), np.array([1.0, 0.0, 0.0]), 0.25) == 0
    assert completion.shared_winners(np.zeros(3), np.zeros(5), 0.1) == pytest.approx(0.1)
    assert completion.shared_winners(np.array([-1.0]), np.array([-2.0, -2.0]), 1 / 3) == 1


def gaussian_by_sampling(memory: Memory, draws: int = 400_000) -> float:
    """Two Gaussian clouds with the moments of the specification, and the largest fields of both together."""
    a, inputs = memory.active / memory.dim, memory.connectivity * memory.active
    own = inputs * (memory.fidelity - a)
    crosstalk = memory.items * (a * (1 - a)) ** 2 * inputs
    dilution = inputs * (1 - memory.connectivity) * (memory.fidelity * (1 - a) ** 2 + (1 - memory.fidelity) * a**2)
    generator = np.random.default_rng(0)
    stored_fields = generator.normal((1 - a) * own, math.sqrt(crosstalk + (1 - a) ** 2 * dilution), draws)
    others = generator.normal(-a * own, math.sqrt(crosstalk + a**2 * dilution), 4 * draws)
    return completion.shared_winners(stored_fields, others, a)


# Table of the specification (sparsity.md, 5.2): Gaussian law, and networks of 3000 units with their intervals.
TABLE = (
    (Memory(3000, 60, 1.0, 2000, 0.4), 0.7745, 0.7423, 0.0064), (Memory(3000, 60, 0.1, 800, 0.7), 0.632, 0.493, 0.007),
    (Memory(3000, 60, 0.04, 300, 0.7), 0.608, 0.414, 0.009), (Memory(3000, 60, 0.04, 60, 1.0), 0.874, 0.792, 0.011),
    (Memory(3000, 150, 0.04, 200, 0.7), 0.591, 0.507, 0.005), (Memory(3000, 300, 0.04, 120, 1.0), 0.809, 0.795, 0.003),
)  # fmt: skip


@pytest.mark.parametrize(("memory", "gauss", "measured", "interval"), TABLE)
def test_the_laws_are_the_published_ones(memory: Memory, gauss: float, measured: float, interval: float) -> None:
    assert completion.gaussian(memory) == pytest.approx(gauss, abs=6e-4)
    assert completion.gaussian(memory) == pytest.approx(gaussian_by_sampling(memory), abs=0.006)
    law = completion.compound(memory, 50_000, corrected=True, generator=rng())
    assert law == pytest.approx(measured, abs=interval + 0.015)


def test_the_compound_law_is_a_unit_of_a_network() -> None:
    """Against fields of whole networks: the first two moments of a stored unit and of another, without the law's code."""
    memory, a = Memory(200, 20, 0.3, 40, 0.6), 0.1
    table = completion.measure([memory], 40, 40, generator=rng())
    assert table.height == 40
    values = table["completed"].to_numpy()
    law = completion.compound(memory, 100_000, corrected=True, generator=rng(1))
    assert abs(values.mean() - law) < 4 * stats.sem(values) + 0.02
    assert values.mean() > a


def test_measured_fields_are_means_over_units() -> None:
    memory = Memory(40, 5, 0.5, 8, 0.6)
    table = completion.measure([memory], 1, 8, generator=rng(4))
    generator = rng(4)
    store = AutoassociativeStore(40, 5, 0.5, generator=generator)
    patterns = codes.random(8, 40, 5, generator=generator)
    store.write_codes(patterns)
    cue = completion.partial(patterns, 0.6, generator=generator)
    fields, on = cue.dense() @ store.weight, patterns.dense() > 0
    assert table["stored_field"][0] == pytest.approx(float(fields[on].mean()))
    assert table["other_field"][0] == pytest.approx(float(fields[~on].mean()))
    assert table["completed"][0] == pytest.approx(
        float(probes.overlap(store.complete(cue), patterns).double().mean()) / 5
    )


def test_without_connections_the_winners_are_drawn() -> None:
    memory = Memory(500, 50, 0.0, 30, 0.8)
    assert completion.gaussian(memory) == 0.1
    assert completion.compound(memory, 1000, generator=rng()) == pytest.approx(0.1)
    values = completion.measure([memory], 10, 30, generator=rng())["completed"].to_numpy()
    assert abs(values.mean() - 0.1) < 4 * math.sqrt(0.09 / (300 * 50))


def test_capacity_is_where_the_law_crosses_the_goal() -> None:
    memory = Memory(1000, 50, 1.0, 1, 0.8)
    most = completion.capacity(memory, 0.9, law="gaussian", generator=rng())
    assert completion.gaussian(memory._replace(items=most)) >= 0.9
    assert completion.gaussian(memory._replace(items=round(1.03 * most) + 1)) < 0.9
    assert completion.capacity(Memory(3000, 60, 0.01, 1, 0.7), generator=rng()) == 0


def test_broken_networks_break_as_told() -> None:
    table = completion.broken(Memory(400, 40, 0.5, 60, 0.5), 3, generator=rng())
    by = dict(zip(table["case"], table["completed"], strict=True))
    assert by["patterns share half of their units"] < by["as assumed"]
    assert by["no connections"] == pytest.approx(0.1, abs=0.03)
    assert table["cue"].to_list() == [0.5] * 4


def test_laws_and_conditions_have_their_columns() -> None:
    memories = completion.conditions(1000, 60)
    table = completion.laws(memories[:1], 2000, generator=rng())
    assert table.columns == [*completion.COLUMNS, "inputs", "gaussian", "compound", "corrected"]
    assert [memory.items for memory in memories] == sorted((memory.items for memory in memories), reverse=True)
    swept = completion.sweep(1000, [0.05], [0.5], draws=500, generator=rng())
    assert swept["inputs"][0] == 25


def test_bad_input_is_told() -> None:
    for wrong in ((10, 0, 1.0), (10, 10, 1.0), (10, 3, 1.5), (10, 3, -0.1)):
        with pytest.raises(ValueError, match="a connectivity in"):
            AutoassociativeStore(*wrong, generator=rng())
    store, patterns = stored()
    with pytest.raises(ValueError, match="give the key as value"):
        store.write(patterns.dense()[0], patterns.dense()[1])
    with pytest.raises(ValueError, match="give 5 of 30"):
        store.write_codes(codes.random(2, 30, 4, generator=rng()))
    with pytest.raises(ValueError, match="must be the same"):
        store.fields(codes.random(2, 20, 5, generator=rng()))
    with pytest.raises(ValueError, match="at least one step"):
        store.complete(patterns, 0)
    for wrong in (
        Memory(10, 0, 0.5, 2, 1.0),
        Memory(10, 10, 0.5, 2, 1.0),
        Memory(10, 3, 0.5, 0, 1.0),
        Memory(10, 3, 2.0, 2, 1.0),
    ):
        with pytest.raises(ValueError, match="at least one item"):
            completion.gaussian(wrong)
    for wrong in (Memory(10, 3, 0.5, 2, 0.5), Memory(10, 8, 0.5, 2, 0.0), Memory(10, 4, 0.5, 2, 1.25)):
        with pytest.raises(ValueError, match="whole number of correct units"):
            completion.compound(wrong, 10, generator=rng())
    with pytest.raises(ValueError, match="codes of one size"):
        completion.partial(Codes(torch.tensor([[0, 1], [2, 9]]), 9), 0.5, generator=rng())
    with pytest.raises(ValueError, match="compound or gaussian"):
        unwrap(completion.capacity)(Memory(100, 10, 1.0, 1, 0.5), law="other", generator=rng())
