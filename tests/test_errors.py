"""The error tree: as its docstring draws it, one line a message, able to leave a worker process."""

import inspect
import pickle
import re

import pytest

from countenance import errors
from countenance.errors import CountenanceError

CLASSES: list[type] = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CountenanceError)
]


def test_the_drawn_tree_is_the_class_tree():
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in errors.__doc__.splitlines():
        if found := re.match(r"    ((?:│   |    )*)([├└]── )?([A-Z]\w+)", line):
            depth = len(found[1]) // 4 + bool(found[2])
            above[depth:] = [found[3]]
            drawn[found[3]] = above[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__mro__[1].__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_said_in_one_line_and_survives_pickling(kind):
    error = kind(expected="one\n  face", came="two", remedy="step\taside")
    assert str(error) == "expected one face; came two; step aside"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes: how a worker's error reaches its parent)
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == str(error)


def test_the_three_parts_are_asked_for_by_name():
    with pytest.raises(TypeError, match="positional"):
        CountenanceError("one face", "two", "step aside")  # type: ignore[call-arg]
