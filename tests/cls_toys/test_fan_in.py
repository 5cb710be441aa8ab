"""Layers with few inputs a unit: exact averages against brute-force enumeration of masks, sampling, and known limits."""

import inspect
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import special, stats

from cls_toys import codes, fan_in, separation


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SMALL = {
    "signs": fan_in.signs(8, 6),
    "opposed": fan_in.opposed(8, 0.7),
    "binary": fan_in.binary(8, 4, 2),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("read", [1, 3, 8])
def test_choices_are_those_of_all_masks(name: str, read: int) -> None:
    pair = SMALL[name]
    kind = np.repeat(np.arange(len(pair.counts)), pair.counts)
    masks = list(combinations(range(pair.dim), read))
    drawn = np.array([np.bincount(kind[list(mask)], minlength=len(pair.counts)) for mask in masks])
    rows, chance = fan_in.choices(pair, read)
    assert chance.sum() == pytest.approx(1)
    for row, probability in zip(rows, chance, strict=True):
        assert (drawn == row).all(1).mean() == pytest.approx(probability)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("read", [2, 5])
def test_the_transfer_is_the_average_over_all_masks(name: str, read: int) -> None:
    """Every mask by itself, with SciPy's bivariate normal; the threshold by bisection on the average over masks."""
    pair, activity = SMALL[name], 0.1
    x, y = pair.vectors().numpy()
    masks = [list(mask) for mask in combinations(range(pair.dim), read)]

    def fires(level: float, vector: np.ndarray) -> float:
        sizes = [np.sqrt((vector[mask] ** 2).mean()) for mask in masks]
        return float(np.mean([special.ndtr(-level / size) if size else 0.0 for size in sizes]))

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if fires(middle, x) > activity else (low, middle)
    total = 0.0
    for mask in masks:
        a, b = (np.sqrt((vector[mask] ** 2).mean()) for vector in (x, y))
        if a * b > 0:
            alike = min((x[mask] * y[mask]).mean() / (a * b), 1.0)
            if alike > 1 - 1e-9:
                total += min(special.ndtr(-low / a), special.ndtr(-low / b))
            elif alike > -1 + 1e-9:
                both = stats.multivariate_normal(cov=[[1, alike], [alike, 1]])
                total += both.cdf([-low / a, -low / b])
    assert fan_in.transfer(pair, read, activity) == pytest.approx(total / len(masks) / activity, abs=2e-5)


@pytest.mark.parametrize("name", SMALL)
def test_units_that_read_all_inputs_obey_the_law_of_the_cosine(name: str) -> None:
    pair = SMALL[name]
    expected = separation.transfer(separation.threshold(0.05), pair.cosine)
    assert fan_in.transfer(pair, pair.dim, 0.05) == pytest.approx(float(expected), rel=1e-9)


def test_one_input_of_opposed_ones_is_read_by_units_that_fire_for_one_pattern() -> None:
    """A unit's two drives are one normal variable, scaled: both fire if the weaker does."""
    pair = fan_in.opposed(10, 0.7)
    strong, weak = pair.first
    levels = np.linspace(0, 10, 200_001)
    active = (special.ndtr(-levels / strong) + special.ndtr(-levels / weak)) / 2
    level = levels[np.argmin(np.abs(active - 0.1))]
    assert fan_in.transfer(pair, 1, 0.1) == pytest.approx(special.ndtr(-level / weak) / 0.1, rel=1e-3)


@pytest.mark.parametrize("read", [3, 12])
def test_counted_layers_agree_with_exact_averages(read: int) -> None:
    pairs = [fan_in.signs(20, 17), fan_in.opposed(20, 0.7)]
    shared = fan_in.counted(pairs, read, 0.1, 2000, 30, generator=rng(1))
    for pair, row in zip(pairs, shared, strict=True):
        exact = fan_in.transfer(pair, read, 0.1)
        assert abs(float(row.mean()) - exact) < 4 * float(row.std()) / 30**0.5 + 0.02  # winners share a little less


def test_moments_are_those_of_the_coordinates() -> None:
    assert fan_in.moments(fan_in.signs(20, 17)) == pytest.approx(
        {"square_variance": 0, "square_product": 0, "square_square": 0, "product_variance": 1 - 0.7**2}
    )
    assert fan_in.moments(fan_in.opposed(20, 0.7)) == pytest.approx(
        {"square_variance": 0.51, "square_product": 0, "square_square": -0.51, "product_variance": 0}
    )
    ones = fan_in.moments(fan_in.binary(100, 10, 7))
    assert ones["square_variance"] == pytest.approx(1 / 0.1 - 1)
    assert ones["product_variance"] == pytest.approx(0.07 * 100 - 0.7**2)


def test_random_signs_carry_their_exact_share() -> None:
    table = fan_in.sign_transfers(200, 8, generator=rng(2))
    for row in table.head(10).iter_rows(named=True):
        pair = fan_in.signs(8, round(4 * (1 + row["input_correlation"])))
        exact = fan_in.transfer(pair, row["fan_in"], row["code_activity"])
        assert row["transfer"] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("read", [1, 2, 6])
def test_excitatory_products_are_those_of_all_masks(read: int) -> None:
    pair = fan_in.Inputs((1.0, 1.0, 0.0, 0.0), (1.0, 0.0, 1.0, 0.0), (2, 1, 1, 2))
    x, y = pair.vectors().numpy()
    sums = np.array([[x[list(mask)].sum(), y[list(mask)].sum()] for mask in combinations(range(6), read)])
    products = fan_in.excitatory_products(pair, read)
    assert products == pytest.approx(((sums[:, 0] * sums[:, 1]).mean(), (sums[:, 0] ** 2).mean()))
    assert products.cosine == pytest.approx(products.pair / products.square)
    drawn = fan_in.excitatory_drives(pair, read, 500, 40, generator=rng(3))
    assert abs(float(drawn.mean()) - products.pair) <= 4 * float(drawn.std()) / 40**0.5 + 1e-12


def test_designed_weights_give_codes_that_share_nothing() -> None:
    inputs = torch.randn(6, 9, generator=rng(4)).double()
    weights = fan_in.designed(inputs, 40, 5, generator=rng(5))
    code = codes.winners(inputs @ weights.mT, 5)
    assert code.active.flatten().sort().values.tolist() == list(range(30))
    assert int((weights == 0).sum()) == 0


def test_inputs_have_the_correlation_they_say() -> None:
    assert fan_in.signs(10, 10).cosine == pytest.approx(1)
    assert fan_in.signs(10, 0).cosine == pytest.approx(-1)
    assert fan_in.opposed(6, 0.3).cosine == pytest.approx(0.3)
    assert fan_in.binary(10, 4, 1).cosine == pytest.approx(0.25)
    assert fan_in.opposed(6, 1.0).first == (1, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fan_in.signs(4, 5), "agree=5"),
        (lambda: fan_in.opposed(5, 0.5), "even dimension"),
        (lambda: fan_in.opposed(4, 0.0), "correlation"),
        (lambda: fan_in.binary(10, 8, 2), "2 active - shared <= dim"),
        (lambda: fan_in.choices(SMALL["signs"], 0), "fan_in=0"),
        (lambda: fan_in.choices(SMALL["signs"], 9), "between 1 and 8"),
        (lambda: fan_in.choices(fan_in.binary(4000, 1500, 900), 500), "more than"),
        (lambda: fan_in.transfer(SMALL["signs"], 2, 0.5), "strictly between 0 and 1/2"),
        (lambda: fan_in.transfer(fan_in.binary(100, 2, 1), 1, 0.1), "read anything"),
        (lambda: fan_in.moments(fan_in.Inputs((2.0,), (2.0,), (3,))), "mean square 1"),
        (lambda: fan_in.sign_transfers(0, 8, generator=rng()), "at least one pair"),
        (lambda: fan_in.counted([], 2, 0.1, 100, 1, generator=rng()), "pairs of one dimension"),
        (lambda: fan_in.counted([SMALL["signs"]], 2, 0.001, 100, 1, generator=rng()), "one winner"),
        (lambda: fan_in.excitatory_drives(SMALL["binary"], 2, 5, 0, generator=rng()), "at least one layer"),
        (lambda: fan_in.designed(torch.ones(2, 4).double(), 10, 2, generator=rng()), "linearly dependent"),
        (lambda: fan_in.designed(torch.eye(3).double(), 5, 2, generator=rng()), "disjoint codes"),
    ],
)
def test_bad_input_is_explained(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(call)()
