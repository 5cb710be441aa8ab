"""Digits and weights with something wrong about them: what a network meets outside its clean test set."""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Generator, Tensor

SIDE = 8  # pixels of a digit along one side
WeightNoise = Literal["relative", "absolute", "energy"]


def noisy(
    inputs: Float[Tensor, "*batch pixels"], scale: float, *, generator: Generator
) -> Float[Tensor, "*batch pixels"]:
    """With Gaussian noise of that standard deviation on every pixel, cut off at the range [0, 1] of a grey level.

    Raises ``ValueError`` on a scale that is negative or not finite, and on pixels outside [0, 1].
    """
    if not 0 <= scale < math.inf:
        raise ValueError(f"scale={scale}: the standard deviation of noise must be finite and at least 0")
    _check(inputs)
    return (inputs + scale * torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype)).clamp(0, 1)


def rotated(inputs: Float[Tensor, "*batch pixels"], degrees: float) -> Float[Tensor, "*batch pixels"]:
    """Images turned about their centre by linear interpolation; what turns in from outside is 0.

    Raises ``ValueError`` on an angle that is not finite, on rows that are no image, and on pixels outside [0, 1].
    """
    if not math.isfinite(degrees):
        raise ValueError(f"degrees={degrees}: the angle must be finite")
    images = _images(inputs)
    turned = ndimage.rotate(images.numpy(), degrees, axes=(-2, -1), reshape=False, order=1)
    return torch.from_numpy(turned).reshape(inputs.shape).clamp(0, 1)


def occluded(
    inputs: Float[Tensor, "*batch pixels"], side: int, *, generator: Generator
) -> Float[Tensor, "*batch pixels"]:
    """Images with a square of ``side`` pixels set to 0, at a place of its own in every image.

    Raises ``ValueError`` on a square that does not fit, on rows that are no image, and on pixels outside [0, 1].
    """
    if not 0 <= side <= SIDE:
        raise ValueError(f"side={side}: the square must have from 0 to {SIDE} pixels a side")
    images = _images(inputs)
    corner = torch.randint(SIDE - side + 1, (2, *images.shape[:-2], 1), generator=generator)
    covered = (torch.arange(SIDE) >= corner) & (torch.arange(SIDE) < corner + side)  # [2, *batch, SIDE]
    return images.masked_fill(covered[0, ..., :, None] & covered[1, ..., None, :], 0).reshape(inputs.shape)


def _check(inputs: Tensor) -> None:
    if not ((inputs >= 0) & (inputs <= 1)).all():
        raise ValueError(f"pixels run from {inputs.min():.3g} to {inputs.max():.3g}: give grey levels in [0, 1]")


def _images(inputs: Tensor) -> Tensor:
    _check(inputs)
    if inputs.shape[-1] != SIDE * SIDE:
        raise ValueError(f"inputs have {inputs.shape[-1]} pixels a row: give images of {SIDE} x {SIDE} = {SIDE * SIDE}")
    return inputs.unflatten(-1, (SIDE, SIDE))


def weight_noise(
    weights: Float[Tensor, "sparsities networks hidden inputs"],
    masks: Bool[Tensor, "sparsities networks hidden inputs"],
    scale: float,
    kind: WeightNoise,
    *,
    generator: Generator,
) -> Float[Tensor, "sparsities networks hidden inputs"]:
    r"""The weights with Gaussian noise on those that survive, the same noise at every sparsity but for its scale.

    The standard deviation is ``scale`` times the mean magnitude of the surviving weights (``relative``), of the surviving
    weights at the *first* sparsity (``absolute``), or such that noise and weights have squared lengths in the ratio
    :math:`\text{scale}^2` at every sparsity (``energy``). Raises ``ValueError`` on another kind, on a scale that is negative or
    not finite, on masks of another shape, and where no weight of a network survives.
    """
    if kind not in get_args(WeightNoise) or not 0 <= scale < math.inf:
        raise ValueError(
            f"kind={kind!r}, scale={scale}: give one of {', '.join(get_args(WeightNoise))}, and a scale of at least 0"
        )
    if masks.shape != weights.shape or not masks.flatten(2).any(-1).all():
        raise ValueError(
            f"weights {tuple(weights.shape)}, masks {tuple(masks.shape)}: give masks of the same shape, with a weight that "
            "survives in every network"
        )
    surviving = masks.flatten(2).sum(-1)
    size = weights.flatten(2).abs().sum(-1) / surviving  # [sparsities, networks]
    if kind == "absolute":
        size = size[:1].expand_as(size)
    if kind == "energy":
        size = weights.flatten(2).norm(dim=-1) / surviving.sqrt()
    noise = torch.randn(weights.shape[1:], generator=generator, dtype=weights.dtype)
    return weights + scale * size[..., None, None] * noise * masks
