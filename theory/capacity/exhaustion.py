"""What is left of a gradient that must spare protected directions: retention, exhaustion, and decay."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, instance, limit
from theory.evidence import Kind, Verdict
from theory.notation import (
    common_rank,
    expected_retained,
    n_parameters,
    n_tasks,
    rank,
    retained_cdf,
    task_rank,
    x,
)

_a, _b, _s, _odds = sp.symbols("alpha beta s u", positive=True)
_share = _odds / (1 + _odds)
_t = sp.Symbol("t", real=True)
_excess, _next = sp.symbols("u t", nonnegative=True)
_beta_cdf = sp.betainc_regularized((n_parameters - rank) / 2, rank / 2, 0, x)
_decay = (1 - task_rank / n_parameters) ** n_tasks


def _gamma_density(point: sp.Expr, shape: sp.Expr) -> sp.Expr:
    return point ** (shape - 1) * sp.exp(-point) / sp.gamma(shape)


_room = Hypothesis("Fewer directions are protected than there are parameters, $r < P$.", sp.Lt(rank, n_parameters))
_random_gradient = Hypothesis(
    "The gradient is independent of the protected directions, and every direction of it is as likely as any other."
)
_sphere = instance(
    "sphere",
    "The mean squared coordinate $\\cos^2 t$, where the share of the sphere at angle $t$ is as $\\sin^{P-2} t$.",
    sp.Eq(
        sp.Integral(sp.cos(_t) ** 2 * sp.sin(_t) ** (n_parameters - 2), (_t, 0, sp.pi))
        / sp.Integral(sp.sin(_t) ** (n_parameters - 2), (_t, 0, sp.pi)),
        1 / n_parameters,
        evaluate=False,
    ),
    {n_parameters: 2},
    {n_parameters: 3},
    {n_parameters: 4},
)

retention = Claim(
    id="retention",
    title="What protection leaves of a random gradient",
    part="capacity",
    hypotheses=(
        Hypothesis("The protected directions span $r$ of $P$ dimensions, and the gradient is projected off that span."),
        _room,
    ),
    statements=(
        Statement(
            "law",
            sp.Eq(retained_cdf, _beta_cdf),
            Kind.LAW,
            "The share of its squared length that is left follows the Beta law with parameters $(P-r)/2$ and $r/2$.",
            hypotheses=(_random_gradient,),
        ),
        Statement(
            "mean",
            sp.Eq(expected_retained, 1 - rank / n_parameters),
            Kind.EXPECTATION,
            "On average, the share of the dimensions that are not protected. (A share lies in $[0, 1]$ and has a finite "
            "variance.)",
            hypotheses=(_random_gradient,),
            resolution=0.02,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Turn the coordinates so that the unprotected directions are the first $P - r$. The gradient's direction is that of a "
            "standard Gaussian vector, and the share is $X/(X+Y)$ with $2X \\sim \\chi^2_{P-r}$ and $2Y \\sim \\chi^2_r$ "
            "independent. Their joint density splits into a Beta density of the share, with $\\alpha = (P-r)/2$ and $\\beta = r/2$, "
            "and a Gamma density of the sum [beta-law]. For the mean no law is needed: the share is a sum of $P - r$ squared "
            "coordinates of a uniform unit vector; they are alike and all $P$ sum to one, so each is $1/P$ on average [sphere], "
            "and $P - r$ of them make the statement [left]."
        ),
        steps=(
            identity(
                "beta-law",
                "With share $u/(1+u)$ and sum $s$, the joint density of share and sum (Jacobian $s$) factorises.",
                _gamma_density(_share * _s, _a) * _gamma_density((1 - _share) * _s, _b) * _s,
                _share ** (_a - 1)
                * (1 - _share) ** (_b - 1)
                * sp.gamma(_a + _b)
                / (sp.gamma(_a) * sp.gamma(_b))
                * _gamma_density(_s, _a + _b),
            ),
            _sphere,
            identity(
                "left",
                "All of them together.",
                (n_parameters - rank) / n_parameters,
                1 - rank / n_parameters,
            ),
        ),
    ),
    references=("farajtabar2020", "saha2021"),
    counterexamples=(
        "Gradients of real tasks are not independent of one another. What one task protects is what the next one needs: of "
        "real gradients far less is left.",
        "Noise that is stronger along the protected directions than along others breaks the law even if it is independent.",
        "At $r = P$ nothing is left, and the Beta law has no second parameter to speak of.",
    ),
)

real_gradients = Claim(
    id="real-gradients-retained",
    title="False: protection leaves real gradients the share of free dimensions",
    part="capacity",
    hypotheses=retention.hypotheses,
    statements=(
        Statement(
            "mean",
            sp.Eq(expected_retained, 1 - rank / n_parameters),
            Kind.EXPECTATION,
            "The tempting step from random to real gradients: protect what an old task needs, and the next task keeps the "
            "share of the dimensions that are free. It does not, because tasks that share inputs and weights share directions.",
        ),
    ),
    derivation=None,
    references=("farajtabar2020", "saha2021"),
    counterexamples=(
        "A task that repeats the old one retains nothing, however many dimensions are free.",
        "Gradients of random directions do retain that share.",
    ),
    expected=Verdict.REFUTED,
)

_independent = Hypothesis(
    "The spans of the $n_T$ tasks, of dimension $r_T$ each, are independent and uniformly random, and independent of the "
    "vector that is followed."
)

exhaustion = Claim(
    id="exhaustion",
    title="Protected room is exhausted, unprotected memory decays",
    part="capacity",
    hypotheses=(
        Hypothesis("Each task spans $r_T$ of $P$ dimensions, at most all of them.", sp.Le(task_rank, n_parameters)),
    ),
    statements=(
        Statement(
            "union",
            sp.Eq(expected_retained, sp.Max(0, 1 - task_rank * n_tasks / n_parameters)),
            Kind.EXPECTATION,
            "Projected off all that $n_T$ tasks have protected, a new gradient falls on a straight line, to nothing at "
            "$n_T = P/r_T$.",
            hypotheses=(_independent,),
        ),
        Statement(
            "common-part",
            sp.Eq(expected_retained, sp.Max(0, 1 - (common_rank + n_tasks * (task_rank - common_rank)) / n_parameters)),
            Kind.EXPECTATION,
            "If the tasks have $r_{\\cap}$ dimensions in common, those are paid for once.",
            hypotheses=(
                Hypothesis(
                    "The common part is uniformly random, of dimension $r_{\\cap} \\leq r_T$, and the rest of each task is "
                    "independent of it and of the others.",
                    sp.Le(common_rank, task_rank),
                ),
            ),
        ),
        Statement(
            "overwriting",
            sp.Eq(expected_retained, _decay),
            Kind.EXPECTATION,
            "Unprotected, an old vector loses in each later task its component in that task's span: it decays, and is never "
            "quite gone.",
            hypotheses=(_independent,),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Random directions are linearly independent as long as there is room: given those before, the next one "
            "falls into their span, a set of volume zero, with probability zero. So the union of the tasks has "
            "dimension $\\min(P, r_T n_T)$, or $\\min(P, r_{\\cap} + n_T(r_T - r_{\\cap}))$ with a common part, and its orthogonal complement is "
            "a uniformly random subspace. The retained share is the sum of as many squared coordinates of a uniform unit "
            "vector, each $1/P$ on average [sphere]. What is left of the dimensions, over $P$, is the first statement "
            "[line] and the second [common]. Overwriting works differently: each task removes from what is left of the old vector its "
            "component in a fresh random span. That leaves $1 - r_T/P$ of it on average, whatever it is by now, and "
            "so the expectation is multiplied by $1 - r_T/P$ each time [once-more]. The two agree for one task. For more, decay leaves at "
            "least as much as exhaustion, step by step: if it has left $1 - q n_T + u$, with $q = r_T/P$ and $u \\geq 0$, it leaves at "
            "least $1 - q(n_T + 1)$ next [bernoulli]. Where exhaustion has left nothing, at $n_T = P/r_T$, decay still leaves "
            "$(1 - 1/n_T)^{n_T}$, which tends to $1/e$ [still-there]."
        ),
        steps=(
            _sphere,
            identity(
                "line",
                "Dimensions left, over all.",
                (n_parameters - task_rank * n_tasks) / n_parameters,
                1 - task_rank * n_tasks / n_parameters,
            ),
            identity(
                "common",
                "The common part is counted in each task, and protected once.",
                (n_parameters - (task_rank * n_tasks - (n_tasks - 1) * common_rank)) / n_parameters,
                1 - (common_rank + n_tasks * (task_rank - common_rank)) / n_parameters,
            ),
            identity(
                "once-more",
                "One task more.",
                (1 - task_rank / n_parameters) * (1 - task_rank / n_parameters) ** (n_tasks - 1),
                _decay,
                domain=sp.Lt(task_rank, n_parameters),
            ),
            inequality(
                "bernoulli",
                "With $q = 1/(1 + t)$.",
                (1 - 1 / (1 + _next)) * (1 - n_tasks / (1 + _next) + _excess),
                1 - (n_tasks + 1) / (1 + _next),
                n_tasks / (1 + _next) ** 2 + _excess * _next / (1 + _next),
            ),
            limit("still-there", "As tasks become many and small.", (1 - 1 / _s) ** _s, _s, sp.oo, sp.exp(-1)),
        ),
    ),
    references=("farajtabar2020", "saha2021"),
    counterexamples=(
        "Tasks that share directions fill the room more slowly, and leave each other less of it that is of use.",
        "Two tasks with the same span protect no more than one.",
        "What is overwritten on average is not what is overwritten in the worst case: a vector in a later task's span is gone.",
    ),
)

protected_palimpsest = Claim(
    id="protected-palimpsest",
    title="False: gradient projection retains a fixed fraction from task to task",
    part="capacity",
    hypotheses=exhaustion.hypotheses,
    statements=(
        Statement(
            "decay",
            sp.Eq(expected_retained, _decay),
            Kind.EXPECTATION,
            "The tempting count: each task leaves $1 - r_T/P$ of a gradient, so $n_T$ of them leave the power. That is the law of a memory "
            "that is overwritten. Protected spans are kept apart, so they add up until there is no room left.",
            hypotheses=(_independent,),
        ),
    ),
    derivation=None,
    references=("farajtabar2020", "saha2021"),
    counterexamples=(
        "With $n_T = P/r_T$ tasks nothing is left for the next one, where the power promises about $1/e$.",
        "For a single task the two agree.",
    ),
    expected=Verdict.REFUTED,
)
