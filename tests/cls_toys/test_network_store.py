"""A network as a memory: its small writes are those of the tangent, and it writes what it is asked to."""

import inspect

import pytest
import torch

from cls_toys import first_order, networks, probes, tangent
from cls_toys import keys as make
from cls_toys.stores import Store
from cls_toys.stores.network import NetworkStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rule", ["local", "optimal"])
@pytest.mark.parametrize("widths", [(3, 4, 1), (3, 5, 2)])
def test_a_small_write_reads_back(rule: str, widths: tuple[int, ...]) -> None:
    network, inputs = first_order.regression(widths, "tanh", 40, generator=rng())
    store = NetworkStore(network, inputs, rule)
    assert isinstance(store, Store)
    wanted = store.read(inputs[:1])[0] + 1e-5
    written = store.copy()
    written.write(inputs[0], wanted)
    torch.testing.assert_close(written.read(inputs[:1])[0], wanted, rtol=0, atol=1e-7)
    assert torch.equal(store.read(inputs), network(inputs).detach())
    assert store.parameters == sum(p.numel() for p in network.parameters())


def test_collateral_of_small_writes_is_that_of_the_tangent() -> None:
    network, inputs = first_order.regression((3, 4, 1), "tanh", 30, generator=rng())
    keys = tangent.features(network, inputs)[:, 0]
    for rule, share in (("local", probes.dimensionality(keys)), ("optimal", probes.leverage(keys))):
        store = NetworkStore(network, inputs, rule)
        collateral = probes.collateral(store, inputs, store.read(inputs) + 1e-7)
        torch.testing.assert_close(1 / (1 + collateral), share, rtol=2e-3, atol=0)


def test_what_cannot_be_moved_is_left_alone() -> None:
    network = networks.mlp((1, 1, 1), "relu", generator=rng(), dtype=make.DTYPE)
    bare = torch.nn.Sequential(network[0], network[1], torch.nn.Linear(1, 1, bias=False, dtype=make.DTYPE))
    inputs = torch.tensor([[1.0], [-1.0]], dtype=make.DTYPE)
    silent = int(bare(inputs)[1].abs() < bare(inputs)[0].abs())
    for rule in ("local", "optimal"):
        store = NetworkStore(bare, inputs, rule)
        store.write(inputs[silent], torch.ones(1, dtype=make.DTYPE))
        torch.testing.assert_close(store.read(inputs), bare(inputs).detach())


def test_bad_input() -> None:
    network, inputs = first_order.regression((3, 4, 1), "tanh", 5, generator=rng())
    with pytest.raises(ValueError, match="rule='best': must be one of local, optimal"):
        inspect.unwrap(NetworkStore.__init__)(object.__new__(NetworkStore), network, inputs, "best")
    with pytest.raises(ValueError, match="NaN or infinity"):
        NetworkStore(network, inputs * torch.nan)
