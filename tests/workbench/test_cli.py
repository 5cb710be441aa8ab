"""The command line in processes of its own: one clear line for bad input, tables and JSON that hold what they promise."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cls_toys.workbench import provenance
from theory import claims
from theory.evidence import MIME, Evidence, Kind, Slack, Verdict

Cli = Callable[..., subprocess.CompletedProcess]
REAL = provenance.ROOT / "notebooks"
ROW = (
    "id", "title", "part", "kind", "expected", "verdict", "notebook", "trials", "violations", "slack", "interval",
    "level", "parameters", "run",
)  # fmt: skip


def showing(**changes: object) -> str:
    """A cell that displays one evidence of the budget's headline statement."""
    record = Evidence(
        "writability-budget", "sum", Kind.EXACT, "Le(sum_writability, rank)", Verdict.SUPPORTED, "it holds",
        trials=3, slack=Slack(0.1, 0.2, 0.5), seed=1, parameters={"rank": 4},
    ).to_json()  # fmt: skip
    return f"from IPython.display import display\ndisplay({{{MIME!r}: {record | changes!r}}}, raw=True)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, write: Callable[..., Path]) -> Path:
    """A folder with a toy notebook and the real ones; what a test must not write shows as a run here."""
    home = tmp_path_factory.mktemp("cli") / "home"
    write(home / "notebooks" / "toy.ipynb", showing())
    (home / "notebooks" / "writability_budget.ipynb").write_bytes((REAL / "writability_budget.ipynb").read_bytes())
    (home / "notebooks" / "profiles.yml").write_text("toy:\n  fast: {dim: 2}\n")
    return home


@pytest.fixture(scope="module")
def finished(home: Path, cli: Cli) -> subprocess.CompletedProcess:
    """The toy notebook, run once with its defaults, which are its full profile."""
    done = cli(home, "run", "toy")
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("writability_budget", "-p", "n_itmes=64"), ("unknown parameter 'n_itmes'", "did you mean 'n_items'?")),
        (("writability_budget", "-p", "dim=abc"), ("dim=abc", "must be an int in [1, 100]")),
        (("writability_budget", "-p", "dim=0"), ("dim=0", "must be an int in [1, 100]")),
        (("writability_budget", "-p", "dim=-3"), ("dim=-3", "must be an int in [1, 100]")),
        (("writability_budget", "-p", "dim=2.5"), ("dim=2.5", "must be an int")),
        (("writability_budget", "-p", "spread=inf"), ("spread=inf", "must be a finite float")),
        (("writability_budget", "-p", "dim"), ("'dim'", "name=value")),
        (("writability_budget", "-p", "dim=8", "-p", "dim=9"), ("'dim' is given twice",)),
        (("writability_bugdet",), ("no notebook 'writability_bugdet'", "did you mean 'writability_budget'?")),
        (("lost.ipynb",), ("no file lost.ipynb", "writability_budget")),
        (("notebooks/profiles.yml.ipynb",), ("no file notebooks/profiles.yml.ipynb",)),
    ],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(
    arguments: tuple[str, ...], said: tuple[str, ...], tmp_path: Path, home: Path, cli: Cli
) -> None:
    before = sorted(home.rglob("*"))
    done = cli(home, "run", *arguments, kernel=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for part in said:
        assert part in done.stderr
    assert sorted(home.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("run", "toy", "--profile", "slow"), ("nonsense",), ("book", "--jobs", "0"), ("claims", "--nonsense")],
)
def test_bad_usage_is_exit_code_2_and_no_traceback(arguments: tuple[str, ...], home: Path, cli: Cli) -> None:
    done = cli(home, *arguments, kernel=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_a_run_prints_its_verdicts_with_slack(finished: subprocess.CompletedProcess, home: Path, cli: Cli) -> None:
    for part in ("writability-budget", "sum", "supported", "slack min", "0.1", "0.2", "0.5", "executed: "):
        assert part in finished.stdout
    again = cli(home, "run", "toy", "-p", "dim=4", kernel=False)  # the same parameters: no kernel is needed
    assert again.returncode == 0
    assert "found: " in again.stdout


def test_a_failed_run_is_one_line_and_exit_code_1(tmp_path: Path, cli: Cli, write: Callable[..., Path]) -> None:
    write(tmp_path / "home" / "notebooks" / "toy.ipynb", "raise LookupError('no such thing')")
    done = cli(tmp_path / "home", "run", "toy")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("cls-toys:")]
    assert "raised LookupError: no such thing" in line
    assert "Traceback" not in done.stderr


def test_list_names_notebooks_claims_and_verdicts(finished: subprocess.CompletedProcess, home: Path, cli: Cli) -> None:
    done = cli(home, "list", kernel=False)
    assert done.returncode == 0
    (toy,) = [line for line in done.stdout.splitlines() if " toy " in line]
    assert "writability-budget" in toy
    assert "supported" in toy
    (other,) = [line for line in done.stdout.splitlines() if " writability_budget " in line]
    assert "not run" in other


def test_params_tells_type_default_profile_range_and_meaning(home: Path, cli: Cli) -> None:
    done = cli(home, "params", "toy", kernel=False)
    (line,) = [line for line in done.stdout.splitlines() if " dim " in line]
    assert [cell.strip() for cell in line.strip("│ ").split("│")] == [
        "dim", "int", "4", "2", "[1, 128]", "dimensions of a key",
    ]  # fmt: skip
    assert "cls-toys run toy -p n_items=VALUE" in done.stdout


def test_claims_as_json(finished: subprocess.CompletedProcess, home: Path, cli: Cli) -> None:
    done = cli(home, "claims", "--json", kernel=False)
    rows = {row["id"]: row for row in json.loads(done.stdout)}
    assert set(rows) == set(claims())
    for row in rows.values():
        assert set(ROW) <= set(row)
        assert row["expected"] in ("supported", "refuted")
    budget = rows["writability-budget"]
    assert budget["part"] == "compression"
    statement = next(entry for entry in budget["statements"] if entry["statement"] == "sum")
    assert statement["verdict"] == "supported"
    assert statement["slack"] == {"min": 0.1, "median": 0.2, "max": 0.5}
    assert statement["notebook"] == "toy"
    # Its other statements, and the other claims, were not measured: the ledger says so, and it is an error.
    assert budget["verdict"] == rows["random-keys"]["verdict"] == "not run"
    assert done.returncode == 1
    assert "claim random-keys (leverage-law) is not run, not supported" in done.stderr


def test_claims_by_status(finished: subprocess.CompletedProcess, home: Path, cli: Cli) -> None:
    refuted = json.loads(cli(home, "claims", "--json", "--status", "refuted", kernel=False).stdout)
    assert [row["id"] for row in refuted] == [id for id, claim in claims().items() if claim.expected == "refuted"]
    wrong = cli(home, "claims", "--status", "nonsense", kernel=False)
    assert wrong.returncode == 2
    assert "no verdict or status 'nonsense'; there are supported, refuted" in wrong.stderr
    assert "writability-budget" in cli(home, "claims", kernel=False).stdout


@pytest.mark.parametrize("command", ["list", "params", "run", "claims", "book", "lab"])
def test_every_command_has_a_help_text(command: str, home: Path, cli: Cli) -> None:
    assert command in cli(home, "--help", kernel=False).stdout
    done = cli(home, command, "--help", kernel=False)
    assert done.returncode == 0
    assert len(done.stdout) > 200


def test_a_refutation_in_the_present_run_fails_the_ledger(tmp_path: Path, cli: Cli, write: Callable[..., Path]) -> None:
    home = tmp_path / "home"
    write(home / "notebooks" / "toy.ipynb", showing(verdict="refuted", violations=1))
    assert cli(home, "run", "toy").returncode == 0, "a run that refutes is a result, not a failure"
    done = cli(home, "claims", "--status", "refuted")
    assert done.returncode == 1
    assert "claim writability-budget (sum) is refuted, not supported in toy" in done.stderr
    assert "writability-budget" in done.stdout
