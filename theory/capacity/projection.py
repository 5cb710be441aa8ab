"""Gradient projection fills up: what a stream of tasks can still learn without touching what it learnt before."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, instance
from theory.evidence import Kind, Verdict
from theory.notation import (
    counted_lost,
    dim,
    entry,
    lost_dims,
    old_change,
    retained,
    task_place,
    task_rank,
    unfitted,
    v,
    write_energy,
)

_X = sp.MatrixSymbol("X", dim, task_rank)
_others = sp.MatrixSymbol("X_O", dim, task_rank - 1)
_x = sp.MatrixSymbol("x_1", dim, 1)
_y = sp.MatrixSymbol("y", task_rank, 1)
_k = sp.Symbol("k", positive=True)

_free = dim - (task_place - 1) * task_rank
_lost = sp.Min(task_rank, sp.Max(0, task_place * task_rank - dim))
_price = 1 / (dim - task_place * task_rank - 1)


def _columns(rows: int, columns: int) -> sp.ImmutableMatrix:
    return sp.ImmutableMatrix(rows, columns, lambda i, j: sp.Symbol(f"x_{i + 1}{j + 1}", real=True))


def _split(inputs: sp.ImmutableMatrix) -> dict[sp.Basic, sp.Basic]:
    """The inputs, the first of them and the others."""
    return {_X: inputs, _x: inputs[:, :1], _others: inputs[:, 1:], dim: inputs.rows, task_rank: inputs.cols}


def _least(inputs: sp.ImmutableMatrix) -> dict[sp.Basic, sp.Basic]:
    """The inputs, a target, and the least write that fits it."""
    target = sp.ImmutableMatrix(sp.symbols(f"y_1:{inputs.cols + 1}", real=True))
    write = inputs * (inputs.T * inputs).inv() * target
    return {_X: inputs, _y: target, v: write, dim: inputs.rows, task_rank: inputs.cols}


_stream = (
    Hypothesis(
        "Tasks come one after the other. Each has $r_T \\leq d$ inputs, drawn independently from the standard Gaussian in "
        "$\\mathbb{R}^d$, and a linear readout answers.",
        sp.Le(task_rank, dim),
    ),
    Hypothesis("Only writes are allowed that leave the outputs for all inputs of earlier tasks as they are."),
)
_random_target = Hypothesis("The target has a random direction, independent of the inputs.")

projection_cliff = Claim(
    id="projection-cliff",
    title="Gradient projection fits everything, and then nothing",
    part="capacity",
    hypotheses=_stream,
    statements=(
        Statement(
            "lost",
            sp.Eq(lost_dims, _lost),
            Kind.EXACT,
            "So many dimensions of task $i_T$'s targets are out of reach: none while $i_T\\,r_T \\leq d$, all once "
            "$(i_T - 1)\\,r_T \\geq d$. At most one task stands on the cliff between.",
        ),
        Statement(
            "unfitted",
            sp.Eq(unfitted, _lost / task_rank),
            Kind.EXPECTATION,
            "The best harmless write leaves this share of a random target unfitted, on average.",
            hypotheses=(_random_target,),
            resolution=0.15,
        ),
        Statement(
            "retained",
            sp.Eq(retained, sp.Max(0, _free) / dim),
            Kind.EXPECTATION,
            "The share of a task's inputs that projection retains, and with them of a gradient whose errors are independent of "
            "the inputs, is no cliff: it falls along a straight line to 0.",
            resolution=0.1,
        ),
        Statement(
            "price",
            sp.Eq(write_energy, _price),
            Kind.EXPECTATION,
            "Before the cliff writes grow longer: the mean squared length of the least harmless write that fits a target, for "
            "each unit of squared target.",
            hypotheses=(
                _random_target,
                Hypothesis(
                    "More than three dimensions are left after the task, $d - i_T\\,r_T > 3$, so that this has a finite variance "
                    "(the equation needs only more than one).",
                    sp.Gt(dim - task_place * task_rank, 3),
                ),
            ),
            resolution=0.1,
        ),
        Statement(
            "old",
            sp.Eq(old_change, sp.Integer(0), evaluate=False),
            Kind.EXACT,
            "None of these writes changes the output for any input of an earlier task.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "A write with row $v$ changes the output for input $x$ by $v^\\top x$. It is harmless if $v$ is orthogonal to the "
            "$(i_T - 1)\\,r_T$ inputs of the earlier tasks. Independent Gaussian vectors are almost surely independent as long as "
            "they fit in, so the protected span has dimension $\\min(d, (i_T - 1)\\,r_T)$, and $f = \\max(0, d - (i_T - 1)\\,r_T)$ "
            "free directions remain. A harmless write sees only the projections $X$ of the task's inputs onto them. These are again independent "
            "Gaussian vectors, in $f$ dimensions and independent of the protected span, so they have rank $\\min(r_T, f)$, "
            "and the targets $X^\\top v$ fill a subspace of that dimension. With $f \\geq r_T$ nothing is out of reach; with $f = 0$ all is; in between "
            "$r_T - f$ dimensions are [lost]. Of a target of random direction, each orthogonal direction holds the same share "
            "$1/r_T$ on average, which gives the share left unfitted. In the same way a Gaussian input has the same share $1/d$ in each direction, and "
            "$f$ of $d$ are free; a gradient is a sum of inputs, each times its error, and if the errors do not depend on the "
            "inputs it is Gaussian, too. The least write that fits $y$ is $v = X (X^\\top X)^{-1} y$, and its squared length is "
            "$y^\\top (X^\\top X)^{-1} y$ [least-write]. Averaged over the direction of $y$ this is $\\|y\\|^2$ times the mean "
            "diagonal entry of $(X^\\top X)^{-1}$. Such an entry is one over the squared length of what is left of one input, "
            "when its projection onto the others is taken away [alone]. That is a standard Gaussian vector in the $k = f - r_T + 1$ dimensions "
            "orthogonal to the others, its squared length is $\\chi^2_k$, and the mean of $1/\\chi^2_k$ is $1/(k-2)$ "
            "[inverse-moment], which is the price [price]. A harmless $v$ is orthogonal to every "
            "earlier input by construction, so no earlier output changes."
        ),
        steps=(
            identity("lost", "On the cliff, out of $r_T$ dimensions.", task_rank - _free, task_place * task_rank - dim),
            instance(
                "least-write",
                "The squared length of the least write.",
                sp.Eq(sp.Trace(v.T * v), sp.Trace(_y.T * sp.Inverse(_X.T * _X) * _y), evaluate=False),
                _least(_columns(2, 2)),
                _least(_columns(2, 1)),
            ),
            instance(
                "alone",
                "A diagonal entry of the inverse, times the squared length of what the others leave of that input; in the second "
                "instance the axes are turned so that $X$ is triangular.",
                sp.Eq(
                    entry(sp.Inverse(_X.T * _X), 1, 1)
                    * sp.Trace(_x.T * (_x - _others * sp.Inverse(_others.T * _others) * (_others.T * _x))),
                    sp.Integer(1),
                    evaluate=False,
                ),
                _split(_columns(3, 2)),
                _split(_columns(3, 3).lower_triangular()),  # any three vectors, after a rotation
            ),
            identity(
                "inverse-moment",
                "The mean of $1/(2s)$ where $2s \\sim \\chi^2_k$: the integrals of $s^{k/2-2} e^{-s}$ and $s^{k/2-1} e^{-s}$ over "
                "$s > 0$.",
                sp.gamma(_k / 2 - 1) / (2 * sp.gamma(_k / 2)),
                1 / (_k - 2),
                domain=sp.Gt(_k, 2),
            ),
            identity(
                "price",
                "With $k = f - r_T + 1$.",
                1 / ((_free - task_rank + 1) - 2),
                _price,
                domain=sp.Gt(dim, task_place * task_rank + 1),
            ),
        ),
    ),
    references=("farajtabar2020", "saha2021"),
    counterexamples=(
        "Tasks that share input directions fill the space more slowly, so the cliff comes later. But a shared direction is "
        "protected with the old answer, so already the second task cannot give it another one.",
        "*Exact* fit falls off a cliff. The retained share of a gradient does not: it falls along a line from the first task on, "
        "and one that watches it sees nothing special at the cliff.",
        "The write that fits the last tasks before the cliff is long. Where it is limited, by a penalty or by early "
        "stopping, fitting ends before the count says so.",
    ),
)

relative_tolerance = Claim(
    id="relative-tolerance",
    title="False: a relative tolerance counts what can still be fitted",
    part="capacity",
    hypotheses=_stream,
    statements=(
        Statement(
            "counted",
            sp.Eq(counted_lost, _lost),
            Kind.EXACT,
            "Count the singular values of the projected inputs $X$ below a fixed fraction of the largest, as a pseudo-inverse does by default: "
            "so many dimensions are out of reach. Once no direction is free, $X$ is rounding error, and its singular "
            "values are all of one size. The count finds nothing small, and reports a perfect fit. Compare with the inputs "
            "before the projection instead.",
        ),
    ),
    derivation=None,
    references=("saha2021",),
    counterexamples=(
        "A projector that is numerically zero has full rank, relative to its own largest singular value.",
    ),
    expected=Verdict.REFUTED,
)
