"""Build the book: execute what changed, stage a Sphinx source tree from the executed notebooks, render it."""

import filecmp
import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from cls_toys.workbench import run
from cls_toys.workbench.assets import write_assets
from cls_toys.workbench.html import build_html
from cls_toys.workbench.published import published

BOOK = run.HOME / "book"
STAGED = BOOK / "_generated"
BUILT = BOOK / "_build"
_LEFT_OUT = {"_generated", "_build", "extension", "__pycache__"}


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


def execute_all(
    jobs: Sequence[run.Job], pool: Executor, *, retry: bool = False, done: Callable[[run.Job], None] = lambda job: None
) -> list[Path]:
    """The folders of all jobs, in order, each executed unless it is complete; raises the first RunFailed when all are done."""
    waiting = {pool.submit(run.execute, job, retry=retry): job for job in jobs}
    failures = []
    for future in as_completed(waiting):
        done(waiting[future])
        if error := future.exception():
            failures.append(error)
    if failures:
        raise failures[0]
    return [job.folder for job in jobs]


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


def build(
    profile: str, jobs: int = 1, *, retry: bool = False, done: Callable[[run.Job], None] = lambda job: None
) -> Path:
    """The built book's first page. Raises RunFailed, or BuildError with every reason why it is not to be published."""
    with executor(jobs) as pool:
        folders = execute_all(published(profile), pool, retry=retry, done=done)
    return build_html(stage(folders), BUILT)
