"""How the best code shares its dimensions among items that are not used equally: reverse water-filling."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, cited, identity, inequality
from theory.evidence import Kind, Verdict
from theory.notation import (
    damage,
    dim,
    item_damage,
    leverage,
    n_dedicated,
    rank,
    shared_root,
    shared_use,
    sum_writability,
    total_root,
    total_use,
    use,
    water_level,
)

_least = shared_root**2 / (dim - n_dedicated) - shared_use
_all = total_root**2 / dim - total_use
_p_i, _p_j, _q_i, _h_i, _h_j = sp.symbols("p_i p_j q_i h_i h_j", positive=True)
_u, _t = sp.symbols("u t", nonnegative=True)
_a = sp.Symbol("a", positive=True)
_level = shared_root / (dim - n_dedicated)
_some_share = Hypothesis(
    "More items are used than there are dimensions, so that some share: $s < d$.", sp.Lt(n_dedicated, dim)
)
_best_code = Hypothesis(
    "The leverages of the weighted keys are the allocation $\\ell_i = \\min(1, \\sqrt{a_i}/\\theta)$, and writes are optimal."
)

_least_damage = Hypothesis(
    "The damage is the least that any code and any rule of writing have; item $i$ is written, $a_i > 0$."
)

importance_allocation = Claim(
    id="importance-allocation",
    title="The best code is filled from the most used item down",
    part="compression",
    hypotheses=(
        Hypothesis(
            "Item $j$ is used with importance $p_j > 0$ and written at rate $q_j \\geq 0$; its use is $a_j = p_j q_j$."
        ),
        Hypothesis("It is read linearly, and each item that is written has a nonzero key."),
    ),
    statements=(
        Statement(
            "allocation",
            sp.Ge(damage, _least),
            Kind.EXACT,
            "No code in $d$ dimensions and no rule of writing has less total damage than this, where the $s$ items with "
            "$\\sqrt{a_i} \\geq \\theta$ have a dimension of their own, $R$ and $A$ sum $\\sqrt{a_i}$ and $a_i$ over the "
            "others, and the level is $\\theta = R/(d - s)$.",
            hypotheses=(_some_share,),
        ),
        Statement(
            "attained",
            sp.Eq(damage, _least),
            Kind.EXACT,
            "Some code attains it.",
            hypotheses=(_some_share, _best_code),
        ),
        Statement(
            "leverage",
            sp.Eq(leverage, sp.Min(1, sp.sqrt(use) / water_level)),
            Kind.EXACT,
            "No code attains it with other leverages: the most used items have leverage 1, and the rest share in proportion "
            "to the root of their use. If items are written as often as they are used, $q = p$, that is in proportion to "
            "$p_i$.",
            hypotheses=(_some_share, _least_damage),
        ),
        Statement(
            "given-code",
            sp.Eq(item_damage, use * (1 / leverage - 1)),
            Kind.EXACT,
            "In a code that is given, this is the least damage of writing item $i$, with $\\ell_i$ its leverage among the "
            "weighted keys $\\sqrt{p_j}\\,k_j$.",
            hypotheses=(Hypothesis("Writes are optimal for the weighted keys."),),
        ),
        Statement(
            "sum",
            sp.Le(sum_writability, rank),
            Kind.EXACT,
            "Importance does not change the budget: the writabilities among the weighted keys sum to at most the rank.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "Weighted by importance, a squared change counts as in a code with keys $\\sqrt{p_j}\\,k_j$. With the writability "
            "$w_i$ among those keys, the damage at item $i$ is $a_i(1/w_i - 1)$ [weights]. The writability budget holds for "
            "those keys as it stands, so the least damage is $a_i(1/\\ell_i - 1)$. It remains to choose leverages, which lie in "
            "$(0, 1]$ and sum to at most $d$. Compare any choice with the level $\\theta$. An item below the level has "
            "$a/\\ell + \\theta^2 \\ell \\geq 2\\theta\\sqrt a$, with equality at $\\ell = \\sqrt a/\\theta$ [shared]. An item "
            "above it, $a = \\theta^2 + t$, has $a/\\ell + \\theta^2\\ell \\geq a + \\theta^2$, with equality at $\\ell = 1$; "
            "write $\\ell = 1/(1+u)$ [dedicated]. Add this up over all items and use that the leverages sum to at most $d$: the "
            "sum of $a_i/\\ell_i$ is at least $2\\theta R + s\\theta^2 - d\\theta^2$ plus the uses of the dedicated items, which "
            "for $\\theta = R/(d-s)$ is the statement plus the sum of all uses [level]. Leverages in $[0,1]$ that sum to $d$ are "
            "the diagonal of some projector of rank $d$ [schur-horn], so a code attains the bound. For *leverage*, look at what "
            "each item loses: by [shared] it is $(\\sqrt a - \\theta\\ell)^2/\\ell$ below the level, and by [dedicated] at least "
            "$\\theta^2u^2/(1+u) = \\theta^2(1 - \\ell)^2/\\ell$ above it [lost]. A code that attains the bound loses nothing, so its "
            "leverages are the allocation. And as $\\ell \\leq 1$, a code whose damage exceeds the bound by $\\eta$ has no "
            "leverage that differs from it by more than $\\sqrt\\eta/\\theta$."
        ),
        steps=(
            identity(
                "weights",
                "With a change $h_j$ at all other items together, against $h_i$ at the target, the damage is $a_i (1/w_i - 1)$.",
                _q_i * _p_j * _h_j / _h_i,
                (_p_i * _q_i) * (1 / (_p_i * _h_i / (_p_i * _h_i + _p_j * _h_j)) - 1),
            ),
            inequality(
                "shared",
                "Below the level, for any $\\ell > 0$.",
                _a / leverage + water_level**2 * leverage,
                2 * water_level * sp.sqrt(_a),
                (sp.sqrt(_a) - water_level * leverage) ** 2 / leverage,
            ),
            inequality(
                "dedicated",
                "Above the level, for any $\\ell = 1/(1+u) \\leq 1$.",
                (water_level**2 + _t) * (1 + _u) + water_level**2 / (1 + _u),
                (water_level**2 + _t) + water_level**2,
                _u * (_t + water_level**2 * _u / (1 + _u)),
            ),
            identity(
                "lost",
                "In terms of the leverage, with $u = 1/\\ell - 1$,",
                water_level**2 * (1 / leverage - 1) ** 2 / (1 + (1 / leverage - 1)),
                water_level**2 * (1 - leverage) ** 2 / leverage,
            ),
            identity(
                "level",
                "At the level $R/(d-s)$,",
                2 * _level * shared_root + n_dedicated * _level**2 - dim * _level**2,
                shared_root**2 / (dim - n_dedicated),
                domain=sp.Gt(dim, n_dedicated),
            ),
            cited(
                "schur-horn",
                "Numbers in $[0,1]$ that sum to an integer $d$ are the diagonal of an orthogonal projector of rank $d$.",
                "horn1954",
            ),
        ),
    ),
    references=("horn1954", "schur1923", "scherlis2022"),
    counterexamples=(
        "What is not represented is not damaged: an item that is never written may be dropped from the code at no cost in "
        "$\\mathcal{D}$. Zero keys that are forbidden make the bound an infimum.",
        "Where no more items are used than there are dimensions, every one has its own, and the damage is 0.",
        "Equal leverage is best for equal use only. With use as in Zipf's law it lets frequent items pay for rare ones.",
    ),
)

cauchy_schwarz_allocation = Claim(
    id="cauchy-schwarz-allocation",
    title="False: the Cauchy–Schwarz bound is what the best code pays",
    part="compression",
    hypotheses=importance_allocation.hypotheses,
    statements=(
        Statement(
            "value",
            sp.Eq(damage, _all),
            Kind.EXACT,
            "The tempting short cut: Cauchy–Schwarz over all items bounds $\\sum_i a_i/\\ell_i$ from below by "
            "$R_{\\mathrm{all}}^2/d$. The bound is true, but where some items deserve a dimension of their own no code attains "
            "it, because it would give them leverages above 1; it can even be negative. Elsewhere, as in equal use, it is the "
            "value.",
            hypotheses=(
                _some_share,
                _best_code,
                Hypothesis("Some item is above the level, $\\sqrt{a_i} > \\theta$.", sp.Ge(n_dedicated, 1)),
            ),
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Fifty items in ten dimensions, with importance and rate as in Zipf's law of exponent 2: it is negative, which no "
        "damage is.",
    ),
    expected=Verdict.REFUTED,
)
