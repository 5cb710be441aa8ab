"""The sparse store: the delta rule on active units, equal to the same rule on dense codes; probes of codes."""

from inspect import unwrap

import pytest
import torch

from cls_toys import codes, probes
from cls_toys import keys as make
from cls_toys.codes import Codes
from cls_toys.stores import Store
from cls_toys.stores.linear import LinearStore
from cls_toys.stores.sparse import SparseStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_is_the_delta_rule_of_a_dense_readout() -> None:
    keys = codes.random(30, 40, 5, generator=rng()).dense()
    values = torch.randn(30, 3, generator=rng()).double()
    sparse, dense = SparseStore(40, 3), LinearStore(keys, 3, "local")
    assert isinstance(sparse, Store)
    assert sparse.parameters == dense.parameters
    before = sparse.copy()
    for key, value in zip(keys, values, strict=True):
        sparse.write(key, value)
        dense.write(key, value)
        assert torch.allclose(sparse.read(key[None])[0], value)
    assert torch.allclose(sparse.read(keys), dense.read(keys))
    assert not before.read(keys).any(), "a copy is independent"


def test_a_rate_moves_by_its_share_and_an_encoder_is_used() -> None:
    weights = codes.projection(50, 8, generator=rng())
    store = SparseStore(50, encode=lambda keys: codes.winners(keys @ weights.T, 5), rate=0.25)
    key = make.gaussian(1, 8, generator=rng())
    store.write(key[0], torch.ones(1).double())
    assert store.read(key).item() == pytest.approx(0.25)
    store.write(key[0], torch.ones(1).double())
    assert store.read(key).item() == pytest.approx(1 - 0.75**2)


def test_a_code_without_an_active_unit_is_inert() -> None:
    store = SparseStore(3)
    store.write(torch.zeros(3).double(), torch.ones(1).double())
    assert not store.weight.any()
    assert store.read(torch.zeros(1, 3).double()).item() == 0
    store.write(torch.tensor([1.0, 0, 1]).double(), torch.ones(1).double())
    assert store.read(torch.tensor([[0.0, 0, 0], [1, 0, 0]]).double()).flatten().tolist() == [0, 0.5]


def test_bad_input_is_told() -> None:
    with pytest.raises(ValueError, match="at least one unit"):
        SparseStore(0)
    with pytest.raises(ValueError, match="between 0 and 2"):
        SparseStore(3, rate=2.0)
    with pytest.raises(ValueError, match="the same"):
        SparseStore(3).read(torch.ones(1, 4).double())


def test_overlaps_are_those_of_dense_codes() -> None:
    one, other = (codes.winners(torch.randn(20, 15, generator=rng(seed)).double(), 6, positive=True) for seed in (1, 2))
    product = one.dense() @ other.dense().T
    assert torch.equal(probes.overlaps(one, other).double(), product)
    assert torch.equal(probes.overlaps(one).double(), one.dense() @ one.dense().T)
    assert torch.equal(probes.overlap(one, other).double(), product.diagonal())
    assert torch.allclose(probes.code_drift(one, other), 1 - product.diagonal() / one.sizes)
    assert probes.code_drift(one, one).abs().max() == 0
    with pytest.raises(ValueError, match="as many"):
        probes.overlap(one, other[:3])
    with pytest.raises(ValueError, match="no overlap"):
        probes.overlaps(one, Codes(torch.tensor([[0]]), 3))


def test_sparseness_has_its_known_values() -> None:
    code = codes.random(5, 16, 4, generator=rng()).dense()
    assert torch.allclose(probes.treves_rolls(code * 3), torch.full((5,), 0.25).double())
    assert torch.allclose(probes.hoyer(code), torch.full((5,), (4 - 2) / 3).double())
    assert torch.allclose(probes.hoyer(torch.eye(4).double()), torch.ones(4).double())
    assert torch.allclose(probes.hoyer(-torch.ones(1, 4).double()), torch.zeros(1).double(), atol=1e-12)
    assert probes.treves_rolls(torch.zeros(1, 3).double()).isnan().all()
    with pytest.raises(ValueError, match="at least two units"):
        unwrap(probes.hoyer)(torch.ones(2, 1))


def test_the_participation_ratio_counts_directions() -> None:
    assert probes.participation_ratio(torch.eye(5).double(), centred=False) == pytest.approx(5)
    assert probes.participation_ratio(torch.eye(5).double(), centred=True) == pytest.approx(4)
    drawn = make.gaussian(50, 6, generator=rng())
    covariance = torch.cov(drawn.T)
    expected = covariance.trace() ** 2 / covariance.square().sum()
    assert probes.participation_ratio(drawn, centred=True) == pytest.approx(float(expected))
    assert probes.participation_ratio(drawn + 100, centred=True) == pytest.approx(float(expected))
    assert probes.participation_ratio(drawn + 100, centred=False) == pytest.approx(1, abs=0.01)
