"""How many bits fit into the room that an old loss leaves: water-filling over the directions of parameter space."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, cited, identity, inequality, instance, limit
from theory.evidence import Kind
from theory.notation import (
    bits,
    curvature_along,
    forgetting,
    message_variance,
    noise,
    price_forgetting,
    price_length,
    radius,
    surplus,
)

_y, _w, _p = sp.symbols("y w p", positive=True)
_h = sp.Symbol("h", real=True)
_beyond = sp.Symbol("u", nonnegative=True)
_first, _second = sp.symbols("c_11 c_22", positive=True)
_cross = sp.Symbol("c_12", real=True)
_i = sp.Symbol("i", integer=True, positive=True)
_n = sp.Symbol("m", integer=True, positive=True)
_variance, _curvature = sp.IndexedBase("psi", nonnegative=True), sp.IndexedBase("lambda", nonnegative=True)
_price = price_forgetting * curvature_along + price_length

_bound = (2 * forgetting * price_forgetting + radius**2 * price_length + surplus) / (2 * sp.log(2))
_filled = Hypothesis(
    "The variances are filled to the level that the prices set, $\\psi_i = (1/(\\xi_E \\lambda_i + \\xi_R) - \\sigma^2)_+$, and "
    "what is priced is used up: mean forgetting is $E$ or $\\xi_E = 0$, mean squared length is $R_\\delta^2$ or $\\xi_R = 0$."
)

writable_bits = Claim(
    id="writable-bits",
    title="Writable bits: forgetting is the power, curvature is the noise",
    part="capacity",
    hypotheses=(
        Hypothesis(
            "A random change $\\delta$ of the parameters carries a message and is read through Gaussian noise of variance $\\sigma^2$ in "
            "each direction."
        ),
        Hypothesis(
            "It may raise the old loss by at most $E$ on average, $\\frac12\\mathbb{E}\\,\\delta^\\top\\mathcal{H}\\delta \\leq E$, and has a mean "
            "squared length of at most $R_\\delta^2$."
        ),
        Hypothesis(
            "$\\Omega$ sums $p_i - 1 - \\ln p_i$ over the eigenvectors of $\\mathcal{H}$ whose price of noise "
            "$p_i = \\sigma^2(\\xi_E \\lambda_i + \\xi_R)$ is below 1."
        ),
    ),
    statements=(
        Statement(
            "bound",
            sp.Le(bits, _bound),
            Kind.EXACT,
            "At any prices, no message conveys more bits than this.",
        ),
        Statement(
            "attained",
            sp.Eq(bits, _bound),
            Kind.EXACT,
            "At the right prices a Gaussian message attains it.",
            hypotheses=(_filled,),
        ),
        Statement(
            "allocation",
            sp.Eq(message_variance, sp.Max(0, 1 / (price_forgetting * curvature_along + price_length) - noise**2)),
            Kind.EXACT,
            "The best message fills the directions up to a level, the flat ones more, and leaves out those that are too steep.",
            hypotheses=(
                Hypothesis(
                    "No message conveys more bits, and the prices are those at which what is priced is used up.",
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "A message of given covariance $\\Psi$ conveys most if it is Gaussian, and then $\\frac12\\log_2\\det(I + \\Psi/\\sigma^2)$ "
            "bits [channel]. Both budgets see the diagonal of $\\Psi$ in the eigenvectors of $\\mathcal{H}$ only, with entries $\\psi_i$, and a "
            "determinant is at most the product of its diagonal [hadamard]; at any size, scale the diagonal to 1, and the "
            "eigenvalues $y$ of what is left average 1, so their logarithms, each at most $y - 1$, sum to at most 0. So "
            "independent directions are best, with $\\frac12 \\sum_i \\log_2(1 + \\psi_i/\\sigma^2)$ bits. Here "
            "$\\ln y \\leq y - 1$ because the difference is 0 at $y = 1$ and its slope has the sign of $y - 1$ [tangent]. Put a price $p$ on a "
            "unit of variance over noise $w = \\psi/\\sigma^2$, and take $y = p(1+w)$: a direction gains at most its rent $pw$ and a surplus "
            "of $p - 1 - \\ln p$ [surplus], with equality only at $y = 1$. At a price of $p = 1 + u \\geq 1$ it gains at "
            "most its rent [dear], with equality only at $w = 0$. Now add up over the directions, with the prices "
            "$p_i = \\sigma^2(\\xi_E\\lambda_i + \\xi_R)$: the rents are the prices times what is used of the two budgets [rent], which is "
            "at most $2E\\xi_E + R_\\delta^2\\xi_R$. Divided by $2\\ln2$ this is the bound, for any prices that are not negative. "
            "Equality needs $p(1+w) = 1$ where $p < 1$ and $w = 0$ elsewhere, which is the stated variance [level], and "
            "budgets that are used up where they have a price. Such prices exist: the capacity is concave in the variances and "
            "the budgets are linear. The logarithm is strictly concave, so no other variances do as well."
        ),
        steps=(
            cited(
                "channel",
                "Of all messages of a given covariance a Gaussian one conveys most through Gaussian noise: half the logarithm "
                "of the determinant.",
                "gallager1968",
            ),
            inequality(
                "hadamard",
                "In two dimensions.",
                _first * _second,
                sp.Matrix([[_first, _cross], [_cross, _second]]).det(),
                _cross**2,
            ),
            limit(
                "tangent",
                "The slope of $y - 1 - \\ln y$, as a difference quotient.",
                ((_y + _h - sp.log(_y + _h)) - (_y - sp.log(_y))) / _h,
                _h,
                0,
                (_y - 1) / _y,
            ),
            identity(
                "surplus",
                "What $y - 1 - \\ln y$ is at $y = p(1+w)$.",
                _p * (1 + _w) - 1 - sp.log(_p * (1 + _w)),
                _p * _w + (_p - 1 - sp.log(_p)) - sp.log(1 + _w),
            ),
            inequality(
                "dear",
                "A rent at a price of at least 1 is at least $w$, which is at least $\\ln(1+w)$.",
                (1 + _beyond) * _w,
                _w,
                _beyond * _w,
            ),
            instance(
                "rent",
                "All rents together.",
                sp.Eq(
                    sp.Sum(
                        noise**2 * (price_forgetting * _curvature[_i] + price_length) * (_variance[_i] / noise**2),
                        (_i, 1, _n),
                    ),
                    price_forgetting * sp.Sum(_curvature[_i] * _variance[_i], (_i, 1, _n))
                    + price_length * sp.Sum(_variance[_i], (_i, 1, _n)),
                    evaluate=False,
                ),
                {_n: 2},
                {_n: 3},
            ),
            identity(
                "level",
                "At that variance $p(1 + w)$ is 1.",
                noise**2 * _price * (1 + (1 / _price - noise**2) / noise**2),
                sp.Integer(1),
                domain=sp.Gt(_price, 0),
            ),
        ),
    ),
    references=("gallager1968",),
    counterexamples=(
        "Null directions have infinite capacity unless the radius is finite: real numbers without noise or bound hold anything.",
        "A budget that must hold for every message, not on average, allows less; a Gaussian message exceeds any bound at times.",
        "Noise of zero variance makes every direction infinite. The bits depend on how precisely parameters are read.",
        "The bits count what parameters can hold, not what a learner can find, nor what a network can read out of them.",
    ),
)
