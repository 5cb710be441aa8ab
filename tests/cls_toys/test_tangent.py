"""Tangent features against finite differences and hand-made Jacobians; blocks, best directions and what is off the tangent."""

import inspect
import math

import pytest
import torch
from scipy import optimize
from torch import nn

from cls_toys import keys as make
from cls_toys import networks, probes, tangent

SHAPES = (((3, 4, 1), "tanh"), ((2, 3, 3), "relu"))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(widths: tuple[int, ...] = (2, 3, 3), activation: networks.Activation = "tanh", seed: int = 0) -> nn.Module:
    return networks.mlp(widths, activation, generator=rng(seed), dtype=make.DTYPE)


@pytest.mark.parametrize(("widths", "activation"), SHAPES)
def test_features_are_finite_differences(widths: tuple[int, ...], activation: networks.Activation) -> None:
    net, inputs = network(widths, activation), make.gaussian(5, widths[0], generator=rng(1))
    features = tangent.features(net, inputs)
    steps = 1e-6 * torch.eye(features.shape[-1], dtype=make.DTYPE)
    with torch.no_grad():
        for parameter, step in enumerate(steps):
            up, down = (tangent.moved(net, sign * step)(inputs) for sign in (1, -1))
            torch.testing.assert_close((up - down) / 2e-6, features[..., parameter], rtol=1e-6, atol=1e-8)


def test_features_of_a_linear_readout_are_its_inputs() -> None:
    keys = make.gaussian(4, 3, generator=rng())
    readout = nn.Linear(3, 2, dtype=make.DTYPE)
    expected = torch.zeros(4, 2, 8, dtype=make.DTYPE)
    expected[:, 0, 0:3] = expected[:, 1, 3:6] = keys
    expected[:, 0, 6] = expected[:, 1, 7] = 1
    torch.testing.assert_close(tangent.features(readout, keys), expected)


def test_a_move_changes_a_copy_only() -> None:
    net, inputs = network(), make.gaussian(4, 2, generator=rng(1))
    before = net(inputs).detach()
    delta = torch.randn(sum(p.numel() for p in net.parameters()), generator=rng(2), dtype=make.DTYPE)
    after = tangent.moved(net, delta)(inputs).detach()
    assert torch.equal(net(inputs), before)
    torch.testing.assert_close(tangent.changes(net, inputs, delta[None])[0].detach(), after - before)


def test_the_blocks_are_those_of_the_hat_matrix() -> None:
    features = tangent.features(network(), make.gaussian(9, 2, generator=rng(1)))
    flat = features.flatten(0, 1)
    hat = flat @ torch.linalg.pinv(flat)
    blocks = torch.stack([hat[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] for i in range(9)])
    torch.testing.assert_close(tangent.hat_blocks(features), blocks, rtol=0, atol=1e-9)
    assert float(blocks.diagonal(dim1=1, dim2=2).sum()) == pytest.approx(int(probes.rank(flat)))


def test_no_write_beats_the_best_direction() -> None:
    """Brute force over all parameters: the largest share of all change that lands on item 0."""
    features = tangent.features(network(), make.gaussian(9, 2, generator=rng(1)))
    best, deltas = tangent.best_directions(features)

    def share(delta: torch.Tensor) -> float:
        moved = (features @ delta).square().sum(-1)
        return float(moved[0] / moved.sum())

    assert share(deltas[0]) == pytest.approx(float(best[0]))
    starts = torch.randn(6, features.shape[-1], generator=rng(3), dtype=make.DTYPE)
    found = max(-optimize.minimize(lambda x: -share(torch.from_numpy(x)), start, method="BFGS").fun for start in starts)
    assert found <= float(best[0]) * (1 + 1e-9)
    assert found >= float(best[0]) * 0.99


def test_item_shares_are_read_off_the_moved_network() -> None:
    """A tiny write to a copy of the network, read at every output."""
    net, inputs = network(), make.gaussian(5, 2, generator=rng(1))
    deltas = torch.randn(5, sum(p.numel() for p in net.parameters()), generator=rng(2), dtype=make.DTYPE)
    shares = tangent.item_shares(tangent.features(net, inputs), deltas)
    with torch.no_grad():
        for item, delta in enumerate(deltas):
            squared = (tangent.moved(net, 1e-7 * delta)(inputs) - net(inputs)).square()
            assert float(shares[item]) == pytest.approx(float(squared[item].sum() / squared.sum()), rel=1e-5)


def test_with_one_output_the_best_direction_is_the_leverage() -> None:
    features = tangent.features(network((3, 4, 1)), make.gaussian(40, 3, generator=rng(1)))
    torch.testing.assert_close(tangent.best_directions(features)[0], probes.leverage(features[:, 0]))
    torch.testing.assert_close(tangent.exact_hit(features), 1 / probes.leverage(features[:, 0]) - 1)


def test_exact_hits_are_least_squares() -> None:
    """Random values wanted at all outputs of an item, by the least of all writes that reach them: averaged over values."""
    features = tangent.features(network(), make.gaussian(9, 2, generator=rng(1)))
    flat, item = features.flatten(0, 1), 4
    rows = flat[3 * item : 3 * item + 3]
    costs = []
    for wanted in torch.eye(3, dtype=make.DTYPE):
        # minimise |flat x|^2 subject to rows x = wanted, by the null space of the rows
        start = torch.linalg.pinv(rows) @ wanted
        null = torch.linalg.svd(rows)[2][3:].T
        inside = torch.linalg.lstsq(flat @ null, -flat @ start, driver="gelsd").solution
        costs.append(float((flat @ (start + null @ inside)).square().sum()) - 1)
    assert float(tangent.exact_hit(features)[item]) == pytest.approx(sum(costs) / 3)


def test_values_out_of_reach_cost_infinitely_much() -> None:
    features = torch.zeros(2, 2, 3, dtype=make.DTYPE)
    features[0, 0, 0] = features[1, 0, 1] = features[1, 1, 2] = 1  # the second output of item 0 cannot move
    assert tangent.exact_hit(features).tolist() == [math.inf, 0.0]


def test_the_fisher_root() -> None:
    logits = make.gaussian(7, 5, generator=rng())
    p = logits.softmax(-1)
    root = tangent.fisher_root(logits)
    torch.testing.assert_close(root @ root.mT, torch.diag_embed(p) - p[:, :, None] * p[:, None, :])
    assert (torch.linalg.matrix_rank(root, rtol=1e-12) == 4).all()
    values, vectors = torch.linalg.eigh(root @ root.mT)
    by_eigenvalues = vectors * values.clamp_min(0).sqrt()[:, None, :]
    assert by_eigenvalues[..., 0].abs().max() > root.mT.sum(-1).abs().max(), (
        "the trap: a root of rounding is not rounding"
    )


def test_off_tangent_is_one_less_what_the_tangent_explains() -> None:
    net, inputs = network((3, 4, 1)), make.gaussian(30, 3, generator=rng(1))
    features = tangent.features(net, inputs)
    deltas = torch.randn(4, features.shape[-1], generator=rng(2), dtype=make.DTYPE)
    linear = torch.einsum("wp,iop->wio", deltas, features)
    assert tangent.off_tangent(features, linear).max() < 1e-10
    orthogonal = torch.randn(4, 30, 1, generator=rng(3), dtype=make.DTYPE)
    left = torch.linalg.qr(features[:, 0])[0]
    orthogonal[..., 0] -= orthogonal[..., 0] @ left @ left.T
    torch.testing.assert_close(tangent.off_tangent(features, orthogonal), torch.ones(4, dtype=make.DTYPE))
    mixed = 3 * linear / linear.norm(dim=(1, 2), keepdim=True) + 4 * orthogonal / orthogonal.norm(
        dim=(1, 2), keepdim=True
    )
    torch.testing.assert_close(tangent.off_tangent(features, mixed), torch.full((4,), 0.8, dtype=make.DTYPE))


def test_writes_and_changes_of_the_wrong_shape() -> None:
    net, inputs = network(), make.gaussian(4, 2, generator=rng(1))
    features = tangent.features(net, inputs)
    for width in (1, 20, 22):
        short = torch.ones(4, width, dtype=make.DTYPE)
        with pytest.raises(ValueError, match="the network has 21 parameters"):
            tangent.moved(net, short[0])
        with pytest.raises(ValueError, match="the network has 21 parameters"):
            tangent.changes(net, inputs, short)
        with pytest.raises(ValueError, match="one write an item"):
            inspect.unwrap(tangent.item_shares)(features, short)
    with pytest.raises(ValueError, match="one write an item"):
        inspect.unwrap(tangent.item_shares)(features, torch.ones(3, 21, dtype=make.DTYPE))
    with pytest.raises(ValueError, match="the same items and outputs"):
        inspect.unwrap(tangent.off_tangent)(features, torch.ones(2, 4, 2, dtype=make.DTYPE))


def test_inputs_and_networks_that_have_no_tangent() -> None:
    with pytest.raises(ValueError, match="at least one item, and only finite numbers"):
        tangent.features(network(), torch.empty(0, 2, dtype=make.DTYPE))
    with pytest.raises(ValueError, match="at least one item, and only finite numbers"):
        tangent.features(network(), torch.full((2, 2), torch.nan, dtype=make.DTYPE))
    with pytest.raises(ValueError, match="ReLU has no parameters"):
        tangent.features(nn.ReLU(), torch.ones(2, 2, dtype=make.DTYPE))
