"""Cross-validation by subject: nobody is in two folds (CK+, OuluCASIA and the other sets without a published split).

FaceLiveNet's released code cuts `list(set(subjects))` into ten runs without shuffling. The order of a set of strings
changes from one Python process to the next, so the subjects are sorted here; the sizes of the folds are the same.
"""

from collections.abc import Iterable
from itertools import pairwise

from countenance.errors import UsageError


def subject_folds(subjects: Iterable[str], *, folds: int = 10) -> list[tuple[str, ...]]:
    """Cut the sorted subjects into runs of equal length, the first ones longer by one where it does not come out even.

    Args:
        subjects: a name for each sample, or for each subject; repeats are dropped.
        folds: how many.

    Returns:
        The subjects of each fold; fold k is tested with a network trained on all others.

    Raises:
        UsageError: fewer subjects than folds, or fewer than two folds.

    >>> subject_folds(["S3", "S1", "S2", "S1"], folds=2)
    [('S1', 'S2'), ('S3',)]
    """
    names = sorted(set(subjects))
    if folds < 2 or len(names) < folds:
        raise UsageError(
            expected=f"at least {max(folds, 2)} subjects for {folds} folds, 2 folds or more",
            came=f"{len(names)} subjects",
            remedy="ask for fewer folds, or name the whole set",
        )
    short, longer = divmod(len(names), folds)
    starts = [k * short + min(k, longer) for k in range(folds + 1)]
    return [tuple(names[start:end]) for start, end in pairwise(starts)]
