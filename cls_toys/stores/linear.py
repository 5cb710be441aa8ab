"""A linear readout as a memory, and three rules to write it."""

import math
from copy import copy
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from cls_toys.probes import svd

Rule = Literal["local", "optimal", "ridge"]


class LinearStore:
    r"""The memory :math:`y = W k`; a write of value :math:`y^\star` at key k is

    .. math:: \Delta W = (y^\star - W k)\, \frac{v^\top}{v^\top k}, \qquad
       v = k \text{ (local)}, \quad M^+ k \text{ (optimal)}, \quad (M + \mu I)^{-1} k \text{ (ridge)},

    which recalls the value exactly. ``local`` is one gradient step on the item alone; the others know the second moment
    M of the ``keys`` that they must not disturb (Meng et al. 2022 make the optimal one in a language model). No write
    at a key in the span of the ``keys`` disturbs them less than ``optimal``.

    ``keys`` is ``[items, dim]``, ``out`` the dimension of a value, ``ridge`` is :math:`\mu > 0`, in units of a squared key.
    Raises ``ValueError`` on an unknown rule, a ridge that is missing, superfluous or not positive and finite, ``out < 1``,
    and bad keys.
    """

    def __init__(
        self, keys: Float[Tensor, "items dim"], out: int = 1, rule: Rule = "local", ridge: float = 0.0
    ) -> None:
        if rule not in get_args(Rule):
            raise ValueError(f"rule={rule!r}: must be one of {', '.join(get_args(Rule))}")
        if not (0 < ridge < math.inf if rule == "ridge" else ridge == 0):
            raise ValueError(
                f"ridge={ridge} with rule={rule!r}: the ridge rule needs a finite ridge > 0, the others take none"
            )
        if out < 1:
            raise ValueError(f"out={out}: a value needs at least one dimension")
        self.rule, self.ridge = rule, ridge
        _, singular, basis, nonzero = svd(keys)
        self.weight = torch.zeros(out, keys.shape[1], dtype=keys.dtype, device=keys.device)  # [out, dim]
        self._basis = basis[nonzero]  # [rank, dim], of the span of the keys
        self._gain = 1 / (singular[nonzero].square() + ridge)  # [rank]
        self._gain_outside = 1 / ridge if ridge else 0.0

    def read(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items out"]:
        """The values recalled at the keys."""
        return keys @ self.weight.T

    def direction(self, key: Float[Tensor, " dim"]) -> Float[Tensor, " dim"]:
        """The row v along which a write at this key is made."""
        if self.rule == "local":
            return key
        inside = self._basis @ key  # [rank]
        outside = key - inside @ self._basis  # [dim]
        rounding = 10 * len(key) * torch.finfo(key.dtype).eps * key.norm()  # may be left of a part that is truly zero
        inside, outside = (part * (part.norm() > rounding) for part in (inside, outside))
        return (self._gain * inside) @ self._basis + self._gain_outside * outside

    def write(self, key: Float[Tensor, " dim"], value: Float[Tensor, " out"]) -> None:
        """Recall ``value`` at ``key`` exactly.

        A zero key changes nothing, nor, under the optimal rule, does a key orthogonal to all that the rule knows.
        """
        row = self.direction(key)
        hit = row @ key
        if hit > 0:
            self.weight = self.weight + torch.outer(value - self.weight @ key, row / hit)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.weight.numel()

    def copy(self) -> "LinearStore":
        """An independent copy; the key statistics, which never change, are shared."""
        clone = copy(self)
        clone.weight = self.weight.clone()
        return clone
