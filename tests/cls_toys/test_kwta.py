"""Networks of winners: gradients against autograd, masks, the margins of winners, several networks at a time, bad input."""

import itertools
from inspect import unwrap

import pytest
import torch
from torch import nn

from cls_toys import kwta
from cls_toys.kwta import Network


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def example(active: int = 3, positive: bool = False, seed: int = 0) -> tuple[Network, torch.Tensor, torch.Tensor]:
    generator = rng(seed)
    inputs = torch.randn(7, 5, generator=generator).double()
    network = kwta.start(inputs, 12, 4, active, positive=positive, generator=generator)
    return network, inputs, torch.randint(4, (7,), generator=generator)


def slow_loss(network: Network, hidden: torch.Tensor, readout: torch.Tensor, item: torch.Tensor, label: torch.Tensor):
    """Sort, keep, read out: written for one item, with autograd's parameters."""
    drive = hidden @ item
    best = drive.detach().sort(descending=True).indices[: network.active].tolist()
    if network.positive:
        best = [unit for unit in best if drive[unit] > 0]
    outputs = sum((readout[:, unit] * drive[unit] for unit in best), torch.zeros(len(readout)).double())
    return nn.functional.cross_entropy(outputs[None], label[None])


@pytest.mark.parametrize(("active", "positive"), [(1, False), (3, False), (12, False), (8, True)])
def test_a_step_follows_the_gradient_that_autograd_finds(active: int, positive: bool) -> None:
    network, inputs, labels = example(active, positive)
    hidden, readout = (part.clone().requires_grad_() for part in network[:2])
    total = sum(slow_loss(network, hidden, readout, x, y) for x, y in zip(inputs, labels, strict=True)) / len(labels)
    total.backward()
    for learn in kwta.LEARNT:
        after = kwta.step(network, inputs, labels, 0.2, learn)
        of_hidden, of_readout = (learn != "readout") * hidden.grad, (learn != "hidden") * readout.grad
        torch.testing.assert_close(after.hidden, network.hidden - 0.2 * of_hidden, atol=1e-14, rtol=0)
        torch.testing.assert_close(after.readout, network.readout - 0.2 * of_readout, atol=1e-14, rtol=0)
    found = kwta.losses(kwta.fire(network, inputs).outputs, labels)
    assert float(found.mean()) == pytest.approx(float(total.detach()), abs=1e-14)


def test_a_step_touches_the_winners_alone() -> None:
    network, inputs, labels = example()
    after = kwta.step(network, inputs[:1], labels[:1], 0.5)
    won = kwta.fire(network, inputs[:1]).won[0]
    assert ((after.hidden != network.hidden).any(-1) == won).all()
    assert ((after.readout != network.readout).any(0) == won).all()


def test_the_winners_are_those_of_codes_also_where_units_tie() -> None:
    drive = torch.tensor([[1.0, 0.0, 1.0, 1.0, -1.0], [0.5, 0.4, 0.3, 0.2, 0.1]]).double()
    network = Network(torch.zeros(5, 1).double(), torch.zeros(2, 5).double(), 2)
    won = kwta.win(network, drive)
    assert won.sum(-1).tolist() == [2, 2]
    assert won[1].tolist() == [True, True, False, False, False]
    assert not won[0, 1]
    assert torch.equal(won, kwta.win(network, drive))  # a fixed choice
    assert kwta.win(network._replace(positive=True), -drive).sum(-1).tolist() == [1, 0]


def test_codes_start_with_unit_mean_square() -> None:
    for active, positive in itertools.product((1, 4, 12), (False, True)):
        network, inputs, _ = example(active, positive)
        assert float(kwta.fire(network, inputs).code.square().sum(-1).mean()) == pytest.approx(1)


def test_several_networks_learn_as_each_would_alone() -> None:
    generator = rng(1)
    inputs = torch.randn(3, 9, 5, generator=generator).double()
    labels = torch.randint(4, (3, 9), generator=generator)
    many = kwta.start(inputs, 10, 4, 2, generator=generator)
    after = kwta.step(many, inputs, labels, 0.3)
    for place in range(3):
        alone = kwta.step(Network(many.hidden[place], many.readout[place], 2), inputs[place], labels[place], 0.3)
        torch.testing.assert_close(after.hidden[place], alone.hidden)
        torch.testing.assert_close(after.readout[place], alone.readout)
    trained = kwta.train(many, inputs, labels, rate=0.5, steps=200, batch=9, generator=generator)
    assert (kwta.accuracy(trained, inputs, labels) > kwta.accuracy(many, inputs, labels)).all()


def test_margins_at_known_drives() -> None:
    drive = torch.tensor([[1.0, -0.01, -0.5], [3.0, 2.5, 1.0]]).double()
    positive = Network(torch.zeros(3, 1).double(), torch.zeros(1, 3).double(), 2, positive=True)
    plain = positive._replace(positive=False)
    for network, expected in (
        (plain, [0.49, 1.5]),
        (positive, [0.01, 1.5]),
        (plain._replace(active=3), [torch.inf] * 2),
    ):
        won = kwta.win(network, drive)
        state = kwta.State(drive, won, drive * won, drive)
        assert kwta.margins(state, network.active).tolist() == pytest.approx(expected)
    assert kwta.gaps(drive, 2).tolist() == pytest.approx([0.49, 1.5])
    assert kwta.margins(kwta.State(drive * 0, plain_won := kwta.win(plain, drive * 0), drive, drive), 2).tolist() == [
        0,
        0,
    ]
    assert plain_won.sum(-1).tolist() == [2, 2]


def test_bad_input_gets_one_clear_line() -> None:
    network, inputs, labels = example()
    for sizes in ((0, 4, 1), (12, 0, 1), (12, 4, 0), (12, 4, 13)):
        with pytest.raises(ValueError, match="active at most units"):
            unwrap(kwta.start)(inputs, *sizes, generator=rng())
    with pytest.raises(ValueError, match="drive no unit"):
        unwrap(kwta.start)(inputs * 0, 12, 4, 3, generator=rng())
    with pytest.raises(ValueError, match="must be one of both, readout, hidden"):
        unwrap(kwta.step)(network, inputs, labels, 0.1, "nothing")
    for items, rate in ((0, 0.1), (7, 0.0), (7, float("nan"))):
        with pytest.raises(ValueError, match="at least one item, and a positive rate"):
            unwrap(kwta.step)(network, inputs[:items], labels[:items], rate)
    with pytest.raises(ValueError, match="at least one step"):
        unwrap(kwta.train)(network, inputs, labels, rate=0.1, steps=0, generator=rng())
    for active in (0, 12):
        with pytest.raises(ValueError, match="some unit loses"):
            unwrap(kwta.gaps)(torch.zeros(1, 12).double(), active)


def test_a_layer_of_one_unit_and_one_of_which_all_win() -> None:
    inputs = torch.ones(2, 3).double()
    one = kwta.start(inputs, 1, 2, 1, generator=rng())
    state = kwta.fire(one, inputs)
    assert state.won.all()
    assert kwta.margins(state, 1).tolist() == [torch.inf, torch.inf]
