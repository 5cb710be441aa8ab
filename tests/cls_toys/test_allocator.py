"""Reserving, writing at least collateral, being refused, and freeing, against brute force and finite differences."""

import inspect
import math

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import Tensor, nn

from cls_toys import keys as make
from cls_toys import networks, probes, tangent
from cls_toys.allocator import Allocator, LinearReadout, Refused, TangentSpace, fill


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear(items: int, dim: int = 6, out: int = 2, **options: float) -> tuple[Allocator, Tensor, Tensor]:
    """An allocator of random weights with reserved items, their keys, and a key that is not reserved."""
    keys = make.gaussian(items + 1, dim, generator=rng())
    allocator = Allocator(LinearReadout(make.gaussian(out, dim, generator=rng(1))), **options)
    allocator.reserve(keys[:items])
    return allocator, keys[:items], keys[items]


def tiny(outputs: int = 1) -> tuple[nn.Sequential, Tensor]:
    network = networks.mlp([3, 5, outputs], "tanh", generator=rng(), dtype=torch.float64)
    return network, make.gaussian(30, 3, generator=rng(1))


VALUE = torch.tensor([0.3, -2.0], dtype=torch.float64)


@pytest.mark.parametrize("items", [1, 4, 6, 15])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_no_write_that_a_general_optimiser_finds_is_cheaper(items: int, ridge: float) -> None:
    allocator, keys, key = linear(items, ridge=ridge)
    price = allocator.price(key, VALUE)
    known, target = keys.numpy(), key.numpy()
    found = optimize.minimize(
        lambda v: np.square(known @ v).sum() + ridge * np.square(v).sum(), target / np.square(target).sum(),
        method="SLSQP", constraints={"type": "eq", "fun": lambda v: target @ v - 1}, options={"ftol": 1e-15, "maxiter": 500},
    )  # fmt: skip
    least = np.square(known @ found.x).sum()
    assert price.collateral == pytest.approx(least, rel=1e-4, abs=1e-7)
    change = VALUE - allocator.space.read(key[None])[0]
    if ridge:
        assert price.length == pytest.approx(np.linalg.norm(found.x) * float(change.norm()), rel=1e-3)


def test_a_linear_write_is_what_was_predicted() -> None:
    allocator, keys, key = linear(15)
    before, price = allocator.space.read(keys), allocator.price(key, VALUE)
    written = allocator.write(key, VALUE, math.inf)
    torch.testing.assert_close(allocator.space.read(key[None])[0], VALUE)
    assert written.predicted == price.collateral == pytest.approx(written.measured)
    old_at_key = LinearReadout(make.gaussian(2, 6, generator=rng(1))).read(key[None])[0]
    change = (allocator.space.read(keys) - before).square().sum() / (VALUE - old_at_key).square().sum()
    assert written.measured == pytest.approx(float(change))


def test_writing_a_reserved_item_again_costs_what_its_leverage_says() -> None:
    allocator, keys, _ = linear(15)
    price = allocator.price(keys[3], VALUE)
    assert price.collateral == pytest.approx(1 / float(probes.leverage(keys)[3]) - 1)


def test_it_fills_up_refuses_and_writes_again_when_freed() -> None:
    allocator, keys, key = linear(5)
    free = allocator.write(key, VALUE, tolerance=0.0)
    assert free.measured == pytest.approx(0, abs=1e-12)
    full = make.gaussian(1, 6, generator=rng(7))[0]
    held = torch.cat([keys, key[None]])
    before = allocator.space.read(held)
    with pytest.raises(
        Refused, match=r"would change the reserved items by [\d.e+-]+ times .*tolerance=0.01 allows less"
    ):
        allocator.write(full, VALUE, tolerance=0.01)
    torch.testing.assert_close(allocator.space.read(held), before, rtol=0, atol=0)
    assert len(allocator.reserved) == 6, "a refused write reserves nothing"
    allocator.free(keys[:1])
    assert len(allocator.reserved) == 5
    allocator.write(full, VALUE, tolerance=0.01)
    torch.testing.assert_close(allocator.space.read(full[None])[0], VALUE)
    torch.testing.assert_close(allocator.space.read(held[1:]), before[1:])


def test_a_refusal_allows_just_what_was_asked() -> None:
    allocator, _, key = linear(15)
    collateral = allocator.price(key, VALUE).collateral
    with pytest.raises(Refused):
        allocator.write(key, VALUE, collateral * (1 - 1e-6))
    allocator.write(key, VALUE, collateral * (1 + 1e-6))


def test_the_report_counts_what_is_left() -> None:
    allocator, keys, key = linear(4, out=3)
    empty = Allocator(allocator.space).report()
    report = allocator.report(forgetting=1e-9)
    assert (empty.reserved, empty.parameters, empty.free_dimensions, empty.price) == (0, 18, 18, None)
    assert (report.reserved, report.parameters, report.free_dimensions) == (4, 18, 3 * (6 - 4))
    assert 0 < report.writable_bits < empty.writable_bits
    value = torch.zeros(3, dtype=torch.float64)
    assert allocator.report(key, value).price == allocator.price(key, value)
    allocator.free(keys)
    assert allocator.report() == empty


def test_reserving_twice_is_reserving_once() -> None:
    allocator, keys, _ = linear(4)
    allocator.reserve(keys[1:3])
    assert len(allocator.reserved) == 4


def test_a_ridge_shortens_the_move_at_the_price_of_collateral() -> None:
    keys = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    close = torch.tensor([1.0, 1e-3], dtype=torch.float64)
    prices = []
    for ridge in (0.0, 1e-3):
        allocator = Allocator(LinearReadout(torch.zeros(1, 2, dtype=torch.float64)), ridge=ridge)
        allocator.reserve(keys)
        prices.append(allocator.price(close, torch.ones(1, dtype=torch.float64)))
    assert prices[0].length == pytest.approx(1000)
    assert prices[0].collateral == pytest.approx(0, abs=1e-9)
    assert prices[1].length < 2
    assert 0.9 < prices[1].collateral < 1


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_small_write_to_a_network_is_as_predicted(outputs: int) -> None:
    network, inputs = tiny(outputs)
    allocator = Allocator(TangentSpace(network))
    allocator.reserve(inputs[:-1])
    before = network(inputs).detach()
    value = before[-1] + 1e-6
    written = allocator.write(inputs[-1], value, math.inf)
    after = allocator.space.read(inputs)
    torch.testing.assert_close(after[-1], value, rtol=0, atol=1e-8)
    moved = (after - before).square().sum(-1)
    assert written.measured == pytest.approx(float(moved[:-1].sum() / moved[-1]), rel=1e-3)
    assert written.predicted == pytest.approx(written.measured, rel=1e-2)
    torch.testing.assert_close(network(inputs), before, rtol=0, atol=0)  # the network that was given stays as it is


def test_no_small_move_of_a_network_is_cheaper_by_finite_differences() -> None:
    network, inputs = tiny()
    allocator = Allocator(TangentSpace(network))
    allocator.reserve(inputs[:-1])
    parameters = nn.utils.parameters_to_vector(network.parameters()).detach()
    rows = []
    for index in range(len(parameters)):
        ends = []
        for step in (1e-6, -1e-6):
            moved = parameters.clone()
            moved[index] += step
            nn.utils.vector_to_parameters(moved, network.parameters())
            ends.append(network(inputs).detach()[:, 0])
        rows.append((ends[0] - ends[1]) / 2e-6)
    nn.utils.vector_to_parameters(parameters, network.parameters())
    leverage = probes.leverage(torch.stack(rows, 1))[-1]
    price = allocator.price(inputs[-1], network(inputs[-1:]).detach()[0] + 1)
    assert price.collateral == pytest.approx(float(1 / leverage - 1), rel=1e-3)


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_no_first_order_write_to_a_network_is_cheaper_by_its_equations(outputs: int, ridge: float) -> None:
    network, inputs = tiny(outputs)
    allocator = Allocator(TangentSpace(network), ridge=ridge)
    allocator.reserve(inputs[:-1])
    change = torch.linspace(0.1, 0.5, outputs).double()
    features = tangent.features(network, inputs)
    others, target = features[:-1].flatten(0, 1), features[-1]
    size = others.shape[1]
    # Least squares under a linear constraint: stationarity and the constraint, solved at once with a multiplier.
    equations = torch.zeros(size + outputs, size + outputs, dtype=torch.float64)
    equations[:size, :size] = others.T @ others + ridge * torch.eye(size)
    equations[:size, size:], equations[size:, :size] = target.T, target
    right = torch.cat([torch.zeros(size, dtype=torch.float64), change])
    move = (torch.linalg.pinv(equations, hermitian=True, rtol=1e-12) @ right)[:size]
    torch.testing.assert_close(target @ move, change)
    least = float((others @ move).square().sum() / change.square().sum())
    assert least > 0.01, "a write that costs nothing would test nothing"
    value = network(inputs[-1:]).detach()[0] + change
    assert allocator.price(inputs[-1], value).collateral == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("size", [1e-200, 1e-170, 1.0, 1e160, 1e200])
def test_a_write_is_priced_by_its_place_and_not_by_its_size(size: float) -> None:
    """The squares of these sizes leave floating point: what is compared then must not be zero or NaN."""
    allocator, keys, key = linear(15, out=1)
    allocator.space = LinearReadout(torch.zeros(1, 6, dtype=torch.float64))
    value = torch.tensor([size], dtype=torch.float64)
    least = 1 / float(probes.leverage(torch.cat([keys, key[None]]))[-1]) - 1
    assert allocator.price(key, value).collateral == pytest.approx(least)
    with pytest.raises(Refused):
        allocator.write(key, value, tolerance=0.0)
    assert len(allocator.reserved) == 15
    assert not allocator.space.weight.any()
    assert allocator.write(key, value, math.inf).measured == pytest.approx(least)


def test_single_precision_networks_can_be_written() -> None:
    for seed in range(20):
        network = networks.mlp([3, 5, 2], "tanh", generator=rng(seed))
        inputs = torch.randn(20, 3, generator=rng(seed))
        allocator = Allocator(TangentSpace(network))
        allocator.reserve(inputs[:-1])
        allocator.price(inputs[-1], network(inputs[-1:]).detach()[0] + 0.01)


def test_inputs_may_have_any_shape_but_one_shape() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
    ).double()  # takes images of any size
    images = make.gaussian(6 * 16, 1, generator=rng()).reshape(6, 1, 4, 4)
    allocator = Allocator(TangentSpace(network))
    allocator.reserve(images[:5])
    before = network(images[5:]).detach()[0]
    allocator.write(images[5], before + 1e-6, math.inf)
    torch.testing.assert_close(allocator.space.read(images[5:])[0], before + 1e-6, rtol=0, atol=1e-9)
    allocator.free(images[:2])
    assert len(allocator.reserved) == 4
    with pytest.raises(ValueError, match=r"an item has shape \(1, 4, 3\), and those reserved have \(1, 4, 4\)"):
        allocator.reserve(images[:, :, :, :3])


def test_the_weights_of_a_layer_are_held_without_their_history() -> None:
    layer = nn.Linear(6, 1, bias=False).double()
    allocator = Allocator(LinearReadout(layer.weight))
    before = layer.weight.detach().clone()
    allocator.write(make.gaussian(1, 6, generator=rng())[0], torch.ones(1, dtype=torch.float64), 1.0)
    assert not allocator.space.weight.requires_grad
    torch.testing.assert_close(layer.weight.detach(), before, rtol=0, atol=0)


def test_a_value_that_is_there_already_costs_nothing() -> None:
    allocator, _, key = linear(15)
    now = allocator.space.read(key[None])[0]
    assert allocator.price(key, now) == (0.0, 0.0)
    assert allocator.write(key, now, 0.0).measured == 0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (torch.full((2, 6), math.nan, dtype=torch.float64), "hold NaN or infinity"),
        (torch.zeros(0, 6, dtype=torch.float64), "at least one item"),
        (torch.zeros(2, 0, dtype=torch.float64), "at least one item and one dimension"),
        (torch.ones(2, 6, dtype=torch.int64), "give a floating-point tensor"),
        (torch.ones(2, 5, dtype=torch.float64), r"give \[items, 6\]"),
        (torch.ones(6, dtype=torch.float64), r"give \[items, dim\]"),
    ],
)
def test_bad_keys_change_nothing(keys: Tensor, message: str) -> None:
    allocator, held, _ = linear(4)
    for act in (Allocator.reserve, Allocator.free):
        with pytest.raises(ValueError, match=message):
            inspect.unwrap(act)(allocator, keys)
    assert torch.equal(allocator.reserved, held)


@pytest.mark.parametrize("tolerance", [-0.1, math.nan, -math.inf])
def test_a_tolerance_is_not_negative(tolerance: float) -> None:
    allocator, _, key = linear(4)
    with pytest.raises(ValueError, match="collateral is never negative"):
        allocator.write(key, VALUE, tolerance)


@pytest.mark.parametrize("ridge", [-1.0, math.nan, math.inf])
def test_a_ridge_is_not_negative(ridge: float) -> None:
    with pytest.raises(ValueError, match="give a finite ridge of at least 0"):
        Allocator(LinearReadout(torch.zeros(1, 2)), ridge=ridge)


def test_what_cannot_be_written_or_freed_says_so() -> None:
    allocator, keys, key = linear(4)
    with pytest.raises(ValueError, match="give 2 finite numbers, one an output"):
        allocator.write(key, torch.zeros(3, dtype=torch.float64), 1.0)
    with pytest.raises(ValueError, match="give 2 finite numbers, one an output"):
        allocator.write(key, VALUE * math.nan, 1.0)
    with pytest.raises(ValueError, match="no move of the parameters reaches this value"):
        allocator.write(torch.zeros(6, dtype=torch.float64), VALUE, 1.0)
    with pytest.raises(ValueError, match="1 of 3 keys are not reserved"):
        allocator.free(torch.cat([keys[:2], key[None]]))
    assert len(allocator.reserved) == 4, "nothing was freed"
    with pytest.raises(ValueError, match="a key and a value"):
        allocator.report(key)
    with pytest.raises(ValueError, match="only the radius may be infinite"):
        allocator.report(forgetting=0.0)
    network, _ = tiny()
    with pytest.raises(ValueError, match="do not fit the network"):
        Allocator(TangentSpace(network)).reserve(torch.ones(2, 4, dtype=torch.float64))


@pytest.mark.parametrize(
    "weight",
    [
        torch.ones(6), torch.ones(2, 3, 6), torch.ones(0, 6), torch.ones(2, 0), torch.ones(2, 6, dtype=torch.int64),
        torch.full((2, 6), math.nan), torch.full((2, 6), math.inf),
    ],
)  # fmt: skip
def test_a_readout_has_a_finite_matrix(weight: Tensor) -> None:
    with pytest.raises(
        ValueError, match=r"weight has shape .* and dtype .*: give a finite floating-point \[out, dim\]"
    ):
        inspect.unwrap(LinearReadout.__init__)(LinearReadout.__new__(LinearReadout), weight)


def test_precision_must_agree_and_suffice() -> None:
    allocator, keys, key = linear(4)
    state = allocator.space.weight.clone()
    for act in (lambda: allocator.reserve(keys.float()), lambda: allocator.write(key.float(), VALUE, 1.0)):
        with pytest.raises(
            ValueError, match=r"keys have dtype torch.float32 and the readout torch.float64: give keys.to"
        ):
            act()
    with pytest.raises(ValueError, match=r"keys have dtype .*float16: give float64"):
        allocator.reserve(keys.half())
    with pytest.raises(ValueError, match=r"value has dtype torch.int64: give floating-point numbers"):
        inspect.unwrap(Allocator.write)(allocator, key, torch.ones(2, dtype=torch.int64), 1.0)
    assert len(allocator.reserved) == 4
    assert torch.equal(allocator.space.weight, state)
    single = Allocator(LinearReadout(torch.zeros(2, 6)))
    single.write(key.float(), VALUE, 1.0)  # a value may be given more precisely than it can be kept
    torch.testing.assert_close(single.space.read(key[None].float())[0], VALUE.float())
    with pytest.raises(ValueError, match="give 2 finite numbers"):
        single.write(key.float(), VALUE * 1e300, 1.0)


def test_networks_that_recall_no_vector_or_no_number_are_refused() -> None:
    key = make.gaussian(1, 6, generator=rng())[0]
    value = torch.ones(1, dtype=torch.float64)
    flat = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0)).double()
    with pytest.raises(ValueError, match=r"turns keys of shape \(1, 6\) into \(1,\): let it give \[items, out\]"):
        inspect.unwrap(Allocator.price)(Allocator(TangentSpace(flat)), key, value)
    broken = nn.Linear(6, 1).double()
    nn.init.constant_(broken.weight, math.nan)
    with pytest.raises(ValueError, match="what is recalled at this key is NaN or infinite"):
        Allocator(TangentSpace(broken)).price(key, value)


def test_filling_needs_a_value_for_every_key_before_it_writes() -> None:
    allocator, _, _ = linear(1)
    new = make.gaussian(3, 6, generator=rng(5))
    with pytest.raises(ValueError, match="there are 3 keys and 2 values: give one value a key"):
        inspect.unwrap(fill)(allocator, new, torch.ones(2, 2, dtype=torch.float64), 1.0)
    with pytest.raises(ValueError, match="at least one item"):
        inspect.unwrap(fill)(allocator, new[:0], torch.ones(0, 2, dtype=torch.float64), 1.0)
    assert len(allocator.reserved) == 1
