"""Claims: what the workbench says is true (or false), each with a checked derivation.

>>> claim("writability-budget").title
'The writability budget'
"""

import importlib
import pkgutil
from functools import lru_cache
from pathlib import Path

from theory.claim import Claim, did_you_mean


class ClaimsError(ValueError):
    """A module of claims that cannot be used; the message is one line that names it."""


@lru_cache(maxsize=1)
def claims() -> dict[str, Claim]:
    """Every claim defined in a subpackage of ``theory``, by id.

    Raises ClaimsError on a module that cannot be imported, and when two modules use one id.
    """
    found: dict[str, Claim] = {}
    origin: dict[str, str] = {}
    for name in _modules():
        for value in _values(name):
            if isinstance(value, Claim) and found.setdefault(value.id, value) is not value:
                raise ClaimsError(f"{origin[value.id]} and {name} both define a claim {value.id!r}; rename one")
            if isinstance(value, Claim):
                origin.setdefault(value.id, name)
    return found


def claim(id: str) -> Claim:
    """The claim of that id; raises ``ValueError`` with the nearest id there is.

    Importing every module takes seconds, so the one that has the id in its text comes first.
    """
    for name, path in _modules().items():
        if f'id="{id}"' in path.read_text(encoding="utf-8"):
            for value in _values(name):
                if isinstance(value, Claim) and value.id == id:
                    return value
    try:
        return claims()[id]
    except KeyError:
        raise ValueError(f"no claim {id!r}{did_you_mean(id, list(claims()))}; `cls-toys claims` lists them") from None


def _modules() -> dict[str, Path]:
    """The modules of all subpackages, by name, with their files."""
    packages = [package for package in pkgutil.iter_modules(__path__, "theory.") if package.ispkg]
    folders = [Path(package.module_finder.path, package.name.removeprefix("theory.")) for package in packages]
    return {
        module.name: folder / f"{module.name.rpartition('.')[2]}.py"
        for package, folder in zip(packages, folders, strict=True)
        for module in pkgutil.iter_modules([str(folder)], f"{package.name}.")
        if not module.ispkg
    }


def _values(module: str) -> list[object]:
    try:
        return list(vars(importlib.import_module(module)).values())
    except Exception as error:  # whatever the module raised, the reader of a list of claims wants one line
        said = str(error).partition("\n")[0]
        raise ClaimsError(f"{module} cannot be imported: {type(error).__name__}: {said}") from error
