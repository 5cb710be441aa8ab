"""Searches on losses whose minima are known by hand, and steps of Adam against those of torch."""

import numpy as np
import pytest
import torch

from cls_toys import optimise


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_start_ends_at_the_only_minimum() -> None:
    """Rosenbrock's valley has one minimum, at one everywhere; it takes many steps to get there."""

    def valley(keys: torch.Tensor) -> torch.Tensor:
        x = keys.flatten()
        return (100 * (x[1:] - x[:-1].square()).square() + (1 - x[:-1]).square()).sum()

    found = optimise.minimise_keys(valley, 2, 1, starts=3, steps=500, generator=rng())
    assert found.shape == (3, 2, 1)
    np.testing.assert_allclose(found, 1, atol=1e-6)
    few = optimise.minimise_keys(valley, 2, 1, starts=3, steps=1, generator=rng())
    assert not torch.allclose(few, found, atol=1e-2), "one step is not enough"


def test_starts_differ_and_the_seed_decides_them() -> None:
    def ring(keys: torch.Tensor) -> torch.Tensor:  # a minimum in every direction
        return (keys.square().sum() - 1).square()

    one, two = (optimise.minimise_keys(ring, 3, 2, starts=2, steps=100, generator=rng(4)) for _ in range(2))
    assert torch.equal(one, two)
    np.testing.assert_allclose(one.square().sum((1, 2)), 1, atol=1e-6)
    assert (one[0] - one[1]).abs().max() > 0.1


def test_searches_that_are_none() -> None:
    for starts, steps in ((0, 5), (2, 0)):
        with pytest.raises(ValueError, match=r"search (from|for) at least one (start|step)"):
            optimise.minimise_keys(lambda keys: keys.sum(), 2, 2, starts=starts, steps=steps, generator=rng())
    with pytest.raises(ValueError, match="at least one item and one dimension"):
        optimise.minimise_keys(lambda keys: keys.sum(), 0, 2, starts=1, steps=1, generator=rng())


def test_a_step_is_that_of_torch() -> None:
    """The same weights, bit for bit, under gradients and rates that change."""
    start = [torch.randn(3, 2, generator=rng()), torch.randn(4, generator=rng(1)).double()]
    ours, theirs = ([part.clone() for part in start] for _ in range(2))
    step, optimizer = optimise.adam(ours), torch.optim.Adam(theirs)
    for count in range(1, 8):
        gradients = [torch.randn(part.shape, generator=rng(count), dtype=part.dtype) for part in start]
        step(gradients, 0.1 / count)
        optimizer.param_groups[0]["lr"] = 0.1 / count
        for part, gradient in zip(theirs, gradients, strict=True):
            part.grad = gradient
        optimizer.step()
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert not torch.allclose(ours[0], start[0])
