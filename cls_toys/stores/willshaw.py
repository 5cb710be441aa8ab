"""The binary associative memory of Willshaw, Buneman and Longuet-Higgins (1969)."""

from copy import copy

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class WillshawStore:
    r"""Binary synapses that a write switches on and nothing switches off, read through a threshold.

    .. math:: W_{ab} \leftarrow W_{ab} \lor (v_a \land k_b), \qquad
       y_a = \mathbb{1}\Big[\sum_b W_{ab} k_b = \sum_b k_b\Big]

    Keys and values are vectors of zeros and ones; an output unit fires if all active inputs reach it. Source: willshaw1969.
    ``dim`` and ``out`` are the dimensions of keys and values. Raises ``ValueError`` on a dimension below 1, and in reading
    and writing on anything but zeros and ones and on a key without a one.
    """

    def __init__(self, dim: int, out: int, dtype: torch.dtype = torch.float64) -> None:
        if dim < 1 or out < 1:
            raise ValueError(f"dim={dim}, out={out}: keys and values need at least one dimension")
        self.dtype = dtype
        self.weight: Bool[Tensor, "out dim"] = torch.zeros(out, dim, dtype=torch.bool)

    def read(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items out"]:
        """The units that fire at each key."""
        _check("key", keys)
        return (keys @ self.weight.T.to(keys.dtype) == keys.sum(-1, keepdim=True)).to(self.dtype)

    def write(self, key: Float[Tensor, " dim"], value: Float[Tensor, " out"]) -> None:
        """Let all ones of ``value`` fire at ``key``; what fired there before still does."""
        _check("key", key[None])
        if not ((value == 0) | (value == 1)).all():
            raise ValueError("a value of a Willshaw memory holds zeros and ones only")
        self.weight = self.weight | torch.outer(value > 0, key > 0)

    @property
    def parameters(self) -> int:
        """Number of synapses, of one bit each."""
        return self.weight.numel()

    def copy(self) -> "WillshawStore":
        """An independent copy; a write makes a new tensor, so this one can be shared."""
        return copy(self)


def _check(name: str, keys: Tensor) -> None:
    if not ((keys == 0) | (keys == 1)).all() or not keys.any(-1).all():
        raise ValueError(f"a {name} of a Willshaw memory holds zeros and ones only, and at least one one")
