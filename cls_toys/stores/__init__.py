"""Memories that can be written and read, one file each, behind one protocol.

A store of your own is a class with the four members of :class:`Store`, and needs to inherit nothing. Here is one that
forgets a little of everything with each write:

>>> import torch
>>> from cls_toys import keys, probes
>>> class Fading:
...     def __init__(self, dim, keep=0.9):
...         self.weight, self.keep = torch.zeros(1, dim, dtype=keys.DTYPE), keep
...     def read(self, keys):
...         return keys @ self.weight.T
...     def write(self, key, value):
...         faded = self.keep * self.weight
...         self.weight = faded + torch.outer(value - faded @ key, key) / key.square().sum()
...     @property
...     def parameters(self):
...         return self.weight.numel()
...     def copy(self):
...         clone = Fading(self.weight.shape[1], self.keep)
...         clone.weight = self.weight.clone()
...         return clone
>>> code = keys.gaussian(6, 4, generator=torch.Generator().manual_seed(0))  # [items, dim]
>>> store, values = Fading(dim=4), torch.ones(6, 1, dtype=keys.DTYPE)  # values: [items, out]
>>> isinstance(store, Store)
True
>>> probes.collateral(store, code, values).shape  # what one write at each item does to the others
torch.Size([6])
"""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Store(Protocol):
    """What every memory offers: read at any keys, write one item, count the parameters that writing touches, copy itself."""

    def read(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items out"]:
        """The values recalled at the keys."""
        ...

    def write(self, key: Float[Tensor, " dim"], value: Float[Tensor, " out"]) -> None:
        """Change the memory so that it recalls ``value`` at ``key``, as well as its rule can."""
        ...

    @property
    def parameters(self) -> int:
        """Number of scalars that a write may change."""
        ...

    def copy(self) -> "Store":
        """An independent copy, which can be written without touching this one."""
        ...
