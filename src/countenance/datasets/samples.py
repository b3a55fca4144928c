"""What a reader hands on: where a sample's files lie and what they show."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from countenance.vocabulary import Expression, Modality, Presentation, Split


@dataclass(frozen=True, kw_only=True)
class PresentationSample:
    """One presentation to a sensor: a still in one or more modalities, or a clip.

    Attributes:
        identifier: unique in the set.
        subject: who is (or whose picture is) before the sensor; "" where the set does not tell.
        presentation: bona fide or attack; None where the set withholds the label.
        species: the attack instrument's kind, in the set's own word; "" for bona fide, and where the set does not tell.
        split: of the set; None where it has none.
        paths: a file for each modality.
        frames: of a clip, which frames count; None for all of them, and for a still.
    """

    identifier: str
    subject: str
    presentation: Presentation | None
    species: str
    split: Split | None
    paths: Mapping[Modality, Path]
    frames: range | None = None


@dataclass(frozen=True, kw_only=True)
class PresentationFold:
    """One fold of a protocol.

    Attributes:
        name: such as "attack-1, 04_en_b held out".
        train: to learn from.
        development: held out: thresholds and choices are made here.
        test: to report on; empty where the protocol reports on the whole test split.
    """

    name: str
    train: tuple[PresentationSample, ...]
    development: tuple[PresentationSample, ...]
    test: tuple[PresentationSample, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IdentitySample:
    """One photograph, or one frame, of a known person.

    Attributes:
        identifier: unique in the set.
        subject: who it is.
        path: the picture, or the record file that holds it.
        offset: the byte at which its record begins, where `path` holds many; None for a file of its own.
        attributes: what else the set says of it, such as {"gender": "female", "age": "23"}.
    """

    identifier: str
    subject: str
    path: Path
    offset: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ExpressionSample:
    """One picture of a face and the expression on it.

    Attributes:
        identifier: unique in the set.
        subject: who it is; "" where the set does not tell.
        expression: None where the set withholds it.
        path: the picture, or the table that holds it.
        sequence: the recording that the frame comes from; "" for a still.
        frame: its number in the sequence; 0 for a still.
        split: of the set; None where it has none.
        offset: the byte at which its row begins, where `path` holds many; None for a file of its own.
    """

    identifier: str
    subject: str
    expression: Expression | None
    path: Path
    sequence: str = ""
    frame: int = 0
    split: Split | None = None
    offset: int | None = None


def count_presentations(samples: Iterable[PresentationSample]) -> dict[str, int]:
    """Count samples and subjects: in all, by split, by presentation, by species.

    Keys read "samples", "subjects", "train", "train/subjects", "train/bona_fide", "train/attack",
    "train/attack/04_en_b"; a label that the set withholds is counted as "unlabelled". Unknown subjects are not counted.
    """
    counts: Counter[str] = Counter()
    subjects: dict[str, set[str]] = {"subjects": set()}
    for sample in samples:
        split = str(sample.split or "all")
        presentation = f"{split}/{sample.presentation or 'unlabelled'}"
        counts.update({"samples": 1, split: 1, presentation: 1})
        if sample.species:
            counts[f"{presentation}/{sample.species}"] += 1
        if sample.subject:
            for key in ("subjects", f"{split}/subjects"):
                subjects.setdefault(key, set()).add(sample.subject)
    counts.update({key: len(found) for key, found in subjects.items() if found})
    return {"samples": counts["samples"], **{key: counts[key] for key in sorted(counts) if key != "samples"}}
