"""Claims made for the occasion."""

from collections.abc import Callable
from typing import Any

import pytest
import sympy as sp

from theory.claim import Claim, Statement
from theory.evidence import Evidence, Kind

Plant = Callable[..., Evidence]


@pytest.fixture(name="plant", scope="session")
def plant_() -> Plant:
    """The verdict on a claim planted to be caught: ``plant(relation, kind, measured, statement={...}, **check)``.

    ``check`` holds the symbols of the relation and the options of the check.
    """

    def plant(
        relation: sp.Basic, kind: Kind, measured: Any, *, statement: dict[str, Any] | None = None, **check: Any
    ) -> Evidence:
        claim = Claim("planted", "", "", (), (Statement("s", relation, kind, "", **(statement or {})),), None, (), ())
        return claim.check(measured, **check)

    return plant
