"""Signal and noise of sparse codes against dense sums, Owen's T and published values; later writes against the sparse store."""

import math
from inspect import unwrap

import numpy as np
import pytest
import torch
from scipy import special, stats

from cls_toys import codes, probes
from cls_toys import sparse_capacity as sparse
from cls_toys.stores.sparse import SparseStore


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def within(values: np.ndarray, expected: float, errors: float = 4) -> bool:
    return abs(values.mean() - expected) < errors * stats.sem(values)


@pytest.mark.parametrize("shared", [False, True])
def test_paths_are_those_of_the_sparse_store(shared: bool) -> None:
    found = sparse.paths(30, 4, 6, 3, 2, shared=shared, values=5, generator=rng(2))
    generator = rng(2)
    active = codes.random(20, 30, 4, generator=generator).active.reshape(2, 10, 4)
    targets = torch.randint(0, 2, (2, 10, 5), generator=generator).double() * 2 - 1
    for trial in range(2):
        written = codes.Codes(active[trial, [0] * 10] if shared else active[trial], 30).dense()
        store, errors = SparseStore(30, 5), []
        for place, (key, value) in enumerate(zip(written, targets[trial], strict=True)):
            store.write(key, value)
            if place >= 3:
                errors.append(float((store.read(written[3:4])[0] - targets[trial, 3]).square().mean()))
        np.testing.assert_allclose(found[trial], errors, atol=1e-12)


def test_one_later_write_forgets_as_much_as_the_moments_of_the_overlap_say() -> None:
    """Exactly E (O/k)^2 + E (O/k)^4, by the hypergeometric law."""
    law = stats.hypergeom(20, 4, 4)
    expected = law.expect(lambda o: (o / 4) ** 2 + (o / 4) ** 4)
    assert within(sparse.paths(20, 4, 1, 0, 20_000, values=8, generator=rng())[:, 1], expected)


def test_a_promise_is_the_largest_number_that_the_bound_allows() -> None:
    for active in (1, 5, 20):
        later = sparse.promised(100, active, 0.3)
        bound = 2 * stats.hypergeom(100, active, active).expect(lambda o, k=active: (o / k) ** 2)
        assert later * bound <= 0.3 < (later + 1) * bound


@pytest.mark.parametrize("kind", ["winners", "threshold"])
def test_centred_overlaps_are_products_of_dense_codes(kind: str) -> None:
    found = sparse.centred_overlaps(50, 0.1, 0.7, 20, kind=kind, generator=rng(1))
    pair = sparse.drives(20, 50, 0.7, generator=rng(1))
    if kind == "winners":
        dense = [codes.winners(drive, 5).dense() - 0.1 for drive in pair]
    else:
        dense = [(drive > -special.ndtri(0.1)).double() - 0.1 for drive in pair]
    np.testing.assert_allclose(found, (dense[0] * dense[1]).sum(-1).numpy() / (50 * 0.09), atol=1e-9)


def test_overlaps_at_the_ends_of_the_correlation() -> None:
    assert np.allclose(sparse.centred_overlaps(40, 0.25, 1.0, 5, generator=rng()), 1)
    assert np.allclose(sparse.centred_overlaps(40, 0.5, -1.0, 5, generator=rng()), -1)
    assert within(sparse.centred_overlaps(40, 0.25, 0.0, 20_000, generator=rng()), 0)


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("activity", [1e-6, 0.02, 0.3, 0.5, 0.8])
def test_the_transfer_is_owens_function(activity: float, correlation: float) -> None:
    """Another representation; it loses its digits where correlation is negative and activity tiny."""
    level, kappa = -special.ndtri(activity), math.sqrt((1 - correlation) / (1 + correlation))
    owen = 1 - 2 * special.owens_t(level, kappa) / activity
    assert sparse.transfer(activity, correlation) == pytest.approx(owen, rel=1e-7, abs=1e-9)


def test_the_transfer_at_its_ends() -> None:
    assert sparse.transfer(0.5, 0.5) == pytest.approx(0.5 + math.asin(0.5) / math.pi)
    assert sparse.transfer(0.1, 1.0) == 1
    assert sparse.transfer(0.1, -1.0) == 0
    assert sparse.transfer(0.8, -1.0) == pytest.approx(0.75)
    assert sparse.transfer(0.1, 0.0) == pytest.approx(0.1)


# Table of the specification (sparsity.md, 3.5).
@pytest.mark.parametrize(
    ("dim", "correlation", "whole", "continuous", "hazard", "leading"),
    [
        (1000, 0.8, 0.0140, 0.01447, 0.01443, 0.01118), (10_000, 0.5, 0.0079, 0.00790, 0.00798, 0.00707),
        (10_000, 0.95, 0.0024, 0.00244, 0.00246, 0.00162),
    ],
)  # fmt: skip
def test_the_best_activity_is_the_published_one(
    dim: int, correlation: float, whole: float, continuous: float, hazard: float, leading: float
) -> None:
    row = sparse.raw_optima([(dim, correlation)]).row(0, named=True)
    assert row["whole_units"] == pytest.approx(whole)
    for name, value in (("best_activity", continuous), ("hazard", hazard), ("leading", leading)):
        assert row[name] == pytest.approx(value, abs=6e-6)


def test_no_activity_beats_the_optimum_and_at_the_ends_there_is_none() -> None:
    best = sparse.raw_optimum(500, 0.6)
    peak = sparse.raw_ratio(best, 500, 0.6)
    assert all(sparse.raw_ratio(a, 500, 0.6) <= peak for a in np.geomspace(1 / 500, 0.5, 300))
    for correlation in (1.0, 0.0):
        with pytest.raises(ValueError, match="at the end of its range"):
            sparse.raw_optimum(500, correlation)


@pytest.mark.parametrize(("noise", "memories", "value"), [(0.01, 10, 0.0169), (0.01, 100, 0.0054), (0.05, 100, 0.0116)])
def test_the_optimum_of_a_fixed_gain_is_near_the_published_one(noise: float, memories: int, value: float) -> None:
    assert sparse.uncompensated(10_000, noise, memories)["best_activity"] == pytest.approx(value, rel=0.02)


def test_readout_noise_is_that_of_a_dense_hebbian_readout() -> None:
    found = sparse.readout_noise(60, 6, 5, 30_000, generator=rng())
    dense = codes.random(6 * 5000, 60, 6, generator=rng(7)).dense().reshape(5000, 6, 60)
    signs = torch.randint(0, 2, (5000, 5), generator=rng(8)).double() * 2 - 1
    slow = (signs[:, :, None] * dense[:, 1:] / 6).sum(1).mul(dense[:, 0]).sum(-1).square().numpy()
    assert abs(found.mean() - slow.mean()) < 4 * math.hypot(stats.sem(found), stats.sem(slow))


def test_frames_and_interference() -> None:
    frame = sparse.harmonic_frame(21, 8)
    torch.testing.assert_close(frame.T @ frame, 21 / 8 * torch.eye(8).double())
    torch.testing.assert_close(frame.norm(dim=-1), torch.ones(21).double())
    assert probes.mean_square_cosine(torch.eye(5).double()) == 0
    assert probes.mean_square_cosine(torch.ones(3, 4).double()) == pytest.approx(1)
    assert probes.mean_square_cosine(frame) == pytest.approx((21 / 8 - 1) / 20)
    families = sparse.families(8, [9, 20], 2, generator=rng())
    assert families["family"].n_unique() == 5
    assert families.height == 20


def test_the_curve_of_centred_codes_is_what_threshold_codes_show() -> None:
    curve = sparse.centred_curve(200, [0.4], 0.8, points=2, least=0.05)
    for row in curve.to_dicts():
        signal = sparse.centred_overlaps(200, row["code_activity"], 0.8, 20_000, kind="threshold", generator=rng())
        noise = sparse.centred_overlaps(200, row["code_activity"], 0.4, 40_000, kind="threshold", generator=rng(1)) ** 2
        spread = math.hypot(2 * stats.sem(signal) / signal.mean(), stats.sem(noise) / noise.mean())
        assert signal.mean() ** 2 / noise.mean() == pytest.approx(row["ratio"], rel=4 * spread)


def test_gains_are_ratios_batch_by_batch() -> None:
    table = sparse.centred_ratios(50, [0.1, 0.5], [0.0, 0.3], 0.8, 40, batches=3, generator=rng())
    assert table.height == 12
    gain = sparse.gain(table, 0.1, 0.3)
    rows = {(row["code_activity"], row["between"], row["batch"]): row["ratio"] for row in table.to_dicts()}
    assert gain[2] == pytest.approx(rows[0.1, 0.3, 2] / rows[0.5, 0.3, 2])


def test_bad_input_is_told() -> None:
    for activity in (0.0, 1.0, 0.001):
        with pytest.raises(ValueError, match="at least one active and one silent unit"):
            sparse.centred_overlaps(50, activity, 0.5, 2, generator=rng())
    with pytest.raises(ValueError, match="in \\[-1, 1\\]"):
        sparse.centred_overlaps(50, 0.1, 1.5, 2, generator=rng())
    with pytest.raises(ValueError, match="winners, threshold"):
        unwrap(sparse.centred_overlaps)(50, 0.1, 0.5, 2, kind="best", generator=rng())
    for activity in (0.0, 1.0):
        with pytest.raises(ValueError, match="strictly between 0 and 1"):
            sparse.transfer(activity, 0.5)
    for active in (0, 20):
        with pytest.raises(ValueError, match="an active and a silent unit"):
            sparse.random_overlaps(20, active, 3, generator=rng())
    with pytest.raises(ValueError, match="no negative numbers"):
        sparse.paths(20, 2, -1, 0, 3, generator=rng())
    with pytest.raises(ValueError, match="even dim"):
        sparse.families(9, [12], generator=rng())
    with pytest.raises(ValueError, match="two rows or more"):
        probes.mean_square_cosine(torch.ones(1, 3).double())
