"""The slider charts compute what the claims state: Vega itself evaluates the printed expressions."""

import re

import altair as alt
import numpy as np
import pytest
import sympy as sp
import vl_convert

import theory
from theory.evidence import Kind
from theory.explorable import Slider, slider_chart, vega_expression
from theory.notation import compression, dim, mean_collateral, n_items, n_keys, rank

a, b = sp.symbols("a b", positive=True)
t = sp.Symbol("t", real=True)


def evaluated(expr: sp.Expr, points: dict[str, np.ndarray], x: sp.Symbol) -> np.ndarray:
    """``expr`` as Vega computes it at the points: drawn as text marks and read back from the picture."""
    rows = [dict(zip(points, map(float, row), strict=True)) for row in zip(*points.values(), strict=True)]
    code = vega_expression(expr, x)
    for name in points:  # what a slider gives in the page, each row gives here
        code = re.sub(rf"(?<!datum\.)\b{name}\b", f"datum.{name}", code)
    chart = (
        alt.Chart(alt.Data(values=rows))
        .transform_calculate(text=f"'value:' + ({code})")
        .mark_text()
        .encode(text="text:N")
    )
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    return np.array([float(value) for value in re.findall(r">value:([^<]*)<", svg)])


FUNCTIONS = {
    "rational": (a**2 - b) / (3 * a + sp.Rational(1, 7) * b),
    "powers": a ** sp.Rational(1, 3) + b ** sp.Rational(-1, 2) + a**b + sp.sqrt(a * b) + sp.cbrt(a + b) ** 2,
    "constants": sp.pi * a + sp.E * b + sp.exp(2),
    "elementary": sp.log(a) + sp.exp(-b) + sp.sin(a) * sp.cos(b) + sp.tan(b / 9) + sp.atan(a),
    "inverse": sp.asin(a / 100) + sp.acos(b / 100),
    "pieces": sp.Piecewise((a, a > 2), (2 * b, b > 1), (a - b, True)),
    "corners": sp.Max(a, b, 1) - sp.Min(a, 2) + sp.Abs(a - b) + sp.floor(a) + sp.ceiling(b),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vega_agrees_with_numpy(name: str) -> None:
    rng = np.random.default_rng(0)
    points = {"a": rng.uniform(0.1, 5, 20), "b": rng.uniform(0.1, 5, 20)}
    expected = sp.lambdify((a, b), FUNCTIONS[name], "numpy")(**points)
    np.testing.assert_allclose(evaluated(FUNCTIONS[name], points, a), expected, rtol=1e-12, atol=1e-12)


def charted(bound: sp.Expr) -> bool:
    """Whether a bound can be a slider chart: it varies, and Vega can evaluate it."""
    try:
        vega_expression(bound)
    except ValueError:
        return False
    return bool(bound.free_symbols)


@pytest.mark.parametrize(
    ("id", "statement"),
    [
        (id, s.name)
        for id, claim in theory.claims().items()
        for s in claim.statements
        if s.kind is not Kind.LAW and charted(s.relation.rhs)
    ],
)
def test_vega_agrees_with_the_bound_of_every_claim(id: str, statement: str) -> None:
    claim = theory.claim(id)
    symbols = claim.statement(statement).symbols
    values = {
        "n_items": [40, 24, 7], "n_keys": [30, 8, 7], "dim": [10, 8, 5], "rank": [8, 8, 3], "load": [1.25, 2, 4],
        "n_parameters": [90, 80, 70], "n_tasks": [5, 2, 1],
    }  # fmt: skip
    points = {name: np.array(values.get(name, [0.25, 0.5, 0.9]), dtype=float) for name in symbols}
    got = evaluated(claim.statement(statement).relation.rhs, points, next(iter(symbols.values())))
    np.testing.assert_allclose(got, claim.bound(statement, **points), rtol=1e-12)


def test_only_x_is_read_from_the_datum() -> None:
    assert vega_expression(n_keys / rank - 1, rank) == "n_keys/datum.rank - 1"
    assert vega_expression(dim * sp.Symbol("dim_2"), dim) in ("datum.dim*dim_2", "dim_2*datum.dim")


@pytest.mark.parametrize("special", [sp.gamma(a), sp.erf(a), sp.besselj(1, a), sp.sinh(a), sp.Function("f")(a)])
def test_a_function_that_vega_lacks_is_refused(special: sp.Expr) -> None:
    with pytest.raises(ValueError, match=r"Vega cannot evaluate .*precomputed grid"):
        vega_expression(special)


def test_the_law_of_the_leverage_has_no_slider_chart() -> None:
    with pytest.raises(ValueError, match="Vega cannot evaluate betainc_regularized"):
        slider_chart(
            theory.claim("random-keys").statement("leverage-law").relation, sp.Symbol("x", positive=True),
            (Slider(n_items, 4, 40, 8), Slider(dim, 1, 20, 2)), over=(0, 1), title="", description="",
        )  # fmt: skip


def test_every_symbol_needs_a_slider() -> None:
    with pytest.raises(ValueError, match="no slider for n_keys; give one for every symbol but rank"):
        theory.claim("writability-budget").explore(rank, statement="mean", over=(1, 20), title="", description="")


def test_a_chart_is_named_bound_and_shaded() -> None:
    chart = theory.claim("writability-budget").explore(
        rank, Slider(n_keys, 1, 100, 40), statement="mean", over=(1, 20), title="Budget", description="The budget."
    )
    spec = chart.to_dict()
    assert (spec["title"], spec["description"]) == ("Budget", "The budget.")
    (parameter,) = spec["params"]
    assert (parameter["name"], parameter["value"], parameter["bind"]["max"]) == ("n_keys", 40, 100)
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["area", "line"], "what the bound forbids is shaded"
    equation = slider_chart(
        sp.Eq(mean_collateral, compression - 1), compression, (), over=(1, 5), title="", description=""
    ).to_dict()
    assert [layer["mark"]["type"] for layer in equation["layer"]] == ["line"], "an equation forbids no side"


@pytest.mark.parametrize(("relation", "forbidden"), [(sp.Ge, "below"), (sp.Le, "above")])
def test_the_forbidden_side_is_shaded(relation: type[sp.Rel], forbidden: str) -> None:
    chart = slider_chart(
        relation(mean_collateral, 2 + t), t, (), over=(0, 1), y_range=(0, 5), title="", description=""
    ).properties(width=100, height=100)
    path = re.search(r'aria-roledescription="area mark"[^>]* d="([^"]*)"', vl_convert.vegalite_to_svg(chart.to_dict()))
    heights = {round(float(y)) for y in re.findall(r"[ML][^,]+,([-\d.e]+)", path[1])}
    edge = 100 if forbidden == "below" else 0
    assert edge in heights
    assert 100 - edge not in heights


def test_the_curve_ends_where_a_hypothesis_fails() -> None:
    def transforms(id: str, statement: str, x: sp.Symbol, *sliders: Slider) -> list[dict]:
        chart = theory.claim(id).explore(x, *sliders, statement=statement, over=(1, 60), title="t", description="d")
        return chart.to_dict()["layer"][0]["transform"]

    assert {"filter": "datum.rank <= n_keys"} in transforms("writability-budget", "mean", rank, Slider(n_keys, 1, 9, 5))
    (_, welch) = transforms("local-write-dimensionality", "welch", dim, Slider(n_items, 2, 60, 9))
    assert "datum.dim >= 2" in welch["filter"]
    assert "&&" in welch["filter"]
    assert len(transforms("random-keys", "local-mean", n_items, Slider(dim, 1, 9, 5))) == 1


def test_the_curve_reaches_both_ends() -> None:
    spec = slider_chart(sp.Eq(a, 2 * t), t, (), over=(1, 5), title="", description="").to_dict()
    sequence = spec["data"]["sequence"] if "data" in spec else spec["layer"][0]["data"]["sequence"]
    last = sequence["start"] + sequence["step"] * (
        np.ceil((sequence["stop"] - sequence["start"]) / sequence["step"]) - 1
    )
    assert sequence["start"] == 1
    assert last == pytest.approx(5)
