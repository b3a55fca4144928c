"""MS-Celeb-1M: photographs of celebrities, to learn faces from; withdrawn by its authors, still the basis of many nets.

Guo, Zhang, Hu, He and Gao 2016, "MS-Celeb-1M: A Dataset and Benchmark for Large-Scale Face Recognition", ECCV. What
is handed on is a cleaned part: InsightFace's three record files (`train.rec`, aligned to 112 x 112), or folders of
Freebase names (`m.0107_f/0-FaceId-0.jpg`). The folders of the uncleaned set have no count that everybody has, so that
only the cleaned forms pass as published.
"""

import os
import re
from pathlib import Path

from countenance.datasets.face_collections import FaceCollection
from countenance.datasets.inspection import Inspection
from countenance.datasets.samples import IdentitySample
from countenance.progress import Progress, unheard

NAME = "ms-celeb-1m"
COLLECTION = FaceCollection(
    set_name=NAME,
    folder="MS-Celeb-1M",
    identity=re.compile(r"m\.\w+|\d+"),  # folders that were made from a record file have its labels
    forms=(
        {"photographs": 5_822_653, "identities": 85_742},  # faces_emore, "MS1MV2", "MS1M-ArcFace"
        {"photographs": 5_179_510, "identities": 93_431},  # ms1m-retinaface-t1, "MS1MV3"
        {"photographs": 3_804_846, "identities": 85_164},  # faces_ms1m_112x112, "MS1MV1"
    ),
)


def read(root: str | os.PathLike[str]) -> list[IdentitySample]:
    """Read the whole set, folders or record file; see `FaceCollection.read` for what it raises."""
    return COLLECTION.read(Path(root))


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Decode every photograph and compare the counts with the published ones."""
    return COLLECTION.inspect(Path(root), progress=progress)
