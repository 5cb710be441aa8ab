"""Claims: what the workbench says is true (or false), each with a checked derivation.

>>> claim("writability-budget").title
'The writability budget'
"""

import importlib
import pkgutil
from functools import lru_cache

from theory.claim import Claim, did_you_mean


@lru_cache(maxsize=1)
def claims() -> dict[str, Claim]:
    """Every claim defined in a subpackage of ``theory``, by id; raises ``ValueError`` when an id is used twice."""
    found: dict[str, Claim] = {}
    for package in pkgutil.iter_modules(__path__, "theory."):
        if not package.ispkg:
            continue
        for module in pkgutil.iter_modules(importlib.import_module(package.name).__path__, package.name + "."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, Claim) and found.setdefault(value.id, value) is not value:
                    raise ValueError(f"two claims are called {value.id!r}; ids must be unique")
    return found


def claim(id: str) -> Claim:
    """The claim of that id; raises ``ValueError`` with the nearest id there is."""
    try:
        return claims()[id]
    except KeyError:
        raise ValueError(f"no claim {id!r}{did_you_mean(id, list(claims()))}; `cls-toys claims` lists them") from None
