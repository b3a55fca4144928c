"""All released networks in one place. Detectors run in `countenance.faces`; their records stand here."""

from countenance.errors import UsageError
from countenance.networks.dlib_resnet import RECORD as DLIB_RESNET
from countenance.networks.fr_feature import RECORD as FR_FEATURE
from countenance.networks.inception_resnet_v1 import RECORD as FACENET
from countenance.networks.minifasnet import RECORD as MINIFASNET
from countenance.networks.minifasnet import RECORD_V1SE as MINIFASNET_V1SE
from countenance.networks.minifasnet import RECORD_V2 as MINIFASNET_V2
from countenance.networks.mobilefacenet import RECORD as MOBILEFACENET
from countenance.networks.record import NetworkRecord, Task
from countenance.networks.sface import RECORD as SFACE

YUNET = NetworkRecord(
    name="yunet",
    task=Task.DETECTION,
    weights=("yunet",),
    parameters=53_104,
    inputs="colour picture of any size, (1, 3, H, W)",
    preprocessing="BGR 0-255; sides padded to a multiple of 32",
    polarity="high = a face",
    licence_code="Apache-2.0",
    licence_weights="MIT (libfacedetection, OpenCV Zoo)",
    training_data="WIDER FACE, as the authors of libfacedetection state",
    source="Wu, Peng, Yu: YuNet, Machine Intelligence Research 2023, https://doi.org/10.1007/s11633-023-1423-y",
)

MTCNN = NetworkRecord(
    name="mtcnn",
    task=Task.DETECTION,
    weights=("mtcnn",),
    parameters=495_850,
    inputs="colour picture of any size, as a pyramid; crops (N, 3, 24, 24) and (N, 3, 48, 48)",
    preprocessing="RGB 0-255; 127.5 subtracted, divided by 128",
    polarity="high = a face",
    licence_code="Apache-2.0",
    licence_weights="MIT (facenet-pytorch, converted from davidsandberg/facenet)",
    training_data="unstated by facenet-pytorch for these files",
    source="Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment, IEEE SPL 2016, https://arxiv.org/abs/1604.02878",
)

RECORDS: tuple[NetworkRecord, ...] = (
    YUNET,
    MTCNN,
    SFACE,
    FACENET,
    FR_FEATURE,
    DLIB_RESNET,
    MOBILEFACENET,
    MINIFASNET,
    MINIFASNET_V2,
    MINIFASNET_V1SE,
)


def record(name: str) -> NetworkRecord:
    """Return the record of the network called `name`.

    Raises:
        UsageError: no record has that name.

    >>> record("minifasnet").operating_point.value
    0.5
    """
    for known in RECORDS:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in RECORDS)
    raise UsageError(expected=f"one of {names}", came=f"the network {name!r}", remedy="see countenance networks list")
