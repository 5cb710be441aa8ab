"""Render a staged book with Jupyter Book; publish it only if nothing at all was wrong with it."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from cls_toys.workbench.provenance import digest

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # it has no runnable module


class BuildError(RuntimeError):
    """A book that is not fit to publish; the message holds one line for each reason."""


def build_html(source: Path, target: Path) -> Path:
    """The first page of the book rendered from ``source`` into ``target/html``.

    Every warning is an error: a broken reference, an unknown claim, evidence that does not bear out a claim. Then
    BuildError is raised, and what was published before stays as it was. Nothing is done if nothing has changed since.
    """
    work, published, built_from = target / "sphinx", target / "html", target / "built-from"
    made_with, stamp = _made_with(source), work / "made-with"
    everything = digest([("made with", made_with.encode()), *_contents(source)])
    if (published / "index.html").exists() and built_from.exists() and built_from.read_text() == everything:
        return published / "index.html"
    if not stamp.exists() or stamp.read_text() != made_with:
        shutil.rmtree(work, ignore_errors=True)
    command = [sys.executable, "-c", _JUPYTER_BOOK, "build", str(source), "--path-output", str(work)]
    done = subprocess.run(
        [*command, "-W", "--keep-going", "-n", "-q"],
        capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    reasons = problems_in(done.stderr, source)
    if done.returncode or reasons:
        shutil.rmtree(work, ignore_errors=True)  # pages already read would not warn again
        said = (done.stdout + done.stderr).strip()
        raise BuildError("\n".join(reasons) or said or f"jupyter-book ended with code {done.returncode}")
    stamp.write_text(made_with)
    partial, before = target / "html.partial", target / "html.before"
    for left in (partial, before):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(work / "_build" / "html", partial)
    if published.exists():
        published.rename(before)
    partial.rename(published)
    shutil.rmtree(before, ignore_errors=True)
    built_from.write_text(everything)
    return published / "index.html"


def _made_with(source: Path) -> str:
    """Hash of what every page depends on but Sphinx does not watch: our extension, and the files served with the pages."""
    extension = Path(find_spec("cls_toys_book").origin).parent
    return digest([*_contents(extension), *_contents(source / "_static")])


def _contents(folder: Path) -> list[tuple[str, bytes]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return [(str(path), path.read_bytes()) for path in files]


def problems_in(log: str, source: Path) -> list[str]:
    """The warnings and errors of Sphinx's log, once each, with places relative to the book."""
    lines = _COLOUR.sub("", log).replace(f"{source}/", "").splitlines()
    return list(dict.fromkeys(line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)))
