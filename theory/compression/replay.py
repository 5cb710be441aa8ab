"""Replay moves the writability of a write from feature dimensionality to leverage: never back, and at a known rate."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import K_12, K_23, k_2
from theory.derivation import Derivation, identity, inequality, instance, limit, series
from theory.evidence import Kind, Verdict
from theory.notation import (
    K,
    dimensionality,
    entry,
    inverse_move,
    k_i,
    largest_eigenvalue,
    least_eigenvalue,
    leverage,
    n_items,
    network_replayed,
    rank,
    refitted,
    replay_time,
    replayed,
    replayed_later,
    step_size,
    trained_alone,
)

_t, _g_min, _g_max = replay_time, least_eigenvalue, largest_eigenvalue


def _rate(left: sp.Expr) -> sp.Expr:
    """What replay has reached when a share ``left`` of the slowest mode is left."""
    return leverage * (1 - (left / (2 - left)) ** 2)


_flow_left = sp.exp(-_t * _g_min)
_descent_left = (1 - step_size * _g_min) ** _t
_pace = _t * _g_max / (1 - sp.exp(-_t * _g_max))  # of the fastest mode: how far a straight start would be ahead

_a, _b = sp.symbols("a b", integer=True, positive=True)
_p, _f, _s = (sp.IndexedBase(name, positive=True) for name in "pfs")
_modes = (_a, 1, rank), (_b, 1, rank)
_hit, _total = sp.Sum(_p[_a] * _f[_a], _modes[0]), sp.Sum(_p[_b] * _f[_b] ** 2, _modes[1])
_hit_rate = sp.Sum(_p[_a] * _s[_a] * _f[_a], _modes[0])
_total_rate = sp.Sum(_p[_a] * _s[_a] * _f[_a] ** 2, _modes[0])
_pairs = sp.Sum(_p[_a] * _p[_b] * _f[_a] * _f[_b] * (_f[_b] - _f[_a]) * (_s[_a] - _s[_b]), *_modes) / 2

_p_1, _p_2, _g, _g_1, _g_2, _eta, _x, _u, _v, _q, _m = sp.symbols("p_1 p_2 g g_1 g_2 eta x u v q m", positive=True)
_least = sp.Symbol("f_min", positive=True)
_c = sp.Symbol("y", real=True)


def _writability(*modes: tuple[sp.Expr, sp.Expr]) -> sp.Expr:
    """Of shares p and progress f: (sum p f)^2 / sum p f^2."""
    return sum(p * f for p, f in modes) ** 2 / sum(p * f**2 for p, f in modes)


_two = _writability((_p_1, 1 - sp.exp(-_t * _g_1)), (_p_2, 1 - sp.exp(-_t * _g_2)))
_f_1, _f_2 = sp.symbols("f_1 f_2", positive=True)
_speed_1, _speed_2 = _g_1 * (1 - _f_1) / _f_1, _g_2 * (1 - _f_2) / _f_2
_scalar = sp.ImmutableMatrix(1, 1, [sp.Symbol("k_1", real=True)])
_below_the_edge = Hypothesis(
    "$\\eta_{\\mathrm{step}} < 1/g_{\\max}$, where the loss is half the sum of squares.",
    sp.Lt(step_size * largest_eigenvalue, 1),
)

replay_path = Claim(
    id="replay-path",
    title="Replay moves a write from feature dimensionality to leverage",
    part="compression",
    hypotheses=(
        Hypothesis("The items are read linearly, and the key of item $i$ is not zero."),
        Hypothesis(
            "The readout fits all $n$ items in the sense of least squares. Then the label of item $i$ is moved, and the "
            "readout follows the gradient of the squared loss of *all* items: by gradient flow, or by gradient descent with "
            "$\\eta_{\\mathrm{step}} < 1/g_{\\max}$."
        ),
    ),
    statements=(
        Statement(
            "rate",
            sp.Ge(replayed, _rate(_flow_left)),
            Kind.EXACT,
            "After gradient flow for time $t$ the writability is at least this. The least eigenvalue $g_{\\min}$ is that of "
            "the Gram matrix $G = K^\\top K$, zeros not counted.",
        ),
        Statement(
            "rate-descent",
            sp.Ge(replayed, _rate(_descent_left)),
            Kind.EXACT,
            "After $t$ steps of gradient descent it is at least this.",
            hypotheses=(_below_the_edge,),
        ),
        Statement(
            "monotone",
            sp.Ge(replayed_later, replayed),
            Kind.EXACT,
            "More replay never lowers the writability; it raises it strictly, unless all nonzero eigenvalues of $G$ that "
            "item $i$ takes part in are equal.",
        ),
        Statement(
            "floor",
            sp.Ge(replayed, dimensionality),
            Kind.EXACT,
            "It is never below the feature dimensionality, the writability of a local write.",
        ),
        Statement(
            "start",
            sp.Le(replayed, dimensionality * _pace**2),
            Kind.EXACT,
            "It starts there: under gradient flow it is at most $D_i$ times a factor that tends to 1 as $t \\to 0$.",
        ),
        Statement(
            "first-step",
            sp.Eq(replayed, dimensionality),
            Kind.EXACT,
            "One step of gradient descent is a local write.",
            hypotheses=(Hypothesis("One step has been made, $t = 1$.", sp.Eq(_t, 1)),),
        ),
        Statement(
            "ceiling",
            sp.Le(replayed, leverage),
            Kind.EXACT,
            "It never exceeds the leverage. So the writabilities of all items sum to at most the rank at any time: replay "
            "does not break the budget.",
        ),
        Statement(
            "limit",
            sp.Eq(refitted, leverage),
            Kind.EXACT,
            "In the limit of unlimited replay, which is a new least-squares fit, it is the leverage.",
        ),
        Statement(
            "alone",
            sp.Eq(trained_alone, dimensionality),
            Kind.EXACT,
            "Training on item $i$ *alone* keeps the feature dimensionality for ever.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let the label be moved by $\\delta$. The gradient of the old loss vanishes at the old fit, so what drives the readout "
            "from there is the moved label and the changes made so far, $\\frac{d}{dt}\\Delta y = G(\\delta e_i - \\Delta y)$. Along "
            "an eigenvector $u_a$ of $G$ with eigenvalue $g_a$ a share $f_a$ of the way is done: "
            "$f_a = 1 - (1 - \\eta_{\\mathrm{step}}\\,g_a)^t$ after $t$ steps of gradient descent [descent], and "
            "$f_a = 1 - e^{-t g_a}$ under gradient flow [flow]. So $\\Delta y = \\delta \\sum_a f_a \\langle e_i, u_a\\rangle u_a$, where $f_a = 0$ if $g_a = 0$. Write "
            "$p_a = \\langle e_i, u_a\\rangle^2$ for the nonzero eigenvalues. The change of item $i$ is $\\delta\\sum_a p_a f_a$, and "
            "because the $u_a$ are orthonormal the squared change of all items is $\\delta^2 \\sum_a p_a f_a^2$ [two-items]. So "
            "$w_i = (\\sum_a p_a f_a)^2 / \\sum_a p_a f_a^2$.\n\n"
            "*Monotone.* Let $s_a = \\dot f_a / f_a$ be the relative speed of a mode. The derivative of $\\ln w_i$ is "
            "$2\\big(\\sum p f \\cdot \\sum p f^2\\big)^{-1}$ times $\\sum p_a \\dot f_a \\sum p_b f_b^2 - \\sum p_a f_a \\dot f_a \\sum p_b f_b$. "
            "Exchange $a$ and $b$ and take the mean of both forms: this is Chebyshev's association argument, and it leaves a sum "
            "over pairs of $p_a p_b f_a f_b (f_b - f_a)(s_a - s_b)$ [pairs], which for two eigenvalues reads as displayed "
            "[two-modes]. Take $g_b > g_a$. The faster mode is ahead, $f_b > f_a$. But relative to what it has done it is slower: "
            "$t s = x/(e^x - 1)$ at $x = tg$ falls with $x$, because its slope has the sign of $1 - x - e^{-x}$ [speed], "
            "and $e^y \\geq 1 + y$ for every $y$ [exponential]. So $s_a > s_b$, every pair contributes a positive amount, and the sum vanishes only if there is no pair of "
            "different eigenvalues. As $(1 - \\eta_{\\mathrm{step}}\\,g)^t = e^{-t g'}$ with $g' = -\\ln(1 - \\eta_{\\mathrm{step}}\\,g)$, gradient descent is "
            "gradient flow with other eigenvalues, seen at whole times; these are positive and in the same order, as the logarithm "
            "rises, if $\\eta_{\\mathrm{step}}\\,g_{\\max} < 1$. Nothing else was used.\n\n"
            "*Both ends.* As $t \\to \\infty$ every $f_a$ tends to 1 [end] and $w_i$ to $\\sum_a p_a$, which is the diagonal entry of the "
            "projector onto the range of $G$, the leverage. Fitting anew by least squares is that limit. As $t\\to 0$, $f_a$ is $t g_a$ "
            "up to second order [begin], and $w_i$ tends to $(\\sum p_a g_a)^2/\\sum p_a g_a^2 = G_{ii}^2/(G^2)_{ii}$ [start-limit]. Its denominator is "
            "$\\sum_j \\langle k_i, k_j\\rangle^2$ [overlaps], so this is $D_i$. A step of gradient descent has $f_a$ in proportion to "
            "$g_a$ exactly, hence $w_i = D_i$. Because $w_i$ never falls, it lies between the two ends. How far the start is left by time $t$: "
            "$f_a/(t g_a) = (1 - e^{-x})/x$ at $x = t g_a$ falls with $x$ [mean-speed], from 1 at $x = 0$. So it is at most 1, and least for "
            "the largest eigenvalue, where it is $(1 - e^{-t g_{\\max}})/(t g_{\\max})$. Bound the numerator of $w_i$ from above and the denominator from below by "
            "these two.\n\n"
            "*Rate.* Let all $f_a$ lie between $f_{\\min}$ and $f_{\\max}$. Each $f_a$ satisfies $f_a^2 + f_{\\min}f_{\\max} \\leq (f_{\\min}+f_{\\max}) f_a$ "
            "[between]. Average with the weights $p_a/\\ell_i$, and let $q$ be the mean square: the squared mean is at least "
            "$(q + f_{\\min}f_{\\max})^2/(f_{\\min}+f_{\\max})^2$, and that at least $4 q f_{\\min} f_{\\max}/(f_{\\min}+f_{\\max})^2$ "
            "[am-gm]. So $w_i/\\ell_i$, the squared mean over the mean square, falls short of 1 by at most the square of "
            "$(f_{\\max}-f_{\\min})/(f_{\\max}+f_{\\min})$ [kantorovich]. This grows if $f_{\\max}$ is replaced by 1, which no $f_a$ exceeds "
            "[at-most-one], and for the same reason if $f_{\\min}$ is replaced by its value at the least nonzero eigenvalue, whether or not item $i$ takes part in "
            "it; $1 - f_{\\min}$ is then $e^{-t g_{\\min}}$, and the square is that of the statement [slowest].\n\n"
            "*Alone.* Training on item $i$ alone only ever adds multiples of $k_i^\\top$ to a row, and every such write has writability $D_i$."
        ),
        steps=(
            limit(
                "flow",
                "Gradient flow is descent in ever more, ever smaller steps.",
                1 - (1 - _t * _g / _m) ** _m,
                _m,
                sp.oo,
                1 - sp.exp(-_t * _g),
            ),
            identity(
                "descent",
                "One more step of gradient descent.",
                (1 - (1 - _eta * _g) ** _t) + _eta * _g * (1 - (1 - (1 - _eta * _g) ** _t)),
                1 - (1 - _eta * _g) * (1 - _eta * _g) ** _t,
                domain=sp.Lt(_eta * _g, 1),
            ),
            identity(
                "two-items",
                "For two items with eigenvectors along $(1, y)$ and $(-y, 1)$ and progress $u$ and $v$: the squared change of both.",
                ((_u + _c**2 * _v) / (1 + _c**2)) ** 2 + (_c * (_u - _v) / (1 + _c**2)) ** 2,
                _u**2 / (1 + _c**2) + _c**2 * _v**2 / (1 + _c**2),
            ),
            instance(
                "pairs",
                "The derivative's numerator as a sum over pairs.",
                sp.Eq(_hit_rate * _total - _total_rate * _hit.subs(_a, _b), _pairs, evaluate=False),
                {rank: 2},
                {rank: 3},
            ),
            identity(
                "two-modes",
                "The derivative of $\\ln w_i$ with two eigenvalues; $e^{-t g_a}$ is written $1 - f_a$.",
                sp.diff(sp.log(_two), _t).subs({sp.exp(-_t * _g_1): 1 - _f_1, sp.exp(-_t * _g_2): 1 - _f_2}),
                2
                * (_p_1 * _p_2 * _f_1 * _f_2 * (_f_2 - _f_1) * (_speed_1 - _speed_2))
                / ((_p_1 * _f_1 + _p_2 * _f_2) * (_p_1 * _f_1**2 + _p_2 * _f_2**2)),
            ),
            identity(
                "speed",
                "The slope of $x/(e^x - 1)$ in $x$.",
                sp.diff(_x / (sp.exp(_x) - 1), _x),
                -(sp.exp(-_x) - (1 - _x)) * sp.exp(_x) / (sp.exp(_x) - 1) ** 2,
            ),
            limit(
                "exponential",
                "Each of these powers is at least $1 + y$ by Bernoulli's inequality, as soon as $m \\geq |y|$.",
                (1 + _c / _m) ** _m,
                _m,
                sp.oo,
                sp.exp(_c),
            ),
            limit("end", "A mode at the end.", 1 - sp.exp(-_t * _g), _t, sp.oo, sp.Integer(1)),
            series("begin", "A mode at the start.", 1 - sp.exp(-_t * _g), _t, 0, 2, _t * _g),
            identity(
                "start-limit",
                "With $f_a = t g_a$ the time cancels.",
                _writability((_p_1, _t * _g_1), (_p_2, _t * _g_2)),
                _writability((_p_1, _g_1), (_p_2, _g_2)),
            ),
            instance(
                "overlaps",
                "The quadratic form of $M$ at $k_i$, which is entry $(i,i)$ of $G^2$, is the sum of squared overlaps.",
                sp.Eq(
                    sp.Trace(k_i.T * (K * K.T) * k_i),
                    sp.Sum(entry(K.T * k_i, _b) ** 2, (_b, 1, n_items)),
                    evaluate=False,
                ),
                {K: K_23, k_i: k_2, n_items: 3},
                {K: K_12, k_i: _scalar, n_items: 2},
            ),
            identity(
                "mean-speed",
                "The slope of $(1 - e^{-x})/x$ in $x$.",
                sp.diff((1 - sp.exp(-_x)) / _x, _x),
                -(sp.exp(_x) - (1 + _x)) * sp.exp(-_x) / _x**2,
            ),
            inequality(
                "between",
                "For $f = f_{\\min} + u$ and $f_{\\max} = f + v$.",
                (_least + (_least + _u + _v)) * (_least + _u),
                (_least + _u) ** 2 + _least * (_least + _u + _v),
                _u * _v,
            ),
            inequality("am-gm", "With $m = f_{\\min}f_{\\max}$.", (_q + _m) ** 2, 4 * _q * _m, (_q - _m) ** 2),
            identity(
                "kantorovich",
                "With $f_{\\max} = f_{\\min} + u$.",
                1 - 4 * _least * (_least + _u) / (2 * _least + _u) ** 2,
                (_u / (2 * _least + _u)) ** 2,
            ),
            inequality(
                "at-most-one",
                "A larger upper end, $f_{\\max} + v$ in place of $f_{\\max} = f_{\\min} + u$.",
                (_u + _v) / (2 * _least + _u + _v),
                _u / (2 * _least + _u),
                2 * _least * _v / ((2 * _least + _u + _v) * (2 * _least + _u)),
            ),
            identity(
                "slowest",
                "The bound at $f_{\\max} = 1$ and $f_{\\min} = 1 - e^{-t g_{\\min}}$.",
                leverage * 4 * (1 - _flow_left) / (1 + (1 - _flow_left)) ** 2,
                _rate(_flow_left),
            ),
        ),
    ),
    references=("robins1995",),
    counterexamples=(
        "Steps between $1/g_{\\max}$ and $2/g_{\\max}$ still converge, to the same limit. The path there need not be monotone.",
        "What is replayed decides. Training on the item alone stays at $D_i$; replaying only some items moves the writability to the leverage "
        "among *those*, and the collateral on the others can be anything.",
        "A first step from a readout that does not fit yet also continues old learning, and that is not the write's collateral.",
        "With more items than dimensions the hit itself ends at $\\ell_i \\delta$: the items do not let the label have its way. "
        "To recall the new value fully, the label must be moved further.",
    ),
)

replay_any_step = Claim(
    id="replay-any-step",
    title="False: any convergent step keeps replay monotone",
    part="compression",
    hypotheses=(
        replay_path.hypotheses[0],
        Hypothesis(
            "As in the theorem, but with a step of gradient descent anywhere below $2/g_{\\max}$, where it still converges."
        ),
    ),
    statements=(
        Statement(
            "monotone",
            sp.Ge(replayed_later, replayed),
            Kind.EXACT,
            "Gradient descent converges for every step below $2/g_{\\max}$, so one may hope that replay does no harm on its "
            "way either. Above $1/g_{\\max}$ the fastest mode overshoots in each step, and the write can lose on its way what it had won.",
            hypotheses=(
                Hypothesis("$\\eta_{\\mathrm{step}} < 2/g_{\\max}$.", sp.Lt(step_size * largest_eigenvalue, 2)),
            ),
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=("The chapter counts how often the writability falls on its way, for several steps.",),
    expected=Verdict.REFUTED,
)

_move = sp.Symbol("delta", positive=True)
_first, _second = sp.symbols("D_1 D_2", real=True)

replay_in_networks = Claim(
    id="replay-in-networks",
    title="A network replays as its tangent features do",
    part="compression",
    hypotheses=(
        Hypothesis("The network has one output and is three times continuously differentiable in its parameters."),
        Hypothesis(
            "It starts with no error. Then the label of item $i$ is moved by $\\delta_i$, and all items are trained by $t$ steps of "
            "gradient descent, $t$ fixed, that move item $i$ to first order."
        ),
    ),
    statements=(
        Statement(
            "tangent",
            sp.Eq(network_replayed, replayed),
            Kind.ASYMPTOTIC,
            "As the move of the label gets small, the writability in the network tends to $w_i(t)$ of its tangent features, "
            "$G = J J^\\top$; the relative error falls in proportion to $\\delta_i$.",
            size=inverse_move,
            rate=1,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $\\theta_t(\\delta)$ be the parameters after $t$ steps with the label moved by $\\delta$. As $t$ is fixed they are a "
            "twice differentiable function of $\\delta$, and $\\theta_t(0) = \\theta_0$, because without a move there is no error and no "
            "gradient. Differentiate one step at $\\delta = 0$. The gradient is a sum over items of residual times $J_j^\\top$, and its "
            "derivative has two terms: the residual's derivative times $J_j^\\top$, and the residual times the derivative of $J_j$; the "
            "residuals are 0, so the second vanishes [residual]. What is left is a step of gradient descent on the "
            "readout of the fixed features $J$ whose label has been moved by 1. So to first order in $\\delta$ the outputs change by "
            "$\\delta$ times what the linear theory says, and the error of the change is $O(\\delta^2)$. The writability is a ratio of squares "
            "of changes. With changes $\\delta\\, (\\Delta + \\delta\\, E)$, the factor $\\delta^2$ cancels and the ratio of the first item to two is "
            "that of the linear theory as $\\delta \\to 0$ [ratio], with an error of first order in $\\delta$."
        ),
        steps=(
            limit(
                "residual",
                "Derivative at 0 of a residual $\\delta\\, u$ times a slope $v + \\delta\\, q$, which is 0 there.",
                (_move * _u * (_v + _move * _q) - 0) / _move,
                _move,
                sp.Integer(0),
                _u * _v,
            ),
            limit(
                "ratio",
                "The writability of the first of two items.",
                (_move * (_first + _move * _p_1)) ** 2
                / ((_move * (_first + _move * _p_1)) ** 2 + (_move * (_second + _move * _p_2)) ** 2),
                _move,
                sp.Integer(0),
                _first**2 / (_first**2 + _second**2),
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "A network that has not learnt its items to zero error goes on learning them while it replays, and what changes then is not only the write.",
        "A finite move leaves the tangent: the error grows with the move and with the time.",
        "The limit is one at fixed $t$. Small eigenvalues of $G$ make replay so slow that the leverage may be out of reach in any "
        "practical number of steps.",
    ),
)
