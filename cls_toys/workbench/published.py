"""Which runs the book publishes, and the ledger of what they found."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cls_toys.workbench import provenance, run
from theory import ClaimsError, claims, ledger


def published(profile: str, notebooks: Path = run.NOTEBOOKS, runs: Path = run.RUNS) -> list[run.Job]:
    """The jobs that the book publishes in a profile: one for each notebook."""
    return [
        run.prepare(notebooks / f"{name}.ipynb", profile=profile, runs=runs) for name in run.notebook_names(notebooks)
    ]


def ledger_rows(
    profile: str | None = None, notebooks: Path = run.NOTEBOOKS, runs: Path = run.RUNS
) -> list[dict[str, Any]]:
    """The ledger of each notebook's published run: that with the parameters of the profile (None: ``full``, else ``fast``).

    Runs with other parameters change nothing. Where the present notebook and code have no such run, an earlier one
    with these parameters counts, as stale. Raises RunFailed on a damaged run and on claims that cannot be imported.
    """
    profiles = [profile] if profile else run.PROFILES
    by_notebook = zip(*(published(name, notebooks, runs) for name in profiles), strict=True)
    chosen = [found for jobs in by_notebook for found in _published_run(jobs)]
    try:
        return ledger.collect(claims().values(), chosen, provenance.code_hash())
    except ClaimsError as error:
        raise run.RunFailed(str(error)) from error


def _published_run(jobs: Sequence[run.Job]) -> list[ledger.Run]:
    """The run of the first job that has one; else the newest earlier run of the first that has one; else none."""
    current = [load(job.folder) for job in jobs if job.folder.is_dir()]
    if current:
        return current[:1]
    earlier = [
        folder
        for job in jobs
        for folder in run.completed(job.name, job.runs)
        if run.provenance_of(folder)["parameters"] == job.parameters
    ]
    # The code may be the present one, with another notebook: such evidence is stale too.
    return [replace(load(folder), code="") for folder in earlier[:1]]


def load(folder: Path) -> ledger.Run:
    """A completed run as the ledger reads it; raises RunFailed on one that this version cannot read."""
    record = run.provenance_of(folder)
    try:
        entries = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
        evidence = tuple(ledger.Evidence.from_json(entry) for entry in entries)
        return ledger.Run(record["notebook"], record["key"], record["code"], evidence)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise run.RunFailed(run.unreadable(folder, error)) from error


def is_current(folder: Path, notebook: Path) -> bool:
    """Whether the run is what the present notebook and code would do with its parameters."""
    record = run.provenance_of(folder)
    try:
        return run.prepare(notebook, record["parameters"]).key == record["key"]
    except run.ParameterError:  # of an earlier notebook
        return False
