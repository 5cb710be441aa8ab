r"""Replay: all items are trained on again and again after one label has moved, and the write loses its collateral.

Item i is given a new label, :math:`\delta` away from the one that the memory has learnt to give. Gradient flow on the
squared loss of *all* items, or gradient descent with step :math:`\eta`, then changes the answers by

.. math:: \Delta y(t) = \delta\,(I - e^{-tG})\,e_i, \qquad \Delta y(t) = \delta\,(I - (I - \eta G)^t)\,e_i, \qquad
   G_{jk} = \langle k_j, k_k \rangle ,

and the writability of what has been done by time t is :math:`w_i(t) = \Delta y_i^2 / \|\Delta y\|^2`.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.func import functional_call, vmap

from cls_toys import keys as make
from cls_toys import probes, tangent
from cls_toys.stores.replay import ReplayStore

RATE = 0.99  # step of gradient descent, times the largest eigenvalue of G: just below the edge of the theorem


class Spectrum(NamedTuple):
    """Eigenvalues of the Gram matrix G, largest first, and the share of each item in each eigenvector, squared."""

    eigenvalues: Float[Tensor, "*batch modes"]  # 0 beyond the rank
    shares: Float[Tensor, "*batch items modes"]  # 0 beyond the rank

    @property
    def largest(self) -> Float[Tensor, "*batch"]:
        """The largest eigenvalue."""
        return self.eigenvalues[..., 0]

    @property
    def least(self) -> Float[Tensor, "*batch"]:
        """The least eigenvalue that is not zero; infinite if all are."""
        return self.eigenvalues.masked_fill(self.eigenvalues == 0, torch.inf).amin(-1)


def spectrum(keys: Float[Tensor, "*batch items dim"]) -> Spectrum:
    """Eigenvalues of G and the items' squared components, from the singular values of the keys."""
    left, values, _, nonzero = probes.svd(keys)
    return Spectrum(values.square() * nonzero, left.square() * nonzero[..., None, :])


def path(
    keys: Float[Tensor, "*batch items dim"], times: Float[Tensor, " times"], rate: float | None = None
) -> Float[Tensor, "*batch items times"]:
    r"""Writability of every item after replay for each of the times, from the singular values of the keys.

    .. math:: w_i(t) = \frac{(\sum_a p_a f_a)^2}{\sum_a p_a f_a^2}, \qquad f_a = 1 - e^{-t g_a}
       \quad\text{or}\quad 1 - (1 - \eta g_a)^t ,

    with eigenvalues g and shares p of :func:`spectrum`. Without a ``rate``, times are those of gradient flow; with one,
    they are numbers of steps of size ``rate / g_max``. A zero key has writability 0. Raises ``ValueError`` on times that
    are not positive and finite, on a rate outside (0, 2), and on bad keys.

    >>> keys = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], dtype=torch.float64)
    >>> path(keys, torch.tensor([1.0, 2.0, 100.0]), rate=0.9)[0].round(decimals=4)  # from dimensionality to leverage
    tensor([0.7353, 0.7998, 0.8200], dtype=torch.float64)
    """
    if times.numel() == 0 or not ((times > 0) & times.isfinite()).all():
        raise ValueError(f"times={times.tolist()}: give at least one, all of them positive and finite")
    found = spectrum(keys)
    done = _done(found.eigenvalues, found.largest, times, rate)  # [*batch, modes, times]
    hit, total = found.shares @ done, found.shares @ done.square()
    return torch.where(total == 0, 0.0, hit.square() / total)


def _done(eigenvalues: Tensor, largest: Tensor, times: Tensor, rate: float | None) -> Tensor:
    """How much of its way each mode has gone, ``[*batch, modes, times]``."""
    if rate is None:
        return -torch.expm1(-eigenvalues[..., None] * times)
    _check_rate(rate)
    shrink = rate * eigenvalues / largest.clamp_min(torch.finfo(eigenvalues.dtype).tiny)[..., None]
    shrink = shrink[..., None]
    below = -torch.expm1(times * torch.log1p(-shrink.clamp_max(1)))  # exact where little has been done
    return torch.where(shrink <= 1, below, 1 - (1 - shrink) ** times)


def _check_steps(steps: Sequence[int]) -> None:
    if not steps or steps[0] < 1 or any(later <= earlier for earlier, later in itertools.pairwise(steps)):
        raise ValueError(f"steps={list(steps)}: give increasing numbers of steps, the first at least 1")


def _check_rate(rate: float) -> None:
    if not 0 < rate < 2:
        raise ValueError(f"rate={rate}: gradient descent converges for a step strictly between 0 and 2 over g_max")


def descend(
    keys: Float[Tensor, "*batch items dim"], steps: Sequence[int], rate: float = RATE, *, alone: bool = False
) -> Float[Tensor, "*batch items times"]:
    r"""Writability of every item after so many steps of gradient descent, by making the steps.

    .. math:: W \leftarrow W + \eta \sum_j (y_j - W k_j)\, k_j^\top, \qquad \eta = \text{rate} / g_{\max}

    Each item is written into a readout of its own, which starts with no error, and whose label for that item is moved by
    1. With ``alone`` the sum runs over that item only. Raises ``ValueError`` on step counts that do not increase from at
    least 1, on a rate outside (0, 2) and on bad keys.
    """
    _check_rate(rate)
    _check_steps(steps)
    largest = spectrum(keys).largest.clamp_min(torch.finfo(keys.dtype).tiny)
    step = (rate / largest)[..., None, None]
    labels = torch.eye(keys.shape[-2], dtype=keys.dtype)
    weight = torch.zeros_like(keys)  # [*batch, write, dim]: one readout for each item that is written
    found = []
    for count in range(1, steps[-1] + 1):
        error = labels - weight @ keys.mT  # [*batch, write, item]
        weight = weight + step * ((error * labels if alone else error) @ keys)
        if count in steps:
            found.append(_share_of_target(weight @ keys.mT))
    return torch.stack(found, -1)


def refit(keys: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
    """Writability of every item when all items are fitted anew by least squares after its label has moved."""
    probes.check_keys(keys)
    labels = torch.eye(len(keys), dtype=keys.dtype)
    fitted = torch.linalg.lstsq(keys, labels, driver="gelsd").solution  # [dim, write]
    return _share_of_target((keys @ fitted).T)


def _share_of_target(changes: Float[Tensor, "*batch write item"]) -> Float[Tensor, "*batch write"]:
    squared = changes.square()
    total = squared.sum(-1)
    return torch.where(total == 0, 0.0, squared.diagonal(dim1=-2, dim2=-1) / total)


def measure(
    codes: Mapping[str, Float[Tensor, "_ _"]], times: Sequence[float | int], rate: float | None = None
) -> pl.DataFrame:
    """One row a code, item and time: ``code, item, replay_time, replayed, replayed_later, ...`` (the next time's, or null).

    Gradient descent (with a ``rate``) makes its steps; gradient flow has them from :func:`path`, and ``times`` are in units
    of one over the largest eigenvalue. Items with a zero key are left out. Further columns are what the theorem knows of
    the code: ``leverage, dimensionality, least_eigenvalue, largest_eigenvalue, step_size, n_keys, rank, condition``.
    Raises ``ValueError`` on times that do not increase, and as :func:`path` and :func:`descend`.
    """
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise ValueError(f"times={list(times)}: give increasing times, each is held against the next")
    tables = []
    for name, keys in codes.items():
        kept = keys[probes.nonzero_keys(keys)]
        found = spectrum(kept)
        clock = torch.tensor(times, dtype=keys.dtype) / (found.largest if rate is None else 1)
        measured = path(kept, clock) if rate is None else descend(kept, [int(time) for time in times], rate)
        items, instants = measured.shape
        of_items = {"leverage": probes.leverage(kept), "dimensionality": probes.dimensionality(kept)}
        later = nn.functional.pad(measured[:, 1:], (0, 1), value=torch.nan)
        tables.append(
            pl.DataFrame(
                {
                    "code": name,
                    "item": torch.arange(1, items + 1).repeat_interleave(instants).numpy(),
                    "replay_time": clock.repeat(items).numpy(),
                    "replayed": measured.flatten().numpy(),
                    "replayed_later": later.flatten().numpy(),
                    **{key: value.repeat_interleave(instants).numpy() for key, value in of_items.items()},
                    "least_eigenvalue": float(found.least),
                    "largest_eigenvalue": float(found.largest),
                    "step_size": (rate or 0.0) / float(found.largest),
                    "n_keys": items,
                    "rank": int(probes.rank(kept)),
                    "condition": float(probes.condition(kept)),
                }
            )
        )
    return pl.concat(tables).with_columns(pl.col("replayed_later").fill_nan(None))


def budgets(codes: Mapping[str, Float[Tensor, "_ _"]], steps: Sequence[int]) -> pl.DataFrame:
    """One row a code and replay budget: ``code, steps, n_keys, rank, mean_collateral, sum_writability``, by writing.

    Each item is written into a :class:`~cls_toys.stores.replay.ReplayStore` that holds all the others. Codes without zero keys.
    """
    rows = []
    for name, keys in codes.items():
        for budget in steps:
            store = ReplayStore(keys, steps=budget)
            collateral = probes.collateral(store, keys, torch.ones(len(keys), 1, dtype=keys.dtype))
            rows.append(
                {
                    "code": name, "steps": budget, "n_keys": len(keys), "rank": int(probes.rank(keys)),
                    "mean_collateral": float(collateral.mean()),
                    "sum_writability": float((1 / (1 + collateral)).sum()),
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


def partial(keys: Float[Tensor, "items dim"], replayed: int) -> pl.DataFrame:
    """Mean writability of the first ``replayed`` items after unlimited replay of those items only, and of all.

    ``among them`` counts collateral at the replayed items, ``among all`` at every item. Raises ``ValueError`` unless at least
    one item is replayed.
    """
    if not 1 <= replayed <= len(keys):
        raise ValueError(f"replayed={replayed}: must lie between 1 and the number of items, {len(keys)}")
    some = keys[:replayed]
    writes = {"none: one local step": some, "these items": probes.optimal_directions(some)}
    writes["all items"] = probes.optimal_directions(keys)[:replayed]
    rows = []
    for name, directions in writes.items():
        moved = (directions @ keys.T).square()  # [replayed, items]
        hit = moved.diagonal()
        shares = {"among them": hit / moved[:, :replayed].sum(-1), "among all": hit / moved.sum(-1)}
        rows.append({"replayed": name} | {key: float(share.mean()) for key, share in shares.items()})
    return pl.DataFrame(rows)


def steps_too_long(
    rates: Sequence[float], items: int, dim: int, *, trials: int, steps: int, generator: Generator
) -> pl.DataFrame:
    """One row a rate and trial, for Gaussian keys: where the writability of the first item falls most, if it ever does.

    ``replayed, replayed_later`` are the writabilities on both sides of its steepest fall (or least rise), ``falls`` tells
    which of the two it is, beyond rounding. Raises ``ValueError`` on fewer than two steps, and as :func:`descend`.
    """
    if steps < 2 or trials < 1:
        raise ValueError(f"steps={steps}, trials={trials}: a fall needs two steps, and at least one trial")
    keys = make.gaussian(trials * items, dim, generator=generator).reshape(trials, items, dim)
    tables = []
    for rate in rates:
        paths = descend(keys, range(1, steps + 1), rate)[:, 0]  # [trials, steps]
        rise, worst = paths.diff(dim=-1).min(-1)
        of_trials = {
            "replayed": paths.gather(1, worst[:, None])[:, 0],
            "replayed_later": paths.gather(1, worst[:, None] + 1)[:, 0],
            "falls": rise < -1e-9,
        }
        tables.append(
            pl.DataFrame({"rate": rate, "trial": range(trials)} | {key: v.numpy() for key, v in of_trials.items()})
        )
    return pl.concat(tables)


class NetworkReplay(NamedTuple):
    """Writability on its way in networks that are trained, one a write, and in the theory of their tangent features."""

    measured: Float[Tensor, "writes times"]
    tangent: Float[Tensor, "writes times"]
    dimensionality: Float[Tensor, " writes"]
    leverage: Float[Tensor, " writes"]


def network(
    model: nn.Module,
    inputs: Float[Tensor, "items inputs"],
    writes: Sequence[tuple[int, float]],
    steps: Sequence[int],
    rate: float = RATE,
) -> NetworkReplay:
    r"""Train a network of one output on its own answers, one of which has been moved, by gradient descent on all items.

    Each of the ``writes`` is an item and the amount by which its label is moved, and trains a copy of its own, with step
    ``rate / g_max`` of the tangent Gram matrix :math:`G = J J^\top`. Raises ``ValueError`` on a network of several outputs,
    an item that is none, a label that is not moved or not by a finite amount, and as :func:`descend`.
    """
    _check_rate(rate)
    _check_steps(steps)
    if not writes or not all(0 <= item < len(inputs) and 0 < abs(move) < math.inf for item, move in writes):
        raise ValueError(
            f"writes={list(writes)}: give indices of the {len(inputs)} items, and finite moves that are not 0"
        )
    jacobian = tangent.features(model, inputs)
    if jacobian.shape[1] != 1:
        raise ValueError(f"the network has {jacobian.shape[1]} outputs: give one of a single output")
    features, items = jacobian[:, 0], [item for item, _ in writes]
    step = rate / float(spectrum(features).largest)
    parameters = {
        name: parameter.detach().expand(len(writes), *parameter.shape).clone().requires_grad_()
        for name, parameter in model.named_parameters()
    }

    def answers(parameters: dict[str, Tensor]) -> Tensor:
        return functional_call(model, parameters, (inputs,))[:, 0]

    with torch.no_grad():
        start = answers(dict(model.named_parameters()))
    labels = start.repeat(len(writes), 1)  # [writes, items]
    for write, (item, move) in enumerate(writes):
        labels[write, item] += move
    measured = []
    for count in range(1, steps[-1] + 1):
        loss = (vmap(answers)(parameters) - labels).square().sum() / 2
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        with torch.no_grad():
            for parameter, gradient in zip(parameters.values(), gradients, strict=True):
                parameter -= step * gradient
            if count in steps:
                moved = (vmap(answers)(parameters) - start).square()
                measured.append(moved[range(len(writes)), items] / moved.sum(-1))
    return NetworkReplay(
        torch.stack(measured, -1),
        path(features, torch.tensor(steps, dtype=features.dtype), rate)[items],
        probes.dimensionality(features)[items],
        probes.leverage(features)[items],
    )
