"""What sparse codes cost and what they buy: how long a memory lasts, and the activity at which a cue recalls best."""

import numpy as np
import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, cited, identity, inequality, limit
from theory.evidence import Kind, Verdict
from theory.notation import (
    best_activity,
    centred_noise,
    code_activity,
    code_size,
    correlated_noise,
    cue_overlap,
    dim,
    input_correlation,
    mean_square_cosine,
    n_items,
    n_survived,
    n_writes,
    noise_slope,
    readout_noise,
    sparse_gain,
    survivor_error,
    tolerated_forgetting,
)
from theory.separation.forgetting import expected
from theory.separation.normal import FiringThreshold, OwenT, Tail
from theory.separation.recursion import terms


def survived(code_size: int, n_earlier: int, *, dim: int, tolerated: float, most: int = 1000) -> int:
    """Palimpsest capacity at rate 1, by the exact recursion of the expected forgetting.

    Raises ``ValueError`` where ``most`` later writes are still tolerated.
    """
    moments = terms(dim, code_size, n_earlier, np.arange(most + 1), 1.0)
    lost = np.flatnonzero(expected.bound("enumerated", **moments) > tolerated * (1 + 1e-12))
    if not lost.size:
        raise ValueError(f"most={most}: so many writes are survived; look further")
    return int(lost[0]) - 1


_a, _rho = code_activity, input_correlation
_overlap = 1 / dim + (code_size - 1) ** 2 / (dim * (dim - 1))  # I(k)
_by_activity = _a**2 + (1 - _a) ** 2 / (dim - 1)  # the same, by the activity
_welch = dim * (1 - mean_square_cosine) / (1 - dim * mean_square_cosine)
_T, _g, _kappa, _L = sp.symbols("T g kappa L", positive=True)
_theta, _t, _r, _x = sp.symbols("theta t r x", real=True)
_theta_p = sp.Symbol("theta", positive=True)


def _density(x: sp.Expr) -> sp.Expr:
    return sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)


def _tail(x: sp.Expr) -> sp.Expr:
    return sp.erfc(x / sp.sqrt(2)) / 2


def _hazard(x: sp.Expr) -> sp.Expr:
    return _density(x) / _tail(x)


def _optimum(slope: sp.Expr) -> sp.Expr:
    """The activity at which half the logarithmic slope of I is ``slope``."""
    return (1 - 2 * slope + sp.sqrt((1 - 2 * slope) ** 2 + 4 * dim * (1 - slope) * slope)) / (2 * dim * (1 - slope))


_units = Hypothesis("There are at least two units.", sp.Ge(dim, 2))
_random_codes = Hypothesis("The codes of all memories are independent random $k$-of-$d$ codes.", sp.Le(code_size, dim))
_delta = Hypothesis(
    "A linear readout is written by the delta rule with $\\eta_z = 1$. The values are independent of the codes and of each other, "
    "with mean 0 and mean square 1."
)

palimpsest_capacity = Claim(
    id="palimpsest-capacity",
    title="How many later writes a memory survives",
    part="separation",
    hypotheses=(_units,),
    statements=(
        Statement(
            "survives",
            sp.Ge(n_survived, sp.floor(tolerated_forgetting / (2 * _overlap))),
            Kind.EXACT,
            "However many writes were made before it, a memory survives at least so many later ones.",
            hypotheses=(_random_codes, _delta),
        ),
        Statement(
            "kept",
            sp.Le(survivor_error, tolerated_forgetting),
            Kind.EXPECTATION,
            "After that many, or fewer, its expected squared error is at most what is tolerated.",
            hypotheses=(
                _random_codes,
                _delta,
                Hypothesis("$2 N I(k) \\leq \\epsilon_F$.", sp.Le(2 * n_writes * _overlap, tolerated_forgetting)),
            ),
            resolution=0.4,
        ),
        Statement(
            "any-code",
            sp.Le(n_items, _welch),
            Kind.EXACT,
            "No code whatever, sparse or dense, lets more memories coexist at a mean squared cosine below $1/d$.",
            hypotheses=(Hypothesis("$\\overline{\\cos^2} < 1/d$.", sp.Lt(dim * mean_square_cosine, 1)),),
        ),
        Statement(
            "attained",
            sp.Eq(n_items, _welch),
            Kind.EXACT,
            "Tight frames of more than $d$ unit vectors attain it.",
            hypotheses=(
                Hypothesis(
                    "The codes are a tight frame, and $\\overline{\\cos^2} < 1/d$.", sp.Lt(dim * mean_square_cosine, 1)
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "The chapter on forgetting shows that after $N$ later writes the expected squared error is at most $2 N I(k)$, whatever "
            "was written before, with $I(k)$ the mean squared relative overlap. The first steps of that proof are: one write changes the answer at the memory by the error times the relative overlap; "
            "with rate 1 the expected share of the old value that is left after $N$ writes is at least $1 - N I(k)$, by Bernoulli's inequality; and the expected squared error "
            "is at most twice what is missing from 1. So the promise holds while $2 N I(k) \\leq \\epsilon_F$. As a function of the activity, $I(k)$ is "
            "$a^2 + (1-a)^2/(d-1)$ [by-activity]: a code is cheap if $a^2$ is below $1/d$, or $k$ below $\\sqrt d$, and then the promise is of the order of $\\epsilon_F d$; denser codes "
            "of zeros and ones are promised $\\epsilon_F/(2a^2)$ only.\n\n"
            "*Any code.* Let $z_1, \\dots, z_n$ have norm 1. Their second moment has trace $n$ and at most $d$ nonzero eigenvalues, so the sum of the squares of these, which is the sum of all squared "
            "cosines, is at least $n^2/d$, by the inequality of Cauchy and Schwarz [two-eigenvalues]. Without the $n$ squared cosines of codes with themselves, the mean over pairs is at least $(n/d - 1)/(n-1)$ "
            "{cite:p}`welch1974`. Solve for $n$ [solve]. Equality needs equal eigenvalues: a tight frame."
        ),
        steps=(
            identity(
                "by-activity",
                "The mean squared relative overlap, with $k = a d$.",
                _overlap.subs(code_size, _a * dim),
                _by_activity,
                domain=sp.Gt(dim, 1),
            ),
            inequality(
                "two-eigenvalues",
                "For two eigenvalues; the gap is a square.",
                _T**2 + _g**2,
                (_T + _g) ** 2 / 2,
                (_T - _g) ** 2 / 2,
            ),
            identity(
                "solve",
                "At the bound the mean squared cosine is $(n/d - 1)/(n - 1)$.",
                _welch.subs(mean_square_cosine, (n_items / dim - 1) / (n_items - 1)),
                n_items,
                domain=sp.And(sp.Gt(n_items, dim), sp.Gt(dim, 1)),
            ),
        ),
    ),
    references=("welch1974",),
    counterexamples=(
        "Memories that share one sparse code overwrite each other at once, whatever its activity: the bound is for random codes.",
        "With rates other than 1 the promise is another one; above 1 the expected forgetting need not even grow with the number of writes.",
        "Orthogonal dense codes, for example rows of a Hadamard matrix, keep $d$ memories with no forgetting at all; disjoint codes of $k$ units only $d/k$.",
    ),
)

_lower, _upper = (1 - _rho) / (1 + _rho), sp.sqrt((1 - _rho) / (1 + _rho))
_product = _tail(_theta) * _tail(_kappa * _theta)
_P, _q = sp.Function("P")(_theta), sp.Symbol("q", positive=True)
_integral = sp.Integral(2 * _density(_t) * _tail(_kappa * _t), (_t, _theta, sp.oo))

raw_readout_optimum = Claim(
    id="price-of-extreme-sparsity",
    title="A noisy cue wants codes that are sparse, but not too sparse",
    part="separation",
    hypotheses=(
        Hypothesis("There are at least two units.", sp.Ge(dim, 2)),
        Hypothesis(
            "A Hebbian readout sums zeros and ones as they are. Other memories have independent random codes; a cue shares the share $q_a$ of its active "
            "units with the memory's code, where a unit is active if its drive, a standard normal variable, exceeds a threshold, and the drives by cue and memory have correlation $\\rho_x$."
        ),
    ),
    statements=(
        Statement(
            "floor",
            sp.Ge(best_activity, _optimum(_lower)),
            Kind.EXACT,
            "The activity with the largest ratio $q_a^2/(n I)$ of signal to noise is at least this, to leading order $\\sqrt{(1-\\rho_x)/(2\\rho_x d)}$.",
            hypotheses=(
                Hypothesis(
                    "$0 < \\rho_x < 1$, and the ratio is largest inside the range, at $a^* \\leq \\tfrac12$.",
                    sp.And(sp.Gt(_rho, 0), sp.Lt(_rho, 1)),
                ),
            ),
        ),
        Statement(
            "ceiling",
            sp.Le(best_activity, _optimum(_upper)),
            Kind.EXACT,
            "It is at most this.",
            hypotheses=(
                Hypothesis(
                    "$0 < \\rho_x < 1$, and the ratio is largest inside the range, at $a^* \\leq \\tfrac12$.",
                    sp.And(sp.Gt(_rho, 0), sp.Lt(_rho, 1)),
                ),
            ),
        ),
        Statement(
            "stationary",
            sp.Eq(
                noise_slope,
                2 * Tail(_upper * FiringThreshold(_a)) / (1 - 2 * OwenT(FiringThreshold(_a), _upper) / _a) - 1,
            ),
            Kind.EXACT,
            "At the optimum the noise grows with the activity exactly twice as fast as the signal. (The slope of the signal, on the right, is $2\\bar\\Phi(\\kappa\\theta_a)/q_a - 1$ with "
            "$\\kappa^2 = (1-\\rho_x)/(1+\\rho_x)$; the transfer $q_a$ is written by Owen's function $T$ {cite:p}`owen1956`.)",
            hypotheses=(Hypothesis("$0 < \\rho_x < 1$.", sp.And(sp.Gt(_rho, 0), sp.Lt(_rho, 1))),),
        ),
        Statement(
            "noise",
            sp.Eq(readout_noise, n_writes * _overlap),
            Kind.EXPECTATION,
            "The noise of $N$ other memories, relative to a squared value.",
            hypotheses=(_random_codes,),
            resolution=0.1,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Each other memory adds its value times the relative overlap; the values are independent, so squares add, which is the noise. With the activity as a continuous "
            "variable, half the logarithmic slope of $I$ is [noise-slope].\n\n"
            "*The signal.* Cue and memory both activate a unit with probability $P = \\int_\\theta^\\infty 2\\varphi(t)\\bar\\Phi(\\kappa t)\\,dt$: of two equally distributed drives the larger one is the first with probability "
            "one half, and given the lower one is at $t$ the other exceeds it with probability $\\bar\\Phi(\\kappa t)$. So $q_a = P/a$. As $a = \\bar\\Phi(\\theta)$ falls by $\\varphi(\\theta)$ with the threshold, $P$ falls by "
            "$2\\bar\\Phi(\\kappa\\theta)$ per unit of $a$ [signal-slope], and $d\\ln q_a/d\\ln a = 2\\bar\\Phi(\\kappa\\theta)/q_a - 1$. Where $2 \\ln q_a - \\ln I$ is largest inside the range, the two slopes agree.\n\n"
            "*Bounds of the slope.* Compare $P$ with $C\\,\\bar\\Phi(\\theta)\\bar\\Phi(\\kappa\\theta)$: both vanish at infinite threshold. With $C = 2/(1+\\kappa^2) = 1 + \\rho_x$ the product falls faster with the threshold, by [upper-gap], as "
            "$h(\\kappa\\theta) \\geq \\kappa h(\\theta)$ for the hazard $h = \\varphi/\\bar\\Phi$; so it is above $P$. With $C = 2/(1+\\kappa)$ it falls more slowly, by [lower-gap], as $h(\\kappa\\theta) \\leq h(\\theta)$; so it is below. Hence $2\\bar\\Phi(\\kappa\\theta)/q_a$ lies between "
            "$1 + \\kappa^2$ and $1 + \\kappa$, and the slope between $\\kappa^2$ and $\\kappa$. Both facts about the hazard come from its derivative, $h' = h(h - x)$ [hazard], which is 1 less the variance of a normal variable beyond $x$, and so between 0 and 1: "
            "$h$ increases, and $h(x)/x$ decreases for $x > 0$, as $x h' < x < h$ [ratio].\n\n"
            "*Solve.* That half the slope of $I$ equals $L$ is a quadratic equation in $a$ [quadratic], with one positive root [root]. For smaller $a$ the slope is below $L$, for larger ones above. With $L$ between $\\kappa^2$ and $\\kappa$ the optimum lies between the two roots."
        ),
        steps=(
            identity(
                "noise-slope",
                "Half the logarithmic slope of $I$ in $a$.",
                _a * sp.diff(sp.log(_by_activity), _a) / 2,
                (_a**2 - _a * (1 - _a) / (dim - 1)) / _by_activity,
                domain=sp.Gt(dim, 1),
            ),
            identity(
                "signal-slope",
                "The logarithmic slope of $q = P/a$ in $a$, with $P' = -2\\varphi(\\theta)\\bar\\Phi(\\kappa\\theta)$.",
                (_tail(_theta) / _q * sp.diff(_P / _tail(_theta), _theta) / sp.diff(_tail(_theta), _theta))
                .subs(sp.diff(_P, _theta), sp.diff(_integral, _theta))
                .subs(_P, _q * _tail(_theta)),
                2 * _tail(_kappa * _theta) / _q - 1,
            ),
            identity(
                "upper-gap",
                "What the product with $C = 2/(1+\\kappa^2)$ falls faster by.",
                -sp.diff(2 / (1 + _kappa**2) * _product, _theta) - 2 * _density(_theta) * _tail(_kappa * _theta),
                2 * _kappa / (1 + _kappa**2) * _product * (_hazard(_kappa * _theta) - _kappa * _hazard(_theta)),
            ),
            identity(
                "lower-gap",
                "The same with $C = 2/(1+\\kappa)$.",
                -sp.diff(2 / (1 + _kappa) * _product, _theta) - 2 * _density(_theta) * _tail(_kappa * _theta),
                2 * _kappa / (1 + _kappa) * _product * (_hazard(_kappa * _theta) - _hazard(_theta)),
            ),
            identity(
                "hazard", "The derivative of the hazard.", sp.diff(_hazard(_x), _x), _hazard(_x) * (_hazard(_x) - _x)
            ),
            identity(
                "ratio",
                "The derivative of $h(x)/x$; the bracket is negative.",
                sp.diff(_hazard(_theta_p) / _theta_p, _theta_p),
                (_theta_p * _hazard(_theta_p) * (_hazard(_theta_p) - _theta_p) - _hazard(_theta_p)) / _theta_p**2,
            ),
            identity(
                "quadratic",
                "The condition that the slope is $L$, times $d - 1$ and $I$.",
                (dim - 1) * (_a**2 - _a * (1 - _a) / (dim - 1) - _L * _by_activity),
                dim * _a**2 * (1 - _L) - _a * (1 - 2 * _L) - _L,
                domain=sp.Gt(dim, 1),
            ),
            identity(
                "root",
                "Its positive root.",
                (dim * _a**2 * (1 - _L) - _a * (1 - 2 * _L) - _L).subs(_a, _optimum(_L)),
                sp.Integer(0),
                domain=sp.Lt(_L, 1),
            ),
        ),
    ),
    references=("babadi2014", "barak2013"),
    counterexamples=(
        "A perfect cue, $\\rho_x = 1$, has no price to pay: its signal is 1 at every activity, the noise alone counts, and $k = 1$ is best.",
        "A cue that says nothing, $\\rho_x \\leq 0$, has no interior optimum either.",
        "If the readout is not scaled up to make good for the lost overlap, what counts is the squared error $\\mathbb{E}(1 - O/k)^2 + N I$. Its optimum moves with the number of memories; that of the ratio does not.",
    ),
)

_arcsine = 2 / sp.pi * sp.asin(_rho)
_growth = sp.exp(-(_theta**2) / (1 + _r)) / (2 * sp.pi * sp.sqrt(1 - _r**2) * _tail(_theta) * (1 - _tail(_theta)))
_sign = _hazard(_theta) - _hazard(-_theta) - 2 * _theta / (1 + _r)
_inside = sp.And(sp.Lt(_r, 1), sp.Gt(_r, -1))

dense_for_independent = Claim(
    id="dense-for-independent",
    title="For independent memories and a centred readout the best activity is one half",
    part="separation",
    hypotheses=(
        Hypothesis("There are at least two units.", sp.Ge(dim, 2)),
        Hypothesis("The mean activity is subtracted from the codes before they are read: by inhibition, or by a bias."),
    ),
    statements=(
        Statement(
            "signal",
            sp.Le(cue_overlap, _arcsine),
            Kind.EXPECTATION,
            "At no activity does a cue keep more of the code of its memory than with half of the units active, where the bound is attained: the signal, relative to the length of the code, grows with the activity.",
            hypotheses=(
                Hypothesis(
                    "A unit is active if its drive, a standard normal variable, exceeds a threshold; the drives by cue and memory have correlation $0 \\leq \\rho_x \\leq 1$.",
                    sp.And(sp.Ge(_rho, 0), sp.Le(_rho, 1)),
                ),
            ),
            resolution=0.1,
        ),
        Statement(
            "noise",
            sp.Eq(centred_noise, 1 / (dim - 1)),
            Kind.EXPECTATION,
            "The squared overlap with the code of an independent memory, relative to the lengths of both, is the same at every activity.",
            hypotheses=(
                Hypothesis(
                    "These are independent random $k$-of-$d$ codes with $1 \\leq k < d$.", sp.Lt(code_size, dim)
                ),
            ),
            resolution=0.1,
        ),
    ),
    derivation=Derivation(
        proof=(
            "*The noise.* The overlap $O$ of two random codes has the hypergeometric variance $k^2(d-k)^2/(d^2(d-1))$; the squared length of a centred code is $k(1-a)$. Their ratio is [noise], without $a$.\n\n"
            "*The signal.* By Plackett's identity the probability that both drives exceed the threshold grows with the correlation at the rate of the joint density at the threshold [plackett]. Over the variance $a(1-a)$ of a unit, the centred overlap is "
            "therefore $\\int_0^{\\rho_x} g_r\\,dr$, with $g_r$ that density over $a(1-a)$. How $g_r$ changes with the threshold is [sign]: $h(\\theta) - h(-\\theta) - 2\\theta/(1+r)$, which for $\\theta > 0$ increases with $r$, as $-2\\theta/(1+r)$ does [increases]. "
            "Now $\\int_0^1 g_r\\,dr = 1$ at every threshold, because a cue that is the memory has its code. So the derivative of this integral is 0, and its integrand must change sign, once, from negative to positive. Then the integral up to any "
            "$\\rho_x < 1$ has a negative derivative: the signal falls as the threshold rises from 0, and it is largest at threshold 0, that is $a = \\tfrac12$. There it is the arcsine [arcsine]. For activities above one half exchange active and silent."
        ),
        steps=(
            cited("plackett", "How a bivariate normal probability grows with the correlation.", "plackett1954"),
            identity(
                "noise",
                "Hypergeometric variance over the product of the squared lengths.",
                code_size**2 * (dim - code_size) ** 2 / (dim**2 * (dim - 1)) / (code_size * (1 - code_size / dim)) ** 2,
                1 / (dim - 1),
                domain=sp.And(sp.Gt(dim, code_size), sp.Gt(dim, 1)),
            ),
            identity(
                "sign",
                "The logarithmic derivative of $g_r$ in the threshold.",
                sp.diff(sp.log(_growth), _theta),
                _sign,
                domain=_inside,
            ),
            inequality(
                "increases",
                "Its last term at $g + T$ against that at $g$.",
                -2 * _theta_p / (1 + _g + _T),
                -2 * _theta_p / (1 + _g),
                2 * _theta_p * _T / ((1 + _g) * (1 + _g + _T)),
            ),
            limit(
                "arcsine",
                "The integrand $g_r$ at threshold 0, which is the derivative of $\\tfrac{2}{\\pi}\\arcsin r$.",
                _growth,
                _theta,
                sp.Integer(0),
                sp.diff(_arcsine.subs(_rho, _r), _r),
            ),
        ),
    ),
    references=("plackett1954", "babadi2014", "barak2013"),
    counterexamples=(
        "Without the subtraction the noise is $I(k)$, which grows with $a^2$: then dense codes of zeros and ones are the worst.",
        "Memories that are correlated among themselves are not independent: beyond a correlation of the order of $d^{-1/2}$ sparse codes win, because they decorrelate them.",
    ),
)

_q_a = 1 - 2 * OwenT(FiringThreshold(_a), _upper) / _a  # the transfer
_p_a = _a * _q_a
_squares = (_p_a * (1 - _a) ** 4 + 2 * (_a - _p_a) * _a**2 * (1 - _a) ** 2 + (1 - 2 * _a + _p_a) * _a**4) / (
    _a * (1 - _a)
) ** 2
_out = (_q_a - _a) / (1 - _a)
_correlated = Hypothesis(
    "A unit is active if its drive, a standard normal variable, exceeds the threshold for activity $a$, less than 1; the drives by the two memories have correlation $0 \\leq \\rho_x < 1$, "
    "and units are independent of each other.",
    sp.And(sp.Ge(_rho, 0), sp.Lt(_rho, 1), sp.Lt(_a, 1)),
)
_P = sp.Symbol("P", positive=True)
_z_squares = _P * (1 - _a) ** 2 * (1 - _a) ** 2 + 2 * (_a - _P) * (_a * (1 - _a)) ** 2 + (1 - 2 * _a + _P) * _a**4

correlated_interference = Claim(
    id="correlated-interference",
    title="The interference of correlated memories, chance overlap included",
    part="separation",
    hypotheses=(_correlated,),
    statements=(
        Statement(
            "noise",
            sp.Eq(correlated_noise, _out**2 + (_squares - _out**2) / dim),
            Kind.EXPECTATION,
            "The squared centred overlap of two codes, relative to the squared length: the square of the output correlation $(q_a - a)/(1-a)$, and the variance of one unit over their number. The transfer $q_a$ is written by Owen's function $T$ {cite:p}`owen1956`.",
            resolution=0.15,
        ),
    ),
    derivation=Derivation(
        proof=(
            "The centred overlap, divided by its length $d\\,a(1-a)$, is a mean over $d$ independent units. Its mean square is the squared mean plus the variance of one unit over $d$. Both units are active with probability $P = a q_a$, one "
            "of them with $a - P$ each, and none with $1 - 2a + P$, which gives the mean [mean] and the mean square of a unit, up to the factor $a^2(1-a)^2$. If the memories are independent, $P = a^2$, the mean is 0 and the mean square is 1 [independent]: the noise is $1/d$ at every activity. If they are "
            "correlated and few units are active, the mean square of a unit is near $P/a^2 = q_a/a$ [sparse]: the variance is near $q_a/k$, and that is what limits very sparse codes. Two codes that share a unit by correlation share a large part of a small code."
        ),
        steps=(
            identity(
                "mean",
                "The mean over a unit.",
                _P * (1 - _a) ** 2 - 2 * (_a - _P) * _a * (1 - _a) + (1 - 2 * _a + _P) * _a**2,
                _P - _a**2,
            ),
            identity(
                "independent",
                "The mean square of a unit at $P = a^2$.",
                _z_squares.subs(_P, _a**2),
                (_a * (1 - _a)) ** 2,
            ),
            limit(
                "sparse",
                "It relative to $P$, as the activity vanishes and with it $P = a q$.",
                (_z_squares / _P).subs(_P, _a * sp.Symbol("q", positive=True)),
                _a,
                sp.Integer(0),
                sp.Integer(1),
            ),
        ),
    ),
    references=("owen1956",),
    counterexamples=(
        "With exactly $k$ winners the units are not independent, and the variance is somewhat smaller.",
        "Memories that share a common part are correlated in the same units all the time: then their overlaps with one cue are correlated, too, and values that are not independent add up coherently.",
    ),
)

noise_adds_up = Claim(
    id="noise-of-correlated-memories-adds-up",
    title="False: the interference of correlated memories is that of their correlation and that of chance, added up",
    part="separation",
    hypotheses=(_correlated,),
    statements=(
        Statement(
            "sum",
            sp.Eq(correlated_noise, _out**2 + 1 / (dim - 1)),
            Kind.EXPECTATION,
            "The squared output correlation, which is right for infinitely many units, plus $1/(d-1)$, which is right for independent memories: so the best code of strongly correlated memories would be the sparsest there is.",
            hypotheses=(Hypothesis("There are at least two units.", sp.Ge(dim, 2)),),
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "At two units active of a thousand the noise is several times the sum, because the overlap of two small codes fluctuates as much as it amounts to.",
    ),
    expected=Verdict.REFUTED,
)

sparse_for_correlated = Claim(
    id="sparse-for-correlated",
    title="For correlated memories sparse codes win even with a centred readout, and the sparsest do not",
    part="separation",
    hypotheses=(
        Hypothesis(
            "Codes of 1000 units are their winners, against half of them as winners; drives by cue and memory have correlation 0.8, those by a cue and other "
            "memories 0.3. Signal and noise are centred overlaps."
        ),
    ),
    statements=(
        Statement(
            "gain",
            sp.Ge(sparse_gain, sp.Rational(3, 2)),
            Kind.EMPIRICAL,
            "With 20 winners the squared ratio of signal to noise is at least one and a half times that with 500.",
            resolution=0.5,
        ),
        Statement(
            "sparsest",
            sp.Le(sparse_gain, sp.Integer(1)),
            Kind.EMPIRICAL,
            "With 2 winners it is no larger than with 500.",
            resolution=0.5,
        ),
    ),
    derivation=None,
    references=("babadi2014", "barak2013"),
    counterexamples=(
        "With independent memories and everything else the same, sparse codes are worse, and the worse the sparser.",
    ),
)

sparse_when_correlated = Claim(
    id="sparse-as-soon-as-correlated",
    title="False: sparse codes are best as soon as memories are correlated",
    part="separation",
    hypotheses=(
        Hypothesis(
            "1000 units, of which the 50 driven most are active, against half of them; drives by cue and memory have correlation 0.8, those by a cue and other "
            "memories 0.01. Signal and noise are centred overlaps."
        ),
    ),
    statements=(
        Statement(
            "gain",
            sp.Ge(sparse_gain, sp.Integer(1)),
            Kind.EMPIRICAL,
            "However weak the correlation, the sparse code has the better ratio of signal to noise.",
            resolution=0.1,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Below a correlation of about $d^{-1/2}$ chance overlap drowns it, and decorrelating it is of no use; at what it costs in signal, the sparse code loses.",
    ),
    expected=Verdict.REFUTED,
)
