"""What the service asks of a gate; tests bring one without networks."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from countenance.vocabulary import Action, Decision

if TYPE_CHECKING:  # they bring torch with them, which a service loads behind its first answers
    from countenance.admission import Admission
    from countenance.gallery import Gallery, Templates
    from countenance.gate.session import Feedback, Frame, GateDecision, Recent, Session


class Gate(Protocol):
    """Judges frames, photographs and pairs of photographs; called from several threads at once."""

    @property
    def model(self) -> str:
        """Name of the recogniser that templates are made by."""

    @property
    def weights(self) -> str:
        """Digest of its weights."""

    def begin(
        self,
        subject: str,
        *,
        now: float,
        random: Callable[[int], bytes],
        without: Iterable[Action] = frozenset(),
    ) -> "Session":
        """Return a new session with a challenge that was drawn for it."""

    def look(
        self, session: "Session", frame: "Frame", references: "Templates | None", *, recent: "Recent | None" = None
    ) -> "tuple[Session, Feedback]":
        """Return the session after one more frame, and what the person is told.

        Raises:
            InputError: the frame cannot be read.
        """

    def conclude(self, session: "Session", *, now: float, seen_before: int = 0) -> "GateDecision":
        """Decide; `seen_before` of its frames were shown in a session before."""

    def admit(self, photographs: Sequence[NDArray[np.uint8]], others: "Gallery") -> "tuple[Templates, Admission]":
        """Return a template of each photograph, and what speaks against enrolling the person.

        Raises:
            InputError: a photograph shows no face, or two.
        """

    def compare(self, reference: NDArray[np.uint8], probe: NDArray[np.uint8]) -> Decision:
        """Say whether two photographs show one person; liveness is not asked.

        Raises:
            InputError: one of them shows no face.
        """
