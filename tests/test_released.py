"""Released recognisers by name: each cuts its faces in its own way, and knows the people of LFW."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.faces.detection import central_face
from countenance.images import read_image
from countenance.metrics.counts import SortedScores
from countenance.networks.catalogue import record
from countenance.networks.record import Task
from countenance.released import RECOGNISERS, detector, operating_point, recogniser

Pulled = Callable[[str], dict[str, Path]]
STEP = 6
"""Every sixth pair of LFW's first fold: 50 mated and 50 non-mated ones."""


@pytest.fixture(scope="module")
def pairs(real: Callable[[str], Path]) -> tuple[list[tuple[str, str]], np.ndarray, dict[str, bytes]]:
    """File names of two photographs each, whether mated, and the photographs."""
    files: dict[str, bytes] = {}
    with tarfile.open(real("lfw.tar.xz")) as packed:  # once through: it cannot go back
        for entry in packed:
            content = packed.extractfile(entry)
            if content is not None:
                files[Path(entry.name).name] = content.read()
    rows = [line.split() for line in files["pairs.txt"].decode().splitlines()[1:601:STEP]]
    names = [
        (f"{name}_{int(number):04d}.jpg", f"{other[0] if len(other) == 2 else name}_{int(other[-1]):04d}.jpg")
        for name, number, *other in rows
    ]
    files = {name: files[name] for pair in names for name in pair}
    return names, np.array([len(row) == 3 for row in rows]), files


@pytest.mark.parametrize("name", ["facenet", "fr_feature"])  # SFace is asked about the whole fold
def test_lfw(pairs, pulled: Pulled, name: str) -> None:
    """weights.md: .995 at the best threshold of the whole fold; that is measured by the record's own command."""
    pulled(name), pulled("yunet")
    names, is_mated, files = pairs
    finder, network = detector(), recogniser(name)
    known = {}
    for file, data in files.items():
        image = read_image(data)
        face = central_face(finder.detect(image), image.shape)
        known[file] = network.embed(network.cut(image, face)[None])[0]
    scores = np.array([known[first] @ known[second] for first, second in names], np.float64)
    assert is_mated.sum() == 50
    accuracy = max(((scores >= threshold) == is_mated).mean() for threshold in scores)
    assert accuracy >= 0.99
    assert SortedScores.of(positives=scores[is_mated], negatives=scores[~is_mated]).auc() >= 0.999
    point = operating_point(name, task=Task.VERIFICATION)
    assert (scores[~is_mated] < point.value).all()
    assert (scores[is_mated] >= point.value).mean() >= 0.94


def test_every_recogniser_is_in_the_catalogue() -> None:
    for name in RECOGNISERS:
        assert record(name).task is Task.VERIFICATION
        assert operating_point(name, task=Task.VERIFICATION).rule == "fmr:0.001"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="a recogniser: sface, facenet, fr_feature; came 'arcface'"):
        recogniser("arcface")
    with pytest.raises(UsageError, match="a detector: yunet or mtcnn; came 'haar'"):
        detector("haar")
    with pytest.raises(UsageError, match="a network for face verification; came minifasnet"):
        operating_point("minifasnet", task=Task.VERIFICATION)
