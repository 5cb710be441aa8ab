"""The book's charts: house style, and an Altair renderer that works in JupyterLab, under papermill and in the book.

Altair's own output loads Vega from a network address and is no valid notebook output. This one is the plain
specification under a MIME type that JupyterLab draws itself; the book's page script draws the same specification.
"""

from typing import Any

import altair as alt

MIME = "application/vnd.vegalite.v5+json"
# Okabe and Ito's palette, told apart in all common forms of colour blindness; yellow is left out, pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#767676"


def use() -> None:
    """Draw every chart of this session in the house style, with this renderer."""
    alt.theme.enable("cls_toys")
    alt.renderers.enable("cls_toys")


def render(spec: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The MIME bundle of a chart; raises ``ValueError`` on one without a title or without alt text."""
    if not spec.get("title") or not spec.get("description"):
        raise ValueError(
            "a chart needs a title that states its finding and a description for those who cannot see it: "
            "add .properties(title=..., description=...) to the outermost chart"
        )
    return {MIME: spec, "text/plain": f"Chart: {spec['description']}"}


@alt.theme.register("cls_toys", enable=False)
def _style() -> alt.theme.ThemeConfig:
    """Transparent ground and no colour of text, so that the page can set both for its light and its dark theme."""
    return {
        "config": {
            "background": "transparent",
            "view": {"stroke": None, "continuousWidth": 420, "continuousHeight": 300},
            "range": {"category": list(PALETTE)},
            "title": {"anchor": "start", "fontSize": 15, "fontWeight": 600, "subtitleFontSize": 12, "offset": 12},
            "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridOpacity": 0.4},
            "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 260},
            "header": {"labelFontSize": 12, "titleFontSize": 12},
            "line": {"strokeWidth": 2.5},
            "point": {"size": 60, "filled": True},
        }
    }
