"""Minimisation: L-BFGS for whole problems, Adam for noisy gradients, without the compiler that torch.optim imports for seconds."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy import optimize
from torch import Generator, Tensor
from torch.optim.adam import adam as _adam

from cls_toys import keys as make


def minimise(
    loss: Callable[[Float[Tensor, "*shape"]], Float[Tensor, ""]], start: Float[Tensor, "*shape"], steps: int = 300
) -> Float[Tensor, "*shape"]:
    r"""Where a differentiable loss is least, :math:`\operatorname{arg\,min}_x \mathcal{L}(x)`, by SciPy's L-BFGS from ``start``.

    It is a local minimum, or what ``steps`` steps have reached. Raises ``ValueError`` on fewer than one step.

    >>> minimise(lambda x: (x - 3).square().sum(), torch.zeros(2, 1)).round(decimals=4).tolist()
    [[3.0], [3.0]]
    """
    if steps < 1:
        raise ValueError(f"steps={steps}: search for at least one step")

    def tensor(entries: np.ndarray) -> Tensor:
        return torch.from_numpy(entries.copy()).to(start).reshape(start.shape)

    def evaluate(entries: np.ndarray) -> tuple[float, np.ndarray]:
        point = tensor(entries).requires_grad_()
        value = loss(point)
        (slope,) = torch.autograd.grad(value, point)
        return value.item(), slope.double().cpu().numpy().ravel()

    options = {"maxiter": steps, "ftol": 1e-15, "gtol": 1e-10}
    first = start.detach().double().cpu().numpy().ravel()
    return tensor(optimize.minimize(evaluate, first, jac=True, method="L-BFGS-B", options=options).x)


def minimise_keys(
    loss: Callable[[Float[Tensor, "items dim"]], Float[Tensor, ""]], items: int, dim: int, *, starts: int,
    generator: Generator, steps: int = 300,
) -> Float[Tensor, "starts items dim"]:  # fmt: skip
    """Search over codes, which knows nothing of any bound: :func:`minimise` from Gaussian starts, one code from each.

    Raises ``ValueError`` on fewer than one start or step and on no items or dimensions.
    """
    if starts < 1:
        raise ValueError(f"starts={starts}: search from at least one start")
    return torch.stack([minimise(loss, make.gaussian(items, dim, generator=generator), steps) for _ in range(starts)])


def adam(parameters: Sequence[Tensor]) -> Callable[[Sequence[Tensor], float], None]:
    """A function that makes a step of Adam, as torch.optim.Adam: it changes the parameters in place, by gradients and a rate.

    >>> weight = torch.ones(2)
    >>> step = adam([weight])
    >>> step([torch.tensor([5.0, -0.1])], 0.25)
    >>> weight
    tensor([0.7500, 1.2500])
    """
    means, squares = ([torch.zeros_like(part) for part in parameters] for _ in range(2))
    counts = [torch.zeros(()) for _ in parameters]

    @torch.no_grad()
    def step(gradients: Sequence[Tensor], rate: float) -> None:
        _adam(
            list(parameters), list(gradients), means, squares, [], counts, amsgrad=False, beta1=0.9, beta2=0.999, lr=rate,
            weight_decay=0.0, eps=1e-8, maximize=False, foreach=False,
        )  # fmt: skip

    return step
