"""The claims of code stability: bounds worked by hand, and planted false versions on measured data."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import sympy as sp
import torch

from cls_toys import code_stability, kwta, winner_margins
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    backprop,
    code_product,
    code_size,
    dim,
    drive_drift,
    drive_sd,
    input_product,
    loser_rise,
    loss_change,
    loss_jump,
    loss_remainder,
    margin,
    mean_margin,
    n_changed,
    new_margin,
    output_error,
    overlap,
    readout_gap,
    readout_remainder,
    shared_step,
    smoothness,
    step_size,
    tied_drive,
    winner_drop,
)

Plant = Callable[..., Evidence]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("id", "statement", "symbols", "expected"),
    [
        ("masked-forgetting", "remainder", {"smoothness": 4, "shared_step": 0.5}, 0.5),
        ("masked-forgetting", "size", {"smoothness": 4, "shared_step": 0.5, "item_gradient": 3}, 2),
        ("masked-forgetting", "disjoint", {}, 0),
        ("code-stability", "margin", {"margin": 3, "winner_drop": 1, "loser_rise": 0.5}, 1.5),
        ("code-stability", "drift", {"step_size": 0.5, "backprop": 2, "input_product": 3}, 3),
        ("softmax-step", "upper", {"step_size": 0.5, "output_error": 2, "code_product": -3}, 2.25),
        ("softmax-step", "two-classes", {"step_size": 1, "output_error": 2**0.5, "code_product": np.arccosh(3)}, np.log(3)),
        ("winner-flip", "jump", {"tied_drive": 3, "readout_gap": 2**0.5}, 6),
        ("margin-law", "mean", {"dim": 10, "code_size": 5, "drive_sd": 2}, 0.2 * np.sqrt(2 * np.pi)),
        ("margin-law", "tail", {"margin_ratio": np.log(5)}, 0.2),
        ("margin-law", "exponential", {"code_size": 4, "drive_sd": 2}, 0.5),
    ],
)  # fmt: skip
def test_bounds_at_known_values(id: str, statement: str, symbols: dict[str, float], expected: float) -> None:
    np.testing.assert_allclose(claim(id).bound(statement, **symbols), expected, rtol=1e-12)


@pytest.fixture(name="steps", scope="module")
def steps_() -> pl.DataFrame:
    """Single steps of a trained network on new digits, measured at old ones."""
    return code_stability.survey([6, 30], 200, 25, 100, rate=0.3, learns=kwta.LEARNT, generator=rng())


@pytest.fixture(name="jumps", scope="module")
def jumps_() -> pl.DataFrame:
    inputs = torch.randn(2, 30, 6, generator=rng(8)).double()
    old, new = (code_stability.Task(each, torch.arange(30) % 2) for each in inputs)
    network = kwta.start(inputs[0], 30, 2, 4, generator=rng(8))
    return code_stability.jumps(network, new, old, rate=0.4).filter(pl.col("n_changed") == 2)


def given(rows: pl.DataFrame, *names: str) -> dict[str, pl.Series]:
    return {name: rows[name] for name in names}


def of_step(steps: pl.DataFrame, jumps: pl.DataFrame, plant: Plant) -> dict[str, tuple[Evidence, Evidence]]:
    """By name: the true statement, and the false one beside it, on the same measurements."""
    stay = steps.filter(pl.col("n_changed") == 0)
    remainder = (stay["loss_change"] - stay["first_order"]).abs()
    shared = given(stay, "smoothness", "shared_step")
    frozen = steps.filter(pl.col("learn") == "readout")
    beyond = frozen["loss_change"] + frozen["step_size"] * frozen["error_product"] * frozen["code_product"]
    one = given(frozen, "step_size", "output_error", "code_product")
    square = (step_size * output_error * code_product) ** 2
    two = code_stability.pairs(*code_stability.undecided(20, 3, 20, generator=rng(4)), rate=0.5, learn="readout")
    of_two = two["loss_change"] + two["step_size"] * two["error_product"] * two["code_product"]
    moved = steps.filter(pl.col("learn") != "readout")
    drift = moved.select(pl.max_horizontal("winner_drop", "loser_rise")).to_series()
    reach = step_size * backprop * input_product
    of_drift = given(moved, "step_size", "backprop", "input_product")
    moves = given(moved, "margin", "winner_drop", "loser_rise")
    exact = winner_margins.by_size([40 * 2**i for i in range(8)], 0.05, [])
    of_mean = {**given(exact, "dim", "code_size"), "drive_sd": 1.0, "statement": {"size": dim, "rate": 1.0}}
    theta = sp.sqrt(2) * sp.erfcinv(2 * code_size / dim)
    density = sp.exp(-(theta**2) / 2) / sp.sqrt(2 * sp.pi)
    drawn = np.stack([winner_margins.drawn(20, k, 20000, "exponential", generator=rng(k)) for k in (2, 5)])
    of_exponential = {"code_size": [2, 5], "dim": 20, "drive_sd": 1.0}
    return {
        "only a hundredth of the curvature": (
            plant(sp.Le(loss_remainder, smoothness * shared_step**2 / 2), Kind.EXACT, remainder, **shared),
            plant(sp.Le(loss_remainder, smoothness * shared_step**2 / 200), Kind.EXACT, remainder, **shared),
        ),
        "an eighth in place of a quarter, where it is sharp": (
            plant(sp.Le(readout_remainder, square / 4), Kind.EXACT, of_two, **given(two, "step_size", "output_error", "code_product")),
            plant(sp.Le(readout_remainder, square / 8), Kind.EXACT, of_two, **given(two, "step_size", "output_error", "code_product")),
        ),
        "first order is an upper bound": (
            plant(sp.Ge(readout_remainder, sp.Integer(0), evaluate=False), Kind.EXACT, beyond),
            plant(sp.Le(readout_remainder, sp.Integer(0), evaluate=False), Kind.EXACT, beyond),
        ),
        "linear in the product of the codes": (
            plant(sp.Le(readout_remainder, square / 4), Kind.EXACT, beyond, **one),
            plant(sp.Le(readout_remainder, square**2 / 4), Kind.EXACT, beyond, **one),
        ),
        "two classes without the root of two": (
            plant(sp.Eq(readout_remainder, sp.log(sp.cosh(step_size * code_product * output_error / sp.sqrt(2)))), Kind.EXACT, of_two, **given(two, "step_size", "output_error", "code_product")),
            plant(sp.Eq(readout_remainder, sp.log(sp.cosh(step_size * code_product * output_error))), Kind.EXACT, of_two, **given(two, "step_size", "output_error", "code_product")),
        ),
        "only rising losers count": (
            plant(sp.Ge(new_margin, margin - winner_drop - loser_rise), Kind.EXACT, moved["new_margin"], **moves),
            plant(sp.Ge(new_margin, margin - loser_rise), Kind.EXACT, moved["new_margin"], **given(moved, "margin", "loser_rise")),
        ),
        "half of the reach": (
            plant(sp.Le(drive_drift, reach), Kind.EXACT, drift, **of_drift),
            plant(sp.Le(drive_drift, reach / 2), Kind.EXACT, drift, **of_drift),
        ),
        "a jump without the root of two": (
            plant(sp.Le(loss_jump, sp.sqrt(2) * tied_drive * readout_gap), Kind.EXACT, jumps["loss_jump"], **given(jumps, "tied_drive", "readout_gap")),
            plant(sp.Le(loss_jump, tied_drive * readout_gap / 3), Kind.EXACT, jumps["loss_jump"], **given(jumps, "tied_drive", "readout_gap")),
        ),
        "a margin that does not know the density": (
            plant(sp.Eq(mean_margin, drive_sd / (dim * density)), Kind.ASYMPTOTIC, exact["mean_margin"], **of_mean),
            plant(sp.Eq(mean_margin, drive_sd / (code_size * theta)), Kind.ASYMPTOTIC, exact["mean_margin"], **of_mean),
        ),
        "an exponential margin of mean one over the losers": (
            plant(sp.Eq(mean_margin, drive_sd / code_size), Kind.EXPECTATION, drawn, **of_exponential),
            plant(sp.Eq(mean_margin, drive_sd / (dim - code_size)), Kind.EXPECTATION, drawn, **of_exponential),
        ),
    }  # fmt: skip


def test_planted_false_claims_are_refuted_where_the_true_ones_are_supported(
    steps: pl.DataFrame, jumps: pl.DataFrame, plant: Plant
) -> None:
    for name, (true, false) in of_step(steps, jumps, plant).items():
        assert true.verdict is Verdict.SUPPORTED, (name, true.reason)
        assert false.verdict is Verdict.REFUTED, (name, false.reason)


def test_half_of_the_margin_is_not_needed_and_none_is_not_enough(steps: pl.DataFrame, plant: Plant) -> None:
    moved = steps.filter(pl.col("learn") != "readout")
    moves = pl.col("winner_drop") + pl.col("loser_rise")
    for within, verdict in (
        (moves < pl.col("margin"), Verdict.SUPPORTED),
        (moves < 30 * pl.col("margin"), Verdict.REFUTED),
    ):
        rows = moved.filter(within)
        found = plant(sp.Eq(n_changed, sp.Integer(0), evaluate=False), Kind.EXACT, rows["n_changed"])
        assert found.verdict is verdict


def test_the_conditions_are_hypotheses_and_not_decoration(steps: pl.DataFrame) -> None:
    stable, apart = claim("code-stability"), steps.filter(pl.col("overlap") == 0)
    names = ("overlap", "step_size", "backprop", "input_product", "margin")
    outside = stable.check(apart["loss_change"], "forgetting", **given(apart, *names))
    assert outside.verdict is Verdict.NOT_APPLICABLE
    certain = apart.filter(pl.col("step_size") * pl.col("backprop") * pl.col("input_product") < pl.col("margin"))
    assert len(certain) > 100
    assert stable.check(certain["loss_change"], "forgetting", **given(certain, *names)).verdict is Verdict.SUPPORTED
    sharing = steps.filter(pl.col("overlap") > 0)
    assert (
        stable.check(sharing["loss_change"], "forgetting", **given(sharing, *names)).verdict is Verdict.NOT_APPLICABLE
    )


def test_the_popular_sentence_is_refuted_where_hidden_weights_learn_and_true_where_they_do_not(
    steps: pl.DataFrame, plant: Plant
) -> None:
    popular, zero = claim("disjoint-zero-forgetting"), sp.Eq(loss_change, sp.Integer(0), evaluate=False)
    apart = steps.filter(pl.col("overlap") == 0)
    hidden, frozen = apart.filter(pl.col("learn") == "both"), apart.filter(pl.col("learn") == "readout")
    assert popular.check(hidden["loss_change"], "hidden", overlap=hidden["overlap"]).verdict is Verdict.REFUTED
    assert plant(zero, Kind.EXACT, frozen["loss_change"]).verdict is Verdict.SUPPORTED
    assert overlap.name == "overlap"


def test_smoothness_is_refuted_by_pairs_whose_winners_change(steps: pl.DataFrame, jumps: pl.DataFrame) -> None:
    smooth, both = claim("smooth-winners"), steps.filter(pl.col("learn") == "both")
    remainder = (both["loss_change"] - both["first_order"]).abs()
    assert smooth.check(remainder, "bound", **given(both, "smoothness", "shared_step")).verdict is Verdict.REFUTED
    assert smooth.check(jumps["loss_jump"], "continuous").verdict is Verdict.REFUTED
    stay = both.filter(pl.col("n_changed") == 0)
    remainder = (stay["loss_change"] - stay["first_order"]).abs()
    assert smooth.check(remainder, "bound", **given(stay, "smoothness", "shared_step")).verdict is Verdict.SUPPORTED
