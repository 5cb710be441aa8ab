"""Memories that can be written and read, one file each, behind one protocol."""

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
