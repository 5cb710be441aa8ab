"""How much more different two codes are than their inputs: the transfer function of sparse units that fire above a threshold."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, limit
from theory.evidence import Kind, Verdict
from theory.notation import (
    closeness,
    code_activity,
    code_change,
    code_size,
    denser_correlation,
    dim,
    firing_threshold,
    input_correlation,
    mirrored_correlation,
    output_correlation,
    overlap,
    transfer,
    winners_transfer,
    winners_variance,
)
from theory.separation.normal import FiringThreshold, OwenT, Tail, density


def contrast(correlation: sp.Expr) -> sp.Expr:
    """Root of (1 - correlation) over (1 + correlation): the slope beyond which Owen's T counts."""
    return sp.sqrt((1 - correlation) / (1 + correlation))


def power_law(threshold: sp.Expr, activity: sp.Expr, correlation: sp.Expr) -> sp.Expr:
    """What the transfer tends to at very low activity, with all its factors."""
    exponent = (1 - correlation) / (1 + correlation)
    factor = (2 * sp.pi * threshold**2) ** (-correlation / (1 + correlation))
    return activity**exponent * factor * sp.sqrt((1 + correlation) ** 3 / (1 - correlation))


_rho, _a, _theta = input_correlation, code_activity, firing_threshold
at_threshold = FiringThreshold(code_activity)  # theta_a
law = 1 - 2 * OwenT(at_threshold, contrast(_rho)) / code_activity  # the transfer q_a
_tail = Tail(contrast(_rho) * at_threshold)

# Both units of a pair at the threshold t, inputs at correlation r
_t, _r, _c = sp.symbols("t r c", positive=True)
_u, _v = sp.symbols("u v", real=True)
_x = sp.Symbol("x", positive=True)
_s, _w = sp.symbols("s w", positive=True)
_kappa = contrast(_r)
_below_one = sp.Lt(_r, 1)
_y = sp.Symbol("y", positive=True)
_delta_ = sp.Symbol("Delta", positive=True)
_log_density = -(_u**2 - 2 * _r * _u * _v + _v**2) / (2 * (1 - _r**2)) - sp.log(1 - _r**2) / 2 - sp.log(2 * sp.pi)
_r_of_c = (1 - _c**2) / (1 + _c**2)  # the correlation whose contrast is c


def _hazard(x: sp.Expr) -> sp.Expr:
    return density(x) / Tail(x)


_both = Tail(_t) - 2 * OwenT(_t, _kappa)  # probability that both fire
_both_slope = -2 * density(_t) * Tail(_kappa * _t)
_plackett = sp.exp(-(_t**2) / (1 + _r)) / (2 * sp.pi * sp.sqrt(1 - _r**2))

drives = Hypothesis(
    "The drives of a unit by the two inputs are jointly normal with mean 0, variance 1 and correlation $\\rho_x$, independently "
    "for each unit. So they are, at any number of inputs, for Gaussian weights from all inputs; $\\rho_x$ is then the cosine of the two inputs."
)
fires = Hypothesis(
    "A unit fires if its drive exceeds $\\theta_a$, which a standard normal variable exceeds with probability $a$: "
    "$\\bar{\\Phi}(\\theta_a) = a$.",
    sp.Lt(code_activity, 1),
)
_nonnegative = Hypothesis(
    "The inputs are not anticorrelated, $0 \\leq \\rho_x \\leq 1$.", sp.And(sp.Ge(_rho, 0), sp.Le(_rho, 1))
)
_sparse = Hypothesis("At most half of the units fire, $a \\leq 1/2$.", sp.Le(code_activity, sp.Rational(1, 2)))

transfer_function = Claim(
    id="transfer-function",
    title="What two codes share, in closed form",
    part="separation",
    hypotheses=(drives, fires),
    statements=(
        Statement(
            "transfer",
            sp.Eq(transfer, law),
            Kind.EXPECTATION,
            "Of the units that one input makes fire, the other makes fire this share, in expectation; $T$ is Owen's function.",
            hypotheses=(Hypothesis("$-1 < \\rho_x \\leq 1$.", sp.And(sp.Gt(_rho, -1), sp.Le(_rho, 1))),),
            resolution=0.1,
        ),
        Statement(
            "half",
            sp.Eq(transfer, sp.Rational(1, 2) + sp.asin(_rho) / sp.pi),
            Kind.EXPECTATION,
            "If half of the units fire, it is this.",
            hypotheses=(Hypothesis("$a = 1/2$.", sp.Eq(code_activity, sp.Rational(1, 2))),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $P$ be the probability that a unit fires for both inputs, so that $q_a = P/a$. The density of two normal "
            "variables obeys Plackett's identity [plackett]. Integrated over the quadrant above the threshold, its right "
            "side is the density at the corner, so $P$ grows with the correlation $r$ at the rate [corner], from $a^2$ at "
            "$r = 0$. With $\\kappa = \\sqrt{(1-r)/(1+r)}$ the function $\\bar{\\Phi}(t) - 2T(t, \\kappa)$ grows at the same rate "
            "[same-rate]. As $r \\to 1$ the two drives become one and $P = a$; there $\\kappa$ vanishes [at-one], and $T$, an "
            "integral from 0 to $\\kappa$ of what is at most 1, with it. So the two are equal for all $r$. At threshold 0 the "
            "integral of $T$ is an angle, $T(0, \\kappa) = \\arctan(\\kappa)/2\\pi$; then the formula grows at the rate of that for "
            "$a = 1/2$ [half], and both are 1 at $r = 1$. In the threshold the slope of $P$ is [in-threshold]: twice the "
            "density of one drive at the threshold, times the probability that the other exceeds it. The bounds below follow from it."
        ),
        steps=(
            identity(
                "plackett",
                "Relative to the density.",
                sp.diff(_log_density, _r),
                sp.diff(_log_density, _u, _v) + sp.diff(_log_density, _u) * sp.diff(_log_density, _v),
                _below_one,
            ),
            identity(
                "corner",
                "The logarithm of the density at the corner $(t, t)$.",
                _log_density.subs({_u: _t, _v: _t}),
                -(_t**2) / (1 + _r) - sp.log(1 - _r**2) / 2 - sp.log(2 * sp.pi),
                _below_one,
            ),
            identity(
                "same-rate",
                "In terms of $\\kappa = c$, with $r = (1 - c^2)/(1 + c^2)$ and $\\sqrt{1 - r^2} = 2c/(1 + c^2)$.",
                -2 * sp.diff(OwenT(_t, _c), _c),
                sp.exp(-(_t**2) * (1 + _c**2) / 2) * (1 + _c**2) / (4 * sp.pi * _c) * sp.diff(_r_of_c, _c),
            ),
            limit(
                "at-one",
                "With $r = 1 - x$.",
                _kappa.subs(_r, 1 - _x),
                _x,
                sp.Integer(0),
                sp.Integer(0),
            ),
            identity(
                "half",
                "The rate at threshold 0.",
                sp.diff(1 - 2 * sp.atan(_kappa) / sp.pi, _r),
                sp.diff(sp.Rational(1, 2) + sp.asin(_r) / sp.pi, _r),
                _below_one,
            ),
            identity("in-threshold", "The slope in the threshold.", sp.diff(_both, _t), _both_slope, _below_one),
        ),
    ),
    references=("owen1956", "plackett1954"),
    counterexamples=(
        "For drives that are not jointly normal the formula fails. Units that read few inputs have drives of unequal "
        "variance, and share more or fewer of their active units, by the inputs.",
        "The correlation that counts is that of the drives. Weights that are all positive add the same term to every drive, and "
        "inputs of cosine 0.3 then drive the units nearly alike.",
        "$k$ winners are not a fixed threshold: they share a little less, by a term of order $1/d$ (below).",
        "For anticorrelated inputs and few active units the difference in the formula cancels to nothing in floating point. "
        "Use an integral there.",
    ),
)

separation_bounds = Claim(
    id="separation-bounds",
    title="One tail probability brackets what two codes share",
    part="separation",
    hypotheses=(drives, fires, _sparse, _nonnegative),
    statements=(
        Statement(
            "upper",
            sp.Le(transfer, (1 + _rho) * _tail),
            Kind.EXACT,
            "Two codes share at most this share of their active units. It is an equality for $\\rho_x = 0$ and $\\rho_x = 1$.",
        ),
        Statement("lower", sp.Ge(transfer, _tail), Kind.EXACT, "And at least this."),
    ),
    derivation=Derivation(
        proof=(
            "Write $h = \\varphi/\\bar{\\Phi}$ for the hazard of the normal law, density over tail. First, $h(x) > x$: where $x > 0$ the function "
            "$\\varphi(x)/x$ falls faster than $\\bar{\\Phi}(x)$ [mills-upper] and both vanish at infinity, so it is the larger. Second, "
            "$h(x) < x + 1/x$: $\\bar{\\Phi}(x) - x\\varphi(x)/(1 + x^2)$ falls [mills-lower] and vanishes at infinity, so it is positive. The slope of the hazard is [slope]. By "
            "the first it is positive, so $h$ increases. By the second $xh' < h$, so $h(x)/x$ decreases. Now compare both sides with the "
            "probability $P$ that both inputs make a unit fire, as functions of the threshold $t \\geq 0$; all vanish at "
            "infinity. The upper bound less $P$ has the slope [upper]. As $\\kappa \\leq 1$ and $h(x)/x$ decreases, $h(\\kappa t)/\\kappa t "
            "\\geq h(t)/t$, so the slope is not positive, and the difference is not negative. $P$ less the lower bound has "
            "the slope [lower], which is not positive either: $h(\\kappa t) \\leq h(t)$, as $h$ increases. At $r = 0$, $\\kappa = 1$ and the upper "
            "bound is $a$; at $r = 1$, $\\kappa = 0$ and it is 1: both are the transfer."
        ),
        steps=(
            identity(
                "mills-upper",
                "It falls faster than the tail, which falls by the density.",
                sp.diff(density(_x) / _x, _x),
                -density(_x) * (1 + _x**2) / _x**2,
            ),
            identity(
                "mills-lower",
                "It falls.",
                sp.diff(Tail(_x) - _x * density(_x) / (1 + _x**2), _x),
                -2 * density(_x) / (1 + _x**2) ** 2,
            ),
            identity("slope", "$h' = h(h - x)$.", sp.diff(_hazard(_x), _x), _hazard(_x) * (_hazard(_x) - _x)),
            identity(
                "upper",
                "Slope of the upper bound less $P$, with $r$ written in terms of $\\kappa = c$.",
                sp.diff((1 + _r_of_c) * Tail(_t) * Tail(_c * _t), _t) + 2 * density(_t) * Tail(_c * _t),
                (1 + _r_of_c) * Tail(_t) * Tail(_c * _t) * _c * (_c * _hazard(_t) - _hazard(_c * _t)),
            ),
            identity(
                "lower",
                "Slope of $P$ less the lower bound.",
                -2 * density(_t) * Tail(_c * _t) - sp.diff(Tail(_t) * Tail(_c * _t), _t),
                Tail(_t) * Tail(_c * _t) * (_c * _hazard(_c * _t) - _hazard(_t)),
            ),
        ),
    ),
    references=("savage1962",),
    counterexamples=(
        "For anticorrelated inputs $\\kappa > 1$, and both bounds change sides: what was an upper bound is a lower one.",
        "The tail alone, without the factor $1 + \\rho_x$, is up to twice too small: the codes of equal inputs share everything, and "
        "$\\bar{\\Phi}(0) = 1/2$.",
        "If more than half of the units fire the threshold is negative, and the proof does not hold. The bounds seem to: the "
        "table below finds no violation.",
    ),
)

_delta = _t / (1 + _r)
_quadratic = (_s**2 - 2 * _r * _s * _w + _w**2) / (1 - _r**2)
_savage = (
    (1 + _rho) ** 2 * sp.exp(-(_theta**2) / (1 + _rho)) / (2 * sp.pi * Tail(_theta) * _theta**2 * sp.sqrt(1 - _rho**2))
)
_log_a = -(_t**2) / 2 - sp.log(_t) - sp.log(2 * sp.pi) / 2
_log_rest = sp.log(1 - _r) + sp.log(1 + _r)  # of 1 - r^2
_inside = Hypothesis("$-1 < \\rho_x < 1$.", sp.And(sp.Gt(_rho, -1), sp.Lt(_rho, 1)))

low_activity = Claim(
    id="low-activity-separation",
    title="Separation at very low activity, and of inputs that are nearly equal",
    part="separation",
    hypotheses=(
        drives,
        Hypothesis("A unit fires if its drive exceeds $\\theta_a > 0$: less than half of the units do."),
    ),
    statements=(
        Statement(
            "power-law",
            sp.Eq(transfer, power_law(_theta, Tail(_theta), _rho)),
            Kind.ASYMPTOTIC,
            "As the activity $a = \\bar{\\Phi}(\\theta_a)$ falls to 0, the codes share a power of it; the relative error falls as "
            "$1/\\theta_a^2$, no faster than one over the logarithm of the activity.",
            hypotheses=(_inside,),
            size=firing_threshold,
            rate=2.0,
        ),
        Statement(
            "above",
            sp.Le(transfer, _savage),
            Kind.EXACT,
            "At no activity do they share more than this.",
            hypotheses=(_inside,),
        ),
        Statement(
            "below",
            sp.Ge(transfer, _savage * (1 - (2 - _rho) * (1 + _rho) / ((1 - _rho) * _theta**2))),
            Kind.EXACT,
            "And no less than this, which is negative unless the activity is very low.",
            hypotheses=(_inside,),
        ),
        Statement(
            "near",
            sp.Eq(code_change, density(at_threshold) / code_activity / sp.sqrt(sp.pi * closeness)),
            Kind.ASYMPTOTIC,
            "Of nearly equal inputs the codes differ by the *root* of what the inputs differ by.",
            size=closeness,
            rate=1.0,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Measure both drives from the threshold, $u = t + s$ and $v = t + w$. The density is that at the corner, times an "
            "exponential of rate $\\Delta = t/(1+r)$ in each excess, times $e^{-Q/2}$ with a quadratic $Q$ [shift], which is not "
            "negative [quadratic]. Leave it out, and the integral over the quadrant is the corner's density over $\\Delta^2$: "
            "divided by $a$, that is the upper side. As $e^{-x} \\geq 1 - x$, at most half the mean of $Q$ is lost, over two independent "
            "exponential excesses, whose squares have the mean $2/\\Delta^2$ [excess]: that is the lower side [loss]. "
            "So the relative error is at most of order $1/t^2$, and as the tail is the density over $t$ but for the same order, "
            "the power law follows from the upper side by putting one for the other [power]. "
            "For nearly equal inputs, $1 - q_a$ is the integral over $r$, from $\\rho_x$ to 1, of the corner's density over $a$. "
            "Near 1 it is [near] over $\\sqrt{1 - r}$, times $1 + O(1 - r)$, and $1/\\sqrt{1 - r}$ "
            "integrates to $2\\sqrt{1 - \\rho_x}$."
        ),
        steps=(
            identity(
                "shift",
                "The logarithm of the density.",
                _log_density.subs({_u: _t + _s, _v: _t + _w}),
                _log_density.subs({_u: _t, _v: _t}) - _delta * (_s + _w) - _quadratic / 2,
                _below_one,
            ),
            inequality(
                "quadratic",
                "Times $1 - r^2$; here for $r \\geq 0$, and for $r < 0$ no term is negative.",
                _s**2 - 2 * _w * _s * _y / (1 + _y) + _w**2,
                sp.Integer(0),
                (_s - _w) ** 2 + 2 * _s * _w / (1 + _y),
            ),
            identity(
                "excess",
                "What integrates to it, from $2/\\Delta^2$ at 0 to nothing at infinity.",
                -sp.diff((_s**2 + 2 * _s / _delta_ + 2 / _delta_**2) * sp.exp(-_delta_ * _s), _s),
                _s**2 * _delta_ * sp.exp(-_delta_ * _s),
            ),
            identity(
                "loss",
                "Half the mean of $Q$: two mean squares, and a product of two means.",
                (2 * 2 / _delta**2 - 2 * _r / _delta**2) / (1 - _r**2) / 2,
                (2 - _r) * (1 + _r) / ((1 - _r) * _t**2),
                _below_one,
            ),
            identity(
                "power",
                "Their logarithms, with $\\ln a = -t^2/2 - \\ln t - \\frac12 \\ln 2\\pi$.",
                2 * sp.log(1 + _r) - _t**2 / (1 + _r) - sp.log(2 * sp.pi) - _log_a - 2 * sp.log(_t) - _log_rest / 2,
                (1 - _r) / (1 + _r) * _log_a
                - _r / (1 + _r) * (sp.log(2 * sp.pi) + 2 * sp.log(_t))
                + 3 * sp.log(1 + _r) / 2
                - sp.log(1 - _r) / 2,
                _below_one,
            ),
            limit(
                "near",
                "Corner's density times $\\sqrt{1 - r}$, with $r = 1 - x$.",
                (_plackett * sp.sqrt(1 - _r)).subs(_r, 1 - _x),
                _x,
                sp.Integer(0),
                density(_t) / (2 * sp.sqrt(sp.pi)),
            ),
        ),
    ),
    references=("savage1962",),
    counterexamples=(
        "At the activities of brains $\\theta_a^2$ is about 4, and $1/\\theta_a^2$ no small number: the power law is off by half, and the "
        "lower side says nothing. See the false claim below.",
        "The factors of the power law make it *worse* for strongly correlated inputs, as they diverge at $\\rho_x = 1$, where the "
        "codes are equal.",
    ),
)

power_law_at_two_percent = Claim(
    id="power-law-at-two-percent",
    title="False: the power law of separation is accurate at 2 % activity",
    part="separation",
    hypotheses=(
        drives,
        Hypothesis(
            "Activity between 1 % and 5 %, as of granule cells.",
            sp.And(sp.Ge(_a, sp.Rational(1, 100)), sp.Le(_a, sp.Rational(1, 20))),
        ),
        Hypothesis(
            "Inputs are moderately to strongly correlated.", sp.And(sp.Ge(_rho, sp.Rational(3, 10)), sp.Lt(_rho, 1))
        ),
    ),
    statements=(
        Statement(
            "bare",
            sp.Ge(transfer, sp.Rational(9, 10) * _a ** ((1 - _rho) / (1 + _rho))),
            Kind.EXPECTATION,
            "Codes share at least 90 % of the bare power of the activity.",
            resolution=0.2,
        ),
        Statement(
            "prefactor",
            sp.Ge(transfer, sp.Rational(9, 10) * power_law(_theta, _a, _rho)),
            Kind.EXPECTATION,
            "Codes share at least 90 % of the power law with all its factors.",
            resolution=0.2,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Independent inputs, $\\rho_x = 0$: the power is the activity itself, and exact. That is the one case that theories of "
        "random patterns treat.",
    ),
    expected=Verdict.REFUTED,
)

_growth = sp.exp(-(_t**2) / (1 + _r)) / sp.sqrt(1 - _r**2)
_log_share = -(_t**2) / (1 + _r) - sp.log(1 - _r**2) / 2 - sp.log(2 * sp.pi) - sp.log(Tail(_t)) - sp.log(Tail(-_t))
_w_r = density(_t) * (Tail(-_t) - Tail(_t)) / (Tail(_t) * Tail(-_t)) - 2 * _t / (1 + _r)
_of_y = {_r: _y / (1 + _y)}

monotone = Claim(
    id="separation-is-monotone",
    title="Codes are never more alike than their inputs, and the sparser the less",
    part="separation",
    hypotheses=(drives, fires, _nonnegative),
    statements=(
        Statement(
            "less-alike",
            sp.Le(output_correlation, _rho),
            Kind.EXACT,
            "The correlation of two codes, over the units, is at most that of the inputs, at every activity.",
        ),
        Statement("not-opposed", sp.Ge(output_correlation, sp.Integer(0)), Kind.EXACT, "And it is never negative."),
        Statement(
            "monotone",
            sp.Ge(denser_correlation, output_correlation),
            Kind.EXACT,
            "It grows with the activity, up to a half: the sparser the codes, the less they are alike.",
            hypotheses=(Hypothesis("$a < a' \\leq 1/2$.", sp.Le(_a, sp.Rational(1, 2))),),
        ),
        Statement(
            "mirrored",
            sp.Eq(mirrored_correlation, output_correlation),
            Kind.EXPECTATION,
            "Units that fire and units that are silent play the same part: codes of activity $1 - a$ are, in expectation, as alike.",
            resolution=0.1,
        ),
        Statement(
            "from-overlap",
            sp.Eq(output_correlation, (overlap / code_size - code_size / dim) / (1 - code_size / dim)),
            Kind.EXACT,
            "For any two codes of $k$ of $d$ units, it is the overlap, counted from what chance gives.",
            hypotheses=(Hypothesis("$k < d$.", sp.Lt(code_size, dim)),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Two codes with $k$ ones in $d$ places and $O$ in common have covariance $O/d - a^2$ and variance $a - a^2$ over the "
            "units [pearson]; in expectation over units that is $\\rho_z = (q_a - a)/(1 - a)$. The integral for $P$ makes it $\\rho_z = \\int_0^{\\rho_x} "
            "g_r\\,dr$, with $g_r$ the corner's density over $a(1 - a)$. It is positive, and so is $\\rho_z$. Its logarithm has, "
            "in $r$, the slope [grows], which is not negative: $\\rho_z$ is convex in $\\rho_x$. It is 0 for $\\rho_x = 0$ and 1 for "
            "$\\rho_x = 1$, and a convex function lies below its chord. Now let the threshold $t > 0$ rise. The logarithm of "
            "$g_r$ changes at the rate $w_r$ [in-threshold], which increases with $r$ [increases]. For every threshold $\\int_0^1 g_r\\,dr = 1$, "
            "so $\\int_0^1 g_r w_r\\,dr = 0$: $w_r$ is negative up to some $r$ and positive from there. So $\\int_0^{\\rho_x} g_r w_r\\,dr < 0$ "
            "for every $\\rho_x$ between 0 and 1, and $\\rho_z$ falls as the threshold rises. Turn the sign of both drives, and "
            "firing becomes silence: the threshold changes its sign, and $g_r$, which depends on $t^2$ and $a(1 - a)$, does not change."
        ),
        steps=(
            identity(
                "pearson",
                "Covariance over variance.",
                (overlap / dim - (code_size / dim) ** 2) / (code_size / dim - (code_size / dim) ** 2),
                (overlap / code_size - code_size / dim) / (1 - code_size / dim),
                sp.Lt(code_size, dim),
            ),
            inequality(
                "grows",
                "Slope of $\\ln g_r$, with $r = y/(1 + y)$.",
                sp.diff(sp.log(_growth), _r).subs(_of_y),
                sp.Integer(0),
                _t**2 * (1 + _y) ** 2 / (1 + 2 * _y) ** 2 + _y * (1 + _y) / (1 + 2 * _y),
            ),
            identity("in-threshold", "The rate $w_r$.", sp.diff(_log_share, _t), _w_r, _below_one),
            inequality("increases", "Its slope in $r$.", sp.diff(_w_r, _r), sp.Integer(0), 2 * _t / (1 + _r) ** 2),
        ),
    ),
    references=("babadi2014",),
    counterexamples=(
        "The *raw* overlap is not mirrored, and not monotone in this sense beyond a half: codes that fire everywhere share everything.",
        "Anticorrelated inputs give codes that are *less* opposed than the inputs: sparse codes cannot share less than nothing.",
        "Noise is separated as signals are. Codes of one memory, cued twice with a little noise, differ by the root of the noise.",
        "Units that read few inputs may do better or worse than this, by the inputs: see the next chapter.",
    ),
)

_p, _m, _n = sp.symbols("p m n", positive=True)  # both fire, one fires, slope share
_slope = Tail(contrast(_rho) * at_threshold)
_joint = law * _a
_variance = _joint * (1 - _joint) - 4 * _slope * _joint * (1 - _a) + 2 * _slope**2 * (_a * (1 - _a) + _joint - _a**2)


def _moment(power: int) -> sp.Expr:
    """Of what one unit adds to the overlap, over whether it fires for both inputs, one, or none."""
    both, one = 1 - 2 * _n, -_n
    return _p * both**power + 2 * (_m - _p) * one**power


winners_overlap = Claim(
    id="winners-overlap",
    title="k winners share a little less, and vary much less, than independent units",
    part="separation",
    hypotheses=(
        drives,
        Hypothesis("The $k = ad$ units with the largest drives fire.", sp.Lt(_a, 1)),
    ),
    statements=(
        Statement(
            "mean",
            sp.Eq(winners_transfer, law),
            Kind.ASYMPTOTIC,
            "At fixed activity and many units the expected share in common tends to the transfer of a fixed threshold, with an "
            "error of order $1/d$.",
            size=dim,
            rate=1.0,
            resolution=0.1,
        ),
        Statement(
            "variance",
            sp.Eq(winners_variance, _variance),
            Kind.ASYMPTOTIC,
            "The variance of the overlap, for each unit, tends to this, with an error of the same order.",
            size=dim,
            rate=1.0,
            resolution=0.1,
        ),
    ),
    derivation=Derivation(
        proof=(
            "The least of the $k$ largest drives is a threshold that depends on the drives: if more units than expected exceed "
            "$\\theta_a$, it is a little higher, by their excess over $d$ times the density. Each unit that fires for one "
            "input thereby takes away from the overlap, besides what it adds to it: per unit in excess, the share of units at the "
            "threshold which the other input makes fire too, $s = \\bar{\\Phi}(\\kappa\\theta_a)$ (half of the slope in the threshold, over the "
            "density). To first order a unit contributes 1 if both inputs make it fire, less $s$ for each input that does. Write $p$ for the "
            "probability that both do, $m$ for that of one. The mean of the contribution is [mean], and with the mean square its "
            "variance is [variance], the stated one. For independent inputs $p = m^2$ and $s = m$, and it is the variance of "
            "the hypergeometric law, but for a factor $d/(d - 1)$ [independent]. What the linear terms leave out is of order $1/d$: this "
            "last step is the expansion of quantiles that Bahadur made rigorous, and is not checked here."
        ),
        steps=(
            identity("mean", "Of the contribution; $n$ stands for $s$.", _moment(1), _p - 2 * _n * _m),
            identity(
                "variance",
                "Mean square less squared mean.",
                _moment(2) - _moment(1) ** 2,
                _p * (1 - _p) - 4 * _n * _p * (1 - _m) + 2 * _n**2 * (_m * (1 - _m) + _p - _m**2),
            ),
            identity(
                "independent",
                "For independent inputs.",
                (_moment(2) - _moment(1) ** 2).subs({_p: _m**2, _n: _m}),
                (_m * (1 - _m)) ** 2,
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "Independent units with a fixed threshold have no excess to correct: their overlap has the variance $P(1 - P)$ a unit, "
        "several times as much where inputs are correlated.",
        "The variance alone does not give the mean squared overlap. The mean falls short of the transfer by a term of order "
        "$1/d$, and its product with the mean counts as much as the variance.",
        "One winner of few units: the expansion needs many winners. All units winners: everything is shared, and nothing varies.",
    ),
)
