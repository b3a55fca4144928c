"""Every exception that countenance raises for something a caller can get wrong.

::

    CountenanceError
    ├── UsageError                   a request that contradicts itself
    ├── InputError                   what stands before the camera cannot be judged
    │   ├── UnreadableImage
    │   ├── ImageTooLarge
    │   ├── NoFace
    │   ├── ManyFaces
    │   ├── WrongModality
    │   └── TooFewFrames
    ├── DataError                    files, lists and weights
    │   ├── MissingFile
    │   ├── ProtocolMismatch
    │   ├── DigestMismatch
    │   ├── ParityError
    │   └── WrongKey
    ├── ScoreError                   score tables
    │   ├── MalformedScores
    │   ├── EmptyScores
    │   ├── NonFiniteScore
    │   ├── OneClassOnly
    │   └── TunedOnTest
    ├── ChallengeError
    │   ├── ChallengeExpired
    │   ├── ChallengeReplayed
    │   ├── PersonLocked
    │   ├── OutOfOrder
    │   └── UnknownSession
    ├── EnrolmentError
    │   ├── UnknownSubject
    │   ├── AlreadyEnrolled
    │   └── TemplateVersion
    └── StoreError                   the database of enrolments and sessions
        ├── StoreUnavailable
        └── StoreConflict

A message says, in one line, what was expected, what came, and what to do about it.
"""

from collections.abc import Callable
from functools import partial


class CountenanceError(Exception):
    """Root of every error of this package.

    Args:
        expected: what a correct input looks like.
        came: what was found instead.
        remedy: what the reader of the message can do now.

    >>> print(NoFace(expected="one face", came="none in photo.jpg", remedy="move closer"))
    expected one face; came none in photo.jpg; move closer
    """

    def __init__(self, *, expected: str, came: str, remedy: str) -> None:
        self.expected = expected
        self.came = came
        self.remedy = remedy
        super().__init__(" ".join(f"expected {expected}; came {came}; {remedy}".split()))

    def __reduce__(self) -> tuple[Callable[[], "CountenanceError"], tuple[()]]:
        """Say how to rebuild it by keyword, so that it crosses from a worker process to its parent."""
        return partial(type(self), expected=self.expected, came=self.came, remedy=self.remedy), ()


class UsageError(CountenanceError):
    """The request itself cannot be carried out: an unknown name, or options that contradict each other."""


class InputError(CountenanceError):
    """A presentation that cannot be judged; it receives no score."""


class UnreadableImage(InputError):
    """Bytes that are not a still image in a supported format, or a damaged one."""


class ImageTooLarge(InputError):
    """More bytes or more pixels than the stated limit; refused before decoding."""


class NoFace(InputError):
    """The detector found no face."""


class ManyFaces(InputError):
    """A second face is large enough that the choice between the two would be a guess."""


class WrongModality(InputError):
    """A plane of another sensor than the one asked for (colour for depth, say)."""


class TooFewFrames(InputError):
    """A clip holds fewer usable frames than the network needs."""


class DataError(CountenanceError):
    """A data set, a list or a weight file is not what it claims to be."""


class MissingFile(DataError):
    """A file that a list, a protocol or a user names is not there."""


class ProtocolMismatch(DataError):
    """Two files that must describe the same rows do not, or a set is not the published one."""


class DigestMismatch(DataError):
    """The bytes of a file are not those that were recorded."""


class ParityError(DataError):
    """An exported network that answers otherwise than the network it was made of; it gives no score."""


class WrongKey(DataError):
    """A key that is missing, malformed, open to others, or not the one that sealed or signed the bytes."""


class ScoreError(CountenanceError):
    """A score table from which no honest figure can be computed."""


class MalformedScores(ScoreError):
    """A score file with a missing column, an unknown label, a duplicated id or a broken row."""


class EmptyScores(ScoreError):
    """A score file without a row."""


class NonFiniteScore(ScoreError):
    """A NaN or an infinity where a score was expected."""


class OneClassOnly(ScoreError):
    """Only one of the two classes is present, so that no error trade-off exists."""


class TunedOnTest(ScoreError):
    """An error rate was asked for at a threshold that was chosen on the very rows to be judged."""


class ChallengeError(CountenanceError):
    """A challenge session that may not go on."""


class ChallengeExpired(ChallengeError):
    """The challenge's time has run out."""


class ChallengeReplayed(ChallengeError):
    """The challenge was used before."""


class PersonLocked(ChallengeError):
    """The person failed too often in the last minutes."""


class OutOfOrder(ChallengeError):
    """A step of the challenge came before its turn."""


class UnknownSession(ChallengeError):
    """No session of that name is kept: it was never begun here, or it was purged or forgotten."""


class EnrolmentError(CountenanceError):
    """The gallery cannot do what was asked."""


class UnknownSubject(EnrolmentError):
    """Nobody of that name is enrolled."""


class AlreadyEnrolled(EnrolmentError):
    """Somebody of that name is enrolled already."""


class TemplateVersion(EnrolmentError):
    """A template was made by another network than the one that reads it."""


class StoreError(CountenanceError):
    """The database cannot be used: another program's, a newer release's, or a damaged one."""


class StoreUnavailable(StoreError):
    """The database does not answer now, being locked, full or unreachable; the same request may succeed later."""


class StoreConflict(StoreError):
    """Somebody else changed the row since it was read; read it again."""


def at_least(least: int, **numbers: int) -> None:
    """Refuse a named number below `least`.

    Raises:
        UsageError: naming it.

    >>> at_least(1, threads=2)
    """
    for name, number in numbers.items():
        if number < least:
            raise UsageError(expected=f"{name} of at least {least}", came=str(number), remedy="give a larger number")
