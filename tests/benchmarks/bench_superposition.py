"""Batched training of toy models against training one instance at a time, by the same code on the same amount of data."""

import statistics
import time
from collections.abc import Callable

import torch

from cls_toys.superposition import Config, Features, sparse_features, train

REPEATS = 5


def batched(features: Features, config: Config) -> None:
    """All instances in one tensor program."""
    train(features, config, generator=torch.Generator().manual_seed(0))


def one_at_a_time(features: Features, config: Config) -> None:
    """The baseline: a loop over instances."""
    generator = torch.Generator().manual_seed(0)
    for instance in range(len(features.probability)):
        alone = slice(instance, instance + 1)
        train(Features(features.probability[alone], features.importance[alone]), config, generator=generator)


def seconds(function: Callable[[Features, Config], None], features: Features, config: Config) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    function(features, config)
    return time.perf_counter() - start


def main() -> None:
    """Print one line a size."""
    for instances, count, hidden in ((48, 5, 2), (24, 60, 12)):
        features = sparse_features(torch.logspace(0, -2, instances), count)
        config = Config(hidden, steps=50)
        batched(features, config)  # warm up
        pairs = [[seconds(function, features, config) for function in (batched, one_at_a_time)] for _ in range(REPEATS)]
        fast, slow = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(
            f"superposition.train, {instances} models of {count} features in {hidden} dimensions, {config.steps} steps: "
            f"batched {fast:.2f} s, one at a time {slow:.2f} s, ratio {slow / fast:.1f}"
        )


if __name__ == "__main__":
    main()
