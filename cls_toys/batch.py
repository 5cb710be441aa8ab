r"""Batches: several items written at once, exactly, and what that does to the items outside.

A batch S holds m items, and a write that asks for the values Y (one column an item of the batch) has
:math:`\Delta W K_S = Y`. Its collateral is that of the batch,

.. math:: c_S = \frac{\sum_{j \notin S} \|\Delta W k_j\|^2}{\sum_{i \in S} \|\Delta W k_i\|^2} .

Keys are rows, ``[*batch, items, dim]``. Batches are rows of item numbers, ``[batches, size]``, beside one key matrix, or
one row ``[size]`` beside many.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from cls_toys import frames, optimise, probes
from cls_toys import keys as make

Rule = Literal["optimal", "least change"]
MOST_BATCHES = 5000  # of one size, that are enumerated: all of them, never a sample
DRAWS_AT_A_TIME = 500  # of Gaussian keys: fast, and in bounded memory


def all_batches(items: int, size: int) -> Int[Tensor, "batches size"]:
    """Every set of ``size`` of the items. Raises ``ValueError`` unless ``1 <= size <= items``.

    >>> all_batches(3, 2).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    if not 1 <= size <= items:
        raise ValueError(f"size={size}: a batch of {items} items holds at least 1 and at most {items} of them")
    return torch.tensor(list(combinations(range(items), size)))


def change(
    keys: Float[Tensor, "*batch items dim"],
    batches: Int[Tensor, "*batches size"],
    values: Float[Tensor, "*values out size"],
    rule: Rule = "optimal",
) -> Float[Tensor, "*all out dim"]:
    r"""The change of weights that gives each item of a batch its value, exactly.

    .. math:: \Delta W = Y L_S^{-1} K_S^\top M^+ \text{ (optimal)}, \qquad Y (K_S^\top K_S)^{-1} K_S^\top \text{ (least change)}

    ``optimal`` moves the items outside as little as can be; ``least change`` moves the weights as little as can be, as
    gradient descent on the batch alone does. Where the keys of a batch are dependent no write has all values exactly, and
    this one comes as close as it can. Raises ``ValueError`` on an unknown rule, bad keys, batches that are no sets of
    items, values that are not finite or of another number of columns.
    """
    _check_request(keys, batches, values, rule)
    return _change(keys, batches, values, rule)[0]


def collateral(
    keys: Float[Tensor, "*batch items dim"],
    batches: Int[Tensor, "*batches size"],
    values: Float[Tensor, "*values out size"] | None = None,
    rule: Rule = "optimal",
) -> Float[Tensor, "*all"]:
    r"""Collateral of each batch, by making the change and reading all items.

    .. math:: c_S = \frac{\sum_{j \notin S} \|\Delta W k_j\|^2}{\sum_{i \in S} \|\Delta W k_i\|^2}

    Without ``values`` the batch is asked for one unit vector an item, so that all values count alike. Infinite where the
    keys of the batch are dependent, as not all values can be had then. Raises ``ValueError`` as :func:`change` does, and
    where all values of a batch are zero.
    """
    values = _asked(keys, batches, values)
    _check_request(keys, batches, values, rule)
    rows, roots = _change(keys, batches, values, rule)
    moved = rows @ keys.mT  # [*all, out, items]
    batch = batches.expand(*moved.shape[:-2], -1)[..., None, :].expand(*moved.shape[:-1], -1)  # [*all, out, size]
    hit = moved.gather(-1, batch).square().sum((-2, -1))
    others = moved.scatter(-1, batch, 0.0).square().sum((-2, -1))
    return torch.where(roots[..., -1] > 0, others / hit, torch.inf)


def spectrum(
    keys: Float[Tensor, "*batch items dim"], batches: Int[Tensor, "*batches size"]
) -> tuple[Float[Tensor, "*all size size"], Float[Tensor, "*all size"]]:
    """Eigenvectors (columns) of each batch's block of the hat matrix, and the roots of its eigenvalues, largest first.

    From the singular values of the whitened keys; those that vanish beside 1 are set to 0. Raises ``ValueError`` on bad keys
    and on batches that are no sets of items.
    """
    _check(keys, batches)
    vectors, roots, _, _ = _decompose(keys, batches)
    return vectors, roots


def inverse(
    keys: Float[Tensor, "*batch items dim"],
    batches: Int[Tensor, "*batches size"],
    values: Float[Tensor, "*values out size"] | None = None,
) -> Float[Tensor, "*all"]:
    r"""What all items move together for each unit that a batch is asked to: :math:`\operatorname{tr}(Y L_S^{-1} Y^\top)/\|Y\|^2`.

    L is the batch's block of the hat matrix. Without ``values`` that is the mean of the diagonal of its inverse. Infinite
    where the keys of the batch are dependent. Raises ``ValueError`` as :func:`collateral` does.
    """
    values = _asked(keys, batches, values)
    vectors, roots, _, _ = _decompose(keys, batches)
    asked = (values @ vectors).square().sum(-2)  # [*all, size]
    total = torch.where(roots > 0, asked / roots.square(), 0.0).sum(-1) / values.square().sum((-2, -1))
    return torch.where(roots[..., -1] > 0, total, torch.inf)


def spared(
    keys: Float[Tensor, "items dim"], companions: Int[Tensor, "sets companions"]
) -> Float[Tensor, "sets others"]:
    """Writability of every other item, in order, where the write must leave a set of ``companions`` exactly as they are.

    0 for an item that no such write moves. Raises ``ValueError`` on bad keys and companions that are no sets of items, or
    leave no other.
    """
    sets, count = companions.shape
    _check(keys, companions) if count else probes.check_keys(keys)
    if count >= len(keys):
        raise ValueError(
            f"companions have shape {tuple(companions.shape)}: leave at least one of the {len(keys)} items"
        )
    outside = torch.ones(sets, len(keys), dtype=torch.bool).scatter(1, companions, False)
    others = outside.nonzero()[:, 1].reshape(sets, -1, 1)
    batches = torch.cat((others, companions[:, None, :].expand(-1, others.shape[1], -1)), dim=-1)
    only_first = torch.eye(count + 1, dtype=keys.dtype)[:1]
    return 1 / (1 + collateral(keys, batches, only_first))


def measure(codes: Mapping[str, Float[Tensor, "_ _"]], sizes: Sequence[int]) -> pl.DataFrame:
    """One row a code and size of batch, over all batches of that size, for values that count alike.

    ``code, n_items, rank, batch_size, mean_batch, median, largest, condition``. Sizes above a code's rank are left out, and
    so are those of which there are more than ``MOST_BATCHES`` batches. ``condition`` is the worst of any batch.
    """
    rows = []
    for name, keys in codes.items():
        items, rank = len(keys), int(probes.rank(keys))
        for size in sizes:
            if not 1 <= size <= rank or math.comb(items, size) > MOST_BATCHES:
                continue
            batches = all_batches(items, size)
            found = collateral(keys, batches)
            rows.append({
                "code": name, "n_items": items, "rank": rank, "batch_size": size, "mean_batch": float(found.mean()),
                "median": float(np.median(found)), "largest": float(found.max()),
                "condition": float((probes.condition(keys) * condition(keys, batches)).max()),
            })  # fmt: skip
    return pl.DataFrame(rows)


def condition(keys: Float[Tensor, "*batch items dim"], batches: Int[Tensor, "*batches size"]) -> Float[Tensor, "*all"]:
    """Condition number of each batch: largest over least root of an eigenvalue of its block; infinite if dependent."""
    roots = spectrum(keys, batches)[1]
    return roots[..., 0] / roots[..., -1]


def single(keys: Float[Tensor, "items dim"], batches: Int[Tensor, "batches size"]) -> Float[Tensor, " batches"]:
    """Mean over each batch of the least collateral of writing its items one at a time, each into a fresh memory."""
    return (1 / probes.leverage(keys) - 1)[batches].mean(-1)


def writes(codes: Mapping[str, Float[Tensor, "_ _"]], size: int, *, outputs: int, generator: Generator) -> pl.DataFrame:
    """One row a batch, rule and kind of values: ``code, rule, values, collateral, inverse, single, condition``, ``n_items, rank``.

    ``values`` is ``alike`` (one unit vector an item) or ``random`` (Gaussian, ``outputs`` rows). Dependent batches are left out.
    """
    tables = []
    for name, keys in codes.items():
        batches = all_batches(len(keys), size)
        batches = batches[condition(keys, batches).isfinite()]
        common = {
            "code": name, "n_items": len(keys), "rank": int(probes.rank(keys)), "batch_size": size,
            "single": single(keys, batches).numpy(),
            "condition": (probes.condition(keys) * condition(keys, batches)).numpy(),
        }  # fmt: skip
        asked = {
            "alike": torch.eye(size, dtype=keys.dtype),
            "random": make.gaussian(outputs, size, generator=generator),
        }
        for rule in get_args(Rule):
            for kind, values in asked.items():
                tables.append(pl.DataFrame(common | {
                    "rule": rule, "values": kind, "collateral": collateral(keys, batches, values, rule).numpy(),
                    "inverse": inverse(keys, batches, values).numpy(),
                }))  # fmt: skip
    return pl.concat(tables)


def shares(codes: Mapping[str, Float[Tensor, "_ _"]], sizes: Sequence[int]) -> pl.DataFrame:
    """One row a code, size and set of companions, over all sets: the total of :func:`spared` over the other items.

    ``code, rank, batch_size, sum_spared, condition``; a batch is an item with its ``batch_size - 1`` companions. Dependent
    companions are left out.
    """
    tables = []
    for name, keys in codes.items():
        for size in sizes:
            sets = all_batches(len(keys), size - 1) if size > 1 else torch.empty(1, 0, dtype=torch.long)
            worst = condition(keys, sets) if size > 1 else torch.ones(1, dtype=keys.dtype)
            sets, worst = sets[worst.isfinite()], worst[worst.isfinite()]
            tables.append(pl.DataFrame({
                "code": name, "rank": int(probes.rank(keys)), "batch_size": size,
                "sum_spared": spared(keys, sets).sum(-1).numpy(), "condition": (probes.condition(keys) * worst).numpy(),
            }))  # fmt: skip
    return pl.concat(tables)


def twins(angle: float, *, items: int, dim: int, generator: Generator) -> pl.DataFrame:
    r"""A batch of two keys of one length at a small angle, among Gaussian ones, asked for several values, and one of them alone.

    .. math:: k_2 = \cos\varphi\, k_1 + \sin\varphi\, \|k_1\|\, e, \qquad \|e\| = 1, \; e^\top k_1 = 0

    ``angle`` is in radians. One row a request: ``values, collateral``: the same value, opposite ones, values that count alike,
    and the first item alone. Raises ``ValueError`` on an angle outside (0, pi), fewer than two items or dimensions.
    """
    if not 0 < angle < math.pi or items < 2 or dim < 2:
        raise ValueError(
            f"angle={angle}, items={items}, dim={dim}: give an angle between 0 and pi, and two items and dimensions or more"
        )
    keys = make.gaussian(items, dim, generator=generator)
    aside = make.gaussian(1, dim, generator=generator)[0]
    aside = aside - (aside @ keys[0]) / keys[0].square().sum() * keys[0]
    keys[1] = math.cos(angle) * keys[0] + math.sin(angle) * keys[0].norm() * aside / aside.norm()
    asked = {
        "the same": [[1.0, 1.0]],
        "opposite": [[1.0, -1.0]],
        "alike": [[1.0, 0.0], [0.0, 1.0]],
        "one alone": [[1.0]],
    }
    costs = [
        float(collateral(keys, torch.arange(len(values[0])), torch.tensor(values, dtype=keys.dtype)))
        for values in asked.values()
    ]
    return pl.DataFrame({"values": list(asked), "collateral": costs})


def within_basis(bases: int, dim: int, *, outputs: int, generator: Generator) -> pl.DataFrame:
    """Batches from one of several bases that are orthogonal after whitening, one row a size from 1 to ``dim`` and kind of values.

    ``batch_size, values, n_items, rank, collateral, condition``. The bases are orthonormal, and then distorted all alike;
    ``values`` is ``alike`` or ``random``, as in :func:`writes`. Raises ``ValueError`` on ``bases < 1`` or ``dim < 1``.
    """
    keys = frames.orthobases(bases, dim, generator=generator) @ make.gaussian(dim, dim, generator=generator)
    common = {"n_items": len(keys), "rank": int(probes.rank(keys)), "condition": float(probes.condition(keys))}
    rows = []
    for size in range(1, dim + 1):
        asked = {"alike": None, "random": make.gaussian(outputs, size, generator=generator)}
        rows += [
            common
            | {"batch_size": size, "values": kind, "collateral": float(collateral(keys, torch.arange(size), values))}
            for kind, values in asked.items()
        ]
    return pl.DataFrame(rows)


def gaussian(
    items: int, dim: int, sizes: Sequence[int], trials: int, *, generator: Generator
) -> Float[Tensor, "sizes trials"]:
    """Collateral of one batch of each size (the first items) in each of ``trials`` draws of Gaussian keys.

    Each size has draws of its own. Raises ``ValueError`` on sizes outside ``1 .. min(items, dim)`` and on no trials.
    """
    if trials < 1:
        raise ValueError(f"trials={trials}: draw keys at least once")
    if not all(1 <= size <= min(items, dim) for size in sizes):
        raise ValueError(f"sizes={list(sizes)}: a batch of independent keys holds 1 to {min(items, dim)} items")
    found = torch.empty(len(sizes), trials, dtype=make.DTYPE)
    for row, size in enumerate(sizes):
        for first in range(0, trials, DRAWS_AT_A_TIME):
            count = min(trials - first, DRAWS_AT_A_TIME)
            keys = make.gaussian(count * items, dim, generator=generator).reshape(count, items, dim)
            found[row, first : first + count] = collateral(keys, torch.arange(size))
    return found


def search(items: int, dim: int, size: int, *, starts: int, generator: Generator) -> Float[Tensor, "starts items dim"]:
    """Codes found by minimising the mean collateral over all batches of ``size``, by L-BFGS over all keys from random starts.

    It knows nothing of the bound. Raises ``ValueError`` unless ``1 <= size <= dim <= items``.
    """
    if not 1 <= size <= dim <= items:
        raise ValueError(f"size={size}, dim={dim}, items={items}: give 1 <= size <= dim <= items, or no mean is finite")
    batches = all_batches(items, size)

    def mean(keys: Tensor) -> Tensor:
        basis = torch.linalg.qr(keys)[0][batches]  # [batches, size, dim]
        return torch.linalg.inv(basis @ basis.mT).diagonal(dim1=-2, dim2=-1).mean() - 1

    return optimise.minimise_keys(mean, items, dim, starts=starts, generator=generator)


def searched(sizes: Sequence[tuple[int, int, int]], *, starts: int, generator: Generator) -> pl.DataFrame:
    """:func:`measure` of the codes that :func:`search` finds at each ``(items, dim, size)``, one row a start."""
    tables = []
    for items, dim, size in sizes:
        codes = search(items, dim, size, starts=starts, generator=generator)
        tables.append(
            measure({f"n = {items}, d = {dim}, m = {size}, start {i}": c for i, c in enumerate(codes, 1)}, [size])
        )
    return pl.concat(tables)


def _decompose(keys: Tensor, batches: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Singular vectors and values of each batch's whitened keys, and the map from whitened rows to rows of weights."""
    left, singular, right, nonzero = probes.svd(keys)
    whitened = (left * nonzero[..., None, :])[..., batches, :]  # [*all, size, rank]
    missing = whitened.new_zeros(*whitened.shape[:-1], max(0, whitened.shape[-2] - whitened.shape[-1]))
    vectors, roots, rows = torch.linalg.svd(torch.cat((whitened, missing), -1), full_matrices=False)
    roots = roots * (roots > max(keys.shape[-2:]) * torch.finfo(keys.dtype).eps)
    reach = torch.where(nonzero, 1 / singular, 0.0)[..., :, None] * right  # [*batch, rank, dim]
    return vectors, roots, rows[..., : reach.shape[-2]], reach


def _change(keys: Tensor, batches: Tensor, values: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
    """The change of weights and the roots of the batch's eigenvalues."""
    vectors, roots, rows, reach = _decompose(keys, batches)
    if rule == "least change":
        return values @ torch.linalg.pinv(keys[..., batches, :]).mT, roots
    gain = torch.where(roots > 0, 1 / roots, 0.0)[..., None, :]
    return (values @ vectors * gain) @ rows @ reach, roots


def _check_request(keys: Tensor, batches: Tensor, values: Tensor, rule: str) -> None:
    if rule not in get_args(Rule):
        raise ValueError(f"rule={rule!r}: must be one of {', '.join(get_args(Rule))}")
    _check(keys, batches)
    if values.ndim < 2 or values.shape[-1] != batches.shape[-1] or not torch.isfinite(values).all():
        raise ValueError(
            f"values have shape {tuple(values.shape)}: give one column for each of the {batches.shape[-1]} items, all finite"
        )


def _asked(keys: Tensor, batches: Tensor, values: Tensor | None) -> Tensor:
    """The values, or one unit vector an item; each batch must be asked for something."""
    _check(keys, batches)
    if values is None:
        return torch.eye(batches.shape[-1], dtype=keys.dtype)
    _check_request(keys, batches, values, "optimal")
    if not values.any(-1).any(-1).all():
        raise ValueError("values are all zero: a write that asks for no change has no collateral")
    return values


def _check(keys: Tensor, batches: Tensor) -> None:
    probes.check_keys(keys)
    items, ordered = keys.shape[-2], batches.sort(-1).values
    inside = batches.ndim > 0 and batches.shape[-1] > 0 and not batches.is_floating_point()
    if not inside or (ordered < 0).any() or (ordered >= items).any() or (ordered.diff(dim=-1) == 0).any():
        raise ValueError(
            f"batches have shape {tuple(batches.shape)}: give item numbers in [..., size], from 0 to {items - 1}, each at "
            "most once in a batch"
        )
