r"""Layers whose units read few of their inputs: what two codes share, exactly for inputs of few kinds, and counted.

Given which inputs a unit reads, its drives by two inputs are normal, with a variance and a correlation of the unit's own. So
what the codes share is an average over the choices, and for coordinates of few kinds only the numbers of each kind matter.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Int
from scipy import optimize, special
from torch import Generator, Tensor

from cls_toys import codes, separation
from cls_toys.keys import DTYPE
from cls_toys.probes import overlap

_MOST = 2**22  # choices that are enumerated
_ALIKE = 1 - 1e-13  # correlation from which two drives are one


class Inputs(NamedTuple):
    """Two inputs whose coordinates are of few kinds: their values in each kind, and how many coordinates are of it."""

    first: tuple[float, ...]
    second: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return sum(self.counts)

    def vectors(self) -> Float[Tensor, "2 dim"]:
        """The two inputs themselves, kind by kind."""
        counts = torch.tensor(self.counts)
        return torch.stack([torch.tensor(each, dtype=DTYPE).repeat_interleave(counts) for each in self[:2]])

    @property
    def cosine(self) -> float:
        """Cosine of the two inputs."""
        return float(torch.nn.functional.cosine_similarity(*self.vectors(), dim=0))


def signs(dim: int, agree: int) -> Inputs:
    r"""Inputs of signs that are the same in ``agree`` coordinates: :math:`\rho_x = 2\,\texttt{agree}/d_x - 1`.

    Raises ``ValueError`` unless ``0 <= agree <= dim`` and ``dim >= 1``.
    """
    if not (dim >= 1 and 0 <= agree <= dim):
        raise ValueError(f"dim={dim}, agree={agree}: give dim >= 1 and 0 <= agree <= dim")
    return Inputs((1.0, 1.0), (1.0, -1.0), (agree, dim - agree))


def opposed(dim: int, correlation: float) -> Inputs:
    r"""Inputs that are strong where the other is weak: :math:`x_i y_i = \rho_x` everywhere, :math:`x_i^2 = 1 \pm \sqrt{1 - \rho_x^2}`.

    Raises ``ValueError`` on an odd dimension and on a correlation outside (0, 1].
    """
    if dim < 2 or dim % 2 or not 0 < correlation <= 1:
        raise ValueError(f"dim={dim}, correlation={correlation}: give an even dimension and a correlation in (0, 1]")
    spread = math.sqrt(1 - correlation**2)
    strong = math.sqrt(1 + spread)
    weak = correlation / strong
    return Inputs((strong, weak), (weak, strong), (dim // 2, dim // 2))


def binary(dim: int, active: int, shared: int) -> Inputs:
    r"""Inputs of zeros and ones, scaled to mean square 1: ``active`` ones each, ``shared`` in common, so that :math:`\rho_x` is their ratio.

    Raises ``ValueError`` unless ``0 <= shared <= active``, ``active >= 1`` and both fit into ``dim``.
    """
    if not (0 <= shared <= active and active >= 1 and 2 * active - shared <= dim):
        raise ValueError(
            f"dim={dim}, active={active}, shared={shared}: give active >= 1, 0 <= shared <= active, 2 active - shared <= dim"
        )
    one = math.sqrt(dim / active)
    counts = (shared, active - shared, active - shared, dim - 2 * active + shared)
    return Inputs((one, one, 0.0, 0.0), (one, 0.0, one, 0.0), counts)


def moments(inputs: Inputs) -> dict[str, float]:
    """Variances and covariances, over the coordinates, of the squares and products of two inputs of mean square 1.

    Keys ``square_variance`` (of x squared), ``square_product`` (x squared and xy), ``square_square`` (x squared and y
    squared), ``product_variance`` (of xy). Raises ``ValueError`` where the first two differ if x and y change places, or a mean square is not 1.
    """
    x, y = inputs.vectors().numpy()
    table = np.cov([x * x, y * y, x * y], bias=True)
    if not np.allclose([(x * x).mean(), (y * y).mean()], 1) or not np.allclose(
        [table[0, 0], table[0, 2]], [table[1, 1], table[1, 2]]
    ):
        raise ValueError("the two inputs must have mean square 1 and change places without a difference")
    return {
        "square_variance": float(table[0, 0]),
        "square_product": float(table[0, 2]),
        "square_square": float(table[0, 1]),
        "product_variance": float(table[2, 2]),
    }


def choices(inputs: Inputs, fan_in: int) -> tuple[Int[np.ndarray, "choices kinds"], Float[np.ndarray, " choices"]]:
    """How many coordinates of each kind a unit may read, and with which probability: multivariate hypergeometric.

    Raises ``ValueError`` unless ``1 <= fan_in <= dim``, and on more choices than can be enumerated.
    """
    if not 1 <= fan_in <= inputs.dim:
        raise ValueError(f"fan_in={fan_in}: give between 1 and {inputs.dim}, the number of inputs")
    axes = [np.arange(min(count, fan_in) + 1) for count in inputs.counts[:-1]]
    if math.prod(map(len, axes)) > _MOST:
        raise ValueError(f"fan_in={fan_in}: more than {_MOST} choices of inputs of {len(inputs.counts)} kinds")
    first = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    last = fan_in - first.sum(-1)
    fits = (last >= 0) & (last <= inputs.counts[-1])
    read = np.column_stack((first, last))[fits]
    logs = _log_binomial(np.array(inputs.counts), read).sum(-1) - _log_binomial(np.array(inputs.dim), np.array(fan_in))
    return read, np.exp(logs)


def transfer(inputs: Inputs, fan_in: int, activity: float) -> float:
    r"""Expected share of active units in common, of units with Gaussian weights from ``fan_in`` inputs each.

    .. math:: q_a(m_x) = \frac1a\, \mathbb{E}\, \bar\Phi_2\!\left(\frac{\theta}{s}, \frac{\theta'}{s'}; r\right)

    over the choices of inputs, where s and s' are the root mean squares of the two inputs over a choice, r their cosine there, and
    the thresholds give both codes the same activity. A unit that reads zeros only does not fire. Raises ``ValueError`` on an activity
    outside (0, 1/2), one that is out of reach, and as :func:`choices`.

    >>> round(transfer(signs(10, 8), 10, 0.1), 6), round(float(separation.transfer(separation.threshold(0.1), 0.6)), 6)
    (0.390175, 0.390175)
    """
    if not 0 < activity < 0.5:
        raise ValueError(f"activity={activity}: must lie strictly between 0 and 1/2")
    read, chance = choices(inputs, fan_in)
    x, y = np.array(inputs.first), np.array(inputs.second)
    sizes = [np.sqrt(read @ each**2 / fan_in) for each in (x, y)]
    levels = []
    for size in sizes:
        silent = float(chance[size == 0].sum())
        if activity >= (1 - silent) / 2:
            raise ValueError(
                f"activity={activity}: only {1 - silent:.3g} of the units read anything, and at most half of those can fire"
            )
        largest = float(separation.threshold(activity)) * float(size.max())
        solved = optimize.brentq(
            lambda level, size=size: float(chance @ _tails(level, size)) - activity, 0, largest * 1.0001, xtol=1e-14
        )
        levels.append(float(solved))
    both = sizes[0] * sizes[1] > 0
    reach = [level / size[both] for level, size in zip(levels, sizes, strict=True)]
    alike = read[both] @ (x * y) / fan_in / (sizes[0] * sizes[1])[both]
    return float(chance[both] @ _pair(reach[0], reach[1], alike)) / activity


def _tails(level: float, size: np.ndarray) -> np.ndarray:
    return special.ndtr(-level / np.where(size > 0, size, 1.0)) * (size > 0)


def _pair(h: np.ndarray, k: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Probability that two standard normal variables exceed positive thresholds h and k, by two of Owen's functions."""
    inner = np.clip(correlation, -_ALIKE, _ALIKE)
    rest = np.sqrt(1 - inner**2)
    tails = special.ndtr(-h), special.ndtr(-k)
    pair = sum(tails) / 2 - special.owens_t(h, (k / h - inner) / rest) - special.owens_t(k, (h / k - inner) / rest)
    return np.where(correlation >= _ALIKE, np.minimum(*tails), np.where(correlation <= -_ALIKE, 0.0, pair))


def sign_transfers(count: int, dim: int, *, generator: Generator) -> pl.DataFrame:
    """Random pairs of inputs of signs, fan-ins and activities up to a third, with what the codes share, exactly.

    Columns ``code_activity, input_correlation, fan_in, transfer``. The drives of a unit have variance 1 whatever it reads, so
    only their correlation is averaged. Raises ``ValueError`` on ``count < 1`` and ``dim < 2``.
    """
    if count < 1 or dim < 2:
        raise ValueError(f"count={count}, dim={dim}: give at least one pair, of at least two inputs")
    agree = torch.randint(dim // 2, dim + 1, (count,), generator=generator).numpy()
    fan_in = torch.randint(1, dim + 1, (count,), generator=generator).numpy()
    activity = torch.rand(count, generator=generator, dtype=DTYPE).numpy() * (1 / 3 - 1e-3) + 1e-3
    theta = separation.threshold(activity)
    shared = np.zeros(count)
    for same in range(dim + 1):  # of the inputs that a unit reads
        other = fan_in - same
        fits = (other >= 0) & (same <= agree) & (other <= dim - agree)
        a, m, o = agree[fits], fan_in[fits], other[fits]
        logs = _log_binomial(a, same) + _log_binomial(dim - a, o) - _log_binomial(np.array(dim), m)
        shared[fits] += np.exp(logs) * separation.transfer(theta[fits], (same - o) / m)
    return pl.DataFrame(
        {"code_activity": activity, "input_correlation": 2 * agree / dim - 1, "fan_in": fan_in, "transfer": shared}
    )


def counted(
    pairs: Sequence[Inputs], fan_in: int, activity: float, units: int, trials: int, *, generator: Generator
) -> Float[Tensor, "pairs trials"]:
    """Share of the winners that the two codes of each pair have in common, in layers whose units read ``fan_in`` inputs.

    All pairs see the same layers. Raises ``ValueError`` on no pairs or pairs of unlike dimension, ``trials < 1``, an activity of no winner, and as
    :func:`~cls_toys.codes.projection`.
    """
    active = round(activity * units)
    dims = {pair.dim for pair in pairs}
    if trials < 1 or active < 1 or len(dims) != 1:
        raise ValueError(
            f"trials={trials}, activity={activity}, units={units}, dimensions {sorted(dims)}: give at least one trial, one winner "
            "and one pair, and pairs of one dimension"
        )
    (dim,) = dims
    vectors = torch.cat([pair.vectors() for pair in pairs])  # [2 pairs, dim]
    shared = torch.empty(len(pairs), trials, dtype=DTYPE)
    for trial in range(trials):
        code = codes.winners(vectors @ codes.projection(units, dim, fan_in, generator=generator).mT, active)
        shared[:, trial] = overlap(code[::2], code[1::2]) / active
    return shared


class Products(NamedTuple):
    """Expected products, for each unit, of the drives by two inputs, and of the drive by the first with itself."""

    pair: float
    square: float

    @property
    def cosine(self) -> float:
        """Cosine of the drives of infinitely many units."""
        return self.pair / self.square


def excitatory_products(inputs: Inputs, fan_in: int) -> Products:
    """Of units that add up ``fan_in`` of their inputs with equal weights, by enumeration. Raises as :func:`choices`."""
    read, chance = choices(inputs, fan_in)
    one, other = read @ np.array(inputs.first), read @ np.array(inputs.second)
    return Products(float(chance @ (one * other)), float(chance @ (one * one)))


def excitatory_drives(
    inputs: Inputs, fan_in: int, units: int, trials: int, *, generator: Generator
) -> Float[Tensor, " trials"]:
    """Product of the drives by the two inputs, a mean over the units of each of ``trials`` layers with weights of 1."""
    if trials < 1:
        raise ValueError(f"trials={trials}: draw at least one layer")
    pair = inputs.vectors()
    drawn = torch.empty(trials, dtype=DTYPE)
    for trial in range(trials):
        drives = pair @ codes.projection(units, inputs.dim, fan_in, "equal", generator=generator).mT * fan_in
        drawn[trial] = (drives[0] * drives[1]).mean()
    return drawn


def designed(
    inputs: Float[Tensor, "items dim"], units: int, active: int, *, generator: Generator
) -> Float[Tensor, "units dim"]:
    r"""Weights, none of them zero, by which k winners give the inputs codes that have no unit in common.

    .. math:: V = B X^+ + E, \qquad B_{ui} = \mathbb{1}[u \in S_i], \qquad \max |E X| < \tfrac12

    The sets :math:`S_i` of ``active`` units are disjoint, and E is a random matrix. It is a table made for these inputs, which says nothing of others.
    Raises ``ValueError`` where the inputs are linearly dependent, or the sets do not fit into ``units``.
    """
    items, dim = inputs.shape
    if active < 1 or items * active > units:
        raise ValueError(
            f"items={items}, active={active}, units={units}: disjoint codes need 1 <= active <= units / items"
        )
    if int(torch.linalg.matrix_rank(inputs)) < items:
        raise ValueError(f"the {items} inputs are linearly dependent: what one is given another has too")
    table = torch.eye(items, dtype=DTYPE).repeat_interleave(active, 0)  # [items * active, items]
    table = torch.cat((table, torch.zeros(units - items * active, items, dtype=DTYPE)))
    noise = torch.randn(units, dim, generator=generator, dtype=DTYPE)
    noise *= 0.4 / (noise @ inputs.mT).abs().max()
    return table @ torch.linalg.pinv(inputs.mT) + noise


def _log_binomial(n: np.ndarray, k: np.ndarray | int) -> np.ndarray:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(np.asarray(k) + 1) - special.gammaln(n - k + 1))
