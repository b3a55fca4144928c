"""Angular losses: a second slow implementation, the limits, and gradients where the angle has none."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from countenance.errors import UsageError
from countenance.losses.angular import Annealing, MarginSoftmax

BUILT = {
    "arcface": lambda: MarginSoftmax.arcface(5, 4),
    "arcface, s 64": lambda: MarginSoftmax.arcface(5, 4, scale=64),
    "arcface, wide": lambda: MarginSoftmax.arcface(5, 4, angle_radians=1.5),
    "cosface": lambda: MarginSoftmax.cosface(5, 4),
    "sphereface": lambda: MarginSoftmax.sphereface(5, 4),
    "sphereface, not annealed": lambda: MarginSoftmax.sphereface(5, 4, annealing=None),
    "all at once": lambda: MarginSoftmax(5, 4, multiplier=1.35, angle_radians=0.2, offset=0.1),
}


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def slow_loss(head, features, labels):
    """Follow the formula in Python's own numbers, a sample at a time."""
    losses = []
    weights = head.weight.detach().double().tolist()
    for feature, label in zip(features.double().tolist(), labels.tolist(), strict=True):
        length = math.hypot(*feature)
        cosines = [
            sum(a * b for a, b in zip(feature, weight, strict=True)) / length / math.hypot(*weight)
            for weight in weights
        ]
        theta = math.acos(cosines[label])
        angle = head.multiplier * theta + head.angle_radians
        turns = 0
        if head.multiplier != 1:
            while angle >= (turns + 1) * math.pi:
                turns += 1
            target = (-1) ** turns * math.cos(angle) - 2 * turns
        elif angle > math.pi:
            target = math.cos(theta) - head.angle_radians * math.sin(head.angle_radians)
        else:
            target = math.cos(angle)
        target -= head.offset
        if head.annealing is not None:
            share = max(head.annealing.least, head.annealing.first / (1 + head.annealing.rate * int(head.steps)))
            target = (share * cosines[label] + target) / (1 + share)
        scale = length if head.scale is None else head.scale
        logits = [scale * (target if k == label else cosine) for k, cosine in enumerate(cosines)]
        highest = max(logits)
        losses.append(highest + math.log(sum(math.exp(each - highest) for each in logits)) - logits[label])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("build", BUILT.values(), ids=BUILT)
@pytest.mark.parametrize("steps", [0, 70, 100_000])
def test_it_is_the_formula(build, steps):
    head = build()
    head.steps.fill_(steps)
    features, labels = 3 * torch.randn(64, 5), torch.randint(4, (64,))
    expected = slow_loss(head, features, labels)
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-5)


def test_without_a_margin_it_is_softmax_of_scaled_cosines():
    features, labels = torch.randn(8, 5), torch.tensor([0, 1, 2, 3] * 2)
    for build in (
        lambda: MarginSoftmax(5, 4, scale=7),
        lambda: MarginSoftmax.arcface(5, 4, scale=7, angle_radians=0),
        lambda: MarginSoftmax.cosface(5, 4, scale=7, offset=0),
    ):
        head = build()
        plain = cross_entropy(7 * normalize(features) @ normalize(head.weight).T, labels)
        assert head(features, labels).item() == pytest.approx(plain.item(), rel=1e-5)
    head = MarginSoftmax.sphereface(5, 4, multiplier=1, annealing=None)
    plain = cross_entropy(features @ normalize(head.weight).T, labels)
    assert head(features, labels).item() == pytest.approx(plain.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["arcface, wide", "cosface", "sphereface, not annealed", "all at once"])
def test_the_target_never_rises_with_the_angle(name):
    head = BUILT[name]()
    angles = torch.linspace(0.001, math.pi - 0.001, 2000)
    targets = head._target(angles.cos())
    falls = targets.diff()
    assert (falls < 1e-3).all(), "a rise where the fallback of ArcFace begins would be of this size"
    assert (targets <= angles.cos() + 1e-6).all(), "a margin makes it harder, nowhere easier"


@pytest.mark.parametrize("build", BUILT.values(), ids=BUILT)
@pytest.mark.parametrize("sign", [1, -1])
def test_gradients_are_finite_where_feature_and_weight_are_one_line(build, sign):
    head = build()
    features = (sign * head.weight.detach()[:2]).clone().requires_grad_()
    head(features, torch.tensor([0, 1])).backward()
    for part in (features, head.weight):
        assert part.grad is not None
        assert part.grad.isfinite().all()
    none = torch.zeros(1, 5, requires_grad=True)
    head(none, torch.tensor([0])).backward()
    assert none.grad is not None
    assert none.grad.isfinite().all()


def test_steps_are_counted_in_training_and_kept_with_the_state():
    head = MarginSoftmax.sphereface(5, 4, annealing=Annealing(first=10, rate=1, least=0))
    features, labels = torch.randn(4, 5), torch.arange(4)
    early = head(features, labels).item()
    assert int(head.state_dict()["steps"]) == 1
    head.eval()
    assert head(features, labels).item() > early, "less of the plain cosine is harder"
    assert int(head.steps) == 1
    other = MarginSoftmax.sphereface(5, 4, annealing=Annealing(first=10, rate=1, least=0)).eval()
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(features, labels), head(features, labels))


def test_it_learns_directions():
    head = MarginSoftmax.arcface(5, 4)
    features, labels = torch.eye(4, 5), torch.arange(4)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(120):
        optimizer.zero_grad()
        head(features, labels).backward()
        optimizer.step()
    assert head.cosines(features).argmax(1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"classes": 1}, "classes of at least 2"),
        ({"scale": 0.0}, "a scale above 0"),
        ({"multiplier": 0.5}, "came 30.0, 0.5, 0 and 0"),
        ({"angle_radians": 4.0}, "an angle from 0 to pi"),
        ({"offset": -0.1}, "an offset of at least 0"),
        ({"angle_radians": math.nan}, "came 30.0, 1, nan and 0"),
    ],
)
def test_numbers_that_cannot_be(given, words):
    with pytest.raises(UsageError, match=words):
        MarginSoftmax(5, **{"classes": 4, **given})
