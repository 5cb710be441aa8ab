r"""Indices of how separate codes are, held against what is forgotten: in a memory, and in a network of winners.

The inner product of two items' gradients is what a step on one changes of the other's loss to first order. It is taken here
by automatic differentiation; its parts and bounds are taken from codes, errors and inputs.
"""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from scipy import stats
from torch import Generator, Tensor, nn

from cls_toys import code_stability, codes, kwta, probes
from cls_toys.code_stability import Task
from cls_toys.kwta import DTYPE, Network


def gradients(network: Network, task: Task, learn: str = "both") -> Float[Tensor, "items weights"]:
    """The gradient of each item's loss by the weights that learn, by automatic differentiation with the winners held."""
    won = kwta.fire(network, task.inputs).won
    hidden, readout = (part.clone().requires_grad_() for part in network[:2])
    by = [part for part, other in ((hidden, "readout"), (readout, "hidden")) if learn != other]
    rows = []
    for item, label, on in zip(task.inputs, task.labels, won, strict=True):
        outputs = readout @ torch.where(on, hidden @ item, 0.0)
        loss = nn.functional.cross_entropy(outputs[None], label[None])
        rows.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, by)]))
    return torch.stack(rows)


def gradient_overlap(network: Network, written: Task, kept: Task, learn: str = "both") -> Float[Tensor, "written kept"]:
    r"""Inner products :math:`\langle g_i, g_j\rangle` of the gradients of all written with those of all kept items.

    To first order a step on item i with learning rate :math:`\eta` changes the loss of item j by :math:`-\eta` times that.
    Raises ``ValueError`` on tasks without items.
    """
    if not len(written.labels) or not len(kept.labels):
        raise ValueError(f"{len(written.labels)} items to write, {len(kept.labels)} to keep: give at least one of each")
    of_kept = gradients(network, kept, learn)
    parts = [
        gradients(network, Task(inputs, labels), learn) @ of_kept.mT
        for inputs, labels in zip(written.inputs.split(64), written.labels.split(64), strict=True)
    ]
    return torch.cat(parts)


def ever_smaller_steps(network: Network, written: Task, kept: Task, rates: Sequence[float]) -> pl.DataFrame:
    """One step on the first written item at each rate: the mean change of the kept items' loss, beside its first order.

    Only items count whose winners stay at the largest rate. Columns: ``step_size, inverse_step, loss_change,
    gradient_overlap``, the latter by automatic differentiation. Raises ``ValueError`` where the winners of every item change.
    """
    item = written.head(1)
    found = code_stability.pairs(network, item, kept, rate=max(rates))
    stay = torch.from_numpy((found["n_changed"] == 0).to_numpy())
    if not stay.any():
        raise ValueError(f"the winners of all {len(stay)} kept items change at rate {max(rates)}: give smaller rates")
    some = Task(kept.inputs[stay], kept.labels[stay])
    product = float(gradient_overlap(network, item, some).mean())
    rows = []
    for rate in rates:
        change = code_stability.effects(network, kwta.step(network, *item, rate), some)["loss_change"].mean()
        rows.append(
            {"step_size": rate, "inverse_step": 1 / rate, "loss_change": float(change), "gradient_overlap": product}
        )
    return pl.DataFrame(rows)


def kernel(network: Network, written: Task, kept: Task) -> pl.DataFrame:
    r"""What the gradient overlap of each pair is made of, and what bounds it: a row a pair, as :func:`code_stability.pairs`.

    Columns: ``overlap``; ``error_product``, ``code_product``, ``signed_input_product`` and ``backprop_product``, the inner
    products of the errors at the outputs, the codes, the inputs and the errors at the hidden units; ``output_error`` and ``other_error``, the
    lengths of the errors of the written and the kept item; ``shared_backprop`` and ``other_shared_backprop``, those of their errors at
    hidden units that the other one uses; ``code_height`` and ``other_code_height``, the largest entries of their codes; ``column_norm``, the largest length of a
    unit's readout weights.
    """
    new, old = code_stability.use(network, written), code_stability.use(network, kept)
    on_new, on_old = new.state.won.to(DTYPE), old.state.won.to(DTYPE)
    shape = (len(written.labels), len(kept.labels))
    columns = {
        "overlap": on_new @ on_old.mT,
        "error_product": new.errors.output @ old.errors.output.mT,
        "code_product": new.state.code @ old.state.code.mT,
        "signed_input_product": written.inputs @ kept.inputs.mT,
        "backprop_product": new.errors.hidden @ old.errors.hidden.mT,
        "output_error": new.errors.output.norm(dim=-1)[:, None].expand(shape),
        "other_error": old.errors.output.norm(dim=-1).expand(shape),
        "shared_backprop": (new.errors.hidden.square() @ on_old.mT).sqrt(),
        "other_shared_backprop": (on_new @ old.errors.hidden.square().mT).sqrt(),
        "code_height": new.state.code.abs().amax(-1)[:, None].expand(shape),
        "other_code_height": old.state.code.abs().amax(-1).expand(shape),
        "column_norm": network.readout.norm(dim=0).max().expand(shape),
    }
    return pl.DataFrame({name: values.flatten().numpy() for name, values in columns.items()})


def bounds(found: pl.DataFrame, learn: str = "both") -> pl.DataFrame:
    """The pairs of :func:`kernel` with their ``first_bound`` and ``second_bound`` on the size of the gradient overlap.

    With ``learn`` the ``readout`` alone, or the ``hidden`` weights alone, only that part of the gradients counts.
    """
    errors = pl.col("output_error") * pl.col("other_error")
    inputs = pl.col("signed_input_product").abs()
    heights = pl.col("code_height") * pl.col("other_code_height")
    of_readout, of_hidden = float(learn != "hidden"), float(learn != "readout")
    return found.with_columns(
        first_bound=of_readout * errors * pl.col("code_product").abs()
        + of_hidden * inputs * pl.col("shared_backprop") * pl.col("other_shared_backprop"),
        second_bound=errors
        * (of_readout * heights + of_hidden * inputs * pl.col("column_norm") ** 2)
        * pl.col("overlap"),
    )


def single_steps(network: Network, written: Task, kept: Task, *, rate: float, learn: str = "both") -> pl.DataFrame:
    """One step on each written item, measured at each kept one: :func:`code_stability.pairs` beside :func:`bounds`."""
    steps = code_stability.pairs(network, written, kept, rate=rate, learn=learn)
    parts = bounds(kernel(network, written, kept), learn)
    return steps.with_columns(parts.select([name for name in parts.columns if name not in steps.columns]))


def survey(
    code_sizes: Sequence[int], units: int, written: int, kept: int, *, rate: float, centred: bool, generator: Generator
) -> pl.DataFrame:
    """:func:`single_steps` in networks that have learnt digits 0 to 4, with the hidden weights ``learnt`` or ``frozen``.

    Further columns: ``code_size, inputs, hidden_layer``, and ``gradient_overlap`` by automatic differentiation, of all
    weights, or of the readout's alone where the hidden ones are frozen. Winners must be driven above zero. Raises as :func:`code_stability.survey`.
    """
    if not code_sizes:
        raise ValueError("0 code sizes: give at least one")
    old, new = code_stability.two_tasks(centred, generator=generator)
    old_part, new_part = old.head(kept), new.head(written)
    parts = []
    for active in code_sizes:
        for learn, name in (("both", "learnt"), ("readout", "frozen")):
            start = kwta.start(old.inputs, units, 10, active, positive=True, generator=generator)
            network = kwta.train(start, *old, rate=0.3, steps=120, learn=learn, generator=generator)
            overlap = gradient_overlap(network, new_part, old_part, learn)
            parts.append(
                single_steps(network, new_part, old_part, rate=rate, learn=learn).with_columns(
                    code_size=pl.lit(active),
                    inputs=pl.lit("centred" if centred else "raw"),
                    hidden_layer=pl.lit(name),
                    gradient_overlap=pl.Series(overlap.flatten().numpy()),
                )
            )
    return pl.concat(parts)


def cell(found: pl.DataFrame) -> dict[str, float]:
    """How well overlap and bounds foretell single steps.

    ``winners_change``, a share of the pairs; ``r2_stay`` and ``r2_all``, the share of the variance of the loss change that first order
    explains where winners stay, and everywhere; ``bound_agreement`` and ``overlap_agreement``, rank correlations of the loss
    change's size with the first bound and with the overlap; ``slack``, the median of first bound over gradient overlap;
    ``relative_overlap``, in winners; ``disjoint``, a share of the pairs.
    """
    stay = found.filter(pl.col("n_changed") == 0)
    size = found["loss_change"].abs().to_numpy()
    product = found["first_order"].abs() / found["step_size"]
    slack = (found["first_bound"] / product).filter(product > 0)
    return {
        "winners_change": float((found["n_changed"] > 0).mean()),
        "r2_stay": _explained(stay),
        "r2_all": _explained(found),
        "bound_agreement": float(stats.spearmanr(size, found["first_bound"]).statistic),
        "overlap_agreement": float(stats.spearmanr(size, found["overlap"]).statistic)
        if found["overlap"].n_unique() > 1
        else math.nan,
        "slack": float(slack.median()),
        "relative_overlap": float((found["overlap"] / found["n_won"]).mean()),
        "disjoint": float((found["overlap"] == 0).mean()),
    }


def _explained(found: pl.DataFrame) -> float:
    change = found["loss_change"]
    if len(found) < 3 or not change.var():
        return math.nan
    return float(1 - ((change - found["first_order"]) ** 2).sum() / ((change - change.mean()) ** 2).sum())


@torch.no_grad()
def two_in_sequence(
    code_size: int,
    units: int,
    networks: int,
    *,
    centred: bool,
    learn: str = "both",
    rate: float = 0.3,
    old_steps: int = 100,
    criterion: float = 0.9,
    most_steps: int = 400,
    items: int = 200,
    generator: Generator,
) -> pl.DataFrame:
    r"""Networks that learn the digits 0 to 4, and then the digits 5 to 9 up to a criterion: a row a network.

    Both are learnt by steps on 16 of them, with all weights or those that ``learn`` says; the new ones until the share ``criterion`` of ``items`` of them is
    labelled correctly, or for ``most_steps``; all is measured on ``items`` digits of either task. Winners must be driven above zero.

    Columns: ``network, code_size, inputs, learn``; of the codes before the new task, the mean ``square_cosine`` of old with new
    ones, ``relative_overlap``, ``treves_rolls``, ``hoyer``, ``participation`` and ``centred_participation`` (of unit codes);
    ``forgetting``, the rise of the old digits' mean loss, and ``old_accuracy``, among all ten labels, and ``aware_accuracy``, among the old five, after the new
    task; ``new_accuracy``; ``steps`` made; ``path``, the length of all steps added up; ``shared_path``, the same in the weights that an old digit used, on average;
    ``drift``, the share of its winners that an old digit has lost; ``item_agreement``, the rank correlation over old digits of the rise of their loss with their mean squared cosine to new ones.

    Raises ``ValueError`` on ``networks < 1`` and as :func:`cls_toys.kwta.start` and :func:`cls_toys.kwta.step`.
    """
    if networks < 1:
        raise ValueError(f"networks={networks}: train at least one network")
    old, new = code_stability.two_tasks(centred, generator=generator)
    stacked = [Task(task.inputs.expand(networks, -1, -1), task.labels.expand(networks, -1)) for task in (old, new)]
    start = kwta.start(stacked[0].inputs, units, 10, code_size, positive=True, generator=generator)
    before = kwta.train(start, *stacked[0], rate=rate, steps=old_steps, batch=16, learn=learn, generator=generator)
    first, second = (Task(task.inputs[:, :items], task.labels[:, :items]) for task in stacked)
    state, of_new = kwta.fire(before, first.inputs), kwta.fire(before, second.inputs)
    used = state.won.to(DTYPE)
    now, going = before, torch.ones(networks, dtype=torch.bool)
    steps, path, shared = torch.zeros(networks), torch.zeros(networks, dtype=DTYPE), torch.zeros(networks, dtype=DTYPE)
    for made in range(most_steps):
        if made % 10 == 0:
            going &= kwta.accuracy(now, second.inputs, second.labels) < criterion
            if not going.any():
                break
        then = kwta.step(now, *kwta.draw(*stacked[1], 16, generator=generator), rate, learn)
        keep = going[:, None, None]
        then = then._replace(
            hidden=torch.where(keep, then.hidden, now.hidden), readout=torch.where(keep, then.readout, now.readout)
        )
        squares = (then.readout - now.readout).square().sum(-2) + (then.hidden - now.hidden).square().sum(-1)
        path += squares.sum(-1).sqrt()
        shared += (used @ squares[..., None])[..., 0].sqrt().mean(-1)
        steps += going
        now = then
    after, news = kwta.fire(now, first.inputs), kwta.fire(now, second.inputs)
    rise = kwta.losses(after.outputs, first.labels) - kwta.losses(state.outputs, first.labels)
    cosines = unit(state.code) @ unit(of_new.code).mT
    counts = used @ of_new.won.to(DTYPE).mT / used.sum(-1, keepdim=True).clamp_min(1)
    rows = []
    for place in range(networks):
        mean_cosine = cosines[place].square().mean(-1)
        code = torch.cat((state.code[place], of_new.code[place]))
        rows.append(
            {
                "network": place, "code_size": code_size, "inputs": "centred" if centred else "raw", "learn": learn,
                "square_cosine": float(mean_cosine.mean()), "relative_overlap": float(counts[place].mean()),
                **indices(code),
                "forgetting": float(rise[place].mean()),
                "old_accuracy": float((after.outputs[place].argmax(-1) == first.labels[place]).double().mean()),
                "aware_accuracy": float((after.outputs[place, :, :5].argmax(-1) == first.labels[place]).double().mean()),
                "new_accuracy": float((news.outputs[place].argmax(-1) == second.labels[place]).double().mean()),
                "steps": int(steps[place]), "path": float(path[place]), "shared_path": float(shared[place]),
                "drift": float((state.won[place] & ~after.won[place]).sum() / state.won[place].sum()),
                "item_agreement": float(stats.spearmanr(rise[place], mean_cosine).statistic),
            }
        )  # fmt: skip
    return pl.DataFrame(rows)


def unit(code: Float[Tensor, "*items units"]) -> Float[Tensor, "*items units"]:
    """The codes, scaled to length 1; a zero code stays zero."""
    return nn.functional.normalize(code, dim=-1)


def indices(code: Float[Tensor, "items units"]) -> dict[str, float]:
    """Indices of a set of codes: mean ``treves_rolls`` and ``hoyer``, and both kinds of participation ratio of unit codes."""
    some = code[code.abs().amax(-1) > 0]
    return {
        "treves_rolls": float(probes.treves_rolls(some).mean()),
        "hoyer": float(probes.hoyer(some).mean()),
        "participation": probes.participation_ratio(unit(some), centred=False),
        "centred_participation": probes.participation_ratio(unit(some), centred=True),
    }


def crowded(sizes: Sequence[tuple[int, int]], sets: int, *, generator: Generator) -> pl.DataFrame:
    """Random Gaussian codes, ``sets`` times for each pair of items and units: ``n_items, dim, mean_square_cosine``.

    Raises ``ValueError`` on ``sets < 1`` and fewer than two items or one unit.
    """
    if sets < 1 or any(items < 2 or units < 1 for items, units in sizes):
        raise ValueError(f"sets={sets}, sizes={list(sizes)}: draw at least one set, of two or more items and a unit")
    parts = []
    for items, units in sizes:
        code = unit(torch.randn(sets, items, units, generator=generator, dtype=DTYPE))
        moment = (
            code.mT @ code
        )  # its squared entries add up to the squared cosines of all pairs, an item with itself included
        mean = (moment.square().sum((-2, -1)) - items) / (items * (items - 1))
        parts.append(
            pl.DataFrame({"mean_square_cosine": mean.numpy()}).with_columns(n_items=pl.lit(items), dim=pl.lit(units))
        )
    return pl.concat(parts)


def permuted(
    code: Float[Tensor, " units"], other: Float[Tensor, " units"], trials: int, *, generator: Generator
) -> Float[Tensor, " trials"]:
    """Cosines of a code with random permutations of another one. Raises ``ValueError`` on ``trials < 1`` and zero codes."""
    if trials < 1 or not code.any() or not other.any():
        raise ValueError(f"trials={trials}: draw at least one permutation, of codes that are not zero")
    order = torch.rand(trials, len(code), generator=generator).argsort(-1)
    return unit(other)[order] @ unit(code)


def graded(units: int, *, generator: Generator) -> dict[str, Float[Tensor, "2 units"]]:
    """Pairs of codes of several kinds: few equal ones, exponential and heavy-tailed activities, and signed ones."""
    draw = torch.rand(3, 2, units, generator=generator, dtype=DTYPE).clamp_min(1e-12)
    few = torch.stack(
        [(each.argsort() < size).to(DTYPE) for each, size in zip(draw[0], (units // 4, units // 2), strict=True)]
    )
    return {
        "binary": few,
        "exponential": -draw[1].log(),
        "heavy-tailed": (-draw[2].log()) ** 3,
        "signed": torch.randn(2, units, generator=generator, dtype=DTYPE),
    }


def families(
    items: int, units: int, code_size: int, *, generator: Generator
) -> dict[str, Float[Tensor, "items units"]]:
    """Sets of codes that indices of separation judge differently: sparse and dense, random, designed, shifted, and all alike.

    Raises ``ValueError`` unless ``2 <= items <= units`` (the orthogonal codes need as many units), and as :func:`codes.random`.
    """
    if not 2 <= items <= units:
        raise ValueError(f"items={items}, units={units}: give 2 <= items <= units")
    sparse = codes.random(items, units, code_size, generator=generator).dense()
    dense = torch.randn(items, units, generator=generator, dtype=DTYPE)
    return {
        "sparse, random": sparse,
        "sparse, all alike": sparse[:1].expand(items, -1),
        "dense, random": dense,
        "dense, shifted": dense + 2,
        "dense, orthogonal": torch.linalg.qr(dense.mT).Q.mT,
    }


def overwritten(code: Float[Tensor, "items units"], targets: int, *, generator: Generator) -> float:
    """Mean squared error of all items, where 1 is that of an empty memory, after one delta-rule write at each in turn.

    The memory is linear, the values are random signs, ``targets`` of them an item. Raises ``ValueError`` on ``targets < 1``.
    """
    if targets < 1:
        raise ValueError(f"targets={targets}: give each item at least one value")
    store = torch.zeros(code.shape[-1], targets, dtype=DTYPE)
    values = torch.randint(2, (len(code), targets), generator=generator).to(DTYPE) * 2 - 1
    for key, value in zip(code, values, strict=True):
        store = store + torch.outer(key, value - key @ store) / key.square().sum()
    return float((code @ store - values).square().mean())


def index_table(items: int, units: int, code_size: int, *, targets: int = 200, generator: Generator) -> pl.DataFrame:
    """Each of the :func:`families` with its indices, and with what is forgotten of them by :func:`overwritten`.

    Columns: ``codes, activity, treves_rolls, hoyer, participation, centred_participation, square_cosine, forgetting``.
    """
    rows = [
        {
            "codes": name,
            "activity": float((code != 0).double().mean()),
            **indices(code),
            "square_cosine": probes.mean_square_cosine(code),
            "forgetting": overwritten(code, targets, generator=generator),
        }
        for name, code in families(items, units, code_size, generator=generator).items()
    ]
    return pl.DataFrame(rows)


def shifted(items: int, units: int, shifts: Sequence[float], *, generator: Generator) -> pl.DataFrame:
    """Random dense codes with a constant added: ``shift``, both participation ratios of the codes, and ``square_cosine``.

    The centred ratio is that of the codes as they are: a constant leaves it alone. The other one is of the codes at unit length.
    """
    dense = torch.randn(items, units, generator=generator, dtype=DTYPE)
    rows = [
        {
            "shift": shift,
            "participation": probes.participation_ratio(unit(dense + shift), centred=False),
            "centred_participation": probes.participation_ratio(dense + shift, centred=True),
            "square_cosine": probes.mean_square_cosine(dense + shift),
        }
        for shift in shifts
    ]
    return pl.DataFrame(rows)


def sequences(
    code_sizes: Sequence[int], units: int, networks: int, *, most_steps: int, generator: Generator
) -> pl.DataFrame:
    """:func:`two_in_sequence` for each code size, with raw and centred inputs, hidden weights learnt and frozen."""
    return pl.concat(
        two_in_sequence(
            size, units, networks, centred=centred, learn=learn, most_steps=most_steps, generator=generator
        ).with_columns(hidden_layer=pl.lit("learnt" if learn == "both" else "frozen"))
        for centred in (False, True)
        for learn in ("both", "readout")
        for size in code_sizes
    )


def across(found: pl.DataFrame, index: str) -> pl.DataFrame:
    """Rank correlation of forgetting with an index, across the networks of each number, one for each code size.

    Columns: ``inputs, hidden_layer, network, correlation``. Raises ``ValueError`` with fewer than three code sizes.
    """
    if found["code_size"].n_unique() < 3:
        raise ValueError(f"{found['code_size'].n_unique()} code sizes: a rank correlation needs at least three")
    return found.group_by("inputs", "hidden_layer", "network", maintain_order=True).agg(
        correlation=pl.corr("forgetting", index, method="spearman")
    )


def start_codes(task: Task, units: int, code_size: int, *, generator: Generator) -> Float[Tensor, "items units"]:
    """The codes of the task's items in a network of winners with random weights. Raises as :func:`cls_toys.kwta.start`."""
    network = kwta.start(task.inputs, units, 1, code_size, positive=True, generator=generator)
    return kwta.fire(network, task.inputs).code


def by_chance(code: Float[Tensor, "items units"], *, generator: Generator) -> float:
    """Mean squared cosine over pairs of items once each item's units are permuted at random: same activities, other places."""
    order = torch.rand(code.shape, generator=generator).argsort(-1)
    return probes.mean_square_cosine(code.gather(-1, order))


def counted(pairs: int, units: int, code_sizes: Sequence[int], *, generator: Generator) -> pl.DataFrame:
    """Overlap and Jaccard index of random pairs of codes, counted unit by unit: ``code_size, overlap, jaccard``."""
    rows = []
    for size in code_sizes:
        one, two = (codes.random(pairs, units, size, generator=generator).dense(torch.bool) for _ in range(2))
        shared, either = (one & two).sum(-1), (one | two).sum(-1)
        rows.append(
            pl.DataFrame({"overlap": shared.numpy(), "jaccard": (shared.double() / either).numpy()}).with_columns(
                code_size=pl.lit(size)
            )
        )
    return pl.concat(rows)


def cells(found: pl.DataFrame) -> pl.DataFrame:
    """:func:`cell` of each kind of network in a :func:`survey`."""
    kinds = found.group_by("inputs", "hidden_layer", "code_size", maintain_order=True)
    return pl.DataFrame(
        [
            dict(zip(("inputs", "hidden_layer", "code_size"), kind, strict=True)) | cell(of_kind)
            for kind, of_kind in kinds
        ]
    )


def kept_accuracy(found: pl.DataFrame) -> dict[str, Float[np.ndarray, "code_sizes networks"]]:
    """Of :func:`sequences`, the old accuracy that is left, by the kind of inputs, where all weights learn."""
    learnt = found.filter(pl.col("hidden_layer") == "learnt")
    return {
        kind: np.stack(
            [each["old_accuracy"].to_numpy() for each in of_kind.partition_by("code_size", maintain_order=True)]
        )
        for (kind,), of_kind in learnt.group_by("inputs", maintain_order=True)
    }


def gaps(found: pl.DataFrame) -> pl.DataFrame:
    """Of :func:`sequences`, the networks with the fewest winners less those with the most.

    Columns: ``inputs, hidden_layer, network, forgetting_gap, cosine_gap``. Raises ``ValueError`` with fewer than two code sizes.
    """
    if found["code_size"].n_unique() < 2:
        raise ValueError(f"{found['code_size'].n_unique()} code sizes: a gap needs at least two")
    few, many = (pl.col("code_size") == found["code_size"].min(), pl.col("code_size") == found["code_size"].max())
    gap = {"forgetting_gap": pl.col("forgetting"), "cosine_gap": pl.col("square_cosine")}
    return found.group_by("inputs", "hidden_layer", "network", maintain_order=True).agg(
        **{name: value.filter(few).first() - value.filter(many).first() for name, value in gap.items()}
    )
