"""What the diagonal of a curvature misses: how far it is off in the worst directions, on made and on measured curvatures."""

import math
from collections.abc import Sequence

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import ensembles, probes
from cls_toys.ensembles import Ensemble

DTYPE = torch.float64


def shared_stiffness(dim: int, stiff: float, flat: float = 0.0) -> Float[Tensor, "dim dim"]:
    r"""The curvature :math:`h\, u u^\top + h_0 I` with :math:`u = \mathbf{1} / \sqrt d`: one stiff direction, shared alike.

    Raises ``ValueError`` on ``dim < 1``, a ``stiff`` that is not positive and a negative ``flat``.
    """
    if dim < 1 or not 0 < stiff < math.inf or not 0 <= flat < math.inf:
        raise ValueError(
            f"dim={dim}, stiff={stiff}, flat={flat}: give a dimension, positive stiffness, flatness at least 0"
        )
    return torch.full((dim, dim), stiff / dim, dtype=DTYPE) + flat * torch.eye(dim, dtype=DTYPE)


def random_curvatures(dims: Sequence[int], trials: int, *, generator: Generator) -> pl.DataFrame:
    """:func:`misjudged` on random curvatures of random rank: ``n_parameters, rank, undercharge, overcharge``, one row each.

    Raises ``ValueError`` on ``trials < 1``, on no dimensions, and on one below 1.
    """
    if trials < 1 or not dims or min(dims) < 1:
        raise ValueError(
            f"dims={list(dims)}, trials={trials}: draw at least one curvature, each in one dimension or more"
        )
    rows = []
    for dim in dims:
        for rank in torch.randint(1, dim + 1, (trials,), generator=generator).tolist():
            factor = torch.randn(rank, dim, generator=generator, dtype=DTYPE)
            under, over = misjudged(factor.mT @ factor)
            rows.append({"n_parameters": dim, "rank": rank, "undercharge": under, "overcharge": over})
    return pl.DataFrame(rows)


def misjudged(curvature: Float[Tensor, "dim dim"]) -> tuple[float, float]:
    r"""How far the diagonal of a curvature is off in the worst directions: ``(undercharge, overcharge)``.

    .. math:: \max_x \frac{x^\top \mathcal{H} x}{x^\top D x}, \quad \max_x \frac{x^\top D x}{x^\top \mathcal{H} x},
       \quad D = \operatorname{diag} \mathcal{H}

    The second is infinite where the curvature is singular up to rounding. Parameters with a zero diagonal are left out.
    Raises ``ValueError`` on a matrix that is not symmetric, not finite or, beyond rounding, not positive semidefinite, and on
    one without a positive diagonal entry.

    >>> tuple(round(factor, 9) for factor in misjudged(torch.ones(3, 3, dtype=DTYPE)))
    (3.0, inf)
    """
    square = curvature.ndim == 2 and curvature.shape[0] == curvature.shape[1]
    if not square or not torch.isfinite(curvature).all() or not torch.allclose(curvature, curvature.mT, rtol=1e-10):
        raise ValueError(
            f"the curvature, of shape {tuple(curvature.shape)}, holds NaN or infinity, or is not symmetric: give a symmetric, "
            "finite matrix"
        )
    used = curvature.diagonal() > 0
    if not used.any():
        raise ValueError("the curvature has no positive diagonal entry: there is nothing to protect")
    root = curvature.diagonal()[used].sqrt()
    values = torch.linalg.eigvalsh(curvature[used][:, used] / root / root[:, None])
    eps = torch.finfo(values.dtype).eps
    left_out = curvature[~used].abs()  # of a semidefinite matrix, rows of zeros
    if (left_out > math.sqrt(eps) * curvature.abs().max()).any() or values[0] < -math.sqrt(eps) * values[-1]:
        raise ValueError("the curvature is negative in some direction: give a positive semidefinite matrix")
    zero = len(root) * eps * values[-1]
    return float(values[-1]), math.inf if values[0] <= zero else float(1 / values[0])


def readout_fisher(
    keys: Float[Tensor, "items dim"], probabilities: Float[Tensor, "items outputs"]
) -> Float[Tensor, "parameters parameters"]:
    r"""Fisher information of the weights of a softmax readout, averaged over the items; parameters count output by output.

    .. math:: F = \frac1n \sum_i (\operatorname{diag}(p_i) - p_i p_i^\top) \otimes k_i k_i^\top

    The expectation is over labels drawn from the model, not over the labels of the data. Raises ``ValueError`` on bad keys, on
    rows of ``probabilities`` that are none or do not sum to 1, and where there is not one row an item.
    """
    probes.check_keys(keys)
    sums = probabilities.sum(-1)
    sound = torch.allclose(sums, torch.ones_like(sums)) and bool((probabilities >= 0).all())
    if len(keys) != len(probabilities) or not sound:
        raise ValueError(
            f"keys {tuple(keys.shape)}, probabilities {tuple(probabilities.shape)}: give one row each an item, of probabilities "
            "that sum to 1"
        )
    outputs, dim = probabilities.shape[1], keys.shape[1]
    covariance = torch.diag_embed(probabilities) - probabilities[:, :, None] * probabilities[:, None]
    fisher = torch.einsum("iab,ic,id->acbd", covariance / len(keys), keys, keys)
    return fisher.reshape(outputs * dim, outputs * dim)


def of_readouts(ensemble: Ensemble, inputs: Float[Tensor, "networks items inputs"], count: int) -> pl.DataFrame:
    """:func:`misjudged` on the Fisher information of the readouts of the first ``count`` networks, biases included.

    One row a network: ``n_parameters`` (those with a positive diagonal), ``undercharge, overcharge``. Raises ``ValueError`` on
    more networks than there are.
    """
    if not 1 <= count <= len(inputs):
        raise ValueError(f"count={count}: there are {len(inputs)} networks, give from 1 to that many")
    rows = []
    hidden, outputs = (
        ensembles.hidden_activations(ensemble, inputs).double(),
        ensembles.outputs(ensemble, inputs).double(),
    )
    for network in range(count):
        keys = torch.cat((hidden[network], torch.ones(len(hidden[network]), 1, dtype=DTYPE)), dim=1)
        fisher = readout_fisher(keys, outputs[network].softmax(-1))
        under, over = misjudged(fisher)
        used = int((fisher.diagonal() > 0).sum())
        rows.append({"n_parameters": used, "undercharge": under, "overcharge": over})
    return pl.DataFrame(rows)
