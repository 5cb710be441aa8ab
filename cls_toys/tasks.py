"""Data to learn: no download, everything comes with the installation."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from sklearn.datasets import load_digits
from torch import Generator, Tensor


class Split(NamedTuple):
    """Labelled items to train on, and others to test with."""

    train_inputs: Float[Tensor, "train inputs"]
    train_labels: Int[Tensor, " train"]
    test_inputs: Float[Tensor, "test inputs"]
    test_labels: Int[Tensor, " test"]


def digits(test_share: float = 0.25, *, generator: Generator, dtype: torch.dtype = torch.float32) -> Split:
    """The 1797 handwritten digits of scikit-learn: 8 x 8 pixels a row, scaled to [0, 1]; labels 0 to 9.

    A random ``test_share`` of the items, rounded to a whole number, is for testing; it is not stratified, so the classes
    differ a little in number. Raises ``ValueError`` when either part would be empty.
    """
    pixels, labels = load_digits(return_X_y=True)
    tests = round(test_share * len(labels)) if 0 < test_share < 1 else 0
    if not 0 < tests < len(labels):
        raise ValueError(f"test_share={test_share}: of {len(labels)} digits, both parts need at least one")
    order = torch.randperm(len(labels), generator=generator)
    inputs = torch.from_numpy(pixels).to(dtype)[order] / 16  # grey levels 0 to 16
    labels = torch.from_numpy(labels)[order]
    return Split(inputs[tests:], labels[tests:], inputs[:tests], labels[:tests])
