"""The book's notation: one symbol, one meaning and one LaTeX form throughout.

A symbol's name is the keyword under which its value is given to a claim (``claim.bound(n_keys=40, rank=8)``);
its LaTeX form is what the book prints. The glossary page is made from this table.
"""

from typing import NamedTuple

import sympy as sp
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE


class Notation(NamedTuple):
    """One row of the glossary: the symbol, how it is printed, what it means."""

    symbol: sp.Expr
    latex: str
    meaning: str


GLOSSARY: dict[str, Notation] = {}


def define(name: str, latex: str, meaning: str, **assumptions: bool) -> sp.Symbol:
    """The symbol ``name`` with its glossary entry; raises ``ValueError`` when the name already means something else."""
    return _register(name, Notation(sp.Symbol(name, **assumptions), latex, meaning))


def define_matrix(name: str, latex: str, meaning: str, rows: sp.Expr | int, columns: sp.Expr | int) -> sp.MatrixSymbol:
    """The matrix symbol ``name`` (rows by columns) with its glossary entry; raises ``ValueError`` as :func:`define`."""
    return _register(name, Notation(sp.MatrixSymbol(name, rows, columns), latex, meaning))


def _register(name: str, entry: Notation) -> sp.Expr:
    if GLOSSARY.setdefault(name, entry) != entry:
        raise ValueError(
            f"symbol {name!r} is already defined as {GLOSSARY[name].meaning!r}: one symbol has one meaning; "
            "choose another name"
        )
    return entry.symbol


class _Printer(LatexPrinter):
    """SymPy's LaTeX with the glossary's symbol forms; the trace of a 1 x 1 product is printed as the number it is."""

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        entry = GLOSSARY.get(expr.name)
        return entry.latex if entry else super()._print_Symbol(expr, style)

    def _print_MatrixSymbol(self, expr: sp.MatrixSymbol) -> str:
        entry = GLOSSARY.get(expr.name)
        return entry.latex if entry else super()._print_MatrixSymbol(expr)

    def _print_Transpose(self, expr: sp.Transpose) -> str:
        return super()._print_Transpose(expr).replace("{T}", r"{\top}")

    def _print_MatrixElement(self, expr: MatrixElement) -> str:
        """Counted from 1, as a reader counts; the only column of a vector is not written."""
        indices = [expr.i + 1, *([expr.j + 1] if expr.parent.shape[1] != 1 else [])]
        matrix = self.parenthesize(expr.parent, PRECEDENCE["Atom"], strict=True)
        return rf"{{{matrix}}}_{{{','.join(map(self._print, indices))}}}"

    def _as_ordered_terms(self, expr: sp.Add, order: str | None = None) -> list[sp.Expr]:
        return sorted(super()._as_ordered_terms(expr, order), key=lambda term: term.could_extract_minus_sign())

    def _needs_mul_brackets(self, expr: sp.Basic, first: bool = False, last: bool = False) -> bool:
        return isinstance(expr, sp.Trace) or super()._needs_mul_brackets(expr, first, last)

    def _print_Trace(self, expr: sp.Trace) -> str:
        return self._print(expr.arg) if expr.arg.shape == (1, 1) else super()._print_Tr(expr)

    def parenthesize(self, item: sp.Basic, level: int, is_neg: bool = False, strict: bool = False) -> str:
        if isinstance(item, sp.Trace) and item.arg.shape == (1, 1):
            return rf"\left({self._print(item)}\right)"
        return super().parenthesize(item, level, is_neg, strict)


def entry(matrix: sp.MatrixExpr, row: sp.Expr | int, column: sp.Expr | int = 1) -> MatrixElement:
    """The entry of a matrix expression, counted from 1 and not multiplied out.

    >>> latex(entry(K.T * v, n_items))
    '{\\\\left(K^{\\\\top} v\\\\right)}_{n}'
    """
    return MatrixElement(matrix, row - 1, column - 1)


def latex(expr: sp.Basic) -> str:
    r"""LaTeX of any expression, statement or matrix in the book's notation.

    >>> latex(sp.Ge(mean_collateral, compression - 1))
    '\\bar{c} \\geq \\rho - 1'
    """
    return _Printer().doprint(expr)


# Items, dimensions, counts
n_items = define("n_items", "n", "number of items, zero keys included", integer=True, positive=True)
n_keys = define("n_keys", "n'", "number of items whose key is not zero", integer=True, positive=True)
dim = define("dim", "d", "dimension of a key: units that carry the code", integer=True, positive=True)
rank = define("rank", "r", "rank of the key matrix, at most min(n, d)", integer=True, positive=True)
compression = define("compression", r"\rho", "compression n'/r: items for each dimension in use", positive=True)

n_outputs = define("n_outputs", "o", "number of outputs of a network or a readout", integer=True, positive=True)
n_parameters = define("n_parameters", "P", "number of parameters that a write may change", integer=True, positive=True)
load = define("load", r"\alpha", "load n/d: items for each dimension, which may be below 1", positive=True)
n_writes = define("n_writes", "N", "number of writes made one after the other", integer=True, positive=True)
ridge = define(
    "ridge", r"\mu", "ridge: squared change that a unit of squared weight change is charged as", positive=True
)
effective_dim = define(
    "effective_dim", r"d_{\mathrm{eff}}", "effective dimension of the keys under a ridge", positive=True
)

# What a write does
writability = define("writability", "w_i", "writability of item i: the share of a write's effect that lands on it")
sum_writability = define("sum_writability", r"\sum_i w_i", "total writability over all items, one write aimed at each")
collateral = define(
    "collateral", "c_i", "collateral of a write at item i: squared change of all other items, per squared change of i"
)
mean_collateral = define("mean_collateral", r"\bar{c}", "mean collateral over the items with a nonzero key")
max_collateral = define("max_collateral", r"\max_i c_i", "largest collateral over the items with a nonzero key")
optimal_collateral = define("optimal_collateral", "c_i^*", "least collateral of any write that moves item i")
leverage = define(
    "leverage", r"\ell_i", "leverage of item i: diagonal entry i of the hat matrix, in [0, 1]", positive=True
)

# Toy models of superposition, local writes, frames
dimensionality = define(
    "dimensionality",
    "D_i",
    "feature dimensionality of item i, equal to the writability of its local write",
    positive=True,
)
sum_dimensionality = define("sum_dimensionality", r"\sum_i D_i", "total feature dimensionality of a code")
blast_radius = define("blast_radius", "B_i", "blast radius of unit key i: sum of its squared overlaps with all others")
mean_local_collateral = define(
    "mean_local_collateral", r"\bar{c}^{\,\mathrm{local}}", "mean collateral of local (Hebbian) writes"
)
mean_blast = define("mean_blast", r"\frac{1}{n}\sum_i B_i", "mean blast radius of unit keys")
max_overlap = define(
    "max_overlap", r"\max_{i \neq j} \langle k_i, k_j\rangle^2", "largest squared overlap of two unit keys"
)

# Random keys
expected_optimal = define("expected_optimal", r"\mathbb{E}\,c_i^*", "expected least collateral over random keys")
expected_local = define(
    "expected_local", r"\mathbb{E}\,B_i", "expected collateral of a local write over random unit keys"
)
leverage_cdf = define("leverage_cdf", r"\Pr(\ell_i \leq z)", "distribution function of the leverage over random keys")
x = define("x", "z", "a point in [0, 1] at which a distribution function is taken", positive=True)

# Items that are not used equally
damage = define("damage", r"\mathcal{D}", "damage of a stream of writes: the sum of the damages of the items")
item_damage = define(
    "item_damage",
    r"\mathcal{D}_i",
    "damage of the writes at item i: its rate times the weighted squared change of all others, per squared change of i",
)
use = define("use", "a_i", "use of item i: its importance times the rate at which it is written", nonnegative=True)
water_level = define("water_level", r"\theta", "level of the root of use at which dimensions are shared", positive=True)
n_dedicated = define(
    "n_dedicated", "s", "number of items with a dimension of their own", integer=True, nonnegative=True
)
shared_root = define(
    "shared_root", "R", "sum of the roots of use over the items that share dimensions", nonnegative=True
)
shared_use = define("shared_use", "A", "sum of the uses of the items that share dimensions", nonnegative=True)
total_root = define("total_root", r"R_{\mathrm{all}}", "sum of the roots of use over all items", positive=True)
total_use = define("total_use", r"A_{\mathrm{all}}", "sum of the uses of all items", positive=True)

# Networks to first order, and finite writes
tangent_rank = define(
    "tangent_rank", "r_J", "rank of the tangent features of all outputs of all items", integer=True, nonnegative=True
)
n_hidden = define(
    "n_hidden", "n_h", "number of positively homogeneous (ReLU) hidden units", integer=True, nonnegative=True
)
n_features = define("n_features", "n_x", "number of features of an autoencoder", integer=True, positive=True)
weight_rank = define("weight_rank", "r_W", "rank of an autoencoder's weights", integer=True, positive=True)
exact_hit = define(
    "exact_hit",
    r"\bar{c}^{\,\mathrm{exact}}",
    "mean collateral of the least write that gives all outputs of an item a random value, over the items",
)
sum_best = define(
    "sum_best", r"\sum_i \max w_i", "total over the items of the writability of the output that is easiest to write"
)
step_share = define("step_share", r"\sum_i D_i / r_J", "share of the writability budget that one gradient step spends")
hit_inverse = define("hit_inverse", "1/h_i", "inverse of the change that a write makes at its item", positive=True)
off_tangent = define(
    "off_tangent",
    r"\kappa^\perp_i",
    "off-tangent fraction: share of the length of a write's change that no first-order write can make, in [0, 1]",
    nonnegative=True,
)
norm_off_tangent = define(
    "norm_off_tangent",
    r"\|\kappa^\perp\|_2",
    "root of the sum over the items of the squared off-tangent fractions",
    nonnegative=True,
)
root_writability = define("root_writability", r"\sqrt{w_i}", "root of the writability of item i")
curvature = define("curvature", r"\beta", "bound on the curvature of a network's outputs", nonnegative=True)
length_inverse = define("length_inverse", r"1/\|\delta\|", "inverse of the length of a write", positive=True)
write_norm = define("write_norm", r"\|\delta\|", "length of the change of all parameters", nonnegative=True)
change_norm = define(
    "change_norm",
    r"\|\Delta^{(i)}\|",
    "length of the change that the write at item i makes of all outputs",
    positive=True,
)

# Thresholds, margins, sparse activity
threshold = define("threshold", r"\tau", "threshold or margin: what stays below it has no effect", positive=True)
n_active = define("n_active", r"k_\zeta", "number of other items that are active at once", integer=True, positive=True)
activity = define("activity", "p", "activity: probability that an item is active", positive=True)
interference = define(
    "interference", r"|\zeta_i|", "size of the interference at item i: what the active items add up to there"
)
exceedance = define(
    "exceedance", r"\Pr(|\zeta_i| > \tau)", "probability to exceed the threshold: of the interference at item i"
)
mean_square = define("mean_square", r"\mathbb{E}\,\zeta_i^2", "mean squared interference at item i")
mean_excess = define(
    "mean_excess", r"\mathbb{E}\,(\zeta_i - \tau)_+^2", "mean squared excess of the interference over the threshold"
)
items_mean_square = define(
    "items_mean_square", r"\frac{1}{n}\sum_i \mathbb{E}\,\zeta_i^2", "mean squared interference, over all items"
)
outside_mean_square = define(
    "outside_mean_square",
    r"\mathbb{E}\,\overline{\zeta^2}",
    "mean squared interference: at the items that are not written, expected over sets and signs",
)
overlap_sum = define("overlap_sum", "U_i", "sum of the overlaps of unit key i with all others, with their signs")
max_coherence = define(
    "max_coherence", r"\max_{i \neq j} \langle k_i, k_j\rangle", "largest overlap of two unit keys, with its sign"
)
feature_rank = define(
    "feature_rank", r"r_{\mathrm{f}}", "rank of the features that a memory reads linearly", integer=True, positive=True
)
degree = define("degree", "q", "degree of a polynomial of the keys", integer=True, positive=True)
expected_thresholded = define(
    "expected_thresholded",
    r"\mathbb{E}\,c_i^{\tau}",
    "expected collateral in a thresholded memory over random unit keys",
)
n_flipped = define("n_flipped", "F_i", "number of items that one write at item i flips")
mean_flipped = define("mean_flipped", r"\frac{1}{n}\sum_i F_i", "mean number of items that one write flips")
expected_flipped = define(
    "expected_flipped", r"\mathbb{E}\,F_i", "expected number of items that one write flips, over random unit keys"
)
expected_flips = define("expected_flips", r"\mathbb{E}\,F", "expected number of items that writes at other items flip")
tolerated_flips = define("tolerated_flips", "F_0", "number of flipped items that is tolerated", positive=True)

# Where to write: importance of parameters, projection, importance of units
old_curvature = define(
    "old_curvature", "h_A", "curvature of the old task's loss along its stiff direction", positive=True
)
new_curvature = define("new_curvature", "h_B", "curvature of the new task's loss along its coordinate", positive=True)
new_target = define("new_target", "c", "where the new task wants its coordinate, from the old optimum", positive=True)
axis_share = define(
    "axis_share",
    "u_1^2",
    "share of the old task's stiff direction that lies along the new task's coordinate, in (0, 1]",
    positive=True,
)
flat_curvature = define(
    "flat_curvature", "h_0", "curvature of a loss along its flat directions, beside the stiff one", positive=True
)
penalty_strength = define(
    "penalty_strength", r"\lambda_F", "strength of a quadratic penalty on leaving the old optimum", positive=True
)
best_strength = define("best_strength", r"\lambda_F^*", "strength of the penalty at which the total loss is least")
total_loss = define("total_loss", "L", "loss of old and new task together, with a diagonal penalty")
full_loss = define("full_loss", r"L_{\mathrm{full}}", "loss of old and new task together, with the full penalty")
best_loss = define("best_loss", "L^*", "loss of old and new task together at the best strength of a diagonal penalty")
undercharge = define(
    "undercharge",
    r"\max_x \frac{x^\top \mathcal{H} x}{x^\top \operatorname{diag}(\mathcal{H}) x}",
    "undercharge: curvature over what its diagonal charges, in the worst direction",
)
overcharge = define(
    "overcharge",
    r"\max_x \frac{x^\top \operatorname{diag}(\mathcal{H}) x}{x^\top \mathcal{H} x}",
    "overcharge: what the diagonal of a curvature charges over the curvature, in the worst direction",
)
task_rank = define(
    "task_rank",
    "r_T",
    "dimensions that one task spans: its inputs, or what is protected for it",
    integer=True,
    positive=True,
)
task_place = define("task_place", "i_T", "place of a task in the stream, from 1", integer=True, positive=True)
lost_dims = define("lost_dims", r"r^{\times}", "dimensions of a task's targets that no harmless write reaches")
counted_lost = define(
    "counted_lost",
    r"r^{\times}_{\mathrm{rel}}",
    "dimensions of a task's targets that a relative tolerance counts as out of reach",
)
unfitted = define(
    "unfitted",
    r"\mathbb{E}\,\|y_T^{\times}\|^2",
    "unfitted share of a task's target: of its squared length, expected",
)
retained = define(
    "retained",
    r"\mathbb{E}\,\|x_T^{\circ}\|^2",
    "retained share of an input: of its squared length, expected, outside the protected span",
)
write_energy = define(
    "write_energy",
    r"\mathbb{E}\,\|\delta_T\|^2",
    "squared length of the least harmless write: expected, for a target of unit length",
)
old_change = define("old_change", r"\max_j |\Delta y_j|", "change of an old output, relative to write and input")
silenced_agreement = define(
    "silenced_agreement",
    r"\mathrm{corr}_0",
    "rank correlation: a unit's mean activity with the damage of silencing it",
)
held_agreement = define(
    "held_agreement",
    r"\mathrm{corr}_{\bar h}",
    "rank correlation: a unit's mean activity with the damage of holding it at its mean",
)
agreement_gap = define(
    "agreement_gap",
    r"\mathrm{corr}_0 - \mathrm{corr}_{\bar h}",
    "gap between the rank correlations with the damage of silencing a unit and of holding it at its mean",
)

# What pruning costs
clean_cost = define("clean_cost", r"\Delta_{\mathrm{clean}}", "accuracy that pruning costs on clean inputs")
noise_excess = define(
    "noise_excess",
    r"\Delta_{\mathrm{noise}} - \Delta_{\mathrm{clean}}",
    "accuracy that pruning costs under input noise, beyond what it costs on clean inputs",
)
relative_excess = define(
    "relative_excess",
    r"\Delta_{\mathrm{relative}} - \Delta_{\mathrm{clean}}",
    "accuracy that pruning costs under weight noise relative to the surviving weights, beyond the clean cost",
)
absolute_excess = define(
    "absolute_excess",
    r"\Delta_{\mathrm{absolute}} - \Delta_{\mathrm{clean}}",
    "accuracy that pruning costs under weight noise of an absolute scale, beyond the clean cost",
)
distance_ratio = define(
    "distance_ratio",
    r"\mathrm{dist}_{\mathrm{pruned}} / \mathrm{dist}",
    "distance of a test item from the decision boundary to first order, pruned over unpruned",
)
normalised_ratio = define(
    "normalised_ratio",
    r"\mathrm{margin}_{\mathrm{pruned}} / \mathrm{margin}",
    "margin of a test item's outputs over the length of the outputs, pruned over unpruned",
)

# Batches, writes that may miss, ridges, protected items, restricted writes
batch_size = define("batch_size", "m", "number of items written at once, exactly", integer=True, positive=True)
batch_collateral = define(
    "batch_collateral",
    "c_S",
    "collateral of a batch: squared change of the items outside, per squared change of those inside",
)
mean_batch = define(
    "mean_batch", r"\bar{c}_m", "mean collateral of a batch: the least, averaged over all batches of m items"
)
expected_batch = define("expected_batch", r"\mathbb{E}\,c_S", "expected least collateral of a batch over random keys")
batch_inverse = define(
    "batch_inverse",
    r"\frac{\operatorname{tr}(Y L_S^{-1} Y^\top)}{\|Y\|^2}",
    "least squared change of all items for each unit that a batch is asked to change, values Y and block L_S of the hat matrix",
    positive=True,
)
mean_single = define(
    "mean_single",
    r"\frac{1}{m}\sum_{i \in S} c_i^*",
    "mean of the least collaterals of the items of a batch, each written by itself",
    nonnegative=True,
)
sum_spared = define(
    "sum_spared",
    r"\sum_{i \notin C} w_{i|C}",
    "total of the largest writabilities of the other items where the companions C must stay as they are",
)
miss = define(
    "miss", r"\varepsilon", "miss: squared error of a write at its item, per squared request", nonnegative=True
)
requested_collateral = define(
    "requested_collateral", r"\chi_i", "collateral of a write at item i per squared request, not per squared change"
)
mean_requested = define("mean_requested", r"\bar{\chi}", "mean over the items of the collateral per squared request")
excess = define(
    "excess", r"\chi^+", "what a write moves the other items beyond the least, per squared request", nonnegative=True
)
hit = define("hit", "f_i", "fraction of a request that its write carries out")
miss_price = define("miss_price", r"\omega", "price of a miss in units of collateral", positive=True)
ridge_leverage = define(
    "ridge_leverage", r"\ell_i(\mu)", "leverage of item i beside a ridge, at most its leverage", positive=True
)
ridge_collateral = define(
    "ridge_collateral", r"c_i^\mu", "cost of a write at item i: its collateral and the ridge's charge, per squared hit"
)
ridge_writability = define("ridge_writability", r"w_i^\mu", "share 1/(1 + cost) of a write at item i, ridge included")
sum_ridge = define("sum_ridge", r"\sum_i w_i^\mu", "total over the items of their shares, ridge included")
mean_ridge = define("mean_ridge", r"\bar{c}^{\,\mu}", "mean cost of a write, ridge included")
n_protected = define(
    "n_protected",
    "b",
    "size of the buffer: how many of the other items a write knows and protects",
    integer=True,
    nonnegative=True,
)
expected_protected = define(
    "expected_protected",
    r"\mathbb{E}\,c(b)",
    "expected collateral with a buffer: on all others, of a write that spares b items as far as can be",
)
expected_rise = define(
    "expected_rise",
    r"\mathbb{E}\,[c(b) - c(0)]",
    "expected rise of the collateral over protecting nothing, by protecting b items",
)
expected_ridge = define(
    "expected_ridge",
    r"\mathbb{E}\,c^\mu(b)",
    "expected collateral on all others of a write that knows b items and has a ridge for the rest",
)
expected_step = define(
    "expected_step",
    r"\mathbb{E}\,[c^\mu(b') - c^\mu(b)]",
    "expected change of the collateral under the ridge as the buffer grows from b to b'",
)
subspace_dim = define(
    "subspace_dim", "d_U", "dimension of the subspace that holds all rows of a write", integer=True, positive=True
)
restricted_leverage = define(
    "restricted_leverage", r"\ell_i^U", "leverage of item i for writes whose rows lie in a subspace U", nonnegative=True
)
restricted_writability = define(
    "restricted_writability", r"w_i^U", "writability of a write at item i whose rows lie in a subspace U"
)
sum_restricted = define(
    "sum_restricted", r"\sum_i w_i^U", "total writability over all items, of writes whose rows lie in a subspace U"
)

# Replay, and the time it takes
replay_time = define(
    "replay_time", "t", "how long has been replayed: time of gradient flow, or number of steps", positive=True
)
step_size = define("step_size", r"\eta_{\mathrm{step}}", "step of gradient descent", positive=True)
least_eigenvalue = define(
    "least_eigenvalue", r"g_{\min}", "least nonzero eigenvalue of the keys' Gram matrix G", positive=True
)
largest_eigenvalue = define(
    "largest_eigenvalue", r"g_{\max}", "largest eigenvalue of the keys' Gram matrix G", positive=True
)
replayed = define("replayed", "w_i(t)", "writability of item i after replay for time t", positive=True)
replayed_later = define("replayed_later", "w_i(t')", "writability of item i after longer replay, t' > t")
refitted = define("refitted", r"w_i(\infty)", "writability of item i after a new least-squares fit of all items")
trained_alone = define(
    "trained_alone", r"w_i^{\mathrm{alone}}(t)", "writability of item i after training on item i alone"
)
network_replayed = define(
    "network_replayed", r"w_i^{\mathrm{net}}(t)", "writability of item i in a network that replays all items"
)
inverse_move = define(
    "inverse_move", r"1/\delta_i", "inverse of the amount by which the label of item i is moved", positive=True
)
expected_error = define(
    "expected_error", r"\mathbb{E}\,\|e_t\|^2", "expected squared error of the weights after t random replays"
)
initial_error = define(
    "initial_error",
    r"\|e_0\|^2",
    "squared error of the weights before replay: squared norm of the least exact write of item i, by 1",
    positive=True,
)
error_moment = define_matrix("error_moment", r"\Sigma_t", "second moment of the error of the weights", dim, dim)
error_trace = define(
    "error_trace", r"\operatorname{tr}\Sigma_t", "trace of the error's second moment, by its exact recursion"
)
expected_residual = define(
    "expected_residual",
    r"\mathbb{E}\,\|K^\top e_t\|^2",
    "expected squared residual of all items, the written one included, after t random replays",
)
mean_residual = define(
    "mean_residual",
    r"\|K^\top\, \mathbb{E}\,e_t\|^2",
    "squared residual of the mean path: of gradient descent on all items with step 1/n",
    positive=True,
)
inverse_gram = define(
    "inverse_gram",
    r"(G^{-1})_{ii}",
    "diagonal entry of the inverse Gram matrix, at least 1 for unit keys",
    positive=True,
)
expected_inverse_gram = define(
    "expected_inverse_gram", r"\mathbb{E}\,(G^{-1})_{ii}", "its expectation over random unit keys"
)
slow_share = define(
    "slow_share",
    r"\langle e_i, u_{\min}\rangle^2",
    "squared component of item i along the eigenvector of the least eigenvalue of G",
    positive=True,
)
residual_goal = define(
    "residual_goal", r"\eta", "residual at which replay may stop, where 1 is the residual before it", positive=True
)
steps_needed = define(
    "steps_needed", r"t_\eta", "first number of random replays at which the expected residual is at most the goal"
)
epochs = define("epochs", r"t_\eta / n", "epochs of random replay until the expected residual is at most the goal")
reference_load = define("reference_load", r"\alpha_0", "a load below the others, to compare them with", positive=True)
reference_epochs = define(
    "reference_epochs", r"t_\eta^{(0)} / n", "epochs to the same residual at the reference load", positive=True
)
gram_determinant = define(
    "gram_determinant",
    r"\det G",
    "determinant of the keys' Gram matrix, in (0, 1] for independent unit keys",
    positive=True,
)
sweep_factor = define(
    "sweep_factor", r"\|e_n\|^2 / \|e_0\|^2", "squared error of the weights after one sweep over that before it"
)
noise_floor = define(
    "noise_floor",
    r"\mathbb{E}\,\|\hat{y}_\infty - y\|^2",
    "expected squared residual of all items at which random replay stays",
)

# Free capacity
n_free = define(
    "n_free",
    r"N_{\mathrm{free}}",
    "free dimensions: largest dimension of a subspace in which every move within the radius keeps the budget",
    integer=True,
    nonnegative=True,
)
n_flat = define(
    "n_flat",
    r"\#\{\lambda_i \leq 2E/R_\delta^2\}",
    "number of eigenvalues of the old loss's curvature that are at most 2E over the squared radius",
    integer=True,
    nonnegative=True,
)
worst_cost = define(
    "worst_cost",
    r"\max_{\delta \in V} \tfrac{1}{2} \delta^{\top} \mathcal{H} \delta",
    "worst forgetting of any move within the radius in a subspace V",
)
forgetting = define("forgetting", "E", "budget of forgetting: what the old loss may rise by", positive=True)
radius = define("radius", r"R_\delta", "radius: longest move of the parameters that is considered", positive=True)
eigenvalue = define(
    "eigenvalue",
    r"\lambda_{\dim V}",
    "eigenvalue of the old loss's curvature: counted from the least, that in the place of the dimension of V",
    nonnegative=True,
)
retained_cdf = define(
    "retained_cdf", r"\Pr(\mathcal{R} \leq z)", "distribution function of the retained share of a random gradient"
)
expected_retained = define(
    "expected_retained",
    r"\mathbb{E}\,\mathcal{R}",
    "expected retained share: squared length that is left of a vector, over its squared length",
)
n_tasks = define("n_tasks", "n_T", "number of tasks learnt one after the other", integer=True, positive=True)
common_rank = define(
    "common_rank",
    r"r_{\cap}",
    "dimensions of a task's span that all tasks have in common",
    integer=True,
    nonnegative=True,
)
volume = define(
    "volume", r"\operatorname{vol} \mathcal{S}", "volume of the moves within the radius that keep the budget"
)
mean_log_width = define(
    "mean_log_width",
    r"\langle \ln \nu \rangle",
    "mean over the eigenvectors of the logarithm of lambda/2E + 1/R^2, the inverse squared width of the room",
)
bits = define("bits", r"\mathcal{C}", "bits that a random change of the parameters conveys through noise")
price_forgetting = define("price_forgetting", r"\xi_E", "price of forgetting, in nats of capacity", nonnegative=True)
price_length = define("price_length", r"\xi_R", "price of squared length, in nats of capacity", nonnegative=True)
surplus = define(
    "surplus",
    r"\Omega",
    "surplus of the bought directions: sum of p - 1 - ln p over those with a price of noise p below 1",
    nonnegative=True,
)
noise = define("noise", r"\sigma", "standard deviation of the noise with which a parameter is read", positive=True)
message_variance = define("message_variance", r"\psi_i", "variance of a random change along eigenvector i")
curvature_along = define(
    "curvature_along", r"\lambda_i", "eigenvalue of the old loss's curvature along eigenvector i", nonnegative=True
)
free_share = define(
    "free_share", r"\varphi", "free share: mean over the directions of ridge over eigenvalue plus ridge, in [0, 1]"
)
fresh_share = define(
    "fresh_share",
    r"\mathbb{E}\,\mu\, k^{\top} (M + \mu I)^{-1} k",
    "expected share of a fresh random key of unit mean square that is free under the ridge",
)
mean_log_eigenvalue = define(
    "mean_log_eigenvalue",
    r"\langle \ln \lambda \rangle",
    "mean logarithm of the eigenvalues of the second moment of the keys",
)
doubling_loss = define(
    "doubling_loss", r"\Delta_{2\alpha}\,\mathcal{C}/d", "bits for each parameter that are lost as the load doubles"
)
bits_per_parameter = define("bits_per_parameter", r"\mathcal{C}/d", "writable bits for each parameter")
bits_per_item = define("bits_per_item", r"\mathcal{C}/n", "writable bits for each item that is protected")
item_forgetting = define("item_forgetting", "E/n", "budget of forgetting for each item", positive=True)
share_excess = define(
    "share_excess",
    r"\varphi_{\mathrm{net}} - \varphi",
    "free share of a network less that of random keys of the same load",
)
share_by_size = define(
    "share_by_size",
    r"\Delta_{\mathrm{size}}\,\varphi_{\mathrm{net}}",
    "rise of a network's free share as its width grows",
)
share_by_data = define(
    "share_by_data",
    r"\Delta_{\mathrm{data}}\,\varphi_{\mathrm{net}}",
    "rise of a network's free share as its data grow",
)

# Sparse codes: k of d units, and what they share
code_size = define("code_size", "k", "number of active units of a code", integer=True, positive=True)
code_activity = define(
    "code_activity", "a", "activity of a code: share k/d of its units that are active", positive=True
)
overlap = define("overlap", "O", "overlap: number of active units that two codes share", integer=True, nonnegative=True)
mean_square_overlap = define(
    "mean_square_overlap", "I(k)", "mean squared relative overlap of two independent codes, E (O/k)^2", positive=True
)
n_earlier = define(
    "n_earlier", "N_0", "number of writes made before the one that is looked at", integer=True, nonnegative=True
)
rate = define(
    "rate", r"\eta_z", "rate of the delta rule: share of the error at an item that a write removes", positive=True
)
input_correlation = define("input_correlation", r"\rho_x", "correlation of two inputs, to a unit", real=True)
output_correlation = define("output_correlation", r"\rho_z", "correlation of two codes, over the units", real=True)
transfer = define(
    "transfer", "q_a", "transfer: expected share of the active units that the codes of two inputs have in common"
)
input_dim = define("input_dim", "d_x", "dimension of the input to a layer of units", integer=True, positive=True)
fan_in = define("fan_in", "m_x", "fan-in: number of inputs that a unit reads", integer=True, positive=True)
connectivity = define("connectivity", "c_x", "connectivity: share of its inputs that a unit reads", positive=True)

# Capacity of sparse codes (chapter sparse_capacity)
value_dim = define("value_dim", "d_y", "dimension of a stored value: number of its units", integer=True, positive=True)
value_size = define("value_size", "k_y", "number of active units of a stored value", integer=True, positive=True)
fill = define("fill", r"p_{\mathrm{on}}", "fill: share of the synapses of a binary memory that are on", positive=True)
n_missed = define(
    "n_missed", r"\#\mathrm{missed}", "number of active units of a stored value that its key does not recall"
)
n_recalled = define(
    "n_recalled", r"\#\mathrm{recalled}", "number of active units of a stored value that its key recalls"
)
spurious = define(
    "spurious",
    "p_{01}",
    "spurious rate: share of a value's inactive units that its key recalls as active",
    nonnegative=True,
)
bits_per_synapse = define(
    "bits_per_synapse", r"\mathcal{C}_{\mathrm{syn}}", "bits that a memory holds for each of its binary synapses"
)
fill_bits = define(
    "fill_bits",
    r"-\log_2(p_{\mathrm{on}}) \cdot (-\ln(1-p_{\mathrm{on}}))",
    "bits for each synapse that a binary memory of this fill holds in the limit of many units",
)
sparser_share = define(
    "sparser_share",
    r"\mathcal{C}_{\mathrm{syn}}(k/3)/\mathcal{C}_{\mathrm{syn}}(k)",
    "bits for each synapse with a third of the active units, relative to those with the best number",
)
denser_share = define(
    "denser_share",
    r"\mathcal{C}_{\mathrm{syn}}(3k)/\mathcal{C}_{\mathrm{syn}}(k)",
    "bits for each synapse with three times the active units, relative to those with the best number",
)

n_survived = define(
    "n_survived",
    r"N(\epsilon_F)",
    "palimpsest capacity: most later writes up to which the expected forgetting is tolerated",
    integer=True,
    nonnegative=True,
)
tolerated_forgetting = define(
    "tolerated_forgetting",
    r"\epsilon_F",
    "tolerated forgetting: squared error at a memory over its squared value",
    positive=True,
)
survivor_error = define(
    "survivor_error",
    r"\mathbb{E}\,(W z_j - y_j)^2",
    "squared error at a memory after as many later writes as it is promised to survive",
)
readout_noise = define(
    "readout_noise",
    r"\operatorname{var}_{\mathrm{raw}}",
    "noise of a Hebbian readout: variance at a cue, from all other memories",
)
noise_slope = define(
    "noise_slope",
    r"\tfrac{1}{2}\,\mathrm{d}\ln I/\mathrm{d}\ln a",
    "half the logarithmic slope of the mean squared overlap, at the best activity",
)
best_activity = define("best_activity", "a^*", "activity with the best ratio of signal to noise", positive=True)
cue_overlap = define(
    "cue_overlap", r"\mathbb{E}\,\rho_z(a)", "centred overlap of the codes of a cue and of its memory, expected"
)
centred_noise = define(
    "centred_noise", r"\operatorname{var}_{\mathrm{centred}}", "mean squared centred overlap of two independent codes"
)
correlated_noise = define(
    "correlated_noise",
    r"\operatorname{var}_{\mathrm{correlated}}",
    "interference of correlated memories: mean squared centred overlap of the codes of two",
)
sparse_gain = define(
    "sparse_gain",
    r"\mathrm{SNR}(a)/\mathrm{SNR}(\tfrac{1}{2})",
    "squared ratio of signal to noise of a sparse code, relative to a code with half its units active",
)

# Completion by recurrent connections (chapter completion)
cue_fidelity = define(
    "cue_fidelity",
    r"\kappa_0",
    "fidelity of a cue: share of its active units that belong to the memory",
    nonnegative=True,
)
completed = define("completed", r"\kappa_1", "fidelity after one step of completion")
stored_field = define("stored_field", r"\mathbb{E}\,h_1", "mean field of a unit that belongs to the memory")
other_field = define("other_field", r"\mathbb{E}\,h_0", "mean field of a unit that does not belong to the memory")
compound_excess = define(
    "compound_excess",
    r"\kappa_1 - \kappa_1^{\mathrm{c}}",
    "fidelity after one step, less that of the compound law without its corrections",
)
corrected_excess = define(
    "corrected_excess",
    r"\kappa_1 - \kappa_1^{\mathrm{cc}}",
    "fidelity after one step, less that of the compound law",
)
iterated_excess = define(
    "iterated_excess",
    r"\kappa_5 - \kappa_5^{\mathrm{cc}}",
    "fidelity after five steps, less that of the one-step law applied five times",
)

# Sparse codes: overlap
expected_overlap = define("expected_overlap", r"\mathbb{E}\,O", "expected overlap of two independent codes")
overlap_variance = define(
    "overlap_variance", r"\operatorname{Var} O", "variance of the overlap of two independent codes"
)
overlap_level = define(
    "overlap_level",
    "O_0",
    "level of overlap: number of shared units that is asked about",
    integer=True,
    nonnegative=True,
)
overlap_law = define(
    "overlap_law", r"\Pr(O = O_0)", "probability that two independent codes share exactly that many units"
)
overlap_tail = define(
    "overlap_tail",
    r"\Pr(O \geq O_0)",
    "probability that two independent codes share at least that many units",
    nonnegative=True,
)
overlap_rarity = define(
    "overlap_rarity",
    r"1/\Pr(O \geq O_0)",
    "rarity of an overlap: one pair of independent codes in so many shares at least that many units",
    positive=True,
)
largest_overlap = define(
    "largest_overlap", r"O_{\max}", "largest overlap of any two of n codes", integer=True, nonnegative=True
)
largest_tail = define(
    "largest_tail", r"\Pr(O_{\max} \geq O_0)", "probability that some two of n codes share at least that many units"
)
n_close_square = define(
    "n_close_square",
    r"\mathbb{E}\,X_{O_0}^2",
    "mean squared number of pairs, out of n codes, that share at least so many units",
)
safe_overlap = define(
    "safe_overlap",
    r"O_\delta",
    "safe overlap: least level that the union bound lets some pair reach with probability at most delta",
    integer=True,
    positive=True,
)
mean_overlap = define("mean_overlap", r"\bar{O}", "mean overlap of two different ones of n codes")
mean_overlap_excess = define(
    "mean_overlap_excess",
    r"\mathbb{E}\,[\bar{O} - \bar{O}_{\min}]",
    "expected mean overlap of n random codes above the least there can be",
)

# Separation of patterns, and sparse weights (chapters pattern_separation, weight_or_activation)
firing_threshold = define(
    "firing_threshold",
    r"\theta_a",
    "firing threshold: what a standard normal drive exceeds with probability a",
    positive=True,
)
closeness = define(
    "closeness", r"1/(1-\rho_x)", "closeness of two inputs: inverse of one less their correlation", positive=True
)
code_change = define(
    "code_change", "1-q_a", "expected share of an item's active units that another input does not share"
)
denser_correlation = define(
    "denser_correlation", r"\rho_z(a')", "correlation of two codes of larger activity a' > a, of the same two inputs"
)
mirrored_correlation = define(
    "mirrored_correlation", r"\rho_z(1-a)", "correlation of two codes of activity 1 - a, of the same two inputs"
)
separation_index = define(
    "separation_index",
    r"1-\rho_z/\rho_x",
    "separation index: share of the inputs' correlation that the codes have lost",
)
winners_transfer = define(
    "winners_transfer",
    r"\mathbb{E}\,O/k",
    "transfer of k winners: expected share of the active units in common, among d units",
)
winners_variance = define(
    "winners_variance", r"\operatorname{Var}(O)/d", "variance of the overlap of two codes of k winners, for each unit"
)
fan_in_transfer = define(
    "fan_in_transfer",
    "q_a(m_x)",
    "transfer of units that read m_x inputs each: expected share of active units in common",
)
fan_in_gain = define(
    "fan_in_gain",
    "q_a(m_x)-q_a(d_x)",
    "what codes share more if units read m_x inputs than if they read all",
    real=True,
)
square_variance = define(
    "square_variance",
    r"\operatorname{Var} x^2",
    "variance of the squared input, over the inputs of a layer",
    nonnegative=True,
)
square_product = define(
    "square_product", r"\operatorname{Cov}(x^2, xy)", "covariance of squared input and product of two inputs", real=True
)
square_square = define(
    "square_square",
    r"\operatorname{Cov}(x^2, y^2)",
    "covariance of the squares of two inputs, over the inputs of a layer",
    real=True,
)
product_variance = define(
    "product_variance",
    r"\operatorname{Var} xy",
    "variance of the product of two inputs, over the inputs of a layer",
    nonnegative=True,
)
linear_product = define(
    "linear_product", r"\frac{1}{d}\,\mathbb{E}\,z^\top z'", "expected product of two codes, for each unit"
)
input_overlap = define(
    "input_overlap", "O_x", "overlap of two binary inputs: number of ones they share", integer=True, nonnegative=True
)
input_size = define("input_size", "k_x", "number of ones of a binary input", integer=True, positive=True)
excitatory_cosine = define(
    "excitatory_cosine", r"\cos_z", "cosine of the codes of a linear layer with equal weights", real=True
)
denser_cosine = define(
    "denser_cosine",
    r"\cos_z(m_x + 1)",
    "cosine of the codes of a linear layer with equal weights whose units read one input more",
)
n_zero_weights = define("n_zero_weights", r"\#\mathrm{zero}", "number of weights of a layer that are zero")
activity_share = define(
    "activity_share", r"R^2_a", "share of the variance of log forgetting that the activity of the code explains"
)
connectivity_share = define(
    "connectivity_share", r"R^2_c", "share of the variance of log forgetting that connectivity explains"
)
rectified_product = define(
    "rectified_product",
    r"\frac{2}{d}\,\mathbb{E}\,[z]_+^\top [z']_+",
    "twice the expected product of two rectified codes, for each unit",
)
connectivity_rest = define(
    "connectivity_rest",
    r"R^2_{c \mid a}",
    "share that connectivity explains: of the variance of log forgetting that activity leaves",
)
overlap_rest = define(
    "overlap_rest",
    r"R^2_{a \mid I}",
    "share that activity explains: of the variance of log forgetting that mean squared overlap leaves",
)

# Code stability: masked networks, margins of winners (chapter code_stability)
smoothness = define(
    "smoothness",
    r"\beta_j",
    "bound on the second derivative of item j's loss in the weights that it uses",
    nonnegative=True,
)
shared_step = define(
    "shared_step", r"\|\delta_\cap\|", "shared step: length of a step in the weights that item j uses", nonnegative=True
)
item_gradient = define("item_gradient", r"\|g_j\|", "length of the gradient of item j's loss", nonnegative=True)
loss_change = define("loss_change", r"\Delta L_j", "change of item j's loss by a step", real=True)
abs_loss_change = define("abs_loss_change", r"|\Delta L_j|", "size of the change of item j's loss by a step")
loss_remainder = define(
    "loss_remainder",
    r"|\Delta L_j - \langle g_j, \delta\rangle|",
    "change of item j's loss by a step beyond the change along its gradient",
)
readout_remainder = define(
    "readout_remainder",
    r"\Delta L_j + \eta_{\mathrm{step}} \langle e_i, e_j\rangle \langle z_i, z_j\rangle",
    "readout remainder: change of item j's loss by a step of the readout on item i, beyond first order",
)
output_error = define(
    "output_error", r"\|e_i\|", "length of the error of item i at the outputs: softmax less one-hot", nonnegative=True
)
code_product = define("code_product", r"\langle z_i, z_j\rangle", "inner product of two items' codes", real=True)
input_product = define(
    "input_product", r"|\langle x_i, x_j\rangle|", "size of the inner product of two items' inputs", nonnegative=True
)
backprop = define(
    "backprop", r"\max_h |\hat{e}_{ih}|", "largest error of item i at a hidden unit that it uses", nonnegative=True
)
margin = define("margin", r"\gamma_j", "margin of item j's winners: least drive of a winner less largest of a loser")
new_margin = define("new_margin", r"\gamma_j'", "margin of item j's old winners after a step")
winner_drop = define(
    "winner_drop", r"\Delta_j^-", "largest fall of the drive of one of item j's winners by a step", nonnegative=True
)
loser_rise = define(
    "loser_rise", r"\Delta_j^+", "largest rise of the drive of one of item j's losers by a step", nonnegative=True
)
least_winner = define("least_winner", r"\min_{h \in S_j} u_h", "least drive of one of item j's winners", real=True)
drive_drift = define("drive_drift", r"\max_h |\Delta u_h|", "largest change of a unit's drive by item j, by a step")
n_changed = define("n_changed", r"\#\{S_j \triangle S_j'\}", "units that enter or leave item j's winners by a step")
loss_jump = define(
    "loss_jump", r"|L_j(s^+) - L_j(s^-)|", "jump of item j's loss where its winners change, along a step"
)
tied_drive = define(
    "tied_drive",
    r"|u_{(k)}|",
    "size of the drive of the two units that change places among the winners",
    nonnegative=True,
)
readout_gap = define(
    "readout_gap",
    r"\|W_h - W_{h'}\|",
    "distance of the readout weights of two units that change places",
    nonnegative=True,
)
drive_sd = define(
    "drive_sd", r"\tau_u", "standard deviation of a unit's drive over random inputs or weights", positive=True
)
mean_margin = define("mean_margin", r"\mathbb{E}\,\gamma_j", "expected margin of the winners")
margin_ratio = define("margin_ratio", r"\xi_\gamma", "a margin over its asymptotic mean", positive=True)
margin_tail = define(
    "margin_tail",
    r"\Pr(\gamma_j > \xi_\gamma \bar\gamma)",
    "probability that a margin exceeds that multiple of its asymptotic mean",
)

# Sparse codes: forgetting_bound
drift = define("drift", "r_N", "drift: change of one output at an item by N writes at other items")
drift_norm = define(
    "drift_norm", r"\|r_N\|", "length of the change of the outputs at an item by N writes at other items"
)
sum_pushes = define(
    "sum_pushes",
    r"\sum_t e_t \frac{\langle z_t, z_j\rangle}{\|z_t\|^2}",
    "sum over the writes of the error each one met times its relative overlap with the code of item j",
)
sum_overlaps = define(
    "sum_overlaps",
    r"\sum_t \|e_t\| \frac{|\langle z_t, z_j\rangle|}{\|z_t\|^2}",
    "sum over the writes of the size of the error times the size of the relative overlap, O/k for sparse codes",
    nonnegative=True,
)
n_kept = define(
    "n_kept", r"n_{=}", "number of memories that others left exactly as they were", integer=True, nonnegative=True
)
shared_units = define("shared_units", r"|S_i \cap S_j|", "units that are active in two codes, whatever their sign")
recall = define("recall", r"\gamma_N", "recall: share of an item's own target in its output after N writes at others")
energy = define(
    "energy",
    r"\Gamma_N",
    "what N later writes leave of the squared length of a code, relative, of the part they do not read",
)
later_echo = define(
    "later_echo", r"\Xi_N", "echo of later targets: the sum of their squared weights in the output at an item"
)
code_forgetting = define(
    "code_forgetting",
    r"F_N \mid S",
    "forgetting for given codes, expected over the targets, in units of their mean square",
)
expected_recall = define("expected_recall", r"\mathbb{E}\,\gamma_N", "expected recall over random codes")
recall_square = define("recall_square", r"\mathbb{E}\,\gamma_N^2", "mean squared recall over random codes")
expected_energy = define(
    "expected_energy", r"\mathbb{E}\,\Gamma_N", "expectation of what N later writes leave of a code's squared length"
)
earlier_echo = define(
    "earlier_echo", r"H_{N_0,N}", "echo of earlier targets in the output at an item: its mean square, after all writes"
)
expected_forgetting = define(
    "expected_forgetting",
    r"F_{N_0,N}",
    "expected forgetting: squared error at an item after N later writes, in units of the mean square of a target",
)
steady_forgetting = define(
    "steady_forgetting", r"F_{\infty,N}", "expected forgetting of an item that was written after very many others"
)
first_forgetting = define(
    "first_forgetting", r"F_{0,1}", "expected forgetting of a first memory by one write", positive=True
)
mean_fourth_overlap = define(
    "mean_fourth_overlap", r"\mathbb{E}\,(O/k)^4", "mean fourth power of the relative overlap of two independent codes"
)
forgetting_rarity = define(
    "forgetting_rarity",
    r"1/\Pr(|r| > \tau \mid S)",
    "rarity of a large error: for given codes, one draw of the targets in so many has an error above the threshold",
)
total_overlap = define(
    "total_overlap", r"O_\Sigma", "total overlap of an item with N others", integer=True, positive=True
)
total_rarity = define(
    "total_rarity",
    r"1/\Pr(\textstyle\sum_t O_{jt} \geq O_\Sigma)",
    "rarity of a total overlap: one item in so many shares at least that many units with N others",
)
sphere_forgetting = define(
    "sphere_forgetting", r"F_N^{\circ}", "expected forgetting of a first memory with codes uniform on the sphere"
)
centred_square = define(
    "centred_square", r"\mathbb{E}\cos^2", "mean squared cosine of two independent codes after their mean is subtracted"
)
best_size = define(
    "best_size", "k^*", "number of active units at which a first memory is forgotten least", positive=True
)
best_forgetting = define(
    "best_forgetting",
    r"F_{0,1}^*",
    "expected forgetting of a first memory by one write at the best number of active units",
)

# Indices of separation, and what bounds forgetting (chapter separation_metrics)
gradient_overlap = define(
    "gradient_overlap", r"\langle g_i, g_j\rangle", "gradient overlap: inner product of two items' gradients", real=True
)
abs_gradient_overlap = define("abs_gradient_overlap", r"|\langle g_i, g_j\rangle|", "size of the gradient overlap")
error_product = define(
    "error_product", r"\langle e_i, e_j\rangle", "inner product of two items' errors at the outputs", real=True
)
signed_input_product = define(
    "signed_input_product", r"\langle x_i, x_j\rangle", "inner product of two items' inputs", real=True
)
backprop_product = define(
    "backprop_product",
    r"\langle \hat{e}_i, \hat{e}_j\rangle",
    "inner product of two items' errors at the hidden units",
    real=True,
)
other_error = define("other_error", r"\|e_j\|", "length of the error of item j at the outputs", nonnegative=True)
shared_backprop = define(
    "shared_backprop", r"\|\hat{e}_i\|_{S_j}", "length of item i's error at the winners of item j", nonnegative=True
)
other_shared_backprop = define(
    "other_shared_backprop",
    r"\|\hat{e}_j\|_{S_i}",
    "length of item j's error at the winners of item i",
    nonnegative=True,
)
code_height = define("code_height", r"\|z_i\|_\infty", "largest activity of a unit by item i", nonnegative=True)
other_code_height = define(
    "other_code_height", r"\|z_j\|_\infty", "largest activity of a unit by item j", nonnegative=True
)
column_norm = define("column_norm", r"\max_h \|W_h\|", "largest length of a unit's readout weights", nonnegative=True)
inverse_step = define(
    "inverse_step", r"1/\eta_{\mathrm{step}}", "inverse of the step of gradient descent", positive=True
)
sparseness = define("sparseness", "s_z", "sparseness of a code after Treves and Rolls, the activity of a binary one")
other_sparseness = define("other_sparseness", "s_z'", "sparseness of another code after Treves and Rolls")
expected_square_cosine = define(
    "expected_square_cosine",
    r"\mathbb{E} \cos^2(z, \Pi z')",
    "expected squared cosine of a code with a random permutation of another",
)
expected_cosine = define(
    "expected_cosine", r"\mathbb{E} \cos(z, \Pi z')", "expected cosine of a code with a random permutation of another"
)
mean_square_cosine = define(
    "mean_square_cosine", r"\overline{\cos^2}", "mean squared cosine: of the codes of two items, over all pairs"
)
participation = define(
    "participation", r"\mathrm{PR}", "participation ratio of codes of unit length, not centred", positive=True
)
centred_participation = define(
    "centred_participation", r"\mathrm{PR}_c", "participation ratio of codes less their mean", positive=True
)
jaccard = define(
    "jaccard", r"\mathrm{Jac}", "Jaccard index: shared units over units that either code has", nonnegative=True
)
forgetting_gap = define(
    "forgetting_gap",
    r"F_{k_{\min}} - F_{k_{\max}}",
    "forgetting gap: rise of the old loss in the network with the fewest winners less that with the most",
    real=True,
)
cosine_gap = define(
    "cosine_gap",
    r"\overline{\cos^2}_{k_{\min}} - \overline{\cos^2}_{k_{\max}}",
    "overlap gap: mean squared cosine of old and new codes, with the fewest winners less that with the most",
    real=True,
)
path_agreement = define(
    "path_agreement",
    r"\mathrm{corr}_{\Sigma\|\delta_\cap\|}",
    "rank correlation across networks: forgetting with the length of the path in the weights that old items use",
)
item_agreement = define(
    "item_agreement",
    r"\mathrm{corr}_j",
    "rank correlation across the items of a network: rise of the loss with the mean squared cosine to new codes",
)
centring_gain = define(
    "centring_gain",
    r"\Delta_{\mathrm{centring}}",
    "old accuracy that is kept with centred inputs less that with raw ones",
)
sparsity_gain = define(
    "sparsity_gain", r"\Delta_k", "old accuracy that is kept with the best number of winners less that with the worst"
)

# Matrices: keys are columns in the mathematics and rows in the code
K = define_matrix("K", "K", "key matrix, one column an item (the code stores one row an item)", dim, n_items)
M = define_matrix("M", "M", "second moment of the keys, K times its transpose", dim, dim)
k_i = define_matrix("k_i", "k_i", "key of item i", dim, 1)
v = define_matrix("v", "v", "direction of a write: one row of the change of weights", dim, 1)
