"""The run-time shape checking that tests/conftest.py switches on does catch a wrong shape."""

import jaxtyping
import pytest
import torch

from cls_toys import keys, probes
from cls_toys.stores.linear import LinearStore

KEYS = keys.harmonic_frame(4, 3)


def test_a_wrong_rank_is_caught() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        probes.leverage(KEYS[0])


def test_two_arguments_that_disagree_are_caught() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        probes.writability(KEYS, KEYS[:-1])


def test_a_wrong_dtype_is_caught() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        probes.rank(torch.ones(3, 2, dtype=torch.int64))


def test_methods_are_checked_too() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        LinearStore(KEYS).write(KEYS, torch.ones(1, dtype=KEYS.dtype))
