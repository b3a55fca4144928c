"""Recordings that go from a neutral face to an expression: which frames count, and how they are told apart.

FaceLiveNet (Ming et al. 2018, section IV-B) follows the usage of CK+ and OuluCASIA: the first frame of a sequence is
neutral, the last three show the expression that the sequence is labelled with.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from countenance.datasets.samples import ExpressionSample
from countenance.vocabulary import Expression

APEX_FRAMES = 3


def sequence_samples(
    subject: str, sequence: str, expression: Expression, frames: Mapping[int, Path], *, digits: int
) -> list[ExpressionSample]:
    """Return the first frame as neutral and the last three as the expression.

    Args:
        subject: who it is.
        sequence: name of the recording.
        expression: what it is labelled with.
        frames: the pictures by their numbers; at least four, else nothing is returned.
        digits: how wide the number stands in a sample's identifier, `SUBJECT_SEQUENCE_NUMBER`.
    """
    numbers = sorted(frames)
    if len(numbers) <= APEX_FRAMES:
        return []
    shown = {numbers[0]: Expression.NEUTRAL, **dict.fromkeys(numbers[-APEX_FRAMES:], expression)}
    return [
        ExpressionSample(
            identifier=f"{subject}_{sequence}_{number:0{digits}d}",
            subject=subject,
            expression=label,
            path=frames[number],
            sequence=sequence,
            frame=number,
        )
        for number, label in shown.items()
    ]


def count_expressions(samples: Iterable[ExpressionSample]) -> dict[str, int]:
    """Count pictures in all, by split where there are splits, and by expression; sorted, but for the first."""
    counts: Counter[str] = Counter()
    for sample in samples:
        split = f"{sample.split}/" if sample.split else ""
        counts.update(
            ["samples", f"{split}{sample.expression or 'unlabelled'}", *([str(sample.split)] if split else [])]
        )
    return {"samples": counts["samples"], **{key: counts[key] for key in sorted(counts) if key != "samples"}}
