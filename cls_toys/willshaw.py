r"""Binary memories at work: how full they get, how often they err, and how much they hold.

Everything is measured on :class:`~cls_toys.stores.willshaw.WillshawStore`. To choose how many pairs to store,
:func:`chain_error` gives the error of a memory of independent random pairs without an alternating sum.
"""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Shaped
from scipy import special
from torch import Generator

from cls_toys import codes
from cls_toys.stores.willshaw import WillshawStore

OF_KEYS = ("dim", "code_size", "value_dim", "value_size")
OF_SETTING = (*OF_KEYS, "n_items")


def measure(
    settings: Iterable[tuple[int, int, int]],
    trials: int,
    *,
    out: int | None = None,
    out_active: int | None = None,
    auto: bool = False,
    diagonal: bool = True,
    generator: Generator,
) -> pl.DataFrame:
    r"""One row a setting ``(dim, active, items)`` and trial: a memory filled with random pairs, then asked for all of them.

    Columns: ``dim, code_size, value_dim, value_size, n_items``; ``fill``, the share of synapses that are on; ``missed`` and
    ``recalled``, how many active units of the values are not, and are, recalled; ``spurious``, the share of silent units
    that are; ``bits_per_synapse``, the information in bits that a recalled unit gives about the stored one, times units over
    synapses,

    .. math:: \frac{n d_y}{d\, d_y} \sum_{x, y \in \{0, 1\}} \hat p(x, y) \log_2 \frac{\hat p(x, y)}{\hat p(x)\,\hat p(y)},

    from the counts of stored and recalled units. Values are ``out_active`` of ``out`` units, by default as the keys. With
    ``auto`` the value is the key, and the synapses of units with themselves count in no rate; without ``diagonal`` they are
    cleared after storing. Raises ``ValueError`` where a value has no silent unit, on ``auto`` with values of another kind or
    one active unit only, and on ``trials < 1``.
    """
    if trials < 1:
        raise ValueError(f"trials={trials}: fill at least one memory")
    rows = []
    for dim, active, items in settings:
        units, size = out or dim, out_active or active
        if size >= units:
            raise ValueError(f"{size} of {units} units of a value are active: without silent units none is spurious")
        if auto and ((units, size) != (dim, active) or active < 2):
            raise ValueError(
                f"auto: keys are {active} of {dim}, values {size} of {units}; they must be the same, with at least 2 active units"
            )
        for _ in range(trials):
            keys = codes.random(items, dim, active, generator=generator)
            values = keys if auto else codes.random(items, units, size, generator=generator)
            store = WillshawStore(dim, units)
            store.write_codes(keys, values)
            if not diagonal:
                store.weight.fill_diagonal_(False)
            got = store.read_codes(keys)
            hits, total = int(got.gather(-1, values.active).sum()), int(got.sum())
            on, counted = int(store.weight.sum()), units * dim
            if auto:
                on, counted = on - int(store.weight.diagonal().sum()), counted - dim
            counts = np.array([[hits, items * size - hits], [total - hits, items * (units - size) - (total - hits)]])
            rows.append(
                {
                    "dim": dim, "code_size": active, "value_dim": units, "value_size": size, "n_items": items,
                    "fill": on / counted, "missed": items * size - hits, "recalled": hits,
                    "spurious": (total - hits) / (items * (units - size)),
                    "bits_per_synapse": items / dim * mutual_information(counts),
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


def mutual_information(counts: Shaped[np.ndarray, "stored recalled"]) -> float:
    """Bits that one says about the other, from a table of counts.

    >>> mutual_information(np.array([[3, 0], [0, 3]]))
    1.0
    """
    shares = counts / counts.sum()
    product = shares.sum(1, keepdims=True) * shares.sum(0, keepdims=True)
    return float(special.rel_entr(shares, product).sum() / np.log(2))


def by_setting(table: pl.DataFrame, column: str) -> Float[np.ndarray, "settings trials"]:
    """A column of :func:`measure` with a row for each setting."""
    return table[column].to_numpy().reshape(-1, table.height // table.select(OF_SETTING).n_unique())


def settings(table: pl.DataFrame) -> dict[str, list[int]]:
    """The settings of :func:`measure`, once each and in order, by the names of their columns."""
    return table.select(OF_SETTING).unique(maintain_order=True).to_dict(as_series=False)


@cache
def _transition(size: int, drawn: int, among: int) -> Float[np.ndarray, "covered covered"]:
    """Probabilities that a random set of ``drawn`` out of ``among`` brings the covered part of ``size`` units from row to column."""
    have, get = np.arange(size + 1)[:, None], np.arange(size + 1)[None, :]
    fresh, rest = get - have, among - size + have
    spare = drawn - fresh
    possible = (fresh >= 0) & (fresh <= size - have) & (spare >= 0) & (spare <= rest)
    logs = _log_choose(size - have, fresh) + _log_choose(rest, spare) - _log_choose(among, drawn)
    return np.where(possible, np.exp(np.where(possible, logs, 0.0)), 0.0)


def _log_choose(n: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    n, k = np.asarray(n, float), np.clip(k, 0, n)
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))


def chain_error(dim: int, active: int, items: int, share: float | None = None, *, auto: bool = False) -> float:
    r"""Expected spurious rate of a memory of random pairs: the chance that a Markov chain has covered all synapses of a unit.

    .. math:: p_{01} = \Big[\big((1 - q) I + q H\big)^{n - 1}\Big]_{0k}

    where q = ``share`` is the activity of the values (by default that of the keys) and H says how the number of covered
    synapses grows with one more pattern that holds the unit. All terms are positive, so nothing cancels. Raises ``ValueError`` unless
    ``1 <= active <= dim``, ``items >= 1`` and the share lies in [0, 1].

    >>> round(chain_error(4, 2, 3, share=1 / 3), 4)  # by hand: 43/324
    0.1327
    """
    share = active / dim if share is None else share
    if not 1 <= active <= dim or items < 1 or not 0 <= share <= 1:
        raise ValueError(
            f"dim={dim}, active={active}, items={items}, share={share}: give 1 <= active <= dim, at least one item, and a share in [0, 1]"
        )
    step = _transition(active, active - 1, dim - 1) if auto else _transition(active, active, dim)
    chain = share * step + (1 - share) * np.eye(active + 1)
    return float(np.linalg.matrix_power(chain, items - 1)[0, -1])


def items_at(dim: int, active: int, tolerance: float, *, auto: bool = False) -> int:
    """Most pairs of codes of one kind that keep the expected spurious units at most at ``tolerance * active``.

    The error grows with the number of pairs, which is found by doubling and bisection. Raises ``ValueError`` unless the tolerance is positive and there is a silent unit, and where no number of pairs exceeds it.
    """
    if not tolerance > 0 or active >= dim:
        raise ValueError(
            f"tolerance={tolerance}, active={active}, dim={dim}: give a positive tolerance and active < dim"
        )
    if (dim - active) <= tolerance * active:
        raise ValueError(f"tolerance={tolerance}: it allows all {dim - active} silent units, so no number is too many")
    low, high = 1, 2
    while (dim - active) * chain_error(dim, active, high, auto=auto) <= tolerance * active:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if (dim - active) * chain_error(dim, active, middle, auto=auto) <= tolerance * active:
            low = middle
        else:
            high = middle
    return low


def bits_at(dim: int, active: int, items: int) -> float:
    """Bits a synapse of a memory of random pairs of codes of one kind, by the error of the chain."""
    a, error = active / dim, chain_error(dim, active, items)
    entropy = (special.entr(x) + special.entr(1 - x) for x in (a + (1 - a) * error, error))
    both, noise = entropy
    return items / dim * float(both - (1 - a) * noise) / np.log(2)


def capacity(dims: Sequence[int], sizes: Sequence[int], tolerance: float = 0.01) -> pl.DataFrame:
    """One row a dimension and code size below it: ``dim, code_size, n_items, bits_per_synapse`` at the tolerance, by the chain."""
    rows = []
    for dim in dims:
        for active in sizes:
            if active < dim:
                items = items_at(dim, active, tolerance)
                rows.append(
                    {
                        "dim": dim,
                        "code_size": active,
                        "n_items": items,
                        "bits_per_synapse": bits_at(dim, active, items),
                    }
                )
    return pl.DataFrame(rows)


def best(dim: int, tolerance: float = 0.01, largest: int = 60) -> tuple[int, int]:
    """The code size up to ``largest`` that holds most bits at the tolerance, and the number of pairs it holds."""
    table = capacity([dim], range(1, min(largest, dim - 1) + 1), tolerance).sort("bits_per_synapse")
    return table["code_size"][-1], table["n_items"][-1]


def textbook(dims: Sequence[int], tolerance: float = 0.01) -> pl.DataFrame:
    r"""The best code beside the textbook's rule, :math:`k = \log_2((d - k) / \epsilon k)`: one row a dimension.

    Columns: ``dim, best_code_size, rule, n_items``, the pairs it holds, ``bits_per_synapse``, and their ``share_of_ln_2``.
    """
    rows = []
    for dim in dims:
        active, items = best(dim, tolerance)
        rule = 10.0
        for _ in range(100):  # a contraction
            rule = np.log2((dim - rule) / (tolerance * rule))
        bits = bits_at(dim, active, items)
        rows.append(
            {
                "dim": dim, "best_code_size": active, "rule": float(rule), "n_items": items, "bits_per_synapse": bits,
                "share_of_ln_2": bits / np.log(2),
            }
        )  # fmt: skip
    return pl.DataFrame(rows)


def broken(dim: int, active: int, items: int, *, generator: Generator) -> pl.DataFrame:
    """What a memory does if its pairs or its cues are not what the theory takes them for: ``case, fill, missed, spurious``.

    ``missed`` is the share of a value's active units that are not recalled. Raises ``ValueError`` on an odd number of active
    units, or fewer than one and a half times as many units.
    """
    if active % 2 or 2 * dim < 3 * active:
        raise ValueError(f"active={active}, dim={dim}: give an even number of active units, and enough silent ones")
    keys, values = (codes.random(items, dim, active, generator=generator) for _ in range(2))
    half = codes.random(items, dim - active // 2, active // 2, generator=generator).active + active // 2
    alike = codes.Codes(torch.cat((torch.arange(active // 2).expand(items, -1), half), dim=-1), dim)
    one = values[torch.zeros(items, dtype=torch.long)]
    cases = {
        "random pairs": (keys, values, keys),
        "one value for all": (keys, one, keys),
        "keys share half of their units": (alike, values, alike),
        "a unit of the cue is missing": (keys, values, codes.Codes(keys.active[:, 1:], dim)),
        "a unit of the cue is wrong": (keys, values, _one_wrong(keys, generator)),
    }
    rows = []
    for case, (written, stored, cues) in cases.items():
        store = WillshawStore(dim, dim)
        store.write_codes(written, stored)
        got = store.read_codes(cues)
        hits, total = int(got.gather(-1, stored.active).sum()), int(got.sum())
        rows.append(
            {
                "case": case, "fill": float(store.weight.double().mean()), "missed": 1 - hits / (items * active),
                "spurious": (total - hits) / (items * (dim - active)),
            }
        )  # fmt: skip
    return pl.DataFrame(rows)


def _one_wrong(keys: codes.Codes, generator: Generator) -> codes.Codes:
    """The first active unit of each key replaced by a random silent one."""
    on = keys.dense()
    silent = (torch.rand(on.shape, generator=generator) - 2 * on).argmax(-1, keepdim=True)
    return codes.Codes(torch.cat((keys.active[:, 1:], silent), dim=-1).sort(-1).values, keys.units)
