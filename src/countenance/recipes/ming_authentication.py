"""Tables VI and VII of FaceLiveNet: is it the person, and is it the expression that was asked for?

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face Verification
with Interactive Facial Expression-Based Liveness Detection, ICPR 2018, section IV-C. The paper draws its pairs from the
people of one fold. Here they are drawn in each of the ten; a fold stands alone beside the published figures, and all
ten together, with more people, below.

Nobody who is judged has taught or chosen anything. The expression on a query was named by the network of the fold that
holds its person out. The threshold of a fold is the one of most right decisions on the pairs of the other nine, drawn
in the same way.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.datasets.authentication_pairs import AuthenticationPair, draw_pairs, quadrants
from countenance.datasets.ck_plus import NAME as CK_PLUS
from countenance.datasets.oulu_casia import NAME as OULU_CASIA
from countenance.datasets.samples import ExpressionSample
from countenance.datasets.subject_folds import subject_folds
from countenance.errors import ProtocolMismatch
from countenance.metrics.intervals import Bootstrap
from countenance.metrics.operating_point import choose
from countenance.networks.facelivenet_recogniser import FaceLiveNetRecogniser
from countenance.protocols.authentication_pairs import (
    QUADRANTS,
    AuthenticationAccuracy,
    JudgedPairs,
    Quadrant,
    authentication_accuracy,
    table_7,
)
from countenance.protocols.table import TableRow
from countenance.recipes.expression_faces import READERS, NamedFaces
from countenance.recipes.ming_expressions import FoldedFaces, folded
from countenance.recipes.ming_members import CK_EIGHT, OULU_SIX, Sitting, told_of
from countenance.scores import ComparisonTable, comparison_table, read_table, write_table
from countenance.vocabulary import Split

TABLE_6: Mapping[str, Mapping[Quadrant, int]] = {
    CK_PLUS: {(True, True): 38, (False, True): 56, (True, False): 56, (False, False): 56},
    OULU_CASIA: {(True, True): 96, (False, True): 96, (True, False): 96, (False, False): 96},
}
FOLD = 5  # of the released list of OuluCASIA, from 1
ALONE, TOGETHER = f"fold {FOLD} of ten", "all ten folds"
RULE = "max-accuracy"
_MEMBERS = {CK_PLUS: CK_EIGHT, OULU_CASIA: OULU_SIX}  # in CK+ a neutral face may answer
_PAIRS = "pairs.csv"
_SEED, _RESAMPLES = 0, 2_000
_AT_ONCE = 64

Pairs = Sequence[AuthenticationPair]


def pair_counts(sets: Mapping[str, Path]) -> list[TableRow]:
    """Return the rows of table VI: pairs in each quadrant, numbers and not percent.

    Args:
        sets: root of ck-plus, oulu-casia or both.

    Raises:
        DataError: a set is not whole, or a fold has too few people to draw pairs from.
        UsageError: fewer than ten people.
    """
    rows = []
    for name, root in sets.items():
        samples = READERS[name](root)
        pairs = drawn_pairs(name, samples, subject_folds(sample.subject for sample in samples))
        told = told_of({name: root})
        for where, some in ((ALONE, pairs[FOLD - 1]), (TOGETHER, [pair for fold in pairs for pair in fold])):
            people = len({pair.reference.subject for pair in some})
            rows += [
                TableRow(
                    name=f"{name}, {QUADRANTS[key]}, {where}, pairs",
                    reported=TABLE_6[name][key] if where == ALONE else None,
                    measured=count,
                    count=None,
                    interval=None,
                    data=told,
                    note=f"{name}, {where}: {len(some):,} pairs of {people} people, drawn by the released rule",
                )
                for key, count in quadrants(some).items()
            ]
    return rows


def drawn_pairs(
    name: str, samples: Iterable[ExpressionSample], people: Iterable[Collection[str]]
) -> list[list[AuthenticationPair]]:
    """Draw the pairs of each fold: the same ones for the same samples and people.

    Args:
        name: "ck-plus", where a neutral face may stand for another expression, or "oulu-casia".
        samples: of the set.
        people: of each fold.

    Raises:
        DataError: a fold without two people and a neutral photograph.
    """
    everything = list(samples)
    return [
        draw_pairs(
            [sample for sample in everything if sample.subject in names],
            np.random.default_rng([_SEED, number]),
            neutral_answers=name == CK_PLUS,
        )
        for number, names in enumerate(people)
    ]


def authentication(sitting: Sitting) -> list[TableRow]:
    """Return the rows of table VII, then what the quadrants add up from.

    Raises:
        UsageError: a folder of another recipe, first stage or data; fewer than ten people.
        DataError: a set is not whole; the first stage cannot be had; kept similarities of other pairs.
    """
    rows: list[TableRow] = []
    for name in sitting.sets:
        member = _MEMBERS[name]
        found = folded(member, sitting)
        place = sitting.out / member.folder / _PAIRS
        if found is None or (sitting.only_done and not place.is_file()):
            continue
        faces = sitting.faces(name)
        folds = drawn_pairs(name, faces.samples, found.people)
        told = sitting.told([name], label=found.label, without_face=found.without_face)
        rows += _rows(name, folds, _similarities(folds, faces, sitting, place), found, told)
    return rows


def _similarities(folds: Sequence[Pairs], faces: NamedFaces, sitting: Sitting, place: Path) -> ComparisonTable:
    """The similarities of all folds' pairs: those that are kept, or computed now."""
    pairs = [(str(fold), pair) for fold, some in enumerate(folds, start=1) for pair in some]
    if not place.is_file():
        sitting.say(f"{faces.name}: comparing {len(pairs):,} pairs")
        templates = _templates([pair for _, pair in pairs], faces, FaceLiveNetRecogniser(sitting.start.network))
        write_table(
            _table(
                pairs,
                [float(templates[pair.query.identifier] @ templates[pair.reference.identifier]) for _, pair in pairs],
            ),
            place,
        )
    kept, asked = read_table(place), _table(pairs, [0.0] * len(pairs))
    if not isinstance(kept, ComparisonTable) or _who(kept) != _who(asked):
        raise ProtocolMismatch(
            expected=f"the similarities of these {len(pairs):,} pairs in {place}",
            came="those of others",
            remedy="delete it, and they are computed anew",
        )
    return kept


def _who(table: ComparisonTable) -> list[list[str]]:
    return [table.references.tolist(), table.probes.tolist(), table.folds.tolist()]


def _table(pairs: Sequence[tuple[str, AuthenticationPair]], scores: Sequence[float]) -> ComparisonTable:
    return comparison_table(
        identifiers=[f"pair-{number:05d}" for number in range(1, len(pairs) + 1)],
        references=[pair.reference.identifier for _, pair in pairs],
        probes=[pair.query.identifier for _, pair in pairs],
        is_mated=[pair.is_mated for _, pair in pairs],
        scores=scores,
        folds=[fold for fold, _ in pairs],
    )


def _templates(pairs: Pairs, faces: NamedFaces, recogniser: FaceLiveNetRecogniser) -> dict[str, NDArray[np.float32]]:
    place = {sample.identifier: number for number, sample in enumerate(faces.samples)}
    names = sorted({sample.identifier for pair in pairs for sample in (pair.query, pair.reference)})
    found: dict[str, NDArray[np.float32]] = {}
    for first in range(0, len(names), _AT_ONCE):
        some = names[first : first + _AT_ONCE]
        found |= zip(some, recogniser.embed(np.stack([faces.face(place[name]) for name in some])), strict=True)
    return found


def _rows(
    name: str, folds: Sequence[Pairs], table: ComparisonTable, found: FoldedFaces, told: str
) -> Iterator[TableRow]:
    named = dict(zip(found.identifiers, found.judged.predicted, strict=True))
    numbers = range(1, len(folds) + 1)
    points = [choose(table.select(table.folds != str(fold)), RULE, split=Split.DEVELOPMENT) for fold in numbers]

    def judged(*some: int) -> AuthenticationAccuracy:
        pairs = [pair for fold in some for pair in folds[fold - 1]]
        judged = JudgedPairs(
            pairs=tuple(pairs),
            similarities=np.concatenate([table.scores[table.folds == str(fold)] for fold in some]),
            predicted=tuple(seen for pair in pairs if (seen := named[pair.query.identifier]) is not None),
        )
        thresholds = [points[fold - 1] for fold in some for _ in folds[fold - 1]]
        return authentication_accuracy(judged, thresholds, drawing=Bootstrap(_RESAMPLES, np.random.default_rng(_SEED)))

    note = f"threshold of a fold: {RULE} on the pairs of the other nine, whose people are others"
    for row in table_7(judged(FOLD), set_name=name, data=f"{told}, {ALONE}"):
        yield replace(row, note=note)
    together, there = judged(*numbers), f"{told}, {TOGETHER}"
    for row in table_7(together, set_name=name, data=there):
        yield replace(row, name=f"{row.name}, {TOGETHER}", reported=None)
    for key, quadrant in together.quadrants.items():
        for word in ("acc_verif", "acc_live", "acc_g", "accepted"):
            yield getattr(quadrant, word).row(f"{name}, {QUADRANTS[key]}, {word}, {TOGETHER}", data=there)
    yield together.wrongly_accepted.row(f"{name}, wrongly accepted, {TOGETHER}", data=there)
    yield together.wrongly_refused.row(f"{name}, wrongly refused, {TOGETHER}", data=there)
