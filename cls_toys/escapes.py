"""Tiny networks that break a hypothesis of the first-order budget or of the count of its symmetries."""

import torch
from torch import Generator, Tensor, nn

from cls_toys.keys import DTYPE


class Packed(nn.Module):
    """Digits of one real number, read by their place: each can be written without touching the others.

    The input of an item is the place of its digit, from 0 for the units. The number starts at one half, away from where a
    digit would jump: its derivative is 0 there.
    """

    def __init__(self, base: int = 256) -> None:
        super().__init__()
        self.base, self.number = base, nn.Parameter(torch.full((), 0.5, dtype=DTYPE))

    def forward(self, places: Tensor) -> Tensor:
        """The digit at each place, ``[items, 1]``."""
        return torch.floor(self.number / self.base**places) % self.base


class Kink(nn.Module):
    r"""Two outputs :math:`\max(t, 0)^2` and :math:`\max(-t, 0)^2` of one parameter t, which starts at 0; the input picks one."""

    def __init__(self) -> None:
        super().__init__()
        self.t = nn.Parameter(torch.zeros((), dtype=DTYPE))

    def forward(self, signs: Tensor) -> Tensor:
        """The output of sign +1 or -1, ``[items, 1]``."""
        return (signs * self.t).clamp_min(0).square()


class Skip(nn.Module):
    r"""A hidden ReLU layer with an identity skip, :math:`w \cdot (x + \mathrm{ReLU}(W x + b))`."""

    def __init__(self, width: int, *, generator: Generator) -> None:
        super().__init__()
        self.hidden = nn.Parameter(torch.randn(width, width, generator=generator, dtype=DTYPE))
        self.bias = nn.Parameter(torch.randn(width, generator=generator, dtype=DTYPE))
        self.out = nn.Parameter(torch.randn(width, generator=generator, dtype=DTYPE))

    def forward(self, inputs: Tensor) -> Tensor:
        """One output an item."""
        return (inputs + torch.relu(inputs @ self.hidden.T + self.bias)) @ self.out[:, None]


class Shared(nn.Module):
    r"""One filter at two positions of the input, :math:`v \cdot \mathrm{ReLU}(u \cdot x_{1:2} + b) + v' \cdot \mathrm{ReLU}(u \cdot x_{2:3} + b)`."""

    def __init__(self, *, generator: Generator) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.randn(2, generator=generator, dtype=DTYPE))
        self.bias = nn.Parameter(torch.randn((), generator=generator, dtype=DTYPE))
        self.out = nn.Parameter(torch.randn(2, generator=generator, dtype=DTYPE))

    def forward(self, inputs: Tensor) -> Tensor:
        """One output an item, of three inputs each."""
        return torch.relu(inputs.unfold(1, 2, 1) @ self.filter + self.bias) @ self.out[:, None]
