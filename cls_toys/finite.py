"""What finite writes to a network do: held to their tangent, searched over all parameters, or off the tangent altogether."""

import math
from collections.abc import Collection

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from cls_toys import escapes, networks, optimise, probes, tangent
from cls_toys import keys as make

RATE = 0.03  # of the search: with less, a few hundred steps do not reach what lies off the tangent


def search(
    network: nn.Module, inputs: Float[Tensor, "items ..."], size: float, *, steps: int = 1000
) -> Float[Tensor, "items parameters"]:
    r"""One finite write an item that moves its output by about ``size`` with least collateral, by Adam over all parameters.

    .. math:: \min_\delta \; \ln \frac{\sum_j \Delta_j^2}{\Delta_i^2} + \Big(\frac{\Delta_i}{h} - 1\Big)^2

    It starts from one gradient step and sees only the network. Raises ``ValueError`` on a size that is not positive and
    finite, on ``steps < 1``, and on a network of several outputs.
    """
    if not 0 < size < math.inf:
        raise ValueError(f"size={size}: a write needs a positive and finite size")
    if steps < 1:
        raise ValueError(f"steps={steps}: a search needs at least one step")
    keys = _single(tangent.features(network, inputs))
    deltas = (size * keys / keys.square().sum(-1, keepdim=True)).requires_grad_()
    descend = optimise.adam([deltas])
    for step in range(steps):
        change = tangent.changes(network, inputs, deltas)[..., 0]  # [write, item]
        hit = change.diagonal()
        loss = (change.square().sum(-1) / hit.square()).log() + (hit / size - 1).square()
        descend(torch.autograd.grad(loss.sum(), [deltas]), RATE * (1 + math.cos(math.pi * step / steps)) / 2)
    return deltas.detach()


def _single(features: Tensor) -> Tensor:
    """The features of a network's one output, ``[items, parameters]``."""
    if features.shape[1] != 1:
        raise ValueError(f"the network has {features.shape[1]} outputs: give one of a single output")
    return features[:, 0]


def judge(
    network: nn.Module, inputs: Float[Tensor, "items ..."], deltas: Float[Tensor, "items parameters"]
) -> pl.DataFrame:
    """What one finite write an item really does, the network having one output.

    One row an item: ``item, writability, leverage, off_tangent, hit, write_norm, change_norm``. Writes that change
    nothing are left out. Raises ``ValueError`` on a network of several outputs, and unless there is one write an item.
    """
    features = tangent.features(network, inputs)
    leverage = probes.leverage(_single(features))
    if len(deltas) != len(inputs):
        raise ValueError(f"{len(deltas)} writes for {len(inputs)} items: give one write an item")
    change = tangent.changes(network, inputs, deltas)
    moved = change[..., 0].square()  # [write, item]
    table = pl.DataFrame(
        {
            "item": range(len(inputs)),
            "writability": (moved.diagonal() / moved.sum(-1)).numpy(),
            "leverage": leverage.numpy(),
            "off_tangent": tangent.off_tangent(features, change).numpy(),
            "hit": change[..., 0].diagonal().numpy(),
            "write_norm": deltas.norm(dim=1).numpy(),
            "change_norm": moved.sum(-1).sqrt().numpy(),
        }
    )
    return table.filter(pl.col("change_norm") > 0)


def compare(
    network: nn.Module,
    inputs: Float[Tensor, "items ..."],
    sizes: Collection[float],
    searched: Collection[float],
    *,
    steps: int = 1000,
) -> pl.DataFrame:
    """:func:`judge` of the optimal direction of the tangent and of one gradient step, made with each of ``sizes`` (the change
    wanted at the item), and of :func:`search` for each of the sizes ``searched``.

    With them, ``rule, size``, and the rank and condition number of the tangent features.
    """
    keys = _single(tangent.features(network, inputs))
    writes = {
        (rule, size): size * direction / (direction * keys).sum(-1, keepdim=True)
        for rule, direction in (("optimal direction", probes.optimal_directions(keys)), ("one step", keys))
        for size in sizes
    } | {("searched", size): search(network, inputs, size, steps=steps) for size in searched}
    tables = [
        judge(network, inputs, deltas).with_columns(rule=pl.lit(rule), size=pl.lit(float(size)))
        for (rule, size), deltas in writes.items()
    ]
    return pl.concat(tables).with_columns(
        rank=pl.lit(int(probes.rank(keys))), condition=pl.lit(float(probes.condition(keys)))
    )


def shrinking(network: nn.Module, inputs: Float[Tensor, "items ..."], lengths: Collection[float]) -> pl.DataFrame:
    """Writability of ever shorter writes along optimal directions, at the item where it is farthest from the leverage.

    The network has one output. One row a length, in the order given: ``length_inverse, writability, leverage``. At a single item
    the first-order error can vanish by accident.
    """
    keys = _single(tangent.features(network, inputs))
    leverage, writes = probes.leverage(keys), nn.functional.normalize(probes.optimal_directions(keys))
    moved = torch.stack([tangent.changes(network, inputs, length * writes)[..., 0].square() for length in lengths])
    writability = moved.diagonal(dim1=1, dim2=2) / moved.sum(-1)  # [length, item]
    worst = (writability / leverage - 1).abs().argmax(1)
    return pl.DataFrame(
        {
            "length_inverse": [1 / length for length in lengths],
            "writability": writability[torch.arange(len(worst)), worst].numpy(),
            "leverage": leverage[worst].numpy(),
        }
    )


def shrinking_divergence(
    readout: nn.Module,
    keys: Float[Tensor, "items dim"],
    weighed: Float[Tensor, "items outputs parameters"],
    sizes: Collection[float],
) -> pl.DataFrame:
    r"""As :func:`shrinking`, in Kullback–Leibler divergence: the first item's share of :math:`\sum_j \mathrm{KL}(p_j \| p_j')`.

    One row a size of the change at the item: ``hit_inverse, writability, leverage``.

    ``weighed`` are the features of :func:`softmax_readout`; ``leverage`` is the writability of the item's best direction.
    """
    best, deltas = tangent.best_directions(weighed)
    with torch.no_grad():
        before = readout(keys).log_softmax(-1)
        moved = tangent.changes(readout, keys, torch.stack([size * deltas[0] for size in sizes]))
        after = (readout(keys) + moved).log_softmax(-1)
    divergence = (before.exp() * (before - after)).sum(-1)  # [size, item]
    return pl.DataFrame(
        {
            "hit_inverse": [1 / size for size in sizes],
            "writability": (divergence[:, 0] / divergence.sum(-1)).numpy(),
            "leverage": float(best[0]),
        }
    )


def curved(hidden: int, features: int, sizes: Collection[float], *, generator: Generator) -> pl.DataFrame:
    r"""Random writes of each length to a linear autoencoder, whose curvature is known: :math:`\beta = 2 \sigma_{\max}(X)`.

    One row a write: ``off_tangent, write_norm, change_norm, curvature``.
    """
    network = networks.Autoencoder(make.gaussian(hidden, features, generator=generator))
    inputs = make.gaussian(2 * features, features, generator=generator)
    deltas = (
        make.unit(len(sizes), hidden * features, generator=generator) * torch.tensor(sizes, dtype=make.DTYPE)[:, None]
    )
    change = tangent.changes(network, inputs, deltas)
    return pl.DataFrame(
        {
            "off_tangent": tangent.off_tangent(tangent.features(network, inputs), change).numpy(),
            "write_norm": deltas.norm(dim=1).numpy(),
            "change_norm": change.flatten(1).norm(dim=1).detach().numpy(),
            "curvature": 2 * float(torch.linalg.matrix_norm(inputs, 2)),
        }
    )


def escaped() -> pl.DataFrame:
    """Total writability of writes that no first-order budget covers: ``network, sum_writability, tangent_rank``.

    Digits packed into one number, and a parameter at a kink; with each, ``write``, finite or unaimed.
    """
    packed, places = escapes.Packed(), torch.arange(3, dtype=make.DTYPE)[:, None]
    kink, signs = escapes.Kink(), torch.tensor([[1.0], [-1.0]], dtype=make.DTYPE)
    cases = (
        ("packed digits", "finite", packed, places, 3.0 * packed.base**places),
        ("kink", "unaimed", kink, signs, 1e-6 * signs),
    )
    return pl.DataFrame(
        [
            {
                "network": name, "write": write, "tangent_rank": int(probes.rank(tangent.features(network, inputs).flatten(0, 1))),
                "sum_writability": judge(network, inputs, deltas)["writability"].sum(),
            }
            for name, write, network, inputs, deltas in cases
        ]
    )  # fmt: skip
