"""The book's charts and tables: house style, shown alike in JupyterLab, under papermill and in the book.

Altair's own output loads Vega from a network address and is no valid notebook output. This one is the plain
specification under a MIME type that JupyterLab draws itself; the book's page script draws the same specification.
"""

import html
from typing import Any

import altair as alt
import polars as pl
from IPython import get_ipython

MIME = "application/vnd.vegalite.v5+json"
# Okabe and Ito's palette, told apart in all common forms of colour blindness, with grey in place of yellow and black,
# which are pale on white and lost on black.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
GREY = "#767676"


def use() -> None:
    """Show every chart and every polars table of this session in the house style."""
    alt.theme.enable("cls_toys")
    alt.renderers.enable("cls_toys")
    alt.data_transformers.disable_max_rows()  # a chart too large for comfort must not cost a run its verdicts
    if shell := get_ipython():  # None in plain Python
        shell.display_formatter.formatters["text/html"].for_type(pl.DataFrame, table)


def table(frame: pl.DataFrame) -> str:
    """HTML of a table: numbers to four significant digits, nothing that only a programmer wants to see."""

    def cell(tag: str, text: Any, column: str) -> str:
        number = ' class="number"' if frame.schema[column].is_numeric() else ""
        shown = f"{text:.4g}" if isinstance(text, float) else "" if text is None else str(text)
        return f"<{tag}{number}>{html.escape(shown)}</{tag.split()[0]}>"

    head = "".join(cell('th scope="col"', name.replace("_", " "), name) for name in frame.columns)
    rows = "".join(
        f"<tr>{''.join(cell('td', value, name) for name, value in row.items())}</tr>"
        for row in frame.iter_rows(named=True)
    )
    return f'<table class="dataframe frame"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def render(spec: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The MIME bundle of a chart; raises ``ValueError`` on one without a title or without alt text."""
    if not spec.get("title") or not spec.get("description"):
        raise ValueError(
            "a chart needs a title that states its finding and a description for those who cannot see it: "
            "add .properties(title=..., description=...) to the outermost chart"
        )
    return {MIME: spec, "text/plain": f"Chart: {spec['description']}"}


def find(notebook: dict[str, Any], name: str) -> dict[str, Any]:
    """The specification of the chart of that name in an executed notebook; raises ``ValueError`` with the names there are."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    named = {spec.get("name"): spec for output in outputs if (spec := output.get("data", {}).get(MIME))}
    if name not in named:
        raise ValueError(f"no chart named {name!r}; there are {', '.join(filter(None, named)) or 'none with a name'}")
    return named[name]


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
            "legend": {
                "labelFontSize": 12,
                "titleFontSize": 12,
                "titleFontWeight": "normal",
                "labelLimit": 260,
                "orient": "bottom",
            },
            "header": {"labelFontSize": 12, "titleFontSize": 12},
            "line": {"strokeWidth": 2.5},
            "point": {"size": 60, "filled": True},
        }
    }
