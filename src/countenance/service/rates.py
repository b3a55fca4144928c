"""How often somebody may ask: a bucket of tokens for each, counted in this process."""

import threading
from collections import OrderedDict
from collections.abc import Callable

_MOST_BUCKETS = 20_000


class Rates:
    """Buckets that fill at one pace; whoever empties his own has to wait.

    Several service processes each count their own, so that the rate that holds for all is their sum.

    Args:
        per_second: tokens that come back.
        at_once: that a full bucket holds.
        clock: seconds.
    """

    def __init__(self, *, per_second: float, at_once: float, clock: Callable[[], float]) -> None:
        self._per_second, self._at_once, self._clock = per_second, at_once, clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when they were counted

    def wait_seconds(self, who: str) -> float:
        """Take a token, and return 0; or return how long it takes until there is one."""
        now = self._clock()
        with self._lock:
            tokens, counted = self._buckets.pop(who, (self._at_once, now))
            tokens = min(self._at_once, tokens + max(0.0, now - counted) * self._per_second)
            taken = tokens >= 1
            self._buckets[who] = (tokens - 1 if taken else tokens, now)
            while len(self._buckets) > _MOST_BUCKETS:  # the longest unseen is full again, or nearly
                self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / self._per_second
