"""CASIA-WebFace: photographs of actors, to learn faces from.

Yi, Lei, Liao and Li 2014, "Learning Face Representation from Scratch", arXiv 1411.7923: 494,414 photographs of 10,575
people, a folder of seven digits each (`CASIA-WebFace/0000045/001.jpg`). InsightFace hands on 490,623 of 10,572 people,
aligned to 112 x 112, in one MXNet record file. Both are read; nothing in between passes for either.
"""

import os
import re
from pathlib import Path

from countenance.datasets.face_collections import FaceCollection
from countenance.datasets.inspection import Inspection
from countenance.datasets.samples import IdentitySample
from countenance.progress import Progress, unheard

NAME = "casia-webface"
COLLECTION = FaceCollection(
    set_name=NAME,
    folder="CASIA-WebFace",
    identity=re.compile(r"\d{7}"),
    forms=(
        {"photographs": 494_414, "identities": 10_575},
        {"photographs": 490_623, "identities": 10_572},  # faces_webface_112x112
    ),
)


def read(root: str | os.PathLike[str]) -> list[IdentitySample]:
    """Read the whole set, folders or record file; see `FaceCollection.read` for what it raises."""
    return COLLECTION.read(Path(root))


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Decode every photograph and compare the counts with the published ones."""
    return COLLECTION.inspect(Path(root), progress=progress)
