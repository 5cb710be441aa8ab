"""The toy models against slow loops, exact integrals, exact optima and the geometries that Elhage et al. report."""

import itertools
import math

import pytest
import torch
from scipy import stats

from cls_toys import superposition as sp
from cls_toys.superposition import Config, Features, Parameters


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def constant(instances: int, count: int, probability: float, importance: float = 1.0) -> Features:
    return Features(torch.full((instances, count), probability), torch.full((instances, count), importance))


def planted(*columns: tuple[float, ...]) -> Parameters:
    """One instance whose features have these codes, and no bias."""
    return Parameters(torch.tensor([columns]).mT, torch.zeros(1, len(columns)))


# The data


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_each_feature_is_active_as_often_as_its_probability_and_uniform_when_active(dtype: torch.dtype) -> None:
    probability = torch.tensor([[0.0, 1.0, 0.5], [0.02, 0.25, 0.9]], dtype=dtype)
    batch = 20_000
    inputs = sp.sample(Features(probability, torch.ones_like(probability)), batch, generator=generator())
    assert inputs.shape == (2, batch, 3)
    assert inputs.dtype == dtype
    for instance, feature in itertools.product(range(2), range(3)):
        x, p = inputs[instance, :, feature].double(), float(probability[instance, feature])
        active = x[x > 0]
        if p in (0.0, 1.0):  # a uniform number may round to 0 in half precision
            assert abs(len(active) - p * batch) <= 5
        else:
            assert stats.binomtest(len(active), batch, p).pvalue > 1e-5
        if len(active) and dtype.itemsize > 2:
            assert stats.kstest(active.numpy(), "uniform").pvalue > 1e-5
        assert ((x >= 0) & (x <= 1)).all()


def test_features_and_instances_and_inputs_are_drawn_independently() -> None:
    probability, batch = 0.3, 20_000
    inputs = sp.sample(constant(2, 3, probability), batch, generator=generator()).transpose(0, 1).reshape(batch, 6)
    correlation = torch.corrcoef(torch.cat((inputs[1:], inputs[:-1]), dim=1).T) - torch.eye(12)
    assert correlation.abs().max() < 5 / math.sqrt(batch)


def test_sparse_features_repeats_one_probability_and_decays_the_importance() -> None:
    features = sp.sparse_features(torch.tensor([0.5, 0.1], dtype=torch.float64), 3, decay=0.5)
    assert features.probability.tolist() == [[0.5] * 3, [0.1] * 3]
    assert features.importance.tolist() == [[1.0, 0.5, 0.25]] * 2
    assert features.importance.dtype == torch.float64
    assert sp.sparse_features(torch.ones(1), 2, decay=0.0).importance.tolist() == [[1.0, 0.0]]


# The model


@pytest.mark.parametrize("activation", ["relu", "linear"])
@pytest.mark.parametrize(("instances", "batch", "count", "hidden"), [(2, 3, 4, 2), (1, 1, 1, 1), (2, 2, 2, 5)])
def test_forward_and_loss_equal_explicit_loops(
    activation: str, instances: int, batch: int, count: int, hidden: int
) -> None:
    draw = {"generator": generator(), "dtype": torch.float64}
    weight, bias = torch.randn(instances, hidden, count, **draw), torch.randn(instances, count, **draw)
    inputs, importance = torch.randn(instances, batch, count, **draw), torch.rand(instances, count, **draw)
    output = sp.forward(Parameters(weight, bias), inputs, activation)
    losses = sp.loss(Parameters(weight, bias), inputs, importance, activation)
    for i in range(instances):
        total = 0.0
        for k in range(batch):
            code = [sum(float(weight[i, a, j] * inputs[i, k, j]) for j in range(count)) for a in range(hidden)]
            for j in range(count):
                value = float(bias[i, j]) + sum(float(weight[i, a, j]) * code[a] for a in range(hidden))
                value = max(value, 0.0) if activation == "relu" else value
                assert float(output[i, k, j]) == pytest.approx(value, abs=1e-12)
                total += float(importance[i, j]) * (float(inputs[i, k, j]) - value) ** 2
        assert float(losses[i]) == pytest.approx(total / batch)


def test_the_zero_model_loses_a_third_of_each_probability() -> None:
    probability = torch.tensor([[1.0, 0.5, 0.03], [0.2, 0.0, 0.1]])
    importance = torch.tensor([[1.0, 2.0, 3.0], [1.0, 5.0, 0.0]])
    batch = 100_000
    inputs = sp.sample(Features(probability, importance), batch, generator=generator())
    losses = sp.loss(Parameters(torch.zeros(2, 1, 3), torch.zeros(2, 3)), inputs, importance)
    expected = torch.tensor([1 / 3 + 2 * 0.5 / 3 + 3 * 0.03 / 3, 0.2 / 3])  # integral of x^2 is 1/3
    deviation = (importance**2 * (probability / 5 - (probability / 3) ** 2)).sum(-1).sqrt()
    assert ((losses - expected).abs() <= 5 * deviation / math.sqrt(batch)).all()


def test_initial_weights_have_the_glorot_scale_and_no_bias() -> None:
    weight, bias = sp.initial(constant(50, 60, 1.0), 20, generator=generator())
    assert weight.shape == (50, 20, 60)
    assert float(weight.var()) == pytest.approx(2 / 80, rel=0.03)
    assert abs(float(weight.mean())) < 5 * math.sqrt(2 / 80 / weight.numel())
    assert not bias.any()


# Training


def test_the_linear_model_keeps_the_most_important_features_and_no_more() -> None:
    importance = torch.tensor([[0.2, 1.0, 0.5, 0.3, 0.9]])
    features = Features(torch.full((1, 5), 0.4), importance)
    trained = sp.train(features, Config(2, "linear", steps=1500), generator=generator())
    weight, bias = trained.parameters
    # Variance p/3 - p^2/4; the least loss leaves out the three least important features, and predicts their mean p/2.
    variance = 0.4 / 3 - 0.4**2 / 4
    assert float(sp.final_loss(trained)) == pytest.approx(variance * (0.2 + 0.5 + 0.3), rel=0.02)
    torch.testing.assert_close(weight[0].T @ weight[0], torch.diag(torch.tensor([0.0, 1, 0, 0, 1])), atol=0.02, rtol=0)
    torch.testing.assert_close(bias[0], torch.tensor([0.2, 0, 0.2, 0.2, 0]), atol=0.02, rtol=0)


def test_the_linear_model_projects_on_the_principal_components() -> None:
    probability = torch.tensor([[0.9, 0.05, 0.1, 0.6, 0.02]])
    features = Features(probability, torch.ones(1, 5))
    weight = sp.train(features, Config(2, "linear", steps=1500), generator=generator()).parameters.weight[0].double()
    inputs = sp.sample(features, 200_000, generator=generator(1))[0].double()
    _, vectors = torch.linalg.eigh(torch.cov(inputs.T))  # ascending
    torch.testing.assert_close(weight.T @ weight, vectors[:, -2:] @ vectors[:, -2:].T, atol=0.05, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_as_sparsity_grows_dedicated_dimensions_give_way_to_pairs_and_to_a_pentagon(seed: int) -> None:
    features = sp.sparse_features(torch.tensor([1.0, 0.3, 0.05]).repeat_interleave(4), 5, decay=0.8)
    parameters = sp.best(sp.train(features, Config(2), generator=generator(seed)), 4).parameters
    keys, kept = sp.codes(parameters), sp.represented(parameters)
    angles = []
    for key, keep in zip(keys, kept, strict=True):
        direction = torch.atan2(key[keep, 1], key[keep, 0]).sort().values.rad2deg()
        angles.append((direction.roll(-1) - direction) % 360)
    assert kept[0].tolist() == [True, True, False, False, False]  # the two most important
    assert min(angles[0]) == pytest.approx(90, abs=3)
    assert kept[1].tolist() == [True] * 4 + [False]
    assert angles[1].tolist() == pytest.approx(
        [90] * 4, abs=3
    )  # antipodal: a right angle to the next, 180 to the second next
    assert kept[2].all()
    assert angles[2].tolist() == pytest.approx([72] * 5, abs=4)
    table = sp.by_instance(parameters)
    assert table["represented"].to_list() == [2, 4, 5]
    assert table["sum_dimensionality"].to_list() == pytest.approx([2] * 3, abs=0.02)
    assert table["bound"].to_list() == [0, 1, 1.5]
    assert table["local_collateral"].to_list() == pytest.approx([0, 1, 1.5], abs=0.05)


def test_the_plateau_of_antipodal_pairs_has_half_a_dimension_a_feature() -> None:
    features = sp.sparse_features(torch.tensor([1.0, 0.4, 0.33]), 40)
    trained = sp.train(features, Config(8, batch=128), generator=generator())
    assert sp.dimensions_per_feature(trained.parameters).tolist() == pytest.approx([1, 0.5, 0.5], abs=0.03)
    table = sp.by_instance(trained.parameters)
    assert table["represented"].to_list()[1] == 16
    assert (table["sum_dimensionality"] / table["rank"]).min() > 0.99


def test_a_feature_of_no_importance_is_not_learnt_and_one_that_matters_is() -> None:
    features = Features(torch.full((2, 2), 0.5), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    parameters = sp.train(features, Config(1), generator=generator()).parameters
    inputs = sp.sample(features, 1000, generator=generator(1))
    error = (inputs - sp.forward(parameters, inputs)).square().mean(1)
    assert error.diagonal().max() < 1e-3
    assert min(error[0, 1], error[1, 0]) > 0.05


def test_an_instance_is_trained_as_if_the_others_were_different() -> None:
    alike = sp.sparse_features(torch.tensor([0.3, 0.3]), 4)
    other = Features(alike.probability.clone(), alike.importance.clone())
    other.probability[0], other.importance[0] = 0.9, 7.0
    one, two = (sp.train(features, Config(2, steps=50), generator=generator()) for features in (alike, other))
    torch.testing.assert_close(one.parameters.weight[1], two.parameters.weight[1], atol=1e-5, rtol=0)
    assert not torch.allclose(one.parameters.weight[0], two.parameters.weight[0], atol=1e-2)


def test_a_seed_decides_every_bit_and_the_global_generator_nothing() -> None:
    features = sp.sparse_features(torch.tensor([0.5, 0.1]), 6)
    state = torch.get_rng_state()
    runs = [sp.train(features, Config(2, steps=30), generator=generator(seed)) for seed in (3, 3, 4)]
    assert torch.equal(state, torch.get_rng_state())
    for first, second in zip((*runs[0].parameters, runs[0].losses), (*runs[1].parameters, runs[1].losses), strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(runs[0].losses, runs[2].losses)


def test_the_losses_start_at_the_first_parameters_and_progress_is_told_of_each_step() -> None:
    features, steps = sp.sparse_features(torch.tensor([0.5, 0.1]), 6), []
    trained = sp.train(features, Config(2, steps=40), generator=generator(), progress=steps.append)
    assert steps == list(range(1, 41))
    again = generator()
    start = sp.initial(features, 2, generator=again)
    first = sp.loss(start, sp.sample(features, 256, generator=again), features.importance)
    torch.testing.assert_close(trained.losses[0], first)
    assert trained.losses.shape == (40, 2)
    assert (trained.losses[-1] < trained.losses[0]).all()
    assert not any(tensor.requires_grad for tensor in (*trained.parameters, trained.losses))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("count", "hidden", "probability"), [(1, 1, 1.0), (2, 4, 1.0), (3, 1, 0.0)])
def test_edge_sizes_and_dtypes_train(dtype: torch.dtype, count: int, hidden: int, probability: float) -> None:
    features = sp.sparse_features(torch.tensor([probability], dtype=dtype), count)
    trained = sp.train(features, Config(hidden, steps=3, batch=1), generator=generator())
    assert {tensor.dtype for tensor in (*trained.parameters, trained.losses)} == {dtype}
    assert all(tensor.isfinite().all() for tensor in (*trained.parameters, trained.losses))
    assert sp.codes(trained.parameters).dtype == torch.float64
    assert len(sp.by_feature(trained.parameters)) == count


def test_as_many_dimensions_as_features_lose_nothing() -> None:
    trained = sp.train(sp.sparse_features(torch.tensor([1.0]), 2), Config(3), generator=generator())
    assert float(sp.final_loss(trained)) < 1e-6


# Measurements


def test_best_keeps_the_instance_of_least_final_loss_in_each_group() -> None:
    losses = torch.tensor([[0.0, 0, 9, 9, 9, 9]] + [[3.0, 2, 1, 4, 6, 5]] * 19)  # the first step does not count
    weight = torch.arange(6.0).reshape(6, 1, 1)
    kept = sp.best(sp.Trained(Parameters(weight, weight[:, 0]), losses), 3)
    assert kept.parameters.weight.flatten().tolist() == [2, 3]
    assert kept.parameters.bias.flatten().tolist() == [2, 3]
    assert kept.losses[-1].tolist() == [1, 4]


def test_final_loss_is_the_mean_of_the_last_tenth() -> None:
    losses = torch.arange(1.0, 21.0)[:, None]
    parameters = planted((1.0,))
    assert sp.final_loss(sp.Trained(parameters, losses)).tolist() == [19.5]
    assert sp.final_loss(sp.Trained(parameters, losses[:5])).tolist() == [5.0]


def test_codes_are_the_columns_of_the_weights() -> None:
    parameters = Parameters(torch.tensor([[[1.0, 2, 3], [4, 5, 6]]]), torch.zeros(1, 3))
    assert sp.codes(parameters).tolist() == [[[1, 4], [2, 5], [3, 6]]]


def test_a_planted_square_is_measured_exactly() -> None:
    parameters = planted((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (0.0, 0.09))
    assert sp.represented(parameters).tolist() == [[True] * 4 + [False]]
    picture = sp.geometry(parameters)
    assert picture["instance"].to_list() == [0] * 5
    assert picture["feature"].to_list() == [0, 1, 2, 3, 4]
    assert picture["x"].to_list() == [1, 0, -1, 0, 0]
    assert picture["y"].to_list() == pytest.approx([0, 1, 0, -1, 0.09])
    assert picture["norm"].to_list() == pytest.approx([1, 1, 1, 1, 0.09])
    assert picture["dimensionality"].to_list() == pytest.approx([0.5] * 4 + [0])
    assert picture["leverage"].to_list() == pytest.approx([0.5] * 4 + [0])
    assert sp.dimensions_per_feature(parameters).item() == pytest.approx(2 / (4 + 0.09**2))
    assert sp.by_instance(parameters).row(0, named=True) == {
        "instance": 0, "represented": 4, "rank": 2, "bound": 1, "sum_dimensionality": pytest.approx(2),
        "sum_leverage": pytest.approx(2), "local_collateral": pytest.approx(1), "optimal_collateral": pytest.approx(1),
        "dimensions_per_feature": pytest.approx(2 / (4 + 0.09**2)),
    }  # fmt: skip


def test_local_and_optimal_collateral_differ_where_the_codes_are_no_tight_frame() -> None:
    # Keys (2, 0), (2, 2): independent, so leverage 1; D = |k|^4 / sum of squared products: 16/(16+16), 64/(64+16).
    table = sp.by_instance(planted((2.0, 0.0), (2.0, 2.0)))
    assert table["sum_leverage"].item() == pytest.approx(2)
    assert table["optimal_collateral"].item() == pytest.approx(0, abs=1e-12)
    assert table["sum_dimensionality"].item() == pytest.approx(0.5 + 0.8)
    assert table["local_collateral"].item() == pytest.approx((1 + 0.25) / 2)


def test_a_model_that_represents_nothing_has_no_mean_and_infinite_dimensions_per_feature() -> None:
    zero = Parameters(torch.zeros(1, 2, 3), torch.zeros(1, 3))
    row = sp.by_instance(zero).row(0, named=True)
    assert (row["represented"], row["rank"], row["dimensions_per_feature"]) == (0, 0, math.inf)
    assert all(math.isnan(row[name]) for name in ("local_collateral", "optimal_collateral", "bound"))


def test_rows_of_several_instances_keep_their_order() -> None:
    parameters = Parameters(torch.arange(1.0, 13.0).reshape(3, 2, 2), torch.zeros(3, 2))
    table = sp.geometry(parameters)
    assert table["instance"].to_list() == [0, 0, 1, 1, 2, 2]
    assert table["feature"].to_list() == [0, 1] * 3
    assert table["x"].to_list() == [1, 2, 5, 6, 9, 10]
    assert table["y"].to_list() == [3, 4, 7, 8, 11, 12]
    assert sp.by_instance(parameters)["dimensions_per_feature"].to_list() == pytest.approx([2 / 30, 2 / 174, 2 / 446])


def test_loss_curves_average_over_windows_that_leave_no_step_out() -> None:
    losses = torch.stack((torch.arange(1.0, 8.0), 10 * torch.arange(1.0, 8.0)), dim=1)  # 7 steps, 2 instances
    trained = sp.Trained(planted((1.0,)), losses)
    table = sp.loss_curves(trained, 3)
    assert table["instance"].to_list() == [0] * 3 + [1] * 3
    assert table["step"].to_list() == [3, 5, 7] * 2
    assert table["loss"].to_list() == [2, 4.5, 6.5, 20, 45, 65]
    assert sp.loss_curves(trained)["step"].to_list() == [1, 2, 3, 4, 5, 6, 7] * 2


# Bad inputs: what was given, what is allowed


@pytest.mark.parametrize(
    ("probability", "importance", "message"),
    [
        (torch.tensor([[1.5]]), torch.ones(1, 1), "probability holds 1.5: must be at least 0 and at most 1"),
        (torch.tensor([[math.nan]]), torch.ones(1, 1), "probability holds nan"),
        (torch.ones(1, 1), torch.tensor([[-1.0]]), "importance holds -1: must be at least 0 and finite"),
        (torch.ones(1, 1), torch.tensor([[math.inf]]), "importance holds inf"),
        (torch.ones(2, 3), torch.ones(1, 3), r"probability \(2, 3\) and importance \(1, 3\): give both the shape"),
        (torch.ones(3), torch.ones(3), r"probability \(3,\)"),
        (torch.ones(0, 3), torch.ones(0, 3), r"probability \(0, 3\).*at least one of each"),
        (torch.ones(1, 1), torch.ones(1, 1).double(), "importance torch.float64: give both one floating-point dtype"),
        (torch.ones(1, 1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.int64), "probability is torch.int64"),
    ],
)
def test_bad_features_are_refused(probability: torch.Tensor, importance: torch.Tensor, message: str) -> None:
    features = Features(probability, importance)
    with pytest.raises(ValueError, match=message):
        sp.sample(features, 1, generator=generator())
    with pytest.raises(ValueError, match=message):
        sp.initial(features, 1, generator=generator())
    with pytest.raises(ValueError, match=message):
        sp.train(features, Config(1), generator=generator())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden": 0}, "hidden=0: must be at least 1"),
        ({"hidden": 1, "steps": 0}, "steps=0: must be at least 1"),
        ({"hidden": 1, "batch": -1}, "batch=-1: must be at least 1"),
        ({"hidden": 1, "learning_rate": 0.0}, "learning_rate=0.0: must be positive and finite"),
        ({"hidden": 1, "learning_rate": math.nan}, "learning_rate=nan"),
    ],
)
def test_bad_configurations_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**arguments)


def test_other_bad_inputs_are_refused() -> None:
    features = constant(2, 3, 0.5)
    trained = sp.train(features, Config(1, steps=1), generator=generator())
    with pytest.raises(ValueError, match="batch=0: must be at least 1"):
        sp.sample(features, 0, generator=generator())
    with pytest.raises(ValueError, match="hidden=0: must be at least 1"):
        sp.initial(features, 0, generator=generator())
    with pytest.raises(ValueError, match=r"count=0, decay=1\.0: give at least one feature"):
        sp.sparse_features(torch.ones(1), 0)
    with pytest.raises(ValueError, match=r"decay=-1\.0"):
        sp.sparse_features(torch.ones(1), 1, decay=-1.0)
    with pytest.raises(ValueError, match="probability holds 2"):
        sp.sparse_features(torch.tensor([2.0]), 1)
    for restarts in (0, 3):
        with pytest.raises(ValueError, match=rf"restarts={restarts}: must divide the number of instances \(2\)"):
            sp.best(trained, restarts)
    with pytest.raises(ValueError, match="hidden=1: a picture in the plane needs hidden=2"):
        sp.geometry(trained.parameters)
    with pytest.raises(ValueError, match="points=0: must be at least 1"):
        sp.loss_curves(trained, 0)


def test_an_unknown_activation_is_refused() -> None:
    # Past the types that only tests check at run time: a caller elsewhere gets our own message.
    parameters, message = planted((1.0,)), "activation='tanh': must be one of relu, linear"
    with pytest.raises(ValueError, match=message):
        sp.forward.__wrapped__(parameters, torch.ones(1, 1, 1), "tanh")
    config = Config(1)
    object.__setattr__(config, "activation", "tanh")
    with pytest.raises(ValueError, match=message):
        config.__post_init__()
