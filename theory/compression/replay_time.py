"""How long replay takes until a write has no collateral, one item at a time: bounds, exact means, and two false short cuts."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import k_2, v_2
from theory.derivation import Derivation, identity, instance, limit
from theory.evidence import Kind, Verdict
from theory.notation import (
    K,
    dim,
    entry,
    epochs,
    error_moment,
    error_trace,
    expected_error,
    expected_inverse_gram,
    expected_residual,
    initial_error,
    inverse_gram,
    k_i,
    largest_eigenvalue,
    least_eigenvalue,
    load,
    mean_residual,
    n_items,
    reference_epochs,
    reference_load,
    replay_time,
    residual_goal,
    slow_share,
    steps_needed,
    v,
)

_t, _g, _n = replay_time, least_eigenvalue, n_items
_enough = _n / _g * sp.log(largest_eigenvalue * inverse_gram / residual_goal)

_a, _b = sp.symbols("a b", integer=True, positive=True)
_h, _y = sp.IndexedBase("h", positive=True), sp.IndexedBase("y", real=True)
_x, _u, _q, _c = sp.symbols("x u q c", positive=True)
_z, _w = sp.symbols("z w", real=True)
k_3 = sp.ImmutableMatrix(sp.symbols("k_1:4", real=True))
v_3 = sp.ImmutableMatrix(sp.symbols("v_1:4", real=True))
_one = sp.ImmutableMatrix(1, 1, [sp.Symbol("y_1", real=True)])
_r, _theta = sp.Symbol("r", positive=True), sp.Symbol("theta", real=True)
_K_22 = sp.ImmutableMatrix([[_r, _z], [0, _c]])  # of two keys, turned so that one coordinate of the first is 0
_sym_2 = sp.ImmutableMatrix([[_z, _w], [_w, _u]])
_left = sp.Identity(dim) - k_i * k_i.T  # what one replay of item i leaves of the error
_labels = sp.MatrixSymbol("y", n_items, 1)
_least_norm = K * sp.Inverse(K.T * K)  # column i writes item i and no other

independent = Hypothesis("The $n \\leq d$ keys are independent, of norm 1, and read linearly.", sp.Le(n_items, dim))
random_order = Hypothesis(
    "The readout recalls all items. Then the label of item $i$ is moved by 1, and items are replayed one at a time, drawn "
    "uniformly and independently; each replay corrects its item completely."
)
_reachable = Hypothesis("$\\eta \\leq 1$, the residual before the first replay.", sp.Le(residual_goal, 1))

replay_duration = Claim(
    id="replay-time",
    title="How long replay takes until a write has no collateral",
    part="compression",
    hypotheses=(independent, random_order),
    statements=(
        Statement(
            "upper",
            sp.Le(expected_error, (1 - _g / _n) ** _t * initial_error),
            Kind.EXACT,
            "The squared error $e_t$ of the weights, from the least-norm solution, falls on average at least at this rate.",
        ),
        Statement(
            "lower",
            sp.Ge(expected_error, (1 - _g / _n) ** (2 * _t) * slow_share / _g),
            Kind.EXACT,
            "It does not fall faster than twice as fast, in the long run.",
        ),
        Statement(
            "recursion",
            sp.Eq(expected_error, error_trace),
            Kind.EXPECTATION,
            "Exactly, it is the trace of $\\Sigma_t$, which begins with $e_0 e_0^\\top$ and changes in each step by "
            "$-\\frac1n(M\\Sigma + \\Sigma M) + \\frac1n \\sum_j k_j k_j^\\top (k_j^\\top \\Sigma k_j)$.",
            resolution=0.1,
        ),
        Statement(
            "mean-path",
            sp.Ge(expected_residual, mean_residual),
            Kind.EXACT,
            "The residual of all items, the miss of item $i$ and the collateral at all others, is on average at least that of "
            "gradient descent on all items with step $1/n$.",
        ),
        Statement(
            "enough",
            sp.Le(steps_needed, sp.ceiling(_enough)),
            Kind.EXACT,
            "After so many steps the expected residual is at most $\\eta$.",
            hypotheses=(_reachable,),
        ),
        Statement(
            "least",
            sp.Ge(steps_needed, sp.log(slow_share / residual_goal) / (-2 * sp.log(1 - _g / _n))),
            Kind.EXACT,
            "It is not before that many.",
            hypotheses=(_reachable, Hypothesis("There are at least two items.", sp.Ge(n_items, 2))),
        ),
        Statement(
            "write-norm",
            sp.Eq(initial_error, inverse_gram),
            Kind.EXACT,
            "The least squared change of weights that writes item $i$ by 1, and moves no other item, is the diagonal entry of "
            "the inverse Gram matrix.",
        ),
        Statement(
            "random-norm",
            sp.Eq(expected_inverse_gram, (dim - 2) / (dim - n_items - 1)),
            Kind.EXPECTATION,
            "Over random keys its mean is this, which tends to $1/(1-\\alpha)$ in high dimension at load $\\alpha = n/d < 1$.",
            hypotheses=(
                Hypothesis("The keys are uniform on the unit sphere."),
                Hypothesis(
                    "$d > n + 3$, so that it has a finite variance and its mean can be given an interval (the equation needs "
                    "only $d > n + 1$).",
                    sp.Gt(dim, n_items + 3),
                ),
            ),
            resolution=0.03,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $W^\\star$ be the solution that recalls all labels and differs from the first readout by combinations of keys, and let the "
            "column $e = W - W^\\star$ be the error of one row. Item $i$ has to change by 1 and no other, so $e_0 = -K G^{-1} e_i$ with $e_i$ the "
            "unit vector, and its squared norm is $(G^{-1})_{ii}$ [write-norm].\n\n"
            "*Upper bounds.* Replaying item $j$ corrects it completely: $e$ becomes $(I - k_j k_j^\\top) e$, and its squared norm falls by "
            "$(k_j^\\top e)^2$ [pythagoras]. Over the random $j$ it falls on average by $\\|K^\\top e\\|^2 / n$. The error stays in the span of the "
            "keys, where $\\|K^\\top e\\|^2$ is between $g_{\\min}$ and $g_{\\max}$ times $\\|e\\|^2$ [spectrum]. So a step leaves on average at most a share "
            "$1 - g_{\\min}/n$, whatever went before. The residual is at most $g_{\\max}\\|e\\|^2$, and $1 - x$ is at most $e^{-x}$ "
            "[exponential]. So the residual is at most $g_{\\max}(G^{-1})_{ii}\\,e^{-t g_{\\min}/n}$, which is "
            "$\\eta$ at the $t$ of the statement [solve-upper], and less at every later time.\n\n"
            "*Lower bounds.* A mean square is at least the squared mean [variance], and the mean error obeys $\\mathbb{E}\\,e_{t+1} = (I - M/n)\\,\\mathbb{E}\\,e_t$: "
            "gradient descent on all items with step $1/n$. Its residual $K^\\top \\mathbb{E}\\,e_t$ starts at $-e_i$ and shrinks "
            "along the eigenvector $u_a$ of $G$ by $1 - g_a/n$ a step. So the squared residual of the mean path is $\\sum_a \\langle e_i, u_a\\rangle^2 "
            "(1 - g_a/n)^{2t}$; the slowest mode alone exceeds $\\eta$ before the $t$ of the statement [solve-lower]. A component of the residual is "
            "$\\sqrt{g_a}$ times that of the error, so the squared error of the mean path is the same sum with each term divided by $g_a$; "
            "keep the slowest mode alone to have the second statement.\n\n"
            "*Exactly.* With $\\Sigma = \\mathbb{E}\\,e e^\\top$, one replay of item $j$ makes of $\\Sigma$ what is displayed [one-replay]; take the mean over "
            "$j$, and $\\sum_j k_j k_j^\\top = M$.\n\n"
            "*Random keys.* $1/(G^{-1})_{ii}$ is the squared distance of $k_i$ from the span of the other keys [distance]. That span has $n-1$ dimensions and is "
            "independent of $k_i$, which is uniform. So the squared distance is the share of $d-n+1$ coordinates in the squared length of "
            "a Gaussian vector, which follows the Beta law with parameters $(d-n+1)/2$ and $(n-1)/2$, as in the chapter on the writability budget. "
            "Under the Beta law with parameters $a$ and $b$ the mean of the inverse is $B(a-1, b)/B(a, b) = (a+b-1)/(a-1)$ "
            "[inverse-moment]; its variance is finite if $(d-n+1)/2 > 2$. At fixed load the mean tends to $1/(1-\\alpha)$ "
            "[high-dimension]."
        ),
        steps=(
            instance(
                "write-norm",
                "The squared norm of the least-norm write of the labels $y$; with the unit vector $e_i$ it is the entry $(i,i)$.",
                sp.Eq(
                    sp.Sum(entry(_least_norm * _labels, _b) ** 2, (_b, 1, dim)),
                    sp.Trace(_labels.T * sp.Inverse(K.T * K) * _labels),
                    evaluate=False,
                ),
                {K: k_3, _labels: _one, dim: 3},
                {K: _K_22, _labels: v_2, dim: 2},
            ),
            instance(
                "pythagoras",
                "For any error $v$ and any key; the last factor is 1 if the key has norm 1.",
                sp.Eq(
                    sp.Trace((_left * v).T * (_left * v)),
                    sp.Trace(v.T * v) - sp.Trace(v.T * k_i) ** 2 * (2 - sp.Trace(k_i.T * k_i)),
                    evaluate=False,
                ),
                {k_i: k_2, v: v_2, dim: 2},
                {k_i: k_3, v: v_3, dim: 3},
            ),
            instance(
                "spectrum",
                "With eigenvalues $g_{\\min} + h_a$ and components $y_a$ of the error.",
                sp.Ge(
                    sp.Sum((_g + _h[_a]) * _y[_a] ** 2, (_a, 1, _n)),
                    _g * sp.Sum(_y[_a] ** 2, (_a, 1, _n)),
                    evaluate=False,
                ),
                {n_items: 2},
                {n_items: 3},
                certificate=sp.Sum(_h[_a] * _y[_a] ** 2, (_a, 1, _n)),
            ),
            limit(
                "exponential",
                "Each of these powers is at least $1 - x$ by Bernoulli's inequality, for $x \\leq 1 \\leq q$.",
                (1 - _x / _q) ** _q,
                _q,
                sp.oo,
                sp.exp(-_x),
            ),
            identity(
                "solve-upper",
                "In logarithms, at the $t$ of the statement.",
                sp.log(largest_eigenvalue) + sp.log(inverse_gram) - (_g / _n) * _enough,
                sp.log(residual_goal),
            ),
            instance(
                "variance",
                "Over equally likely values; the gap is a sum of squares.",
                sp.Ge(
                    sp.Sum(_y[_a] ** 2, (_a, 1, _n)) / _n,
                    (sp.Sum(_y[_a], (_a, 1, _n)) / _n) ** 2,
                    evaluate=False,
                ),
                {n_items: 2},
                {n_items: 3},
                certificate=sp.Sum((_y[_a] - _y[_b]) ** 2, (_a, 1, _n), (_b, 1, _n)) / (2 * _n**2),
            ),
            identity(
                "solve-lower",
                "In logarithms, at the $t$ of the statement, with $x = 1 - g_{\\min}/n$.",
                sp.log(slow_share) + 2 * (sp.log(slow_share / residual_goal) / (-2 * sp.log(_x))) * sp.log(_x),
                sp.log(residual_goal),
            ),
            instance(
                "one-replay",
                "For any symmetric $\\Sigma$.",
                sp.Eq(
                    _left * error_moment * _left,
                    error_moment
                    - k_i * k_i.T * error_moment
                    - error_moment * k_i * k_i.T
                    + sp.Trace(k_i.T * error_moment * k_i) * (k_i * k_i.T),
                    evaluate=False,
                ),
                {k_i: k_2, error_moment: _sym_2, dim: 2},
                {k_i: sp.ImmutableMatrix(1, 1, [_z]), error_moment: sp.ImmutableMatrix(1, 1, [_w]), dim: 1},
            ),
            instance(
                "distance",
                "One over an entry of the inverse Gram matrix is the ratio of its determinant to that of the other keys, and so a "
                "squared distance: of two keys of norms 1 and $r$ at an angle $\\theta$, and of three in space.",
                sp.Eq(1 / sp.Trace(v.T * sp.Inverse(K.T * K) * v), sp.Determinant(K) ** 2 / _q**2, evaluate=False),
                {
                    K: sp.ImmutableMatrix([[_r, sp.cos(_theta)], [0, sp.sin(_theta)]]),
                    v: sp.ImmutableMatrix([0, 1]),
                    _q: _r,
                },
                {
                    K: sp.ImmutableMatrix([[_r, _z, sp.cos(_theta)], [0, _c, 0], [0, 0, sp.sin(_theta)]]),
                    v: sp.ImmutableMatrix([0, 0, 1]),
                    _q: _r * _c,
                },
            ),
            instance(
                "inverse-moment",
                "The mean of $1/x$ under the Beta density with these parameters; it exists for $d > n + 1$.",
                sp.Eq(
                    sp.gamma(dim / 2)
                    / (sp.gamma((dim - _n + 1) / 2) * sp.gamma((_n - 1) / 2))
                    * sp.Integral(_x ** ((dim - _n + 1) / 2 - 2) * (1 - _x) ** ((_n - 1) / 2 - 1), (_x, 0, 1)),
                    (dim - 2) / (dim - _n - 1),
                    evaluate=False,
                ),
                {dim: 8, _n: 3},
                {dim: 12, _n: 5},
                {dim: 12, _n: 7},
            ),
            limit(
                "high-dimension",
                "At fixed load.",
                ((dim - 2) / (dim - _n - 1)).subs(_n, load * dim),
                dim,
                sp.oo,
                1 / (1 - load),
            ),
        ),
    ),
    references=("strohmer2009",),
    counterexamples=(
        "Collateral alone is no measure of progress: before the first replay it is 0, as nothing has been written. Count the miss with it.",
        "Of dependent keys not all labels can be recalled, and random replay that corrects each item completely never comes to rest.",
        "At $d \\leq n + 1$ the mean of $(G^{-1})_{ii}$ over random keys is infinite: as many random keys as dimensions can all be "
        "written without collateral, at a price in weights that has no mean. At $d \\leq n + 3$ it has no variance, and no number of trials gives its mean an honest interval.",
    ),
)

_false_law = reference_epochs * ((1 - sp.sqrt(reference_load)) / (1 - sp.sqrt(load))) ** 2

replay_time_divergence = Claim(
    id="replay-time-divergence",
    title="False: the time to a fixed residual diverges as the load approaches 1",
    part="compression",
    hypotheses=(
        independent,
        random_order,
        Hypothesis("The keys are uniform on the unit sphere, and the residual is averaged over the items written."),
    ),
    statements=(
        Statement(
            "growth",
            sp.Ge(epochs, _false_law),
            Kind.EXPECTATION,
            "The least eigenvalue of random keys is near $(1 - \\sqrt\\alpha)^2$, so the time constant of replay is near "
            "$(1-\\sqrt\\alpha)^{-2}$ epochs, or half of it. One concludes that the number of epochs to a given residual grows at least in "
            "proportion, from what it is at a low load $\\alpha_0$. The time *constant* rules only when all but the slowest mode are done. At a fixed residual "
            "most items have long reached it, as the few slow modes carry little of the residual.",
            hypotheses=(Hypothesis("$\\alpha_0 < \\alpha < 1$.", sp.And(sp.Lt(reference_load, load), sp.Lt(load, 1))),),
            resolution=0.5,
        ),
    ),
    derivation=None,
    references=("marchenko1967",),
    counterexamples=(
        "At load 1 the law says for ever. Replay reaches a fixed residual after finitely many epochs there, and the chapter "
        "counts hardly more of them in high dimension than in low.",
    ),
    expected=Verdict.REFUTED,
)

replay_kaczmarz_formula = Claim(
    id="replay-kaczmarz-formula",
    title="False: the Kaczmarz formula predicts the number of replays",
    part="compression",
    hypotheses=(independent, random_order),
    statements=(
        Statement(
            "factor-two",
            sp.Ge(steps_needed, _enough / 2),
            Kind.EXACT,
            "The number of steps that the theorem calls enough, by the rate of Strohmer and Vershynin, is often quoted as the number it takes. In the limit "
            "of a vanishing residual it is at most twice too large, because the error falls no faster than by $(1 - g_{\\min}/n)^2$ a step; so one may hope that it is right "
            "to a factor of two. At residuals that one would stop at it is not, and how loose it is depends on the residual.",
            hypotheses=(_reachable,),
        ),
    ),
    derivation=None,
    references=("strohmer2009",),
    counterexamples=("The chapter shows the formula over the exact number of steps, against the residual.",),
    expected=Verdict.REFUTED,
)
