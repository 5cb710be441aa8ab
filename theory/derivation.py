"""Derivations whose every step says how it is established, and is checked before it is shown.

A step that SymPy cannot settle is a failure, never a pass: :meth:`Derivation.check` raises :class:`DerivationError`.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from typing import Any

import sympy as sp
from sympy.polys.fields import sfield

from theory.notation import latex

DIGITS = 50  # of the numerical cross-check
POINTS = 5  # random points of the domain at which it is made


class How(StrEnum):
    """How a step is established; the book prints it beside the step."""

    IDENTITY = "identity"
    INEQUALITY = "inequality"
    LIMIT = "limit"
    SERIES = "series"
    INSTANCE = "instance"
    CITED = "cited"


class DerivationError(ValueError):
    """A step that does not hold, or that SymPy could not settle."""


@dataclass(frozen=True)
class Step:
    """One step; build it with :func:`identity`, :func:`inequality`, :func:`limit`, :func:`series`, :func:`instance`
    or :func:`cited`, which document what is checked."""

    name: str
    how: How
    text: str
    relation: sp.Basic | None = None
    certificate: sp.Expr | None = None
    domain: sp.Basic = sp.true
    at: Mapping[sp.Basic, Any] = field(default_factory=dict)  # the variable of a limit or a series, and where it goes
    instances: tuple[Mapping[sp.Basic, Any], ...] = ()  # what stands in for the symbols of an instance
    reference: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]+", self.name):
            raise ValueError(f"step name {self.name!r}: use lower-case words joined by hyphens")
        if self.how is How.CITED and not self.reference:
            raise ValueError(f"step {self.name!r} cites nothing; give the BibTeX key of the theorem's source")

    def check(self) -> None:
        """Return if the step holds; raise :class:`DerivationError` otherwise."""
        if self.how is How.CITED:
            return
        try:
            self._settle()
        except DerivationError:
            raise
        except Exception as error:  # SymPy raises many kinds; none of them is a proof
            raise DerivationError(
                f"step {self.name!r}: SymPy could not evaluate it ({type(error).__name__}: {error})"
            ) from error

    def _settle(self) -> None:
        relation, certificate = self.relation, self.certificate
        allowed = (sp.Eq,) if certificate is None else (sp.Ge, sp.Le)
        if not isinstance(relation, allowed):
            raise DerivationError(
                f"step {self.name!r}: {relation} cannot be settled this way; "
                "give an Eq, or a Ge or Le together with a certificate"
            )
        if relation.lhs == relation.rhs:
            raise DerivationError(
                f"step {self.name!r} says nothing: both its sides are {relation.lhs}; drop it or state it unsimplified"
            )
        if self.how is How.INSTANCE:
            self._sizes_vary()
            for at in self.instances:
                self._sizes_agree(at)
                sides = relation.func(*(_instantiate(side, at) for side in relation.args), evaluate=False)
                self._holds(sides, None if certificate is None else _instantiate(certificate, at))
            return
        if self.how is How.LIMIT:
            ((variable, point),) = self.at.items()
            one_sided = sp.sympify(point).is_infinite or (point == 0 and variable.is_nonnegative)
            reached = sp.limit(relation.lhs, variable, point, "+" if one_sided else "+-")
            relation = sp.Eq(reached, relation.rhs, evaluate=False)
        if self.how is How.SERIES:
            ((variable, (point, order)),) = self.at.items()
            relation = sp.Eq(sp.series(relation.lhs, variable, point, order).removeO(), relation.rhs, evaluate=False)
        self._holds(relation, certificate)

    def _holds(self, relation: sp.Basic, certificate: sp.Expr | None) -> None:
        """The relation without matrices holds: its difference vanishes, or is the certificate."""
        if relation.has(sp.Float) or (certificate is not None and certificate.has(sp.Float)):
            raise DerivationError(f"step {self.name!r} holds a rounded decimal number; write it as a sympy.Rational")
        difference = relation.lhs - relation.rhs
        if certificate is not None:
            self._nonnegative(certificate)
            difference = (difference if isinstance(relation, sp.Ge) else -difference) - certificate
        for element in _elements(difference):
            self._vanishes(element)

    def _sizes_vary(self) -> None:
        """A formula in a size is checked at two values of it, or a wrong one could agree by luck."""
        if not self.instances:
            raise DerivationError(f"step {self.name!r} states no instance; give the stand-ins of its symbols")
        for symbol in sorted(self.relation.free_symbols, key=str):
            values = {at[symbol] for at in self.instances if symbol in at and not hasattr(at[symbol], "shape")}
            if len(values) == 1:
                raise DerivationError(
                    f"step {self.name!r} is checked at {symbol} = {values.pop()} only; give a second value"
                )

    def _sizes_agree(self, at: Mapping[sp.Basic, Any]) -> None:
        """The stand-ins must have the sizes stated beside them, and everything stated must occur in the step."""
        used = self.relation.free_symbols | {size for m in self.relation.atoms(sp.MatrixSymbol) for size in m.shape}
        for symbol, value in at.items():
            if symbol not in used:
                raise DerivationError(f"step {self.name!r} states {symbol} = {value} and has no {symbol}; leave it out")
            sizes = zip(symbol.shape, value.shape, strict=True) if hasattr(value, "shape") else ()
            for size, given in sizes:
                stated = at.get(size, given)
                if stated != given:
                    raise DerivationError(f"step {self.name!r}: {symbol} has {size} = {given}, stated is {stated}")

    def _nonnegative(self, certificate: sp.Expr) -> None:
        if not sp.factor(certificate).is_nonnegative and not certificate.is_nonnegative:
            raise DerivationError(
                f"step {self.name!r}: the certificate {certificate} is not manifestly nonnegative; "
                "give a sum of squares over positive terms in symbols whose signs are declared"
            )

    def _vanishes(self, element: sp.Expr) -> None:
        for values in _random_points(element, self.domain, self.name):
            terms = [sp.N(term.subs(values), DIGITS) for term in sp.Add.make_args(element)]
            value, scale = sum(terms), 1 + sum(map(abs, terms))
            if not value.is_number or not abs(value) < sp.Float(10, DIGITS) ** (10 - DIGITS) * scale:
                where = ", ".join(f"{symbol} = {value}" for symbol, value in values.items())
                raise DerivationError(
                    f"step {self.name!r} is false: the sides differ by {sp.N(value, 6)} at {where or 'all points'}"
                )
        if not any(simplify(element) == 0 for simplify in _SIMPLIFIERS):
            raise DerivationError(
                f"step {self.name!r}: SymPy could not reduce the difference of its sides to 0 (it gave up, which is no "
                "proof); split the step into smaller ones"
            )

    @property
    def established(self) -> str:
        """In words, what the machine has checked."""
        if self.how is How.CITED:
            return "cited theorem, not checked here"
        if self.how in (How.LIMIT, How.SERIES):
            return f"SymPy's {self.how}"
        numeric = f"{DIGITS}-digit evaluation at {POINTS} random points agrees"
        if self.how is How.INSTANCE:
            how = "the gap is the nonnegative certificate" if self.certificate is not None else "the sides agree"
            return f"{how} at {' and at '.join(map(_stand_ins, self.instances))}; {numeric}"
        if self.how is How.INEQUALITY:
            return f"the difference of the sides is the nonnegative ${latex(self.certificate)}$; {numeric}"
        where = "" if self.domain == sp.true else f" where ${latex(self.domain)}$"
        return f"SymPy reduces the difference of the sides to 0; {numeric}{where}"

    def markdown(self) -> str:
        """The step as the book prints it: its sentence, its formula, and how it was checked."""
        if self.how is How.CITED:
            return f"**{self.name}** ({self.how}). {self.text} {{cite:p}}`{self.reference}`"
        sides = self.relation
        formula = latex(sides)
        if self.how is How.LIMIT:
            ((variable, point),) = self.at.items()
            formula = latex(sp.Eq(sp.Limit(sides.lhs, variable, point), sides.rhs, evaluate=False))
        if self.how is How.SERIES:
            ((variable, (point, order)),) = self.at.items()
            formula += rf" + O\left({latex((variable - point) ** order)}\right)"
        return f"**{self.name}** ({self.how}). {self.text}\n\n$$\n{formula}\n$$\n\n*Checked*: {self.established}."


def identity(name: str, text: str, lhs: sp.Basic, rhs: sp.Basic, domain: sp.Basic = sp.true) -> Step:
    """``lhs == rhs``: SymPy reduces the difference to 0, and 50-digit evaluation at random points of the domain agrees."""
    return Step(name, How.IDENTITY, text, sp.Eq(lhs, rhs, evaluate=False), domain=domain)


def inequality(
    name: str, text: str, lhs: sp.Expr, rhs: sp.Expr, certificate: sp.Expr, domain: sp.Basic = sp.true
) -> Step:
    """``lhs >= rhs``: the difference is, identically, a certificate whose form shows that it is nonnegative."""
    return Step(name, How.INEQUALITY, text, sp.Ge(lhs, rhs, evaluate=False), certificate, domain)


def limit(name: str, text: str, expr: sp.Expr, variable: sp.Symbol, point: sp.Basic, value: sp.Expr) -> Step:
    """``expr`` tends to ``value`` as ``variable`` tends to ``point``, by SymPy's limit.

    The limit is two-sided, except at infinity and for a nonnegative variable at 0.
    """
    return Step(name, How.LIMIT, text, sp.Eq(expr, value, evaluate=False), at={variable: point})


def series(
    name: str, text: str, expr: sp.Expr, variable: sp.Symbol, point: sp.Basic, order: int, value: sp.Expr
) -> Step:
    """``expr`` equals ``value`` up to terms of ``order`` in ``variable - point``, by SymPy's series.

    Raises ``ValueError`` on an order below 1, which would say nothing.
    """
    if order < 1:
        raise ValueError(f"step {name!r}: a series to order {order} says nothing; give an order of at least 1")
    return Step(name, How.SERIES, text, sp.Eq(expr, value, evaluate=False), at={variable: (point, order)})


def instance(
    name: str,
    text: str,
    relation: sp.Basic,
    *instances: Mapping[sp.Basic, Any],
    certificate: sp.Expr | None = None,
    domain: sp.Basic = sp.true,
) -> Step:
    """A step proved in prose for all sizes and verified with symbolic entries at the stated ones.

    ``relation`` is an ``Eq`` (or, with a ``certificate``, a ``Ge`` or ``Le``) between matrix expressions; each of the
    ``instances`` gives explicit matrices and sizes that stand in for its symbols. A size that the relation names needs two
    different values, so that no wrong formula can pass by agreeing at one.
    """
    return Step(name, How.INSTANCE, text, relation, certificate, domain, instances=instances)


def cited(name: str, text: str, reference: str) -> Step:
    """A named theorem taken from the literature: ``reference`` is its BibTeX key. Nothing is checked."""
    return Step(name, How.CITED, text, reference=reference)


@dataclass(frozen=True)
class Derivation:
    """A proof in prose whose sentences point at checked steps, of which there is at least one, as ``[step-name]``."""

    proof: str
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("a derivation without steps proves nothing; give at least one, or no derivation")
        names = [step.name for step in self.steps]
        pointed = set(re.findall(r"\[([a-z0-9-]+)\]", self.proof))
        if len(set(names)) != len(names) or pointed != set(names):
            raise ValueError(
                f"the proof points at {sorted(pointed)} and the steps are {sorted(names)}: "
                "every step needs a unique name, and a sentence that points at it"
            )

    def check(self) -> tuple[Step, ...]:
        """The steps, each checked; raises :class:`DerivationError` at the first that fails."""
        for step in self.steps:
            step.check()
        return self.steps

    def show(self) -> "Shown":
        """The proof and its steps as the book prints them, after checking them all."""
        steps = "\n\n".join(step.markdown() for step in self.check())
        proof = re.sub(r"\[([a-z0-9-]+)\]", r"(**\1**)", self.proof)
        return Shown(f"{proof}\n\n{steps}")


class Shown:
    """Markdown that displays itself, with an optional JSON value of its own MIME type for the book."""

    def __init__(self, markdown: str, **data: Any) -> None:
        self.markdown, self.data = markdown, data

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.markdown, "text/markdown": self.markdown, **self.data}


_SIMPLIFIERS = (
    lambda e: sfield(e)[1].as_expr(),  # exact arithmetic in a field of rational functions: by far the fastest
    sp.expand,
    sp.cancel,
    sp.factor,
    lambda e: sp.expand(sp.expand_func(e)),
    sp.gammasimp,
    sp.trigsimp,
    sp.simplify,
)


def _stand_ins(at: Mapping[sp.Basic, Any]) -> str:
    """The sizes of an instance, in words."""
    matrices = [
        f"${latex(symbol)} \\in \\mathbb{{R}}^{{{value.rows}\\times {value.cols}}}$"
        for symbol, value in at.items()
        if hasattr(value, "rows")
    ]
    numbers = [f"${latex(symbol)} = {latex(value)}$" for symbol, value in at.items() if not hasattr(value, "rows")]
    return ", ".join(([f"symbolic {', '.join(matrices)}"] if matrices else []) + numbers)


def _elements(difference: sp.Basic) -> tuple[sp.Expr, ...]:
    if isinstance(difference, sp.MatrixBase):
        return tuple(difference)
    if isinstance(difference, sp.MatrixExpr):
        return tuple(difference.as_explicit())
    return (difference,)


def _instantiate(expr: sp.Basic, at: Mapping[sp.Basic, Any]) -> sp.Basic:
    explicit = sp.sympify(expr).xreplace({key: sp.sympify(value) for key, value in at.items()})
    explicit = explicit.replace(lambda node: isinstance(node, sp.MatPow), _explicit_power).doit()
    # Their printed form, brackets and all, is no other symbol's name, and the same in relation and certificate.
    indexed = {found: sp.Symbol(str(found), **found.assumptions0) for found in explicit.atoms(sp.Indexed)}
    return explicit.xreplace(indexed)


def _explicit_power(node: sp.MatPow) -> sp.MatrixBase:
    """An integer matrix power by adjugate and products: SymPy's own simplifies as it goes and takes minutes."""
    base, power = node.base.doit().as_explicit(), int(node.exp)
    if power < 0:
        base, power = sp.ImmutableMatrix(base.adjugate() / base.det()), -power
    return reduce(sp.ImmutableMatrix.__mul__, [base] * power)


def _random_points(expr: sp.Expr, domain: sp.Basic, name: str) -> list[dict[sp.Symbol, sp.Expr]]:
    """Random points of the domain: rational values that obey every symbol's assumptions and the domain's predicate."""
    generator = random.Random(name)
    symbols = sorted(expr.free_symbols | domain.free_symbols, key=str)
    points: list[dict[sp.Symbol, sp.Expr]] = []
    for _ in range(2000 * POINTS):
        values = {symbol: _random_value(symbol, generator) for symbol in symbols}
        if domain.subs(values) == sp.true:
            points.append(values)
        if len(points) == POINTS:
            return points
    raise DerivationError(f"step {name!r}: no random point of the domain {domain} was found; state it more simply")


def _random_value(symbol: sp.Symbol, generator: random.Random) -> sp.Expr:
    for _ in range(1000):
        value = sp.Rational(generator.randint(1, 10**6), 10 ** generator.randint(4, 6))
        if symbol.is_integer:
            value = sp.Integer(generator.randint(0, 60))
        value *= -1 if symbol.is_nonpositive else 1 if symbol.is_nonnegative else generator.choice((-1, 1))
        if all(
            getattr(value, f"is_{assumption}") in (holds, None) for assumption, holds in symbol.assumptions0.items()
        ):
            return value
    raise DerivationError(f"no random number obeys the assumptions of {symbol}; state them more simply")
