r"""Tangent features: to first order in its parameters, a network is a linear readout of its own gradients.

.. math:: f(\theta + \delta; x_j) = f(\theta; x_j) + J_j \delta + O(\|\delta\|^2), \qquad
   J_j = \partial_\theta f(\theta; x_j) \in \mathbb{R}^{o \times P}

So the rows of J are the keys of its outputs, and a write is a change of parameters. Parameters are counted in the order of
``network.parameters()``. Use ``float64`` networks: ranks and leverages of tangent features are lost in ``float32``.
"""

from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from cls_toys import probes


def features(network: nn.Module, inputs: Float[Tensor, "items ..."]) -> Float[Tensor, "items outputs parameters"]:
    r"""The Jacobian :math:`J_j` of all outputs with respect to all parameters, at every input.

    Raises ``ValueError`` on inputs that are empty or not finite, and on a network without parameters.

    >>> features(nn.Linear(2, 1), torch.tensor([[3.0, 4.0]]))
    tensor([[[3., 4., 1.]]])
    """
    if len(inputs) == 0 or not torch.isfinite(inputs).all():
        raise ValueError(f"inputs have shape {tuple(inputs.shape)}: give at least one item, and only finite numbers")
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    if not parameters:
        raise ValueError(f"{type(network).__name__} has no parameters: there is nothing to write")

    def outputs(parameters: dict[str, Tensor], item: Tensor) -> Tensor:
        return functional_call(network, parameters, (item[None],))[0]

    jacobian = vmap(jacrev(outputs), (None, 0))(parameters, inputs)  # name -> [items, outputs, *shape]
    return torch.cat([part.flatten(1).reshape(*part.shape[:2], -1) for part in jacobian.values()], -1)


def moved(network: nn.Module, delta: Float[Tensor, " parameters"]) -> nn.Module:
    """A copy of the network whose parameters have been changed by ``delta``; the network itself stays as it is."""
    copy = deepcopy(network)
    vector_to_parameters(parameters_to_vector(network.parameters()).detach() + delta, copy.parameters())
    return copy


def changes(
    network: nn.Module, inputs: Float[Tensor, "items ..."], deltas: Float[Tensor, "writes parameters"]
) -> Float[Tensor, "writes items outputs"]:
    r"""What each finite write really does, :math:`f(\theta + \delta; x_j) - f(\theta; x_j)`; differentiable in ``deltas``."""
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    sizes = [parameter.numel() for parameter in parameters.values()]

    def outputs(delta: Tensor) -> Tensor:
        parts = zip(parameters.items(), delta.split(sizes), strict=True)
        changed = {name: parameter + part.reshape(parameter.shape) for (name, parameter), part in parts}
        return functional_call(network, changed, (inputs,))

    return vmap(outputs)(deltas) - functional_call(network, parameters, (inputs,))


def fisher_root(logits: Float[Tensor, "items outputs"]) -> Float[Tensor, "items outputs outputs"]:
    r"""A root :math:`B_j` of the output Fisher information of softmax, of rank ``outputs - 1`` exactly.

    .. math:: B = \mathrm{diag}(\sqrt p) - p \sqrt p^\top, \qquad B B^\top = \mathrm{diag}(p) - p p^\top

    Damage in Kullback-Leibler divergence is damage in squares of :math:`B_j^\top J_j \delta`, to second order. A root from
    eigenvalues would turn the one that is 0 into rounding, and count it as a dimension.
    """
    p = logits.softmax(-1)
    return torch.diag_embed(p.sqrt()) - p[..., :, None] * p.sqrt()[..., None, :]


def hat_blocks(features: Float[Tensor, "items outputs parameters"]) -> Float[Tensor, "items outputs outputs"]:
    r"""The block :math:`A_i` of the hat matrix of all outputs that belongs to item i, for every item.

    Its largest eigenvalue is the writability of the direction that is easiest to write, its trace sums to the rank.
    """
    left, _, _, nonzero = probes.svd(features.flatten(0, 1))
    rows = (left * nonzero).reshape(*features.shape[:2], -1)  # [items, outputs, singular]
    return rows @ rows.mT


def exact_hit(features: Float[Tensor, "items outputs parameters"]) -> Float[Tensor, " items"]:
    r"""Least collateral of giving all outputs of an item a value, per squared value, averaged over its direction.

    .. math:: \tfrac{1}{o} \operatorname{tr} A_i^{-1} - 1

    Infinite where some values are out of reach.
    """
    eigenvalues = torch.linalg.eigvalsh(hat_blocks(features))
    reached = eigenvalues.amin(-1) > features.shape[1] * torch.finfo(features.dtype).eps
    return torch.where(reached, (1 / eigenvalues).mean(-1) - 1, torch.inf)


def best_directions(
    features: Float[Tensor, "items outputs parameters"],
) -> tuple[Float[Tensor, " items"], Float[Tensor, "items parameters"]]:
    """Writability of the combination of its outputs that is easiest to write at each item, and the write that does it.

    The write changes that combination by 1, to first order.
    """
    items, outputs, _ = features.shape
    left, values, right, nonzero = probes.svd(features.flatten(0, 1))
    rows = (left * nonzero).reshape(items, outputs, -1)
    eigenvalues, vectors = torch.linalg.eigh(rows @ rows.mT)
    best = vectors[..., -1]  # [items, outputs]
    through = torch.einsum("ias,ia->is", rows, best)  # [items, singular]
    deltas = through * torch.where(nonzero, 1 / values, 0.0) @ right
    return eigenvalues[:, -1].clamp_max(1), deltas / eigenvalues[:, -1:]


def off_tangent(
    features: Float[Tensor, "items outputs parameters"], changes: Float[Tensor, "writes items outputs"]
) -> Float[Tensor, " writes"]:
    r"""Share of the length of each change of all outputs that no first-order write can make.

    .. math:: \kappa^\perp = \|(I - H)\Delta\| / \|\Delta\|

    NaN for a write that changes nothing.
    """
    left, _, _, nonzero = probes.svd(features.flatten(0, 1))
    basis = left[:, nonzero]
    flat = changes.flatten(1)
    flat = flat / flat.norm(dim=1, keepdim=True)
    return (flat - flat @ basis @ basis.T).norm(dim=1).clamp_max(1)
