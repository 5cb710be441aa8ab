"""What names a run, and what is recorded of where it ran."""

import json
import shutil
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from cls_toys.workbench import provenance
from cls_toys.workbench.provenance import code_hash, digest, run_key

CELLS = [
    {"cell_type": "markdown", "source": "# Toy\n\nprose", "metadata": {}},
    {"cell_type": "code", "source": "x = 1\nprint(x)", "metadata": {"tags": ["b", "a"]}, "outputs": []},
]
VALUES = {"dim": 4, "scale": 1.0, "sizes": [1, 2], "seed": 0}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "theory/claim.py", "theory/compression/budget.py", "cls_toys/probes.py", "cls_toys/workbench/charts.py",
        "cls_toys/workbench/run.py", "cls_toys/workbench/templates/store.py", "notebooks/toy.ipynb", "requirements.lock",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["theory/claim.py", "theory/compression/budget.py", "cls_toys/probes.py", "cls_toys/workbench/charts.py", "requirements.lock"],
)  # fmt: skip
def test_an_edit_of_what_evidence_depends_on_changes_the_code_hash(tree: Path, name: str) -> None:
    before = code_hash(tree)
    (tree / name).write_text("edited")
    assert code_hash(tree) != before


@pytest.mark.parametrize("name", ["theory/new.py", "theory/capacity/values.json", "cls_toys/stores/new.py"])
def test_so_does_a_new_file(tree: Path, name: str) -> None:
    before = code_hash(tree)
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("")
    assert code_hash(tree) != before


@pytest.mark.parametrize(
    "name",
    [
        "cls_toys/workbench/run.py", "cls_toys/workbench/templates/store.py", "notebooks/toy.ipynb", "README.md",
        "theory/__pycache__/claim.cpython-311.pyc", "theory/.ipynb_checkpoints/claim.py", "theory/.claim.py.swp", "theory/claim.py~",
    ],
)  # fmt: skip
def test_nothing_else_does(tree: Path, name: str) -> None:
    before = code_hash(tree)
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("edited")
    assert code_hash(tree) == before


def test_moving_and_renaming_files_matters_but_the_place_of_the_tree_does_not(tree: Path, tmp_path: Path) -> None:
    before = code_hash(tree)
    shutil.copytree(tree, tmp_path / "other")
    assert code_hash(tmp_path / "other") == before
    (tree / "theory/claim.py").rename(tree / "theory/claims.py")
    assert code_hash(tree) != before


def test_a_digest_tells_lists_apart_that_concatenate_to_the_same() -> None:
    lists = [[("a", b"bc")], [("ab", b"c")], [("a", b"b"), ("", b"c")], [("a", b"b"), ("c", b"")], []]
    assert len({digest(entries) for entries in lists}) == len(lists)


@pytest.mark.parametrize(
    "change",
    [
        lambda cells: cells[1].update(source="x = 2\nprint(x)"),
        lambda cells: cells[1].update(source="  x = 1\nprint(x)"),
        lambda cells: cells[0].update(source="# Toy\n\nother prose"),
        lambda cells: cells[0].update(cell_type="raw"),
        lambda cells: cells[1].update(metadata={"tags": ["a"]}),
        lambda cells: cells[1].update(source="x = 1 \nprint(x)"),  # white space may stand inside a string
        lambda cells: cells.reverse(),
        lambda cells: cells.pop(),
        lambda cells: cells.append(deepcopy(cells[0])),
    ],
)
def test_the_key_changes_with_the_source(change: Callable) -> None:
    cells = deepcopy(CELLS)
    change(cells)
    assert run_key(cells, VALUES, "code") != run_key(CELLS, VALUES, "code")


@pytest.mark.parametrize(
    "change",
    [
        lambda cells: cells[1].update(source="\nx = 1\nprint(x)\n\n"),
        lambda cells: cells[1].update(outputs=["something"], execution_count=3, id="abc"),
        lambda cells: cells[1]["metadata"].update(collapsed=True, tags=["a", "b"]),
    ],
)
def test_not_with_blank_lines_at_the_ends_outputs_or_other_metadata(change: Callable) -> None:
    cells = deepcopy(CELLS)
    change(cells)
    assert run_key(cells, VALUES, "code") == run_key(CELLS, VALUES, "code")


def test_the_key_changes_with_parameters_and_code() -> None:
    key = run_key(CELLS, VALUES, "code")
    assert run_key(CELLS, VALUES | {"dim": 5}, "code") != key
    assert run_key(CELLS, VALUES | {"new": 5}, "code") != key
    assert run_key(CELLS, VALUES, "other") != key
    assert run_key(CELLS, dict(reversed(VALUES.items())), "code") == key


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_copy_without_its_lock_file_is_no_checkout(tree: Path) -> None:
    (tree / "requirements.lock").unlink()
    with pytest.raises(provenance.NotACheckout, match="no checkout of the workbench: clone it"):
        code_hash(tree)


def test_commit_and_dirty_flag(tree: Path) -> None:
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "first")
    assert provenance._git(tree) == {"commit": git(tree, "rev-parse", "HEAD"), "dirty": False}
    (tree / "theory/claim.py").write_text("edited")
    assert provenance._git(tree)["dirty"] is True
    # An archive unpacked into somebody else's checkout is not at that checkout's commit.
    assert provenance._git(tree / "theory") == {"commit": None, "dirty": None}


def test_outside_a_checkout_and_without_git(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert provenance._git(tree) == {"commit": None, "dirty": None}
    monkeypatch.setenv("PATH", str(tree))
    assert provenance._git() == {"commit": None, "dirty": None}
    assert provenance.environment()["git"] == {"commit": None, "dirty": None}


def test_the_environment_is_plain_json_and_complete() -> None:
    seen = provenance.environment()
    assert json.loads(json.dumps(seen, allow_nan=False)) == seen
    assert set(seen) == {"git", "packages", "python", "platform", "cpu", "cores"}
    assert {"torch", "numpy", "sympy", "papermill"} <= set(seen["packages"])
    assert all(seen[name] for name in ("python", "platform", "cpu", "cores"))


def test_the_processor_where_linux_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(path: Path, *arguments: object, **options: object) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", nothing)
    assert provenance._cpu()
