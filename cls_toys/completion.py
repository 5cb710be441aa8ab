r"""How well a recurrent memory completes a partial cue in one step: measured, and by three laws.

Patterns are random codes with k of d units active. A cue has k active units, too, of which the share :math:`\kappa_0`, its fidelity, belongs to the
pattern; after one step of winners take all the share is :math:`\kappa_1`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from scipy import optimize, special
from torch import Generator, Tensor

from cls_toys import codes, probes
from cls_toys.codes import Codes
from cls_toys.stores.autoassociative import AutoassociativeStore


class Memory(NamedTuple):
    """A recurrent memory and what it is asked: sizes, the share of connections that exist, and the fidelity of its cues."""

    dim: int
    active: int
    connectivity: float
    items: int
    fidelity: float

    def check(self) -> None:
        """Raises ``ValueError`` unless everything is in range and the cue has a whole number of correct units."""
        if not (1 <= self.active < self.dim and 0 <= self.connectivity <= 1 and self.items >= 1):
            raise ValueError(f"{self}: give 1 <= active < dim, a connectivity in [0, 1] and at least one item")
        right = self.fidelity * self.active
        if not (
            0 <= self.fidelity <= 1
            and abs(right - round(right)) < 1e-9
            and self.active - right <= self.dim - self.active
        ):
            raise ValueError(f"{self}: a cue needs a whole number of correct units, and silent ones for the others")


COLUMNS = ("dim", "code_size", "connectivity", "n_items", "cue_fidelity")


def partial(patterns: Codes, fidelity: float, *, generator: Generator) -> Codes:
    """Cues: of each pattern's active units the share ``fidelity`` is kept, at random, and the others replaced by silent ones.

    Raises ``ValueError`` unless the patterns are of one size, that share a whole number, and there are silent units enough.
    """
    size = patterns.active.shape[1]
    Memory(patterns.units, size, 1.0, len(patterns), fidelity).check()
    if not (patterns.sizes == size).all():
        raise ValueError("the patterns have unlike numbers of active units: give codes of one size")
    right = round(fidelity * size)
    order = torch.rand(patterns.active.shape, generator=generator).argsort(-1)[:, :right]
    kept = patterns.active.gather(-1, order)
    if right == size:
        return Codes(kept.sort(-1).values, patterns.units)
    drawn = codes.random(len(patterns), patterns.units - size, size - right, generator=generator).active
    before = patterns.active - torch.arange(size)  # silent units below each active one
    wrong = drawn + (before[:, None, :] <= drawn[:, :, None]).sum(-1)
    return Codes(torch.cat((kept, wrong), dim=-1).sort(-1).values, patterns.units)


def measure(
    memories: Iterable[Memory], networks: int, cues: int = 200, steps: int = 1, *, generator: Generator
) -> pl.DataFrame:
    """One row a memory and network: :data:`COLUMNS`, ``completed``, the mean fidelity after ``steps``, and mean fields.

    ``stored_field`` and ``other_field`` are those of the units in the pattern and outside it, in the first step. Each network has its
    own connections and patterns, and is asked for up to ``cues`` of them.
    """
    rows = []
    for memory in memories:
        memory.check()
        for _ in range(networks):
            store = AutoassociativeStore(memory.dim, memory.active, memory.connectivity, generator=generator)
            patterns = codes.random(memory.items, memory.dim, memory.active, generator=generator)
            store.write_codes(patterns)
            asked = patterns[slice(0, cues)]
            cue = partial(asked, memory.fidelity, generator=generator)
            fields = store.fields(cue)
            inside = fields.gather(-1, asked.active).sum()
            found = probes.overlap(store.complete(cue, steps), asked).double() / memory.active
            rows.append(
                dict(zip(COLUMNS, memory, strict=True))
                | {
                    "completed": float(found.mean()),
                    "stored_field": float(inside) / (len(asked) * memory.active),
                    "other_field": float(fields.sum() - inside) / (len(asked) * (memory.dim - memory.active)),
                }
            )
    return pl.DataFrame(rows)


def conditions(dim: int, active: int) -> list[Memory]:
    r"""Memories from full to scarce connectivity, at loads :math:`n a \ln(1/a) / (c d)` at which a step helps and does not do all.

    Raises ``ValueError`` unless the cues have a whole number of correct units: for ``active`` a multiple of ten.
    """
    a = active / dim
    made = []
    for connectivity, fidelity, load in ((1.0, 0.4, 0.042), (0.3, 0.5, 0.067), (0.1, 0.7, 0.1), (0.04, 0.7, 0.127)):
        items = round(load * connectivity * dim / (a * math.log(1 / a)))
        made.append(Memory(dim, active, connectivity, items, fidelity))
        made[-1].check()
    return made


def broken(memory: Memory, networks: int, cues: int = 200, *, generator: Generator) -> pl.DataFrame:
    """``case`` and mean fidelity ``completed`` of a memory as assumed, and of some that are not."""
    memory.check()
    rows = []
    for case in ("as assumed", "units connected to themselves", "patterns share half of their units", "no connections"):
        found = []
        for _ in range(networks):
            c = 0.0 if case == "no connections" else memory.connectivity
            store = AutoassociativeStore(memory.dim, memory.active, c, generator=generator)
            if case == "units connected to themselves":
                store.connected.fill_diagonal_(True)
            patterns = codes.random(memory.items, memory.dim, memory.active, generator=generator)
            if case == "patterns share half of their units":
                half = memory.active // 2
                own = codes.random(memory.items, memory.dim - half, memory.active - half, generator=generator).active
                patterns = Codes(torch.cat((torch.arange(half).expand(memory.items, -1), own + half), -1), memory.dim)
            store.write_codes(patterns)
            asked = patterns[slice(0, cues)]
            cue = partial(asked, memory.fidelity, generator=generator)
            found.append(float(probes.overlap(store.complete(cue), asked).double().mean()) / memory.active)
        rows.append({"case": case, "cue": memory.fidelity, "completed": float(np.mean(found))})
    return pl.DataFrame(rows)


def by_memory(table: pl.DataFrame, column: str = "completed") -> Float[np.ndarray, "memories networks"]:
    """A column of :func:`measure` with a row for each memory."""
    return table[column].to_numpy().reshape(table.select(COLUMNS).n_unique(), -1)


def symbols(table: pl.DataFrame) -> dict[str, list[float]]:
    """The memories of :func:`measure`, once each and in order, by the names of their columns."""
    return table.select(COLUMNS).unique(maintain_order=True).to_dict(as_series=False)


def compound(memory: Memory, draws: int = 100_000, *, corrected: bool = False, generator: Generator) -> float:
    r"""Fidelity after one step by the compound law: five binomial numbers stand for a unit's field.

    .. math:: h = \xi\,[b_1 (1 - a) - b_0 a] + (1 - a)(y_1 - a n R) - a\,(y_0 - a n (N - R)), \qquad n = b_1 + b_0

    with :math:`\xi = 1 - a` for a unit of the pattern and -a otherwise; :math:`b_1, b_0` are its connections from correct and wrong
    units of the cue, R of the N other patterns hold it, and :math:`y_1, y_0` count the cue's units in those that do and do not.
    The threshold is the quantile that a unit exceeds with probability a; ties are shared out. Source: the chapter. ``corrected``: a unit that is in the
    cue itself has one possible connection less, and a pattern holds no unit twice, so that coincidences vary less, by the root of
    :math:`(d - 1 - n)/(d - 2)`. Sampled ``draws`` times for units of the pattern and four times as often for others.
    """
    memory.check()
    dim, k, c, items, fidelity = memory
    a, right = k / dim, round(fidelity * k)
    wrong, others = k - right, items - 1
    values = []
    for stored, count in ((True, draws), (False, 4 * draws)):
        itself = torch.rand(count, generator=generator) < (right / k if stored else wrong / (dim - k))
        fewer = itself.double() if corrected else torch.zeros(count, dtype=torch.float64)
        b_1 = _binomial(right - (fewer if stored else 0.0 * fewer), c, generator)
        b_0 = _binomial(wrong - (0.0 * fewer if stored else fewer), c, generator)
        inputs = b_1 + b_0
        holds = _binomial(torch.full((count,), float(others), dtype=torch.float64), a, generator)
        y_1 = _binomial(inputs * holds, (k - 1) / (dim - 1), generator)
        y_0 = _binomial(inputs * (others - holds), k / (dim - 1), generator)
        own = (1 - a if stored else -a) * (b_1 * (1 - a) - b_0 * a)
        if corrected:  # a pattern holds no unit twice: coincidences vary less around their mean
            less = ((dim - 1 - inputs) / max(1, dim - 2)).clamp(min=0).sqrt()
            mean_1, mean_0 = inputs * holds * (k - 1) / (dim - 1), inputs * (others - holds) * k / (dim - 1)
            y_1, y_0 = mean_1 + less * (y_1 - mean_1), mean_0 + less * (y_0 - mean_0)
        crosstalk = (1 - a) * (y_1 - a * inputs * holds) - a * (y_0 - a * inputs * (others - holds))
        values.append((own + crosstalk).numpy().round(9))
    return shared_winners(*values, a)


def _binomial(count: Tensor, probability: float, generator: Generator) -> Tensor:
    if probability in (0.0, 1.0):
        return count * probability
    return torch.binomial(count, torch.full_like(count, probability), generator=generator)


def shared_winners(stored: Float[np.ndarray, " draws"], others: Float[np.ndarray, " more"], activity: float) -> float:
    """Chance that a stored unit wins, where a share ``activity`` of all units is stored and as many win; ties are shared out.

    >>> round(shared_winners(np.array([1.0, 0.0]), np.array([0.0, 0.0]), 0.5), 6)  # half above, half tied with all others
    0.666667
    """
    fields = np.concatenate((stored, others))
    mass = np.concatenate(
        (np.full(len(stored), activity / len(stored)), np.full(len(others), (1 - activity) / len(others)))
    )
    order = np.argsort(-fields, kind="stable")
    place = min(int(np.searchsorted(np.cumsum(mass[order]), activity * (1 - 1e-12))), len(order) - 1)
    level = fields[order[place]]
    above, tied = float(mass[fields > level].sum()), float(mass[fields == level].sum())
    return float((stored > level).mean() + (stored == level).mean() * (activity - above) / tied)


def gaussian(memory: Memory) -> float:
    r"""Fidelity after one step if all fields were Gaussian, with the mean and variance of many connections and patterns.

    Numerically, by the same equations as the theory's, for tables and charts. Without connections it is the activity.
    """
    memory.check()
    dim, k, c, items, fidelity = memory
    a = k / dim
    if c == 0:
        return a
    gap = c * k * (fidelity - a)
    crosstalk = items * (a * (1 - a)) ** 2 * c * k
    dilution = c * (1 - c) * k * (fidelity * (1 - a) ** 2 + (1 - fidelity) * a**2)
    spread = [math.sqrt(crosstalk + dilution * x**2) for x in (1 - a, a)]
    means = [(1 - a) * gap, -a * gap]

    far = max(map(abs, means)) + 40 * max(spread)
    level = optimize.brentq(
        lambda at: a * special.ndtr((means[0] - at) / spread[0]) + (1 - a) * special.ndtr((means[1] - at) / spread[1]) - a,
        -far, far, xtol=1e-13,
    )  # fmt: skip
    return float(special.ndtr((means[0] - level) / spread[0]))


def iterate(memory: Memory, steps: int, draws: int = 100_000, *, generator: Generator) -> float:
    """The compound law applied again and again, each time to a cue of the fidelity that it gave before.

    The share is rounded to a whole number of units between steps.
    """
    fidelity = memory.fidelity
    for _ in range(steps):
        whole = round(fidelity * memory.active) / memory.active
        fidelity = compound(memory._replace(fidelity=whole), draws, corrected=True, generator=generator)
    return fidelity


def laws(memories: Sequence[Memory], draws: int = 100_000, *, generator: Generator) -> pl.DataFrame:
    """One row a memory: :data:`COLUMNS`, ``inputs``, the mean number of active connections, and ``gaussian, compound, corrected``."""
    return pl.DataFrame(
        [
            dict(zip(COLUMNS, memory, strict=True))
            | {
                "inputs": memory.connectivity * memory.active,
                "gaussian": gaussian(memory),
                "compound": compound(memory, draws, generator=generator),
                "corrected": compound(memory, draws, corrected=True, generator=generator),
            }
            for memory in memories
        ]
    )


def capacity(
    memory: Memory, goal: float = 0.95, draws: int = 20_000, *, law: str = "compound", generator: Generator
) -> int:
    """Most patterns with which one step reaches the fidelity ``goal``, by a law; 0 if one pattern is too many.

    By doubling and bisection to about two per cent. ``memory.items`` is not used. Raises ``ValueError`` on an unknown law.
    """
    if law not in ("compound", "gaussian"):
        raise ValueError(f"law={law!r}: must be compound or gaussian")

    def reached(items: int) -> bool:
        asked = memory._replace(items=items)
        found = gaussian(asked) if law == "gaussian" else compound(asked, draws, corrected=True, generator=generator)
        return found >= goal

    low, high = 0, 1
    while reached(high):
        low, high = high, 2 * high
    while high - low > max(1, 0.02 * high):
        middle = (low + high) // 2
        low, high = (middle, high) if reached(middle) else (low, middle)
    return low


def sweep(
    dim: int,
    activities: Sequence[float],
    connectivities: Sequence[float],
    fidelity: float = 0.7,
    goal: float = 0.95,
    draws: int = 20_000,
    *,
    generator: Generator,
) -> pl.DataFrame:
    """Capacity by both laws: ``dim, code_activity, connectivity, inputs, compound, gaussian, load``.

    ``load`` is that by the compound law, times a ln(1/a), to a connection of a unit. Activities are rounded so that the cue has a whole number of correct units, for a fidelity in tenths.
    """
    rows = []
    for activity in activities:
        active = max(10, 10 * round(activity * dim / 10))
        for connectivity in connectivities:
            memory = Memory(dim, active, connectivity, 1, fidelity)
            found = {
                law: capacity(memory, goal, draws, law=law, generator=generator) for law in ("compound", "gaussian")
            }
            rows.append(
                {
                    "dim": dim, "code_activity": active / dim, "connectivity": connectivity,
                    "load": found["compound"] * active * math.log(dim / active) / (connectivity * dim**2),
                    "inputs": connectivity * active, "compound": found["compound"], "gaussian": found["gaussian"],
                }
            )  # fmt: skip
    return pl.DataFrame(rows)
