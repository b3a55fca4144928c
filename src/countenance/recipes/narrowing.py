"""A narrow network that begins with what a wide one knows: channels are chosen, and each layer is fitted anew.

Y. He, X. Zhang, J. Sun, Channel Pruning for Accelerating Very Deep Neural Networks, ICCV 2017: layer by layer, from the
input on, channels that stand for the others are kept, and the weights that lead to them are those by which the narrow
network's own maps come nearest to the wide one's, by least squares. Here the channels are those that a pivoted QR
decomposition of what the wide layer says of some faces takes first. What comes in along a residual has the same
channels all the way.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import qr
from torch import Tensor, nn
from torch.nn.functional import unfold

from countenance.errors import UsageError
from countenance.networks.facelivenet import FaceLiveNet, Layout
from countenance.networks.inception_resnet_v1 import Convolution, Reduction, Residual, ShiftedNorm, whitened

POSITIONS = 20_000
"""Places on maps that a layer is fitted to; so many are drawn of those that there are."""
_RIDGE = 1e-3  # of the mean square of what comes in


@dataclass(frozen=True, eq=False)
class _Seen:
    """What both networks see of the same faces at one place.

    Attributes:
        wide: maps (N, C, H, W).
        narrow: maps (N, c, H, W).
        kept: the c channels of C that the narrow ones stand for.
    """

    wide: Tensor
    narrow: Tensor
    kept: NDArray[np.intp]


def narrow(source: FaceLiveNet, layout: Layout, faces: Tensor, *, seed: int = 0) -> FaceLiveNet:
    """Return a network of a narrower layout whose trunk and branch 1 are fitted to those of a wide one.

    Args:
        source: the wide network, without a bottleneck; its blocks are as many as the layout's.
        layout: of the narrow one.
        faces: (N, 3, 160, 160) RGB in [0, 1], that it is fitted on; a few hundred.
        seed: of the positions that are drawn.

    Raises:
        UsageError: layouts with different numbers of blocks, or a wide network with a bottleneck.
    """
    wide = source.layout
    blocks = [(each.blocks_35, each.blocks_17, each.blocks_8, each.bottleneck) for each in (wide, layout)]
    if blocks[0] != blocks[1] or wide.bottleneck is not None:
        raise UsageError(
            expected="two layouts of equally many blocks, and no bottleneck",
            came=f"{blocks[0]} and {blocks[1]}",
            remedy="narrow an official network to a slim one",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = FaceLiveNet(layout).eval()
    was_training = source.training
    source.eval()
    fitter = _Fitter(np.random.default_rng(seed))
    with torch.inference_mode():
        pixels = whitened(faces)
        seen = _Seen(pixels, pixels, np.arange(3))
        seen = fitter.row(source.trunk.stem, found.trunk.stem, seen)
        seen = fitter.residuals(source.trunk.blocks_35, found.trunk.blocks_35, seen)
        seen = fitter.reduction(source.trunk.reduction_a, found.trunk.reduction_a, seen)
        seen = fitter.residuals(source.trunk.blocks_17, found.trunk.blocks_17, seen)
        seen = fitter.reduction(source.trunk.reduction_b, found.trunk.reduction_b, seen)
        fitter.residuals(source.branch_1.blocks_8, found.branch_1.blocks_8, seen)
    source.train(was_training)
    return found


class _Fitter:
    """Fits one layer after the other."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def row(self, wide: nn.Sequential, narrow: nn.Sequential, seen: _Seen) -> _Seen:
        """Fit convolutions, one behind the other, with poolings between them."""
        for theirs, ours in zip(wide, narrow, strict=True):
            if isinstance(theirs, Convolution):
                assert isinstance(ours, Convolution)
                seen = self._convolution(theirs, ours, seen)
            else:
                seen = _Seen(theirs(seen.wide), ours(seen.narrow), seen.kept)
        return seen

    def residuals(self, wide: nn.Sequential, narrow: nn.Sequential, seen: _Seen) -> _Seen:
        """Fit blocks, whose channels are those that came in."""
        for theirs, ours in zip(wide, narrow, strict=True):
            assert isinstance(theirs, Residual)
            assert isinstance(ours, Residual)
            beside = self._side_by_side(theirs.branches, ours.branches, seen)
            target = theirs.lead_back(beside.wide)[:, seen.kept]
            weight, constant = self._fitted(beside.narrow, target, ours.lead_back)
            ours.lead_back.weight.copy_(weight)
            assert ours.lead_back.bias is not None
            ours.lead_back.bias.copy_(constant)
            seen = _Seen(theirs(seen.wide), ours(seen.narrow), seen.kept)
        return seen

    def reduction(self, wide: Reduction, narrow: Reduction, seen: _Seen) -> _Seen:
        """Fit branches; what is pooled beside them keeps its channels."""
        beside = self._side_by_side(wide.branches, narrow.branches, seen)
        offset = beside.wide.shape[1]
        return _Seen(wide(seen.wide), narrow(seen.narrow), np.concatenate([beside.kept, offset + seen.kept]))

    def _side_by_side(self, wide: nn.ModuleList, narrow: nn.ModuleList, seen: _Seen) -> _Seen:
        ends, offset, kept = [], 0, []
        for theirs, ours in zip(wide, narrow, strict=True):
            assert isinstance(theirs, nn.Sequential)
            assert isinstance(ours, nn.Sequential)
            ends.append(self.row(theirs, ours, seen))
            kept.append(offset + ends[-1].kept)
            offset += ends[-1].wide.shape[1]
        return _Seen(
            torch.cat([end.wide for end in ends], 1),
            torch.cat([end.narrow for end in ends], 1),
            np.concatenate(kept),
        )

    def _convolution(self, wide: Convolution, narrow: Convolution, seen: _Seen) -> _Seen:
        before = wide.conv(seen.wide)
        behind = torch.relu(wide.norm(before))
        kept = self._standing_for_all(behind, narrow.conv.out_channels)
        weight, constant = self._fitted(seen.narrow, before[:, kept], narrow.conv)
        narrow.conv.weight.copy_(weight)
        theirs, ours = wide.norm, narrow.norm
        assert isinstance(theirs, ShiftedNorm)
        assert isinstance(ours, ShiftedNorm)
        ours.bias.copy_(theirs.bias[kept])
        ours.running_var.copy_(theirs.running_var[kept])  # type: ignore[union-attr, index]
        ours.running_mean.copy_(theirs.running_mean[kept] - constant)  # type: ignore[union-attr, index]
        return _Seen(behind, narrow(seen.narrow), kept)

    def _standing_for_all(self, maps: Tensor, count: int) -> NDArray[np.intp]:
        """Choose the channels that a pivoted QR takes first, in their order."""
        rows = self._drawn(maps.permute(0, 2, 3, 1).flatten(0, 2))
        centred = (rows - rows.mean(0)).double().numpy()
        _, _, order = qr(centred, mode="economic", pivoting=True)
        return np.sort(order[:count]).astype(np.intp)

    def _fitted(self, maps: Tensor, target: Tensor, conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
        """Return the kernel and the constant by which maps come nearest to the target."""
        padding = conv.padding
        assert not isinstance(padding, str)
        patches = unfold(maps, conv.kernel_size, padding=padding, stride=conv.stride)
        places = self._places(patches.shape[0] * patches.shape[2])
        left = patches.permute(0, 2, 1).flatten(0, 1)[places].double()
        right = target.flatten(2).permute(0, 2, 1).flatten(0, 1)[places].double()
        means = left.mean(0), right.mean(0)
        left, right = left - means[0], right - means[1]
        gram = left.T @ left
        gram += _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
        solved = torch.linalg.solve(gram, left.T @ right)  # (c k k, outs)
        constant = means[1] - means[0] @ solved
        return solved.T.reshape(conv.weight.shape).float(), constant.float()

    def _drawn(self, rows: Tensor) -> Tensor:
        return rows[self._places(len(rows))]

    def _places(self, count: int) -> Tensor:
        chosen = self._generator.choice(count, min(count, POSITIONS), replace=False)
        return torch.from_numpy(np.sort(chosen))
