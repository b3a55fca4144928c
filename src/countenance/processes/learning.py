"""A network that several processes train as one process would.

Each process sees its part of every batch; the gradients are averaged, weighted by the parts, and the statistics of
batch normalisation are those of the whole batch. PyTorch brings the first (`DistributedDataParallel`: S. Li et al.,
PyTorch Distributed: Experiences on Accelerating Data Parallel Training, VLDB 2020); its `SyncBatchNorm` does the second
on GPUs only, so that the normalisation stands here, for processors too. Whatever else is drawn in training is drawn for
the whole batch in each process, by generators that stand alike.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parallel import DistributedDataParallel

from countenance.errors import UsageError
from countenance.processes.group import own_share

_KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def shared(module: nn.Module) -> nn.Module:
    """Return what trains `module` in all processes: its batch normalisation is exchanged in place.

    Its parameters are the same objects as before, and first have the values of the first process.

    Raises:
        UsageError: it holds dropout, of which each process would draw something else than one process does, or batch
            normalisation of a kind that is not known here.
    """
    if own_share().of == 1:
        return module
    _normalise_together(module)
    device = next(module.parameters()).device
    return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)


def own(module: nn.Module) -> nn.Module:
    """Return the network itself of what `shared` returned."""
    return module.module if isinstance(module, DistributedDataParallel) else module


def whole_loss(loss: Tensor, *, part: int, whole: int) -> Tensor:
    """Return the mean loss of a batch from that of this process's part: its value, and this part's share of gradient.

    Args:
        loss: the mean over the part; a scalar.
        part: samples in it.
        whole: samples in the batch, over all processes.
    """
    processes = own_share().of
    if processes == 1:
        return loss
    weighted = loss * (part * processes / whole)  # gradients are averaged over the processes, each alike
    value = weighted.detach().double()
    distributed.all_reduce(value)
    return weighted + (value / processes - weighted.detach()).to(weighted)


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation whose statistics in training are those of the whole batch, over all processes."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (N, C, ...), normalised."""
        if not self.training:
            return super().forward(maps)
        wide = maps.to(torch.promote_types(maps.dtype, torch.float32))
        across = [axis for axis in range(maps.dim()) if axis != 1]
        spread, mean = torch.var_mean(wide, across, correction=0)  # (C,) each, of this part
        spread, mean = spread.double(), mean.double()  # the sums below cancel in float32
        count = mean.new_tensor([maps.numel() / maps.shape[1]])
        total: Tensor = _Sum.apply(torch.cat([count * mean, count * (spread + mean.square()), count]))  # type: ignore[no-untyped-call]
        whole, channels = total[-1], len(mean)
        mean, square = (total[:-1] / whole).view(2, channels)
        spread = square - mean.square()
        self._remember(mean.detach(), (spread * whole / (whole - 1)).detach())
        scale = self.weight * (spread + self.eps).rsqrt()
        shift = self.bias - mean * scale
        shape = [1, channels, *[1] * (maps.dim() - 2)]
        normalised: Tensor = wide * scale.to(wide).view(shape) + shift.to(wide).view(shape)
        return normalised.to(maps.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, spread: Tensor) -> None:
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(spread.to(self.running_var), self.momentum)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - as PyTorch calls it
        assert input.dim() > 1


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is that of its gradients."""

    @staticmethod
    def forward(_context: Any, part: Tensor) -> Tensor:
        total = part.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


def _normalise_together(module: nn.Module) -> None:
    for name, child in module.named_children():
        if type(child) in _KINDS:
            assert isinstance(child, _BatchNorm)
            setattr(module, name, _together(child))
        elif isinstance(child, _BatchNorm) or (isinstance(child, _DropoutNd) and child.p > 0):
            raise UsageError(
                expected="a network that does the same with a part of a batch as with the whole",
                came=f"{type(child).__name__} in {name}",
                remedy="train it in one process",
            )
        else:
            _normalise_together(child)


def _together(norm: _BatchNorm) -> SharedBatchNorm:
    assert norm.affine
    assert norm.track_running_stats
    twin = SharedBatchNorm(norm.num_features, norm.eps, norm.momentum, device="meta")
    for name, tensor in [*norm.named_parameters(), *norm.named_buffers()]:
        setattr(twin, name, tensor)
    return twin
