"""How rarely two random sparse codes share many units, and how rarely any two out of many codes do."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, cited, identity, inequality, instance
from theory.evidence import Kind
from theory.notation import (
    code_size,
    dim,
    largest_overlap,
    largest_tail,
    n_close_square,
    n_items,
    overlap_level,
    overlap_rarity,
    overlap_tail,
    safe_overlap,
)
from theory.separation.overlap import choose, random_codes

DELTA = sp.Rational(1, 20)  # probability that is allowed to the safe overlap

_k, _d, _n, _m, _p = code_size, dim, n_items, overlap_level, overlap_tail
_pairs = _n * (_n - 1) / 2
_a, _b, _x, _w, _y = sp.symbols("a b x w y", positive=True)
_i, _out = sp.symbols("i q", nonnegative=True)
_rest = sp.Symbol("p", positive=True)
_r, _o = sp.Symbol("r", integer=True, nonnegative=True), sp.Symbol("O_s", integer=True, nonnegative=True)

_chernoff = (_d * _m / _k**2) ** _m * (sp.Max(_k - _m, 1) / (_k - _k**2 / _d)) ** (_k - _m)
_not_all = Hypothesis("Not all units are active, $k < d$.", sp.Lt(_k, _d))
_above_mean = Hypothesis(
    "The level lies between the mean overlap and $k$: $k^2/d \\leq O_0 \\leq k$, and $O_0 \\geq 1$.",
    sp.And(sp.Le(_k**2, _m * _d), sp.Le(_m, _k), sp.Ge(_m, 1)),
)
_fits = Hypothesis("$k \\leq d$.", sp.Le(_k, _d))
_in_code = Hypothesis("$1 \\leq O_0 \\leq k$.", sp.And(sp.Le(_m, _k), sp.Ge(_m, 1)))

overlap_tails = Claim(
    id="overlap-tail",
    title="Large overlaps are exponentially rare",
    part="separation",
    hypotheses=(random_codes, _fits),
    statements=(
        Statement(
            "moment",
            sp.Ge(overlap_rarity, choose(_d, _m) / choose(_k, _m) ** 2),
            Kind.EXACT,
            "One pair in how many shares at least $O_0$ units: by counting sets of shared units. This is the bound for sparse codes, whose "
            "mean overlap is below 1.",
            hypotheses=(_in_code,),
        ),
        Statement(
            "moment-activity",
            sp.Ge(overlap_rarity, (_d / _k) ** _m / choose(_k, _m)),
            Kind.EXACT,
            "A little more, and easier to read: as if each of the chosen units were active by chance.",
            hypotheses=(_in_code,),
        ),
        Statement(
            "chernoff",
            sp.Ge(overlap_rarity, _chernoff),
            Kind.EXACT,
            "This is the bound for codes that overlap by several units. With $x = O_0/k$ it is $e^{k D(x\\|a)}$, where "
            "$D(x\\|a) = x\\ln\\frac xa + (1-x)\\ln\\frac{1-x}{1-a}$. (The maximum only says that the last factor is 1 at $O_0 = k$.)",
            hypotheses=(_above_mean, _not_all),
        ),
    ),
    derivation=Derivation(
        proof=(
            "The number of sets of $r$ shared units is $\\binom Or$. A given set of $r$ units of the first code is active in the second with "
            "probability $\\binom{k}{r}/\\binom{d}{r}$, a product of factors $(k-i)/(d-i)$, none of which exceeds the first, $k/d$ [smaller]. So "
            "$\\mathbb{E}\\binom Or = \\binom kr^2/\\binom dr \\leq \\binom kr a^r$ [expected]. Where $O \\geq O_0$ there is at least one set of $O_0$ shared units: "
            "the probability is at most the expected number of them, which gives the first two bounds. For the third, give every shared unit a factor "
            "$1 + y > 1$. As $(1+y)^O = \\sum_r \\binom Or y^r$ [count], its expectation is at most $\\sum_r \\binom kr a^r y^r = (1 + ay)^k$, and by Markov's inequality the probability is at "
            "most $(1+ay)^k/(1+y)^{O_0}$. Choose $1 + y = x(1-a)/(a(1-x))$ with $x = O_0/k \\geq a$; then $1 + ay = (1-a)/(1-x)$ [best], and the bound is the one stated "
            "[chernoff]. At $x = 1$ let $y$ grow without bound: what remains is $a^k$."
        ),
        steps=(
            inequality(
                "smaller",
                "With $k = i + p$ and $d = i + p + q$.",
                (_i + _rest) / (_i + _rest + _out),
                _rest / (_rest + _out),
                _i * _out / ((_i + _rest + _out) * (_rest + _out)),
            ),
            instance(
                "expected",
                "The mean number of sets of $r$ shared units, by the law of the overlap.",
                sp.Eq(
                    sp.Sum(
                        sp.binomial(_o, _r) * sp.binomial(_k, _o) * sp.binomial(_d - _k, _k - _o) / sp.binomial(_d, _k),
                        (_o, 0, _k),
                    ),
                    sp.binomial(_k, _r) ** 2 / sp.binomial(_d, _r),
                    evaluate=False,
                ),
                {_k: 3, _d: 7, _r: 2},
                {_k: 4, _d: 9, _r: 3},
            ),
            instance(
                "count",
                "The binomial theorem.",
                sp.Eq(sp.Sum(sp.binomial(_o, _r) * _y**_r, (_r, 0, _o)), (1 + _y) ** _o, evaluate=False),
                {_o: 2},
                {_o: 4},
            ),
            identity("best", "At that $y$.", 1 + _a * (_x * (1 - _a) / (_a * (1 - _x)) - 1), (1 - _a) / (1 - _x)),
            identity(
                "chernoff",
                "With $b = 1 - a$ and $w = 1 - x$, and $m = O_0 = kx$.",
                (_b / _w) ** _k / (_x * _b / (_a * _w)) ** _m,
                (_a / _x) ** _m * (_b / _w) ** (_k - _m),
            ),
        ),
    ),
    references=("chvatal1979", "hoeffding1963"),
    counterexamples=(
        "*Correlated codes*: the bounds are about independent ones.",
        "*Below the mean* a large overlap is no rare event, and the third bound says nothing: as a formula it would forbid what happens most of the time.",
        "A level that is *no whole number* has to be rounded up; the first two bounds count sets.",
    ),
)

_excess = _m / _k - _k / _d

serfling_tails = Claim(
    id="overlap-tail-serfling",
    title="A bound that does not know how sparse the code is",
    part="separation",
    hypotheses=(random_codes, _fits, _above_mean),
    statements=(
        Statement(
            "serfling",
            sp.Ge(overlap_rarity, sp.exp(2 * _k * _excess**2 / (1 - (_k - 1) / _d))),
            Kind.EXACT,
            "The bound for samples without replacement from any population. It knows of the activity only through the mean, and says far too little of sparse codes.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "The second code draws $k$ units without replacement; an indicator tells of each whether it belongs to the first. Serfling's inequality bounds the probability that the "
            "mean of such a sample exceeds that of the population by $t$ [sample], here $t = O_0/k - k/d$ [excess]."
        ),
        steps=(
            cited(
                "sample",
                "For values in $[0, 1]$, $k$ of $d$ drawn without replacement: $\\Pr(\\text{excess} \\geq t) \\leq \\exp(-2kt^2/(1 - (k-1)/d))$.",
                "serfling1974",
            ),
            identity("excess", "Overlap above its mean, for each of the $k$ units.", (_m - _k**2 / _d) / _k, _excess),
        ),
    ),
    references=("serfling1974",),
    counterexamples=(
        "*Below the mean* the formula bounds nothing.",
        "*For dense codes* it is no bad bound: with most units active it can be the best of the three.",
    ),
)

_reached = _pairs * _p
_second = _reached + _pairs * (_pairs - 1) * _p**2
_M = sp.Symbol("M", positive=True)

largest_of_all = Claim(
    id="largest-overlap",
    title="The largest overlap of all pairs, from both sides",
    part="separation",
    hypotheses=(
        random_codes,
        Hypothesis("There are $n \\geq 2$ codes, and so $M = n(n-1)/2$ pairs of them.", sp.Gt(_n, 1)),
    ),
    statements=(
        Statement(
            "upper",
            sp.Le(largest_tail, sp.Min(1, _reached)),
            Kind.EXPECTATION,
            "Some pair reaches a level at most as often as all pairs together.",
            resolution=0.4,
        ),
        Statement(
            "lower",
            sp.Ge(largest_tail, _reached / (1 + (_pairs - 1) * _p)),
            Kind.EXPECTATION,
            "And at least this often. Where the expected number of such pairs is small, both bounds agree.",
            resolution=0.4,
        ),
        Statement(
            "pairs",
            sp.Eq(n_close_square, _second),
            Kind.EXPECTATION,
            "The number of pairs that reach the level has the second moment of independent pairs.",
            resolution=0.4,
        ),
        Statement(
            "safe",
            sp.Le(largest_overlap, safe_overlap - 1),
            Kind.HIGH_PROBABILITY,
            f"With probability at least 1 - {DELTA} no pair shares as many as $O_\\delta$ units, the least level at which "
            f"the expected number of pairs is at most $\\delta = {sp.latex(DELTA)}$.",
            probability=float(DELTA),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $X$ be the number of pairs that share at least $O_0$ units. Its mean is $M$ times the probability of one pair; some pair does so with probability $\\Pr(X \\geq 1) \\leq \\mathbb{E}\\,X$. For the other side, "
            "the overlaps are *pairwise independent*. Two pairs without a common code are independent; of $O_{12}$ and $O_{13}$, both are independent once the first code is given, with laws that do not depend on it. So the "
            "variance of $X$ is the sum of the variances, and its second moment is as stated [second]. By the inequality of Cauchy and Schwarz, $(\\mathbb{E}\\,X)^2 = (\\mathbb{E}\\,X \\mathbb{1}[X \\geq 1])^2 \\leq \\mathbb{E}\\,X^2 \\Pr(X \\geq 1)$, and the quotient is the "
            "lower bound [quotient]. Between the two lies at most a factor $1 + (M-1)\\Pr(O \\geq O_0)$. The last statement is the first, at the level where $\\mathbb{E}\\,X \\leq \\delta$."
        ),
        steps=(
            identity(
                "second",
                "Variance of $M$ indicators, and the squared mean.",
                _M * _p * (1 - _p) + (_M * _p) ** 2,
                _M * _p + _M * (_M - 1) * _p**2,
            ),
            identity("quotient", "Squared mean over second moment.", _reached**2 / _second, _reached / (1 + (_pairs - 1) * _p)),
        ),
    ),
    references=(),
    counterexamples=(
        "*Pairwise independence is not independence.* Of three codes, $O_{12}$, $O_{13}$ and $O_{23}$ are not jointly independent: if the first two pairs overlap completely, so does the third.",
        "*Codes that depend on each other* break both sides. If all codes are the same, some pair reaches every level as soon as there are two.",
        "*One code* has no pair: the claim needs $n \\geq 2$.",
    ),
)  # fmt: skip
