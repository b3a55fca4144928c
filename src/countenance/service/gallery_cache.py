"""Templates of those who stand before cameras now, opened once for a session instead of once for a frame."""

import threading
from collections import OrderedDict

from countenance.service.gates import Gate
from countenance.store.database import Store
from countenance.store.enrolments import Templates

_PEOPLE = 256


class References:
    """Templates by name, for as long as the gallery's version stays; who is forgotten is gone at the next frame."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._version = -1
        self._held: OrderedDict[str, Templates] = OrderedDict()

    def of(self, subject: str, gate: Gate) -> Templates:
        """Return somebody's templates, float32 (K, D).

        Raises:
            UnknownSubject: nobody of that name is enrolled.
            TemplateVersion: the person was enrolled with another recogniser.
        """
        version = self._store.gallery_version()
        with self._lock:
            if version != self._version:
                self._held.clear()
                self._version = version
            held = self._held.get(subject)
        if held is not None:
            return held
        found = self._store.templates_of(subject, gate.model, gate.weights)
        with self._lock:
            if version == self._version:
                self._held[subject] = found
                if len(self._held) > _PEOPLE:
                    self._held.popitem(last=False)
        return found
