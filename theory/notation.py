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

# Matrices: keys are columns in the mathematics and rows in the code
K = define_matrix("K", "K", "key matrix, one column an item (the code stores one row an item)", dim, n_items)
M = define_matrix("M", "M", "second moment of the keys, K times its transpose", dim, dim)
k_i = define_matrix("k_i", "k_i", "key of item i", dim, 1)
v = define_matrix("v", "v", "direction of a write: one row of the change of weights", dim, 1)
