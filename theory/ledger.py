"""The claims ledger: what stands behind each claim, read back out of executed notebooks. Nothing here is typed by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from theory.claim import Claim
from theory.evidence import MIME, Evidence, Verdict

NOT_RUN = "not run"
STALE = "stale"
# What decides comes first. A claim is as good as the worst evidence of the worst of its statements. For one published as
# refuted a single refutation of each statement will do, if nothing about it is stale or missing.
_WORST = (Verdict.REFUTED, STALE, NOT_RUN, Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE, Verdict.SUPPORTED)
_OPEN = (STALE, NOT_RUN, Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE, Verdict.SUPPORTED)
_DECIDES = {
    Verdict.SUPPORTED: {"within a statement": _WORST, "among statements": _WORST},
    Verdict.REFUTED: {
        "within a statement": _OPEN,
        "among statements": (*(verdict for verdict in _OPEN if verdict != Verdict.REFUTED), Verdict.REFUTED),
    },
}
_ABSENT: dict[str, Any] = {
    "notebook": None, "trials": 0, "violations": 0, "slack": {"min": None, "median": None, "max": None},
    "interval": None, "level": None, "parameters": {}, "run": None, "label": "", "reason": "",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One executed notebook: its name, its run key, the hash of the code that made it, and the evidence in it."""

    notebook: str
    key: str
    code: str
    evidence: tuple[Evidence, ...]


def read(notebook: Mapping[str, Any]) -> tuple[Evidence, ...]:
    """Every evidence among the outputs of an executed notebook (its JSON), in order. Nothing is executed."""
    outputs = (output for cell in notebook["cells"] for output in cell.get("outputs", ()))
    return tuple(Evidence.from_json(output["data"][MIME]) for output in outputs if MIME in output.get("data", {}))


def collect(claims: Iterable[Claim], runs: Iterable[Run], code: str) -> list[dict[str, Any]]:
    """One row a claim, in JSON values. ``code`` is the hash of the present code: evidence of any other code is stale.

    ``verdict`` is the worst verdict of the claim's statements (of a claim published as refuted: ``refuted`` if every one
    is), and ``statement``, ``kind``, ``trials``, ``violations``,
    ``slack``, ``interval``, ``level``, ``parameters``, ``notebook`` and ``run`` are those of the evidence that decided it.
    ``statements`` lists every evidence (``number`` is its place in its notebook, from 1), and the statements without any.
    """
    runs = tuple(runs)
    rows = []
    for claim in claims:
        by_statement = []
        for statement in claim.statements:
            found = [
                {
                    **evidence.to_json(),
                    "verdict": str(evidence.verdict) if run.code == code else STALE,
                    "notebook": run.notebook,
                    "run": run.key,
                    "number": number,
                }
                for run in runs
                for number, evidence in enumerate(run.evidence, 1)
                if (evidence.claim, evidence.statement) == (claim.id, statement.name)
            ]
            by_statement.append(
                found or [{**_ABSENT, "statement": statement.name, "kind": str(statement.kind), "verdict": NOT_RUN}]
            )
        deciding = _deciding(by_statement, claim.expected)
        rows.append({
            "id": claim.id, "title": claim.title, "part": claim.part, "expected": str(claim.expected),
            "status": claim.status, "verdict": str(deciding["verdict"]), "kind": str(deciding["kind"]),
            "statement": deciding["statement"], **{name: deciding[name] for name in _ABSENT}, "statements": list(chain(*by_statement)),
        })  # fmt: skip
    return rows


def _deciding(by_statement: list[list[dict[str, Any]]], expected: Verdict) -> dict[str, Any]:
    """The entry whose verdict is the claim's."""
    within, among = (order.index for order in _DECIDES[expected].values())
    of_each = (min(entries, key=lambda entry: within(entry["verdict"])) for entries in by_statement)
    return min(of_each, key=lambda entry: among(entry["verdict"]))


def problems(rows: Iterable[Mapping[str, Any]], command: str = "make book") -> list[str]:
    """One line for each published claim that the evidence does not bear out, naming the culprit; empty when all is well.

    ``command`` is what executes the notebooks.
    """
    lines = []
    for row in rows:
        if row["verdict"] == row["expected"]:
            continue
        where = f" in {row['notebook']}" if row["notebook"] else ""
        cure = {
            STALE: f"the notebook, theory/ or cls_toys/ changed since: run `{command}`",
            NOT_RUN: f"no executed notebook checks it: run `{command}`, or add a check to a notebook",
        }.get(row["verdict"], row["reason"])
        lines.append(
            f"claim {row['id']} ({row['statement']}) is {row['verdict']}, not {row['expected']}{where}: {cure}"
        )
    return lines
