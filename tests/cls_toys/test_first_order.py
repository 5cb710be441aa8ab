"""What networks spend of their budget, and the ranks of networks with symmetries."""

import pytest
import torch

from cls_toys import first_order, networks, probes, tangent
from cls_toys import keys as make


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_spending_is_measured_of_every_output_and_rule() -> None:
    zoo = {("net", "random"): first_order.regression((4, 5, 3), "tanh", 30, generator=rng())}
    spent = first_order.spend(zoo, generator=rng(1))
    assert len(spent) == 30 * 3 * len(first_order.RULES)
    assert (spent["writability"] <= spent["leverage"] + 1e-9).all()
    totals = {row["rule"]: row for row in first_order.totals(spent).iter_rows(named=True)}
    assert totals["optimal"]["sum_writability"] == pytest.approx(totals["optimal"]["rank"], rel=1e-8)
    assert totals["one step"]["sum_writability"] < totals["optimal"]["rank"]
    gaps = first_order.gaps(first_order.totals(spent))
    assert gaps["total"].to_list() == [totals["one step"]["sum_writability"], totals["optimal"]["rank"], 90]


def test_one_step_is_gradient_descent_on_one_output() -> None:
    """By autograd: a small step of plain gradient descent on one item moves the others as its writability says."""
    network, inputs = first_order.regression((3, 4, 1), "tanh", 30, generator=rng())
    spent = first_order.spend({("net", "random"): (network, inputs)}, generator=rng(1)).filter(rule="one step")
    output = network(inputs)[7, 0]
    gradient = torch.cat([part.flatten() for part in torch.autograd.grad(output, list(network.parameters()))])
    moved = tangent.changes(network, inputs, 1e-7 * gradient[None])[0, :, 0].detach().square()
    assert float(moved[7] / moved.sum()) == pytest.approx(spent["writability"][7], rel=1e-4)


def test_outputs_that_cannot_move_are_left_out() -> None:
    """One hidden unit without an output bias: where it is silent, nothing moves the output."""
    network = networks.mlp((1, 1, 1), "relu", generator=rng(), dtype=make.DTYPE)
    bare = torch.nn.Sequential(network[0], network[1], torch.nn.Linear(1, 1, bias=False, dtype=make.DTYPE))
    inputs = torch.tensor([[1.0], [2.0], [-1.0], [-2.0]], dtype=make.DTYPE)
    spent = first_order.spend({("net", "random"): (bare, inputs)}, generator=rng()).filter(rule="optimal")
    assert len(spent) == 2
    assert spent["writability"].to_list() == pytest.approx([1.0, 1.0])


def test_a_trained_regression_fits_better() -> None:
    random, trained = (
        first_order.regression((3, 4, 1), "tanh", 60, generator=rng(), steps=steps) for steps in (0, 100)
    )
    assert torch.equal(random[1], trained[1])
    assert not torch.equal(random[0](random[1]), trained[0](trained[1]))


def test_regress_reaches_what_it_can_represent() -> None:
    inputs = make.gaussian(40, 3, generator=rng())
    teacher = networks.mlp((3, 4, 1), "tanh", generator=rng(1), dtype=make.DTYPE)
    student = networks.mlp((3, 4, 1), "tanh", generator=rng(1), dtype=make.DTYPE)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=rng(2), dtype=make.DTYPE)
    targets = teacher(inputs).detach()
    before = float((student(inputs) - targets).detach().square().mean())
    loss = networks.regress(student, inputs, targets, 300)
    assert loss == pytest.approx(float((student(inputs) - targets).detach().square().mean()))
    assert loss < 1e-6 < before
    with pytest.raises(ValueError, match="give targets of shape"):
        networks.regress(student, inputs, targets[:, 0:0])
    with pytest.raises(ValueError, match="at least one step"):
        networks.regress(student, inputs, targets, 0)


def test_ranks_of_relu_networks_and_of_those_that_break_the_count() -> None:
    """15 > 12 and 4 > 3: the specification's counterexamples."""
    ranks = first_order.relu_ranks(200, generator=rng())
    plain, odd = ranks.filter("plain"), ranks.filter(~ranks["plain"])
    assert (plain["tangent_rank"] <= plain["n_parameters"] - plain["n_hidden"]).all()
    assert odd.select("tangent_rank", "n_parameters", "n_hidden").rows() == [(15, 15, 3), (4, 5, 2)]


def test_ranks_of_autoencoders() -> None:
    """Counted by hand: m n - m(m-1)/2 at full rank, and 6 of 15 weights of a 5 x 3 matrix."""
    ranks = first_order.autoencoder_ranks(generator=rng())
    by_shape = {(h, f, r): t for h, f, r, t in ranks.rows()}
    assert by_shape[2, 3, 2] == 2 * 3 - 1
    assert by_shape[5, 20, 5] == 5 * 20 - 10
    assert by_shape[5, 3, 3] == 6
    assert by_shape[1, 6, 1] == 6


def test_a_softmax_readout_has_one_dimension_less() -> None:
    """The specification's 15: four classes, keys of rank 5; squares of logits have rank 20."""
    keys = make.gaussian(30, 5, generator=rng())
    readout, weighed = first_order.softmax_readout(keys, 4, generator=rng(1))
    found = first_order.weighed_totals(keys, weighed)
    assert (found["tangent_rank"], found["rank"]) == (15, 5)
    assert found["sum_best"] <= 15
    assert int(probes.rank(tangent.features(readout, keys).flatten(0, 1))) == 20


def test_shares_are_of_independent_networks() -> None:
    labels, shares = first_order.step_shares(3, 100, steps=5, generator=rng())
    assert shares.shape == (len(labels), 3)
    assert len(labels) == 8
    assert ((shares > 0) & (shares < 1)).all()
    assert shares.unique().numel() == shares.numel()
    network, inputs = first_order.regression((3, 4, 1), "tanh", 100, generator=rng())  # the first that is drawn
    one = probes.writability(*[tangent.features(network, inputs)[:, 0]] * 2)  # written along its own gradient
    assert float(shares[0, 0]) == pytest.approx(float(one.sum()) / 21)
    again = first_order.step_shares(3, 100, steps=5, generator=rng())[1]
    assert torch.equal(shares, again)


def test_the_classifier_learns() -> None:
    (untrained, digits), (trained, _) = (first_order.classifier(6, 30, generator=rng(), epochs=e) for e in (0, 3))
    assert digits.shape == (30, 64)
    assert not torch.equal(untrained(digits), trained(digits))
