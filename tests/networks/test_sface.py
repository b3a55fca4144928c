"""SFace: OpenCV's own result in ONNX Runtime, in the right channel order, in batches, and in silence."""

import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from countenance.errors import DataError, MissingFile, UsageError
from countenance.faces.alignment import align
from countenance.faces.detection import central_face
from countenance.faces.yunet import YuNet
from countenance.images import read_image
from countenance.networks import sface
from countenance.networks.sface import SFace, similarity

FACES = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
Pulled = Callable[[str], dict[str, Path]]


@pytest.fixture(scope="module")
def path(pulled: Pulled) -> Path:
    return pulled("sface")["sface"]


@pytest.fixture(scope="module")
def network(path: Path) -> SFace:
    return SFace(path)


def test_recorded_features(network: SFace) -> None:
    features = network.embed(FACES)
    assert features.shape == (3, 128)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    expected = [[-0.03811, -0.00152, -0.05976, 0.00951], [-0.02191, -0.01449, 0.05100, 0.05697]]
    np.testing.assert_allclose(features[:2, :4], expected, atol=1e-4)


def test_alone_as_in_a_batch(network: SFace) -> None:
    alone = np.concatenate([network.embed(face[None]) for face in FACES])
    np.testing.assert_allclose(network.embed(FACES), alone, atol=1e-5)


def test_threads_do_not_change_the_features(network: SFace, path: Path) -> None:
    np.testing.assert_allclose(SFace(path, threads=2).embed(FACES), network.embed(FACES), atol=1e-5)


def test_the_same_as_opencv_which_takes_bgr(network: SFace, path: Path, tmp_path: Path) -> None:
    model = onnx.load(path)
    kept = [value for value in model.graph.input if value.name == "data"]
    del model.graph.input[:]  # OpenCV 5 refuses the other inputs too
    model.graph.input.extend(kept)
    onnx.save(model, tmp_path / "sface.onnx")
    peer = cv2.FaceRecognizerSF.create(str(tmp_path / "sface.onnx"), "")
    ours = network.embed(FACES)
    theirs = np.concatenate([peer.feature(np.ascontiguousarray(face[..., ::-1])) for face in FACES])
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def lfw_fold_1(archive: Path) -> tuple[list[tuple[str, str, bool]], dict[str, bytes]]:
    """Return the 600 pairs of fold 1 (two file names, whether mated) and the archive's files."""
    files: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if content is not None:
                files[Path(entry.name).name] = content.read()
    pairs = []
    for line in files["pairs.txt"].decode().splitlines()[1:601]:
        name, number, *others = line.split()
        other, last = others if len(others) == 2 else (name, *others)
        pairs.append((f"{name}_{int(number):04d}.jpg", f"{other}_{int(last):04d}.jpg", len(others) == 1))
    return pairs, files


def test_lfw_fold_1(pulled: Pulled, real: Callable[[str], Path], path: Path) -> None:
    """weights.md: accuracy at the best threshold .995, AUC .9997, with YuNet's points.

    It would not notice a wrong channel order (.995 and .9996); the comparison with OpenCV above does.
    """
    pairs, files = lfw_fold_1(real("lfw.tar.xz"))
    detector = YuNet(pulled("yunet")["yunet"])
    network = SFace(path, threads=2)

    def features(name: str) -> np.ndarray:
        image = read_image(files[name])
        return network.embed(align(image, central_face(detector.detect(image), image.shape).points)[None])

    firsts, seconds, labels = zip(*pairs, strict=True)
    known = {name: features(name) for name in {*firsts, *seconds}}
    first, second = (np.concatenate([known[name] for name in names]) for names in (firsts, seconds))
    mated = np.array(labels)
    assert (len(mated), mated.sum()) == (600, 300)
    scores = similarity(first, second)
    accuracy = max(((scores >= threshold) == mated).mean() for threshold in scores)
    auc = (scores[mated][:, None] > scores[~mated]).mean()
    assert accuracy == pytest.approx(0.995, abs=0.002)
    assert auc == pytest.approx(0.9997, abs=0.0002)


def test_stderr_is_ours(path: Path) -> None:
    source = Path(sface.__file__).parents[2]
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import pathlib, numpy as np\n"
        "from countenance.networks.sface import SFace\n"
        "print(SFace(pathlib.Path(sys.argv[2])).embed(np.zeros((1, 112, 112, 3), np.uint8)).shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, source, path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(1, 128)\n", "")


@pytest.mark.parametrize(
    "faces", [FACES[0], FACES[:0], FACES[:, :100], FACES.transpose(0, 3, 1, 2), FACES.astype(np.float32)]
)
def test_embed_refuses_what_is_not_aligned_faces(network: SFace, faces: np.ndarray) -> None:
    with pytest.raises(UsageError, match="cut each face out first"):
        network.embed(faces)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="the SFace network"):
        SFace(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    empty = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    onnx.save(empty, tmp_path / "empty.onnx")
    for name in ("text.onnx", "empty.onnx"):
        with pytest.raises(DataError, match="weights pull sface"):
            SFace(tmp_path / name)


def test_similarity_by_hand() -> None:
    a = np.array([[1, 0], [0.6, 0.8]], np.float32)
    b = np.array([[-1, 0], [0.8, 0.6]], np.float32)
    np.testing.assert_allclose(similarity(a, b), [-1, 0.96], atol=1e-6)
    np.testing.assert_allclose(similarity(a[:, None], b), [[-1, 0.8], [-0.6, 0.96]], atol=1e-6)
