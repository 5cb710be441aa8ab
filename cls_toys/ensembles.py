r"""Many small classifiers at a time: networks of one shape that differ in start and data, trained side by side.

Each has one hidden layer of rectified units,

.. math:: y = V \phi(U x + b) + c, \qquad \phi(z) = \max(z, 0),

and is trained exactly as :func:`cls_toys.networks.fit` would train it alone, in a fraction of the time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from cls_toys import networks, optimise, tasks
from cls_toys.networks import Training


class Ensemble(NamedTuple):
    """The parameters of all networks, in the order of ``network.parameters()``."""

    hidden_weight: Float[Tensor, "networks hidden inputs"]
    hidden_bias: Float[Tensor, "networks hidden"]
    output_weight: Float[Tensor, "networks outputs hidden"]
    output_bias: Float[Tensor, "networks outputs"]

    def repeat(self, times: int) -> "Ensemble":
        """The whole ensemble that many times over, one copy behind the other."""
        return Ensemble(*(part.repeat(times, *[1] * (part.ndim - 1)) for part in self))


def stack(members: Sequence[nn.Sequential]) -> Ensemble:
    """The networks of :func:`cls_toys.networks.mlp`, with one hidden layer and ReLU each, as an ensemble.

    Raises ``ValueError`` on no networks and on networks of another kind or of different shapes.
    """
    kinds = {tuple((type(layer), *(tuple(part.shape) for part in layer.parameters())) for layer in m) for m in members}
    if len(kinds) != 1 or [layer[0] for layer in next(iter(kinds))] != [nn.Linear, nn.ReLU, nn.Linear]:
        raise ValueError(
            f"{len(members)} networks of {len(kinds)} shapes: give at least one, all of one shape, with one hidden layer of ReLU"
        )
    return Ensemble(*(torch.stack(part).detach() for part in zip(*(m.parameters() for m in members), strict=True)))


def hidden_activations(
    ensemble: Ensemble, inputs: Float[Tensor, "networks items inputs"]
) -> Float[Tensor, "networks items hidden"]:
    """Activity of the hidden units of every network, each on its own inputs."""
    return torch.baddbmm(ensemble.hidden_bias[:, None], inputs, ensemble.hidden_weight.mT).relu()


def outputs(
    ensemble: Ensemble, inputs: Float[Tensor, "networks items inputs"]
) -> Float[Tensor, "networks items outputs"]:
    """Outputs of every network, each on its own inputs."""
    hidden = hidden_activations(ensemble, inputs)
    return torch.baddbmm(ensemble.output_bias[:, None], hidden, ensemble.output_weight.mT)


def accuracy(
    ensemble: Ensemble, inputs: Float[Tensor, "networks items inputs"], labels: Int[Tensor, "networks items"]
) -> Float[Tensor, " networks"]:
    """Share of its items that each network labels correctly."""
    return (outputs(ensemble, inputs).argmax(-1) == labels).double().mean(-1)


def train(
    ensemble: Ensemble,
    inputs: Float[Tensor, "networks items inputs"],
    labels: Int[Tensor, "networks items"],
    training: Training,
    *,
    generators: Sequence[Generator],
    masks: Bool[Tensor, "networks hidden inputs"] | None = None,
) -> Ensemble:
    """The ensemble after training: each network on its items, in the order that its own generator draws.

    Weights of the hidden layer outside ``masks`` are 0 from the start and stay 0. Raises ``ValueError`` without items, on
    labels that are no index of an output, inputs of another shape or not finite, and where there is not one generator a network.
    """
    count, items = labels.shape
    n_outputs = ensemble.output_bias.shape[-1]
    if len(generators) != count or len(ensemble.output_bias) != count:
        raise ValueError(
            f"{len(ensemble.output_bias)} networks, {count} rows of labels, {len(generators)} generators: give one each a network"
        )
    if items == 0 or labels.min() < 0 or labels.max() >= n_outputs:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}: give at least one item, and labels from 0 to {n_outputs - 1}"
        )
    n_inputs = ensemble.hidden_weight.shape[-1]
    if inputs.shape != (count, items, n_inputs) or not torch.isfinite(inputs).all():
        raise ValueError(
            f"inputs have shape {tuple(inputs.shape)}: give finite ones of shape {(count, items, n_inputs)}, one an item"
        )
    parameters = [part.clone() for part in ensemble]
    if masks is not None:
        parameters[0] *= masks
    step = optimise.adam(parameters)
    rows = torch.arange(count)[:, None]
    for _ in range(training.epochs):
        order = torch.stack([torch.randperm(items, generator=generator) for generator in generators])
        for batch in order.split(training.batch, dim=1):
            of_batch = [part.requires_grad_() for part in parameters]
            guess = outputs(Ensemble(*of_batch), inputs[rows, batch]).flatten(0, 1)
            # The sum over networks of each one's mean loss: no gradient of one reaches another.
            loss = nn.functional.cross_entropy(guess, labels[rows, batch].flatten(), reduction="sum") / batch.shape[1]
            gradients = torch.autograd.grad(loss, of_batch)
            parameters = [part.requires_grad_(False) for part in parameters]
            step(gradients, training.learning_rate)
            if masks is not None:
                parameters[0] *= masks
    return Ensemble(*parameters)


class Trained(NamedTuple):
    """Networks that read digits, each with its own random split of the digits and the generator that drew it."""

    ensemble: Ensemble
    data: tasks.Split  # every part with a leading dimension of networks
    generators: list[Generator]


def digits(count: int, hidden: int, training: Training, *, generator: Generator) -> Trained:
    """``count`` networks of ``hidden`` units trained on digits; the generator seeds a generator for each.

    So each network has its own split, start and order, and two calls with the same generator state give the same networks.
    Raises ``ValueError`` on ``count < 1``.
    """
    if count < 1:
        raise ValueError(f"count={count}: train at least one network")
    seeds = torch.randint(2**31, (count,), generator=generator).tolist()
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    splits = [tasks.digits(generator=each) for each in generators]
    data = tasks.Split(*(torch.stack(part) for part in zip(*splits, strict=True)))
    start = stack([networks.mlp([data.train_inputs.shape[-1], hidden, 10], generator=each) for each in generators])
    trained = train(start, data.train_inputs, data.train_labels, training, generators=generators)
    return Trained(trained, data, generators)
