"""Key matrices have the geometry their names promise, checked with NumPy or by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from cls_toys import keys

SIZES = [(items, dim) for dim in range(1, 9) for items in (*range(dim, dim + 4), 3 * dim + 1)]
RANDOM = {
    "gaussian": keys.gaussian,
    "unit": keys.unit,
    "anisotropic": keys.anisotropic,
    "duplicated": keys.duplicated,
    "rank_deficient": lambda items, dim, generator: keys.rank_deficient(items, dim, 1, generator=generator),
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("items", "dim"), SIZES)
def test_a_harmonic_frame_is_tight_and_of_equal_norm(items: int, dim: int) -> None:
    frame = keys.harmonic_frame(items, dim).numpy()
    assert frame.shape == (items, dim)
    np.testing.assert_allclose(frame.T @ frame, items / dim * np.eye(dim), atol=1e-12 * items)
    np.testing.assert_allclose((frame**2).sum(1), 1, rtol=1e-13)


def test_the_frame_of_three_keys_in_the_plane_is_the_mercedes_star() -> None:
    half = math.sqrt(3) / 2
    np.testing.assert_allclose(keys.harmonic_frame(3, 2), [[1, 0], [-0.5, half], [-0.5, -half]], atol=1e-15)


@pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)
def test_random_keys_follow_their_generator_alone(make: Callable[..., torch.Tensor]) -> None:
    first = make(5, 3, generator=rng())
    torch.manual_seed(7)
    assert torch.equal(first, make(5, 3, generator=rng()))
    assert not torch.equal(first, make(5, 3, generator=rng(1)))
    assert first.shape == (5, 3)
    assert first.dtype == torch.float64


def test_gaussian_keys_are_standard_and_uncorrelated() -> None:
    drawn = keys.gaussian(40_000, 3, generator=rng()).numpy()
    np.testing.assert_allclose(drawn.mean(0), 0, atol=5 / 200)  # five standard errors
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(3), atol=5 * math.sqrt(2) / 200)


def test_unit_keys_lie_on_the_sphere_and_favour_no_direction() -> None:
    drawn = keys.unit(40_000, 3, generator=rng()).numpy()
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1, rtol=1e-14)
    # Archimedes: a coordinate of a uniform point on the sphere in 3-space is uniform on [-1, 1].
    np.testing.assert_allclose(np.quantile(drawn, [0.1, 0.5, 0.9], axis=0), [[-0.8] * 3, [0] * 3, [0.8] * 3], atol=0.02)


def test_anisotropic_scales_are_geometric_from_one_to_one_over_the_spread() -> None:
    drawn = keys.anisotropic(40_000, 3, 100.0, generator=rng()).numpy()
    np.testing.assert_allclose(drawn.std(0), [1, 0.1, 0.01], rtol=5 / math.sqrt(2 * 40_000))
    round_keys = keys.anisotropic(5, 3, 1.0, generator=rng())
    np.testing.assert_allclose(round_keys, keys.gaussian(5, 3, generator=rng()), rtol=1e-14)
    assert keys.anisotropic(2, 1, generator=rng()).isfinite().all()


@pytest.mark.parametrize(("items", "dim", "rank"), [(7, 5, 1), (7, 5, 3), (7, 5, 5), (2, 5, 4), (1, 1, 1)])
def test_rank_deficient_keys_have_the_rank(items: int, dim: int, rank: int) -> None:
    drawn = keys.rank_deficient(items, dim, rank, generator=rng()).numpy()
    assert drawn.shape == (items, dim)
    assert np.linalg.matrix_rank(drawn) == min(items, rank)


@pytest.mark.parametrize(
    ("copies", "groups"), [(1, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 0, 0, 1, 1, 1, 2]), (9, [0, 0, 0, 0, 0, 0, 0])]
)
def test_duplicated_keys_repeat_in_a_row(copies: int, groups: list[int]) -> None:
    drawn = keys.duplicated(7, 4, copies, generator=rng())
    equal = (drawn[:, None] == drawn[None]).all(-1).numpy()
    group = np.array(groups)
    np.testing.assert_array_equal(equal, group[:, None] == group)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: keys.gaussian(0, 3, generator=rng()), "items=0, dim=3: a key matrix needs at least one item"),
        (lambda: keys.unit(3, 0, generator=rng()), "items=3, dim=0: a key matrix needs at least one item"),
        (lambda: keys.harmonic_frame(0, 0), "items=0, dim=0: a key matrix needs at least one item"),
        (lambda: keys.harmonic_frame(3, 4), "items=3, dim=4: a tight frame needs at least as many items"),
        (lambda: keys.anisotropic(3, 2, 0.5, generator=rng()), "spread=0.5: the ratio"),
        (lambda: keys.anisotropic(3, 2, math.inf, generator=rng()), "spread=inf: the ratio"),
        (lambda: keys.anisotropic(3, 2, math.nan, generator=rng()), "spread=nan: the ratio"),
        (lambda: keys.rank_deficient(3, 2, 0, generator=rng()), "rank=0: must lie between 1 and dim=2"),
        (lambda: keys.rank_deficient(9, 2, 3, generator=rng()), "rank=3: must lie between 1 and dim=2"),
        (lambda: keys.duplicated(3, 2, 0, generator=rng()), "copies=0: must be at least 1"),
    ],
)
def test_impossible_sizes_are_refused_in_one_line(call: Callable[[], torch.Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value)
