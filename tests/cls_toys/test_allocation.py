"""Water-filling against a general optimiser, the codes that attain it, and what a search over keys finds."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from cls_toys import allocation, probes
from cls_toys import keys as make
from theory import claim

USES = st.lists(st.floats(1e-4, 10), min_size=2, max_size=12).map(lambda uses: torch.tensor(uses, dtype=make.DTYPE))


SHARING = ("dim", "n_dedicated", "shared_root", "shared_use")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def least(use: torch.Tensor, leverage: torch.Tensor) -> float:
    used = use > 0
    return float((use[used] * (1 / leverage[used] - 1)).sum())


@given(USES, st.integers(1, 12))
def test_the_allocation_is_feasible_and_shares_at_one_level(use: torch.Tensor, dim: int) -> None:
    leverage, level, dedicated = allocation.allocate(use, dim)
    assert ((leverage > 0) & (leverage <= 1)).all()
    assert float(leverage.sum()) == pytest.approx(min(dim, len(use)), rel=1e-12)
    torch.testing.assert_close(leverage, (use.sqrt() / level).clamp_max(1), rtol=1e-12, atol=0)
    assert int((leverage > 1 - 1e-12).sum()) >= dedicated


@given(USES, st.integers(1, 11), st.integers(0, 2**31))
def test_no_other_feasible_leverages_do_better(use: torch.Tensor, dim: int, seed: int) -> None:
    best = allocation.allocate(use, dim).leverage
    other = torch.rand(len(use), generator=rng(seed), dtype=make.DTYPE)
    dim = min(dim, len(use))
    other = (other * dim / other.sum()).clamp(1e-6, 1)  # sums to at most dim
    for share in (1.0, 0.1, 1e-3):
        assert least(use, share * other + (1 - share) * best) >= least(use, best) - 1e-9


@pytest.mark.parametrize(
    ("items", "dim", "exponent"), [(8, 3, 0.0), (8, 3, 1.0), (12, 4, 1.0), (10, 4, 2.0), (6, 5, 3.0)]
)
def test_a_general_optimiser_finds_the_same(items: int, dim: int, exponent: float) -> None:
    use = allocation.zipf(items, exponent) ** 2
    weights = use.numpy() / use.sum().item()
    found = optimize.minimize(
        lambda x: (weights / x).sum(), np.full(items, dim / items), jac=lambda x: -weights / x**2, method="SLSQP",
        bounds=[(1e-6, 1)] * items, constraints={"type": "eq", "fun": lambda x: x.sum() - dim, "jac": np.ones_like},
        options={"maxiter": 2000, "ftol": 1e-15},
    )  # fmt: skip
    assert found.success
    ours = allocation.allocate(use, dim).leverage.numpy()
    assert (weights / ours).sum() <= found.fun * (1 + 1e-9)
    np.testing.assert_allclose(ours, found.x, atol=2e-3)


# Published by the derivation's author, to six digits: bound, dedicated items, equal leverage.
@pytest.mark.parametrize(
    ("items", "dim", "exponent", "bound", "dedicated", "equal"),
    [(50, 10, 0.0, 0.08, 0, 0.08), (50, 10, 1.0, 0.0370141, 2, 0.3211), (50, 10, 2.0, 0.00123024, 5, 1.639),
     (200, 20, 1.0, 0.0197865, 4, 0.4272)],
)  # fmt: skip
def test_known_values(items: int, dim: int, exponent: float, bound: float, dedicated: int, equal: float) -> None:
    p = allocation.zipf(items, exponent)
    best = allocation.allocate(p * p, dim)
    assert best.dedicated == dedicated
    assert least(p * p, best.leverage) == pytest.approx(bound, rel=1e-5)
    code = allocation.code_with_leverage(best.leverage) / p.sqrt()[:, None]
    assert float(allocation.item_damage(code, p, p).sum()) == pytest.approx(bound, rel=1e-5)
    frame = make.harmonic_frame(items, dim) / p.sqrt()[:, None]
    assert float(allocation.item_damage(frame, p, p).sum()) == pytest.approx(equal, rel=1e-3)


@given(USES, st.integers(1, 12))
def test_a_code_has_the_leverages_it_was_built_for(use: torch.Tensor, dim: int) -> None:
    leverage = allocation.allocate(use, min(dim, len(use))).leverage
    torch.testing.assert_close(probes.leverage(allocation.code_with_leverage(leverage)), leverage, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "leverage", [[1.0], [0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0, 0.5, 0.5], [1.0, 1.0, 0.25, 0.75], [0.2] * 5]
)
def test_codes_at_the_corners(leverage: list[float]) -> None:
    wanted = torch.tensor(leverage, dtype=make.DTYPE)
    code = allocation.code_with_leverage(wanted)
    assert code.shape == (len(leverage), round(sum(leverage)))
    torch.testing.assert_close(probes.leverage(code), wanted, rtol=0, atol=1e-12)


def test_few_used_items_have_a_dimension_each() -> None:
    use = torch.tensor([0.0, 2.0, 0.0, 1.0], dtype=make.DTYPE)
    assert allocation.allocate(use, 2).leverage.tolist() == [0, 1, 0, 1]
    assert allocation.allocate(use, 3).leverage.tolist() == [0, 1, 0, 1]
    one = allocation.allocate(use, 1)
    assert one.leverage.tolist() == pytest.approx([0, 2**0.5 / (1 + 2**0.5), 0, 1 / (1 + 2**0.5)])
    code = allocation.code_with_leverage(one.leverage)
    damage = allocation.item_damage(code[use > 0], torch.ones(2, dtype=make.DTYPE), use[use > 0])
    assert float(damage.sum()) == pytest.approx(least(use, one.leverage))


def test_damage_is_that_of_the_definition() -> None:
    """One write at each item, by hand, weighted by importance."""
    p, q = torch.tensor([[3.0, 1, 2, 1, 1], [1.0, 0, 2, 5, 1]], dtype=make.DTYPE)
    keys = make.gaussian(5, 3, generator=rng())
    for rule in ("optimal", "local"):
        second_moment = (keys * p[:, None]).T @ keys
        expected = []
        for key, rate in zip(keys, q, strict=True):
            direction = torch.linalg.solve(second_moment, key) if rule == "optimal" else key
            moved = (keys @ direction).square()
            hit = (key @ direction).square()
            expected.append(float(rate * ((p * moved).sum() / hit)))
        damage = allocation.item_damage(keys, p, q, rule)
        torch.testing.assert_close(damage, torch.tensor(expected, dtype=make.DTYPE) - p * q, rtol=1e-10, atol=1e-12)
    assert damage[1] == 0, "what is not written does no damage"


def test_optimal_writes_do_no_more_damage_than_local_ones() -> None:
    p = allocation.zipf(20, 1.0)
    for seed in range(5):
        keys = make.gaussian(20, 5, generator=rng(seed))
        optimal, local = (allocation.item_damage(keys, p, p, rule) for rule in ("optimal", "local"))
        assert (optimal <= local * (1 + 1e-9)).all()


def test_a_search_over_keys_reaches_the_bound_and_never_crosses_it() -> None:
    for items, dim, exponent in ((12, 4, 1.0), (9, 4, 0.0), (15, 5, 2.0)):
        p = allocation.zipf(items, exponent)
        bound = least(p * p, allocation.allocate(p * p, dim).leverage)
        found = allocation.search(p, p, dim, starts=3, generator=rng(1))
        damages = np.array([float(allocation.item_damage(code, p, p).sum()) for code in found])
        assert damages.min() >= bound * (1 - 1e-9)
        assert damages.min() <= bound * (1 + 1e-4)


def test_a_search_finds_the_leverages_that_the_allocation_gives() -> None:
    """It minimises damage and knows of no level: that its leverages agree says that the best ones are unique."""
    for items, dim, exponent in ((12, 4, 1.0), (15, 5, 2.0)):
        p = allocation.zipf(items, exponent)
        best = allocation.allocate(p * p, dim)
        for code in allocation.search(p, p, dim, starts=2, generator=rng(2)):
            found = probes.leverage(code * p.sqrt()[:, None])
            torch.testing.assert_close(found, best.leverage, rtol=0, atol=1e-3)


def test_what_is_not_written_is_dropped_and_nothing_pays_for_it() -> None:
    p = 12 * allocation.zipf(12, 1.0)
    table = allocation.without(p, 4)
    assert table["items kept"].to_list() == [12, 6]
    assert table["damage"][0] == pytest.approx(least(p * p, allocation.allocate(p * p, 4).leverage))
    assert 0 < table["damage"][1] < table["damage"][0]
    kept = allocation.without(p, 6)
    assert kept["items kept"].to_list() == [12, 6]
    assert kept["damage"][1] == pytest.approx(0, abs=1e-20), "six that are written, in six dimensions"


def test_the_same_seed_finds_the_same_codes() -> None:
    p = allocation.zipf(8, 1.0)
    one, two = (allocation.search(p, p, 3, starts=2, generator=rng(3)) for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("use", "dim"),
    [([], 1), ([0.0, 0.0], 1), ([-1.0, 2.0], 1), ([float("nan"), 1.0], 1), ([float("inf"), 1.0], 1), ([1.0], 0)],
)
def test_uses_that_are_none(use: list[float], dim: int) -> None:
    with pytest.raises(ValueError, match="give a dimension, and finite uses"):
        allocation.allocate(torch.tensor(use, dtype=make.DTYPE), dim)


@pytest.mark.parametrize("leverage", [[0.5], [0.5, 0.6], [1.5, 0.5], [-0.5, 1.5], [0.0, 0.0], [float("nan"), 1.0]])
def test_leverages_that_no_code_has(leverage: list[float]) -> None:
    with pytest.raises(ValueError, match="whose sum is a positive integer"):
        allocation.code_with_leverage(torch.tensor(leverage, dtype=make.DTYPE))


def test_other_bad_input() -> None:
    keys, ones = make.gaussian(4, 2, generator=rng()), torch.ones(4, dtype=make.DTYPE)
    nothing, infinite = ones * float("nan"), ones * float("inf")
    for importance, rate in (
        (ones * 0, ones), (ones, -ones), (nothing, ones), (infinite, ones), (ones, nothing), (ones, infinite)
    ):  # fmt: skip
        with pytest.raises(ValueError, match="one positive importance and one rate"):
            allocation.item_damage(keys, importance, rate)
        for make_code in (allocation.filled, allocation.search.__wrapped__):
            options = {} if make_code is allocation.filled else {"starts": 1, "generator": rng()}
            with pytest.raises(ValueError, match="one positive importance and one rate"):
                make_code(importance, rate, 2, **options)
    with pytest.raises(ValueError, match=r"importance \(3,\), rate \(3,\): .* an item \(4 items\)"):
        allocation.item_damage.__wrapped__(keys, ones[:3], ones[:3])
    with pytest.raises(ValueError, match="NaN or infinity"):
        allocation.item_damage(keys * float("nan"), ones, ones)
    for dim in (0, 5):
        with pytest.raises(ValueError, match=f"dim={dim}: 4 items span at least one dimension"):
            allocation.search(ones, ones, dim, starts=1, generator=rng())
    whole = torch.tensor([1, 0, 2])
    with pytest.raises(ValueError, match=r"of dtype torch\.int64: give a dimension, and finite uses"):
        allocation.allocate.__wrapped__(whole, 1)
    with pytest.raises(ValueError, match=r"leverages of dtype torch\.int64"):
        allocation.code_with_leverage.__wrapped__(whole)
    for items, exponent in ((0, 1.0), (3, -1.0), (3, float("nan"))):
        with pytest.raises(ValueError, match="at least one item and an exponent"):
            allocation.zipf(items, exponent)


def test_a_comparison_holds_every_write_and_its_totals_add_up() -> None:
    compared = allocation.compare([0.0, 1.0], 8, 3, starts=1, generator=rng())
    assert len(compared) == 2 * 5 * 2 * 8  # exponents, codes, rules, items
    best = allocation.totals(compared)
    assert len(best) == 2 * 5 * 2
    assert best["damage"].sum() == pytest.approx(compared["damage"].sum())
    for row in best.iter_rows(named=True):
        bound = float(claim("importance-allocation").bound("allocation", **{name: row[name] for name in SHARING}))
        assert row["damage"] >= bound * (1 - 1e-9)
        assert row["sum_writability"] <= row["rank"] * (1 + 1e-9)
        if row["code"] == "filled" and row["rule"] == "optimal":
            assert row["damage"] == pytest.approx(bound)
    fewer = allocation.compare([1.0], 3, 5, starts=1, generator=rng()).filter(pl.col("rule") == "optimal")
    assert len(fewer) == 5 * 3
    assert fewer["damage"].max() < 1e-9, "every item has a dimension of its own, in every code"
