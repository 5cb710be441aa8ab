r"""Magnitude pruning of the hidden layer of small classifiers, and what pruned networks are tested with.

All networks of one sparsity and of all others are fine-tuned side by side, from the same trained networks, on the same items
in the same order: they differ in their masks alone, so that costs are differences within a pair.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, get_args

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from scipy import stats
from torch import Generator, Tensor

from cls_toys import ensembles, perturbations
from cls_toys.ensembles import Ensemble
from cls_toys.networks import Training

NOISE_DRAWS = 10  # of weight noise, averaged over
WEIGHT_NOISE = 0.5  # over the size of the weights
LEVEL = 0.99  # of intervals


def magnitude_masks(
    weights: Float[Tensor, "networks hidden inputs"], sparsity: float
) -> Bool[Tensor, "networks hidden inputs"]:
    """Which weights stay: in each network, all but the share ``sparsity`` of least magnitude, rounded to whole weights.

    Raises ``ValueError`` on a sparsity outside [0, 1), on weights that are not finite, and where no weight would stay.

    >>> magnitude_masks(torch.tensor([[[3.0, -1.0], [0.5, -2.0]]]), 0.5)
    tensor([[[ True, False],
             [False,  True]]])
    """
    if not torch.isfinite(weights).all():
        raise ValueError("weights hold NaN or infinity: magnitudes must be finite to be ranked")
    magnitude = weights.abs().flatten(1)
    kept = _kept(magnitude.shape[1], sparsity)
    stay = magnitude.argsort(dim=1, descending=True, stable=True)[:, :kept]
    return torch.zeros_like(magnitude, dtype=torch.bool).scatter_(1, stay, True).view_as(weights)


def _kept(weights: int, sparsity: float) -> int:
    """How many weights stay, or one clear error."""
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity={sparsity}: the share of weights to remove must lie in [0, 1)")
    if (kept := round((1 - sparsity) * weights)) < 1:
        raise ValueError(f"sparsity={sparsity} of {weights} weights leaves none: lower it, or widen the network")
    return kept


def prune(trained: ensembles.Trained, sparsities: Sequence[float], fine_tuning: Training) -> tuple[Ensemble, Tensor]:
    """Networks pruned to each sparsity and fine-tuned, all networks of the first sparsity first; and their masks.

    Sparsity 0 is fine-tuned as the others are. Raises ``ValueError`` on no sparsities, and as :func:`magnitude_masks`.
    """
    if not sparsities:
        raise ValueError("no sparsities are given: give at least one, for example 0.9")
    weights = trained.ensemble.hidden_weight
    masks = torch.cat([magnitude_masks(weights, sparsity) for sparsity in sparsities])
    times = len(sparsities)
    twins = [generator.clone_state() for _ in sparsities for generator in trained.generators]
    inputs, labels = trained.data.train_inputs.repeat(times, 1, 1), trained.data.train_labels.repeat(times, 1)
    tuned = ensembles.train(trained.ensemble.repeat(times), inputs, labels, fine_tuning, generators=twins, masks=masks)
    return tuned, masks


def random_masks(
    shape: Sequence[int], sparsity: float, *, generators: Sequence[Generator]
) -> Bool[Tensor, "networks hidden inputs"]:
    """Masks of that density at random places: what magnitude is held against. Raises as :func:`magnitude_masks`."""
    return magnitude_masks(torch.stack([torch.rand(*shape[1:], generator=each) for each in generators]), sparsity)


def boundary_distance(
    ensemble: Ensemble, inputs: Float[Tensor, "networks items inputs"], labels: Int[Tensor, "networks items"]
) -> Float[Tensor, " networks"]:
    r"""Mean distance of the inputs from the decision boundary to first order, negative where the label is wrong.

    .. math:: \frac{y_l - y_o}{\|\nabla_x (y_l - y_o)\|}

    with l the label and o the largest other output. Inputs where that gradient is zero have no such distance and are left
    out; it is NaN for a network with no other inputs.
    """
    guess = ensembles.outputs(ensemble, inputs)
    other = guess.scatter(2, labels[..., None], -torch.inf).argmax(-1)
    rows = torch.arange(len(labels))[:, None]
    contrast = ensemble.output_weight[rows, labels] - ensemble.output_weight[rows, other]  # [networks, items, hidden]
    active = ensembles.hidden_activations(ensemble, inputs) > 0
    slope = torch.bmm(contrast * active, ensemble.hidden_weight).norm(dim=-1)
    margin = guess.gather(2, labels[..., None]) - guess.gather(2, other[..., None])
    return torch.where(slope > 0, margin[..., 0] / slope, torch.nan).double().nanmean(-1)


def normalised_margin(
    ensemble: Ensemble, inputs: Float[Tensor, "networks items inputs"], labels: Int[Tensor, "networks items"]
) -> Float[Tensor, " networks"]:
    r"""Mean of the label's output less the largest other, over the length of all outputs: it has no scale of outputs in it.

    .. math:: (y_l - y_o) / \|y\|
    """
    guess = ensembles.outputs(ensemble, inputs)
    other = guess.scatter(2, labels[..., None], -torch.inf).amax(-1)
    margin = guess.gather(2, labels[..., None])[..., 0] - other
    return (margin / guess.norm(dim=-1).clamp_min(torch.finfo(guess.dtype).tiny)).double().mean(-1)


def evaluate(
    tuned: Ensemble,
    masks: Bool[Tensor, "all hidden inputs"],
    trained: ensembles.Trained,
    sparsities: Sequence[float],
    *,
    generator: Generator,
) -> pl.DataFrame:
    """Test accuracy of :func:`prune`'s networks under every condition: one row a sparsity, network and condition.

    Columns: ``sparsity, network, condition, accuracy``. All sparsities meet the same perturbed items and the same noise.
    """
    times, runs = len(sparsities), len(trained.generators)
    clean, labels = trained.data.test_inputs, trained.data.test_labels.repeat(times, 1)
    tested = {
        "clean": clean,
        "input noise 0.3": perturbations.noisy(clean, 0.3, generator=generator),
        "input noise 0.5": perturbations.noisy(clean, 0.5, generator=generator),
        "rotation 25°": perturbations.rotated(clean, 25.0),
        "occlusion": perturbations.occluded(clean, 4, generator=generator),
    }
    found = {name: ensembles.accuracy(tuned, inputs.repeat(times, 1, 1), labels) for name, inputs in tested.items()}
    shape = (times, runs, *tuned.hidden_weight.shape[1:])
    weights, of_weights = tuned.hidden_weight.view(shape), masks.view(shape)
    items = clean.repeat(times, 1, 1)
    for kind in get_args(perturbations.WeightNoise):
        draws = [
            perturbations.weight_noise(weights, of_weights, WEIGHT_NOISE, kind, generator=generator).flatten(0, 1)
            for _ in range(NOISE_DRAWS)
        ]
        noised = [ensembles.accuracy(tuned._replace(hidden_weight=each), items, labels) for each in draws]
        found[f"weight noise, {kind}"] = torch.stack(noised).mean(0)
    return pl.concat(_rows(sparsities, runs, "accuracy", name, values) for name, values in found.items())


def margins(tuned: Ensemble, trained: ensembles.Trained, sparsities: Sequence[float]) -> pl.DataFrame:
    """Margins of :func:`prune`'s networks on test items: ``sparsity, network, condition, margin`` (distance or normalised)."""
    times, runs = len(sparsities), len(trained.generators)
    inputs, labels = trained.data.test_inputs.repeat(times, 1, 1), trained.data.test_labels.repeat(times, 1)
    found = {
        "distance": boundary_distance(tuned, inputs, labels),
        "normalised": normalised_margin(tuned, inputs, labels),
    }
    return pl.concat(_rows(sparsities, runs, "margin", name, values) for name, values in found.items())


def _rows(sparsities: Sequence[float], runs: int, column: str, condition: str, values: Tensor) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "sparsity": [float(sparsity) for sparsity in sparsities for _ in range(runs)],
            "network": [*range(runs)] * len(sparsities), "condition": condition, column: values.numpy(),
        }
    )  # fmt: skip


def paired(measured: pl.DataFrame, column: str) -> pl.DataFrame:
    """Each network's value beside the one it has unpruned: ``cost`` (less than that) and ``ratio`` (over it).

    One row a sparsity above 0, network and condition. Raises ``ValueError`` where sparsity 0 was not measured.
    """
    unpruned = measured.filter(pl.col("sparsity") == 0).rename({column: "unpruned"}).drop("sparsity")
    if unpruned.is_empty():
        raise ValueError("sparsity 0 was not measured: add it, as costs are against the unpruned networks")
    pairs = measured.filter(pl.col("sparsity") > 0).join(unpruned, on=["network", "condition"], maintain_order="left")
    return pairs.with_columns(cost=pl.col("unpruned") - pl.col(column), ratio=pl.col(column) / pl.col("unpruned"))


def costs(accuracies: pl.DataFrame) -> pl.DataFrame:
    """:func:`paired` accuracies with the ``excess`` of every cost over the same network's cost on clean items."""
    pairs = paired(accuracies, "accuracy")
    clean = pl.col("cost").filter(pl.col("condition") == "clean").first().over("sparsity", "network")
    return pairs.with_columns(excess=pl.col("cost") - clean)


def summary(table: pl.DataFrame, column: str, by: Sequence[str]) -> pl.DataFrame:
    """Mean of ``column`` and its Student interval at level 0.99 over the networks: ``mean, low, high`` for each group.

    Raises ``ValueError`` on fewer than three networks in a group.
    """
    found = table.group_by(by, maintain_order=True).agg(
        mean=pl.col(column).mean(), sem=pl.col(column).std() / pl.len().sqrt(), networks=pl.len()
    )
    if found["networks"].min() < 3:
        raise ValueError(f"{found['networks'].min()} networks in a group: an interval of a mean needs at least 3")
    half = found["sem"] * stats.t.ppf((1 + LEVEL) / 2, found["networks"].to_numpy() - 1)
    return found.with_columns(low=pl.col("mean") - half, high=pl.col("mean") + half).drop("sem", "networks")


class Pruned(NamedTuple):
    """What :func:`experiment` trained and measured."""

    trained: ensembles.Trained  # before pruning
    accuracies: pl.DataFrame  # of :func:`evaluate`
    margins: pl.DataFrame  # of :func:`margins`


def fine_tuning(training: Training) -> Training:
    """As the training, for a third of its epochs."""
    return replace(training, epochs=max(1, training.epochs // 3))


def experiment(
    count: int, hidden: int, training: Training, sparsities: Sequence[float], *, generator: Generator
) -> Pruned:
    """Train ``count`` networks, prune them to sparsity 0 and to each of ``sparsities``, fine-tune, and test.

    Raises ``ValueError`` before any training on a sparsity that :func:`magnitude_masks` does not accept.
    """
    levels = sorted({0.0, *sparsities})
    for sparsity in levels:
        _kept(hidden * perturbations.SIDE**2, sparsity)
    trained = ensembles.digits(count, hidden, training, generator=generator)
    tuned, masks = prune(trained, levels, fine_tuning(training))
    return Pruned(
        trained, evaluate(tuned, masks, trained, levels, generator=generator), margins(tuned, trained, levels)
    )


def recipes(
    widths: Sequence[int], learning_rates: Sequence[float], count: int, sparsity: float, *, generator: Generator
) -> pl.DataFrame:
    """:func:`costs` at one sparsity for networks of other widths and learning rates: with columns ``hidden, learning_rate``."""
    tables = []
    for hidden, rate in itertools.product(widths, learning_rates):
        found = experiment(count, hidden, Training(learning_rate=rate), [sparsity], generator=generator)
        tables.append(costs(found.accuracies).with_columns(hidden=pl.lit(hidden), learning_rate=pl.lit(rate)))
    return pl.concat(tables)


def controls(pruned: Pruned, training: Training, sparsity: float) -> pl.DataFrame:
    """Accuracy on clean test items without the criterion, or without fine-tuning: ``weights_kept, fine_tuned, accuracy``.

    What :func:`experiment` has tuned is not tuned again. Raises ``ValueError`` on a sparsity that it did not measure.
    """
    start, data, generators = pruned.trained
    clean = pruned.accuracies.filter(pl.col("condition") == "clean")
    tuned = dict(clean.group_by("sparsity").agg(pl.col("accuracy").mean()).iter_rows())
    if sparsity not in tuned:
        raise ValueError(f"sparsity={sparsity} was not measured: give one of {', '.join(map(str, sorted(tuned)))}")
    random = random_masks(start.hidden_weight.shape, sparsity, generators=[each.clone_state() for each in generators])
    twins = [each.clone_state() for each in generators]
    of_random = ensembles.train(
        start, data.train_inputs, data.train_labels, fine_tuning(training), generators=twins, masks=random
    )

    def accuracy(network: Ensemble) -> float:
        return float(ensembles.accuracy(network, data.test_inputs, data.test_labels).mean())

    kept = {
        "all": (torch.ones_like(random), tuned[0.0]),
        "the largest": (magnitude_masks(start.hidden_weight, sparsity), tuned[sparsity]),
        "random ones": (random, accuracy(of_random)),
    }
    return pl.DataFrame(
        [
            {"weights_kept": name, "fine_tuned": tuning, "accuracy": found}
            for name, (masks, after) in kept.items()
            for tuning, found in (
                ("no", accuracy(start._replace(hidden_weight=start.hidden_weight * masks))),
                ("yes", after),
            )
        ]
    )
