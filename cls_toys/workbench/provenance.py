"""Where a result comes from: the hash of the code, the environment, and the key that names a run."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "numpy", "scipy", "sympy", "altair", "papermill", "polars", "scikit-learn")


class NotACheckout(RuntimeError):
    """The package runs from where its source tree, notebooks and lock file are not."""


def code_hash(root: Path = ROOT) -> str:
    """SHA-256 over the files of ``theory/`` and ``cls_toys/`` and the lock file: what evidence depends on.

    Of the workbench only ``charts.py`` is imported by notebooks; an edit in the rest of it makes no evidence stale.
    Raises NotACheckout without a lock file.
    """
    if not (root / "requirements.lock").exists():
        raise NotACheckout(
            f"{root} is no checkout of the workbench: clone it and run `make book`, or `pip install -e .`"
        )
    names = sorted(
        path.relative_to(root).as_posix()
        for package in ("theory", "cls_toys")
        for path in (root / package).rglob("*")
        if path.is_file() and _is_source(path.relative_to(root))
    )
    return digest((name, (root / name).read_bytes()) for name in [*names, "requirements.lock"])


def _is_source(path: Path) -> bool:
    if any(part.startswith((".", "__pycache__")) for part in path.parts) or path.name.endswith("~"):
        return False
    return path.parts[:2] != ("cls_toys", "workbench") or path.name == "charts.py"


def digest(parts: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of named byte strings, lengths included, so that no two different lists collide by concatenation."""
    total = hashlib.sha256()
    for name, data in parts:
        total.update(f"{name}\0{len(data)}\0".encode())
        total.update(data)
    return total.hexdigest()


def run_key(cells: Iterable[Mapping[str, Any]], parameters: Mapping[str, Any], code: str) -> str:
    """The name of a run: the notebook's cells without blank lines at their ends, validated parameters, code hash.

    Of a cell count its type, its source and its tags, which decide how it is run and shown: no outputs, no other metadata.
    """
    parts = [("code", code), ("parameters", json.dumps(parameters, sort_keys=True))]
    for cell in cells:
        parts += [
            (cell["cell_type"], cell["source"].strip("\n")),
            ("tags", json.dumps(sorted(cell["metadata"].get("tags", ())))),
        ]
    return digest((name, value.encode()) for name, value in parts)[:20]


def environment() -> dict[str, Any]:
    """Git commit and dirty flag, package versions, Python, platform, processors: in plain JSON values."""
    return {
        "git": _git(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
    }


def _git(root: Path = ROOT) -> dict[str, Any]:
    """Commit and dirty flag of the checkout at ``root``; both None without git, or outside a checkout of our own.

    The hash of the code still tells what ran.
    """
    try:
        top, commit = _output("git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD").splitlines()
        if Path(top).resolve() == root.resolve():  # else an unpacked archive that lies in some other checkout
            return {"commit": commit, "dirty": bool(_output("git", "-C", str(root), "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        pass
    return {"commit": None, "dirty": None}


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def _cpu() -> str:
    """The processor's name: Linux tells it in a file, other systems tell Python."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
