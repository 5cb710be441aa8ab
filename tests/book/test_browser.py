"""A real browser over the built book: nothing foreign, nothing broken, everything movable moves."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.book.conftest import Visit, pages

pytestmark = pytest.mark.browser
CHAPTER = "notebooks/writability_budget.html"


def test_there_is_a_book_to_look_at(site: object) -> None:
    assert {"index.html", "preface.html", "ledger.html", "symbols.html", "references.html", CHAPTER} <= set(pages())


@pytest.mark.parametrize("path", pages() or ["index.html"])
def test_every_page(path: str, visit: Visit) -> None:
    page = visit.open(path)
    assert visit.foreign == []
    assert visit.failed == []
    assert visit.errors == []
    for drawing in page.locator("figure.chart .chart-drawing").all():
        assert len(drawing.get_attribute("aria-label") or "") > 40, (
            "a chart needs an accessible name that says what it shows"
        )
        assert drawing.locator("svg").count() == 1
        assert drawing.locator(
            "svg .mark-symbol path, svg .mark-line path, svg .mark-rect path, svg .mark-area path"
        ).count()
    assert page.locator(".bd-article img:not([alt])").count() == 0
    assert page.locator("mjx-merror").count() == 0
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(150)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "scrolls sideways on a phone"


def explorable(page: Page) -> Locator:
    """The first chart with a slider."""
    return page.locator("figure.chart", has=page.locator("input[type=range]")).first


def curve(figure: Locator) -> str:
    return figure.locator("svg .mark-line path").first.get_attribute("d")


def move(figure: Locator, value: str) -> None:
    figure.locator("input[type=range]").first.evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
    )
    figure.page.wait_for_timeout(300)


def test_a_slider_moves_its_curve(visit: Visit) -> None:
    figure = explorable(visit.open(CHAPTER))
    before = curve(figure)
    move(figure, "120")
    assert curve(figure) != before
    assert visit.errors == []


def brightness(figure: Locator) -> list[float]:
    """Of a chart's text, from 0 for black to 255 for white."""
    inks = figure.locator("svg .mark-text:not(.role-mark) text").evaluate_all(
        "marks => marks.map(mark => getComputedStyle(mark).fill)"
    )
    return [sum(map(float, re.findall(r"[\d.]+", ink)[:3])) / 3 for ink in inks]


def test_dark_mode_redraws_and_keeps_what_the_reader_has_set(visit: Visit) -> None:
    page = visit.open(CHAPTER)
    figure = explorable(page)
    move(figure, "120")
    moved, light = curve(figure), brightness(figure)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = brightness(figure)
    assert len(dark) == len(light) > 10
    assert max(light) < 100 < 180 < min(dark)
    assert figure.locator("input[type=range]").first.input_value() == "120"
    assert curve(figure) == moved
    move(figure, "60")
    assert curve(figure) != moved, "the slider still works after the redraw"
    assert visit.errors == []


def test_the_theme_button_is_what_switches(visit: Visit) -> None:
    page = visit.open(CHAPTER)
    light = brightness(explorable(page))
    for _ in range(3):  # auto, light, dark, in some order
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
        page.locator("button.theme-switch-button").first.click()
    assert brightness(explorable(page)) != light
    assert visit.errors == []


def test_a_legend_click_filters(visit: Visit) -> None:
    page = visit.open(CHAPTER)
    figure = page.locator("figure.chart", has=page.locator("svg .role-legend .mark-symbol")).first

    def shown() -> list[str]:
        marks = figure.locator("svg .mark-symbol.role-mark path")
        return marks.evaluate_all("marks => marks.map(mark => mark.getAttribute('opacity'))")

    before = shown()
    figure.locator("svg .role-legend .mark-symbol path").first.click()
    page.wait_for_timeout(300)
    assert shown() != before
    assert len(set(shown())) > 1, "some marks fade, some stay"
    chosen = shown()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert shown() == chosen, "dark mode keeps the choice"


def test_search_finds_a_chapter(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.address + "search.html?q=writability")
    expect(page.locator("#search-results a", has_text="The writability budget").first).to_be_visible(timeout=10_000)
    assert visit.foreign == []


def test_the_recorder_sees_what_it_must_not_see(visit: Visit) -> None:
    """The checks above can fail: a page with a foreign script, a missing file and an error is caught."""
    visit.page.goto(visit.address + "index.html")
    visit.page.evaluate(
        """() => {
            const script = document.createElement('script'); script.src = 'https://example.org/x.js'; document.head.append(script);
            fetch('missing.json'); console.error('planted');
        }"""
    )
    visit.page.wait_for_timeout(500)
    assert visit.foreign == ["https://example.org/x.js"]
    assert any("missing.json" in entry for entry in visit.failed)
    assert "planted" in visit.errors
