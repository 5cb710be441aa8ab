"""Every memory on one plane: what a write costs the others, against how densely the memory is packed."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import first_order, probes, superposition
from cls_toys import keys as make
from cls_toys.budget import RIDGE
from cls_toys.stores import Store
from cls_toys.stores.linear import LinearStore
from cls_toys.stores.network import NetworkStore
from cls_toys.stores.polynomial import PolynomialStore
from cls_toys.stores.replay import ReplayStore
from cls_toys.stores.thresholded import ThresholdedStore
from cls_toys.stores.willshaw import WillshawStore


class FrontierPoint(NamedTuple):
    """Where a memory lies: how many items it packs into what, and what writing one of them costs the others on average."""

    n_keys: int  # items with a nonzero key
    rank: int  # dimensions that the keys use
    out: int  # dimensions of a value
    parameters: int
    per_dimension: float  # items for each dimension of the keys in use
    per_parameter: float  # numbers read for each parameter that a write may change
    mean_collateral: float  # infinite if some item cannot be moved


def frontier_point(
    store: Store,
    keys: Float[Tensor, "items dim"],
    values: Float[Tensor, "items out"] | None = None,
    *,
    change: float = 1.0,
) -> FrontierPoint:
    """The place of any memory that follows the protocol of :mod:`cls_toys.stores`, by writing each item into a copy of it.

    The memory is taken as it is: fill it first if what it holds matters. ``values`` are what is written, by default what
    is read now plus ``change``, which has to be small where a write is right to first order only. Raises ``ValueError`` on bad
    keys, keys that are all zero, values that are not one an item or not finite, a change that is 0 or not finite, and where
    the store does not keep the protocol: a member is missing, ``parameters`` is no positive number, ``read`` gives no row an
    item, or a write into a copy is read in the store itself.

    >>> frame = make.harmonic_frame(12, 4)
    >>> frontier_point(LinearStore(frame), frame).mean_collateral  # 12 / 4 - 1: on the bound
    2.0...
    """
    _check_store(store)
    nonzero = probes.nonzero_keys(keys)
    if not nonzero.any():
        raise ValueError(f"all {len(keys)} keys are zero, so no write moves an item; give at least one nonzero key")
    if values is not None and len(values) != len(keys):
        raise ValueError(f"values have shape {tuple(values.shape)}: give one value for each of the {len(keys)} keys")
    if values is not None and not torch.isfinite(values).all():
        raise ValueError("values hold NaN or infinity: every entry must be finite")
    if change == 0 or not math.isfinite(change):
        raise ValueError(f"change={change}: must be finite and not 0, or a write moves nothing")
    keys = keys[nonzero]
    held = store.read(keys).clone()
    if held.ndim != 2 or len(held) != len(keys):
        raise ValueError(f"read gives {tuple(held.shape)} at {len(keys)} keys: it must give [items, out]")
    values = held + change if values is None else values[nonzero]
    out, rank = values.shape[1], int(probes.rank(keys))
    collateral = probes.collateral(store, keys, values)
    if not torch.allclose(store.read(keys), held, rtol=0, atol=0, equal_nan=True):
        raise ValueError(f"{type(store).__name__} reads otherwise after writes into copies: copy must share no state")
    return FrontierPoint(
        n_keys=len(keys),
        rank=rank,
        out=out,
        parameters=store.parameters,
        per_dimension=len(keys) / rank,
        per_parameter=len(keys) * out / store.parameters,
        mean_collateral=float(collateral.mean()),
    )


def _check_store(store: object) -> None:
    if missing := [member for member in ("read", "write", "parameters", "copy") if not hasattr(store, member)]:
        raise ValueError(
            f"{type(store).__name__} has no {', '.join(missing)}: a store has read, write, parameters and copy"
        )
    if not isinstance(store.parameters, Integral) or store.parameters < 1:
        raise ValueError(
            f"parameters of {type(store).__name__} is {store.parameters!r}: make it a property that gives a positive integer"
        )


def survey(
    dim: int,
    loads: Sequence[float],
    replay: Sequence[int],
    *,
    toy_steps: int = 1000,
    train_steps: int = 100,
    generator: Generator,
) -> pl.DataFrame:
    """Every memory of this package at several loads: one row each, ``store, rule, load``, and its :class:`FrontierPoint`.

    ``loads`` are items per dimension of the keys, which are random directions in ``dim`` dimensions; ``replay`` are budgets, in
    steps over all items. Other memories have sizes of their own. Of a network the load counts items per parameter, of a
    Willshaw memory items per unit; this one is placed at a load of 2, too, where it is neither empty nor full.
    Raises ``ValueError`` on a load that is not positive and finite, on no dimension, and on a budget of replay below 1.
    """
    if dim < 1:
        raise ValueError(f"dim={dim}: keys need at least one dimension")
    if not all(0 < load < math.inf for load in loads):
        raise ValueError(f"loads={list(loads)}: items per dimension must be positive and finite")
    if any(steps < 1 for steps in replay):
        raise ValueError(f"replay={list(replay)}: a budget is at least one step")
    rows = []
    for load in loads:
        items = max(1, round(load * dim))
        keys = make.unit(items, dim, generator=generator)
        rows += _place(keys, load, linear(keys) | nonlinear(keys) | replayed(keys, replay))
        if items >= dim:
            frame = make.harmonic_frame(items, dim)
            rows += _place(frame, load, {("linear", "tight frame"): LinearStore(frame, rule="optimal")})
    for load in sorted({*map(float, loads), MIDDLING}):
        rows += _willshaw(load, generator=generator)
    rows += _toy_models(toy_steps, generator=generator)
    for load in loads:
        rows += _network(load, train_steps, generator=generator)
    return pl.DataFrame(rows)


def linear(keys: Float[Tensor, "items dim"]) -> dict[tuple[str, str], Store]:
    """Linear memories of the keys by store and rule of writing."""
    ridge = RIDGE * float(keys.square().sum()) / min(keys.shape)
    return {
        ("linear", "one step"): LinearStore(keys, rule="local"),
        ("linear", "optimal"): LinearStore(keys, rule="optimal"),
        ("linear", "ridge"): LinearStore(keys, rule="ridge", ridge=ridge),
    }


def nonlinear(keys: Float[Tensor, "items dim"]) -> dict[tuple[str, str], Store]:
    """Memories that read nonlinear features of the keys: polynomials of degree 2, and a unit with a threshold for each item."""
    return {
        ("polynomial", "one step"): PolynomialStore(keys, degree=2),
        ("polynomial", "optimal"): PolynomialStore(keys, degree=2, rule="optimal"),
        ("threshold", "one step"): ThresholdedStore(keys, threshold=0.5),
    }


def replayed(keys: Float[Tensor, "items dim"], budgets: Iterable[int]) -> dict[tuple[str, str], Store]:
    """Linear memories that replay all items for so many steps at each write."""
    return {("replay", f"{steps} step{'s' if steps > 1 else ''}"): ReplayStore(keys, steps=steps) for steps in budgets}


def _place(keys: Tensor, load: float, stores: dict[tuple[str, str], Store], **options: float) -> list[dict]:
    return [
        {"store": store, "rule": rule, "load": float(load)} | frontier_point(memory, keys, **options)._asdict()
        for (store, rule), memory in stores.items()
    ]


UNITS, ACTIVE = 128, 4  # of a Willshaw memory
MIDDLING = 2.0  # load of one that is neither empty nor full


def _willshaw(load: float, *, generator: Generator) -> list[dict]:
    """A binary memory that has learnt all its items, and is then given a second value at one of them."""
    items = max(1, round(load * UNITS))
    keys, values, new = (make.sparse_binary(items, UNITS, ACTIVE, generator=generator) for _ in range(3))
    store = WillshawStore(UNITS, UNITS)
    for key, value in zip(keys, values, strict=True):
        store.write(key, value)
    return [{"store": "Willshaw", "rule": "binary", "load": float(load)} | frontier_point(store, keys, new)._asdict()]


def _network(load: float, train_steps: int, *, generator: Generator) -> list[dict]:
    """A small trained network with one output and 21 parameters, whose inputs have three dimensions."""
    items = max(2, round(load * 21))
    network, inputs = first_order.regression((3, 4, 1), "tanh", items, generator=generator, steps=train_steps)
    stores = {("network", label): NetworkStore(network, inputs, rule) for rule, label in RULES.items()}
    return _place(inputs, load, stores, change=1e-8)  # with as many items as parameters, writes are long: 1e-6 bends


RULES = {"local": "one step", "optimal": "optimal"}
SPARSITY = (0.7, 0.9, 0.97, 0.99)  # of the features that toy models are trained on


def _toy_models(steps: int, *, generator: Generator) -> list[dict]:
    """The codes of toy models with 20 features in 5 dimensions, of the features that they represent."""
    sparse = superposition.sparse_features(1 - torch.tensor(SPARSITY, dtype=make.DTYPE), 20)
    trained = superposition.train(sparse, superposition.Config(hidden=5, steps=steps), generator=generator)
    represented = superposition.represented(trained.parameters)
    rows = []
    for codes, kept in zip(superposition.codes(trained.parameters), represented, strict=True):
        keys = codes[kept]
        rows += _place(keys, len(keys) / 5, {("toy model", "one step"): LinearStore(keys, rule="local")})
    return rows
