"""A SymPy expression printed as a Vega-Lite expression, and charted with sliders that work without a kernel."""

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import sympy as sp
from sympy.printing.jscode import JavascriptCodePrinter

from theory.notation import GLOSSARY

if TYPE_CHECKING:  # it takes seconds to import, and most of theory/ draws nothing
    import altair as alt

POINTS = 240  # of a charted curve
_ELEMENTARY = (
    sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.asin, sp.acos, sp.atan, sp.Abs, sp.floor, sp.ceiling, sp.Min, sp.Max,
    sp.Piecewise,
)  # fmt: skip


class Slider(NamedTuple):
    """A symbol the reader can move: from ``low`` to ``high`` in steps, starting at ``value``."""

    symbol: sp.Symbol
    low: float
    high: float
    value: float
    step: float = 1.0


class _VegaPrinter(JavascriptCodePrinter):
    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return expr.name

    def _print_Pow(self, expr: sp.Pow) -> str:
        # Vega has sqrt and no cbrt, which JavaScript has.
        return f"pow({self._print(expr.base)}, 1/3)" if expr.exp == sp.Rational(1, 3) else super()._print_Pow(expr)


def vega_expression(expr: sp.Expr, x: sp.Symbol | None = None) -> str:
    """The Vega-Lite expression of ``expr``; ``x`` is read from the datum, every other symbol from a parameter.

    A function of our own says what it is in Vega by a method ``_javascript(printer)``. Raises ``ValueError`` on functions
    that Vega cannot evaluate (ship a precomputed grid for those).

    >>> r, n = sp.symbols("r n", positive=True)
    >>> vega_expression(n / r - 1, x=r)
    'n/datum.r - 1'
    """
    functions = {f for f in expr.atoms(sp.Function) if not (isinstance(f, _ELEMENTARY) or hasattr(f, "_javascript"))}
    special = sorted({type(f).__name__ for f in functions})
    if special:
        allowed = ", ".join(f.__name__ for f in _ELEMENTARY)
        raise ValueError(
            f"Vega cannot evaluate {', '.join(special)}: allowed are {allowed}, sqrt and powers; "
            "for a special function chart a precomputed grid instead"
        )
    code = _VegaPrinter().doprint(expr).replace("Math.", "")
    return re.sub(rf"\b{re.escape(x.name)}\b", f"datum.{x.name}", code) if x is not None else code


def slider_chart(
    relation: sp.Basic,
    x: sp.Symbol,
    sliders: tuple[Slider, ...],
    *,
    over: tuple[float, float],
    title: str,
    description: str,
    y_range: tuple[float, float] | None = None,
    where: sp.Basic = sp.true,
) -> "alt.LayerChart":
    """The right side of ``relation`` over ``x`` in ``over``; the side it forbids is shaded.

    The curve is drawn only where the predicate ``where`` holds. Every other symbol of the expression needs a slider, otherwise ``ValueError`` names it. ``description`` is the
    accessible name of the chart.
    """
    import altair as alt

    expr = relation.rhs
    lacking = expr.free_symbols - {x} - {slider.symbol for slider in sliders}
    if lacking:
        raise ValueError(f"no slider for {', '.join(sorted(map(str, lacking)))}; give one for every symbol but {x}")
    start, stop = over
    data = alt.sequence(start, stop + (stop - start) / (2 * POINTS), (stop - start) / POINTS, as_=x.name)
    y_scale = alt.Scale(domain=list(y_range), clamp=True) if y_range else alt.Undefined
    base = alt.Chart(data, width="container", height=260).transform_calculate(bound=vega_expression(expr, x))
    if where != sp.true:
        base = base.transform_filter(vega_expression(where, x))
    ticks = alt.Axis(format="d", tickMinStep=1, labelOverlap=True) if x.is_integer else alt.Axis(labelOverlap=True)
    x_axis = alt.X(f"{x.name}:Q", title=_axis(x), scale=alt.Scale(domain=[start, stop]), axis=ticks)
    y_axis = alt.Y("bound:Q", title=_axis(relation.lhs), scale=y_scale, stack=None)  # stacked, y2 would be ignored
    line = base.mark_line(strokeWidth=2.5, clip=True).encode(x=x_axis, y=y_axis)
    layers = [line]
    if not isinstance(relation, sp.Eq):
        edge = alt.Y2Value("height" if isinstance(relation, sp.Ge) else 0)
        layers.insert(0, base.mark_area(opacity=0.15, clip=True).encode(x=x_axis, y=y_axis, y2=edge))
    parameters = [
        alt.param(name=s.symbol.name, value=s.value, bind=alt.binding_range(min=s.low, max=s.high, step=s.step, name=_axis(s.symbol) + " "))
        for s in sliders
    ]  # fmt: skip
    return alt.layer(*layers).add_params(*parameters).properties(title=title, description=description)


def _axis(symbol: Any) -> str:
    entry = GLOSSARY.get(symbol.name)
    return entry.meaning.split(":")[0].split(",")[0] if entry else symbol.name
