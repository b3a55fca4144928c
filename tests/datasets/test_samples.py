"""Counting presentations."""

from countenance.datasets.samples import PresentationSample, count_presentations
from countenance.vocabulary import Presentation, Split


def sample(subject, presentation, species="", split=Split.TRAIN):
    return PresentationSample(
        identifier="x", subject=subject, presentation=presentation, species=species, split=split, paths={}
    )


def test_presentations_are_counted_by_split_presentation_and_species():
    counts = count_presentations(
        [
            sample("ann", Presentation.BONA_FIDE),
            sample("ann", Presentation.ATTACK, "print"),
            sample("bob", Presentation.ATTACK, "print"),
            sample("cy", Presentation.ATTACK, "mask", Split.TEST),
            sample("", None, "", Split.TEST),
            sample("", None, "", None),
        ]
    )
    assert counts == {
        "samples": 6,
        "subjects": 3,
        "train": 3,
        "train/subjects": 2,
        "train/bona_fide": 1,
        "train/attack": 2,
        "train/attack/print": 2,
        "test": 2,
        "test/subjects": 1,
        "test/attack": 1,
        "test/attack/mask": 1,
        "test/unlabelled": 1,
        "all": 1,
        "all/unlabelled": 1,
    }


def test_nothing_counts_nothing():
    assert count_presentations([]) == {"samples": 0}
