"""The digits against scikit-learn's own copy."""

import pytest
import torch
from sklearn.datasets import load_digits

from cls_toys import tasks


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_parts_together_are_all_digits_with_their_labels(dtype: torch.dtype) -> None:
    data = tasks.digits(generator=generator(), dtype=dtype)
    assert data.train_inputs.dtype == data.test_inputs.dtype == dtype
    assert (len(data.train_inputs), len(data.test_inputs)) == (1348, 449)  # a quarter of 1797, rounded
    inputs, labels = torch.cat((data.train_inputs, data.test_inputs)), torch.cat((data.train_labels, data.test_labels))
    ours = sorted((*(16 * row).tolist(), label) for row, label in zip(inputs, labels.tolist(), strict=True))
    theirs = load_digits()
    assert ours == sorted((*row.tolist(), int(label)) for row, label in zip(theirs.data, theirs.target, strict=True))


def test_pixels_fill_the_unit_interval() -> None:
    data = tasks.digits(generator=generator())
    assert (float(data.train_inputs.min()), float(data.train_inputs.max())) == (0, 1)


def test_the_generator_alone_decides_the_split_and_mixes_the_classes() -> None:
    state = torch.get_rng_state()
    one, same, other = (tasks.digits(generator=generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one.test_inputs, same.test_inputs)
    assert torch.equal(one.train_labels, same.train_labels)
    assert not torch.equal(one.test_labels, other.test_labels)
    counts = one.test_labels.bincount(minlength=10)  # 45 of each expected, standard deviation below 6
    assert ((counts > 20) & (counts < 70)).all()


@pytest.mark.parametrize(("share", "tests"), [(0.5, 898), (1 / 1797, 1), (1796 / 1797, 1796)])
def test_the_share_is_that_of_the_test_items(share: float, tests: int) -> None:
    data = tasks.digits(share, generator=generator())
    assert (len(data.test_labels), len(data.train_labels)) == (tests, 1797 - tests)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1e-6, 0.99999, float("nan")])
def test_an_empty_part_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"test_share={share}: of 1797 digits, both parts need at least one"):
        tasks.digits(share, generator=generator())
