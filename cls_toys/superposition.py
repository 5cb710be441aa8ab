r"""Toy models of superposition (Elhage et al. 2022), many at once: an autoencoder with fewer dimensions than features.

.. math:: x' = \mathrm{ReLU}(W^\top W x + b), \qquad x, b \in \mathbb{R}^n, \quad W \in \mathbb{R}^{m \times n}

Column j of W is the code of feature j. The leading dimension ``instances`` of every tensor counts independent models,
which one batched tensor program trains together; dtype and device are those of the :class:`Features`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import polars as pl
import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from cls_toys import optimise, probes

Activation = Literal["relu", "linear"]  # linear: no more than principal components, hence no superposition

REPRESENTED = 0.1  # norm of a code above which its feature counts as represented: training leaves about 0 or about 1


class Features(NamedTuple):
    """How often each feature is active, a probability in [0, 1], and the weight of its error in the loss, at least 0."""

    probability: Float[Tensor, "instances features"]
    importance: Float[Tensor, "instances features"]


class Parameters(NamedTuple):
    """W and b of every instance."""

    weight: Float[Tensor, "instances hidden features"]
    bias: Float[Tensor, "instances features"]


@dataclass(frozen=True)
class Config:
    """A model and its training: Adam, the learning rate falling along a half cosine from ``learning_rate`` to 0.

    The defaults are fast and find the known geometries; longer, larger and slower: ``steps=4000, batch=512,
    learning_rate=0.01``. Raises ``ValueError`` on a size below 1, an unknown activation, a rate that is not positive.
    """

    hidden: int
    activation: Activation = "relu"
    steps: int = 1000
    batch: int = 256
    learning_rate: float = 0.03

    def __post_init__(self) -> None:
        for name in ("hidden", "steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        _check_activation(self.activation)
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate={self.learning_rate}: must be positive and finite")


class Trained(NamedTuple):
    """Parameters after the last step, and the loss of the fresh batch of every step before that step was taken."""

    parameters: Parameters
    losses: Float[Tensor, "steps instances"]


def _check_activation(activation: str) -> None:
    if activation not in get_args(Activation):
        raise ValueError(f"activation={activation!r}: must be one of {', '.join(get_args(Activation))}")


def check_features(features: Features) -> None:
    """Raise ``ValueError`` unless both tensors have one shape ``[instances, features]`` and their values are allowed."""
    probability, importance = features
    if probability.shape != importance.shape or probability.ndim != 2 or probability.numel() == 0:
        raise ValueError(
            f"probability {tuple(probability.shape)} and importance {tuple(importance.shape)}: give both the shape"
            " [instances, features], with at least one of each"
        )
    if probability.dtype != importance.dtype or not probability.is_floating_point():
        raise ValueError(
            f"probability is {probability.dtype}, importance {importance.dtype}: give both one floating-point dtype"
        )
    for name, tensor, most in (("probability", probability, 1), ("importance", importance, math.inf)):
        wrong = tensor[~((tensor >= 0) & (tensor <= most) & tensor.isfinite())]
        if len(wrong):
            raise ValueError(
                f"{name} holds {wrong[0]:g}: must be at least 0 and {'at most 1' if most == 1 else 'finite'}"
            )


def sparse_features(probability: Float[Tensor, " instances"], count: int, decay: float = 1.0) -> Features:
    r"""``count`` features an instance, all of its one probability, with importance :math:`I_j = \text{decay}^j`, j from 0.

    Raises ``ValueError`` on a probability outside [0, 1], fewer than one feature or instance, a negative decay.

    >>> sparse_features(torch.tensor([1.0, 0.1]), 3, decay=0.5).importance
    tensor([[1.0000, 0.5000, 0.2500],
            [1.0000, 0.5000, 0.2500]])
    """
    if count < 1 or decay < 0:
        raise ValueError(f"count={count}, decay={decay}: give at least one feature and a decay of at least 0")
    importance = decay ** torch.arange(count, dtype=probability.dtype, device=probability.device)
    features = Features(probability[:, None].repeat(1, count), importance.repeat(len(probability), 1))
    check_features(features)
    return features


def sample(features: Features, batch: int, *, generator: Generator) -> Float[Tensor, "instances batch features"]:
    r"""Independent inputs of every instance.

    .. math:: x_j = \begin{cases} 0 & \text{with probability } 1 - p_j \\ \text{uniform on } [0, 1] & \text{with } p_j \end{cases}

    Source: elhage2022. Raises ``ValueError`` on bad features and ``batch < 1``.
    """
    check_features(features)
    if batch < 1:
        raise ValueError(f"batch={batch}: must be at least 1")
    return _sample(features.probability, batch, generator)


def _sample(probability: Tensor, batch: int, generator: Generator) -> Tensor:
    instances, features = probability.shape
    # Half precision has too few values in [0, 1) to tell small probabilities apart.
    dtype = torch.promote_types(probability.dtype, torch.float32)
    uniform = torch.rand(instances, batch, features, generator=generator, dtype=dtype, device=probability.device)
    # One draw decides both: u < p has probability p, and given that u / p is uniform. At p = 0 it is inf or NaN: no x < 1.
    x = uniform / probability[:, None]
    return torch.where(x < 1, x, 0.0).to(probability.dtype)


def initial(features: Features, hidden: int, *, generator: Generator) -> Parameters:
    r"""Parameters before training: :math:`W_{ij} \sim N(0, \tfrac{2}{m + n})` (Glorot), :math:`b = 0`.

    Source: elhage2022. Raises ``ValueError`` on bad features and ``hidden < 1``.
    """
    check_features(features)
    if hidden < 1:
        raise ValueError(f"hidden={hidden}: must be at least 1")
    instances, count = features.probability.shape
    like = {"dtype": features.probability.dtype, "device": features.probability.device}
    weight = torch.randn(instances, hidden, count, generator=generator, **like) * math.sqrt(2 / (hidden + count))
    return Parameters(weight, torch.zeros(instances, count, **like))


def forward(
    parameters: Parameters, inputs: Float[Tensor, "instances batch features"], activation: Activation = "relu"
) -> Float[Tensor, "instances batch features"]:
    r"""The reconstruction :math:`x' = \mathrm{ReLU}(W^\top W x + b)`, without ReLU where the activation is ``linear``.

    Source: elhage2022. Raises ``ValueError`` on an unknown activation.
    """
    _check_activation(activation)
    hidden = inputs @ parameters.weight.mT  # [instances, batch, hidden]
    output = hidden @ parameters.weight + parameters.bias[:, None]
    return output.relu() if activation == "relu" else output


def loss(
    parameters: Parameters,
    inputs: Float[Tensor, "instances batch features"],
    importance: Float[Tensor, "instances features"],
    activation: Activation = "relu",
) -> Float[Tensor, " instances"]:
    r"""Loss of every instance: a mean over its batch of B inputs, a sum over its features.

    .. math:: L = \frac{1}{B} \sum_{x} \sum_j I_j (x_j - x'_j)^2

    Source: elhage2022, whose code averages over the features as well. Raises ``ValueError`` on an unknown activation.
    """
    error = inputs - forward(parameters, inputs, activation)
    return (error.square().mean(1) * importance).sum(-1)


def train(
    features: Features, config: Config, *, generator: Generator, progress: Callable[[int], object] | None = None
) -> Trained:
    """Train all instances from fresh parameters, every step on a fresh batch of every instance.

    The generator alone decides the result: the same seed, device and number of threads give the same bits. ``progress``
    is called after every step with the number of steps done. Raises ``ValueError`` on bad features.
    """
    weight, bias = initial(features, config.hidden, generator=generator)
    parameters = Parameters(weight.requires_grad_(), bias.requires_grad_())
    descend = optimise.adam(parameters)
    losses = weight.new_empty(config.steps, len(weight))
    for step in range(config.steps):
        rate = config.learning_rate * (1 + math.cos(math.pi * step / config.steps)) / 2
        inputs = _sample(features.probability, config.batch, generator)
        each = loss(parameters, inputs, features.importance, config.activation)
        descend(torch.autograd.grad(each.sum(), parameters), rate)  # a sum: no instance enters the gradient of another
        losses[step] = each.detach()
        if progress is not None:
            progress(step + 1)
    return Trained(Parameters(weight.detach(), bias.detach()), losses)


def final_loss(trained: Trained) -> Float[Tensor, " instances"]:
    """Mean loss over the last tenth of the steps (at least one), where the learning rate is nearly 0."""
    return trained.losses[-max(1, len(trained.losses) // 10) :].mean(0)


def best(trained: Trained, restarts: int) -> Trained:
    """Of every ``restarts`` instances in a row, which differ by chance alone, the one with the least final loss.

    Single runs stop at local minima now and then; ``probability.repeat_interleave(restarts)`` lines instances up so.
    Raises ``ValueError`` unless ``restarts`` divides the number of instances.
    """
    loss = final_loss(trained)
    if restarts < 1 or len(loss) % restarts:
        raise ValueError(f"restarts={restarts}: must divide the number of instances ({len(loss)})")
    start = torch.arange(0, len(loss), restarts, device=loss.device)
    kept = start + loss.reshape(-1, restarts).argmin(-1)
    weight, bias = trained.parameters
    return Trained(Parameters(weight[kept], bias[kept]), trained.losses[:, kept])


def codes(parameters: Parameters) -> Float[Tensor, "instances features hidden"]:
    """The code of every feature as a row (a column of W), in double precision: keys for :mod:`cls_toys.probes`."""
    return parameters.weight.detach().mT.double()


def represented(parameters: Parameters) -> Bool[Tensor, "instances features"]:
    """Which features have a code of norm above ``REPRESENTED`` (0.1)."""
    return codes(parameters).norm(dim=-1) > REPRESENTED


def dimensions_per_feature(parameters: Parameters) -> Float[Tensor, " instances"]:
    r"""Hidden dimensions for each represented feature, as Elhage et al. plot them: 1 dedicated, 1/2 antipodal pairs.

    .. math:: D^* = \frac{m}{\|W\|_F^2}

    The squared norm of W stands for the number of represented features, whose codes have norms near 1: an estimate,
    no identity. It is infinite where W = 0. Source: elhage2022.
    """
    return parameters.weight.shape[1] / codes(parameters).square().sum((1, 2))


def by_feature(parameters: Parameters) -> pl.DataFrame:
    """One row a feature: ``instance, feature, norm, represented, dimensionality, leverage``.

    Dimensionality and leverage are those of the represented features among themselves; the others count as zero keys.
    """
    keys, kept = codes(parameters), represented(parameters)
    instances, features = kept.shape
    alone = keys * kept[..., None]
    columns = {
        "norm": keys.norm(dim=-1),
        "represented": kept,
        "dimensionality": probes.dimensionality(alone),
        "leverage": probes.leverage(alone),
    }
    table = {
        "instance": torch.arange(instances).repeat_interleave(features).numpy(),
        "feature": torch.arange(features).repeat(instances).numpy(),
    }
    return pl.DataFrame(table | {name: column.flatten().cpu().numpy() for name, column in columns.items()})


def by_instance(parameters: Parameters) -> pl.DataFrame:
    """One row an instance: how many features it represents and how they spend its writability.

    ``instance, represented, rank, dimensions_per_feature``; the sums ``sum_dimensionality, sum_leverage`` and the means
    ``local_collateral`` (1/D - 1) and ``optimal_collateral`` (1/leverage - 1) over the represented features, and
    ``bound``, which no mean collateral falls below: represented / rank - 1. Where no feature is represented, means and bound are NaN.
    """
    rank = probes.rank(codes(parameters) * represented(parameters)[..., None])
    kept = pl.col("represented")
    dimensionality, leverage = pl.col("dimensionality"), pl.col("leverage")
    return (
        by_feature(parameters)
        .group_by("instance", maintain_order=True)
        .agg(
            represented=kept.sum(),
            sum_dimensionality=dimensionality.sum(),
            sum_leverage=leverage.sum(),
            local_collateral=(1 / dimensionality - 1).filter(kept).mean().fill_null(math.nan),
            optimal_collateral=(1 / leverage - 1).filter(kept).mean().fill_null(math.nan),
        )
        .with_columns(
            rank=pl.Series(rank.cpu().numpy()),
            dimensions_per_feature=pl.Series(dimensions_per_feature(parameters).cpu().numpy()),
        )
        .with_columns(bound=pl.col("represented") / pl.col("rank") - 1)
    )


def geometry(parameters: Parameters) -> pl.DataFrame:
    """The picture of codes in a plane: the table of :func:`by_feature` with the code's coordinates ``x, y``.

    Raises ``ValueError`` unless there are two hidden dimensions.
    """
    keys = codes(parameters).cpu()
    if keys.shape[-1] != 2:
        raise ValueError(f"hidden={keys.shape[-1]}: a picture in the plane needs hidden=2; by_feature takes any")
    return by_feature(parameters).with_columns(
        x=pl.Series(keys[..., 0].flatten().numpy()), y=pl.Series(keys[..., 1].flatten().numpy())
    )


def loss_curves(trained: Trained, points: int = 200) -> pl.DataFrame:
    """``instance, step, loss``: ``points`` rows an instance (all steps if fewer), each the mean over the steps since the last.

    Steps count from 1. Raises ``ValueError`` on ``points < 1``.
    """
    if points < 1:
        raise ValueError(f"points={points}: must be at least 1")
    steps, instances = trained.losses.shape
    windows = trained.losses.double().cpu().tensor_split(min(points, steps))  # lengths differ by at most one step
    ends = torch.tensor([len(window) for window in windows]).cumsum(0)
    means = torch.stack([window.mean(0) for window in windows])  # [windows, instances]
    return pl.DataFrame(
        {
            "instance": torch.arange(instances).repeat_interleave(len(windows)).numpy(),
            "step": ends.repeat(instances).numpy(),
            "loss": means.T.flatten().numpy(),
        }
    )
