"""The perceptron against explicit arithmetic, its training against problems of known answer."""

import math
from collections.abc import Callable

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from cls_toys import networks, tasks
from cls_toys.networks import Training


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("activation", "function"), [("relu", lambda x: max(x, 0.0)), ("tanh", math.tanh)])
def test_outputs_and_hidden_activations_equal_explicit_loops(
    activation: str, function: Callable[[float], float]
) -> None:
    network = networks.mlp([3, 4, 5, 2], activation, generator=generator(), dtype=torch.float64)
    inputs = torch.randn(6, 3, generator=generator(1), dtype=torch.float64)
    for parameter in network.parameters():  # biases too
        torch.nn.init.normal_(parameter, generator=generator(2))
    layers = list(network.parameters())
    hidden, outputs = networks.hidden_activations(network, inputs), network(inputs)
    for item in range(6):
        x = inputs[item].tolist()
        for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
            x = [function(sum(w * v for w, v in zip(row, x, strict=True)) + b) for row, b in zip(weight.tolist(), bias.tolist(), strict=True)]  # fmt: skip
        assert hidden[item].tolist() == pytest.approx(x)
        weight, bias = layers[-2:]
        y = [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(weight.tolist(), bias.tolist(), strict=True)]  # fmt: skip
        assert outputs[item].tolist() == pytest.approx(y)
    assert not hidden.requires_grad


@pytest.mark.parametrize(("activation", "gain"), [("relu", math.sqrt(2)), ("tanh", 5 / 3)])
def test_weights_start_at_their_documented_scale(activation: str, gain: float) -> None:
    network = networks.mlp([400, 300, 200], activation, generator=generator())
    assert float(network[0].weight.detach().std()) == pytest.approx(gain / math.sqrt(400), rel=0.01)
    assert float(network[2].weight.detach().std()) == pytest.approx(1 / math.sqrt(300), rel=0.01)
    assert not network[0].bias.any()
    assert not network[2].bias.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_seed_decides_every_bit_and_the_global_generator_nothing(dtype: torch.dtype) -> None:
    state = torch.get_rng_state()
    inputs, labels = torch.randn(50, 4, generator=generator(9), dtype=dtype), torch.arange(50) % 3
    runs = []
    for seed in (1, 1, 2):
        draw = generator(seed)
        network = networks.mlp([4, 8, 3], generator=draw, dtype=dtype)
        losses = networks.fit(network, inputs, labels, Training(epochs=3, batch=7), generator=draw)
        runs.append(torch.cat((losses, networks.hidden_activations(network, inputs).flatten())))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert runs[0].dtype == dtype


def test_exclusive_or_needs_and_gets_its_hidden_layer() -> None:
    inputs, labels = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([0, 1, 1, 0])
    network = networks.mlp([2, 16, 2], "tanh", generator=generator())
    networks.fit(network, inputs, labels, Training(epochs=200), generator=generator())
    assert networks.accuracy(network, inputs, labels) == 1
    linear = LogisticRegression().fit(inputs.numpy(), labels.numpy())
    assert linear.score(inputs.numpy(), labels.numpy()) < 1
    readout = LogisticRegression(C=1e4).fit(networks.hidden_activations(network, inputs).numpy(), labels.numpy())
    assert readout.score(networks.hidden_activations(network, inputs).numpy(), labels.numpy()) == 1


def test_an_uninformative_input_is_answered_with_the_base_rate() -> None:
    # All inputs alike, labels 3 : 1. The least cross-entropy is their entropy.
    labels = torch.tensor([0, 0, 0, 1] * 25)
    network = networks.mlp([1, 4, 2], generator=generator())
    losses = networks.fit(network, torch.ones(100, 1), labels, Training(epochs=300, batch=100), generator=generator())
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert float(losses[-1]) == pytest.approx(entropy, abs=1e-4)
    assert networks.accuracy(network, torch.ones(100, 1), labels) == 0.75


def test_the_loss_of_an_epoch_weighs_every_item_alike() -> None:
    # A rate too small to move the network: the mean loss of 10 items in batches of 4, 4 and 2 is that of all at once.
    inputs, labels = torch.randn(10, 3, generator=generator(), dtype=torch.float64), torch.arange(10) % 2
    network = networks.mlp([3, 5, 2], generator=generator(), dtype=torch.float64)
    probability = network(inputs).detach().softmax(-1)
    exact = -sum(math.log(float(probability[i, labels[i]])) for i in range(10)) / 10
    losses = networks.fit(network, inputs, labels, Training(2, 4, 1e-15), generator=generator())
    assert losses.tolist() == pytest.approx([exact] * 2, rel=1e-9)


def test_progress_is_told_of_each_epoch() -> None:
    epochs: list[int] = []
    network = networks.mlp([1, 1, 2], generator=generator())
    networks.fit(
        network, torch.ones(1, 1), torch.tensor([1]), Training(3), generator=generator(), progress=epochs.append
    )
    assert epochs == [1, 2, 3]


@pytest.mark.parametrize(("hidden", "seed"), [(16, 0), (64, 1)])
def test_digits_are_recognised(hidden: int, seed: int) -> None:
    draw = generator(seed)
    data = tasks.digits(generator=draw)
    network = networks.mlp([64, hidden, 10], generator=draw)
    networks.fit(network, data.train_inputs, data.train_labels, Training(), generator=draw)
    assert networks.accuracy(network, data.test_inputs, data.test_labels) >= 0.95
    assert networks.hidden_activations(network, data.test_inputs).shape == (len(data.test_inputs), hidden)


def test_bad_inputs_are_refused() -> None:
    network = networks.mlp([2, 3, 4], generator=generator())
    for widths in ([2, 3], [2, 0, 3]):
        with pytest.raises(ValueError, match=rf"widths=\[{widths[0]}, {widths[1]}.*give input, at least one hidden"):
            networks.mlp(widths, generator=generator())
    with pytest.raises(ValueError, match="activation='sine': must be one of relu, tanh"):
        networks.mlp.__wrapped__([1, 1, 1], "sine", generator=generator())
    with pytest.raises(ValueError, match="inputs have shape \\(0, 2\\): training needs at least one item"):
        networks.fit(network, torch.ones(0, 2), torch.ones(0, dtype=torch.int64), Training(), generator=generator())
    for label in (-1, 4):
        with pytest.raises(ValueError, match=f"labels run from {label} to {label}: with 4 outputs, give 0 to 3"):
            networks.fit(network, torch.ones(1, 2), torch.tensor([label]), Training(), generator=generator())
    with pytest.raises(ValueError, match="epochs=0, batch=64: both must be at least 1"):
        Training(epochs=0)
    with pytest.raises(ValueError, match="batch=0"):
        Training(batch=0)
    with pytest.raises(ValueError, match=r"learning_rate=-1\.0: must be positive and finite"):
        Training(learning_rate=-1.0)
