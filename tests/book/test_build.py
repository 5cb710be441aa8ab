"""A book that its claims and evidence do not bear out is not built, and the message names each culprit."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cls_toys.workbench.book import BUILT, STAGED, stage
from cls_toys.workbench.html import BuildError, build_html
from theory.evidence import MIME


@pytest.fixture
def staged(site: Path, tmp_path: Path) -> Path:
    """A copy of the book as it was staged for the build."""
    copy = tmp_path / "source"
    shutil.copytree(STAGED, copy)
    return copy


def evidences(notebook: dict) -> list[tuple[dict, dict]]:
    """Each output that holds evidence, with that evidence."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    return [(output, output["data"][MIME]) for output in outputs if MIME in output.get("data", {})]


def tamper(path: Path, change: Callable[[dict], None]) -> None:
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def reasons(staged: Path, tmp_path: Path) -> str:
    with pytest.raises(BuildError) as caught:
        build_html(staged, tmp_path / "built")
    assert not (tmp_path / "built" / "html").exists(), "nothing is published"
    return str(caught.value)


def test_broken_pages_are_named(staged: Path, tmp_path: Path) -> None:
    append(staged / "preface.md", "\n\n```{claim} no-such-claim\n```\n")
    append(staged / "preface.md", "\n\n```{prf:theorem} Made up\n:label: made-up\nIt is so.\n```\n")
    append(staged / "preface.md", "\n\nA citation {cite}`nobody1900`, a section [](#nowhere), a page [](missing.md).\n")
    append(staged / "preface.md", "\n\nA term {prf:ref}`no-theorem`, an equation {eq}`no-equation`, {ref}`no-label`.\n")
    said = reasons(staged, tmp_path)
    for culprit in (
        "no-such-claim",
        "made-up",
        "nobody1900",
        "nowhere",
        "missing.md",
        "no-theorem",
        "no-equation",
        "no-label",
    ):
        assert any("preface.md" in line and culprit in line for line in said.splitlines()), culprit


def test_unsupported_claims_are_named(staged: Path, tmp_path: Path) -> None:
    def refute(notebook: dict) -> None:
        _, evidence = next(pair for pair in evidences(notebook) if pair[1]["statement"] == "mean")
        evidence["verdict"] = "refuted"

    def silence(notebook: dict) -> None:
        for output, evidence in evidences(notebook):
            if evidence["claim"] == "random-keys":
                del output["data"][MIME]

    tamper(staged / "notebooks" / "writability_budget.ipynb", refute)
    tamper(staged / "notebooks" / "writability_budget.ipynb", silence)
    tamper(staged / "notebooks" / "superposition.ipynb", lambda n: n["metadata"]["cls_toys"].update(code="0" * 64))
    said = reasons(staged, tmp_path)
    assert "claim writability-budget (mean) is refuted, not supported in writability_budget" in said
    assert "claim random-keys (leverage-law) is not run, not supported" in said
    assert "claim local-write-dimensionality (writability) is stale" in said


def test_a_notebook_that_the_runner_did_not_execute_is_refused(staged: Path, tmp_path: Path) -> None:
    tamper(staged / "notebooks" / "superposition.ipynb", lambda n: n["metadata"].pop("cls_toys"))
    assert "superposition.ipynb was not executed by the runner" in reasons(staged, tmp_path)


def test_staging_copies_what_changed_and_removes_what_is_gone(tmp_path: Path) -> None:
    book, target = tmp_path / "book", tmp_path / "staged"
    (book / "extension").mkdir(parents=True)
    (book / "extension" / "code.py").write_text("")
    (book / "page.md").write_text("one")
    (book / "gone.md").write_text("one")
    run = tmp_path / "runs" / "toy" / "key"
    run.mkdir(parents=True)
    (run / "executed.ipynb").write_text("{}")
    stage([run], target, book)
    assert (target / "notebooks" / "toy.ipynb").read_text() == "{}"
    assert not (target / "extension").exists()
    assert (target / "_extra" / "vega" / "vega-embed.js").stat().st_size > 500_000
    assert (target / "_extra" / "mathjax" / "tex-mml-chtml.js").exists()
    kept = (target / "page.md").stat().st_mtime_ns
    (book / "gone.md").unlink()
    stage([run], target, book)
    assert (target / "page.md").stat().st_mtime_ns == kept, "an unchanged page is left alone"
    assert not (target / "gone.md").exists()
    assert BUILT.name == "_build"
