"""One execution of one notebook: validated, keyed, resumable, never half-made.

``runs/<notebook>/<key>/`` holds ``executed.ipynb``, ``evidence.json`` and ``provenance.json``. It is written under a
temporary name and renamed, so that it exists if and only if the run is complete. A run that failed is kept as
``<key>.failed`` with its traceback.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from cls_toys.workbench import provenance
from cls_toys.workbench.parameters import ParameterError, read_parameters, resolve
from theory import ledger

NOTEBOOKS = provenance.ROOT / "notebooks"
RUNS = provenance.ROOT / "runs"
PROFILES = ("fast", "full")
# One thread a kernel: sums are then in one order, so the evidence does not depend on how many kernels run beside it.
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


class RunFailed(RuntimeError):
    """A notebook that raised; the message says where its traceback is kept."""


@dataclass(frozen=True)
class Job:
    """What identifies a run: a notebook, its resolved parameters and the key they make with the present code."""

    notebook: Path
    parameters: dict[str, Any]
    profile: str | None
    key: str
    code: str
    runs: Path = RUNS

    @property
    def name(self) -> str:
        """The notebook's name."""
        return self.notebook.stem

    @property
    def folder(self) -> Path:
        """Where the complete run is, or will be."""
        return self.runs / self.name / self.key

    @property
    def failure(self) -> Path:
        """Where a failed run is kept."""
        return self.folder.with_name(f"{self.key}.failed")


def find_notebook(name: str) -> Path:
    """The notebook of that name in ``notebooks/``, or at that path; raises ParameterError with the nearest name."""
    path = Path(name) if name.endswith(".ipynb") else NOTEBOOKS / f"{name}.ipynb"
    if path.is_file():
        return path.resolve()
    if name.endswith(".ipynb"):
        raise ParameterError(
            f"no file {name}; give a notebook's name ({', '.join(notebook_names())}) or the path of an .ipynb"
        )
    close = get_close_matches(name, notebook_names(), n=1, cutoff=0.4)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise ParameterError(f"no notebook {name!r}{hint}; there are {', '.join(notebook_names())}")


def notebook_names() -> list[str]:
    """The names of the notebooks there are."""
    return sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


def read_notebook(path: Path) -> NotebookNode:
    """The notebook at a path; raises ParameterError when it is no notebook."""
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        raise ParameterError(f"{path.name} is no valid notebook: {error}") from error


def profile_parameters(name: str, profile: str | None) -> dict[str, Any]:
    """The parameters that a profile sets for a notebook; raises ParameterError on a profile that does not exist."""
    if profile is None:
        return {}
    if profile not in PROFILES:
        raise ParameterError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
    file = NOTEBOOKS / "profiles.yml"
    profiles = yaml.safe_load(file.read_text()) if file.exists() else {}
    return profiles.get(name, {}).get(profile) or {}


def prepare(
    notebook: Path, given: Mapping[str, Any] | None = None, profile: str | None = None, runs: Path = RUNS
) -> Job:
    """The job of running a notebook with these parameters over those of its profile; nothing is written.

    Raises ParameterError on an unknown, ill-typed or out-of-range parameter.
    """
    node = read_notebook(notebook)
    values = resolve(read_parameters(node), profile_parameters(notebook.stem, profile), given or {})
    code = provenance.code_hash()
    key = provenance.run_key([f"{cell.cell_type}\n{cell.source}" for cell in node.cells], values, code)
    return Job(notebook, values, profile if not given else None, key, code, runs)


def execute(job: Job, *, retry: bool = False, progress: bool = False) -> Path:
    """The folder of the completed run: executed now, or found complete.

    Raises RunFailed when the notebook raises, or when it did so before and ``retry`` is not set.
    """
    if job.folder.is_dir():
        return job.folder
    if job.failure.is_dir() and not retry:
        raise RunFailed(
            f"{job.name} failed before with these parameters; see {job.failure / 'error.txt'}, or ask for a retry"
        )
    partial = _partial_folder(job)
    started = datetime.now(UTC)
    try:
        with _environment(THREADS):
            node = papermill.execute_notebook(
                read_notebook(job.notebook), partial / "executed.ipynb", parameters=job.parameters, engine_name="cls_toys",
                kernel_name="python3", progress_bar=progress,
            )  # fmt: skip
    except PapermillExecutionError as error:
        (partial / "error.txt").write_text(str(error))
        shutil.rmtree(job.failure, ignore_errors=True)
        partial.rename(job.failure)
        raise RunFailed(
            f"{job.name} raised {error.ename}: {error.evalue} (the traceback is in {job.failure / 'error.txt'})"
        ) from error
    except BaseException:  # an interrupt, a full disk: nothing half-made stays
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _record(job, node, partial, started)
    shutil.rmtree(job.failure, ignore_errors=True)
    try:
        partial.rename(job.folder)
    except OSError:  # the same run was completed beside this one
        if not job.folder.is_dir():
            raise
        shutil.rmtree(partial)
    return job.folder


def load(folder: Path) -> ledger.Run:
    """A completed run as the ledger reads it."""
    record = json.loads((folder / "provenance.json").read_text())
    evidence = tuple(ledger.Evidence.from_json(entry) for entry in json.loads((folder / "evidence.json").read_text()))
    return ledger.Run(record["notebook"], record["key"], record["code"], evidence)


def completed(name: str, runs: Path = RUNS) -> list[Path]:
    """The folders of a notebook's completed runs, newest first."""
    folders = [path.parent for path in (runs / name).glob("*/provenance.json") if not path.parent.name.startswith(".")]
    return sorted(folders, key=lambda folder: (folder / "provenance.json").stat().st_mtime, reverse=True)


def _record(job: Job, node: NotebookNode, folder: Path, started: datetime) -> None:
    """Write evidence and provenance beside the executed notebook, and stamp it."""
    duration = (datetime.now(UTC) - started).total_seconds()
    stamp = {
        "notebook": job.name, "key": job.key, "code": job.code, "parameters": job.parameters, "profile": job.profile,
        "started": started.isoformat(timespec="seconds"), "duration_s": round(duration, 2),
    }  # fmt: skip
    node.metadata["cls_toys"] = stamp
    nbformat.write(node, folder / "executed.ipynb")
    evidence = [entry.to_json() for entry in ledger.read(node)]
    (folder / "evidence.json").write_text(json.dumps(evidence, indent=1))
    cells = {
        cell.id: cell.metadata.get("papermill", {}).get("duration") for cell in node.cells if cell.cell_type == "code"
    }
    record = {
        **stamp, "seed": job.parameters["seed"], **provenance.environment(), "device": "cpu",
        "threads": int(THREADS["OMP_NUM_THREADS"]), "cell_seconds": cells,
    }  # fmt: skip
    (folder / "provenance.json").write_text(json.dumps(record, indent=1))


def _partial_folder(job: Job) -> Path:
    """A fresh temporary folder beside the run's; what killed processes left behind is removed first."""
    parent = job.folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(".*.partial"):
        if not _alive(int(left.name.split(".")[2])):
            shutil.rmtree(left, ignore_errors=True)
    partial = parent / f".{job.key}.{os.getpid()}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    return partial


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
