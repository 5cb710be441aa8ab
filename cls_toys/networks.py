"""Small networks: a multilayer perceptron, its training as a classifier, and the codes of its last hidden layer."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from cls_toys import optimise

Activation = Literal["relu", "tanh"]


@dataclass(frozen=True)
class Training:
    """Adam on minibatches of ``batch`` items, drawn without replacement in each epoch; all items at once if there are fewer.

    Raises ``ValueError`` on a count below 1 and a rate that is not positive.
    """

    epochs: int = 60
    batch: int = 64
    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise ValueError(f"epochs={self.epochs}, batch={self.batch}: both must be at least 1")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate={self.learning_rate}: must be positive and finite")


def mlp(
    widths: Sequence[int], activation: Activation = "relu", *, generator: Generator, dtype: torch.dtype = torch.float32
) -> nn.Sequential:
    r"""A multilayer perceptron of the widths input, hidden, ..., output, on the generator's device.

    .. math:: h_0 = x, \qquad h_l = \phi(W_l h_{l-1} + b_l), \qquad y = W_L h_{L-1} + b_L

    Weights are Gaussian with variance ``gain**2 / fan-in`` (gain :math:`\sqrt 2` into ReLU, 5/3 into tanh, 1 into the
    output), biases 0. Raises ``ValueError`` on fewer than three widths, a width below 1, an unknown activation.

    >>> mlp([64, 32, 10], generator=torch.Generator())
    Sequential(
      (0): Linear(in_features=64, out_features=32, bias=True)
      (1): ReLU()
      (2): Linear(in_features=32, out_features=10, bias=True)
    )
    """
    if len(widths) < 3 or min(widths) < 1:
        raise ValueError(f"widths={list(widths)}: give input, at least one hidden, and output, each at least 1")
    if activation not in get_args(Activation):
        raise ValueError(f"activation={activation!r}: must be one of {', '.join(get_args(Activation))}")
    layers: list[nn.Module] = []
    for depth, (fan_in, fan_out) in enumerate(itertools.pairwise(widths), start=1):
        # skip_init: the layer's own initialisation would draw from the global generator
        layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=dtype, device=generator.device)
        last = depth == len(widths) - 1
        gain = nn.init.calculate_gain("linear" if last else activation)
        nn.init.normal_(layer.weight, std=gain / math.sqrt(fan_in), generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer] if last else [layer, nn.ReLU() if activation == "relu" else nn.Tanh()]
    return nn.Sequential(*layers)


@torch.no_grad()
def hidden_activations(network: nn.Sequential, inputs: Float[Tensor, "items inputs"]) -> Float[Tensor, "items hidden"]:
    """Activations of the last hidden layer: the keys of the network's linear readout.

    A write that may also move the readout's bias has these keys with a column of ones beside them.
    """
    return network[:-1](inputs)


@torch.no_grad()
def accuracy(network: nn.Sequential, inputs: Float[Tensor, "items inputs"], labels: Int[Tensor, " items"]) -> float:
    """Share of items whose largest output is that of their label."""
    return float((network(inputs).argmax(-1) == labels).double().mean())


def fit(
    network: nn.Sequential,
    inputs: Float[Tensor, "items inputs"],
    labels: Int[Tensor, " items"],
    training: Training,
    *,
    generator: Generator,
    progress: Callable[[int], object] | None = None,
) -> Float[Tensor, " epochs"]:
    r"""Train the network in place to classify, and return the mean loss of each epoch.

    .. math:: L = -\frac{1}{n} \sum_i \log \mathrm{softmax}(y_i)_{\text{label}_i}

    The generator orders the items, nothing else is random. ``progress`` is called after every epoch with the number of
    epochs done. Raises ``ValueError`` without items and on a label that is no index of an output.
    """
    outputs = network[-1].out_features
    if len(inputs) == 0:
        raise ValueError(f"inputs have shape {tuple(inputs.shape)}: training needs at least one item")
    if labels.min() < 0 or labels.max() >= outputs:
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}: with {outputs} outputs, give 0 to {outputs - 1}"
        )
    parameters = list(network.parameters())
    step = optimise.adam(parameters)
    losses = inputs.new_zeros(training.epochs)
    for epoch in range(training.epochs):
        order = torch.randperm(len(inputs), generator=generator, device=inputs.device)
        for items in order.split(training.batch):
            each = nn.functional.cross_entropy(network(inputs[items]), labels[items].long())
            step(torch.autograd.grad(each, parameters), training.learning_rate)
            losses[epoch] += each.detach() * len(items) / len(inputs)
        if progress is not None:
            progress(epoch + 1)
    return losses


def regress(
    network: nn.Module, inputs: Float[Tensor, "items inputs"], targets: Float[Tensor, "items outputs"], steps: int = 300
) -> float:
    r"""Train the network in place to give the targets, by L-BFGS on all items at once, and return its last loss.

    .. math:: L = \frac{1}{n o} \sum_i \|f(x_i) - y_i\|^2

    Nothing is random. Raises ``ValueError`` on targets of another shape than the outputs, and on ``steps < 1``.
    """
    with torch.no_grad():
        shape = network(inputs).shape
    if targets.shape != shape or steps < 1:
        raise ValueError(
            f"targets {tuple(targets.shape)}, steps={steps}: give targets of shape {tuple(shape)} and at least one step"
        )
    parameters = dict(network.named_parameters())
    sizes = [parameter.numel() for parameter in parameters.values()]

    def loss(flat: Tensor) -> Tensor:
        parts = zip(parameters.items(), flat.split(sizes), strict=True)
        given = {name: part.reshape(parameter.shape) for (name, parameter), part in parts}
        return nn.functional.mse_loss(functional_call(network, given, (inputs,)), targets)

    found = optimise.minimise(loss, parameters_to_vector(network.parameters()), steps)
    vector_to_parameters(found, network.parameters())
    return float(loss(found))


class Autoencoder(nn.Module):
    r"""The linear autoencoder :math:`x \mapsto W^\top W x` with hidden x features weights, which rotations leave as it is."""

    def __init__(self, weight: Float[Tensor, "hidden features"]) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """The outputs, one a feature."""
        return inputs @ self.weight.T @ self.weight
