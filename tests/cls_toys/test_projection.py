"""Gradient projection against gradient descent, against ranks, and the trap of a relative tolerance."""

import itertools
import math
from inspect import unwrap

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cls_toys import keys, projection


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def of_tolerance(table: pl.DataFrame, tolerance: str = "absolute") -> pl.DataFrame:
    return table.filter(pl.col("tolerance") == tolerance)


def test_a_fit_is_where_projected_gradient_descent_ends() -> None:
    """From zero, with every gradient projected onto the free directions, for many small steps."""
    old, new = keys.gaussian(1 * 6, 12, generator=rng(1)), keys.gaussian(8, 12, generator=rng(2))
    projector = projection.protect(torch.eye(12, dtype=keys.DTYPE)[None], old[None])
    targets = keys.gaussian(8, 2, generator=rng(3))
    found = projection.fit(new[None], targets[None], projector)
    assert int(found.reached) == 6, "8 inputs, 6 free directions"
    write = torch.zeros(12, 2, dtype=keys.DTYPE)
    for _ in range(100_000):
        write -= 0.02 * projector[0] @ (new.mT @ (new @ write - targets))
    torch.testing.assert_close(found.write[0], write, rtol=0, atol=1e-6)
    assert float((old @ found.write[0]).abs().max()) < 1e-12
    assert float((new @ found.write[0] - targets).abs().max()) > 0.01, "it does not all fit"


@given(st.integers(1, 8), st.integers(1, 3), st.integers(1, 20), st.integers(0, 2**31))
def test_protection_is_the_projector_beside_all_inputs(task_rank: int, tasks: int, extra: int, seed: int) -> None:
    dim = task_rank + extra
    inputs = projection.stream(tasks, dim, task_rank, trials=2, generator=rng(seed))
    projector = torch.eye(dim, dtype=keys.DTYPE).repeat(2, 1, 1)
    for of_task in inputs:
        projector = projection.protect(projector, of_task)
    for trial in range(2):
        seen = inputs[:, trial].flatten(0, 1)
        basis = np.linalg.svd(seen.numpy())[2][: np.linalg.matrix_rank(seen.numpy())]
        np.testing.assert_allclose(projector[trial].numpy(), np.eye(dim) - basis.T @ basis, atol=1e-7)


@settings(max_examples=25)
@given(st.integers(2, 14), st.integers(1, 6), st.integers(0, 6), st.integers(0, 2**31))
def test_what_is_lost_is_a_difference_of_ranks(dim: int, task_rank: int, shared: int, seed: int) -> None:
    task_rank, shared = min(task_rank, dim), min(shared, task_rank, dim)
    tasks = dim // task_rank + 2
    inputs = projection.stream(tasks, dim, task_rank, trials=1, shared=shared, generator=rng(seed))
    lost = of_tolerance(projection.learn(inputs, generator=rng(seed)))["lost_dims"].to_list()
    ranks = [0] + [int(np.linalg.matrix_rank(inputs[: task + 1, 0].flatten(0, 1).numpy())) for task in range(tasks)]
    assert lost == [task_rank - (after - before) for before, after in itertools.pairwise(ranks)]


# Published by the derivation's author for d = 100, r = 15: task 6 none, task 7 .354 +- .022 (one third), task 8 all.
def test_the_cliff_and_the_trap_at_the_published_size() -> None:
    table = projection.learn(projection.stream(9, 100, 15, trials=30, generator=rng()), generator=rng(1))
    means = table.group_by("tolerance", "task_place", maintain_order=True).agg(pl.col("unfitted", "least").mean())
    unfitted = dict(of_tolerance(means).select("task_place", "unfitted").iter_rows())
    assert max(unfitted[place] for place in range(1, 7)) < 1e-20
    assert unfitted[7] == pytest.approx(1 / 3, abs=5 * 0.4 / 15 / math.sqrt(30))
    assert unfitted[8] == unfitted[9] == 1
    least = of_tolerance(means)["least"].to_list()
    assert least[0] == pytest.approx(1)
    assert all(after < before for before, after in itertools.pairwise(least[:6])), "it degrades before"
    assert least[5] == pytest.approx(0.162, abs=0.05)
    trapped = of_tolerance(table, "relative").filter(pl.col("task_place") == 8)
    assert trapped["lost_dims"].max() == 0
    assert trapped["unfitted"].max() < 1e-15, "a perfect fit"
    assert trapped["old_change"].min() > 0.01, "and the old tasks are gone"
    assert of_tolerance(table)["old_change"].max() < 1e-14


def test_shared_inputs_are_lost_from_the_second_task_on_and_the_cliff_comes_later() -> None:
    lost = {
        shared: projection.mean_lost(
            projection.stream(8, 20, 5, trials=3, shared=shared, generator=rng()), generator=rng(1)
        ).tolist()
        for shared in (0, 2, 5)
    }
    assert lost[0] == [0, 0, 0, 0, 5, 5, 5, 5]
    assert lost[2] == [0, 2, 2, 2, 2, 2, 5, 5]  # 5 dimensions, and 3 more with each task
    assert lost[5] == [0, 5, 5, 5, 5, 5, 5, 5]


def test_one_task_of_full_rank_takes_all() -> None:
    table = of_tolerance(projection.learn(projection.stream(2, 4, 4, trials=3, generator=rng()), generator=rng()))
    assert table["lost_dims"].to_list() == [0] * 3 + [4] * 3
    np.testing.assert_allclose(table["retained"], [1] * 3 + [0] * 3, atol=1e-20)


def test_scale_does_not_matter() -> None:
    stream = projection.stream(4, 12, 5, trials=3, generator=rng())
    plain, small = (projection.learn(stream * scale, generator=rng(1)) for scale in (1.0, 1e-6))
    assert plain["lost_dims"].equals(small["lost_dims"])
    np.testing.assert_allclose(of_tolerance(plain)["unfitted"], of_tolerance(small)["unfitted"], atol=1e-12)


def test_the_same_seed_learns_the_same() -> None:
    one, two = (
        projection.learn(projection.stream(3, 9, 3, trials=2, generator=rng(5)), generator=rng(6)) for _ in range(2)
    )
    assert one.equals(two)


def test_bad_input() -> None:
    for tasks, dim, task_rank, trials, shared in ((0, 4, 2, 1, 0), (1, 4, 5, 1, 0), (1, 4, 0, 1, 0), (1, 4, 2, 0, 0), (1, 4, 2, 1, 3), (1, 4, 2, 1, -1)):  # fmt: skip
        with pytest.raises(ValueError, match="counts are at least 1, task_rank at most dim"):
            projection.stream(tasks, dim, task_rank, trials=trials, shared=shared, generator=rng())
    inputs = torch.ones(2, 3, 4, dtype=keys.DTYPE)
    with pytest.raises(ValueError, match="NaN or infinity"):
        projection.learn(inputs[None] * math.nan, generator=rng())
    with pytest.raises(ValueError, match="at least one item"):
        projection.learn(inputs[None, :, :0], generator=rng())
    with pytest.raises(ValueError, match="give \\[tasks, trials, task_rank, dim\\]"):
        unwrap(projection.learn)(inputs, generator=rng())
    projector, targets = torch.eye(4, dtype=keys.DTYPE).repeat(2, 1, 1), torch.ones(2, 3, 1, dtype=keys.DTYPE)
    for wrong in (projector[:1], projector[:, :3, :3]):
        with pytest.raises(ValueError, match="a projector"):
            unwrap(projection.protect)(wrong, inputs)
        with pytest.raises(ValueError, match="a projector"):
            unwrap(projection.fit)(inputs, targets, wrong)
    for wrong in (targets[:, :2], targets * math.nan):
        with pytest.raises(ValueError, match="one finite row of targets an input"):
            unwrap(projection.fit)(inputs, wrong, projector)
    with pytest.raises(ValueError, match="must be one of absolute, relative"):
        unwrap(projection.fit)(inputs, targets, projector, "none")
