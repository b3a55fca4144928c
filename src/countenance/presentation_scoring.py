"""From presentations to scores: decoded, stacked, judged in batches."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from countenance.datasets.samples import PresentationSample
from countenance.errors import OneClassOnly, ProtocolMismatch, UsageError
from countenance.faces.surroundings import cut_surroundings
from countenance.files import sha256_of
from countenance.loading.batches import Loader
from countenance.loading.cache import CachedPlanes, list_digest
from countenance.loading.pictures import Entry, FilePlanes, PlaneSource
from countenance.progress import Progress, unheard
from countenance.scores import PresentationTable, presentation_table
from countenance.vocabulary import Modality, Presentation

BATCH = 32


class Precision(StrEnum):
    """The numbers that a forward pass is computed in; weights, and their moments in training, are always float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class PresentationNetwork(Protocol):
    """A module that judges presentations."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The sensors that it reads, in the order of its channels."""
        ...

    @property
    def side(self) -> int:
        """H and W that it was made for, in pixels."""
        ...

    def eval(self) -> nn.Module:
        """Make it ready to judge."""
        ...

    def __call__(self, planes: Tensor, present: Tensor | None = None) -> Tensor:
        """(N, C, H, W) in [0, 1] to the margins (N,) of bona fide over attack: their sigmoid is the score.

        A network that may do without a sensor takes (N, M) of bool beside them, which of them there are.
        """
        ...


@dataclass(frozen=True)
class PresentationReport:
    """What a scoring run did.

    Attributes:
        table: a row per presentation.
        seconds: how long it took.
    """

    table: PresentationTable
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Presentations decoded and judged per second."""
        return len(self.table) / self.seconds


@dataclass(frozen=True, eq=False)
class LoadedPresentations:
    """Presentations whose pixels are in memory.

    Attributes:
        samples: what they are.
        planes: (N, side, side, C) for each sensor, and the labels, in the order of `samples`.
        digest: of the list of files and of the labels.
    """

    samples: Sequence[PresentationSample]
    planes: CachedPlanes
    digest: str

    def only(self, modalities: Sequence[Modality]) -> "LoadedPresentations":
        """Return the same presentations as these sensors alone see them; pixels are not copied."""
        kept = {modality: self.planes.planes[modality] for modality in modalities}
        return replace(self, planes=CachedPlanes(kept, self.planes.labels))


def load_presentations(
    samples: Sequence[PresentationSample], modalities: Sequence[Modality], *, side: int, progress: Progress = unheard
) -> LoadedPresentations:
    """Decode every sample once and keep its pixels in memory, 62 kB a sample for three sensors at 112.

    Args:
        samples: stills of both classes, with labels.
        modalities: the sensors that are read.
        side: H and W in pixels that every picture is resized to.
        progress: called with (samples done, samples in all).

    Raises:
        OneClassOnly: no bona fide sample, or no attack.
        UsageError: a sample without one of the sensors.
        ProtocolMismatch: a sample without a label.
        InputError, MissingFile: a picture cannot be read.
    """
    entries, size = entries_of(samples, modalities), (side, side)
    source = FilePlanes(entries, size)
    bona_fide = int(source.labels.sum())
    if not 0 < bona_fide < len(entries):
        raise OneClassOnly(
            expected="bona fide samples and attacks to learn from and to choose by",
            came=f"{bona_fide:,} bona fide samples and {len(entries) - bona_fide:,} attacks in a split",
            remedy="add samples of the other class",
        )
    planes: dict[Modality, NDArray[np.uint8]] = {}
    done = 0
    for part in Loader(source=source, batch=BATCH, shuffled=False).epoch(0):
        for modality, plane in part.planes.items():
            kept = planes.setdefault(modality, np.empty((len(entries), *plane.shape[1:]), np.uint8))
            kept[part.numbers] = plane
        done += len(part)
        progress(done, len(entries))
    digest = sha256_of(list_digest(entries, size).encode() + source.labels.tobytes())
    return LoadedPresentations(samples, CachedPlanes(planes, source.labels), digest)


def entries_of(samples: Sequence[PresentationSample], modalities: Sequence[Modality]) -> list[Entry]:
    """Return what is loaded for each sample; the label is 1 for bona fide and 0 for an attack.

    Raises:
        UsageError: a sample without one of the sensors.
        ProtocolMismatch: a sample whose label the set withholds.
    """
    entries = []
    for sample in samples:
        absent = [modality for modality in modalities if modality not in sample.paths]
        if absent:
            raise UsageError(
                expected=f"{', '.join(modalities)} of every sample",
                came=f"no {', '.join(absent)} of {sample.identifier!r}",
                remedy=f"name sensors among {', '.join(sample.paths)}",
            )
        if sample.presentation is None:
            raise ProtocolMismatch(
                expected="samples with labels",
                came=f"{sample.identifier!r} without one",
                remedy="use the set's list with labels",
            )
        entries.append(
            Entry(
                identifier=sample.identifier,
                paths={modality: sample.paths[modality] for modality in modalities},
                label=int(sample.presentation is Presentation.BONA_FIDE),
            )
        )
    return entries


def stack_planes(planes: Mapping[Modality, NDArray[np.uint8]], modalities: Sequence[Modality]) -> Tensor:
    """Return planes (N, H, W, C) uint8 as one input (N, C, H, W) in [0, 1], sensors in this order."""
    channels = np.concatenate([planes[modality] for modality in modalities], axis=-1)
    return torch.from_numpy(channels).permute(0, 3, 1, 2).float().div_(255)


def device_of(module: object) -> torch.device:
    """Return where a module's parameters lie; the processor for one without any."""
    first = next(module.parameters(), None) if isinstance(module, nn.Module) else None
    return torch.device("cpu") if first is None else first.device


def scores_of(margins: Tensor) -> NDArray[np.float64]:
    """Return P(bona fide) (N,) of margins (N,); double precision keeps apart what float32 rounds to 1."""
    return margins.double().sigmoid().cpu().numpy()


def judge(
    source: PlaneSource,
    module: PresentationNetwork,
    *,
    without: Collection[Modality] = (),
    batch: int = BATCH,
    progress: Progress = unheard,
) -> NDArray[np.float64]:
    """Return the scores (N,) of a source's samples, in their order: P(bona fide), in double precision.

    Args:
        source: of the pixels.
        module: put in evaluation mode.
        without: sensors that it is told are absent, though the source has planes of them.
        batch: samples in one call; it changes a score by rounding at most.
        progress: called with (samples done, samples in all).
    """
    module.eval()
    device = device_of(module)
    there = torch.tensor([modality not in without for modality in module.modalities], device=device)  # (M,)
    scores: list[NDArray[np.float64]] = []
    done = 0
    with torch.inference_mode():
        for part in Loader(source=source, batch=batch, shuffled=False).epoch(0):
            planes = stack_planes(part.planes, module.modalities).to(device)
            scores.append(scores_of(module(planes, there.expand(len(part), -1)) if without else module(planes)))
            done += len(part)
            progress(done, len(source))
    return np.concatenate(scores)


def judge_surroundings(
    module: PresentationNetwork, image: NDArray[np.uint8], box: tuple[float, float, float, float], *, context: float
) -> float:
    """Return P(bona fide) of one face in one colour picture, by a network of colour alone.

    Args:
        module: in evaluation mode.
        image: (H, W, 3) RGB.
        box: x, y, width and height of the face in pixels.
        context: how much longer than the box the cut's side is, as in the network's training.

    Raises:
        UsageError: as for `cut_surroundings`.
    """
    cut = cut_surroundings(image, box, context=context, side=module.side)
    planes = stack_planes({Modality.RGB: cut[None]}, [Modality.RGB]).to(device_of(module))
    with torch.inference_mode():
        return float(scores_of(module(planes))[0])


def table_of(samples: Sequence[PresentationSample], scores: NDArray[np.float64]) -> PresentationTable:
    """Return the score table of samples, a row for each in their order.

    Raises:
        NonFiniteScore: a score that is not finite.
    """
    return presentation_table(
        identifiers=[sample.identifier for sample in samples],
        is_bona_fide=[sample.presentation is Presentation.BONA_FIDE for sample in samples],
        scores=scores,
        subjects=[sample.subject for sample in samples],
        species=[sample.species for sample in samples],
        splits=[str(sample.split or "") for sample in samples],
    )


def score_presentations(
    samples: Sequence[PresentationSample],
    module: PresentationNetwork,
    *,
    batch: int = BATCH,
    progress: Progress = unheard,
) -> PresentationReport:
    """Score every presentation.

    Args:
        samples: stills, with labels.
        module: the network.
        batch: samples in one call.
        progress: called with (samples done, samples in all).

    Raises:
        UsageError: no sample, or one without a sensor that the network reads.
        ProtocolMismatch: a sample without a label.
        InputError, MissingFile: a picture cannot be read.
    """
    started = time.perf_counter()
    if not samples:
        raise UsageError(expected="presentations to score", came="none", remedy="name a split that holds some")
    source = FilePlanes(entries_of(samples, module.modalities), (module.side, module.side))
    scores = judge(source, module, batch=batch, progress=progress)
    return PresentationReport(table_of(samples, scores), time.perf_counter() - started)
