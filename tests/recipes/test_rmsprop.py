"""RMSProp as released: a slow second implementation, and numbers out of range."""

import math

import pytest
import torch

from countenance.errors import UsageError
from countenance.recipes.rmsprop import ReleasedRmsProp


def test_steps_are_those_of_the_formula():
    weight = torch.nn.Parameter(torch.tensor([2.0, -1.0], dtype=torch.float64))
    idle = torch.nn.Parameter(torch.ones(1))
    optimizer = ReleasedRmsProp([weight, idle], lr=0.1, decay=0.8, momentum=0.5, epsilon=1.0, weight_decay=0.01)
    w, s, m = [2.0, -1.0], [1.0, 1.0], [0.0, 0.0]
    for rate, gradient in ((0.1, (3.0, -4.0)), (0.1, (0.5, 1.0)), (0.01, (-2.0, 0.0))):
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        for place, g in enumerate(gradient):
            g_all = g + 0.01 * w[place]
            s[place] = 0.8 * s[place] + 0.2 * g_all**2
            m[place] = 0.5 * m[place] + rate * g_all / math.sqrt(s[place] + 1.0)
            w[place] -= m[place]
        assert weight.tolist() == pytest.approx(w, abs=1e-12)
    assert idle.item() == 1
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.tensor((-2.0, 0.0), dtype=torch.float64)), "the gradient stays what it was"


@pytest.mark.parametrize("numbers", [{"lr": 0.0}, {"decay": 1.0}, {"momentum": -0.1}, {"epsilon": 0.0}])
def test_a_number_out_of_range_is_refused(numbers):
    with pytest.raises(UsageError, match="expected a rate and an epsilon above 0"):
        ReleasedRmsProp([torch.nn.Parameter(torch.ones(1))], **({"lr": 0.1} | numbers))
