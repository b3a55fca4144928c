"""What the service allows: sizes, rates, times and how much is judged at once."""

from dataclasses import dataclass

from countenance.errors import UsageError
from countenance.images import ImageLimits

_MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Limits of one service process; those of requests are counted in this process alone.

    Attributes:
        body_bytes: of a request with photographs, all parts together.
        frame_bytes: of one picture of a session.
        planes_bytes: of a frame with infrared and depth, all pictures together.
        text_bytes: of any other body.
        body_seconds: in which a body has to arrive.
        frame_pixels: width times height of a frame.
        photograph_pixels: width times height of a photograph.
        photographs: in one enrolment.
        frames_per_session: that are judged.
        frames_per_second: of one session, in the mean since it began.
        frames_at_once: by which a session may be ahead of that mean.
        sessions_per_subject: that may be begun for one person in a minute, whoever asks.
        requests_per_second: of one key, and of one address.
        requests_at_once: by which either may be ahead of that mean.
        result_seconds: after a session's end, in which its token still concludes it and reads what was decided.
        idle_stream_seconds: after which a stream that sends nothing is closed.
        remembered: sessions of which this process remembers the last frames, 7 MB each at most, and that only where
            the policy asks a network of clips; one that is forgotten begins its window anew.
        workers: threads that judge; each network uses one thread of its own in them.
        waiting: frames that may wait for a worker; more are answered with 503.
        useful_seconds: for which a frame may have to wait, as frames lately took; more are answered likewise.
        retry_seconds: what Retry-After says then.
        stop_seconds: for which a stopping service waits for what runs.
        open_to_loopback: whether the page's own requests need no key when they come from this machine.
    """

    body_bytes: int = 32 * _MIB
    frame_bytes: int = 2 * _MIB
    planes_bytes: int = 4 * _MIB
    text_bytes: int = 64 * 1024
    body_seconds: float = 20.0
    frame_pixels: int = 4_000_000
    photograph_pixels: int = 24_000_000
    photographs: int = 10
    frames_per_session: int = 600
    frames_per_second: float = 12.0
    frames_at_once: int = 24
    sessions_per_subject: int = 30
    requests_per_second: float = 200.0
    requests_at_once: float = 400.0
    result_seconds: float = 60.0
    idle_stream_seconds: float = 30.0
    remembered: int = 64
    workers: int = 1
    waiting: int = 16
    useful_seconds: float = 0.75
    retry_seconds: int = 1
    stop_seconds: float = 10.0
    open_to_loopback: bool = False

    @property
    def frame_limits(self) -> ImageLimits:
        """What a frame may cost, for the gate that reads it."""
        return ImageLimits(bytes=self.frame_bytes, pixels=self.frame_pixels)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name in ("waiting", "open_to_loopback") else 1e-3
            if not least <= value < float("inf"):
                raise UsageError(expected=f"{name} above 0", came=str(value), remedy="give a larger number")
