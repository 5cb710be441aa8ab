r"""Free room against load: the spectrum of random keys, and of the gradients of networks that have learnt the digits.

Keys have unit length on average, and :math:`M = \sum_j k_j k_j^\top` has the eigenvalues :math:`\lambda_a`.
"""

import math
from collections.abc import Collection, Sequence
from itertools import product

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import capacity, networks, probes, tangent, tasks
from cls_toys import keys as make

CELLS_AT_A_TIME = 2**22  # numbers of the random key matrices that are held at once


def spectra(items: int, dim: int, draws: int, *, generator: Generator) -> Float[Tensor, "draws dim"]:
    """Eigenvalues of M for independent key matrices with Gaussian entries of variance 1/dim, ascending.

    Raises ``ValueError`` on counts below 1.
    """
    if min(items, dim, draws) < 1:
        raise ValueError(f"items={items}, dim={dim}, draws={draws}: each must be at least 1")
    at_a_time = max(1, CELLS_AT_A_TIME // (items * dim))
    parts = []
    for done in range(0, draws, at_a_time):
        size = min(at_a_time, draws - done)
        keys = make.gaussian(size * items, dim, generator=generator).reshape(size, items, dim) / math.sqrt(dim)
        parts.append(torch.linalg.eigvalsh(keys.mT @ keys).clamp_min(0))
    return torch.cat(parts)


def free_share(eigenvalues: Float[Tensor, "*batch dim"], ridge: float) -> Float[Tensor, "*batch"]:
    r"""Share of the dimensions that is free under a ridge, :math:`\varphi = \frac1d \sum_a \mu / (\lambda_a + \mu)`.

    Raises ``ValueError`` on a ridge that is not positive and finite.

    >>> free_share(torch.tensor([0.0, 1.0]), ridge=1.0)
    tensor(0.7500)
    """
    if not 0 < ridge < math.inf:
        raise ValueError(f"ridge={ridge}: give a positive and finite ridge")
    return (ridge / (eigenvalues + ridge)).mean(-1)


def fresh_shares(
    keys: Float[Tensor, "items dim"], ridge: float, trials: int, *, generator: Generator
) -> Float[Tensor, " trials"]:
    r"""Free share :math:`\mu\, k^\top (M + \mu I)^{-1} k` of random new keys of unit length. Raises as :func:`free_share`."""
    probes.check_keys(keys)
    moment = keys.T @ keys
    values, vectors = torch.linalg.eigh(moment)
    fresh = make.unit(trials, keys.shape[1], generator=generator)
    if not 0 < ridge < math.inf:
        raise ValueError(f"ridge={ridge}: give a positive and finite ridge")
    return (fresh @ vectors).square() @ (ridge / (values.clamp_min(0) + ridge))


def by_dimension(dims: Collection[int], load: float, ridge: float, draws: int, *, generator: Generator) -> pl.DataFrame:
    """Means over random key matrices at one load: ``dim, free_share, mean_log_eigenvalue``, one row a dimension.

    The load times each dimension has to be whole, otherwise ``ValueError``.
    """
    rows = []
    for dim in dims:
        items = round(load * dim)
        if not math.isclose(items, load * dim):
            raise ValueError(
                f"load={load} at dim={dim}: that is {load * dim:g} items; choose dimensions that make it whole"
            )
        eigenvalues = spectra(items, dim, draws, generator=generator)
        logs = eigenvalues.log().mean(-1)
        rows.append(
            {
                "dim": dim,
                "free_share": _controlled_mean(free_share(eigenvalues, ridge), eigenvalues, items),
                "mean_log_eigenvalue": _controlled_mean(logs, eigenvalues, items) if items >= dim else -math.inf,
            }
        )
    return pl.DataFrame(rows)


def _controlled_mean(values: Tensor, eigenvalues: Tensor, items: int) -> float:
    r"""Mean of the values, less what the draws' moments of :math:`\lambda` tell of its error: their expectations are known.

    .. math:: \mathbb{E} \langle\lambda\rangle = \frac nd, \qquad \mathbb{E} \langle\lambda^2\rangle = \frac{n (n + d + 1)}{d^2}
    """
    dim = eigenvalues.shape[1]
    moments = torch.stack([eigenvalues.mean(-1), eigenvalues.square().mean(-1)], -1)  # [draws, 2]
    off = moments.mean(0) - torch.tensor([items / dim, items * (items + dim + 1) / dim**2], dtype=moments.dtype)
    slopes = torch.linalg.lstsq(moments - moments.mean(0), (values - values.mean())[:, None]).solution[:, 0]
    return float(values.mean() - off @ slopes)


def bits_by_load(
    loads: Collection[float], dim: int, forgetting: float, noise: float, draws: int, *, generator: Generator
) -> pl.DataFrame:
    """Bits that can be written beside random keys, with one budget for all items and with a budget for each.

    One row a load: ``load, total, per_item``, mean bits for each parameter. In ``total`` all items together may be forgotten by
    ``forgetting``, in ``per_item`` each by that amount. Raises ``ValueError`` as :func:`spectra` and :func:`capacity.water_fill`.
    """
    rows = []
    for load in loads:
        items = round(load * dim)
        spectrum = spectra(items, dim, draws, generator=generator)
        rows.append({"load": items / dim})
        for name, budget in (("total", forgetting), ("per_item", forgetting * items)):
            written = [capacity.water_fill(eigenvalues, budget, math.inf, noise).bits for eigenvalues in spectrum]
            rows[-1][name] = _controlled_mean(spectrum.new_tensor(written) / dim, spectrum, items)
    return pl.DataFrame(rows)


def digit_networks(
    widths: Sequence[int], data: Sequence[int], runs: int, epochs: int, ridge: float, *, generator: Generator
) -> pl.DataFrame:
    r"""Room that networks leave which have learnt some of the digits, at every width and amount of data.

    Keys are the gradients :math:`B_j^\top J_j` of the outputs at the training items, whose squares are the Kullback–Leibler
    divergence of a small change, scaled to unit length on average over :math:`n(o-1)` of them: the root B has rank o - 1. One row a
    network: ``run, hidden, items, n_parameters, load, free_share, random_share`` (that of Gaussian keys, scaled alike)
    ``, train_accuracy``. Raises ``ValueError`` on counts below 1 and where there are fewer digits.
    """
    if min(*widths, *data, runs) < 1:
        raise ValueError(f"widths={list(widths)}, data={list(data)}, runs={runs}: each must be at least 1")
    training = networks.Training(epochs=epochs)
    rows = []
    for run, hidden, items in product(range(runs), widths, data):
        digits = tasks.digits(generator=generator, dtype=make.DTYPE)
        if items > len(digits.train_inputs):
            raise ValueError(f"data={list(data)}: there are {len(digits.train_inputs)} digits to train on")
        inputs, labels = digits.train_inputs[:items], digits.train_labels[:items]
        network = networks.mlp([64, hidden, 10], "tanh", generator=generator, dtype=make.DTYPE)
        networks.fit(network, inputs, labels, training, generator=generator)
        logits = network(inputs).detach()
        keys = (tangent.fisher_root(logits).mT @ tangent.features(network, inputs)).flatten(
            0, 1
        )  # [items outputs, parameters]
        independent, parameters = items * (logits.shape[1] - 1), keys.shape[1]
        random = make.gaussian(independent, parameters, generator=generator)
        shares = [_share_of(matrix, independent, ridge) for matrix in (keys, random)]
        rows.append(
            {
                "run": run, "hidden": hidden, "items": items, "n_parameters": parameters,
                "load": independent / parameters, "free_share": shares[0], "random_share": shares[1],
                "train_accuracy": float((logits.argmax(-1) == labels).double().mean()),
            }
        )  # fmt: skip
    return pl.DataFrame(rows)


def _share_of(keys: Tensor, count: int, ridge: float) -> float:
    """Free share of keys that are scaled so that ``count`` of them have unit length on average; those in no span are free."""
    small = keys @ keys.T if len(keys) < keys.shape[1] else keys.T @ keys
    eigenvalues = torch.linalg.eigvalsh(small).clamp_min(0) * count / keys.square().sum()
    free = keys.shape[1] - len(eigenvalues)
    return (free + len(eigenvalues) * float(free_share(eigenvalues, ridge))) / keys.shape[1]
