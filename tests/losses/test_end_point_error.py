"""End-point error: by hand, by a slow second implementation, and by refusal."""

import pytest
import torch

from countenance.errors import UsageError
from countenance.losses.end_point_error import WEIGHTS, end_point_error, multi_scale_error


def test_a_right_angle_by_hand():
    predicted, true = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    predicted[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    assert end_point_error(predicted, true).tolist() == [[[5.0, 0.0]]]


def test_scales_by_a_slow_second_implementation():
    generator = torch.Generator().manual_seed(1)
    true = torch.randn(3, 2, 64, 64, generator=generator)
    flows = [torch.randn(3, 2, 64 // step, 64 // step, generator=generator) for step in (4, 8, 16, 32, 64)]
    expected = 0.0
    for flow, weight, step in zip(flows, WEIGHTS, (4, 8, 16, 32, 64), strict=True):
        for sample in range(3):
            for row in range(64 // step):
                for column in range(64 // step):
                    covered = true[sample, :, row * step : (row + 1) * step, column * step : (column + 1) * step]
                    way = flow[sample, :, row, column] - covered.flatten(1).mean(1)
                    expected += weight * float((way**2).sum().sqrt()) / 3
    assert multi_scale_error(flows, true).item() == pytest.approx(expected, rel=1e-4)


def test_scales_that_do_not_divide_the_picture():
    true = torch.full((1, 2, 112, 112), 2.0)
    assert multi_scale_error([torch.full((1, 2, 7, 7), 2.0)], true, weights=[1.0]).item() == pytest.approx(0)


def test_where_nothing_is_left_to_learn_the_gradient_is_none():
    flow = torch.zeros(1, 2, 4, 4, requires_grad=True)
    multi_scale_error([flow], torch.zeros(1, 2, 16, 16), weights=[1.0]).backward()
    assert flow.grad is not None
    assert not flow.grad.any()


def test_a_weight_for_each_scale():
    with pytest.raises(UsageError, match="a weight for each of 1 scales; came 5"):
        multi_scale_error([torch.zeros(1, 2, 4, 4)], torch.zeros(1, 2, 16, 16))


def test_what_is_not_known_counts_for_nothing():
    true = torch.full((1, 2, 8, 8), float("nan"))
    true[..., :6] = 3.0
    known = torch.isfinite(true[:, 0])
    flow = torch.zeros(1, 2, 2, 2, requires_grad=True)
    error = multi_scale_error([flow], true, weights=[1.0], known=known)
    assert error.item() == pytest.approx((1 + 0.5) * 2 * 3 * 2**0.5), "two places known, two by half"
    error.backward()
    assert flow.grad is not None
    assert torch.isfinite(flow.grad).all()
    everywhere = torch.ones(1, 8, 8)
    true = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(
        multi_scale_error([flow], true, weights=[1.0], known=everywhere),
        multi_scale_error([flow], true, weights=[1.0]),
    )
