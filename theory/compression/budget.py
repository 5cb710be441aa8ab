"""The writability budget: what any write rule must pay in a linearly read code."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, instance
from theory.evidence import Kind
from theory.notation import (
    K,
    M,
    collateral,
    dim,
    entry,
    k_i,
    leverage,
    mean_collateral,
    n_items,
    n_keys,
    rank,
    sum_writability,
    v,
    writability,
)

_hat = K.T * sp.Inverse(K * K.T) * K
_i, _j = sp.symbols("i j", integer=True, positive=True)
_ell = sp.IndexedBase("ell", positive=True)

# Symbolic stand-ins of small size. A positive definite M is written by its Cholesky factor, so that signs are declared.
_p, _q = sp.symbols("p q", positive=True)
_s = sp.Symbol("s", real=True)
M_2 = sp.ImmutableMatrix([[_p**2, _p * _s], [_p * _s, _s**2 + _q**2]])
k_2 = sp.ImmutableMatrix(sp.symbols("k_1 k_2", real=True))
v_2 = sp.ImmutableMatrix(sp.symbols("v_1 v_2", real=True))
K_23 = sp.ImmutableMatrix(2, 3, sp.symbols("k_11:14 k_21:24", real=True))
K_12 = sp.ImmutableMatrix(1, 2, sp.symbols("k_11:13", real=True))
K_13 = sp.ImmutableMatrix(1, 3, sp.symbols("k_11:14", real=True))
_scalar = sp.ImmutableMatrix(1, 1, [sp.Symbol("v_1", real=True)])
_corners = sp.ImmutableMatrix([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / sp.sqrt(3)  # of a tetrahedron
_pentagon = sp.ImmutableMatrix(2, 5, lambda row, j: (sp.cos, sp.sin)[row](2 * sp.pi * j / 5))


def cauchy_schwarz_remainder(direction: sp.ImmutableMatrix) -> sp.Expr:
    """The square over det M by which (k'inv(M)k)(v'Mv) exceeds (v'k)^2 in two dimensions."""
    (wedge,) = sp.Matrix([[k_2.row_join(M_2 * direction).det()]])
    return sp.expand(wedge) ** 2 / (_p * _q) ** 2


_bound = n_keys / rank - 1

writability_budget = Claim(
    id="writability-budget",
    title="The writability budget",
    part="compression",
    hypotheses=(
        Hypothesis(
            "The items are read linearly: item $j$ reads $W k_j$, and a write is any change $\\Delta W$ of $W$."
        ),
        Hypothesis(
            "One write is aimed at each of the $n'$ items with a nonzero key, by any rule whatever; it moves its item."
        ),
        Hypothesis("The keys have rank $r$, which is at most $n'$.", sp.Le(rank, n_keys)),
    ),
    statements=(
        Statement(
            "sum",
            sp.Le(sum_writability, rank),
            Kind.EXACT,
            "The writabilities of all items sum to at most the rank, with equality only if every write is optimal.",
        ),
        Statement(
            "mean",
            sp.Ge(mean_collateral, _bound),
            Kind.EXACT,
            "The mean collateral is at least the compression $\\rho = n'/r$ less one.",
        ),
        Statement(
            "item",
            sp.Le(writability, leverage),
            Kind.EXACT,
            "No write aimed at item $i$ has a writability above the item's leverage.",
        ),
        Statement(
            "optimal",
            sp.Eq(collateral, 1 / leverage - 1),
            Kind.EXACT,
            "The write along $M^+ k_i$ attains this: its collateral is the least there is.",
            hypotheses=(Hypothesis("Every write is along $M^+ k_i$."),),
        ),
        Statement(
            "equality",
            sp.Eq(mean_collateral, _bound),
            Kind.EXACT,
            "The mean bound is attained.",
            hypotheses=(
                Hypothesis(
                    "Every write is optimal and all nonzero keys have the same leverage, as in an equal-norm tight frame."
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $M = K K^\\top$, with $K$ restricted to the span of the keys, so that $M$ is invertible there, and let "
            "$v$ be one row of a write. Cauchy–Schwarz in the inner product of $M$ bounds the squared hit on item $i$ by "
            "its leverage $\\ell_i = k_i^\\top M^{-1} k_i$ times $v^\\top M v$ [cauchy-schwarz]. The last factor is the "
            "squared change of *all* items, $\\sum_j (v^\\top k_j)^2$ [total-effect]. Add this inequality over the rows of the "
            "write: the left side becomes the squared change of item $i$, the right side $\\ell_i$ times that of all items. "
            "Their ratio is the writability, so $w_i \\le \\ell_i$. The row $v = M^{-1} k_i$ turns the "
            "inequality into an equality [optimal-write], so the least collateral is $1/\\ell_i - 1$. "
            "The leverages are the diagonal of the hat matrix $H = K^\\top M^{-1} K$. It is a projector, as "
            "$H^2 = K^\\top M^{-1} (K K^\\top) M^{-1} K = H$ [projector], and its trace is that of $M^{-1} K K^\\top$, the "
            "identity in $r$ dimensions [trace]: the writabilities of any rule sum to at most $r$. "
            "The mean collateral is the mean of $1/\\ell_i - 1$ or more. By the inequality of arithmetic and harmonic mean that "
            "is smallest when all leverages are equal [am-hm]; their sum being $r$, it is then $n'/r - 1$. If $K K^\\top$ is a "
            "multiple $a$ of the identity, then $\\ell_i = \\|k_i\\|^2/a$, so in a tight frame of equal norms all leverages "
            "are equal and equality occurs; the regular pentagon is such a frame [tight-frame]."
        ),
        steps=(
            instance(
                "cauchy-schwarz",
                "The squared hit is at most the leverage times the total effect; the gap is a square.",
                sp.Ge(
                    sp.Trace(k_i.T * sp.Inverse(M) * k_i) * sp.Trace(v.T * M * v),
                    sp.Trace(v.T * k_i) ** 2,
                    evaluate=False,
                ),
                {k_i: k_2, v: v_2, M: M_2},
                certificate=cauchy_schwarz_remainder(v_2),
            ),
            instance(
                "total-effect",
                "The quadratic form of $M$ is the squared change summed over the items.",
                sp.Eq(sp.Trace(v.T * (K * K.T) * v), sp.Sum(entry(K.T * v, _j) ** 2, (_j, 1, n_items)), evaluate=False),
                {K: K_23, v: v_2, n_items: 3, dim: 2},
                {K: K_12, v: _scalar, n_items: 2, dim: 1},
            ),
            instance(
                "optimal-write",
                "Along $v = M^{-1}k_i$, all that the write moves, per squared hit, is one over the leverage.",
                sp.Eq(
                    sp.Trace(v.T * M * v) / sp.Trace(v.T * k_i) ** 2,
                    1 / sp.Trace(k_i.T * sp.Inverse(M) * k_i),
                    evaluate=False,
                ),
                {k_i: k_2, M: M_2, v: M_2.inv() * k_2},
            ),
            instance(
                "projector", "The hat matrix is its own square.", sp.Eq(_hat * _hat, _hat, evaluate=False), {K: K_23}
            ),
            instance(
                "trace",
                "Its trace is the rank.",
                sp.Eq(sp.Trace(_hat), dim, evaluate=False),
                {K: K_23, dim: 2},
                {K: K_13, dim: 1},
            ),
            instance(
                "am-hm",
                "Arithmetic and harmonic mean; the gap is a sum of squares over positive products.",
                sp.Ge(
                    sp.Sum(1 / _ell[_i] - 1, (_i, 1, n_keys)) / n_keys,
                    n_keys / sp.Sum(_ell[_i], (_i, 1, n_keys)) - 1,
                    evaluate=False,
                ),
                {n_keys: 3},
                {n_keys: 4},
                certificate=sp.Sum(
                    (_ell[_i] - _ell[_j]) ** 2 / (2 * _ell[_i] * _ell[_j]), (_j, 1, n_keys), (_i, 1, n_keys)
                )
                / (n_keys * sp.Sum(_ell[_i], (_i, 1, n_keys))),
            ),
            instance(
                "tight-frame",
                "The second moment of the regular pentagon is a multiple of the identity, and so is that of the corners of a tetrahedron.",
                sp.Eq(K * K.T, (n_items / dim) * sp.Identity(dim), evaluate=False),
                {K: _pentagon, n_items: 5, dim: 2},
                {K: _corners, n_items: 4, dim: 3},
            ),
        ),
    ),
    references=("meng2022rome", "benedetto2003"),
    counterexamples=(
        "The tempting formula $c_i^* = 1/(k_i^\\top M_{-i}^+ k_i)$, with $M_{-i}$ the second moment of the *other* keys, holds "
        "only if $k_i$ lies in their span. Otherwise the truth is 0, and the formula returns a positive number or infinity.",
        "A zero key has leverage 0: no write moves it, its collateral is infinite, and it is left out of every mean.",
        "Copies of a key do not have leverage 1: $\\mu$ copies have at most $1/\\mu$ each.",
        "A rank below the dimension raises the bound: count the dimensions in use, not the units.",
        "Computing the leverage through a pseudo-inverse of $K K^\\top$ squares the condition number and merges near-duplicates, "
        "where the singular values of $K$ still tell them apart.",
    ),
)
