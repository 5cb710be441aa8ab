"""The allocation: that its leverages are the only best ones, that near the bound they are nearly those, and false versions."""

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
import torch

from cls_toys import allocation, probes
from cls_toys import keys as make
from theory import claim
from theory.evidence import Evidence, Kind, Verdict
from theory.notation import leverage, use, water_level

LAW = claim("importance-allocation")
Plant = Callable[..., Evidence]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def of_zipf(items: int, dim: int, exponent: float) -> tuple[torch.Tensor, dict[str, float | int]]:
    p = items * allocation.zipf(items, exponent)
    return p, allocation.sharing(p * p, dim)


@pytest.mark.parametrize(("items", "dim", "exponent"), [(12, 4, 1.0), (20, 5, 2.0), (9, 4, 0.0)])
def test_a_code_near_the_bound_has_nearly_the_leverages_of_the_allocation(
    items: int, dim: int, exponent: float
) -> None:
    """As the derivation says: within the root of what it pays too much, over the level. Measured on disturbed codes."""
    p, sharing = of_zipf(items, dim, exponent)
    shares = {name: sharing[name] for name in ("dim", "n_dedicated", "shared_root", "shared_use")}
    least = float(LAW.bound("allocation", **shares))
    best, keys = allocation.allocate(p * p, dim), allocation.filled(p, p, dim)
    seen = []
    for size in (1e-4, 1e-2, 0.1, 1.0):
        code = keys + size * make.gaussian(items, dim, generator=rng(3))
        over = float(allocation.item_damage(code, p, p).sum()) - least
        off = float((probes.leverage(code * p.sqrt()[:, None]) - best.leverage).abs().max())
        assert off <= np.sqrt(max(over, 0) + 1e-10 * least) / best.water_level
        seen.append(off)
    assert seen[-1] > 100 * seen[0], "the disturbance is seen"


def test_no_verdict_on_leverages_where_no_level_is() -> None:
    for dedicated in (3, 4):
        found = LAW.check([1.0], "leverage", use=1, water_level=1, dim=3, n_dedicated=dedicated)
        assert found.verdict is Verdict.NOT_APPLICABLE
    found = claim("cauchy-schwarz-allocation").check([0.08], total_root=1, total_use=0.02, dim=10, n_dedicated=0)
    assert found.verdict is Verdict.NOT_APPLICABLE, "for equal use the short cut is true"


def in_proportion_to_use(plant: Plant) -> tuple[Evidence, Evidence]:
    p, sharing = of_zipf(20, 5, 1.0)
    measured = probes.leverage(allocation.filled(p, p, 5) * p.sqrt()[:, None])
    symbols = {"use": p * p, "water_level": sharing["water_level"]}
    return tuple(
        plant(sp.Eq(leverage, sp.Min(1, height / water_level)), Kind.EXACT, measured, **symbols)
        for height in (sp.sqrt(use), use)
    )


def leverages_of_another_code(plant: Plant) -> tuple[Evidence, Evidence]:
    """The statement is about the best code: in any other, here one of equal leverages, it is false."""
    p, sharing = of_zipf(20, 5, 1.0)
    symbols = {"use": p * p} | {name: sharing[name] for name in ("water_level", "dim", "n_dedicated")}
    root = p.sqrt()[:, None]
    codes = (allocation.filled(p, p, 5), make.harmonic_frame(20, 5) / root)
    return tuple(LAW.check(probes.leverage(code * root), "leverage", **symbols) for code in codes)


def a_dimension_less_to_share(plant: Plant) -> tuple[Evidence, Evidence]:
    p, sharing = of_zipf(20, 5, 1.0)
    measured = [float(allocation.item_damage(allocation.filled(p, p, 5), p, p).sum())]
    symbols = {name: sharing[name] for name in ("dim", "n_dedicated", "shared_root", "shared_use")}
    return (
        LAW.check(measured, "attained", **symbols),
        LAW.check(measured, "attained", **symbols | {"dim": 4}),
    )


@pytest.mark.parametrize(
    "planted", [in_proportion_to_use, leverages_of_another_code, a_dimension_less_to_share], ids=lambda p: p.__name__
)
def test_a_planted_false_claim_is_refuted(planted: Callable[[Plant], tuple[Evidence, Evidence]], plant: Plant) -> None:
    true, false = planted(plant)
    assert false.verdict is Verdict.REFUTED, false.reason
    assert true.verdict is Verdict.SUPPORTED, true.reason
