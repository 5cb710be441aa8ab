"""What is left of gradients under protection and overwriting, against enumeration and exact laws."""

import inspect
import math

import pytest
import torch
from scipy import stats

from cls_toys import keys as make
from cls_toys import retention


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_retained_is_the_squared_distance_to_the_span() -> None:
    gradients = make.gaussian(5, 6, generator=rng())
    protected = make.gaussian(3, 6, generator=rng(1))
    for gradient, share in zip(gradients, retention.retained(gradients, protected), strict=True):
        fitted = torch.linalg.lstsq(protected.T, gradient[:, None]).solution
        left = gradient - protected.T @ fitted[:, 0]
        assert float(share) == pytest.approx(float(left.square().sum() / gradient.square().sum()))


def test_dependent_protected_directions_count_once() -> None:
    protected = make.gaussian(2, 6, generator=rng())
    gradients = make.gaussian(4, 6, generator=rng(1))
    torch.testing.assert_close(
        retention.retained(gradients, torch.cat([protected, 3 * protected])), retention.retained(gradients, protected)
    )
    torch.testing.assert_close(retention.retained(gradients, torch.zeros(1, 6).double()), torch.ones(4).double())


@pytest.mark.parametrize("rank", [1, 5, 9])
def test_random_shares_follow_the_beta_law(rank: int) -> None:
    shares = retention.random_shares(10, rank, 2000, generator=rng(rank))
    assert stats.kstest(shares.numpy(), stats.beta((10 - rank) / 2, rank / 2).cdf).pvalue > 1e-3


def test_protection_adds_up_and_overwriting_multiplies() -> None:
    left = retention.stream(12, 3, 6, 4000, generator=rng())
    for task in range(6):
        protected, overwritten = left.protected[task], left.overwritten[task]
        expected = max(0.0, 1 - 3 * (task + 1) / 12), (1 - 3 / 12) ** (task + 1)
        for values, mean in zip((protected, overwritten), expected, strict=True):
            assert float(values.mean()) == pytest.approx(mean, abs=4 * float(values.std()) / 4000**0.5 + 1e-12)
    torch.testing.assert_close(left.protected[0], left.overwritten[0])  # after one task the two are the same


def test_a_common_part_is_protected_once() -> None:
    left = retention.stream(12, 3, 4, 4000, common=2, generator=rng()).protected
    for task in range(4):
        mean = 1 - (2 + task + 1) / 12
        assert float(left[task].mean()) == pytest.approx(mean, abs=4 * float(left[task].std()) / 4000**0.5)
    same = retention.stream(12, 3, 4, 10, common=3, generator=rng()).protected
    torch.testing.assert_close(same[0], same[3])


def test_many_trials_are_drawn_in_parts_and_alike() -> None:
    assert retention.stream(4, 2, 2, retention.TRIALS_AT_A_TIME + 3, generator=rng()).protected.shape == (2, 503)


def test_protecting_digits_leaves_new_digits_less_than_random_gradients() -> None:
    gradients = retention.digit_gradients([10, 40], 4, 40, generator=rng())
    mean = {
        key: float(table["retained"].mean())
        for key, table in gradients.group_by("gradient", "rank", maintain_order=True)
    }
    assert mean["new digits", 10] < 0.9 * mean["random", 10]
    assert mean["new digits", 40] < mean["new digits", 10]
    assert mean["random", 40] == pytest.approx(1 - 40 / 310, abs=0.02)
    with pytest.raises(ValueError, match=r"ranks=\[5000\], items=40: there are \d+ old and \d+ new digits"):
        retention.digit_gradients([5000], 4, 40, generator=rng())


@pytest.mark.parametrize(
    "bad", [{"rank": 0}, {"rank": 13}, {"n_tasks": 0}, {"trials": 0}, {"common": 4}, {"common": -1}, {"parameters": 0}]
)
def test_impossible_streams_are_refused(bad: dict[str, int]) -> None:
    given = {"parameters": 12, "rank": 3, "n_tasks": 2, "trials": 5, "common": 1} | bad
    with pytest.raises(ValueError, match="counts must be at least 1, rank at most parameters"):
        retention.stream(**given, generator=rng())


def test_bad_gradients_are_refused() -> None:
    protected = make.gaussian(2, 6, generator=rng())
    with pytest.raises(ValueError, match="a gradient is zero"):
        retention.retained(torch.zeros(1, 6, dtype=torch.float64), protected)
    with pytest.raises(ValueError, match="a gradient is zero"):
        retention.retained(torch.full((1, 6), math.nan, dtype=torch.float64), protected)
    with pytest.raises(ValueError, match="hold NaN or infinity"):
        retention.retained(torch.ones(1, 6, dtype=torch.float64), protected * math.nan)
    with pytest.raises(ValueError, match="they must agree"):
        inspect.unwrap(retention.retained)(torch.ones(1, 5, dtype=torch.float64), protected)
