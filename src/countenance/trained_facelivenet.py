"""The files of a trained FaceLiveNet: its card, its checkpoint, and what a second stage may start from.

A checkpoint holds the whole network, trunk, both branches and head, and its card says how to build it again::

    {"network": "facelivenet", "layout": "official", "expressions": ["angry", ...], "variant": "block5 x2",
     "rectified_logits": false, "operating_point": {"value": 0.54, "rule": "fmr:0.001", "split": "development"},
     "label": "", "version": "...", ...}

The threshold is that of verification, on the cosine of two faces; a card without one has null there.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from countenance.checkpoints import BEST, Checkpoint, module_tensors, read_checkpoint
from countenance.errors import DataError, UsageError
from countenance.faces.alignment import refuse_other_faces
from countenance.files import sha256_of
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.facelivenet import FULL, OFFICIAL, SLIM, BranchVariant, FaceLiveNet, Layout, from_facenet
from countenance.networks.inception_resnet_v1 import RECORD as FACENET_RECORD
from countenance.networks.inception_resnet_v1 import SIDE, load
from countenance.vocabulary import Expression, Split
from countenance.weights import locate

NAME = "facelivenet"
FACENET = "facenet"
LAYOUTS: Mapping[str, Layout] = {"official": OFFICIAL, "slim": SLIM, "full": FULL}
"""Layouts by their names in a card."""
_BATCH = 32  # faces at once, where nothing is learnt


@dataclass(frozen=True, kw_only=True, eq=False)
class StatedFaceLiveNet:
    """A network and what its card states.

    Attributes:
        source: the folder or file, or "facenet".
        network: ready to judge.
        point: the threshold of verification; None where the card states none.
        label: of the data that it was trained on, such as "drawn data"; "" for real data.
        digest: SHA-256 of the file of its weights.
        card: all of it; empty for "facenet".
    """

    source: str
    network: FaceLiveNet
    point: OperatingPoint | None
    label: str
    digest: str
    card: Mapping[str, Any]


def described(network: FaceLiveNet) -> dict[str, Any]:
    """Return what a card says of a network, so that it can be built again.

    Raises:
        UsageError: its layout has no name.
    """
    layout = next((name for name, known in LAYOUTS.items() if known == network.layout), None)
    if layout is None:
        raise UsageError(
            expected=f"a layout with a name: {', '.join(LAYOUTS)}",
            came=f"another one, of {network.features} features",
            remedy="take one of them, so that its checkpoint can be read again",
        )
    return {
        "network": NAME,
        "layout": layout,
        "expressions": [str(expression) for expression in network.expressions],
        "variant": str(network.variant),
        "rectified_logits": network.rectified_logits,
    }


def facelivenet_state(
    network: FaceLiveNet, *, point: OperatingPoint | None = None, label: str = "", **more: Any
) -> Checkpoint:
    """Return the checkpoint of a whole network.

    Args:
        network: any.
        point: the threshold of verification, chosen on development pairs; None: none was chosen.
        label: of the data that it was trained on; "" for real data.
        more: what else the card holds, as JSON can.

    Raises:
        UsageError: the layout has no name, or the threshold is not finite or from another split.
    """
    if point is not None and not _is_sound(point):
        raise UsageError(
            expected="a finite threshold from development pairs",
            came=f"{point.value} from {point.split}",
            remedy="choose it on the development split",
        )
    stated = None if point is None else {"value": point.value, "rule": point.rule, "split": str(point.split)}
    if stated is not None and point is not None and point.data is not None:
        stated["data"] = point.data
    tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    own = {**described(network), "operating_point": stated, "label": label, "version": metadata.version("countenance")}
    return Checkpoint(tensors, {**more, **own})


def build_facelivenet(card: Mapping[str, Any]) -> FaceLiveNet:
    """Build the network that a card describes, with weights yet to be loaded.

    Raises:
        DataError: the card is another network's, or does not describe one.
    """
    if card.get("network") != NAME:
        raise DataError(
            expected=f"the card of a {NAME}",
            came=f"that of a network {card.get('network')!r}",
            remedy="name the folder of a FaceLiveNet's run",
        )
    try:
        with torch.random.fork_rng(devices=[]):  # the first weights are not those that stay
            return FaceLiveNet(
                LAYOUTS[card["layout"]],
                [Expression(name) for name in card["expressions"]],
                variant=BranchVariant(card["variant"]),
                rectified_logits=bool(card["rectified_logits"]),
            )
    except (KeyError, ValueError, TypeError, UsageError) as error:
        raise DataError(
            expected=f"layout ({', '.join(LAYOUTS)}), expressions, variant, rectified_logits in the card of a {NAME}",
            came=f"something else ({error})",
            remedy="restore the card, or train anew",
        ) from error


def stated_facelivenet(source: str | os.PathLike[str]) -> StatedFaceLiveNet:
    """Read a trained network with what its card states.

    Args:
        source: the folder of a run, whose network it ends with is taken, or the card of a checkpoint, such as
            ``RUN/best.json``.

    Raises:
        UsageError: a file that is no card.
        MissingFile: nothing is there, or the run is not done.
        DataError: another network, a damaged checkpoint, or a threshold that is not one from development pairs.
    """
    path = Path(source)
    if path.is_file() and path.suffix != ".json":
        raise UsageError(
            expected="the folder of a FaceLiveNet's run, or the card of its checkpoint (.json)",
            came=f"the file {path}",
            remedy="name the folder",
        )
    checkpoint = read_checkpoint(path.parent, path.stem) if path.is_file() else read_checkpoint(path, BEST)
    network = build_facelivenet(checkpoint.card)
    try:
        network.load_state_dict(module_tensors(checkpoint))
    except RuntimeError as error:
        raise DataError(
            expected=f"the tensors of a {NAME} of layout {checkpoint.card['layout']} in {path}",
            came="another network's",
            remedy="restore them, or train anew",
        ) from error
    return StatedFaceLiveNet(
        source=os.fspath(source),
        network=network.eval(),
        point=_point(checkpoint.card, path),
        label=str(checkpoint.card.get("label", "")),
        digest=checkpoint.digest,
        card=checkpoint.card,
    )


def trained_facelivenet(source: str | os.PathLike[str]) -> FaceLiveNet:
    """Read a trained network, ready to judge; source and errors as for `stated_facelivenet`."""
    return stated_facelivenet(source).network


def stated_stage_1(initial: str) -> StatedFaceLiveNet:
    """Return what stage 2 of Algorithm 1 starts from.

    Args:
        initial: "facenet" for its published weights as trunk and branch 1 of the full layout; any other string is the
            folder of a run (``./facenet`` for one of that name).

    Raises:
        UsageError: neither.
        DataError: the weights cannot be had, or are damaged, or those of another network.
    """
    if initial == FACENET:
        path = locate(FACENET)[FACENET]
        with torch.random.fork_rng(devices=[]):
            network = from_facenet(load(path))
        return StatedFaceLiveNet(
            source=FACENET,
            network=network,
            point=FACENET_RECORD.operating_point,
            label="",
            digest=sha256_of(path.read_bytes()),
            card={},
        )
    if not Path(initial).exists():
        raise UsageError(
            expected=f"{FACENET}, or the folder of a FaceLiveNet's run",
            came=repr(initial),
            remedy="train one first, or start from facenet",
        )
    return stated_facelivenet(initial)


def stage_1(initial: str) -> FaceLiveNet:
    """Return the network that stage 2 starts from, in inference mode; `initial` and errors as for `stated_stage_1`."""
    return stated_stage_1(initial).network


def judge_expressions(network: FaceLiveNet, faces: NDArray[np.uint8], *, mirror: bool) -> NDArray[np.float64]:
    """Return how probable each expression is on each face.

    Args:
        network: with expressions to tell; it is left in inference mode.
        faces: (N, 160, 160, 3) uint8 RGB, N from 1.
        mirror: whether the logits are the mean of those of the face and of its mirror image.

    Returns:
        (N, E), each row summing to 1, a column for each of the network's expressions.

    Raises:
        UsageError: another shape or type, no face, or a network without expressions.
    """
    refuse_other_faces(faces, SIDE)
    if not network.expressions:
        raise UsageError(expected="a network with expressions", came="one without", remedy="train stage 2 first")
    network.eval()
    rows = []
    with torch.inference_mode():
        for first in range(0, len(faces), _BATCH):
            pixels = torch.from_numpy(np.ascontiguousarray(faces[first : first + _BATCH])).permute(0, 3, 1, 2)
            images = pixels.float() / 255
            views = [images, images.flip(3)] if mirror else [images]
            logits = [network.express(network.before_branch_2(network.trunk(view))) for view in views]
            rows.append(probabilities_of([view.numpy() for view in logits]))
    return np.concatenate(rows)


def probabilities_of(logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the softmax (N, E) of the mean of logits (N, E) of several views.

    >>> probabilities_of([np.zeros((1, 2), np.float32), np.array([[0.0, 2 * np.log(3)]], np.float32)]).round(6)
    array([[0.25, 0.75]])
    """
    mean = np.mean(np.asarray(logits, np.float64), axis=0)
    powers = np.exp(mean - mean.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _is_sound(point: OperatingPoint) -> bool:
    return math.isfinite(point.value) and point.split == Split.DEVELOPMENT


def _point(card: Mapping[str, Any], path: Path) -> OperatingPoint | None:
    row = card.get("operating_point")
    if row is None:
        return None
    try:
        point = OperatingPoint(float(row["value"]), str(row["rule"]), row["split"], row.get("data"))
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            expected=f"value, rule and split of the threshold in the card of {path}",
            came=f"something else ({error})",
            remedy="restore the card",
        ) from error
    if not _is_sound(point):
        raise DataError(
            expected=f"a finite threshold from development pairs in the card of {path}",
            came=f"{point.value} from {point.split}",
            remedy="choose it on the development split",
        )
    return point
