"""Key matrices of known geometry, one row an item: what a code can look like to a linear readout."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor

DTYPE = torch.float64


def _check(items: int, dim: int) -> None:
    if items < 1 or dim < 1:
        raise ValueError(f"items={items}, dim={dim}: a key matrix needs at least one item and one dimension")


def gaussian(items: int, dim: int, *, generator: Generator) -> Float[Tensor, "items dim"]:
    """Independent standard Gaussian keys."""
    _check(items, dim)
    return torch.randn(items, dim, generator=generator, dtype=DTYPE)


def unit(items: int, dim: int, *, generator: Generator) -> Float[Tensor, "items dim"]:
    """Independent keys, uniform on the unit sphere."""
    return torch.nn.functional.normalize(gaussian(items, dim, generator=generator), dim=-1)


def anisotropic(items: int, dim: int, spread: float = 1e3, *, generator: Generator) -> Float[Tensor, "items dim"]:
    """Gaussian keys whose coordinates have scales from 1 down to ``1 / spread``, geometrically spaced."""
    if not 1 <= spread < math.inf:
        raise ValueError(f"spread={spread}: the ratio of largest to least scale must be finite and at least 1")
    scale = torch.logspace(0, -math.log10(spread), dim, dtype=DTYPE)
    return gaussian(items, dim, generator=generator) * scale


def rank_deficient(items: int, dim: int, rank: int, *, generator: Generator) -> Float[Tensor, "items dim"]:
    """Gaussian keys confined to a random subspace of dimension ``rank``."""
    if not 1 <= rank <= dim:
        raise ValueError(f"rank={rank}: must lie between 1 and dim={dim}")
    return gaussian(items, rank, generator=generator) @ gaussian(rank, dim, generator=generator) / math.sqrt(dim)


def duplicated(items: int, dim: int, copies: int = 2, *, generator: Generator) -> Float[Tensor, "items dim"]:
    """Gaussian keys, each repeated ``copies`` times in a row (the last fewer times if ``items`` is no multiple)."""
    if copies < 1:
        raise ValueError(f"copies={copies}: must be at least 1")
    return gaussian(-(-items // copies), dim, generator=generator).repeat_interleave(copies, dim=0)[:items]


def harmonic_frame(items: int, dim: int) -> Float[Tensor, "items dim"]:
    r"""An equal-norm tight frame of unit keys for any ``items >= dim``.

    .. math:: \sum_i k_i k_i^\top = \tfrac{n}{d} I

    Samples of the lowest harmonics; the standard basis where ``items == dim`` is even. Source: benedetto2003.
    Raises ``ValueError`` when ``items < dim`` (a frame must span).
    """
    _check(items, dim)
    if items < dim:
        raise ValueError(f"items={items}, dim={dim}: a tight frame needs at least as many items as dimensions")
    if items == dim and dim % 2 == 0:
        return torch.eye(items, dtype=DTYPE)  # the sine of the highest frequency would vanish at every sample
    time = torch.arange(items, dtype=DTYPE) / items
    frequencies = torch.arange(1, dim // 2 + 1, dtype=DTYPE)
    angle = 2 * math.pi * time[:, None] * frequencies  # [items, dim // 2]
    columns = [torch.cos(angle), torch.sin(angle)]
    if dim % 2:  # the constant completes an odd number of columns
        columns.append(torch.full((items, 1), math.sqrt(0.5), dtype=DTYPE))
    return torch.cat(columns, dim=1) * math.sqrt(2 / dim)


def sparse_binary(items: int, dim: int, active: int, *, generator: Generator) -> Float[Tensor, "items dim"]:
    """Keys of zeros and ones with exactly ``active`` ones each, at random places."""
    _check(items, dim)
    if not 1 <= active <= dim:
        raise ValueError(f"active={active}: a sparse key needs between 1 and dim={dim} ones")
    places = torch.rand(items, dim, generator=generator, dtype=DTYPE).topk(active, dim=-1).indices
    return torch.zeros(items, dim, dtype=DTYPE).scatter(-1, places, 1.0)
