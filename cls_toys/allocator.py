r"""Malloc and free for parameters: reserve what must stay, learn the price of a write before it is made, free what may go.

A change :math:`\delta` of the parameters is read at an item through its rows :math:`B`: the key of a linear readout, the Jacobian
of a network. With :math:`B_j` the rows of the reserved items, a write that moves the item by :math:`v` is

.. math:: \delta = A B^\top (B A B^\top)^+ v, \qquad A = \Big(\sum_j B_j^\top B_j + B^\top B + \mu I\Big)^+,

the one that disturbs the reserved items least, and costs :math:`\mu \|\delta\|^2` of that for being short. Exact for a linear
readout, right to first order for a network.
"""

import math
from collections.abc import Collection
from typing import NamedTuple, Protocol, runtime_checkable

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cls_toys import capacity, probes, tangent

# How far a move may miss its value, over the change, before it counts as out of reach: rounding of badly conditioned gradients.
MISSED = {torch.float64: 1e-6, torch.float32: 1e-3}


@runtime_checkable
class Space(Protocol):
    """Parameters that can be moved, and the rows through which a move is read at an item."""

    def rows(self, keys: Float[Tensor, "items ..."]) -> Float[Tensor, "items rows dim"]:
        """What a move of the parameters is multiplied by at each item."""
        ...

    def read(self, keys: Float[Tensor, "items ..."]) -> Float[Tensor, "items out"]:
        """What is recalled at the keys."""
        ...

    def moved(self, delta: Float[Tensor, "dim columns"]) -> "Space":
        """The same with its parameters moved; this one stays as it is."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Of a move: dimensions of a row, and columns, each of which moves by itself."""
        ...


class LinearReadout:
    """The readout :math:`y = W k`: ``weight`` is ``[out, dim]``. Each output has the same row, the key.

    Raises ``ValueError`` on a weight that is no finite floating-point matrix of at least one output and one dimension.
    """

    def __init__(self, weight: Float[Tensor, "out dim"]) -> None:
        if weight.ndim != 2 or 0 in weight.shape or not weight.is_floating_point() or not torch.isfinite(weight).all():
            raise ValueError(
                f"weight has shape {tuple(weight.shape)} and dtype {weight.dtype}: give a finite floating-point [out, dim] "
                "with at least one of each"
            )
        self.weight = weight.detach()

    def rows(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items 1 dim"]:
        """The keys; raises ``ValueError`` where they have another dimension or dtype than the readout."""
        if keys.ndim != 2 or keys.shape[1] != self.weight.shape[1]:
            raise ValueError(
                f"keys have shape {tuple(keys.shape)}: give [items, {self.weight.shape[1]}], one row an item"
            )
        if keys.dtype != self.weight.dtype:
            raise ValueError(
                f"keys have dtype {keys.dtype} and the readout {self.weight.dtype}: give keys.to({self.weight.dtype})"
            )
        return keys[:, None]

    def read(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items out"]:
        """The values recalled at the keys."""
        return keys @ self.weight.T

    def moved(self, delta: Float[Tensor, "dim out"]) -> "LinearReadout":
        """The readout with weight :math:`W + \\delta^\\top`."""
        return LinearReadout(self.weight + delta.T)

    @property
    def shape(self) -> tuple[int, int]:
        """Dimensions of a key, and outputs."""
        return self.weight.shape[1], self.weight.shape[0]


class TangentSpace:
    """A network: the rows of an item are the gradients of its outputs, at the parameters as they are now."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def rows(self, keys: Float[Tensor, "items ..."]) -> Float[Tensor, "items out parameters"]:
        """The Jacobian at the keys, which are inputs; raises ``ValueError`` where they do not fit the network."""
        try:
            with torch.no_grad():
                values = self.network(keys)
            if values.ndim != 2:
                raise ValueError(
                    f"the network turns keys of shape {tuple(keys.shape)} into {tuple(values.shape)}: let it give [items, out]"
                )
            return tangent.features(self.network, keys)
        except RuntimeError as error:
            said = str(error).partition("\n")[0]
            raise ValueError(f"keys of shape {tuple(keys.shape)} do not fit the network: {said}") from error

    @torch.no_grad()
    def read(self, keys: Float[Tensor, "items ..."]) -> Float[Tensor, "items out"]:
        """The outputs at the keys."""
        return self.network(keys)

    def moved(self, delta: Float[Tensor, "parameters 1"]) -> "TangentSpace":
        """A copy of the network with its parameters moved."""
        return TangentSpace(tangent.moved(self.network, delta[:, 0]))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of parameters, and 1."""
        return sum(parameter.numel() for parameter in self.network.parameters()), 1


class Refused(ValueError):
    """A write that would disturb the reserved items by more than was allowed; nothing was changed."""


class Price(NamedTuple):
    """What a write would do, before it is made."""

    collateral: float  # squared change of all other reserved items over that of the target, to first order
    length: float  # of the move of the parameters


class Written(NamedTuple):
    """What a write did. In a network the measured collateral differs from the predicted one, as far as the move was not small."""

    predicted: float
    measured: float
    length: float


class Report(NamedTuple):
    """How much room is left, and what the next write would cost."""

    reserved: int  # items
    parameters: int
    free_dimensions: int  # in which no move within the radius forgets more than allowed
    writable_bits: float
    price: Price | None  # of the next write, if one was named


class Allocator:
    """Reserve items, write others where they disturb least, and be refused where that is too much.

    ``space`` is a :class:`LinearReadout` or a :class:`TangentSpace`; it is never changed, each write replaces it, so
    ``allocator.space`` is the present one. ``ridge`` is what a unit of squared length of a move costs, in units of squared
    changes of reserved items; without it a write at a key almost in the span of the others may be very long. Raises
    ``ValueError`` on a ridge that is negative or not finite.

    >>> allocator = Allocator(LinearReadout(torch.zeros(1, 2)))
    >>> allocator.reserve(torch.tensor([[1.0, 0.0]]))
    >>> allocator.write(torch.tensor([1.0, 1.0]), torch.tensor([3.0]), tolerance=0.0)  # the second dimension is free
    Written(predicted=..., measured=..., length=3.0)
    >>> allocator.write(torch.tensor([1.0, -1.0]), torch.tensor([3.0]), tolerance=0.1)
    Traceback (most recent call last):
    cls_toys.allocator.Refused: this write would change ...
    """

    def __init__(self, space: Space, *, ridge: float = 0.0) -> None:
        if not 0 <= ridge < math.inf:
            raise ValueError(f"ridge={ridge}: give a finite ridge of at least 0")
        self.space, self.ridge = space, ridge
        self.reserved: Tensor | None = None  # [items, ...], in the order in which they came

    def reserve(self, keys: Float[Tensor, "items ..."]) -> None:
        """Protect what is recalled at the keys; those that are protected already stay so.

        Raises ``ValueError`` on keys that are no finite floating-point array with a row an item, or do not fit the space.
        """
        self._rows(keys)
        new = [key for key in keys if not self._is(key).any()]
        if new:
            kept = [] if self.reserved is None else [self.reserved]
            self.reserved = torch.cat([*kept, torch.stack(new)])

    def free(self, keys: Float[Tensor, "items ..."]) -> None:
        """Give up what is recalled at the keys, so that other writes may use its room; nothing is written yet.

        Raises ``ValueError``, and frees nothing, if one of them is not reserved.
        """
        self._rows(keys)
        lacking = sum(not self._is(key).any() for key in keys)
        if lacking:
            raise ValueError(f"{lacking} of {len(keys)} keys are not reserved: give keys exactly as they were reserved")
        freed = torch.stack([self._is(key) for key in keys]).any(0)
        self.reserved = None if freed.all() else self.reserved[~freed]

    def price(self, key: Float[Tensor, "..."], value: Float[Tensor, " out"]) -> Price:
        """What writing ``value`` at ``key`` would cost. Raises ``ValueError`` as :meth:`write`, but refuses nothing."""
        _, price = self._plan(key, value)
        return price

    def write(self, key: Float[Tensor, "..."], value: Float[Tensor, " out"], tolerance: float) -> Written:
        """Make ``value`` be recalled at ``key`` with least collateral, and reserve it.

        Raises ``Refused``, with nothing changed, if the predicted collateral exceeds ``tolerance``; ``ValueError`` on a negative
        tolerance, on keys and values that do not fit, and where no move reaches the value.
        """
        if not tolerance >= 0:
            raise ValueError(f"tolerance={tolerance}: collateral is never negative; allow 0 or more")
        delta, price = self._plan(key, value)
        if not price.collateral <= tolerance + 100 * torch.finfo(key.dtype).eps:  # so that NaN is refused
            raise Refused(
                f"this write would change the reserved items by {price.collateral:.3g} times the squared change of its target, "
                f"and tolerance={tolerance:g} allows less: free some of the {len(self._others(key))} others, or allow more"
            )
        before, others = self.space.read(key[None]), self._others(key)
        moved = self.space.moved(delta)
        hit = moved.read(key[None]) - before
        damage = moved.read(others) - self.space.read(others) if len(others) else hit[:0]
        self.space = moved
        self.reserve(key[None])
        return Written(price.collateral, _collateral(hit, damage), price.length)

    def report(
        self,
        key: Float[Tensor, "..."] | None = None,
        value: Float[Tensor, " out"] | None = None,
        *,
        forgetting: float = 0.01,
        radius: float = 1.0,
        noise: float = 0.01,
    ) -> Report:
        """How many dimensions are free and how many bits can be written, and the price of ``value`` at ``key`` if given.

        Half the squared change of the reserved items may be ``forgetting``, moves are no longer than ``radius``, and parameters
        are read with noise of standard deviation ``noise``. Raises ``ValueError`` on those as :func:`capacity.water_fill`.
        """
        if (key is None) != (value is None):
            raise ValueError("give a key and a value to learn the price of a write, or neither")
        dim, columns = self.space.shape
        curvature = torch.zeros(dim, dtype=torch.float64)
        if self.reserved is not None:
            values = torch.linalg.svdvals(self.space.rows(self.reserved).flatten(0, 1))
            curvature[: len(values)] = values.square()
        curvature = curvature.repeat(columns)
        return Report(
            reserved=0 if self.reserved is None else len(self.reserved),
            parameters=len(curvature),
            free_dimensions=capacity.free_dimensions(curvature, forgetting, radius),
            writable_bits=capacity.water_fill(curvature, forgetting, radius, noise).bits,
            price=None if key is None else self.price(key, value),
        )

    def _rows(self, keys: Tensor) -> Tensor:
        probes.check_keys(keys)
        if keys.dtype not in MISSED:
            raise ValueError(f"keys have dtype {keys.dtype}: give float64, or float32 where that is precise enough")
        rows = self.space.rows(keys)
        if self.reserved is not None and keys.shape[1:] != self.reserved.shape[1:]:
            raise ValueError(
                f"an item has shape {tuple(keys.shape[1:])}, and those reserved have {tuple(self.reserved.shape[1:])}: they must agree"
            )
        return rows

    def _is(self, key: Tensor) -> Tensor:
        """Which reserved items have this very key."""
        if self.reserved is None:
            return torch.zeros(0, dtype=torch.bool)
        return (self.reserved == key).flatten(1).all(1)

    def _others(self, key: Tensor) -> Tensor:
        return key[None][:0] if self.reserved is None else self.reserved[~self._is(key)]

    def _plan(self, key: Tensor, value: Tensor) -> tuple[Tensor, Price]:
        """The move of the parameters, and its price."""
        rows = self._rows(key[None])[0]  # [rows, dim]
        now = self.space.read(key[None])[0]
        if not value.is_floating_point():
            raise ValueError(f"value has dtype {value.dtype}: give floating-point numbers, for example value.double()")
        value = value.to(now.dtype)
        if value.shape != now.shape or not torch.isfinite(value).all():
            raise ValueError(f"value has shape {tuple(value.shape)}: give {len(now)} finite numbers, one an output")
        if not torch.isfinite(now).all():
            raise ValueError("what is recalled at this key is NaN or infinite: mend the parameters before writing")
        change = (value - now).reshape(len(rows), -1)  # [rows, columns]
        others = self._others(key)
        at_others = self.space.rows(others).flatten(0, 1) if len(others) else rows[:0]
        _, singular, basis, nonzero = probes.svd(torch.cat([at_others, rows]))
        basis, gain = basis[nonzero], 1 / (singular[nonzero].square() + self.ridge)
        through = (rows @ basis.T) * gain @ basis  # [rows, dim]
        delta = through.T @ (torch.linalg.pinv(rows @ through.T, hermitian=True) @ change)
        missed = float((rows @ delta - change).abs().max())
        if not missed <= MISSED[now.dtype] * float(change.abs().max()):
            raise ValueError(
                "no move of the parameters reaches this value at this key: its gradients are zero or dependent"
            )
        return delta, Price(_collateral(change, at_others @ delta), float(delta.norm()))


def _collateral(hit: Tensor, damage: Tensor) -> float:
    """Squared damage over squared hit. In units of the hit, as squares of very large or small changes leave floating point."""
    scale = hit.abs().max()
    return float((damage / scale).square().sum() / (hit / scale).square().sum()) if scale > 0 else 0.0


def fill(
    allocator: Allocator, keys: Float[Tensor, "items ..."], values: Float[Tensor, "items out"], tolerance: float
) -> pl.DataFrame:
    """Try to write each value at its key, one after the other, and go on where one is refused.

    One row a write: ``free`` dimensions before it, its ``predicted`` and ``measured`` collateral (the latter missing if refused),
    ``outcome`` (*written* or *refused*), and ``length`` of the move. Raises ``ValueError``, and writes nothing, where there are
    no keys or another number of values.
    """
    probes.check_keys(keys)
    if len(keys) != len(values):
        raise ValueError(f"there are {len(keys)} keys and {len(values)} values: give one value a key")
    rows = []
    for key, value in zip(keys, values, strict=True):
        free, price = allocator.report().free_dimensions, allocator.price(key, value)
        row = {"free": free, "predicted": price.collateral, "length": price.length}
        try:
            rows.append(row | {"outcome": "written", "measured": allocator.write(key, value, tolerance).measured})
        except Refused:
            rows.append(row | {"outcome": "refused", "measured": None})
    return pl.DataFrame(rows, schema_overrides={"measured": pl.Float64})


def by_size(
    space: Space,
    reserved: Float[Tensor, "items ..."],
    key: Float[Tensor, "..."],
    sizes: Collection[float],
    ridge: float = 0.0,
) -> pl.DataFrame:
    """One write of every size at the key, each to the space as it was given, with the items reserved.

    One row a size, by which all outputs at the key are to change: ``size, predicted, measured, length``.
    """
    rows = []
    for size in sizes:
        allocator = Allocator(space, ridge=ridge)
        allocator.reserve(reserved)
        written = allocator.write(key, space.read(key[None])[0] + size, math.inf)
        rows.append({"size": size} | written._asdict())
    return pl.DataFrame(rows)
