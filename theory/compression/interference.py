"""Interference of active items: its tail for random keys, and what sparse activity does to it."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, instance, limit
from theory.evidence import Kind, Verdict
from theory.notation import (
    K,
    activity,
    blast_radius,
    compression,
    dim,
    entry,
    exceedance,
    interference,
    items_mean_square,
    latex,
    mean_excess,
    mean_square,
    n_active,
    n_items,
    overlap_sum,
    rank,
    threshold,
)

LEVEL = sp.Rational(1, 20)  # of the high-probability statement
_m = sp.Symbol("m", integer=True, positive=True)
_more = sp.Symbol("m", integer=True, nonnegative=True)
_t = sp.Symbol("t", real=True)
_u = sp.Symbol("u", positive=True)
_j, _l = sp.symbols("j l", integer=True, positive=True)
_overlap = sp.IndexedBase("G", real=True)
_variance = n_active / dim
_scale = threshold * sp.sqrt(2 * sp.pi * _variance)


def tail(variance: sp.Expr) -> sp.Expr:
    """Bound on the probability that an interference of this sub-Gaussian variance exceeds the threshold on either side."""
    return 2 * sp.exp(-(threshold**2) / (2 * variance))


def excess(variance: sp.Expr) -> sp.Expr:
    """Bound on its mean squared excess over the threshold."""
    return 2 * variance * sp.exp(-(threshold**2) / (2 * variance))


def even_moment(power: sp.Expr) -> sp.Expr:
    """Of a coordinate of a unit vector, up to a norm; the share of the sphere at angle t is as a power of its sine."""
    return sp.Integral(sp.cos(_t) ** power * sp.sin(_t) ** (dim - 2), (_t, 0, sp.pi))


_sharp = excess(_variance) - _scale * sp.erfc(threshold / sp.sqrt(2 * _variance))
_antiderivative = -2 * _variance * sp.exp(-((threshold + _u) ** 2) / (2 * _variance)) - _scale * sp.erf(
    (threshold + _u) / sp.sqrt(2 * _variance)
)

interference_tail = Claim(
    id="interference-tail",
    title="Interference of random keys has a Gaussian tail",
    part="compression",
    hypotheses=(
        Hypothesis(
            "The keys are independent, each uniform on the unit sphere or with independent coordinates $\\pm 1/\\sqrt d$."
        ),
        Hypothesis(
            "Beside item $i$, $k_\\zeta$ other items are active. Which ones, and with what amplitudes $\\omega_j$ of size at most 1, "
            "is chosen independently of the keys. The interference is $\\zeta_i = \\sum_j \\omega_j \\langle k_i, k_j \\rangle$."
        ),
    ),
    statements=(
        Statement(
            "tail",
            sp.Le(exceedance, tail(_variance)),
            Kind.EXPECTATION,
            "The probability that the interference exceeds a threshold falls exponentially in the dimension. A probability is "
            "the mean of its event, and is measured as such.",
            resolution=0.1,
        ),
        Statement(
            "high-probability",
            sp.Le(interference, sp.sqrt(2 * _variance * sp.log(2 / LEVEL))),
            Kind.HIGH_PROBABILITY,
            f"In other words: except with probability ${latex(LEVEL)}$ it is at most this. For another probability $\\eta$ put "
            "$2/\\eta$ under the logarithm.",
            probability=float(LEVEL),
        ),
        Statement(
            "variance",
            sp.Eq(mean_square, _variance),
            Kind.EXPECTATION,
            "Its mean square, which a linear readout lets through, is known exactly.",
            hypotheses=(Hypothesis("All amplitudes have size 1."),),
            resolution=0.03,
        ),
        Statement(
            "excess",
            sp.Le(mean_excess, excess(_variance)),
            Kind.EXPECTATION,
            "What a threshold lets through is exponentially less.",
            resolution=0.1,
        ),
        Statement(
            "sharp-excess",
            sp.Le(mean_excess, _sharp),
            Kind.EXPECTATION,
            "It is less still; the statement before this one drops the second term.",
            resolution=0.2,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Given $k_i$, the interference is a sum of $k_\\zeta$ independent terms $\\omega_j u_j$, where $u_j$ is the coordinate along "
            "$k_i$ of a random unit vector. Odd moments of $u$ vanish by symmetry. For the even ones take a standard Gaussian "
            "vector $g$. Its length and its direction are independent, so a moment of $g_1$ is that of $u$ times that of "
            "$\\|g\\|$. From the moment of order $2m-2$ to that of order $2m$, the moment of $g_1$ grows by the factor $2m-1$ and "
            "that of $\\|g\\|$ by $d+2m-2$, so that of $u$ grows by their quotient [moment-ratio]. For $m = 1$ this says "
            "$\\mathbb{E}\\,u^2 = 1/d$, and $k_\\zeta$ independent terms of amplitude $\\pm 1$ have the variance $k_\\zeta/d$. No factor exceeds "
            "$(2m-1)/d$ [slower], so $\\mathbb{E}\\,u^{2m}/(2m)!$ is at most $(2m-1)!!/((2m)!\\,d^m)$, which is $1/(m!\\,(2d)^m)$ "
            "[double-factorial]. Term by term, then, $\\mathbb{E}\\,e^{tu} \\leq e^{t^2/2d}$. Keys of random signs have "
            "$\\mathbb{E}\\,e^{tu} = \\cosh(t/d)^d$, and as $1/(2m)! \\leq 1/(2^m m!)$ the same bound holds for them. An amplitude "
            "of size at most 1 makes $t$ no larger, so $\\mathbb{E}\\,e^{t\\zeta} \\leq e^{t^2 k_\\zeta/2d}$. Markov's inequality bounds "
            "$\\Pr(\\zeta > \\tau)$ by $e^{-t\\tau + t^2 k_\\zeta/2d}$ for any $t > 0$; the best is $t = \\tau d/k_\\zeta$ [markov]. As $-\\zeta$ "
            "obeys the same bound, the tail follows, with a factor of 2. Solved for the threshold it is the second statement. For "
            "the excess, $(\\zeta-\\tau)_+^2$ is the integral of $2u$ over all $u > 0$ with $\\tau + u < \\zeta$. Take the mean, and "
            "bound the probability of $\\zeta > \\tau + u$ by $e^{-(\\tau+u)^2 d/2k_\\zeta}$. The integrand is then the derivative of "
            f"${latex(_antiderivative)}$ [antiderivative], which has a limit at infinity [at-infinity]. Less its value at 0 that "
            "is the sharp statement [whole]. The term that it subtracts is positive, and may be dropped."
        ),
        steps=(
            instance(
                "moment-ratio",
                "One even moment over the one before; the share of the sphere at angle $t$ is as $\\sin^{d-2} t$.",
                sp.Eq(even_moment(2 * _m) / even_moment(2 * _m - 2), (2 * _m - 1) / (dim + 2 * _m - 2), evaluate=False),
                {_m: 1, dim: 2},
                {_m: 1, dim: 3},
                {_m: 2, dim: 3},
            ),
            inequality(
                "slower",
                "With $m + 1$ for $m$, the factor is at most that of a Gaussian of variance $1/d$.",
                (2 * _more + 1) / dim,
                (2 * _more + 1) / (dim + 2 * _more),
                2 * _more * (2 * _more + 1) / (dim * (dim + 2 * _more)),
            ),
            identity(
                "double-factorial",
                "The odd numbers up to $2m-1$ over the factorial, with $(2m-1)!! = 2^m\\,\\Gamma(m+\\frac12)/\\sqrt\\pi$.",
                2**_m * sp.gamma(_m + sp.Rational(1, 2)) / (sp.sqrt(sp.pi) * sp.factorial(2 * _m)),
                1 / (2**_m * sp.factorial(_m)),
            ),
            inequality(
                "markov",
                "No $t$ makes the exponent smaller than this; $t = \\tau d/k_\\zeta$ attains it.",
                -_t * threshold + _t**2 * _variance / 2,
                -(threshold**2) / (2 * _variance),
                (_t * _variance - threshold) ** 2 / (2 * _variance),
            ),
            identity(
                "antiderivative",
                "The derivative is",
                sp.diff(_antiderivative, _u),
                2 * _u * sp.exp(-((threshold + _u) ** 2) / (2 * _variance)),
            ),
            limit("at-infinity", "Far out,", _antiderivative, _u, sp.oo, -_scale),
            identity(
                "whole",
                "From 0 to infinity it grows by this; $1 - \\mathrm{erf}$ is called $\\mathrm{erfc}$.",
                -_scale - _antiderivative.subs(_u, 0),
                excess(_variance) - _scale * (1 - sp.erf(threshold / sp.sqrt(2 * _variance))),
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "The active set must not look at the keys. If the $k_\\zeta$ items that overlap most with item $i$ are active, the interference "
        "exceeds thresholds that it should practically never reach.",
        "Keys that lean the same way, such as activities that are never negative, do not have mean zero, and their interference "
        "grows as $k_\\zeta$, not as $\\sqrt{k_\\zeta}$.",
        "The constants are loose, by several times in the tail and by far more in the excess: a guarantee, and no prediction. "
        "The Gaussian value predicts well, and is no bound.",
    ),
)

_spread = activity * (1 - activity)
_mixed = _spread * blast_radius + activity**2 * overlap_sum**2
_balanced = Hypothesis("The keys are balanced: they sum to 0.")
_a = sp.symbols("a_1:4 b_1:4", real=True)
_balanced_3 = sp.ImmutableMatrix([[*_a[:2], -sum(_a[:2])], [*_a[3:5], -sum(_a[3:5])]])
_balanced_4 = sp.ImmutableMatrix([[*_a[:3], -sum(_a[:3])], [*_a[3:], -sum(_a[3:])]])

sparse_inputs = Claim(
    id="sparse-inputs",
    title="What sparse activity does to interference",
    part="compression",
    hypotheses=(
        Hypothesis("The keys have norm 1."),
        Hypothesis(
            "Item $i$ is inactive, and every other item is active with probability $p$, independently of the others and of the "
            "keys. The interference $\\zeta_i = \\sum_j \\omega_j \\langle k_i, k_j \\rangle$, over the active items $j$, is that of "
            "amplitudes $\\omega_j = 1$, unless a statement makes them random signs."
        ),
        Hypothesis("The activity is a probability.", sp.Le(activity, 1)),
    ),
    statements=(
        Statement(
            "second-moment",
            sp.Eq(mean_square, _mixed),
            Kind.EXPECTATION,
            "For given keys it has two parts: the blast radius, once for every item that happens to be active, and the sum of the "
            "overlaps, $U_i = \\sum_{j \\neq i} \\langle k_i, k_j \\rangle$, squared, because items are active together.",
            resolution=0.08,
        ),
        Statement(
            "random-signs",
            sp.Eq(mean_square, activity * blast_radius),
            Kind.EXPECTATION,
            "Amplitudes of random sign leave the blast radius alone, and whole.",
            hypotheses=(
                Hypothesis(
                    "The amplitudes are $\\pm 1$ with equal probability, independently of all else and each other."
                ),
            ),
            resolution=0.08,
        ),
        Statement(
            "random-keys",
            sp.Eq(mean_square, activity * (n_items - 1) / dim),
            Kind.EXPECTATION,
            "On average over random keys, so does a fixed sign.",
            hypotheses=(
                Hypothesis("The keys are independent and uniform on the unit sphere; the mean is over them, too."),
            ),
            resolution=0.08,
        ),
        Statement(
            "balanced",
            sp.Eq(mean_square, _spread * blast_radius + activity**2),
            Kind.EXPECTATION,
            "In a balanced code the second part is as small as that of a single neighbour.",
            hypotheses=(_balanced,),
            resolution=0.08,
        ),
        Statement(
            "balanced-mean",
            sp.Ge(items_mean_square, _spread * (compression - 1) + activity**2),
            Kind.EXPECTATION,
            "Over all items of a balanced code it is at least this, with equality for a tight frame.",
            hypotheses=(_balanced,),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $b_j$ be 1 where item $j$ is active, else 0. Its mean and its mean square are $p$, and the mean product of two "
            "different ones is $p^2$. In the mean square of $\\sum_j b_j G_j$ with $G_j = \\langle k_i, k_j \\rangle$, then, the "
            "square of each overlap has the weight $p$, and the product of two different ones $p^2$, which is the first statement "
            "[two-parts]. With independent random signs the products have mean 0, and $p B_i$ is left. For independent keys of "
            "mean zero the products of different overlaps vanish on average, too. So $U_i^2$ has the same mean as $B_i$, which is "
            "$(n-1)/d$ because a squared coordinate of a random unit vector is $1/d$ on average, and the two parts add up "
            "[on-average]. If all keys sum to 0, the other keys sum to $-k_i$, and $U_i = -\\|k_i\\|^2 = -1$ [balance]. Last, the "
            "mean over the items of the blast radius is at least $\\rho - 1$: the squared overlaps of all pairs sum to the sum of "
            "the squared eigenvalues of the Gram matrix, of which $r$ are not zero, and which sum to its trace $n$. Their squares "
            "sum to at least $n^2/r$ [spread-evenly], with equality for a tight frame, where the eigenvalues are equal. Less the "
            "ones on the diagonal and over $n$ items that is $\\rho - 1$."
        ),
        steps=(
            instance(
                "two-parts",
                "Squares count with $p$, products of two different overlaps with $p^2$; here of $m$ neighbours.",
                sp.Eq(
                    activity * sp.Sum(_overlap[_j] ** 2, (_j, 1, _m))
                    + activity**2
                    * (
                        sp.Sum(_overlap[_j] * _overlap[_l], (_j, 1, _m), (_l, 1, _m))
                        - sp.Sum(_overlap[_j] ** 2, (_j, 1, _m))
                    ),
                    _spread * sp.Sum(_overlap[_j] ** 2, (_j, 1, _m))
                    + activity**2 * sp.Sum(_overlap[_j], (_j, 1, _m)) ** 2,
                    evaluate=False,
                ),
                {_m: 2},
                {_m: 4},
            ),
            identity(
                "on-average",
                "With $(n-1)/d$ in the place of both $B_i$ and $U_i^2$,",
                _mixed.subs(overlap_sum**2, blast_radius).subs(blast_radius, (n_items - 1) / dim),
                activity * (n_items - 1) / dim,
            ),
            instance(
                "balance",
                "For any keys that sum to 0, the overlaps of the first with the others sum to minus its squared norm.",
                sp.Eq(
                    sp.Sum(entry(K.T * K, 1, _j), (_j, 2, n_items)),
                    -entry(K.T * K, 1, 1),
                    evaluate=False,
                ),
                {K: _balanced_3, n_items: 3},
                {K: _balanced_4, n_items: 4},
            ),
            instance(
                "spread-evenly",
                "Squares of numbers that sum to $n$, here the eigenvalues $G_j$, over their number $r$.",
                sp.Ge(
                    sp.Sum(_overlap[_j] ** 2, (_j, 1, rank)),
                    sp.Sum(_overlap[_j], (_j, 1, rank)) ** 2 / rank,
                    evaluate=False,
                ),
                {rank: 2},
                {rank: 3},
                certificate=sp.Sum((_overlap[_j] - _overlap[_l]) ** 2, (_j, 1, rank), (_l, 1, rank)) / (2 * rank),
            ),
        ),
    ),
    references=("benedetto2003",),
    counterexamples=(
        "Coherent keys break the rule that sparsity multiplies damage by $p$: where overlaps have one sign and about one "
        "size, $U_i^2$ is about $n - 1$ times $B_i$.",
        "A correlation between items, such as features that come in groups, adds the products of their overlaps however rare "
        "the groups are.",
        "What is counted is the damage on the others' occasions. Measured against how often the item itself is used, which is "
        "as rare, the activity cancels: sparsity does not make a write more precise.",
    ),
)

sparsity_multiplies = Claim(
    id="sparsity-multiplies-damage",
    title="False: sparsity multiplies collateral by the activity",
    part="compression",
    hypotheses=sparse_inputs.hypotheses,
    statements=(
        Statement(
            "any-keys",
            sp.Eq(mean_square, activity * blast_radius),
            Kind.EXPECTATION,
            "Only a share $p$ of the items is active, so that only a share $p$ of the squared overlaps is met, whatever the keys. "
            "True for amplitudes of random sign, true on average for random keys, and false for the codes that matter most: "
            "activities that are never negative.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Nonnegative keys: the interference of items that are active together adds up as amplitudes do, not as squares.",
        "Antipodal pairs and other balanced codes: where $p$ is not small, $p(1-p)B_i + p^2$ is not $pB_i$.",
    ),
    expected=Verdict.REFUTED,
)
