r"""What later writes do to a memory in a linear readout: written and read, enumerated over all codes, or drawn.

A write is the delta rule :math:`W \leftarrow W + \eta\,(y - W z)\, z^\top / \|z\|^2`. Forgetting is the squared error of
the output at an item after others were written, for targets of unit mean square. Where an expectation over targets is
wanted, each item gets a target of its own among as many outputs, 1 there and 0 elsewhere: squared outputs then are what
independent targets give on average.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Int
from scipy import stats
from torch import Generator, Tensor

from cls_toys import overlap
from cls_toys.codes import Codes
from cls_toys.keys import DTYPE
from cls_toys.stores.sparse import SparseStore

Choice = Literal["random", "one for all"]
Targets = Literal["independent", "alike", "opposed"]
CHUNK = 2**23  # numbers of a temporary
SEQUENCES = 10**6  # that are enumerated, at most


def _check(dim: int, code_size: int, n_earlier: int, n_writes: int, rate: float) -> None:
    if not 1 <= code_size <= dim:
        raise ValueError(
            f"code_size={code_size}, dim={dim}: give 1 <= code_size <= dim; a code without active units is never written"
        )
    if n_earlier < 0 or n_writes < 0 or not 0 < rate < 2:
        raise ValueError(
            f"n_earlier={n_earlier}, n_writes={n_writes}, rate={rate}: give numbers of writes from 0, and a rate strictly "
            "between 0 and 2, beyond which the delta rule diverges"
        )


def _read(weight: Float[Tensor, "runs out units"], active: Int[Tensor, "runs k"]) -> Float[Tensor, "runs out"]:
    return weight.gather(-1, active[:, None].expand(-1, weight.shape[1], -1)).sum(-1)


def _write(
    weight: Float[Tensor, "runs out units"],
    active: Int[Tensor, "runs k"],
    target: Float[Tensor, "runs out"],
    rate: float,
) -> None:
    """One write in each run, in place."""
    change = rate * (target - _read(weight, active)) / active.shape[-1]
    places = active[:, None].expand(-1, weight.shape[1], -1)
    weight.scatter_add_(-1, places, change[..., None].expand_as(places))


def exact(dim: int, code_size: int, n_earlier: int, n_writes: int, rate: float = 1.0, *, steady: bool = False) -> float:
    """Expected forgetting of an item over *all* sequences of codes, each written and read.

    ``n_earlier`` writes at the given rate come first, then the item at rate 1, then ``n_writes`` others. ``steady`` starts
    from weights with the second moment of a memory that has been written for ever, in place of an empty one. Raises
    ``ValueError`` on bad sizes, and on more than a million sequences.

    >>> round(exact(4, 2, 0, 1), 6)  # E O^2 / 4 + E O^4 / 16, where O is 0, 1 and 2 in 1, 4 and 1 of 6 cases
    0.541667
    """
    _check(dim, code_size, n_earlier, n_writes, rate)
    listed = overlap.every(dim, code_size).active
    steps = n_earlier + 1 + n_writes
    if len(listed) ** steps > SEQUENCES:
        raise ValueError(
            f"there are {len(listed)}^{steps} sequences of codes, more than {SEQUENCES}: take fewer writes or smaller codes"
        )
    out = steps + (dim if steady else 0)
    start = torch.zeros(out, dim, dtype=DTYPE)
    if steady:
        start[steps:] = torch.eye(dim, dtype=DTYPE) * math.sqrt(rate / ((2 - rate) * code_size))
    size, total = max(1, CHUNK // (out * dim)), len(listed) ** steps
    squared = 0.0
    for first in range(0, total, size):
        number = torch.arange(first, min(first + size, total))
        weight = start.expand(len(number), -1, -1).clone()
        codes = [listed[number // len(listed) ** place % len(listed)] for place in range(steps)]
        for place, active in enumerate(codes):
            target = torch.zeros(len(number), out, dtype=DTYPE)
            target[:, place] = 1
            _write(weight, active, target, 1.0 if place == n_earlier else rate)
        found = _read(weight, codes[n_earlier])
        found[:, n_earlier] -= 1
        squared += float(found.square().sum())
    return squared / total


def enumerated(settings: Sequence[tuple[int, int, int, int, float]], *, steady: bool = False) -> pl.DataFrame:
    """:func:`exact` for ``(dim, code_size, n_earlier, n_writes, rate)``, one row each, with the number of sequences."""
    rows = [
        (*setting, math.comb(*setting[:2]) ** (1 + setting[2] + setting[3]), exact(*setting, steady=steady))
        for setting in settings
    ]
    names = ["dim", "code_size", "n_earlier", "n_writes", "rate", "sequences", "forgetting"]
    return pl.DataFrame(rows, schema=names, orient="row")


class _Subsets:
    """Random subsets, one a run and call: the front of an arrangement of the units that is shuffled on, k swaps a time."""

    def __init__(self, runs: int, units: int, generator: Generator) -> None:
        self.order = torch.arange(units)[:, None].repeat(1, runs)  # [units, runs]
        self.generator = generator

    def draw(self, active: int) -> Int[Tensor, "runs active"]:
        units, runs = self.order.shape
        for place in range(active):
            other = torch.randint(place, units, (1, runs), generator=self.generator)
            drawn = self.order.gather(0, other)
            self.order.scatter_(0, other, self.order[place : place + 1].clone())
            self.order[place] = drawn[0]
        return self.order[:active].T.clone(memory_format=torch.contiguous_format)  # a row of one is a view else


def sampled(
    dim: int,
    code_size: int,
    n_earlier: int,
    n_writes: int,
    rate: float = 1.0,
    runs: int = 1000,
    *,
    codes: Choice = "random",
    targets: Targets = "independent",
    generator: Generator,
) -> Float[Tensor, " runs"]:
    """Squared error at an item, in independent runs with random codes and Gaussian targets of unit variance.

    The order of writes is that of :func:`exact`. Other ``codes`` or ``targets`` break what is assumed of them: all items
    of a run have one code, or one target, or the target that is the opposite of the item's. Raises ``ValueError`` on bad
    sizes, on no runs, and on an unknown choice.
    """
    _check(dim, code_size, n_earlier, n_writes, rate)
    if runs < 1:
        raise ValueError(f"runs={runs}: make at least one")
    if codes not in get_args(Choice) or targets not in get_args(Targets):
        raise ValueError(
            f"codes={codes!r}, targets={targets!r}: give one of {', '.join(get_args(Choice))}, and one of "
            f"{', '.join(get_args(Targets))}"
        )
    sign = {"alike": 1.0, "opposed": -1.0}.get(targets)
    found, size = [], max(1, CHUNK // (32 * dim))  # small enough for the arrangements to stay in cache
    for count in [min(size, runs - done) for done in range(0, runs, size)]:
        weight = torch.zeros(count, 1, dim, dtype=DTYPE)
        subsets = _Subsets(count, dim, generator)
        item, wanted = subsets.draw(code_size), torch.randn(count, 1, generator=generator, dtype=DTYPE)
        for step in range(n_earlier + 1 + n_writes):
            own = step == n_earlier
            active = item if own or codes == "one for all" else subsets.draw(code_size)
            if own:
                target = wanted
            elif sign is None:
                target = torch.randn(count, 1, generator=generator, dtype=DTYPE)
            else:
                target = sign * wanted
            _write(weight, active, target, 1.0 if step == n_earlier else rate)
        found.append((_read(weight, item) - wanted).square()[:, 0])
    return torch.cat(found)


class Paths(NamedTuple):
    """What is left of an item for given codes, expected over the targets; one value a run."""

    recall: Float[Tensor, " runs"]  # weight of the item's own target in its output
    echo: Float[Tensor, " runs"]  # squared weights of the later targets, summed
    energy: Float[Tensor, " runs"]  # squared length of what the later writes do not read of the code, relative
    weights: Float[Tensor, "runs writes"]  # of the later targets


def paths(
    dim: int, code_size: int, n_writes: int, rate: float = 1.0, runs: int = 1000, *, generator: Generator
) -> Paths:
    r"""Write an item into an empty memory, then others; read the item with a target of its own for each.

    ``energy`` does not come from the memory: it is :math:`\|(I - \eta P_1) \cdots (I - \eta P_N)\, z_j\|^2 / k`, with
    :math:`P_t = z_t z_t^\top / k`. Raises ``ValueError`` on bad sizes and on no runs.
    """
    _check(dim, code_size, 0, n_writes, rate)
    if runs < 1:
        raise ValueError(f"runs={runs}: make at least one")
    parts, size = [], max(1, CHUNK // (dim * (n_writes + 1)))
    for count in [min(size, runs - done) for done in range(0, runs, size)]:
        weight = torch.zeros(count, n_writes + 1, dim, dtype=DTYPE)
        subsets = _Subsets(count, dim, generator)
        codes = [subsets.draw(code_size) for _ in range(n_writes + 1)]
        for step, active in enumerate(codes):
            target = torch.zeros(count, n_writes + 1, dtype=DTYPE)
            target[:, step] = 1
            _write(weight, active, target, 1.0 if step == 0 else rate)
        left = torch.zeros(count, 1, dim, dtype=DTYPE).scatter_(-1, codes[0][:, None], 1.0)
        for active in codes[:0:-1]:
            _write(left, active, torch.zeros(count, 1, dtype=DTYPE), rate)
        answer = _read(weight, codes[0])
        parts.append(
            Paths(answer[:, 0], answer[:, 1:].square().sum(-1), left.square().sum((1, 2)) / code_size, answer[:, 1:])
        )
    return Paths(*(torch.cat(part) for part in zip(*parts, strict=True)))


class Drift(NamedTuple):
    """Change of the outputs at an item by writes at others, and what the writes were; one row a run."""

    moved: Float[Tensor, "runs out"]  # outputs after less outputs before
    pushes: Float[Tensor, "runs out"]  # errors met times relative overlaps, summed over the writes
    size: Float[Tensor, " runs"]  # their sizes, summed


def drift(codes: Float[Tensor, "runs items dim"], targets: Float[Tensor, "runs items out"], rate: float = 1.0) -> Drift:
    """Write all items of each run one after the other; the drift of the first by the others. Any real codes.

    Raises ``ValueError`` on a rate outside (0, 2), on a code that is zero, and where there is not one target a code.

    >>> codes = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]]).double()
    >>> drift(codes, torch.ones(1, 2, 1).double()).moved  # half of the error at the second item, which was 1/2
    tensor([[0.2500]], dtype=torch.float64)
    """
    _check(codes.shape[-1], 1, 0, 0, rate)
    if codes.shape[:2] != targets.shape[:2] or not (codes.abs().amax(-1) > 0).all():
        raise ValueError(
            f"codes {tuple(codes.shape)} and targets {tuple(targets.shape)}: give a target to each code, none of them zero"
        )
    weight = torch.zeros(len(codes), targets.shape[-1], codes.shape[-1], dtype=codes.dtype)  # [runs, out, dim]
    pushes, size = torch.zeros(len(codes), targets.shape[-1], dtype=codes.dtype), 0.0
    first = codes[:, 0]
    for step in range(codes.shape[1]):
        code = codes[:, step]
        length = code.square().sum(-1)
        error = targets[:, step] - (weight * code[:, None]).sum(-1)
        share = (code * first).sum(-1) / length
        weight = weight + (1.0 if step == 0 else rate) * error[..., None] * (code / length[:, None])[:, None]
        if step == 0:
            before = (weight * first[:, None]).sum(-1)
        else:
            pushes, size = pushes + error * share[:, None], size + error.norm(dim=-1) * share.abs()
    return Drift((weight * first[:, None]).sum(-1) - before, pushes, size + torch.zeros(len(codes), dtype=codes.dtype))


def in_store(code: Codes, targets: Float[Tensor, "items out"], rate: float = 1.0) -> Float[Tensor, " out"]:
    """The drift of the first item in a :class:`~cls_toys.stores.sparse.SparseStore` into which the others are written."""
    keys = code.dense()
    store = SparseStore(code.units, targets.shape[-1], rate=1.0)
    store.write(keys[0], targets[0])
    before = store.read(keys[:1])[0]
    store.rate = rate
    for key, target in zip(keys[1:], targets[1:], strict=True):
        store.write(key, target)
    return store.read(keys[:1])[0] - before


def kept(codes: Float[Tensor, "items dim"]) -> int:
    """How many of the items are recalled exactly, to 1e-12, after all have been written once, in order, at rate 1."""
    weight = torch.zeros(codes.shape[-1], len(codes), dtype=codes.dtype)  # [dim, out]: a target of its own for each
    targets = torch.eye(len(codes), dtype=codes.dtype)
    for code, target in zip(codes, targets, strict=True):
        weight = weight + torch.outer(code, target - code @ weight) / code.square().sum()
    return int(((codes @ weight - targets).abs().amax(-1) < 1e-12).sum())


def hadamard(dim: int) -> Float[Tensor, "items dim"]:
    """As many orthogonal codes of signs as units, all active in all; ``dim`` must be a power of 2.

    >>> hadamard(2).tolist()
    [[1.0, 1.0], [1.0, -1.0]]
    """
    if dim < 1 or dim & (dim - 1):
        raise ValueError(f"dim={dim}: this construction needs a power of 2")
    rows = torch.ones(1, 1, dtype=DTYPE)
    while len(rows) < dim:
        rows = torch.cat((torch.cat((rows, rows), 1), torch.cat((rows, -rows), 1)))
    return rows


def sign_tails(found: Paths, thresholds: Sequence[float]) -> pl.DataFrame:
    """Every assignment of signs as targets, for every run: how rare an error above each threshold is.

    One row a run and threshold: ``threshold, code_forgetting, forgetting_rarity``, the latter infinite where no assignment exceeds it.
    """
    own = (found.recall - 1)[:, None]
    weights = torch.cat((own, found.weights), dim=1)  # [runs, targets]
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=weights.shape[1])), dtype=DTYPE)
    error = (weights @ signs.T).abs()  # [runs, assignments]
    return pl.concat(
        pl.DataFrame(
            {
                "threshold": float(threshold),
                "code_forgetting": weights.square().sum(-1).numpy(),
                "forgetting_rarity": (error > threshold).double().mean(-1).reciprocal().numpy(),
            }
        )
        for threshold in thresholds
    )


def total_overlaps(sizes: Sequence[tuple[int, int, int]]) -> pl.DataFrame:
    """Rarity of every total overlap of an item with ``n_writes`` others, for sizes ``(dim, code_size, n_writes)``.

    By adding up exact distributions. One row a size and level: ``dim, code_size, n_writes, total_overlap, total_rarity``.
    Raises ``ValueError`` on bad sizes, and on no writes.
    """
    tables = []
    for dim, code_size, n_writes in sizes:
        _check(dim, code_size, 0, n_writes - 1, 1.0)
        one = stats.hypergeom.pmf(np.arange(code_size + 1), dim, code_size, code_size)
        law = np.ones(1)
        for _ in range(n_writes):
            law = np.convolve(law, one)
        tail = law[::-1].cumsum()[::-1]
        levels = np.flatnonzero(tail > 0)[1:]
        tables.append(
            pl.DataFrame(
                {
                    "dim": dim,
                    "code_size": code_size,
                    "n_writes": n_writes,
                    "total_overlap": levels,
                    "total_rarity": 1 / tail[levels],
                }
            )
        )
    return pl.concat(tables)
