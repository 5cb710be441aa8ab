"""A memory that reads its keys through a threshold: one unit and one value for each stored item."""

from copy import copy

import torch
from jaxtyping import Float
from torch import Tensor

from cls_toys.probes import check_keys


class ThresholdedStore:
    r"""The memory of one unit for each of the ``keys``,

    .. math:: f(x) = \sum_u v_u\, g(\langle \hat k_u, \hat x \rangle), \qquad g(y) = \frac{(y - \tau)_+}{1 - \tau},

    of which the values :math:`v_u` are written. Keys are compared by their directions :math:`\hat k`, so that their norms do
    not matter. A write at a key changes the value of the one unit that answers it most, so that the memory recalls the value
    exactly. To a linear readout it is a code of as many dimensions as units: see :meth:`features`.

    ``keys`` is ``[units, dim]``, ``threshold`` is :math:`\tau \in [0, 1)`, ``out`` the dimension of a value. Raises
    ``ValueError`` on a threshold outside its range, ``out < 1``, and bad keys.

    >>> store = ThresholdedStore(torch.eye(2), threshold=0.5)
    >>> store.write(torch.tensor([1.0, 0.0]), torch.tensor([3.0]))
    >>> store.read(torch.tensor([[2.0, 0.0], [0.8, 0.6], [0.0, 1.0]])).flatten().round(decimals=4)
    tensor([3.0000, 1.8000, 0.0000])
    """

    def __init__(self, keys: Float[Tensor, "units dim"], threshold: float, out: int = 1) -> None:
        check_keys(keys)
        if not 0 <= threshold < 1:
            raise ValueError(f"threshold={threshold}: must be at least 0 and below 1, the overlap of a key with itself")
        if out < 1:
            raise ValueError(f"out={out}: a value needs at least one dimension")
        self.threshold = threshold
        self._units = _directions(keys)
        self.values = torch.zeros(len(keys), out, dtype=keys.dtype, device=keys.device)  # [units, out]

    def features(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items units"]:
        """How strongly each unit answers each key; 0 throughout for a zero key."""
        overlap = _directions(keys) @ self._units.T
        return (overlap - self.threshold).clamp_min(0) / (1 - self.threshold)

    def read(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items out"]:
        """The values recalled at the keys."""
        return self.features(keys) @ self.values

    def write(self, key: Float[Tensor, " dim"], value: Float[Tensor, " out"]) -> None:
        """Recall ``value`` at ``key`` exactly. A key that no unit answers changes nothing."""
        (answers,) = self.features(key[None])
        unit = answers.argmax()
        if answers[unit] > 0:
            change = (value - answers @ self.values) / answers[unit]
            self.values = self.values.index_add(0, unit[None], change[None])

    @property
    def parameters(self) -> int:
        """Number of values: units times outputs."""
        return self.values.numel()

    def copy(self) -> "ThresholdedStore":
        """An independent copy; the units, which never change, are shared."""
        return copy(self)  # a write replaces the values, it does not change them in place


def _directions(keys: Tensor) -> Tensor:
    return torch.nn.functional.normalize(keys, dim=-1, eps=torch.finfo(keys.dtype).tiny)
