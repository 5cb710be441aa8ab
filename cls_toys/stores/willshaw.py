"""The binary associative memory of Willshaw, Buneman and Longuet-Higgins (1969)."""

from copy import copy

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cls_toys.codes import Codes

CHUNK = 2**25  # bytes of synapses looked at together in a read


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

    def write_codes(self, keys: Codes, values: Codes) -> None:
        """Write many pairs, given as the indices of their ones; the order does not matter. Raises ``ValueError`` on other sizes."""
        out, dim = self.weight.shape
        if len(keys) != len(values) or keys.units != dim or values.units != out:
            raise ValueError(
                f"{len(keys)} keys of {keys.units} units and {len(values)} values of {values.units}: give one value a key, of {out} units, and keys of {dim}"
            )
        padded = torch.zeros(out + 1, dim + 1, dtype=torch.bool)  # a place for what fills up short codes
        padded[values.active[:, :, None], keys.active[:, None, :]] = True
        self.weight = self.weight | padded[:out, :dim]

    def read_codes(self, keys: Codes) -> Bool[Tensor, "items out"]:
        """Which units fire at each key: those whose synapses from its ones are all on. Raises ``ValueError`` on a key without a one."""
        if keys.units != self.weight.shape[1] or not keys.sizes.all():
            raise ValueError(
                f"keys of {keys.units} units, the least with {int(keys.sizes.min())} ones: give {self.weight.shape[1]} units and at least one one"
            )
        out = len(self.weight)
        incoming = torch.cat((self.weight.T, torch.ones(1, out, dtype=torch.bool))).numpy()  # [dim + 1, out]
        packed = np.packbits(incoming, axis=-1)  # eight output units a byte: one "and" for all of them
        step = max(1, CHUNK // (keys.active.shape[1] * packed.shape[1]))
        fires = [np.bitwise_and.reduce(packed[part.numpy()], axis=1) for part in keys.active.split(step)]
        return torch.from_numpy(np.unpackbits(np.concatenate(fires), axis=-1, count=out).astype(bool))

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
