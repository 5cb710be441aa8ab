"""Render a staged book with Jupyter Book; publish it only if nothing at all was wrong with it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # it has no runnable module


class BuildError(RuntimeError):
    """A book that is not fit to publish; the message holds one line for each reason."""


def build_html(source: Path, target: Path) -> Path:
    """The first page of the book rendered from ``source`` into ``target/html``.

    Every warning is an error: a broken reference, an unknown claim, evidence that does not bear out a claim. Then
    BuildError is raised, and what was published before stays as it was.
    """
    work, published = target / "sphinx", target / "html"
    command = [sys.executable, "-c", _JUPYTER_BOOK, "build", str(source), "--path-output", str(work)]
    done = subprocess.run(
        [*command, "-W", "--keep-going", "-n", "-q"],
        capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    reasons = problems_in(done.stderr, source)
    if done.returncode or reasons:
        shutil.rmtree(work, ignore_errors=True)  # pages already read would not warn again
        raise BuildError("\n".join(reasons) or (done.stdout + done.stderr).strip())
    partial = target / "html.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(work / "_build" / "html", partial)
    shutil.rmtree(published, ignore_errors=True)
    partial.rename(published)
    return published / "index.html"


def problems_in(log: str, source: Path) -> list[str]:
    """The warnings and errors of Sphinx's log, once each, with places relative to the book."""
    lines = _COLOUR.sub("", log).replace(f"{source}/", "").splitlines()
    return list(dict.fromkeys(line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)))
