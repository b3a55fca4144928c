"""FaceLiveNet's authentication pairs: is it the person, and is it the expression that was asked for?

Ming, Chazalon, Luqman, Visani and Burie 2018, "FaceLiveNet: End-to-End Networks Combining Face Verification with
Interactive Facial Expression-Based Liveness Detection", ICPR, tables VI and VII. A row compares a query with a neutral
reference; four quadrants tell same person or not, and required expression or not. The authors released the rows of
OuluCASIA (384 of eight subjects) and of CK+ (206) in hengxyz/Dynamic_multi-task-learning, and the program that drew
them. That program draws from a generator without a seed, so its rows are read, and ours are drawn by the same rule
from a generator that the caller passes in.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from countenance.datasets.samples import ExpressionSample
from countenance.errors import DataError, MissingFile, ProtocolMismatch
from countenance.files import existing_file
from countenance.vocabulary import Expression

REQUIRED = (Expression.HAPPY, Expression.SURPRISE)
"""The challenges: the two expressions that are told apart most surely (section IV-B)."""

COLUMNS = ("No", "img", "ref", "IdentityIsSame", "actual_expr", "required_expr", "ref_expr", "ExprIsRequired")

_TRUTH = {"True": True, "False": False}


@dataclass(frozen=True, kw_only=True)
class AuthenticationPair:
    """One attempt: who and what is shown, against whom and what is asked for.

    Attributes:
        query: the photograph that answers the challenge.
        reference: the enrolled person's neutral photograph.
        required: the expression that was asked for.
    """

    query: ExpressionSample
    reference: ExpressionSample
    required: Expression

    @property
    def is_mated(self) -> bool:
        """Whether both photographs show one person."""
        return self.query.subject == self.reference.subject

    @property
    def is_required(self) -> bool:
        """Whether the query shows the required expression."""
        return self.query.expression == self.required


def draw_pairs(
    samples: Iterable[ExpressionSample],
    generator: np.random.Generator,
    *,
    required: Sequence[Expression] = REQUIRED,
    neutral_answers: bool = False,
) -> list[AuthenticationPair]:
    """Draw one query of each quadrant for every neutral reference and required expression.

    The quadrants come in the released order: same person and required, same and other, other person and required,
    other person and other expression; in the last one, one other person answers both challenges to a reference. Where
    nobody shows what a quadrant wants it has no row: in CK+ not every subject was seen happy or surprised.

    Args:
        samples: of the subjects of one held-out fold.
        generator: the source of all choices.
        required: the expressions that are asked for.
        neutral_answers: whether a neutral face may stand as "other expression", as it does in the list of CK+ (where
            a reference may so be its own query) and does not in that of OuluCASIA.

    Returns:
        The pairs: at most len(required) a reference and quadrant.

    Raises:
        DataError: no neutral photograph, or fewer than two subjects.
    """
    ordered = sorted(samples, key=lambda sample: sample.identifier)
    references = [sample for sample in ordered if sample.expression is Expression.NEUTRAL]
    subjects = sorted({sample.subject for sample in ordered})
    if not references or len(subjects) < 2:
        raise DataError(
            expected="neutral photographs and two subjects or more to draw pairs from",
            came=f"{len(references)} neutral photographs of {len(subjects)} subjects",
            remedy="pass all photographs of a fold, the first frames among them",
        )

    def shows(sample: ExpressionSample, asked: Expression, *, it: bool) -> bool:
        if it:
            return sample.expression is asked
        return sample.expression is not asked and (neutral_answers or sample.expression is not Expression.NEUTRAL)

    pairs = []
    for same, wanted in ((True, True), (True, False), (False, True), (False, False)):
        for reference in references:
            strangers = [name for name in subjects if name != reference.subject]
            if same:
                who = [reference.subject]
            elif wanted:
                who = strangers
            else:
                who = [strangers[generator.integers(len(strangers))]]
            for asked in required:
                pool = [sample for sample in ordered if sample.subject in who and shows(sample, asked, it=wanted)]
                if pool:
                    query = pool[generator.integers(len(pool))]
                    pairs.append(AuthenticationPair(query=query, reference=reference, required=asked))
    return pairs


def quadrants(pairs: Iterable[AuthenticationPair]) -> dict[tuple[bool, bool], int]:
    """Count the pairs by (same person, required expression), as table VI does."""
    counts = dict.fromkeys([(True, True), (True, False), (False, True), (False, False)], 0)
    for pair in pairs:
        counts[pair.is_mated, pair.is_required] += 1
    return counts


def read_pairs(
    path: str | os.PathLike[str], samples: Iterable[ExpressionSample], codes: Mapping[int, Expression]
) -> list[AuthenticationPair]:
    """Read a list in the released format, whose photographs are found again by the names of their files.

    The released paths name aligned copies on the authors' machine; their stems (`P022_Happiness_023`,
    `S085_002_00000012`) are the identifiers of our samples.

    Args:
        path: the list: a header, then rows of `COLUMNS`.
        samples: of the set.
        codes: the expression of each number in the list, as `ck_plus.CODES` or `oulu_casia.CODES`.

    Raises:
        MissingFile: no list, or a photograph of it that is not among `samples`.
        ProtocolMismatch: a row with too few or too many fields, an unknown code, or labels that contradict the samples.
    """
    source = existing_file(path, expected="a list of authentication pairs")
    known = {sample.identifier: sample for sample in samples}
    lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    return [
        _pair(line.split(), known, codes, f"line {number} of {source.name}")
        for number, line in enumerate(lines[1:], start=2)
        if line.strip()
    ]


def _pair(
    fields: Sequence[str], known: Mapping[str, ExpressionSample], codes: Mapping[int, Expression], where: str
) -> AuthenticationPair:
    numbers = {str(code) for code in codes}
    if (
        len(fields) != len(COLUMNS)
        or not {fields[3], fields[7]} <= set(_TRUTH)
        or not {fields[4], fields[5]} <= numbers
        or fields[6] not in numbers | {"-1"}
    ):
        raise ProtocolMismatch(
            expected=f"{len(COLUMNS)} fields ({' '.join(COLUMNS)}) with codes {', '.join(sorted(numbers))} in {where}",
            came=" ".join(fields)[:120],
            remedy="restore the released list",
        )
    query, reference = (_found(fields[place], known, where) for place in (1, 2))
    pair = AuthenticationPair(query=query, reference=reference, required=codes[int(fields[5])])
    stated = (_TRUTH[fields[3]], codes[int(fields[4])], _TRUTH[fields[7]])
    if stated != (pair.is_mated, query.expression, pair.is_required):
        raise ProtocolMismatch(
            expected=f"the labels of {query.identifier} and {reference.identifier} in {where}",
            came=f"{fields[3]}, {stated[1]}, {fields[7]} for {pair.is_mated}, {query.expression}, {pair.is_required}",
            remedy="use the list of this set with the codes of this set",
        )
    return pair


def _found(name: str, known: Mapping[str, ExpressionSample], where: str) -> ExpressionSample:
    stem = PurePosixPath(name.replace("\\", "/")).stem
    if stem not in known:
        raise MissingFile(
            expected=f"the photograph {stem} that {where} names",
            came="no such sample",
            remedy="read the whole set, first and last frames",
        )
    return known[stem]


def format_pairs(pairs: Collection[AuthenticationPair], codes: Mapping[int, Expression]) -> str:
    """Return a list in the released format; `read_pairs` gives the same pairs back.

    The expression of a reference is -1 where the set has no code for neutral, as in OuluCASIA.
    """
    code = {expression: number for number, expression in codes.items()}
    rows = ["  ".join(COLUMNS)]
    for number, pair in enumerate(pairs):
        assert pair.query.expression is not None
        fields = (
            number,
            _name(pair.query),
            _name(pair.reference),
            pair.is_mated,
            code[pair.query.expression],
            code[pair.required],
            code.get(Expression.NEUTRAL, -1),
            pair.is_required,
        )
        rows.append("  ".join(map(str, fields)))
    return "\n".join(rows) + "\n"


def _name(sample: ExpressionSample) -> str:
    return f"{sample.subject}/{sample.sequence}/{sample.identifier}{sample.path.suffix}"
