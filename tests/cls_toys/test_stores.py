"""A linear store recalls what is written and disturbs the rest as little as its rule can."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import linalg

from cls_toys import probes
from cls_toys.stores import Store
from cls_toys.stores.linear import LinearStore

RULES = {"local": 0.0, "optimal": 0.0, "ridge": 0.3}
every_rule = pytest.mark.parametrize("rule", RULES)


def gaussian(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def store_of(keys: torch.Tensor, rule: str, out: int = 1) -> LinearStore:
    return LinearStore(keys, out=out, rule=rule, ridge=RULES[rule])


KEYS = {
    "more items than dimensions": gaussian(9, 4),
    "more dimensions than items": gaussian(4, 9),
    "square": gaussian(4, 4),
    "one item": gaussian(1, 3),
    "one dimension": gaussian(5, 1),
    "rank-deficient": gaussian(8, 2) @ gaussian(2, 5, seed=1),
    "duplicated": gaussian(4, 3).repeat_interleave(2, dim=0),
}
every_geometry = pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)


def gentlest_row(keys: np.ndarray, item: int, penalty: float) -> np.ndarray:
    """The row v with v'k = 1 of least sum_j (v'k_j)^2 + penalty |v|^2: least squares over all rows that hit the item."""
    key = keys[item]
    free = linalg.null_space(key[None])  # directions that leave the item alone
    start = key / (key @ key)
    felt = np.concatenate((keys, math.sqrt(penalty) * np.eye(len(key))))  # a penalty is so many further items
    moves = felt @ free
    moves[np.abs(moves) < 1e-12] = 0  # a direction that no item feels is free, and lstsq leaves it alone
    return start - free @ np.linalg.lstsq(moves, felt @ start, rcond=1e-12)[0] if free.size else start


# -------------------------------------------------------------------------------------------------------------- recall


@every_rule
@every_geometry
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_a_write_is_recalled_exactly_over_whatever_was_written_before(
    keys: torch.Tensor, rule: str, dtype: torch.dtype, tolerance: float
) -> None:
    keys = keys.to(dtype)
    store, values = store_of(keys, rule, out=3), gaussian(len(keys), 3, seed=2, dtype=dtype)
    for key, value in zip(keys, values, strict=True):
        store.write(key, value)
        recalled = store.read(key[None])[0]
        assert recalled.dtype == dtype
        np.testing.assert_allclose(recalled, value, atol=tolerance)


@every_rule
def test_orthogonal_items_do_not_disturb_one_another(rule: str) -> None:
    keys = torch.linalg.qr(gaussian(5, 5))[0] * torch.tensor([1, 2, 3, 4, 5.0]).double()[:, None]
    store, values = store_of(keys, rule, out=2), gaussian(5, 2)
    for key, value in zip(keys, values, strict=True):
        store.write(key, value)
    np.testing.assert_allclose(store.read(keys), values, atol=1e-13)


@every_rule
def test_each_output_is_written_as_if_it_were_alone(rule: str) -> None:
    keys, values = KEYS["more items than dimensions"], gaussian(2, 3, seed=3)
    together = store_of(keys, rule, out=3)
    alone = [store_of(keys, rule) for _ in range(3)]
    for item in range(2):
        together.write(keys[item], values[item])
        for output, store in enumerate(alone):
            store.write(keys[item], values[item, output : output + 1])
    np.testing.assert_allclose(together.weight, torch.cat([store.weight for store in alone]), rtol=1e-13)


@every_rule
def test_collateral_depends_on_neither_the_values_nor_what_is_stored(rule: str) -> None:
    keys = KEYS["more items than dimensions"]
    fresh, used = store_of(keys, rule), store_of(keys, rule, out=3)
    used.weight = gaussian(3, 4, seed=4)
    expected = probes.collateral(fresh, keys, torch.ones(9, 1).double())
    np.testing.assert_allclose(probes.collateral(used, keys, gaussian(9, 3, seed=5)), expected, rtol=1e-10)


# --------------------------------------------------------------------------------------------------- what the rules do


def test_the_local_rule_is_a_gradient_step_on_the_item_alone() -> None:
    keys, value = KEYS["more items than dimensions"], gaussian(2, seed=6)
    store = LinearStore(keys, out=2, rule="local")
    store.weight = gaussian(2, 4, seed=7)
    weight = store.weight.clone().requires_grad_()
    (0.5 * (weight @ keys[3] - value).square().sum()).backward()
    store.write(keys[3], value)
    step = store.weight - weight.detach()
    cosine = -(step * weight.grad).sum() / step.norm() / weight.grad.norm()
    assert cosine.item() == pytest.approx(1, abs=1e-14)


@every_geometry
@pytest.mark.parametrize(("rule", "penalty"), [("optimal", 0.0), ("ridge", 0.3)])
def test_optimal_and_ridge_do_the_least_damage_they_can(keys: torch.Tensor, rule: str, penalty: float) -> None:
    """The change at every item is that of the gentlest row; under a penalty the row itself is unique, and equal."""
    for item in range(len(keys)):
        store = store_of(keys, rule)
        store.write(keys[item], torch.ones(1).double())
        gentlest = gentlest_row(keys.numpy(), item, penalty)
        np.testing.assert_allclose(store.read(keys)[:, 0], keys.numpy() @ gentlest, atol=1e-10)
        if penalty:
            np.testing.assert_allclose(store.weight[0], gentlest, atol=1e-10)


@every_geometry
def test_no_other_write_at_the_item_does_less_damage_than_the_optimal_one(keys: torch.Tensor) -> None:
    optimal = probes.collateral(LinearStore(keys, rule="optimal"), keys, torch.ones(len(keys), 1).double())
    for row in gaussian(200, keys.shape[1], seed=8):
        moved = (keys @ row).square()
        assert (moved.sum() / moved - 1 >= optimal * (1 - 1e-10) - 1e-12).all()


@every_geometry
def test_ridge_runs_from_optimal_to_local(keys: torch.Tensor) -> None:
    def written(rule: str, ridge: float = 0.0) -> torch.Tensor:
        store = LinearStore(keys, rule=rule, ridge=ridge)
        store.write(keys[0], torch.ones(1).double())
        return store.weight

    size = keys.square().sum().item()
    np.testing.assert_allclose(written("ridge", 1e-13 * size), written("optimal"), atol=1e-6)
    np.testing.assert_allclose(written("ridge", 1e9 * size), written("local"), atol=1e-6)


# ---------------------------------------------------------------------------------------- keys that a rule cannot reach


@every_rule
def test_a_zero_key_changes_nothing(rule: str) -> None:
    keys = torch.cat((KEYS["square"], torch.zeros(1, 4).double()))
    store = store_of(keys, rule, out=2)
    store.weight = before = gaussian(2, 4)
    store.write(keys[-1], torch.ones(2).double())
    assert torch.equal(store.weight, before)
    measured = probes.collateral(store, keys, torch.ones(5, 2).double())
    assert measured.isinf().tolist() == [False] * 4 + [True]


@every_rule
def test_a_store_of_zero_keys_still_works(rule: str) -> None:
    keys = torch.zeros(3, 2).double()
    assert probes.collateral(store_of(keys, rule), keys, torch.ones(3, 1).double()).isinf().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_key_orthogonal_to_all_known_ones(dtype: torch.dtype, scale: float) -> None:
    """The optimal rule knows no write there, in spite of rounding; the others write it and disturb nothing."""
    basis = torch.linalg.qr(gaussian(6, 6))[0].to(dtype)
    keys, stranger = gaussian(5, 3, seed=1, dtype=dtype) @ basis[:3], scale * basis[4]
    for rule in RULES:
        store = store_of(keys, rule)
        store.write(stranger, torch.ones(1, dtype=dtype))
        np.testing.assert_allclose(store.read(keys), 0, atol=100 * torch.finfo(dtype).eps / min(1, scale))
        assert store.read(stranger[None]).item() == pytest.approx(float(rule != "optimal"), abs=1e-6)


def test_near_duplicates_are_told_apart() -> None:
    """A pseudo-inverse of M would merge keys so near, and disturb each by writing the other."""
    keys = gaussian(5, 6)
    keys[1] = keys[0] + 1e-7 * gaussian(6, seed=1)
    measured = probes.collateral(LinearStore(keys, rule="optimal"), keys, torch.ones(5, 1).double())
    np.testing.assert_allclose(measured, 0, atol=1e-12)


# -------------------------------------------------------------------------------------------------- copies and protocol


@every_rule
def test_a_copy_is_independent_both_ways(rule: str) -> None:
    keys = KEYS["square"]
    store = store_of(keys, rule, out=2)
    store.write(keys[0], torch.ones(2).double())
    before = store.weight.clone()
    copy = store.copy()
    assert (type(copy), copy.rule, copy.ridge, copy.parameters) == (LinearStore, rule, RULES[rule], 8)
    assert torch.equal(copy.weight, before)
    copy.write(keys[1], torch.ones(2).double())
    copy.weight.mul_(5)
    assert torch.equal(store.weight, before)
    frozen = copy.weight.clone()
    store.write(keys[2], torch.ones(2).double())
    store.weight.zero_()
    assert torch.equal(copy.weight, frozen)


@every_rule
def test_a_write_in_a_copy_is_the_write_in_the_store(rule: str) -> None:
    keys, value = KEYS["more items than dimensions"], gaussian(1, seed=2)
    store = store_of(keys, rule)
    copy = store.copy()
    store.write(keys[2], value)
    copy.write(keys[2], value)
    assert torch.equal(store.weight, copy.weight)
    assert store.weight.any()


@every_rule
def test_a_linear_store_is_a_store_and_counts_its_weights(rule: str) -> None:
    store = store_of(KEYS["more items than dimensions"], rule, out=3)
    assert isinstance(store, Store)
    assert store.parameters == 12
    assert tuple(store.read(gaussian(5, 4)).shape) == (5, 3)


def test_what_cannot_be_copied_is_no_store() -> None:
    class ReadOnce:
        parameters = 0

        def read(self, keys: torch.Tensor) -> torch.Tensor:
            return keys

        def write(self, key: torch.Tensor, value: torch.Tensor) -> None: ...

    assert not isinstance(ReadOnce(), Store)


# ------------------------------------------------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "hebb"}, "rule='hebb': must be one of local, optimal, ridge"),
        (
            {"rule": "ridge"},
            "ridge=0.0 with rule='ridge': the ridge rule needs a finite ridge > 0, the others take none",
        ),
        ({"rule": "ridge", "ridge": -1.0}, "ridge=-1.0 with rule='ridge': the ridge rule needs"),
        ({"rule": "ridge", "ridge": math.inf}, "ridge=inf with rule='ridge': the ridge rule needs"),
        ({"rule": "ridge", "ridge": math.nan}, "ridge=nan with rule='ridge': the ridge rule needs"),
        ({"rule": "optimal", "ridge": 0.1}, "ridge=0.1 with rule='optimal': the ridge rule needs"),
        ({"rule": "local", "ridge": -0.1}, "ridge=-0.1 with rule='local': the ridge rule needs"),
        ({"out": 0}, "out=0: a value needs at least one dimension"),
        ({"keys": torch.ones(0, 2)}, r"keys have shape \(0, 2\): give \[items, dim\]"),
        ({"keys": torch.tensor([[math.nan]])}, "keys hold NaN or infinity"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    """Said by the store itself: unwrapped, the tests' own shape check does not stand before it."""
    plain: Callable[..., None] = inspect.unwrap(LinearStore.__init__)
    with pytest.raises(ValueError, match=message) as raised:
        plain(object.__new__(LinearStore), **{"keys": torch.ones(3, 2)} | arguments)
    assert "\n" not in str(raised.value)
