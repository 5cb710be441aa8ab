"""Dense codes against hand-worked writes and quadrature; the optimum against brute force; bad input."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate

from cls_toys import dense_codes, forgetting
from cls_toys import keys as make


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("dim", "rate"), [(2, 1.0), (3, 0.5), (6, 1.6)])
def test_one_write_on_the_sphere_is_an_integral_over_the_angle(dim: int, rate: float) -> None:
    """The recall after one write is 1 - rate cos^2, the echo rate^2 cos^2; the angle has density sin^(d-2)."""

    def mean(power: int) -> float:
        density = lambda angle: math.sin(angle) ** (dim - 2)  # noqa: E731
        whole = integrate.quad(density, 0, math.pi)[0]
        return integrate.quad(lambda angle: math.cos(angle) ** power * density(angle), 0, math.pi)[0] / whole

    expected = rate**2 * (mean(4) + mean(2))
    drawn = dense_codes.sphere(dim, 1, rate, 60000, generator=rng())
    assert abs(float(drawn.mean()) - expected) < 4 * float(drawn.std()) / math.sqrt(60000)


def test_many_writes_on_the_sphere_follow_the_dense_rule() -> None:
    keys = make.unit(3000 * 5, 4, generator=rng()).reshape(3000, 5, 4)
    targets = make.gaussian(3000 * 5, 1, generator=rng(1)).reshape(3000, 5, 1)
    moved = forgetting.drift(keys, targets, 0.7).moved.square().flatten()
    drawn = dense_codes.sphere(4, 4, 0.7, 3000, generator=rng(2))
    error = math.hypot(float(moved.std()), float(drawn.std())) / math.sqrt(3000)
    assert abs(float(moved.mean()) - float(drawn.mean())) < 4 * error


def test_one_write_of_any_codes_is_cosine_squared_and_to_the_fourth() -> None:
    vectors = make.unit(5, 3, generator=rng())
    weights = torch.rand(5, generator=rng()).double()
    cosine = vectors @ vectors.T
    share = weights / weights.sum()
    expected = share @ (cosine**2 + cosine**4) @ share
    assert float(dense_codes.one_write(vectors, weights)) == pytest.approx(float(expected))
    batch = dense_codes.one_write(vectors.expand(2, 5, 3), weights.expand(2, 5))
    torch.testing.assert_close(batch, expected.expand(2))


def test_sparse_codes_of_unit_length_forget_as_enumerated() -> None:
    listed = torch.zeros(10, 5, dtype=make.DTYPE)
    for row, active in enumerate(itertools.combinations(range(5), 2)):
        listed[row, list(active)] = 2**-0.5
    found = dense_codes.one_write(listed, torch.ones(10, dtype=make.DTYPE))
    assert float(found) == pytest.approx(forgetting.exact(5, 2, 0, 1))


def test_known_sets_are_as_even_as_the_sphere() -> None:
    found = dense_codes.best_known()
    assert found["forgetting"].to_list() == pytest.approx([1 / 2 + 3 / 8, 1 / 3 + 3 / 15])
    drawn = dense_codes.ensembles(20, generator=rng())
    assert len(drawn) == 20 * 5 * 2 * 3
    assert drawn["codes"].n_unique() == 5


def test_centred_codes_have_the_variance_of_the_overlap() -> None:
    found = dense_codes.centred([(5, 1), (5, 3), (6, 5)])
    assert found["centred_square"].to_list() == pytest.approx([1 / 4, 1 / 4, 1 / 5])


@pytest.mark.parametrize(("dim", "code_size"), [(4, 1), (5, 2), (6, 5), (7, 3), (6, 6)])
def test_the_cost_of_a_first_write_is_that_of_all_pairs(dim: int, code_size: int) -> None:
    assert (1 + dense_codes.first_write(dim, code_size)) / dim == pytest.approx(forgetting.exact(dim, code_size, 0, 1))


# The specification's table: best whole number and forgetting times units.
@pytest.mark.parametrize(
    ("dim", "size", "cost"), [(100, 3, 1.183), (300, 4, 1.106), (1000, 6, 1.058), (3000, 8, 1.034), (10_000, 10, 1.019)]
)
def test_published_optima(dim: int, size: int, cost: float) -> None:
    (found,) = dense_codes.optimum([dim]).iter_rows(named=True)
    assert found["best_integer"] == size
    assert dim * found["best_forgetting"] == pytest.approx(cost, abs=6e-4)
    every = [dense_codes.first_write(dim, k) for k in range(1, 60)]
    assert int(np.argmin(every)) + 1 == size
    assert abs(found["best_size"] - size) < 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: dense_codes.sphere(4, 0, generator=rng()), "at least one of each"),
        (lambda: dense_codes.sphere(4, 1, 2.0, generator=rng()), "strictly between 0 and 2"),
        (lambda: dense_codes.sphere(4, 1, 1.0, 0, generator=rng()), "at least one of each"),
        (lambda: dense_codes.one_write(torch.ones(2, 2).double(), torch.ones(2).double()), "length 1"),
        (lambda: dense_codes.one_write(torch.eye(2).double(), torch.tensor([1.0, -1.0]).double()), "at least 0"),
        (lambda: dense_codes.one_write(torch.eye(2).double(), torch.zeros(2).double()), "some of them positive"),
        (lambda: dense_codes.ensembles(0, generator=rng()), "at least one set"),
        (lambda: dense_codes.centred([(4, 4)]), "such a code is zero"),
        (lambda: dense_codes.centred([(4, 0)]), "such a code is zero"),
        (lambda: dense_codes.first_write(10, 0.5), "1 <= code_size"),
        (lambda: dense_codes.first_write(3, 1), "more than 3"),
        (lambda: dense_codes.optimum([10]), "fewer than 16"),
    ],
)  # fmt: skip
def test_bad_input_is_told(call: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
