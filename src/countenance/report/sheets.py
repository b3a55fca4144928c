"""Picture sheets: what every sensor saw of chosen samples, and what every network said of them.

Figures 3 and 4 of A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR
Workshops 2019, with samples chosen by `protocols.hard_samples`. A row is a sample: RGB, infrared, depth side by side,
above them what it is, below them each network's score.
"""

import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.datasets.samples import PresentationSample
from countenance.errors import ProtocolMismatch, UsageError
from countenance.files import write_atomically
from countenance.loading.pictures import decode
from countenance.mosaic import Strip, draw_strips
from countenance.protocols.hard_samples import HardSample
from countenance.scores import PresentationTable
from countenance.vocabulary import Modality

COLUMNS = tuple(Modality)
_LETTERS = 54  # in a line as wide as the columns together
_CELL_LETTERS = 17  # in one column


def write_sheet(
    path: str | os.PathLike[str],
    chosen: Sequence[HardSample],
    samples: Iterable[PresentationSample],
    members: Mapping[str, PresentationTable],
    *,
    title: str,
    label: str = "",
) -> Path:
    """Write the sheet of chosen samples as a PNG, whole or not at all.

    Args:
        path: of the file.
        chosen: the rows from top to bottom.
        samples: where their pictures lie; others may be among them.
        members: each network's own table, by its name.
        title: what the sheet shows.
        label: stands over everything, such as "drawn data".

    Returns:
        The path written.

    Raises:
        UsageError: nothing was chosen, or the place cannot be written to.
        ProtocolMismatch: a chosen sample is not among `samples`, or not in a network's table.
        InputError, MissingFile: a picture cannot be read.
    """
    if not chosen:
        raise UsageError(expected="samples to show", came="none", remedy="choose some")
    by_name = {sample.identifier: sample for sample in samples}
    scores = {
        name: dict(zip(table.identifiers.tolist(), table.scores.tolist(), strict=True))
        for name, table in members.items()
    }
    strips = [*_lines(f"*** {label} ***" if label else ""), *_lines(title), [str(each) for each in COLUMNS]]
    for sample in chosen:
        if sample.identifier not in by_name or not all(sample.identifier in table for table in scores.values()):
            raise ProtocolMismatch(
                expected="chosen samples of the set and of every network's table",
                came=repr(sample.identifier),
                remedy="name the set and the split that was scored",
            )
        strips += _row(sample, by_name[sample.identifier], scores)
    return write_atomically(path, draw_strips(strips))


def _row(chosen: HardSample, sample: PresentationSample, scores: Mapping[str, Mapping[str, float]]) -> Iterator[Strip]:
    yield []
    words = ", ".join(filter(None, (str(chosen.group), chosen.species, sample.subject)))
    yield from _lines(f"{words}: {chosen.value:.3g}")
    yield [_picture(sample, modality) for modality in COLUMNS]
    cells = [_cell(name, table[chosen.identifier]) for name, table in scores.items()]
    for first in range(0, len(cells), len(COLUMNS)):
        yield cells[first : first + len(COLUMNS)]


def _lines(words: str) -> list[Strip]:
    """Words over the whole width, in as many lines as they need."""
    return [[line] for line in textwrap.wrap(words, _LETTERS)]


def _picture(sample: PresentationSample, modality: Modality) -> NDArray[np.uint8] | None:
    """The plane (H, W, 3) or (H, W); None where the sample lacks this sensor."""
    if modality not in sample.paths:
        return None
    pixels = decode(sample.paths[modality], modality)
    return pixels if modality is Modality.RGB else pixels[..., 0]


def _cell(name: str, score: float) -> str:
    """A network's name and score; of a long name the end, which tells runs of one study apart."""
    told = f"{score:.4f}"
    return f"{name[-(_CELL_LETTERS - len(told) - 1) :]} {told}"
