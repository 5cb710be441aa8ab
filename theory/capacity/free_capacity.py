"""How much room an old loss leaves: the dimensions in which parameters may move, and the volume of all harmless moves."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, instance
from theory.evidence import Kind
from theory.notation import (
    eigenvalue,
    mean_log_width,
    n_flat,
    n_free,
    n_parameters,
    radius,
    volume,
    worst_cost,
)

_i = sp.Symbol("i", integer=True, positive=True)
_n = sp.Symbol("p", integer=True, positive=True)
_coordinate = sp.IndexedBase("z", real=True)
_rise = sp.IndexedBase("t", nonnegative=True)
_least = sp.Symbol("lambda", nonnegative=True)
_a, _b, _s, _t, _excess = sp.symbols("a b s t u", nonnegative=True)
_wide = sp.Symbol("a", positive=True)
_height = sp.Symbol("h", real=True)

_squares = sp.Sum(_coordinate[_i] ** 2, (_i, 1, _n))
_above = sp.Sum((_least + _rise[_i]) * _coordinate[_i] ** 2, (_i, 1, _n))
_below = sp.Sum(_least * _coordinate[_i] ** 2, (_i, 1, _n))
_rises = sp.Sum(_rise[_i] * _coordinate[_i] ** 2, (_i, 1, _n))

_quadratic = Hypothesis(
    "A move $\\delta$ of the $P$ parameters raises the old loss by $\\frac12 \\delta^\\top \\mathcal{H} \\delta$, with "
    "$\\mathcal{H} \\succeq 0$: exactly in a linear readout with squared error, where $\\mathcal{H} = M$ for each output, and to "
    "second order at an optimum of any network."
)

free_dimensions = Claim(
    id="free-dimensions",
    title="Free dimensions are counted by flat eigenvalues",
    part="capacity",
    hypotheses=(
        _quadratic,
        Hypothesis("Moves are no longer than $R_\\delta$, and may raise the old loss by at most $E$."),
    ),
    statements=(
        Statement(
            "count",
            sp.Eq(n_free, n_flat),
            Kind.EXACT,
            "The largest subspace in which every move within the radius keeps the budget has as many dimensions as there are "
            "eigenvalues of at most $2E/R_\\delta^2$.",
        ),
        Statement(
            "any-subspace",
            sp.Ge(worst_cost, radius**2 * eigenvalue / 2),
            Kind.EXACT,
            "No subspace is harmless beyond that: its worst move costs at least what the eigenvalue in the place of its "
            "dimension says. With more than $N_{\\mathrm{free}}$ dimensions that exceeds the budget.",
        ),
        Statement(
            "flattest-subspace",
            sp.Eq(worst_cost, radius**2 * eigenvalue / 2),
            Kind.EXACT,
            "The span of the flattest eigenvectors attains it.",
            hypotheses=(Hypothesis("$V$ is spanned by the eigenvectors of the least eigenvalues."),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Write a move in the eigenvectors of $\\mathcal{H}$, with coordinates $z_i$, and order the eigenvalues from the least. "
            "In the span of the $m$ flattest, no eigenvalue exceeds $\\lambda_m$, so a move of length at most $R_\\delta$ costs "
            "$\\frac12 \\sum_i \\lambda_i z_i^2 \\leq \\frac12 \\lambda_m R_\\delta^2$ [flat-span], and the $m$-th eigenvector "
            "at length $R_\\delta$ costs just that. Now take any subspace $V$ of dimension $m$. The eigenvectors from the $m$-th on "
            "span $P - m + 1$ dimensions; with the $m$ of $V$ that makes $P + 1$, one more than there are, so the two share a "
            "direction. In it every eigenvalue that matters is at least $\\lambda_m$, so a move along it of length $R_\\delta$ "
            "costs at least $\\frac12 \\lambda_m R_\\delta^2$ [steep-span]. Hence a harmless subspace of dimension $m$ exists exactly "
            "when $\\frac12\\lambda_m R_\\delta^2 \\leq E$, that is when at least $m$ eigenvalues are at most $2E/R_\\delta^2$. This is "
            "the minimax principle of Courant and Fischer."
        ),
        steps=(
            instance(
                "flat-span",
                "With eigenvalues $\\lambda - t_i$ of at most $\\lambda$; here written as the bound less a sum of squares.",
                sp.Le(
                    sp.Sum((_least - _rise[_i]) * _coordinate[_i] ** 2, (_i, 1, _n)),
                    _least * _squares,
                    evaluate=False,
                ),
                {_n: 2},
                {_n: 3},
                certificate=_rises,
            ),
            instance(
                "steep-span",
                "With eigenvalues $\\lambda + t_i$ of at least $\\lambda$; the gap is a sum of squares.",
                sp.Ge(_above, _below, evaluate=False),
                {_n: 2},
                {_n: 3},
                certificate=_rises,
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "One number is not enough: the count depends on $2E/R_\\delta^2$, so draw the curve. At $R_\\delta \\to \\infty$ only exact null "
        "directions count, at $R_\\delta \\to 0$ every direction does.",
        "Most parameters may be free although no single parameter is: flat directions need not lie along axes.",
        "A network's loss is quadratic near its optimum only. Moves along directions that its curvature calls free do raise "
        "it once they are long.",
        "If the old loss has a slope, a short move may cost more than any curvature says.",
    ),
)

_ball = sp.pi ** (n_parameters / 2) / sp.gamma(n_parameters / 2 + 1)
_ellipsoid = _ball * sp.exp(-n_parameters * mean_log_width / 2)

volume_sandwich = Claim(
    id="volume-sandwich",
    title="The volume of harmless moves, to within half a bit a parameter",
    part="capacity",
    hypotheses=(
        _quadratic,
        Hypothesis(
            "$\\mathcal{S}$ holds the moves no longer than $R_\\delta < \\infty$ that raise the old loss by at most $E > 0$; "
            "$\\nu_i = \\lambda_i/2E + 1/R_\\delta^2$."
        ),
    ),
    statements=(
        Statement(
            "lower",
            sp.Ge(volume, _ellipsoid),
            Kind.EXPECTATION,
            "The volume is at least that of an ellipsoid. It is measured as the mean of a bounded quantity over random "
            "directions, so an interval of its mean is honest.",
            resolution=0.2,
        ),
        Statement(
            "upper",
            sp.Le(volume, 2 ** (n_parameters / 2) * _ellipsoid),
            Kind.EXPECTATION,
            "It is at most $2^{P/2}$ times as large: in bits, half a bit a parameter more.",
            resolution=0.2,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Add the two shares that a move uses up, of the budget and of the squared radius: "
            "$Q = \\frac12 \\delta^\\top \\mathcal{H} \\delta / E + \\|\\delta\\|^2/R_\\delta^2 = \\sum_i \\nu_i z_i^2$. If $Q \\leq 1$ neither share "
            "exceeds 1, because the other is not negative [inside], so the ellipsoid $Q \\leq 1$ lies in $\\mathcal{S}$. In "
            "$\\mathcal{S}$ neither share exceeds 1, so $Q \\leq 2$ [outside]. The unit ball has volume $V_P = \\pi^{P/2}/\\Gamma(P/2+1)$, "
            "as it has at every size if it has at the size before, slice by slice [ball]. The ellipsoid $Q \\leq 1$ has half-axes "
            "$\\nu_i^{-1/2}$, hence the volume $V_P \\prod_i \\nu_i^{-1/2} = V_P\\, e^{-P \\langle\\ln\\nu\\rangle/2}$; $Q \\leq 2$ stretches "
            "each axis by $\\sqrt2$. That is half a bit for each [half-bit]. Read $1/\\nu_i$ as the squared width of the room along eigenvector "
            "$i$. The plainer width $\\min(R_\\delta^2, 2E/\\lambda_i)$ is at least as large [minimum-above], and at most twice as "
            "large [minimum-below], so it may stand in for $1/\\nu_i$ at the price of another half bit. To measure the volume, "
            "integrate it along rays: a ray in the direction $e$ leaves $\\mathcal{S}$ at the smaller of $R_\\delta^2$ and "
            "$2E/e^\\top\\mathcal{H}e$, squared, and the volume is $V_P$ times the mean of that to the power $P/2$ over uniform "
            "directions."
        ),
        steps=(
            inequality("inside", "One share of a sum.", _a + _b, _a, _b),
            inequality(
                "outside",
                "With shares $1 - s$ and $1 - t$ of at most 1.",
                sp.Integer(2),
                (1 - _s) + (1 - _t),
                _s + _t,
            ),
            instance(
                "ball",
                "The slice of the unit ball at height $h$ is a ball of radius $\\sqrt{1-h^2}$ in one dimension less.",
                sp.Eq(
                    _ball.subs(n_parameters, n_parameters - 1)
                    * sp.Integral((1 - _height**2) ** ((n_parameters - 1) / 2), (_height, -1, 1)),
                    _ball,
                    evaluate=False,
                ),
                {n_parameters: 2},
                {n_parameters: 3},
                {n_parameters: 4},
            ),
            identity(
                "half-bit",
                "What the two ellipsoids differ by, in bits.",
                sp.log(2 ** (n_parameters / 2)) / sp.log(2),
                n_parameters / 2,
            ),
            inequality(
                "minimum-above",
                "With the smaller of the two widths $a$ and the larger $a + u$.",
                _wide,
                1 / (1 / _wide + 1 / (_wide + _excess)),
                _wide**2 / (2 * _wide + _excess),
            ),
            inequality(
                "minimum-below",
                "Likewise.",
                2 / (1 / _wide + 1 / (_wide + _excess)),
                _wide,
                _wide * _excess / (2 * _wide + _excess),
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "An infinite radius and one null direction make the volume infinite.",
        "Half a bit a parameter is coarse: an effect of less than one bit a parameter cannot be seen through it.",
        "Monte Carlo in a box sees nothing in many dimensions, because the ball fills ever less of its box.",
    ),
)
