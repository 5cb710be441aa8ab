"""The place of a memory: by hand, for any object that follows the protocol, and for all memories of the package."""

import inspect
import math

import polars as pl
import pytest
import torch

from cls_toys import frontier, probes
from cls_toys import keys as make
from cls_toys.stores.linear import LinearStore
from theory import claim


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Table:
    """An exact table: a value for each key that it has been shown, by nothing but the protocol."""

    def __init__(self, entries: dict[bytes, torch.Tensor] | None = None) -> None:
        self.entries = entries or {}

    def read(self, keys: torch.Tensor) -> torch.Tensor:
        nothing = torch.zeros(2, dtype=keys.dtype)
        return torch.stack([self.entries.get(key.numpy().tobytes(), nothing) for key in keys])

    def write(self, key: torch.Tensor, value: torch.Tensor) -> None:
        self.entries = self.entries | {key.numpy().tobytes(): value}

    @property
    def parameters(self) -> int:
        return 2 * max(1, len(self.entries))

    def copy(self) -> "Table":
        return Table(self.entries)


def test_any_object_that_follows_the_protocol_has_a_place() -> None:
    keys = make.gaussian(8, 3, generator=rng())
    table = Table()
    for key in keys:
        table.write(key, torch.ones(2, dtype=make.DTYPE))
    assert frontier.frontier_point(table, keys) == (8, 3, 2, 16, 8 / 3, 1.0, 0.0)


def test_three_vectors_at_120_degrees_lie_on_the_line() -> None:
    frame = make.harmonic_frame(3, 2)
    for rule in ("local", "optimal"):
        point = frontier.frontier_point(LinearStore(frame, rule=rule), frame)
        assert point[:-1] == (3, 2, 1, 2, 1.5, 1.5)
        assert point.mean_collateral == pytest.approx(0.5, abs=1e-12)


def test_zero_keys_are_left_out_with_their_values() -> None:
    keys = make.gaussian(5, 2, generator=rng())
    keys[2] = 0
    values = torch.arange(5, dtype=make.DTYPE)[:, None] + 1
    point = frontier.frontier_point(LinearStore(keys), keys, values)
    assert (point.n_keys, point.rank) == (4, 2)
    kept = probes.nonzero_keys(keys)
    expected = probes.collateral(LinearStore(keys), keys[kept], values[kept]).mean()
    assert point.mean_collateral == pytest.approx(float(expected))


def test_what_cannot_be_written_is_infinitely_far() -> None:
    keys = make.gaussian(4, 2, generator=rng())
    known = LinearStore(torch.tensor([[1.0, 0.0]], dtype=make.DTYPE), rule="optimal")
    keys[0] = torch.tensor([0.0, 1.0])  # orthogonal to all that the rule knows
    assert frontier.frontier_point(known, keys).mean_collateral == math.inf


def test_memories_that_have_no_place() -> None:
    keys = make.gaussian(4, 2, generator=rng())
    with pytest.raises(ValueError, match="all 4 keys are zero"):
        frontier.frontier_point(LinearStore(keys), 0 * keys)
    with pytest.raises(ValueError, match="one value for each of the 4 keys"):
        inspect.unwrap(frontier.frontier_point)(LinearStore(keys), keys, torch.ones(3, 1, dtype=make.DTYPE))
    with pytest.raises(ValueError, match="keys hold NaN or infinity"):
        frontier.frontier_point(LinearStore(keys), keys * math.nan)
    with pytest.raises(ValueError, match="values hold NaN or infinity"):
        frontier.frontier_point(LinearStore(keys), keys, keys[:, :1] * math.nan)
    for change in (0.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="must be finite and not 0"):
            frontier.frontier_point(LinearStore(keys), keys, change=change)


def test_a_survey_that_cannot_be_made() -> None:
    for load in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="items per dimension must be positive and finite"):
            frontier.survey(4, [1.0, load], [1], generator=rng())
    with pytest.raises(ValueError, match="a budget is at least one step"):
        frontier.survey(4, [1.0], [1, 0], generator=rng())
    with pytest.raises(ValueError, match="dim=0"):
        frontier.survey(0, [1.0], [1], generator=rng())


def test_a_network_with_as_many_items_as_parameters_is_written_to_first_order() -> None:
    """Its Jacobian is square and far from orthogonal, so that writes are long; the best one then costs nobody anything."""
    points = {row["rule"]: row for row in frontier._network(1.0, 100, generator=rng())}
    assert points["optimal"]["n_keys"] == points["optimal"]["parameters"] == 21
    assert points["optimal"]["mean_collateral"] < 1e-4 < points["one step"]["mean_collateral"]


def test_what_is_no_store_is_told_why() -> None:
    keys, place = make.gaussian(4, 2, generator=rng()), inspect.unwrap(frontier.frontier_point)

    class Shared(LinearStore):
        def copy(self) -> "Shared":
            return self

    class Flat(LinearStore):
        def read(self, keys: torch.Tensor) -> torch.Tensor:
            return keys @ self.weight[0]

    class Called(LinearStore):
        def parameters(self) -> int:
            return 2

    class Empty(LinearStore):
        parameters = 0

    with pytest.raises(ValueError, match="object has no read, write, parameters, copy"):
        place(object(), keys)
    for wrong, said in (
        (Shared, "Shared reads otherwise after writes into copies"),
        (Flat, r"read gives \(4,\) at 4 keys: it must give \[items, out\]"),
        (Called, "make it a property"),
        (Empty, "parameters of Empty is 0"),
    ):
        with pytest.raises(ValueError, match=said):
            place(wrong(keys), keys)


@pytest.fixture(scope="module")
def survey() -> pl.DataFrame:
    return frontier.survey(8, [0.5, 1.5, 3.0], [1, 30], toy_steps=200, train_steps=20, generator=rng())


def test_the_survey_places_every_memory(survey: pl.DataFrame) -> None:
    counts = dict(survey["store"].value_counts().iter_rows())
    assert counts == {
        "linear": 3 * 3 + 2, "replay": 6, "polynomial": 6, "threshold": 3, "Willshaw": 4, "network": 6,
        "toy model": len(frontier.SPARSITY),
    }  # fmt: skip
    random = survey.filter(store="linear", rule="optimal", load=3.0).row(0, named=True)
    assert (random["n_keys"], random["rank"], random["parameters"]) == (24, 8, 8)


def test_memories_that_are_linear_in_their_parameters_respect_the_line(survey: pl.DataFrame) -> None:
    kept = survey.filter(pl.col("store") != "Willshaw")
    bound = claim("tangent-budget").bound(
        "parameters", n_items=kept["n_keys"], n_outputs=kept["out"], n_parameters=kept["parameters"]
    )
    assert (kept["mean_collateral"].to_numpy() >= bound - 1e-9).all()


def test_more_replay_costs_the_others_less(survey: pl.DataFrame) -> None:
    for load in (0.5, 1.5, 3.0):
        few, many = (survey.filter(rule=rule, load=load)["mean_collateral"][0] for rule in ("1 step", "30 steps"))
        step, optimal = (
            survey.filter(store="linear", rule=rule, load=load)["mean_collateral"][0]
            for rule in ("one step", "optimal")
        )
        assert few == pytest.approx(step)
        assert optimal - 1e-9 <= many < few


def test_the_same_seed_gives_the_same_survey(survey: pl.DataFrame) -> None:
    again = frontier.survey(8, [0.5, 1.5, 3.0], [1, 30], toy_steps=200, train_steps=20, generator=rng())
    assert survey.equals(again)


def test_one_memory_lies_below_the_line_of_its_parameters_at_any_choice_of_loads() -> None:
    """The published false claim needs its counterexample; a sweep of loads that misses it must not hide it."""
    placed = frontier.survey(2, [0.5], [1], toy_steps=10, train_steps=1, generator=rng())
    below = placed.filter(pl.col("mean_collateral") < pl.col("per_parameter") - 1)
    assert below["store"].unique().to_list() == ["Willshaw"]
