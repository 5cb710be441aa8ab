"""Spectra of random keys against exact moments, and the room that trained networks leave."""

import inspect
import math

import numpy as np
import pytest
import torch
from scipy import special

from cls_toys import capacity, load
from cls_toys import keys as make


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def exact_log(items: int, dim: int) -> float:
    """Expected mean logarithm of the eigenvalues: the determinant is a product of independent chi-squares."""
    freedoms = np.arange(items - dim + 1, items + 1)
    return float((special.digamma(freedoms / 2) + math.log(2)).mean() - math.log(dim))


def test_spectra_have_the_moments_of_gaussian_keys() -> None:
    eigenvalues = load.spectra(6, 4, 20_000, generator=rng())
    first, second = eigenvalues.mean(-1), eigenvalues.square().mean(-1)
    assert float(first.mean()) == pytest.approx(6 / 4, abs=4 * float(first.std()) / 20_000**0.5)
    assert float(second.mean()) == pytest.approx(6 * 11 / 16, abs=4 * float(second.std()) / 20_000**0.5)
    assert (load.spectra(3, 5, 4, generator=rng())[:, :2].abs() < 1e-12).all()


def test_spectra_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "CELLS_AT_A_TIME", 30)
    assert load.spectra(3, 5, 7, generator=rng()).shape == (7, 5)


def test_free_share_is_the_trace_of_the_resolvent() -> None:
    keys = make.gaussian(9, 5, generator=rng())
    moment = keys.T @ keys
    expected = 0.3 * torch.linalg.inv(moment + 0.3 * torch.eye(5)).trace() / 5
    assert float(load.free_share(torch.linalg.eigvalsh(moment), 0.3)) == pytest.approx(float(expected))
    shares = load.fresh_shares(keys, 0.3, 20_000, generator=rng(1))
    assert float(shares.mean()) == pytest.approx(float(expected), abs=4 * float(shares.std()) / 20_000**0.5)


def test_the_law_is_met_within_two_thousandths_at_four_hundred_dimensions() -> None:
    for at in (0.5, 1.0, 2.0):
        share = float(load.free_share(load.spectra(int(400 * at), 400, 1, generator=rng()), 0.1).mean())
        law = (1 - at - 0.1 + math.sqrt((at - 1 + 0.1) ** 2 + 0.4)) / 2
        assert share == pytest.approx(law, abs=0.002)


def test_controlled_means_are_right_and_more_precise() -> None:
    exact = exact_log(24, 8)
    plain, controlled = [], []
    for seed in range(20):
        plain.append(float(load.spectra(24, 8, 500, generator=rng(seed)).log().mean()) - exact)
        table = load.by_dimension([8], 3.0, 0.1, 500, generator=rng(seed))
        controlled.append(table["mean_log_eigenvalue"][0] - exact)
    assert np.std(controlled) < np.std(plain) / 2
    assert abs(np.mean(controlled)) < 4 * np.std(controlled) / 20**0.5


def test_below_load_one_the_mean_logarithm_is_minus_infinity() -> None:
    assert load.by_dimension([8], 0.5, 0.1, 50, generator=rng())["mean_log_eigenvalue"][0] == -math.inf


def test_bits_of_one_key_matrix_are_those_of_its_water_filling() -> None:
    table = load.bits_by_load([2.0, 8.0], 6, 1.0, 0.01, 200, generator=rng())
    assert table["load"].to_list() == [2, 8]
    # Filled everywhere: log2 of the level over the noise, less the mean logarithm of the eigenvalues, halved.
    for at, total, per_item in table.rows():
        trace = 6 * at
        for bits, budget in ((total, 1.0), (per_item, 6 * at)):
            level = (2 * budget + 0.01**2 * trace) / 6
            expected = (math.log(level / 0.01**2) - exact_log(int(6 * at), 6)) / (2 * math.log(2))
            assert bits == pytest.approx(expected, abs=0.01)


def test_networks_keep_more_room_than_random_keys_and_less_with_more_digits() -> None:
    table = load.digit_networks([4], [20, 80], 2, 30, 0.1, generator=rng())
    assert table.shape == (4, 8)
    assert (table["n_parameters"] == 64 * 4 + 4 + 4 * 10 + 10).all()
    assert table["load"].to_list() == pytest.approx([20 * 9 / 310, 80 * 9 / 310] * 2)
    assert (table["free_share"] > table["random_share"]).all()
    law = capacity.free_dimensions  # another count of the same room, on random keys: nulls are free
    keys = make.gaussian(180, 310, generator=rng())
    assert law(torch.linalg.eigvalsh(keys.T @ keys), 1e-9, 1.0) == 130
    random = table.filter(table["items"] == 20)["random_share"]
    assert random.to_list() == pytest.approx([0.514, 0.514], abs=0.02)  # the law at load .581 and ridge .1
    by_items = table.group_by("items", maintain_order=True).mean()["free_share"]
    assert by_items[1] < by_items[0]


@pytest.mark.parametrize("rows", [4, 12])
def test_keys_are_scaled_by_how_many_are_independent_not_by_how_many_there_are(rows: int) -> None:
    """A softmax root gives a row for each output, one more than are independent: the count sets the scale."""
    keys = 7.0 * torch.eye(4, 8, dtype=torch.float64).repeat(rows // 4, 1)
    # Two keys of unit length on average make a trace of 2, shared by 4 directions; the other 4 of 8 are free.
    assert load._share_of(keys, 2, 0.5) == pytest.approx((4 + 4 * 0.5 / (0.5 + 0.5)) / 8)


def test_bad_input_is_refused_before_any_work() -> None:
    for bad in ((0, 4, 1), (4, 0, 1), (4, 4, 0)):
        with pytest.raises(ValueError, match="each must be at least 1"):
            load.spectra(*bad, generator=rng())
    for ridge in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="give a positive and finite ridge"):
            load.free_share(torch.ones(3), ridge)
        with pytest.raises(ValueError, match="give a positive and finite ridge"):
            load.fresh_shares(torch.ones(3, 2), ridge, 5, generator=rng())
    with pytest.raises(ValueError, match="NaN or infinity"):
        load.fresh_shares(torch.full((3, 2), math.nan), 1.0, 5, generator=rng())
    with pytest.raises(ValueError, match="give a floating-point tensor"):
        inspect.unwrap(load.fresh_shares)(torch.ones(3, 2, dtype=torch.int64), 1.0, 5, generator=rng())
    with pytest.raises(ValueError, match=r"load=1.5 at dim=5: that is 7.5 items"):
        load.by_dimension([4, 5], 1.5, 0.1, 5, generator=rng())
    with pytest.raises(ValueError, match="only the radius may be infinite"):
        load.bits_by_load([2.0], 4, -1.0, 0.1, 5, generator=rng())
    with pytest.raises(ValueError, match="each must be at least 1"):
        load.digit_networks([4], [0], 1, 5, 0.1, generator=rng())
    with pytest.raises(ValueError, match=r"data=\[5000\]: there are 1348 digits to train on"):
        load.digit_networks([4], [5000], 1, 5, 0.1, generator=rng())
