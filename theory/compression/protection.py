"""A buffer of protected items: exact protection of too few is worse than none, a ridge for the rest mends it."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import M_2, cauchy_schwarz_remainder, k_2, v_2
from theory.derivation import Derivation, identity, instance
from theory.evidence import Kind, Verdict
from theory.notation import (
    M,
    dim,
    expected_protected,
    expected_ridge,
    expected_rise,
    expected_step,
    k_i,
    n_items,
    n_protected,
    v,
)

_x = sp.Symbol("x", positive=True)
_freedom = sp.Symbol("nu", integer=True, positive=True)
_e, _f = sp.symbols("e f", nonnegative=True)  # by how much a size exceeds the least it may be
_outside = n_items - 1 - n_protected
_none = (n_items - 1) / (dim - 2)
_few = _outside / (dim - n_protected - 2)
_many = ((n_protected - dim + 1) + _outside * (n_protected - 1) / (n_protected - dim)) / (dim - 2)
_rise = n_protected * (n_items - dim + 1) / ((dim - 2) * (dim - n_protected - 2))
_chi_mean = sp.Integral(_x ** (_freedom / 2 - 2) * sp.exp(-_x / 2), (_x, 0, sp.oo)) / (
    2 ** (_freedom / 2) * sp.gamma(_freedom / 2)
)

_gaussian = Hypothesis(
    "The keys are independent and Gaussian, of mean 0 and covariance $I$; a write at one of them knows $b$ of the $n "
    "- 1$ others, and its collateral counts all of them.",
    sp.Lt(n_protected, n_items),
)
_more = Hypothesis("There are more items than dimensions, $n > d$.", sp.Gt(n_items, dim))
_exact = Hypothesis(
    "The write hits its item and moves the $b$ known items as little as can be; of several such writes it is the "
    "shortest."
)
_below = Hypothesis(
    "$b < d - 8$: the fourth moment of the collateral is finite there, and an interval of its mean is honest. The "
    "variance is finite for $b < d - 4$; the equation needs $b < d - 2$.",
    sp.Lt(n_protected, dim - 8),
)
_above = (
    Hypothesis(
        "$b > d + 6$, for the same reason. The variance is finite for $b > d + 2$; the equation needs $b > d$.",
        sp.Gt(n_protected, dim + 6),
    ),
    Hypothesis("$d > 8$, so that the fourth moment is finite.", sp.Gt(dim, 8)),
)
_ridge = Hypothesis(
    "The write hits its item and minimises what it moves of the known items plus $\\mu\\|\\Delta W\\|_F^2$, with "
    "$\\mu = n - 1 - b$."
)

partial_protection = Claim(
    id="partial-protection",
    title="Protecting a few is worse than protecting none",
    part="compression",
    hypotheses=(_gaussian, _more),
    statements=(
        Statement(
            "few",
            sp.Eq(expected_protected, _few),
            Kind.EXPECTATION,
            "A buffer that is smaller than the dimension can be left alone exactly.",
            hypotheses=(_exact, _below),
            resolution=0.1,
        ),
        Statement(
            "rise",
            sp.Eq(expected_rise, _rise),
            Kind.EXPECTATION,
            "That costs more than to protect nothing, and the more the larger the buffer.",
            hypotheses=(_exact, _below),
            resolution=0.2,  # a difference of two heavy-tailed costs
        ),
        Statement(
            "many",
            sp.Eq(expected_protected, _many),
            Kind.EXPECTATION,
            "Beyond the dimension the collateral falls with every item that is added to the buffer, to $(n-d)/(d-2)$ "
            "when all are in it.",
            hypotheses=(_exact, *_above),
            resolution=0.1,
        ),
        Statement(
            "ridge",
            sp.Le(expected_ridge, _none),
            Kind.EXPECTATION,
            "With a ridge for the rest the expected collateral is never more than that of protecting nothing, at any "
            "size of the buffer.",
            hypotheses=(_ridge, _above[1]),
            resolution=0.1,
        ),
        Statement(
            "ridge-many",
            sp.Le(expected_ridge, _many),
            Kind.EXPECTATION,
            "It is also never more than under exact protection.",
            hypotheses=(_ridge, *_above),
            resolution=0.1,
        ),
        Statement(
            "ridge-falls",
            sp.Le(expected_step, 0),
            Kind.EXPECTATION,
            "And it does not rise as the buffer grows.",
            hypotheses=(_ridge, _above[1]),
        ),
    ),
    derivation=Derivation(
        proof=(
            "*Few.* For $b < d$ the shortest write that hits the item with 1 and leaves $b$ items alone is $v = "
            "k_\\perp/\\|k_\\perp\\|^2$, with $k_\\perp$ the part of the key that is orthogonal to them. It knows "
            "nothing of the $n - 1 - b$ others, and moves each by $\\|v\\|^2 = 1/\\|k_\\perp\\|^2$ in the mean of "
            "squares. $\\|k_\\perp\\|^2$ follows the $\\chi^2$ law with $\\nu = d - b$ degrees of freedom, and the "
            "mean of its inverse is $1/(\\nu - 2)$ [inverse-chi-square]. Hence the formula. Less its value at $b = "
            "0$ it is positive and rises with $b$ [rise].\n\n"
            "*Many.* For $b > d$ what the write moves of the buffer is the least collateral among the $b + 1$ keys "
            "that it knows, in the mean $(b + 1 - d)/(d - 2)$, by the chapter on random keys. Each item outside is "
            "moved by $\\|v\\|^2$ in the mean. To find that, turn the axes so that the key is $\\|k\\|$ times the "
            "first. Then $v = (1, -\\beta)/\\|k\\|$: the hit fixes the first entry, and the others minimise a sum of "
            "squares over the buffer, so $\\beta$ are the coefficients of the regression of the first coordinate of "
            "the known keys on the $d - 1$ others. The coordinates are independent, so given the others $\\beta$ has "
            "the covariance $(X^\\top X)^{-1}$, with $X$ of $b$ rows and $d - 1$ columns. Each diagonal entry of "
            "that is one over the squared length of a column after projecting off the $d - 2$ others, which follows "
            "the $\\chi^2$ law with $b - d + 2$ degrees of freedom, of inverse mean $1/(b - d)$. So "
            "$\\mathbb{E}\\|\\beta\\|^2 = (d-1)/(b-d)$. The length of the key is independent of it, with "
            "$\\mathbb{E}\\,\\|k\\|^{-2} = 1/(d-2)$. Together each outside item is moved by $(1 + "
            "(d-1)/(b-d))/(d-2)$ [outside], and *many* follows. Written otherwise only one term depends on $b$, and "
            "it falls for $n > d + 1$ [falls]; for $n = d + 1$ no $b > d$ is left. When all are in the buffer "
            "nothing is outside, and what remains of *many* is $(n-d)/(d-2)$.\n\n"
            "*Ridge.* Given the known keys, the expected collateral of a write that hits with 1 is $v^\\top M_b v + "
            "(n - 1 - b)\\|v\\|^2$, where $M_b$ is the second moment of the buffer. Cauchy–Schwarz in the form of "
            "$M_b + \\mu I$, in place of $M$ here, bounds it from below by one over $k_i^\\top(M_b + \\mu "
            "I)^{-1}k_i$, which the ridge attains at $\\mu = n - 1 - b$ [least]. So no rule that knows these keys "
            "has less expected collateral: not exact protection of them, hence *ridge-many*, and not the same ridge "
            "rule that overlooks some of the known items, hence *ridge-falls*. With an empty buffer it writes along "
            "the key itself, which is *few* at $b = 0$: hence *ridge*. That is below *few* for every $b < d - 2$ "
            "too, by [rise]."
        ),
        steps=(
            instance(
                "inverse-chi-square",
                "The mean of $1/x$ under the $\\chi^2$ law with $\\nu > 2$ degrees of freedom.",
                sp.Eq(_chi_mean, 1 / (_freedom - 2), evaluate=False),
                {_freedom: 3},
                {_freedom: 4},
                {_freedom: 9},
            ),
            identity(
                "rise",
                "What the formula gains over an empty buffer; $b/(d - b - 2)$ rises with $b$.",
                _few - _none,
                _rise,
                domain=sp.Gt(dim, n_protected + 2),
            ),
            identity(
                "outside",
                "Each item outside is moved by",
                (1 + (dim - 1) / (n_protected - dim)) / (dim - 2),
                (n_protected - 1) / ((n_protected - dim) * (dim - 2)),
                domain=sp.And(sp.Gt(n_protected, dim), sp.Gt(dim, 2)),
            ),
            identity(
                "falls",
                "With the size of the buffer in one place only, *many* is",
                _many,
                (n_items - 2 * dim + 1 + (n_items - 1 - dim) * (dim - 1) / (n_protected - dim)) / (dim - 2),
                domain=sp.And(sp.Gt(n_protected, dim), sp.Gt(dim, 2)),
            ),
            instance(
                "least",
                "The squared hit is at most $k_i^\\top M^{-1} k_i$ times the cost, for any positive definite $M$; "
                "the gap is a square.",
                sp.Ge(
                    sp.Trace(k_i.T * sp.Inverse(M) * k_i) * sp.Trace(v.T * M * v),
                    sp.Trace(v.T * k_i) ** 2,
                    evaluate=False,
                ),
                {k_i: k_2, v: v_2, M: M_2},
                certificate=cauchy_schwarz_remainder(v_2),
            ),
        ),
    ),
    references=("farajtabar2020", "saha2021"),
    counterexamples=(
        "Near $b = d$ the mean of exact protection does not exist, or has no finite variance: no number of trials "
        "gives it an honest interval. Medians are finite, and peak there.",
        "Keys that are not alike in all directions: if one direction is loud in all keys, the first protected items "
        "tell the write to avoid it, and protecting helps from the first item on. Milder differences of scale do not "
        "remove the rise.",
        "The ridge $n - 1 - b$ counts items of covariance $I$. For another covariance it is that covariance, times "
        "the number of items outside.",
    ),
)

more_protection_helps = Claim(
    id="more-protection-helps",
    title="False: protecting more items always helps",
    part="compression",
    hypotheses=(_gaussian, _more),
    statements=(
        Statement(
            "helps",
            sp.Le(expected_protected, _none),
            Kind.EXPECTATION,
            "The tempting thought: a write that spares some items exactly has, on all items, no more collateral than "
            "one that spares none.",
            hypotheses=(_exact, _below),
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "To spare $b$ items a write must give up $b$ of its $d$ directions. What is left of the key is shorter, the "
        "write must be longer, and the items that nobody protects pay for it.",
    ),
    expected=Verdict.REFUTED,
)
