"""Several items written at once: what a batch pays, on average over all batches, and which batches escape."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, instance
from theory.evidence import Kind, Verdict
from theory.notation import (
    batch_collateral,
    batch_inverse,
    batch_size,
    dim,
    entry,
    expected_batch,
    leverage,
    mean_batch,
    mean_single,
    n_items,
    rank,
    sum_spared,
)

_i, _j = sp.symbols("i j", integer=True, positive=True)
_share = sp.IndexedBase("w", positive=True)
_h, _ell_j = sp.Symbol("H_ij", real=True), sp.Symbol("ell_j", positive=True)
_t = sp.Symbol("t", real=True)

# Whitened keys: of a batch, of one item, of its companions. Their Gram matrix is the batch's block of the hat matrix.
_Z = sp.MatrixSymbol("Z_S", rank, batch_size)
_z = sp.MatrixSymbol("z", rank, 1)
_C = sp.MatrixSymbol("Z_C", rank, batch_size - 1)
_Y = sp.MatrixSymbol("y", 1, batch_size)
_e = sp.MatrixSymbol("e", rank, 1)
_ones = sp.MatrixSymbol("u", batch_size, 1)
_gram = sp.Inverse(_Z.T * _Z)
_least = _Y * _gram * _Z.T  # the row of the write, in whitened coordinates
_off = _C * sp.Inverse(_C.T * _C) * _C.T
_left = sp.Trace(_z.T * _z) - sp.Trace(_z.T * _off * _z)  # squared length of what is left off the companions


def _entries(letter: str, rows: int, columns: int) -> sp.ImmutableMatrix:
    names = [f"{letter}_{i}{j}" for i in range(1, rows + 1) for j in range(1, columns + 1)]
    return sp.ImmutableMatrix(rows, columns, [sp.Symbol(name, real=True) for name in names])


_z_2, _z_3, _c_2, _c_3 = (_entries(*of) for of in (("z", 2, 1), ("z", 3, 1), ("c", 2, 1), ("c", 3, 1)))
# Two columns in axes turned so that the first lies along one axis, and the second in the plane of two.
_z_22, _c_32 = (
    sp.ImmutableMatrix(
        [
            [sp.Symbol(f"{of}_11", real=True), sp.Symbol(f"{of}_12", real=True)],
            [0, sp.Symbol(f"{of}_22", real=True)],
            *rest,
        ]
    )
    for of, rest in (("z", []), ("c", [[0, 0]]))
)
_batches = {  # rank and size of a batch: one item, then its companions
    (2, 2): (_z_2, _c_2),
    (3, 2): (_z_3, _c_3),
    (3, 3): (_z_3, _c_32),
}

_total = sp.Sum(_share[_i], (_i, 1, n_items))
_bound = (n_items - rank) / (rank - batch_size + 1)
_gaussian_mean = (n_items - dim) / (dim - batch_size - 1)
_alike = Hypothesis("The values count alike: $Y^\\top Y$ is a multiple of the identity, exactly or on average.")
_fits = Hypothesis(
    "A batch has at most as many items as the rank, $m \\leq r \\leq n$.",
    sp.And(sp.Le(batch_size, rank), sp.Le(rank, n_items)),
)
_independent = Hypothesis("The keys of the batch are independent, so that $L_S$ is invertible.")
_least_write = Hypothesis("The write is the least one, $\\Delta W = Y L_S^{-1} K_S^\\top M^+$.")

batch_writes = Claim(
    id="batch-writes",
    title="What a batch of writes pays",
    part="compression",
    hypotheses=(
        Hypothesis(
            "The items are read linearly, and all $m$ items of a batch $S$ are written by one change $\\Delta W$."
        ),
        Hypothesis("The write is exact: $\\Delta W K_S = Y$, the values that are asked for, one column an item."),
    ),
    statements=(
        Statement(
            "mean",
            sp.Ge(mean_batch, _bound),
            Kind.EXACT,
            "The mean of the least collateral over all batches of $m$ items. It is infinite where the keys of some "
            "batch are dependent.",
            hypotheses=(_alike, _fits),
        ),
        Statement(
            "equality",
            sp.Eq(mean_batch, _bound),
            Kind.EXACT,
            "It is attained by equal leverages for $m = 1$, by equiangular tight frames for $m = 2$, and by "
            "simplices, $n = r + 1$, for every $m$. For $m \\geq 2$ no code attains it that is not an equiangular "
            "tight frame.",
            hypotheses=(_alike, _fits, Hypothesis("The whitened keys are such a configuration.")),
        ),
        Statement(
            "batch",
            sp.Ge(batch_collateral, batch_inverse - 1),
            Kind.EXACT,
            "No write of one batch has less collateral than this, where $L_S$ is the batch's block of the hat "
            "matrix. For values that count alike the fraction is $\\frac{1}{m}\\operatorname{tr} L_S^{-1}$.",
            hypotheses=(_independent,),
        ),
        Statement(
            "optimal",
            sp.Eq(batch_collateral, batch_inverse - 1),
            Kind.EXACT,
            "One write attains it.",
            hypotheses=(_independent, _least_write),
        ),
        Statement(
            "single",
            sp.Ge(batch_collateral, mean_single),
            Kind.EXACT,
            "A batch never pays less than its items do one at a time, each into a fresh memory.",
            hypotheses=(_alike,),
        ),
        Statement(
            "orthogonal",
            sp.Eq(batch_collateral, n_items / rank - 1),
            Kind.EXACT,
            "A batch from one basis pays what a single write pays, however large it is and whatever is asked.",
            hypotheses=(
                _least_write,
                Hypothesis(
                    "The whitened keys split into orthogonal bases of equal lengths, and the batch comes from one of "
                    "them."
                ),
            ),
        ),
        Statement(
            "spared",
            sp.Eq(sum_spared, rank - batch_size + 1),
            Kind.EXACT,
            "The conservation law behind the mean: if $m - 1$ companions must stay exactly as they are, the largest "
            "writabilities of all other items sum to what is left of the rank.",
            hypotheses=(Hypothesis("The keys of the companions are independent."),),
        ),
        Statement(
            "gaussian",
            sp.Eq(expected_batch, _gaussian_mean),
            Kind.EXPECTATION,
            "For Gaussian keys the expected least collateral of a batch.",
            hypotheses=(
                _alike,
                Hypothesis(
                    "The keys are independent and Gaussian, of mean 0 and any one invertible covariance, and $n > d$.",
                    sp.Gt(n_items, dim),
                ),
                Hypothesis(
                    "$d > m + 7$, so that the fourth moment of the collateral is finite and an interval of its mean "
                    "is honest. Its variance is finite for $d > m + 3$; the equation needs $d > m + 1$.",
                    sp.Gt(dim, batch_size + 7),
                ),
            ),
            resolution=0.05,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Whiten the keys: let $z_j = M^{-1/2} k_j$, restricted to the span of the keys, so that $\\sum_j z_j "
            "z_j^\\top$ is the identity in $r$ dimensions and $\\langle z_i, z_j \\rangle = H_{ij}$. A row $a$ of a "
            "write, in these coordinates, moves item $j$ by $\\langle a, z_j \\rangle$ and all items together by "
            "$\\sum_j \\langle a, z_j\\rangle^2 = \\|a\\|^2$. The batch asks that $a^\\top Z_S = y$. The row $a = "
            "Z_S L_S^{-1} y^\\top$, with $L_S = Z_S^\\top Z_S$, does that, and has $\\|a\\|^2 = y L_S^{-1} y^\\top$ "
            "[energy]. Any other row that does it is $a + e$ with $Z_S^\\top e = 0$; the two parts are orthogonal, "
            "so it is longer [aside]. Add up the rows of $Y$ and subtract the $\\|Y\\|^2$ that the batch itself "
            "moves: this is *batch*, and *optimal*. With values that count alike the cost is the mean of "
            "$(L_S^{-1})_{ii} - 1$ over the batch.\n\n"
            "Now fix one item $i$ and its $m - 1$ companions $C$. Asking for 1 at $i$ and 0 at the companions costs "
            "$(L_S^{-1})_{ii}$, which is one over the squared length of $z_i$ after projecting off the companions "
            "[spare]. So $w_{i|C} = z_i^\\top P z_i$, with $P$ the projector off the span of $Z_C$, is the largest "
            "writability of $i$ that spares $C$. It is 0 for the companions themselves. Sum it over all items: "
            "$\\operatorname{tr} P \\sum_j z_j z_j^\\top = \\operatorname{tr} P$, which is $r - (m - 1)$ [trace]. "
            "This is *spared*: each companion removes one item and one dimension. Projecting shortens [shorter], so "
            "$w_{i|C} \\leq \\ell_i$, and *single* follows. In a basis of orthogonal $z_j$ of equal lengths the "
            "block $L_S$ is a multiple of the identity; all leverages are equal and sum to $r$, so it is $r/n$ times "
            "the identity, and *orthogonal* follows.\n\n"
            "Average $1/w_{i|C}$ over the $n - m + 1$ items outside $C$. By the inequality of arithmetic and "
            "harmonic mean it is at least $(n - m + 1)/(r - m + 1)$ [am-hm]. Less one that is the bound [less-one], "
            "and averaging over $C$ averages over all batches and all items in them, each pair $(i, C)$ once. If "
            "some $Z_C$ is dependent, the mean is infinite. Equality needs $w_{i|C}$ to be the same for all $i$ and "
            "$C$. For $m = 1$ that says equal leverages. For $m = 2$ it says that $\\ell_i - H_{ij}^2/\\ell_j$ is "
            "the same for every ordered pair. Exchange the two items: the difference is a product of which one "
            "factor vanishes only for dependent keys [pair], so all $\\ell_i$ are equal, and then all $|H_{ij}|$: an "
            "equiangular tight frame. Conversely every such frame makes it constant. For larger $m$, project all "
            "keys off $m - 2$ companions: what is left attains the bound for pairs, so its leverages are equal. Thus "
            "equality for $m$ implies equality for $m - 1$, and so on down to pairs. In a simplex $L_S$ is the "
            "identity less $1/n$ everywhere, and every batch costs $1/(n - m)$ [simplex], the bound at $r = n - "
            "1$.\n\n"
            "Gaussian keys: the row space of $K$ is a uniformly random subspace of dimension $d$ in $\\mathbb{R}^n$. "
            "Rows that spare $C$ are the vectors in it that vanish on $C$: a uniformly random subspace of dimension "
            "$d - m + 1$ among the $n - m + 1$ other coordinates, since rotations of those leave its law as it is. "
            "So $w_{i|C}$ is the leverage of an item among $n - m + 1$ Gaussian keys in $d - m + 1$ dimensions, "
            "which follows a Beta law, as for single writes. The mean of its inverse is an integral "
            "[inverse-moment], and less one it is the statement [gaussian-mean]."
        ),
        steps=(
            instance(
                "energy",
                "The row of the least write has this squared length; the axes are turned so that the first key lies "
                "along one.",
                sp.Eq(sp.Sum(entry(_least, 1, _j) ** 2, (_j, 1, rank)), entry(_Y * _gram * _Y.T, 1), evaluate=False),
                {_Z: _z_22, _Y: _entries("y", 1, 2), rank: 2},
                {_Z: _entries("z", 3, 1), _Y: _entries("y", 1, 1), rank: 3},
            ),
            instance(
                "aside",
                "Its product with any row $e$ is one with $Z_S^\\top e$, which vanishes if $e$ leaves the batch alone.",
                sp.Eq(
                    sp.Sum(entry(_least, 1, _j) * entry(_e, _j), (_j, 1, rank)),
                    sp.Sum(entry(_Y * _gram, 1, _j) * entry(_Z.T * _e, _j), (_j, 1, batch_size)),
                    evaluate=False,
                ),
                {_Z: _z_22, _Y: _entries("y", 1, 2), _e: _entries("e", 2, 1), rank: 2, batch_size: 2},
                {_Z: _entries("z", 3, 1), _Y: _entries("y", 1, 1), _e: _entries("e", 3, 1), rank: 3, batch_size: 1},
            ),
            instance(
                "spare",
                "The diagonal of the inverse is one over a squared length, for an item $z$ written first in its "
                "batch. Two companions are taken in axes turned so that the first lies along the first axis, and the "
                "second in the plane of the first two.",
                sp.Eq(entry(_gram, 1, 1) * _left, 1, evaluate=False),
                *(
                    {_Z: item.row_join(others), _z: item, _C: others, rank: of[0]}
                    for of, (item, others) in _batches.items()
                ),
            ),
            instance(
                "trace",
                "The projector off the companions has this trace.",
                sp.Eq(sp.Trace(sp.Identity(rank)) - sp.Trace(_off), rank - batch_size + 1, evaluate=False),
                *({_C: others, rank: of[0], batch_size: of[1]} for of, (_, others) in _batches.items()),
            ),
            instance(
                "shorter",
                "What the projection takes away from $\\|z_i\\|^2 = \\ell_i$ is no negative number; for one "
                "companion it is this square.",
                sp.Eq(sp.Trace(_z.T * _off * _z), sp.Trace(_z.T * _C) ** 2 / sp.Trace(_C.T * _C), evaluate=False),
                {_z: _z_2, _C: _c_2},
                {_z: _z_3, _C: _c_3},
            ),
            instance(
                "am-hm",
                "The mean of inverse shares is least if all are equal; the gap is a sum of squares over positive "
                "products.",
                sp.Ge(sp.Sum(1 / _share[_i], (_i, 1, n_items)) / n_items, n_items / _total, evaluate=False),
                {n_items: 2},
                {n_items: 3},
                certificate=sp.Sum(
                    (_share[_i] - _share[_j]) ** 2 / (2 * _share[_i] * _share[_j]), (_j, 1, n_items), (_i, 1, n_items)
                )
                / (n_items * _total),
            ),
            identity(
                "less-one",
                "The least mean, less the item itself, is",
                (n_items - batch_size + 1) / (rank - batch_size + 1) - 1,
                _bound,
                domain=sp.Gt(rank, batch_size),
            ),
            identity(
                "pair",
                "What a pair of items has in shares, less the same with the items exchanged.",
                (leverage - _h**2 / _ell_j) - (_ell_j - _h**2 / leverage),
                (leverage - _ell_j) * (1 - _h**2 / (leverage * _ell_j)),
            ),
            instance(
                "simplex",
                "The cost of a batch from a simplex, with $u$ the column of $m$ ones.",
                sp.Eq(
                    sp.Trace(sp.Inverse(sp.Identity(batch_size) - _ones * _ones.T / n_items)) / batch_size - 1,
                    1 / (n_items - batch_size),
                    evaluate=False,
                ),
                {_ones: sp.ImmutableMatrix(sp.ones(1, 1)), batch_size: 1, n_items: 4},
                {_ones: sp.ImmutableMatrix(sp.ones(2, 1)), batch_size: 2, n_items: 4},
                {_ones: sp.ImmutableMatrix(sp.ones(3, 1)), batch_size: 3, n_items: 7},
            ),
            instance(
                "inverse-moment",
                "The mean of $1/w$ under the Beta density with parameters $(d - m + 1)/2$ and $(n - d)/2$.",
                sp.Eq(
                    sp.gamma((n_items - batch_size + 1) / 2)
                    / (sp.gamma((dim - batch_size + 1) / 2) * sp.gamma((n_items - dim) / 2))
                    * sp.Integral(
                        _t ** ((dim - batch_size + 1) / 2 - 2) * (1 - _t) ** ((n_items - dim) / 2 - 1), (_t, 0, 1)
                    ),
                    (n_items - batch_size - 1) / (dim - batch_size - 1),
                    evaluate=False,
                ),
                {n_items: 9, dim: 5, batch_size: 2},
                {n_items: 14, dim: 8, batch_size: 3},
                {n_items: 11, dim: 7, batch_size: 2},
            ),
            identity(
                "gaussian-mean",
                "Less one it is",
                (n_items - batch_size - 1) / (dim - batch_size - 1) - 1,
                _gaussian_mean,
                domain=sp.Gt(dim, batch_size + 1),
            ),
        ),
    ),
    references=("meng2023memit", "strohmer2003"),
    counterexamples=(
        "One batch is not the mean of all: a batch of whitened-orthogonal keys pays no more than its items singly, "
        "however many there are.",
        "Values that do not count alike: of two items of equal leverage $\\ell$ with $H_{ij} > 0$, asking both for the same "
        "value costs $1/(\\ell + H_{ij}) - 1$, less than to ask one of them. Asking for opposite values costs $1/(\\ell - "
        "H_{ij}) - 1$, which grows without bound as the keys become equal.",
        "More items than the rank: no write has all values exactly, and the cost is infinite. So it is for any batch "
        "of dependent keys, and one such batch makes the mean infinite. Report medians.",
        "Equiangularity is not enough beyond pairs: the sixteen lines in six dimensions attain the bound for $m = 2$ "
        "and miss it for $m = 3$.",
        "Where no real equiangular tight frame exists, as for 7 items in 3 dimensions, 8 in 4 or 9 in 5, nothing "
        "attains the bound for $m \\geq 2$.",
    ),
)

every_batch_pays = Claim(
    id="every-batch-pays",
    title="False: every batch pays what batches pay on average",
    part="compression",
    hypotheses=batch_writes.hypotheses,
    statements=(
        Statement(
            "batch",
            sp.Ge(batch_collateral, _bound),
            Kind.EXACT,
            "The tempting reading of the theorem: writing $m$ items at once costs $(n-r)/(r-m+1)$. That is the mean "
            "over all batches. A batch that is chosen well pays less, and batches from one orthogonal basis pay only "
            "$n/r - 1$.",
            hypotheses=(_alike, _fits, _least_write),
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "With as many items in the batch as dimensions the least mean over all batches is $r$ times what a basis pays.",
    ),
    expected=Verdict.REFUTED,
)
