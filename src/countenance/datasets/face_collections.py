"""Face sets that are handed on as identity folders or as one record file: CASIA-WebFace and MS-Celeb-1M."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.datasets.identity_folders import walk_identities
from countenance.datasets.inspection import FileFindings, Inspection, several
from countenance.datasets.mxnet_records import FaceRecords, read_record, read_records
from countenance.datasets.samples import IdentitySample
from countenance.datasets.survey import CARD_FILES, Survey
from countenance.errors import DataError, InputError
from countenance.images import read_image
from countenance.progress import Progress, unheard

RECORD_FILE = "train.rec"


@dataclass(frozen=True, kw_only=True)
class FaceCollection:
    """What tells one such set from another.

    Attributes:
        set_name: as in `NAME:ROOT`.
        folder: the folder of identities below the root; the root itself serves as well.
        identity: what the name of an identity's folder looks like.
        forms: the counts of each form in which the set is handed on; one of them must be met.
    """

    set_name: str
    folder: str
    identity: re.Pattern[str]
    forms: Sequence[Mapping[str, int]]

    def read(self, root: Path) -> list[IdentitySample]:
        """Read the whole set from `train.rec` where there is one, from folders otherwise.

        Of a record file only the identities' records are read; `inspect` reads every photograph.

        Raises:
            MissingFile: no such folder, or a record that the index does not name.
            ProtocolMismatch: the counts are of no published form, or the record file contradicts itself.
            DataError: a record is damaged.
        """
        if (root / RECORD_FILE).is_file():
            return self._of_records(root, read_records(root)).complete()
        return self._of_folders(root).complete()

    def inspect(self, root: Path, *, progress: Progress = unheard) -> Inspection:
        """Decode every photograph; of a record file also compare every label with its identity's range."""
        if not (root / RECORD_FILE).is_file():
            try:
                return self._of_folders(root).inspect(progress=progress)
            except DataError as error:
                return self._nothing(root, error)
        try:
            records = read_records(root)
        except DataError as error:
            return self._nothing(root, error)
        findings, wrong = _look(records, progress)
        survey = self._of_records(root, records)
        return replace(survey, problems=[*survey.problems, *wrong]).inspect(progress=progress, findings=findings)

    def _nothing(self, root: Path, error: DataError) -> Inspection:
        empty: Survey[IdentitySample] = Survey(
            set_name=self.set_name, root=root, samples=(), counts={}, problems=[str(error)]
        )
        return empty.inspect()

    def _of_folders(self, root: Path) -> Survey[IdentitySample]:
        folder = root / self.folder if (root / self.folder).is_dir() else root
        there = walk_identities(folder, identity=self.identity, beside=CARD_FILES)
        return Survey(
            set_name=self.set_name,
            root=root,
            samples=there.samples(),
            counts={"photographs": there.pictures, "identities": len(there.files)},
            published=self.forms,
            problems=there.problems(root),
            pictures=there.paths(),
        )

    def _of_records(self, root: Path, records: FaceRecords) -> Survey[IdentitySample]:
        missing = [key for keys in records.identities for key in keys if key not in records.offsets]
        samples = [
            IdentitySample(
                identifier=f"{label}/{key}", subject=str(label), path=records.path, offset=records.offsets[key]
            )
            for label, keys in enumerate(records.identities)
            for key in keys
            if key in records.offsets
        ]
        counts = {"photographs": len(samples), "identities": len(records.identities)}
        stated = records.stated_identities
        problems = []
        if stated not in (None, counts["identities"]):
            problems.append(f"identities: property states {stated:,}, the records describe {counts['identities']:,}")
        return Survey(
            set_name=self.set_name,
            root=root,
            samples=samples,
            counts=counts,
            published=self.forms,
            missing=[f"{RECORD_FILE}: record {key}" for key in missing],
            problems=problems,
        )


def read_photograph(sample: IdentitySample) -> NDArray[np.uint8]:
    """Decode one photograph, from a file of its own or out of a record file.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        MissingFile: no file is there.
        DataError: the record is damaged.
        InputError: the picture cannot be decoded.
    """
    if sample.offset is None:
        return read_image(sample.path)
    name = f"{sample.path.name}: {sample.identifier}"
    return read_image(read_record(sample.path, sample.offset).picture, name=name)


def _look(records: FaceRecords, progress: Progress) -> tuple[FileFindings, list[str]]:
    """Read every photograph's record: those that cannot be decoded, and what contradicts the index, a sentence each."""
    unreadable: list[str] = []
    swapped: list[str] = []
    sizes: Counter[tuple[int, int]] = Counter()
    total = sum(map(len, records.identities))
    done, owners = 0, dict[float, int]()
    for identity, keys in enumerate(records.identities):
        label: float | None = None
        for key in keys:
            done += 1
            progress(done, total)
            if key not in records.offsets:
                continue
            try:
                record = records.record(key)
                height, width, _ = read_image(record.picture, name=f"{RECORD_FILE}: record {key}").shape
            except (DataError, InputError) as error:
                unreadable.append(f"{RECORD_FILE}: record {key}: {error.came}")
                continue
            sizes[height, width] += 1
            label = record.labels[0] if label is None else label
            if record.labels[0] != label or owners.setdefault(label, identity) != identity:
                swapped.append(f"record {key} (label {record.labels[0]:g} among the photographs of {label:g})")
    problems = []
    if swapped:
        problems.append(several(swapped, "label is not its identity's", "labels are not their identity's"))
    other = {size: count for size, count in sizes.items() if records.size not in (None, size)}
    problems += [f"{n:,} photographs of {h} x {w}, not as property states" for (h, w), n in other.items()]
    return FileFindings(unreadable=tuple(unreadable)), problems
