"""The claims of indices of separation: values worked by hand, and planted false versions on measured data."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import sympy as sp
import torch

from cls_toys import code_stability, keys, probes, separation_metrics
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    abs_gradient_overlap,
    backprop_product,
    code_height,
    code_product,
    code_size,
    column_norm,
    dim,
    error_product,
    expected_cosine,
    expected_square_cosine,
    gradient_overlap,
    inverse_step,
    jaccard,
    loss_change,
    mean_square_cosine,
    n_items,
    other_code_height,
    other_error,
    other_shared_backprop,
    other_sparseness,
    output_error,
    overlap,
    participation,
    shared_backprop,
    signed_input_product,
    sparseness,
)

Plant = Callable[..., Evidence]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


ONE = {"output_error": 1, "other_error": 2, "code_product": -3, "signed_input_product": -5}


@pytest.mark.parametrize(
    ("id", "statement", "symbols", "expected"),
    [
        ("gradient-overlap", "kernel", {"error_product": 2, "code_product": 3, "signed_input_product": -1, "backprop_product": 4}, 2),
        ("gradient-overlap", "first-order", {"gradient_overlap": 3, "inverse_step": 10}, -0.3),
        ("gradient-overlap", "product", {**ONE, "shared_backprop": 0.5, "other_shared_backprop": 0.2}, 6.5),
        ("gradient-overlap", "count", {"output_error": 1, "other_error": 2, "code_height": 3, "other_code_height": 0.5, "signed_input_product": -5, "column_norm": 2, "overlap": 4}, 172),
        ("permutation-identity", "square", {"sparseness": 0.5, "other_sparseness": 0.25, "dim": 4}, 0.25),
        ("permutation-identity", "mean", {"sparseness": 0.5, "other_sparseness": 0.125}, 0.25),
        ("participation-ratio", "identity", {"n_items": 11, "participation": 2}, 0.45),
        ("participation-ratio", "floor", {"n_items": 5, "dim": 2}, 0.375),
        ("participation-ratio", "attained", {"n_items": 3, "dim": 2}, 0.25),  # three vectors at 120 degrees
        ("overlap-and-jaccard", "jaccard", {"code_size": 3, "jaccard": 0.2}, 1),
        ("centred-participation", "average", {"n_items": 11, "centred_participation": 2}, 0.45),
    ],
)  # fmt: skip
def test_bounds_at_known_values(id: str, statement: str, symbols: dict[str, float], expected: float) -> None:
    np.testing.assert_allclose(claim(id).bound(statement, **symbols), expected, rtol=1e-12)


@pytest.fixture(name="steps", scope="module")
def steps_() -> pl.DataFrame:
    found = separation_metrics.survey([6, 40], 100, 15, 80, rate=0.01, centred=True, generator=rng())
    return found.filter(pl.col("hidden_layer") == "learnt")


def given(rows: pl.DataFrame, *symbols: sp.Symbol) -> dict[str, pl.Series]:
    return {symbol.name: rows[symbol.name] for symbol in symbols}


def test_planted_false_claims_are_refuted_where_the_true_ones_are_supported(steps: pl.DataFrame, plant: Plant) -> None:
    measured = steps["gradient_overlap"]
    of_kernel = given(steps, error_product, code_product, signed_input_product, backprop_product)
    readout = error_product * code_product
    kernel = readout + signed_input_product * backprop_product
    lengths = output_error * other_error * sp.Abs(code_product)
    hidden = sp.Abs(signed_input_product) * shared_backprop * other_shared_backprop
    of_product = given(
        steps, output_error, other_error, code_product, signed_input_product, shared_backprop, other_shared_backprop
    )
    of_count = given(
        steps, output_error, other_error, code_height, other_code_height, signed_input_product, column_norm, overlap
    )
    count = (
        output_error * other_error * (code_height * other_code_height + sp.Abs(signed_input_product) * column_norm**2)
    )
    pair = separation_metrics.graded(12, generator=rng(3))["exponential"]
    cosines = separation_metrics.permuted(*pair, 60000, generator=rng(4))
    s, t = probes.treves_rolls(pair).tolist()
    chance = {"sparseness": s, "other_sparseness": t, "dim": 12}
    both = sparseness * other_sparseness
    rest = (1 - sparseness) * (1 - other_sparseness)
    code = keys.gaussian(30, 10, generator=rng(5))
    ratio = {"n_items": 30, "participation": probes.participation_ratio(separation_metrics.unit(code), centred=False)}
    cosine = [probes.mean_square_cosine(code)]
    frame = [probes.mean_square_cosine(keys.harmonic_frame(12, 5))]
    counted = separation_metrics.counted(100, 30, [6, 12], generator=rng(6))
    of_counted = given(counted, code_size, jaccard)
    old, new = code_stability.two_tasks(True, generator=rng(7))
    network = code_stability.trained(old, 60, 6, generator=rng(7))
    small = separation_metrics.ever_smaller_steps(network, new, old.head(80), [0.1 / 2**i for i in range(10)])
    of_small = {**given(small, inverse_step, gradient_overlap), "statement": {"size": inverse_step, "rate": 1.0}}
    relative = {"statement": {"resolution": 0.1}}
    planted = {
        "the readout alone": (
            plant(sp.Eq(gradient_overlap, kernel), Kind.EXACT, measured, **of_kernel),
            plant(sp.Eq(gradient_overlap, readout), Kind.EXACT, measured, **given(steps, error_product, code_product)),
        ),
        "a bound that forgets the hidden weights": (
            plant(sp.Le(abs_gradient_overlap, lengths + hidden), Kind.EXACT, measured.abs(), **of_product),
            plant(sp.Le(abs_gradient_overlap, lengths / 2), Kind.EXACT, measured.abs(), **given(steps, output_error, other_error, code_product)),
        ),
        "overlap squared": (
            plant(sp.Le(abs_gradient_overlap, count * overlap), Kind.EXACT, measured.abs(), **of_count),
            plant(sp.Le(abs_gradient_overlap, count * overlap**2 / 400), Kind.EXACT, measured.abs(), **of_count),
        ),
        "a step half as large": (
            plant(sp.Eq(loss_change, -gradient_overlap / inverse_step), Kind.ASYMPTOTIC, small["loss_change"], **of_small),
            plant(sp.Eq(loss_change, -gradient_overlap / (2 * inverse_step)), Kind.ASYMPTOTIC, small["loss_change"], **of_small),
        ),
        "d in place of d - 1": (
            plant(sp.Eq(expected_square_cosine, both + rest / (dim - 1)), Kind.EXPECTATION, cosines**2, **chance, **relative),
            plant(sp.Eq(expected_square_cosine, both + rest / (dim + 1)), Kind.EXPECTATION, cosines**2, **chance, **relative),
        ),
        "the square of the mean": (
            plant(sp.Eq(expected_cosine, sp.sqrt(both)), Kind.EXPECTATION, cosines, **chance, **relative),
            plant(sp.Eq(expected_square_cosine, both), Kind.EXPECTATION, cosines**2, **chance, **relative),
        ),
        "n in place of n - 1": (
            plant(sp.Eq(mean_square_cosine, (n_items / participation - 1) / (n_items - 1)), Kind.EXACT, cosine, **ratio),
            plant(sp.Eq(mean_square_cosine, (n_items / participation - 1) / n_items), Kind.EXACT, cosine, **ratio),
        ),
        "a floor of one over the dimension": (
            plant(sp.Ge(mean_square_cosine, (n_items / dim - 1) / (n_items - 1)), Kind.EXACT, frame, n_items=12, dim=5),
            plant(sp.Ge(mean_square_cosine, 1 / dim), Kind.EXACT, frame, n_items=12, dim=5),
        ),
        "jaccard over the size": (
            plant(sp.Eq(overlap, 2 * code_size * jaccard / (1 + jaccard)), Kind.EXACT, counted["overlap"], **of_counted),
            plant(sp.Eq(overlap, code_size * jaccard), Kind.EXACT, counted["overlap"], **of_counted),
        ),
    }  # fmt: skip
    for name, (true, false) in planted.items():
        assert true.verdict is Verdict.SUPPORTED, (name, true.reason)
        assert false.verdict is Verdict.REFUTED, (name, false.reason)


def test_one_item_has_no_pair_and_is_outside_the_hypotheses() -> None:
    found = claim("participation-ratio").check([0.0], n_items=1, participation=1.0)
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert (
        claim("permutation-identity").check([[0.1, 0.2, 0.3]], sparseness=1, other_sparseness=1, dim=1).verdict
        is Verdict.NOT_APPLICABLE
    )
    few = claim("participation-ratio").check([0.0], "attained", n_items=3, dim=5)
    assert few.verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("kind", ["sparse, random", "sparse, all alike"])
def test_sparse_codes_interfere_little_if_they_are_random_and_only_then(kind: str) -> None:
    code = separation_metrics.families(40, 200, 10, generator=rng())[kind]
    measured = probes.mean_square_cosine(code)
    found = claim("sparseness-bounds-interference").check([measured], n_items=40, code_activity=0.05)
    assert found.verdict is (Verdict.SUPPORTED if kind == "sparse, random" else Verdict.REFUTED)


def test_the_centred_ratio_is_refuted_by_a_constant() -> None:
    table = separation_metrics.shifted(40, 30, [0.5, 2.0], generator=rng())
    found = claim("centred-participation").check(
        table["square_cosine"], n_items=40, centred_participation=table["centred_participation"]
    )
    assert found.verdict is Verdict.REFUTED
    true = claim("participation-ratio").check(table["square_cosine"], n_items=40, participation=table["participation"])
    assert true.verdict is Verdict.SUPPORTED


def test_the_story_across_networks_could_be_supported() -> None:
    """The check can say yes: forgetting that follows the overlap."""
    rows = [
        {"inputs": "raw", "hidden_layer": "learnt", "network": n, "code_size": k, "square_cosine": k / 100, "forgetting": k + n / 10}
        for n in range(4)
        for k in (4, 8, 20)
    ]  # fmt: skip
    story, table = claim("less-overlap-less-forgetting"), pl.DataFrame(rows)
    turned = table.with_columns(-pl.col("forgetting"))
    for found, verdict in ((table, Verdict.SUPPORTED), (turned, Verdict.REFUTED)):
        gaps = separation_metrics.gaps(found)
        at = {"cosine_gap": gaps["cosine_gap"].mean(), "dim": 200}
        assert story.check(gaps["forgetting_gap"], **at).verdict is verdict
        assert story.check(gaps["forgetting_gap"], **at | {"dim": 50}).verdict is Verdict.NOT_APPLICABLE
        assert story.check(gaps["forgetting_gap"], **at | {"cosine_gap": 0.1}).verdict is Verdict.NOT_APPLICABLE
