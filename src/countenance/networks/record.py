"""What is stated of a released network: its record stands beside its architecture, and a test walks all of them."""

from dataclasses import dataclass
from enum import StrEnum

from countenance.metrics.operating_point import OperatingPoint


class Task(StrEnum):
    """What a network is asked."""

    DETECTION = "face detection"
    VERIFICATION = "face verification"
    PRESENTATION_ATTACK_DETECTION = "presentation attack detection"
    OPTICAL_FLOW = "optical flow"


@dataclass(frozen=True, kw_only=True)
class MeasuredResult:
    """A number, and how to get it again.

    Attributes:
        data: what it was measured on.
        metric: what was measured.
        value: the number.
        interval: its 95 % interval; None when none was computed.
        command: what measures it again.
    """

    data: str
    metric: str
    value: float
    interval: tuple[float, float] | None
    command: str


@dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """A released network.

    Attributes:
        name: how a command line names it.
        task: what it is asked.
        weights: names of its weight records.
        parameters: trainable numbers; running statistics are not counted.
        inputs: what goes in, with shapes.
        preprocessing: what happens between the picture and the first layer, and where.
        polarity: what a high output means.
        licence_code: licence of the code in this repository.
        licence_weights: licence of the weights, as their authors state it.
        training_data: as the authors of the weights state it.
        source: paper or repository of the architecture.
        results: numbers measured with this code.
        operating_point: the threshold that decides, when one is stated.
    """

    name: str
    task: Task
    weights: tuple[str, ...]
    parameters: int
    inputs: str
    preprocessing: str
    polarity: str
    licence_code: str
    licence_weights: str
    training_data: str
    source: str
    results: tuple[MeasuredResult, ...] = ()
    operating_point: OperatingPoint | None = None
