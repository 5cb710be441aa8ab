"""The claims of completion: mean fields against whole enumerations, planted false versions on measured networks."""

import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
import torch

from cls_toys import completion
from cls_toys.completion import Memory
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    code_size,
    completed,
    connectivity,
    corrected_excess,
    cue_fidelity,
    dim,
    n_items,
    other_field,
    stored_field,
)

Plant = Callable[..., Evidence]
FIELDS = claim("completion-fields")
SCARCE = Memory(1000, 60, 0.04, 30, 0.7)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def enumerated(d: int, k: int, n: int, right: int) -> tuple[Fraction, Fraction]:
    """Mean fields at full connectivity over all other patterns and all cues of one pattern, in fractions."""
    a, units = Fraction(k, d), range(d)
    own = set(range(k))
    cues = [
        set(kept) | set(wrong)
        for kept in itertools.combinations(own, right)
        for wrong in itertools.combinations(set(units) - own, k - right)
    ]
    patterns = [set(p) for p in itertools.combinations(units, k)]
    totals, counts = [Fraction(0), Fraction(0)], [0, 0]
    for others in itertools.product(patterns, repeat=n - 1):
        stored = (own, *others)
        weight = {
            (u, v): sum(((u in p) - a) * ((v in p) - a) for p in stored) for u, v in itertools.permutations(units, 2)
        }
        for cue in cues:
            for u in units:
                totals[u not in own] += sum(weight[u, v] for v in cue if v != u)
                counts[u not in own] += 1
    return totals[0] / counts[0], totals[1] / counts[1]


@pytest.mark.parametrize(
    ("d", "k", "n", "right"),
    [(5, 2, 1, 1), (5, 2, 2, 1), (5, 2, 2, 2), (4, 1, 3, 0), (6, 3, 2, 2), (4, 2, 3, 1), (4, 3, 2, 2)],
)
def test_mean_fields_are_exhaustive_enumeration(d: int, k: int, n: int, right: int) -> None:
    at = {"dim": d, "code_size": k, "n_items": n, "cue_fidelity": right / k}
    for connected in (1.0, 0.3):  # each connection counts with its probability
        for statement, mean in zip(("stored", "other"), enumerated(d, k, n, right), strict=True):
            bound = FIELDS.bound(statement, connectivity=connected, **at)
            np.testing.assert_allclose(bound, connected * float(mean), rtol=1e-10, atol=1e-12)


def test_the_gaussian_law_is_the_one_that_is_run() -> None:
    """Two implementations, and a case by hand: no crosstalk, no dilution, no pattern lost."""
    for memory in (SCARCE, Memory(3000, 60, 1.0, 2000, 0.4), Memory(500, 50, 0.2, 40, 1.0)):
        at = dict(zip(completion.COLUMNS, memory, strict=True))
        small = claim("completion-gaussian").bound("fidelity", **at)
        assert float(small) == pytest.approx(completion.gaussian(memory), abs=1e-9)
    sure = claim("completion-gaussian").bound(
        "fidelity", dim=1e6, code_size=1000, connectivity=1, n_items=1, cue_fidelity=0.9
    )
    assert float(sure) == pytest.approx(1, abs=1e-9)


@pytest.fixture(name="networks", scope="module")
def networks_() -> dict[str, np.ndarray]:
    table = completion.measure([SCARCE], 16, 30, generator=rng(3))
    law = completion.compound(SCARCE, 60_000, corrected=True, generator=rng(4))
    fields = completion.measure([Memory(60, 6, 0.5, 40, 0.5)], 1200, 40, generator=rng(5))
    return {
        "completed": completion.by_memory(table), "excess": completion.by_memory(table) - law,
        "stored": completion.by_memory(fields, "stored_field"), "other": completion.by_memory(fields, "other_field"),
    }  # fmt: skip


def fields_that_forget_the_unit_itself(plant: Plant, networks: dict[str, np.ndarray]) -> tuple[Evidence, Evidence]:
    at = dict(zip(completion.COLUMNS, (60, 6, 0.5, 40, 0.5), strict=True))
    true = FIELDS.statement("stored").relation
    a = code_size / dim
    false = (1 - a) * connectivity * code_size * (cue_fidelity - a)
    loose = {"statement": {"resolution": 0.2}}
    return (
        plant(true, Kind.EXPECTATION, networks["stored"], **loose, **at),
        plant(sp.Eq(stored_field, false), Kind.EXPECTATION, networks["stored"], **loose, **{k: v for k, v in at.items() if k != "n_items"}),
    )  # fmt: skip


def crosstalk_without_mean(plant: Plant, networks: dict[str, np.ndarray]) -> tuple[Evidence, Evidence]:
    at = dict(zip(completion.COLUMNS, (60, 6, 0.5, 40, 0.5), strict=True))
    true = FIELDS.statement("other").relation
    loose = {"statement": {"resolution": 0.2}}
    return (
        plant(true, Kind.EXPECTATION, networks["other"], **loose, **at),
        plant(
            sp.Eq(other_field, true.rhs.subs(n_items, 1)),
            Kind.EXPECTATION, networks["other"], **loose, **{k: v for k, v in at.items() if k != "n_items"},
        ),
    )  # fmt: skip


def a_law_that_is_off_by_a_tenth(plant: Plant, networks: dict[str, np.ndarray]) -> tuple[Evidence, Evidence]:
    loose = {"statement": {"resolution": 0.75}}
    true = sp.Le(corrected_excess, sp.Rational(1, 50))
    return (
        plant(true, Kind.EMPIRICAL, networks["excess"], **loose),
        plant(true, Kind.EMPIRICAL, networks["excess"] + 0.05, **loose),
    )


def gaussian_as_the_truth(plant: Plant, networks: dict[str, np.ndarray]) -> tuple[Evidence, Evidence]:
    at = dict(zip(completion.COLUMNS, SCARCE, strict=True))
    gauss = claim("completion-gaussian").statement("fidelity").relation.rhs
    return (
        plant(sp.Le(completed, gauss), Kind.EXPECTATION, networks["completed"], **at),
        plant(sp.Eq(completed, gauss), Kind.EXPECTATION, networks["completed"], **at),
    )


@pytest.mark.parametrize(
    "planted",
    [fields_that_forget_the_unit_itself, crosstalk_without_mean, a_law_that_is_off_by_a_tenth, gaussian_as_the_truth],
)
def test_a_planted_false_claim_is_refuted_where_the_true_one_is_supported(
    planted: Callable, plant: Plant, networks: dict[str, np.ndarray]
) -> None:
    true, false = planted(plant, networks)
    assert true.verdict is Verdict.SUPPORTED, true.reason
    assert false.verdict is Verdict.REFUTED, false.reason


def test_the_published_claims_stand_on_these_networks(networks: dict[str, np.ndarray]) -> None:
    at = dict(zip(completion.COLUMNS, SCARCE, strict=True))
    for statement in ("fidelity", "floor"):
        assert claim("completion-gaussian").check(networks["completed"], statement, **at).verdict is Verdict.REFUTED
    of = {name: value for name, value in at.items() if name != "n_items"}
    for statement in ("not-above", "not-below"):
        assert claim("completion-compound").check(networks["excess"], statement, **of).verdict is Verdict.SUPPORTED


def test_outside_their_hypotheses_the_claims_say_nothing() -> None:
    rich = {"dim": 1000, "code_size": 60, "connectivity": 0.5, "n_items": 40, "cue_fidelity": 0.5}
    assert claim("completion-gaussian").check([0.5] * 3, "fidelity", **rich).verdict is Verdict.NOT_APPLICABLE
    crowded = rich | {"code_size": 1000}
    assert FIELDS.check([0.5] * 3, "stored", **crowded).verdict is Verdict.NOT_APPLICABLE
    few = {"dim": 1000, "code_size": 20, "connectivity": 0.5, "cue_fidelity": 0.5}
    assert claim("completion-compound").check([0.0] * 3, "not-above", **few).verdict is Verdict.NOT_APPLICABLE
