"""Every internal link of the built book leads to a page that exists, and to a place on it that exists."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.book.conftest import pages


class Anchors(HTMLParser):
    """The links of a page and the places on it that a link can name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        for name in ("href", "src"):
            if given.get(name):
                self.links.append(given[name])


def test_every_internal_link_resolves(site: Path) -> None:
    read = {path: Anchors((site / path).read_text(encoding="utf-8")) for path in pages()}
    broken = []
    checked = 0
    for path, page in read.items():
        for link in page.links:
            target = urlsplit(link)
            if target.scheme or target.netloc:
                continue
            checked += 1
            file = (site / path).parent.joinpath(unquote(target.path)).resolve() if target.path else site / path
            if not file.is_file():
                broken.append(f"{path}: {link}")
            elif target.fragment and file.suffix == ".html":
                name = str(file.relative_to(site))
                if unquote(target.fragment) not in read[name].places:
                    broken.append(f"{path}: {link} (no such place)")
    assert checked > 100
    assert broken == []


def test_theorems_and_ledger_link_to_evidence(site: Path) -> None:
    for path in ("ledger.html", "notebooks/writability_budget.html"):
        links = Anchors((site / path).read_text(encoding="utf-8")).links
        assert any("#evidence-writability-budget-1" in link for link in links), path
