"""Pattern separation: quadrature against mpmath and SciPy, moments of winners against enumeration and counting."""

import inspect
from itertools import product

import mpmath
import numpy as np
import pytest
import torch
from scipy import special, stats

from cls_toys import codes, separation

PAIRS = [(0.02, 0.3), (0.1, 0.9), (0.5, 0.3), (1e-6, 0.9), (0.9, 0.1), (0.02, -0.5), (0.7, -0.9), (0.02, 0.999)]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def both(activity: float, correlation: float) -> mpmath.mpf:
    """Probability that both drives exceed the threshold, by Plackett's integral from correlation -1, to 30 digits."""
    with mpmath.workdps(30):
        theta = mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * mpmath.mpf(activity))
        end = mpmath.asin(mpmath.mpf(correlation))
        corner = mpmath.quad(
            lambda angle: mpmath.exp(-(theta**2) / max(1 + mpmath.sin(angle), mpmath.mpf("1e-60"))),
            [-mpmath.pi / 2, min(0, end), end],
        )
        return max(0, 2 * mpmath.mpf(activity) - 1) + corner / (2 * mpmath.pi)


@pytest.mark.parametrize(("activity", "correlation"), PAIRS)
def test_the_transfer_agrees_with_a_thirty_digit_integral(activity: float, correlation: float) -> None:
    shared = separation.transfer(separation.threshold(activity), correlation)
    assert shared == pytest.approx(float(both(activity, correlation) / activity), rel=1e-11)


def test_the_transfer_agrees_with_scipys_bivariate_normal() -> None:
    for activity, correlation in ((0.1, 0.5), (0.3, -0.4)):
        theta = stats.norm.isf(activity)
        pair = stats.multivariate_normal(cov=[[1, correlation], [correlation, 1]])
        assert separation.transfer(theta, correlation) * activity == pytest.approx(pair.cdf([-theta, -theta]), rel=1e-5)


@pytest.mark.parametrize("activity", [0.02, 0.5, 0.9])
def test_equal_and_opposite_inputs_have_the_documented_values(activity: float) -> None:
    theta = separation.threshold(activity)
    assert separation.transfer(theta, 1.0) == 1
    assert separation.transfer(theta, -1.0) == pytest.approx(max(0, 2 - 1 / activity))
    assert separation.transfer(theta, 0.0) == pytest.approx(activity)


def test_the_transfer_keeps_its_relative_accuracy_where_nothing_fires() -> None:
    with mpmath.workdps(40):
        theta, kappa = mpmath.mpf(30), mpmath.sqrt(mpmath.mpf(1) / 3)
        tail = mpmath.erfc(theta / mpmath.sqrt(2)) / 2
        integral = mpmath.quad(
            lambda t: mpmath.npdf(t) * mpmath.erfc(kappa * t / mpmath.sqrt(2)) / 2, [30, 30.2, 30.6, 32, 40]
        )
        assert separation.transfer(30.0, 0.5) == pytest.approx(float(2 * integral / tail), rel=1e-10)


def test_what_is_lost_is_one_less_what_is_shared_and_keeps_its_digits() -> None:
    theta = separation.threshold(np.array([0.02, 0.3, 0.5]))
    assert separation.change(theta, 0.4) == pytest.approx(1 - separation.transfer(theta, 0.6), rel=1e-12)
    with mpmath.workdps(40):
        theta = mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * mpmath.mpf(0.02))
        corner = mpmath.quad(
            lambda angle: mpmath.exp(-(theta**2) / (1 + mpmath.cos(angle))), [0, mpmath.acos(1 - mpmath.mpf(1e-10))]
        )
        exact = float(corner / (2 * mpmath.pi * mpmath.mpf(0.02)))
    assert separation.change(separation.threshold(0.02), 1e-10) == pytest.approx(exact, rel=1e-10)
    assert separation.change(1.0, 0.0) == 0


@pytest.mark.parametrize("kwta", [False, True])
def test_counted_layers_agree_with_the_exact_laws(kwta: bool) -> None:
    """Winners against their exact moments, a threshold against mpmath, each within four standard errors."""
    counted = separation.counted([0.25], [-0.3, 0.0, 0.6, 1.0], 40, 4000, kwta=kwta, generator=rng(1))
    assert counted.cells.rows() == [(0.25, rho) for rho in (-0.3, 0.0, 0.6, 1.0)]
    mean, error = counted.share.mean(1), counted.share.std(1) / 4000**0.5
    for row, rho in enumerate(counted.cells["input_correlation"]):
        if kwta and rho < 0:
            continue
        exact = separation.winner_moments(40, 10, rho).share if kwta else float(both(0.25, rho)) / 0.25
        assert abs(float(mean[row]) - exact) <= 4 * float(error[row]) + 1e-12
    if kwta:
        variance = counted.share[2].var() * 100 / 40
        exact = separation.winner_moments(40, 10, 0.6).variance
        assert float(variance) == pytest.approx(exact, rel=4 * (2 / 4000) ** 0.5)
        assert (counted.share[3] == 1).all()


def test_a_layer_never_has_fewer_than_one_winner() -> None:
    few = separation.counted([0.001], [0.5], 20, 3, kwta=True, generator=rng())
    assert few.cells["code_activity"].item() == 1 / 20


def test_moments_of_winners_are_those_of_two_rankings_of_three_units() -> None:
    """Three units, one or two winners: sampled rankings of correlated normals, and the hypergeometric law at correlation 0."""
    drives = torch.randn(2, 400_000, 3, generator=rng(2)).double()
    second = 0.6 * drives[0] + 0.8 * drives[1]
    for active in (1, 2):
        sets = [drive.topk(active).indices for drive in (drives[0], second)]
        shared = sum((sets[0][:, i] == sets[1][:, j]).double() for i, j in product(range(active), range(active)))
        exact = separation.winner_moments(3, active, 0.6)
        assert float(shared.mean()) / active == pytest.approx(exact.share, abs=4 * float(shared.std()) / 632 / active)
        assert float(shared.var()) / 3 == pytest.approx(exact.variance, rel=0.02)
        chance = separation.winner_moments(3, active, 0.0)
        law = (active**2 / 3, active**2 * (3 - active) ** 2 / 18)  # mean and variance of the hypergeometric law
        assert (chance.share * active, chance.variance * 3) == pytest.approx(law)


def test_moments_of_winners_pass_smoothly_into_chance() -> None:
    near, chance = separation.winner_moments(30, 6, 1e-6), separation.winner_moments(30, 6, 0.0)
    assert near == pytest.approx(chance, rel=1e-4)


def test_all_units_win_and_equal_inputs_share_everything() -> None:
    assert separation.winner_moments(1, 1, 0.4) == (1, 0)
    assert separation.winner_moments(9, 9, 0.0) == (1, 0)
    assert separation.winner_moments(9, 3, 1.0) == (1, 0)


def test_one_winner_of_two_units_is_an_angle() -> None:
    """The better of two units is the same for both inputs if two differences of normal drives agree in sign."""
    exact = 0.5 + np.arcsin(0.7) / np.pi
    assert separation.winner_moments(2, 1, 0.7).share == pytest.approx(exact, rel=1e-6)


def test_the_correlation_of_codes_is_numpys() -> None:
    drives = torch.randn(2, 5, 12, generator=rng(3)).double()
    one, two = (codes.winners(drive, 4) for drive in drives)
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(one.dense().numpy(), two.dense().numpy(), strict=True)]
    assert separation.pearson(one, two).numpy() == pytest.approx(np.array(expected))
    assert torch.isnan(separation.pearson(codes.winners(drives[0], 12), one)).all()


def test_random_pairs_lie_where_they_should_and_carry_their_transfer() -> None:
    table = separation.pairs(500, largest=0.9, generator=rng(4))
    assert table["code_activity"].is_between(1e-6, 0.9).all()
    assert table["input_correlation"].is_between(0, 1).all()
    row = table.row(7, named=True)
    assert special.ndtr(-row["firing_threshold"]) == pytest.approx(row["code_activity"])
    assert row["transfer"] == pytest.approx(
        float(both(row["code_activity"], row["input_correlation"])) / row["code_activity"]
    )
    expected = (row["transfer"] - row["code_activity"]) / (1 - row["code_activity"])
    assert row["output_correlation"] == pytest.approx(expected)
    assert separation.output_correlation(row["firing_threshold"], row["input_correlation"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: separation.threshold(0.0), "strictly between 0 and 1"),
        (lambda: separation.threshold(np.array([0.5, 1.0])), "strictly between 0 and 1"),
        (lambda: separation.transfer(np.inf, 0.5), "finite"),
        (lambda: separation.transfer(1.0, 1.5), "between -1 and 1"),
        (lambda: separation.change(1.0, -0.1), "between 0 and 1"),
        (lambda: separation.pairs(0, generator=rng()), "at least one pair"),
        (lambda: separation.pairs(1, largest=1.0, generator=rng()), "largest"),
        (lambda: separation.counted([], [0.5], 10, 1, generator=rng()), "at least one of each"),
        (lambda: separation.counted([0.5], [0.5], 10, 1, inputs=1, generator=rng()), "two inputs"),
        (lambda: separation.counted([0.5], [1.1], 10, 1, generator=rng()), "between -1 and 1"),
        (lambda: separation.counted([1.0], [0.1], 10, 1, generator=rng()), "strictly between"),
        (lambda: separation.winner_moments(5, 0, 0.5), "1 <= active <= units"),
        (lambda: separation.winner_moments(5, 6, 0.5), "1 <= active <= units"),
        (lambda: separation.winner_moments(5, 2, -0.5), "quadrature is for 0 to 1"),
    ],
)
def test_bad_input_is_explained(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_codes_of_unlike_layers_have_no_correlation() -> None:
    one, two = codes.random(2, 5, 2, generator=rng()), codes.random(2, 6, 2, generator=rng())
    with pytest.raises(ValueError, match="as many units"):
        inspect.unwrap(separation.pearson)(one, two)
