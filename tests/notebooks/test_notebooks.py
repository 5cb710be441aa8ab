"""The book's notebooks: well formed, run by every runner alike, and their fast profile still shows every claim."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from cls_toys.workbench import run
from cls_toys.workbench.parameters import read_parameters
from theory import claims, ledger

ROOT = run.provenance.ROOT
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Path:
    return request.param


def evidence(path: Path) -> list[dict[str, Any]]:
    return [entry.to_json() for entry in ledger.read(nbformat.read(path, as_version=4))]


def test_it_is_a_page_of_the_book_with_both_profiles(notebook: Path) -> None:
    assert f"notebooks/{notebook.stem}" in (ROOT / "book" / "_toc.yml").read_text()
    assert set(yaml.safe_load((ROOT / "notebooks" / "profiles.yml").read_text())[notebook.stem]) == set(run.PROFILES)
    for profile in run.PROFILES:
        run.prepare(notebook, profile=profile)


def test_it_is_readable(notebook: Path) -> None:
    node = nbformat.read(notebook, as_version=4)
    first, *rest = node.cells
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert all(cell.source.strip() for cell in rest)
    headings = [cell.source for cell in rest if "## What breaks it" in cell.source]
    assert headings, "a chapter says what breaks its claim"
    code = [ast.parse(cell.source) for cell in node.cells if cell.cell_type == "code"]
    logic = (ast.FunctionDef, ast.ClassDef, ast.While)
    assert not [step for tree in code for step in ast.walk(tree) if isinstance(step, logic)]
    assert [name for name, parameter in read_parameters(node).items() if not parameter.help] == []


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> dict[str, run.Job]:
    """Jobs of all notebooks in the fast profile, in a folder of their own."""
    runs = tmp_path_factory.mktemp("runs")
    return {path.stem: run.prepare(path, profile="fast", runs=runs) for path in NOTEBOOKS}


def test_the_fast_profile_supports_every_claim_it_checks(notebook: Path, fast: dict[str, run.Job]) -> None:
    found = evidence(run.execute(fast[notebook.stem]) / "executed.ipynb")
    assert found
    wrong = [entry for entry in found if entry["verdict"] != str(claims()[entry["claim"]].expected)]
    assert wrong == []


def test_every_statement_of_every_claim_is_checked_by_a_notebook(fast: dict[str, run.Job]) -> None:
    found = {
        (entry["claim"], entry["statement"])
        for job in fast.values()
        for entry in evidence(run.execute(job) / "executed.ipynb")
    }
    assert found == {(claim.id, statement.name) for claim in claims().values() for statement in claim.statements}


@pytest.mark.parametrize("name", ["superposition"])
def test_bare_papermill_finds_the_same_evidence(name: str, fast: dict[str, run.Job], tmp_path: Path) -> None:
    """Two executions with the same parameters give the same evidence, and the notebook needs nothing of the runner."""
    parameters = [f for key, value in fast[name].parameters.items() for f in ("-p", key, str(value))]
    subprocess.run(
        [sys.executable, "-m", "papermill", str(fast[name].notebook), "out.ipynb", *parameters],
        cwd=tmp_path, check=True, capture_output=True, env={**run.os.environ, **run.KERNEL},
    )  # fmt: skip
    folder = run.execute(fast[name])
    assert json.dumps(evidence(tmp_path / "out.ipynb")) == json.dumps(evidence(folder / "executed.ipynb"))
    assert json.loads((folder / "evidence.json").read_text()) == evidence(tmp_path / "out.ipynb")


def test_the_command_line_reruns_with_other_parameters(tmp_path: Path) -> None:
    """As the README says, in the fast profile."""
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    done = subprocess.run(
        [
            sys.executable, "-c", "from cls_toys.workbench.cli import main; main()", "run", "writability_budget",
            "-p", "n_items=64", "-p", "dim=16", "--profile", "fast",
        ],
        capture_output=True, text=True, env={**run.os.environ, "CLS_TOYS_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("supported") >= 8
    assert "refuted" not in done.stdout
    (folder,) = (tmp_path / "runs" / "writability_budget").iterdir()
    assert run.provenance_of(folder)["parameters"]["n_items"] == 64
