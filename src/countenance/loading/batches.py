"""Batches in a repeatable order, made ready while the last one is being used.

The order of an epoch follows from the seed and the epoch's number; what is drawn for a sample's augmentation from the
seed, the epoch and the sample. Neither depends on how many threads prepare, how far ahead, where one begins, or how
many processes share each batch.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.loading.pictures import PlaneSource, stacked
from countenance.processes.group import ALONE, Share
from countenance.transforms.planes import Planes
from countenance.vocabulary import Modality

Augment = Callable[[np.random.Generator, Planes], Mapping[Modality, NDArray[np.uint8]]]
"""Draws parameters, and returns the planes of one sample with them applied."""

_ORDER, _DRAWS = 0, 1  # the two uses of a seed


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step of training sees.

    Attributes:
        planes: (B, H, W, C), or (B, T, H, W, C) of clips, uint8 for each sensor, C-contiguous.
        labels: (B,) the classes.
        numbers: (B,) of the samples in their list.
        before: samples of the same step that other processes have, and that stand before its own.
        after: likewise, after its own.
    """

    planes: Mapping[Modality, NDArray[np.uint8]]
    labels: NDArray[np.int64]
    numbers: NDArray[np.intp]
    before: int = 0
    after: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def whole(self) -> int:
        """Samples in the step, over all processes."""
        return self.before + len(self) + self.after


@dataclass(frozen=True, kw_only=True, eq=False)
class Loader:
    """Walks through a source, batch by batch.

    Attributes:
        source: of the pixels, such as `CachedPlanes` or `FilePlanes`.
        batch: samples in a batch, over all processes.
        seed: of the order and of the augmentation.
        shuffled: in another order each epoch; False: in the order of the list.
        whole_batches: leave out the rest that does not fill a batch, as in training.
        augment: applied to each sample; None: pixels as they are.
        ahead: batches that are prepared before they are asked for; 0: none, and no thread.
        threads: that prepare them, a batch each; NumPy, OpenCV and the decoders let each other run.
        share: the part of each batch that is prepared here.
    """

    source: PlaneSource
    batch: int
    seed: int = 0
    shuffled: bool = True
    whole_batches: bool = False
    augment: Augment | None = None
    ahead: int = 2
    threads: int = 1
    share: Share = ALONE

    def __post_init__(self) -> None:
        if self.batch < 1 or self.threads < 1 or self.ahead < 0:
            raise UsageError(
                expected="at least one sample in a batch and one thread, and no negative number ahead",
                came=f"batch {self.batch}, threads {self.threads}, ahead {self.ahead}",
                remedy="correct the number",
            )
        if len(self) == 0:
            raise UsageError(
                expected=f"samples for a batch of {self.batch}",
                came=f"{len(self.source)}",
                remedy="make the batch smaller, or check the list",
            )
        rest = 0 if self.whole_batches else len(self.source) % self.batch
        if (least := rest or self.batch) < self.share.of:
            raise UsageError(
                expected=f"a sample of each batch for each of {self.share.of} processes",
                came=f"a batch of {least}",
                remedy="make the batch larger, or take fewer processes",
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(len(self.source), self.batch)
        return whole + (rest > 0 and not self.whole_batches)

    def order(self, epoch: int) -> NDArray[np.intp]:
        """Return the numbers of all samples in the order of an epoch."""
        if not self.shuffled:
            return np.arange(len(self.source))
        return self._generator(_ORDER, epoch).permutation(len(self.source))

    def epoch(self, number: int, *, first: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of one epoch.

        Args:
            number: of the epoch, from 0.
            first: the batch to begin with, to go on after an interruption.

        Raises:
            UsageError: there is no such batch to begin with.
            CountenanceError: as the source or the augmentation raises it, when its batch is asked for.
        """
        if not 0 <= first <= len(self):
            raise UsageError(
                expected=f"a first batch from 0 to {len(self)}", came=str(first), remedy="resume inside the epoch"
            )
        return self._batches(number, first)

    def _batches(self, epoch: int, first: int) -> Generator[Batch, None, None]:
        order = self.order(epoch)
        parts = [order[at * self.batch : (at + 1) * self.batch] for at in range(first, len(self))]
        if not self.ahead:
            yield from (self._make(epoch, part) for part in parts)
            return
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="loader")
        waiting: deque[Future[Batch]] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(self._make, epoch, part))
                if len(waiting) > self.ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, epoch: int, numbers: NDArray[np.intp]) -> Batch:
        part = self.share.cut(len(numbers))
        before, after = part.start, len(numbers) - part.stop
        numbers = numbers[part]
        planes = self.source.gather(numbers)
        if self.augment is not None:
            planes = stacked(self._augmented(planes, epoch, numbers), len(numbers))
        return Batch(planes, self.source.labels[numbers], numbers, before, after)

    def _augmented(
        self, planes: Planes, epoch: int, numbers: NDArray[np.intp]
    ) -> Iterator[Mapping[Modality, NDArray[np.uint8]]]:
        assert self.augment is not None
        for place, number in enumerate(numbers.tolist()):
            sample = {modality: plane[place] for modality, plane in planes.items()}
            yield self.augment(self._generator(_DRAWS, epoch, number), sample)

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, *key])))
