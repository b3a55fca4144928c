"""Focal loss: by hand, by its limit, and by what an easy sample weighs."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from countenance.errors import UsageError
from countenance.losses.focal import focal_loss


def test_without_gamma_it_is_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 5, generator=generator, requires_grad=True)
    labels = torch.randint(5, (7,), generator=generator)
    torch.testing.assert_close(focal_loss(logits, labels, gamma=0), cross_entropy(logits, labels))
    one, other = (
        torch.autograd.grad(loss, logits)[0]
        for loss in (focal_loss(logits, labels, gamma=0), cross_entropy(logits, labels))
    )
    torch.testing.assert_close(one, other)


def test_two_samples_by_hand():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, math.log(4)]])  # p = 3/4, and 1/5 for label 0
    expected = (0.25**3 * -math.log(0.75) + 0.8**3 * -math.log(0.2)) / 2
    assert focal_loss(logits, torch.tensor([0, 0])).item() == pytest.approx(expected)


def test_it_stays_finite_where_nothing_is_left_to_learn():
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([0, 0]))
    loss.backward()
    assert loss.item() == pytest.approx(200.0)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("gamma", [-1.0, math.nan])
def test_what_cannot_be_asked(gamma):
    with pytest.raises(UsageError, match="a gamma of 0 or more"):
        focal_loss(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long), gamma=gamma)
