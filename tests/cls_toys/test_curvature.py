"""What a diagonal misses, against a general eigenvalue solver, random directions, and scores taken by autograd."""

import math
from inspect import unwrap

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from cls_toys import curvature, ensembles
from cls_toys.networks import Training


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(dim: int, rank: int, seed: int) -> torch.Tensor:
    factor = torch.randn(rank, dim, generator=rng(seed), dtype=curvature.DTYPE)
    return factor.mT @ factor


@given(st.integers(2, 8), st.integers(0, 2**31))
def test_the_worst_directions_are_those_of_the_generalised_eigenproblem(dim: int, seed: int) -> None:
    matrix = draw(dim, dim + 3, seed)
    diagonal = torch.diag(matrix.diagonal())
    values = linalg.eigh(matrix.numpy(), diagonal.numpy(), eigvals_only=True)
    under, over = curvature.misjudged(matrix)
    assert under == pytest.approx(values[-1], rel=1e-9)
    assert over == pytest.approx(1 / values[0], rel=1e-6)
    directions = torch.randn(200, dim, generator=rng(seed + 1), dtype=curvature.DTYPE)
    ratio = (directions @ matrix * directions).sum(1) / (directions.square() @ matrix.diagonal())
    assert float(ratio.max()) <= under * (1 + 1e-12)
    assert float(1 / ratio.min()) <= over * (1 + 1e-9)
    assert under <= dim * (1 + 1e-12)


@pytest.mark.parametrize("dim", [1, 2, 7, 50])
def test_a_shared_stiff_direction_attains_both_extremes(dim: int) -> None:
    under, over = curvature.misjudged(curvature.shared_stiffness(dim, 3.0))
    assert under == pytest.approx(dim)
    assert over == (pytest.approx(1) if dim == 1 else math.inf)
    matrix = curvature.shared_stiffness(dim, 3.0, 0.1)
    ones = torch.ones(dim, dtype=curvature.DTYPE)
    assert float(ones @ matrix @ ones) == pytest.approx(dim * (3 + 0.1)), "stiffness 3 along the unit vector"


@given(st.integers(1, 8), st.integers(0, 2**31))
def test_any_single_stiff_direction_attains_the_bound(dim: int, seed: int) -> None:
    """However unequal the parts of the parameters: found by climbing, not by eigenvalues."""
    parts = torch.randn(dim, generator=rng(seed), dtype=curvature.DTYPE)
    matrix = torch.outer(parts, parts)
    assert curvature.misjudged(matrix)[0] == pytest.approx(dim)
    pulled = torch.eye(dim, dtype=curvature.DTYPE)[0]
    for _ in range(3):  # power iteration on diag(H)^-1 H
        pulled = matrix @ pulled / matrix.diagonal()
    ratio = (pulled @ matrix @ pulled) / (pulled.square() @ matrix.diagonal())
    assert float(ratio) == pytest.approx(dim)


def test_in_its_own_axes_a_curvature_is_its_diagonal() -> None:
    matrix = draw(5, 8, 1)
    values, vectors = torch.linalg.eigh(matrix)
    assert curvature.misjudged(torch.diag(values)) == (pytest.approx(1), pytest.approx(1))
    assert curvature.misjudged(matrix)[0] > 1.1
    assert curvature.misjudged(vectors.mT @ matrix @ vectors)[0] == pytest.approx(1)


def test_units_of_the_parameters_do_not_matter() -> None:
    matrix = draw(5, 8, 2)
    scale = torch.tensor([1e-3, 1.0, 10.0, 1e3, 7.0], dtype=curvature.DTYPE)
    assert curvature.misjudged(scale[:, None] * matrix * scale) == pytest.approx(curvature.misjudged(matrix), rel=1e-6)


def test_parameters_without_curvature_are_left_out() -> None:
    matrix = torch.zeros(4, 4, dtype=curvature.DTYPE)
    matrix[:2, :2] = curvature.shared_stiffness(2, 1.0)
    assert curvature.misjudged(matrix) == (pytest.approx(2), math.inf)


def test_the_readouts_fisher_is_the_mean_square_of_its_scores() -> None:
    """Exactly, by autograd: every label, weighted by its probability under the model."""
    keys = torch.randn(6, 3, generator=rng(1), dtype=curvature.DTYPE)
    weights = torch.randn(4, 3, generator=rng(2), dtype=curvature.DTYPE, requires_grad=True)
    expected = torch.zeros(12, 12, dtype=curvature.DTYPE)
    for key in keys:
        log = torch.log_softmax(weights @ key, -1)
        for label in range(4):
            (score,) = torch.autograd.grad(log[label], weights, retain_graph=True)
            expected += log[label].exp().detach() * torch.outer(score.flatten(), score.flatten()) / len(keys)
    measured = curvature.readout_fisher(keys, (keys @ weights.detach().mT).softmax(-1))
    torch.testing.assert_close(measured, expected, rtol=1e-10, atol=1e-14)


def test_readouts_of_networks_are_measured_within_the_bound() -> None:
    trained = ensembles.digits(3, 8, Training(epochs=3), generator=rng())
    found = curvature.of_readouts(trained.ensemble, trained.data.test_inputs, count=2)
    assert len(found) == 2
    live = (ensembles.hidden_activations(trained.ensemble, trained.data.test_inputs[:3]) > 0).any(1).sum(1)
    assert found["n_parameters"].to_list() == [10 * (int(units) + 1) for units in live[:2]], (
        "weights of live units, biases"
    )
    assert (found["undercharge"] <= found["n_parameters"]).all()
    assert (found["undercharge"] > 2).all()
    assert found["overcharge"].is_infinite().all(), "a softmax does not see a shift of all outputs"


def test_random_curvatures_have_the_sizes_asked_for() -> None:
    one, two = (curvature.random_curvatures([2, 5], 4, generator=rng(1)) for _ in range(2))
    assert one.equals(two)
    assert one["n_parameters"].to_list() == [2] * 4 + [5] * 4
    assert (one["rank"] <= one["n_parameters"]).all()
    singular = one.filter(one["rank"] < one["n_parameters"])
    assert np.isinf(singular["overcharge"].to_numpy()).all()


def test_bad_input() -> None:
    good = draw(3, 3, 0)
    skew = good.clone()
    skew[0, 1] += 1
    for wrong in (skew, good * math.nan):
        with pytest.raises(ValueError, match="give a symmetric, finite matrix"):
            curvature.misjudged(wrong)
    with pytest.raises(ValueError, match="give a symmetric, finite matrix"):
        unwrap(curvature.misjudged)(torch.ones(2, 3))
    saddle, negative = torch.tensor([[1.0, 2.0], [2.0, 1.0]]), torch.diag(torch.tensor([1.0, -1.0]))
    for wrong in (saddle, negative, torch.tensor([[0.0, 1.0], [1.0, 2.0]])):
        with pytest.raises(ValueError, match="give a positive semidefinite matrix"):
            curvature.misjudged(wrong)
    with pytest.raises(ValueError, match="nothing to protect"):
        curvature.misjudged(torch.zeros(2, 2))
    for dim, stiff, flat in ((0, 1.0, 0.0), (2, 0.0, 0.0), (2, 1.0, -1.0), (2, math.nan, 0.0)):
        with pytest.raises(ValueError, match="positive stiffness"):
            curvature.shared_stiffness(dim, stiff, flat)
    for dims, trials in (([2], 0), ([], 1), ([2, 0], 1)):
        with pytest.raises(ValueError, match="draw at least one curvature"):
            curvature.random_curvatures(dims, trials, generator=rng())
    keys = torch.ones(2, 3)
    with pytest.raises(ValueError, match="NaN or infinity"):
        curvature.readout_fisher(keys * math.nan, torch.full((2, 4), 0.25))
    for probabilities in (torch.ones(2, 4), torch.full((2, 4), math.nan), torch.tensor([[2.0, -1.0]] * 2)):
        with pytest.raises(ValueError, match="probabilities that sum to 1"):
            curvature.readout_fisher(keys, probabilities)
    trained = ensembles.digits(1, 4, Training(epochs=1), generator=rng())
    for count in (0, 2):
        with pytest.raises(ValueError, match="give from 1 to that many"):
            curvature.of_readouts(trained.ensemble, trained.data.test_inputs, count=count)
