"""Claims on wiring and activity: known values, what they say at their edges, planted false variants."""

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
import torch

from cls_toys import codes, factorial, fan_in
from cls_toys.probes import overlap
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import (
    code_activity,
    excitatory_cosine,
    fan_in_gain,
    input_correlation,
    input_overlap,
    input_size,
    linear_product,
    transfer,
)
from theory.notation import fan_in as fan_in_

Plant = Callable[..., Evidence]
CORRECTION, WIRING = claim("fan-in-correction"), claim("excitatory-wiring")
GROWING = [20, 30, 40, 60, 80, 120, 160, 200, 240, 320]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", [
    "fan-in-correction", "excitatory-wiring", "sparse-weights-do-not-suffice", "sparse-weights-are-not-needed", "ties-make-codes",
])  # fmt: skip
def test_derivations_hold(name: str) -> None:
    assert claim(name).derivation.check()


@pytest.mark.parametrize(("pair", "known"), [(fan_in.opposed(400, 0.7), -0.69), (fan_in.binary(400, 40, 28), 3.4)])
def test_the_coefficient_has_the_values_of_the_specification(pair: fan_in.Inputs, known: float) -> None:
    at = {"code_activity": 0.02, "input_correlation": 0.7, "fan_in": 1, "input_dim": 1e9}
    assert CORRECTION.bound("gain", **at, **fan_in.moments(pair)) == pytest.approx(known, rel=0.02)


def test_nothing_is_gained_where_every_unit_reads_all() -> None:
    at = {"code_activity": 0.02, "input_correlation": 0.7, "fan_in": 50, "input_dim": 50}
    assert CORRECTION.bound("gain", **at, **fan_in.moments(fan_in.signs(40, 34))) == 0


def gains(make: Callable[[int], fan_in.Inputs]) -> tuple[list[float], dict[str, object]]:
    pairs = [make(m) for m in GROWING]
    found = [
        fan_in.transfer(pair, m, 0.05) - fan_in.transfer(pair, pair.dim, 0.05)
        for pair, m in zip(pairs, GROWING, strict=True)
    ]
    at = {"fan_in": GROWING, "input_dim": [pair.dim for pair in pairs], "code_activity": 0.05, "input_correlation": 0.7}
    return found, {**at, **fan_in.moments(pairs[-1])}


def test_the_correction_and_its_sign(plant: Plant) -> None:
    """The wrong sign, and the factor for repetition left out, are refuted; the claim is supported, for either sign."""
    statement = CORRECTION.statement("gain")
    options = {"size": fan_in_, "rate": 1.0, "resolution": 0.1}
    for make, sign in ((lambda m: fan_in.signs(4 * m, round(3.4 * m)), 1), (lambda m: fan_in.opposed(4 * m, 0.7), -1)):
        found, at = gains(make)
        assert (np.sign(found) == sign).all()
        assert CORRECTION.check(found, "gain", **at).verdict is Verdict.SUPPORTED
        for wrong in (-statement.relation.rhs, statement.relation.rhs * 4 / 3):
            refuted = plant(sp.Eq(fan_in_gain, wrong), Kind.ASYMPTOTIC, found, statement=options, **at)
            assert refuted.verdict is Verdict.REFUTED


def test_signs_are_never_separated_better_and_the_claim_says_nothing_beyond_a_third(plant: Plant) -> None:
    table = fan_in.sign_transfers(2000, 10, generator=rng(1))
    at = {name: table[name] for name in ("code_activity", "input_correlation", "fan_in")} | {"input_dim": 10}
    assert CORRECTION.check(table["transfer"], "signs", **at).verdict is Verdict.SUPPORTED
    law = CORRECTION.statement("signs").relation.rhs
    known = {name: at[name] for name in ("code_activity", "input_correlation")}
    wrong = plant(sp.Le(transfer, law), Kind.EXACT, table["transfer"], **known)
    assert wrong.verdict is Verdict.REFUTED
    beyond = at | {"code_activity": 0.4, "input_correlation": 0.5, "fan_in": 2}
    assert CORRECTION.check([0.9], "signs", **beyond).verdict is Verdict.NOT_APPLICABLE


def test_opposed_inputs_break_the_statement_on_signs() -> None:
    shared = fan_in.transfer(fan_in.opposed(12, 0.7), 2, 0.05)
    at = {"code_activity": 0.05, "input_correlation": 0.7, "fan_in": 2, "input_dim": 12}
    assert CORRECTION.check([shared], "signs", **at).verdict is Verdict.REFUTED


def test_the_excitatory_cosine_has_the_values_of_the_specification() -> None:
    at = {"input_dim": 400, "input_size": 40, "input_overlap": 24}
    connectivity = np.array([0.01, 0.05, 0.3, 0.75, 1.0])
    found = WIRING.bound("cosine", fan_in=400 * connectivity, **at)
    assert found == pytest.approx([0.693, 0.867, 0.978, 0.997, 1.0], abs=6e-4)
    assert WIRING.bound("cosine", fan_in=1, **at) == pytest.approx(0.6)


def test_an_excitatory_layer_that_separates_is_refuted(plant: Plant) -> None:
    pair = fan_in.binary(30, 10, 4)
    alike = [fan_in.excitatory_products(pair, m).cosine for m in range(2, 30)]
    wrong = plant(
        sp.Le(excitatory_cosine, input_overlap / input_size), Kind.EXACT, alike, input_overlap=4, input_size=10
    )
    assert wrong.verdict is Verdict.REFUTED


def test_the_two_designs_come_to_opposite_conclusions() -> None:
    sizes = {"units": 300, "items": 30, "replicates": 10}
    inhibited = factorial.design(factorial.Layer(), [20, 300], [3, 15, 60, 150], **sizes, generator=rng(2))
    linear = factorial.excitatory_design([4, 60, 300], [10, 80, 160], **sizes, generator=rng(3))
    with_winners, without = factorial.shares(inhibited), factorial.shares(linear)
    conditional, reverse = claim("activity-screens-off"), claim("connectivity-decides-without-inhibition")
    assert conditional.check(with_winners["activity"], "activity", fan_in=20).verdict is Verdict.SUPPORTED
    assert reverse.check(without["connectivity"], "connectivity").verdict is Verdict.SUPPORTED
    assert reverse.check(with_winners["connectivity"], "connectivity").verdict is Verdict.REFUTED
    always = claim("activity-always-screens-off")
    assert always.check(without["connectivity"], "no-inhibition").verdict is Verdict.REFUTED
    assert always.check(with_winners["connectivity"] / 10, "no-inhibition").verdict is Verdict.SUPPORTED
    assert conditional.check(with_winners["activity"], "activity", fan_in=4).verdict is Verdict.NOT_APPLICABLE


def test_linear_codes_are_as_alike_as_their_inputs_at_any_connectivity(plant: Plant) -> None:
    pair = fan_in.signs(40, 32).vectors()
    drawn = [(pair @ codes.projection(4000, 40, 3, generator=rng(seed)).mT).prod(0).mean() for seed in range(20)]
    law = claim("sparse-weights-do-not-suffice")
    assert law.check(torch.stack(drawn), "linear", input_correlation=0.6).verdict is Verdict.SUPPORTED
    wrong = plant(
        sp.Eq(linear_product, input_correlation**2), Kind.EXPECTATION, torch.stack(drawn), input_correlation=0.6
    )
    assert wrong.verdict is Verdict.REFUTED


def test_fake_separation_is_what_chance_gives(plant: Plant) -> None:
    same = torch.ones(400, 50).double()
    one, two = (codes.winners(same, 10, ties="random", generator=rng(seed)) for seed in (1, 2))
    shared = overlap(one, two) / 10
    assert claim("ties-make-codes").check(shared, "random", code_activity=0.2).verdict is Verdict.SUPPORTED
    wrong = plant(
        sp.Eq(transfer, 2 * code_activity), Kind.EXPECTATION, shared, statement={"resolution": 0.2}, code_activity=0.2
    )
    assert wrong.verdict is Verdict.REFUTED
