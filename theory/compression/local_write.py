"""Feature dimensionality is the writability of the local write."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import K_12, K_23, M_2, cauchy_schwarz_remainder, k_2
from theory.derivation import Derivation, identity, instance
from theory.evidence import Kind
from theory.notation import (
    K,
    M,
    dim,
    dimensionality,
    entry,
    k_i,
    leverage,
    max_overlap,
    mean_blast,
    mean_local_collateral,
    n_items,
    n_keys,
    rank,
    sum_dimensionality,
    writability,
)

_i, _j = sp.symbols("i j", integer=True, positive=True)
_phi = sp.symbols("phi_1:5", real=True)
_unit_keys = sp.ImmutableMatrix(2, 4, lambda row, j: (sp.cos, sp.sin)[row](_phi[j]))
_a, _b = sp.symbols("alpha beta", real=True)
_pair = sp.ImmutableMatrix([[sp.cos(_a), 0], [sp.sin(_a), sp.cos(_b)], [0, sp.sin(_b)]])  # two unit keys in space
_scalar = sp.ImmutableMatrix(1, 1, [sp.Symbol("k_1", real=True)])
_norm = sp.Symbol("g", positive=True)
_others = sp.Symbol("S", nonnegative=True)
_spread = K * K.T - (n_items / dim) * sp.Identity(dim)

local_write_dimensionality = Claim(
    id="local-write-dimensionality",
    title="Feature dimensionality is the writability of the local write",
    part="compression",
    hypotheses=(
        Hypothesis("The key of item $i$ is $k_i \\neq 0$, for example column $i$ of a toy model of superposition."),
        Hypothesis(
            "The write is local: $\\Delta W = \\delta k_i^\\top$, as one gradient step on the item alone makes."
        ),
    ),
    statements=(
        Statement(
            "writability",
            sp.Eq(writability, dimensionality),
            Kind.EXACT,
            "The writability of the local write is the feature dimensionality "
            "$D_i = \\|k_i\\|^2 / \\sum_j \\langle \\hat k_i, k_j \\rangle^2$, for keys of any norms.",
        ),
        Statement(
            "leverage",
            sp.Le(dimensionality, leverage),
            Kind.EXACT,
            "It is at most the leverage, with equality exactly when $k_i$ is an eigenvector of $M$.",
        ),
        Statement("sum", sp.Le(sum_dimensionality, rank), Kind.EXACT, "All dimensionalities sum to at most the rank."),
        Statement(
            "mean",
            sp.Ge(mean_local_collateral, n_keys / rank - 1),
            Kind.EXACT,
            "The mean collateral of local writes obeys the budget, whatever the norms.",
            hypotheses=(Hypothesis("The keys have rank $r$, which is at most $n'$.", sp.Le(rank, n_keys)),),
        ),
        Statement(
            "frame-potential",
            sp.Ge(mean_blast, n_items / rank - 1),
            Kind.EXACT,
            "The mean blast radius is at least the compression less one, with equality exactly for a tight frame.",
            hypotheses=(Hypothesis("All keys have norm 1, and rank $r$, which is at most $n$.", sp.Le(rank, n_items)),),
        ),
        Statement(
            "welch",
            sp.Ge(max_overlap, (n_items - dim) / (dim * (n_items - 1))),
            Kind.EXACT,
            "Some pair of keys overlaps at least this much, with equality exactly for an equiangular tight frame.",
            hypotheses=(
                Hypothesis("All keys have norm 1 and $n \\geq d \\geq 2$.", sp.And(sp.Ge(n_items, dim), sp.Ge(dim, 2))),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "A local write moves item $j$ by $\\delta \\langle k_i, k_j\\rangle$, so all it moves adds up to the quadratic "
            "form of $M$ at $k_i$ [overlaps], and the share that lands on item $i$ is "
            "$\\|k_i\\|^4 / (k_i^\\top M k_i)$, the feature dimensionality. For unit keys it is one over one plus the blast "
            "radius [blast]. It is the writability of *some* write, hence at most the leverage; the gap is again a square, "
            "which vanishes exactly when $k_i$ and $M k_i$ are parallel [eigenvector]. Sum over the items, and average the "
            "inverse as in the writability budget: the sum and mean follow. For unit keys the total squared overlap exceeds "
            "$n^2/d$ by the squared distance of $M$ from the tight frame's multiple of the identity [frame-potential]; in "
            "coordinates of the span of the keys the same holds with $r$ in place of $d$. Less the $n$ ones on the diagonal, "
            "$n^2/r$ makes the mean blast radius $n/r - 1$ [mean-blast]. Divided by the $n(n-1)$ pairs instead, it is the "
            "mean squared overlap of a pair, which the largest one cannot be below [welch]."
        ),
        steps=(
            instance(
                "overlaps",
                "The quadratic form is the sum of squared overlaps.",
                sp.Eq(
                    sp.Trace(k_i.T * (K * K.T) * k_i),
                    sp.Sum(entry(K.T * k_i, _j) ** 2, (_j, 1, n_items)),
                    evaluate=False,
                ),
                {K: K_23, k_i: k_2, n_items: 3, dim: 2},
                {K: K_12, k_i: _scalar, n_items: 2, dim: 1},
            ),
            identity(
                "blast",
                "With $g = \\|k_i\\|^2$ and $S = \\sum_{j\\neq i}\\langle k_i,k_j\\rangle^2$, the dimensionality is",
                _norm**2 / (_norm**2 + _others),
                1 / (1 + _others / _norm**2),
            ),
            instance(
                "eigenvector",
                "Leverage times total effect is at least the squared hit; the gap is the squared wedge of $k_i$ and $M k_i$.",
                sp.Ge(
                    sp.Trace(k_i.T * sp.Inverse(M) * k_i) * sp.Trace(k_i.T * M * k_i),
                    sp.Trace(k_i.T * k_i) ** 2,
                    evaluate=False,
                ),
                {k_i: k_2, M: M_2},
                certificate=cauchy_schwarz_remainder(k_2),
            ),
            instance(
                "frame-potential",
                "Total squared overlap of unit keys, here given by their angles.",
                sp.Eq(
                    sp.Sum(entry(K.T * K, _i, _j) ** 2, (_i, 1, n_items), (_j, 1, n_items)) - n_items**2 / dim,
                    sp.Sum(entry(_spread, _i, _j) ** 2, (_i, 1, dim), (_j, 1, dim)),
                    evaluate=False,
                ),
                {K: _unit_keys, n_items: 4, dim: 2},
                {K: _pair, n_items: 2, dim: 3},
            ),
            identity(
                "mean-blast",
                "The least total, without the diagonal, over the items is",
                (n_items**2 / rank - n_items) / n_items,
                n_items / rank - 1,
            ),
            identity(
                "welch",
                "The mean squared overlap of a pair is at least",
                (n_items**2 / dim - n_items) / (n_items * (n_items - 1)),
                (n_items - dim) / (dim * (n_items - 1)),
                domain=sp.Gt(n_items, 1),
            ),
        ),
    ),
    references=("elhage2022", "scherlis2022", "welch1974", "benedetto2003", "strohmer2003"),
    counterexamples=(
        "The blast radius of a key that is not of norm 1 is not $1/D_i - 1$: divide it by $\\|k_i\\|^4$ first.",
        "A tight frame of *unequal* norms makes every local write optimal, and still lies above the bound: the keys $(1,0)$, "
        "$(0,1/\\sqrt2)$, $(0,1/\\sqrt2)$ have mean collateral 2/3, where the bound is 1/2.",
        "On anisotropic keys most of the budget is left unspent: the sum of $D_i$ is far below the rank.",
    ),
)
