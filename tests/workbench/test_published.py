"""The ledger reads the published runs, and only those."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cls_toys.workbench import provenance, published, run
from theory.evidence import Evidence, Kind, Slack, Verdict

pytestmark = pytest.mark.usefixtures("frozen_code")


@pytest.fixture
def notebooks(tmp_path: Path, write: Callable[..., Path]) -> Path:
    path = write(tmp_path / "notebooks" / "toy.ipynb", "1")
    (path.parent / "profiles.yml").write_text("toy: {fast: {dim: 2}, full: {}}")
    return path.parent


def keep(notebooks: Path, verdict: Verdict, age: int = 0, **parameters: object) -> run.Job:
    """A completed run as the runner would leave it, without a kernel."""
    runs = notebooks.parent / "runs"
    job = run.prepare(notebooks / "toy.ipynb", parameters, runs=runs)
    job.folder.mkdir(parents=True)
    evidence = Evidence(
        "writability-budget", "sum", Kind.EXACT, "Le(a, b)", verdict, "so", trials=3, slack=Slack(0.1, 0.2, 0.5)
    )
    record = {"notebook": "toy", "key": job.key, "code": job.code, "parameters": job.parameters}
    (job.folder / "evidence.json").write_text(json.dumps([evidence.to_json()]))
    (job.folder / "provenance.json").write_text(json.dumps(record))
    os.utime(job.folder / "provenance.json", (1e9 - age, 1e9 - age))
    return job


def verdict(notebooks: Path, profile: str | None = None) -> tuple[str, str | None]:
    rows = published.ledger_rows(profile, notebooks, notebooks.parent / "runs")
    budget = next(row for row in rows if row["id"] == "writability-budget")
    entry = next(entry for entry in budget["statements"] if entry["statement"] == "sum")
    return entry["verdict"], entry["run"]


def test_nothing_ran(notebooks: Path) -> None:
    assert verdict(notebooks) == ("not run", None)


def test_reruns_with_other_parameters_do_not_count(notebooks: Path) -> None:
    full = keep(notebooks, Verdict.SUPPORTED, age=10)
    keep(notebooks, Verdict.REFUTED, dim=7)
    assert verdict(notebooks) == ("supported", full.key)


def test_the_fast_run_counts_only_where_there_is_no_full_one(notebooks: Path) -> None:
    fast = keep(notebooks, Verdict.INCONCLUSIVE, dim=2)
    assert verdict(notebooks) == ("inconclusive", fast.key)
    assert verdict(notebooks, "full") == ("not run", None)
    full = keep(notebooks, Verdict.SUPPORTED, age=10)
    assert verdict(notebooks) == ("supported", full.key)
    assert verdict(notebooks, "fast") == ("inconclusive", fast.key)


def test_an_edit_makes_evidence_stale(
    notebooks: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(notebooks, Verdict.SUPPORTED)
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "code_hash", lambda: "later")
        assert verdict(notebooks)[0] == "stale"
    write(notebooks / "toy.ipynb", "2")
    assert verdict(notebooks)[0] == "stale"


def test_a_run_of_another_version_is_named(notebooks: Path) -> None:
    job = keep(notebooks, Verdict.SUPPORTED)
    (job.folder / "evidence.json").write_text('[{"claim": "x"}]')
    with pytest.raises(
        run.RunFailed, match=rf"{job.key} is damaged or of another version \(not an evidence.*: delete it"
    ):
        verdict(notebooks)
    (job.folder / "provenance.json").write_text("{")
    with pytest.raises(run.RunFailed, match=rf"{job.key} is damaged"):
        published.load(job.folder)


def test_a_run_is_current_until_its_notebook_or_the_code_changes(
    notebooks: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = keep(notebooks, Verdict.SUPPORTED, dim=7)
    assert published.is_current(job.folder, job.notebook)
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "code_hash", lambda: "later")
        assert not published.is_current(job.folder, job.notebook)
    write(job.notebook, "1", parameters="seed: int = 0")
    assert not published.is_current(job.folder, job.notebook)
