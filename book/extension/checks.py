"""What must be true of a book before it is published, each failure a warning that names the culprit."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from cls_toys.workbench import provenance
from theory import claims, ledger

_log = logging.getLogger(__name__)


def collect(app: Sphinx) -> None:
    """Read the ledger out of the executed notebooks under ``notebooks/`` and warn of every claim it does not bear out."""
    runs = []
    for path in sorted(Path(app.srcdir, "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        stamp = notebook["metadata"].get("cls_toys")
        if stamp is None:
            _log.warning("notebook %s was not executed by the runner: build with `cls-toys book`", path.name)
            continue
        runs.append(ledger.Run(path.stem, stamp["key"], stamp["code"], ledger.read(notebook)))
    rows = ledger.collect(claims().values(), runs, provenance.code_hash())
    contents = Path(app.srcdir, "_toc.yml").read_text(encoding="utf-8")
    app.env.cls_toys_rows = sorted(rows, key=lambda row: _place(row, contents))
    for line in ledger.problems(app.env.cls_toys_rows):
        _log.warning(line)


def _place(row: Mapping[str, Any], contents: str) -> tuple[int, int]:
    """Where a claim comes in the book: the place of its chapter, and of its first evidence there; at the end if it has none."""
    if row["notebook"] is None:
        return len(contents), 0
    numbers = [entry["number"] for entry in row["statements"] if entry["notebook"] == row["notebook"]]
    return contents.find(f"notebooks/{row['notebook']}"), min(numbers)


def theorems_have_claims(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of a theorem block that was not made from a claim."""
    for node in doctree.findall(
        lambda node: node.get("realtype") in ("theorem", "conjecture") if isinstance(node, nodes.Element) else False
    ):
        if "claim" not in node["classes"]:
            _log.warning("theorem block %r has no claim: write it as a Claim in theory/", node["label"], location=node)
