"""Any differentiable network is, to first order, a linear readout of its gradients: the budget holds for it."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, instance, limit, series
from theory.evidence import Kind
from theory.notation import (
    exact_hit,
    hit_inverse,
    length_inverse,
    leverage,
    mean_collateral,
    n_items,
    n_outputs,
    n_parameters,
    rank,
    step_share,
    sum_best,
    sum_writability,
    tangent_rank,
    writability,
)

_i, _j = sp.symbols("i j", integer=True, positive=True)
_lambda, _tau = sp.IndexedBase("lambda", positive=True), sp.IndexedBase("tau", positive=True)
_w, _x, _v, _t, _d1, _d2, _e = sp.symbols("w x v t delta_1 delta_2 epsilon", real=True)
_L = sp.MatrixSymbol("L", n_outputs, 2)
_u = sp.MatrixSymbol("u", n_outputs, 1)
_D = sp.MatrixSymbol("D", n_outputs, n_outputs)
_q = sp.MatrixSymbol("q", n_outputs, 1)
_ones = sp.MatrixSymbol("e", n_outputs, 1)
_p_all = sp.MatrixSymbol("p", n_outputs, 1)
_B = _D - _p_all * _q.T
_L_2 = sp.ImmutableMatrix(2, 2, sp.symbols("l_11:13 l_21:23", real=True))
_L_3 = sp.ImmutableMatrix(3, 2, sp.symbols("l_11:13 l_21:23 l_31:33", real=True))
_u_2, _u_3 = (sp.ImmutableMatrix(sp.symbols(f"u_1:{o + 1}", real=True)) for o in (2, 3))
_a = sp.Symbol("a", real=True)  # rational points of circle and sphere: roots of probabilities
_roots_2 = sp.ImmutableMatrix([2 * _a, 1 - _a**2]) / (1 + _a**2)
_roots_3 = sp.ImmutableMatrix([2 * _a, 2, _a**2]) / (2 + _a**2)
_softmax = {
    o: {_q: roots, _D: sp.ImmutableMatrix(sp.diag(*roots)), _p_all: roots.applyfunc(lambda q: q**2), n_outputs: o}
    for o, roots in ((2, _roots_2), (3, _roots_3))
}
_p = sp.Symbol("p", positive=True)
_tilted = _p * sp.exp(_t * _e)  # odds of the first of two outputs after its logit has moved by t epsilon
_divergence = -(_p * _t * _e - sp.log(_tilted + 1 - _p))

_aimed = Hypothesis("The write is aimed to first order, $J_i \\delta \\neq 0$, and infinitesimal.")
_all_rank = Hypothesis("The rank is at most the number of outputs of all items.", sp.Le(rank, n_items * n_outputs))


def _wedges(columns: sp.ImmutableMatrix, row: sp.ImmutableMatrix) -> sp.Expr:
    """Lagrange's identity: what |l|^2 |u|^2 exceeds (l'u)^2 by, summed over the columns l."""
    o = len(row)
    return sum(
        (columns[a, c] * row[b] - columns[b, c] * row[a]) ** 2 for c in range(2) for a in range(o) for b in range(a)
    )


tangent_budget = Claim(
    id="tangent-budget",
    title="The budget of any network, to first order",
    part="compression",
    hypotheses=(
        Hypothesis(
            "The network is differentiable in its parameters; $J_j$ is the derivative of its $o$ outputs at item $j$, $J$ the "
            "stack of them, of rank $r_J$, here written $r$."
        ),
        _aimed,
    ),
    statements=(
        Statement(
            "sum",
            sp.Le(sum_writability, rank),
            Kind.EXACT,
            "Each output of each item counted by itself, writabilities sum to at most the rank of all tangent features, for every rule.",
        ),
        Statement(
            "mean",
            sp.Ge(mean_collateral, n_items * n_outputs / rank - 1),
            Kind.EXACT,
            "The mean collateral is at least the compression $no/r$ less one.",
            hypotheses=(_all_rank, Hypothesis("No tangent feature is zero.")),
        ),
        Statement(
            "parameters",
            sp.Ge(mean_collateral, n_items * n_outputs / n_parameters - 1),
            Kind.EXACT,
            "As the rank is at most the number of parameters, counting those is enough for a bound.",
            hypotheses=(Hypothesis("No tangent feature is zero."),),
        ),
        Statement(
            "exact-hit",
            sp.Ge(exact_hit, n_items * n_outputs / rank - 1),
            Kind.EXACT,
            "If a write must give all $o$ outputs of its item values of its own, random and alike in all directions, the mean "
            "collateral obeys the same bound.",
            hypotheses=(_all_rank,),
        ),
        Statement(
            "best-direction",
            sp.Le(sum_best, rank),
            Kind.EXACT,
            "If a write may choose which combination of the outputs of its item it moves, one write an item still sums to at "
            "most the rank.",
        ),
        Statement(
            "infinitesimal",
            sp.Eq(writability, leverage),
            Kind.ASYMPTOTIC,
            "A real write along the optimal direction attains the leverage as it becomes small.",
            hypotheses=(Hypothesis("The outputs are twice continuously differentiable."),),
            size=length_inverse,
            rate=1,
        ),
    ),
    derivation=Derivation(
        proof=(
            "An infinitesimal write $\\delta$ changes output $a$ of item $j$ by the scalar product of $\\delta$ with the gradient of that "
            "output; this is what a derivative is, here for one hidden unit of weights $w$ and $v$ [tangent]. So each output "
            "of each item is read linearly, with its gradient as key and the parameters as the one row of weights. The "
            "writability budget holds as it stands for these $no$ keys: sum and mean follow, and the rank is at most $P$. "
            "Let $A_i$ be the block of the hat matrix that belongs to the outputs of item $i$. Values $\\delta$ wanted at all of "
            "them cost at least $\\delta^\\top A_i^{-1} \\delta$ in all that is moved; averaged over directions that is "
            "$\\operatorname{tr} A_i^{-1} / o$ per unit of the hit, at least $o / \\operatorname{tr} A_i$ by the inequality of arithmetic and "
            "harmonic mean of the eigenvalues [block]. The traces sum to $r$, and the same inequality over the items "
            "gives $n o / r$ [items]. A write that may choose the direction $u$ of its hit has writability at most the "
            "largest value of $u^\\top A_i u$ over unit vectors; with $A_i = L L^\\top$ this is at most the trace [trace], and "
            "the traces sum to $r$. A real write of length $t$ changes the outputs by $t\\,(J\\delta + O(t))$ if they are twice "
            "differentiable. The writability is a ratio of squares: $t^2$ cancels, its limit is that of $J\\delta$ [share], and the "
            "error is of first order in $t$."
        ),
        steps=(
            series(
                "tangent",
                "A write of size $t$ at one hidden unit.",
                (_v + _t * _d2) * sp.tanh((_w + _t * _d1) * _x),
                _t,
                0,
                2,
                _v * sp.tanh(_w * _x) + _t * (_d2 * sp.tanh(_w * _x) + _d1 * _v * _x * (1 - sp.tanh(_w * _x) ** 2)),
            ),
            instance(
                "block",
                "The mean of the inverse eigenvalues is at least the inverse of their mean.",
                sp.Ge(
                    sp.Sum(1 / _lambda[_i], (_i, 1, n_outputs)) / n_outputs,
                    n_outputs / sp.Sum(_lambda[_i], (_i, 1, n_outputs)),
                    evaluate=False,
                ),
                {n_outputs: 2},
                {n_outputs: 3},
                certificate=sp.Sum(
                    (_lambda[_i] - _lambda[_j]) ** 2 / (2 * _lambda[_i] * _lambda[_j]),
                    (_j, 1, n_outputs),
                    (_i, 1, n_outputs),
                )
                / (n_outputs * sp.Sum(_lambda[_i], (_i, 1, n_outputs))),
            ),
            instance(
                "items",
                "With traces $\\tau_i$, the mean over the items is least when they are equal.",
                sp.Ge(
                    sp.Sum(n_outputs / _tau[_i], (_i, 1, n_items)) / n_items,
                    n_items * n_outputs / sp.Sum(_tau[_i], (_i, 1, n_items)),
                    evaluate=False,
                ),
                {n_items: 2},
                {n_items: 3},
                certificate=n_outputs
                * sp.Sum((_tau[_i] - _tau[_j]) ** 2 / (2 * _tau[_i] * _tau[_j]), (_j, 1, n_items), (_i, 1, n_items))
                / (n_items * sp.Sum(_tau[_i], (_i, 1, n_items))),
            ),
            instance(
                "trace",
                "The quadratic form is at most the trace; the gap is a sum of squares.",
                sp.Ge(sp.Trace(_L * _L.T) * sp.Trace(_u.T * _u), sp.Trace(_u.T * _L * _L.T * _u), evaluate=False),
                {_L: _L_2, _u: _u_2},
                certificate=_wedges(_L_2, _u_2),
            ),
            limit(
                "share",
                "Of two outputs, whose changes are $t\\,(\\delta_1 + t w)$ and $t\\,(\\delta_2 + t v)$.",
                (_t * (_d1 + _t * _w)) ** 2 / ((_t * (_d1 + _t * _w)) ** 2 + (_t * (_d2 + _t * _v)) ** 2),
                _t,
                sp.Integer(0),
                _d1**2 / (_d1**2 + _d2**2),
            ),
        ),
    ),
    references=("meng2022rome",),
    counterexamples=(
        "A write that is not aimed to first order escapes: the outputs $\\max(t, 0)^2$ and $\\max(-t, 0)^2$ of the one parameter $t = 0$ have "
        "tangent features 0, and each can be moved without the other.",
        "Finite writes escape, and have a bound of their own below.",
        "With several outputs, $n/r$ counts items and $r$ counts outputs: the mean of the *best* direction is bounded by "
        "$n/r - 1$ only, weaker by the factor $o$.",
        "The converse is lost: a network need not be able to realise the keys that would attain the bound.",
    ),
)

softmax_rank = Claim(
    id="softmax-rank",
    title="To softmax, a readout has one output less",
    part="compression",
    hypotheses=(
        Hypothesis(
            "Damage is counted in Kullback–Leibler divergence of the class probabilities of a linear readout with "
            "softmax, to second order; its keys have rank $r$ and its tangent features, so weighed, rank $r_J$."
        ),
    ),
    statements=(
        Statement(
            "rank",
            sp.Eq(tangent_rank, (n_outputs - 1) * rank),
            Kind.EXACT,
            "The rank of its tangent features, weighed so, is",
        ),
        Statement(
            "sum",
            sp.Le(sum_best, (n_outputs - 1) * rank),
            Kind.EXACT,
            "Writabilities in Kullback–Leibler divergence, in the best direction of each item, sum to at most this.",
        ),
        Statement(
            "infinitesimal",
            sp.Eq(writability, leverage),
            Kind.ASYMPTOTIC,
            "The share of the true divergence that lands on the item of a small write along the best direction tends to the "
            "largest eigenvalue of the item's block, here written $\\ell_i$.",
            size=hit_inverse,
            rate=1,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $p$ be the class probabilities at an item and $F = \\operatorname{diag}(p) - p p^\\top$. A change $\\epsilon$ of the logits "
            "costs $\\frac{1}{2} \\epsilon^\\top F \\epsilon$ in divergence, to second order; for two classes this is a series [divergence]. "
            "With $q$ the roots of $p$, $D = \\operatorname{diag}(q)$ and $B = D - p q^\\top$ we have $B B^\\top = F$ [root], so divergence is "
            "squared damage of $B^\\top J \\delta$, and the budget applies to these keys. The only logits that $B^\\top$ maps to zero are "
            "multiples of $(1, \\dots, 1)$ [kernel], because $F$ vanishes only there if no $p_a$ is 0. A change of weights $\\Delta W$ "
            "is without effect exactly if it maps every key, hence their span, to multiples of that vector; such maps form "
            "a space of dimension $r$ among the $o r$ dimensions of all maps on the span, which leaves [count]. "
            "The next term of the divergence is of third order in the write, so that the share of a small write differs from "
            "that of the second order by a term of first order."
        ),
        steps=(
            series(
                "divergence",
                "Two classes of probabilities $p$ and $1 - p$, the logit of the first moved by $t\\epsilon$.",
                _divergence,
                _t,
                0,
                3,
                _t**2 * _p * (1 - _p) * _e**2 / 2,
            ),
            instance(
                "root",
                "The root of the Fisher information.",
                sp.Eq(_B * _B.T, _D * _D - _p_all * _p_all.T, evaluate=False),
                _softmax[2],
                _softmax[3],
            ),
            instance(
                "kernel",
                "Equal logits cost nothing.",
                sp.Eq(_B.T * _ones, sp.ZeroMatrix(n_outputs, 1), evaluate=False),
                _softmax[2] | {_ones: sp.ones(2, 1).as_immutable()},
                _softmax[3] | {_ones: sp.ones(3, 1).as_immutable()},
            ),
            identity("count", "The rank is", n_outputs * rank - rank, (n_outputs - 1) * rank),
        ),
    ),
    references=(),
    counterexamples=(
        "A root of $F$ from its eigenvalues turns the one that is 0 into some $10^{-8}$, which a rank then counts: take $B$.",
        "Squared damage of the logits themselves has rank $o r$: it charges for a shift of all logits, which changes no probability.",
    ),
)

one_step_share = Claim(
    id="one-step-share",
    title="One gradient step spends little of the budget",
    part="compression",
    hypotheses=(
        Hypothesis("A small network with one output and more items than parameters, with random weights or trained."),
    ),
    statements=(
        Statement(
            "share",
            sp.Le(step_share, sp.Rational(1, 4)),
            Kind.EMPIRICAL,
            "On average over networks, one gradient step on each item alone spends less than a quarter of the budget. The "
            "quarter was chosen before these networks were drawn, after a first look at four others.",
            resolution=0.25,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Where the gradients of all items have one length and one second moment in all directions, as in a tight frame, one step "
        "is optimal and spends all.",
    ),
)
