"""Networks in ONNX Runtime judge as PyTorch's modules do."""

import numpy as np
import pytest
import torch

from countenance.errors import UsageError
from countenance.faces.detection import Face
from countenance.gate.engines import FaceLiveNetEngine, MiniFasNetEngine
from countenance.networks.facelivenet import OFFICIAL, SEVEN, FaceLiveNet, narrowed
from countenance.networks.facelivenet_recogniser import FaceLiveNetRecogniser
from countenance.networks.minifasnet import MiniFasNetPair, build_v1se, build_v2
from countenance.trained_facelivenet import judge_expressions

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 240, 200, 3), np.uint8)
FACE = Face((20.0, 30.0, 120.0, 150.0), np.zeros((5, 2), np.float32), 1.0)


def made(expressions=SEVEN):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return FaceLiveNet(TINY, expressions).eval()


def test_one_pass_answers_who_it_is_and_what_the_face_shows():
    network = made()
    engine, modules = FaceLiveNetEngine(network), FaceLiveNetRecogniser(network)
    runs: list[int] = []
    run = engine._session.run

    class Counted:
        def run(self, *asked):
            runs.append(1)
            return run(*asked)

    engine._session = Counted()
    for image in (IMAGES[0], IMAGES[1]):
        cut = engine.cut(image, FACE)
        np.testing.assert_array_equal(cut, modules.cut(image, FACE))
        np.testing.assert_allclose(engine.embed(cut[None]), modules.embed(cut[None]), atol=1e-5)
        told = engine.read(image, FACE)
        assert list(told) == list(SEVEN)
        assert list(told.values()) == pytest.approx(judge_expressions(network, cut[None], mirror=False)[0], abs=1e-5)
    assert len(runs) == 2
    engine.read(IMAGES[0], FACE)  # of another face than the newest
    assert len(runs) == 3
    with pytest.raises(UsageError):
        engine.embed(IMAGES)


def test_a_network_without_expressions_knows_faces():
    network = made(())
    engine = FaceLiveNetEngine(network)
    cut = engine.cut(IMAGES[0], FACE)[None]
    np.testing.assert_allclose(engine.embed(cut), FaceLiveNetRecogniser(network).embed(cut), atol=1e-5)
    with pytest.raises(UsageError, match="a network with expressions"):
        engine.read(IMAGES[0], FACE)


def test_the_pair_of_minifasnets_judges_alike():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        pair = MiniFasNetPair(v2=build_v2().eval(), v1se=build_v1se().eval())
    engine = MiniFasNetEngine(pair)
    scores = [pair.bona_fide_score(image, FACE.box) for image in IMAGES]
    assert len(set(scores)) == 2
    assert [engine.bona_fide_score(image, FACE.box) for image in IMAGES] == pytest.approx(scores, abs=1e-5)
    with pytest.raises(UsageError):
        engine.bona_fide_score(IMAGES[0], (0.0, 0.0, 0.0, 0.0))
