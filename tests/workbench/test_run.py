"""Runs are complete or not there, found again by their key, and reproducible; real kernels, so few of them."""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from cls_toys.workbench import provenance, run
from cls_toys.workbench.parameters import ParameterError
from theory.evidence import MIME, Evidence, Kind, Slack, Verdict

pytestmark = pytest.mark.usefixtures("frozen_code")

RECORD = Evidence(
    "toy", "first", Kind.EXACT, "Le(a, b)", Verdict.SUPPORTED, "it holds", trials=3, slack=Slack(0.1, 0.2, 0.5), seed=1
).to_json()
MEASURE = f"""\
import os, random
from IPython.display import display
slack = sorted(random.Random(seed).random() for _ in range(3))
names = set("abcdefgh")
print(n_items, dim, scale, label, seed, slack, names, os.environ["OMP_NUM_THREADS"])
display({{{MIME!r}: {RECORD!r} | {{"slack": dict(zip(("min", "median", "max"), slack))}}}}, raw=True)"""
# In a process of its own, to be killed, interrupted, raced or starved.
EXECUTE = """
import sys
from pathlib import Path
from cls_toys.workbench import provenance, run
provenance.code_hash = lambda: "now"
print(run.execute(run.prepare(Path(sys.argv[1]), runs=Path(sys.argv[2]))))
"""


def outputs(folder: Path) -> list[tuple[str, Any]]:
    """What must be the same in two runs: of each cell, source and outputs, without the injected cell's random id."""
    notebook = nbformat.read(folder / "executed.ipynb", as_version=4)
    return [(cell.source, cell.get("outputs")) for cell in notebook.cells]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def start(notebook: Path, runs: Path, **options: Any) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", EXECUTE, str(notebook), str(runs)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def wait_for(ready: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(process: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toys") / "a folder {with} 'odd' name"


@pytest.fixture(scope="module")
def notebook(home: Path, write: Callable[..., Path]) -> Path:
    return write(home / "notebooks" / "toy.ipynb", MEASURE)


@pytest.fixture(scope="module")
def finished(home: Path, notebook: Path) -> Iterator[run.Job]:
    """A completed run, executed once for this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "code_hash", lambda: "now")
        job = run.prepare(notebook, {"dim": "5", "label": 'it\'s "odd" {x}\\n'}, runs=home / "runs")
        run.execute(job)
        yield job


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(papermill, "execute_notebook", refuse)


def test_a_run_is_kept_whole_under_its_key(finished: run.Job) -> None:
    assert finished.folder == finished.runs / "toy" / finished.key
    assert names(finished.folder) == ["evidence.json", "executed.ipynb", "provenance.json"]
    assert names(finished.folder.parent) == [finished.key]
    assert run.completed("toy", finished.runs) == [finished.folder]


def test_its_files_are_read_only(finished: run.Job) -> None:
    for file in finished.folder.iterdir():
        assert not file.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


def test_parameters_reach_the_kernel_as_they_are(finished: run.Job) -> None:
    (printed, *_) = outputs(finished.folder)[-1][1]
    assert printed.text.startswith('8 5 1.0 it\'s "odd" {x}\\n 0 [0.')
    assert printed.text.rstrip().endswith("1")  # one thread


def test_evidence_is_what_the_notebook_showed(finished: run.Job) -> None:
    (entry,) = json.loads((finished.folder / "evidence.json").read_text())
    assert Evidence.from_json(entry).claim == "toy"
    assert entry == outputs(finished.folder)[-1][1][1].data[MIME]


def test_provenance_is_complete(finished: run.Job) -> None:
    record = json.loads((finished.folder / "provenance.json").read_text())
    assert record == run.provenance_of(finished.folder)
    assert record["parameters"] == finished.parameters
    assert record["parameters"]["dim"] == 5
    assert (record["seed"], record["device"], record["threads"]) == (0, "cpu", 1)
    assert (record["notebook"], record["key"], record["code"]) == ("toy", finished.key, "now")
    assert set(provenance.environment()) <= set(record)
    assert record["started"].endswith("+00:00")
    assert len(record["cell_seconds"]) == 3  # parameters, injected parameters, code
    assert 0 < sum(record["cell_seconds"]) < record["duration_s"]
    stamp = nbformat.read(finished.folder / "executed.ipynb", as_version=4).metadata["cls_toys"]
    assert stamp.items() <= record.items()


def test_a_complete_run_is_found_not_repeated(finished: run.Job, notebook: Path, no_kernel: None) -> None:
    again = run.prepare(notebook, {"label": finished.parameters["label"], "dim": 5}, runs=finished.runs)
    assert again == finished
    assert run.execute(again, retry=True) == finished.folder


def test_two_executions_give_the_same_evidence_and_outputs(finished: run.Job, tmp_path: Path) -> None:
    folder = run.execute(replace(finished, runs=tmp_path / "runs"))
    assert outputs(folder) == outputs(finished.folder)
    assert (folder / "evidence.json").read_bytes() == (finished.folder / "evidence.json").read_bytes()


def test_bare_papermill_runs_the_same_notebook(finished: run.Job, notebook: Path, tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable, "-m", "papermill", str(notebook).replace("{", "{{").replace("}", "}}"), "out.ipynb",
            "-p", "dim", "5", "-r", "label", finished.parameters["label"],
        ],
        cwd=tmp_path, check=True, capture_output=True, env={**os.environ, **run.KERNEL},
    )  # fmt: skip
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert [(cell.source, cell.get("outputs")) for cell in executed.cells][-1] == outputs(finished.folder)[-1]


def test_the_key_depends_on_notebook_parameters_and_code(
    notebook: Path, tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = run.prepare(notebook).key
    assert run.prepare(write(tmp_path / "toy.ipynb", MEASURE)).key == key
    assert run.prepare(write(tmp_path / "toy.ipynb", MEASURE + "\n1")).key != key
    assert run.prepare(notebook, {"seed": 1}).key != key
    assert run.prepare(notebook, {"seed": "0"}).key == key
    monkeypatch.setattr(provenance, "code_hash", lambda: "later")
    assert run.prepare(notebook).key != key


def test_a_failure_is_kept_with_its_traceback_and_retried_only_on_request(
    tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "mended"
    code = f"import os\nif not os.path.exists({str(flag)!r}):\n    raise LookupError('no flag\\nat all')"
    job = run.prepare(write(tmp_path / "toy.ipynb", code), runs=tmp_path / "runs")
    with pytest.raises(run.RunFailed) as caught:
        run.execute(job)
    for part in ("toy", "In [3]", "raised LookupError: no flag", str(job.failure / "error.txt")):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(job.failure.parent) == [f"{job.key}.failed"]
    assert names(job.failure) == ["error.txt", "executed.ipynb"]
    assert "LookupError: no flag\nat all" in (job.failure / "error.txt").read_text()
    assert run.completed("toy", job.runs) == []
    with monkeypatch.context() as patch:
        patch.setattr(papermill, "execute_notebook", lambda *arguments, **options: pytest.fail("retried unasked"))
        with pytest.raises(run.RunFailed, match=r"failed before .*error\.txt.* --retry"):
            run.execute(job)
    flag.touch()
    assert run.execute(job, retry=True) == job.folder
    assert names(job.folder.parent) == [job.key]


def test_a_kernel_that_dies_is_a_failure(
    tmp_path: Path, write: Callable[..., Path], capfd: pytest.CaptureFixture
) -> None:
    job = run.prepare(
        write(tmp_path / "toy.ipynb", "import os\nos.write(2, b'last words')\nos._exit(1)"), runs=tmp_path / "runs"
    )
    with pytest.raises(run.RunFailed, match="toy: its kernel died"):
        run.execute(job)
    assert names(job.failure.parent) == [f"{job.key}.failed"]
    said = (job.failure / "error.txt").read_text()
    assert "died" in said
    assert "last words" in said
    assert "last words" not in capfd.readouterr().err


WAIT = """\
import os, pathlib, time
mark = pathlib.Path({folder!r}, f"kernel-{{os.getpid()}}")
mark.touch()
while not pathlib.Path({folder!r}, "go").exists():
    time.sleep(0.02)
"""


@pytest.fixture
def waiting(tmp_path: Path, write: Callable[..., Path]) -> run.Job:
    """The job of a notebook that tells its kernel's number, then waits for a file ``go``."""
    return run.prepare(write(tmp_path / "toy.ipynb", WAIT.format(folder=str(tmp_path))), runs=tmp_path / "runs")


def kernels(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("kernel-")) for path in folder.glob("kernel-*")]


def test_a_killed_run_leaves_nothing_half_made_and_the_next_one_completes(waiting: run.Job, tmp_path: Path) -> None:
    process = start(waiting.notebook, waiting.runs)
    wait_for(lambda: bool(kernels(tmp_path)))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = names(waiting.folder.parent)
    assert left.startswith(".")
    assert left.endswith(".partial")
    assert run.completed("toy", waiting.runs) == []
    wait_for(lambda: not alive(kernels(tmp_path)[0]))  # its kernel does not outlive it
    (tmp_path / "go").touch()
    assert run.execute(waiting) == waiting.folder
    assert names(waiting.folder.parent) == [waiting.key]


def test_an_interrupted_run_cleans_up(waiting: run.Job, tmp_path: Path) -> None:
    process = start(waiting.notebook, waiting.runs)
    wait_for(lambda: bool(kernels(tmp_path)))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode
    assert names(waiting.folder.parent) == []
    wait_for(lambda: not alive(kernels(tmp_path)[0]))


def test_two_processes_may_execute_the_same_key_at_once(waiting: run.Job, tmp_path: Path) -> None:
    processes = [start(waiting.notebook, waiting.runs) for _ in range(2)]
    wait_for(lambda: len(kernels(tmp_path)) == 2)
    assert len(names(waiting.folder.parent)) == 2
    (tmp_path / "go").touch()
    for process in processes:
        said, complaint = process.communicate(timeout=60)
        assert (process.returncode, said.strip()) == (0, str(waiting.folder)), complaint
    assert names(waiting.folder.parent) == [waiting.key]


def test_only_what_dead_processes_of_this_machine_left_is_removed(waiting: run.Job) -> None:
    ours = waiting.folder.parent / f".a@{run.platform.node()}@{os.getpid()}@x.partial"
    others = waiting.folder.parent / ".a@elsewhere@999999999@x.partial"
    dead = waiting.folder.parent / f".a@{run.platform.node()}@999999999@x.partial"
    copied = waiting.folder.parent / f".a@{run.platform.node()}@copy@x.partial"
    stranger = waiting.folder.parent / ".stranger.partial"
    for folder in (ours, others, dead, copied, stranger):
        folder.mkdir(parents=True)
    with run._partial_folder(waiting) as partial:
        assert partial.is_dir()
        assert set(names(partial.parent)) == {ours.name, others.name, copied.name, stranger.name, partial.name}
    assert not partial.exists()


def test_an_edit_meanwhile_is_no_run(
    finished: run.Job, tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = run.prepare(write(tmp_path / "toy.ipynb", "1"), runs=tmp_path / "runs")
    write(job.notebook, "2")
    with pytest.raises(run.RunFailed, match="was edited since: run it again"):
        run.execute(job)
    job = run.prepare(job.notebook, runs=job.runs)
    hashes = iter(["now", "later"])
    monkeypatch.setattr(provenance, "code_hash", lambda: next(hashes))
    executed = nbformat.read(finished.folder / "executed.ipynb", as_version=4)
    monkeypatch.setattr(papermill, "execute_notebook", lambda *arguments, **options: executed)
    with pytest.raises(run.RunFailed, match="edited while it ran: run it again"):
        run.execute(job)
    assert names(job.folder.parent) == []


def test_evidence_that_is_none_is_a_failure(tmp_path: Path, finished: run.Job, monkeypatch: pytest.MonkeyPatch) -> None:
    executed = nbformat.read(finished.folder / "executed.ipynb", as_version=4)
    executed.cells[-1].outputs[-1].data[MIME]["verdict"] = "certainly"
    monkeypatch.setattr(papermill, "execute_notebook", lambda *arguments, **options: executed)
    job = replace(finished, runs=tmp_path)
    with pytest.raises(run.RunFailed, match="an output is not what it says: not an evidence record"):
        run.execute(job)
    assert names(job.folder.parent) == [f"{job.key}.failed"]
    assert "executed.ipynb" in names(job.failure), "what was computed is kept"


def test_a_kernel_that_never_starts_is_a_failure(
    tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(run.KERNEL, "PYTHONHASHSEED", "nonsense")
    job = run.prepare(write(tmp_path / "toy.ipynb", "1"), runs=tmp_path / "runs")
    with pytest.raises(run.RunFailed, match="toy: its kernel died"):
        run.execute(job)
    assert "PYTHONHASHSEED" in (job.failure / "error.txt").read_text()


def test_nowhere_to_write(notebook: Path, tmp_path: Path, no_kernel: None) -> None:
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(run.RunFailed, match=r"toy was not kept: .*Not a directory.*runs are written to"):
        run.execute(run.prepare(notebook, runs=tmp_path / "runs"))


def test_a_full_disk(notebook: Path, tmp_path: Path) -> None:
    """Simulated by a limit on the size of files, which the executed notebook exceeds."""
    process = start(
        notebook, tmp_path / "runs", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    )
    _, complaint = process.communicate(timeout=60)
    assert process.returncode
    assert "RunFailed: toy was not kept: [Errno" in complaint
    assert names(tmp_path / "runs" / "toy") == []


@pytest.mark.parametrize(
    "text",
    [
        "", "no json", "[]", "{}", "null", '{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
        '{"cells": [{"a": 1}], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
        '{"cells": [], "nbformat": 9, "nbformat_minor": 5, "metadata": {}}',
    ],
)  # fmt: skip
def test_malformed_notebooks(text: str, tmp_path: Path) -> None:
    (tmp_path / "toy.ipynb").write_text(text)
    with pytest.raises(ParameterError, match=r"toy.ipynb is no valid notebook") as caught:
        run.prepare(tmp_path / "toy.ipynb")
    assert "\n" not in str(caught.value)


def test_a_notebook_of_an_older_format(tmp_path: Path) -> None:
    """No cell ids and no kernel named: as an old or a stripped notebook is stored."""
    old = nbformat.from_dict({
        "nbformat": 4, "nbformat_minor": 4, "metadata": {},
        "cells": [{
            "cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "seed: int = 0", "outputs": [],
            "execution_count": None,
        }],
    })  # fmt: skip
    nbformat.write(old, tmp_path / "old.ipynb")
    assert run.execute(run.prepare(tmp_path / "old.ipynb", runs=tmp_path / "runs")).is_dir()


def test_profiles(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "toy.ipynb")
    profiles = tmp_path / "profiles.yml"
    assert run.prepare(path, profile="fast") == run.prepare(path)  # no file, no change
    profiles.write_text("toy:\n  fast: {dim: 2, n_items: 4}\n  full:\n")
    assert run.prepare(path, profile="full") == run.prepare(path)
    fast = run.prepare(path, {"dim": 3}, "fast")
    assert (fast.parameters["dim"], fast.parameters["n_items"]) == (3, 4)
    # A run is its parameters, whichever way they came.
    assert run.prepare(path, {"dim": "2", "n_items": "4"}) == run.prepare(path, profile="fast")
    for text, said in {
        "toy: {fast: {dmi: 2}}": r"profile fast of toy: unknown parameter 'dmi' \(did you mean 'dim'",
        "toy: {fast: {dim: 0}}": "profile fast of toy: dim=0",
        "toy: [": r"profiles.yml \(line 1\): write",
        "toy": r"profiles.yml .*: write",
        "toy: {fast: 3}": r"profiles.yml .*'toy', 'fast'.*: write",
        "toy: {fsat: {}}": r"profiles.yml .*: write",
        "tyo: {fast: {}}": r"no notebook 'tyo' \(did you mean 'toy'\?\)",
    }.items():
        profiles.write_text(text)
        with pytest.raises(ParameterError, match=said):
            run.prepare(path, profile="fast")
    with pytest.raises(ParameterError, match="no profile 'slow'; there are full, fast"):
        run.prepare(path, profile="slow")


def test_finding_notebooks(tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("capacity", "budget"):
        write(tmp_path / "notebooks" / f"{name}.ipynb")
    notebooks = tmp_path / "notebooks"
    assert run.notebook_names(notebooks) == ["budget", "capacity"]
    assert run.find_notebook("budget", notebooks) == notebooks / "budget.ipynb"
    monkeypatch.chdir(notebooks)
    assert run.find_notebook("budget.ipynb", tmp_path) == notebooks / "budget.ipynb"
    with pytest.raises(
        ParameterError, match=r"no notebook 'bugdet' \(did you mean 'budget'\?\); there are budget, capac"
    ):
        run.find_notebook("bugdet", notebooks)
    with pytest.raises(ParameterError, match=r"no file lost\.ipynb; give a notebook's name \(budget, capacity\)"):
        run.find_notebook("lost.ipynb", notebooks)
    with pytest.raises(ParameterError, match="there are none in"):
        run.find_notebook("budget", tmp_path)
