"""Key matrices that attain a bound for batches: simplices, equiangular tight frames, orthonormal bases side by side."""

import math
from itertools import product

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import keys as make


def simplex(dim: int) -> Float[Tensor, "items dim"]:
    r"""The ``dim + 1`` corners of a regular simplex around the origin, as unit keys.

    .. math:: \langle k_i, k_j \rangle = -1/d \quad (i \neq j)

    Raises ``ValueError`` on ``dim < 1``.
    """
    if dim < 1:
        raise ValueError(f"dim={dim}: a simplex needs at least one dimension")
    columns = torch.cat((torch.ones(dim + 1, 1), torch.eye(dim + 1)[:, :dim]), dim=1).to(make.DTYPE)
    return torch.linalg.qr(columns)[0][:, 1:] * math.sqrt((dim + 1) / dim)  # all that is orthogonal to the ones


def icosahedron() -> Float[Tensor, "items dim"]:
    r"""The six diagonals of the icosahedron: six equiangular lines in space, with overlap :math:`1/\sqrt5`.

    Source: strohmer2003.
    """
    golden = (1 + math.sqrt(5)) / 2
    corners = [(0, 1, golden), (0, 1, -golden), (1, golden, 0), (1, -golden, 0), (golden, 0, 1), (-golden, 0, 1)]
    return torch.tensor(corners, dtype=make.DTYPE) / math.sqrt(1 + golden**2)


def sixteen() -> Float[Tensor, "items dim"]:
    r"""Sixteen equiangular lines in six dimensions, with overlap :math:`1/3`.

    .. math:: k_y = \tfrac{1}{\sqrt6} \big((-1)^{x \cdot y}\big)_{x \in B}, \qquad
       B = \{x \in \{0,1\}^4 : x_1 x_2 + x_3 x_4 = 1 \bmod 2\}

    Every nonzero difference of two elements of the six in B occurs equally often, which makes them a difference set and
    the overlaps equal. Source: strohmer2003.
    """
    words = torch.tensor(list(product((0, 1), repeat=4)))  # [16, 4]
    chosen = words[(words[:, 0] * words[:, 1] + words[:, 2] * words[:, 3]) % 2 == 1]  # [6, 4]
    return (1 - 2 * ((words @ chosen.T) % 2)).to(make.DTYPE) / math.sqrt(6)


def orthobases(bases: int, dim: int, *, generator: Generator) -> Float[Tensor, "items dim"]:
    """``bases`` random orthonormal bases, one after the other: items ``0`` to ``dim - 1`` are the first of them.

    Raises ``ValueError`` on ``bases < 1`` or ``dim < 1``.
    """
    if bases < 1 or dim < 1:
        raise ValueError(f"bases={bases}, dim={dim}: give at least one basis of at least one dimension")
    return torch.linalg.qr(make.gaussian(bases * dim, dim, generator=generator).reshape(bases, dim, dim))[0].flatten(
        0, 1
    )
