"""Decisions about photographs: is it live, and is it the same person.

Each decision asks one released network and answers at that network's stated operating point. What cannot be judged (no
face, two faces, a damaged file) raises an error and receives no score. Pixels are read before any network is built, so
that a broken file costs nothing.
"""

import os

import numpy as np

from countenance.faces.alignment import align
from countenance.faces.detection import central_face, only_face
from countenance.images import read_image
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.record import Task
from countenance.released import detector, operating_point, presentation_network, recogniser
from countenance.vocabulary import Decision, Reason


def check(image: str | os.PathLike[str], *, model: str = "minifasnet", detect: str = "yunet") -> Decision:
    """Decide whether a photograph shows a live, bona fide presentation.

    Args:
        image: a photograph of one face.
        model: the presentation attack detector; "minifasnet" is the published pair that most packages wrap.
        detect: the face detector, "yunet" or "mtcnn".

    Returns:
        A decision whose score is P(bona fide).

    Raises:
        InputError: the image cannot be read, shows no face, or shows two.
        DataError: the file is missing, or the network's weights cannot be had.
        UsageError: an unknown model or detector.
    """
    point = operating_point(model, task=Task.PRESENTATION_ATTACK_DETECTION)
    pixels = read_image(image)
    face = only_face(detector(detect).detect(pixels), name=os.fspath(image))
    score = presentation_network(model).bona_fide_score(pixels, face.box)
    return _decided(score, point, model, otherwise=Reason.PRESENTATION_ATTACK)


def verify(
    reference: str | os.PathLike[str], probe: str | os.PathLike[str], *, model: str = "sface", detect: str = "yunet"
) -> Decision:
    """Decide whether two photographs show the same person.

    Of several faces the one that is largest and most central is taken. It does not ask whether the person is live.

    Args:
        reference: one photograph.
        probe: the other.
        model: the recogniser.
        detect: the face detector, "yunet" or "mtcnn".

    Returns:
        A decision whose score is the cosine of the two templates.

    Raises:
        InputError: an image cannot be read, or shows no face.
        DataError: a file is missing, or the network's weights cannot be had.
        UsageError: an unknown model or detector.
    """
    point = operating_point(model, task=Task.VERIFICATION)
    photographs = [read_image(reference), read_image(probe)]
    finder = detector(detect)
    faces = [
        align(pixels, central_face(finder.detect(pixels), pixels.shape, name=os.fspath(source)).points)
        for pixels, source in zip(photographs, (reference, probe), strict=True)
    ]
    templates = recogniser(model).embed(np.stack(faces))
    return _decided(float(templates[0] @ templates[1]), point, model, otherwise=Reason.NOT_THE_SAME_PERSON)


def _decided(score: float, point: OperatingPoint, model: str, *, otherwise: Reason) -> Decision:
    accepted = score >= point.value
    return Decision(
        accepted=accepted,
        score=score,
        threshold=point.value,
        model=model,
        reasons=() if accepted else (otherwise,),
    )
