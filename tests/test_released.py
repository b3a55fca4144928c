"""Released recognisers by name: each knows the people of LFW, cut in its own way and from the face chip.

COUNTENANCE_LFW=whole pytest tests/test_released.py -k chip asks about the whole first fold.
"""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from countenance.errors import MissingFile, UsageError
from countenance.faces.chip import cut_chip
from countenance.faces.detection import central_face
from countenance.images import read_image
from countenance.metrics.counts import SortedScores
from countenance.networks.catalogue import record
from countenance.networks.record import Task
from countenance.released import (
    BLACK_BOX,
    DIFFERENTIABLE,
    RECOGNISERS,
    chip_embedder,
    detector,
    differentiable,
    label,
    operating_point,
    recogniser,
)

Pulled = Callable[[str], dict[str, Path]]
WHOLE = os.environ.get("COUNTENANCE_LFW") == "whole"
STEP = 1 if WHOLE else 6
"""Every sixth pair of LFW's first fold: 50 mated and 50 non-mated ones; all 600 where that is asked for."""
ACCURACY = {"facenet": 0.995, "sface": 0.995, "fr_feature": 0.995, "dlib_resnet": 0.992, "mobilefacenet": 0.990}
"""weights.md: at the best threshold of fold 1."""


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


@pytest.fixture(scope="module")
def chips(pairs, pulled: Pulled) -> dict[str, np.ndarray]:
    """The face chip of each photograph."""
    pulled("yunet")
    finder, found = detector(), {}
    for file, data in pairs[2].items():
        image = read_image(data)
        found[file] = cut_chip(image, central_face(finder.detect(image), image.shape))
    return found


@pytest.mark.parametrize("name", [*DIFFERENTIABLE, BLACK_BOX])
def test_lfw_from_the_chip(pairs, chips: dict[str, np.ndarray], pulled: Pulled, name: str) -> None:
    """A part of the fold (the first pairs of each kind); COUNTENANCE_LFW=whole asks about all 600 pairs.

    weights.md, at the best threshold of the whole fold: facenet, sface and fr_feature .995, dlib_resnet .992,
    mobilefacenet .990; from the chip .9967, .995, .995, .9917 and .990 were seen.
    """
    pulled(name)
    if name == BLACK_BOX:
        pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    names, is_mated, _ = pairs
    kept = np.arange(len(names)) if WHOLE else np.r_[0:12, 50:62]
    files = sorted({file for row in kept for file in names[row]})
    templates = dict(zip(files, chip_embedder(name)(np.stack([chips[file] for file in files])), strict=True))
    scores = np.array([templates[names[row][0]] @ templates[names[row][1]] for row in kept], np.float64)
    accuracy = max(((scores >= threshold) == is_mated[kept]).mean() for threshold in scores)
    assert accuracy >= (ACCURACY[name] - 0.005 if WHOLE else 0.95)


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
    assert is_mated.sum() == len(names) / 2
    accuracy = max(((scores >= threshold) == is_mated).mean() for threshold in scores)
    assert accuracy >= 0.99
    assert SortedScores.of(positives=scores[is_mated], negatives=scores[~is_mated]).auc() >= 0.999
    point = operating_point(name, task=Task.VERIFICATION)
    assert (scores[~is_mated] < point.value).all()
    assert (scores[is_mated] >= point.value).mean() >= 0.94


def test_every_recogniser_is_in_the_catalogue() -> None:
    for name in RECOGNISERS:
        assert record(name).task is Task.VERIFICATION
        assert 0.985 <= record(name).results[0].value <= 1
        if record(name).operating_point is not None:  # of those that a threshold was chosen for
            assert operating_point(name, task=Task.VERIFICATION).rule == "fmr:0.001"


def test_a_chip_gets_the_template_that_the_network_with_gradients_gives_it(pulled: Pulled) -> None:
    pulled("dlib_resnet")
    drawn = np.random.default_rng(0).integers(0, 256, (33, 160, 160, 3), dtype=np.uint8)
    network = differentiable("dlib_resnet")
    templates = chip_embedder("dlib_resnet", network=network)(drawn)
    assert templates.shape == (33, 128)
    assert templates.dtype == np.float32
    last = network(torch.from_numpy(drawn[32:]).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(templates[32:], last.numpy(), atol=1e-5)
    for other in (drawn[0], drawn[:0], drawn[:, :112]):
        with pytest.raises(UsageError, match="cut each face out first"):
            chip_embedder("dlib_resnet", network=network)(other)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match=r"a recogniser with gradients: facenet, .*; came 'mobilefacenet'"):
        differentiable("mobilefacenet")
    with pytest.raises(UsageError, match=r"a recogniser of chips: facenet, .*, mobilefacenet, .*; came 'arcface'"):
        chip_embedder("arcface")
    with pytest.raises(
        UsageError, match="a recogniser: sface, facenet, fr_feature, dlib_resnet, mobilefacenet; came 'arcface'"
    ):
        recogniser("arcface")
    with pytest.raises(UsageError, match="a detector: yunet or mtcnn; came 'haar'"):
        detector("haar")
    with pytest.raises(UsageError, match="a network for face verification; came minifasnet"):
        operating_point("minifasnet", task=Task.VERIFICATION)


def test_labels_of_recognisers_of_chips(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"one")
    one = label(f"ir-se50:{file}")
    file.write_bytes(b"two")
    assert (one, label(f"ir-se50:{file}")) == ("ir-se50-7692c3ad", "ir-se50-3fc4ccfe")
    assert label("mobilefacenet") == "mobilefacenet"
    with pytest.raises(UsageError, match="an architecture"):
        label(f"resnet9:{file}")
    with pytest.raises(MissingFile, match="weights of ir-se50"):
        label("ir-se50:nowhere.pth")
    with pytest.raises(UsageError, match="a recogniser of chips"):
        label("arcface")
