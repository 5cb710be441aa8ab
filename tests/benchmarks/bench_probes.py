"""Leverage against a loop of pseudo-inverses, and a measured writability against the one-product one (`make bench`)."""

import statistics
import time
from collections.abc import Callable

import torch

from cls_toys import budget, keys, probes

GENERATOR = torch.Generator().manual_seed(0)


def ratio(slow: Callable[[], object], fast: Callable[[], object], runs: int = 15) -> tuple[float, float]:
    """Median time of ``slow`` over that of ``fast``, in interleaved runs after one warm-up, and ``fast``'s in seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        for call, taken in zip((slow, fast), times, strict=True):
            start = time.perf_counter()
            call()
            if run:
                taken.append(time.perf_counter() - start)
    slowest, fastest = map(statistics.median, times)
    return slowest / fastest, fastest


def pinv_leverage(batch: torch.Tensor) -> torch.Tensor:
    """The baseline: one pseudo-inverse and one hat matrix for each key matrix."""
    return torch.stack([(key_matrix @ torch.linalg.pinv(key_matrix)).diagonal() for key_matrix in batch])


batch = keys.gaussian(500 * 40, 8, generator=GENERATOR).reshape(500, 40, 8)
torch.testing.assert_close(pinv_leverage(batch), probes.leverage(batch))
times_faster, seconds = ratio(lambda: pinv_leverage(batch), lambda: probes.leverage(batch))
print(
    f"leverage, 500 codes of 40 x 8: batched SVD {1e3 * seconds:.1f} ms, {times_faster:.1f}x faster than a loop of pinv"
)

code = keys.gaussian(1800, 64, generator=GENERATOR)


def measured() -> torch.Tensor:
    """Writability of optimal writes, each written into a store and read back."""
    return budget.measured_writability(code, "optimal", generator=GENERATOR)


def predicted() -> torch.Tensor:
    """The same shares from one product of directions and keys."""
    return probes.writability(code, probes.optimal_directions(code))


torch.testing.assert_close(measured(), predicted())
times_faster, seconds = ratio(measured, predicted, runs=7)
print(
    f"writability, 1800 x 64 keys: one product {1e3 * seconds:.0f} ms, "
    f"{times_faster:.1f}x faster than writing and reading {1e3 * seconds * times_faster:.0f} ms"
)
