"""How a code spends its writability budget: every write rule on every key matrix, measured by writing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import probes
from cls_toys.stores.linear import LinearStore, Rule

RULES = (*get_args(Rule), "random")
DRAWS_AT_A_TIME = 250  # each holds [items, items] numbers: fast, and in bounded memory
RIDGE = 0.1  # of the ridge rule, relative to the mean squared singular value of the keys


def families(
    items: int, dim: int, *, generator: Generator, spread: float = 1e3
) -> dict[str, Float[Tensor, "items dim"]]:
    """Key matrices of one size and different geometry by name; the tight frame only where one exists."""
    found = {
        "Gaussian": make.gaussian(items, dim, generator=generator),
        "unit sphere": make.unit(items, dim, generator=generator),
        "anisotropic": make.anisotropic(items, dim, spread, generator=generator),
        "duplicated": make.duplicated(items, dim, generator=generator),
        "rank-deficient": make.rank_deficient(items, dim, max(1, dim // 2), generator=generator),
    }
    return found | {"tight frame": make.harmonic_frame(items, dim)} if items >= dim else found


def measured_writability(
    keys: Float[Tensor, "items dim"], rule: str, *, generator: Generator
) -> Float[Tensor, " items"]:
    """Writability of each item's write under a rule, from writing it into a store and reading all items.

    The rule ``random`` writes along a random direction that is unrelated to the item; as no store writes so, the change
    is applied to the keys directly. Raises ``ValueError`` on an unknown rule and on bad keys.
    """
    if rule not in RULES:
        raise ValueError(f"rule={rule!r}: must be one of {', '.join(RULES)}")
    if rule == "random":
        noise = torch.randn(keys.shape, generator=generator, dtype=keys.dtype)
        return probes.writability(keys, noise)
    keys = keys / keys.abs().max()  # a writability has no scale, and the square of an extreme key no value
    ridge = RIDGE * float(keys.square().sum()) / min(keys.shape) if rule == "ridge" else 0.0
    store = LinearStore(keys, rule=rule, ridge=ridge)
    return 1 / (1 + probes.collateral(store, keys, torch.ones(len(keys), 1, dtype=keys.dtype)))


def spend(
    codes: Mapping[str, Float[Tensor, "_ _"]], *, generator: Generator, rules: Sequence[str] = RULES
) -> pl.DataFrame:
    """One row an item, rule and code: ``code, rule, item, writability, leverage, n_keys, rank, condition``.

    Items with a zero key are left out, as no write moves them; ``item`` still counts the rows of the code. Raises
    ``ValueError`` on a code whose keys are all zero.
    """
    tables = []
    for name, keys in codes.items():
        nonzero = probes.nonzero_keys(keys)
        if not nonzero.any():
            raise ValueError(
                f"code {name!r}: all its {len(keys)} keys are zero, so no write moves an item; leave it out"
            )
        kept = keys[nonzero]
        common = {
            "code": name, "leverage": probes.leverage(kept).numpy(), "n_keys": len(kept), "rank": int(probes.rank(kept)),
            "condition": float(probes.condition(kept)), "item": nonzero.nonzero()[:, 0].numpy(),
        }  # fmt: skip
        for rule in rules:
            writability = measured_writability(kept, rule, generator=generator).numpy()
            tables.append(pl.DataFrame(common | {"rule": rule, "writability": writability}))
    return pl.concat(tables, how="vertical_relaxed")  # codes may differ in dtype


def totals(items: pl.DataFrame) -> pl.DataFrame:
    """One row a code and rule of :func:`spend`'s table: compression, total writability, mean collateral."""
    return items.group_by("code", "rule", "n_keys", "rank", "condition", maintain_order=True).agg(
        compression=(pl.col("n_keys") / pl.col("rank")).first(),
        sum_writability=pl.col("writability").sum(),
        mean_collateral=(1 / pl.col("writability") - 1).mean(),
    )


class RandomKeys(NamedTuple):
    """Measured over independent draws of one size: each entry of ``leverage`` is one item of its own draw."""

    leverage: Float[Tensor, " trials"]
    optimal_collateral: Float[Tensor, " trials"]  # mean over the items of a Gaussian draw
    local_collateral: Float[Tensor, " trials"]  # mean over the items of a draw of unit keys


def random_keys(items: int, dim: int, trials: int, *, generator: Generator) -> RandomKeys:
    """Leverage of the first item, and mean collateral of optimal and local writes, in ``trials`` draws of random keys."""
    sizes = [min(DRAWS_AT_A_TIME, trials - done) for done in range(0, trials, DRAWS_AT_A_TIME)]
    parts = [_random_keys(items, dim, size, generator) for size in sizes]
    return RandomKeys(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _random_keys(items: int, dim: int, trials: int, generator: Generator) -> RandomKeys:
    gaussian = make.gaussian(trials * items, dim, generator=generator).reshape(trials, items, dim)
    unit = make.unit(trials * items, dim, generator=generator).reshape(trials, items, dim)
    optimal = probes.writability(gaussian, probes.optimal_directions(gaussian))
    local = probes.writability(unit, unit)
    return RandomKeys(probes.leverage(gaussian)[:, 0], (1 / optimal - 1).mean(-1), (1 / local - 1).mean(-1))


def frames(most_items: int, dim: int) -> dict[str, Float[Tensor, "_ dim"]]:
    """Equal-norm tight frames in ``dim`` dimensions, from ``dim`` items to ``most_items`` (no fewer than ``dim``)."""
    sizes = sorted({*torch.linspace(dim, max(dim, most_items), 12).round().int().tolist()})
    return {f"frame of {items}": make.harmonic_frame(items, dim) for items in sizes}


def trap(items: int, dim: int, *, generator: Generator) -> pl.DataFrame:
    r"""The false shortcut :math:`1/(k_i^\top M_{-i}^+ k_i)` beside the least collateral, for Gaussian keys."""
    keys = make.gaussian(items, dim, generator=generator)
    shortcut = []
    for item in range(items):
        others = torch.cat((keys[:item], keys[item + 1 :]))
        shortcut.append(float(1 / (keys[item] @ torch.linalg.pinv(others.T @ others) @ keys[item])))
    truth = 1 / measured_writability(keys, "optimal", generator=generator) - 1
    return pl.DataFrame({"item": range(items), "shortcut": shortcut, "measured": truth.numpy()})


def near_duplicates(gap: float = 1e-5, dim: int = 6, *, generator: Generator) -> pl.DataFrame:
    """Leverage of two keys that differ by ``gap``, from the keys' singular values and from a pseudo-inverse of M."""
    keys = make.gaussian(dim - 1, dim, generator=generator)
    keys[1] = keys[0] + gap * make.unit(1, dim, generator=generator)[0]
    second_moment = keys.T @ keys
    squared = ((keys @ torch.linalg.pinv(second_moment, rtol=1e-12)) * keys).sum(-1)
    right = probes.leverage(keys)
    return pl.DataFrame(
        {"key": ["first", "its near-copy"], "singular values": right[:2].numpy(), "pseudo-inverse": squared[:2].numpy()}
    )


def overlaps(codes: Mapping[str, Float[Tensor, "_ _"]]) -> pl.DataFrame:
    r"""One row a code of unit keys: ``code, n_items, dim, rank, mean_blast, max_overlap``.

    The blast radius of an item is :math:`\sum_{j \neq i} \langle k_i, k_j \rangle^2`; the largest overlap is that of any
    pair, squared. Raises ``ValueError`` on keys that are not of norm 1.
    """
    rows = []
    for name, keys in codes.items():
        if not torch.allclose(keys.norm(dim=-1), torch.ones(len(keys), dtype=keys.dtype)):
            raise ValueError(f"code {name!r}: keys must have norm 1; divide each by its norm")
        squared = (keys @ keys.T).square().fill_diagonal_(0)
        rows.append({
            "code": name, "n_items": len(keys), "dim": keys.shape[1], "rank": int(probes.rank(keys)),
            "mean_blast": float(squared.sum(-1).mean()), "max_overlap": float(squared.max()),
        })  # fmt: skip
    return pl.DataFrame(rows)
