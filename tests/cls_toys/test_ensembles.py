"""Networks trained side by side are the networks that would have been trained one by one."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from cls_toys import ensembles, networks
from cls_toys.networks import Training

TRAINING = Training(epochs=4, batch=16, learning_rate=0.02)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def problem(count: int = 3, items: int = 37) -> tuple[list[nn.Sequential], torch.Tensor, torch.Tensor]:
    members = [networks.mlp([5, 7, 3], generator=rng(seed), dtype=torch.float64) for seed in range(count)]
    inputs = torch.randn(count, items, 5, generator=rng(50), dtype=torch.float64)
    return members, inputs, torch.randint(3, (count, items), generator=rng(51))


def test_outputs_are_those_of_the_members() -> None:
    members, inputs, labels = problem()
    stacked = ensembles.stack(members)
    for index, network in enumerate(members):
        torch.testing.assert_close(ensembles.outputs(stacked, inputs)[index], network(inputs[index]).detach())
        hidden = networks.hidden_activations(network, inputs[index])
        torch.testing.assert_close(ensembles.hidden_activations(stacked, inputs)[index], hidden)
        alone = networks.accuracy(network, inputs[index], labels[index])
        assert float(ensembles.accuracy(stacked, inputs, labels)[index]) == alone


@pytest.mark.parametrize("items", [37, 16, 1])  # a last batch that is smaller, none, and all in one
def test_training_together_is_training_alone(items: int) -> None:
    members, inputs, labels = problem(items=items)
    start = ensembles.stack(members)
    together = ensembles.train(start, inputs, labels, TRAINING, generators=[rng(seed) for seed in range(3)])
    for seed, network in enumerate(members):
        networks.fit(network, inputs[seed], labels[seed], TRAINING, generator=rng(seed))
    for ours, alone, before in zip(together, ensembles.stack(members), start, strict=True):
        torch.testing.assert_close(ours, alone, rtol=1e-10, atol=1e-12)
        assert not torch.equal(ours, before)


def test_training_with_masks_is_training_pruned_layers() -> None:
    """Against PyTorch's own pruning, which multiplies the weights by the mask in every forward pass."""
    members, inputs, labels = problem()
    masks = torch.rand(3, 7, 5, generator=rng(7)) < 0.4
    together = ensembles.train(
        ensembles.stack(members), inputs, labels, TRAINING, generators=[rng(seed) for seed in range(3)], masks=masks
    )
    assert (together.hidden_weight[~masks] == 0).all(), "exactly"
    assert (together.hidden_weight[masks] != 0).all()
    for seed, network in enumerate(members):
        prune.custom_from_mask(network[0], "weight", masks[seed])
        networks.fit(network, inputs[seed], labels[seed], TRAINING, generator=rng(seed))
        expected = network[0].weight_orig.detach() * masks[seed]  # its weight is that of the last forward pass
        torch.testing.assert_close(together.hidden_weight[seed], expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(together.output_weight[seed], network[2].weight.detach(), rtol=1e-10, atol=1e-12)


def test_a_mask_of_ones_changes_nothing_and_the_start_is_left_alone() -> None:
    members, inputs, labels = problem()
    start = ensembles.stack(members)
    kept = [part.clone() for part in start]
    ones = torch.ones(3, 7, 5, dtype=torch.bool)
    masked, plain = (
        ensembles.train(start, inputs, labels, TRAINING, generators=[rng(seed) for seed in range(3)], masks=masks)
        for masks in (ones, None)
    )
    assert all(torch.equal(one, two) for one, two in zip(masked, plain, strict=True))
    assert all(torch.equal(one, two) for one, two in zip(start, kept, strict=True))


def test_digits_are_learnt_and_the_seed_decides_all() -> None:
    training = Training(epochs=5)
    one, two, other = (ensembles.digits(2, 16, training, generator=rng(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one.ensemble, two.ensemble, strict=True))
    assert torch.equal(one.data.test_inputs, two.data.test_inputs)
    assert not torch.equal(one.data.test_inputs[0], one.data.test_inputs[1]), "each network has its own split"
    assert not torch.equal(one.ensemble.hidden_weight, other.ensemble.hidden_weight)
    assert (ensembles.accuracy(one.ensemble, one.data.test_inputs, one.data.test_labels) > 0.8).all()


def test_a_repeated_ensemble_is_one_copy_behind_the_other() -> None:
    stacked = ensembles.stack(problem()[0])
    twice = stacked.repeat(2)
    for part, doubled in zip(stacked, twice, strict=True):
        assert torch.equal(doubled, torch.cat((part, part)))


def test_bad_input() -> None:
    members, inputs, labels = problem()
    start = ensembles.stack(members)
    wide = networks.mlp([5, 8, 3], generator=rng())
    tanh = networks.mlp([5, 7, 3], "tanh", generator=rng())
    deep = networks.mlp([5, 7, 7, 3], generator=rng())
    for bad in ([], [members[0], wide], [tanh], [deep]):
        with pytest.raises(ValueError, match="give at least one, all of one shape, with one hidden layer of ReLU"):
            ensembles.stack(bad)
    generators = [rng(seed) for seed in range(3)]
    with pytest.raises(ValueError, match="give one each a network"):
        ensembles.train(start, inputs, labels, TRAINING, generators=generators[:2])
    for wrong in (labels + 1, labels - 1, labels[:, :0]):
        with pytest.raises(ValueError, match="at least one item, and labels from 0 to 2"):
            ensembles.train(start, inputs[:, : wrong.shape[1]], wrong, TRAINING, generators=generators)
    for wrong in (inputs[:, 1:], inputs[..., 1:], inputs * float("nan")):
        with pytest.raises(ValueError, match=r"give finite ones of shape \(3, 37, 5\), one an item"):
            ensembles.train.__wrapped__(start, wrong, labels, TRAINING, generators=generators)
    with pytest.raises(ValueError, match="count=0: train at least one network"):
        ensembles.digits(0, 4, TRAINING, generator=rng())
