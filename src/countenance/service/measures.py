"""What an operator watches: counters and times of one process in Prometheus' text format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Measures:
    """The measures of one service process; each process answers with its own.

    No label holds a subject, a session or a key.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "countenance_requests",
            "Requests that were answered.",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "countenance_request_seconds", "Until the answer.", ["route"], buckets=_SECONDS, registry=self._registry
        )
        self.decisions = Counter(
            "countenance_decisions", "Sessions that ended in a decision.", ["accepted"], registry=self._registry
        )
        self.frames = Counter("countenance_frames", "Frames that were judged.", registry=self._registry)
        self.refused = Counter(
            "countenance_refusals", "Requests and decisions that were refused.", ["reason"], registry=self._registry
        )
        self._depth = Gauge("countenance_queue", "Calls that run or wait for a worker.", registry=self._registry)
        self._ready = Gauge("countenance_ready", "1 when the networks are loaded.", registry=self._registry)

    def watch(self, *, depth: Callable[[], float], ready: Callable[[], bool]) -> None:
        """Name where the queue's length and readiness are asked at each reading."""
        self._depth.set_function(depth)
        self._ready.set_function(lambda: float(ready()))

    def page(self) -> bytes:
        """Return all measures as Prometheus reads them."""
        return generate_latest(self._registry)
