"""Finite writes to a network: what an escape from the first-order budget costs."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import K_12
from theory.derivation import Derivation, identity, inequality, instance
from theory.evidence import Kind, Verdict
from theory.notation import (
    K,
    change_norm,
    curvature,
    dim,
    leverage,
    n_items,
    norm_off_tangent,
    off_tangent,
    root_writability,
    sum_writability,
    tangent_rank,
    write_norm,
)

_reduced = sp.ImmutableMatrix(
    [[1, 0, sp.Symbol("a", real=True)], [0, 1, sp.Symbol("b", real=True)]]
)  # any, up to coordinates
_hat = K.T * sp.Inverse(K * K.T) * K
_i, _j = sp.symbols("i j", integer=True, positive=True)
_n = sp.Symbol("N", integer=True, positive=True)
_l, _k = sp.IndexedBase("l", real=True), sp.IndexedBase("kappa", real=True)
_t, _u = sp.symbols("t u", nonnegative=True)
_x, _y = sp.symbols("x y", real=True)
_m, _nx = sp.symbols("m n_x", integer=True, positive=True)
_W, _E = sp.MatrixSymbol("W", _m, _nx), sp.MatrixSymbol("E", _m, _nx)
_W_23 = sp.ImmutableMatrix(2, 3, sp.symbols("w_11:14 w_21:24", real=True))
_E_23 = sp.ImmutableMatrix(2, 3, sp.symbols("e_11:14 e_21:24", real=True))


def _sine(half: sp.Expr) -> sp.Expr:
    """2t/(1+t^2), whose cosine is (1-t^2)/(1+t^2): rational points of the circle."""
    return 2 * half / (1 + half**2)


def _cosine(half: sp.Expr) -> sp.Expr:
    return (1 - half**2) / (1 + half**2)


_angle = sp.cos(sp.acos(sp.sqrt(leverage)) - sp.asin(off_tangent))

finite_writes = Claim(
    id="finite-writes",
    title="What a finite write can escape, and what it costs",
    part="compression",
    hypotheses=(
        Hypothesis(
            "The network has scalar outputs with tangent features $J$ of rank $r_J$ before the write; $\\Delta^{(i)}$ is the "
            "actual change of all outputs that any finite write at item $i$ makes, and $\\kappa^\\perp_i$ the share of its length "
            "outside the range of $J$."
        ),
    ),
    statements=(
        Statement(
            "item",
            sp.Le(root_writability, _angle),
            Kind.EXACT,
            "No write, however it is found and however large, has more writability than this.",
            hypotheses=(
                Hypothesis(
                    "$\\ell_i \\leq 1$ and $\\kappa^\\perp_i \\leq 1$, as they always are.",
                    sp.And(sp.Le(leverage, 1), sp.Le(off_tangent, 1)),
                ),
            ),
        ),
        Statement(
            "sum",
            sp.Le(sum_writability, (sp.sqrt(tangent_rank) + norm_off_tangent) ** 2),
            Kind.EXACT,
            "All together they obey a budget that grows with what is off the tangent.",
        ),
        Statement(
            "curvature",
            sp.Le(off_tangent, curvature * write_norm**2 / (2 * change_norm)),
            Kind.EXACT,
            "What is off the tangent is paid for in weights: a write must be long, compared with its effect.",
            hypotheses=(
                Hypothesis(
                    "The outputs are curved by at most $\\beta$: $\\|f(\\theta + \\delta) - f(\\theta) - J\\delta\\| \\leq \\frac{\\beta}{2}\\|\\delta\\|^2$. "
                    "For the linear autoencoder $x \\mapsto W^\\top W x$, $\\beta$ is twice the largest singular value of the inputs."
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $H$ be the hat matrix of $J$ and $v = \\Delta^{(i)}/\\|\\Delta^{(i)}\\|$, so that $w_i = v_i^2$. $H$ is symmetric and leaves the "
            "columns of $J$ as they are [tangent-part]; as every column of $H$ is a combination of those, $H(I - H) = 0$. So "
            "$v_i = (H e_i) \\cdot (H v) + ((I - H)e_i) \\cdot ((I - H)v)$. The four "
            "vectors have lengths $\\sqrt{\\ell_i}$, $\\sqrt{1 - (\\kappa^\\perp_i)^2}$, $\\sqrt{1 - \\ell_i}$ and $\\kappa^\\perp_i$, and "
            "Cauchy–Schwarz twice bounds $|v_i|$ by the cosine of a difference of two angles [cosine]. That is at most "
            "$\\sqrt{\\ell_i} + \\kappa^\\perp_i$; with half angles $u$ and $t$ in $[0, 1]$ the gap is manifestly not "
            "negative [sum-of-both]. Square, and sum over the items: the root of $\\sum_i (\\sqrt{\\ell_i} + \\kappa^\\perp_i)^2$ is at most the sum "
            "of the roots of $\\sum_i \\ell_i = r_J$ and $\\sum_i (\\kappa^\\perp_i)^2$ (Minkowski's inequality), because the cross "
            "term obeys Cauchy–Schwarz [minkowski]. Finally $H$ leaves $J\\delta$ as it is, so that $(I - H)\\Delta = "
            "(I - H)(\\Delta - J\\delta)$ is no longer than what the curvature allows; divide by $\\|\\Delta\\|$. For the autoencoder "
            "the remainder is $E^\\top E$ [autoencoder], at inputs $X$ no longer than $\\|E\\|^2$ times the largest "
            "singular value of $X$."
        ),
        steps=(
            instance(
                "tangent-part",
                "With $K = J^\\top$, the hat matrix maps $J$ to itself.",
                sp.Eq((_hat - sp.Identity(n_items)) * K.T, sp.ZeroMatrix(n_items, dim), evaluate=False),
                {K: _reduced, n_items: 3, dim: 2},
                {K: K_12, n_items: 2, dim: 1},
            ),
            identity(
                "cosine",
                "With $\\sqrt{\\ell_i} = \\cos x$ and $\\kappa^\\perp_i = \\sin y$, the bound of Cauchy–Schwarz as one cosine.",
                sp.cos(_x) * sp.cos(_y) + sp.sin(_x) * sp.sin(_y),
                sp.cos(_x - _y),
            ),
            inequality(
                "sum-of-both",
                "With $\\sqrt{\\ell} = 2u/(1+u^2)$ and $\\kappa^\\perp = 2t/(1+t^2)$.",
                _sine(_u) + _sine(_t),
                _sine(_u) * _cosine(_t) + _cosine(_u) * _sine(_t),
                _sine(_u) * 2 * _t**2 / (1 + _t**2) + _sine(_t) * 2 * _u**2 / (1 + _u**2),
            ),
            instance(
                "minkowski",
                "The cross term, with $l_i$ for $\\sqrt{\\ell_i}$; the gap is a sum of squares.",
                sp.Ge(
                    sp.Sum(_l[_i] ** 2, (_i, 1, _n)) * sp.Sum(_k[_i] ** 2, (_i, 1, _n)),
                    sp.Sum(_l[_i] * _k[_i], (_i, 1, _n)) ** 2,
                    evaluate=False,
                ),
                {_n: 2},
                {_n: 3},
                certificate=sp.Sum((_l[_i] * _k[_j] - _l[_j] * _k[_i]) ** 2 / 2, (_j, 1, _n), (_i, 1, _n)),
            ),
            instance(
                "autoencoder",
                "What a change $E$ of the weights does beyond first order.",
                sp.Eq((_W + _E).T * (_W + _E) - _W.T * _W - (_E.T * _W + _W.T * _E), _E.T * _E, evaluate=False),
                {_W: _W_23, _E: _E_23},
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "Two digits packed into one real number and read by their place are written without collateral: the rank is 0, "
        "all of the change is off the tangent, and the bound is attained.",
        "The bound says nothing where $\\|\\kappa^\\perp\\|_2 \\geq \\sqrt N - \\sqrt{r_J}$, with $N$ outputs.",
        "If the off-tangent fraction is known only to be *at most* some number, the angle is the larger of 0 and the difference.",
        "Large unguided steps along the best tangent direction do not escape: they lose the writability they had.",
    ),
)

first_order_for_finite = Claim(
    id="first-order-for-finite",
    title="False: no write to any network beats its first-order budget",
    part="compression",
    hypotheses=(Hypothesis("A network with scalar outputs and tangent features of rank $r_J$."),),
    statements=(
        Statement(
            "finite",
            sp.Le(sum_writability, tangent_rank),
            Kind.EXACT,
            "The budget of the tangent, claimed of finite writes.",
        ),
        Statement(
            "unaimed",
            sp.Le(sum_writability, tangent_rank),
            Kind.EXACT,
            "The same, claimed of small writes that need not move their item to first order.",
        ),
    ),
    derivation=None,
    references=("mazumdar2014", "vatedka2020tit"),
    counterexamples=("Digits packed into one number, and a parameter at a kink.",),
    expected=Verdict.REFUTED,
)
