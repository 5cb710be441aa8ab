"""Second moments of a sparse memory under random writes, exactly: five numbers that follow a linear recursion.

By symmetry among the units inside the code of an item, and among those outside, the second moment of any vector that
starts as that code has five entries: the sum of squares and the squared sum inside, the same outside, and the product of
both sums. One write with a random code maps them linearly.
"""

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Moments(NamedTuple):
    """After 0, 1, 2, ... later writes; all relative, so that each but ``outside`` starts at 1."""

    recall: np.ndarray  # E gamma_N
    recall_square: np.ndarray  # E gamma_N^2
    energy: np.ndarray  # E Gamma_N
    outside: np.ndarray  # E (sum outside the code)^2 / k


def check(dim: int, code_size: int, rate: float) -> None:
    """Raise ``ValueError`` unless ``1 <= code_size <= dim`` and ``0 < rate < 2``."""
    if not 1 <= code_size <= dim or not 0 < rate < 2:
        raise ValueError(
            f"code_size={code_size}, dim={dim}, rate={rate}: give 1 <= code_size <= dim and a rate strictly between 0 and 2"
        )


def step(dim: int, code_size: int, rate: float) -> np.ndarray:
    """The map of one write on (squares inside, squares outside, sum inside squared, sum outside squared, product of sums).

    The mean over the overlap of the maps for given overlap. Raises ``ValueError`` as :func:`check`.
    """
    check(dim, code_size, rate)
    overlap = np.arange(max(0, 2 * code_size - dim), code_size + 1)
    weight = stats.hypergeom.pmf(overlap, dim, code_size, code_size)
    return np.tensordot(weight, np.stack([_given(m, dim, code_size, rate) for m in overlap]), 1)


def _given(overlap: int, dim: int, code_size: int, rate: float) -> np.ndarray:
    inside, outside = code_size, dim - code_size
    m, rest, g = overlap, code_size - overlap, rate / code_size
    squares_in, squares_out, sum_in, sum_out, product = np.eye(5)  # rows: what each new number takes of the old ones
    drawn_in, drawn_out = m / inside, rest / max(outside, 1)  # share of the units that the write reads
    x_x = drawn_in * squares_in + _both(m, inside) * (sum_in - squares_in)  # x: sum over the units read inside
    y_y = drawn_out * squares_out + _both(rest, outside) * (sum_out - squares_out)
    x_y = drawn_in * drawn_out * product
    s_s = x_x + 2 * x_y + y_y
    s_in, s_out = drawn_in * sum_in + drawn_out * product, drawn_in * product + drawn_out * sum_out
    return np.stack(
        [
            squares_in - 2 * g * (x_x + x_y) + g**2 * m * s_s,
            squares_out - 2 * g * (y_y + x_y) + g**2 * rest * s_s,
            sum_in - 2 * g * m * s_in + (g * m) ** 2 * s_s,
            sum_out - 2 * g * rest * s_out + (g * rest) ** 2 * s_s,
            product - g * rest * s_in - g * m * s_out + g**2 * m * rest * s_s,
        ]
    )


def _both(drawn: int, units: int) -> float:
    """Probability that two given units are both drawn; 0 where there are not two."""
    return drawn * (drawn - 1) / max(units * (units - 1), 1)


def moments(dim: int, code_size: int, rate: float, n_writes: int) -> Moments:
    """The expected recall, its square, and what is left of the code, after 0 to ``n_writes`` later writes.

    Raises ``ValueError`` on a negative number of writes, and as :func:`check`.

    >>> found = moments(4, 2, 1.0, 1)
    >>> [round(float(values[1]), 4) for values in found]  # 1 - E O^2/4, E (1 - O^2/4)^2, 1 - E O^2/4, E (O (2 - O) / 2)^2 / 2
    [0.6667, 0.5417, 0.6667, 0.0833]
    """
    if n_writes < 0:
        raise ValueError(f"n_writes={n_writes}: must be at least 0")
    matrix = step(dim, code_size, rate)
    states = [np.array([code_size, 0.0, code_size**2, 0.0, 0.0])]
    for _ in range(n_writes):
        states.append(matrix @ states[-1])
    squares_in, squares_out, sum_in, sum_out, _ = np.transpose(states)
    writes, active = np.arange(n_writes + 1), code_size / dim
    across = (dim - code_size) / (dim * max(dim - 1, 1))
    recall = active * (1 - rate * active) ** writes + (1 - active) * (1 - rate * across) ** writes
    return Moments(recall, sum_in / code_size**2, (squares_in + squares_out) / code_size, sum_out / code_size)


def earlier(dim: int, code_size: int, rate: float, n_earlier: int) -> np.ndarray:
    """The weights' second moment after 0 to ``n_earlier`` writes into an empty memory, ``[2, n_earlier + 1]``.

    ``alpha`` and ``beta`` of ``alpha I + beta 11^T``, relative to 1/k times the mean square of a target. Raises
    ``ValueError`` on a negative number of writes, and as :func:`check`.
    """
    check(dim, code_size, rate)
    if n_earlier < 0:
        raise ValueError(f"n_earlier={n_earlier}: must be at least 0")
    one, two = code_size / dim, code_size * (code_size - 1) / (dim * max(dim - 1, 1))
    path = [(0.0, 0.0)]
    for _ in range(n_earlier):
        alpha, beta = path[-1]
        gain = -2 * rate * alpha + rate**2 * (alpha + beta * code_size) + rate**2
        path.append((alpha + gain * (one - two) / code_size, beta * (1 - 2 * rate * one) + gain * two / code_size))
    return np.transpose(path)


@lru_cache(maxsize=4096)
def _paths(dim: int, code_size: int, rate: float, n_earlier: int, n_writes: int) -> tuple[np.ndarray, np.ndarray]:
    return earlier(dim, code_size, rate, n_earlier), np.stack(moments(dim, code_size, rate, n_writes))


def terms(
    dim: ArrayLike, code_size: ArrayLike, n_earlier: ArrayLike, n_writes: ArrayLike, rate: ArrayLike
) -> dict[str, np.ndarray]:
    """What the expected forgetting is made of, by symbol, at numbers or broadcast arrays.

    ``rate``, ``expected_recall``, ``recall_square``, ``expected_energy`` and ``earlier_echo``. Raises ``ValueError`` as
    :func:`moments` and :func:`earlier`.
    """
    sizes = np.broadcast_arrays(dim, code_size, n_earlier, n_writes, rate)
    most_before, most_after = int(np.max(n_earlier)), int(np.max(n_writes))
    if np.min(n_earlier) < 0 or np.min(n_writes) < 0:
        raise ValueError(f"n_earlier={n_earlier}, n_writes={n_writes}: numbers of writes must be at least 0")
    rows = []
    for d, k, before, after, eta in zip(*(np.ravel(values) for values in sizes), strict=True):
        weights, path = _paths(int(d), int(k), float(eta), most_before, most_after)
        alpha, beta = weights[:, int(before)]
        recall, square, energy, outside = path[:, int(after)]
        rows.append((float(eta), recall, square, energy, alpha * (energy - square) + beta * outside))
    names = ("rate", "expected_recall", "recall_square", "expected_energy", "earlier_echo")
    return dict(zip(names, np.array(rows).T.reshape(len(names), *sizes[0].shape), strict=True))


def grid(
    largest: int, n_earlier: Sequence[int], n_writes: Sequence[int], rates: Sequence[float]
) -> dict[str, np.ndarray]:
    """Every size up to ``largest`` units, from two, with every history: ``dim``, ``code_size`` and so on, as flat arrays."""
    sizes = [(dim, code_size) for dim in range(2, largest + 1) for code_size in range(1, dim + 1)]
    rows = [(*size, *rest) for size in sizes for rest in itertools.product(n_earlier, n_writes, rates)]
    names = ("dim", "code_size", "n_earlier", "n_writes", "rate")
    return dict(zip(names, np.transpose(rows), strict=True))
