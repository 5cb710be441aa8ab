"""Build the book: execute what changed, stage a Sphinx source tree from the executed notebooks, render it."""

import filecmp
import multiprocessing
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cls_toys.workbench import run
from cls_toys.workbench.assets import write_assets
from cls_toys.workbench.html import BuildError, build_html
from cls_toys.workbench.parameters import ParameterError

BOOK = run.HOME / "book"
STAGED = BOOK / "_generated"
BUILT = BOOK / "_build"
Done = Callable[[run.Job, BaseException | None], None]
_LEFT_OUT = {"_generated", "_build", "extension", "__pycache__"}


def _ignore(job: run.Job, error: BaseException | None) -> None:
    """What is done as a job ends, unless one is told otherwise."""


class InProcess(Executor):
    """The executor that runs each job at once, in this process."""

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
        """Run now; the future is done when this returns."""
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # as every executor does: the error belongs to the future
            future.set_exception(error)
        return future


@contextmanager
def executor(jobs: int) -> Iterator[Executor]:
    """One process, or a pool of spawned ones."""
    if jobs == 1:
        yield InProcess()
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def execute_all(jobs: Sequence[run.Job], pool: Executor, *, retry: bool = False, done: Done = _ignore) -> list[Path]:
    """The folders of all jobs, in order, each executed unless it is complete.

    ``done`` is called as each job ends, with its error or None. Raises one RunFailed, with a line for each failure, when
    all have ended.
    """
    waiting = {pool.submit(run.execute, job, retry=retry): job for job in jobs}
    failures = []
    for future in as_completed(waiting):
        job, error = waiting[future], future.exception()
        if isinstance(error, BrokenProcessPool):
            error = run.RunFailed(
                f"{job.name}: a worker process was killed, perhaps for want of memory: try fewer jobs"
            )
        done(job, error)
        if error is not None and not isinstance(error, run.RunFailed):
            raise error
        failures += [str(error)] if error else []
    if failures:
        raise run.RunFailed("\n".join(failures))
    return [job.folder for job in jobs]


def check_contents(jobs: Sequence[run.Job], book: Path = BOOK) -> None:
    """Raise ParameterError unless the book's table of contents lists every notebook."""
    contents = (book / "_toc.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^\s*-?\s*file:\s*(\S+?)(?:\.ipynb)?\s*$", contents, flags=re.MULTILINE)
    for job in jobs:
        if f"notebooks/{job.name}" not in listed:
            raise ParameterError(
                f"notebooks/{job.name}.ipynb is no page of the book: add `- file: notebooks/{job.name}` to book/_toc.yml"
            )


def stage(folders: Sequence[Path], staged: Path = STAGED, book: Path = BOOK) -> Path:
    """``staged`` as a complete Sphinx source: the book's pages, the executed notebooks, the scripts it serves.

    Unchanged files are left alone and vanished ones removed, so that a rebuild renders only what changed.
    """
    wanted = {
        path.relative_to(book): path
        for path in book.rglob("*")
        if path.is_file() and not _LEFT_OUT & set(path.relative_to(book).parts)
    }
    wanted |= {Path("notebooks") / f"{folder.parent.name}.ipynb": folder / "executed.ipynb" for folder in folders}
    for target, source in wanted.items():
        destination = staged / target
        if not destination.exists() or not filecmp.cmp(source, destination, shallow=False):
            destination.parent.mkdir(parents=True, exist_ok=True)
            temporary = destination.with_name(destination.name + ".partial")
            shutil.copyfile(source, temporary)
            temporary.replace(destination)
    for path in staged.rglob("*"):
        relative = path.relative_to(staged)
        if path.is_file() and relative not in wanted and relative.parts[0] != "_extra":
            path.unlink()
    write_assets(staged / "_extra")
    return staged


def build(jobs: Sequence[run.Job], workers: int = 1, *, retry: bool = False, done: Done = _ignore) -> Path:
    """The first page of the book built from the jobs' runs.

    Raises ParameterError on a notebook that is no page, RunFailed, or BuildError with every reason why the book is not to
    be published, or because another build is at work.
    """
    check_contents(jobs)
    BUILT.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(BUILT / "lock", timeout=0):
            with executor(workers) as pool:
                folders = execute_all(jobs, pool, retry=retry, done=done)
            return build_html(stage(folders), BUILT)
    except Timeout:
        raise BuildError("another build of this book is at work: wait for it to end") from None
