"""Indices of separation: gradients against finite differences, bounds by brute force, permutations by enumeration, two tasks in sequence."""

import itertools
from inspect import unwrap

import numpy as np
import polars as pl
import pytest
import torch
from scipy import stats

from cls_toys import code_stability, kwta, probes, separation_metrics
from cls_toys.code_stability import Task


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def example(active: int = 4, positive: bool = True, seed: int = 0) -> tuple[kwta.Network, Task, Task]:
    generator = rng(seed)
    inputs = torch.randn(2, 12, 6, generator=generator).double()
    labels = torch.randint(3, (2, 12), generator=generator)
    network = kwta.start(inputs[0], 20, 3, active, positive=positive, generator=generator)
    return network, Task(inputs[0], labels[0]), Task(inputs[1], labels[1])


@pytest.mark.parametrize("learn", kwta.LEARNT)
def test_the_gradient_overlap_is_the_slope_of_the_loss_along_a_step(learn: str) -> None:
    """By central differences: step on i forwards and backwards, and run j again."""
    network, new, old = example()
    overlap = separation_metrics.gradient_overlap(network, new, old, learn)
    for i in range(12):
        one = Task(new.inputs[i][None], new.labels[i][None])
        step = kwta.step(network, *one, 1.0, learn)
        sides = []
        for at in (1e-5, -1e-5):
            there = network._replace(
                hidden=network.hidden + at * (step.hidden - network.hidden),
                readout=network.readout + at * (step.readout - network.readout),
            )
            sides.append(kwta.losses(kwta.fire(there, old.inputs).outputs, old.labels))
        slope = (sides[0] - sides[1]) / 2e-5
        torch.testing.assert_close(slope, -overlap[i], atol=1e-8, rtol=1e-6)


def test_the_parts_of_the_kernel_and_its_bounds_by_brute_force() -> None:
    network, new, old = example()
    found = separation_metrics.bounds(separation_metrics.kernel(network, new, old))
    overlap = separation_metrics.gradient_overlap(network, new, old).flatten().numpy()
    made = found["error_product"] * found["code_product"] + found["signed_input_product"] * found["backprop_product"]
    np.testing.assert_allclose(made, overlap, atol=1e-13)
    states = [kwta.fire(network, task.inputs) for task in (new, old)]
    errors = [kwta.errors(network, state, task.labels) for state, task in zip(states, (new, old), strict=True)]
    for row, (i, j) in zip(found.iter_rows(named=True), itertools.product(range(12), range(12)), strict=True):
        mine, yours = (set(state.won[k].nonzero()[:, 0].tolist()) for state, k in zip(states, (i, j), strict=True))
        assert row["overlap"] == len(mine & yours)
        part = [
            sum(float(e.hidden[k][h]) ** 2 for h in mine & yours) ** 0.5 for e, k in zip(errors, (i, j), strict=True)
        ]
        assert row["shared_backprop"] == pytest.approx(part[0])
        assert row["other_shared_backprop"] == pytest.approx(part[1])
        assert row["code_height"] == pytest.approx(float(states[0].code[i].abs().max()))
        assert row["column_norm"] == pytest.approx(max(float(network.readout[:, h].norm()) for h in range(20)))
    assert (np.abs(overlap) <= found["first_bound"].to_numpy() + 1e-12).all()
    assert (found["first_bound"] <= found["second_bound"] + 1e-12).all()
    assert (found.filter(pl.col("overlap") == 0)["second_bound"] == 0).all()
    for learn in ("readout", "hidden"):
        part = separation_metrics.gradient_overlap(network, new, old, learn).flatten().abs().numpy()
        limited = separation_metrics.bounds(separation_metrics.kernel(network, new, old), learn)
        assert (part <= limited["first_bound"].to_numpy() + 1e-12).all()
        assert limited["first_bound"].max() < found["first_bound"].max()


def test_all_permutations_of_five_units_give_the_identity() -> None:
    one, two = separation_metrics.graded(5, generator=rng())["exponential"]
    every = torch.stack([two[list(order)] for order in itertools.permutations(range(5))])
    cosines = torch.nn.functional.cosine_similarity(every, one[None], dim=-1)
    s, t = probes.treves_rolls(torch.stack((one, two))).tolist()
    assert float(cosines.square().mean()) == pytest.approx(s * t + (1 - s) * (1 - t) / 4)
    assert float(cosines.mean()) == pytest.approx((s * t) ** 0.5)
    drawn = separation_metrics.permuted(one, two, 40000, generator=rng(1))
    counts = torch.unique(drawn.round(decimals=9), return_counts=True)[1].double()
    assert len(counts) == 120
    assert float(((counts - 40000 / 120).square() / (40000 / 120)).sum()) < stats.chi2.ppf(1 - 1e-6, 119)


def test_graded_codes_and_families_are_what_they_are_called() -> None:
    kinds = separation_metrics.graded(40, generator=rng())
    assert kinds["binary"].sum(-1).tolist() == [10, 20]
    assert (kinds["heavy-tailed"] >= 0).all()
    assert (kinds["signed"] < 0).any()
    sets = separation_metrics.families(12, 40, 5, generator=rng())
    assert (sets["sparse, random"].sum(-1) == 5).all()
    assert probes.mean_square_cosine(sets["sparse, all alike"]) == pytest.approx(1)
    assert probes.mean_square_cosine(sets["dense, orthogonal"]) == pytest.approx(0, abs=1e-25)
    assert probes.mean_square_cosine(sets["dense, shifted"]) > 0.5


def test_mean_square_cosine_pair_by_pair() -> None:
    code = torch.randn(5, 3, generator=rng()).double()
    pairs = [
        float(torch.nn.functional.cosine_similarity(code[i], code[j], dim=0)) ** 2
        for i in range(5)
        for j in range(5)
        if i != j
    ]
    assert probes.mean_square_cosine(code) == pytest.approx(np.mean(pairs))
    assert probes.mean_square_cosine(code[:2] * 1000) == pytest.approx(pairs[0])


def test_crowded_sets_are_measured_as_one_is() -> None:
    table = separation_metrics.crowded([(4, 3), (6, 2)], 3, generator=rng(2))
    code = torch.randn(3, 4, 3, generator=rng(2), dtype=torch.float64)
    expected = [probes.mean_square_cosine(each) for each in code]
    np.testing.assert_allclose(table["mean_square_cosine"][:3], expected, rtol=1e-12)
    assert table["n_items"].to_list() == [4] * 3 + [6] * 3
    with pytest.raises(ValueError, match="draw at least one set"):
        unwrap(separation_metrics.crowded)([(1, 3)], 3, generator=rng())


def test_what_is_overwritten_at_known_codes() -> None:
    """Orthogonal codes keep all. One code for all keeps the last item: the others hold an independent sign, error 2 on average."""
    sets = separation_metrics.families(10, 20, 3, generator=rng())
    assert separation_metrics.overwritten(sets["dense, orthogonal"], 50, generator=rng()) == pytest.approx(0, abs=1e-20)
    alike = separation_metrics.overwritten(sets["sparse, all alike"], 20000, generator=rng())
    assert alike == pytest.approx(2 * 9 / 10, abs=0.03)


def test_a_constant_moves_one_participation_ratio_and_not_the_other() -> None:
    table = separation_metrics.shifted(30, 20, [0.0, 1.0, 5.0], generator=rng())
    assert np.ptp(table["centred_participation"].to_numpy()) == pytest.approx(0, abs=1e-9)
    assert table["participation"].to_list() == sorted(table["participation"], reverse=True)
    assert table["square_cosine"][2] > 0.9


def test_counted_overlaps() -> None:
    table = separation_metrics.counted(4000, 30, [6], generator=rng())
    assert table["overlap"].mean() == pytest.approx(36 / 30, abs=0.06)
    assert (table["jaccard"] == table["overlap"] / (12 - table["overlap"])).all()


def test_ever_smaller_steps_approach_first_order() -> None:
    network, new, old = example()
    table = separation_metrics.ever_smaller_steps(network, new, old, [0.02 / 2**i for i in range(8)])
    error = (table["loss_change"] / (-table["step_size"] * table["gradient_overlap"]) - 1).abs().to_numpy()
    assert (np.diff(error) < 0).all()
    assert error[-1] < 1e-2


def test_cell_at_known_pairs() -> None:
    table = pl.DataFrame(
        {
            "n_changed": [0, 0, 0, 2],
            "loss_change": [1.0, 2.0, 3.0, -4.0],
            "first_order": [1.0, 2.0, 3.0, 0.0],
            "step_size": [0.5] * 4,
            "first_bound": [4.0, 8.0, 12.0, 16.0],
            "overlap": [3, 2, 1, 0],
            "n_won": [4] * 4,
        }
    )
    found = separation_metrics.cell(table)
    assert found["r2_stay"] == 1
    assert found["r2_all"] == pytest.approx(1 - 16 / 29)
    assert found["bound_agreement"] == pytest.approx(1)
    assert found["overlap_agreement"] == pytest.approx(-1)
    assert found["slack"] == pytest.approx(2)
    assert (found["winners_change"], found["disjoint"], found["relative_overlap"]) == (0.25, 0.25, 0.375)


@pytest.fixture(name="learnt", scope="module")
def learnt_() -> pl.DataFrame:
    return separation_metrics.sequences([4, 20, 60], 80, 3, most_steps=60, generator=rng())


def test_two_tasks_in_sequence(learnt: pl.DataFrame) -> None:
    assert len(learnt) == 2 * 2 * 3 * 3
    frozen = learnt.filter(pl.col("hidden_layer") == "frozen")
    assert (frozen["drift"] == 0).all()
    assert (learnt.filter(pl.col("hidden_layer") == "learnt")["drift"] > 0).all()
    assert (learnt["shared_path"] <= learnt["path"]).all()
    assert (learnt["path"] > 0).all()
    assert (learnt["steps"] <= 60).all()
    reached = learnt.filter(pl.col("steps") < 60)
    assert (reached["new_accuracy"] >= 0.9).all()
    assert (learnt["aware_accuracy"] >= learnt["old_accuracy"]).all()
    by_inputs = dict(learnt.group_by("inputs").agg(pl.col("square_cosine").mean()).iter_rows())
    assert by_inputs["raw"] > 2 * by_inputs["centred"]
    kept = separation_metrics.kept_accuracy(learnt)
    assert kept["raw"].shape == (3, 3)
    row = learnt.filter(
        pl.col("inputs") == "raw", pl.col("hidden_layer") == "learnt", pl.col("code_size") == 20, pl.col("network") == 1
    )
    assert kept["raw"][1, 1] == row["old_accuracy"][0]


def test_across_is_a_rank_correlation_for_each_network(learnt: pl.DataFrame) -> None:
    found = separation_metrics.across(learnt, "square_cosine")
    assert len(found) == 12
    rows = learnt.filter(pl.col("inputs") == "centred", pl.col("hidden_layer") == "frozen", pl.col("network") == 2)
    expected = stats.spearmanr(rows["forgetting"], rows["square_cosine"]).statistic
    mine = found.filter(pl.col("inputs") == "centred", pl.col("hidden_layer") == "frozen", pl.col("network") == 2)
    assert mine["correlation"][0] == pytest.approx(expected)
    with pytest.raises(ValueError, match="2 code sizes"):
        separation_metrics.across(learnt.filter(pl.col("code_size") < 50), "square_cosine")


def test_gaps_are_between_the_fewest_winners_and_the_most(learnt: pl.DataFrame) -> None:
    found = separation_metrics.gaps(learnt)
    assert len(found) == 12
    of = (pl.col("inputs") == "raw", pl.col("hidden_layer") == "learnt", pl.col("network") == 1)
    few, many = (learnt.filter(*of, pl.col("code_size") == size) for size in (4, 60))
    row = found.filter(*of)
    assert row["forgetting_gap"][0] == pytest.approx(few["forgetting"][0] - many["forgetting"][0])
    assert row["cosine_gap"][0] == pytest.approx(few["square_cosine"][0] - many["square_cosine"][0])
    with pytest.raises(ValueError, match="1 code sizes"):
        separation_metrics.gaps(learnt.filter(pl.col("code_size") == 4))


def test_survey_and_cells() -> None:
    found = separation_metrics.survey([3, 10], 40, 4, 6, rate=0.01, centred=True, generator=rng())
    assert len(found) == 2 * 2 * 24
    table = separation_metrics.cells(found)
    assert table["hidden_layer"].to_list() == ["learnt", "frozen"] * 2
    frozen = found.filter(pl.col("hidden_layer") == "frozen")
    np.testing.assert_allclose(frozen["gradient_overlap"], frozen["error_product"] * frozen["code_product"], atol=1e-13)
    np.testing.assert_allclose(found["first_order"], -0.01 * found["gradient_overlap"], atol=1e-13)
    assert (frozen["n_changed"] == 0).all()


def test_codes_at_the_start_keep_their_activities_when_permuted() -> None:
    old, _ = code_stability.two_tasks(False, generator=rng())
    code = separation_metrics.start_codes(old.head(60), 100, 5, generator=rng(1))
    assert ((code != 0).sum(-1) <= 5).all()
    sparse = probes.treves_rolls(code)
    off = ~torch.eye(60, dtype=torch.bool)
    expected = (torch.outer(sparse, sparse) + torch.outer(1 - sparse, 1 - sparse) / 99)[off].mean()
    drawn = [separation_metrics.by_chance(code, generator=rng(seed)) for seed in range(30)]
    assert abs(np.mean(drawn) - float(expected)) < 4 * stats.sem(drawn)
    assert probes.mean_square_cosine(code) > 5 * float(expected)


def test_bad_input_gets_one_clear_line() -> None:
    network, new, old = example()
    with pytest.raises(ValueError, match="12 items to write, 0 to keep"):
        unwrap(separation_metrics.gradient_overlap)(network, new, old.head(0))
    with pytest.raises(ValueError, match="two rows or more"):
        unwrap(probes.mean_square_cosine)(torch.ones(1, 3))
    with pytest.raises(ValueError, match="codes that are not zero"):
        unwrap(separation_metrics.permuted)(torch.zeros(3), torch.ones(3), 5, generator=rng())
    for items in (1, 50):
        with pytest.raises(ValueError, match="2 <= items <= units"):
            unwrap(separation_metrics.families)(items, 40, 5, generator=rng())
    with pytest.raises(ValueError, match="at least one value"):
        unwrap(separation_metrics.overwritten)(torch.ones(2, 3), 0, generator=rng())
    with pytest.raises(ValueError, match="networks=0"):
        unwrap(separation_metrics.two_in_sequence)(4, 40, 0, centred=True, generator=rng())
    with pytest.raises(ValueError, match="0 code sizes"):
        unwrap(separation_metrics.survey)([], 40, 4, 6, rate=0.01, centred=True, generator=rng())
    with pytest.raises(ValueError, match="give smaller rates"):
        unwrap(separation_metrics.ever_smaller_steps)(network, new, old.head(1), [1e6])
