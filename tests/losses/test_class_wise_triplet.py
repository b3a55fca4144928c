"""Losses of class centres: slow second implementations in NumPy, cases by hand, limits, gradients and refusals."""

from typing import Any

import numpy as np
import pytest
import torch

from countenance.errors import UsageError
from countenance.losses.class_wise_triplet import CentreDistances, CentreLoss, ClassWiseHingeLoss, ClassWiseTripletLoss

CLASSES, FEATURES = 5, 4
LOSSES = (ClassWiseTripletLoss, ClassWiseHingeLoss, CentreLoss)
LABELS = torch.tensor([0, 3, 3, 1, 0, 3])  # of 2 and 4 there is nobody


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        yield


def batch() -> torch.Tensor:
    return torch.randn(len(LABELS), FEATURES, dtype=torch.float64)


def with_centres(loss: Any) -> Any:
    """The loss in double precision, its centres no longer 0."""
    loss = loss.double()
    loss.centres.normal_()
    return loss


def half_square(x: np.ndarray, c: np.ndarray) -> float:
    return sum((float(a) - float(b)) ** 2 for a, b in zip(x, c, strict=True)) / 2


def slow_triplet(features: np.ndarray, labels: np.ndarray, centres: np.ndarray, *, beta: float, theta: float) -> float:
    intra = psi = 0.0
    for x, y in zip(features, labels, strict=True):
        intra += half_square(x, centres[y])
        for centre in centres:
            psi += half_square(x, centre)
    return max(len(centres) * intra + beta - theta * psi, 0)


def slow_hinge(features: np.ndarray, labels: np.ndarray, centres: np.ndarray, *, beta: float, gamma: float) -> float:
    present = sorted(set(labels.tolist()))
    total = 0.0
    for x, y in zip(features, labels, strict=True):
        for other in present:
            total += max(half_square(x, centres[y]) + beta - gamma * half_square(x, centres[other]), 0)
    return (total - len(features) * beta) / (len(features) * (len(present) - 1))


def slow_update(features: np.ndarray, labels: np.ndarray, centres: np.ndarray, rate: float) -> np.ndarray:
    moved = centres.copy()
    for place, centre in enumerate(centres):
        own = [centre - x for x, y in zip(features, labels, strict=True) if y == place]
        if own:
            moved[place] = centre - rate * sum(own) / len(own)
    return moved


def test_two_samples_by_hand():
    """Centres (0, 0) and (2, 0); (1, 0) of the first is 1/2 from both, (2, 1) of the second 1/2 and 5/2."""
    features, labels = torch.tensor([[1.0, 0.0], [2.0, 1.0]]), torch.tensor([0, 1])
    expected = {
        ClassWiseTripletLoss(2, 2): 2 * 1 + 10 - 0.5 * (0.5 + 0.5 + 0.5 + 2.5),
        ClassWiseTripletLoss(2, 2, beta=0, theta=1): 0,  # 2 - 4
        # h: .55 for both centres of the first, .6 - .25 and .6 - .05 of the second
        ClassWiseHingeLoss(2, 2): (0.55 + 0.55 + 0.35 + 0.55 - 2 * 0.1) / (2 * 1),
        CentreLoss(2, 2): 1.0,
    }
    for loss, value in expected.items():
        assert not loss.centres.any()
        loss.centres[1, 0] = 2
        assert loss(features, labels).item() == pytest.approx(value)


@pytest.mark.parametrize("theta", [0.2, 0.5, 3.0])
@pytest.mark.parametrize("beta", [0.0, 10.0])
def test_the_class_wise_triplet_loss_in_numpy(theta, beta):
    loss = with_centres(ClassWiseTripletLoss(CLASSES, FEATURES, beta=beta, theta=theta))
    features = batch()
    slow = slow_triplet(features.numpy(), LABELS.numpy(), loss.centres.numpy(), beta=beta, theta=theta)
    assert loss(features, LABELS).item() == pytest.approx(slow, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("beta", [0.1, 5.0])
def test_the_released_form_in_numpy(gamma, beta):
    loss = with_centres(ClassWiseHingeLoss(CLASSES, FEATURES, beta=beta, gamma=gamma))
    features = batch()
    slow = slow_hinge(features.numpy(), LABELS.numpy(), loss.centres.numpy(), beta=beta, gamma=gamma)
    assert loss(features, LABELS).item() == pytest.approx(slow, rel=1e-12)


def test_the_centre_loss_in_numpy():
    loss = with_centres(CentreLoss(CLASSES, FEATURES))
    features = batch()
    slow = sum(half_square(x, loss.centres[y].numpy()) for x, y in zip(features.numpy(), LABELS, strict=True))
    assert loss(features, LABELS).item() == pytest.approx(slow, rel=1e-12)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("rate", [0.0, 0.05, 1.0])
def test_centres_move_as_in_equations_6_and_7(kind, rate):
    loss = with_centres(kind(CLASSES, FEATURES, centre_rate=rate))
    features, before = batch().requires_grad_(), loss.centres.clone()
    loss.update(features, LABELS)
    slow = slow_update(features.detach().numpy(), LABELS.numpy(), before.numpy(), rate)
    np.testing.assert_allclose(loss.centres.numpy(), slow, rtol=1e-12)
    assert torch.equal(loss.centres[[2, 4]], before[[2, 4]])
    if rate == 1:
        torch.testing.assert_close(loss.centres[3], features[LABELS == 3].mean(0))
    assert not loss.centres.requires_grad
    assert list(loss.parameters()) == []
    assert list(loss.state_dict()) == ["centres"]


@pytest.mark.parametrize("kind", LOSSES)
def test_gradients_are_those_of_small_steps(kind):
    loss = with_centres(kind(CLASSES, FEATURES))
    features = batch().requires_grad_()
    assert torch.autograd.gradcheck(lambda each: loss(each, LABELS), (features,))
    normalised = with_centres(kind(CLASSES, FEATURES, normalised=True))
    assert torch.autograd.gradcheck(lambda each: normalised(each, LABELS), (features,))


@pytest.mark.parametrize("kind", LOSSES)
def test_the_length_of_a_feature_does_not_count_where_it_is_normalised(kind):
    loss = with_centres(kind(CLASSES, FEATURES, normalised=True))
    plain = with_centres(kind(CLASSES, FEATURES))
    plain.centres.copy_(loss.centres)
    features = batch()
    unit = features / features.norm(dim=1, keepdim=True)
    torch.testing.assert_close(loss(9 * features, LABELS), plain(unit, LABELS))
    loss.update(9 * features, LABELS)
    plain.update(unit, LABELS)
    torch.testing.assert_close(loss.centres, plain.centres)


def test_a_batch_of_one_class_has_nothing_to_compare():
    loss = with_centres(ClassWiseHingeLoss(CLASSES, FEATURES))
    features = batch().requires_grad_()
    value = loss(features, torch.full_like(LABELS, 2))
    value.backward()
    assert value.item() == 0
    assert features.grad is not None
    assert not features.grad.any()


def test_the_short_sum_of_equation_5_holds_in_single_precision():
    """90 features of 1,792 numbers and 1,000 classes, as in training."""
    loss = ClassWiseTripletLoss(1000, 1792)
    loss.centres.normal_()
    features, labels = torch.randn(90, 1792), torch.randint(1000, (90,))
    exact = ClassWiseTripletLoss(1000, 1792).double()
    exact.centres.copy_(loss.centres)
    apart = torch.cdist(features.double(), exact.centres).square().sum() / 2
    expected = 1000 * exact.own(features.double(), labels).sum() + 10 - 0.5 * apart
    torch.testing.assert_close(loss(features, labels).double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)),
        (torch.zeros(4), torch.zeros(4, dtype=torch.long)),
        (torch.zeros(2, 4), torch.zeros(3, dtype=torch.long)),
        (torch.zeros(2, 4), torch.zeros(2, 1, dtype=torch.long)),
        (torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)),
        (torch.zeros(2, 4), torch.tensor([0, 5])),
        (torch.zeros(2, 4), torch.tensor([-1, 0])),
    ],
)
def test_what_does_not_fit_the_centres(features, labels):
    for kind in LOSSES:
        loss = kind(CLASSES, FEATURES)
        for step in (loss, loss.update):
            with pytest.raises(UsageError, match=r"features \(N, 4\).* a label from 0 to 4"):
                step(features, labels)


def test_numbers_outside_their_range():
    with pytest.raises(UsageError, match="classes of at least 1"):
        CentreDistances(0, 4)
    with pytest.raises(UsageError, match="a centre rate from 0 to 1"):
        CentreLoss(2, 4, centre_rate=float("nan"))
    for beta, theta in ((-1.0, 0.5), (10.0, float("nan"))):
        with pytest.raises(UsageError, match="a margin and a weight of 0 or more"):
            ClassWiseTripletLoss(2, 4, beta=beta, theta=theta)
    with pytest.raises(UsageError, match="a margin and a weight of 0 or more"):
        ClassWiseHingeLoss(2, 4, gamma=-0.1)
