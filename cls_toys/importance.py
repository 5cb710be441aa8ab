r"""Which hidden units matter: how active a unit is, and what breaks when it is taken away.

Unit j with activity :math:`h_j(x)` is taken away by *silencing* it, :math:`h_j \to 0`, or by holding it at its mean,
:math:`h_j \to \bar h_j`, which leaves what it does on average and takes away what it says about the input. The damage is the
rise of the loss (or the loss of accuracy), averaged over the items.
"""

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cls_toys.ensembles import Ensemble, hidden_activations

ABLATIONS = ("silenced", "held at its mean")


def ablate(
    hidden: Float[Tensor, "items hidden"],
    readout: Float[Tensor, "outputs hidden"],
    bias: Float[Tensor, " outputs"],
    instead: Float[Tensor, " hidden"],
) -> Float[Tensor, "hidden items outputs"]:
    r"""Outputs with each unit in turn held at its value ``instead``, all others as they are.

    .. math:: y^{(j)}(x) = y(x) - (h_j(x) - a_j) V_j

    Raises ``ValueError`` on activations that are not finite, or of no items or units, and on a readout, a bias or values of
    another shape.
    """
    if 0 in hidden.shape or not torch.isfinite(hidden).all():
        raise ValueError(f"activities have shape {tuple(hidden.shape)}: give at least one item and unit, all finite")
    if readout.shape != (len(bias), hidden.shape[1]) or instead.shape != hidden.shape[1:]:
        raise ValueError(
            f"readout {tuple(readout.shape)}, bias {tuple(bias.shape)}, values {tuple(instead.shape)} of {hidden.shape[1]} "
            "units: give one column of the readout and one value a unit, one bias an output"
        )
    change = (hidden - instead).mT[..., None] * readout.mT[:, None]  # [hidden, items, outputs]
    return hidden @ readout.mT + bias - change


def damage(
    guesses: Float[Tensor, "hidden items outputs"],
    intact: Float[Tensor, "items outputs"],
    labels: Int[Tensor, " items"],
) -> tuple[Float[Tensor, " hidden"], Float[Tensor, " hidden"]]:
    """Rise of the mean cross-entropy, and loss of accuracy, of each row of ``guesses`` against the intact outputs.

    Raises ``ValueError`` where there is not one label an item, of at least one, or a label is no index of an output.
    """
    if guesses.shape[1:] != intact.shape or labels.shape != intact.shape[:1] or not len(labels):
        raise ValueError(
            f"guesses {tuple(guesses.shape)}, intact {tuple(intact.shape)}, labels {tuple(labels.shape)}: give at least one "
            "item, and one label each"
        )
    if labels.min() < 0 or labels.max() >= intact.shape[1]:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}: give 0 to {intact.shape[1] - 1}")
    rows = torch.cat((intact[None], guesses))
    losses = nn.functional.cross_entropy(
        rows.flatten(0, 1), labels.repeat(len(rows)).long(), reduction="none"
    ).unflatten(0, rows.shape[:2])
    mean, right = losses.mean(-1), (rows.argmax(-1) == labels).double().mean(-1)
    return mean[1:] - mean[0], right[0] - right[1:]


def units(
    ensemble: Ensemble,
    inputs: Float[Tensor, "networks items inputs"],
    labels: Int[Tensor, "networks items"],
) -> pl.DataFrame:
    """One row a network, unit and ablation: ``network, unit, activity, spread, outgoing, ablation, loss, accuracy``.

    ``activity`` is a unit's mean over the items, ``spread`` its standard deviation, ``outgoing`` the norm of its weights to
    the outputs; ``loss`` and ``accuracy`` are the damage. Units that no item activates are left out: all their values
    are 0, and ties of zeros would pass for agreement.
    """
    tables = []
    activities = hidden_activations(ensemble, inputs).double()
    for network, (hidden, of_items) in enumerate(zip(activities, labels, strict=True)):
        live = (hidden > 0).any(0)
        hidden, readout = hidden[:, live], ensemble.output_weight[network].double()[:, live]
        bias = ensemble.output_bias[network].double()
        intact = hidden @ readout.mT + bias
        mean = hidden.mean(0)
        common = {
            "network": network, "unit": live.nonzero()[:, 0].numpy(), "activity": mean.numpy(),
            "spread": hidden.std(0, correction=0).numpy(), "outgoing": readout.norm(dim=0).numpy(),
        }  # fmt: skip
        for ablation, instead in zip(ABLATIONS, (torch.zeros_like(mean), mean), strict=True):
            loss, accuracy = damage(ablate(hidden, readout, bias, instead), intact, of_items)
            found = {"ablation": ablation, "loss": loss.numpy(), "accuracy": accuracy.numpy()}
            tables.append(pl.DataFrame(common | found))
    return pl.concat(tables)


def agreement(measured: pl.DataFrame, guess: str) -> pl.DataFrame:
    """Spearman's rank correlation of column ``guess`` with the rise of the loss: ``network, ablation, guess, correlation``.

    One row a network and ablation of :func:`units`' table. Raises ``ValueError`` where a network has fewer than three live
    units: two cannot be ranked to any purpose.
    """
    found = measured.group_by("network", "ablation", maintain_order=True).agg(
        units=pl.len(), correlation=pl.corr(pl.col(guess).rank(), pl.col("loss").rank())
    )
    if found["units"].min() < 3:
        raise ValueError(f"a network has {found['units'].min()} live units: give wider networks, at least 3 units live")
    return found.select("network", "ablation", pl.lit(guess).alias("guess"), "correlation")


def agreements(
    ensemble: Ensemble,
    inputs: Float[Tensor, "networks items inputs"],
    labels: Int[Tensor, "networks items"],
) -> pl.DataFrame:
    """:func:`agreement` with the rise of the loss, of several guesses at it, one of them the damage on other items.

    Guesses are the ``activity``, ``spread`` and ``outgoing`` of :func:`units`, and ``other half``: the damage on the first half
    of the items, as a guess at the damage on the second. What no guess agrees with may be noise; what the other half agrees
    with is not.
    """
    measured = units(ensemble, inputs, labels)
    middle = labels.shape[1] // 2
    of_unit = ["network", "unit", "ablation"]
    first, second = (
        units(ensemble, inputs[:, half], labels[:, half]).select(*of_unit, "loss")
        for half in (slice(middle), slice(middle, None))
    )
    halves = second.join(first.rename({"loss": "other half"}), on=of_unit, maintain_order="left")
    guesses = [agreement(measured, guess) for guess in ("activity", "spread", "outgoing")]
    return pl.concat([*guesses, agreement(halves, "other half")])
