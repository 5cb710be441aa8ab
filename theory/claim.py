"""A claim: hypotheses, statements written once as SymPy relations, a checked derivation, and what breaks it.

From the one relation come the printed theorem (:meth:`Claim.show`), the numeric bound (:meth:`Claim.bound`), the check
against measurements (:meth:`Claim.check`) and the slider chart (:meth:`Claim.explore`). The smallest there is:

>>> from theory.derivation import identity
>>> from theory.notation import collateral, writability
>>> hit, others = sp.symbols("h o", positive=True)
>>> claim = Claim(
...     id="writability-is-a-share",
...     title="Writability is a share",
...     part="compression",
...     hypotheses=(Hypothesis("The write moves its item."),),
...     statements=(
...         Statement("share", sp.Eq(writability, 1 / (1 + collateral)), ev.Kind.EXACT, "One over one plus the collateral."),
...     ),
...     derivation=Derivation(
...         proof="Divide the squared change $h$ of the item and that of all items, $h + o$, by $h$ [divide].",
...         steps=(identity("divide", "The share is", hit / (hit + others), 1 / (1 + others / hit)),),
...     ),
...     references=(),
...     counterexamples=("A write that does not move its item has no collateral, and writability 0.",),
... )
>>> claim.status, claim.bound(collateral=3.0).item(), str(claim.check([0.25], collateral=3.0).verdict)
('proved', 0.25, 'supported')

A derivation is checked step by step; that its steps prove the statements is for its author and its reviewers to see.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import sympy as sp

from theory import evidence as ev
from theory.derivation import Derivation, How, Shown
from theory.explorable import Slider, slider_chart
from theory.notation import GLOSSARY, latex

if TYPE_CHECKING:
    import altair as alt

MIME = "application/vnd.cls-toys.claim+json"
_OPERATORS = {sp.Le: "<=", sp.Ge: ">=", sp.Eq: "=="}
_NUMERIC = ("scipy", "numpy")


@dataclass(frozen=True)
class Hypothesis:
    """A condition of the claim: a sentence and, where parameters can decide it, a predicate on them."""

    text: str
    predicate: sp.Basic = sp.true


@dataclass(frozen=True)
class Statement:
    """One relation of a claim: the measured quantity on the left, what the claim predicts for it on the right.

    ``kind`` decides the statistics. ``resolution`` is the half-width of interval above which a check is inconclusive:
    relative to the prediction for a mean, absolute for a law or a rate. ``probability`` is the violation rate that a
    high-probability statement allows; ``size`` and ``rate`` are the variable of an asymptotic one and the power at which
    its relative error falls. A law's relation equates a distribution function at ``x`` with its formula. Raises
    ``ValueError`` on a relation or options that do not fit the kind.
    """

    name: str
    relation: sp.Basic
    kind: ev.Kind
    text: str
    hypotheses: tuple[Hypothesis, ...] = ()
    resolution: float = 0.05
    probability: float = 0.0
    size: sp.Symbol | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if type(self.relation) not in _OPERATORS:
            raise ValueError(f"statement {self.name!r}: {self.relation} is no Eq, Le or Ge between two expressions")
        if self.kind in (ev.Kind.LAW, ev.Kind.ASYMPTOTIC) and not isinstance(self.relation, sp.Eq):
            raise ValueError(f"statement {self.name!r} is of kind {self.kind}, which equates: give an Eq")
        if (self.kind is ev.Kind.HIGH_PROBABILITY) != (0 < self.probability < 1):
            raise ValueError(
                f"statement {self.name!r} of kind {self.kind} has probability={self.probability}: give the rate of "
                "violations that a high-probability statement allows, strictly between 0 and 1, and to no other kind any"
            )
        if (self.kind is ev.Kind.ASYMPTOTIC) != (self.size is not None and (self.rate or 0) > 0):
            raise ValueError(
                f"statement {self.name!r} of kind {self.kind} has size={self.size}, rate={self.rate}: an asymptotic "
                "statement needs the variable and the positive power at which its error falls, no other has them"
            )

    @property
    def operator(self) -> str:
        """``<=``, ``>=`` or ``==``."""
        return _OPERATORS[type(self.relation)]

    @property
    def symbols(self) -> dict[str, sp.Symbol]:
        """The symbols the prediction depends on, by name."""
        return {symbol.name: symbol for symbol in sorted(self.relation.rhs.free_symbols, key=str)}


@dataclass(frozen=True)
class Claim:
    """Everything the book says about one theorem (or one plausible statement that fails).

    ``statements[0]`` is the headline. ``expected`` is ``refuted`` for a statement published as false. ``counterexamples``
    are sentences that say what breaks when a hypothesis is dropped.
    """

    id: str
    title: str
    part: str
    hypotheses: tuple[Hypothesis, ...]
    statements: tuple[Statement, ...]
    derivation: Derivation | None
    references: tuple[str, ...]
    counterexamples: tuple[str, ...]
    expected: Literal[ev.Verdict.SUPPORTED, ev.Verdict.REFUTED] = ev.Verdict.SUPPORTED

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.id):
            raise ValueError(f"claim id {self.id!r}: use lower-case words joined by hyphens")
        if not self.statements:
            raise ValueError(f"claim {self.id!r} states nothing; give it at least one statement")

    @property
    def status(self) -> str:
        """What stands behind the weakest of its statements, read off derivation and kinds: never typed."""
        if self.expected is ev.Verdict.REFUTED:
            return "refuted"
        kinds = {statement.kind for statement in self.statements}
        if self.derivation is None or ev.Kind.EMPIRICAL in kinds:
            return "empirical"
        if ev.Kind.ASYMPTOTIC in kinds:
            return "asymptotic"
        cited = any(step.how is How.CITED for step in self.derivation.steps)
        return "proved under cited theorem" if cited else "proved"

    def statement(self, name: str | None = None) -> Statement:
        """The statement of that name, or the headline; raises ``ValueError`` with the names there are."""
        if name is None:
            return self.statements[0]
        names = [statement.name for statement in self.statements]
        if name not in names:
            raise ValueError(
                f"claim {self.id!r} has no statement {name!r}{did_you_mean(name, names)}; it has {', '.join(names)}"
            )
        return self.statements[names.index(name)]

    def bound(self, statement: str | None = None, **symbols: Any) -> np.ndarray:
        """The predicted side, evaluated at numbers or broadcast arrays given by symbol name.

        Raises ``ValueError`` on a missing or unknown symbol, with the ones that are needed.
        """
        chosen = self.statement(statement)
        self._require(symbols, set(chosen.symbols), chosen.symbols)
        return np.asarray(
            _numeric(chosen.relation.rhs, tuple(chosen.symbols))(*(_floats(symbols[name]) for name in chosen.symbols))
        )

    def check(
        self,
        measured: Any,
        statement: str | None = None,
        *,
        label: str = "",
        seed: int | None = None,
        tolerance: ev.Tolerance | None = None,
        confidence: float = ev.CONFIDENCE,
        **symbols: Any,
    ) -> ev.Evidence:
        """Hold ``measured`` against a statement at the given symbol values (numbers, or arrays over trials or cells).

        Shapes are those of :func:`theory.evidence.weigh`. Outside the hypotheses the verdict is ``not applicable``.
        Symbols of the glossary that the statement does not need are recorded with the others. Raises ``ValueError`` on
        missing or unknown symbols and on measurements that are no evidence.
        """
        chosen = self.statement(statement)
        hypotheses = self.hypotheses + chosen.hypotheses
        predicates = {s.name: s for h in hypotheses for s in h.predicate.free_symbols}
        size = {chosen.size.name} if chosen.size is not None else set()
        needed = (set(chosen.symbols) - ({"x"} if chosen.kind is ev.Kind.LAW else set())) | set(predicates) | size
        self._require(symbols, needed, needed)
        arrays = {name: _floats(value) for name, value in symbols.items()}
        if np.size(measured) == 0 or any(array.size == 0 for array in arrays.values()):
            raise ValueError(f"claim {self.id!r} ({chosen.name}): no trials are given; measure at least one")
        draft = ev.Evidence(
            claim=self.id, statement=chosen.name, kind=chosen.kind, relation=str(chosen.relation),
            verdict=ev.Verdict.NOT_APPLICABLE, reason="", label=label, seed=seed,
            parameters={name: _summary(value) for name, value in arrays.items()},
        )  # fmt: skip
        for symbol in {**predicates, **chosen.symbols}.values():
            if lacking := _outside(symbol, arrays.get(symbol.name)):
                return replace(draft, reason=f"{symbol.name} = {_summary(arrays[symbol.name])} is not {lacking}")
        for hypothesis in hypotheses:
            for predicate in sp.And.make_args(hypothesis.predicate):  # one by one: their symbols may differ in shape
                names = sorted(s.name for s in predicate.free_symbols)
                if names and not np.all(_numeric(predicate, tuple(names))(*(arrays[name] for name in names))):
                    return replace(draft, reason=f"a hypothesis fails: {hypothesis.text}")
        if chosen.kind is ev.Kind.LAW:
            names = [name for name in chosen.symbols if name != "x"]
            cdf = _numeric(chosen.relation.rhs, ("x", *names))
            cells = {n: ev.spread(draft, np.ravel(arrays[n]), (len(np.atleast_2d(measured)),)) for n in names}

            def bound(cell: int, points: np.ndarray) -> np.ndarray:
                return cdf(points, *(cells[name][cell] for name in names))
        else:
            bound = self.bound(chosen.name, **{name: arrays[name] for name in chosen.symbols})
        return ev.weigh(
            draft, measured, chosen.operator, bound, tolerance=tolerance, confidence=confidence,
            resolution=chosen.resolution, probability=chosen.probability, rate=chosen.rate or 1.0,
            sizes=arrays[chosen.size.name] if chosen.size is not None else None, symbols=arrays,
        )  # fmt: skip

    def show(self) -> Shown:
        """The theorem block: hypotheses, statements, references. The book turns it into a numbered theorem."""
        return Shown(f"**{self.title}** ({self.status})\n\n{self.body()}", **{MIME: {"id": self.id}})

    def body(self) -> str:
        """Markdown of the theorem without its title, for the book's theorem block."""
        lines = []
        if self.hypotheses:
            lines.append("*Hypotheses.* " + " ".join(f"({i}) {h.text}" for i, h in enumerate(self.hypotheses, 1)))
        for statement in self.statements:
            further = "; ".join(f"{h.text[0].lower()}{h.text[1:].rstrip('.')}" for h in statement.hypotheses)
            conditions = f" Here, in addition, {further}." if further else ""
            lines.append(
                f"*{statement.name}* ({statement.kind}). {statement.text}{conditions}\n\n$$\n{latex(statement.relation)}\n$$"
            )
        return "\n\n".join(lines)

    def breaks(self) -> Shown:
        """What breaks when a hypothesis is dropped, as a list."""
        return Shown("\n".join(f"- {sentence}" for sentence in self.counterexamples))

    def explore(self, x: sp.Symbol, *sliders: Slider, statement: str | None = None, **chart: Any) -> "alt.LayerChart":
        """A chart of the prediction over ``x`` with a slider for each other symbol; it needs no kernel to move.

        It ends where a hypothesis fails.
        """
        chosen = self.statement(statement)
        symbols = {x, *(slider.symbol for slider in sliders)}
        predicates = [h.predicate for h in self.hypotheses + chosen.hypotheses if h.predicate.free_symbols <= symbols]
        return slider_chart(chosen.relation, x, sliders, where=sp.And(*predicates), **chart)

    def _require(self, given: dict[str, Any], needed: Any, order: Any) -> None:
        missing = [name for name in order if name not in given]
        unknown = [name for name in given if name not in needed and name not in GLOSSARY]
        if missing or unknown:
            hint = "".join(did_you_mean(name, list(order)) for name in unknown)
            raise ValueError(
                f"claim {self.id!r}: "
                + (f"missing {', '.join(missing)}; " if missing else "")
                + (f"unknown {', '.join(unknown)}{hint}; " if unknown else "")
                + f"needed are {', '.join(order)}"
            )


def did_you_mean(word: str, options: list[str]) -> str:
    """`` (did you mean 'x'?)`` or nothing."""
    close = get_close_matches(word, options, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


@cache
def _numeric(expr: sp.Basic, names: tuple[str, ...]) -> Callable[..., np.ndarray]:
    symbols = {symbol.name: symbol for symbol in expr.free_symbols}
    return sp.lambdify([symbols.get(name, sp.Symbol(name)) for name in names], expr, modules=_NUMERIC)


def _floats(values: Any) -> np.ndarray:
    """As floating-point numbers: integers of a fixed width would wrap around without a word."""
    return np.asarray(values, dtype=float)


def _outside(symbol: sp.Symbol, values: np.ndarray | None) -> str:
    """Which assumption of the symbol the values break, or nothing."""
    if values is None:
        return ""
    kept = {
        "an integer": not symbol.is_integer or np.all(values == np.round(values)),
        "positive": not symbol.is_positive or np.all(values > 0),
        "nonnegative": symbol.is_positive or not symbol.is_nonnegative or np.all(values >= 0),
    }
    return " and ".join(assumption for assumption, holds in kept.items() if not holds)


def _summary(value: np.ndarray) -> Any:
    low, high = (int(x) if x.is_integer() else x for x in (value.min().item(), value.max().item()))
    return low if low == high else [low, high]
