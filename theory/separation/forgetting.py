"""What a write does to another memory in a linear readout: the drift, exactly, and its expectation over random codes."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, instance
from theory.evidence import Kind, Verdict
from theory.notation import (
    code_size,
    dim,
    drift,
    drift_norm,
    earlier_echo,
    energy,
    expected_energy,
    expected_forgetting,
    expected_recall,
    later_echo,
    n_kept,
    n_writes,
    rate,
    recall_square,
    shared_units,
    sum_overlaps,
    sum_pushes,
)
from theory.separation.overlap import random_codes

_k, _d, _n, _eta = code_size, dim, n_writes, rate
_g, _s, _p, _q, _x = sp.symbols("g s p q x", positive=True)
_y_1 = sp.Symbol("y_1", real=True)
_W, _y = sp.MatrixSymbol("W", 1, dim), sp.MatrixSymbol("y", 1, 1)
_z, _zj, _u, _ones = (sp.MatrixSymbol(name, dim, 1) for name in ("z", "z_j", "u", "1"))


def _vectors(*symbols: sp.MatrixSymbol) -> list[dict[sp.Basic, sp.Basic]]:
    """Stand-ins with symbolic entries in one and in two units."""
    return [
        {dim: size}
        | {s: sp.ImmutableMatrix(sp.symbols(f"{s.name}_1:{size + 1}", real=True)) for s in symbols if s.shape[1] == 1}
        for size in (1, 2)
    ]


def _row(at: dict[sp.Basic, sp.Basic]) -> dict[sp.Basic, sp.Basic]:
    """With a row of weights and a target beside the vectors."""
    weights = sp.symbols(f"W_1:{at[dim] + 1}", real=True)
    return at | {_W: sp.ImmutableMatrix([weights]), _y: sp.ImmutableMatrix([[_y_1]])}


_u_1, _m, _i = sp.IndexedBase("u", real=True), sp.Symbol("m", integer=True, positive=True), sp.Symbol("i", integer=True)
_below_two = Hypothesis("$0 < \\eta_z < 2$.", sp.Lt(rate, 2))
delta_rule = Hypothesis(
    "Outputs are read linearly, and a write at the code $z$ with target $y$ is the delta rule: it adds "
    "$\\eta_z\\, e\\, z^\\top/\\|z\\|^2$ to the weights, where $e$ is the error met. No code is zero."
)
random_memory = Hypothesis(
    "The memory starts empty. First $N_0$ items are written, then the item that is looked at, exactly, then $N$ others; all but that one at rate $\\eta_z$."
)
random_targets = Hypothesis(
    "Targets are independent of the codes and of each other, with mean zero and equal mean square, in units of which forgetting is counted."
)

pathwise_drift = Claim(
    id="pathwise-drift",
    title="A write reaches another memory through overlap times error",
    part="separation",
    hypotheses=(delta_rule,),
    statements=(
        Statement(
            "sum",
            sp.Eq(drift, _eta * sum_pushes),
            Kind.EXACT,
            "After any writes, with any codes and targets, the output at an item has moved by exactly this.",
        ),
        Statement(
            "bound",
            sp.Le(drift_norm, _eta * sum_overlaps),
            Kind.EXACT,
            "So it has moved by at most the sum of overlap times size of the error. For sparse codes the relative overlap is $O/k$.",
        ),
        Statement(
            "one-write",
            sp.Eq(drift_norm, _eta * sum_overlaps),
            Kind.EXACT,
            "For one write this is an equality: it leaves the item alone, whatever the error, if and only if the two codes are orthogonal.",
            hypotheses=(Hypothesis("$N = 1$.", sp.Eq(_n, 1)),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "What one write adds to the output at $z_j$ is $\\eta_z e\\, \\langle z, z_j\\rangle/\\|z\\|^2$, by the rule [one-write]. Writes add up, each with the error "
            "that it met. The triangle inequality gives the bound; with one summand there is nothing to cancel. For codes without negative "
            "entries $\\langle z, z_j\\rangle = 0$ says that no unit is active in both. For signed codes it does not [signs]."
        ),
        steps=(
            instance(
                "one-write",
                "One output, with weights $W$ and $g$ in place of $\\eta_z/\\|z\\|^2$: the output at $z_j$ after the write.",
                sp.Eq(
                    (_W + _g * (_y - _W * _z) * _z.T) * _zj,
                    _W * _zj + _g * (_y - _W * _z) * (_z.T * _zj),
                    evaluate=False,
                ),
                *(_row(at) for at in _vectors(_z, _zj)),
            ),
            instance(
                "signs",
                "Two pairs of codes that share all of their units.",
                sp.Eq(sp.Trace(_z.T * _zj), sp.Integer(0), evaluate=False),
                {dim: 2, _z: sp.ImmutableMatrix([1, _p]), _zj: sp.ImmutableMatrix([_p, -1])},
                {dim: 3, _z: sp.ImmutableMatrix([1, _p, 1]), _zj: sp.ImmutableMatrix([_p, -2, _p])},
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "*Weights that all memories share*, such as an output bias, are units that are active in every code. They add to every overlap.",
        "*Codes that change*: if the layer before the readout learns too, the code of the item moves, and overlap says nothing of that.",
        "*A code without active units* is never written: the rule divides by its length.",
    ),
)  # fmt: skip

disjoint_supports = Claim(
    id="disjoint-or-forgotten",
    title="False: memories are safe only in disjoint units",
    part="separation",
    hypotheses=(delta_rule, Hypothesis("Codes have $k$ active units, which may be of either sign.")),
    statements=(
        Statement(
            "capacity",
            sp.Le(n_kept, _d / _k),
            Kind.EXACT,
            "No more memories can be kept exactly than have room side by side.",
        ),
        Statement(
            "sharing",
            sp.Eq(shared_units, sp.Integer(0), evaluate=False),
            Kind.EXACT,
            "Memories that leave each other exactly as they were share no active unit.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Both sentences hold for codes without negative entries. Rows of a Hadamard matrix are $d$ codes in $d$ units, all units active in each, and none "
        "disturbs another.",
        "The other direction, that disjoint units keep a memory safe, holds as long as nothing but the readout learns.",
    ),
    expected=Verdict.REFUTED,
)

_across = (_d - _k) / (_d * (_d - 1))
_recall = _k / _d * (1 - _eta * _k / _d) ** _n + (1 - _k / _d) * (1 - _eta * _across) ** _n
recall_at_one = _recall.subs(_eta, 1)
_p_1, _p_2 = _k / _d, _k * (_k - 1) / (_d * (_d - 1))
_total = 1 - 2 * expected_recall + recall_square + _eta / (2 - _eta) * (1 - expected_energy) + earlier_echo
_alpha, _beta = sp.symbols("alpha beta", real=True)
_gain = -2 * _eta * _alpha + _eta**2 * (_alpha + _beta * _k) + _eta**2 / _k

expected = Claim(
    id="expected-forgetting",
    title="The expected forgetting of a memory, exactly",
    part="separation",
    hypotheses=(
        delta_rule,
        random_codes,
        random_memory,
        random_targets,
        _below_two,
        Hypothesis("$k \\leq d$, and there are at least two units.", sp.And(sp.Le(_k, _d), sp.Gt(_d, 1))),
    ),
    statements=(
        Statement(
            "enumerated",
            sp.Eq(expected_forgetting, _total),
            Kind.EXACT,
            "What is missing of the item's own target, the echo of the later ones, and the echo of the earlier ones. The moments on the right follow "
            "a linear recursion in five numbers.",
        ),
        Statement(
            "sampled",
            sp.Eq(expected_forgetting, _total),
            Kind.EXPECTATION,
            "The same, for codes that are too many to be enumerated.",
            resolution=0.1,
        ),
        Statement(
            "recall",
            sp.Eq(expected_recall, _recall),
            Kind.EXPECTATION,
            "How much of its target the item still gives, on average: the mean of all units forgets fast, what tells units apart forgets slowly.",
            resolution=0.1,
        ),
        Statement(
            "echo",
            sp.Eq(later_echo, _eta / (2 - _eta) * (1 - energy)),
            Kind.EXACT,
            "For every sequence of codes, the later targets come back in exact proportion to what they have erased of the code.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "*Read backwards.* With $P_t = z_tz_t^\\top/k$, a write turns the output at any $u$ into the old output at $(I - \\eta_z P_t)u$ plus "
            "$\\eta_z\\, y_t \\langle z_t, u\\rangle/k$ [one-write]. So start at $u_0 = z_j$ and go back through the writes from the last: "
            "each adds its target with the weight $\\eta_z \\langle z_t, u\\rangle/k$ and passes on $(I - \\eta_z P_t)u$. What arrives at the item itself is $u_N$. It has "
            "$\\langle z_j, u_N\\rangle/k = \\gamma_N$ of its own target, and hands on $(I - P_j)u_N$ to what was before. Targets are independent with mean zero, so squares add up: "
            "$(1 - \\gamma_N)^2$, the squared weights of the later ones, and those of the earlier ones, $H_{N_0,N}$.\n\n"
            "*Echo.* Each step shortens $u$, by $(2\\eta_z - \\eta_z^2)\\langle z_t, u\\rangle^2/k$ [energy]. These add up to $k(1 - \\Gamma_N)$, where $\\Gamma_N = \\|u_N\\|^2/k$; "
            "the weights of the later targets are the same squares times another factor [echo].\n\n"
            "*Recall.* A random code has $\\mathbb{E}P = \\frac{p_1 - p_2}{k}I + \\frac{p_2}{k}\\mathbf{1}\\mathbf{1}^\\top$, where a unit is active with probability $p_1 = k/d$ and two are "
            "with $p_2 = k(k-1)/(d(d-1))$. It takes the share $k/d$ of the constant vector [constant] and "
            "the share $(d-k)/(d(d-1))$ of what sums to zero [differences]. The code $z_j$ is $a\\mathbf{1}$ plus such a vector, with the share $a$ of its squared length in the first, and codes are independent: that is the formula for $\\mathbb{E}\\gamma_N$.\n\n"
            "*Second moments.* Let a write share $m$ units with $z_j$; which ones, and which of the other units, is uniformly random. It reads the sum $s$ of $u$ over its units and takes $\\eta_z s/k$ from each. "
            "The sum of squares over the $m$ units inside changes by $-2gsx + g^2ms^2$, where $g = \\eta_z/k$ and $x$ is their part of $s$ [squares]; sums over all inside change by $-gms$; and likewise outside. The mean of $x^2$ over the choice of units needs only the sum of squares "
            "and the squared sum, since a unit is chosen with probability $m/k$ and two with $m(m-1)/(k(k-1))$ [both]. So five numbers, sum of squares and squared sum inside and outside and the product of the sums, are mapped linearly onto themselves; averaged over the hypergeometric $m$ this is the recursion.\n\n"
            "*Before.* The weights' second moment after random writes is $\\alpha I + \\beta\\mathbf{1}\\mathbf{1}^\\top$ by symmetry. Since $P^2 = P$ [projector] and $P\\mathbf{1}\\mathbf{1}^\\top P = kP$ [ones], one more write adds $G\\,\\mathbb{E}P$ and "
            "takes the share $2\\eta_z k/d$ of $\\beta$, with $G = -2\\eta_z\\alpha + \\eta_z^2(\\alpha + \\beta k) + \\eta_z^2/k$ [gain]. "
            "What it means for the item is $H_{N_0,N} = \\alpha\\,(k\\,\\mathbb{E}\\Gamma_N - k\\,\\mathbb{E}\\gamma_N^2) + \\beta\\,\\mathbb{E}B^2$, where $B$ is the sum of $u_N$ outside the code."
        ),
        steps=(
            instance(
                "one-write",
                "One output, with $g = \\eta_z/k$.",
                sp.Eq(
                    (_W + _g * (_y - _W * _z) * _z.T) * _zj,
                    _W * (_zj - _g * _z * (_z.T * _zj)) + _g * _y * (_z.T * _zj),
                    evaluate=False,
                ),
                *(_row(at) for at in _vectors(_z, _zj)),
            ),
            instance(
                "energy",
                "Squared length after a step; with $\\|z\\|^2 = k$ and $g = \\eta_z/k$ the bracket is $(2\\eta_z - \\eta_z^2)/k$.",
                sp.Eq(
                    sp.Trace((_u - _g * _z * (_z.T * _u)).T * (_u - _g * _z * (_z.T * _u))),
                    sp.Trace(_u.T * _u) - (2 * _g - _g**2 * sp.Trace(_z.T * _z)) * sp.Trace(_z.T * _u) ** 2,
                    evaluate=False,
                ),
                *_vectors(_z, _u),
            ),
            identity(
                "echo",
                "The sum of $\\langle z_t, u\\rangle^2/k^2$ is $(1 - \\Gamma_N)/(2\\eta_z - \\eta_z^2)$.",
                _eta**2 * (1 - energy) / (2 * _eta - _eta**2),
                _eta / (2 - _eta) * (1 - energy),
            ),
            identity("constant", "$\\mathbb{E}P$ on the constant vector.", (_p_1 - _p_2) / _k + _p_2 / _k * _d, _k / _d, domain=sp.Gt(_d, 1)),
            identity("differences", "$\\mathbb{E}P$ on vectors that sum to zero.", (_p_1 - _p_2) / _k, _across, domain=sp.Gt(_d, 1)),
            instance(
                "squares",
                "The sum of squares over the $m$ units that are read inside.",
                sp.Eq(
                    sp.Sum((_u_1[_i] - _g * _s) ** 2, (_i, 1, _m)),
                    sp.Sum(_u_1[_i] ** 2, (_i, 1, _m)) - 2 * _g * _s * sp.Sum(_u_1[_i], (_i, 1, _m)) + _g**2 * _m * _s**2,
                    evaluate=False,
                ),
                {_m: 2},
                {_m: 3},
            ),
            identity(
                "both",
                "Of the sets of $m$ out of $k$ units, so many contain two given ones.",
                sp.binomial(_k - 2, _m - 2) / sp.binomial(_k, _m),
                _m * (_m - 1) / (_k * (_k - 1)),
                domain=sp.And(sp.Gt(_m, 2), sp.Lt(_m, _k)),
            ),
            instance(
                "projector",
                "Multiplied by $k^2$, where $k = \\|z\\|^2$.",
                sp.Eq(_z * _z.T * _z * _z.T, sp.Trace(_z.T * _z) * _z * _z.T, evaluate=False),
                *_vectors(_z),
            ),
            instance(
                "ones",
                "Multiplied by $k^2$; the sum of the entries of $z$ is $k$, too.",
                sp.Eq(
                    _z * _z.T * _ones * _ones.T * _z * _z.T, sp.Trace(_z.T * _ones) ** 2 * _z * _z.T, evaluate=False
                ),
                *({**at, _ones: sp.ones(at[dim], 1).as_immutable()} for at in _vectors(_z)),
            ),
            identity(
                "gain",
                "The factor of $P$: from $\\alpha(I - \\eta_z P)^2$, from $\\beta(I - \\eta_z P)\\mathbf{1}\\mathbf{1}^\\top(I - \\eta_z P)$, and from the new target.",
                _alpha * ((1 - _eta) ** 2 - 1) + _beta * _eta**2 * _k + _eta**2 / _k,
                _gain,
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "*Targets that are alike* do not cancel. If all items have the same target, later writes can refresh it, or push it too far.",
        "*Targets that depend on the codes*, as those of a network that has learnt something, are not covered.",
        "*Codes that are alike* lose more: the recursion knows of overlap by chance alone.",
        "*A rate of 2 or more* makes the weights grow without bound.",
        "*All units active*, $k = d$, has one dimension in it: every write replaces what was there, at rate 1. *One unit*, $d = 1$, is the same case, in which the formula for the recall reads $0/0$.",
    ),
)  # fmt: skip
