"""Perturbations change what they say, by how much they say, and leave shape and range alone."""

import math
from inspect import unwrap

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cls_toys import perturbations


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 50) -> torch.Tensor:
    return torch.rand(2, count, 64, generator=rng(1))


@given(st.floats(0, 3), st.floats(-180, 180), st.integers(0, 8), st.integers(0, 2**31))
def test_shapes_and_ranges_are_kept(scale: float, degrees: float, side: int, seed: int) -> None:
    inputs = images(5)
    for changed in (
        perturbations.noisy(inputs, scale, generator=rng(seed)),
        perturbations.rotated(inputs, degrees),
        perturbations.occluded(inputs, side, generator=rng(seed)),
    ):
        assert changed.shape == inputs.shape
        assert changed.dtype == inputs.dtype
        assert changed.min() >= 0
        assert changed.max() <= 1


def test_none_of_it_is_nothing() -> None:
    inputs = images()
    assert torch.equal(perturbations.noisy(inputs, 0.0, generator=rng()), inputs)
    assert torch.equal(perturbations.occluded(inputs, 0, generator=rng()), inputs)
    torch.testing.assert_close(perturbations.rotated(inputs, 0.0), inputs, rtol=0, atol=1e-6)


def test_noise_has_the_scale_it_says() -> None:
    grey = torch.full((400, 64), 0.5)  # far from both ends, so that nothing is cut off
    noise = perturbations.noisy(grey, 0.1, generator=rng()) - grey
    count = grey.numel()
    assert abs(float(noise.mean())) < 5 * 0.1 / math.sqrt(count)
    assert float(noise.std()) == pytest.approx(0.1, abs=5 * 0.1 / math.sqrt(2 * count))


def test_a_quarter_turn_is_exact() -> None:
    inputs = images(3)
    square = inputs.unflatten(-1, (8, 8))
    turned = perturbations.rotated(inputs, 90.0).unflatten(-1, (8, 8))
    torch.testing.assert_close(turned, torch.rot90(square, 1, (-2, -1)), rtol=0, atol=1e-5)
    back = perturbations.rotated(perturbations.rotated(inputs, 90.0), -90.0)
    torch.testing.assert_close(back, inputs, rtol=0, atol=1e-5)


def test_each_image_loses_one_square_at_its_own_place() -> None:
    white = torch.ones(300, 64)
    covered = perturbations.occluded(white, 3, generator=rng()).unflatten(-1, (8, 8)) == 0
    assert (covered.flatten(1).sum(1) == 9).all()
    rows, columns = covered.any(2), covered.any(1)
    assert (rows.sum(1) == 3).all()
    assert (columns.sum(1) == 3).all()
    places = {tuple(mask.flatten().tolist()) for mask in covered}
    assert len(places) == 36, "all places of a 3 x 3 square in 8 x 8 pixels"


def pruned_weights() -> tuple[torch.Tensor, torch.Tensor]:
    weights = torch.randn(2, 3, 40, 50, generator=rng(2), dtype=torch.float64)
    masks = torch.rand(2, 3, 40, 50, generator=rng(3)) < torch.tensor([1.0, 0.1])[:, None, None, None]
    return weights * masks, masks


def test_weight_noise_has_the_scale_of_its_kind() -> None:
    weights, masks = pruned_weights()
    for kind in ("relative", "absolute", "energy"):
        noise = perturbations.weight_noise(weights, masks, 0.5, kind, generator=rng()) - weights
        assert (noise[~masks] == 0).all(), "what is pruned stays away"
        for sparsity in range(2):
            for network in range(3):
                at = (sparsity, network)
                mask = masks[at]
                measured = float(noise[at][mask].std())
                size = {
                    "relative": weights[at][mask].abs().mean(),
                    "absolute": weights[0, network].abs().mean(),
                    "energy": weights[at].norm() / mask.sum().sqrt(),
                }[kind]
                assert measured == pytest.approx(0.5 * float(size), rel=5 / math.sqrt(2 * int(mask.sum())))


def test_every_sparsity_meets_the_same_noise() -> None:
    weights, masks = pruned_weights()
    noise = perturbations.weight_noise(weights, masks, 0.5, "absolute", generator=rng()) - weights
    both = masks[0] & masks[1]
    torch.testing.assert_close(noise[0][both], noise[1][both])
    assert torch.equal(perturbations.weight_noise(weights, masks, 0.0, "energy", generator=rng()), weights)


def test_bad_input() -> None:
    inputs = images(2)
    for scale in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="must be finite and at least 0"):
            perturbations.noisy(inputs, scale, generator=rng())
    for side in (-1, 9):
        with pytest.raises(ValueError, match="from 0 to 8 pixels a side"):
            perturbations.occluded(inputs, side, generator=rng())
    with pytest.raises(ValueError, match="the angle must be finite"):
        perturbations.rotated(inputs, math.nan)
    with pytest.raises(ValueError, match="give images of 8 x 8 = 64"):
        perturbations.rotated(torch.rand(2, 63), 10.0)
    for wrong in (inputs + 1, inputs * math.nan):
        with pytest.raises(ValueError, match=r"give grey levels in \[0, 1\]"):
            perturbations.noisy(wrong, 0.1, generator=rng())
    weights, masks = pruned_weights()
    for wrong in (torch.zeros_like(masks), masks & (torch.arange(3) != 1)[:, None, None], masks[:1]):
        with pytest.raises(ValueError, match="a weight that survives in every network"):
            unwrap(perturbations.weight_noise)(weights, wrong, 0.5, "relative", generator=rng())
    with pytest.raises(ValueError, match="a scale of at least 0"):
        perturbations.weight_noise(weights, masks, -1.0, "relative", generator=rng())
