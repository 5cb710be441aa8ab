"""A memory that completes patterns: recurrent connections between its units, of which many may be missing."""

from copy import copy

import numpy as np
import scipy
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from cls_toys import codes
from cls_toys.codes import Codes

CHUNK = 2**24  # fields computed together in a read


class AutoassociativeStore:
    r"""Recurrent weights by the covariance rule on the connections that exist; a read is one step of k winners take all.

    .. math:: W_{uv} = C_{uv} \sum_\mu (z_u^\mu - a)(z_v^\mu - a), \qquad C_{uu} = 0, \qquad
       z \leftarrow \operatorname{winners}_k(W z)

    Each connection :math:`C_{uv}` exists with probability ``connectivity``, independently. Patterns are codes with ``active``
    of ``dim`` units on, a = active/dim; a pattern is stored by writing it at itself. Ties between fields, which are frequent where connections
    are few, are broken by a fixed hash. Source: treves1991.

    Raises ``ValueError`` unless ``1 <= active < dim`` and the connectivity lies in [0, 1]; in writing on a value that is not its key;
    in reading and writing on codes of another number of units, in writing also of active units.

    >>> store = AutoassociativeStore(8, 2, generator=torch.Generator().manual_seed(0))
    >>> pattern = torch.tensor([1.0, 1, 0, 0, 0, 0, 0, 0]).double()
    >>> store.write(pattern, pattern)
    >>> store.read(pattern[None]).tolist()
    [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    >>> store.fields(Codes(torch.tensor([[1, 4]]), 8))[0, :4].tolist()  # one unit of the cue is right: it calls the other
    [0.375, -0.1875, -0.125, -0.125]
    """

    def __init__(self, dim: int, active: int, connectivity: float = 1.0, *, generator: Generator) -> None:
        if not 1 <= active < dim or not 0 <= connectivity <= 1:
            raise ValueError(
                f"dim={dim}, active={active}, connectivity={connectivity}: give 1 <= active < dim and a connectivity in [0, 1]"
            )
        self.active, self.activity = active, active / dim
        # Row: the unit that a connection comes from; column: the one it leads to.
        self.connected: Bool[Tensor, "dim dim"] = torch.rand(dim, dim, generator=generator) < connectivity
        self.connected.fill_diagonal_(False)
        self.weight = torch.zeros(dim, dim, dtype=torch.float64)

    def _check(self, patterns: Codes) -> None:
        if patterns.units != len(self.weight) or not (patterns.sizes == self.active).all():
            sizes = patterns.sizes
            raise ValueError(
                f"patterns have {int(sizes.min())} to {int(sizes.max())} of {patterns.units} units active: "
                f"give {self.active} of {len(self.weight)}"
            )

    def write_codes(self, patterns: Codes) -> None:
        """Store many patterns. Raises ``ValueError`` on another number of units, or of active ones."""
        self._check(patterns)
        a, ones = self.activity, _sparse(patterns)
        used = torch.from_numpy(ones.sum(0)) * a  # how often each unit is active, times a
        both = torch.from_numpy((ones.T @ ones).toarray())  # how often two units are active together
        both.sub_(used[:, None]).sub_(used[None, :]).add_(len(patterns) * a**2).mul_(self.connected)
        self.weight = both.add_(self.weight)

    def fields(self, cues: Codes) -> Float[Tensor, "items dim"]:
        """What each unit receives from the active units of the cues. Raises ``ValueError`` on another number of units."""
        if cues.units != len(self.weight):
            raise ValueError(f"cues have {cues.units} units, the memory {len(self.weight)}: they must be the same")
        return torch.from_numpy(_sparse(cues) @ self.weight.numpy())

    def complete(self, cues: Codes, steps: int = 1) -> Codes:
        """The winners after some steps, all units at once in each. Raises ``ValueError`` on ``steps < 1``."""
        if steps < 1:
            raise ValueError(f"steps={steps}: give at least one step")
        for _ in range(steps):
            parts = torch.arange(len(cues)).split(max(1, CHUNK // len(self.weight)))
            won = [codes.winners(self.fields(cues[part]), self.active).active for part in parts]
            cues = Codes(torch.cat(won), cues.units)
        return cues

    def read(self, keys: Float[Tensor, "items dim"]) -> Float[Tensor, "items dim"]:
        """The winners of one step, as zeros and ones."""
        return self.complete(Codes.of(keys)).dense(keys.dtype)

    def write(self, key: Float[Tensor, " dim"], value: Float[Tensor, " dim"]) -> None:
        """Store a pattern, given as key and value alike."""
        if not torch.equal(key, value):
            raise ValueError("an autoassociative memory stores a pattern at itself: give the key as value")
        self.write_codes(Codes.of(key[None]))

    @property
    def parameters(self) -> int:
        """Number of connections that exist."""
        return int(self.connected.sum())

    def copy(self) -> "AutoassociativeStore":
        """An independent copy; a write makes new weights, so these can be shared."""
        return copy(self)


def _sparse(code: Codes) -> "scipy.sparse.csr_array":
    kept = (code.active < code.units).numpy()
    starts: Int[np.ndarray, " rows"] = np.concatenate(([0], kept.sum(-1).cumsum()))
    places = code.active.numpy()[kept]
    return scipy.sparse.csr_array((np.ones(len(places)), places, starts), (len(code), code.units))
