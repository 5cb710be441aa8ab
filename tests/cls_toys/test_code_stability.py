"""What a step does to an item: against autograd and brute force; where winners change; margins against exact order statistics."""

import math
from inspect import unwrap

import numpy as np
import polars as pl
import pytest
import torch
from scipy import integrate, stats

from cls_toys import code_stability, kwta, winner_margins
from cls_toys.code_stability import Task


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def example(active: int = 3, positive: bool = False, seed: int = 0) -> tuple[kwta.Network, Task, Task]:
    generator = rng(seed)
    inputs = torch.randn(2, 25, 6, generator=generator).double()
    labels = torch.randint(3, (2, 25), generator=generator)
    network = kwta.start(inputs[0], 30, 3, active, positive=positive, generator=generator)
    return network, Task(inputs[0], labels[0]), Task(inputs[1], labels[1])


def loss(network: kwta.Network, task: Task, item: int) -> float:
    one = Task(task.inputs[item][None], task.labels[item][None])
    return float(kwta.losses(kwta.fire(network, one.inputs).outputs, one.labels))


@pytest.mark.parametrize("learn", kwta.LEARNT)
def test_pairs_are_what_a_step_does_by_hand(learn: str) -> None:
    network, new, old = example()
    found = code_stability.pairs(network, new, old, rate=0.4, learn=learn)
    assert len(found) == 25 * 25
    before, of_new = kwta.fire(network, old.inputs), kwta.fire(network, new.inputs)
    for row in found.sample(40, seed=1).iter_rows(named=True):
        i, j = row["written"], row["kept"]
        after = kwta.step(network, new.inputs[i][None], new.labels[i][None], 0.4, learn)
        assert row["loss_change"] == pytest.approx(loss(after, old, j) - loss(network, old, j), abs=1e-14)
        winners = [set(state.won[k].nonzero()[:, 0].tolist()) for state, k in ((of_new, i), (before, j))]
        assert row["overlap"] == len(winners[0] & winners[1])
        then = set(kwta.fire(after, old.inputs).won[j].nonzero()[:, 0].tolist())
        assert row["n_changed"] == len(winners[1] ^ then)
        # The gradient by autograd, with the winners held; the shared step, weight by weight.
        hidden, readout = (part.clone().requires_grad_() for part in network[:2])
        mine = sorted(winners[1])
        outputs = readout[:, mine] @ (hidden[mine] @ old.inputs[j])
        torch.nn.functional.cross_entropy(outputs[None], old.labels[j][None]).backward()
        step = (after.hidden - network.hidden, after.readout - network.readout)
        first = float((hidden.grad * step[0]).sum() + (readout.grad * step[1]).sum())
        assert row["first_order"] == pytest.approx(first, abs=1e-14)
        assert row["item_gradient"] == pytest.approx(
            float((hidden.grad.square().sum() + readout.grad.square().sum()).sqrt())
        )
        shared = step[0][mine].square().sum() + step[1][:, mine].square().sum()
        assert row["shared_step"] == pytest.approx(float(shared.sqrt()), abs=1e-14)
        drift = step[0] @ old.inputs[j]
        losers = sorted(set(range(30)) - winners[1])
        assert row["winner_drop"] == pytest.approx(max(0.0, float((-drift[mine]).max())), abs=1e-14)
        assert row["loser_rise"] == pytest.approx(max(0.0, float(drift[losers].max())), abs=1e-14)


@pytest.mark.parametrize("learn", kwta.LEARNT)
def test_the_smoothness_bounds_the_second_derivative_along_the_step(learn: str) -> None:
    """By finite differences of the loss with the winners held, at several places along the step, all pairs."""
    network, new, old = example(active=5, seed=3)
    found = code_stability.pairs(network, new, old, rate=0.4, learn=learn)
    won = kwta.fire(network, old.inputs).won
    worst = 0.0
    for i in range(5):
        after = kwta.step(network, new.inputs[i][None], new.labels[i][None], 0.4, learn)

        def held(at: float, after: kwta.Network = after) -> torch.Tensor:
            hidden, readout = (a + at * (b - a) for a, b in zip(network[:2], after[:2], strict=True))
            return kwta.losses((old.inputs @ hidden.mT * won) @ readout.mT, old.labels)

        rows = found.filter(pl.col("written") == i)
        allowed = (rows["smoothness"] * rows["shared_step"] ** 2).to_numpy()
        for at in (0.05, 0.3, 0.6, 0.95):
            second = (held(at + 1e-4) - 2 * held(at) + held(at - 1e-4)).abs().numpy() / 1e-8
            assert (second <= allowed + 1e-6).all()
            worst = max(worst, float((second / np.maximum(allowed, 1e-6)).max()))
    assert worst > 0.03  # it is a bound on this, not on anything


def test_disjoint_pairs_with_winners_that_stay_do_not_change_at_all_and_others_do() -> None:
    old, new = code_stability.two_tasks(True, generator=rng())
    network = code_stability.trained(old, 200, 6, generator=rng(1))
    found = code_stability.pairs(network, new.head(30), old.head(100), rate=0.3)
    apart = found.filter(pl.col("overlap") == 0)
    assert apart.filter(pl.col("n_changed") == 0)["loss_change"].abs().max() == 0
    assert apart.filter(pl.col("n_changed") > 0)["loss_change"].abs().min() > 0
    i, j = code_stability.worst_disjoint(found)
    path = code_stability.along(network, new, old, (i, j), rate=0.3, points=60)
    row = found.filter(pl.col("written") == i, pl.col("kept") == j)
    assert path["loss"][-1] - path["loss"][0] == pytest.approx(row["loss_change"][0])
    assert path["n_changed"][-1] == row["n_changed"][0]
    assert path["first_order"].n_unique() == 1
    constant = path.filter(pl.col("n_changed") == 0)["loss"]
    assert constant.max() == constant.min()


def test_jumps_are_found_by_walking_as_by_bisection() -> None:
    network, new, old = example(active=4, seed=5)
    found = code_stability.jumps(network, new.head(6), old, rate=0.4)
    single = found.filter(pl.col("n_changed") == 2)
    assert len(single) > 20
    for row in single.sample(10, seed=0).iter_rows(named=True):
        i, j = row["written"], row["kept"]
        after = kwta.step(network, new.inputs[i][None], new.labels[i][None], 0.4)

        def there(at: float, after: kwta.Network = after) -> kwta.Network:
            hidden, readout = (a + at * (b - a) for a, b in zip(network[:2], after[:2], strict=True))
            return network._replace(hidden=hidden, readout=readout)

        sides = [loss(there(row["at"] + shift), old, j) for shift in (-1e-9, 1e-9)]
        assert abs(sides[1] - sides[0]) == pytest.approx(row["loss_jump"], abs=1e-7)
        drive = there(row["at"]).hidden @ old.inputs[j]
        assert float(drive.sort().values[-4:].min().abs()) == pytest.approx(row["tied_drive"], abs=1e-9)
    assert (single["loss_jump"] <= math.sqrt(2) * single["tied_drive"] * single["readout_gap"] + 1e-12).all()


def test_a_rectified_unit_enters_without_a_jump() -> None:
    network, new, old = example(active=30, positive=True)
    kinks = code_stability.jumps(network, new, old, rate=0.2)
    assert len(kinks) > 20
    assert kinks["loss_jump"].max() < 1e-12


def test_a_bias_reaches_items_without_a_common_winner() -> None:
    network, new, old = example()
    found = code_stability.with_bias(network, new, old, rate=0.4)
    state, errors = kwta.fire(network, old.inputs), kwta.errors(network, kwta.fire(network, new.inputs), new.labels)
    for row in found.sample(20, seed=2).iter_rows(named=True):
        i, j = row["written"], row["kept"]
        readout = network.readout - 0.4 * torch.outer(errors.output[i], kwta.fire(network, new.inputs).code[i])
        outputs = readout @ state.code[j] - 0.4 * errors.output[i]
        before = kwta.losses(state.outputs[j][None], old.labels[j][None])
        assert row["loss_change"] == pytest.approx(
            float(kwta.losses(outputs[None], old.labels[j][None]) - before), abs=1e-14
        )
    apart = found.filter(pl.col("overlap") == 0)
    assert len(apart)
    assert apart["loss_change"].abs().min() > 0


def test_the_two_tasks_share_out_the_digits_and_are_centred_on_the_first() -> None:
    for centred in (True, False):
        old, new = code_stability.two_tasks(centred, generator=rng())
        assert len(old.labels) + len(new.labels) == 1797
        assert set(old.labels.tolist()) == set(range(5))
        assert set(new.labels.tolist()) == set(range(5, 10))
        assert (old.inputs.mean(0).abs().max() < 1e-12) == centred


def test_survey_labels_its_pairs() -> None:
    found = code_stability.survey(
        [3, 5], 40, 2, 4, rate=0.1, learns=("both", "readout"), centred=False, generator=rng()
    )
    assert len(found) == 2 * 2 * 2 * 4
    assert found["inputs"].unique().to_list() == ["raw"]
    table = code_stability.by_activity(found)
    assert table["code_size"].to_list() == [3, 5]
    half = found.filter(pl.col("code_size") == 3)
    assert table["unchanged"][0] == (half["n_changed"] == 0).mean()


def test_bad_input_gets_one_clear_line() -> None:
    network, new, old = example()
    with pytest.raises(ValueError, match="0 items to write, 25 to keep"):
        unwrap(code_stability.pairs)(network, new.head(0), old, rate=0.1)
    with pytest.raises(ValueError, match="0 code sizes"):
        unwrap(code_stability.survey)([], 40, 2, 4, rate=0.1, generator=rng())
    full = code_stability.pairs(network._replace(active=30), new, old, rate=0.1)
    with pytest.raises(ValueError, match="share a winner"):
        unwrap(code_stability.worst_disjoint)(full)
    for units, active in ((1, 1), (5, 0), (5, 5)):
        for call in (winner_margins.mean, lambda u, a: winner_margins.drawn(u, a, 3, generator=rng())):
            with pytest.raises(ValueError, match="1 <= active < units"):
                unwrap(call)(units, active)
    with pytest.raises(ValueError, match="never negative"):
        unwrap(winner_margins.tail)(5, 2, -1.0)
    with pytest.raises(ValueError, match="no whole number"):
        unwrap(winner_margins.by_size)([10], 0.25, [1.0])
    with pytest.raises(ValueError, match="trials=0"):
        unwrap(winner_margins.drawn)(5, 2, 0, generator=rng())


def test_margins_of_exact_order_statistics() -> None:
    """Two and three normals in closed form; other widths against Monte Carlo, and the tail integrates to the mean."""
    assert winner_margins.mean(2, 1) == pytest.approx(2 / math.sqrt(math.pi), rel=1e-10)
    assert winner_margins.mean(3, 1) == pytest.approx(1.5 / math.sqrt(math.pi), rel=1e-10)  # by symmetry half the range
    assert winner_margins.mean(20, 3) == pytest.approx(winner_margins.mean(20, 17), rel=1e-9)
    for units, active in ((2, 1), (30, 3), (101, 50)):
        whole = integrate.quad(lambda g, u=units, a=active: winner_margins.tail(u, a, g), 0, np.inf, epsrel=1e-7)[0]
        assert whole == pytest.approx(winner_margins.mean(units, active), rel=1e-6)
        drawn = winner_margins.drawn(units, active, 40000, generator=rng(units)).numpy()
        assert abs(drawn.mean() - winner_margins.mean(units, active)) < 4 * stats.sem(drawn)
        for beyond in np.quantile(drawn, [0.3, 0.7, 0.95]):
            p = winner_margins.tail(units, active, float(beyond))
            assert abs((drawn > beyond).mean() - p) < 4 * math.sqrt(p * (1 - p) / len(drawn)) + 1e-4
    assert winner_margins.tail(50, 10, 0.0) == pytest.approx(1, rel=1e-9)
