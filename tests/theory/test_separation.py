"""Claims on pattern separation: known values, the normal functions in all their forms, planted false variants."""

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from scipy import special, stats

from cls_toys import separation
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.explorable import vega_expression
from theory.notation import (
    code_activity,
    input_correlation,
    latex,
    output_correlation,
    transfer,
    winners_transfer,
    winners_variance,
)
from theory.notation import dim as units
from theory.separation.normal import FiringThreshold, OwenT, Tail, density
from theory.separation.separation import at_threshold, contrast, law

Plant = Callable[..., Evidence]
LAW, BOUNDS, RARE = claim("transfer-function"), claim("separation-bounds"), claim("low-activity-separation")
X, S = sp.Symbol("x"), sp.Symbol("s", positive=True)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("expr", "known"), [
    (Tail(X).subs(X, 1), mpmath.ncdf(-1)),
    (FiringThreshold(X).subs(X, sp.Rational(1, 40)), mpmath.mpf("1.95996398454005423552459443052")),
    (OwenT(sp.Integer(0), sp.Integer(1)), mpmath.mpf(1) / 8),
    (OwenT(sp.Integer(1), sp.Integer(1)), mpmath.ncdf(1) * mpmath.ncdf(-1) / 2),
])  # fmt: skip
def test_normal_functions_have_known_values_symbolically_and_numerically(expr: sp.Expr, known: mpmath.mpf) -> None:
    """T(h, 1) is half of the product of the two tails."""
    assert float(sp.N(expr, 30)) == pytest.approx(float(known), rel=1e-14)
    assert float(sp.lambdify([], expr, modules=("scipy", "numpy"))()) == pytest.approx(float(known), rel=1e-13)


@pytest.mark.parametrize("expr", [Tail(X), FiringThreshold(X / 4), OwenT(X, S), OwenT(S, X)])
def test_derivatives_of_the_normal_functions_are_those_of_finite_differences(expr: sp.Expr) -> None:
    at = {X: sp.Rational(7, 5), S: sp.Rational(3, 5)}
    step = sp.Rational(1, 10**12)
    numeric = (expr.subs({**at, X: at[X] + step}) - expr.subs({**at, X: at[X] - step})) / (2 * step)
    assert float(sp.N(numeric, 40)) == pytest.approx(float(sp.N(sp.diff(expr, X).subs(at), 30)), rel=1e-10)


def vega(expression: str, **values: float) -> float:
    """What Vega would make of the expression, by Python: its functions are those of the normal law and of mathematics."""
    names = {
        "cumulativeNormal": stats.norm.cdf, "quantileNormal": stats.norm.ppf, "exp": np.exp, "cos": np.cos,
        "atan": np.arctan, "sqrt": np.sqrt, "pow": np.power, "PI": np.pi,
    }  # fmt: skip
    return float(eval(expression, names | values))


@pytest.mark.parametrize("activity", [0.002, 0.02, 0.5])
@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.999])
def test_the_chart_draws_the_law(activity: float, correlation: float) -> None:
    drawn = vega(vega_expression(law), code_activity=activity, input_correlation=correlation)
    exact = LAW.bound(code_activity=activity, input_correlation=correlation)
    assert drawn == pytest.approx(float(exact), rel=1e-6)
    tail = vega(
        vega_expression(Tail(contrast(input_correlation) * at_threshold)),
        code_activity=activity,
        input_correlation=correlation,
    )
    assert tail == pytest.approx(
        float(BOUNDS.bound("lower", code_activity=activity, input_correlation=correlation)), rel=1e-9
    )


def test_the_book_prints_thresholds_and_tails() -> None:
    assert latex(at_threshold**2) == r"\theta_{a}^{2}"
    assert latex(Tail(at_threshold)) == r"\bar{\Phi}\left(\theta_{a}\right)"
    assert latex(FiringThreshold(2 * code_activity)) == r"\theta_{2 a}"
    assert latex(OwenT(code_activity, S) ** 2) == r"T^{2}\left(a, s\right)"


def test_the_law_has_known_values() -> None:
    """Equal inputs, independent ones, half of the units, and a value of the specification."""
    assert LAW.bound(code_activity=0.3, input_correlation=1.0) == pytest.approx(1)
    assert LAW.bound(code_activity=0.3, input_correlation=0.0) == pytest.approx(0.3)
    assert LAW.bound(code_activity=0.5, input_correlation=0.5) == pytest.approx(2 / 3)
    assert LAW.bound(code_activity=0.02, input_correlation=0.3) == pytest.approx(0.083, abs=5e-4)


def test_the_local_exponent_is_the_slope_of_the_law() -> None:
    """d ln q / d ln a = 2 Phi(-kappa theta)/q - 1: the slope in the threshold, which the bounds rest on."""
    at = {code_activity: sp.Rational(1, 50), input_correlation: sp.Rational(3, 5)}
    slope = sp.diff(sp.log(law), code_activity) * code_activity
    stated = 2 * Tail(contrast(input_correlation) * at_threshold) / law - 1
    assert float(sp.N(slope.subs(at), 20)) == pytest.approx(float(sp.N(stated.subs(at), 20)))


@pytest.mark.parametrize("name", [
    "transfer-function", "separation-bounds", "low-activity-separation", "separation-is-monotone", "winners-overlap",
])  # fmt: skip
def test_derivations_hold(name: str) -> None:
    assert claim(name).derivation.check()


def test_outside_the_hypotheses_nothing_is_said() -> None:
    for at in ({"code_activity": 1.0, "input_correlation": 0.5}, {"code_activity": 0.5, "input_correlation": -1.0}):
        assert LAW.check(np.ones(5), "transfer", **at).verdict is Verdict.NOT_APPLICABLE
    for at in ({"code_activity": 0.6, "input_correlation": 0.5}, {"code_activity": 0.5, "input_correlation": -0.1}):
        assert BOUNDS.check([0.5], "upper", **at).verdict is Verdict.NOT_APPLICABLE


def test_a_wrong_transfer_is_refuted(plant: Plant) -> None:
    """The contrast inverted, and a formula that is right for half of the units only."""
    seen = separation.counted([0.1], [0.6], 20000, 40, generator=rng(1))
    at = {"code_activity": 0.1, "input_correlation": 0.6}
    assert LAW.check(seen.share, "transfer", **at).verdict is Verdict.SUPPORTED
    rho, a = input_correlation, code_activity
    for wrong in (1 - 2 * OwenT(at_threshold, 1 / contrast(rho)) / a, a + (1 - a) * 2 * sp.asin(rho) / sp.pi):
        found = plant(sp.Eq(transfer, wrong), Kind.EXPECTATION, seen.share, statement={"resolution": 0.1}, **at)
        assert found.verdict is Verdict.REFUTED


def test_tighter_bounds_are_refuted(plant: Plant) -> None:
    table = separation.pairs(2000, generator=rng(2))
    at = {name: table[name] for name in ("code_activity", "input_correlation")}
    tail = Tail(contrast(input_correlation) * at_threshold)
    for relation in (
        sp.Le(transfer, (1 + input_correlation**2) * tail),
        sp.Ge(transfer, (1 + input_correlation) ** sp.Rational(4, 5) * tail),
    ):
        assert plant(relation, Kind.EXACT, table["transfer"], **at).verdict is Verdict.REFUTED
    for name in ("upper", "lower"):
        assert BOUNDS.check(table["transfer"], name, **at).verdict is Verdict.SUPPORTED


def test_a_wrong_rate_or_exponent_of_the_power_law_is_refuted(plant: Plant) -> None:
    thresholds = np.geomspace(10, 36, 10)
    at = {"firing_threshold": thresholds, "input_correlation": 0.3}
    shared = separation.transfer(thresholds, 0.3)
    assert RARE.check(shared, "power-law", **at).verdict is Verdict.SUPPORTED
    relation = RARE.statement("power-law").relation
    for wrong, rate in ((relation, 4.0), (sp.Eq(transfer, 2 * relation.rhs), 2.0)):
        size = {"size": RARE.statement("power-law").size, "rate": rate}
        assert plant(wrong, Kind.ASYMPTOTIC, shared, statement=size, **at).verdict is Verdict.REFUTED


def test_the_power_law_would_be_accepted_where_it_holds() -> None:
    """Codes that do share what the power says: the check can say yes."""
    false = claim("power-law-at-two-percent")
    at = {"code_activity": 0.02, "input_correlation": 0.6, "firing_threshold": 2.0537}
    for name in ("bare", "prefactor"):
        needed = {symbol: at[symbol] for symbol in false.statement(name).symbols}
        shared = false.bound(name, **needed) / 0.9 * (1 + 0.01 * torch.randn(50, generator=rng(3)).numpy())
        assert false.check(shared, name, **at).verdict is Verdict.SUPPORTED
        assert false.check(shared * 0.8, name, **at).verdict is Verdict.REFUTED


def test_separation_is_not_stronger_than_stated(plant: Plant) -> None:
    table = separation.pairs(2000, generator=rng(4))
    at = {"input_correlation": table["input_correlation"]}
    wrong = plant(sp.Le(output_correlation, input_correlation**2), Kind.EXACT, table["output_correlation"], **at)
    assert wrong.verdict is Verdict.REFUTED


def test_the_variance_of_independent_units_is_refuted_for_winners(plant: Plant) -> None:
    winners, a, rho = [2, 3, 4, 6, 8, 12, 16, 24], 0.25, 0.6
    moments = [separation.winner_moments(4 * k, k, rho) for k in winners]
    at = {"dim": 4 * np.array(winners), "code_activity": a, "input_correlation": rho}
    options = {"size": units, "rate": 1.0, "resolution": 0.1}
    joint = law * code_activity
    free = sp.Eq(winners_variance, joint * (1 - joint))
    assert (
        plant(free, Kind.ASYMPTOTIC, [m.variance for m in moments], statement=options, **at).verdict is Verdict.REFUTED
    )
    shared = [m.share for m in moments]
    slower = {**options, "rate": 0.5}
    assert (
        plant(sp.Eq(winners_transfer, law), Kind.ASYMPTOTIC, shared, statement=slower, **at).verdict is Verdict.REFUTED
    )
    assert claim("winners-overlap").check(shared, "mean", **at).verdict is Verdict.SUPPORTED


def test_density_is_the_slope_of_the_tail() -> None:
    assert sp.diff(Tail(X), X) == -density(X)
    assert special.ndtr(-0.3) == pytest.approx(float(Tail(sp.Rational(3, 10)).evalf()))
