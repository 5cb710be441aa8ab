"""Random keys: the exact law of the leverage, and the mean collateral of optimal and of local writes."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import K_23
from theory.derivation import Derivation, identity, instance, limit
from theory.evidence import Kind
from theory.notation import (
    K,
    compression,
    define_matrix,
    dim,
    expected_local,
    expected_optimal,
    leverage_cdf,
    n_items,
    x,
)

_T = define_matrix("T", "T", "any invertible change of the coordinates of the keys", dim, dim)
_T_2 = sp.ImmutableMatrix(2, 2, sp.symbols("t_11:13 t_21:23", real=True))
_transformed = (_T * K).T * sp.Inverse((_T * K) * (_T * K).T) * (_T * K)
_t = sp.Symbol("t", real=True)
_a, _b, _s, _odds = sp.symbols("alpha beta s u", positive=True)
_ell = _odds / (1 + _odds)

_beta_cdf = sp.betainc_regularized(dim / 2, (n_items - dim) / 2, 0, x)
_optimal_mean = (n_items - dim) / (dim - 2)


def _gamma_density(point: sp.Expr, shape: sp.Expr) -> sp.Expr:
    return point ** (shape - 1) * sp.exp(-point) / sp.gamma(shape)


_gaussian = Hypothesis("The keys are Gaussian, of mean 0 and any one invertible covariance.")
_more_keys = Hypothesis("There are more keys than dimensions, $n > d$.", sp.Gt(n_items, dim))

random_keys = Claim(
    id="random-keys",
    title="What random keys cost",
    part="compression",
    hypotheses=(Hypothesis("The keys are independent."),),
    statements=(
        Statement(
            "leverage-law",
            sp.Eq(leverage_cdf, _beta_cdf),
            Kind.LAW,
            "The leverage of an item follows the Beta law with parameters $d/2$ and $(n-d)/2$.",
            hypotheses=(_gaussian, _more_keys),
        ),
        Statement(
            "optimal-mean",
            sp.Eq(expected_optimal, _optimal_mean),
            Kind.EXPECTATION,
            "Optimal writes cost this much on average, $d/(d-2)$ times the budget's bound.",
            hypotheses=(
                _gaussian,
                _more_keys,
                Hypothesis(
                    "$d > 4$, so that the collateral has a finite variance and its mean can be given an interval (the "
                    "equation needs only $d > 2$).",
                    sp.Gt(dim, 4),
                ),
            ),
            resolution=0.015,
        ),
        Statement(
            "local-mean",
            sp.Eq(expected_local, (n_items - 1) / dim),
            Kind.EXPECTATION,
            "Local writes cost this much on average.",
            hypotheses=(Hypothesis("The keys are uniform on the unit sphere."),),
            resolution=0.005,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Leverages do not change under an invertible change of coordinates [invariance], so the covariance may be taken "
            "to be the identity. Then the $d$ rows of $K$ are independent standard Gaussian vectors in $\\mathbb{R}^n$, their "
            "span is a uniformly random $d$-dimensional subspace, and $\\ell_i$ is the squared length of the projection of a "
            "fixed unit vector onto it. Turn the picture round: it is the share that the first $d$ coordinates have in the "
            "squared length of a standard Gaussian vector, that is $X/(X+Y)$ with $2X \\sim \\chi^2_d$ and "
            "$2Y \\sim \\chi^2_{n-d}$ independent. Their joint density splits into a Beta density of the share, with $\\alpha = d/2$ and "
            "$\\beta = (n-d)/2$, and a Gamma density of the sum [beta-law]. The mean of $1/\\ell_i$ under it "
            "is an integral [inverse-moment], and less one it is the mean collateral [beta-mean]. It exceeds the budget's bound "
            "$n/d - 1$ by exactly the factor $d/(d-2)$ [excess], which tends to one in high dimension [high-dimension]. For the local write, the mean squared coordinate of a uniform unit "
            "vector is $1/d$, because the $d$ coordinates are alike and their squares sum to one [sphere]. So each of the $n-1$ other "
            "items contributes $\\mathbb{E}\\langle k_i, k_j\\rangle^2 = 1/d$."
        ),
        steps=(
            instance(
                "invariance",
                "The hat matrix of $TK$ is that of $K$.",
                sp.Eq(_transformed, K.T * sp.Inverse(K * K.T) * K, evaluate=False),
                {K: K_23, _T: _T_2},
            ),
            identity(
                "beta-law",
                "With $\\ell = u/(1+u)$ and sum $s$, the joint density of share and sum (Jacobian $s$) factorises.",
                _gamma_density(_ell * _s, _a) * _gamma_density((1 - _ell) * _s, _b) * _s,
                _ell ** (_a - 1)
                * (1 - _ell) ** (_b - 1)
                * sp.gamma(_a + _b)
                / (sp.gamma(_a) * sp.gamma(_b))
                * _gamma_density(_s, _a + _b),
            ),
            instance(
                "inverse-moment",
                "The mean of $1/\\ell$ under the Beta density with $\\alpha = d/2$ and $\\beta = (n-d)/2$; it exists for $d > 2$.",
                sp.Eq(
                    sp.gamma(n_items / 2)
                    / (sp.gamma(dim / 2) * sp.gamma((n_items - dim) / 2))
                    * sp.Integral(_t ** (dim / 2 - 2) * (1 - _t) ** ((n_items - dim) / 2 - 1), (_t, 0, 1)),
                    (n_items - 2) / (dim - 2),
                    evaluate=False,
                ),
                {n_items: 8, dim: 4},
                {n_items: 12, dim: 4},
                {n_items: 12, dim: 6},
            ),
            identity(
                "beta-mean",
                "Less one it is",
                (n_items - 2) / (dim - 2) - 1,
                _optimal_mean,
                domain=sp.And(sp.Gt(n_items, dim), sp.Gt(dim, 2)),
            ),
            identity(
                "excess",
                "Over the budget's bound it is",
                _optimal_mean / (n_items / dim - 1),
                dim / (dim - 2),
                domain=sp.And(sp.Gt(n_items, dim), sp.Gt(dim, 2)),
            ),
            limit(
                "high-dimension",
                "At fixed compression the mean tends to the bound.",
                _optimal_mean.subs(n_items, compression * dim),
                dim,
                sp.oo,
                compression - 1,
            ),
            instance(
                "sphere",
                "The mean squared coordinate $\\cos^2 t$, where the share of the sphere at angle $t$ is as $\\sin^{d-2} t$.",
                sp.Eq(
                    sp.Integral(sp.cos(_t) ** 2 * sp.sin(_t) ** (dim - 2), (_t, 0, sp.pi))
                    / sp.Integral(sp.sin(_t) ** (dim - 2), (_t, 0, sp.pi)),
                    1 / dim,
                    evaluate=False,
                ),
                {dim: 2},
                {dim: 3},
                {dim: 4},
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "Uniform keys on the sphere are not Gaussian: their optimal writes lie closer to the bound, and the Beta law fails.",
        "In three or four dimensions the mean collateral exists and its variance does not: no number of trials gives its mean an "
        "honest interval. At $d \\leq 2$ the mean itself is infinite.",
        "The leverages of one key matrix sum to $d$, so they are dependent: a test of the law takes one item from each draw.",
    ),
)
