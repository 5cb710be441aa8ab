"""Every registered claim: its derivation holds, its symbols are in the glossary, its bound is its printed formula."""

import re
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

import theory
from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, cited, identity
from theory.evidence import Kind, Verdict
from theory.notation import GLOSSARY, define, define_matrix

CLAIMS = theory.claims()


@pytest.fixture(params=CLAIMS)
def claim(request: pytest.FixtureRequest) -> Claim:
    return CLAIMS[request.param]


def test_the_first_three_claims_are_registered() -> None:
    assert {"writability-budget", "local-write-dimensionality", "random-keys"} <= set(CLAIMS)


def test_the_derivation_holds(claim: Claim) -> None:
    if claim.derivation is None:
        assert claim.status in ("empirical", "refuted")
        return
    assert len(claim.derivation.check()) == len(claim.derivation.steps) > 0


def test_every_step_belongs_to_a_sentence_and_says_how_it_is_checked(claim: Claim) -> None:
    sentences = re.split(r"(?<=\.) ", claim.derivation.proof if claim.derivation else "")
    for step in claim.derivation.steps if claim.derivation else ():
        assert any(f"[{step.name}]" in sentence for sentence in sentences)
        assert f"({step.how})" in step.markdown()


def test_every_symbol_is_in_the_glossary(claim: Claim) -> None:
    symbols = {s for statement in claim.statements for s in statement.relation.free_symbols}
    assert {s.name for s in symbols} <= set(GLOSSARY)
    assert all(GLOSSARY[s.name].symbol == s for s in symbols), "same name, other assumptions: they would not cancel"


def test_claims_say_what_breaks_them(claim: Claim) -> None:
    assert claim.counterexamples
    assert all(statement.text for statement in claim.statements)


# Worked by hand.
@pytest.mark.parametrize(
    ("id", "statement", "symbols", "expected"),
    [
        ("writability-budget", "mean", {"n_keys": 40, "rank": 8}, 4),
        ("writability-budget", "mean", {"n_keys": 40, "rank": 5}, 7),
        ("writability-budget", "mean", {"n_keys": 6, "rank": 6}, 0),
        ("writability-budget", "optimal", {"leverage": 0.2}, 4),
        ("local-write-dimensionality", "frame-potential", {"n_items": 24, "rank": 8}, 2),
        ("local-write-dimensionality", "welch", {"n_items": 3, "dim": 2}, 0.25),  # three lines at 60 degrees
        ("local-write-dimensionality", "welch", {"n_items": 6, "dim": 3}, 0.2),  # the icosahedron's diagonals
        ("local-write-dimensionality", "welch", {"n_items": 4, "dim": 4}, 0),
        ("random-keys", "optimal-mean", {"n_items": 40, "dim": 10}, 3.75),
        ("random-keys", "optimal-mean", {"n_items": 400, "dim": 50}, 350 / 48),
        ("random-keys", "local-mean", {"n_items": 60, "dim": 50}, 1.18),
        # Two items of use 1 share one dimension; beside an item of its own, the same.
        ("importance-allocation", "allocation", {"dim": 1, "n_dedicated": 0, "shared_root": 2, "shared_use": 2}, 2),
        ("importance-allocation", "allocation", {"dim": 2, "n_dedicated": 1, "shared_root": 2, "shared_use": 2}, 2),
        ("importance-allocation", "leverage", {"use": 0.25, "water_level": 2}, 0.25),
        ("importance-allocation", "leverage", {"use": 9, "water_level": 2}, 1),
        ("cauchy-schwarz-allocation", "value", {"dim": 2, "total_root": 12, "total_use": 102}, -30),
        # Beta(1, 1) is uniform, Beta(1, 2) has distribution function 1 - (1 - x)^2.
        ("random-keys", "leverage-law", {"n_items": 4, "dim": 2, "x": 0.3}, 0.3),
        ("random-keys", "leverage-law", {"n_items": 6, "dim": 2, "x": 0.3}, 0.51),
    ],
)
def test_bounds_at_known_values(id: str, statement: str, symbols: dict[str, float], expected: float) -> None:
    np.testing.assert_allclose(CLAIMS[id].bound(statement, **symbols), expected, rtol=1e-12, atol=1e-12)


def test_a_bound_broadcasts() -> None:
    bound = CLAIMS["writability-budget"].bound("mean", n_keys=np.array([8, 16, 40]), rank=np.array([[4], [8]]))
    np.testing.assert_allclose(bound, [[1, 3, 9], [0, 1, 4]])


def test_the_theorem_block_states_all_and_the_status_is_not_typed(claim: Claim) -> None:
    shown = claim.show()._repr_mimebundle_()
    assert claim.title in shown["text/markdown"]
    for statement in claim.statements:
        assert f"*{statement.name}*" in shown["text/markdown"]
    for hypothesis in claim.hypotheses:
        assert hypothesis.text in shown["text/markdown"]


def test_the_status_is_that_of_the_weakest_statement() -> None:
    a, n = sp.symbols("a n", positive=True)
    step = identity("s", "", (a + 1) ** 2, a**2 + 2 * a + 1)
    proof, cites = Derivation("By [s].", (step,)), Derivation("By [c].", (cited("c", "A theorem.", "welch1974"),))
    exact = Statement("exact", sp.Le(a, n), Kind.EXACT, "")
    limit = Statement("limit", sp.Eq(a, n), Kind.ASYMPTOTIC, "", size=n, rate=1)
    effect = Statement("effect", sp.Ge(a, n), Kind.EMPIRICAL, "")

    def status(derivation: Derivation | None, *statements: Statement, **claim: Verdict) -> str:
        return Claim("c", "", "", (), statements, derivation, (), (), **claim).status

    assert status(proof, exact) == "proved"
    assert status(cites, exact) == "proved under cited theorem"
    assert status(proof, exact, limit) == "asymptotic"
    assert status(proof, exact, limit, effect) == "empirical"
    assert status(None, exact) == "empirical"
    assert status(None, exact, expected=Verdict.REFUTED) == "refuted"


def test_symbols_missing_unknown_or_misspelt() -> None:
    budget = CLAIMS["writability-budget"]
    with pytest.raises(ValueError, match="missing rank; needed are n_keys, rank"):
        budget.bound("mean", n_keys=4)
    with pytest.raises(ValueError, match=r"unknown n_kyes \(did you mean 'n_keys'\?\)"):
        budget.bound("mean", n_kyes=4, rank=2)
    with pytest.raises(ValueError, match=r"unknown rnak \(did you mean 'rank'\?\)"):
        budget.check([1.0], "sum", rnak=2, n_keys=3)
    with pytest.raises(ValueError, match="missing n_keys"):  # the hypothesis r <= n' needs it
        budget.check([1.0], "sum", rank=2)
    with pytest.raises(ValueError, match=r"no statement 'maen' \(did you mean 'mean'\?\); it has sum, mean"):
        budget.statement("maen")
    with pytest.raises(ValueError, match=r"no claim 'writability-bugdet' \(did you mean 'writability-budget'\?\)"):
        theory.claim("writability-bugdet")


def test_malformed_claims_are_refused() -> None:
    headline = CLAIMS["writability-budget"].statements[0]
    with pytest.raises(ValueError, match="joined by hyphens"):
        Claim("Not An Id", "", "", (), (headline,), None, (), ())
    with pytest.raises(ValueError, match="states nothing"):
        Claim("empty", "", "", (), (), None, (), ())
    with pytest.raises(ValueError, match="no Eq, Le or Ge"):
        Statement("s", sp.Gt(sp.Symbol("a"), sp.Symbol("b")), Kind.EXACT, "")


def test_one_symbol_has_one_meaning() -> None:
    with pytest.raises(ValueError, match="already defined"):
        define("rank", "r", "something else")
    with pytest.raises(ValueError, match="already defined"):
        define_matrix("K", "Q", "something else", 3, 3)


def test_a_failed_hypothesis_is_named_and_nothing_is_judged() -> None:
    evidence = CLAIMS["random-keys"].check([1.0, 1.0, 1.0], "optimal-mean", n_items=40, dim=4)
    assert evidence.verdict is Verdict.NOT_APPLICABLE
    assert "finite variance" in evidence.reason
    assert evidence.trials == 0
    one_cell_fails = {"n_items": [40, 8], "dim": [10, 8]}
    evidence = CLAIMS["random-keys"].check([[0.1, 0.2, 0.4]] * 2, "leverage-law", **one_cell_fails)
    assert evidence.verdict is Verdict.NOT_APPLICABLE
    assert "$n > d$" in evidence.reason
    evidence = CLAIMS["local-write-dimensionality"].check([0.1], "welch", n_items=3, dim=5)
    assert evidence.verdict is Verdict.NOT_APPLICABLE
    assert "norm 1" in evidence.reason


def test_a_broken_module_of_claims_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "unfinished"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "draft.py").write_text("from theory.notation import nosuch\n")
    monkeypatch.setattr(theory, "__path__", [*theory.__path__, str(tmp_path)])
    theory.claims.cache_clear()
    try:
        with pytest.raises(
            theory.ClaimsError, match=r"theory\.unfinished\.draft cannot be imported: ImportError: .*nosuch"
        ):
            theory.claims()
        (package / "draft.py").write_text("from theory.compression.budget import writability_budget\n")
        (package / "copy.py").write_text(
            "from dataclasses import replace\nfrom theory.compression.budget import writability_budget\n"
            "mine = replace(writability_budget, title='Mine')\n"
        )
        with pytest.raises(
            theory.ClaimsError, match=r"budget and theory\.unfinished\.copy both define .*'writability-budget'"
        ):
            theory.claims()
    finally:
        theory.claims.cache_clear()


def test_a_hypothesis_needs_no_predicate() -> None:
    assert Hypothesis("Words only.").predicate == sp.true


def test_the_parts_of_a_hypothesis_may_differ_in_shape() -> None:
    a, n = sp.symbols("a n", positive=True)
    within = Hypothesis("Both exceed 1.", sp.And(a > 1, n > 1))
    claim = Claim("c", "", "", (within,), (Statement("s", sp.Le(a, n), Kind.EXACT, ""),), None, (), ())
    measured = np.array([1.5, 1.2])
    assert claim.check(measured, a=2.0, n=np.array([3.0, 4.0])).verdict is Verdict.SUPPORTED
    assert claim.check(measured, a=2.0, n=np.array([3.0, 0.5])).verdict is Verdict.NOT_APPLICABLE
    assert claim.check(measured, a=0.5, n=np.array([3.0, 4.0])).verdict is Verdict.NOT_APPLICABLE
