"""The replay path against matrix exponentials and training from an arbitrary fit, the replaying store, a real network."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, stats

from cls_toys import keys as make
from cls_toys import networks, probes, replay, tangent
from cls_toys.stores import Store
from cls_toys.stores.replay import ReplayStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def double(values: object) -> torch.Tensor:
    return torch.as_tensor(values, dtype=make.DTYPE)


KEYS = {
    "more items than dimensions": make.gaussian(9, 4, generator=rng()),
    "more dimensions than items": make.gaussian(4, 9, generator=rng()),
    "rank-deficient": make.rank_deficient(8, 5, 2, generator=rng()),
    "duplicated": make.duplicated(8, 3, generator=rng()),
    "tight frame": make.harmonic_frame(7, 3),
    "one item": make.gaussian(1, 3, generator=rng()),
    "zero key": double([[1.0, 0.5], [0.0, 0.0], [0.3, -1.0]]),
}
every_geometry = pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)


def share(change: np.ndarray, item: int) -> float:
    total = (change**2).sum()
    return float(change[item] ** 2 / total) if total else 0.0


@every_geometry
def test_the_path_of_gradient_flow_is_that_of_the_matrix_exponential(keys: torch.Tensor) -> None:
    gram = (keys @ keys.T).numpy()
    times = double([0.01, 0.3, 1.0, 4.0, 50.0])
    expected = [
        [share((np.eye(len(gram)) - linalg.expm(-t * gram))[i], i) for t in times.tolist()] for i in range(len(gram))
    ]
    np.testing.assert_allclose(replay.path(keys, times), expected, rtol=1e-9, atol=1e-12)


@every_geometry
@pytest.mark.parametrize("rate", [0.3, 1.0, 1.9])
def test_training_from_any_fit_moves_as_the_path_says(keys: torch.Tensor, rate: float) -> None:
    """Gradient descent from a least-squares fit of random labels, which leaves residuals, after one label has moved."""
    k, steps = keys.numpy(), [1, 2, 7, 40]
    labels = np.random.default_rng(1).normal(size=len(k))
    largest = np.linalg.eigvalsh(k @ k.T)[-1]
    expected = np.zeros((len(k), len(steps)))
    for item in range(len(k)):
        fitted = np.linalg.lstsq(k, labels, rcond=None)[0]
        weight, moved = fitted.copy(), labels + 2.5 * np.eye(len(k))[item]
        for step in range(1, steps[-1] + 1):
            weight = weight - rate / largest * (k @ weight - moved) @ k
            if step in steps:
                change = k @ (weight - fitted)
                expected[item, steps.index(step)] = 0 if not k[item].any() else share(change, item)
    np.testing.assert_allclose(replay.path(keys, double(steps), rate), expected, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(replay.descend(keys, steps, rate), expected, rtol=1e-7, atol=1e-10)


def test_two_keys_by_hand() -> None:
    """Eigenvalues 1.6 and 0.4, each with half of either item."""
    keys = double([[1.0, 0.0], [0.6, 0.8]])
    for t in (0.1, 1.0, 5.0):
        fast, slow = 1 - math.exp(-1.6 * t), 1 - math.exp(-0.4 * t)
        expected = (fast + slow) ** 2 / (2 * (fast**2 + slow**2))
        np.testing.assert_allclose(replay.path(keys, double([t]))[:, 0], expected, rtol=1e-12)
    found = replay.spectrum(keys)
    np.testing.assert_allclose(found.eigenvalues, [1.6, 0.4])
    np.testing.assert_allclose(found.shares, 0.5)
    assert (float(found.largest), float(found.least)) == pytest.approx((1.6, 0.4))


@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**31), st.sampled_from([None, 0.2, 0.99]))
def test_the_path_rises_from_dimensionality_to_leverage_within_the_rate(
    items: int, dim: int, seed: int, rate: float | None
) -> None:
    keys = make.gaussian(items, dim, generator=rng(seed))
    found = replay.spectrum(keys)
    times = torch.logspace(0, 4, 30, dtype=make.DTYPE).round() if rate else torch.logspace(-4, 3, 61, dtype=make.DTYPE)
    times = times.unique()
    path = replay.path(keys, times, rate)
    leverage = probes.leverage(keys)[:, None]
    assert (path.diff(dim=-1) >= -1e-9).all()
    assert (path >= probes.dimensionality(keys)[:, None] - 1e-9).all()
    assert (path <= leverage + 1e-9).all()
    g = found.least
    left = (1 - rate * g / found.largest) ** times if rate else torch.exp(-times * g)
    assert (1 - path / leverage <= (left / (2 - left)) ** 2 + 1e-9).all()


@every_geometry
def test_both_ends(keys: torch.Tensor) -> None:
    dimensionality = probes.dimensionality(keys)
    instant = double([1e-7]) / replay.spectrum(keys).largest
    np.testing.assert_allclose(replay.path(keys, instant)[:, 0], dimensionality, rtol=1e-6)
    np.testing.assert_allclose(replay.descend(keys, [1])[:, 0], dimensionality, rtol=1e-12)
    np.testing.assert_allclose(
        replay.descend(keys, [1, 5, 60], alone=True), dimensionality[:, None].expand(-1, 3), rtol=1e-12
    )
    np.testing.assert_allclose(replay.refit(keys), probes.leverage(keys), atol=1e-12)
    forever = double([1e4]) / replay.spectrum(keys).least
    np.testing.assert_allclose(replay.path(keys, forever)[:, 0], probes.leverage(keys), atol=1e-12)


def test_a_batch_of_codes_is_each_of_them() -> None:
    keys = make.gaussian(12, 3, generator=rng()).reshape(2, 6, 3)
    for measured in (replay.descend(keys, [1, 4]), replay.path(keys, double([1.0, 4.0]), 0.99)):
        assert measured.shape == (2, 6, 2)
    for one, both in zip(keys, replay.descend(keys, [1, 4]), strict=True):
        torch.testing.assert_close(replay.descend(one, [1, 4]), both)


def test_about_two_thirds_of_codes_are_not_monotone_at_nearly_twice_the_step() -> None:
    """Published by the derivation's author: about two thirds of 300 random trials at 1.9, none below 1."""
    table = replay.steps_too_long([0.99, 1.9], 8, 4, trials=300, steps=100, generator=rng())
    falls = {rate: int(rows["falls"].sum()) for (rate,), rows in table.group_by("rate")}
    assert falls[0.99] == 0
    assert stats.binomtest(falls[1.9], 300, 2 / 3).pvalue > 1e-3
    again = replay.steps_too_long([0.99, 1.9], 8, 4, trials=300, steps=100, generator=rng())
    assert table.equals(again)
    fallen = table.filter(table["falls"])
    assert (fallen["replayed_later"] < fallen["replayed"]).all()


def test_the_table_of_a_code_holds_each_time_beside_the_next() -> None:
    codes = {"a": make.gaussian(5, 3, generator=rng()), "b": KEYS["zero key"]}
    for rate, times in ((None, [0.1, 1.0, 10.0]), (0.5, [1, 2, 9])):
        table = replay.measure(codes, times, rate)
        assert len(table) == (5 + 2) * 3, "a zero key is left out"
        for (_, _), rows in table.group_by("code", "item"):
            assert rows["replayed_later"].to_list() == [*rows["replayed"].to_list()[1:], None], "the last has no next"
        assert (table["step_size"] * table["largest_eigenvalue"]).to_list() == pytest.approx([rate or 0.0] * len(table))
    own = table.filter(table["code"] == "a", table["item"] == 2)["replayed"].to_list()
    assert own == pytest.approx(replay.descend(codes["a"], [1, 2, 9], 0.5)[1].tolist())


# --------------------------------------------------------------------------------------------------- the replaying store


@every_geometry
@pytest.mark.parametrize("steps", [1, 3, 50])
def test_a_write_into_the_store_has_the_writability_of_the_path(keys: torch.Tensor, steps: int) -> None:
    collateral = probes.collateral(ReplayStore(keys, steps=steps), keys, torch.ones(len(keys), 1, dtype=keys.dtype))
    expected = replay.path(keys, double([steps]), 0.99)[:, 0]
    nonzero = keys.norm(dim=-1) > 0
    # Copies of a key share a label in the store: both move, and a write has the same change as if one label moved.
    np.testing.assert_allclose((1 / (1 + collateral))[nonzero], expected[nonzero], rtol=1e-9)
    assert torch.isinf(collateral[~nonzero]).all()


def test_the_store_follows_the_protocol() -> None:
    keys = make.gaussian(6, 4, generator=rng())
    store = ReplayStore(keys, out=2, steps=5)
    assert isinstance(store, Store)
    assert store.parameters == 2 * 4 + 6 * 4 + 6 * 2
    before, clone = store.read(keys), store.copy()
    clone.write(keys[0], double([1.0, -1.0]))
    assert torch.equal(store.read(keys), before)
    assert not torch.equal(clone.read(keys), before)
    assert clone.parameters == store.parameters, "the label of a filed key is replaced"
    clone.write(make.gaussian(1, 4, generator=rng(1))[0], double([0.0, 0.0]))
    assert clone.parameters == store.parameters + 4 + 2, "a new key is filed"


def test_the_store_recalls_all_it_was_given_if_it_can() -> None:
    keys, values = make.unit(4, 6, generator=rng()), make.gaussian(4, 2, generator=rng(1))
    store = ReplayStore(keys, out=2, steps=3000)
    for key, value in zip(keys, values, strict=True):
        store.write(key, value)
    np.testing.assert_allclose(store.read(keys), values, atol=1e-9)
    store.write(keys[1], values[0])
    np.testing.assert_allclose(store.read(keys[1:2])[0], values[0], atol=1e-9)


def test_one_step_of_the_store_is_a_step_on_the_whole_buffer() -> None:
    """By hand: two items read 0; the first becomes 1; g_max is 1.6, and the step 0.8 / 1.6 along the first key."""
    keys = double([[1.0, 0.0], [0.6, 0.8]])
    store = ReplayStore(keys, steps=1, rate=0.8)
    store.write(keys[0], double([1.0]))
    np.testing.assert_allclose(store.weight, [[0.5, 0.0]])
    store.write(keys[0], double([1.0]))  # now the second item, which reads 0.3 where it should read 0, pulls too
    np.testing.assert_allclose(store.weight, [[0.5 + 0.5 * (0.5 - 0.3 * 0.6), -0.5 * 0.3 * 0.8]])


def test_budgets_end_at_the_bound_and_never_below() -> None:
    codes = {"frame": make.harmonic_frame(9, 3), "Gaussian": make.gaussian(9, 3, generator=rng())}
    table = replay.budgets(codes, [1, 10, 400])
    assert table.filter(table["code"] == "frame")["mean_collateral"].to_list() == pytest.approx([2.0] * 3)
    random = table.filter(table["code"] == "Gaussian")
    assert (random["mean_collateral"] >= 2).all()
    assert random["sum_writability"].to_list() == sorted(random["sum_writability"])
    assert random["sum_writability"][-1] == pytest.approx(3, rel=1e-6)


def test_replaying_some_items_spares_those_only() -> None:
    keys = make.gaussian(10, 4, generator=rng())
    table = replay.partial(keys, 4)
    local, some, everything = table.iter_rows(named=True)
    assert everything["among all"] == pytest.approx(float(probes.leverage(keys)[:4].mean()))
    assert some["among them"] == pytest.approx(1), "four random keys in four dimensions are independent"
    assert some["among all"] < everything["among all"]
    assert local["among them"] < some["among them"]


# ------------------------------------------------------------------------------------------------------------- networks


def tanh_network() -> tuple[torch.nn.Module, torch.Tensor]:
    model = networks.mlp([3, 6, 1], "tanh", generator=rng(), dtype=torch.float64)
    return model, torch.randn(30, 3, generator=rng(1), dtype=torch.float64)


def test_the_network_is_trained_as_an_optimiser_would() -> None:
    model, inputs = tanh_network()
    features = tangent.features(model, inputs)[:, 0]
    rate = 0.7 / float(torch.linalg.eigvalsh(features @ features.T)[-1])
    found = replay.network(model, inputs, [(4, 0.5), (9, 0.01)], [1, 25], 0.7)
    for write, (item, move) in enumerate([(4, 0.5), (9, 0.01)]):
        trained = copy.deepcopy(model)
        start = model(inputs).detach()[:, 0]
        labels = start.clone()
        labels[item] += move
        optimiser = torch.optim.SGD(trained.parameters(), lr=rate)
        for step in range(1, 26):
            optimiser.zero_grad()
            (0.5 * (trained(inputs)[:, 0] - labels).square().sum()).backward()
            optimiser.step()
            if step in (1, 25):
                change = (trained(inputs).detach()[:, 0] - start).numpy()
                measured = float(found.measured[write, (1, 25).index(step)])
                assert measured == pytest.approx(share(change, item), rel=1e-9)
    assert all(parameter.grad is None for parameter in model.parameters()), "the model itself is left alone"


def test_a_small_move_follows_the_tangent_features_and_a_large_one_does_not() -> None:
    model, inputs = tanh_network()
    steps = [1, 10, 100, 400]
    found = replay.network(model, inputs, [(5, 1e-4), (5, 3.0)], steps)
    np.testing.assert_allclose(found.measured[0], found.tangent[0], rtol=1e-3)
    assert float((found.measured[1] / found.tangent[1] - 1).abs().max()) > 0.05
    assert float(found.tangent[0, 0]) == pytest.approx(float(found.dimensionality[0]))
    assert (found.measured[0] <= found.leverage[0]).all()


# ------------------------------------------------------------------------------------------------------------ bad input


def test_bad_input_of_paths() -> None:
    keys = make.gaussian(3, 2, generator=rng())
    for times in ([], [0.0, 1.0], [-1.0], [float("nan")], [1.0, math.inf]):
        with pytest.raises(ValueError, match="all of them positive and finite"):
            replay.path(keys, double(times))
    for rate in (0.0, 2.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="strictly between 0 and 2"):
            replay.descend(keys, [1], rate)
        with pytest.raises(ValueError, match="strictly between 0 and 2"):
            replay.path(keys, double([1.0]), rate)
    for steps in ([], [0, 1], [2, 2], [3, 1]):
        with pytest.raises(ValueError, match="increasing numbers of steps"):
            replay.descend(keys, steps)
    for bad in (keys * float("nan"), keys[:0], keys[:, :0], keys.float() * float("inf")):
        for call in (replay.refit, lambda k: replay.descend(k, [1]), lambda k: replay.path(k, double([1.0]).to(k))):
            with pytest.raises(ValueError, match="keys "):
                call(bad)
    with pytest.raises(ValueError, match="replayed=4: must lie between 1"):
        replay.partial(keys, 4)
    for times in ([1.0, 1.0], [2.0, 1.0]):
        with pytest.raises(ValueError, match="give increasing times"):
            replay.measure({"a": keys}, times)
    for steps, trials in ((1, 5), (5, 0)):
        with pytest.raises(ValueError, match="a fall needs two steps"):
            replay.steps_too_long([0.5], 3, 2, trials=trials, steps=steps, generator=rng())


def test_bad_input_of_the_store() -> None:
    keys = make.gaussian(3, 2, generator=rng())
    with pytest.raises(ValueError, match="out=0"):
        ReplayStore(keys, out=0)
    for steps, rate in ((0, 0.5), (1, 0.0), (1, 1.5), (1, float("nan"))):
        with pytest.raises(ValueError, match="at least one step, and a rate"):
            ReplayStore(keys, steps=steps, rate=rate)
    with pytest.raises(ValueError, match="NaN"):
        ReplayStore(keys * float("nan"))


def test_bad_input_of_networks() -> None:
    model, inputs = tanh_network()
    for writes in ([], [(30, 0.1)], [(-1, 0.1)], [(0, 0.0)], [(0, math.nan)], [(0, math.inf)]):
        with pytest.raises(ValueError, match="indices of the 30 items"):
            replay.network(model, inputs, writes, [1])
    with pytest.raises(ValueError, match="increasing numbers of steps"):
        replay.network(model, inputs, [(0, 0.1)], [])
    two = networks.mlp([3, 6, 2], "tanh", generator=rng(), dtype=torch.float64)
    with pytest.raises(ValueError, match="has 2 outputs"):
        replay.network(two, inputs, [(0, 0.1)], [1])
