"""The command ``cls-toys``."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cls_toys.workbench import provenance
from cls_toys.workbench import run as running
from cls_toys.workbench.parameters import ParameterError, read_parameters, split_assignments

# theory/ and the book take seconds to import: the commands that need them import them.

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
        _complain(error)
        raise SystemExit(2) from None
    except (running.RunFailed, provenance.NotACheckout) as error:
        _complain(error)
        raise SystemExit(1) from None


@app.command("list")
def list_notebooks() -> None:
    """Notebooks, the claims they check, the verdict and the duration of their newest run."""
    from cls_toys.workbench.published import is_current, load

    rows = []
    names = running.notebook_names()
    if not names:
        raise ParameterError(
            f"no notebooks in {running.NOTEBOOKS}: CLS_TOYS_HOME names the folder to work in, if it is set"
        )
    for name in names:
        newest = running.completed(name)
        if not newest:
            rows.append((name, "", _verdict("not run"), "", ""))
            continue
        loaded, record = load(newest[0]), running.provenance_of(newest[0])
        verdicts = {str(evidence.verdict) for evidence in loaded.evidence} or {"no evidence"}
        current = is_current(newest[0], running.find_notebook(name))
        rows.append((
            name, ", ".join(dict.fromkeys(evidence.claim for evidence in loaded.evidence)),
            _verdict(", ".join(sorted(verdicts)) if current else "stale"), f"{record['duration_s']:.1f}",
            record["started"][:16].replace("T", " ") + " UTC",
        ))  # fmt: skip
    _print_table(("notebook", "claims checked", "newest run", "seconds", "started"), rows)


@app.command()
def params(name: Name) -> None:
    """The typed parameters of a notebook: default, value in the fast profile, allowed range, meaning."""
    path = running.find_notebook(name)
    parameters = read_parameters(running.read_notebook(path))
    fast = running.profile_parameters(path, "fast")
    rows = [(p.name, p.type, p.default, fast.get(p.name, ""), p.allowed, p.help) for p in parameters.values()]
    _print_table(("parameter", "type", "default", "fast", "allowed", "meaning"), rows)
    print(f"Set them with: cls-toys run {name} -p {next(iter(parameters))}=VALUE")


@app.command()
def run(
    name: Name,
    parameter: Assignments = None,
    profile: Annotated[
        Profile | None, typer.Option(help="Start from this profile's parameters, not from the defaults.")
    ] = None,
    retry: Annotated[bool, typer.Option(help="Try again what failed before with the same parameters.")] = False,
    lab: Annotated[bool, typer.Option(help="Open the executed notebook in JupyterLab afterwards.")] = False,
) -> None:
    """Execute a notebook once and print its verdicts; a run that is already there is not repeated.

    For example: cls-toys run writability_budget -p n_items=64 -p dim=16
    """
    job = running.prepare(running.find_notebook(name), split_assignments(parameter or []), profile)
    known = job.folder.is_dir()
    if not known and not sys.stderr.isatty():  # else a progress bar tells
        print(f"executing {job.name} ...", file=sys.stderr, flush=True)
    folder = running.execute(job, retry=retry, progress=sys.stderr.isatty())
    from cls_toys.workbench.published import load

    rows: list[tuple[Any, ...]] = []
    for evidence in load(folder).evidence:
        slack = ["" if value is None else f"{value:.4g}" for value in evidence.slack]
        verdict = str(evidence.verdict)
        rows.append((
            evidence.claim, evidence.statement, _verdict(verdict), evidence.trials, evidence.violations, *slack,
            evidence.label if verdict == "supported" else f"{evidence.label}: {evidence.reason}".lstrip(": "),
        ))  # fmt: skip
    names = ("claim", "statement", "verdict", "trials", "violations", "slack min", "median", "max", "measured on")
    _print_table(names, rows)
    print(f"{'found' if known else 'executed'}: {os.path.relpath(folder)}")
    if lab:
        _open_lab(folder / "executed.ipynb")


@app.command()
def claims(
    as_json: Annotated[bool, typer.Option("--json", help="Print the ledger as JSON.")] = False,
    status: Annotated[
        str | None, typer.Option(help="Only claims of this verdict or status, for example refuted.")
    ] = None,
    profile: Annotated[Profile | None, typer.Option(help="The runs of this profile only.")] = None,
) -> None:
    """The claims ledger of the published runs; exit code 1 when they do not bear out a published claim."""
    from cls_toys.workbench.published import ledger_rows
    from theory.evidence import Verdict
    from theory.ledger import NOT_RUN, STALE, problems

    rows = ledger_rows(profile)
    known = dict.fromkeys([*map(str, Verdict), STALE, NOT_RUN, *(row["status"] for row in rows)])
    if status is not None and status not in known:
        raise ParameterError(f"no verdict or status {status!r}; there are {', '.join(known)}")
    shown = [row for row in rows if status is None or status in (row["verdict"], row["status"])]
    if as_json:
        print(json.dumps(shown, indent=1, allow_nan=False))
    else:
        _print_table(
            ("claim", "part", "status", "expected", "verdict", "decided by", "trials", "violations", "notebook"),
            [
                (
                    row["id"], row["part"], row["status"], row["expected"], _verdict(row["verdict"]), row["statement"],
                    row["trials"], row["violations"], row["notebook"] or "",
                )
                for row in shown
            ],
        )  # fmt: skip
    wrong = problems(rows, f"cls-toys book --profile {profile}" if profile else "cls-toys book")
    for line in wrong:
        print(line, file=sys.stderr)
    raise SystemExit(1 if wrong else 0)


@app.command()
def book(
    profile: Annotated[Profile, typer.Option(help="Parameters the notebooks are executed with.")] = "full",
    jobs: Jobs = 1,
    retry: Annotated[bool, typer.Option(help="Try again notebooks that failed before.")] = False,
    serve: Annotated[bool, typer.Option(help="Serve the built book on this machine afterwards.")] = False,
) -> None:
    """Execute the notebooks that changed and build the Jupyter Book from them."""
    from cls_toys.workbench.book import build
    from cls_toys.workbench.html import BuildError
    from cls_toys.workbench.published import published

    notebooks = published(profile)
    waiting = [job for job in notebooks if not job.folder.is_dir()]
    with _progress(f"{len(waiting)} to execute, then the pages", len(waiting)) as advance:
        try:
            page = build(
                notebooks, jobs, retry=retry, done=lambda *ended: advance(*ended) if ended[0] in waiting else None
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
    _open_lab(running.NOTEBOOKS)


@contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=total or None)

        def advance(job: running.Job, error: BaseException | None) -> None:
            bar.console.print(f"{'failed' if error else 'executed'} {job.name}", highlight=False)
            bar.advance(task)

        yield advance


def _open_lab(target: Path) -> None:
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "jupyter", "lab", str(target)])


def _serve(page: Path) -> None:
    import functools
    import http.server

    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(page.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        out.print(f"Serving at http://127.0.0.1:{server.server_port}/ (Ctrl-C stops)", highlight=False)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            out.print("stopped")


def _complain(error: Exception) -> None:
    for line in str(error).splitlines():
        print("cls-toys:", " ".join(line.split()), file=sys.stderr)


def _print_table(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """A table; cells are plain text, in which brackets are no markup."""
    table = Table(*names)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    out.print(table)


def _verdict(verdict: str) -> Text:
    return Text(verdict, style=_STYLE.get(verdict, ""))
