"""How networks spend their first-order budget: infinitesimal writes by several rules, and the ranks behind them."""

import math
from collections.abc import Iterable, Mapping, Sequence

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from cls_toys import escapes, networks, probes, tangent, tasks
from cls_toys import keys as make

RULES = ("optimal", "one step", "random")
Network = tuple[nn.Module, Float[Tensor, "items ..."]]  # and the items at which it is read
SHAPES: tuple[tuple[tuple[int, ...], networks.Activation], ...] = (
    ((3, 4, 1), "tanh"), ((3, 4, 1), "relu"), ((4, 6, 6, 1), "tanh"), ((4, 6, 6, 1), "relu"), ((4, 5, 3), "tanh"),
)  # fmt: skip


def regression(
    widths: Sequence[int], activation: networks.Activation, items: int, *, generator: Generator, steps: int = 0
) -> Network:
    """A network with random weights and biases, after ``steps`` of training on a wider random network's outputs."""
    inputs = make.gaussian(items, widths[0], generator=generator)
    network, teacher = (
        networks.mlp(sizes, act, generator=generator, dtype=make.DTYPE)
        for sizes, act in ((widths, activation), ([widths[0], 4 * widths[1], widths[-1]], "tanh"))
    )
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, std=0.5, generator=generator)  # a bias of 0 is a special point
    if steps:
        networks.regress(network, inputs, teacher(inputs).detach(), steps)
    return network, inputs


def best_conditioned(networks: Iterable[Network]) -> Network:
    """Of networks with one output, the one whose gradients have the least condition number; ``ValueError`` on none."""
    candidates = list(networks)
    if not candidates:
        raise ValueError("no networks are given: there is none to choose")
    return min(candidates, key=lambda network: float(probes.condition(tangent.features(*network)[:, 0])))


def classifier(hidden: int, items: int, *, generator: Generator, epochs: int = 0) -> Network:
    """A ReLU network for the digits, after ``epochs`` of training, read at some of the digits that it was trained on."""
    digits = tasks.digits(generator=generator, dtype=make.DTYPE)
    network = networks.mlp([64, hidden, 10], generator=generator, dtype=make.DTYPE)
    if epochs:
        training = networks.Training(epochs=epochs)
        networks.fit(network, digits.train_inputs, digits.train_labels, training, generator=generator)
    return network, digits.train_inputs[:items]


def zoo(items: int, digits: int, *, steps: int, epochs: int, generator: Generator) -> dict[tuple[str, str], Network]:
    """Small networks by name and state, ``random`` or ``trained``: regressions of :data:`SHAPES`, and a digits classifier."""
    found: dict[tuple[str, str], Network] = {}
    for state, trained in (("random", 0), ("trained", 1)):
        for widths, activation in SHAPES:
            name = f"{'-'.join(map(str, widths))} {activation}"
            found[name, state] = regression(widths, activation, items, generator=generator, steps=trained * steps)
        found["64-6-10 digits", state] = classifier(6, digits, generator=generator, epochs=trained * epochs)
    return found


def spend(zoo: Mapping[tuple[str, str], Network], *, generator: Generator) -> pl.DataFrame:
    """One row an output of an item, network and rule: the writability of an infinitesimal write, and the leverage.

    The rules are the optimal write, one gradient step on the output alone, and a random direction. With them, of the
    network: ``n_items, n_outputs, n_parameters, rank, condition``, and the totals ``exact_hit`` (mean) and ``sum_best``.
    Outputs whose gradient is zero are left out.
    """
    tables = []
    for (name, state), (network, inputs) in zoo.items():
        features = tangent.features(network, inputs)
        every = features.flatten(0, 1)
        keys = every[probes.nonzero_keys(every)]
        common = {
            "network": name, "state": state, "n_items": len(inputs), "n_outputs": features.shape[1],
            "n_parameters": features.shape[2], "rank": int(probes.rank(keys)), "condition": float(probes.condition(keys)),
            "exact_hit": float(tangent.exact_hit(features).mean()), "sum_best": _sum_best(features),
            "output": range(len(keys)), "leverage": probes.leverage(keys).numpy(),
        }  # fmt: skip
        directions = (
            probes.optimal_directions(keys), keys, torch.randn(keys.shape, generator=generator, dtype=keys.dtype)
        )  # fmt: skip
        for rule, direction in zip(RULES, directions, strict=True):
            tables.append(
                pl.DataFrame(common | {"rule": rule, "writability": probes.writability(keys, direction).numpy()})
            )
    return pl.concat(tables)


def totals(outputs: pl.DataFrame) -> pl.DataFrame:
    """One row a network and rule of :func:`spend`'s table: total writability and mean collateral."""
    of_outputs = ("output", "leverage", "writability")
    groups = [name for name in outputs.columns if name not in of_outputs]
    return outputs.group_by(groups, maintain_order=True).agg(
        sum_writability=pl.col("writability").sum(), mean_collateral=(1 / pl.col("writability") - 1).mean()
    )


def step_shares(
    networks_a_shape: int, items: int, *, steps: int, generator: Generator
) -> tuple[list[str], Float[Tensor, "cells networks"]]:
    """Share of the budget that one gradient step at each item spends, over independent networks with one output.

    A row for each shape and state, random and trained.
    """
    labels, shares = [], []
    for widths, activation in SHAPES:
        if widths[-1] != 1:
            continue
        for state in ("random", "trained"):
            labels.append(f"{'-'.join(map(str, widths))} {activation}, {state}")
            for _ in range(networks_a_shape):
                trained = steps if state == "trained" else 0
                network, inputs = regression(widths, activation, items, generator=generator, steps=trained)
                keys = tangent.features(network, inputs)[:, 0]
                shares.append(float(probes.dimensionality(keys).sum() / probes.rank(keys)))
    return labels, torch.tensor(shares, dtype=make.DTYPE).reshape(len(labels), networks_a_shape)


def softmax_readout(
    keys: Float[Tensor, "items dim"], outputs: int, *, generator: Generator
) -> tuple[nn.Linear, Float[Tensor, "items outputs parameters"]]:
    """A random linear readout of the keys, and its tangent features weighed so that squares are divergence."""
    readout = nn.utils.skip_init(nn.Linear, keys.shape[1], outputs, bias=False, dtype=keys.dtype)
    nn.init.normal_(readout.weight, std=1 / math.sqrt(keys.shape[1]), generator=generator)
    with torch.no_grad():
        root = tangent.fisher_root(readout(keys))
    return readout, root.mT @ tangent.features(readout, keys)


def relu_ranks(items: int, *, generator: Generator) -> pl.DataFrame:
    """Rank of the tangent features of ReLU networks: ``network, tangent_rank, n_parameters, n_hidden``.

    Plain ones first, then the two whose architecture breaks the count, with ``plain`` false.
    """
    plain = {
        "-".join(map(str, widths)): regression(widths, "relu", items, generator=generator)
        for widths in ((3, 4, 1), (2, 6, 2), (4, 6, 6, 1), (3, 3, 3, 2))
    }
    odd: dict[str, Network] = {
        "identity skip": (escapes.Skip(3, generator=generator), make.gaussian(items, 3, generator=generator)),
        "shared filter": (escapes.Shared(generator=generator), make.gaussian(items, 3, generator=generator)),
    }
    hidden = [sum(int(part) for part in name.split("-")[1:-1]) for name in plain] + [3, 2]
    return pl.DataFrame(
        [
            {
                "network": name, "plain": name in plain, "tangent_rank": _rank(network, inputs),
                "n_parameters": sum(p.numel() for p in network.parameters()), "n_hidden": units,
            }
            for (name, (network, inputs)), units in zip((plain | odd).items(), hidden, strict=True)
        ]
    )  # fmt: skip


def autoencoder_ranks(*, generator: Generator) -> pl.DataFrame:
    """The same for linear autoencoders of several shapes and ranks: ``hidden, n_features, weight_rank, tangent_rank``."""
    rows = []
    for hidden, features, weight_rank in ((2, 3, 2), (5, 20, 5), (5, 3, 3), (5, 20, 2), (4, 4, 3), (1, 6, 1)):
        left, right = (make.gaussian(n, weight_rank, generator=generator) for n in (hidden, features))
        found = _rank(networks.Autoencoder(left @ right.T), torch.eye(features, dtype=make.DTYPE))
        rows.append({"hidden": hidden, "n_features": features, "weight_rank": weight_rank, "tangent_rank": found})
    return pl.DataFrame(rows)


def _rank(network: nn.Module, inputs: Tensor) -> int:
    return int(probes.rank(tangent.features(network, inputs).flatten(0, 1)))


def weighed_totals(
    keys: Float[Tensor, "items dim"], weighed: Float[Tensor, "items outputs parameters"]
) -> dict[str, float | int]:
    """Of the features of :func:`softmax_readout`: ``tangent_rank``, ``sum_best``, and the ``rank`` of the keys."""
    return {
        "tangent_rank": int(probes.rank(weighed.flatten(0, 1))), "rank": int(probes.rank(keys)),
        "sum_best": _sum_best(weighed),
    }  # fmt: skip


def _sum_best(features: Tensor) -> float:
    """Total writability when each item is written in its best direction, by making the writes."""
    return float(tangent.item_shares(features, tangent.best_directions(features)[1]).sum())


def gaps(totals: pl.DataFrame) -> pl.DataFrame:
    """Three totals a network, one row each: what one gradient step spends, the rank, and all outputs of all items."""
    label = pl.concat_str("network", "state", separator=", ").alias("network")
    marks = (
        ("one step", "spent by one gradient step", pl.col("sum_writability")),
        ("optimal", "rank: spent by optimal writes", pl.col("rank")),
        ("optimal", "all outputs of all items", pl.col("n_items") * pl.col("n_outputs")),
    )
    return pl.concat(
        totals.filter(rule=rule).select(label, pl.lit(what).alias("what"), value.cast(float).alias("total"))
        for rule, what, value in marks
    )
