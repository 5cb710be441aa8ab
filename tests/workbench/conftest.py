"""Tiny notebooks, and the command line in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cls_toys.workbench import provenance

KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}
PARAMETERS = """\
n_items: int = 8  # items [2, 64]
dim: int = 4  # dimensions of a key [1, 128]
scale: float = 1.0  # scale of the keys (0, inf)
label: str = "plain"  # what to call it
seed: int = 0  # seed [0, 4294967295]"""
# The command cls-toys where nothing can start a kernel.
WITHOUT_KERNEL = """
import sys
sys.modules["papermill"] = None  # importing it fails
from cls_toys.workbench.cli import main
main()
"""

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def write() -> Write:
    """A function that writes a notebook: prose, a parameters cell, and code cells."""

    def write(path: Path, *code: str, parameters: str | None = PARAMETERS) -> Path:
        cells = [new_markdown_cell("# Toy")]
        if parameters is not None:
            cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        cells += [new_code_cell(source) for source in code]
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
        return path

    return write


@pytest.fixture(scope="session")
def cli() -> Callable[..., subprocess.CompletedProcess]:
    """``cls-toys`` with a folder to work in; ``kernel=False`` lets it fail as soon as it turns to starting one."""

    def cli(home: Path, *arguments: str, kernel: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess:
        code = "from cls_toys.workbench.cli import main; main()" if kernel else WITHOUT_KERNEL
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=cwd or home.parent, capture_output=True, text=True, timeout=120,
            env={**os.environ, "CLS_TOYS_HOME": str(home)},
        )  # fmt: skip

    return cli


@pytest.fixture
def frozen_code(monkeypatch: pytest.MonkeyPatch) -> str:
    """The hash of the code stands still, whoever edits the tree while the tests run."""
    monkeypatch.setattr(provenance, "code_hash", lambda: "now")
    return "now"
