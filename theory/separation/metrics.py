"""Which index of separation bounds forgetting, which does so on average, and which says nothing about it."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, instance
from theory.evidence import Kind, Verdict
from theory.notation import (
    abs_gradient_overlap,
    backprop_product,
    centred_participation,
    centring_gain,
    code_activity,
    code_height,
    code_product,
    code_size,
    column_norm,
    cosine_gap,
    dim,
    error_product,
    expected_cosine,
    expected_square_cosine,
    forgetting_gap,
    gradient_overlap,
    inverse_step,
    item_agreement,
    jaccard,
    loss_change,
    mean_square_cosine,
    n_items,
    other_code_height,
    other_error,
    other_shared_backprop,
    other_sparseness,
    output_error,
    overlap,
    participation,
    path_agreement,
    shared_backprop,
    signed_input_product,
    sparseness,
    sparsity_gain,
)

_o, _n, _d, _size = (sp.Symbol(name, integer=True, positive=True) for name in ("o", "n", "d_x", "q"))
_e, _f = sp.MatrixSymbol("e_i", _o, 1), sp.MatrixSymbol("e_j", _o, 1)
_z, _y = sp.MatrixSymbol("z_i", _n, 1), sp.MatrixSymbol("z_j", _n, 1)
_a, _b = sp.IndexedBase("a", real=True), sp.IndexedBase("b", real=True)
_i, _j = sp.symbols("i j", integer=True)
_s, _t, _u, _w, _m = sp.symbols("s t u w m", positive=True)
_x_1, _x_2, _x_3, _y_1, _y_2, _y_3 = sp.symbols("x_1 x_2 x_3 y_1 y_2 y_3", real=True)

_network = Hypothesis(
    "A network has one hidden layer, $y = W z$ with the code $z = m \\odot Vx$, and no biases. The mask $m$ is 1 at the winners $S$ of the item "
    "and 0 elsewhere, and is held. $e$ is the gradient of an item's loss by the outputs, $\\hat{e} = m \\odot W^\\top e$ that by the drive, $g$ that by all weights."
)
_first = (
    output_error * other_error * sp.Abs(code_product)
    + sp.Abs(signed_input_product) * shared_backprop * other_shared_backprop
)
_second = (
    output_error
    * other_error
    * (code_height * other_code_height + sp.Abs(signed_input_product) * column_norm**2)
    * overlap
)


def _columns(outputs: int, units: int) -> dict[sp.Basic, sp.Basic]:
    """Two errors and two codes with symbolic entries."""
    entries = {
        symbol: sp.ImmutableMatrix(sp.symbols(f"{name}_1:{size + 1}", real=True))
        for symbol, name, size in ((_e, "e", outputs), (_f, "f", outputs), (_z, "z", units), (_y, "y", units))
    }
    return entries | {_o: outputs, _n: units}


gradient_kernel = Claim(
    id="gradient-overlap",
    title="What a step on one item does to another: overlap times errors",
    part="separation",
    hypotheses=(_network,),
    statements=(
        Statement(
            "kernel",
            sp.Eq(gradient_overlap, error_product * code_product + signed_input_product * backprop_product),
            Kind.EXACT,
            "The inner product of two items' gradients has a part for each layer, and in either what the items share multiplies what they want.",
        ),
        Statement(
            "first-order",
            sp.Eq(loss_change, -gradient_overlap / inverse_step),
            Kind.ASYMPTOTIC,
            "A small step on one item changes the loss of the other by the inner product times the step.",
            hypotheses=(Hypothesis("The loss is smooth, and no winner changes along the step."),),
            size=inverse_step,
            rate=1.0,
        ),
        Statement(
            "product",
            sp.Le(abs_gradient_overlap, _first),
            Kind.EXACT,
            "It is bounded by the product of the codes, and by the errors at *common* winners.",
        ),
        Statement(
            "count",
            sp.Le(abs_gradient_overlap, _second),
            Kind.EXACT,
            "So the number of common winners bounds it, times a price for each of them that does not depend on the overlap.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "The loss sees $W$ through $Wz$ and $V$ through $m \\odot Vx$. So its gradient by $W$ is the outer product $e z^\\top$, that by $V$ is $\\hat{e} x^\\top$, and "
            "the inner product of two outer products is the product of the inner ones [outer]. That is the first statement, and $\\hat{e}_i$ is zero but at the winners of $i$, so that "
            "$\\langle\\hat{e}_i, \\hat{e}_j\\rangle$ runs over common winners. By Taylor's formula the loss changes by $-\\eta_{\\mathrm{step}} \\langle g_i, g_j\\rangle$ "
            "up to the square of the step, which is relative to it an error proportional to the step.\n\n"
            "*The bounds.* $|\\langle e_i, e_j\\rangle| \\leq \\|e_i\\|\\|e_j\\|$, and likewise for the $\\hat{e}$, restricted to common winners [cauchy-schwarz]. That is the first bound. "
            "At each common winner $|z_{ih} z_{jh}|$ is at most the product of the heights, and $|\\hat{e}_{ih}| = |\\langle W_h, e_i\\rangle| \\leq \\|W_h\\| \\|e_i\\|$. A sum over $O$ winners of at most "
            "$c^2$ each has a root of at most $c\\sqrt{O}$, and two of those multiply to $O$. Add the two parts [count-sum]."
        ),
        steps=(
            instance(
                "outer",
                "For errors of two and three entries, codes of two.",
                sp.Eq(
                    sp.Trace((_e * _z.T).T * (_f * _y.T)),
                    sp.Trace(_e.T * _f) * sp.Trace(_z.T * _y),
                    evaluate=False,
                ),
                _columns(2, 2),
                _columns(3, 2),
            ),
            instance(
                "cauchy-schwarz",
                "The gap is a sum of squares.",
                sp.Ge(
                    sp.Sum(_a[_i] ** 2, (_i, 1, _size)) * sp.Sum(_b[_i] ** 2, (_i, 1, _size)),
                    sp.Sum(_a[_i] * _b[_i], (_i, 1, _size)) ** 2,
                    evaluate=False,
                ),
                {_size: 2},
                {_size: 3},
                certificate=sp.Sum((_a[_i] * _b[_j] - _a[_j] * _b[_i]) ** 2 / 2, (_j, 1, _size), (_i, 1, _size)),
            ),
            identity(
                "count-sum",
                "The two parts together.",
                output_error * other_error * (code_height * other_code_height * overlap)
                + sp.Abs(signed_input_product) * (column_norm**2 * output_error * other_error * overlap),
                _second,
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "An output bias that learns adds $\\langle e_i, e_j\\rangle$, which no overlap multiplies; a hidden bias adds 1 to the inner product of the inputs.",
        "If winners change, first order is no guide: see the chapter on the stability of codes.",
        "Codes that share no winner, and inputs that are orthogonal, both make their part zero. Errors that are orthogonal do so too: two items of which the network is sure do each other no harm, however alike their codes.",
    ),
)

_both = sparseness * other_sparseness + (1 - sparseness) * (1 - other_sparseness) / (dim - 1)
_signed_and = Hypothesis(
    "Two codes of $d > 1$ units are not zero; $\\Pi$ permutes the units of one of them at random.", sp.Gt(dim, 1)
)
_sum, _sum_2, _square, _square_2 = sp.symbols("A B Q R", positive=True)
_mean_part = _sum * _sum_2 / dim


permutation = Claim(
    id="permutation-identity",
    title="Sparseness is expected interference, if units are assigned at random",
    part="separation",
    hypotheses=(_signed_and,),
    statements=(
        Statement(
            "square",
            sp.Eq(expected_square_cosine, _both),
            Kind.EXPECTATION,
            "The expected squared cosine depends on the two codes through their sparseness $s_z = (\\sum_h z_h)^2/(d \\sum_h z_h^2)$ alone, whatever their activities are.",
            resolution=0.1,
        ),
        Statement(
            "mean",
            sp.Eq(expected_cosine, sp.sqrt(sparseness * other_sparseness)),
            Kind.EXPECTATION,
            "The expected cosine is the geometric mean.",
            hypotheses=(Hypothesis("No activity is negative."),),
            resolution=0.1,
        ),
    ),
    derivation=Derivation(
        proof=(
            "Split each code into its mean over the units and the rest. Let the entries of $z$ have the sum $A$ and the sum of squares $Q$, those of $z'$ the sums $B$ and $R$. The mean parts have the product $AB/d$, which no permutation changes, and whose square over $QR$ is "
            "$s_z s_z'$; if no activity is negative, its root is the expected cosine. The rests sum to zero. A random permutation of one of them takes each entry to each unit alike, so their product has the mean 0, and its mean square is "
            "the product of their sums of squares over $d - 1$ [variance], as is seen for three units by going through all six permutations. The sums of squares of the rests are $Q - A^2/d$ and $R - B^2/d$, shares $1 - s_z$ and $1 - s_z'$ of "
            "all. Add the two parts [together]. For binary codes $s_z = a$, and the formula is the mean squared relative overlap of two random codes [binary]."
        ),
        steps=(
            identity(
                "variance",
                "The mean over the six permutations of three entries that sum to 0, with another three.",
                sp.Add(
                    *(
                        (_x_1 * a + _x_2 * b - (_x_1 + _x_2) * c) ** 2
                        for a, b, c in (
                            (_y_1, _y_2, -_y_1 - _y_2),
                            (_y_2, _y_1, -_y_1 - _y_2),
                            (_y_1, -_y_1 - _y_2, _y_2),
                            (_y_2, -_y_1 - _y_2, _y_1),
                            (-_y_1 - _y_2, _y_1, _y_2),
                            (-_y_1 - _y_2, _y_2, _y_1),
                        )
                    )
                )
                / 6,
                (_x_1**2 + _x_2**2 + (_x_1 + _x_2) ** 2) * (_y_1**2 + _y_2**2 + (_y_1 + _y_2) ** 2) / 2,
            ),
            identity(
                "together",
                "Both parts over both sums of squares.",
                (_mean_part**2 + (_square - _sum**2 / dim) * (_square_2 - _sum_2**2 / dim) / (dim - 1))
                / (_square * _square_2),
                _both.subs({sparseness: _sum**2 / (dim * _square), other_sparseness: _sum_2**2 / (dim * _square_2)}),
                domain=sp.Gt(dim, 1),
            ),
            identity(
                "binary",
                "Both codes binary, with $k$ of $d$ units.",
                _both.subs({sparseness: code_size / dim, other_sparseness: code_size / dim}),
                1 / dim + (code_size - 1) ** 2 / (dim * (dim - 1)),
                domain=sp.Gt(dim, 1),
            ),
        ),
    ),
    references=("rolls1990",),
    counterexamples=(
        "Codes are not assigned at random where inputs are alike: all items may use the same few units. Sparseness is then as low as you like and the cosine is 1.",
        "Hoyer's sparseness is a function of the same number, and says no more.",
    ),
)

_identity = (n_items / participation - 1) / (n_items - 1)
_floor = (n_items / dim - 1) / (n_items - 1)
_some = Hypothesis("There are $n > 1$ codes, none of them zero.", sp.Gt(n_items, 1))

participation_identity = Claim(
    id="participation-ratio",
    title="The participation ratio is average interference, and has a floor",
    part="separation",
    hypotheses=(_some,),
    statements=(
        Statement(
            "identity",
            sp.Eq(mean_square_cosine, _identity),
            Kind.EXACT,
            "The mean squared cosine over all pairs, and the participation ratio of the codes at unit length, *not centred*, are one number.",
        ),
        Statement(
            "floor",
            sp.Ge(mean_square_cosine, _floor),
            Kind.EXACT,
            "No codes have less interference on average than this.",
        ),
        Statement(
            "attained",
            sp.Eq(mean_square_cosine, _floor),
            Kind.EXACT,
            "And some have no more.",
            hypotheses=(
                Hypothesis(
                    "The codes are a tight frame: at unit length, $\\sum_i z_i z_i^\\top = \\tfrac nd I$.",
                    sp.Ge(n_items, dim),
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Scale the codes to unit length and let $C = \\tfrac1n \\sum_i z_i z_i^\\top$. Its trace is 1, and $\\operatorname{tr} C^2 = \\tfrac{1}{n^2} \\sum_{ij} \\cos^2$ [trace], of which the $n$ "
            "pairs of an item with itself give $n$. So $\\mathrm{PR} = 1/\\operatorname{tr} C^2 = n^2/(n + n(n-1)\\overline{\\cos^2})$, solved for the mean: the identity [solve]. The eigenvalues of $C$ are $d$ numbers with the sum 1, "
            "so the sum of their squares is at least $1/d$ [spread], that is $\\mathrm{PR} \\leq d$. With equal eigenvalues, in a tight frame, $\\mathrm{PR} = d$, and the floor is attained. It is Welch's bound, for the mean."
        ),
        steps=(
            identity(
                "trace",
                "For two codes in the plane: squared norm of the sum of outer products, and the sum of the squared inner products.",
                (_x_1**2 + _y_1**2) ** 2 + 2 * (_x_1 * _x_2 + _y_1 * _y_2) ** 2 + (_x_2**2 + _y_2**2) ** 2,
                (_x_1**2 + _x_2**2) ** 2 + 2 * (_x_1 * _y_1 + _x_2 * _y_2) ** 2 + (_y_1**2 + _y_2**2) ** 2,
            ),
            identity(
                "solve",
                "Mean squared cosine, from the participation ratio that it has.",
                _identity.subs(participation, n_items**2 / (n_items + n_items * (n_items - 1) * mean_square_cosine)),
                mean_square_cosine,
                domain=sp.And(sp.Gt(n_items, 1), sp.Gt(mean_square_cosine, 0)),
            ),
            inequality(
                "spread",
                "For three eigenvalues; the gap is a sum of squares.",
                _x_1**2 + _x_2**2 + _x_3**2,
                (_x_1 + _x_2 + _x_3) ** 2 / 3,
                ((_x_1 - _x_2) ** 2 + (_x_1 - _x_3) ** 2 + (_x_2 - _x_3) ** 2) / 3,
            ),
        ),
    ),
    references=("welch1974",),
    counterexamples=(
        "With $n \\leq d$ the floor is at most 0 and says nothing: orthogonal codes do not interfere.",
        "It is an average. One pair of equal codes among many is a pair of memories of which one is lost, and moves the average little.",
        "Of codes with unequal lengths the participation ratio weighs the long ones more, and the identity fails: scale them first.",
    ),
)

counting = Claim(
    id="overlap-and-jaccard",
    title="Overlap and Jaccard index count the same",
    part="separation",
    hypotheses=(Hypothesis("Two codes have $k$ active units each."),),
    statements=(
        Statement(
            "jaccard",
            sp.Eq(overlap, 2 * code_size * jaccard / (1 + jaccard)),
            Kind.EXACT,
            "Either follows from the other.",
        ),
    ),
    derivation=Derivation(
        proof="Together the codes have $2k - O$ units, so that $\\mathrm{Jac} = O/(2k - O)$ [union].",
        steps=(
            identity(
                "union",
                "The overlap from that.",
                2 * code_size * (overlap / (2 * code_size - overlap)) / (1 + overlap / (2 * code_size - overlap)),
                overlap,
                domain=sp.Lt(overlap, 2 * code_size),
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "With codes of unequal sizes the same Jaccard index goes with different overlaps: one unit of one in three, and two of three in six.",
    ),
)

sparse_is_separate = Claim(
    id="sparseness-bounds-interference",
    title="False: sparse codes interfere little",
    part="separation",
    hypotheses=(_some,),
    statements=(
        Statement(
            "average",
            sp.Le(mean_square_cosine, code_activity),
            Kind.EXACT,
            "Codes of activity $a$ have on average no more squared cosine than $a$.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "It is true on average of codes that are assigned at random, and then with much to spare. It says nothing of codes that are learnt, or computed from inputs that are alike.",
        "All items may have one and the same sparse code. Every write then overwrites every memory.",
    ),
    expected=Verdict.REFUTED,
)

centred_bounds = Claim(
    id="centred-participation",
    title="False: the dimension of the codes bounds their interference",
    part="separation",
    hypotheses=(_some,),
    statements=(
        Statement(
            "average",
            sp.Le(mean_square_cosine, (n_items / centred_participation - 1) / (n_items - 1)),
            Kind.EXACT,
            "The participation ratio of the covariance, which is what is usually measured, gives the same bound as that of the second moment.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Add one constant to all activities. The covariance, and every index made from it, stays as it is; the cosines all go to 1.",
    ),
    expected=Verdict.REFUTED,
)

_digits = Hypothesis(
    "Networks of one hidden layer with $k$ winners, which must be driven above zero, learn the digits 0 to 4 and then the digits 5 to 9, until 90 % of the latter are told apart from all ten or the steps run out. "
    "They have 200 units and differ in $k$, which is at least 4 and at most 100.",
    sp.Eq(dim, 200),
)

overlap_and_update = Claim(
    id="overlap-and-update",
    title="Forgetting follows overlap times update, and centring beats sparseness",
    part="separation",
    hypotheses=(_digits,),
    statements=(
        Statement(
            "items",
            sp.Ge(item_agreement, sp.Rational(1, 4)),
            Kind.EMPIRICAL,
            "*Within* a network, the old digits whose codes are nearer to those of the new ones lose more: the rank correlation is at least 0.25, averaged over the kinds of networks.",
            resolution=1.0,
        ),
        Statement(
            "path",
            sp.Ge(path_agreement, sp.Rational(1, 2)),
            Kind.EMPIRICAL,
            "*Across* networks, forgetting follows the length of the path in the weights that the old digits use, to a rank correlation of at least 0.5.",
            hypotheses=(Hypothesis("The hidden weights are random and frozen."),),
            resolution=2.0,
        ),
        Statement(
            "centring",
            sp.Ge(centring_gain, sp.Rational(1, 2)),
            Kind.EMPIRICAL,
            "Taking the mean image off the inputs saves at least half of all old digits, at any number of winners.",
            hypotheses=(Hypothesis("All weights learn."),),
            resolution=1.0,
        ),
        Statement(
            "sparsity",
            sp.Le(sparsity_gain, sp.Rational(1, 4)),
            Kind.EMPIRICAL,
            "With centred inputs, the best number of winners saves at most a quarter more of them than the worst.",
            hypotheses=(Hypothesis("All weights learn."),),
            resolution=2.0,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "If hidden weights learn from raw inputs, the length of the path does not order the networks either: codes drift, and a drifted code reads what it never wrote.",
        "Most of what a network with one output layer loses, it loses to the competition among all ten labels. Among the five old labels alone it still tells most digits apart.",
    ),
)

less_overlap = Claim(
    id="less-overlap-less-forgetting",
    title="False: networks with less overlap forget less",
    part="separation",
    hypotheses=(
        _digits,
        Hypothesis(
            "Of two of them, the one with the fewest winners has codes of old and new digits that overlap less.",
            sp.Lt(cosine_gap, 0),
        ),
    ),
    statements=(
        Statement(
            "across",
            sp.Le(forgetting_gap, sp.Integer(0), evaluate=False),
            Kind.EMPIRICAL,
            "So it forgets less of the old digits, or at least no more.",
            hypotheses=(Hypothesis("All weights learn, and the inputs are as they are."),),
            resolution=1.0,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Sparse codes of inputs that are nearly alike are a little more apart, and need more steps to tell the new items apart. The second outweighs the first.",
        "With centred inputs the sentence is nearer to the truth, and where the hidden weights are random besides, it holds of these networks.",
    ),
    expected=Verdict.REFUTED,
)
