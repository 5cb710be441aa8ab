"""Sparse weights or sparse activity: which one keeps memories apart, when, and a conclusion that inhibition turns round."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, instance
from theory.evidence import Kind, Verdict
from theory.notation import (
    activity_share,
    code_activity,
    code_size,
    connectivity_rest,
    connectivity_share,
    dim,
    fan_in,
    input_correlation,
    input_overlap,
    linear_product,
    n_items,
    n_zero_weights,
    overlap,
    overlap_rest,
    rectified_product,
    transfer,
)

_design = Hypothesis(
    "Layers of 500 units that read 400 inputs; 40 memories, made from one prototype, with correlation of about $1/2$; each stored once by "
    "the delta rule. Fan-ins from 4 to 300 by activities from 1 % to 50 %. Each replicate has patterns and wiring of its own."
)
_inhibited = Hypothesis("The $k$ units with the largest positive drive win.")

conditional = Claim(
    id="activity-screens-off",
    title="Given dense inputs and inhibition, activity decides and connectivity adds little",
    part="separation",
    hypotheses=(
        _design,
        _inhibited,
        Hypothesis(
            "Inputs are Gaussian, weights are Gaussian of mean zero, and a unit reads at least 20 inputs.",
            sp.Ge(fan_in, 20),
        ),
    ),
    statements=(
        Statement(
            "activity",
            sp.Ge(activity_share, sp.Rational(7, 10)),
            Kind.EMPIRICAL,
            "Activity explains at least 70 % of the variance of log forgetting.",
            resolution=0.3,
        ),
        Statement(
            "connectivity",
            sp.Le(connectivity_share, sp.Rational(1, 10)),
            Kind.EMPIRICAL,
            "Connectivity explains at most a tenth.",
            resolution=1.0,
        ),
        Statement(
            "not-strictly",
            sp.Ge(connectivity_rest, sp.Rational(1, 10)),
            Kind.EMPIRICAL,
            "It is not nothing: of the little that activity leaves, connectivity explains at least a tenth.",
            resolution=3.0,
        ),
        Statement(
            "not-by-overlap-alone",
            sp.Ge(overlap_rest, sp.Rational(3, 10)),
            Kind.EMPIRICAL,
            "Nor does activity act by the mean squared overlap alone: of what a line in its logarithm leaves, activity explains at "
            "least 30 %.",
            resolution=2.0,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Inputs with few ones, read by few: most units see no active input at all, and what fires is what happens to be wired. Then connectivity "
        "explains more than activity.",
        "No inhibition: connectivity explains nearly all.",
        "A design with other ranges has other shares of variance. What does not depend on them is the size of the effect, in the table of ratios.",
    ),
)

unconditional = Claim(
    id="activity-always-screens-off",
    title="False: given the activity, the sparsity of weights does not matter",
    part="separation",
    hypotheses=(_design,),
    statements=(
        Statement(
            "sparse-inputs",
            sp.Le(connectivity_share, sp.Rational(1, 10)),
            Kind.EMPIRICAL,
            "Of units that read inputs with 2 % of ones, connectivity explains at most a tenth of the variance of log forgetting.",
            hypotheses=(_inhibited,),
            resolution=1.0,
        ),
        Statement(
            "no-inhibition",
            sp.Le(connectivity_share, sp.Rational(1, 10)),
            Kind.EMPIRICAL,
            "Nor does it of units that add up their inputs, without inhibition.",
            resolution=1.0,
        ),
        Statement(
            "strictly",
            sp.Le(connectivity_rest, sp.Rational(1, 10)),
            Kind.EMPIRICAL,
            "Where inputs are dense and winners inhibit the rest, connectivity explains at most a tenth of what activity leaves.",
            hypotheses=(_inhibited,),
            resolution=1.0,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=("Gaussian inputs, weights of mean zero and winners: connectivity adds little, if not nothing.",),
    expected=Verdict.REFUTED,
)

without_inhibition = Claim(
    id="connectivity-decides-without-inhibition",
    title="Without inhibition it is the other way round: connectivity decides",
    part="separation",
    hypotheses=(
        _design,
        Hypothesis(
            "Units add up their inputs with equal positive weights, and there is neither inhibition nor a threshold. The activity is that of "
            "the binary inputs, from 2.5 % to 40 %."
        ),
    ),
    statements=(
        Statement(
            "connectivity",
            sp.Ge(connectivity_share, sp.Rational(1, 2)),
            Kind.EMPIRICAL,
            "Connectivity explains at least half of the variance of log forgetting.",
            resolution=0.5,
        ),
        Statement(
            "activity",
            sp.Le(activity_share, sp.Rational(1, 3)),
            Kind.EMPIRICAL,
            "Activity explains at most a third.",
            resolution=0.5,
        ),
    ),
    derivation=None,
    references=("caycogajic2017",),
    counterexamples=("Let the largest drives win, and the conclusion turns round.",),
)

_r = sp.Symbol("r", positive=True)
_o = sp.Symbol("o", integer=True, nonnegative=True)
_rectified = (sp.sqrt(1 - input_correlation**2) + input_correlation * (sp.pi - sp.acos(input_correlation))) / sp.pi

not_sufficient = Claim(
    id="sparse-weights-do-not-suffice",
    title="Sparse weights do not suffice to separate",
    part="separation",
    hypotheses=(Hypothesis("Two inputs of mean square 1 have the cosine $\\rho_x$."),),
    statements=(
        Statement(
            "linear",
            sp.Eq(linear_product, input_correlation),
            Kind.EXPECTATION,
            "Units without a threshold, with independent weights of mean zero and variance $1/m_x$ from any number $m_x$ of inputs, have codes with this "
            "expected product for each unit: they are as alike as the inputs.",
            resolution=0.1,
        ),
        Statement(
            "permutation",
            sp.Eq(overlap, input_overlap),
            Kind.EXACT,
            "Units that read one input each, no two the same, of which the $k$ with the largest drive win, hand on inputs with $k$ ones as they are: the "
            "sparsest wiring and sparse activity, and no separation.",
        ),
        Statement(
            "rectified",
            sp.Eq(rectified_product, _rectified),
            Kind.EXPECTATION,
            "Units that read all inputs with Gaussian weights and have a threshold at 0, which lets half of them fire: a threshold alone "
            "separates little. At $\\rho_x = 0$ it is $1/\\pi$.",
            hypotheses=(Hypothesis("$|\\rho_x| < 1$.", sp.Lt(sp.Abs(input_correlation), 1)),),
            resolution=0.1,
        ),
    ),
    derivation=Derivation(
        proof=(
            "A weight is not zero with probability $m_x/d_x$, and then has variance $1/m_x$; so it has variance $1/d_x$, and the expected product of "
            "two drives is $\\sum_i x_i y_i / d_x = \\rho_x$. A permutation of an input with $k$ ones has $k$ ones, which win. For rectified units, the "
            "product grows with the correlation $r$ at the rate of the probability that both drives are positive (Plackett's identity, "
            "applied to the rectified drives), which is $\\frac14 + \\arcsin(r)/2\\pi$. Twice that is the slope of the formula [slope], and at "
            "$r = 0$ the formula is $1/\\pi$, twice the square of the mean of a rectified normal variable, $1/\\sqrt{2\\pi}$."
        ),
        steps=(
            identity(
                "slope",
                "Slope of the formula; $\\arcsin r = \\pi/2 - \\arccos r$.",
                sp.diff(_rectified.subs(input_correlation, _r), _r),
                sp.Rational(1, 2) + (sp.pi / 2 - sp.acos(_r)) / sp.pi,
                sp.Lt(_r, 1),
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "At small fan-in the last statement fails: two complementary binary inputs, $\\rho_x = 0$, drive rectified units that read one "
        "input each to codes with *nothing* in common, far below $1/\\pi$. It is no evidence on sparse weights.",
        "Thresholds that let few units fire do separate, see the chapter before; at any connectivity.",
    ),
)

_X, _G = sp.MatrixSymbol("X", 3, n_items), sp.MatrixSymbol("G", n_items, n_items)
_e, _f = sp.symbols("e f", positive=True)


def _columns(items: int) -> dict[sp.Basic, sp.Basic]:
    entries = [[sp.Symbol(f"x_{row + 1}{column + 1}", real=True) for column in range(items)] for row in range(3)]
    inputs = sp.ImmutableMatrix(entries)
    gram = inputs.T * inputs
    return {_X: inputs, _G: sp.ImmutableMatrix(gram.adjugate() / gram.det()), n_items: items}


not_necessary = Claim(
    id="sparse-weights-are-not-needed",
    title="Sparse weights are not needed to separate",
    part="separation",
    hypotheses=(
        Hypothesis(
            "There are at most as many memories as inputs, linearly independent, and $n k \\leq d$. The weights are made for them: $V = BX^+ + E$, with "
            "$B_{ui} = 1$ for the units $u$ of the $i$th of $n$ disjoint sets of $k$, and a random $E$ with $|EX| < 1/2$."
        ),
    ),
    statements=(
        Statement(
            "disjoint",
            sp.Eq(overlap, sp.Integer(0), evaluate=False),
            Kind.EXACT,
            "Of winners driven by these weights, no two memories have any in common.",
        ),
        Statement(
            "full",
            sp.Eq(n_zero_weights, sp.Integer(0), evaluate=False),
            Kind.EXACT,
            "None of the weights is zero.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "The inputs are the columns of $X$. As they are linearly independent, $X^+ X$ is the identity [inverse], so that $VX = B + EX$. A unit of the "
            "set of an item is driven by $1 - \\frac12$ at the least and any other by less than $\\frac12$: with a margin [margin]. So the set wins. The "
            "weights are a fixed matrix plus a random one with a density, in which any given entry is zero with probability 0."
        ),
        steps=(
            instance(
                "inverse",
                "With $X^+ = GX^\\top$ and $G = (X^\\top X)^{-1}$.",
                sp.Eq(_G * _X.T * _X, sp.Identity(n_items), evaluate=False),
                _columns(1),
                _columns(2),
            ),
            inequality(
                "margin",
                "Noise of $\\frac12 - e$ at the unit, and of $\\frac12 - f$ at another.",
                1 - (sp.Rational(1, 2) - _e),
                sp.Rational(1, 2) - _f,
                _e + _f,
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "It is a table made for these inputs. An input that is not in it gets a code that nothing was promised of.",
        "More memories than inputs, or than disjoint sets: they must overlap somewhere.",
    ),
)

ties = Claim(
    id="ties-make-codes",
    title="Where all units tie, the rule for ties makes the code",
    part="separation",
    hypotheses=(
        Hypothesis(
            "All units of a layer are driven alike by every input, as where each adds up all inputs with equal weights, and $k$ of them win."
        ),
    ),
    statements=(
        Statement(
            "index",
            sp.Eq(transfer, sp.Integer(1), evaluate=False),
            Kind.EXACT,
            "Ties broken by index: any two inputs have the same code. The overlap is made up.",
        ),
        Statement(
            "random",
            sp.Eq(transfer, code_activity),
            Kind.EXPECTATION,
            "Ties broken at random at each presentation: even *one* input, presented twice, has codes that share what chance gives. The separation "
            "is made up.",
            resolution=0.2,
        ),
    ),
    derivation=Derivation(
        proof=(
            "No unit is driven more than another, so the drives decide nothing. The first $k$ units are always the same. Two independent random sets of $k$ of "
            "$d$ units share $k^2/d$ in expectation, as each of the $k$ units of one is in the other with probability $k/d$: a share $k/d$ of $k$ [share]."
        ),
        steps=(
            instance(
                "share",
                "The mean over all sets, by counting how many share $o$ units with a given one.",
                sp.Eq(
                    sp.Sum(
                        _o * sp.binomial(code_size, _o) * sp.binomial(dim - code_size, code_size - _o),
                        (_o, 0, code_size),
                    )
                    / (code_size * sp.binomial(dim, code_size)),
                    code_size / dim,
                    evaluate=False,
                ),
                {code_size: 2, dim: 5},
                {code_size: 3, dim: 8},
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "A fixed hash of the drives is repeatable, and still makes up codes where the drives have nothing to tell: an input that is stronger by one "
        "part in a million gets another code. No rule for ties is innocent; count the ties.",
    ),
)
