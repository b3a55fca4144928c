"""What the faces in photographs express, and whether it is what was asked for: the second answer of a FaceLiveNet.

Z. Ming et al., FaceLiveNet, ICPR 2018, section IV-C: who shows the expression that was asked for is taken to be live. A
picture of someone who shows it passes as well, so this is one check among several.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.faces.detection import central_face, only_face
from countenance.images import read_image
from countenance.networks.inception_resnet_v1 import cut_box
from countenance.released import detector
from countenance.shipped import FACELIVENET_SLIM, stated_face_live_network
from countenance.trained_facelivenet import StatedFaceLiveNet, judge_expressions
from countenance.vocabulary import Decision, Expression, Reason


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


@dataclass(frozen=True, kw_only=True)
class ExpressionDecision(Decision):
    """A decision whether a face shows the expression that was asked for.

    The score is the probability of that expression less the highest of the others, in [-1, 1]; the threshold is 0.

    Attributes:
        asked: the expression.
        seen: what the network says of the face.
        label: of the data that the network was trained on, such as "drawn data"; "" for real data.
    """

    asked: Expression
    seen: ReadExpression
    label: str


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
    found = _telling(model)
    finder, faces = detector(detect), []
    for image in images:
        pixels = read_image(image)
        faces.append(cut_box(pixels, central_face(finder.detect(pixels), pixels.shape, name=os.fspath(image))))
    rows = judge_expressions(found.network, np.stack(faces), mirror=mirror)
    return tuple(_read(image, row, model, found) for image, row in zip(images, rows, strict=True))


def check_expression(
    image: str | os.PathLike[str], *, asked: str, model: str = FACELIVENET_SLIM, detect: str = "yunet"
) -> ExpressionDecision:
    """Decide whether the one face of a photograph shows the expression that was asked for.

    Args:
        image: a photograph of one face.
        asked: one of the expressions that the network tells apart.
        model: as for `read_expressions`.
        detect: the face detector, "yunet" or "mtcnn".

    Raises:
        InputError: the image cannot be read, shows no face, or shows two.
        DataError: a file is missing, or the network's weights cannot be had.
        UsageError: an unknown model or detector, or an expression that the network does not tell.
    """
    found = _telling(model)
    if asked not in found.network.expressions:
        raise UsageError(
            expected=f"an expression that {model} tells: {', '.join(found.network.expressions)}",
            came=repr(asked),
            remedy="ask for one of them",
        )
    pixels = read_image(image)
    face = only_face(detector(detect).detect(pixels), name=os.fspath(image))
    rows = judge_expressions(found.network, cut_box(pixels, face)[None], mirror=False)
    seen = _read(image, rows[0], model, found)
    wanted = Expression(asked)
    score = seen.probabilities[wanted] - max(value for each, value in seen.probabilities.items() if each != wanted)
    return ExpressionDecision(
        accepted=score >= 0,
        score=score,
        threshold=0.0,
        model=model,
        reasons=() if score >= 0 else (Reason.EXPRESSION_NOT_SHOWN,),
        asked=wanted,
        seen=seen,
        label=found.label,
    )


def _telling(model: str) -> StatedFaceLiveNet:
    found = stated_face_live_network(model)
    if not found.network.expressions:
        raise UsageError(
            expected="a network that tells expressions",
            came=f"{model}, which only knows faces again",
            remedy="train its second branch: countenance train facelivenet-expression --initial RUN --data "
            "fer2013:ROOT --out RUN2",
        )
    return found


def _read(
    image: str | os.PathLike[str], row: NDArray[np.floating], model: str, found: StatedFaceLiveNet
) -> ReadExpression:
    told = dict(zip(found.network.expressions, row.tolist(), strict=True))
    return ReadExpression(file=Path(image), probabilities=told, model=model, label=found.label)
