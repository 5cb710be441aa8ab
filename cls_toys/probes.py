"""Probes of a code: how writable its items are and what a write breaks, for any key matrix and for any store.

Keys are rows: ``keys[..., i, :]`` is the key of item ``i``; leading dimensions are a batch of key matrices. The
mathematics in the book writes them as columns. All leverages come from the singular values of the keys themselves, never
from a pseudo-inverse of their second moment, which squares the condition number.
"""

import numpy as np
import scipy
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cls_toys.codes import Codes
from cls_toys.stores import Store


def check_keys(keys: Tensor) -> None:
    """Raise ``ValueError`` unless ``keys`` is a finite floating-point array of at least one item and one dimension."""
    if not keys.is_floating_point():
        raise ValueError(f"keys have dtype {keys.dtype}: give a floating-point tensor, for example keys.double()")
    if keys.ndim < 2 or 0 in keys.shape:
        raise ValueError(
            f"keys have shape {tuple(keys.shape)}: give [items, dim] with at least one item and one dimension"
        )
    if not torch.isfinite(keys).all():
        raise ValueError("keys hold NaN or infinity: every entry must be finite")


def svd(keys: Float[Tensor, "*batch items dim"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Left singular vectors, singular values, right singular vectors (rows), and which values count as nonzero.

    Those above ``max(items, dim) * eps`` times the largest count: every rank, leverage and write follows this one cut.
    """
    check_keys(keys)
    left, values, right = torch.linalg.svd(keys, full_matrices=False)
    return left, values, right, values > _cutoff(keys, values)


def rank(keys: Float[Tensor, "*batch items dim"]) -> Int[Tensor, "*batch"]:
    """Rank r of each key matrix: how many singular values count as nonzero."""
    return svd(keys)[3].sum(-1)


def leverage(keys: Float[Tensor, "*batch items dim"]) -> Float[Tensor, "*batch items"]:
    r"""Leverage of every item: the diagonal of the hat matrix.

    .. math:: \ell_i = k_i^\top M^+ k_i = (H)_{ii}, \qquad \sum_i \ell_i = r .

    Raises ``ValueError`` on keys that are no finite floating-point matrix.

    >>> leverage(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])).round(decimals=4)
    tensor([1.0000, 0.5000, 0.5000])
    """
    left, _, _, nonzero = svd(keys)
    return (left.square() * nonzero[..., None, :]).sum(-1).clamp_max(1)  # rounding alone would exceed it


def condition(keys: Float[Tensor, "*batch items dim"]) -> Float[Tensor, "*batch"]:
    """Condition number of the keys on their span: largest over least nonzero singular value; 1 if all keys are zero."""
    _, values, _, nonzero = svd(keys)
    least = values.masked_fill(~nonzero, torch.inf).amin(-1)
    return torch.where(nonzero.any(-1), values[..., 0] / least, 1.0)


def optimal_directions(keys: Float[Tensor, "*batch items dim"]) -> Float[Tensor, "*batch items dim"]:
    r"""Row i is :math:`M^+ k_i`, the direction of the write that reaches item i with least collateral."""
    left, values, right, nonzero = svd(keys)
    return (left * torch.where(nonzero, 1 / values, 0.0)[..., None, :]) @ right


def writability(
    keys: Float[Tensor, "*batch items dim"], directions: Float[Tensor, "*batch items dim"]
) -> Float[Tensor, "*batch items"]:
    r"""Share of each write's effect that lands on its item, for the rank-one write of item i along ``directions[i]``.

    .. math:: w_i = \frac{(v_i^\top k_i)^2}{\sum_j (v_i^\top k_j)^2} \in [0, 1], \qquad c_i = 1 / w_i - 1 .

    It is 0 where the write moves nothing (a zero key, a zero direction).
    """
    check_keys(keys)
    if keys.shape != directions.shape:
        raise ValueError(
            f"keys {tuple(keys.shape)} and directions {tuple(directions.shape)}: give one direction an item"
        )
    moved = _unit_scale(_unit_scale(directions, -1) @ _unit_scale(keys).mT, -1).square()  # [*batch, write, item]
    total = moved.sum(-1)
    return torch.where(total == 0, 0.0, moved.diagonal(dim1=-2, dim2=-1) / total)


def dimensionality(keys: Float[Tensor, "*batch items dim"]) -> Float[Tensor, "*batch items"]:
    r"""Feature dimensionality of every item (Elhage et al. 2022), 0 for a zero key.

    .. math:: D_i = \frac{\|k_i\|^2}{\sum_j (\hat k_i \cdot k_j)^2}

    Computed from unit vectors as in the source (elhage2022), not as a writability, so that the two can be held against
    each other. Raises ``ValueError`` on keys that are no finite floating-point matrix.
    """
    check_keys(keys)
    keys = _unit_scale(keys)
    norm = keys.norm(dim=-1)
    unit = keys / norm.clamp_min(torch.finfo(keys.dtype).tiny)[..., None]
    overlap = (unit @ keys.mT).square().sum(-1)
    return torch.where(norm > 0, norm.square() / overlap, 0.0)


def collateral(
    store: Store, keys: Float[Tensor, "items dim"], values: Float[Tensor, "items out"]
) -> Float[Tensor, " items"]:
    r"""Collateral of one write at each item, measured by writing it into a copy of the store and reading every item.

    .. math:: c_i = \frac{\sum_{j \neq i} \|\Delta y_j\|^2}{\|\Delta y_i\|^2}

    Infinite where the write does not move its item beyond rounding, NaN where the store reads NaN: give values that the
    store does not recall already. Works for any store: nothing is assumed of how it writes. Raises ``ValueError`` on bad
    keys, and where there is not one value an item.
    """
    check_keys(keys)
    if values.ndim != 2 or len(values) != len(keys):
        raise ValueError(
            f"values have shape {tuple(values.shape)}: give [items, out] with {len(keys)} items, as of the keys"
        )
    before = store.read(keys)
    rounding = (
        8 * torch.finfo(keys.dtype).eps * before.abs().amax(-1).maximum(values.abs().amax(-1))
    ).square()  # [items]
    measured = torch.empty(len(keys), dtype=keys.dtype, device=keys.device)
    for item in range(len(keys)):
        written = store.copy()
        written.write(keys[item], values[item])
        moved = (written.read(keys) - before).square().sum(-1)  # [items]
        others = torch.cat((moved[:item], moved[item + 1 :])).sum()
        measured[item] = torch.inf if moved[item] <= rounding[item] else others / moved[item]
    return measured


def nonzero_keys(keys: Float[Tensor, "*batch items dim"]) -> Bool[Tensor, "*batch items"]:
    """Which items have a key above the cut of :func:`svd`: the ones that count in n' and in every mean."""
    keys = _unit_scale(keys)
    _, values, _, _ = svd(keys)
    return keys.norm(dim=-1) > _cutoff(keys, values)


def overlap(code: Codes, other: Codes) -> Int[Tensor, " items"]:
    r"""Active units that the codes of each item share, :math:`O_i = |S_i \cap S'_i|`.

    Raises ``ValueError`` unless both have as many items and units.

    >>> overlap(Codes(torch.tensor([[0, 2]]), 4), Codes(torch.tensor([[2, 3]]), 4))
    tensor([1])
    """
    if len(code) != len(other) or code.units != other.units:
        raise ValueError(
            f"{len(code)} codes of {code.units} units and {len(other)} of {other.units}: give as many of as many units"
        )
    both = torch.cat((code.active, other.active), dim=-1).sort(-1).values
    return ((both[:, 1:] == both[:, :-1]) & (both[:, 1:] < code.units)).sum(-1)


def overlaps(code: Codes, other: Codes | None = None) -> Int[Tensor, "items others"]:
    r"""Active units that each item shares with each of the ``others``, or of its own code: :math:`O_{ij} = |S_i \cap S_j|`.

    By a product of sparse matrices: no array of ``items * units`` is made. Raises ``ValueError`` on unlike numbers of units.
    """
    other = code if other is None else other
    if code.units != other.units:
        raise ValueError(f"codes of {code.units} and of {other.units} units have no overlap")
    return torch.from_numpy((_sparse(code) @ _sparse(other).T).toarray())


def _sparse(code: Codes) -> "scipy.sparse.csr_array":
    kept = (code.active < code.units).numpy()
    starts = np.concatenate(([0], kept.sum(-1).cumsum()))
    places = code.active.numpy()[kept]
    return scipy.sparse.csr_array((np.ones(len(places), dtype=np.int64), places, starts), (len(code), code.units))


def code_drift(before: Codes, after: Codes) -> Float[Tensor, " items"]:
    r"""Share of an item's active units that it has lost, :math:`1 - |S \cap S'| / |S|`; NaN for an item that had none."""
    return 1 - overlap(before, after).double() / before.sizes


def participation_ratio(codes: Float[Tensor, "items units"], *, centred: bool) -> float:
    r"""How many directions the codes use, :math:`(\operatorname{tr} C)^2 / \operatorname{tr} C^2`, between 1 and the rank.

    :math:`C = \frac1n \sum_i z_i z_i^\top`, of the codes as they are or, ``centred``, less their mean: a covariance. NaN
    where all codes are the same (zero). Raises ``ValueError`` on codes that are no finite floating-point matrix.
    """
    check_keys(codes)
    squares = torch.linalg.svdvals(codes - codes.mean(0) if centred else codes).square()
    return float(squares.sum().square() / squares.square().sum())


def mean_square_cosine(codes: Float[Tensor, "items units"]) -> float:
    r"""Mean squared cosine of two different rows, which is what a write at one does to another on average.

    .. math:: \overline{\cos^2} = \frac{1}{n(n-1)} \sum_{i \neq j} \frac{(z_i \cdot z_j)^2}{\|z_i\|^2 \|z_j\|^2}

    Raises ``ValueError`` on fewer than two rows or a zero row.
    """
    check_keys(codes)
    norms = codes.norm(dim=-1, keepdim=True)
    if len(codes) < 2 or not norms.all():
        raise ValueError(
            f"{len(codes)} rows, least norm {float(norms.min()):.3g}: give two rows or more, none of them zero"
        )
    cosines = (codes / norms) @ (codes / norms).T
    return float(cosines.fill_diagonal_(0).square().sum() / (len(codes) * (len(codes) - 1)))


def treves_rolls(codes: Float[Tensor, "items units"]) -> Float[Tensor, " items"]:
    r"""Treves and Rolls's sparseness of each code, the activity of a binary one; NaN for a zero code. Source: rolls1990.

    .. math:: s = \frac{(\sum_u z_u)^2}{d \sum_u z_u^2} \in [0, 1]
    """
    check_keys(codes)
    codes = _unit_scale(codes, -1)
    return codes.sum(-1).square() / (codes.shape[-1] * codes.square().sum(-1))


def hoyer(codes: Float[Tensor, "items units"]) -> Float[Tensor, " items"]:
    r"""Hoyer's sparseness of each code: 1 for one active unit, 0 for a flat code; NaN for a zero code. Source: hoyer2004.

    .. math:: H = \frac{\sqrt d - \|z\|_1 / \|z\|_2}{\sqrt d - 1}

    Raises ``ValueError`` on codes of one unit, which are sparse and flat at once.
    """
    root = codes.shape[-1] ** 0.5
    if codes.shape[-1] < 2:
        raise ValueError("codes of one unit are sparse and flat at once: Hoyer's sparseness needs at least two units")
    return (root - root * treves_rolls(codes.abs()).sqrt()) / (root - 1)


def _cutoff(keys: Tensor, singular_values: Tensor) -> Tensor:
    """``[*batch, 1]``: what counts as zero beside the largest singular value."""
    return max(keys.shape[-2:]) * torch.finfo(keys.dtype).eps * singular_values[..., :1]


def _unit_scale(values: Tensor, dim: int | tuple[int, ...] = (-2, -1)) -> Tensor:
    """Divided by the largest entry along ``dim``: shares are scale-free, squares of very small or large keys are not."""
    largest = values.abs().amax(dim, keepdim=True)
    return values / torch.where(largest > 0, largest, 1.0)
