"""Losses of the distances to class centres: the class-wise triplet loss, its released form, and the centre loss.

- Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet, ICPR 2018, https://hal.science/hal-02552657,
  equations 3 to 7.
- Z. Ming, J. Chazalon, et al., Simple Triplet Loss Based on Intra/Inter-Class Metric Learning for Face Verification,
  ICCV Workshops 2017; https://github.com/hengxyz/facenet_class_wise_triplet_loss_pub, whose loss is not Eq. 3.
- Y. Wen, K. Zhang, Z. Li, Y. Qiao, A Discriminative Feature Learning Approach for Deep Face Recognition, ECCV 2016,
  https://doi.org/10.1007/978-3-319-46478-7_31, equation 2. FaceLiveNet's released script for verification has this one,
  on features of length 1.

Each is added to a softmax loss; its weight, alpha of Eq. 1, is the caller's. Centres start at 0 and are no parameters:
after a step, `update` moves them (Eq. 6 and 7), all losses alike. Wen et al. divide by one more than Eq. 7 does.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from countenance.errors import UsageError, at_least

CENTRE_RATE = 0.05  # gamma of Eq. 6, unstated there: the released script's 1 - .95


class CentreDistances(nn.Module):
    """Class centres, and half the squared distances to them.

    Args:
        classes: k, at least 1.
        features: length d of a feature, at least 1.
        centre_rate: gamma of Eq. 6, in [0, 1].
        normalised: whether features are brought to length 1 before anything else.

    Raises:
        UsageError: a number outside its range.
    """

    centres: Tensor

    def __init__(
        self, classes: int, features: int, *, centre_rate: float = CENTRE_RATE, normalised: bool = False
    ) -> None:
        super().__init__()
        at_least(1, classes=classes, features=features)
        if not 0 <= centre_rate <= 1:
            raise UsageError(
                expected="a centre rate from 0 to 1", came=f"{centre_rate:g}", remedy="0.05 moves centres slowly"
            )
        self.centre_rate, self.normalised = centre_rate, normalised
        self.register_buffer("centres", torch.zeros(classes, features))

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor) -> None:
        """Move the centres of a batch's classes towards its features (Eq. 6 and 7); the others stay.

        Args:
            features: (N, d).
            labels: (N,) int64, from 0 to k - 1.

        Raises:
            UsageError: features or labels of another shape or range.
        """
        points = self.points(features, labels)
        present, place, counts = torch.unique(labels, return_inverse=True, return_counts=True)  # (K_b,), (N,), (K_b,)
        apart = self.centres[labels] - points  # (N, d)
        total = torch.zeros(len(present), apart.shape[1], dtype=apart.dtype, device=apart.device)
        mean = total.index_add(0, place, apart) / counts[:, None]  # Eq. 7
        self.centres[present] -= self.centre_rate * mean.to(self.centres.dtype)  # Eq. 6

    def points(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the features (N, d) of which distances are taken: of length 1 where that is asked.

        Raises:
            UsageError: features or labels of another shape or range.
        """
        classes, length = self.centres.shape
        fit = features.ndim == 2 and features.shape[1] == length and labels.shape == features.shape[:1] != (0,)
        if not (fit and int(labels.min()) >= 0 and int(labels.max()) < classes):
            raise UsageError(
                expected=f"features (N, {length}), N at least 1, and a label from 0 to {classes - 1} of each",
                came=f"features {tuple(features.shape)}, labels {tuple(labels.shape)}"
                + (f" from {int(labels.min())} to {int(labels.max())}" if labels.numel() else ""),
                remedy="build the loss for the features and the classes of the training set",
            )
        return normalize(features) if self.normalised else features

    def own(self, points: Tensor, labels: Tensor) -> Tensor:
        """Return half the squared distance (N,) of each point to the centre of its class."""
        return (points - self.centres[labels]).square().sum(1) / 2


class ClassWiseTripletLoss(CentreDistances):
    """Eq. 3 to 5, to the letter: sums over a batch, and over all centres of the training set.

    With many classes k D_intra outweighs beta and, for theta below 1, D_psi, so that the loss is seldom 0.

    Args:
        classes: k.
        features: d.
        beta: the margin.
        theta: the weight of D_psi.
        centre_rate, normalised: as of `CentreDistances`.

    Raises:
        UsageError: a number outside its range.
    """

    def __init__(
        self,
        classes: int,
        features: int,
        *,
        beta: float = 10.0,  # section IV-A
        theta: float = 0.5,  # section IV-A
        centre_rate: float = CENTRE_RATE,
        normalised: bool = False,
    ) -> None:
        super().__init__(classes, features, centre_rate=centre_rate, normalised=normalised)
        self.beta, self.theta = _not_negative(beta, theta)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return L_c of a batch, a scalar of 0 or more.

        Args:
            features: (N, d).
            labels: (N,) int64, from 0 to k - 1.

        Raises:
            UsageError: features or labels of another shape or range.
        """
        points = self.points(features, labels)
        classes = len(self.centres)
        intra = self.own(points, labels).sum()  # Eq. 4
        # Eq. 5 without N k d differences: |x - c|^2 = |x|^2 - 2 x c + |c|^2, summed over i and l.
        across = points.sum(0) @ self.centres.sum(0)
        psi = (classes * points.square().sum() - 2 * across + len(points) * self.centres.square().sum()) / 2
        return (classes * intra + self.beta - self.theta * psi).clamp(min=0)  # Eq. 3


class ClassWiseHingeLoss(CentreDistances):
    """The released code's form: a hinge for each sample and each class of the batch, averaged.

    h(i, l) = max(d(i, y_i) + beta - gamma d(i, l), 0) with d half the squared distance to a centre; the loss is
    (the sum of all h - m beta) / (m (K_b - 1)) for m samples of K_b classes. The subtraction is there for l = y_i, of
    which it leaves (1 - gamma) d(i, y_i). A batch of one class, for which the released code divides by 0, has a loss
    and a gradient of 0.

    Args:
        classes: k.
        features: d.
        beta: the margin.
        gamma: the weight of the distance to another class; not that of Eq. 6.
        centre_rate, normalised: as of `CentreDistances`.

    Raises:
        UsageError: a number outside its range.
    """

    def __init__(
        self,
        classes: int,
        features: int,
        *,
        beta: float = 0.1,  # the released script's
        gamma: float = 0.1,  # the released script's
        centre_rate: float = CENTRE_RATE,
        normalised: bool = False,
    ) -> None:
        super().__init__(classes, features, centre_rate=centre_rate, normalised=normalised)
        self.beta, self.gamma = _not_negative(beta, gamma)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            features: (N, d).
            labels: (N,) int64, from 0 to k - 1.

        Raises:
            UsageError: features or labels of another shape or range.
        """
        points = self.points(features, labels)
        present = torch.unique(labels)  # (K_b,)
        if len(present) < 2:
            return (points * 0).sum()
        apart = (points[:, None] - self.centres[present]).square().sum(2) / 2  # (N, K_b)
        hinges = (self.own(points, labels)[:, None] + self.beta - self.gamma * apart).clamp(min=0)
        return (hinges.sum() - len(points) * self.beta) / (len(points) * (len(present) - 1))


class CentreLoss(CentreDistances):
    """Half the squared distance of each feature to the centre of its class, summed over a batch (Wen et al., Eq. 2).

    Args:
        classes: k.
        features: d.
        centre_rate: Wen et al. call it alpha.
        normalised: as of `CentreDistances`.

    Raises:
        UsageError: a number outside its range.
    """

    def __init__(self, classes: int, features: int, *, centre_rate: float = 0.5, normalised: bool = False) -> None:
        super().__init__(classes, features, centre_rate=centre_rate, normalised=normalised)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar of 0 or more.

        Args:
            features: (N, d).
            labels: (N,) int64, from 0 to k - 1.

        Raises:
            UsageError: features or labels of another shape or range.
        """
        return self.own(self.points(features, labels), labels).sum()


def _not_negative(margin: float, weight: float) -> tuple[float, float]:
    if not (margin >= 0 and weight >= 0):
        raise UsageError(
            expected="a margin and a weight of 0 or more",
            came=f"{margin:g} and {weight:g}",
            remedy="correct the number",
        )
    return margin, weight
