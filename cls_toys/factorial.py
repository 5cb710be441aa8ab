r"""Connectivity by activity by inputs: how much a layer of sparse units forgets, in a factorial design.

Patterns pass through a random layer to a sparse code; a linear readout stores one random value after the other by the delta rule,
each written once. What it then recalls of each is compared with what was written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Int
from scipy import stats
from torch import Generator, Tensor

from cls_toys import codes
from cls_toys.keys import DTYPE
from cls_toys.probes import overlaps

_SHARED = 0.5  # pairwise correlation of the patterns
_GAIN = 0.3  # standard deviation of the logarithm of a pattern's strength


@dataclass(frozen=True)
class Layer:
    """What is held fixed over a design: the kind of inputs and of weights.

    ``input_activity`` is the share of ones in binary inputs, ``None`` for Gaussian ones. Raises ``ValueError`` on an input activity outside
    (0, 1/2], and on unknown weights.
    """

    input_activity: float | None = None
    weights: codes.Weights = "gaussian"

    def __post_init__(self) -> None:
        if self.input_activity is not None and not 0 < self.input_activity <= 0.5:
            raise ValueError(f"input_activity={self.input_activity}: give a share of ones in (0, 1/2], or None")
        if self.weights not in get_args(codes.Weights):
            raise ValueError(f"weights={self.weights!r}: must be one of {', '.join(get_args(codes.Weights))}")


def patterns(
    items: int, dim: int, input_activity: float | None = None, *, generator: Generator
) -> Float[Tensor, "items dim"]:
    r"""Patterns whose pairwise correlation is about 1/2: variations of one prototype, some stronger and some weaker.

    Gaussian ones add noise to it. Of binary ones each keeps a share :math:`\sqrt{1/2}` of the prototype's ones, rounded, and has the
    rest elsewhere, so that all have equally many. Each is scaled by a random strength, log-normal of median 1, which winners
    do not see and a threshold does. Raises ``ValueError`` on no items or no room for the ones.
    """
    if items < 1 or dim < 2:
        raise ValueError(f"items={items}, dim={dim}: give at least one item and two dimensions")
    gain = (_GAIN * torch.randn(items, 1, generator=generator, dtype=DTYPE)).exp()
    if input_activity is None:
        prototype = torch.randn(dim, generator=generator, dtype=DTYPE)
        noise = torch.randn(items, dim, generator=generator, dtype=DTYPE)
        return gain * (_SHARED**0.5 * prototype + (1 - _SHARED) ** 0.5 * noise)
    ones = round(input_activity * dim)
    kept = round(_SHARED**0.5 * ones)
    if ones < 1 or 2 * ones - kept > dim:
        raise ValueError(
            f"input_activity={input_activity}, dim={dim}: there is no room for one prototype and variations of it"
        )
    order = torch.randperm(dim, generator=generator)
    inside = (
        codes.random(items, ones, kept, generator=generator).dense() if kept else torch.zeros(items, ones, dtype=DTYPE)
    )
    outside = torch.zeros(items, dim - ones, dtype=DTYPE)
    if ones > kept:
        outside = codes.random(items, dim - ones, ones - kept, generator=generator).dense()
    return gain * torch.cat((inside, outside), dim=1)[:, order] * (dim / ones) ** 0.5


def forgetting(code: codes.Codes) -> Float[Tensor, " items"]:
    r"""Expected squared error at each item after all were written once, in order, per squared value; for independent random values.

    .. math:: \frac{1}{\sigma^2}\, \mathbb{E}\, \|W z_j - y_j\|^2, \qquad W \leftarrow W + (y_t - W z_t) \frac{z_t^\top}{\|z_t\|^2}

    The expectation is exact: what is recalled is linear in the values, and the map is followed through the writes. An item without an active unit
    recalls nothing, an error of 1. The last item is recalled as written.

    >>> forgetting(codes.Codes(torch.tensor([[0, 1], [2, 3], [0, 1]]), 4)).tolist()  # the third overwrites the first
    [2.0, 0.0, 0.0]
    """
    return _forgotten(overlaps(code).double())


def _forgotten(products: Float[Tensor, "items items"]) -> Float[Tensor, " items"]:
    """:func:`forgetting` of any codes, from their inner products."""
    size = products.diagonal()
    recalled = torch.zeros_like(products)  # [item, value]
    for item in range(len(products)):
        if size[item] > 0:
            error = -recalled[item]
            error[item] += 1
            recalled.addr_(products[:, item] / size[item], error)
    return (recalled - torch.eye(len(products), dtype=products.dtype)).square().sum(-1)


def mean_square_overlap(code: codes.Codes) -> float:
    """Mean over pairs of items of the squared share of the first one's active units that the second has too.

    Items without an active unit share nothing with any.
    """
    shared = overlaps(code).double() / code.sizes.double().clamp_min(1)[:, None]
    off = ~torch.eye(len(shared), dtype=torch.bool)
    return float(shared[off].square().mean())


def design(
    layer: Layer,
    fan_ins: Sequence[int],
    actives: Sequence[int],
    *,
    dim: int = 400,
    units: int = 1000,
    items: int = 40,
    replicates: int = 8,
    generator: Generator,
) -> pl.DataFrame:
    """One row a replicate, fan-in and number of active units: the mean forgetting over the items, and what goes with it.

    Columns ``replicate, fan_in, active, forgetting, mean_square_overlap, tied, silent``: share of items whose winners a tie decides, and of those
    with no active unit. All cells of a replicate see the same patterns. Raises ``ValueError`` on no cells or replicates, fewer than two items, and as
    :func:`~cls_toys.codes.projection`.
    """
    if not fan_ins or not actives or replicates < 1 or items < 2:
        raise ValueError(
            f"{len(fan_ins)} fan-ins, {len(actives)} activities, replicates={replicates}, items={items}: give at least one of "
            "each, and two items"
        )
    rows = []
    for replicate in range(replicates):
        inputs = patterns(items, dim, layer.input_activity, generator=generator)
        for fan_in in fan_ins:
            drive = inputs @ codes.projection(units, dim, fan_in, layer.weights, generator=generator).mT
            drive = drive.round(decimals=12)  # sums of equal weights that are equal
            for active in actives:
                code = codes.winners(drive, active, positive=True)
                rows.append(
                    {
                        "replicate": replicate,
                        "fan_in": fan_in,
                        "active": active,
                        "forgetting": float(forgetting(code).mean()),
                        "mean_square_overlap": mean_square_overlap(code),
                        "tied": float(codes.tied(drive, active).double().mean()),
                        "silent": float((code.sizes == 0).double().mean()),
                    }
                )
    return pl.DataFrame(rows)


def excitatory_design(
    fan_ins: Sequence[int],
    input_sizes: Sequence[int],
    *,
    dim: int = 400,
    units: int = 1000,
    items: int = 40,
    replicates: int = 8,
    generator: Generator,
) -> pl.DataFrame:
    """As :func:`design`, for codes that are the drives themselves, of units that add up their inputs with equal weights.

    There is no inhibition and no threshold. ``active`` is here the number of ones of an input. Columns ``replicate, fan_in, active, forgetting,
    mean_square_overlap``, the last a mean squared cosine. Raises ``ValueError`` as :func:`design`.
    """
    if not fan_ins or not input_sizes or replicates < 1 or items < 2:
        raise ValueError(
            f"{len(fan_ins)} fan-ins, {len(input_sizes)} sizes, replicates={replicates}, items={items}: give at least one of "
            "each, and two items"
        )
    rows = []
    for replicate in range(replicates):
        inputs = [patterns(items, dim, ones / dim, generator=generator) for ones in input_sizes]
        for fan_in in fan_ins:
            weights = codes.projection(units, dim, fan_in, "equal", generator=generator)
            for ones, given in zip(input_sizes, inputs, strict=True):
                code = given @ weights.mT
                products = code @ code.mT
                size = products.diagonal().sqrt()
                cosine = products / torch.outer(size, size)
                off = ~torch.eye(items, dtype=torch.bool)
                rows.append(
                    {
                        "replicate": replicate,
                        "fan_in": fan_in,
                        "active": ones,
                        "forgetting": float(_forgotten(cosine).mean()),
                        "mean_square_overlap": float(cosine[off].square().mean()),
                    }
                )
    return pl.DataFrame(rows)


def shares(table: pl.DataFrame) -> pl.DataFrame:
    r"""Of each replicate: what activity, connectivity and overlap explain of the variance of log forgetting.

    Columns ``replicate``, ``activity`` and ``connectivity`` (shares of the variance that the cell means of a factor explain),
    ``connectivity_rest`` (of what activity leaves), ``overlap`` (a straight line in log mean squared overlap), ``activity_rest`` and
    ``connectivity_beyond`` (of what that line leaves). The factors are levels, with no shape assumed. Raises ``ValueError`` unless every replicate
    has every cell once, and a factor at least two levels.
    """
    cells = table.group_by("fan_in", "active").len()
    levels = table["fan_in"].n_unique(), table["active"].n_unique()
    replicates = table["replicate"].n_unique()
    if min(levels) < 2 or len(cells) != levels[0] * levels[1] or not (cells["len"] == replicates).all():
        raise ValueError("give every replicate every cell of the design once, with two levels of each factor or more")
    rows = []
    for (replicate,), one in table.group_by("replicate", maintain_order=True):
        log = np.log(one["forgetting"].to_numpy())
        line = np.log(np.maximum(one["mean_square_overlap"].to_numpy(), 1e-12))
        by_active, by_fan_in = (_levels(one[name].to_numpy()) for name in ("active", "fan_in"))
        total = _left(log, [])
        left = {
            "activity": _left(log, [by_active]),
            "connectivity": _left(log, [by_fan_in]),
            "both": _left(log, [by_active, by_fan_in]),
            "overlap": _left(log, [line[:, None]]),
            "overlap and activity": _left(log, [line[:, None], by_active]),
            "overlap and connectivity": _left(log, [line[:, None], by_fan_in]),
        }
        rows.append(
            {
                "replicate": replicate,
                "activity": 1 - left["activity"] / total,
                "connectivity": 1 - left["connectivity"] / total,
                "connectivity_rest": 1 - left["both"] / left["activity"],
                "overlap": 1 - left["overlap"] / total,
                "activity_rest": 1 - left["overlap and activity"] / left["overlap"],
                "connectivity_beyond": 1 - left["overlap and connectivity"] / left["overlap"],
            }
        )
    return pl.DataFrame(rows)


def interval(values: Float[np.ndarray, " replicates"], confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean of independent values. Raises ``ValueError`` on fewer than three."""
    if len(values) < 3:
        raise ValueError(f"{len(values)} values: an interval needs at least three")
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * stats.sem(values)
    return float(values.mean() - half), float(values.mean() + half)


def summary(table: pl.DataFrame, label: str) -> pl.DataFrame:
    """The means of :func:`shares` over replicates with their 95 % intervals, as text, one row: for a table in a page."""
    each = shares(table).drop("replicate")
    said = {}
    for name in each.columns:
        values = each[name].to_numpy()
        low, high = interval(values)
        said[name] = f"{values.mean():.2f} ({low:.2f} to {high:.2f})"
    return pl.DataFrame({"layer": label, **said})


def sparse_over_dense(table: pl.DataFrame) -> pl.DataFrame:
    """How many times more is forgotten with the smallest fan-in than with the largest, at each number of active units.

    Columns ``active, ratio, low, high``: geometric mean over replicates, and its 95 % interval.
    """
    least, most = table["fan_in"].min(), table["fan_in"].max()
    rows = []
    for (active,), one in table.group_by("active", maintain_order=True):
        by = {
            fan_in: one.filter(pl.col("fan_in") == fan_in).sort("replicate")["forgetting"].log().to_numpy()
            for fan_in in (least, most)
        }
        gain = by[least] - by[most]
        low, high = interval(gain)
        rows.append({"active": active, "ratio": np.exp(gain.mean()), "low": np.exp(low), "high": np.exp(high)})
    return pl.DataFrame(rows)


def tie_breaking(units: int, active: int, inputs: Float[Tensor, "items dim"], *, generator: Generator) -> pl.DataFrame:
    """Codes of a layer in which all units are driven alike, under each policy of :func:`~cls_toys.codes.winners`.

    Every unit adds up all inputs with equal weights, so that the code can carry nothing but the size of the sum. Columns ``ties``,
    ``two_items`` (share of active units that two items have in common), ``one_item_twice`` (that an item has in common with itself, presented again),
    ``one_item_louder`` (with itself, one part in a million stronger), ``forgetting`` (of items whose codes are kept), ``forgetting_again`` (presented anew when
    they are read).
    """
    drive = inputs @ codes.projection(units, inputs.shape[-1], None, "equal", generator=generator).mT
    drive = drive.round(decimals=12)
    rows = []
    for ties in get_args(codes.Ties):
        given = generator if ties == "random" else None
        first, again = (codes.winners(drive, active, ties=ties, generator=given) for _ in range(2))
        louder = codes.winners(drive * (1 + 1e-6), active, ties=ties, generator=given)
        rows.append(
            {
                "ties": ties,
                "two_items": _pairs(first, first) / active,
                "one_item_twice": float(overlaps(first, again).diagonal().double().mean()) / active,
                "one_item_louder": float(overlaps(first, louder).diagonal().double().mean()) / active,
                "forgetting": float(forgetting(first).mean()),
                "forgetting_again": float(_reread(first, again).mean()),
            }
        )
    return pl.DataFrame(rows)


def _pairs(code: codes.Codes, other: codes.Codes) -> float:
    shared = overlaps(code, other).double()
    return float(shared[~torch.eye(len(shared), dtype=torch.bool)].mean())


def _reread(written: codes.Codes, read: codes.Codes) -> Float[Tensor, " items"]:
    """Expected squared error per squared value if items are read by other codes than they were written with."""
    items = len(written)
    weight = torch.zeros(written.units, items, dtype=DTYPE)  # [unit, value]
    for item, code in enumerate(written.dense()):
        error = -(code @ weight)
        error[item] += 1
        weight = weight + torch.outer(code / code.sum(), error)
    return (read.dense() @ weight - torch.eye(items, dtype=DTYPE)).square().sum(-1)


def _levels(values: Int[np.ndarray, " cells"]) -> Float[np.ndarray, "cells levels"]:
    return (values[:, None] == np.unique(values)).astype(float)


def _left(response: np.ndarray, regressors: list[np.ndarray]) -> float:
    """Sum of squares that a least-squares fit with an intercept leaves."""
    columns = np.column_stack([np.ones(len(response)), *regressors])
    fitted = columns @ np.linalg.lstsq(columns, response, rcond=None)[0]
    return float(((response - fitted) ** 2).sum())
