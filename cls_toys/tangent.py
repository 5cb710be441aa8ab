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
    """A copy of the network whose parameters have been changed by ``delta``; the network itself stays as it is.

    Raises ``ValueError`` unless ``delta`` holds one number a parameter.
    """
    _check_width(network, delta)
    copy = deepcopy(network)
    vector_to_parameters(parameters_to_vector(network.parameters()).detach() + delta, copy.parameters())
    return copy


def changes(
    network: nn.Module, inputs: Float[Tensor, "items ..."], deltas: Float[Tensor, "writes parameters"]
) -> Float[Tensor, "writes items outputs"]:
    r"""What each finite write really does, :math:`f(\theta + \delta; x_j) - f(\theta; x_j)`; differentiable in ``deltas``.

    Raises ``ValueError`` unless each of the ``deltas`` holds one number a parameter.
    """
    _check_width(network, deltas)
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    sizes = [parameter.numel() for parameter in parameters.values()]

    def outputs(delta: Tensor) -> Tensor:
        parts = zip(parameters.items(), delta.split(sizes), strict=True)
        changed = {name: parameter + part.reshape(parameter.shape) for (name, parameter), part in parts}
        return functional_call(network, changed, (inputs,))

    return vmap(outputs)(deltas) - functional_call(network, parameters, (inputs,))


def _check_width(network: nn.Module, deltas: Tensor) -> None:
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if deltas.shape[-1:] != (parameters,):
        raise ValueError(
            f"a write of shape {tuple(deltas.shape)}: the network has {parameters} parameters; give one number for each"
        )


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

    Of the writes that move output a of item i by 1 and its other outputs by 0, the one that moves all outputs of all items
    least is made for each a, and read:

    .. math:: \delta^{(ia)} = J^+ H_{\cdot i} A_i^{-1} e_a, \qquad
       \frac{\sum_a \sum_{j \ne i} \|J_j \delta^{(ia)}\|^2}{\sum_a \|J_i \delta^{(ia)}\|^2}

    Infinite where some values are out of reach.
    """
    items, outputs, _ = features.shape
    left, values, right, nonzero = probes.svd(features.flatten(0, 1))
    rows = (left * nonzero).reshape(items, outputs, -1)
    blocks = rows @ rows.mT
    reached = torch.linalg.eigvalsh(blocks).amin(-1) > outputs * torch.finfo(features.dtype).eps
    solvable = torch.where(reached[:, None, None], blocks, torch.eye(outputs, dtype=features.dtype))
    writes = (
        torch.linalg.solve(solvable, rows) * torch.where(nonzero, 1 / values, 0.0) @ right
    )  # [items, a, parameters]
    moved = (writes @ features.flatten(0, 1).mT).reshape(items, outputs, items, outputs).square().sum((1, 3))
    return torch.where(reached, moved.sum(1) / moved.diagonal() - 1, torch.inf)


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


def item_shares(
    features: Float[Tensor, "items outputs parameters"], deltas: Float[Tensor, "items parameters"]
) -> Float[Tensor, " items"]:
    r"""Writability of one infinitesimal write an item, all outputs of the item counted as its hit.

    .. math:: w_i = \frac{\|J_i \delta^{(i)}\|^2}{\sum_j \|J_j \delta^{(i)}\|^2}

    Raises ``ValueError`` unless there is one write an item, of one number a parameter.
    """
    if deltas.shape != (len(features), features.shape[2]):
        raise ValueError(
            f"deltas {tuple(deltas.shape)} for features {tuple(features.shape)}: give one write an item, "
            "and one number a parameter"
        )
    moved = torch.einsum("jop,ip->ijo", features, deltas).square().sum(-1)  # [write, item]
    return moved.diagonal() / moved.sum(-1)


def off_tangent(
    features: Float[Tensor, "items outputs parameters"], changes: Float[Tensor, "writes items outputs"]
) -> Float[Tensor, " writes"]:
    r"""Share of the length of each change of all outputs that no first-order write can make.

    .. math:: \kappa^\perp = \|(I - H)\Delta\| / \|\Delta\|

    NaN for a write that changes nothing. Raises ``ValueError`` unless the changes are of the items and outputs of the
    features.
    """
    if changes.shape[1:] != features.shape[:2]:
        raise ValueError(
            f"changes {tuple(changes.shape)} for features {tuple(features.shape)}: give [writes, items, outputs] of the "
            "same items and outputs"
        )
    left, _, _, nonzero = probes.svd(features.flatten(0, 1))
    basis = left[:, nonzero]
    flat = changes.flatten(1)
    flat = flat / flat.norm(dim=1, keepdim=True)
    return (flat - flat @ basis @ basis.T).norm(dim=1).clamp_max(1)
