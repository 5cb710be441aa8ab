"""The published numbers: every source is in the bibliography, every share is one, every row says what it measures."""

import re
from pathlib import Path

import pytest

from cls_toys import biology

ROOT = Path(__file__).parents[2]
EVERYTHING = biology.ACTIVITY + biology.CONNECTIVITY


def test_every_source_is_in_the_bibliography() -> None:
    keys = set(re.findall(r"@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text()))
    assert {finding.reference for finding in EVERYTHING} <= keys


@pytest.mark.parametrize("finding", EVERYTHING, ids=lambda finding: f"{finding.region}-{finding.reference}")
def test_a_finding_is_a_range_of_shares_or_rates(finding: biology.Finding) -> None:
    assert finding.low is None or 0 <= finding.low <= finding.high
    assert finding.quantity == biology.RATE or 0 < finding.high <= 1
    assert finding.read_in in ("primary", "secondary")
    assert "" not in finding


def test_sources_disagree_and_are_all_shown() -> None:
    connection = biology.frame(biology.CONNECTIVITY)
    recurrent = connection.filter(connection["region"] == "CA3 to CA3")
    assert recurrent["value"].max() > 10 * recurrent["value"].min()
    table = biology.markdown(biology.ACTIVITY)
    assert table.count("\n") == len(biology.ACTIVITY) + 1
    assert "{cite:t}`waydo2006`" in table
    assert table.count("as told by others") == sum(finding.read_in == "secondary" for finding in biology.ACTIVITY)
