r"""What a step on one item does to another one's loss in a network of few winners, and whether the winners stay.

Quantities are named as in the book: a step changes W by D and V by E, and item j, with the winners S, uses the columns of
W and the rows of V that belong to S. Everything is measured by making the step and running the network again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from cls_toys import kwta, tasks
from cls_toys.kwta import Network


class Task(NamedTuple):
    """Items of one task: inputs and labels."""

    inputs: Float[Tensor, "items inputs"]
    labels: Int[Tensor, " items"]

    def head(self, count: int) -> "Task":
        """The first items."""
        return Task(self.inputs[:count], self.labels[:count])


def two_tasks(centred: bool, *, generator: Generator) -> tuple[Task, Task]:
    """The digits 0 to 4 and the digits 5 to 9, in random order; ``centred``, less the mean image of the first task."""
    split = tasks.digits(generator=generator, dtype=kwta.DTYPE)
    inputs = torch.cat((split.train_inputs, split.test_inputs))
    labels = torch.cat((split.train_labels, split.test_labels))
    first = labels < 5
    mean = inputs[first].mean(0) if centred else 0.0
    return Task(inputs[first] - mean, labels[first]), Task(inputs[~first] - mean, labels[~first])


def trained(
    task: Task,
    units: int,
    active: int,
    *,
    positive: bool = False,
    rate: float = 0.3,
    steps: int = 150,
    generator: Generator,
) -> Network:
    """A network that has learnt the task. Raises as :func:`cls_toys.kwta.start` and :func:`cls_toys.kwta.train`."""
    network = kwta.start(task.inputs, units, 10, active, positive=positive, generator=generator)
    return kwta.train(network, *task, rate=rate, steps=steps, generator=generator)


class Used(NamedTuple):
    """What of a network each item uses: its state and errors, and the largest singular value of its winners' readout."""

    state: kwta.State
    errors: kwta.Errors
    readout_norm: Float[Tensor, " items"]


def use(network: Network, task: Task) -> Used:
    """What of the network each item of the task uses."""
    state = kwta.fire(network, task.inputs)
    grams = torch.einsum("ah,nh,bh->nab", network.readout, state.won.to(network.readout.dtype), network.readout)
    norm = torch.linalg.eigvalsh(grams)[:, -1].clamp_min(0).sqrt()
    return Used(state, kwta.errors(network, state, task.labels), norm)


def effects(
    before: Network, after: Network, kept: Task, used: "Used | None" = None
) -> dict[str, Float[Tensor, " items"]]:
    r"""What the change from ``before`` to ``after`` does to each kept item.

    ``loss_change``; ``first_order``, the change along the gradient; ``shared_step``, the length of the change in the weights
    that the item uses, and ``item_gradient``, that of its gradient; ``smoothness``, a bound on the second derivative of its
    loss along the step, per squared length, while the winners stay:

    .. math:: \beta = \tfrac12\big[(\|z\| + \|E x\|)^2 + (\|W\| + \|D\|)^2 \|x\|^2\big] + \sqrt2\, \|x\|

    with W, D and E restricted to the item's winners (what stems from a layer that does not move is left out);
    ``n_changed``, how many units entered or left the winners; ``margin`` and ``new_margin``, that between the old winners
    and losers after the change; ``winner_drop`` and ``loser_rise``, the largest by which a winner's drive fell and a loser's
    rose; ``least_winner``, the least drive of a winner.
    """
    used = use(before, kept) if used is None else used
    state, errors, weight = used
    then = kwta.fire(after, kept.inputs)
    readout, hidden = after.readout - before.readout, after.hidden - before.hidden
    won = state.won.to(readout.dtype)
    output, at_units = errors
    drift = then.drive - state.drive
    first = ((output @ readout) * state.code).sum(-1) + (at_units * drift).sum(-1)
    squares = kept.inputs.square().sum(-1)
    of_readout, of_hidden = won @ readout.square().sum(-2), won @ hidden.square().sum(-1)
    gradient = output.square().sum(-1) * state.code.square().sum(-1) + at_units.square().sum(-1) * squares
    return {
        "loss_change": kwta.losses(then.outputs, kept.labels) - kwta.losses(state.outputs, kept.labels),
        "first_order": first,
        "shared_step": (of_readout + of_hidden).sqrt(),
        "item_gradient": gradient.sqrt(),
        "smoothness": _smoothness(weight, state, won, of_readout, drift, squares),
        "n_changed": (then.won ^ state.won).sum(-1).to(readout.dtype),
        "margin": kwta.margins(state, before.active),
        "new_margin": kwta.margins(state._replace(drive=then.drive), before.active),
        "winner_drop": torch.where(state.won, -drift, 0.0).amax(-1).clamp_min(0),
        "loser_rise": torch.where(state.won, 0.0, drift).amax(-1).clamp_min(0),
        "least_winner": state.drive.masked_fill(~state.won, torch.inf).amin(-1),
        "n_won": won.sum(-1),
    }


def _smoothness(
    weight: Tensor, state: kwta.State, won: Tensor, of_readout: Tensor, drift: Tensor, squares: Tensor
) -> Float[Tensor, " items"]:
    """A bound on the second derivative along the step; the derivation is that of the claim ``masked-forgetting``."""
    moved = (drift * won).norm(dim=-1)
    by_readout = (state.code.norm(dim=-1) + moved).square() / 2
    by_hidden = (weight + of_readout.sqrt()).square() * squares / 2
    if not (of_readout > 0).any():
        return by_hidden
    if not (moved > 0).any():
        return by_readout
    return by_readout + by_hidden + (2 * squares).sqrt()


def pairs(network: Network, written: Task, kept: Task, *, rate: float, learn: str = "both") -> pl.DataFrame:
    """One step of gradient descent on each written item by itself, and what it does to each kept item: a row a pair.

    Columns of :func:`effects`, and ``written``, ``kept``, ``overlap`` (winners the two share), ``input_product`` (of their
    inputs, absolute), ``code_product`` and ``error_product`` (of their codes, and of their errors at the outputs),
    ``output_error`` and ``backprop`` (of the written item: the length of its error at the outputs, its largest one at a
    hidden unit) and ``step_size``. Raises as :func:`cls_toys.kwta.step`, and on tasks without items.
    """
    if not len(written.labels) or not len(kept.labels):
        raise ValueError(f"{len(written.labels)} items to write, {len(kept.labels)} to keep: give at least one of each")
    used, source = use(network, kept), use(network, written)
    of_pair = {
        "overlap": source.state.won.double() @ used.state.won.double().mT,
        "input_product": (written.inputs @ kept.inputs.mT).abs(),
        "code_product": source.state.code @ used.state.code.mT,
        "error_product": source.errors.output @ used.errors.output.mT,
    }
    of_written = {
        "written": torch.arange(len(written.labels)),
        "output_error": source.errors.output.norm(dim=-1),
        "backprop": source.errors.hidden.abs().amax(-1),
        "step_size": torch.full(written.labels.shape, rate, dtype=kwta.DTYPE),
    }
    count = len(kept.labels)
    parts: list[dict[str, Tensor]] = []
    for item in range(len(written.labels)):
        after = kwta.step(network, written.inputs[item][None], written.labels[item][None], rate, learn)
        parts.append(
            {name: values[item].expand(count) for name, values in of_written.items()}
            | {"kept": torch.arange(count)}
            | {name: values[item] for name, values in of_pair.items()}
            | effects(network, after, kept, used)
        )
    return pl.DataFrame({name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]})


def survey(
    code_sizes: Sequence[int],
    units: int,
    written: int,
    kept: int,
    *,
    rate: float,
    learns: Sequence[str] = ("both",),
    centred: bool = True,
    generator: Generator,
) -> pl.DataFrame:
    """:func:`pairs` in a network for each number of winners, which has learnt digits 0 to 4 and keeps the first ``kept``.

    Steps on the first ``written`` of the digits 5 to 9. Further columns: ``code_size``, ``learn`` and ``inputs``, which are
    ``centred`` or ``raw``. Raises as :func:`cls_toys.kwta.start`, and on no code sizes or nothing that learns.
    """
    if not code_sizes or not learns:
        raise ValueError(f"{len(code_sizes)} code sizes, {len(learns)} kinds of learning: give at least one of each")
    old, new = two_tasks(centred, generator=generator)
    parts = []
    for active in code_sizes:
        network = trained(old, units, active, generator=generator)
        for learn in learns:
            found = pairs(network, new.head(written), old.head(kept), rate=rate, learn=learn)
            labels = {"code_size": active, "learn": learn, "inputs": "centred" if centred else "raw"}
            parts.append(found.with_columns(**{name: pl.lit(value) for name, value in labels.items()}))
    return pl.concat(parts)


def undecided(units: int, active: int, items: int, *, generator: Generator) -> tuple[Network, Task, Task]:
    """A network that gives every item the probability 1/2 for either of two classes, and random items of each class."""
    inputs = torch.randn(2, items, units // 2 + 1, generator=generator, dtype=kwta.DTYPE)
    network = kwta.start(inputs.flatten(0, 1), units, 2, active, generator=generator)
    tasks_ = (Task(of_class, torch.full((items,), label)) for label, of_class in enumerate(inputs))
    return network._replace(readout=torch.zeros_like(network.readout)), *tasks_


def jumps(
    network: Network, written: Task, kept: Task, *, rate: float, learn: str = "both", halvings: int = 50
) -> pl.DataFrame:
    """Where, along one step on a written item, the winners of a kept one change for the first time found, and the jump there.

    The place is bisected between the start and the end of the step, for every pair whose winners differ between the two.
    Columns: ``written``, ``kept``, ``at`` (share of the step), ``n_changed`` there, ``loss_jump``, ``tied_drive`` (of the unit that leaves, in size),
    ``readout_gap`` (distance of the readout weights of the one that leaves and the one that enters; NaN where more than one
    does either). Raises as :func:`cls_toys.kwta.step`.
    """
    state = kwta.fire(network, kept.inputs)
    rows: list[pl.DataFrame] = []
    for item in range(len(written.labels)):
        after = kwta.step(network, written.inputs[item][None], written.labels[item][None], rate, learn)
        drift = kept.inputs @ (after.hidden - network.hidden).mT
        changed = (kwta.win(network, state.drive + drift) ^ state.won).any(-1).nonzero()[:, 0]
        drive, drift, won, labels = state.drive[changed], drift[changed], state.won[changed], kept.labels[changed]
        low, high = torch.zeros(len(changed), dtype=drive.dtype), torch.ones(len(changed), dtype=drive.dtype)
        for _ in range(halvings):
            middle = (low + high) / 2
            same = (kwta.win(network, drive + middle[:, None] * drift) == won).all(-1)
            low, high = torch.where(same, middle, low), torch.where(same, high, middle)
        before, behind = (drive + at[:, None] * drift for at in (low, high))
        entered = kwta.win(network, behind)
        readout = network.readout + high[:, None, None] * (after.readout - network.readout)
        outputs = [torch.einsum("nah,nh->na", readout, each * on) for each, on in ((before, won), (behind, entered))]
        jump = kwta.losses(outputs[1], labels) - kwta.losses(outputs[0], labels)
        out, into = (won & ~entered).double(), (entered & ~won).double()
        gap = torch.einsum("nah,nh->na", readout, into - out).norm(dim=-1)
        several = (out.sum(-1) != 1) | (into.sum(-1) != 1)
        rows.append(
            pl.DataFrame(
                {
                    "written": torch.full_like(changed, item).numpy(),
                    "kept": changed.numpy(),
                    "at": high.numpy(),
                    "n_changed": (won ^ entered).sum(-1).numpy(),
                    "loss_jump": jump.abs().numpy(),
                    "tied_drive": (before * out).abs().amax(-1).numpy(),
                    "readout_gap": torch.where(several, torch.nan, gap).numpy(),
                }
            )
        )
    return pl.concat(rows)


def with_bias(network: Network, written: Task, kept: Task, *, rate: float) -> pl.DataFrame:
    """As :func:`pairs` with a readout that has a bias, 0 so far, and learns alone: ``written, kept, overlap, loss_change``."""
    used, source = use(network, kept), use(network, written)
    shared = source.state.won.double() @ used.state.won.double().mT
    parts = []
    for item, error in enumerate(source.errors.output):
        pull = 1 + used.state.code @ source.state.code[item]  # the bias is a unit that is always on
        change = kwta.losses(used.state.outputs - rate * pull[:, None] * error, kept.labels) - kwta.losses(
            used.state.outputs, kept.labels
        )
        parts.append(
            {
                "written": item,
                "kept": range(len(kept.labels)),
                "overlap": shared[item].numpy(),
                "loss_change": change.numpy(),
            }
        )
    return pl.concat(map(pl.DataFrame, parts))


def along(
    network: Network, written: Task, kept: Task, pair: tuple[int, int], *, rate: float, points: int = 250
) -> pl.DataFrame:
    """The loss of one kept item along a step on one written item, both given by their places.

    Columns: ``at`` (share of the step, from 0 to 1), ``loss``, ``n_changed`` (units that have entered or left its winners),
    and ``first_order``, the loss along the gradient.
    """
    item, other = pair
    of_kept = Task(kept.inputs[other][None], kept.labels[other][None])
    after = kwta.step(network, written.inputs[item][None], written.labels[item][None], rate)
    start = kwta.losses(kwta.fire(network, of_kept.inputs).outputs, of_kept.labels)
    slope = effects(network, after, of_kept)["first_order"]
    rows = []
    for at in torch.linspace(0, 1, points, dtype=kwta.DTYPE).tolist():
        there = network._replace(
            hidden=network.hidden + at * (after.hidden - network.hidden),
            readout=network.readout + at * (after.readout - network.readout),
        )
        found = effects(network, there, of_kept)
        rows.append(
            {
                "at": at,
                "loss": float(start + found["loss_change"]),
                "n_changed": int(found["n_changed"]),
                "first_order": float(start + at * slope),
            }
        )
    return pl.DataFrame(rows)


def by_activity(found: pl.DataFrame) -> pl.DataFrame:
    """Of pairs with a column ``code_size``: a row a size, with what decides whether the winners of an item stay.

    Columns: ``code_size``, the medians of ``margin`` and of ``moves`` (fall and rise together), and the shares of pairs that
    are ``disjoint``, whose winners are ``unchanged``, that are ``certified`` by their margin, and ``untouched``, that is whose loss stays exactly the same.
    """
    moves = pl.col("winner_drop") + pl.col("loser_rise")
    return found.group_by("code_size", maintain_order=True).agg(
        margin=pl.col("margin").median(),
        moves=moves.median(),
        disjoint=(pl.col("overlap") == 0).mean(),
        unchanged=(pl.col("n_changed") == 0).mean(),
        certified=(moves < pl.col("margin")).mean(),
        untouched=(pl.col("loss_change") == 0).mean(),
    )


def worst_disjoint(found: pl.DataFrame) -> tuple[int, int]:
    """The places ``(written, kept)`` of the pair without a common winner whose kept item loses most.

    Raises ``ValueError`` where every pair has one.
    """
    apart = found.filter(pl.col("overlap") == 0).sort("loss_change", descending=True)
    if not len(apart):
        raise ValueError(f"all {len(found)} pairs share a winner: take fewer winners, more units, or centred inputs")
    return apart["written"][0], apart["kept"][0]


def margins_beside(network: Network, task: Task) -> pl.DataFrame:
    """The median margin of a network's winners: ``code_size``, ``median_margin``, and ``drive_sd``.

    Margins are divided by the standard deviation of the drive over the units, taken item by item, whose mean is ``drive_sd``.
    """
    state = kwta.fire(network, task.inputs)
    spread = state.drive.std(-1)
    median = (kwta.margins(state, network.active) / spread).median()
    return pl.DataFrame(
        {"code_size": [network.active], "median_margin": [float(median)], "drive_sd": [float(spread.mean())]}
    )
