"""What teachers tell a student: soft labels made once, or the margins of every picture that the student sees.

The second is function matching (L. Beyer et al., Knowledge Distillation: A Good Teacher Is Patient and Consistent, CVPR
2022): teachers and student see the very same picture, and these pictures need no label (`transforms.mixing`). A few
teachers, drawn anew for each batch, stand for all of them: the mean of their margins is that of all on average, and the
time goes into more pictures.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.checkpoints import BEST, read_checkpoint
from countenance.datasets.samples import PresentationSample
from countenance.ensemble_scoring import score_ensemble
from countenance.loading.batches import Batch
from countenance.presentation_scoring import stack_planes
from countenance.progress import Progress, unheard
from countenance.trained import trained_network

BOUND = 6.0  # of a margin: P(bona fide) = .9975; beyond it teachers differ in nothing that matters

Folder = str | os.PathLike[str]


def taught(
    samples: Sequence[PresentationSample], teachers: Sequence[Folder], *, progress: Progress = unheard
) -> NDArray[np.float64]:
    """Return what a student is to say of training samples: half their label, half the mean of its teachers' scores.

    Most teachers have learnt from most of these samples, so that their mean alone would all but repeat the labels
    where it is right; but each attack and each bona fide sample was held out from a third of them.

    Args:
        samples: that the student learns from.
        teachers: folders of runs, which judge each sample as it is and mirrored.
        progress: called with (samples done, samples in all).

    Returns:
        (N,) from 0 to 1.
    """
    networks = {os.fspath(folder): trained_network(folder) for folder in teachers}
    table = score_ensemble(samples, networks, mirror=True, progress=progress).table
    return (table.scores + table.is_positive) / 2


class Teachers:
    """Networks that say which margins a student's batch is to have.

    Args:
        folders: of their runs.
        at_once: how many judge one batch, drawn by torch's generator; all where there are fewer.
        device: that they judge on.

    Raises:
        MissingFile, DataError: there is no such network.
    """

    def __init__(self, folders: Sequence[Folder], *, at_once: int, device: torch.device) -> None:
        self.digests = {Path(folder).name: read_checkpoint(folder, BEST).digest for folder in folders}
        self._at_once, self._device = at_once, device
        self._networks = [
            trained_network(folder).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for folder in folders
        ]

    def __call__(self, batch: Batch) -> Tensor:
        """Return the mean (B,) of the margins, each within `BOUND`, that some of the teachers give to a batch."""
        chosen = torch.randperm(len(self._networks))[: self._at_once].tolist()
        with torch.no_grad():
            margins = [
                network(stack_planes(batch.planes, network.modalities).to(self._device))
                for network in (self._networks[number] for number in chosen)
            ]
            return torch.stack(margins).clamp(-BOUND, BOUND).mean(0)
