"""Which frames of a recording count."""

from pathlib import Path

from countenance.datasets.expression_sequences import count_expressions, sequence_samples
from countenance.vocabulary import Expression


def frames(count):
    return {number: Path(f"{number}.png") for number in range(1, count + 1)}


def test_the_first_is_neutral_and_the_last_three_are_the_expression():
    samples = sequence_samples("S005", "001", Expression.DISGUST, frames(11), digits=8)
    assert [(sample.frame, sample.expression) for sample in samples] == [
        (1, Expression.NEUTRAL),
        (9, Expression.DISGUST),
        (10, Expression.DISGUST),
        (11, Expression.DISGUST),
    ]
    assert samples[-1].identifier == "S005_001_00000011"
    assert count_expressions(samples) == {"samples": 4, "disgust": 3, "neutral": 1}


def test_frames_are_ordered_by_number_and_four_are_needed():
    jumbled = dict(sorted(frames(4).items(), reverse=True))
    assert [sample.frame for sample in sequence_samples("a", "b", Expression.SAD, jumbled, digits=3)] == [1, 2, 3, 4]
    assert sequence_samples("a", "b", Expression.SAD, frames(3), digits=3) == []
