"""Masks have their density and keep it, pairs are pairs, and margins are distances."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cls_toys import ensembles, perturbations, pruning
from cls_toys.networks import Training

TRAINING = Training(epochs=6)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(name="trained", scope="module")
def trained_() -> ensembles.Trained:
    return ensembles.digits(3, 16, TRAINING, generator=rng())


@given(st.floats(0, 0.99), st.integers(2, 9), st.integers(11, 20), st.integers(0, 2**31))
def test_masks_keep_the_asked_number_of_the_largest(sparsity: float, hidden: int, inputs: int, seed: int) -> None:
    weights = torch.randn(2, hidden, inputs, generator=rng(seed))
    kept = round((1 - sparsity) * hidden * inputs)
    if kept == 0:
        return
    masks = pruning.magnitude_masks(weights, sparsity)
    assert (masks.flatten(1).sum(1) == kept).all()
    for mask, magnitude in zip(masks, weights.abs(), strict=True):
        if kept < hidden * inputs:
            assert magnitude[mask].min() >= magnitude[~mask].max()


def test_ties_do_not_change_the_density() -> None:
    masks = pruning.magnitude_masks(torch.ones(1, 4, 5), 0.5)
    assert masks.sum() == 10


def test_no_sparsity_is_the_network_tuned_without_masks(trained: ensembles.Trained) -> None:
    before = [generator.get_state() for generator in trained.generators]
    tuned, masks = pruning.prune(trained, [0.0, 0.9], Training(epochs=2))
    assert masks[:3].all()
    twins = [generator.clone_state() for generator in trained.generators]
    plain = ensembles.train(
        trained.ensemble, trained.data.train_inputs, trained.data.train_labels, Training(epochs=2), generators=twins
    )
    for part, alone in zip(tuned, plain, strict=True):
        torch.testing.assert_close(part[:3], alone, rtol=1e-4, atol=1e-5)
    after = [generator.get_state() for generator in trained.generators]
    assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True)), "it can be pruned again"


def test_pruned_weights_stay_exactly_zero(trained: ensembles.Trained) -> None:
    tuned, masks = pruning.prune(trained, [0.0, 0.5, 0.95], Training(epochs=2))
    assert (tuned.hidden_weight[~masks] == 0).all()
    density = masks.double().mean((1, 2)).view(3, 3)
    np.testing.assert_allclose(density, [[1] * 3, [0.5] * 3, [round(0.05 * 1024) / 1024] * 3])
    assert not torch.equal(tuned.hidden_weight[6:][masks[6:]], trained.ensemble.hidden_weight[masks[6:]])


def test_random_masks_have_the_density_and_no_preference() -> None:
    masks = pruning.random_masks((200, 4, 5), 0.75, generators=[rng(seed) for seed in range(200)])
    assert (masks.flatten(1).sum(1) == 5).all()
    frequency = masks.double().mean(0)
    assert float((frequency - 0.25).abs().max()) < 5 * math.sqrt(0.25 * 0.75 / 200)


def test_the_distance_is_where_the_decision_changes(trained: ensembles.Trained) -> None:
    """One small network, item by item: the gradient by autograd, and a step of the distance that reaches the boundary."""
    inputs, labels = trained.data.test_inputs[:1, :20], trained.data.test_labels[:1, :20]
    one = ensembles.Ensemble(*(part[:1] for part in trained.ensemble))
    distances = []
    for item, label in zip(inputs[0], labels[0], strict=True):
        x = item.clone().requires_grad_()
        guess = ensembles.outputs(one, x[None, None])[0, 0]
        others = [output for output in range(10) if output != label]
        margin = guess[label] - guess[others].max()
        (slope,) = torch.autograd.grad(margin, x)
        distances.append(float(margin.detach() / slope.norm()))
    measured = pruning.boundary_distance(one, inputs, labels)
    assert float(measured[0]) == pytest.approx(float(np.mean(distances)), rel=1e-5)


def test_margins_of_a_network_that_does_nothing_but_copy() -> None:
    """Two outputs that copy two positive inputs: by hand."""
    eye, zero = torch.eye(2)[None], torch.zeros(1, 2)
    copy = ensembles.Ensemble(eye, zero, eye, zero)
    inputs, labels = torch.tensor([[[4.0, 1.0], [1.0, 2.0]]]), torch.tensor([[0, 0]])
    assert float(pruning.boundary_distance(copy, inputs, labels)) == pytest.approx((3 - 1) / math.sqrt(2) / 2)
    expected = (3 / math.sqrt(17) - 1 / math.sqrt(5)) / 2
    assert float(pruning.normalised_margin(copy, inputs, labels)) == pytest.approx(expected)


def test_inputs_without_a_boundary_in_sight_are_left_out() -> None:
    """Both units of the copying network are silent at the second input: no small step changes its decision."""
    eye, zero = torch.eye(2)[None], torch.zeros(1, 2)
    copy = ensembles.Ensemble(eye, zero, eye, torch.tensor([[0.5, 0.0]]))
    labels = torch.tensor([[0, 0]])
    inputs = torch.tensor([[[4.0, 1.0], [-1.0, -2.0]]])
    assert float(pruning.boundary_distance(copy, inputs, labels)) == pytest.approx(3.5 / math.sqrt(2))
    assert pruning.boundary_distance(copy, inputs[:, 1:], labels[:, 1:]).isnan().all()


def test_the_distance_has_no_scale_of_outputs_in_it(trained: ensembles.Trained) -> None:
    louder = trained.ensemble._replace(
        output_weight=3 * trained.ensemble.output_weight, output_bias=3 * trained.ensemble.output_bias
    )
    for margin in (pruning.boundary_distance, pruning.normalised_margin):
        plain, scaled = (
            margin(each, trained.data.test_inputs, trained.data.test_labels) for each in (trained.ensemble, louder)
        )
        torch.testing.assert_close(plain, scaled, rtol=1e-4, atol=0)


def test_an_experiment_is_paired_and_the_seed_decides_all() -> None:
    one, two = (pruning.experiment(3, 12, TRAINING, [0.0, 0.9], generator=rng(4)) for _ in range(2))
    assert one.accuracies.equals(two.accuracies)
    assert one.margins.equals(two.margins)
    assert len(one.accuracies) == 2 * 3 * 8  # sparsities, networks, conditions
    assert sorted(one.accuracies["sparsity"].unique()) == [0, 0.9]
    assert one.accuracies["accuracy"].is_between(0, 1).all()


def test_networks_that_lose_nothing_cost_nothing_under_any_condition(trained: ensembles.Trained) -> None:
    """Two sparsities that remove no weight: all conditions must meet the same items and the same noise."""
    levels = [0.0, 1e-9]
    tuned, masks = pruning.prune(trained, levels, Training(epochs=2))
    costs = pruning.costs(pruning.evaluate(tuned, masks, trained, levels, generator=rng()))
    assert masks.all()
    assert costs["cost"].abs().max() <= 2 / 449, "but for the order of rounding, at most an item or two"
    assert costs.filter(pl.col("condition") == "clean")["excess"].abs().max() == 0


def test_every_condition_and_margin_is_what_its_name_says(trained: ensembles.Trained) -> None:
    """Network by network, with the same draws of noise replayed and the network written out."""
    levels = [0.0, 0.8]
    tuned, masks = pruning.prune(trained, levels, Training(epochs=2))
    accuracy = pruning.evaluate(tuned, masks, trained, levels, generator=rng(9))
    margin = pruning.margins(tuned, trained, levels)
    clean, labels, replay = trained.data.test_inputs, trained.data.test_labels, rng(9)
    tested = {"clean": clean}
    tested["input noise 0.3"] = (clean + 0.3 * torch.randn(clean.shape, generator=replay)).clamp(0, 1)
    tested["input noise 0.5"] = (clean + 0.5 * torch.randn(clean.shape, generator=replay)).clamp(0, 1)
    tested["rotation 25°"] = perturbations.rotated(clean, 25.0)
    tested["occlusion"] = perturbations.occluded(clean, 4, generator=replay)
    draws = torch.stack([torch.randn(3, 16, 64, generator=replay) for _ in range(30)])

    def outputs(at: int, inputs: torch.Tensor, noise: torch.Tensor | float = 0.0) -> torch.Tensor:
        weight = tuned.hidden_weight[at] + noise
        hidden = (inputs[at % 3] @ weight.T + tuned.hidden_bias[at]).clamp_min(0)
        return hidden @ tuned.output_weight[at].T + tuned.output_bias[at]

    def right(guess: torch.Tensor, at: int) -> float:
        return float((guess.argmax(1) == labels[at % 3]).double().mean())

    for at in range(6):
        here = {"sparsity": levels[at // 3], "network": at % 3}
        found = dict(accuracy.filter(**here).select("condition", "accuracy").iter_rows())
        near = {"abs": 2 / 449}  # an item or two, for the order of rounding
        for name, inputs in tested.items():
            assert found[name] == pytest.approx(right(outputs(at, inputs), at), **near), name
        size = {
            "relative": tuned.hidden_weight[at][masks[at]].abs().mean(),
            "absolute": tuned.hidden_weight[at % 3].abs().mean(),
            "energy": tuned.hidden_weight[at][masks[at]].square().mean().sqrt(),
        }
        for kind, of_kind in zip(size, draws[:, at % 3].split(10), strict=True):
            noised = [right(outputs(at, clean, 0.5 * size[kind] * noise * masks[at]), at) for noise in of_kind]
            assert found[f"weight noise, {kind}"] == pytest.approx(np.mean(noised), **near), kind
        ensemble = ensembles.Ensemble(*(part[at : at + 1] for part in tuned))
        of_network = clean[at % 3][None], labels[at % 3][None]
        lengths = dict(margin.filter(**here).select("condition", "margin").iter_rows())
        assert lengths["distance"] == pytest.approx(float(pruning.boundary_distance(ensemble, *of_network)), rel=1e-4)
        assert lengths["normalised"] == pytest.approx(float(pruning.normalised_margin(ensemble, *of_network)), rel=1e-4)


def test_costs_by_hand() -> None:
    accuracies = pl.DataFrame(
        {
            "sparsity": [0.0, 0.0, 0.0, 0.0, 0.9, 0.9, 0.9, 0.9],
            "network": [0, 1, 0, 1, 0, 1, 0, 1],
            "condition": ["clean", "clean", "noise", "noise"] * 2,
            "accuracy": [0.98, 0.96, 0.7, 0.8, 0.97, 0.96, 0.6, 0.5],
        }
    )
    costs = pruning.costs(accuracies)
    np.testing.assert_allclose(costs["cost"], [0.01, 0, 0.1, 0.3])
    np.testing.assert_allclose(costs["excess"], [0, 0, 0.09, 0.3], atol=1e-12)
    np.testing.assert_allclose(costs["ratio"], [97 / 98, 1, 6 / 7, 5 / 8])
    with pytest.raises(ValueError, match="sparsity 0 was not measured"):
        pruning.costs(accuracies.filter(pl.col("sparsity") > 0))


def test_intervals_are_students() -> None:
    values = [0.1, 0.4, 0.2, 0.5]
    table = pl.DataFrame({"group": "a", "cost": values})
    found = pruning.summary(table, "cost", ["group"]).row(0, named=True)
    low, high = stats.t.interval(0.99, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((0.3, low, high))
    with pytest.raises(ValueError, match="2 networks in a group"):
        pruning.summary(table.head(2), "cost", ["group"])


def test_magnitude_and_fine_tuning_matter() -> None:
    pruned = pruning.experiment(3, 16, TRAINING, [0.9], generator=rng())
    found = pruning.controls(pruned, TRAINING, 0.9)
    trained = pruned.trained
    accuracy = {(row["weights_kept"], row["fine_tuned"]): row["accuracy"] for row in found.iter_rows(named=True)}
    assert accuracy["the largest", "yes"] > accuracy["the largest", "no"] + 0.05
    assert accuracy["the largest", "no"] > accuracy["random ones", "no"]
    whole = ensembles.accuracy(trained.ensemble, trained.data.test_inputs, trained.data.test_labels)
    assert accuracy["all", "no"] == pytest.approx(float(whole.mean()))
    for sparsity, name in ((0.0, "all"), (0.9, "the largest")):
        alone, _ = pruning.prune(trained, [sparsity], pruning.fine_tuning(TRAINING))  # tuned once more, by itself
        again = ensembles.accuracy(alone, trained.data.test_inputs, trained.data.test_labels)
        assert accuracy[name, "yes"] == pytest.approx(float(again.mean()), abs=2 / 449), "but for the order of rounding"
    masks = pruning.random_masks((3, 16, 64), 0.9, generators=[each.clone_state() for each in trained.generators])
    tuned = ensembles.train(
        trained.ensemble, trained.data.train_inputs, trained.data.train_labels, pruning.fine_tuning(TRAINING),
        generators=[each.clone_state() for each in trained.generators], masks=masks,
    )  # fmt: skip
    again = ensembles.accuracy(tuned, trained.data.test_inputs, trained.data.test_labels)
    assert accuracy["random ones", "yes"] == pytest.approx(float(again.mean()))
    with pytest.raises(ValueError, match=r"sparsity=0.5 was not measured: give one of 0.0, 0.9"):
        pruning.controls(pruned, TRAINING, 0.5)


def test_recipes_are_told_apart() -> None:
    found = pruning.recipes([8], [0.003, 0.01], 3, 0.5, generator=rng())
    assert found.select("hidden", "learning_rate").unique().height == 2
    assert found["sparsity"].unique().to_list() == [0.5]


def test_bad_input(trained: ensembles.Trained) -> None:
    weights = torch.ones(1, 2, 3)
    for sparsity in (-0.1, 1.0, 1.5, math.nan):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
            pruning.magnitude_masks(weights, sparsity)
    with pytest.raises(ValueError, match="leaves none"):
        pruning.magnitude_masks(weights, 0.95)
    with pytest.raises(ValueError, match="NaN or infinity"):
        pruning.magnitude_masks(weights * math.nan, 0.5)
    for sparsity in (1.0, 0.9999):  # 8 * 64 weights
        with pytest.raises(ValueError, match=r"leaves none|must lie in"):
            pruning.experiment(10**9, 8, TRAINING, [sparsity], generator=rng())  # before it trains a billion networks
    with pytest.raises(ValueError, match="no sparsities are given"):
        pruning.prune(trained, [], TRAINING)
