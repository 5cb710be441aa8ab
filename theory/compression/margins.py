"""Margins: what one write flips, and what many writes add up to."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.expansion import beta_density, square_above
from theory.compression.interference import tail
from theory.derivation import Derivation, identity, inequality, limit
from theory.evidence import Kind
from theory.notation import (
    blast_radius,
    compression,
    dim,
    expected_flipped,
    expected_flips,
    mean_collateral,
    mean_flipped,
    n_flipped,
    n_items,
    n_writes,
    outside_mean_square,
    threshold,
    tolerated_flips,
    x,
)

_alpha, _beta, _sum, _odds = sp.symbols("alpha beta g u", positive=True)
_z = _odds / (1 + _odds)
_beyond = sp.Symbol("e", nonnegative=True)
_a, _b = sp.symbols("a b", real=True)
_blast_of_three = sp.Rational(1, 2)


def _gamma_density(point: sp.Expr, shape: sp.Expr) -> sp.Expr:
    return point ** (shape - 1) * sp.exp(-point) / sp.gamma(shape)


_unit_keys = Hypothesis("The keys have norm 1, and are read linearly.")
_random_keys = Hypothesis("The keys are independent and uniform on the unit sphere.")

margin_single_write = Claim(
    id="margin-single-write",
    title="A margin protects against one write",
    part="compression",
    hypotheses=(
        _unit_keys,
        Hypothesis(
            "The write at item $i$ is local and of unit size, $\\Delta W = \\delta k_i^\\top$ with $\\|\\delta\\| = 1$."
        ),
        Hypothesis("An item flips only if its answer moves by more than the margin $\\tau$."),
    ),
    statements=(
        Statement(
            "blast",
            sp.Le(n_flipped, blast_radius / threshold**2),
            Kind.EXACT,
            "A write at item $i$ flips at most this many others, for any keys. No smaller constant holds: three keys at 120 degrees, of "
            "which all flip that may, come as near to equality as one likes, as the margin rises to $\\frac12$.",
        ),
        Statement(
            "tight-frame",
            sp.Le(mean_flipped, (compression - 1) / threshold**2),
            Kind.EXACT,
            "On average over the items of a tight frame that is the budget over the squared margin.",
            hypotheses=(Hypothesis("The keys are a tight frame."),),
        ),
        Statement(
            "random",
            sp.Le(expected_flipped, (n_items - 1) * tail(1 / dim)),
            Kind.EXPECTATION,
            "For random keys, the expected number falls exponentially in the dimension times the squared margin.",
            hypotheses=(_random_keys,),
            resolution=0.1,
        ),
        Statement(
            "random-mean",
            sp.Eq(expected_flipped, (n_items - 1) * square_above(sp.S.Half)),
            Kind.EXPECTATION,
            "It is known exactly, with $\\operatorname{I}$ the regularised incomplete Beta function.",
            hypotheses=(
                _random_keys,
                Hypothesis("An item that moves by more than the margin does flip."),
                Hypothesis("There are at least two dimensions.", sp.Gt(dim, 1)),
                Hypothesis("The margin is below 1.", sp.Lt(threshold, 1)),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "The write moves item $j$ by $|\\langle k_i, k_j\\rangle|$. An item that flips moves by $\\tau + e$ with $e > 0$, so that "
            "its squared change is more than $\\tau^2$ [each]. The squared changes of all others sum to $B_i$, which leaves room for at most "
            "$B_i/\\tau^2$ flips. Three keys at 120 degrees overlap by $-\\frac12$: the write flips both others at any margin "
            "below $\\frac12$, and the bound tends to 2 [three-keys]. For a tight frame of unit keys $K K^\\top = \\rho I$, so that "
            "$B_i + 1 = k_i^\\top K K^\\top k_i = \\rho$ for each item. For random keys, each of the $n-1$ others flips with the "
            "probability that the interference of one active item exceeds the margin, which the tail bounds. Exactly: the "
            "squared overlap is the share of one coordinate in the squared length of a Gaussian vector of $d$ coordinates. With "
            "half its square and half the sum of the other squares, which have Gamma densities of parameters $\\alpha = 1/2$ and "
            "$\\beta = (d-1)/2$, the joint density of share and sum factorises into a Beta and a Gamma density [share]. The share "
            "exceeds $\\tau^2$ where the rest, whose law has the parameters exchanged, is below $1 - \\tau^2$."
        ),
        steps=(
            inequality(
                "each",
                "Each flip takes at least its part.",
                (threshold + _beyond) ** 2 / threshold**2,
                1,
                _beyond * (2 * threshold + _beyond) / threshold**2,
            ),
            limit(
                "three-keys",
                "With two squared overlaps of $\\frac14$,",
                _blast_of_three / threshold**2,
                threshold,
                sp.Rational(1, 2),
                2,
            ),
            identity(
                "share",
                "With share $z = u/(1+u)$ and sum $g$ (Jacobian $g$), Gamma densities of parameters $\\alpha$ and $\\beta$.",
                _gamma_density(_z * _sum, _alpha) * _gamma_density((1 - _z) * _sum, _beta) * _sum,
                beta_density(_alpha, _beta).subs(x, _z) * _gamma_density(_sum, _alpha + _beta),
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "Keys that are aligned, and no tight frame: the blast radius itself may be as large as $n - 1$, and the margin no help.",
        "For keys that are not of norm 1 a write of unit size at its item moves item $j$ by $\\langle k_i, k_j\\rangle/\\|k_i\\|^2$: "
        "a weak item flips strong ones.",
        "At $\\tau^2 d$ below about $2 \\ln 2n$ the bound for random keys exceeds 1, and promises nothing.",
    ),
)

_reach = threshold**2 * (n_items - 1) / (compression - 1)
_safe = threshold**2 * dim / (2 * sp.log(2 * n_items / tolerated_flips))
_flips = n_items * tail(n_writes / dim)
_local_random = (
    _random_keys,
    Hypothesis(
        "The writes are local; an item flips only if the writes at other items move it by more than the margin $\\tau$."
    ),
)
_outside = Hypothesis("Some item is left over.", sp.Lt(n_writes, n_items))

margin_sustained = Claim(
    id="margin-sustained",
    title="A margin does not protect against many writes",
    part="compression",
    hypotheses=(
        Hypothesis("Items are read linearly, and no key is zero; the compression is $\\rho = n/r$."),
        Hypothesis(
            "For each item there is one write that moves it by 1. It is fixed, by any rule, before the items to be written are "
            "drawn."
        ),
        Hypothesis(
            "A uniformly random set of $N$ items is written, one after the other, each with an independent random sign, and nothing is "
            "refreshed. Interference is what this adds up to at the items outside the set.",
        ),
        _outside,
    ),
    statements=(
        Statement(
            "bound",
            sp.Ge(outside_mean_square, n_writes * (compression - 1) / (n_items - 1)),
            Kind.EXACT,
            "For every code and every such rule, the mean squared interference grows in proportion to the number of writes.",
        ),
        Statement(
            "mean-square",
            sp.Eq(outside_mean_square, n_writes * mean_collateral / (n_items - 1)),
            Kind.EXPECTATION,
            "It is this, exactly, with the mean collateral of the writes.",
        ),
        Statement(
            "attained",
            sp.Eq(outside_mean_square, n_writes * (compression - 1) / (n_items - 1)),
            Kind.EXACT,
            "Some codes and writes attain the bound.",
            hypotheses=(
                Hypothesis("Writes are optimal and all items have the same leverage, as in a unit-norm tight frame."),
            ),
        ),
        Statement(
            "margin",
            sp.Ge(outside_mean_square, threshold**2),
            Kind.EXACT,
            "By the time this many items are written, the root mean square reaches the margin.",
            hypotheses=(
                Hypothesis(
                    "There are $N \\geq \\tau^2 (n-1)/(\\rho-1)$ writes, that is about $\\tau^2 r \\rho/(\\rho - 1)$. With fewer writes than items "
                    "this takes a compression of $\\rho \\geq 1 + \\tau^2$.",
                    sp.And(
                        sp.Gt(compression, 1),
                        sp.Ge(compression, 1 + threshold**2),
                        sp.Ge(n_writes * (compression - 1), threshold**2 * (n_items - 1)),
                    ),
                ),
            ),
        ),
        Statement(
            "flips",
            sp.Le(expected_flips, _flips),
            Kind.EXPECTATION,
            "For random keys, few items flip as long as the number of writes is small beside $\\tau^2 d$.",
            hypotheses=_local_random,
            resolution=0.1,
        ),
        Statement(
            "safe",
            sp.Le(expected_flips, tolerated_flips),
            Kind.EXPECTATION,
            "So this many writes are safe.",
            hypotheses=(
                *_local_random,
                Hypothesis(
                    "There are at most $\\tau^2 d / (2 \\ln(2n/F_0))$ writes.",
                    sp.And(sp.Lt(tolerated_flips, 2 * n_items), sp.Le(n_writes, _safe)),
                ),
            ),
            resolution=0.2,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Given the set, the change of item $j$ is a sum of $N$ vectors with independent random signs. Adding one term of random sign adds its "
            "squared norm to the mean square [signs], so the mean square is the sum of the squared changes by the single writes. "
            "Now average over the set and over the items outside it. The squared change of item $j$ by the write at item $i$ "
            "counts in those sets that hold $i$ and not $j$, and it is the same in all of them, because the writes were fixed "
            "before the set was drawn. As each write moves its item by 1, the squared changes sum over all pairs to $n \\bar c$. "
            "This makes the second statement [average]. The writability budget has $\\bar c \\geq \\rho - 1$, with equality for "
            "optimal writes and equal leverages, whence the bound and its attainment. It reaches $\\tau^2$ at "
            "$N = \\tau^2(n-1)/(\\rho-1)$ [reach], which is at most $n-1$ if and only if $\\rho \\geq 1 + \\tau^2$ [room]. For "
            "random keys and local writes, the interference at any item, from the writes at other items, is that of at most $N$ "
            "active items chosen without a look at the keys. Its tail, for each of $n$ items, bounds the flips. The bound is at most "
            "$F_0$ where the exponent $\\tau^2 d/2N$ is at least $\\ln(2n/F_0)$, which is so up to the stated number of writes "
            "[safe-writes]."
        ),
        steps=(
            identity(
                "signs",
                "Half of the squares with either sign.",
                ((_a + _b) ** 2 + (_a - _b) ** 2) / 2,
                _a**2 + _b**2,
            ),
            identity(
                "average",
                "The share of the sets that hold one given item and not another, times the sum over all pairs, over the number of "
                "items outside.",
                sp.binomial(n_items - 2, n_writes - 1)
                / sp.binomial(n_items, n_writes)
                * (n_items * mean_collateral)
                / (n_items - n_writes),
                n_writes * mean_collateral / (n_items - 1),
                domain=sp.And(sp.Gt(n_items, n_writes), sp.Gt(n_items, 2)),
            ),
            identity(
                "reach",
                "The bound, less the squared margin.",
                n_writes * (compression - 1) / (n_items - 1) - threshold**2,
                (n_writes - _reach) * (compression - 1) / (n_items - 1),
                domain=sp.And(sp.Gt(n_items, 1), sp.Gt(compression, 1)),
            ),
            identity(
                "room",
                "What is left of the items.",
                (n_items - 1) - _reach,
                (n_items - 1) * (compression - (1 + threshold**2)) / (compression - 1),
                domain=sp.Gt(compression, 1),
            ),
            identity(
                "safe-writes",
                "The exponent, less what it takes.",
                threshold**2 * dim / (2 * n_writes) - sp.log(2 * n_items / tolerated_flips),
                sp.log(2 * n_items / tolerated_flips) * (_safe - n_writes) / n_writes,
                domain=sp.Lt(tolerated_flips, 2 * n_items),
            ),
        ),
    ),
    references=("hopfield1982",),
    counterexamples=(
        "A rule that sees the set escapes. Three keys at 120 degrees, two of them written by a write orthogonal to the third: the interference "
        "at the third is 0, where the bound is $\\frac12$.",
        "Writes that are refreshed, that is corrected whenever an item has moved, do not add up. Replay refreshes: what it "
        "changes depends on what has moved so far, and is not fixed in advance.",
        "A sign that is always the same lets interference grow as $N$, not as $\\sqrt N$, where keys are coherent.",
        "The bound on the flips is vacuous unless $\\tau^2 d$ exceeds $2 \\ln 2n$.",
    ),
)
