"""The command ``cls-toys``."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cls_toys.workbench import run as running
from cls_toys.workbench.parameters import ParameterError, read_parameters, split_assignments

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A theory workbench: rerun the book's notebooks with other parameters, read the claims ledger, build the book.",
)
out = Console(width=None if sys.stdout.isatty() else 180)
err = Console(stderr=True)

Profile = Literal["fast", "full"]
Assignments = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Set a parameter; repeat for more.")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Notebooks executed at a time.")]
Name = Annotated[str, typer.Argument(help="A notebook's name, or the path of an .ipynb.")]
_STYLE = {"supported": "green", "refuted": "red bold", "inconclusive": "yellow", "stale": "yellow", "not run": "dim"}


def main() -> None:
    """Entry point: one clear line and exit code 2 for bad input, 1 for a run or a build that failed."""
    try:
        app()
    except ParameterError as error:
        err.print(f"cls-toys: {error}", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(2) from None
    except running.RunFailed as error:
        err.print(f"cls-toys: {error}", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


@app.command("list")
def list_notebooks() -> None:
    """Notebooks, the claims they check, the verdict and the duration of their newest run."""
    table = Table("notebook", "claims checked", "newest run", "seconds", "when")
    for name in running.notebook_names():
        newest = running.completed(name)
        if not newest:
            table.add_row(name, "", "not run", "", "")
            continue
        loaded = running.load(newest[0])
        record = json.loads((newest[0] / "provenance.json").read_text())
        verdicts = {str(evidence.verdict) for evidence in loaded.evidence}
        table.add_row(
            name, ", ".join(dict.fromkeys(evidence.claim for evidence in loaded.evidence)),
            _coloured(", ".join(sorted(verdicts)) or "no evidence"), f"{record['duration_s']:.1f}", record["started"],
        )  # fmt: skip
    out.print(table)


@app.command()
def params(name: Name) -> None:
    """The typed parameters of a notebook: default, allowed range, meaning."""
    path = running.find_notebook(name)
    fast = running.profile_parameters(path.stem, "fast")
    table = Table("parameter", "type", "default", "fast", "allowed", "meaning")
    for parameter in read_parameters(running.read_notebook(path)).values():
        table.add_row(
            parameter.name, parameter.type, str(parameter.default), str(fast.get(parameter.name, "")), parameter.allowed,
            parameter.help,
        )  # fmt: skip
    out.print(table)


@app.command()
def run(
    name: Name,
    parameter: Assignments = None,
    profile: Annotated[Profile | None, typer.Option(help="Start from this profile's parameters.")] = None,
    retry: Annotated[bool, typer.Option(help="Try again what failed before with the same parameters.")] = False,
    lab: Annotated[bool, typer.Option(help="Open the executed notebook in JupyterLab afterwards.")] = False,
) -> None:
    """Execute a notebook once and print its verdicts; a run that is already there is not repeated."""
    job = running.prepare(running.find_notebook(name), split_assignments(parameter or []), profile)
    known = job.folder.is_dir()
    folder = running.execute(job, retry=retry, progress=sys.stderr.isatty())
    table = Table("claim", "statement", "verdict", "trials", "violations", "slack min", "median", "max", "measured on")
    for evidence in running.load(folder).evidence:
        slack = [f"{value:.4g}" if value is not None else "" for value in evidence.slack]
        table.add_row(
            evidence.claim, evidence.statement, _coloured(str(evidence.verdict)), str(evidence.trials), str(evidence.violations),
            *slack, evidence.label,
        )  # fmt: skip
        if str(evidence.verdict) != "supported":
            table.add_row("", "", evidence.reason)
    out.print(table)
    out.print(f"{'found' if known else 'executed'}: {_shown(folder)}", highlight=False, soft_wrap=True)
    if lab:
        _open_lab(str(folder / "executed.ipynb"))


@app.command()
def claims(
    as_json: Annotated[bool, typer.Option("--json", help="Print the ledger as JSON.")] = False,
    status: Annotated[
        str | None, typer.Option(help="Only claims of this verdict or status, for example refuted.")
    ] = None,
    profile: Annotated[Profile | None, typer.Option(help="The runs of this profile only.")] = None,
) -> None:
    """The claims ledger; exit code 1 when a published claim is not borne out by current evidence."""
    from cls_toys.workbench.book import ledger_rows
    from theory.ledger import problems

    rows = ledger_rows(profile)
    shown = [row for row in rows if status is None or status in (row["verdict"], row["status"])]
    if as_json:
        print(json.dumps(shown, indent=1, allow_nan=False))
    else:
        table = Table(
            "claim", "part", "status", "expected", "verdict", "decided by", "trials", "violations", "notebook"
        )
        for row in shown:
            table.add_row(
                row["id"], row["part"], row["status"], row["expected"], _coloured(row["verdict"]), row["statement"],
                str(row["trials"]), str(row["violations"]), row["notebook"] or "",
            )  # fmt: skip
        out.print(table)
    wrong = problems(rows)
    for line in wrong:
        err.print(line, markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(1 if wrong else 0)


@app.command()
def book(
    profile: Annotated[Profile, typer.Option(help="Parameters the notebooks are executed with.")] = "full",
    jobs: Jobs = 1,
    retry: Annotated[bool, typer.Option(help="Try again notebooks that failed before.")] = False,
    serve: Annotated[bool, typer.Option(help="Serve the built book on this machine afterwards.")] = False,
) -> None:
    """Execute the notebooks that changed and build the Jupyter Book from them."""
    from cls_toys.workbench import book as publishing
    from cls_toys.workbench.html import BuildError

    waiting = [job for job in publishing.published(profile) if not job.folder.is_dir()]
    with _progress(f"{len(waiting)} to execute", len(waiting)) as advance:
        try:
            page = publishing.build(
                profile, jobs, retry=retry, done=lambda job: advance(job) if job in waiting else None
            )
        except BuildError as error:
            err.print(
                f"cls-toys: the book is not fit to publish:\n{error}", markup=False, highlight=False, soft_wrap=True
            )
            raise SystemExit(1) from None
    out.print(f"The book is built: {page.as_uri()}", highlight=False, soft_wrap=True)
    if serve:
        _serve(page)


@app.command()
def lab() -> None:
    """JupyterLab on the notebooks."""
    _open_lab(str(running.NOTEBOOKS))


@contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=total or None)

        def advance(job: running.Job) -> None:
            bar.console.print(f"executed {job.name}", highlight=False)
            bar.advance(task)

        yield advance


def _open_lab(target: str) -> None:
    os.execv(sys.executable, [sys.executable, "-m", "jupyter", "lab", target])


def _serve(page: Any) -> None:
    import functools
    import http.server

    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(page.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        out.print(f"Serving at http://127.0.0.1:{server.server_port}/ (Ctrl-C stops)", highlight=False)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            out.print("stopped")


def _shown(folder: Any) -> str:
    return os.path.relpath(folder)


def _coloured(verdict: str) -> str:
    style = _STYLE.get(verdict, "")
    return f"[{style}]{verdict}[/]" if style else verdict
