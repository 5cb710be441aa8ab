r"""What sparse codes are compared with: codes on the sphere, centred codes, any codes at all; and the best sparse one.

Forgetting is that of :mod:`cls_toys.forgetting`: of a first memory, by later writes with independent codes.
"""

from collections.abc import Sequence

import polars as pl
import torch
from jaxtyping import Float
from scipy import optimize
from torch import Generator, Tensor

from cls_toys import codes, frames, overlap
from cls_toys import keys as make
from cls_toys.keys import DTYPE

CHUNK = 2**22  # numbers of a temporary


def sphere(
    dim: int, n_writes: int, rate: float = 1.0, runs: int = 1000, *, generator: Generator
) -> Float[Tensor, " runs"]:
    """Squared error at an item that was written into an empty memory, after so many writes with codes on the sphere.

    Gaussian targets of unit variance. Raises ``ValueError`` on no writes or runs, and on a rate outside (0, 2).
    """
    if n_writes < 1 or runs < 1 or not 0 < rate < 2:
        raise ValueError(
            f"n_writes={n_writes}, runs={runs}, rate={rate}: give at least one of each, and a rate strictly between 0 and 2"
        )
    found, size = [], max(1, CHUNK // dim)
    for count in [min(size, runs - done) for done in range(0, runs, size)]:
        item = make.unit(count, dim, generator=generator)
        wanted = torch.randn(count, generator=generator, dtype=DTYPE)
        weight = wanted[:, None] * item
        for _ in range(n_writes):
            code = make.unit(count, dim, generator=generator)
            error = torch.randn(count, generator=generator, dtype=DTYPE) - (weight * code).sum(-1)
            weight = weight + rate * error[:, None] * code
        found.append(((weight * item).sum(-1) - wanted).square())
    return torch.cat(found)


def one_write(
    vectors: Float[Tensor, "*batch codes dim"], weights: Float[Tensor, "*batch codes"]
) -> Float[Tensor, "*batch"]:
    """Expected forgetting of a first memory by one write, both codes drawn from the unit ``vectors`` with those ``weights``.

    Each pair is written, and read with a target of its own for each of both. Weights are taken relative to their sum. Raises
    ``ValueError`` on vectors that have not unit length, and on weights that are negative or all zero.
    """
    if not torch.allclose(vectors.norm(dim=-1), torch.ones_like(weights)):
        raise ValueError("the vectors must have length 1: divide them by it")
    if not ((weights >= 0).all() and (weights.sum(-1) > 0).all()):
        raise ValueError("weights must be at least 0, and some of them positive, to be probabilities")
    item, code = vectors[..., :, None, :], vectors[..., None, :, :]  # [*batch, item, code, dim]
    own, new = item.expand_as(item + code), torch.zeros_like(item + code)  # weights of the two outputs
    own, new = (row + (target - (row * code).sum(-1, keepdim=True)) * code for row, target in ((own, 0.0), (new, 1.0)))
    error = ((own * item).sum(-1) - 1).square() + (new * item).sum(-1).square()
    share = weights / weights.sum(-1, keepdim=True)
    return (share[..., :, None] * share[..., None, :] * error).sum((-2, -1))


def ensembles(trials: int, *, generator: Generator) -> pl.DataFrame:
    """Forgetting by one write for random sets of four to eight codes, one row a set: ``codes, dim, forgetting``.

    Half have random weights. Raises ``ValueError`` on no trials.
    """
    if trials < 1:
        raise ValueError(f"trials={trials}: draw at least one set of codes")
    tables = []
    for dim in (2, 3, 5):
        for number in (4, 8):
            gaussian = make.unit(trials * number, dim, generator=generator)
            active = codes.random(trials * number, dim, max(1, dim // 2), generator=generator).dense()
            families = {
                "anywhere": gaussian,
                "nonnegative": gaussian.abs(),
                "sparse": active,
                "sparse, of either sign": active * gaussian.sign(),
                "sparse, less the mean": active - active.mean(-1, keepdim=True),
            }
            weights = torch.rand(trials, number, generator=generator, dtype=DTYPE)
            weights[: trials // 2] = 1.0
            for name, family in families.items():
                vectors = torch.nn.functional.normalize(family, dim=-1).reshape(trials, number, dim)
                forgetting = one_write(vectors, weights)
                tables.append(pl.DataFrame({"codes": name, "dim": dim, "forgetting": forgetting.numpy()}))
    return pl.concat(tables)


def best_known() -> pl.DataFrame:
    """Sets of codes as even as the sphere, to the fourth power: ``codes, dim, forgetting``. A polygon, and an icosahedron."""
    angle = torch.arange(5, dtype=DTYPE) * 2 * torch.pi / 5
    sets = {
        "five corners of a regular pentagon": torch.stack((angle.cos(), angle.sin()), -1),
        "six axes of the icosahedron": torch.nn.functional.normalize(frames.icosahedron(), dim=-1),
    }
    rows = [
        (name, found.shape[-1], float(one_write(found, torch.ones(len(found), dtype=DTYPE))))
        for name, found in sets.items()
    ]
    return pl.DataFrame(rows, schema=["codes", "dim", "forgetting"], orient="row")


def centred(sizes: Sequence[tuple[int, int]]) -> pl.DataFrame:
    """Mean squared cosine of all pairs of codes less their mean a: ``dim, code_size, centred_square``.

    Raises ``ValueError`` where no unit or all units are active, so that nothing is left, and as :func:`overlap.every`.
    """
    rows = []
    for dim, code_size in sizes:
        if not 1 <= code_size < dim:
            raise ValueError(
                f"code_size={code_size}, dim={dim}: less its mean, such a code is zero; give 1 <= code_size < dim"
            )
        code = overlap.every(dim, code_size).dense()
        vectors = torch.nn.functional.normalize(code - code.mean(-1, keepdim=True), dim=-1)
        rows.append((dim, code_size, float((vectors @ vectors.T).square().mean())))
    return pl.DataFrame(rows, schema=["dim", "code_size", "centred_square"], orient="row")


def first_write(dim: int, code_size: int | float) -> float:
    r"""Forgetting of a first memory by one write, times d, less 1: what collisions and chance cost beyond the floor.

    .. math:: d\,\Big(\mathbb{E}\,\tfrac{O^2}{k^2} + \mathbb{E}\,\tfrac{O^4}{k^4}\Big) - 1, \qquad
       \mathbb{E}\,(O)_r = \frac{(k)_r^2}{(d)_r}

    with falling factorials; ``code_size`` may be any number from 1. Raises ``ValueError`` unless ``1 <= code_size <= dim``
    and ``dim > 3``.

    >>> round((first_write(6, 2) + 1) / 6, 6)  # O is 1 in 8 and 2 in 1 of 15 cases
    0.3
    """
    if not 1 <= code_size <= dim or dim <= 3:
        raise ValueError(f"code_size={code_size}, dim={dim}: give 1 <= code_size <= dim, and more than 3 units")
    upper, lower, factorial = 1.0, 1.0, []
    for place in range(4):
        upper, lower = upper * (code_size - place), lower * (dim - place)
        factorial.append(upper * (upper / lower))
    one, two, three, four = factorial
    fourth = (one + 7 * two + 6 * three + four) / code_size**4
    return (code_size - 1) ** 2 / (dim - 1) + dim * fourth


def optimum(dims: Sequence[int]) -> pl.DataFrame:
    """The number of active units that forgets a first memory least: ``dim, best_size, best_integer, best_forgetting``.

    By search, over all real numbers and over all whole ones; the forgetting is that of the whole one. Raises ``ValueError``
    on fewer than 16 units.
    """
    rows = []
    for dim in dims:
        if dim < 16:
            raise ValueError(f"dim={dim}: with fewer than 16 units there is little to choose")
        guess = dim**0.25
        real = optimize.minimize_scalar(
            lambda size, dim=dim: first_write(dim, size), bounds=(guess / 2, 2 * guess), method="bounded",
            options={"xatol": 1e-9},
        ).x  # fmt: skip
        whole = min(range(max(1, int(guess / 2)), int(2 * guess) + 2), key=lambda size, dim=dim: first_write(dim, size))
        rows.append((dim, float(real), whole, (1 + first_write(dim, whole)) / dim))
    names = ["dim", "best_size", "best_integer", "best_forgetting"]
    return pl.DataFrame(rows, schema=names, orient="row")
