"""Where a result comes from: the hash of the code, the environment, and the key that names a run."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "numpy", "scipy", "sympy", "altair", "papermill", "polars", "scikit-learn")


def code_hash(root: Path = ROOT) -> str:
    """SHA-256 over the Python sources of ``theory/`` and ``cls_toys/`` and the lock file: what evidence depends on.

    Of the workbench only ``charts.py`` is imported by notebooks; an edit in the rest of it makes no evidence stale.
    """
    files = [
        path
        for package in ("theory", "cls_toys")
        for path in sorted((root / package).rglob("*.py"))
        if path.parent.name != "workbench" or path.name == "charts.py"
    ]
    return digest((str(path.relative_to(root)), path.read_bytes()) for path in [*files, root / "requirements.lock"])


def digest(parts: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of named byte strings, lengths included, so that no two different lists collide by concatenation."""
    total = hashlib.sha256()
    for name, data in parts:
        total.update(f"{name}\0{len(data)}\0".encode())
        total.update(data)
    return total.hexdigest()


def run_key(cells: Iterable[str], parameters: Mapping[str, Any], code: str) -> str:
    """The name of a run: notebook source without trailing white space, validated parameters, code hash."""
    source = "\0".join("\n".join(line.rstrip() for line in cell.strip().splitlines()) for cell in cells)
    parts = {"source": source, "parameters": json.dumps(parameters, sort_keys=True), "code": code}
    return digest((name, value.encode()) for name, value in parts.items())[:20]


@lru_cache(maxsize=1)
def environment() -> dict[str, Any]:
    """Git commit and dirty flag, package versions, Python, platform, processors: in plain JSON values."""
    return {
        "git": {"commit": _git("rev-parse", "HEAD"), "dirty": bool(_git("status", "--porcelain"))},
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # not a checkout, or no git: the hash of the code still tells what ran
    return done.stdout.strip()
