"""Writes that may miss what is requested: the frontier between miss and collateral is a straight line."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import K_12, K_23, M_2, k_2
from theory.derivation import Derivation, identity, inequality, instance
from theory.evidence import Kind
from theory.notation import (
    K,
    M,
    dim,
    entry,
    excess,
    hit,
    leverage,
    mean_requested,
    miss,
    miss_price,
    n_items,
    n_keys,
    optimal_collateral,
    rank,
    requested_collateral,
    v,
)

_j = sp.Symbol("j", integer=True, positive=True)
_least = optimal_collateral * (1 - sp.sqrt(miss)) ** 2
_u = sp.MatrixSymbol("e", dim, 1)
_a = sp.Symbol("a", real=True)
_turned = sp.ImmutableMatrix(2, 3, [*K_23[0, :], 0, *K_23[1, 1:]])
_hat = K.T * sp.Inverse(K * K.T) * K
_cosine = sp.Symbol("u", nonnegative=True)  # one more than a cosine
_f, _c = sp.Symbol("f_i", real=True), sp.Symbol("c_i^*", nonnegative=True)
_price = miss_price / (miss_price + _c)

_tolerance = Hypothesis("The miss is at most the whole request, $\\varepsilon \\leq 1$.", sp.Le(miss, 1))
_on_frontier = Hypothesis(
    "The write is on the frontier: $\\Delta W = (1 - \\sqrt\\varepsilon)\\,\\delta\\,(M^+ k_i)^\\top/\\ell_i$."
)
_refit = Hypothesis(
    "The readout is fitted to all items by least squares, the label of item $i$ moves by $\\delta$, and all is "
    "fitted anew."
)

fidelity_frontier = Claim(
    id="fidelity-frontier",
    title="Fidelity against collateral",
    part="compression",
    hypotheses=(
        Hypothesis(
            "The items are read linearly, and a write requests that item $i$ changes by $\\delta \\neq 0$; its key "
            "is not zero."
        ),
        Hypothesis(
            "Its miss $\\varepsilon$ is $\\|\\Delta W k_i - \\delta\\|^2/\\|\\delta\\|^2$, its collateral per "
            "request $\\chi_i = \\sum_{j\\neq i}\\|\\Delta W k_j\\|^2/\\|\\delta\\|^2$."
        ),
    ),
    statements=(
        Statement(
            "least",
            sp.Ge(requested_collateral, _least),
            Kind.EXACT,
            "No write with this miss has less collateral, with $c_i^*$ the least collateral of an exact hit.",
            hypotheses=(_tolerance,),
        ),
        Statement(
            "line",
            sp.Eq(sp.sqrt(requested_collateral / optimal_collateral), 1 - sp.sqrt(miss)),
            Kind.EXACT,
            "Drawn in roots, the frontier of every item is one straight line.",
            hypotheses=(_tolerance, _on_frontier, Hypothesis("The item cannot be hit for free, $c_i^* > 0$.")),
        ),
        Statement(
            "above",
            sp.Eq(requested_collateral, _least + excess),
            Kind.EXACT,
            "Everything above the frontier can be had at the same miss, by adding to the write a direction that "
            "spares item $i$.",
            hypotheses=(_tolerance, Hypothesis("The keys have rank 2 or more.", sp.Ge(rank, 2))),
        ),
        Statement(
            "price",
            sp.Eq(hit, miss_price / (miss_price + optimal_collateral)),
            Kind.EXACT,
            "The write that minimises $\\chi_i + \\omega\\varepsilon$ carries out this fraction of the request.",
            hypotheses=(Hypothesis("The write minimises $\\chi_i + \\omega\\varepsilon$."),),
        ),
        Statement(
            "mean",
            sp.Ge(mean_requested, (1 - sp.sqrt(miss)) ** 2 * (n_keys / rank - 1)),
            Kind.EXACT,
            "On average over the $n'$ items with a nonzero key, if no write misses by more than $\\varepsilon$.",
            hypotheses=(_tolerance, Hypothesis("The keys have rank $r$, which is at most $n'$.", sp.Le(rank, n_keys))),
        ),
        Statement(
            "refit-hit",
            sp.Eq(hit, leverage),
            Kind.EXACT,
            "Fitting all items anew carries out as large a fraction of the request as the leverage.",
            hypotheses=(_refit,),
        ),
        Statement(
            "refit",
            sp.Eq(requested_collateral, leverage * (1 - leverage)),
            Kind.EXACT,
            "It lies on the frontier, at the price $\\omega = 1$, and its writability is exactly the leverage.",
            hypotheses=(_refit,),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let the write hit item $i$ with $x = \\Delta W k_i$. By the writability budget that costs at least "
            "$c_i^*\\|x\\|^2$, with $c_i^* = 1/\\ell_i - 1$, and the rows along $M^+ k_i$ attain it. How short can "
            "$x$ be? It lies at distance $\\sqrt\\varepsilon\\,\\|\\delta\\|$ from $\\delta$, so its squared length "
            "depends on one cosine, and is least where $x$ falls short in the direction of $\\delta$ [triangle]. "
            "Together: *least*, with equality for $x = (1 - \\sqrt\\varepsilon)\\delta$ along $M^+k_i$; divide by "
            "$c_i^* > 0$ and take roots for *line*. To have more collateral at the same miss, add to a row a "
            "direction $e$ with $e^\\top k_i = 0$. With $v$ along $M^+ k_i$ the cross term $v^\\top M e$ is a "
            "multiple of $k_i^\\top e = 0$, so the squared changes add up [excess]. For rank 2 or more such an $e$ "
            "in the span of the keys exists, with any $e^\\top M e > 0$. *Price*: the part of $x$ across $\\delta$ "
            "costs and gains nothing. For $x = f\\delta$ the sum $c_i^* f^2 + \\omega(1 - f)^2$ exceeds its least "
            "value by a square, which vanishes at the stated fraction [price]. *Mean*: as $(1-\\sqrt\\varepsilon)^2$ "
            "falls with the miss, each item pays at least $(1-\\sqrt\\varepsilon)^2 c_i^*$ at the common tolerance, "
            "and the mean of $c_i^*$ is at least $n'/r - 1$ by the writability budget.\n\n"
            "Least squares maps labels to fitted values by the hat matrix $H$, so moving one label by $\\delta$ "
            "moves the fitted values by $\\delta$ times column $i$ of $H$: the hit is $H_{ii} = \\ell_i$. The "
            "squares of that column sum to $\\ell_i$ as $H$ is a symmetric projector [column], which leaves $\\ell_i "
            "- \\ell_i^2$ for the others. With miss $(1-\\ell_i)^2$ that is the frontier [on-the-frontier], and the "
            "hit is that of the price 1 [price-one]."
        ),
        steps=(
            inequality(
                "triangle",
                "The squared length of the hit, per squared request, if $u - 1$ is the cosine between $\\delta$ and "
                "the error.",
                1 + 2 * sp.sqrt(miss) * (_cosine - 1) + miss,
                (1 - sp.sqrt(miss)) ** 2,
                2 * sp.sqrt(miss) * _cosine,
            ),
            instance(
                "excess",
                "Squared changes of an optimal row $v = M^{-1}k_i$ and of a direction $e$ that spares item $i$ add up.",
                sp.Eq(
                    sp.Trace((v + _u).T * M * (v + _u)), sp.Trace(v.T * M * v) + sp.Trace(_u.T * M * _u), evaluate=False
                ),
                {v: M_2.inv() * k_2, M: M_2, _u: sp.ImmutableMatrix([-_a * k_2[1], _a * k_2[0]])},
            ),
            inequality(
                "price",
                "What a fraction $f$ costs exceeds the least by a square.",
                _c * _f**2 + miss_price * (1 - _f) ** 2,
                _c * _price,
                (miss_price + _c) * (_f - _price) ** 2,
            ),
            instance(
                "column",
                "The squares of a column of the hat matrix sum to its diagonal entry, here of the first item, with "
                "the axes turned so that its key lies along the first.",
                sp.Eq(sp.Sum(entry(_hat, _j, 1) ** 2, (_j, 1, n_items)), entry(_hat, 1, 1), evaluate=False),
                {K: _turned, n_items: 3},
                {K: K_12, n_items: 2},
            ),
            identity(
                "on-the-frontier",
                "At the miss $(1-\\ell_i)^2$ the least collateral is",
                (1 / leverage - 1) * (1 - (1 - leverage)) ** 2,
                leverage * (1 - leverage),
            ),
            identity(
                "price-one",
                "In terms of the leverage the fraction at any price, which is $\\ell_i$ at $\\omega = 1$.",
                miss_price / (miss_price + (1 / leverage - 1)),
                miss_price * leverage / (1 + (miss_price - 1) * leverage),
            ),
        ),
    ),
    references=("meng2022rome",),
    counterexamples=(
        "Keys of rank 1 leave no direction that spares the item: with keys $(1)$ and $(1)$ and one output, the miss "
        "$1/4$ allows the collaterals $1/4$ and $9/4$ and nothing else.",
        "An item with $c_i^* = 0$ has no line: it can be hit exactly for free.",
        "Fitting anew is no way to write exactly: an item of leverage $\\ell_i$ moves by that fraction of what is "
        "asked and no further, however long one fits. Asking for $\\delta/\\ell_i$ instead hits $\\delta$, at the "
        "full price $c_i^*$.",
    ),
)
