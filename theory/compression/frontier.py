"""What is false about all memories together: that none lies below the line of the linear ones."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.evidence import Kind, Verdict
from theory.notation import mean_collateral, n_items, n_keys, n_outputs, n_parameters, rank

below_the_line = Claim(
    id="below-the-line",
    title="False: every memory lies on or above the line",
    part="compression",
    hypotheses=(
        Hypothesis(
            "A memory, read and written by whatever means, holds $n'$ items with keys of rank $r$; one write is aimed at each."
        ),
        Hypothesis("The rank of the keys is at most their number.", sp.Le(rank, n_keys)),
    ),
    statements=(
        Statement(
            "dimensions",
            sp.Ge(mean_collateral, n_keys / rank - 1),
            Kind.EXACT,
            "The bound of linear reading, with the dimensions of the keys, claimed of every memory. Memories that read nonlinear features of "
            "the keys, such as polynomials or thresholds, are below it: their features have more dimensions, and a parameter "
            "for each.",
        ),
        Statement(
            "parameters",
            sp.Ge(mean_collateral, n_items * n_outputs / n_parameters - 1),
            Kind.EXACT,
            "The same with the parameters that a write may change in place of dimensions. It holds for all that is read "
            "linearly in those parameters. A memory of bits that is read through a threshold is below it while it is not too "
            "full, because small changes do not show.",
        ),
    ),
    derivation=None,
    references=("willshaw1969",),
    counterexamples=(
        "Polynomial keys, units with a threshold, and networks lie below the line of dimensions.",
        "A Willshaw memory that is neither sparsely used nor overfull lies below the line of parameters. The fuller it is, the "
        "more a write breaks; once every synapse is on, none can be made.",
    ),
    expected=Verdict.REFUTED,
)
