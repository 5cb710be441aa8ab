"""What it changes that units read few inputs: a correction whose sign depends on the inputs, and where wiring does matter."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality
from theory.evidence import Kind
from theory.notation import (
    code_activity,
    denser_cosine,
    excitatory_cosine,
    fan_in,
    fan_in_gain,
    fan_in_transfer,
    input_correlation,
    input_dim,
    input_overlap,
    input_size,
    linear_product,
    product_variance,
    square_product,
    square_square,
    square_variance,
)
from theory.separation.normal import Tail, density
from theory.separation.separation import at_threshold, law

_rho, _a, _m, _n = input_correlation, code_activity, fan_in, input_dim
_less = (_n - _m) / (_m * (_n - 1))  # what is left of a variance in the mean of m of n values, drawn without repetition


def _corner(threshold: sp.Expr, correlation: sp.Expr) -> sp.Expr:
    """The density of the two drives at the corner of the quadrant above the threshold."""
    return sp.exp(-(threshold**2) / (1 + correlation)) / (2 * sp.pi * sp.sqrt(1 - correlation**2))


def _spread(threshold: sp.Expr, correlation: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """What a variance of x squared, of x squared with xy, and of xy, do to the share in common, per corner density."""
    rest, square = 1 - correlation**2, threshold**2
    own = (
        correlation**3 / rest
        - 3 * correlation * (square - 1)
        + 3 * square * correlation**2 / (1 + correlation)
        - square * correlation**3 / (1 + correlation) ** 2
    )
    with_product = square / (1 + correlation) ** 2 - 1 / rest
    product = square / (1 + correlation) ** 2 + correlation / rest
    return own, with_product, product


_own, _with_product, _product = _spread(at_threshold, _rho)
coefficient = (
    _corner(at_threshold, _rho)
    / _a
    * (
        square_variance * _own / 4
        + square_product * _with_product
        + (square_square + 2 * product_variance) * _product / 4
    )
)

_u, _v = sp.symbols("u v", real=True)
_p, _q, _r, _t, _s, _y = sp.symbols("p q r t s y", positive=True)
_var = sp.Symbol("sigma", positive=True)
_det = _p * _q - _r**2
_log_density = -(_q * _u**2 - 2 * _r * _u * _v + _p * _v**2) / (2 * _det) - sp.log(_det) / 2
_below_one = sp.Lt(_r, 1)
_w = _y - _s * _u  # the tail at which the other drive exceeds the threshold, if one is u
_b = (1 - _s**2) / (2 * _s)  # r over the root of 1 - r^2, where s is the contrast of r


def _relative(*along: sp.Symbol) -> sp.Expr:
    """A second derivative of the density, relative to it."""
    first, second = (sp.diff(_log_density, symbol) for symbol in along)
    return sp.diff(_log_density, *along) + first * second


_gaussian = Hypothesis(
    "Each unit reads $m_x$ of the $d_x$ inputs, drawn at random, with independent Gaussian weights. Many units; the threshold is that of the "
    "activity $a$ for either input.",
    sp.And(sp.Le(_m, _n), sp.Gt(_n, 1)),
)
_half = Hypothesis("Less than half of the units fire.", sp.Lt(_a, sp.Rational(1, 2)))

fan_in_correction = Claim(
    id="fan-in-correction",
    title="Sparse wiring changes what codes share, in a direction that the inputs decide",
    part="separation",
    hypotheses=(_gaussian, _half),
    statements=(
        Statement(
            "gain",
            sp.Eq(fan_in_gain, coefficient * _less),
            Kind.ASYMPTOTIC,
            "Units that read fewer inputs share more of their active units, or fewer, by a term of order $1/m_x$, which vanishes if "
            "each unit reads all. Variances are over the $d_x$ inputs, of two inputs of mean square 1 that could change places.",
            hypotheses=(
                Hypothesis("Inputs are correlated, $0 \\leq \\rho_x < 1$.", sp.And(sp.Ge(_rho, 0), sp.Lt(_rho, 1))),
            ),
            size=fan_in,
            rate=1.0,
            resolution=0.1,
        ),
        Statement(
            "signs",
            sp.Ge(fan_in_transfer, law),
            Kind.EXACT,
            "For inputs of signs, $x_i = \\pm 1$, sparse wiring never separates better, at any fan-in.",
            hypotheses=(Hypothesis("At most a third of the units fire, $a \\leq 1/3$.", sp.Le(_a, sp.Rational(1, 3))),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Given which inputs a unit reads, its two drives are jointly normal: their variances $p, q$ and covariance $r$ are means of "
            "$x^2$, $y^2$ and $xy$ over the $m_x$ inputs. Such a mean is right on average, and has the variance [repetition] times that over "
            "all inputs. So expand the probability $P$ that both exceed the threshold to second order in $p, q, r$. The density of the drives "
            "changes with a variance as it does along its drive, twice [variance], and with the covariance as along both "
            "[covariance], as heat spreads. So $\\partial_r^2 P = \\partial_u\\partial_v\\varphi_2$ at the corner, which is [product] "
            "times the corner's density; $\\partial_p\\partial_q P$ is a quarter of it; $\\partial_p \\partial_r P$ is half of "
            "$\\partial_u^2 \\varphi_2$ there, [with-product]. And $\\partial_p^2 P$ is a quarter of the third derivative, with its sign changed, of "
            "the density of one drive times the tail of the other. This holds a term with that tail, and one that is the corner's density times [own] [third]. But unequal variances also raise the "
            "share of units that fire, by an eighth of [marginal] times the variance of $x^2$; the threshold rises to keep the activity, and takes away exactly the term "
            "with the tail, for both drives. What is left is the stated sum. For inputs of signs, $p = q = 1$ whatever a unit reads, and only $r$ varies. "
            "The logarithm of the corner's density has in $r$ the slope [slope], and its numerator is a sum of squares if "
            "$\\theta_a^2 \\geq 3 - 2\\sqrt 2$ [convex]: with at most a third active, for all $r$, also negative ones. "
            "So $P$ is convex in $r$, and its mean over the choices is at least its value at the mean (Jensen)."
        ),
        steps=(
            identity(
                "repetition",
                "Values drawn without repetition have covariance $-\\sigma/(d_x - 1)$; here $\\sigma$ is their variance.",
                (_m * _var - _m * (_m - 1) * _var / (_n - 1)) / _m**2,
                _var * _less,
                sp.Gt(_n, 1),
            ),
            identity(
                "variance",
                "Relative to the density.",
                sp.diff(_log_density, _p),
                _relative(_u, _u) / 2,
            ),
            identity(
                "covariance",
                "Relative to the density.",
                sp.diff(_log_density, _r),
                _relative(_u, _v),
            ),
            identity(
                "product",
                "At the corner, for unit variances.",
                _relative(_u, _v).subs({_p: 1, _q: 1}).subs({_u: _t, _v: _t}),
                _spread(_t, _r)[2],
                _below_one,
            ),
            identity(
                "with-product",
                "At the corner.",
                _relative(_u, _u).subs({_p: 1, _q: 1}).subs({_u: _t, _v: _t}),
                _spread(_t, _r)[1],
                _below_one,
            ),
            identity(
                "third",
                "Third derivative, over the density of the one drive; the other exceeds the threshold with a tail at $w = y - su$.",
                sp.diff(density(_u) * Tail(_w), _u, 3) / density(_u),
                -(_u**3 - 3 * _u) * Tail(_w)
                + density(_w) * (3 * (_u**2 - 1) * _s - 3 * _u * _s**2 * _w + _s**3 * (_w**2 - 1)),
            ),
            identity(
                "own",
                "The bracket at the corner, where $u = t$, $w = \\kappa t$ and $s = r/\\sqrt{1-r^2}$, times $\\sqrt{1 - r^2}$, with its sign "
                "changed; in terms of $\\kappa = s$, $r = (1 - s^2)/(1 + s^2)$.",
                -(3 * (_t**2 - 1) * _b - 3 * _t * _b**2 * _s * _t + _b**3 * (_s**2 * _t**2 - 1)) * 2 * _s / (1 + _s**2),
                _spread(_t, (1 - _s**2) / (1 + _s**2))[0],
            ),
            identity(
                "marginal",
                "Third derivative of the density of one drive.",
                -sp.diff(density(_t), _t, 3),
                (_t**3 - 3 * _t) * density(_t),
            ),
            identity(
                "slope",
                "Slope of its logarithm.",
                sp.diff(-(_t**2) / (1 + _r) - sp.log(1 - _r**2) / 2, _r),
                (_t**2 * (1 - _r) + _r * (1 + _r)) / ((1 + _r) ** 2 * (1 - _r)),
                _below_one,
            ),
            inequality(
                "convex",
                "The numerator at $r = 1 - s$ and $t^2 = 3 - 2\\sqrt 2 + y$.",
                (3 - 2 * sp.sqrt(2) + _y) * _s + (1 - _s) * (2 - _s),
                sp.Integer(0),
                (_s - sp.sqrt(2)) ** 2 + _y * _s,
            ),
        ),
    ),
    references=("litwinkumar2017",),
    counterexamples=(
        "Inputs that are strong where the other is weak, $x_i y_i = \\rho_x$ everywhere: units that read few inputs are driven by one "
        "of them or by the other, and *sparser wiring separates more*.",
        "The expansion needs many inputs a unit. Binary inputs of which a share $f$ is active have variance $1/f - 1$ of "
        "the square, so the number that must be large is $m_x f$: the active inputs that a unit reads.",
        "Weights that are not symmetric leave a term of order $1/\\sqrt{m_x}$.",
        "Winners of a finite layer share less than units above a threshold, by a term of order $1/\\sqrt{k}$ where many units are driven "
        "exactly alike by both inputs, as those that read only signs that agree.",
    ),
)

_c = _m / _n
_common = _c**2 * input_size**2
_free = _c * (1 - _c) * _n / (_n - 1)
_excess = input_size**2 / _n
_cosine = (_common + _free * (input_overlap - _excess)) / (_common + _free * (input_size - _excess))
_o, _k, _x = sp.symbols("o k x", positive=True)

excitatory_wiring = Claim(
    id="excitatory-wiring",
    title="Without inhibition, sparse wiring is what keeps codes apart",
    part="separation",
    hypotheses=(
        Hypothesis(
            "Each unit adds up $m_x$ of $d_x$ inputs, drawn at random, with equal positive weights, and fires in proportion. Two binary inputs have "
            "$k_x$ ones each, $O_x$ in common.",
            sp.And(sp.Le(_m, _n), sp.Gt(_n, 1), sp.Le(input_overlap, input_size), sp.Le(input_size, _n)),
        ),
    ),
    statements=(
        Statement(
            "cosine",
            sp.Eq(excitatory_cosine, _cosine),
            Kind.EXACT,
            "With many units, the cosine of the two codes is this, with $c_x = m_x/d_x$ the connectivity.",
        ),
        Statement(
            "denser",
            sp.Ge(denser_cosine, excitatory_cosine),
            Kind.EXACT,
            "The more inputs a unit reads, the more alike are the codes; they are equal if it reads all.",
        ),
        Statement(
            "not-better",
            sp.Ge(excitatory_cosine, input_overlap / input_size),
            Kind.EXACT,
            "They are never less alike than the inputs: sparse wiring does not separate. It keeps from merging.",
        ),
        Statement(
            "product",
            sp.Eq(linear_product, _common + _free * (input_overlap - _excess)),
            Kind.EXPECTATION,
            "In a layer of any number of units, this is the expected product of the codes for each unit.",
            resolution=0.1,
        ),
    ),
    derivation=Derivation(
        proof=(
            "A unit reads a given input with probability $m_x/d_x$ and a given pair with probability $m_x(m_x-1)/d_x(d_x-1)$. The product of its two "
            "drives counts pairs of a one of the first input with a one of the second, $k_x^2$ in all, of which $O_x$ are pairs of an "
            "input with itself [product]. For the square put $k_x$ for $O_x$. The ratio is $(x + p)/(x + r)$, "
            "with $x = c_x(d_x - 1)k_x^2/((1 - c_x)d_x)$, $p = O_x - k_x^2/d_x$ and $r = k_x - k_x^2/d_x \\geq p$; it increases with $x$ "
            "[increases], and $x$ with $c_x$. With one input a unit it is the cosine of the inputs [one], so it is never less."
        ),
        steps=(
            identity(
                "product",
                "Pairs by their probabilities.",
                _c * input_overlap + _c * (_m - 1) / (_n - 1) * (input_size**2 - input_overlap),
                _common + _free * (input_overlap - _excess),
                sp.Gt(_n, 1),
            ),
            inequality(
                "increases",
                "Its slope, with $r = p + y$.",
                sp.diff((_x + _p) / (_x + _p + _y), _x),
                sp.Integer(0),
                _y / (_x + _p + _y) ** 2,
            ),
            identity("one", "At $m_x = 1$.", _cosine.subs(_m, 1), input_overlap / input_size, sp.Gt(_n, 1)),
        ),
    ),
    references=("caycogajic2017", "litwinkumar2017"),
    counterexamples=(
        "Inhibition that compares the units, such as winners, takes off what all drives have in common. It is that common part "
        "which dense wiring adds.",
        "Weights of mean zero have no common part: the cosine of the codes is that of the inputs at *every* connectivity.",
    ),
)
