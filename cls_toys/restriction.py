r"""Writes that may not go everywhere: adapters with a frozen factor, and masks.

Every row of the change of weights lies in one subspace U. An adapter :math:`\Delta W = B A` whose factor A is frozen is of that
kind, with U the row space of A; so is a mask that lets some columns of W change and no others, with U the coordinates that
it leaves free.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import probes
from cls_toys.protection import loud

Kind = Literal["adapter", "mask"]
Rule = Literal["optimal", "local"]


def subspace(dim: int, size: int, kind: Kind, *, generator: Generator) -> Float[Tensor, "dim size"]:
    """Orthonormal columns that span the rows a write may have: of a random frozen factor, or random coordinates.

    Raises ``ValueError`` on an unknown kind and unless ``1 <= size <= dim``.
    """
    if kind not in get_args(Kind) or not 1 <= size <= dim:
        raise ValueError(
            f"kind={kind!r}, size={size}: give one of {', '.join(get_args(Kind))}, and 1 <= size <= dim={dim}"
        )
    if kind == "mask":
        return torch.eye(dim, dtype=make.DTYPE)[:, torch.randperm(dim, generator=generator)[:size]]
    return torch.linalg.qr(make.gaussian(dim, size, generator=generator))[0]


def directions(
    keys: Float[Tensor, "items dim"], basis: Float[Tensor, "dim size"], rule: Rule = "optimal"
) -> Float[Tensor, "items dim"]:
    r"""Direction of each item's write inside the span of ``basis`` (orthonormal columns U).

    .. math:: v_i = U (U^\top M U)^+ U^\top k_i \text{ (optimal)}, \qquad U U^\top k_i \text{ (local)}

    Raises ``ValueError`` on an unknown rule, bad keys, and a basis whose columns are not orthonormal or of another length.
    """
    if rule not in get_args(Rule):
        raise ValueError(f"rule={rule!r}: must be one of {', '.join(get_args(Rule))}")
    probes.check_keys(keys)
    eye = torch.eye(basis.shape[1], dtype=basis.dtype)
    if len(basis) != keys.shape[1] or not torch.allclose(basis.T @ basis, eye, atol=1e-9):
        raise ValueError(
            f"basis has shape {tuple(basis.shape)}: give orthonormal columns of length {keys.shape[1]}, for example the "
            "first factor of torch.linalg.qr"
        )
    seen = keys @ basis  # all that a write inside the subspace sees of the keys
    return (probes.optimal_directions(seen) if rule == "optimal" else seen) @ basis.T


def measure(codes: Mapping[str, Float[Tensor, "_ _"]], sizes: Sequence[int], *, generator: Generator) -> pl.DataFrame:
    """One row an item, code, kind of subspace, size of it and rule of writing.

    ``code, kind, subspace_dim, rule, item, writability, restricted_leverage, leverage, n_items, rank, condition``. An item that
    no write in the subspace moves has writability 0.
    """
    tables = []
    for name, keys in codes.items():
        for kind in get_args(Kind):
            for size in sizes:
                basis = subspace(keys.shape[1], size, kind, generator=generator)
                seen = keys @ basis
                common = {
                    "code": name, "kind": kind, "subspace_dim": size, "item": range(len(keys)),
                    "restricted_leverage": probes.leverage(seen).numpy(), "leverage": probes.leverage(keys).numpy(),
                    "n_items": len(keys), "rank": int(probes.rank(keys)),
                    "condition": float(probes.condition(keys).maximum(probes.condition(seen))),
                }  # fmt: skip
                for rule in get_args(Rule):
                    share = probes.writability(keys, directions(keys, basis, rule)).numpy()
                    tables.append(pl.DataFrame(common | {"rule": rule, "writability": share}))
    return pl.concat(tables)


def totals(items: pl.DataFrame) -> pl.DataFrame:
    """One row a code, kind, size and rule of :func:`measure`'s table, with the total writability and the median collateral."""
    of_code = ("code", "kind", "subspace_dim", "rule", "n_items", "rank", "condition")
    return items.group_by(of_code, maintain_order=True).agg(
        sum_restricted=pl.col("writability").sum(),
        median_collateral=(1 / pl.col("writability") - 1).median(),
    )


def masked(loudness: float, items: int, dim: int, *, generator: Generator) -> pl.DataFrame:
    """:func:`cls_toys.protection.loud` keys, written with and without their loud coordinate.

    One row a mask and rule: ``mask, rule, sum_writability, median_collateral``. Raises ``ValueError`` on one dimension.
    """
    if dim < 2:
        raise ValueError(f"dim={dim}: nothing is left of one dimension if it is masked; give two or more")
    keys = loud(items, dim, loudness, generator=generator)
    coordinates = torch.eye(dim, dtype=keys.dtype)
    rows = []
    for mask, basis in (("none", coordinates), ("loud coordinate masked", coordinates[:, 1:])):
        for rule in get_args(Rule):
            share = probes.writability(keys, directions(keys, basis, rule))
            rows.append({
                "mask": mask, "rule": rule, "sum_writability": float(share.sum()),
                "median_collateral": float((1 / share - 1).median()),
            })  # fmt: skip
    return pl.DataFrame(rows)
