"""Memories that read nonlinear features of the keys: the rank rises, it is paid in parameters, and the budget holds."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.interference import excess
from theory.derivation import Derivation, identity, inequality, instance
from theory.evidence import Kind, Verdict
from theory.notation import (
    collateral,
    degree,
    dim,
    expected_thresholded,
    feature_rank,
    max_coherence,
    mean_collateral,
    n_items,
    n_keys,
    n_outputs,
    n_parameters,
    sum_writability,
    threshold,
    x,
)

_half = (dim - 1) / 2
_features = sp.binomial(dim + degree - 1, degree)
_below = sp.symbols("b", integer=True, nonnegative=True)
_a, _b = sp.symbols("a b", real=True)
_k = sp.Symbol("j", integer=True, nonnegative=True)
_units = sp.Symbol("u", integer=True, positive=True)
_short = sp.Symbol("e", integer=True, nonnegative=True)
_scale = (n_items - 1) / (1 - threshold) ** 2


def beta_density(first: sp.Expr, second: sp.Expr) -> sp.Expr:
    """Density of the Beta law at the glossary's point."""
    norm = sp.gamma(first + second) / (sp.gamma(first) * sp.gamma(second))
    return norm * x ** (first - 1) * (1 - x) ** (second - 1)


def square_above(first: sp.Expr) -> sp.Expr:
    """Probability that a Beta variable with parameters ``first`` and (d - 1)/2 exceeds the square of the threshold."""
    return sp.betainc_regularized(_half, first, 0, 1 - threshold**2)


_root_part = sp.gamma(dim / 2) / (sp.sqrt(sp.pi) * sp.gamma(_half + 1)) * (1 - threshold**2) ** _half
# Multiplied out by d: SymPy prints a regularised Beta function as a difference without brackets, wrong if it is divided.
_mean = (
    _scale
    / (2 * dim)
    * (
        square_above(sp.Rational(3, 2))
        - 2 * dim * threshold * _root_part
        + dim * threshold**2 * square_above(sp.S.Half)
    )
)
_root_law = beta_density(sp.S.Half, _half)
_fixed = (
    Hypothesis(
        "The memory answers $\\sum_u v_u \\varphi_u(x)$: fixed nonlinear features $\\varphi_u$ of the key $x$, of which there is "
        "any number, and values $v_u$, which are what is written."
    ),
    Hypothesis("One write is aimed at each of the $n'$ items whose features are not all zero; it moves its item."),
)
_thresholded = Hypothesis(
    "Each item $u$ has a unit $\\varphi_u(x) = g(\\langle k_u, x\\rangle)$ with $g(y) = (y-\\tau)_+/(1-\\tau)$, keys have norm 1, "
    "and the write at item $i$ changes $v_i$ alone."
)
_threshold_in_range = Hypothesis("The threshold is below 1.", sp.Lt(threshold, 1))
_separated = Hypothesis("No two keys overlap by more than the threshold.", sp.Le(max_coherence, threshold))
_random = Hypothesis(
    "The keys are independent and uniform on the unit sphere, in at least two dimensions.", sp.Gt(dim, 1)
)
_polynomial = Hypothesis(
    "The features are the monomials of degree $q$ in the coordinates of the key, each times a constant."
)

rank_expansion = Claim(
    id="rank-expansion",
    title="Thresholds and polynomials buy rank, and pay for it in parameters",
    part="compression",
    hypotheses=_fixed,
    statements=(
        Statement(
            "sum",
            sp.Le(sum_writability, feature_rank),
            Kind.EXACT,
            "The writability budget holds as it stands, with the rank of the features in the place of the rank of the keys.",
        ),
        Statement(
            "mean",
            sp.Ge(mean_collateral, n_keys / feature_rank - 1),
            Kind.EXACT,
            "So does its consequence for the mean collateral.",
        ),
        Statement(
            "price",
            sp.Le(feature_rank, n_parameters / n_outputs),
            Kind.EXACT,
            "Rank is paid in parameters: each dimension of it takes one writable number for each output.",
        ),
        Statement(
            "separate-rank",
            sp.Eq(feature_rank, n_items),
            Kind.EXACT,
            "A threshold that no overlap exceeds gives every item a dimension of its own.",
            hypotheses=(_thresholded, _threshold_in_range, _separated),
        ),
        Statement(
            "separate",
            sp.Eq(collateral, 0),
            Kind.EXACT,
            "Then a write touches no other item.",
            hypotheses=(_thresholded, _threshold_in_range, _separated),
        ),
        Statement(
            "random-mean",
            sp.Eq(expected_thresholded, _mean),
            Kind.EXPECTATION,
            "For random keys the expected collateral is known, with $\\operatorname{I}$ the regularised "
            "incomplete Beta function.",
            hypotheses=(_thresholded, _threshold_in_range, _random),
        ),
        Statement(
            "random-bound",
            sp.Le(expected_thresholded, _scale * excess(1 / dim)),
            Kind.EXPECTATION,
            "It is at most this, which falls exponentially with the dimension.",
            hypotheses=(_thresholded, _threshold_in_range, _random),
        ),
        Statement(
            "polynomial-rank",
            sp.Le(feature_rank, _features),
            Kind.EXACT,
            "A polynomial of the keys buys this much rank.",
            hypotheses=(_polynomial,),
        ),
        Statement(
            "polynomial-mean",
            sp.Ge(mean_collateral, n_keys / _features - 1),
            Kind.EXACT,
            "The collateral is what that leaves.",
            hypotheses=(_polynomial,),
        ),
    ),
    derivation=Derivation(
        proof=(
            "A write changes the values by some $\\Delta V$, and the answer for item $j$ by $\\Delta V \\varphi(k_j)$. That is a "
            "linear memory, whose key for item $j$ is $\\varphi(k_j)$, and the writability budget holds for any keys. Its rank is "
            "that of the matrix with the features of the items as columns, and no larger than the number of its rows: the "
            "parameters are $o$ values for each feature. With fewer dimensions the bound on the mean is only larger [monotone]. "
            "If no overlap exceeds the threshold, the features of the $n$ items are the identity matrix, as $g(1) = 1$ and "
            "$g(y) = 0$ for $y \\leq \\tau$: its rank is $n$, and the write at $v_i$ is read by item $i$ alone. For random keys, "
            "the write at $v_i$ changes item $j$ by $g(\\langle k_i, k_j\\rangle)$ for each 1 at item $i$, so the expected "
            "collateral is $(n-1)/(1-\\tau)^2$ times the mean of $(u-\\tau)_+^2$, where $u$ is a coordinate of a random unit "
            "vector. Its bound is that of the interference of a single active item. For its value, $z = u^2$ is the share of one "
            "coordinate in the squared length of a Gaussian vector, so it follows the Beta law with parameters $1/2$ and "
            "$(d-1)/2$, and $u$ is positive half of the time. Half of the mean of $z - 2\\tau\\sqrt z + \\tau^2$ over "
            "$z > \\tau^2$ is what we want. The first part has $z$ times the density, which is $1/d$ times another Beta density "
            "[square]; the second $\\sqrt z$ times it, which is a derivative [root]; the last is a probability. A polynomial of "
            "degree $q$: the number of monomials is 1 for a single variable and $d$ for degree 1, and in "
            "general those without the last variable and those with it, which are it times a monomial of degree $q-1$, add up as the "
            "binomials do [count]. With the root of its multinomial coefficient before each, the product of the features of two "
            "keys is the power $q$ of their product, as in dense associative memories; that is the multinomial theorem, which "
            "follows from the binomial one by splitting off one variable at a time [power]."
        ),
        steps=(
            inequality(
                "monotone",
                "A rank that falls short by $e$ of the number $f$ of features raises the bound.",
                n_keys / _units - 1,
                n_keys / (_units + _short) - 1,
                n_keys * _short / (_units * (_units + _short)),
            ),
            identity(
                "square",
                "The point times the density is a Beta density of first parameter $3/2$, over $d$.",
                x * _root_law,
                beta_density(sp.Rational(3, 2), _half) / dim,
                domain=sp.And(sp.Gt(dim, 1), sp.Lt(x, 1)),
            ),
            identity(
                "root",
                "The root of the point times the density is, up to a constant, the derivative of $-(1-z)^{(d-1)/2}$.",
                sp.sqrt(x) * _root_law,
                sp.gamma(dim / 2) / (sp.sqrt(sp.pi) * _half * sp.gamma(_half)) * sp.diff(-((1 - x) ** _half), x),
                domain=sp.And(sp.Gt(dim, 1), sp.Lt(x, 1)),
            ),
            identity(
                "count",
                "Monomials without the last variable, and with it.",
                sp.binomial(dim + degree - 2, degree) + sp.binomial(dim + degree - 2, degree - 1),
                _features,
            ),
            instance(
                "power",
                "The binomial theorem, for the part $a$ of the product that the other variables make, and the part $b$ of the last.",
                sp.Eq(
                    sp.Sum(sp.binomial(degree, _k) * _a ** (degree - _k) * _b**_k, (_k, 0, degree)),
                    (_a + _b) ** degree,
                    evaluate=False,
                ),
                {degree: 2},
                {degree: 3},
                {degree: 4},
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "Above the largest overlap of the keys a threshold leaves no collateral; below it, the features overlap, and the "
        "bound for random keys may exceed the truth a hundredfold, or say nothing at all.",
        "Two copies of a key share their units at any threshold: a write at one moves the other as far.",
        "Fewer units than items bring the collateral back: the rank is at most the number of units.",
        "What is superposed in these memories is the addresses, of which a few dimensions hold exponentially many. The values are not.",
    ),
)

threshold_breaks_budget = Claim(
    id="threshold-breaks-budget",
    title="False: a threshold breaks the writability budget",
    part="compression",
    hypotheses=_fixed,
    statements=(
        Statement(
            "dimension",
            sp.Ge(mean_collateral, n_keys / dim - 1),
            Kind.EXACT,
            "The premise: the budget is about the $d$ units that carry the keys, so that any memory of those keys has at least "
            "this mean collateral. A thresholded one has less.",
        ),
        Statement(
            "rank",
            sp.Le(mean_collateral, n_keys / feature_rank - 1),
            Kind.EXACT,
            "The conclusion: so the threshold gets below the budget. It gets below the budget of the keys; that of its features it "
            "obeys as any memory does, and for random keys whose features overlap it stays strictly above.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "A threshold above all overlaps: no collateral at all, with a rank of $n$ and $n$ values for each output, as in a table.",
    ),
    expected=Verdict.REFUTED,
)
