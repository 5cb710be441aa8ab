"""What two random sparse codes share: the law of their overlap, its mean square, and the floor that no sparsity gets below."""

import scipy.special
import sympy as sp
from sympy.printing.latex import LatexPrinter

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, instance
from theory.evidence import Kind, Verdict
from theory.notation import (
    code_size,
    dim,
    expected_overlap,
    largest_overlap,
    mean_overlap,
    mean_overlap_excess,
    mean_square_overlap,
    n_items,
    overlap_law,
    overlap_level,
    overlap_variance,
)


class choose(sp.binomial):
    """The binomial coefficient, evaluated as a whole: as a quotient of three gamma functions it overflows from 171 on."""

    _imp_ = staticmethod(scipy.special.binom)  # what sympy.lambdify calls

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        upper, lower = map(printer._print, self.args)
        return rf"{{\binom{{{upper}}}{{{lower}}}}}" + ("" if exp is None else f"^{{{exp}}}")


_k, _d, _n, _m = code_size, dim, n_items, overlap_level
_a = sp.Symbol("a", positive=True)
_p, _q = sp.symbols("p q", nonnegative=True)
_s = sp.Symbol("s", integer=True, nonnegative=True)
_usage, _u, _v = sp.IndexedBase("u", real=True), *sp.symbols("i j", integer=True)

_law = choose(_k, _m) * choose(_d - _k, _k - _m) / choose(_d, _k)
_pairs = _k * (_k - 1) / (_d * (_d - 1))  # probability that two given units are both active
_mean_square = 1 / _d + (_k - 1) ** 2 / (_d * (_d - 1))
_least_mean = _k * (_n * _k - _d) / (_d * (_n - 1))
_several = Hypothesis("There are at least two units, $d \\geq 2$.", sp.Gt(_d, 1))
_fits = Hypothesis("A code has at least one active unit and at most all, $1 \\leq k \\leq d$.", sp.Le(_k, _d))
random_codes = Hypothesis("The codes are independent: each has a uniformly random set of $k$ of the $d$ units active.")


def _moment(power: sp.Expr) -> sp.Sum:
    """Sum over all overlaps of ``power`` times their probability."""
    return sp.Sum(power * _law.subs(_m, _s), (_s, 0, _k))


overlap_of_two = Claim(
    id="sparse-overlap",
    title="The overlap of two random codes, and the floor of its mean square",
    part="separation",
    hypotheses=(random_codes, _several, _fits),
    statements=(
        Statement(
            "mean-square",
            sp.Eq(mean_square_overlap, _mean_square),
            Kind.EXPECTATION,
            "The mean squared relative overlap $\\mathbb{E}\\,(O/k)^2$. It is what a write at one code does to another, in the mean square.",
        ),
        Statement(
            "floor",
            sp.Ge(mean_square_overlap, 1 / _d),
            Kind.EXACT,
            "However few units are active, it is at least one over the number of units, with equality only for $k = 1$.",
        ),
        Statement(
            "factor-two",
            sp.Le(mean_square_overlap, 2 / _d),
            Kind.EXACT,
            "About $\\sqrt d$ active units already come within a factor 2 of that floor: all further sparseness buys no more.",
            hypotheses=(
                Hypothesis("$k \\leq 1 + \\sqrt{d - 1}$.", sp.Le((_k - 1) ** 2, _d - 1)),
            ),
        ),
        Statement(
            "law",
            sp.Eq(overlap_law, _law),
            Kind.EXACT,
            "The overlap $O$ itself is hypergeometric.",
        ),
        Statement(
            "mean",
            sp.Eq(expected_overlap, _k**2 / _d),
            Kind.EXPECTATION,
            "Its mean; relative to $k$ it is the activity $a = k/d$.",
        ),
        Statement(
            "variance",
            sp.Eq(overlap_variance, _k**2 * (_d - _k) ** 2 / (_d**2 * (_d - 1))),
            Kind.EXPECTATION,
            "Its variance, which vanishes where all units are active.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "Fix the first code. The second has $O_0$ of its units in common with it if it takes $O_0$ of those $k$ and its other $k - O_0$ "
            "units from the remaining $d - k$; all $\\binom dk$ sets are equally probable, which is the law. For its moments there is no need to sum "
            "it. Number the units of the first code. The overlap counts how many of them are active in the second, each of which is so with "
            "probability $k/d$: that is the mean [mean]. The number $O(O-1)$ counts ordered pairs of them that are both active, and two given units are "
            "both active with probability $k(k-1)/(d(d-1))$ [factorial]. So $\\mathbb{E}\\,O^2$ is the sum of both, and with it come the variance "
            "[variance] and the mean square [mean-square]. In the form that is stated, the floor can be read off: the second term is a square, and 0 only "
            "for $k = 1$ [above]. It is at most $1/d$ as long as $(k-1)^2 \\leq d - 1$ [twice]. In terms of activity the mean square is "
            "$a^2$, which is what chance alone gives to large sets, and what small ones add to it, $(1-a)^2/(d-1)$ [by-activity]."
        ),
        steps=(
            instance(
                "mean",
                "The first moment of the law.",
                sp.Eq(_moment(_s), _k**2 / _d, evaluate=False),
                {_k: 2, _d: 5},
                {_k: 3, _d: 7},
            ),
            instance(
                "factorial",
                "The second factorial moment of the law.",
                sp.Eq(_moment(_s * (_s - 1)), _k * (_k - 1) * _pairs, evaluate=False),
                {_k: 2, _d: 5},
                {_k: 3, _d: 7},
            ),
            identity(
                "variance",
                "Both factorial moments, less the squared mean.",
                _k * (_k - 1) * _pairs + _k**2 / _d - (_k**2 / _d) ** 2,
                _k**2 * (_d - _k) ** 2 / (_d**2 * (_d - 1)),
            ),
            identity(
                "mean-square",
                "Both factorial moments, relative to $k^2$.",
                (_k * (_k - 1) * _pairs + _k**2 / _d) / _k**2,
                _mean_square,
            ),
            inequality(
                "above", "With $d = 1 + p$, $p > 0$.",
                _mean_square.subs(_d, 1 + _a), (1 / _d).subs(_d, 1 + _a), (_k - 1) ** 2 / ((1 + _a) * _a),
            ),
            inequality(
                "twice",
                "With $d - 1 = (k-1)^2 + q$, $q > 0$.",
                (2 / _d).subs(_d, 1 + (_k - 1) ** 2 + _a),
                _mean_square.subs(_d, 1 + (_k - 1) ** 2 + _a),
                _a / ((1 + (_k - 1) ** 2 + _a) * ((_k - 1) ** 2 + _a)),
            ),
            identity(
                "by-activity",
                "With $k = a d$.",
                _mean_square.subs(_k, _a * _d),
                _a**2 + (1 - _a) ** 2 / (_d - 1),
            ),
        ),
    ),
    references=("babadi2014",),
    counterexamples=(
        "*Codes that are not independent* can have any overlap up to $k$: if all memories use the same code, however sparse, the mean "
        "square is 1. Similar inputs have similar codes; the chapter on pattern separation is about those.",
        "*Units that are not used alike* raise every moment. If some units are active more often than others, two codes meet there.",
        "*No active unit*, $k = 0$: there is no relative overlap, and the code writes nothing. *One unit*, $d = 1$: the variance is 0 and the mean square "
        "1; the formulas read $0/0$. *All units*, $k = d$: the overlap is $d$ for certain.",
        "Two codes may be the same set. That has probability $1/\\binom dk$ and is counted in all formulas.",
    ),
)  # fmt: skip

sparser_is_proportionally_better = Claim(
    id="sparseness-squares-overlap",
    title="False: interference falls as the square of activity",
    part="separation",
    hypotheses=(random_codes,),
    statements=(
        Statement(
            "square",
            sp.Eq(mean_square_overlap, (_k / _d) ** 2),
            Kind.EXPECTATION,
            "Half the active units, a quarter of the mean square overlap.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "The rule holds as long as $k$ is far above $\\sqrt d$. Below that the floor $1/d$ takes over: $a^2$ is the square of the *mean* "
        "relative overlap, and the mean of the square is more.",
    ),
    expected=Verdict.REFUTED,
)

_balanced = Hypothesis("Every unit is active in the same number of codes.")

packing = Claim(
    id="overlap-packing",
    title="What no choice of sparse codes can beat",
    part="separation",
    hypotheses=(
        Hypothesis("Of each of $n \\geq 2$ items, $k$ of $d$ units are active; how they are chosen is free.", sp.Gt(_n, 1)),
        _fits,
    ),
    statements=(
        Statement(
            "average",
            sp.Ge(mean_overlap, _least_mean),
            Kind.EXACT,
            "The mean overlap of two different codes is at least this, which is negative and says nothing as long as the items fit side by side, "
            "$nk \\leq d$.",
        ),
        Statement(
            "attained",
            sp.Eq(mean_overlap, _least_mean),
            Kind.EXACT,
            "It is attained.",
            hypotheses=(_balanced,),
        ),
        Statement(
            "random",
            sp.Eq(mean_overlap_excess, _k * (_d - _k) / (_d * (_n - 1))),
            Kind.EXPECTATION,
            "Random codes are above it by an amount that vanishes with the number of items: when there are many, choosing codes well "
            "saves next to nothing of the mean overlap.",
            hypotheses=(random_codes,),
        ),
        Statement(
            "packing",
            sp.Le(_n, choose(_d, largest_overlap + 1) / choose(_k, largest_overlap + 1)),
            Kind.EXACT,
            "If no two codes share more than $O_{\\max}$ units, there can be only so many of them.",
            hypotheses=(Hypothesis("No two codes are the same, $O_{\\max} < k$.", sp.Lt(largest_overlap, _k)),),
        ),
        Statement(
            "disjoint",
            sp.Le(_n, _d / _k),
            Kind.EXACT,
            "In particular, codes that share no unit are few; and as many as $\\lfloor d/k\\rfloor$ there are, side by side.",
            hypotheses=(Hypothesis("$O_{\\max} = 0$.", sp.Eq(largest_overlap, 0)),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let unit $u$ be active in $u_i$ of the codes. Each ordered pair of codes that share it counts once, so the overlaps of all ordered pairs "
            "of different codes sum to $\\sum_i u_i(u_i - 1)$, where $\\sum_i u_i = nk$. The sum of squares is least if all units are used alike "
            "[cauchy-schwarz], and then the mean over the $n(n-1)$ pairs is the bound [average]; it is attained exactly then. Random codes overlap by $k^2/d$ on average, "
            "whatever their number. The difference is small [gap]. For the packing, count sets of $O_{\\max} + 1$ units. Each code contains $\\binom{k}{O_{\\max}+1}$ of them, no such set lies in "
            "two codes, and there are $\\binom{d}{O_{\\max}+1}$. With $O_{\\max} = 0$ this counts units."
        ),
        steps=(
            instance(
                "cauchy-schwarz",
                "The square of a sum; the gap is a sum of squares.",
                sp.Ge(
                    _d * sp.Sum(_usage[_u] ** 2, (_u, 1, _d)), sp.Sum(_usage[_u], (_u, 1, _d)) ** 2, evaluate=False
                ),
                {_d: 3},
                {_d: 4},
                certificate=sp.Sum((_usage[_u] - _usage[_v]) ** 2 / 2, (_v, 1, _d), (_u, 1, _d)),
            ),
            identity(
                "average",
                "Units used alike, $u_i = nk/d$.",
                _d * (_n * _k / _d) * (_n * _k / _d - 1) / (_n * (_n - 1)),
                _least_mean,
            ),
            identity("gap", "Random codes less the least mean.", _k**2 / _d - _least_mean, _k * (_d - _k) / (_d * (_n - 1))),
        ),
    ),
    references=(),
    counterexamples=(
        "This bounds the mean overlap, not the mean *squared* overlap, and not the largest one. With as many items as random codes make useful, "
        "designed ones can still avoid every large overlap.",
        "*Activities that differ between items* can be had with fewer shared units: an item without active units overlaps with nobody.",
        "*Signed or graded codes* are not counted in sets. Orthogonal codes of both signs fit $d$ items into $d$ units though all units are active in each.",
        "*One item* has no pair; $n = 1$ is outside of the claim.",
    ),
)  # fmt: skip
