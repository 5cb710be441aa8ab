r"""A network of one hidden layer in which few units win: k winners take all, and masked steps of gradient descent.

.. math:: u = V x, \qquad z = m(x) \odot u, \qquad y = W z, \qquad m_h(x) = \mathbb{1}[h \in S(x)],

where S(x) are the ``active`` units that x drives most. There are no biases: whatever every item shares is no part of a
sparse code. Several networks of one shape may be stacked along leading dimensions, each with its own items.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from cls_toys import codes
from cls_toys.codes import Codes
from cls_toys.keys import DTYPE

LEARNT = ("both", "readout", "hidden")


class Network(NamedTuple):
    """The weights V and W, how many units win, and whether a winner must be driven above zero besides."""

    hidden: Float[Tensor, "*nets units inputs"]
    readout: Float[Tensor, "*nets outputs units"]
    active: int
    positive: bool = False

    @property
    def units(self) -> int:
        """Number of hidden units."""
        return self.hidden.shape[-2]


class State(NamedTuple):
    """What items do in a network: drive u, the winners, the code z, and the outputs y."""

    drive: Float[Tensor, "*nets items units"]
    won: Bool[Tensor, "*nets items units"]
    code: Float[Tensor, "*nets items units"]
    outputs: Float[Tensor, "*nets items outputs"]

    @property
    def winners(self) -> Codes:
        """The winners as sparse codes, those of all networks one behind the other."""
        return Codes.of(self.won.flatten(0, -2))


def start(
    inputs: Float[Tensor, "*nets items inputs"],
    units: int,
    outputs: int,
    active: int,
    *,
    positive: bool = False,
    generator: Generator,
) -> Network:
    r"""Networks with random Gaussian weights, one for each set of ``inputs``, scaled so that a code has unit mean square.

    .. math:: \frac1n \sum_i \|z(x_i)\|^2 = 1, \qquad \mathbb{E}\, W_{ah}^2 = \frac{1}{k}

    The scale changes no winner; it makes networks of different ``active`` comparable at one learning rate. Raises
    ``ValueError`` unless ``units``, ``outputs`` >= 1, ``1 <= active <= units``, and on inputs that drive no unit.
    """
    if units < 1 or outputs < 1 or not 1 <= active <= units:
        raise ValueError(
            f"units={units}, outputs={outputs}, active={active}: give at least one of each, active at most units"
        )
    *nets, _, dim = inputs.shape
    hidden = torch.randn(*nets, units, dim, generator=generator, dtype=DTYPE) / dim**0.5
    readout = torch.randn(*nets, outputs, units, generator=generator, dtype=DTYPE) / active**0.5
    network = Network(hidden, readout, active, positive)
    square = fire(network, inputs.to(DTYPE)).code.square().sum(-1).mean(-1)
    if not (square > 0).all():
        raise ValueError("the inputs drive no unit: give some that are not zero")
    return network._replace(hidden=hidden / square.sqrt()[..., None, None])


def win(network: Network, drive: Float[Tensor, "*items units"]) -> Bool[Tensor, "*items units"]:
    """Which units win. Those that tie for the last place are chosen by a hash of the item's drive."""
    won = drive >= drive.topk(network.active).values[..., -1:]
    if (won.sum(-1) > network.active).any():  # some tie: the hash costs far more than the rest, so only then
        code = codes.winners(drive.flatten(0, -2), network.active)
        won = code.dense(torch.bool).reshape(drive.shape)
    return won & (drive > 0) if network.positive else won


def fire(network: Network, inputs: Float[Tensor, "*nets items inputs"]) -> State:
    """What the items do in the network."""
    drive = inputs @ network.hidden.mT
    won = win(network, drive)
    code = drive * won
    return State(drive, won, code, code @ network.readout.mT)


def losses(outputs: Float[Tensor, "*nets items outputs"], labels: Int[Tensor, "*nets items"]) -> Tensor:
    r"""Softmax cross-entropy of each item, :math:`-\log \mathrm{softmax}(y)_{\text{label}}`."""
    return outputs.logsumexp(-1) - outputs.gather(-1, labels[..., None])[..., 0]


class Errors(NamedTuple):
    r"""Gradients of an item's loss: :math:`e = \mathrm{softmax}(y) - \text{one-hot}` by the outputs, and by the drive.

    The latter is :math:`\hat e = m \odot W^\top e`, zero at units that did not win. The gradients by the weights are the
    outer products :math:`e z^\top` and :math:`\hat e x^\top`.
    """

    output: Float[Tensor, "*nets items outputs"]
    hidden: Float[Tensor, "*nets items units"]


def errors(network: Network, state: State, labels: Int[Tensor, "*nets items"]) -> Errors:
    """The errors of each item at the outputs and at the hidden units."""
    output = state.outputs.softmax(-1)
    output = output.scatter_add(-1, labels[..., None], torch.full_like(output[..., :1], -1.0))
    return Errors(output, (output @ network.readout) * state.won)


def step(
    network: Network,
    inputs: Float[Tensor, "*nets items inputs"],
    labels: Int[Tensor, "*nets items"],
    rate: float,
    learn: str = "both",
) -> Network:
    r"""One step of gradient descent on the items' mean loss; it touches no weight of a unit that won for none of them.

    .. math:: W \leftarrow W - \frac{\eta}{n} \sum_i e_i z_i^\top, \qquad V \leftarrow V - \frac{\eta}{n} \sum_i \hat e_i x_i^\top

    ``learn`` says which of the two moves: ``both``, the ``readout`` W or the ``hidden`` weights V. Raises ``ValueError`` on
    another word, on no items, and on a rate that is not positive.

    >>> network = Network(torch.eye(2).double(), torch.zeros(2, 2).double(), active=1)
    >>> step(network, torch.tensor([[2.0, 1.0]]).double(), torch.tensor([0]), rate=1.0).readout.tolist()
    [[1.0, 0.0], [-1.0, 0.0]]
    """
    if learn not in LEARNT:
        raise ValueError(f"learn={learn!r}: must be one of {', '.join(LEARNT)}")
    if inputs.shape[-2] == 0 or not rate > 0:
        raise ValueError(f"{inputs.shape[-2]} items, rate={rate}: a step needs at least one item, and a positive rate")
    state = fire(network, inputs)
    output, hidden = errors(network, state, labels)
    share = rate / inputs.shape[-2]
    changed = network
    if learn != "hidden":
        changed = changed._replace(readout=network.readout - share * output.mT @ state.code)
    if learn != "readout":
        changed = changed._replace(hidden=network.hidden - share * hidden.mT @ inputs)
    return changed


def train(
    network: Network,
    inputs: Float[Tensor, "*nets items inputs"],
    labels: Int[Tensor, "*nets items"],
    *,
    rate: float,
    steps: int,
    batch: int = 32,
    learn: str = "both",
    generator: Generator,
) -> Network:
    """The network after ``steps`` steps, each on ``batch`` random items. Raises as :func:`step`, and on ``steps < 1``."""
    if steps < 1:
        raise ValueError(f"steps={steps}: take at least one step")
    for _ in range(steps):
        network = step(network, *draw(inputs, labels, batch, generator=generator), rate, learn)
    return network


def draw(inputs: Tensor, labels: Tensor, batch: int, *, generator: Generator) -> tuple[Tensor, Tensor]:
    """Random items of each network's, drawn with replacement: their inputs and labels."""
    places = torch.randint(labels.shape[-1], (*labels.shape[:-1], batch), generator=generator)
    return inputs.gather(-2, places[..., None].expand(*places.shape, inputs.shape[-1])), labels.gather(-1, places)


def accuracy(
    network: Network, inputs: Float[Tensor, "*nets items inputs"], labels: Int[Tensor, "*nets items"]
) -> Tensor:
    """Share of its items that each network labels correctly."""
    return (fire(network, inputs).outputs.argmax(-1) == labels).double().mean(-1)


def margins(state: State, active: int) -> Float[Tensor, "*nets items"]:
    r"""Margin of each item's winners: how much less a winner, or more a loser, must be driven before the winners change.

    .. math:: \gamma = \min_{h \in S} u_h - \max_{h \notin S} u_h

    Where fewer than ``active`` units won, because a winner must be positive, the losers are kept out by zero and not by the
    winners: there :math:`\gamma = -\max_{h \notin S} u_h`. Infinite where no unit lost.
    """
    best_loser = state.drive.masked_fill(state.won, -torch.inf).amax(-1)
    least_winner = state.drive.masked_fill(~state.won, torch.inf).amin(-1)
    return torch.where(state.won.sum(-1) < active, 0.0, least_winner) - best_loser


def gaps(drive: Float[Tensor, "*items units"], active: int) -> Float[Tensor, "*items"]:
    """How much more the last of ``active`` places is driven than the next: the margin, unless winners must be positive.

    Raises ``ValueError`` unless ``1 <= active < units``.
    """
    if not 1 <= active < drive.shape[-1]:
        raise ValueError(f"active={active}, units={drive.shape[-1]}: give 1 <= active < units, so that some unit loses")
    top = drive.topk(active + 1).values
    return top[..., -2] - top[..., -1]
