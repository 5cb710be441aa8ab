"""Charts say what they show; tables hold what a reader wants; both work without a notebook."""

import altair as alt
import polars as pl
import pytest

from cls_toys.workbench import charts


def contrast(colour: str, ground: str) -> float:
    """The ratio of luminances as WCAG 2 defines it."""

    def luminance(code: str) -> float:
        parts = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(colour), luminance(ground)))
    return (high + 0.05) / (low + 0.05)


def test_use_works_outside_a_notebook() -> None:
    charts.use()
    assert alt.renderers.active == alt.theme.active == "cls_toys"


def test_a_chart_without_title_or_alt_text_is_refused() -> None:
    spec = {"title": "It falls", "description": "A curve that falls."}
    assert charts.render(spec)[charts.MIME] == spec
    for lacking in spec:
        with pytest.raises(ValueError, match="title that states its finding and a description"):
            charts.render({key: value for key, value in spec.items() if key != lacking})


def test_colours_stand_out_on_light_and_dark_pages() -> None:
    for colour in (*charts.PALETTE, charts.GREY):
        assert contrast(colour, "#ffffff") > 2
        assert contrast(colour, "#121212") > 2


def test_a_table() -> None:
    frame = pl.DataFrame({"the_code": ["<a> & b", None], "share": [1 / 3, 2.0], "count": [1, 2]})
    shown = charts.table(frame)
    assert '<th scope="col">the code</th><th scope="col" class="number">share</th>' in shown
    assert '<tr><td>&lt;a&gt; &amp; b</td><td class="number">0.3333</td><td class="number">1</td></tr>' in shown
    assert '<tr><td></td><td class="number">2</td>' in shown


def test_finding_a_chart() -> None:
    spec = {"name": "frontier", "title": "t"}
    notebook = {"cells": [{}, {"outputs": [{}, {"data": {"text/plain": "x"}}, {"data": {charts.MIME: spec}}]}]}
    assert charts.find(notebook, "frontier") == spec
    with pytest.raises(ValueError, match="no chart named 'fronteir'; there are frontier"):
        charts.find(notebook, "fronteir")
    with pytest.raises(ValueError, match="there are none with a name"):
        charts.find({"cells": []}, "frontier")
