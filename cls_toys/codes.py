"""Sparse binary codes: which few of many units an item switches on, kept as their indices.

A dense code holds ``items * units`` numbers, of which all but a few are zero; :class:`Codes` holds the places of the
ones. Everything random takes an explicit generator.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Generator, Tensor

from cls_toys.keys import DTYPE

Ties = Literal["hash", "index", "random"]
Weights = Literal["gaussian", "equal"]
_CHUNK = 2**24  # entries of a temporary


@dataclass(frozen=True)
class Codes:
    r"""Binary codes, one row an item: the ascending indices of the units that are active.

    .. math:: z_{iu} = \mathbb{1}[u \in S_i], \qquad S_i = \{\texttt{active}_{i1} < \texttt{active}_{i2} < \dots\}

    ``active`` is ``[items, width]``; a row with fewer active units than the widest is filled up with ``units``, an index
    that no unit has. Raises ``ValueError`` on fewer than one unit, and on rows that are not ascending or out of range.

    >>> code = Codes(torch.tensor([[0, 2], [1, 4]]), units=4)  # the second item has one active unit
    >>> code.dense().tolist(), code.sizes.tolist()
    ([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]], [2, 1])
    """

    active: Int[Tensor, "items width"]
    units: int

    def __post_init__(self) -> None:
        if self.units < 1:
            raise ValueError(f"units={self.units}: a code needs at least one unit")
        if self.active.ndim != 2 or self.active.is_floating_point():
            raise ValueError(
                f"active has shape {tuple(self.active.shape)}, {self.active.dtype}: give integers [items, width]"
            )
        lower, upper = self.active[:, :-1], self.active[:, 1:]
        if (
            not ((lower < upper) | (upper == self.units)).all()
            or not ((self.active >= 0) & (self.active <= self.units)).all()
        ):
            raise ValueError(
                f"active must hold in each row the ascending, distinct indices of active units, from 0 to {self.units - 1}, "
                f"and {self.units} in places to spare"
            )

    @classmethod
    def of(cls, dense: Tensor) -> "Codes":
        """The code of the nonzero entries of ``[items, units]``."""
        on = dense != 0
        width = int(on.sum(-1).max()) if on.numel() else 0
        places = torch.where(on, torch.arange(on.shape[-1], device=on.device), on.shape[-1])
        return cls(places.sort(-1).values[:, :width], on.shape[-1])

    def __len__(self) -> int:
        return len(self.active)

    def __getitem__(self, items: slice | Tensor) -> "Codes":
        """The codes of some of the items."""
        return Codes(self.active[items], self.units)

    @property
    def sizes(self) -> Int[Tensor, " items"]:
        """How many units each item switches on."""
        return (self.active < self.units).sum(-1)

    def dense(self, dtype: torch.dtype = DTYPE) -> Shaped[Tensor, "items units"]:
        """Zeros and ones: one number for each item and unit."""
        whole = torch.zeros(len(self), self.units + 1, dtype=dtype, device=self.active.device)
        return whole.scatter_(-1, self.active, 1)[:, : self.units]

    def packed(self) -> UInt8[np.ndarray, "items bytes"]:
        """Eight units a byte, the first in the highest bit, as ``numpy.packbits`` does."""
        return np.packbits(self.dense(torch.uint8).cpu().numpy(), axis=-1)


def random(items: int, units: int, active: int, *, generator: Generator) -> Codes:
    """Independent uniformly random subsets of ``active`` out of ``units``, in memory of ``items * active``.

    Floyd's algorithm, for all items at a time: the j-th of the last ``active`` units is replaced by a random one up to
    itself, unless that is taken. Of more than half the units, the inactive ones are drawn.
    Raises ``ValueError`` unless ``items >= 1`` and ``1 <= active <= units``.
    """
    if items < 1 or not 1 <= active <= units:
        raise ValueError(
            f"items={items}, active={active}, units={units}: give at least one item and 1 <= active <= units"
        )
    few = min(active, units - active)
    chosen = torch.empty(few, items, dtype=torch.long)
    for place, last in enumerate(range(units - few, units)):
        drawn = torch.randint(0, last + 1, (items,), generator=generator)
        taken = (chosen[:place] == drawn).any(0)
        chosen[place] = torch.where(taken, last, drawn)
    chosen = chosen.T.sort(-1).values
    if few == active:
        return Codes(chosen, units)
    kept = torch.ones(items, units, dtype=torch.bool).scatter_(-1, chosen, False)
    return Codes(kept.nonzero()[:, 1].reshape(items, active), units)


def winners(
    drive: Float[Tensor, "items units"],
    active: int,
    *,
    ties: Ties = "hash",
    positive: bool = False,
    generator: Generator | None = None,
) -> Codes:
    r"""k winners take all: of each item, the ``active`` units that are driven most.

    Where units tie for the last places, ``ties`` decides. ``hash`` picks by a fixed hash of the item's drive: pseudo-random,
    and the same whenever the same input comes. ``index`` takes the first units, the same ones for every item: overlap that
    the inputs do not have. ``random`` draws anew at each presentation (and needs a ``generator``): one input gets many
    codes. With ``positive`` a unit wins only if its drive is above zero, so that a code may have fewer active units.
    :func:`tied` tells how many items are concerned.

    Raises ``ValueError`` unless ``1 <= active <= units``, on NaN, on an unknown policy, and on a generator that is missing
    or not needed.

    >>> winners(torch.tensor([[0.1, 0.9, 0.5], [0.0, -1.0, 2.0]]), 2, positive=True).dense().tolist()
    [[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]
    """
    _check(drive, active)
    if ties not in get_args(Ties):
        raise ValueError(f"ties={ties!r}: must be one of {', '.join(get_args(Ties))}")
    if (ties == "random") != (generator is not None):
        raise ValueError(
            f"ties={ties!r} with generator={generator}: random ties need a generator, the others take none"
        )
    units = drive.shape[-1]
    top = drive.topk(min(active + 1, units))
    won, last = top.indices[:, :active], top.values[:, active - 1 : active]  # the least drive that can win
    if active < units and (top.values[:, -1:] == last).any():
        if ties == "index":
            favour = torch.arange(units, 0, -1, device=drive.device) / (units + 1)
        elif ties == "hash":
            favour = _hash(drive)
        else:
            favour = torch.rand(drive.shape, generator=generator)
        score = torch.where(drive > last, 2.0, torch.where(drive == last, favour, -1.0))
        won = score.topk(active).indices
    if positive:
        won = torch.where(drive.gather(-1, won) > 0, won, units)
    return Codes(won.sort(-1).values, units)


def above(drive: Float[Tensor, "items units"], threshold: float | Float[Tensor, " units"]) -> Codes:
    """Threshold code: the units whose drive exceeds ``threshold``, one for all or one a unit. Raises as :func:`winners`."""
    _check(drive, 1)
    return Codes.of(drive > threshold)


def tied(drive: Float[Tensor, "items units"], active: int) -> Bool[Tensor, " items"]:
    """Whether a tie decides who wins: the last winner and the first loser are driven alike. Raises as :func:`winners`."""
    _check(drive, active)
    if active == drive.shape[-1]:
        return torch.zeros(len(drive), dtype=torch.bool, device=drive.device)
    top = drive.topk(active + 1).values
    return top[:, -2] == top[:, -1]


def projection(
    units: int, inputs: int, fan_in: int | None = None, weights: Weights = "gaussian", *, generator: Generator
) -> Float[Tensor, "units inputs"]:
    r"""Random weights from ``inputs`` to ``units``; each unit reads ``fan_in`` of the inputs, or all.

    Gaussian weights have variance 1/fan-in, so that inputs of unit mean square drive a unit with variance 1; ``equal`` ones
    are all 1/fan-in. Raises ``ValueError`` on sizes below 1, ``fan_in`` outside 1 to ``inputs``, and unknown weights.
    """
    fan_in = inputs if fan_in is None else fan_in
    if weights not in get_args(Weights):
        raise ValueError(f"weights={weights!r}: must be one of {', '.join(get_args(Weights))}")
    if units < 1 or not 1 <= fan_in <= inputs:
        raise ValueError(f"units={units}, fan_in={fan_in}, inputs={inputs}: give units >= 1 and 1 <= fan_in <= inputs")
    mask = random(units, inputs, fan_in, generator=generator).dense()
    if weights == "equal":
        return mask / fan_in
    return mask * torch.randn(units, inputs, generator=generator, dtype=DTYPE) / fan_in**0.5


def _check(drive: Tensor, active: int) -> None:
    if drive.ndim != 2 or 0 in drive.shape or not drive.is_floating_point():
        raise ValueError(
            f"drive has shape {tuple(drive.shape)}, {drive.dtype}: give floating-point [items, units], neither 0"
        )
    if torch.isnan(drive).any():
        raise ValueError("the drive holds NaN: nothing can be ranked by it")
    if not 1 <= active <= drive.shape[-1]:
        raise ValueError(f"active={active}: give between 1 and {drive.shape[-1]}, the number of units")


def _hash(drive: Float[Tensor, "items units"]) -> Float[Tensor, "items units"]:
    """Pseudo-random numbers in [0, 1), one for each item and unit, that depend on nothing but the item's drive."""
    bits = (drive.double() + 0.0).view(torch.int64)  # adding 0 makes the negative zero positive
    unit = torch.arange(drive.shape[-1], device=drive.device)
    item = _mix(bits ^ _mix(unit + 1)).sum(-1, keepdim=True)  # depends on order; integers wrap around
    return (_mix(item ^ _mix(unit + 1)) >> 11 & (2**52 - 1)).double() / 2**52


def _mix(x: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """Finaliser of splitmix64, on signed integers."""
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
        x = (x ^ (x >> shift & 2 ** (64 - shift) - 1)) * factor
    return x ^ (x >> 31 & 2**33 - 1)
