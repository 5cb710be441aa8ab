"""Directives of the book, each written as the MyST text it stands for and parsed in place."""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from cls_toys.workbench import charts
from theory import claim, claims
from theory.notation import GLOSSARY

SUPPORTED, REFUTED = "supported", "refuted"


class MystDirective(SphinxDirective):
    """A directive that stands for MyST text."""

    def text(self) -> str:
        """The text it stands for."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """The nodes of the text; the page is read again when any notebook is executed anew."""
        entries = (entry for row in self.rows().values() for entry in row["statements"])
        for name in {entry["notebook"] for entry in entries if entry["notebook"]}:
            self.env.note_dependency(self.env.doc2path(f"notebooks/{name}"))
        container = nodes.Element()
        self.state.nested_parse(StringList(self.text().splitlines(), self.get_source_info()[0]), 0, container)
        return container.children

    def rows(self) -> dict[str, Mapping[str, Any]]:
        """The ledger's rows by claim id."""
        return {row["id"]: row for row in self.env.cls_toys_rows}


class ClaimBlock(MystDirective):
    """``{claim} id``: the theorem block of a claim, its status, and links to its evidence."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The theorem block; an unknown id is an error at this line."""
        if self.arguments[0] not in claims():
            raise self.error(f"theorem block {self.arguments[0]!r} has no claim: theory/ defines {', '.join(claims())}")
        return super().run()

    def text(self) -> str:
        """A sphinx-proof theorem with the claim's own words."""
        chosen = claim(self.arguments[0])
        row = self.rows()[chosen.id]
        evidence = ", ".join(f"{entry['statement']}: {evidence_link(entry)}" for entry in row["statements"])
        kind = "conjecture" if chosen.expected == REFUTED else "theorem"  # a false sentence is no theorem
        references = f"\n\n*Sources.* {{cite:p}}`{','.join(chosen.references)}`" if chosen.references else ""
        return (
            f"``````{{prf:{kind}}} {chosen.title}\n:label: {chosen.id}\n:class: claim\n\n"
            f"{status(row)}\n\n{chosen.body()}{references}\n\n*Evidence.* {evidence}.\n``````"
        )


class Ledger(MystDirective):
    """``{ledger}``: every claim with all its evidence; with ``:brief:`` one row a chapter."""

    option_spec: ClassVar = {"brief": directives.flag}

    def text(self) -> str:
        """One table, or one a claim."""
        return self._brief() if "brief" in self.options else self._full()

    def _brief(self) -> str:
        chapters: dict[str, tuple[list[str], list[str]]] = {}
        for row in self.rows().values():
            chapters.setdefault(chapter_link(row["notebook"]), ([], []))[row["expected"] == REFUTED].append(
                f"{theorem_link(row)} {status(row)}"
                if row["verdict"] != row["expected"]
                else theorem_link(row)
                if row["expected"] == REFUTED
                else f"{theorem_link(row)} ({row['status']})"
            )
        rows = [(chapter, *(", ".join(listed) or "–" for listed in columns)) for chapter, columns in chapters.items()]
        return table(("chapter", "supported", "published as false, and refuted"), rows)

    def _full(self) -> str:
        names = (
            "statement (kind), measured on",
            "verdict",
            "trials",
            "violations",
            "least, median, greatest",
            "interval",
        )
        parts = []
        for row in self.rows().values():
            entries = [
                (
                    f"{entry['statement']} ({entry['kind']}), {entry['label']}".rstrip(", "), evidence_link(entry),
                    str(entry["trials"]), str(entry["violations"]), slack(entry), interval(entry),
                )
                for entry in row["statements"]
            ]  # fmt: skip
            parts.append(
                f"## {row['title']}\n\n{status(row)} `{row['id']}`, stated in {theorem_link(row)}.\n\n{table(names, entries)}"
            )
        return "\n\n".join(parts)


class Symbols(MystDirective):
    """``{symbols}``: the glossary of symbols."""

    def text(self) -> str:
        """One row a symbol: as printed, as a keyword, its meaning."""
        rows = [(f"${entry.latex}$", f"`{name}`", entry.meaning) for name, entry in GLOSSARY.items()]
        return table(("symbol", "in the code", "meaning"), rows)


class Chart(SphinxDirective):
    """``{chart} notebook name``: a chart that an executed notebook holds, shown on another page."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """The figure; a notebook or a name that does not exist is an error at this line."""
        notebook, name = self.arguments
        path = Path(self.env.doc2path(f"notebooks/{notebook}"))
        self.env.note_dependency(str(path))
        try:
            return [figure(charts.find(json.loads(path.read_text(encoding="utf-8")), name))]
        except (OSError, ValueError) as error:
            raise self.error(f"chart {name!r} of {notebook!r}: {error}") from None


def figure(spec: Mapping[str, Any]) -> nodes.raw:
    """A figure that holds its specification, drawn by ``_static/charts.js``; its title is text of the page, which wraps."""
    title = spec["title"] if isinstance(spec["title"], Mapping) else {"text": spec["title"]}
    caption, subtitle = (html.escape(_one_line(title.get(part, ""))) for part in ("text", "subtitle"))
    label = html.escape(spec["description"], quote=True)
    script = json.dumps({key: value for key, value in spec.items() if key != "title"}).replace("<", "\\u003c")
    text = (
        f'<figure class="chart"><figcaption><strong>{caption}</strong> {subtitle}</figcaption>'
        f'<div class="chart-drawing" role="img" aria-label="{label}"></div><div class="chart-controls"></div>'
        f'<script type="application/json">{script}</script></figure>'
    )
    return nodes.raw(text=text, format="html", classes=["output"])


def _one_line(text: str | list[str]) -> str:
    return text if isinstance(text, str) else " ".join(text)


def status(row: Mapping[str, Any]) -> str:
    """What stands behind a claim and what its evidence says, as two badges that read as words."""
    colour = {SUPPORTED: "success", REFUTED: "danger"}.get(row["verdict"], "warning")
    said = row["verdict"] if row["verdict"] == row["expected"] else f"{row['verdict']}, expected {row['expected']}"
    return f"{{bdg-primary-line}}`{row['status']}` {{bdg-{colour}}}`{said}`"


def theorem_link(row: Mapping[str, Any]) -> str:
    """A link to the theorem block of a claim."""
    return f"{{prf:ref}}`{row['title']} <{row['id']}>`"


def chapter_link(notebook: str | None) -> str:
    """A link to a chapter, or nothing for evidence that is not there."""
    return f"{{doc}}`/notebooks/{notebook}`" if notebook else "none"


def evidence_link(entry: Mapping[str, Any]) -> str:
    """The verdict of one evidence, linked to its table."""
    return (
        f"{{ref}}`{entry['verdict']} <{anchor(entry['notebook'], entry['number'])}>`"
        if entry["notebook"]
        else entry["verdict"]
    )


def anchor(notebook: str, number: int) -> str:
    """The label of evidence ``number`` of a notebook."""
    return f"evidence-{notebook.replace('_', '-')}-{number}"


def slack(entry: Mapping[str, Any]) -> str:
    """Least, median and greatest of what was measured over what was predicted."""
    return ", ".join(number(entry["slack"][name]) for name in ("min", "median", "max"))


def interval(entry: Mapping[str, Any]) -> str:
    """The interval and its level, or nothing."""
    if not entry["interval"]:
        return ""
    low, high = map(number, entry["interval"])
    return f"{low} to {high} at {entry['level']:g}"


def number(value: float | None) -> str:
    """Four significant digits; a dash for what does not exist."""
    return "–" if value is None else f"{value:.4g}"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A MyST table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
