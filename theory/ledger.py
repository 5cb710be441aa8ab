"""The claims ledger: what stands behind each claim, read back out of executed notebooks. Nothing here is typed by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from theory.claim import Claim
from theory.evidence import MIME, Evidence, Verdict

NOT_RUN = "not run"
STALE = "stale"
# The worst comes first: a claim is as good as the worst of its statements.
_ORDER = (Verdict.REFUTED, STALE, NOT_RUN, Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE, Verdict.SUPPORTED)
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

    ``verdict`` is the worst verdict of the claim's statements, and ``statement``, ``kind``, ``trials``, ``violations``,
    ``slack``, ``interval``, ``level``, ``parameters``, ``notebook`` and ``run`` are those of the evidence that decided it.
    ``statements`` lists every evidence (``number`` is its place in its notebook, from 1), and the statements without any.
    """
    runs = tuple(runs)
    rows = []
    for claim in claims:
        entries = []
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
            entries += found or [
                {**_ABSENT, "statement": statement.name, "kind": str(statement.kind), "verdict": NOT_RUN}
            ]
        deciding = min(entries, key=lambda entry: _ORDER.index(entry["verdict"]))
        rows.append({
            "id": claim.id, "title": claim.title, "part": claim.part, "expected": str(claim.expected),
            "status": claim.status, "verdict": str(deciding["verdict"]), "kind": str(deciding["kind"]),
            "statement": deciding["statement"], **{name: deciding[name] for name in _ABSENT}, "statements": entries,
        })  # fmt: skip
    return rows


def problems(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each published claim that the evidence does not bear out, naming the culprit; empty when all is well."""
    lines = []
    for row in rows:
        if row["verdict"] == row["expected"]:
            continue
        where = f" in {row['notebook']}" if row["notebook"] else ""
        cure = {
            STALE: "theory/ or cls_toys/ changed since: run `make book`",
            NOT_RUN: "no executed notebook checks it: run `make book`, or add a check to a notebook",
        }.get(row["verdict"], row["reason"])
        lines.append(
            f"claim {row['id']} ({row['statement']}) is {row['verdict']}, not {row['expected']}{where}: {cure}"
        )
    return lines
