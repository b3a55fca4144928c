"""The lists of CASIA-SURF: which three pictures are one sample, and what is its label.

Zhang et al. 2019, "A Dataset and Benchmark for Large-scale Multi-modal Face Anti-spoofing", CVPR. Three forms exist:

- the challenge's lines ``color depth ir label`` (train and private lists) or ``color depth ir`` (public lists);
- VisionLabs' CSV ``rgb,depth,ir,label``, whose depth and infrared files are named ``*_resized.jpg`` in train: their
  script scales these two to the size of the colour picture;
- none at all in the later public release, where folders tell: ``{Training,Val,Testing}/{real,fake}_part/SUBJECT/
  SPECIES.rssdk/{color,depth,ir}/FRAME.jpg``.

The challenge and VisionLabs write 1 for bona fide; the organisers' later protocol files write 0. Where a path tells
what it shows, a label that contradicts it is refused, so that the wrong polarity cannot pass.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from countenance.datasets.drawn_card import DrawnFile
from countenance.datasets.inspection import told
from countenance.datasets.samples import PresentationSample
from countenance.errors import ProtocolMismatch
from countenance.vocabulary import Modality, Presentation, Split

CHALLENGE_BONA_FIDE, LATER_BONA_FIDE = "1", "0"
"""The two polarities: what a list writes for bona fide."""

ORDER = (Modality.RGB, Modality.DEPTH, Modality.INFRARED)
"""The order of a list's paths."""

CSV_HEADER = "rgb,depth,ir,label"
FOLDERS: Mapping[Split, str] = {Split.TRAIN: "Training", Split.DEVELOPMENT: "Val", Split.TEST: "Testing"}
PARTS: Mapping[str, Presentation] = {"real_part": Presentation.BONA_FIDE, "fake_part": Presentation.ATTACK}
MODALITY_FOLDERS: Mapping[Modality, str] = {Modality.RGB: "color", Modality.DEPTH: "depth", Modality.INFRARED: "ir"}

_TELLING = re.compile(r"(?P<part>real_part|fake_part)/(?P<subject>[^/]+)/(?P<species>[^/]+?)(\.rssdk)?/")
_FAULTS: Mapping[str, tuple[str, str]] = {
    "width": ("line with the wrong number of fields", "lines with the wrong number of fields"),
    "label": ("label that is neither 1 nor 0", "labels that are neither 1 nor 0"),
    "polarity": ("label that its path contradicts", "labels that their paths contradict"),
    "twice": ("sample named twice", "samples named twice"),
}
_UNPACKED_INTO = ("train", "val", "test")  # VisionLabs' lists name the folder that each archive was unpacked into


@dataclass(frozen=True)
class ListReading:
    """What a list holds.

    Attributes:
        samples: one for each line that can be read.
        problems: what is wrong with the others, a sentence for each kind.
    """

    samples: tuple[PresentationSample, ...]
    problems: tuple[str, ...] = ()

    def or_refuse(self) -> tuple[PresentationSample, ...]:
        """Return the samples of a list without problems.

        Raises:
            ProtocolMismatch: a line of another form, a label that contradicts its path, a sample twice.
        """
        if self.problems:
            raise ProtocolMismatch(
                expected="a list of CASIA-SURF as published", came=self.problems[0], remedy="restore the published list"
            )
        return self.samples


def read_list(
    path: Path,
    *,
    root: Path,
    split: Split,
    bona_fide_label: str = CHALLENGE_BONA_FIDE,
    drawn: Mapping[str, DrawnFile] | None = None,
) -> ListReading:
    """Read one list, of either form; whether its files are there is not asked.

    Args:
        path: of the list.
        root: of the set; paths in the list are relative to it, with or without a leading train/, val/ or test/.
        split: that the list is of.
        bona_fide_label: `CHALLENGE_BONA_FIDE` or `LATER_BONA_FIDE`.
        drawn: the table of a drawn set, which knows the subjects and species of an anonymous layout.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    is_csv = bool(lines) and lines[0].replace(" ", "") == CSV_HEADER
    rows = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()][is_csv:]
    width = 4 if is_csv or "public" not in path.name else 3
    labels = {bona_fide_label: Presentation.BONA_FIDE, "01".replace(bona_fide_label, ""): Presentation.ATTACK}
    tops = {entry.name for entry in os.scandir(root)} if root.is_dir() else set()
    samples: dict[str, PresentationSample] = {}
    faults: dict[str, list[str]] = {kind: [] for kind in _FAULTS}
    for number, line in rows:
        fields = [cell.strip() for cell in line.split(",")] if is_csv else line.split()
        where = f"line {number} of {path.name}"
        if len(fields) != width:
            faults["width"].append(f"{where} ({len(fields)} instead of {width})")
        elif width == 4 and fields[3] not in labels:
            faults["label"].append(f"{where} ({fields[3]!r})")
        else:
            label = labels[fields[3]] if width == 4 else None
            sample = _sample(fields[:3], label, split=split, drawn=drawn or {}, place=partial(_place, root, tops))
            if label not in {None, sample.presentation}:
                faults["polarity"].append(f"{where} ({fields[3]}, read with {bona_fide_label} for bona fide)")
            if sample.identifier in samples:
                faults["twice"].append(where)
            samples[sample.identifier] = sample
    problems = [sentence for kind, found in faults.items() for sentence in told(found, *_FAULTS[kind])]
    if not rows:
        problems.append(f"{path.name} names no sample")
    if samples and len(faults["polarity"]) == len(samples):
        problems.append(f"the label polarity of {path.name} is the other one: read it with the other bona fide label")
    return ListReading(tuple(samples.values()), tuple(problems))


def walk_folders(root: Path, split: Split) -> ListReading:
    """Read one split of the later public layout, which has no list: the folders tell.

    A sample is whatever colour, depth or infrared file has its frame number; a modality that is not there is left to
    be found missing.
    """
    samples = []
    base = root / FOLDERS[split]
    for part in PARTS:
        for folder in sorted((base / part).glob("*/*/")):
            frames = {file.name for name in MODALITY_FOLDERS.values() for file in (folder / name).glob("*.jpg")}
            for frame in sorted(name for name in frames if not name.endswith("_resized.jpg")):
                listed = [
                    (folder / MODALITY_FOLDERS[modality] / frame).relative_to(root).as_posix() for modality in ORDER
                ]
                samples.append(_sample(listed, None, split=split, drawn={}, place=root.joinpath))
    return ListReading(tuple(samples), () if samples else (f"no sample below {base}",))


def has_folders(root: Path, split: Split) -> bool:
    """Whether `split` lies there in the later public layout."""
    return any((root / FOLDERS[split] / part).is_dir() for part in PARTS)


def pictures_beside(samples: Iterable[PresentationSample]) -> Iterator[Path]:
    """Yield every JPEG in the folders of the samples' files, but for the unscaled twin of a ``_resized`` file."""
    named = {path for sample in samples for path in sample.paths.values()}
    twins = {path.with_name(path.name.replace("_resized", "")) for path in named}
    for folder in sorted({path.parent for path in named}):
        if folder.is_dir():
            yield from (path for path in sorted(folder.glob("*.jpg")) if path in named or path not in twins)


def _sample(
    listed: Sequence[str],
    label: Presentation | None,
    *,
    split: Split,
    drawn: Mapping[str, DrawnFile],
    place: Callable[[str], Path],
) -> PresentationSample:
    telling = _TELLING.search(listed[0])
    known = drawn.get(listed[0])
    presentation = PARTS[telling["part"]] if telling else label
    species = telling["species"] if telling else known.species if known else ""
    return PresentationSample(
        identifier=" ".join(listed),
        subject=telling["subject"] if telling else known.subject if known else "",
        presentation=presentation,
        species=species if presentation is Presentation.ATTACK else "",
        split=split,
        paths={modality: place(name) for modality, name in zip(ORDER, listed, strict=True)},
    )


def _place(root: Path, tops: Collection[str], listed: str) -> Path:
    """Find a listed file: as named, without the archive's folder, or unscaled where the scaled one was never made.

    Only forms whose first folder is among `tops`, what lies in the root, are looked for.
    """
    first, _, inner = listed.partition("/")
    name = inner if first in _UNPACKED_INTO else listed
    for form in dict.fromkeys((listed, name, name.replace("_resized.", "."))):
        if form.partition("/")[0] in tops and os.path.isfile(f"{root}/{form}"):  # noqa: PTH113 - a tenth of Path's time
            return root / form
    return root / listed
