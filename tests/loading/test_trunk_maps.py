"""What a trunk sees is computed once: the same as without the cache, resumed after a kill, and of this trunk alone."""

import hashlib

import numpy as np
import pytest
import torch

from countenance.errors import DataError, ProtocolMismatch, UsageError
from countenance.loading import trunk_maps as cache
from countenance.loading.cache import held
from countenance.loading.trunk_maps import MIRRORED, PLAIN, FaceSource, trunk_digest, trunk_maps
from countenance.networks.facelivenet import OFFICIAL, SEVEN, BranchVariant, FaceLiveNet, narrowed

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)


def built(variant=BranchVariant.BLOCK5_X2, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FaceLiveNet(TINY, SEVEN, variant=variant).eval()


@pytest.fixture(scope="module")
def network():
    return built()


class Faces:
    """Five faces, of which the last is the first again; those that were asked for are noted."""

    def __init__(self):
        self.pixels = np.random.default_rng(1).integers(0, 256, (4, 160, 160, 3), dtype=np.uint8)
        self.asked: list[int] = []

    def __call__(self, number):
        self.asked.append(number)
        return self.pixels[number % 4]


@pytest.fixture
def faces():
    return Faces()


@pytest.fixture
def source(faces):
    return FaceSource(digest="of five", count=5, face=faces)


class Stop(Exception):
    """What stops a build."""


@pytest.mark.parametrize(("variant", "shape"), [("block5 x2", (3, 3, 112)), ("block5 x2 + block4", (8, 8, 56))])
def test_maps_are_those_of_the_trunk(source, tmp_path, variant, shape):
    network = built(BranchVariant(variant))
    kept = trunk_maps(network, source, tmp_path / "maps")
    assert kept.maps.shape == (5, 2, *shape)
    assert len(kept) == 5
    images = torch.from_numpy(np.stack([source.face(number) for number in range(5)])).permute(0, 3, 1, 2).float() / 255
    for view, seen in ((PLAIN, images), (MIRRORED, images.flip(3))):
        with torch.inference_mode():
            wanted = network.before_branch_2(network.trunk(seen)).permute(0, 2, 3, 1).numpy()
        apart = np.linalg.norm(kept.maps[:, view].astype(np.float32) - wanted) / np.linalg.norm(wanted)
        assert apart < 0.02


def test_equal_faces_are_known(network, source, tmp_path):
    known = trunk_maps(network, source, tmp_path / "maps").faces
    assert len(set(known.tolist())) == 4
    assert known[0] == known[4]
    assert int(known[1]) == int.from_bytes(hashlib.sha256(source.face(1).tobytes()).digest()[:8], "little")


def test_a_build_goes_on_where_it_was_killed(network, source, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_STEP", 2)

    def killed(done, _):
        if done == 4:
            raise Stop

    with pytest.raises(Stop):
        trunk_maps(network, source, tmp_path / "killed", progress=killed)
    assert not (tmp_path / "killed").exists()
    faces.asked.clear()
    said: list[str] = []
    kept = trunk_maps(network, source, tmp_path / "killed", say=said.append)
    assert faces.asked == [0, 2, 3, 4]  # the first tells the shape; two were noted
    assert said == ["running the trunk on 5 faces, plain and mirrored; their maps take 0.00 GB of disk"]
    whole = trunk_maps(network, source, tmp_path / "whole")
    assert np.array_equal(kept.maps, whole.maps)
    assert np.array_equal(kept.faces, whole.faces)
    faces.asked.clear()
    trunk_maps(network, source, tmp_path / "killed", say=said.append)
    assert not faces.asked
    assert len(said) == 1


def test_maps_of_another_trunk_or_list_are_refused(network, source, tmp_path):
    trunk_maps(network, source, tmp_path / "maps")
    assert trunk_digest(network) == trunk_digest(built())
    for other, listed in (
        (built(seed=1), source),
        (built(BranchVariant.BLOCK5_X2_BLOCK4), source),
        (network, FaceSource("of others", 5, source.face)),
        (network, FaceSource("of five", 4, source.face)),
    ):
        with pytest.raises(
            ProtocolMismatch, match=r"maps of this trunk and of these \d faces.*; delete the folder, or"
        ):
            trunk_maps(other, listed, tmp_path / "maps")


def test_what_cannot_be_built_or_opened(network, source, tmp_path):
    with pytest.raises(UsageError, match="faces to compute maps of; came none"):
        trunk_maps(network, FaceSource("of none", 0, source.face), tmp_path / "maps")
    with held(tmp_path / ".maps.part"), pytest.raises(UsageError, match="one process to build"):
        trunk_maps(network, source, tmp_path / "maps")
    trunk_maps(network, source, tmp_path / "maps")
    for name, content in (("maps.npy", b""), ("card.json", b"{}"), ("card.json", b"[]")):
        (tmp_path / "maps" / name).write_bytes(content)
        with pytest.raises(DataError, match=r"the card and the maps in .*; came something else; delete the folder"):
            trunk_maps(network, source, tmp_path / "maps")


def test_maps_that_are_too_large(source, tmp_path):
    network = built()
    with torch.no_grad():
        network.trunk.stem[0].conv.weight.mul_(1e30)
        network.trunk.stem[0].norm.running_var.zero_()
    with pytest.raises(DataError, match="maps of the trunk that float16 holds"):
        trunk_maps(network, source, tmp_path / "maps")
