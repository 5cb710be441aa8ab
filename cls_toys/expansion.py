"""Memories that read nonlinear features of one set of keys: what rank they buy, what it costs, and what a write then breaks."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from cls_toys import keys as make
from cls_toys import probes
from cls_toys.interference import chunks
from cls_toys.stores import Store
from cls_toys.stores.linear import LinearStore
from cls_toys.stores.polynomial import PolynomialStore
from cls_toys.stores.thresholded import ThresholdedStore

OUTPUTS = 2  # of each memory that is compared: more than one, so that parameters and rank are different numbers


def coherence(keys: Float[Tensor, "items dim"]) -> float:
    """The largest overlap of two keys' directions, with its sign: the least threshold at which no two units share an item.

    Raises ``ValueError`` on bad keys and on fewer than two.

    >>> round(coherence(make.harmonic_frame(3, 2)), 4)
    -0.5
    """
    probes.check_keys(keys)
    if len(keys) < 2:
        raise ValueError(f"{len(keys)} keys: an overlap takes two")
    unit = torch.nn.functional.normalize(keys, dim=-1)
    return float((unit @ unit.T).fill_diagonal_(-torch.inf).max())


def compare(keys: Float[Tensor, "items dim"], thresholds: Sequence[float], degrees: Sequence[int]) -> pl.DataFrame:
    """One row a memory and rule: ``memory, setting, rule, degree, dim, n_keys, n_outputs, n_parameters, feature_rank,
    condition, mean_collateral, sum_writability``.

    ``setting`` is the threshold or degree in words; ``degree`` is null for a thresholded memory. The mean is over the items
    whose features are not all zero. Measured by writing each item into a copy of the memory and reading all. Raises
    ``ValueError`` on bad keys, a threshold outside [0, 1) and a degree below 1.
    """
    rows = []
    memories = list(_memories(keys, thresholds, degrees))  # made first, so that a bad setting is seen before any work
    for memory, setting, rule, degree, store, features in memories:
        answered = probes.nonzero_keys(features)
        values = torch.ones(len(keys), OUTPUTS, dtype=keys.dtype)
        collateral = probes.collateral(store, keys, values)[answered]
        rows.append({
            "memory": memory, "setting": setting, "rule": rule, "degree": degree, "dim": keys.shape[1],
            "n_keys": int(answered.sum()), "n_outputs": OUTPUTS, "n_parameters": store.parameters,
            "feature_rank": int(probes.rank(features)), "condition": float(probes.condition(features)),
            "mean_collateral": float(collateral.mean()), "sum_writability": float((1 / (1 + collateral)).sum()),
        })  # fmt: skip
    return pl.DataFrame(rows)


def _memories(
    keys: Tensor, thresholds: Sequence[float], degrees: Sequence[int]
) -> Iterator[tuple[str, str, str, int | None, Store, Tensor]]:
    for degree in degrees:
        for rule in ("local", "optimal"):
            if degree == 1:
                yield "linear", "degree 1", rule, 1, LinearStore(keys, OUTPUTS, rule), keys
            else:
                store = PolynomialStore(keys, degree, OUTPUTS, rule)
                yield "polynomial", f"degree {degree}", rule, degree, store, store.features(keys)
    for threshold in thresholds:
        store = ThresholdedStore(keys, threshold, OUTPUTS)
        yield "thresholded", f"threshold {threshold:.2g}", "one value", None, store, store.features(keys)


def separated(codes: Mapping[str, Float[Tensor, "_ _"]]) -> pl.DataFrame:
    """One row a code, in a memory whose threshold is the code's largest overlap (0 where that is negative).

    ``code, n_items, dim, max_coherence, threshold, rank, feature_rank, linear_collateral, collateral``: the mean collateral
    of local writes into a linear memory, and the largest into the thresholded one.
    """
    rows = []
    for name, keys in codes.items():
        threshold = max(0.0, coherence(keys))
        store, values = ThresholdedStore(keys, threshold), torch.ones(len(keys), 1, dtype=keys.dtype)
        rows.append({
            "code": name, "n_items": len(keys), "dim": keys.shape[1], "max_coherence": coherence(keys),
            "threshold": threshold, "rank": int(probes.rank(keys)),
            "feature_rank": int(probes.rank(store.features(keys))),
            "linear_collateral": float(probes.collateral(LinearStore(keys), keys, values).mean()),
            "collateral": float(probes.collateral(store, keys, values).max()),
        })  # fmt: skip
    return pl.DataFrame(rows)


def random_collateral(
    items: int, dim: int, threshold: float, trials: int, *, generator: Generator
) -> Float[Tensor, " trials"]:
    r"""Mean collateral of a thresholded memory in each of ``trials`` draws of unit keys, all of them distinct.

    .. math:: \frac{1}{n} \sum_i \sum_{j \neq i} g(\langle k_i, k_j \rangle)^2

    It is what writing into a :class:`ThresholdedStore` measures, for many draws at a time. Raises ``ValueError`` on a
    threshold outside [0, 1), no item, no dimension and no trial.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold={threshold}: must be at least 0 and below 1")
    parts = []
    for draws in chunks(trials, items * items):
        keys = make.unit(draws * items, dim, generator=generator).reshape(draws, items, dim)
        answers = (keys @ keys.mT - threshold).clamp_min(0) / (1 - threshold)
        answers.diagonal(dim1=-2, dim2=-1).zero_()
        parts.append(answers.square().sum((-2, -1)) / items)
    return torch.cat(parts)
