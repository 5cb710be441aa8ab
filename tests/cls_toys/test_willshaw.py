"""The binary memory: recall, superposition of writes, saturation, and input that is not binary."""

import pytest
import torch

from cls_toys import keys as make
from cls_toys import probes
from cls_toys.stores import Store
from cls_toys.stores.willshaw import WillshawStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def filled(items: int, dim: int, active: int) -> tuple[WillshawStore, torch.Tensor, torch.Tensor]:
    keys, values = (make.sparse_binary(items, dim, active, generator=rng(seed)) for seed in (0, 1))
    store = WillshawStore(dim, dim)
    for key, value in zip(keys, values, strict=True):
        store.write(key, value)
    return store, keys, values


def test_it_recalls_at_low_load_and_adds_errors_at_high_load() -> None:
    store, keys, values = filled(20, 100, 5)
    assert isinstance(store, Store)
    assert torch.equal(store.read(keys), values)
    assert store.parameters == 100 * 100
    store, keys, values = filled(600, 100, 5)
    read = store.read(keys)
    assert (read >= values).all(), "what was written is never lost, only joined by others"
    assert (read > values).any()


def test_a_synapse_is_on_if_any_pair_needs_it() -> None:
    store = WillshawStore(3, 2)
    store.write(torch.tensor([1.0, 1, 0]).double(), torch.tensor([1.0, 0]).double())
    store.write(torch.tensor([0.0, 1, 1]).double(), torch.tensor([1.0, 1]).double())
    assert store.weight.tolist() == [[True, True, True], [False, True, True]]
    assert store.read(torch.tensor([[1.0, 0, 1]]).double()).tolist() == [[1, 0]], "the first unit has been fooled"


def test_a_copy_is_independent() -> None:
    store, keys, values = filled(5, 30, 3)
    copy, before = store.copy(), store.read(keys)
    copy.write(keys[0], values[1])
    assert torch.equal(store.read(keys), before)


def test_a_full_memory_cannot_be_written() -> None:
    store, keys, _ = filled(20, 10, 2)
    store.weight = torch.ones_like(store.weight)
    assert torch.isinf(probes.collateral(store, keys, torch.ones(20, 10, dtype=make.DTYPE))).all()


def test_input_that_is_not_binary() -> None:
    store, one = WillshawStore(3, 3), torch.ones(3, dtype=make.DTYPE)
    for wrong in (0.5 * one, 0 * one, -one):
        with pytest.raises(ValueError, match="a key of a Willshaw memory holds zeros and ones only"):
            store.write(wrong, one)
        with pytest.raises(ValueError, match="a key of a Willshaw memory"):
            store.read(wrong[None])
    with pytest.raises(ValueError, match="a value of a Willshaw memory"):
        store.write(one, 2 * one)
    with pytest.raises(ValueError, match="at least one dimension"):
        WillshawStore(0, 3)
    with pytest.raises(ValueError, match="between 1 and dim=3 ones"):
        make.sparse_binary(2, 3, 4, generator=rng())
    assert make.sparse_binary(50, 9, 4, generator=rng()).sum(-1).eq(4).all()
