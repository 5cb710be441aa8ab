"""Mechanics of evidence: kinds, edge values, clear errors, JSON and HTML. Its statistical power is in test_power.py."""

import html
import json
import math

import numpy as np
import pytest
import sympy as sp
from scipy import stats

from theory.claim import Claim, Hypothesis, Statement
from theory.evidence import MIME, Evidence, Kind, Slack, Tolerance, Verdict, rounding

measured, bound, size = sp.symbols("measured bound size")
x = sp.Symbol("x")
EQ, LE, GE = (relation(measured, bound) for relation in (sp.Eq, sp.Le, sp.Ge))
UNIFORM = sp.Eq(measured, bound * x)


def stated(relation: sp.Basic, kind: Kind, **options: object) -> Claim:
    return Claim("toy", "", "", (), (Statement("s", relation, kind, "", **options),), None, (), ())


def verdict(relation: sp.Basic, kind: Kind, values: object, predicted: object, **options: object) -> Verdict:
    return stated(relation, kind, **options).check(values, bound=predicted).verdict


@pytest.mark.parametrize(
    ("relation", "values", "predicted", "expected"),
    [
        (LE, [1.0, 2.0], 2.0, Verdict.SUPPORTED),
        (LE, [1.0, 2.0 + 1e-9], 2.0, Verdict.REFUTED),
        (LE, [1.0, 2.0 + 1e-14], 2.0, Verdict.SUPPORTED),  # rounding
        (GE, [1.0, 2.0], [1.0, 2.5], Verdict.REFUTED),
        (EQ, [1e9], 1e9 + 1e-5, Verdict.SUPPORTED),  # relative to a large prediction
        (EQ, [1e9], 1e9 + 1e-1, Verdict.REFUTED),
        (EQ, [math.inf, 1.0], [math.inf, 1.0], Verdict.SUPPORTED),  # a zero key: infinite, as predicted
        (EQ, [3.0], math.inf, Verdict.REFUTED),
        (EQ, [math.inf], 3.0, Verdict.REFUTED),
        (EQ, [-math.inf], math.inf, Verdict.REFUTED),
        (GE, [3.0], math.inf, Verdict.REFUTED),
        (LE, [3.0], math.inf, Verdict.SUPPORTED),
        (LE, [math.inf], 3.0, Verdict.REFUTED),
    ],
)
def test_exact(relation: sp.Basic, values: list[float], predicted: object, expected: Verdict) -> None:
    assert verdict(relation, Kind.EXACT, values, predicted) is expected


def test_the_tolerance_follows_the_dtype_and_its_reason_is_kept() -> None:
    claim = stated(EQ, Kind.EXACT)
    assert claim.check(np.float32([1 + 1e-5]), bound=1).verdict is Verdict.SUPPORTED
    assert claim.check(np.float64([1 + 1e-5]), bound=1).verdict is Verdict.REFUTED
    assert claim.check(np.float64([1 + 1e-5]), bound=1, tolerance=Tolerance(1e-7, "ours")).tolerance.reason == "ours"
    assert "float32" in claim.check(np.float32([1]), bound=1).tolerance.reason
    assert rounding(np.float64, condition=1e4).value == pytest.approx(1e4 * rounding(np.float64).value)


def test_a_tolerance_that_nothing_could_violate_supports_nothing() -> None:
    assert verdict(EQ, Kind.EXACT, np.float16([1.0]), 1.0) is Verdict.INCONCLUSIVE
    loose = stated(EQ, Kind.EXACT).check([1.0], bound=1.0, tolerance=rounding(np.float64, condition=1e15))
    assert loose.verdict is Verdict.INCONCLUSIVE
    assert "wider dtype" in loose.reason


def test_too_few_trials_are_inconclusive() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(1, 1, 12), rng.normal(1, 1, 40_000)
    assert verdict(EQ, Kind.EXPECTATION, few, 1.0) is Verdict.INCONCLUSIVE
    assert verdict(EQ, Kind.EXPECTATION, many, 1.0) is Verdict.SUPPORTED
    assert verdict(UNIFORM, Kind.LAW, rng.uniform(size=50), 1.0) is Verdict.INCONCLUSIVE
    assert verdict(UNIFORM, Kind.LAW, rng.uniform(size=5000), 1.0) is Verdict.SUPPORTED
    rare = {"probability": 0.1}
    assert verdict(LE, Kind.HIGH_PROBABILITY, np.zeros(20), 1.0, **rare) is Verdict.INCONCLUSIVE
    assert verdict(LE, Kind.HIGH_PROBABILITY, np.zeros(2000), 1.0, **rare) is Verdict.SUPPORTED
    assert verdict(LE, Kind.HIGH_PROBABILITY, np.full(20, 2.0), 1.0, **rare) is Verdict.REFUTED


def test_an_interval_is_the_textbook_one() -> None:
    values = np.array([2.0, 4.0, 9.0, 1.0])
    got = stated(EQ, Kind.EXPECTATION).check(values, bound=4.0, confidence=0.95)
    expected = stats.ttest_1samp(values, 4.0).confidence_interval(0.95)
    np.testing.assert_allclose(got.interval, expected, rtol=1e-12)
    assert got.level == 0.95
    frequency = stated(LE, Kind.HIGH_PROBABILITY, probability=0.5).check([0.0] * 9 + [2.0], bound=1.0, confidence=0.95)
    # Clopper-Pearson for 1 of 10 at 95 %, a published table value.
    np.testing.assert_allclose(frequency.interval, (0.0025, 0.4450), atol=1e-4)


def test_several_cells_share_one_level() -> None:
    values = np.random.default_rng(1).normal(0, 1, (50, 30))
    one = stated(EQ, Kind.EXPECTATION).check(values[0], bound=0)
    many = stated(EQ, Kind.EXPECTATION).check(values, bound=np.zeros(50))
    narrow, wide = (e.interval[1] - e.interval[0] for e in (one, many))
    assert many.trials == 1500
    assert wide > narrow
    np.testing.assert_allclose(one.interval[1] + one.interval[0], 2 * values[0].mean(), atol=1e-12)


def test_the_law_takes_the_symbols_of_each_cell() -> None:
    values = np.random.default_rng(1).uniform(size=(2, 5000)) * [[1.0], [0.5]]
    claim = stated(UNIFORM, Kind.LAW)
    assert claim.check(values, bound=[1, 2]).verdict is Verdict.SUPPORTED
    refuted = claim.check(values, bound=[1, 1])
    assert (refuted.verdict, refuted.violations) == (Verdict.REFUTED, 1)
    with pytest.raises(ValueError, match=r"measured has shape \(4,\) and .* shape \(2,\)"):
        claim.check(np.vstack((values, values)), bound=[1, 2])


SIZES = np.array([10.0, 20, 40, 80, 160, 320, 640, 1280])


def trend(values: object, sizes: object = SIZES, rate: float = 1) -> Evidence:
    claim = stated(sp.Eq(measured, bound), Kind.ASYMPTOTIC, size=size, rate=rate)
    return claim.check(values, bound=1.0, size=sizes)


def test_a_trend_is_judged_by_its_rate() -> None:
    n = SIZES
    assert trend(1 + 1 / n).verdict is Verdict.SUPPORTED  # without noise the fit's own error is 0
    assert trend(1 + 2 / (n - 2)).verdict is Verdict.SUPPORTED  # higher orders are allowed
    assert trend(1 + 1 / n**2).verdict is Verdict.REFUTED
    assert trend(1 + 1 / np.sqrt(n)).verdict is Verdict.REFUTED
    assert trend(1 + 1 / np.sqrt(n), rate=0.5).verdict is Verdict.SUPPORTED
    assert trend(1 + n / 10000).verdict is Verdict.REFUTED
    assert trend(1.1 + 0 / n).verdict is Verdict.REFUTED  # an error that stays
    assert trend(1 + 0 / n).verdict is Verdict.SUPPORTED  # exact at every size
    noise = np.random.default_rng(0).lognormal(0, 1, n.size)
    assert trend(1 + noise / n).verdict is Verdict.INCONCLUSIVE


def test_a_trend_to_another_limit_is_not_supported() -> None:
    for offset in (0.05, 0.005):
        assert trend(1 + offset + 1 / SIZES).verdict is Verdict.REFUTED
    assert trend(1.002 + 1 / SIZES).verdict is Verdict.INCONCLUSIVE  # it shows at the last size only
    many = np.geomspace(10, 1000, 12)
    for offset in (0.05, 0.005):
        assert trend(1 + offset + 1 / many, many).verdict is Verdict.REFUTED


def test_a_rate_is_not_supported_by_noise() -> None:
    """Errors of size^-1/2 with noise: claimed to fall as size^-1 they are refuted or inconclusive, but for rare luck."""
    rng = np.random.default_rng(1)
    for sizes, refuted in ((SIZES, 0), (np.geomspace(10, 1280, 60), 150)):
        verdicts = [trend(1 + rng.lognormal(0, 0.35, sizes.size) / np.sqrt(sizes), sizes).verdict for _ in range(200)]
        assert verdicts.count(Verdict.SUPPORTED) <= 4
        assert verdicts.count(Verdict.REFUTED) >= refuted


def test_each_cell_of_a_frequency_is_judged() -> None:
    seldom = np.zeros((100, 4000))
    seldom[7, :2000] = 2.0  # half of one cell's trials violate
    claim = stated(LE, Kind.HIGH_PROBABILITY, probability=0.01)
    assert claim.check(seldom, bound=1.0).verdict is Verdict.REFUTED
    assert claim.check(np.zeros((100, 4000)), bound=np.ones(100)).verdict is Verdict.SUPPORTED
    assert claim.check(np.zeros(120), bound=1.0).verdict is Verdict.INCONCLUSIVE
    unlucky = np.zeros((100, 4000))
    unlucky[7, :60] = 2.0  # 1.5 %: too many for one cell that was looked at alone, not for the worst of a hundred
    assert claim.check(unlucky[7], bound=1.0).verdict is Verdict.REFUTED
    assert claim.check(unlucky, bound=1.0).verdict is not Verdict.REFUTED


def test_an_exact_statement_is_held_to_each_trials_own_tolerance() -> None:
    claim, condition = stated(EQ, Kind.EXACT), np.array([1.0, 1e4])
    loose = claim.check([1 + 1e-9, 1.0], bound=1.0, tolerance=rounding(np.float64, condition=condition))
    assert (loose.verdict, loose.violations) == (Verdict.REFUTED, 1)
    tight = claim.check([1.0, 1 + 1e-9], bound=1.0, tolerance=rounding(np.float64, condition=condition))
    assert tight.verdict is Verdict.SUPPORTED
    assert "condition 1 to 1e+04" in tight.tolerance.reason
    for wrong in (math.nan, math.inf, -1.0):
        with pytest.raises(ValueError, match="finite and at least 0"):
            claim.check([5.0], bound=1.0, tolerance=Tolerance(wrong, "none"))


def test_values_that_no_symbol_can_take_are_not_applicable() -> None:
    count, share = sp.Symbol("count", integer=True, positive=True), sp.Symbol("share", nonnegative=True)
    claim = stated(sp.Le(measured, count + share), Kind.EXACT)
    assert claim.check([1.0], count=2, share=0.0).verdict is Verdict.SUPPORTED
    for values, said in (
        ({"count": 0, "share": 0}, "count = 0 is not positive"),
        ({"count": [1, -2], "share": 0}, r"count = [-2, 1] is not positive"),
        ({"count": 1.5, "share": 0}, "count = 1.5 is not an integer"),
        ({"count": 1, "share": -1}, "share = -1 is not nonnegative"),
    ):
        evidence = claim.check([-5.0, -5.0], **values)
        assert (evidence.verdict, evidence.reason) == (Verdict.NOT_APPLICABLE, said)


@pytest.mark.parametrize(
    ("relation", "kind", "options", "said"),
    [
        (LE, Kind.LAW, {}, "give an Eq"),
        (LE, Kind.ASYMPTOTIC, {"size": size, "rate": 1}, "give an Eq"),
        (EQ, Kind.ASYMPTOTIC, {"size": size}, "positive power"),
        (EQ, Kind.ASYMPTOTIC, {"rate": 1}, "needs the variable"),
        (EQ, Kind.EXACT, {"size": size, "rate": 1}, "no other has them"),
        (LE, Kind.HIGH_PROBABILITY, {}, "strictly between 0 and 1"),
        (LE, Kind.EXACT, {"probability": 0.1}, "no other kind any"),
        (sp.Ne(measured, bound), Kind.EXACT, {}, "no Eq, Le or Ge"),
    ],
)
def test_a_statement_fits_its_kind(relation: sp.Basic, kind: Kind, options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Statement("s", relation, kind, "", **options)


def test_what_is_no_evidence_is_refused() -> None:
    exact, mean = stated(EQ, Kind.EXACT), stated(EQ, Kind.EXPECTATION)
    with pytest.raises(ValueError, match="no trials"):
        exact.check([], bound=1)
    with pytest.raises(ValueError, match="measured holds NaN"):
        exact.check([1.0, math.nan], bound=1)
    with pytest.raises(ValueError, match="prediction is NaN"):
        exact.check([1.0], bound=math.nan)
    with pytest.raises(ValueError, match="holds infinity"):
        mean.check([1.0, 2.0, math.inf], bound=1)
    with pytest.raises(ValueError, match="at least 3"):
        mean.check([1.0, 2.0], bound=1)
    with pytest.raises(ValueError, match=r"confidence=1\.0: must lie strictly between"):
        exact.check([1.0], bound=1, confidence=1.0)
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=r"undefined at 1\.5"):
        stated(sp.Eq(measured, bound * sp.sqrt(1 - x)), Kind.LAW).check([0.5, 1.5], bound=1)
    with pytest.raises(ValueError, match="at least 8 increasing sizes; given 3"):
        trend([1.0, 1.0, 1.0], [1, 2, 3])
    with pytest.raises(ValueError, match="increasing"):
        trend([1.0] * 8, [1, 2, 2, 3, 4, 5, 6, 7])
    asymptotic = stated(EQ, Kind.ASYMPTOTIC, size=size, rate=1)
    with pytest.raises(ValueError, match="missing size"):
        asymptotic.check([1.0] * 8, bound=1)
    with pytest.raises(ValueError, match="prediction is 0"):
        asymptotic.check([1.0] * 8, bound=0, size=SIZES)


def test_the_worst_case_is_the_worst_case() -> None:
    evidence = stated(LE, Kind.EXACT).check([1.0, 9.0, 3.0], bound=[2.0, 4.0, 6.0])
    assert evidence.worst == {"measured": 9.0, "predicted": 4.0, "bound": 4.0}
    assert evidence.slack == Slack(0.5, 0.5, 2.25)
    assert (evidence.trials, evidence.violations) == (3, 1)
    assert evidence.parameters == {"bound": [2.0, 6.0]}


def examples() -> list[Evidence]:
    hypothesis = Hypothesis("It is large.", sp.Gt(bound, 5))
    return [
        stated(LE, Kind.EXACT).check([1.0, 9.0], bound=[2.0, 4.0], seed=3, label="here"),
        stated(LE, Kind.EXACT).check([math.inf, 9.0], bound=4.0),
        stated(EQ, Kind.EXPECTATION).check([1.0, 2.0, 3.0], bound=np.int64(2)),
        stated(UNIFORM, Kind.LAW).check([0.1, 0.2], bound=1.0),
        stated(LE, Kind.HIGH_PROBABILITY, probability=0.5).check([0.0, 1.0], bound=0.5),
        trend(1 + 1 / SIZES),
        stated(EQ, Kind.EXACT).check([math.inf, 1.0], bound=[math.inf, 1.0]),
        Claim("toy", "", "", (hypothesis,), (Statement("s", EQ, Kind.EXACT, ""),), None, (), ()).check([1], bound=1),
    ]


@pytest.mark.parametrize("evidence", examples(), ids=lambda e: f"{e.kind} {e.verdict}")
def test_json_round_trip(evidence: Evidence) -> None:
    text = json.dumps(evidence.to_json(), allow_nan=False)  # strict JSON: a browser must parse it
    assert Evidence.from_json(json.loads(text)) == evidence


@pytest.mark.parametrize(
    "broken",
    [
        {},
        [],
        "supported",
        None,
        {"kind": "exact"},
        {**examples()[0].to_json(), "verdict": "true"},
        {**examples()[0].to_json(), "kind": "certain"},
        {**examples()[0].to_json(), "slack": None},
        {**examples()[0].to_json(), "slack": {"min": 1}},
        {**examples()[0].to_json(), "worst": None},
        {**examples()[0].to_json(), "colour": "green"},
        {name: value for name, value in examples()[0].to_json().items() if name != "interval"},
        {name: value for name, value in examples()[0].to_json().items() if name != "claim"},
    ],
)
def test_malformed_json_gives_a_clear_error(broken: object) -> None:
    with pytest.raises(ValueError, match=r"not an evidence record: .*; rerun the notebook that wrote it"):
        Evidence.from_json(broken)


def test_html_is_escaped() -> None:
    nasty = "<script>alert('x')</script> & \"quotes\""
    evidence = stated(LE, Kind.EXACT).check([1.0], bound=2.0, label=nasty)
    bundle = evidence._repr_mimebundle_()
    assert "<script>" not in bundle["text/html"]
    assert html.escape(nasty) in bundle["text/html"]
    assert nasty in bundle["text/plain"]
    assert bundle[MIME]["label"] == nasty


def test_the_table_shows_what_a_reader_wants() -> None:
    for evidence in examples():
        shown = evidence._repr_mimebundle_()["text/html"]
        assert f"<strong>{evidence.verdict}</strong>" in shown
        assert "<caption>" in shown
        assert 'scope="row"' in shown
        assert f"evidence-{evidence.verdict}".replace("not applicable", "not-applicable") in shown
    assert "seed = 3" in str(examples()[0].rows())
    assert "3 (" not in str(examples()[-1].rows()), "nothing was tried, so no trials are shown"
