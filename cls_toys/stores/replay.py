"""A linear readout that keeps what it has stored and trains on all of it at every write."""

from copy import copy

import torch
from jaxtyping import Float
from torch import Tensor

from cls_toys import probes


class ReplayStore:
    r"""The memory :math:`y = W k` with a replay buffer; a write files its item and then makes ``steps`` steps of

    .. math:: W \leftarrow W + \eta \sum_{j \in \text{buffer}} (y_j - W k_j)\, k_j^\top, \qquad
       \eta = \text{rate} / \lambda_{\max}\Big(\sum_j k_j k_j^\top\Big) ,

    gradient descent on the squared loss of everything that is in the buffer. After one step the writability of the write
    is that of a local write; with many it approaches the leverage, and never exceeds it.

    The buffer starts with the ``keys`` (``[items, dim]``), each with the value 0 that the memory recalls at it. A write
    replaces the value of a key that is filed already, and files a new key beside the others. ``out`` is the dimension of a
    value, ``steps`` the replay budget of one write, ``rate`` lies in (0, 1]. Raises ``ValueError`` on values outside these
    ranges and on bad keys.
    """

    def __init__(self, keys: Float[Tensor, "items dim"], out: int = 1, steps: int = 100, rate: float = 0.99) -> None:
        probes.check_keys(keys)
        if out < 1:
            raise ValueError(f"out={out}: a value needs at least one dimension")
        if steps < 1 or not 0 < rate <= 1:
            raise ValueError(f"steps={steps}, rate={rate}: give at least one step, and a rate in (0, 1]")
        self.steps, self.rate = steps, rate
        self.keys = keys  # [items, dim]
        self.values = keys.new_zeros(len(keys), out)  # [items, out]
        self.weight = keys.new_zeros(out, keys.shape[1])  # [out, dim]

    def read(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items out"]:
        """The values recalled at the keys."""
        return keys @ self.weight.T

    def write(self, key: Float[Tensor, " dim"], value: Float[Tensor, " out"]) -> None:
        """File the item and replay the whole buffer; how well ``value`` is recalled depends on the steps."""
        filed = (self.keys == key).all(-1)  # [items]
        if filed.any():
            self.values = torch.where(filed[:, None], value, self.values)
        else:
            self.keys, self.values = torch.cat((self.keys, key[None])), torch.cat((self.values, value[None]))
        second_moment, target = self.keys.T @ self.keys, self.values.T @ self.keys
        largest = torch.linalg.matrix_norm(self.keys, 2).square()
        step = self.rate / largest if largest > 0 else largest
        for _ in range(self.steps):
            self.weight = self.weight + step * (target - self.weight @ second_moment)

    @property
    def parameters(self) -> int:
        """Number of weights, and of the numbers in the buffer: what is kept for replay is memory, too."""
        return self.weight.numel() + self.keys.numel() + self.values.numel()

    def copy(self) -> "ReplayStore":
        """An independent copy; no tensor is changed in place, so they can be shared."""
        return copy(self)
