"""The binary memory of Willshaw, Buneman and Longuet-Higgins at finite size: errors, information, and two false short cuts."""

import math
from functools import cache

import mpmath
import numpy as np
import sympy as sp
from scipy import special
from sympy.printing.latex import LatexPrinter

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, limit
from theory.evidence import Kind, Verdict
from theory.notation import (
    bits_per_synapse,
    code_activity,
    code_size,
    denser_share,
    dim,
    fill,
    fill_bits,
    n_items,
    n_missed,
    n_recalled,
    sparser_share,
    spurious,
    value_dim,
    value_size,
)

_MOST_DIGITS = 20_000
_s = sp.Symbol("s", integer=True, nonnegative=True)


class Covered(sp.Function):
    r"""Probability that ``others`` random patterns together switch on all ``size`` synapses of a unit that are read.

    Each pattern involves the unit with probability ``share``, and then switches on ``drawn`` of the unit's ``among`` synapses.
    By inclusion and exclusion it is an alternating sum, which is evaluated with as many digits as its cancellation needs.
    """

    nargs = 5

    @property
    def explicit(self) -> sp.Sum:
        """The sum itself, as the book prints it."""
        size, drawn, among, share, others = self.args
        harmless = 1 - share * (1 - sp.binomial(among - _s, drawn) / sp.binomial(among, drawn))
        return sp.Sum((-1) ** _s * sp.binomial(size, _s) * harmless**others, (_s, 0, size))

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        printed = printer._print(self.explicit)
        return printed if exp is None else rf"\left({printed}\right)^{{{exp}}}"

    @staticmethod
    def _imp_(size: object, drawn: object, among: object, share: object, others: object) -> np.ndarray:
        """What ``lambdify`` calls: broadcast over arrays."""
        return np.vectorize(_covered, otypes=[float])(size, drawn, among, share, others)


class SpuriousRate(Covered):
    """The same number, printed as the symbol that the theorem on errors gives it."""

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        return "p_{01}" if exp is None else f"p_{{01}}^{{{exp}}}"


class BinaryEntropy(sp.Function):
    """Entropy in bits of a choice between two, of which one has this probability."""

    nargs = 1

    def _latex(self, printer: LatexPrinter) -> str:
        return rf"h_2\left({printer._print(self.args[0])}\right)"

    @staticmethod
    def _imp_(p: object) -> np.ndarray:
        """What ``lambdify`` calls: 0 at both ends."""
        return (special.entr(p) + special.entr(1 - np.asarray(p))) / np.log(2)


@cache
def _term() -> object:
    names = sp.symbols("size drawn among share others")
    return sp.lambdify((_s, *names), Covered(*names).explicit.function, [{"binomial": _choose}, "mpmath"])


def _choose(n: mpmath.mpf, k: mpmath.mpf) -> mpmath.mpf:
    """Exactly, and 0 where there are too few to choose from."""
    return mpmath.mpf(math.comb(int(n), int(k)) if n >= 0 else 0)


@cache
def _covered(size: float, drawn: float, among: float, share: float, others: float) -> float:
    term, digits = _term(), 40 + 2 * int(size)
    while digits < _MOST_DIGITS:
        with mpmath.workdps(digits):
            given = [mpmath.mpf(x) for x in (size, drawn, among, share, others)]
            terms = [term(mpmath.mpf(s), *given) for s in range(int(size) + 1)]
            total, largest = mpmath.fsum(terms), max(map(abs, terms))
            if total == 0 or abs(total) > largest * mpmath.mpf(10) ** (20 - digits):
                return float(total)
        digits *= 2
    return 0.0  # fewer patterns than it takes: the sum vanishes identically


_share = value_size / value_dim
_hetero = Covered(code_size, code_size, dim, _share, n_items - 1)
_auto = Covered(code_size, code_size - 1, dim - 1, code_size / dim, n_items - 1)
_pair = code_size * value_size / (dim * value_dim)


_rate = SpuriousRate(*_hetero.args)
_information = n_items / dim * (BinaryEntropy(_share + (1 - _share) * _rate) - (1 - _share) * BinaryEntropy(_rate))

codes = Hypothesis(
    "Keys are independent random $k$-of-$d$ codes, values independent random $k_y$-of-$d_y$ codes.",
    sp.And(sp.Le(code_size, dim), sp.Le(value_size, value_dim)),
)
memory = Hypothesis(
    "A synapse is on if some stored pair has both its units active. A unit is recalled if all active units of the key "
    "reach it through synapses that are on."
)
_pairs = Hypothesis("Value and key are drawn independently.")
_same = Hypothesis(
    "The value is the key itself, $k_y = k$ and $d_y = d$ with $k \\geq 2$, and synapses of a unit with itself are counted in no rate.",
    sp.And(sp.Ge(code_size, 2), sp.Eq(code_size, value_size), sp.Eq(dim, value_dim)),
)
_x_1, _x_2, _x_3 = sp.symbols("x_1 x_2 x_3", real=True)
_p, _q = sp.symbols("p q", positive=True)

willshaw_error = Claim(
    id="willshaw-error",
    title="Errors of a binary memory, exactly, at any size",
    part="separation",
    hypotheses=(codes, memory),
    statements=(
        Statement(
            "spurious",
            sp.Eq(spurious, _hetero),
            Kind.EXPECTATION,
            "The rate at which a unit that should be silent is recalled.",
            hypotheses=(_pairs,),
            resolution=0.15,
        ),
        Statement(
            "fill",
            sp.Eq(fill, 1 - (1 - _pair) ** n_items),
            Kind.EXPECTATION,
            "The share of synapses that are on.",
            hypotheses=(_pairs,),
        ),
        Statement(
            "missed",
            sp.Eq(n_missed, sp.Integer(0), evaluate=False),
            Kind.EXACT,
            "No active unit is ever missed: a synapse that is on stays on.",
        ),
        Statement(
            "auto-spurious",
            sp.Eq(spurious, _auto),
            Kind.EXPECTATION,
            "The same rate in an autoassociative memory, where a pattern that involves the silent unit has one active unit less to spend.",
            hypotheses=(_same,),
            resolution=0.15,
        ),
        Statement(
            "auto-fill",
            sp.Eq(fill, 1 - (1 - code_size * (code_size - 1) / (dim * (dim - 1))) ** n_items),
            Kind.EXPECTATION,
            "The share of synapses between two different units that are on.",
            hypotheses=(_same,),
        ),
        Statement(
            "no-diagonal",
            sp.Eq(n_recalled, sp.Integer(0), evaluate=False),
            Kind.EXACT,
            "If no unit has a synapse with itself and the threshold stays at $k$, not one active unit is recalled.",
            hypotheses=(_same,),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Fix a pair, a unit that its value leaves silent, and the $k$ synapses over which the key reaches it. The unit is "
            "recalled if the other $n - 1$ pairs have switched on all of them. That none of the synapses is off is the product over the synapses of "
            "one minus the indicator that it is off; multiplied out, it is an alternating sum over the sets of synapses that are all off "
            "[inclusion-exclusion].\n\n"
            "A set of $s$ synapses is off if no other pair has switched one of them on. Another pair does so only if its value holds the "
            "unit, which happens with probability $k_y/d_y$, and its key then meets the set. A random key avoids $s$ given units with "
            "probability $\\binom{d-s}{k}/\\binom{d}{k}$ [avoid-one] [avoid-two]. The pairs are independent, so the probability that none does is a power, "
            "and there are $\\binom ks$ sets of $s$ synapses: that is the sum. It is exact, because it never treats the synapses of one unit as "
            "independent, which they are not: all are switched on by the same few patterns. With one synapse the formula is the chance that this one is on [single], and so, "
            "with $n$ pairs in place of $n - 1$, the fill.\n\n"
            "If value and key are one pattern, a pattern that holds the silent unit, with probability $k/d$, has its other $k - 1$ active units "
            "among the other $d - 1$: put these numbers in. A synapse between two different units is switched on by a pattern that holds both [both]. "
            "Nothing switches a synapse off, so every unit of the value receives $k$, and none is missed. Without the synapses of units with themselves "
            "an active unit receives at most $k - 1$, which is below the threshold."
        ),
        steps=(
            identity(
                "inclusion-exclusion",
                "For three synapses, with $x$ the indicator that one is off.",
                (1 - _x_1) * (1 - _x_2) * (1 - _x_3),
                1 - (_x_1 + _x_2 + _x_3) + (_x_1 * _x_2 + _x_1 * _x_3 + _x_2 * _x_3) - _x_1 * _x_2 * _x_3,
            ),
            identity(
                "avoid-one",
                "A random key leaves out one given unit.",
                sp.binomial(dim - 1, code_size) / sp.binomial(dim, code_size),
                1 - code_size / dim,
                domain=sp.And(sp.Lt(code_size, dim), sp.Gt(dim, 2)),
            ),
            identity(
                "avoid-two",
                "It leaves out two.",
                sp.binomial(dim - 2, code_size) / sp.binomial(dim, code_size),
                (1 - code_size / dim) * (1 - code_size / (dim - 1)),
                domain=sp.And(sp.Lt(code_size, dim - 1), sp.Gt(dim, 3)),
            ),
            identity(
                "single",
                "The formula for a single synapse: the two terms of the sum.",
                sp.Add(
                    *(Covered(1, code_size, dim, _share, n_items).explicit.function.subs(_s, place) for place in (0, 1))
                ),
                1 - (1 - _pair) ** n_items,
                domain=sp.And(sp.Lt(code_size, dim), sp.Gt(dim, 2)),
            ),
            identity(
                "both",
                "A random pattern holds two given units.",
                sp.binomial(dim - 2, code_size - 2) / sp.binomial(dim, code_size),
                code_size * (code_size - 1) / (dim * (dim - 1)),
                domain=sp.And(sp.Lt(code_size, dim - 1), sp.Gt(code_size, 2)),
            ),
        ),
    ),
    references=("willshaw1969", "palm1980", "knoblauch2010"),
    counterexamples=(
        "Values that are not drawn at random concentrate the synapses: if all pairs share one value, its units collect all of them, the other units none, "
        "and the spurious rate is 0 at any number of pairs.",
        "Keys that share units beyond chance switch on the same synapses: the fill is then lower and the errors are more.",
        "A key with a missing unit lowers the threshold with it, and no active unit is missed; a key with a wrong unit asks for a synapse that need not be on, and active units are missed.",
        "The sum alternates: in double precision its terms cancel to noise. Evaluate it with more digits, or use the chain of covered synapses, whose terms are all positive.",
    ),
)

_power = (1 - (1 - _pair) ** n_items) ** code_size

willshaw_power_law = Claim(
    id="willshaw-power-law",
    title="False: the error of a binary memory is the fill to the power k",
    part="separation",
    hypotheses=(codes, memory, _pairs),
    statements=(
        Statement(
            "equal",
            sp.Eq(spurious, _power),
            Kind.EXPECTATION,
            "Each of the $k$ synapses of a silent unit is on with the probability $p_{\\mathrm{on}}$, so all are with probability "
            "$p_{\\mathrm{on}}^k$: as if the synapses of one unit were independent.",
            resolution=0.15,
        ),
        Statement(
            "upper",
            sp.Le(spurious, _power),
            Kind.EXPECTATION,
            "It is at least a safe estimate: the error is no larger.",
            resolution=0.15,
        ),
        Statement(
            "lower",
            sp.Ge(spurious, _power),
            Kind.EXPECTATION,
            "Or it is at least a floor: the error is no smaller.",
            resolution=0.15,
        ),
    ),
    derivation=None,
    references=("willshaw1969", "palm1980"),
    counterexamples=(
        "A unit that many patterns hold has most of its synapses on, a unit that few hold has few. The average of a power exceeds the power of "
        "the average, and in sparse memories the error is larger.",
        "One pattern switches on $k$ different synapses of a unit, never one twice. With few patterns in a small memory that makes the "
        "error smaller: at $d = 4$, $k = 2$, $d_y = 3$, $k_y = 1$ and three pairs.",
    ),
    expected=Verdict.REFUTED,
)

_h = (1 - _p) * sp.log(1 - _p) - _p * sp.log(_p)
_bits = sp.log(_p) * sp.log(1 - _p) / sp.log(2)

willshaw_information = Claim(
    id="willshaw-information",
    title="What a binary memory holds for each of its synapses",
    part="separation",
    hypotheses=(memory,),
    statements=(
        Statement(
            "information",
            sp.Eq(bits_per_synapse, _information),
            Kind.EXPECTATION,
            "The information that what is recalled gives about what was stored, unit by unit, over the number of synapses, with the "
            "spurious rate $p_{01}$ of the theorem on errors. (Unit by unit: what one unit says of another is not counted.)",
            hypotheses=(codes, _pairs),
        ),
        Statement(
            "ceiling",
            sp.Le(fill_bits, sp.log(2)),
            Kind.EXACT,
            "In the limit of many units, and if the error were the fill to the power $k$, it would depend on the fill alone, and be at most $\\ln 2$.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "A unit of a value is active with probability $k_y/d_y$ and then always recalled; if it is silent it is recalled with probability $p_{01}$. The "
            "information that this channel conveys is the entropy of what is recalled less its entropy given what was stored. There are $n d_y$ units to "
            "recall, and $d\\, d_y$ synapses; $h_2$ is the entropy of a choice between two, in bits.\n\n"
            "*The ceiling.* Suppose $p_{01} = p^k$ at fill $p$, and take $d_y = d$, $k_y = k$. To tolerate $\\epsilon k$ spurious units means $p^k (d - k) = \\epsilon k$, "
            "so a pattern holds about $k \\log_2(d/k) \\simeq k^2 \\log_2(1/p)$ bits as $d \\to \\infty$. The fill is $p$ after $\\ln(1-p)/\\ln(1-a^2) \\simeq -\\ln(1-p)/a^2$ patterns "
            "[many-patterns]; times the bits of a pattern, over $d^2$ synapses, that is $\\ln p \\ln(1-p)/\\ln 2$ [limit-bits]. Its derivative has the sign of "
            "$(1-p)\\ln(1-p) - p\\ln p$ [slope], which is 0 at $p = 0$ [at-zero] and at $p = \\tfrac12$ [at-half], and concave between them [concave]: so it is positive there, and by the "
            "symmetry of $p$ and $1-p$ negative beyond. The largest value is at $p = \\tfrac12$, and is $\\ln 2$ [top]. There the condition on the spurious units reads $2^{-k} (d - k) = \\epsilon k$, or $k = \\log_2((d-k)/(\\epsilon k))$: "
            "the best codes have an interior size, of the order of the logarithm of $d$."
        ),
        steps=(
            limit(
                "many-patterns",
                "The logarithm for a small activity, over its leading term.",
                -sp.log(1 - code_activity**2) / code_activity**2,
                code_activity,
                sp.Integer(0),
                sp.Integer(1),
            ),
            identity(
                "limit-bits",
                "Patterns times bits of a pattern over synapses, with $d/k = p^{-k}$ inside the logarithm.",
                -sp.log(1 - _p) / (code_size / dim) ** 2 * code_size * sp.log(_p ** (-code_size)) / sp.log(2) / dim**2,
                _bits,
                domain=sp.Lt(_p, 1),
            ),
            identity(
                "slope",
                "Its derivative.",
                sp.diff(_bits, _p),
                _h / (_p * (1 - _p) * sp.log(2)),
                domain=sp.Lt(_p, 1),
            ),
            limit("at-zero", "It vanishes at 0.", _h, _p, sp.Integer(0), sp.Integer(0)),
            limit("at-half", "It vanishes at one half.", _h, _p, sp.Rational(1, 2), sp.Integer(0)),
            identity(
                "concave",
                "Its second derivative, negative below one half: here $p = \\tfrac{1}{2}\\,\\tfrac{1}{1+q}$ with $q > 0$.",
                sp.diff(_h, _p, 2).subs(_p, 1 / (2 * (1 + _q))),
                -4 * _q * (1 + _q) / (1 + 2 * _q),
            ),
            limit("top", "At one half.", _bits, _p, sp.Rational(1, 2), sp.log(2)),
        ),
    ),
    references=("willshaw1969", "palm1980", "knoblauch2010"),
    counterexamples=(
        "The ceiling takes the error to be the fill to the power $k$, which is false at any size that can be simulated. What is left of $\\ln 2$ there is the next claim.",
        "An autoassociative memory holds each synapse twice, and its patterns can be recalled from a part: its bits per synapse have to be counted otherwise.",
    ),
)

willshaw_ln2 = Claim(
    id="willshaw-ln-2",
    title="False: a binary memory holds ln 2 bits a synapse",
    part="separation",
    hypotheses=(
        codes,
        memory,
        _pairs,
        Hypothesis(
            "Keys and values are codes of one kind, $k_y = k$ and $d_y = d$; $k$ is the best for that $d$, and the memory is filled until there is one spurious "
            "unit for a hundred active ones. It has up to 4000 units.",
            sp.Le(dim, 4000),
        ),
    ),
    statements=(
        Statement(
            "reached",
            sp.Eq(bits_per_synapse, sp.log(2)),
            Kind.EXPECTATION,
            "One reads that the memory holds 0.69 bits for each synapse.",
        ),
        Statement(
            "nearly",
            sp.Ge(bits_per_synapse, sp.Rational(2, 3) * sp.log(2)),
            Kind.EXPECTATION,
            "Or at least two thirds of that.",
        ),
    ),
    derivation=None,
    references=("willshaw1969", "palm1980", "knoblauch2010"),
    counterexamples=(
        "It is the limit for infinitely many units, and the approach is by logarithms: $\\log_2(d/k)$ is no large number in any memory that one can build.",
    ),
    expected=Verdict.REFUTED,
)

willshaw_optimum = Claim(
    id="willshaw-best-size",
    title="The best code of a binary memory is sparse, and not the sparsest",
    part="separation",
    hypotheses=(
        codes,
        memory,
        _pairs,
        Hypothesis(
            "Keys and values are codes of one kind, in memories of 200 to 1000 units, filled until there is one spurious unit for a hundred active ones.",
            sp.And(sp.Ge(dim, 200), sp.Le(dim, 1000)),
        ),
    ),
    statements=(
        Statement(
            "sparser",
            sp.Le(sparser_share, sp.Rational(3, 4)),
            Kind.EMPIRICAL,
            "With a third of the best number of active units, a memory holds at most three quarters as much.",
        ),
        Statement(
            "denser",
            sp.Le(denser_share, sp.Rational(9, 10)),
            Kind.EMPIRICAL,
            "With three times the best number it holds at most nine tenths.",
        ),
    ),
    derivation=None,
    references=("knoblauch2010",),
    counterexamples=(
        "The number of *patterns* has no such optimum at these sizes as bits have: sparser patterns say less, and more of them fit.",
    ),
)
