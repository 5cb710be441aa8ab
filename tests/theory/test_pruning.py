"""The effects of pruning can be supported and refuted: on measured networks, and on networks made to differ."""

import numpy as np
import polars as pl
import pytest
import torch

from cls_toys import pruning
from cls_toys.networks import Training
from theory import claim
from theory.evidence import Verdict


@pytest.fixture(name="pruned", scope="module")
def pruned_() -> pruning.Pruned:
    """Twelve networks of a seed that neither the notebook nor the choice of the effects has used."""
    return pruning.experiment(12, 64, Training(), [0.5, 0.9], generator=torch.Generator().manual_seed(123))


def values(table: pl.DataFrame, condition: str, column: str, sparsity: float) -> np.ndarray:
    return table.filter(pl.col("condition") == condition, pl.col("sparsity") == sparsity)[column].to_numpy()


def measured(pruned: pruning.Pruned, sparsity: float) -> dict[str, np.ndarray]:
    costs, margins = pruning.costs(pruned.accuracies), pruning.paired(pruned.margins, "margin")
    return {
        "clean": values(costs, "clean", "cost", sparsity),
        "input-noise": values(costs, "input noise 0.3", "excess", sparsity),
        "relative": values(costs, "weight noise, relative", "excess", sparsity),
        "absolute": values(costs, "weight noise, absolute", "excess", sparsity),
        "boundary": values(margins, "distance", "ratio", sparsity),
        "normalised": values(margins, "normalised", "ratio", sparsity),
    }


def test_the_effects_are_found_at_ninety_per_cent(pruned: pruning.Pruned) -> None:
    found = measured(pruned, 0.9)
    for statement in claim("pruning-costs").statements:
        evidence = claim("pruning-costs").check(found[statement.name], statement.name)
        assert evidence.verdict is Verdict.SUPPORTED, f"{statement.name}: {evidence.reason}"
    for id, statement, name in (
        ("pruned-was-free", "input-noise", "input-noise"), ("pruned-was-free", "weight-noise", "relative"),
        ("margin-is-kept", "distance", "boundary"), ("margin-is-kept", "normalised", "normalised"),
    ):  # fmt: skip
        assert claim(id).check(found[name], statement).verdict is Verdict.REFUTED, (id, statement)


def test_half_of_the_weights_leave_the_boundary_where_it_was(pruned: pruning.Pruned) -> None:
    """The same check at 50 %: the effect of 90 % is refuted there, so it is no property of the procedure."""
    ratio = measured(pruned, 0.5)["boundary"]
    assert claim("pruning-costs").check(ratio, "boundary").verdict is Verdict.REFUTED
    assert np.mean(ratio) == pytest.approx(1, abs=0.05)


def test_networks_that_do_not_suffer_support_the_sentence_that_measurement_refutes() -> None:
    free = np.random.default_rng(0).normal(0, 0.005, 12)
    assert claim("pruned-was-free").check(free, "input-noise").verdict is Verdict.SUPPORTED
    assert claim("pruning-costs").check(free, "input-noise").verdict is Verdict.REFUTED
    assert claim("margin-is-kept").check(1 + free, "distance").verdict is Verdict.SUPPORTED
    assert claim("pruning-costs").check(0.06 + free, "clean").verdict is Verdict.REFUTED
