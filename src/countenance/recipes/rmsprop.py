"""RMSProp as the released code of FaceLiveNet has it: TensorFlow 1's, whose small number is not small.

T. Tieleman, G. Hinton, Lecture 6.5, COURSERA: Neural Networks for Machine Learning, 2012. With an epsilon of 1 it makes
a difference where this number stands and where the mean begins: TensorFlow adds it below the root, begins at 1, and
multiplies with the rate before the momentum; PyTorch's own does none of these.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from countenance.errors import UsageError


class ReleasedRmsProp(Optimizer):
    """s <- d s + (1 - d) g^2; m <- u m + r g / sqrt(s + epsilon); w <- w - m.

    Args:
        parameters: or groups of them.
        lr: r.
        decay: d, of the mean square s, which begins at 1.
        momentum: u.
        epsilon: below the root.
        weight_decay: times w is added to the gradient g.

    Raises:
        UsageError: a number outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        decay: float = 0.9,
        momentum: float = 0.9,
        epsilon: float = 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        if not (lr > 0 and epsilon > 0 and weight_decay >= 0 and 0 <= decay < 1 and 0 <= momentum < 1):
            raise UsageError(
                expected="a rate and an epsilon above 0, a weight decay of at least 0; decay and momentum from 0 to "
                "below 1",
                came=f"{lr:g}, {epsilon:g}, {weight_decay:g}; {decay:g} and {momentum:g}",
                remedy="correct the number",
            )
        numbers = {"decay": decay, "momentum": momentum, "epsilon": epsilon, "weight_decay": weight_decay}
        super().__init__(parameters, {"lr": lr, **numbers})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        assert closure is None, "gradients are computed before"
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["square"], state["moved"] = torch.ones_like(parameter), torch.zeros_like(parameter)
                gradient = parameter.grad.add(parameter, alpha=group["weight_decay"])
                square, moved = state["square"], state["moved"]
                square.mul_(group["decay"]).addcmul_(gradient, gradient, value=1 - group["decay"])
                root = square.add(group["epsilon"]).sqrt_()
                moved.mul_(group["momentum"]).addcdiv_(gradient, root, value=group["lr"])
                parameter.sub_(moved)
