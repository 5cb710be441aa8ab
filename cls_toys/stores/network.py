"""A network as a memory: written by one step that is right to first order."""

from copy import copy
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cls_toys import probes, tangent

Rule = Literal["local", "optimal"]


class NetworkStore:
    r"""The memory :math:`y = f(\theta; x)`; a write of :math:`y^\star` at x, where f has the Jacobian :math:`J_x`, is the step

    .. math:: \delta = A J_x^\top (J_x A J_x^\top)^+ (y^\star - f(\theta; x)), \qquad
       A = I \text{ (local)}, \quad (J^\top J)^+ \text{ (optimal)},

    which gives the value to first order: write small changes. ``local`` is a gradient step on the item alone; ``optimal`` knows the
    Jacobian J of the outputs at all ``keys`` (``[items, inputs]``), the items that it must not disturb.
    Raises ``ValueError`` on an unknown rule and on bad keys.
    """

    def __init__(self, network: nn.Module, keys: Float[Tensor, "items inputs"], rule: Rule = "local") -> None:
        if rule not in get_args(Rule):
            raise ValueError(f"rule={rule!r}: must be one of {', '.join(get_args(Rule))}")
        probes.check_keys(keys)
        self.network, self.keys, self.rule = network, keys, rule
        self._span: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def read(self, keys: Float[Tensor, "items inputs"]) -> Float[Tensor, "items out"]:
        """The network's outputs."""
        return self.network(keys)

    def write(self, key: Float[Tensor, " inputs"], value: Float[Tensor, " out"]) -> None:
        """Take the step that gives ``value`` at ``key`` to first order; where no parameter moves the output, nothing changes."""
        row = tangent.features(self.network, key[None])[0]  # [out, parameters]
        error = value - self.read(key[None])[0]
        direction = row
        if self.rule == "optimal":
            basis, gain = self._metric()
            direction = (row @ basis.T * gain) @ basis  # [out, parameters]
        delta = torch.linalg.pinv(row @ direction.T) @ error @ direction
        self.network, self._span = tangent.moved(self.network, delta), None

    def _metric(self) -> tuple[Tensor, Tensor]:
        """Basis of the span of the Jacobian's rows, and the inverse squares of its singular values."""
        if self._span is None:
            _, values, basis, nonzero = probes.svd(tangent.features(self.network, self.keys).flatten(0, 1))
            self._span = basis[nonzero], values[nonzero] ** -2
        return self._span

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def copy(self) -> "NetworkStore":
        """An independent copy; a write makes a new network, so this one can be shared."""
        if self.rule == "optimal":
            self._metric()  # computed once for all copies
        return copy(self)
