"""How long work tells how far it is: the library calls, the command line draws."""

from collections.abc import Callable

Say = Callable[[str], None]
"""Called with one line before a step."""

Progress = Callable[[int, int], None]
"""Called with (done, in all) after a part."""


def unheard(*_said: object) -> None:
    """Say nothing: the default where nobody listens."""
