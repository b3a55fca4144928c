"""SiW's protocols: which clips train, choose the threshold, and are tested.

Liu, Jourabloo and Liu 2018, CVPR, section 5.1: protocol 1 trains on the first 60 frames of each clip, where faces hold
still and look ahead; protocol 2 leaves one display out, four times; protocol 3 trains on prints and tests on replays,
and the other way round. Training and test subjects are the published 90 and 75.

The threshold's subjects were not published. Ito et al. 2023 (few-frame video) take 30 of the 90 without naming them;
ours are drawn: sorted, shuffled, the last third. bob.db.siw names ten. In protocols 2 and 3 they see attacks of the
training side only, so that nothing of the held-out attack is known before the test. Protocol 2 is about displays:
prints take no part in it (as bob.db.siw reads it).
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from countenance.datasets.samples import PresentationFold, PresentationSample
from countenance.datasets.siw import PRINTS, REPLAYS
from countenance.errors import ProtocolMismatch
from countenance.vocabulary import Split

FIRST_FRAMES = range(60)
BOB_DEVELOPMENT = frozenset({"003", "006", "007", "011", "014", "016", "017", "022", "028", "030"})
"""The ten subjects that bob.db.siw 0.0.2 keeps for the threshold; the other 80 train."""


def draw_development(samples: Iterable[PresentationSample], generator: np.random.Generator) -> frozenset[str]:
    """Draw the subjects that choose the threshold: a third of those in training, 30 of the published 90.

    Args:
        samples: of the set; those of its test split are passed over.
        generator: of the shuffle.
    """
    subjects = sorted({row.subject for row in samples if row.split is Split.TRAIN})
    shuffled: list[str] = generator.permutation(subjects).tolist()
    return frozenset(shuffled[2 * len(subjects) // 3 :])


def protocol_1(samples: Iterable[PresentationSample], development: Collection[str]) -> list[PresentationFold]:
    """Train on the first 60 frames of every clip; choose the threshold and test on all frames.

    Args:
        samples: of the whole set.
        development: the training subjects that choose the threshold.

    Raises:
        ProtocolMismatch: a part without bona fide samples or without attacks.
    """
    fold = _fold("protocol 1", samples, development, seen=(*PRINTS, *REPLAYS), tested=(*PRINTS, *REPLAYS))
    return [replace(fold, train=tuple(replace(row, frames=FIRST_FRAMES) for row in fold.train))]


def protocol_2(samples: Iterable[PresentationSample], development: Collection[str]) -> list[PresentationFold]:
    """Leave one display out: four folds.

    Args:
        samples: as for `protocol_1`.
        development: as for `protocol_1`.

    Raises:
        ProtocolMismatch: as for `protocol_1`.
    """
    known = list(samples)
    return [
        _fold(
            f"protocol 2: {unseen} held out",
            known,
            development,
            seen=[species for species in REPLAYS if species != unseen],
            tested=[unseen],
        )
        for unseen in REPLAYS
    ]


def protocol_3(samples: Iterable[PresentationSample], development: Collection[str]) -> list[PresentationFold]:
    """Train on prints and test on replays, and the other way round: two folds.

    Args:
        samples: as for `protocol_1`.
        development: as for `protocol_1`.

    Raises:
        ProtocolMismatch: as for `protocol_1`.
    """
    known = list(samples)
    return [
        _fold("protocol 3: prints to replays", known, development, seen=PRINTS, tested=REPLAYS),
        _fold("protocol 3: replays to prints", known, development, seen=REPLAYS, tested=PRINTS),
    ]


def _fold(
    name: str,
    samples: Iterable[PresentationSample],
    development: Collection[str],
    *,
    seen: Collection[str],
    tested: Collection[str],
) -> PresentationFold:
    """Bona fide clips and the attacks seen in training, by subject; in test, the attacks to be tested on."""
    known = list(samples)
    training_side = [row for row in known if row.split is Split.TRAIN and (not row.species or row.species in seen)]
    fold = PresentationFold(
        name=name,
        train=tuple(row for row in training_side if row.subject not in development),
        development=tuple(row for row in training_side if row.subject in development),
        test=tuple(row for row in known if row.split is Split.TEST and (not row.species or row.species in tested)),
    )
    for part in ("train", "development", "test"):
        classes = {row.presentation for row in getattr(fold, part)}
        if len(classes) != 2:
            raise ProtocolMismatch(
                expected=f"bona fide clips and attacks in the {part} part of {name}",
                came=", ".join(str(each) for each in classes) or "no clip",
                remedy="name the whole set, and threshold subjects that are in its training split",
            )
    return fold
