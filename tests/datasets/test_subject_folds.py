"""Folds by subject: everybody once, sizes as scikit-learn's KFold, the same in every process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.datasets.subject_folds import subject_folds
from countenance.errors import UsageError


@given(st.sets(st.text(min_size=1), min_size=10, max_size=60), st.integers(2, 10))
def test_everybody_is_in_one_fold(subjects, folds):
    cut = subject_folds(subjects, folds=folds)
    assert [name for fold in cut for name in fold] == sorted(subjects)
    sizes = [len(fold) for fold in cut]
    assert len(sizes) == folds
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) - min(sizes) <= 1


def test_the_order_of_the_samples_does_not_matter():
    assert subject_folds(["b", "a", "c", "a"], folds=3) == subject_folds(["c", "b", "a"], folds=3)


@pytest.mark.parametrize(("count", "folds"), [(3, 4), (5, 1), (0, 2)])
def test_too_few_subjects_are_refused(count, folds):
    with pytest.raises(UsageError, match="subjects for"):
        subject_folds(map(str, range(count)), folds=folds)
