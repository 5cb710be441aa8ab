"""Finite writes: measured against plain evaluation of the moved network, searched ones against their definition."""

import inspect
import math

import numpy as np
import pytest
import torch

from cls_toys import escapes, finite, first_order, networks, probes, tangent
from cls_toys import keys as make
from theory import claim


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def trained() -> first_order.Network:
    return first_order.regression((3, 4, 1), "tanh", 30, generator=rng(), steps=50)


def test_a_write_is_judged_by_the_network_it_leaves(trained: first_order.Network) -> None:
    network, inputs = trained
    deltas = 0.3 * torch.randn(30, 21, generator=rng(1), dtype=make.DTYPE)
    judged = finite.judge(network, inputs, deltas)
    with torch.no_grad():
        for item in (0, 17):
            moved = (tangent.moved(network, deltas[item])(inputs) - network(inputs))[:, 0]
            assert judged["hit"][item] == pytest.approx(float(moved[item]))
            assert judged["writability"][item] == pytest.approx(float(moved[item] ** 2 / moved.square().sum()))
            assert judged["change_norm"][item] == pytest.approx(float(moved.norm()))


def test_writes_that_change_nothing_are_left_out(trained: first_order.Network) -> None:
    deltas = torch.zeros(30, 21, dtype=make.DTYPE)
    deltas[4] = 0.1
    assert finite.judge(*trained, deltas)["item"].to_list() == [4]


def test_every_finite_write_obeys_the_bound(trained: first_order.Network) -> None:
    """Of any size, in any direction: the specification's acceptance test, without the maximum."""
    bound = claim("finite-writes")
    for size in (1e-3, 0.1, 1.0, 10.0):
        judged = finite.judge(*trained, size * torch.randn(30, 21, generator=rng(2), dtype=make.DTYPE))
        most = bound.bound("item", leverage=judged["leverage"], off_tangent=judged["off_tangent"])
        assert (judged["writability"].sqrt().to_numpy() <= most + 1e-9).all()


def test_small_writes_of_the_rules_are_what_the_tangent_says(trained: first_order.Network) -> None:
    network, inputs = trained
    compared = finite.compare(network, inputs, [1e-7], [0.5], steps=50)
    keys = tangent.features(network, inputs)[:, 0]
    best, step = (compared.filter(rule=rule) for rule in ("optimal direction", "one step"))
    np.testing.assert_allclose(best["writability"], probes.leverage(keys), rtol=2e-2)
    np.testing.assert_allclose(step["writability"], probes.dimensionality(keys), rtol=1e-3)
    np.testing.assert_allclose(step["hit"], 1e-7, rtol=1e-3)
    assert set(compared["rank"]) == {21}


def test_a_search_ends_better_than_the_step_it_starts_from(trained: first_order.Network) -> None:
    network, inputs = trained
    found = finite.judge(network, inputs, finite.search(network, inputs, 1.0, steps=400))
    keys = tangent.features(network, inputs)[:, 0]
    start = finite.judge(network, inputs, keys / keys.square().sum(-1, keepdim=True))
    assert found["writability"].mean() > 2 * start["writability"].mean()
    assert found["hit"].mean() == pytest.approx(1.0, abs=0.2)
    assert torch.equal(*(finite.search(network, inputs, 1.0, steps=20) for _ in range(2)))
    for size in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="needs a positive and finite size"):
            finite.search(network, inputs, size)


def test_networks_and_writes_that_are_not_judged(trained: first_order.Network) -> None:
    network, inputs = trained
    two = networks.mlp((3, 4, 2), "tanh", generator=rng(), dtype=make.DTYPE)
    for call in (
        lambda: finite.search(two, inputs, 1.0),
        lambda: finite.judge(two, inputs, torch.ones(30, 26, dtype=make.DTYPE)),
        lambda: finite.compare(two, inputs, [1.0], []),
        lambda: finite.shrinking(two, inputs, [1.0]),
    ):
        with pytest.raises(ValueError, match="has 2 outputs"):
            call()
    with pytest.raises(ValueError, match="2 writes for 30 items"):
        inspect.unwrap(finite.judge)(network, inputs, torch.ones(2, 21, dtype=make.DTYPE))
    with pytest.raises(ValueError, match="steps=0: a search"):
        finite.search(network, inputs, 1.0, steps=0)
    with pytest.raises(ValueError, match="no networks"):
        first_order.best_conditioned([])


def test_the_share_of_shrinking_writes_tends_to_the_leverage(trained: first_order.Network) -> None:
    shrinking = finite.shrinking(*trained, [1e-2, 1e-3, 1e-4])
    error = (shrinking["writability"] / shrinking["leverage"] - 1).abs().to_list()
    assert error[2] < error[1] / 5 < error[0] / 25
    assert shrinking["length_inverse"].to_list() == pytest.approx([1e2, 1e3, 1e4])


def test_the_true_divergence_of_a_tiny_write_is_as_predicted() -> None:
    keys = make.gaussian(20, 4, generator=rng())
    readout, weighed = first_order.softmax_readout(keys, 3, generator=rng(1))
    shrinking = finite.shrinking_divergence(readout, keys, weighed, [1e-3])
    best, deltas = tangent.best_directions(weighed)
    with torch.no_grad():
        p = readout(keys).softmax(-1)
        q = tangent.moved(readout, 1e-3 * deltas[0])(keys).softmax(-1)
    divergence = (p * (p / q).log()).sum(-1)
    assert shrinking["writability"][0] == pytest.approx(float(divergence[0] / divergence.sum()), rel=1e-6)
    assert shrinking["writability"][0] == pytest.approx(float(best[0]), rel=1e-2)


def test_the_curvature_of_an_autoencoder_bounds_the_remainder() -> None:
    inputs, network = make.gaussian(12, 6, generator=rng()), networks.Autoencoder(make.gaussian(4, 6, generator=rng(1)))
    delta = torch.randn(24, generator=rng(2), dtype=make.DTYPE)
    linear = torch.einsum("p,iop->io", delta, tangent.features(network, inputs))
    remainder = tangent.changes(network, inputs, delta[None])[0].detach() - linear
    e = delta.reshape(4, 6)
    torch.testing.assert_close(remainder, inputs @ e.T @ e)
    curved = finite.curved(4, 6, [0.1, 1.0], generator=rng(3))
    np.testing.assert_allclose(curved["write_norm"], [0.1, 1.0])
    draw = rng(3)  # the inputs that it drew, after the weights
    make.gaussian(4, 6, generator=draw)
    largest = np.linalg.svd(make.gaussian(12, 6, generator=draw).numpy())[1][0]
    np.testing.assert_allclose(curved["curvature"], 2 * largest)


def test_packed_digits_and_a_kink_escape() -> None:
    packed = escapes.Packed(base=10)
    with torch.no_grad():
        packed.number += 345
    places = torch.arange(3, dtype=make.DTYPE)[:, None]
    assert packed(places)[:, 0].tolist() == [5, 4, 3]
    for step in (-0.4, 0.4):  # where it starts no digit jumps, so that its derivative is 0
        assert tangent.moved(escapes.Packed(), torch.tensor([step], dtype=make.DTYPE))(places).tolist() == [[0.0]] * 3
    assert tangent.moved(packed, torch.tensor([20.0], dtype=make.DTYPE))(places)[:, 0].tolist() == [5, 6, 3]
    assert finite.escaped().rows() == [("packed digits", "finite", 0, 3.0), ("kink", "unaimed", 0, 2.0)]
