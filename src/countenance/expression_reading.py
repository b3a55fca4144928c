"""What the faces in photographs express: the second answer of a FaceLiveNet."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from countenance.errors import UsageError
from countenance.faces.detection import central_face
from countenance.images import read_image
from countenance.networks.inception_resnet_v1 import cut_box
from countenance.released import detector
from countenance.shipped import FACELIVENET_SLIM, stated_face_live_network
from countenance.trained_facelivenet import judge_expressions
from countenance.vocabulary import Expression


@dataclass(frozen=True, kw_only=True)
class ReadExpression:
    """What one face expresses.

    Attributes:
        file: the photograph.
        probabilities: of each expression that the network tells apart; they sum to 1.
        model: the network.
        label: of the data that it was trained on, such as "drawn data"; "" for real data.
    """

    file: Path
    probabilities: Mapping[Expression, float]
    model: str
    label: str

    @property
    def expression(self) -> Expression:
        """The most probable one."""
        return max(self.probabilities, key=lambda each: self.probabilities[each])

    def as_json(self) -> dict[str, Any]:
        """Return the row as the command line prints it."""
        told = {str(expression): value for expression, value in self.probabilities.items()}
        return {"file": str(self.file), "expression": str(self.expression), "probabilities": told}


def read_expressions(
    images: Sequence[str | os.PathLike[str]],
    *,
    model: str = FACELIVENET_SLIM,
    detect: str = "yunet",
    mirror: bool = False,
) -> tuple[ReadExpression, ...]:
    """Tell how probable each expression is on the central face of each photograph.

    Of several faces the one that is largest and most central is taken. It does not ask whether the face is live.

    Args:
        images: photographs, at least one.
        model: as `shipped.stated_face_live_network` takes it, with expressions to tell.
        detect: the face detector, "yunet" or "mtcnn".
        mirror: whether the logits are the mean of those of a face and of its mirror image.

    Returns:
        One for each photograph, in their order.

    Raises:
        InputError: an image cannot be read, or shows no face.
        DataError: a file is missing, or the network's weights cannot be had.
        UsageError: no image, an unknown model or detector, or a network without expressions.
    """
    if not images:
        raise UsageError(expected="a photograph", came="none", remedy="name one: countenance expression photo.jpg")
    found = stated_face_live_network(model)
    if not found.network.expressions:
        raise UsageError(
            expected="a network that tells expressions",
            came=f"{model}, which only knows faces again",
            remedy="train its second branch: countenance train facelivenet-expression --initial RUN --data "
            "fer2013:ROOT --out RUN2",
        )
    finder, faces = detector(detect), []
    for image in images:
        pixels = read_image(image)
        faces.append(cut_box(pixels, central_face(finder.detect(pixels), pixels.shape, name=os.fspath(image))))
    rows = judge_expressions(found.network, np.stack(faces), mirror=mirror)
    return tuple(
        ReadExpression(
            file=Path(image),
            probabilities=dict(zip(found.network.expressions, row.tolist(), strict=True)),
            model=model,
            label=found.label,
        )
        for image, row in zip(images, rows, strict=True)
    )
