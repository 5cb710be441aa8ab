"""Measured activity and connectivity of the hippocampus and of cortex: who found how much, in whom, and how.

Shares that measure different things are never to be mixed: ``quantity`` says which one a number is. Numbers that we know from
memory only are not here.
"""

from typing import NamedTuple

import polars as pl


class Finding(NamedTuple):
    """One published number, or a range of it; ``low`` is None where the source gives an upper bound only."""

    region: str
    quantity: str
    low: float | None
    high: float
    said: str  # the number in the source's terms
    species: str
    method: str
    reference: str  # BibTeX key
    read_in: str  # where we read it: "primary" abstract or text, or a "secondary" text


SESSION = "cells active during minutes"
MOMENT = "cells active for one stimulus"
OBJECTS = "stimuli that a cell answers"
ASSUMED = "cells active, assumed or inferred"
RATE = "rate (Hz)"
CONNECTION = "connection probability, measured"
WIRING = "connection probability, inferred or assumed"

ACTIVITY = (
    Finding("DG", SESSION, 32 / 228, 32 / 228, "32 of 228, possibly an overestimate", "rat", "juxtacellular, exploring", "diamantaki2016", "secondary"),
    Finding("DG", SESSION, 3 / 8, 3 / 8, "3 of 8 spiked", "rat", "whole-cell, awake", "pernia2014", "secondary"),
    Finding("DG", RATE, 1 / 300, 1 / 120, "one calcium event in 2 to 5 min", "mouse", "two-photon, awake", "pilz2016", "primary"),
    Finding("CA3", SESSION, 0.18, 0.18, "about 18 % an environment", "rat", "Arc/H1a", "vazdarjanova2004", "primary"),
    Finding("CA1", SESSION, 0.35, 0.35, "about 35 % an environment", "rat", "Arc/H1a", "vazdarjanova2004", "primary"),
    Finding("CA3", SESSION, None, 0.5, "less than half an environment", "rodent", "unit recordings", "karlsson2008", "primary"),
    Finding("CA1", SESSION, None, 0.5, "less than half an environment", "rodent", "unit recordings", "karlsson2008", "primary"),
    Finding("CA3", RATE, 3, 6, "about 3 to 6 Hz; granule cells silent", "rat", "whole-cell, anaesthetised", "kowalski2016", "primary"),
    Finding("CA3", ASSUMED, 225 / 70000, 225 / 70000, "225 of 70 000", "rat", "inferred, not measured", "dealmeida2007", "primary"),
    Finding("CA3", ASSUMED, 0.02, 0.02, "0.02", "rat", "theory", "rolls2013", "secondary"),
    Finding("medial temporal lobe", MOMENT, None, 2e6 / 1e9, "below 2 of about 1000 million cells a concept", "human", "inferred from unit recordings", "waydo2006", "primary"),
    Finding("medial temporal lobe", OBJECTS, 0.26, 0.26, "26 % of objects a neuron", "human", "unit recordings", "valdez2015", "primary"),
    Finding("V1, layer 2", MOMENT, 0.005, 0.005, "0.5 % respond strongly to an image", "macaque", "two-photon, awake", "tang2018", "primary"),
    Finding("barrel cortex", RATE, 0, 60, "from silence to above 60 Hz", "mouse", "unbiased sampling", "oconnor2010", "primary"),
    Finding("barrel cortex", MOMENT, 0.274, 0.274, "27.4 % above 10 Hz during the cue", "rat", "freely moving", "vijayan2010", "primary"),
)  # fmt: skip
CONNECTIVITY = (
    Finding("CA3 to CA3", CONNECTION, None, 0.01, "below 1 %", "rat", "octuple patch clamp", "guzman2016", "secondary"),
    Finding("CA3 to CA3", CONNECTION, 103 / 1172, 103 / 1172, "103 of 1172 pairs", "mouse", "patch clamp", "sammons2024", "primary"),
    Finding("CA3 to CA3", CONNECTION, 0.055, 0.112, "11.2 % within 50 µm, 5.5 % by 250 µm", "mouse", "electron microscopy", "sammons2024", "primary"),
    Finding("CA3 to CA3", CONNECTION, 0.0127, 0.0127, "1.27 %", "human", "slice", "jonas2026abstract", "primary"),
    Finding("CA3 to CA3", WIRING, 12000 / 3e5, 12000 / 3e5, "12 000 inputs from 300 000 cells", "rat", "anatomy", "rolls2013", "secondary"),
    Finding("CA3 to CA3", WIRING, 0.2, 0.2, "0.2", "rat", "assumed", "dealmeida2007", "primary"),
    Finding("DG to CA3", WIRING, 46 / 1e6, 46 / 1e6, "about 46 inputs from a million cells", "rat", "anatomy", "rolls2013", "secondary"),
    Finding("DG to CA3", WIRING, 11 / 3e5, 15 / 3e5, "11 to 15 targets among 300 000 cells", "rat", "tracing of single cells", "acsady1998", "primary"),
)  # fmt: skip


def frame(findings: tuple[Finding, ...]) -> pl.DataFrame:
    """One row a finding, its fields as columns, and ``value``: the middle of its range on a logarithmic scale, or its bound.

    >>> frame(CONNECTIVITY)["region"].unique(maintain_order=True).to_list()
    ['CA3 to CA3', 'DG to CA3']
    """
    table = pl.DataFrame(findings, schema=list(Finding._fields), orient="row", infer_schema_length=None)
    middle = (pl.col("low") * pl.col("high")).sqrt()
    return table.with_columns(value=pl.when(pl.col("low").is_null()).then(pl.col("high")).otherwise(middle))


def markdown(findings: tuple[Finding, ...]) -> str:
    """The findings as a table for the book, each with its citation."""
    head = "| region | quantity | found | species | method | source |\n|---|---|---|---|---|---|"
    rows = (
        f"| {f.region} | {f.quantity} | {f.said} | {f.species} | {f.method} | {{cite:t}}`{f.reference}`"
        f"{'' if f.read_in == 'primary' else ', as told by others'} |"
        for f in findings
    )
    return "\n".join((head, *rows))
