"""fr_feature: a small recogniser of the MobileFaceNet kind, published for browsers.

S. Chen, Y. Liu, X. Gao, Z. Han, MobileFaceNets, CCBR 2018, https://arxiv.org/abs/1804.07573, is the kind of network;
the file is `model/fr_feature.onnx` of the npm package faceplugin-face-recognition-js, whose authors say neither what it
was trained on nor how. Its own JavaScript aligns by three of the five points; we align by all five.
"""

from pathlib import Path

from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.aligned_recogniser import AlignedRecogniser, PublishedGraph
from countenance.networks.record import NetworkRecord, Task, lfw_fold_1, lfw_folds
from countenance.vocabulary import Split

FEATURES = 512
GRAPH = PublishedGraph(name="fr_feature", title="fr_feature", data="input", centre=127.0, spread=128.0)


class FrFeature(AlignedRecogniser):
    """The recogniser, ready to embed: (N, 112, 112, 3) to (N, 512).

    Args:
        path: the published ONNX file.
        threads: processor threads for one call.

    Raises:
        MissingFile: no file is there.
        DataError: the file is no ONNX network with an input ``input``.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        super().__init__(path, GRAPH, threads=threads)


_LFW_FOLDS = (
    "countenance score fr_feature --data lfw:ROOT --split view1 --out view1.csv && "
    "countenance score fr_feature --data lfw:ROOT --folds 1-5 --out view2.csv && "
    "countenance evaluate view2.csv --development view1.csv --rule fmr:0.001"
)

RECORD = NetworkRecord(
    name="fr_feature",
    task=Task.VERIFICATION,
    weights=("fr_feature",),
    parameters=1_190_336,
    inputs="aligned colour face, (N, 112, 112, 3) uint8",
    preprocessing="RGB 0-255; 127 subtracted, divided by 128, in the wrapper",
    polarity="high cosine = alike",
    licence_code="Apache-2.0",
    licence_weights="MIT (faceplugin-face-recognition-js)",
    training_data="unstated",
    source="https://www.npmjs.com/package/faceplugin-face-recognition-js",
    results=lfw_fold_1(597, 0.9998, "countenance score fr_feature --data lfw:ROOT --folds 1 --out fold.csv")
    + lfw_folds(2_967, 0, 68, _LFW_FOLDS),
    # View 1 as the command above scores it: 1 of 1,600 non-mated pairs is accepted, and 1,550 of 1,600 mated ones.
    operating_point=OperatingPoint(value=0.3604, rule="fmr:0.001", split=Split.DEVELOPMENT),
)
