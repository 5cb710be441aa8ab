"""The claims about networks: values worked by hand, and false versions that measurement catches."""

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
import torch

from cls_toys import finite, first_order, tangent
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    length_inverse,
    leverage,
    mean_collateral,
    n_features,
    n_items,
    n_outputs,
    rank,
    root_writability,
    sum_best,
    tangent_rank,
    weight_rank,
    writability,
)

Plant = Callable[..., Evidence]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("id", "statement", "symbols", "expected"),
    [
        ("tangent-budget", "mean", {"n_items": 60, "n_outputs": 1, "rank": 21}, 60 / 21 - 1),
        ("tangent-budget", "mean", {"n_items": 40, "n_outputs": 3, "rank": 43}, 120 / 43 - 1),
        ("tangent-budget", "parameters", {"n_items": 60, "n_outputs": 2, "n_parameters": 30}, 3),
        ("tangent-budget", "exact-hit", {"n_items": 10, "n_outputs": 2, "rank": 5}, 3),
        ("softmax-rank", "rank", {"n_outputs": 4, "rank": 5}, 15),
        ("symmetry-rank", "relu", {"n_parameters": 21, "n_hidden": 4}, 17),
        ("symmetry-rank", "autoencoder", {"n_features": 20, "weight_rank": 5}, 90),
        ("symmetry-rank", "autoencoder", {"n_features": 3, "weight_rank": 3}, 6),
        ("finite-writes", "item", {"leverage": 0.25, "off_tangent": 0}, 0.5),
        ("finite-writes", "item", {"leverage": 0.36, "off_tangent": 0.8}, 1),  # a 3-4-5 triangle: all that there is
        ("finite-writes", "item", {"leverage": 0.64, "off_tangent": 0.8}, 0.96),
        ("finite-writes", "sum", {"tangent_rank": 0, "norm_off_tangent": 2}, 4),
        ("finite-writes", "sum", {"tangent_rank": 4, "norm_off_tangent": 1}, 9),
        ("finite-writes", "curvature", {"curvature": 4, "write_norm": 3, "change_norm": 36}, 0.5),
    ],
)
def test_bounds_at_known_values(id: str, statement: str, symbols: dict[str, float], expected: float) -> None:
    np.testing.assert_allclose(claim(id).bound(statement, **symbols), expected, rtol=1e-12)


def caught(true: Evidence, false: Evidence) -> None:
    assert true.verdict is Verdict.SUPPORTED, true.reason
    assert false.verdict is Verdict.REFUTED, false.reason


def test_the_best_direction_does_not_obey_the_bound_of_all_outputs(plant: Plant) -> None:
    network, inputs = first_order.regression((4, 5, 3), "tanh", 40, generator=rng())
    features = tangent.features(network, inputs)
    best = tangent.best_directions(features)[0]
    sizes = {"n_items": 40, "n_outputs": 3, "rank": 43}
    caught(
        claim("tangent-budget").check(float(tangent.exact_hit(features).mean()), "exact-hit", **sizes),
        plant(
            sp.Ge(mean_collateral, n_items * n_outputs / rank - 1), Kind.EXACT, float((1 / best - 1).mean()), **sizes
        ),
    )


def test_the_outputs_of_an_item_are_not_one_item(plant: Plant) -> None:
    network, inputs = first_order.regression((4, 5, 3), "tanh", 40, generator=rng())
    best = float(tangent.best_directions(tangent.features(network, inputs))[0].sum())
    caught(
        claim("tangent-budget").check(best, "best-direction", rank=43),
        plant(sp.Le(sum_best, rank / n_outputs), Kind.EXACT, best, rank=43, n_outputs=3),
    )


def test_a_finite_write_does_not_obey_its_leverage(plant: Plant) -> None:
    network, inputs = first_order.regression((3, 4, 1), "tanh", 60, generator=rng(), steps=50)
    writes = finite.judge(network, inputs, finite.search(network, inputs, 1.0, steps=600))
    root, symbols = writes["writability"].sqrt(), {"leverage": writes["leverage"]}
    caught(
        claim("finite-writes").check(root, "item", off_tangent=writes["off_tangent"], **symbols),
        plant(sp.Le(root_writability, sp.sqrt(leverage)), Kind.EXACT, root, **symbols),
    )


def test_the_error_of_small_writes_falls_at_first_order(plant: Plant) -> None:
    network, inputs = first_order.regression((3, 4, 1), "tanh", 60, generator=rng(), steps=50)
    shrinking = finite.shrinking(network, inputs, 10.0 ** -np.arange(1.5, 5.2, 0.4))
    symbols = {"length_inverse": shrinking["length_inverse"], "leverage": shrinking["leverage"]}
    caught(
        claim("tangent-budget").check(shrinking["writability"], "infinitesimal", **symbols),
        plant(
            sp.Eq(writability, leverage), Kind.ASYMPTOTIC, shrinking["writability"],
            statement={"size": length_inverse, "rate": 2}, **symbols,
        ),
    )  # fmt: skip


def test_rotations_of_the_hidden_units_are_missed(plant: Plant) -> None:
    ranks = first_order.autoencoder_ranks(generator=rng())
    symbols = {"n_features": ranks["n_features"], "weight_rank": ranks["weight_rank"]}
    caught(
        claim("symmetry-rank").check(ranks["tangent_rank"], "autoencoder", **symbols),
        plant(sp.Eq(tangent_rank, n_features * weight_rank), Kind.EXACT, ranks["tangent_rank"], **symbols),
    )


def test_impossible_fractions_are_not_judged() -> None:
    evidence = claim("finite-writes").check([0.5], "item", leverage=1.2, off_tangent=0.1)
    assert evidence.verdict is Verdict.NOT_APPLICABLE
    assert "as they always are" in evidence.reason
