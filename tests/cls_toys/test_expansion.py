"""Thresholded and polynomial memories against kernels worked by hand, direct sums and published values."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from cls_toys import expansion, probes
from cls_toys import keys as make
from cls_toys.stores import Store
from cls_toys.stores.linear import LinearStore
from cls_toys.stores.polynomial import PolynomialStore, lift
from cls_toys.stores.thresholded import ThresholdedStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def collateral(store: Store, keys: torch.Tensor, out: int = 1) -> torch.Tensor:
    return probes.collateral(store, keys, torch.ones(len(keys), out, dtype=keys.dtype))


def stores(keys: torch.Tensor) -> list[Store]:
    return [
        ThresholdedStore(keys, 0.3, out=2), PolynomialStore(keys, 2, out=2), PolynomialStore(keys, 3, out=2, rule="optimal"),
    ]  # fmt: skip


def test_stores_follow_the_protocol_and_recall_what_was_written() -> None:
    keys = make.gaussian(12, 4, generator=rng())
    values = make.gaussian(12, 2, generator=rng(1))
    for store in stores(keys):
        assert isinstance(store, Store)
        assert torch.equal(store.read(keys), torch.zeros(12, 2, dtype=make.DTYPE))
        for key, value in zip(keys, values, strict=True):
            store.write(key, value)
            torch.testing.assert_close(store.read(key[None])[0], value)


def test_a_copy_is_independent() -> None:
    keys = make.unit(6, 3, generator=rng())
    value = torch.ones(2, dtype=make.DTYPE)
    for store in stores(keys):
        store.write(keys[0], value)
        before = store.read(keys)
        copied = store.copy()
        copied.write(keys[1], -value)
        assert torch.equal(store.read(keys), before)
        assert not torch.equal(copied.read(keys), before)
        store.write(keys[2], 2 * value)
        torch.testing.assert_close(copied.read(keys[1][None])[0], -value)


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31))
def test_lifted_keys_multiply_as_powers(dim: int, degree: int, seed: int) -> None:
    keys = make.unit(5, dim, generator=rng(seed))
    lifted = lift(keys, degree)
    assert lifted.shape == (5, math.comb(dim + degree - 1, degree))
    torch.testing.assert_close(lifted @ lifted.T, (keys @ keys.T) ** degree, rtol=1e-10, atol=1e-12)


def test_lifted_keys_by_hand() -> None:
    x, y = 2.0, 3.0
    lifted = lift(torch.tensor([[x, y]], dtype=make.DTYPE), 3)[0]
    expected = [x**3, 3**0.5 * x * x * y, 3**0.5 * x * y * y, y**3]
    torch.testing.assert_close(lifted, torch.tensor(expected, dtype=make.DTYPE))
    xyz = lift(torch.tensor([[1.0, 1.0, 1.0]], dtype=make.DTYPE), 3)[0].square()
    assert sorted(xyz.tolist()) == pytest.approx([1, 1, 1, 3, 3, 3, 3, 3, 3, 6])


def test_degree_one_is_the_linear_memory() -> None:
    keys = make.gaussian(10, 4, generator=rng())
    for rule in ("local", "optimal"):
        torch.testing.assert_close(
            collateral(PolynomialStore(keys, 1, rule=rule), keys), collateral(LinearStore(keys, rule=rule), keys)
        )


def test_collateral_of_a_local_polynomial_write_is_the_sum_of_powers() -> None:
    keys = make.unit(9, 3, generator=rng())
    for degree in (2, 3):
        expected = [sum(float(k @ other) ** (2 * degree) for other in keys) - 1 for k in keys]
        assert collateral(PolynomialStore(keys, degree), keys).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.8])
def test_collateral_of_a_thresholded_write_is_the_sum_of_squares(threshold: float) -> None:
    keys = make.unit(15, 3, generator=rng())
    expected = [
        sum(max(float(k @ other) - threshold, 0) ** 2 for other in keys) / (1 - threshold) ** 2 - 1 for k in keys
    ]
    assert collateral(ThresholdedStore(keys, threshold), keys).tolist() == pytest.approx(expected, abs=1e-9)


def test_norms_do_not_matter_to_a_threshold() -> None:
    keys = make.unit(8, 3, generator=rng())
    scale = torch.linspace(1e-3, 1e3, 8, dtype=make.DTYPE)[:, None]
    torch.testing.assert_close(
        ThresholdedStore(keys * scale, 0.4).features(keys), ThresholdedStore(keys, 0.4).features(keys * scale)
    )


def test_zero_keys_and_keys_that_no_unit_answers() -> None:
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=make.DTYPE)
    for store in (ThresholdedStore(keys, 0.5), PolynomialStore(keys, 2)):
        assert collateral(store, keys).tolist() == [0, 0, math.inf]
    store = ThresholdedStore(keys, 0.9)
    store.write(torch.tensor([1.0, 1.0], dtype=make.DTYPE), torch.ones(1, dtype=make.DTYPE))
    assert not store.values.any()


def test_a_key_between_the_units_is_recalled_exactly_by_the_nearest_alone() -> None:
    store = ThresholdedStore(torch.eye(2, dtype=make.DTYPE), 0.2, out=2)
    store.write(torch.tensor([1.0, 0.0], dtype=make.DTYPE), torch.tensor([5.0, 7.0], dtype=make.DTYPE))
    key, value = torch.tensor([0.6, 0.8], dtype=make.DTYPE), torch.tensor([-1.0, 2.0], dtype=make.DTYPE)
    store.write(key, value)
    torch.testing.assert_close(store.read(key[None])[0], value)
    assert store.values[0].tolist() == [5, 7]


def test_copies_of_a_key_share_a_unit_at_any_threshold() -> None:
    keys = make.unit(2, 3, generator=rng()).repeat_interleave(2, dim=0)
    assert expansion.coherence(keys) == pytest.approx(1)
    assert collateral(ThresholdedStore(keys, 0.99), keys).tolist() == pytest.approx([1, 1, 1, 1])


# Published by the derivation's author.
def test_many_items_in_few_dimensions() -> None:
    """2048 items in 64 dimensions, threshold .65: the features are the identity, and so is their rank 2048."""
    keys = make.unit(2048, 64, generator=rng())
    overlap = keys @ keys.T
    linear = float((overlap.square().sum(-1) - 1).mean())
    assert linear == pytest.approx(31.96, rel=0.01)
    features = ThresholdedStore(keys, 0.65).features(keys)
    torch.testing.assert_close(features, torch.eye(2048, dtype=make.DTYPE), rtol=0, atol=1e-12)
    store, some = ThresholdedStore(keys, 0.65), range(0, 2048, 512)
    for item in some:
        written = store.copy()
        written.write(keys[item], torch.ones(1, dtype=make.DTYPE))
        assert written.read(keys).abs().sum() == pytest.approx(1)


def test_few_dimensions_and_a_low_threshold() -> None:
    drawn = expansion.random_collateral(256, 16, 0.5, 60, generator=rng())
    error = float(drawn.std()) / math.sqrt(60)
    assert float(drawn.mean()) == pytest.approx(0.187, abs=4 * error + float(drawn.std()))  # one draw of theirs
    density = lambda angle: math.sin(angle) ** 14  # noqa: E731 (of the angle between two keys in 16 dimensions)
    norm = integrate.quad(density, 0, math.pi)[0]
    excess = integrate.quad(lambda t: (math.cos(t) - 0.5) ** 2 * density(t), 0, math.acos(0.5))[0] / norm
    assert float(drawn.mean()) == pytest.approx(255 * excess / 0.25, abs=4 * error)


def test_many_draws_at_a_time_measure_what_writing_does() -> None:
    drawn = expansion.random_collateral(10, 3, 0.2, 4, generator=rng(2))
    keys = make.unit(40, 3, generator=rng(2)).reshape(4, 10, 3)
    expected = [float(collateral(ThresholdedStore(code, 0.2), code).mean()) for code in keys]
    assert drawn.tolist() == pytest.approx(expected)


def test_known_polynomial_memories() -> None:
    """Five dimensions, 120 items: ranks are the binomials, optimal writes lie a little above the bound."""
    compared = expansion.compare(make.unit(120, 5, generator=rng()), [], [1, 2, 3, 4])
    optimal = compared.filter(compared["rule"] == "optimal")
    assert optimal["feature_rank"].to_list() == [5, 15, 35, 70]
    assert optimal["n_parameters"].to_list() == [2 * 5, 2 * 15, 2 * 35, 2 * 70]
    np.testing.assert_allclose(optimal["mean_collateral"], [23.2, 7.26, 2.61, 0.80], rtol=0.06)
    np.testing.assert_allclose(optimal["sum_writability"], [5, 15, 35, 70], rtol=1e-9)


def test_a_comparison_is_of_all_memories() -> None:
    keys = make.unit(12, 3, generator=rng())
    compared = expansion.compare(keys, [0.2, 0.9], [1, 2])
    assert compared["memory"].to_list() == ["linear"] * 2 + ["polynomial"] * 2 + ["thresholded"] * 2
    assert compared.filter(compared["memory"] == "thresholded")["n_parameters"].to_list() == [24, 24]
    assert (compared["sum_writability"] <= compared["feature_rank"] * (1 + 1e-9)).all()
    assert (compared["n_keys"] == 12).all()


def test_the_separating_threshold_is_the_least() -> None:
    keys = make.unit(30, 6, generator=rng())
    (row,) = expansion.separated({"code": keys}).iter_rows(named=True)
    assert row["collateral"] == pytest.approx(0, abs=1e-20)
    assert (row["rank"], row["feature_rank"]) == (6, 30)
    assert collateral(ThresholdedStore(keys, row["threshold"] - 0.02), keys).max() > 1e-6
    (frame,) = expansion.separated({"three keys": make.harmonic_frame(3, 2)}).iter_rows(named=True)
    assert (frame["threshold"], frame["collateral"]) == (0, pytest.approx(0, abs=1e-20))
    assert frame["linear_collateral"] == pytest.approx(0.5)


def test_the_same_seed_measures_the_same() -> None:
    one, two = (expansion.random_collateral(8, 3, 0.3, 5, generator=rng(4)) for _ in range(2))
    assert torch.equal(one, two)


def test_bad_input() -> None:
    keys = make.unit(4, 2, generator=rng())
    for threshold in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="must be at least 0 and below 1"):
            ThresholdedStore(keys, threshold)
        with pytest.raises(ValueError, match="must be at least 0 and below 1"):
            expansion.random_collateral(4, 2, threshold, 5, generator=rng())
    for degree in (0, -1):
        with pytest.raises(ValueError, match="a degree of at least 1"):
            PolynomialStore(keys, degree)
    for make_store in (lambda k, **o: ThresholdedStore(k, 0.5, **o), lambda k, **o: PolynomialStore(k, 2, **o)):
        with pytest.raises(ValueError, match="out=0"):
            make_store(keys, out=0)
        with pytest.raises(ValueError, match="NaN"):
            make_store(keys * float("nan"))
        with pytest.raises(ValueError, match="at least one item and one dimension"):
            make_store(keys[:0])
    for items, dim in ((0, 2), (4, 0)):
        with pytest.raises(ValueError, match="at least one item and one dimension"):
            expansion.random_collateral(items, dim, 0.5, 5, generator=rng())
    with pytest.raises(ValueError, match="an overlap takes two"):
        expansion.coherence(keys[:1])
