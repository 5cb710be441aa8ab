"""A linear readout of sparse codes: the delta rule on the weights of the active units alone."""

from collections.abc import Callable
from copy import copy

import torch
from jaxtyping import Float
from torch import Tensor

from cls_toys.codes import Codes


class SparseStore:
    r"""The memory :math:`y = W z(x)`, where :math:`z(x)` is a sparse binary code; a write at x is the delta rule

    .. math:: \Delta W = \eta\, (y^\star - W z)\, \frac{z^\top}{\|z\|^2},

    which at ``rate`` :math:`\eta = 1` recalls the value exactly. It touches, and a read sums, the active units' weights only.

    ``encode`` maps keys ``[items, dim]`` to :class:`~cls_toys.codes.Codes` of ``units`` units; ``out`` is the dimension of
    a value. Without ``encode`` the keys are such codes themselves, given as zeros and ones. A code without an active unit
    recalls 0 and writes nothing. Raises ``ValueError`` on ``units`` or ``out`` below 1, a rate outside (0, 2), and codes of
    another number of units.

    >>> store = SparseStore(units=3)
    >>> store.write(torch.tensor([1.0, 1.0, 0.0]).double(), torch.tensor([4.0]).double())
    >>> store.read(torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]).double()).flatten().tolist()
    [4.0, 2.0, 0.0]
    """

    def __init__(
        self, units: int, out: int = 1, encode: Callable[[Tensor], Codes] = Codes.of, rate: float = 1.0
    ) -> None:
        if units < 1 or out < 1:
            raise ValueError(f"units={units}, out={out}: a memory needs at least one unit and one output")
        if not 0 < rate < 2:
            raise ValueError(f"rate={rate}: the delta rule converges for rates strictly between 0 and 2 only")
        self.encode, self.rate = encode, rate
        self.weight = torch.zeros(units + 1, out, dtype=torch.float64)  # [units, out], and a row that stays 0

    def _code(self, keys: Float[Tensor, "items dim"]) -> Codes:
        code = self.encode(keys)
        if code.units != len(self.weight) - 1:
            raise ValueError(
                f"the code has {code.units} units, the memory {len(self.weight) - 1}: they must be the same"
            )
        return code

    def read(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items out"]:
        """The values recalled at the keys."""
        return self.weight[self._code(keys).active].sum(1)

    def write(self, key: Float[Tensor, " dim"], value: Float[Tensor, " out"]) -> None:
        """Move the value recalled at ``key`` by the share ``rate`` of the way to ``value``."""
        code = self._code(key[None])
        (active,) = code.active
        if size := int(code.sizes):
            change = self.rate * (value - self.weight[active].sum(0)) / size  # [out]
            self.weight = self.weight.index_add(0, active[:size], change.expand(size, -1))

    @property
    def parameters(self) -> int:
        """Number of weights: units times outputs."""
        return self.weight[1:].numel()

    def copy(self) -> "SparseStore":
        """An independent copy; a write makes new weights, so these can be shared."""
        return copy(self)
