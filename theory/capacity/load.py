"""How free room shrinks as a linearly read code is loaded with random keys."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import M_2, k_2
from theory.derivation import Derivation, identity, instance, limit, series
from theory.evidence import Kind
from theory.notation import (
    M,
    dim,
    effective_dim,
    free_share,
    fresh_share,
    k_i,
    load,
    mean_log_eigenvalue,
    ridge,
)

free_share_law = (1 - load - ridge + sp.sqrt((load - 1 + ridge) ** 2 + 4 * ridge)) / 2
log_law = sp.log(load) - 1 - (load - 1) * sp.log(1 - 1 / load)

_m, _other, _q, _degrees, _power = sp.symbols("m m' q f s", positive=True)
_beyond = sp.Symbol("t", positive=True)
_z = sp.Symbol("z", real=True)
_count = sp.Symbol("p", integer=True, positive=True)
_m_star = free_share_law / ridge
_one = sp.Identity(dim)
_outer = k_i * k_i.T
_quadratic = sp.Trace(k_i.T * sp.Inverse(M) * k_i)
_scalar = sp.ImmutableMatrix(1, 1, [sp.Symbol("p", positive=True)])

random_gaussian_keys = Hypothesis(
    "There are $n = \\alpha d$ independent keys with independent Gaussian entries of variance $1/d$, so of unit length on average; "
    "$\\lambda_a$ are the eigenvalues of $M = \\sum_j k_j k_j^\\top$."
)
overloaded = Hypothesis("There are more keys than dimensions, $\\alpha > 1$.", sp.Gt(load, 1))

load_law = Claim(
    id="load-law",
    title="Free room against load",
    part="capacity",
    hypotheses=(random_gaussian_keys,),
    statements=(
        Statement(
            "free-share",
            sp.Eq(free_share, free_share_law),
            Kind.ASYMPTOTIC,
            "The expected share of the dimensions that is free under a ridge $\\mu$, "
            "$\\frac1d\\sum_a \\mu/(\\lambda_a + \\mu) = 1 - d_{\\mathrm{eff}}/d$, tends to this as dimensions and keys become many. The "
            "error is at most of the order $1/d$, as is proved, and no less, as is measured.",
            size=dim,
            rate=1.0,
            resolution=0.15,
        ),
        Statement(
            "fresh-key",
            sp.Eq(fresh_share, 1 - effective_dim / dim),
            Kind.EXPECTATION,
            "In any dimension it is also the free share of a new random key of unit length: what a new item may use without "
            "paying.",
            hypotheses=(Hypothesis("The fresh key is uniform on the unit sphere. (Its free share lies in $[0, 1]$.)"),),
            resolution=0.02,
        ),
        Statement(
            "log-eigenvalue",
            sp.Eq(mean_log_eigenvalue, log_law),
            Kind.ASYMPTOTIC,
            "The expected mean logarithm of the eigenvalues, on which bits depend, tends to this.",
            hypotheses=(overloaded,),
            size=dim,
            rate=1.0,
            resolution=0.15,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $R = (M + \\mu I)^{-1}$, whose eigenvalues are at most $1/\\mu$, and $m = \\frac1d\\operatorname{tr}R$, so that the free "
            "share is $\\mu m$. Since $MR = I - \\mu R$ [resolvent], the sum of $k_j^\\top R k_j$ over the keys is $d - \\mu d m$. Leave "
            "key $j$ out of $M$, call the rest $R_j$ and $m_j$, and let $q_j = k_j^\\top R_j k_j$; then $k_j^\\top R k_j = q_j/(1+q_j)$ "
            "[one-key]. Given $R_j$, the quadratic form $q_j$ has mean $m_j$, and variance $2\\operatorname{tr}R_j^2/d^2 \\leq 2/(d\\mu^2)$, as the "
            "square of a standard Gaussian has variance 2 [gaussian]. One key changes the trace by "
            "$k_j^\\top R_j^2 k_j/(1+q_j) \\leq 1/\\mu$ [trace], so $m_j$ exceeds $m$ by at most $1/(d\\mu)$. Reveal the keys one "
            "after the other: the trace then moves by uncorrelated steps of at most $1/\\mu$, so $m$ has variance at most "
            "$n/(d\\mu)^2 = \\alpha/(d\\mu^2)$. All this says that $q_j$ differs from the mean $\\bar m$ of $m$ by an amount whose mean and "
            "mean square are of the order $1/d$. The function $q/(1+q)$ differs from its tangent at $\\bar m$ by at most "
            "$(q-\\bar m)^2$ [tangent], so its mean differs from $\\bar m/(1+\\bar m)$ by order $1/d$, and the sum over the keys gives "
            "$1 - \\mu \\bar m - \\alpha\\bar m/(1+\\bar m) = O(1/d)$. At the stated $\\varphi = \\mu m$ the left side is 0 [fixed-point]. Two values "
            "of $m$ differ by at most $1/\\mu$ times what they make of the left side [stable], so $\\mu\\bar m$ differs from $\\varphi$ by "
            "order $1/d$. The argument uses the fourth moment of the entries only. This is the law of Marchenko and Pastur, "
            "for the one function that is needed here. Without a ridge, room is left below load 1 only [below], and none above "
            "[above]; there a small ridge frees in proportion [small-ridge]. A fresh key $k$ of mean square $I/d$ has "
            "$\\mathbb{E}\\,\\mu k^\\top R k = \\frac{\\mu}{d}\\operatorname{tr}R$, the same number. For the logarithm, $\\det M$ is the product of squared "
            "distances of each row of $K$ to the span of the rows before, so of independent $\\chi^2_f/d$ with $f = n, n-1, \\dots, "
            "n-d+1$. The mean logarithm of $\\chi^2_f$ is the slope at 0 of the logarithm of its moments [chi-square]; that is close "
            "to $\\ln f - 1/f$ [digamma]. Their mean over $f$ is a Riemann sum of $\\ln(\\alpha - t)$ over $t$ in $[0, 1]$, which has "
            "the stated integral [integral]. The sum takes the left end of each step and so exceeds the integral by "
            "$\\frac{1}{2d}\\ln\\frac{\\alpha}{\\alpha-1}$; the terms $1/f$ take away twice that, and the error of order $1/d$ is "
            "$\\frac{1}{2d}\\ln(1 - 1/\\alpha)$ [log-rate], which is not 0."
        ),
        steps=(
            instance(
                "resolvent",
                "What is left of the identity.",
                sp.Eq(M * sp.Inverse(M + ridge * _one), _one - ridge * sp.Inverse(M + ridge * _one), evaluate=False),
                {M: M_2, dim: 2},
                {M: _scalar, dim: 1},
            ),
            instance(
                "one-key",
                "Here $M$ stands for what the other keys and the ridge make up.",
                sp.Eq(
                    sp.Trace(k_i.T * sp.Inverse(M + _outer) * k_i),
                    _quadratic / (1 + _quadratic),
                    evaluate=False,
                ),
                {M: M_2, k_i: k_2},
            ),
            instance(
                "gaussian",
                "The fourth moment is 3, the second 1.",
                sp.Eq(
                    sp.Integral(_z ** (2 * _count) * sp.exp(-(_z**2) / 2), (_z, -sp.oo, sp.oo)) / sp.sqrt(2 * sp.pi),
                    sp.factorial2(2 * _count - 1),
                    evaluate=False,
                ),
                {_count: 1},
                {_count: 2},
            ),
            instance(
                "trace",
                "What a key takes from the trace of the inverse.",
                sp.Eq(
                    sp.Trace(sp.Inverse(M)) - sp.Trace(sp.Inverse(M + _outer)),
                    sp.Trace(k_i.T * sp.Inverse(M) * sp.Inverse(M) * k_i) / (1 + _quadratic),
                    evaluate=False,
                ),
                {M: M_2, k_i: k_2},
            ),
            identity(
                "tangent",
                "The gap to the tangent at $m$.",
                _m / (1 + _m) + (_q - _m) / (1 + _m) ** 2 - _q / (1 + _q),
                (_q - _m) ** 2 / ((1 + _m) ** 2 * (1 + _q)),
            ),
            identity(
                "fixed-point",
                "With $m = \\varphi/\\mu$.",
                1 - free_share_law - load * _m_star / (1 + _m_star),
                sp.Integer(0),
            ),
            identity(
                "stable",
                "The left side at $m'$ less that at $m$.",
                (1 - ridge * _other - load * _other / (1 + _other)) - (1 - ridge * _m - load * _m / (1 + _m)),
                (_m - _other) * (ridge + load / ((1 + _m) * (1 + _other))),
            ),
            limit(
                "below",
                "At load $1/(1+t)$.",
                free_share_law.subs(load, 1 / (1 + _beyond)),
                ridge,
                0,
                1 - 1 / (1 + _beyond),
            ),
            limit("above", "At load $1 + t$.", free_share_law.subs(load, 1 + _beyond), ridge, 0, sp.Integer(0)),
            series(
                "small-ridge", "At load $1 + t$.", free_share_law.subs(load, 1 + _beyond), ridge, 0, 2, ridge / _beyond
            ),
            limit(
                "chi-square",
                "The moment of order $s$ is $2^s\\,\\Gamma(f/2 + s)/\\Gamma(f/2)$.",
                sp.log(2**_power * sp.gamma(_degrees / 2 + _power) / sp.gamma(_degrees / 2)) / _power,
                _power,
                0,
                sp.digamma(_degrees / 2) + sp.log(2),
            ),
            limit(
                "digamma",
                "With $m = f/2$.",
                _m * (sp.digamma(_m) - sp.log(_m)),
                _m,
                sp.oo,
                -sp.Rational(1, 2),
            ),
            identity(
                "integral",
                "At load $1 + t$, from 0 to 1, by the antiderivative $z\\ln z - z$.",
                ((1 + _beyond) * sp.log(1 + _beyond) - (1 + _beyond)) - (_beyond * sp.log(_beyond) - _beyond),
                log_law.subs(load, 1 + _beyond).subs(1 - 1 / (1 + _beyond), _beyond / (1 + _beyond)),
            ),
            identity(
                "log-rate",
                "At load $1 + t$, times $d$.",
                sp.log((1 + _beyond) / _beyond) / 2 - sp.log((1 + _beyond) / _beyond),
                sp.log(_beyond / (1 + _beyond)) / 2,
            ),
        ),
    ),
    references=("marchenko1967",),
    counterexamples=(
        "Keys with a decaying spectrum leave far more room than random ones at the same load: real networks do.",
        "One draw is not the mean: at finite $d$ it scatters by an amount that is of the order $1/d$ as well.",
        "The limits do not commute: at $\\alpha = 1$ the free share falls as $\\sqrt\\mu$, not as $\\mu$.",
        "With fewer keys than dimensions some eigenvalues are 0, and the mean logarithm is minus infinity.",
    ),
)
