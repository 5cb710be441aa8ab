"""A memory that reads polynomials of its keys linearly, as dense associative memories do."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cls_toys.probes import check_keys
from cls_toys.stores.linear import LinearStore, Rule


def lift(keys: Float[Tensor, "items dim"], degree: int) -> Float[Tensor, "items features"]:
    r"""All monomials of the keys of one degree, weighted so that products of lifted keys are powers of products of keys.

    .. math:: \varphi_\alpha(k) = \sqrt{\tfrac{q!}{\alpha_1! \cdots \alpha_d!}}\; k_1^{\alpha_1} \cdots k_d^{\alpha_d},
       \qquad \langle \varphi(k), \varphi(x) \rangle = \langle k, x \rangle^q

    There are :math:`\binom{d+q-1}{q}` of them. Raises ``ValueError`` on a degree below 1 and on bad keys.

    >>> lift(torch.tensor([[1.0, 2.0]]), degree=2).square().round()
    tensor([[ 1.,  8., 16.]])
    """
    check_keys(keys)
    if degree < 1:
        raise ValueError(f"degree={degree}: a polynomial of the keys needs a degree of at least 1")
    factors = torch.combinations(torch.arange(keys.shape[1]), degree, with_replacement=True)  # [features, degree]
    features, weight, run = keys[:, factors[:, 0]], torch.full((len(factors),), float(math.factorial(degree))), 1
    for place in range(1, degree):
        features = features * keys[:, factors[:, place]]
        run = torch.where(factors[:, place] == factors[:, place - 1], run + 1, 1)  # a power alpha counts up to alpha
        weight = weight / run
    return features * weight.to(keys.dtype).sqrt()


class PolynomialStore:
    r"""A linear memory of :func:`lifted <lift>` keys, :math:`f(x) = W \varphi(x)`, written by a rule of the linear memory.

    A local write at key k changes item x by :math:`\langle k, x \rangle^q`: the higher the degree, the narrower.

    ``keys`` is ``[items, dim]``; the rule ``optimal`` spares them. ``out`` is the dimension of a value. Raises
    ``ValueError`` on a degree below 1, and as :class:`LinearStore` does.
    """

    def __init__(self, keys: Float[Tensor, "items dim"], degree: int, out: int = 1, rule: Rule = "local") -> None:
        self.degree = degree
        self._memory = LinearStore(lift(keys, degree), out, rule)

    def features(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items features"]:
        """The lifted keys, which the memory reads linearly."""
        return lift(keys, self.degree)

    def read(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items out"]:
        """The values recalled at the keys."""
        return self._memory.read(self.features(keys))

    def write(self, key: Float[Tensor, " dim"], value: Float[Tensor, " out"]) -> None:
        """Recall ``value`` at ``key`` exactly. A zero key changes nothing."""
        self._memory.write(self.features(key[None])[0], value)

    @property
    def parameters(self) -> int:
        """Number of weights: monomials times outputs."""
        return self._memory.parameters

    def copy(self) -> "PolynomialStore":
        """An independent copy."""
        clone = PolynomialStore.__new__(PolynomialStore)
        clone.degree, clone._memory = self.degree, self._memory.copy()
        return clone
