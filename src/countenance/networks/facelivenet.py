"""FaceLiveNet: one network that knows a face again and reads the expression on it.

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face Verification
with Interactive Facial Expression-based Liveness Detection, ICPR 2018, https://hal.science/hal-02552657; section II,
Tables I and II, Fig. 2, Algorithm 1. A trunk of Inception-ResNet-v1 forks: branch 1 ends in the features that
verification compares, branch 2, alike but for its head, in the logits of expressions.

- The paper gives no widths. Those of `OFFICIAL` are https://github.com/hengxyz/FaceLiveNet's: facenet's, with 1 block
  of each kind in the trunk and 2 in a branch. Its 13,065,399 parameters are ten times the 1.31 million of Table II;
  `SLIM`, with 5/16 of each width, has 1,311,510.
- `FULL` is ours: all the blocks of davidsandberg's facenet, so that its published weights are trunk and branch 1.
- The released code rectifies the logits too, which then cannot fall below 0. Here that is an option, off as a rule.
- Block 4 and block 5 of Table I are taken for the reduction before the fork and for the blocks 8 behind it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from countenance.errors import UsageError, at_least
from countenance.networks.inception_resnet_v1 import (
    BLOCK_8,
    BLOCK_17,
    BLOCK_35,
    FEATURES,
    REDUCTION_A,
    REDUCTION_B,
    SCALE_8,
    SCALE_17,
    SCALE_35,
    SIDE,
    STEM,
    Branch,
    Convolution,
    InceptionResnetV1,
    Layer,
    Reduction,
    Residual,
    ShiftedNorm,
    build_stem,
    whitened,
)
from countenance.vocabulary import Expression

# What FER2013 tells apart; CK+ has contempt as well.
SEVEN: Final = tuple(each for each in Expression if each is not Expression.CONTEMPT)


class BranchVariant(StrEnum):
    """What branch 2 has of its own: a column of Table I."""

    BLOCK5_X1 = "block5 x1"
    BLOCK5_X2 = "block5 x2"  # the paper's choice
    BLOCK5_X2_BLOCK4 = "block5 x2 + block4"  # the second reduction as well


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Widths and numbers of blocks.

    Attributes:
        stem, block_35, reduction_a, block_17, reduction_b, block_8: the layers of each part.
        blocks_35: how many in the trunk.
        blocks_17: how many in the trunk.
        blocks_8: how many in branch 1; the last has no scale and no rectifier.
        bottleneck: numbers that branch 1 ends in, normalised; None: the mean of the last maps.
        hidden: width of the layer before the logits.
        dropout: share of a branch's means that is dropped in training.
    """

    stem: tuple[Layer | None, ...] = STEM
    block_35: tuple[Branch, ...] = BLOCK_35
    reduction_a: tuple[Branch, ...] = REDUCTION_A
    block_17: tuple[Branch, ...] = BLOCK_17
    reduction_b: tuple[Branch, ...] = REDUCTION_B
    block_8: tuple[Branch, ...] = BLOCK_8
    blocks_35: int = 1
    blocks_17: int = 1
    blocks_8: int = 2
    bottleneck: int | None = None
    hidden: int = 128
    dropout: float = 0.5  # section IV-A

    @property
    def low(self) -> int:
        """Channels behind the stem."""
        return _widths(self.stem)[-1]

    @property
    def middle(self) -> int:
        """Channels behind the first reduction."""
        return self.low + _channels(self.reduction_a)

    @property
    def top(self) -> int:
        """Channels behind the second, where the branches start."""
        return self.middle + _channels(self.reduction_b)

    @property
    def features(self) -> int:
        """Numbers that verification compares."""
        return self.top if self.bottleneck is None else self.bottleneck


def narrowed(layout: Layout, *, numerator: int, denominator: int, hidden: int) -> Layout:
    """Return the layout with a fraction of each width.

    Args:
        layout: of any widths.
        numerator: of the fraction.
        denominator: of the fraction.
        hidden: width of the layer before the logits.

    Raises:
        UsageError: a width that the fraction does not divide, or a number below 1.

    >>> narrowed(OFFICIAL, numerator=1, denominator=2, hidden=64).features
    896
    """
    at_least(1, numerator=numerator, denominator=denominator, hidden=hidden)

    def narrow(layer: Layer) -> Layer:
        channels, rest = divmod(layer.channels * numerator, denominator)
        if rest:
            raise UsageError(
                expected="a fraction of which every width is whole",
                came=f"{numerator}/{denominator} of {layer.channels}",
                remedy="take 5/16, or a power of 1/2 down to 1/16",
            )
        return Layer(channels=channels, kernel=layer.kernel, stride=layer.stride, padded=layer.padded)

    def all_of(branches: Iterable[Branch]) -> tuple[Branch, ...]:
        return tuple(tuple(narrow(layer) for layer in branch) for branch in branches)

    return Layout(
        stem=tuple(None if layer is None else narrow(layer) for layer in layout.stem),
        block_35=all_of(layout.block_35),
        reduction_a=all_of(layout.reduction_a),
        block_17=all_of(layout.block_17),
        reduction_b=all_of(layout.reduction_b),
        block_8=all_of(layout.block_8),
        blocks_35=layout.blocks_35,
        blocks_17=layout.blocks_17,
        blocks_8=layout.blocks_8,
        bottleneck=layout.bottleneck,
        hidden=hidden,
        dropout=layout.dropout,
    )


def longest_path(layout: Layout, variant: BranchVariant = BranchVariant.BLOCK5_X2) -> tuple[int, int]:
    """Return how many convolutions and linear layers the longest way from pixels to logits passes.

    >>> longest_path(OFFICIAL)
    (28, 2)
    """
    stem = sum(layer is not None for layer in layout.stem)
    reductions = _depth(layout.reduction_a) + _depth(layout.reduction_b)
    blocks = (
        layout.blocks_35 * (_depth(layout.block_35) + 1)  # and the convolution that leads back
        + layout.blocks_17 * (_depth(layout.block_17) + 1)
        + (1 if variant is BranchVariant.BLOCK5_X1 else 2) * (_depth(layout.block_8) + 1)
    )
    return stem + reductions + blocks, 2


OFFICIAL: Final = Layout()
SLIM: Final = narrowed(OFFICIAL, numerator=5, denominator=16, hidden=96)
FULL: Final = Layout(blocks_35=5, blocks_17=10, blocks_8=6, bottleneck=FEATURES)


class TrunkMaps(NamedTuple):
    """What the trunk sees, before its last reduction and behind it.

    Attributes:
        middle: (N, 896, 8, 8), of `OFFICIAL`.
        top: (N, 1792, 3, 3), of `OFFICIAL`.
    """

    middle: Tensor
    top: Tensor


class FaceLiveNetOutput(NamedTuple):
    """What one pass tells of N faces.

    Attributes:
        features: (N, D) of length 1.
        logits: (N, E), a column for each of the network's expressions.
    """

    features: Tensor
    logits: Tensor


class Trunk(nn.Module):
    """What both branches stand on; its parts are called as in `InceptionResnetV1`.

    Args:
        layout: widths and numbers of blocks.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.stem = build_stem(3, layout.stem)
        self.blocks_35 = nn.Sequential(
            *(Residual(layout.low, layout.block_35, scale=SCALE_35) for _ in range(layout.blocks_35))
        )
        self.reduction_a = Reduction(layout.low, layout.reduction_a)
        self.blocks_17 = nn.Sequential(
            *(Residual(layout.middle, layout.block_17, scale=SCALE_17) for _ in range(layout.blocks_17))
        )
        self.reduction_b = Reduction(layout.middle, layout.reduction_b)

    def forward(self, images: Tensor) -> TrunkMaps:
        """Return the maps of images.

        Args:
            images: (N, 3, 160, 160), RGB in [0, 1].

        Raises:
            UsageError: images of another shape or in whole numbers.
        """
        if images.ndim != 4 or images.shape[1:] != (3, SIDE, SIDE) or not images.is_floating_point():
            raise UsageError(
                expected=f"images (N, 3, {SIDE}, {SIDE}) of floating point in [0, 1]",
                came=f"{tuple(images.shape)} of {images.dtype}",
                remedy="cut each face out first, as 160 x 160 pixels over 255",
            )
        maps = self.blocks_35(self.stem(whitened(images)))  # (N, 256, 17, 17)
        middle = self.blocks_17(self.reduction_a(maps))  # (N, 896, 8, 8)
        return TrunkMaps(middle, self.reduction_b(middle))  # (N, 1792, 3, 3)


class TaskBranch(nn.Module):
    """The blocks 8 of one task, and their mean over the place.

    Args:
        layout: widths.
        blocks: how many; the last has no scale and no rectifier.
        reduced: whether the branch starts before the second reduction, with one of its own.
        bottleneck: numbers it ends in, by a linear map without a bias, normalised; None: there is none.
    """

    def __init__(self, layout: Layout, *, blocks: int, reduced: bool = False, bottleneck: int | None = None) -> None:
        super().__init__()
        self.reduction_b = Reduction(layout.middle, layout.reduction_b) if reduced else None
        self.blocks_8 = nn.Sequential(
            *(Residual(layout.top, layout.block_8, scale=SCALE_8) for _ in range(blocks - 1)),
            Residual(layout.top, layout.block_8, scale=1.0, rectified=False),
        )
        self.dropout = nn.Dropout(layout.dropout)
        self.bottleneck = None if bottleneck is None else nn.Conv2d(layout.top, bottleneck, 1, bias=False)
        self.norm = None if bottleneck is None else ShiftedNorm(bottleneck)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (N, D) of the maps (N, C, H, W) where the branch starts."""
        if self.reduction_b is not None:
            maps = self.reduction_b(maps)
        pooled = self.dropout(self.blocks_8(maps).mean((2, 3), keepdim=True))
        if self.bottleneck is not None:
            assert self.norm is not None
            pooled = self.norm(self.bottleneck(pooled))
        features: Tensor = pooled.flatten(1)
        return features


class FaceLiveNet(nn.Module):
    """The network: a trunk, a branch to know a face again and, once it has expressions to tell, a second one for them.

    Weights are drawn after Glorot and Bengio, biases are 0 (Alg. 1, stage 1, line 1).

    Args:
        layout: `OFFICIAL`, `SLIM`, `FULL` or another.
        expressions: to tell apart, in the order of the logits; none: there is no branch 2 yet (see `fork`).
        variant: what branch 2 has of its own.
        rectified_logits: whether no logit can be below 0, as in the released code.

    Raises:
        UsageError: a single expression, or one named twice.
    """

    def __init__(
        self,
        layout: Layout = OFFICIAL,
        expressions: Sequence[Expression] = (),
        *,
        variant: BranchVariant = BranchVariant.BLOCK5_X2,
        rectified_logits: bool = False,
    ) -> None:
        super().__init__()
        self.layout, self.features = layout, layout.features
        self.trunk = Trunk(layout)
        self.branch_1 = TaskBranch(layout, blocks=layout.blocks_8, bottleneck=layout.bottleneck)
        self.branch_2: TaskBranch | None = None
        self.head: nn.Sequential | None = None
        self.expressions: tuple[Expression, ...] = ()
        self.variant = variant
        self.rectified_logits = False
        self.frozen = False
        _initialise(self)
        if expressions:
            self.fork(expressions, variant=variant, rectified_logits=rectified_logits)

    def fork(
        self,
        expressions: Sequence[Expression],
        *,
        variant: BranchVariant = BranchVariant.BLOCK5_X2,
        rectified_logits: bool = False,
    ) -> Self:
        """Grow a branch 2 with the blocks of branch 1 and a head drawn anew, in the place of what there was; return it.

        Args:
            expressions: as of the class.
            variant: as of the class.
            rectified_logits: as of the class.

        Raises:
            UsageError: fewer than two expressions, or one named twice.
        """
        if len(expressions) < 2 or len(set(expressions)) < len(expressions):
            raise UsageError(
                expected="two expressions or more, each named once",
                came=", ".join(expressions) or "none",
                remedy="name those that the training set tells apart",
            )
        self.expressions, self.variant, self.rectified_logits = tuple(expressions), variant, rectified_logits
        place = next(self.parameters()).device
        self.branch_2 = TaskBranch(
            self.layout,
            blocks=1 if variant is BranchVariant.BLOCK5_X1 else 2,
            reduced=variant is BranchVariant.BLOCK5_X2_BLOCK4,
        ).to(place)
        self.head = nn.Sequential(
            nn.Linear(self.layout.top, self.layout.hidden), nn.ReLU(), nn.Linear(self.layout.hidden, len(expressions))
        ).to(place)
        _initialise(self.head)
        copy_branch(self)
        return self.train(self.training)

    def forward(self, images: Tensor) -> FaceLiveNetOutput:
        """Return features and logits of images in one pass of the trunk.

        Args:
            images: (N, 3, 160, 160), RGB in [0, 1].

        Raises:
            UsageError: images of another shape or in whole numbers.
        """
        maps = self.trunk(images)
        features = normalize(self.branch_1(maps.top))
        if self.branch_2 is None:
            return FaceLiveNetOutput(features, features.new_zeros(len(features), 0))
        return FaceLiveNetOutput(features, self.express(self.before_branch_2(maps)))

    def embed(self, images: Tensor) -> Tensor:
        """Return features (N, D), of any length, of images (N, 3, 160, 160), RGB in [0, 1]; as `forward` refuses."""
        features: Tensor = self.branch_1(self.trunk(images).top)
        return features

    def before_branch_2(self, maps: TrunkMaps) -> Tensor:
        """Return those maps of the trunk at which branch 2 starts: what can be kept while only branch 2 learns."""
        return maps.middle if self.variant is BranchVariant.BLOCK5_X2_BLOCK4 else maps.top

    def express(self, maps: Tensor) -> Tensor:
        """Return the logits (N, E) of the maps that `before_branch_2` chose.

        Raises:
            UsageError: the network has no expressions to tell.
        """
        if self.branch_2 is None or self.head is None:
            raise UsageError(expected="a network with expressions", came="one without", remedy="fork it first")
        logits: Tensor = self.head(self.branch_2(maps))
        return torch.relu(logits) if self.rectified_logits else logits

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  as of the base class
        """Go into training or inference mode; frozen parts stay in inference mode, so their statistics stand still."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
            self.branch_1.eval()
        return self


def copy_branch(network: FaceLiveNet) -> None:
    """Give branch 2 the blocks of branch 1: its first and last, or its last alone (Alg. 1, stage 2, line 2).

    A branch 2 with a reduction of its own gets the trunk's.

    Raises:
        UsageError: there is no branch 2.
    """
    if network.branch_2 is None:
        raise UsageError(expected="a network with expressions", came="one without", remedy="fork it first")
    _copy_ends(network.branch_1.blocks_8, network.branch_2.blocks_8)
    if network.branch_2.reduction_b is not None:
        _copy(network.trunk.reduction_b, network.branch_2.reduction_b)


def freeze_for_expression(network: FaceLiveNet) -> None:
    """Let only branch 2 and the head learn (Alg. 1, stage 2, line 1).

    Trunk and branch 1 lose their gradients and stay in inference mode, whatever `train` is told. A gradient still
    reaches the pixels.
    """
    network.frozen = True
    for part in (network.trunk, network.branch_1):
        part.requires_grad_(requires_grad=False)
    network.train(network.training)


def unfreeze(network: FaceLiveNet) -> None:
    """Let all parts learn again."""
    network.frozen = False
    network.requires_grad_().train(network.training)


def from_facenet(
    facenet: InceptionResnetV1,
    expressions: Sequence[Expression] = (),
    *,
    variant: BranchVariant = BranchVariant.BLOCK5_X2,
) -> FaceLiveNet:
    """Return `FULL` with a facenet as trunk and branch 1: its embeddings are that network's.

    Args:
        facenet: such as `inception_resnet_v1.load` returns it.
        expressions: as of `FaceLiveNet`.
        variant: as of `FaceLiveNet`.

    Returns:
        The network in inference mode. Nothing is shared with `facenet`.

    Raises:
        UsageError: the normalisations of `facenet` are folded into its convolutions.
    """
    return from_facenet_blocks(facenet, expressions, layout=FULL, variant=variant)


def from_facenet_blocks(
    facenet: InceptionResnetV1,
    expressions: Sequence[Expression] = (),
    *,
    layout: Layout = OFFICIAL,
    variant: BranchVariant = BranchVariant.BLOCK5_X2,
) -> FaceLiveNet:
    """Return a network that starts with the blocks of a facenet, as many as it has room for.

    In the trunk the first of each kind, in branch 1 the first and, at its end, facenet's last; branch 2 as
    `copy_branch`. A head is drawn anew.

    Args:
        facenet: such as `inception_resnet_v1.load` returns it.
        expressions: as of `FaceLiveNet`.
        variant: as of `FaceLiveNet`.
        layout: with facenet's widths.

    Returns:
        The network in inference mode. Nothing is shared with `facenet`.

    Raises:
        UsageError: the layout has other widths or more blocks than facenet, or the normalisations of `facenet` are
            folded into its convolutions.
    """
    _refuse_folded(facenet)
    _refuse_other_widths(layout)
    network = FaceLiveNet(layout)
    trunk, branch = network.trunk, network.branch_1
    _copy(facenet.stem, trunk.stem)
    _copy(facenet.reduction_a, trunk.reduction_a)
    _copy(facenet.reduction_b, trunk.reduction_b)
    for theirs, ours in ((facenet.blocks_35, trunk.blocks_35), (facenet.blocks_17, trunk.blocks_17)):
        _copy(theirs[: len(ours)], ours)
    _copy_ends(facenet.blocks_8, branch.blocks_8)
    if branch.bottleneck is not None:
        assert branch.norm is not None
        _copy(facenet.bottleneck, branch.bottleneck)
        _copy(facenet.norm, branch.norm)
    if expressions:
        network.fork(expressions, variant=variant)
    return network.eval()


def _widths(layers: Iterable[Layer | None]) -> list[int]:
    return [layer.channels for layer in layers if layer is not None]


def _channels(branches: Iterable[Branch]) -> int:
    return sum(branch[-1].channels for branch in branches)


def _depth(branches: Iterable[Branch]) -> int:
    return max(len(branch) for branch in branches)


def _initialise(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def _copy(source: nn.Module, target: nn.Module) -> None:
    target.load_state_dict(source.state_dict())


def _copy_ends(source: nn.Sequential, target: nn.Sequential) -> None:
    """The last block from the last, those before it from the first on."""
    for place in range(len(target) - 1):
        _copy(source[place], target[place])
    _copy(source[-1], target[-1])


def _refuse_folded(facenet: InceptionResnetV1) -> None:
    layers = (part for part in facenet.modules() if isinstance(part, Convolution))
    if not all(isinstance(layer.norm, ShiftedNorm) for layer in layers):
        raise UsageError(
            expected="a facenet with its normalisations",
            came="one with these folded into its convolutions",
            remedy="load it again, and fold later",
        )


def _refuse_other_widths(layout: Layout) -> None:
    ours = (layout.stem, layout.block_35, layout.reduction_a, layout.block_17, layout.reduction_b, layout.block_8)
    blocks = (layout.blocks_35, layout.blocks_17, layout.blocks_8)
    if (
        ours != (STEM, BLOCK_35, REDUCTION_A, BLOCK_17, REDUCTION_B, BLOCK_8)
        or layout.bottleneck not in {None, FEATURES}
        or any(few > many for few, many in zip(blocks, (5, 10, 6), strict=True))
    ):
        raise UsageError(
            expected="a layout of facenet's widths and of at most 5, 10 and 6 blocks",
            came=f"{layout.features} features behind a stem of {layout.low} channels, {blocks} blocks",
            remedy="take OFFICIAL or FULL; another layout starts from nothing",
        )
