"""Ablation is what it says: the network without the unit, by changing the network itself."""

from copy import deepcopy
from inspect import unwrap

import numpy as np
import polars as pl
import pytest
import torch
from scipy import stats
from torch import nn

from cls_toys import ensembles, importance, networks
from cls_toys.networks import Training


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network_and_items(items: int = 40) -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    network = networks.mlp([5, 8, 3], generator=rng(1), dtype=torch.float64)
    inputs = torch.randn(items, 5, generator=rng(2), dtype=torch.float64)
    return network, inputs, torch.randint(3, (items,), generator=rng(3))


@torch.no_grad()
def without(network: nn.Sequential, unit: int, value: float) -> nn.Sequential:
    """The network whose unit has that value for every input, by its weights alone."""
    changed = deepcopy(network)
    changed[0].weight[unit] = 0
    changed[0].bias[unit] = value
    return changed


@torch.no_grad()
def test_ablation_and_damage_are_those_of_the_changed_network() -> None:
    network, inputs, labels = network_and_items()
    found = importance.units(ensembles.stack([network]), inputs[None], labels[None])
    hidden = networks.hidden_activations(network, inputs)
    assert set(found["unit"]) == set(range(8))
    before = nn.functional.cross_entropy(network(inputs), labels)
    for row in found.iter_rows(named=True):
        activity = hidden[:, row["unit"]]
        assert row["activity"] == pytest.approx(float(activity.mean()))
        assert row["spread"] == pytest.approx(float(np.std(activity.numpy())))
        assert row["outgoing"] == pytest.approx(float(network[2].weight[:, row["unit"]].norm()))
        value = 0.0 if row["ablation"] == "silenced" else float(activity.mean())
        changed = without(network, row["unit"], value)
        rise = nn.functional.cross_entropy(changed(inputs), labels) - before
        assert row["loss"] == pytest.approx(float(rise), abs=1e-12)
        lost = networks.accuracy(network, inputs, labels) - networks.accuracy(changed, inputs, labels)
        assert row["accuracy"] == pytest.approx(lost, abs=1e-12)


@torch.no_grad()
def test_a_unit_that_never_changes_is_a_bias() -> None:
    """However active: held at its mean it does no damage at all, silenced it does."""
    network, inputs, labels = network_and_items()
    constant = without(network, 2, 30.0)
    found = importance.units(ensembles.stack([constant]), inputs[None], labels[None]).filter(pl.col("unit") == 2)
    damage = dict(zip(found["ablation"], found["loss"], strict=True))
    assert found["activity"].max() == 30
    assert damage["held at its mean"] == pytest.approx(0, abs=1e-12)
    assert abs(damage["silenced"]) > 0.1


@torch.no_grad()
def test_units_that_are_never_active_are_left_out() -> None:
    network, inputs, labels = network_and_items()
    dead = without(network, 5, -1.0)
    found = importance.units(ensembles.stack([dead]), inputs[None], labels[None])
    assert set(found["unit"]) == set(range(8)) - {5}


def test_agreement_is_spearmans_rank_correlation() -> None:
    table = pl.DataFrame(
        {
            "network": [0] * 6 + [1] * 5, "ablation": "silenced",
            "activity": [3.0, 1.0, 2.0, 2.0, 5.0, 4.0, 1.0, 2.0, 3.0, 4.0, 5.0],  # with ties
            "loss": [0.1, 0.0, 0.4, 0.3, 0.3, -0.2, 5.0, 4.0, 3.0, 2.0, 1.0],
        }
    )  # fmt: skip
    found = importance.agreement(table, "activity")
    expected = [
        stats.spearmanr(part["activity"], part["loss"]).statistic
        for part in table.partition_by("network", maintain_order=True)
    ]
    np.testing.assert_allclose(found["correlation"], expected)
    assert found["correlation"][1] == pytest.approx(-1)
    assert found["guess"].unique().to_list() == ["activity"]


def test_agreements_hold_every_guess_for_every_network() -> None:
    trained = ensembles.digits(3, 12, Training(epochs=8), generator=rng())
    found = importance.agreements(trained.ensemble, trained.data.train_inputs, trained.data.train_labels)
    assert len(found) == 4 * 2 * 3  # guesses, ablations, networks
    halves = found.filter(pl.col("guess") == "other half")["correlation"]
    assert halves.min() > 0.3, "two halves of a thousand digits agree about the damage"
    assert halves.max() < 1, "and are not the same"
    ends = [
        importance.units(
            trained.ensemble, *(part[:, half] for part in (trained.data.train_inputs, trained.data.train_labels))
        )
        for half in (
            slice(trained.data.train_labels.shape[1] // 2),
            slice(trained.data.train_labels.shape[1] // 2, None),
        )
    ]
    common = ends[0].join(ends[1], on=["network", "unit", "ablation"], maintain_order="left")
    expected = [
        stats.spearmanr(part["loss"], part["loss_right"]).statistic
        for part in common.partition_by("network", "ablation", maintain_order=True)
    ]
    np.testing.assert_allclose(halves, expected)
    activity = importance.agreement(
        importance.units(trained.ensemble, trained.data.train_inputs, trained.data.train_labels), "activity"
    )
    assert found.filter(pl.col("guess") == "activity").equals(activity)


def test_bad_input() -> None:
    readout, bias, instead = torch.ones(2, 3), torch.zeros(2), torch.zeros(3)
    for hidden in (torch.ones(0, 3), torch.full((4, 3), torch.nan)):
        with pytest.raises(ValueError, match="at least one item and unit, all finite"):
            importance.ablate(hidden, readout, bias, instead)
    hidden = torch.ones(4, 3)
    for wrong in (
        (torch.ones(2, 4), bias, instead),
        (readout, torch.zeros(3), instead),
        (readout, bias, torch.zeros(1)),
    ):
        with pytest.raises(ValueError, match="one column of the readout and one value a unit"):
            unwrap(importance.ablate)(hidden, *wrong)
    intact, guesses = torch.zeros(4, 2), torch.zeros(3, 4, 2)
    with pytest.raises(ValueError, match="one label each"):
        unwrap(importance.damage)(guesses, intact, torch.zeros(5, dtype=torch.long))
    with pytest.raises(ValueError, match="give 0 to 1"):
        importance.damage(guesses, intact, torch.tensor([0, 1, 2, 0]))
    few = pl.DataFrame({"network": [0, 0], "ablation": "silenced", "activity": [1.0, 2.0], "loss": [1.0, 2.0]})
    with pytest.raises(ValueError, match="2 live units: give wider networks"):
        importance.agreement(few, "activity")
