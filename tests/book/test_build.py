"""A book that its claims and evidence do not bear out is not built, and the message names each culprit."""

import json
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from filelock import FileLock

from cls_toys.workbench import book, run
from cls_toys.workbench.book import STAGED, InProcess, check_contents, execute_all, stage
from cls_toys.workbench.html import BuildError, build_html
from cls_toys.workbench.parameters import ParameterError
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
    pages, target = tmp_path / "book", tmp_path / "staged"
    (pages / "extension").mkdir(parents=True)
    (pages / "extension" / "code.py").write_text("")
    (pages / "page.md").write_text("one")
    (pages / "gone.md").write_text("one")
    folder = tmp_path / "runs" / "toy" / "key"
    folder.mkdir(parents=True)
    (folder / "executed.ipynb").write_text("{}")
    stage([folder], target, pages)
    assert (target / "notebooks" / "toy.ipynb").read_text() == "{}"
    assert not (target / "extension").exists()
    assert (target / "_extra" / "vega" / "vega-embed.js").stat().st_size > 500_000
    assert (target / "_extra" / "mathjax" / "tex-mml-chtml.js").exists()
    kept = (target / "page.md").stat().st_mtime_ns
    (pages / "gone.md").unlink()
    stage([folder], target, pages)
    assert (target / "page.md").stat().st_mtime_ns == kept, "an unchanged page is left alone"
    assert not (target / "gone.md").exists()


def job(name: str, tmp_path: Path) -> run.Job:
    return run.Job(tmp_path / f"{name}.ipynb", {"seed": 0}, "key", "code", tmp_path / "runs")


def test_every_notebook_is_in_the_table_of_contents(tmp_path: Path) -> None:
    (tmp_path / "_toc.yml").write_text("root: index\nparts:\n  - chapters:\n      - file: notebooks/here\n")
    check_contents([job("here", tmp_path)], tmp_path)
    with pytest.raises(
        ParameterError, match=r"notebooks/her\.ipynb is no page .*add `- file: notebooks/her` to book/_toc"
    ):
        check_contents([job("her", tmp_path)], tmp_path)


def test_every_failure_is_told_and_every_success_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(one: run.Job, retry: bool) -> Path:
        if one.name != "good":
            raise run.RunFailed(f"{one.name}: it failed")
        return one.folder

    monkeypatch.setattr(run, "execute", execute)
    ended = []
    with pytest.raises(run.RunFailed) as caught:
        execute_all(
            [job(name, tmp_path) for name in ("bad", "good", "worse")], InProcess(), done=lambda *end: ended.append(end)
        )
    assert sorted(str(caught.value).splitlines()) == ["bad: it failed", "worse: it failed"]
    assert sorted((one.name, error is None) for one, error in ended) == [
        ("bad", False),
        ("good", True),
        ("worse", False),
    ]


def test_a_killed_worker_is_told(tmp_path: Path) -> None:
    class Broken(InProcess):
        def submit(self, *arguments: object, **options: object) -> Future:
            future: Future = Future()
            future.set_exception(BrokenProcessPool())
            return future

    with pytest.raises(run.RunFailed, match="toy: a worker process was killed"):
        execute_all([job("toy", tmp_path)], Broken())


def test_two_builds_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "BUILT", tmp_path)
    with FileLock(tmp_path / "lock"), pytest.raises(BuildError, match="another build"):
        book.build([])


def test_a_change_of_what_all_pages_share_is_published(staged: Path, tmp_path: Path) -> None:
    """Sphinx alone would not notice an edit of a script or of a style."""
    first = build_html(staged, tmp_path / "built").parent
    again = (first / "index.html").stat().st_mtime_ns
    build_html(staged, tmp_path / "built")
    assert (first / "index.html").stat().st_mtime_ns == again, "nothing changed, so nothing is built"
    append(staged / "_static" / "charts.js", "\n// edited\n")
    build_html(staged, tmp_path / "built")
    assert "// edited" in (first / "_static" / "charts.js").read_text()


def test_a_renderer_that_dies_is_told(staged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: dead)
    with pytest.raises(BuildError, match="ended with code -9"):
        build_html(staged, tmp_path / "built")
