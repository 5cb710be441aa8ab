"""How the book shows the outputs of executed notebooks that are ours: claims, evidence, charts."""

import json
from typing import Any, ClassVar

from docutils import nodes
from myst_nb.core.render import MimeData, MimeRenderPlugin, NbElementRenderer

from cls_toys.workbench.charts import MIME as CHART
from cls_toys_book.directives import anchor, figure
from theory.claim import MIME as CLAIM
from theory.evidence import MIME as EVIDENCE
from theory.evidence import Evidence


class WorkbenchOutputs(MimeRenderPlugin):
    """The plugin behind the entry point ``myst_nb.mime_renderers``."""

    mime_priority_overrides: ClassVar = [("*", mime, 1) for mime in (CLAIM, EVIDENCE, CHART)]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        """The nodes of one output, or None for a MIME type that is not ours."""
        content = (
            json.loads(data.content) if isinstance(data.content, str) and data.mime_type in _SHOW else data.content
        )
        return _SHOW[data.mime_type](renderer, data, content) if data.mime_type in _SHOW else None


def _claim(renderer: NbElementRenderer, data: MimeData, content: dict[str, Any]) -> list[nodes.Element]:
    """The theorem block: the same directive that a page may write."""
    parent = nodes.Element()
    with renderer.renderer.current_node_context(parent):
        renderer.renderer.nested_render_text(f"```{{claim}} {content['id']}\n```", data.line or 0)
    return parent.children


def _evidence(renderer: NbElementRenderer, data: MimeData, content: dict[str, Any]) -> list[nodes.Element]:
    """The evidence's own table, with an anchor that the ledger and the theorem link to."""
    document = renderer.renderer.document
    document.evidence_shown = getattr(document, "evidence_shown", 0) + 1
    label = anchor(document.settings.env.docname.rsplit("/", 1)[-1], document.evidence_shown)
    table = Evidence.from_json(content)._repr_mimebundle_()["text/html"]
    node = nodes.container("", nodes.raw(text=table, format="html"), ids=[label], names=[label], classes=["output"])
    document.note_explicit_target(node)
    return [node]


def _chart(renderer: NbElementRenderer, data: MimeData, content: dict[str, Any]) -> list[nodes.Element]:
    return [figure(content)]


_SHOW = {CLAIM: _claim, EVIDENCE: _evidence, CHART: _chart}
