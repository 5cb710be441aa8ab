"""What happens at the edges of the mathematics: one test a case, each with the value that a user would want."""

import math

import pytest
import torch
from torch import Tensor, nn

from cls_toys import keys as make
from cls_toys import networks, probes, protection, tangent
from cls_toys.stores.linear import LinearStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tensor(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def optimal(keys: Tensor) -> Tensor:
    """Collateral of the optimal write at each item, by writing it."""
    return probes.collateral(LinearStore(keys, rule="optimal"), keys, torch.ones(len(keys), 1, dtype=keys.dtype))


def test_a_zero_key_cannot_be_written_and_does_not_count() -> None:
    keys = tensor([[1, 0], [0, 1], [1, 1], [0, 0]])
    assert probes.leverage(keys)[3] == 0
    assert optimal(keys)[3] == math.inf
    kept = probes.nonzero_keys(keys)
    assert kept.tolist() == [True, True, True, False]
    assert float(optimal(keys)[kept].mean()) >= 3 / 2 - 1  # n' is 3, not 4


def test_independent_keys_are_written_without_collateral_but_not_by_a_gradient_step() -> None:
    keys = make.unit(20, 400, generator=rng())
    torch.testing.assert_close(probes.leverage(keys), torch.ones(20).double())
    assert float(optimal(keys).max()) < 1e-20
    local = probes.collateral(LinearStore(keys), keys, torch.ones(20, 1).double())
    assert float(local.mean()) == pytest.approx(19 / 400, rel=0.15)


def test_copies_share_one_leverage() -> None:
    once, thrice = tensor([[1, 0], [0, 1]]), tensor([[1, 0], [1, 0], [1, 0], [0, 1]])
    assert probes.leverage(once)[0] == pytest.approx(1)
    assert probes.leverage(thrice)[:3].tolist() == pytest.approx([1 / 3] * 3)
    parallel = tensor([[1, 0], [2, 0], [0, 1]])
    assert probes.leverage(parallel)[:2].tolist() == pytest.approx([1 / 5, 4 / 5])  # as the squared lengths


def test_leverage_is_one_just_outside_the_span_of_the_others() -> None:
    others = make.gaussian(3, 5, generator=rng())
    inside, outside = others.sum(0), make.gaussian(1, 5, generator=rng(1))[0]
    assert float(probes.leverage(torch.cat([others, outside[None]]))[3]) == pytest.approx(1)
    assert float(probes.leverage(torch.cat([others, inside[None]]))[3]) < 0.9


def test_the_bound_of_deficient_keys_is_that_of_their_rank() -> None:
    keys = make.rank_deficient(12, 6, 3, generator=rng())
    assert int(probes.rank(keys)) == 3
    assert float(optimal(keys).mean()) >= 12 / 3 - 1 - 1e-9
    assert float(probes.leverage(keys).sum()) == pytest.approx(3)


def test_near_duplicates_are_told_apart_by_long_writes_and_a_ridge_keeps_them_short() -> None:
    gap = 1e-2
    keys = tensor([[1, 0], [math.sqrt(1 - gap**2), gap]])
    assert probes.leverage(keys).tolist() == pytest.approx([1, 1])
    write = probes.optimal_directions(keys)[0]
    assert float(write.norm()) == pytest.approx(1 / gap, rel=1e-3)
    assert probes.leverage(tensor([[1, 0], [1, 0]])).tolist() == pytest.approx([0.5, 0.5])  # discontinuous
    ridge = protection.ridge_leverage(keys, 0.1)
    merged = protection.ridge_leverage(tensor([[1, 0], [1, 0]]), 0.1)
    torch.testing.assert_close(ridge, merged, atol=2e-3, rtol=0)  # the ridge's leverage is not


def test_equality_needs_no_whole_number_of_items_a_dimension() -> None:
    keys = make.harmonic_frame(7, 3)
    assert probes.leverage(keys).tolist() == pytest.approx([3 / 7] * 7)
    assert optimal(keys).tolist() == pytest.approx([7 / 3 - 1] * 7)


def test_a_single_nonzero_key_takes_all_of_every_write() -> None:
    keys = tensor([[0, 0], [3, 4], [0, 0]])
    for direction in (keys, make.gaussian(3, 2, generator=rng())):
        assert float(probes.writability(keys, direction)[1]) == pytest.approx(1)


def test_tight_keys_of_unequal_length_are_above_the_bound() -> None:
    basis = torch.eye(2, dtype=torch.float64)
    keys = torch.cat([basis * math.sqrt(0.5), basis * math.sqrt(1.5)])  # sum of outer products: twice the identity
    local = probes.collateral(LinearStore(keys), keys, torch.ones(4, 1).double())
    torch.testing.assert_close(local, optimal(keys))  # every key is an eigenvector
    assert float(local.mean()) > 4 / 2 - 1 + 0.3


def test_a_network_has_no_first_order_bound_where_its_gradient_vanishes() -> None:
    network = networks.mlp([2, 3, 1], "relu", generator=rng(), dtype=torch.float64)
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.fill_(-1.0)  # all units are dead
    features = tangent.features(network[:2], make.gaussian(3, 2, generator=rng()))
    assert not features.any()
    assert not probes.leverage(features.flatten(0, 1)).any()


def test_one_item_may_be_privileged_at_the_others_expense() -> None:
    keys = tensor([[1, 0], [0, 1], [0, 1]])
    assert optimal(keys).tolist() == pytest.approx([0, 1, 1])
    assert float(optimal(keys).mean()) >= 3 / 2 - 1  # the mean obeys the bound, no single item need


def test_collateral_on_items_outside_the_budget_can_be_anything() -> None:
    keys, stranger = tensor([[1, 0, 0], [0, 1, 0]]), tensor([[100, 0, 0]])
    store = LinearStore(keys, rule="optimal")
    store.write(keys[0], torch.ones(1).double())
    assert float(store.read(keys)[1]) == 0
    assert float(store.read(stranger)) == pytest.approx(100)


def test_several_outputs_are_as_many_keys() -> None:
    network = nn.Linear(3, 2, bias=False, dtype=torch.float64)
    inputs = make.gaussian(6, 3, generator=rng())
    rows = tangent.features(network, inputs)  # [items, 2, 6]
    assert int(probes.rank(rows.flatten(0, 1))) == 6  # both outputs together
    assert int(probes.rank(rows[:, 0])) == 3  # n / r - 1 with n = 6 items and r = 6 would promise writes for free
    best, _ = tangent.best_directions(rows)
    torch.testing.assert_close(best, probes.leverage(inputs))
    assert float((1 / best - 1).mean()) >= 6 * 2 / 6 - 1 - 1e-9
