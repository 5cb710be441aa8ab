"""The ledger reads evidence out of executed notebooks, and names what a published claim lacks."""

import json
from typing import Any

import pytest
import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.evidence import MIME, Evidence, Kind, Verdict
from theory.ledger import NOT_RUN, STALE, Run, collect, problems, read

measured, bound = sp.symbols("measured bound")
FIRST = Statement("first", sp.Le(measured, bound), Kind.EXACT, "")
SECOND = Statement("second", sp.Ge(measured, bound), Kind.EXACT, "")


def claim(*statements: Statement, id: str = "toy", **options: Any) -> Claim:
    return Claim(id, "Toy", "part", (Hypothesis("Small.", sp.Lt(bound, 100)),), statements, None, (), (), **options)


def notebook(*evidence: Evidence) -> dict[str, Any]:
    """An executed notebook as it lies on disk: prose, a cell with no output, a print, a chart, and evidence."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "source": "prose"},
        {"cell_type": "code", "source": "", "outputs": []},
        {"cell_type": "code", "source": "", "outputs": [{"output_type": "stream", "name": "stdout", "text": "hello"}]},
        {
            "cell_type": "code",
            "source": "",
            "outputs": [{"output_type": "display_data", "data": {"text/plain": "chart"}}],
        },
    ]
    for item in evidence:
        output = {"output_type": "execute_result", "data": item._repr_mimebundle_()}
        cells.append({"cell_type": "code", "source": "", "outputs": [output]})
    return json.loads(json.dumps({"cells": cells}))


def run(*evidence: Evidence, notebook_name: str = "toy_book", code: str = "now") -> Run:
    return Run(notebook_name, "key-of-" + notebook_name, code, read(notebook(*evidence)))


GOOD = claim(FIRST).check([1.0, 1.5], bound=2.0, seed=4)
BAD = claim(FIRST).check([3.0], bound=2.0)
NARROW = claim(FIRST).check([1.0], bound=200.0)


def test_evidence_is_read_in_order_and_nothing_else() -> None:
    assert read(notebook(GOOD, BAD, NARROW)) == (GOOD, BAD, NARROW)
    assert read(notebook()) == ()


def test_malformed_evidence_in_a_notebook_is_an_error() -> None:
    broken = notebook(GOOD)
    broken["cells"][-1]["outputs"][0]["data"][MIME]["verdict"] = "certainly"
    with pytest.raises(ValueError, match="not an evidence record"):
        read(broken)


def test_supported() -> None:
    (row,) = collect([claim(FIRST)], [run(GOOD)], "now")
    json.dumps(row, allow_nan=False)
    assert (row["verdict"], row["notebook"], row["run"]) == ("supported", "toy_book", "key-of-toy_book")
    assert (row["trials"], row["violations"], row["kind"], row["parameters"]) == (2, 0, "exact", {"bound": 2.0})
    assert row["slack"] == {"min": 0.5, "median": 0.625, "max": 0.75}
    assert (row["id"], row["title"], row["part"], row["expected"]) == ("toy", "Toy", "part", "supported")
    assert problems([row]) == []


def test_refuted() -> None:
    (row,) = collect([claim(FIRST)], [run(BAD)], "now")
    assert row["verdict"] == "refuted"
    (line,) = problems([row])
    for word in ("toy", "first", "toy_book", "refuted", "not supported", "1 of 1 trials violate it"):
        assert word in line


def test_a_published_refutation_must_be_refuted() -> None:
    false = claim(FIRST, expected=Verdict.REFUTED)
    assert problems(collect([false], [run(BAD)], "now")) == []
    (line,) = problems(collect([false], [run(GOOD)], "now"))
    assert "is supported, not refuted" in line
    (line,) = problems(collect([false], [], "now"))
    assert "is not run, not refuted" in line


def test_a_published_refutation_needs_all_its_statements_and_no_stale_evidence() -> None:
    false = claim(FIRST, SECOND, expected=Verdict.REFUTED)
    second = false.check([1.0], "second", bound=2.0)
    assert second.verdict is Verdict.REFUTED
    (line,) = problems(collect([false], [run(BAD, GOOD)], "now"))
    assert "toy (second) is not run, not refuted" in line
    (line,) = problems(collect([false], [run(BAD, second), run(BAD, code="before")], "now"))
    assert "toy (first) is stale, not refuted" in line
    (line,) = problems(collect([false], [run(BAD), run(false.check([3.0], "second", bound=2.0))], "now"))
    assert "toy (second) is supported, not refuted" in line
    assert problems(collect([false], [run(BAD, GOOD, second)], "now")) == [], "one counterexample to each will do"


def test_stale() -> None:
    (row,) = collect([claim(FIRST)], [run(GOOD, code="before")], "now")
    assert row["verdict"] == STALE
    (line,) = problems([row])
    assert "toy" in line
    assert "changed since" in line


def test_not_run() -> None:
    (row,) = collect([claim(FIRST)], [run()], "now")
    assert (row["verdict"], row["trials"], row["notebook"]) == (NOT_RUN, 0, None)
    (line,) = problems([row])
    assert "no executed notebook checks it" in line


def test_not_applicable_is_no_silent_pass() -> None:
    (row,) = collect([claim(FIRST)], [run(NARROW)], "now")
    assert row["verdict"] == "not applicable"
    (line,) = problems([row])
    assert "Small." in line


def test_the_worst_of_several_evidences_decides() -> None:
    (row,) = collect([claim(FIRST)], [run(GOOD, notebook_name="a"), run(GOOD, BAD, notebook_name="b")], "now")
    assert (row["verdict"], row["notebook"]) == ("refuted", "b")
    assert [entry["verdict"] for entry in row["statements"]] == ["supported", "supported", "refuted"]
    (row,) = collect([claim(FIRST)], [run(GOOD), run(GOOD, code="before")], "now")
    assert row["verdict"] == STALE


def test_every_statement_needs_evidence() -> None:
    both = claim(FIRST, SECOND)
    (row,) = collect([both], [run(GOOD)], "now")
    assert (row["verdict"], row["statement"]) == (NOT_RUN, "second")
    (line,) = problems([row])
    assert "toy (second) is not run" in line
    second = both.check([3.0], "second", bound=2.0)
    assert problems(collect([both], [run(GOOD, second)], "now")) == []


def test_evidence_of_other_claims_and_statements_changes_nothing() -> None:
    stranger = claim(FIRST, id="stranger").check([9.0], bound=2.0)
    renamed = claim(Statement("renamed", FIRST.relation, FIRST.kind, "")).check([9.0], "renamed", bound=2.0)
    rows = collect([claim(FIRST)], [run(GOOD, stranger, renamed)], "now")
    assert [row["id"] for row in rows] == ["toy"]
    assert problems(rows) == []


def test_one_line_a_culprit() -> None:
    rows = collect([claim(FIRST, id="a"), claim(FIRST, id="b"), claim(FIRST)], [run(GOOD)], "now")
    assert [line.split()[1] for line in problems(rows)] == ["a", "b"]
