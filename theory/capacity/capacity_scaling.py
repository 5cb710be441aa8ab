"""How writable bits scale with load, and what trained networks have left beside random keys."""

import sympy as sp

from theory.capacity.load import free_share_law, log_law, overloaded, random_gaussian_keys
from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, instance, limit
from theory.evidence import Kind, Verdict
from theory.notation import (
    bits_per_item,
    bits_per_parameter,
    dim,
    doubling_loss,
    forgetting,
    free_share,
    item_forgetting,
    load,
    noise,
    share_by_data,
    share_by_size,
    share_excess,
)

_a = sp.Symbol("a", integer=True, positive=True)
_lambda = sp.IndexedBase("lambda", positive=True)
_level = (2 * forgetting + noise**2 * sp.Sum(_lambda[_a], (_a, 1, dim))) / dim
_trace = sp.Symbol("S", positive=True)
_constant = sp.log(1 + 2 * item_forgetting / noise**2) / (2 * sp.log(2))
_filled = Hypothesis("Every direction is filled, and no radius binds.")
_per_item = Hypothesis("The budget of forgetting grows with the items: $E/n$ is fixed.")

capacity_scaling = Claim(
    id="capacity-scaling",
    title="Total or per item: two budgets, two scalings",
    part="capacity",
    hypotheses=(random_gaussian_keys, overloaded, _filled),
    statements=(
        Statement(
            "fixed-total",
            sp.Eq(doubling_loss, sp.Rational(1, 2)),
            Kind.ASYMPTOTIC,
            "If all items together may be forgotten by $E$, each doubling of the load costs every parameter this many bits in "
            "the end, and more at first.",
            hypotheses=(
                Hypothesis(
                    "$E$ is fixed, and the noise is weak: $\\sigma^2\\sum_a\\lambda_a$ is negligible beside $E$ at all loads considered."
                ),
            ),
            size=load,
            rate=1.0,
            resolution=0.15,
        ),
        Statement(
            "per-item",
            sp.Eq(bits_per_parameter, _constant),
            Kind.ASYMPTOTIC,
            "If each item may be forgotten by $E/n$, a parameter keeps a constant number of bits, however many items there are.",
            hypotheses=(_per_item,),
            size=load,
            rate=1.0,
            resolution=0.15,
        ),
        Statement(
            "for-each-item",
            sp.Eq(bits_per_item, _constant / load),
            Kind.ASYMPTOTIC,
            "The same bits, divided among the items: for each item they fall as $1/\\alpha$.",
            hypotheses=(_per_item,),
            size=load,
            rate=1.0,
            resolution=0.15,
        ),
    ),
    derivation=Derivation(
        proof=(
            "With every direction filled, the best message has $\\psi_a = L/\\lambda_a - \\sigma^2$ at one level $L$; mean forgetting "
            "$\\frac12\\sum_a\\lambda_a\\psi_a = E$ sets it, where $S = \\sum_a \\lambda_a$ [level]. The bits for each parameter are "
            "$\\frac12\\log_2(L/\\sigma^2) - \\frac12\\langle\\log_2\\lambda\\rangle$. At fixed $E$ and weak noise $L$ tends to $2E/d$, which "
            "does not depend on the load [weak-noise]. So all that a doubling costs is half of the rise of "
            "$\\langle\\log_2\\lambda\\rangle$, which is known from the law of the load. It exceeds half a bit by an amount that falls as "
            "$1/\\alpha$ [doubling]. At fixed $E/n$ the trace matters: keys have unit length on average, so $S = n = \\alpha d$, and "
            "the level over noise and load is a constant [constant]. What is left is $\\frac12(\\log_2\\alpha - "
            "\\langle\\log_2\\lambda\\rangle)$; it also falls as $1/\\alpha$ [spread], because the more keys there are, the more alike the "
            "directions become. There are $\\alpha$ items for each parameter, and the third statement is the second, divided by $\\alpha$."
        ),
        steps=(
            instance(
                "level",
                "Twice the mean forgetting at this level.",
                sp.Eq(
                    sp.Sum(_lambda[_a] * (_level / _lambda[_a] - noise**2), (_a, 1, dim)),
                    2 * forgetting,
                    evaluate=False,
                ),
                {dim: 2},
                {dim: 3},
            ),
            limit(
                "weak-noise",
                "The level without noise.",
                (2 * forgetting + noise**2 * _trace) / dim,
                noise,
                0,
                2 * forgetting / dim,
            ),
            limit(
                "doubling",
                "In nats and twice over: what a doubling costs beyond $\\ln 2$, times the load.",
                load * (log_law.subs(load, 2 * load) - log_law - sp.log(2)),
                load,
                sp.oo,
                sp.Rational(1, 4),
            ),
            identity(
                "constant",
                "With $E = \\alpha d\\,(E/n)$ and $S = \\alpha d$.",
                (2 * load * dim * item_forgetting + noise**2 * load * dim) / dim / (noise**2 * load),
                1 + 2 * item_forgetting / noise**2,
            ),
            limit(
                "spread",
                "In nats, times the load.",
                load * (sp.log(load) - log_law),
                load,
                sp.oo,
                sp.Rational(1, 2),
            ),
        ),
    ),
    references=("marchenko1967",),
    counterexamples=(
        "The two budgets lead to opposite sentences about the same memory: room shrinks with every item, or it does not. "
        "State which budget is meant.",
        "At a fixed total budget the noise does not stay weak for ever: beyond some load steep directions are left out, and "
        "the loss per doubling is no longer that of a logarithm.",
        "Below load 1 there are null directions, which hold any number of bits up to the radius.",
    ),
)

_networks = (
    Hypothesis(
        "Networks with one hidden layer of tanh units are trained to classify the digits, from random starts on random items."
    ),
    Hypothesis(
        "The keys are the gradients $B_j^\\top J_j$ of the outputs of the training items, in the metric of the output Fisher "
        "information, scaled to unit length on average; the load counts $n(o-1)$ of them for each of $P$ parameters."
    ),
)

network_free_share = Claim(
    id="network-free-share",
    title="How free room moves with size, data and compression in trained networks",
    part="capacity",
    hypotheses=_networks,
    statements=(
        Statement(
            "above-random",
            sp.Ge(share_excess, 0),
            Kind.EMPIRICAL,
            "A trained network has at least the free share of random keys of the same load.",
            resolution=0.1,
        ),
        Statement(
            "size",
            sp.Ge(share_by_size, 0),
            Kind.EMPIRICAL,
            "A wider network trained on the same number of items has a larger free share.",
            resolution=0.1,
        ),
        Statement(
            "data",
            sp.Le(share_by_data, 0),
            Kind.EMPIRICAL,
            "A network trained on more items has a smaller free share.",
            resolution=0.1,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "A network that has not learnt its items is not at an optimum, and its curvature does not say what it may forget.",
        "With ReLU units, dead ones count as free. So do saturated outputs: confidence flattens the loss.",
    ),
)

network_load_law = Claim(
    id="network-load-law",
    title="False: a trained network has the free share of random keys",
    part="capacity",
    hypotheses=_networks,
    statements=(
        Statement(
            "law",
            sp.Eq(free_share, free_share_law),
            Kind.EMPIRICAL,
            "The tempting step from random keys to real ones: count items and parameters, and read the room off the law of the load. "
            "Gradients of real items crowd into few directions and leave much more.",
        ),
    ),
    derivation=None,
    references=("marchenko1967",),
    counterexamples=("Random keys of the same number and mean length do follow it.",),
    expected=Verdict.REFUTED,
)
