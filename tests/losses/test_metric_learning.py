"""The losses of a few frames: a slow second implementation of each, cases by hand, limits, and the trap of the sign."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from countenance.errors import UsageError
from countenance.losses.angular import MarginSoftmax
from countenance.losses.metric_learning import FewFrameLoss, contrastive_loss, metric_loss, triplet_loss

ANGULAR = [kind for kind in FewFrameLoss if any(word in kind for word in ("arcface", "cosface", "sphereface"))]
COMPARED = [kind for kind in FewFrameLoss if any(word in kind for word in ("contrastive", "triplet"))]


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        yield


def batch(rows=12, features=6):
    """Embeddings in double precision, and labels of both classes."""
    labels = torch.arange(rows) % 2
    return 3 * torch.randn(rows, features, dtype=torch.float64), labels[torch.randperm(rows)]


def distance(one, other):
    return 1 - float(np.dot(one, other)) / math.sqrt(float(np.dot(one, one)) * float(np.dot(other, other)))


def mean_above_zero(terms):
    active = [term for term in terms if term > 0]
    return sum(active) / len(active) if active else 0.0


def slow_contrastive(embeddings, labels):
    same, other = [], []
    for i in range(len(labels)):
        for j in range(len(labels)):
            if i == j:
                continue
            apart = distance(embeddings[i], embeddings[j])
            if labels[i] == labels[j]:
                same.append(apart)
            else:
                other.append(max(0.5 - apart, 0))
    return mean_above_zero(same) + mean_above_zero(other)


def slow_triplet(embeddings, labels):
    rows = range(len(labels))
    return mean_above_zero(
        [
            distance(embeddings[a], embeddings[p]) - distance(embeddings[a], embeddings[n]) + 0.2
            for a in rows
            for p in rows
            for n in rows
            if a != p and labels[a] == labels[p] != labels[n]
        ]
    )


def slow_softmax(logits, label):
    highest = max(logits)
    return highest + math.log(sum(math.exp(each - highest) for each in logits)) - logits[label]


def slow_cross_entropy(embeddings, labels, weight, bias):
    rows = [
        slow_softmax([float(np.dot(weight[k], x)) + bias[k] for k in range(2)], label)
        for x, label in zip(embeddings, labels, strict=True)
    ]
    return sum(rows) / len(rows)


def slow_margin(embeddings, labels, weight, *, scale, m1, m2, m3, share=0.0):
    """Equation 3 with its minus sign; `share` is SphereFace's lambda, `scale` None the length of the embedding."""
    rows = []
    for x, label in zip(embeddings, labels, strict=True):
        cosines = [1 - distance(x, w) for w in weight]
        theta = math.acos(cosines[label])
        angle = m1 * theta + m2
        if m1 == 1:
            target = math.cos(angle) if angle <= math.pi else cosines[label] - m2 * math.sin(m2)
        else:
            k = math.floor(angle / math.pi)
            target = (-1) ** k * math.cos(angle) - 2 * k
        target = (share * cosines[label] + target - m3) / (1 + share)
        s = math.sqrt(float(np.dot(x, x))) if scale is None else scale
        rows.append(slow_softmax([s * (target if k == label else cosines[k]) for k in range(2)], label))
    return sum(rows) / len(rows)


def slow(kind, loss, embeddings, labels):
    total = 0.0
    if kind is FewFrameLoss.CROSS_ENTROPY:
        total += slow_cross_entropy(embeddings, labels, loss.linear.weight.tolist(), loss.linear.bias.tolist())
    if "contrastive" in kind:
        total += slow_contrastive(embeddings, labels)
    if "triplet" in kind:
        total += slow_triplet(embeddings, labels)
    margins: dict[str, dict[str, Any]] = {
        "arcface": {"scale": 30, "m1": 1, "m2": 0.5, "m3": 0},
        "cosface": {"scale": 30, "m1": 1, "m2": 0, "m3": 0.35},
        "sphereface": {"scale": None, "m1": 4, "m2": 0, "m3": 0, "share": 1000},
    }
    for word, numbers in margins.items():
        if word in kind:
            total += slow_margin(embeddings, labels, loss.angular.weight.tolist(), **numbers)
    return total


@pytest.mark.parametrize("kind", FewFrameLoss)
@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_formula(kind, seed):
    torch.manual_seed(seed)
    loss = metric_loss(kind, 6).double()
    embeddings, labels = batch(rows=8 + 3 * seed)
    expected = slow(kind, loss, embeddings.numpy(), labels.tolist())
    assert loss(embeddings, labels).item() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_general_form_of_equation_3(seed):
    torch.manual_seed(seed)
    head = MarginSoftmax(6, 2, multiplier=1.35, angle_radians=0.2, offset=0.1).double()
    embeddings, labels = batch()
    expected = slow_margin(embeddings.numpy(), labels.tolist(), head.weight.tolist(), scale=30, m1=1.35, m2=0.2, m3=0.1)
    assert head(embeddings, labels).item() == pytest.approx(expected, abs=1e-6)


def test_without_a_margin_equation_3_is_softmax_of_scaled_cosines():
    head = MarginSoftmax(6, 2).double()
    embeddings, labels = batch()
    plain = cross_entropy(30 * normalize(embeddings) @ normalize(head.weight).T, labels)
    assert head(embeddings, labels).item() == pytest.approx(plain.item(), abs=1e-6)


def test_pairs_by_hand():
    # Directions at 0, 60 and 90 degrees; 0 and 60 are of one class. Same: D = .5. Two: D = 1 at 90 degrees from the
    # first, which is beyond m, and 1 - cos 30 = .134 from the second.
    embeddings = torch.tensor([[2.0, 0.0], [0.5, math.sqrt(3) / 2], [0.0, 7.0]], dtype=torch.float64)
    found = contrastive_loss()(embeddings, torch.tensor([1, 1, 0])).item()
    assert found == pytest.approx(0.5 + (0.5 - (1 - math.sqrt(3) / 2)))


def test_triplets_by_hand():
    # Anchor 0 degrees, positive 60, negative 90: .5 - 1 + .2 < 0. Anchor 60: .5 - .134 + .2.
    embeddings = torch.tensor([[2.0, 0.0], [0.5, math.sqrt(3) / 2], [0.0, 7.0]], dtype=torch.float64)
    found = triplet_loss()(embeddings, torch.tensor([1, 1, 0])).item()
    assert found == pytest.approx(0.7 - (1 - math.sqrt(3) / 2))


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_pairs_and_no_triplets(label):
    embeddings, _ = batch()
    labels = torch.full((len(embeddings),), label)
    rows = embeddings.numpy()
    pairs = [distance(rows[i], rows[j]) for i in range(len(rows)) for j in range(i)]
    assert contrastive_loss()(embeddings, labels).item() == pytest.approx(sum(pairs) / len(pairs))
    embeddings.requires_grad_()
    none = triplet_loss()(embeddings, labels)
    none.backward()
    assert none.item() == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


@pytest.mark.parametrize("kind", [FewFrameLoss.CONTRASTIVE, FewFrameLoss.TRIPLET])
def test_nothing_is_left_where_the_classes_are_far_apart(kind):
    embeddings = torch.tensor([[1.0, 0.0], [2.0, 0.0], [-3.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    loss = metric_loss(kind, 2)(embeddings, torch.tensor([1, 1, 0, 0]))
    loss.backward()
    assert loss.item() == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


@pytest.mark.parametrize("kind", FewFrameLoss)
def test_a_batch_of_one(kind):
    embeddings = torch.randn(1, 6, requires_grad=True)
    loss = metric_loss(kind, 6)(embeddings, torch.tensor([1]))
    loss.backward()
    assert loss.isfinite()
    assert embeddings.grad is not None


@pytest.mark.parametrize("kind", FewFrameLoss)
def test_the_order_of_a_batch_is_nothing(kind):
    loss = metric_loss(kind, 6).double().eval()
    embeddings, labels = batch()
    order = torch.randperm(len(labels))
    assert loss(embeddings[order], labels[order]).item() == pytest.approx(loss(embeddings, labels).item())


@pytest.mark.parametrize("kind", [kind for kind in FewFrameLoss if kind is not FewFrameLoss.CROSS_ENTROPY])
def test_the_length_of_an_embedding_is_nothing_but_to_sphereface(kind):
    loss = metric_loss(kind, 6).double().eval()
    embeddings, labels = batch()
    same = loss(5 * embeddings, labels).item() == pytest.approx(loss(embeddings, labels).item())
    assert same is (kind is not FewFrameLoss.SPHEREFACE)


@pytest.mark.parametrize("kind", FewFrameLoss)
def test_gradients_are_finite_on_one_line(kind):
    """Cosines of 1 and -1: between embeddings, and to the weights."""
    loss = metric_loss(kind, 6)
    line = torch.randn(6) if loss.angular is None else loss.angular.weight.detach()[1]
    embeddings = (torch.tensor([1.0, 2.0, -1.0, -3.0, 1.0, -1.0])[:, None] * line).requires_grad_()
    loss(embeddings, torch.tensor([1, 1, 0, 0, 0, 1])).backward()
    assert embeddings.grad is not None
    for gradient in (embeddings.grad, *(part.grad for part in loss.parameters())):
        assert gradient is not None
        assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", COMPARED)
def test_to_pull_a_class_together_and_push_the_other_away_lowers_it(kind):
    """With the cosine similarity itself for D, as the paper has it, this would raise it."""
    loss = metric_loss(kind, 6).double().eval()
    embeddings, labels = batch(rows=20)
    centres = torch.eye(2, 6, dtype=torch.float64)
    if loss.angular is not None:
        centres = normalize(loss.angular.weight.detach())
    found = [
        loss((1 - share) * normalize(embeddings) + share * centres[labels], labels).item()
        for share in (0.0, 0.3, 0.6, 0.9)
    ]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.7 * found[0]


@pytest.mark.parametrize("kind", COMPARED)
def test_a_step_down_the_gradient_brings_one_class_together(kind):
    embeddings, labels = batch(rows=16)
    embeddings = normalize(embeddings).requires_grad_()
    loss = metric_loss(kind, 6).double()

    def contrast():
        cosines = normalize(embeddings.detach()) @ normalize(embeddings.detach()).T
        same = labels[:, None] == labels[None]
        return (cosines[same].mean() - cosines[~same].mean()).item()

    before = contrast()
    for _ in range(20):
        (gradient,) = torch.autograd.grad(loss(embeddings, labels), embeddings)
        embeddings = (embeddings - 0.2 * gradient).detach().requires_grad_()
    assert contrast() > before + 0.1


@pytest.mark.parametrize("kind", FewFrameLoss)
def test_the_representative_vector_is_that_of_the_bona_fide_class(kind):
    loss = metric_loss(kind, 6)
    found = loss.representative()
    assert (found is not None) == (kind in ANGULAR)
    if found is not None and loss.angular is not None:
        assert not found.requires_grad
        torch.testing.assert_close(found.norm(), torch.tensor(1.0))
        torch.testing.assert_close(found @ loss.angular.weight[1], loss.angular.weight[1].norm())


def test_it_is_saved_with_what_it_has_learned():
    loss, other = metric_loss(FewFrameLoss.ARCFACE_TRIPLET, 6), metric_loss(FewFrameLoss.ARCFACE_TRIPLET, 6)
    other.load_state_dict(loss.state_dict())
    embeddings, labels = torch.randn(8, 6), torch.arange(8) % 2
    assert torch.equal(loss(embeddings, labels), other(embeddings, labels))


def test_an_embedding_of_no_length():
    with pytest.raises(UsageError, match="at least 1 number; came 0"):
        metric_loss(FewFrameLoss.TRIPLET, 0)
