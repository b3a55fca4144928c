"""Recognisers of faces by name with the threshold that decides: released ones, and FaceLiveNets of one's own."""

from collections.abc import Callable
from dataclasses import dataclass

from countenance.errors import UsageError
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.catalogue import RECORDS
from countenance.networks.facelivenet_recogniser import FaceLiveNetRecogniser
from countenance.networks.record import Task
from countenance.released import known_for, recogniser
from countenance.scoring import Recogniser
from countenance.shipped import is_face_live_network, stated_face_live_network


@dataclass(frozen=True, kw_only=True, eq=False)
class StatedRecogniser:
    """A recogniser and what is stated about it.

    Attributes:
        name: how it was named.
        build: makes it, with a number of threads.
        stated: the threshold on the cosine of two templates; None where none is stated.
        label: of the data that it was trained on, such as "drawn data"; "" for real data.
    """

    name: str
    build: Callable[[int], Recogniser]
    stated: OperatingPoint | None
    label: str

    @property
    def point(self) -> OperatingPoint:
        """The threshold.

        Raises:
            UsageError: none is stated.
        """
        if self.stated is None:
            raise UsageError(
                expected="a network with a stated threshold",
                came=f"{self.name}, for which none was chosen",
                remedy="name another",
            )
        return self.stated


def stated_recogniser(name: str) -> StatedRecogniser:
    """Return the recogniser called `name`; a released one is built, and its weights are looked for, only later.

    Args:
        name: of a released recogniser (``./NAME`` for a folder called so), or of a FaceLiveNet as
            `shipped.stated_face_live_network` takes it.

    Raises:
        UsageError: there is no such network, or it does something else.
        DataError: the card or the tensors of a FaceLiveNet are damaged, another network's, or cannot be had.
    """
    if any(record.name == name for record in RECORDS) or not is_face_live_network(name):
        stated = known_for(name, task=Task.VERIFICATION).operating_point
        return StatedRecogniser(
            name=name, build=lambda threads: recogniser(name, threads=threads), stated=stated, label=""
        )
    found = stated_face_live_network(name)
    network = FaceLiveNetRecogniser(found.network)  # it takes the threads that PyTorch was told
    return StatedRecogniser(name=name, build=lambda _: network, stated=found.point, label=found.label)
