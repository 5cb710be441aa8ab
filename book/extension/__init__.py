"""The book's own Sphinx extension: theorem blocks and ledger made from the claims, outputs of executed notebooks.

A page writes ``{claim} id`` and gets the theorem, its status and links to its evidence. Whatever the claims and the
executed notebooks do not bear out is a warning, and the book is built with warnings as errors.
"""

from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from cls_toys_book import chapter, checks, directives


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    app.add_directive("claim", directives.ClaimBlock)
    app.add_directive("chart", directives.Chart)
    app.add_directive("ledger", directives.Ledger)
    app.add_directive("symbols", directives.Symbols)
    app.connect("builder-inited", checks.collect)
    app.connect("source-read", chapter.add_rerun)
    app.connect("doctree-read", checks.theorems_have_claims)
    app.connect("env-get-outdated", _all_or_nothing)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _all_or_nothing(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> set[str]:
    """One page that is read anew renumbers the works that are cited, and with them the links of every other page."""
    return env.found_docs if added or changed or removed else set()
