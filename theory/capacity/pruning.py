"""What pruning removes was good for something: the same networks, unpruned and pruned, beyond clean test items."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.evidence import Kind, Verdict
from theory.notation import (
    absolute_excess,
    clean_cost,
    distance_ratio,
    noise_excess,
    normalised_ratio,
    relative_excess,
)

_networks = (
    Hypothesis(
        "Networks of 64 hidden rectified units read digits, trained by Adam at a learning rate of 0.01; 90 % of the weights of the hidden layer, those of least "
        "magnitude, are removed, and the rest is fine-tuned. Costs are paired: the unpruned partner starts from the same "
        "trained network and is tuned on the same items in the same order."
    ),
    Hypothesis("The effects were fixed beforehand, on sixteen networks of other seeds, and are tested on new ones."),
)
_input_noise = "Gaussian noise of standard deviation 0.3 on every pixel, cut off at the range of a grey level, 0 to 1"
_weight_noise = "Gaussian noise on the surviving weights of the hidden layer, half as large as their own mean magnitude"

pruning_costs = Claim(
    id="pruning-costs",
    title="Nine weights in ten can go, and the network is more fragile",
    part="capacity",
    hypotheses=_networks,
    statements=(
        Statement(
            "clean",
            sp.Le(clean_cost, sp.Rational(3, 100)),
            Kind.EMPIRICAL,
            "On clean test items pruning costs at most three points of accuracy.",
            resolution=1.0,
        ),
        Statement(
            "input-noise",
            sp.Ge(noise_excess, sp.Rational(3, 100)),
            Kind.EMPIRICAL,
            f"Under input noise it costs at least three points more than that ({_input_noise}).",
            resolution=2.0,
        ),
        Statement(
            "relative",
            sp.Ge(relative_excess, sp.Rational(2, 100)),
            Kind.EMPIRICAL,
            f"Under weight noise of relative scale it costs at least two points more ({_weight_noise}).",
            resolution=1.5,
        ),
        Statement(
            "absolute",
            sp.Le(absolute_excess, sp.Integer(0)),
            Kind.EMPIRICAL,
            "Under weight noise of one absolute scale, half the mean magnitude of the *unpruned* weights, it costs no more than "
            "on clean items.",
            resolution=0.02,
        ),
        Statement(
            "boundary",
            sp.Le(distance_ratio, sp.Rational(9, 10)),
            Kind.EMPIRICAL,
            "Test items lie nearer to the decision boundary: their mean distance to first order shrinks by a tenth or more.",
            resolution=0.2,
        ),
    ),
    derivation=None,
    references=("frankle2019",),
    counterexamples=(
        "The scale of weight noise is a choice. Pruning leaves fewer and larger weights, so noise in proportion to them is "
        "larger, too; noise of a fixed scale meets fewer weights, and does less harm than before.",
        "How much input noise reveals depends on the training. Networks trained at a small learning rate lose less to pruning "
        "under noise.",
        "Rotated and occluded digits are not noise: no cost beyond the clean one was found there at 90 %.",
        "Without fine-tuning pruning is far from free on clean items, too. Weights kept at random places cost more than the largest.",
    ),
)

pruned_was_free = Claim(
    id="pruned-was-free",
    title="False: what pruning removes was free",
    part="capacity",
    hypotheses=_networks,
    statements=(
        Statement(
            "input-noise",
            sp.Le(noise_excess, sp.Integer(0)),
            Kind.EMPIRICAL,
            "If it was free, then under input noise, too, pruning costs no more than on clean items.",
            resolution=0.05,
        ),
        Statement(
            "weight-noise",
            sp.Le(relative_excess, sp.Integer(0)),
            Kind.EMPIRICAL,
            "And so under weight noise in proportion to the weights.",
            resolution=0.05,
        ),
    ),
    derivation=None,
    references=("frankle2019",),
    counterexamples=("What a clean test set does not use is not unused: it kept noise from the outputs.",),
    expected=Verdict.REFUTED,
)

margin_is_kept = Claim(
    id="margin-is-kept",
    title="False: pruning does not lower the margin",
    part="capacity",
    hypotheses=_networks,
    statements=(
        Statement(
            "distance",
            sp.Ge(distance_ratio, sp.Integer(1)),
            Kind.EMPIRICAL,
            "Test items are as far from the decision boundary as they were, to first order.",
        ),
        Statement(
            "normalised",
            sp.Ge(normalised_ratio, sp.Integer(1)),
            Kind.EMPIRICAL,
            "The label's output leads the next by as much as it did, relative to the length of all outputs.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=("The margin of the outputs as they are depends on their scale, and says nothing about distance.",),
    expected=Verdict.REFUTED,
)
