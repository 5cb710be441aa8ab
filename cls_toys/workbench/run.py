"""One execution of one notebook: validated, keyed, resumable, never half-made.

``runs/<notebook>/<key>/`` holds ``executed.ipynb``, ``evidence.json`` and ``provenance.json``. It is written under a
temporary name and renamed, so that it exists if and only if the run is complete; its files are read-only. A run that
failed is kept as ``<key>.failed`` with its traceback.

papermill, nbformat and theory/ take a second to import each: the functions that need them import them.
"""

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter, ValidationError

from cls_toys.workbench import provenance
from cls_toys.workbench.parameters import ParameterError, did_you_mean, read_parameters, resolve

# CLS_TOYS_HOME names another folder to work in, for example on a disk with more room.
HOME = Path(os.environ.get("CLS_TOYS_HOME") or provenance.ROOT).resolve()
NOTEBOOKS = HOME / "notebooks"
RUNS = HOME / "runs"
PROFILES = ("full", "fast")
_PROFILES = TypeAdapter(dict[str, dict[Literal[PROFILES], dict[str, Any] | None] | None])
# One thread a kernel: sums are then in one order, so the evidence does not depend on how many kernels run beside it.
THREADS = 1
KERNEL = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
KERNEL["PYTHONHASHSEED"] = "0"  # sets of names, and what SymPy makes of them, are then in one order too


class RunFailed(RuntimeError):
    """A run that did not complete; the message is one line, which says where its traceback is kept if it has one."""


@dataclass(frozen=True)
class Job:
    """What identifies a run: a notebook, its resolved parameters and the key they make with the present code."""

    notebook: Path
    parameters: dict[str, Any]
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


def find_notebook(name: str, notebooks: Path = NOTEBOOKS) -> Path:
    """The notebook of that name in ``notebooks/``, or at that path; raises ParameterError with the nearest name."""
    path = Path(name) if name.endswith(".ipynb") else notebooks / f"{name}.ipynb"
    if path.is_file():
        return path.resolve()
    names = notebook_names(notebooks)
    if name.endswith(".ipynb"):
        raise ParameterError(f"no file {name}; give a notebook's name ({', '.join(names)}) or the path of an .ipynb")
    there = ", ".join(names) or f"none in {notebooks}"
    raise ParameterError(f"no notebook {name!r}{did_you_mean(name, names)}; there are {there}")


def notebook_names(notebooks: Path = NOTEBOOKS) -> list[str]:
    """The names of the notebooks there are."""
    return sorted(path.stem for path in notebooks.glob("*.ipynb"))


def read_notebook(path: Path) -> dict[str, Any]:
    """The notebook at a path; raises ParameterError when it is no notebook."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        reason = str(error).partition("\n")[0]
        raise ParameterError(f"{path} is no valid notebook: {reason}; open and save it in JupyterLab") from error


def profile_parameters(notebook: Path, profile: str) -> dict[str, Any]:
    """The parameters that a profile in the ``profiles.yml`` beside a notebook sets for it.

    Raises ParameterError on a profile that does not exist, and on a file that holds anything else than profiles.
    """
    if profile not in PROFILES:
        raise ParameterError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
    file = notebook.with_name("profiles.yml")
    if not file.exists():
        return {}
    try:
        profiles = _PROFILES.validate_python(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (yaml.YAMLError, ValidationError) as error:
        where = (
            f"line {error.problem_mark.line + 1}"
            if isinstance(error, yaml.MarkedYAMLError)
            else str(error.errors()[0]["loc"])
        )
        raise ParameterError(
            f"{file} ({where}): write `notebook: {{fast: {{parameter: value}}, full: {{}}}}`, one notebook a line"
        ) from error
    known = notebook_names(notebook.parent)
    for name in profiles.keys() - set(known):
        raise ParameterError(f"{file}: no notebook {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
    return (profiles.get(notebook.stem) or {}).get(profile) or {}


def prepare(
    notebook: Path, given: Mapping[str, Any] | None = None, profile: str | None = None, runs: Path = RUNS
) -> Job:
    """The job of running a notebook with its defaults, a profile's parameters over them, the given ones over both.

    A run is its parameters, whichever way they came: a profile is not part of its identity, and is not recorded. Nothing
    is written. Raises ParameterError on an unknown, ill-typed or out-of-range parameter.
    """
    node = read_notebook(notebook)
    parameters = read_parameters(node)
    values = resolve(parameters)
    if profile is not None:
        try:
            values = resolve(parameters, profile_parameters(notebook, profile))
        except ParameterError as error:
            raise ParameterError(f"profile {profile} of {notebook.stem}: {error}") from None
    values = resolve(parameters, values, given or {})
    code = provenance.code_hash()
    return Job(notebook, values, provenance.run_key(node["cells"], values, code), code, runs)


def execute(job: Job, *, retry: bool = False, progress: bool = False) -> Path:
    """The folder of the completed run: executed now, or found complete.

    Raises RunFailed when the notebook raises, or when it did so before and ``retry`` is not set, when nothing can be
    written, and when the notebook or the code is edited meanwhile: what ran would not be what the key says.
    """
    if job.folder.is_dir():
        return job.folder
    traceback = job.failure / "error.txt"
    if job.failure.is_dir() and not retry:
        raise RunFailed(
            f"{job.name} failed before with these parameters (see {traceback}): add --retry to try it again"
        )
    try:
        with _partial_folder(job) as partial:
            reason = _execute(job, partial, progress)
            shutil.rmtree(job.failure, ignore_errors=True)
            _keep(partial, job.failure if reason else job.folder)
    except OSError as error:
        raise RunFailed(f"{job.name} was not kept: {error}; runs are written to {job.runs}") from error
    if reason:
        raise RunFailed(f"{job.name}: {reason} (more is in {traceback})")
    return job.folder


def provenance_of(folder: Path) -> dict[str, Any]:
    """What a completed run recorded of itself; raises RunFailed where it cannot be read."""
    try:
        record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        return record | {"parameters": dict(record["parameters"])}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunFailed(unreadable(folder, error)) from error


def unreadable(folder: Path, error: Exception) -> str:
    """The message about a damaged run."""
    return f"{folder} is damaged or of another version ({error}): delete it and run again"


def completed(name: str, runs: Path = RUNS) -> list[Path]:
    """The folders of a notebook's completed runs, newest first."""
    folders = [path.parent for path in (runs / name).glob("*/provenance.json") if not path.parent.name.startswith(".")]
    return sorted(folders, key=lambda folder: (folder / "provenance.json").stat().st_mtime, reverse=True)


def _execute(job: Job, folder: Path, progress: bool) -> str:
    """Execute into ``folder`` and record what came of it: an empty string, or why the notebook failed."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from cls_toys.workbench import engine

    node = read_notebook(job.notebook)
    if provenance.run_key(node["cells"], job.parameters, provenance.code_hash()) != job.key:
        raise RunFailed(f"{job.name}: the notebook, theory/ or cls_toys/ was edited since: run it again")
    output = str(folder / "executed.ipynb").replace("{", "{{").replace("}", "}}")  # papermill formats it
    started = datetime.now(UTC)
    Thread(target=import_module, args=("theory.ledger",)).start()  # takes a second, for which the kernel need not wait
    try:
        executed = papermill.execute_notebook(
            node, output, parameters=job.parameters, engine_name=engine.NAME, kernel_name="python3",
            language="python", progress_bar=progress, environment=KERNEL,
            request_save_on_cell_execute=False,  # the whole file after every cell takes seconds and is of use to nobody
            resources={"metadata": {"path": str(job.notebook.parent)}},  # where JupyterLab starts its kernel, too
        )  # fmt: skip
    except PapermillExecutionError as error:
        (folder / "error.txt").write_text(str(error), encoding="utf-8")
        message = error.evalue.partition("\n")[0]
        return f"cell In [{error.exec_count}] raised {error.ename}: {message}"
    except DeadKernelError as error:
        (folder / "error.txt").write_text(f"{error}\n", encoding="utf-8")
        return "its kernel died, perhaps for want of memory"
    if provenance.code_hash() != job.code:
        raise RunFailed(f"{job.name}: theory/ or cls_toys/ was edited while it ran: run it again")
    try:
        _record(job, executed, folder, started)
    except ValueError as error:
        (folder / "error.txt").write_text(f"{error}\n", encoding="utf-8")
        return f"an output is not what it says: {error}"
    return ""


def _record(job: Job, node: Any, folder: Path, started: datetime) -> None:
    """Write evidence and provenance beside the executed notebook, and stamp it."""
    import nbformat

    from theory import ledger

    duration = (datetime.now(UTC) - started).total_seconds()
    stamp = {
        "notebook": job.name, "key": job.key, "code": job.code, "parameters": job.parameters,
        "started": started.isoformat(timespec="seconds"), "duration_s": round(duration, 2),
    }  # fmt: skip
    node.metadata["cls_toys"] = stamp
    nbformat.write(node, folder / "executed.ipynb")
    seconds = [cell.metadata.papermill.duration for cell in node.cells if cell.cell_type == "code"]
    record = {
        **stamp, "seed": job.parameters["seed"], **provenance.environment(),
        "device": job.parameters.get("device", "cpu"), "threads": THREADS, "cell_seconds": seconds,
    }  # fmt: skip
    evidence = [entry.to_json() for entry in ledger.read(node)]
    for name, content in {"evidence.json": evidence, "provenance.json": record}.items():
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _keep(partial: Path, target: Path) -> None:
    """Rename ``partial`` to ``target``, its files read-only: JupyterLab must not save over a record."""
    for file in partial.iterdir():
        file.chmod(0o444)
    try:
        partial.rename(target)
    except OSError:
        if not target.is_dir():  # else the same run was completed beside this one
            raise


@contextmanager
def _partial_folder(job: Job) -> Iterator[Path]:
    """A fresh temporary folder beside the run's, gone afterwards unless renamed.

    What killed processes of this machine left behind is removed first; other machines may share the disk.
    """
    from cls_toys.workbench.engine import alive

    parent = job.folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    machine = platform.node()
    for left in parent.glob(".*@*@*@*.partial"):
        _, host, process, _ = left.name.rsplit("@", 3)
        if host == machine and process.isdigit() and not alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)
    prefix = f".{job.key}@{machine}@{os.getpid()}@"
    partial = Path(tempfile.mkdtemp(prefix=prefix, suffix=".partial", dir=parent))
    partial.chmod(0o755)  # as any folder; mkdtemp's is for its owner only
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
