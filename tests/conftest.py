"""What several test files share: real data, score tables in one line, and a fast stand-in for the drawn world."""

import importlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pwd import getpwnam
from typing import Any

import numpy as np
import pytest

from countenance.errors import DataError
from countenance.scores import ComparisonTable, PresentationTable, text
from countenance.weights import locate

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _data_beside() -> None:
    """Let weights be found in the data folder beside the repository, where no other is named."""
    os.environ.setdefault("COUNTENANCE_DATA", str(BESIDE))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of public data sets: $COUNTENANCE_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("COUNTENANCE_DATA", BESIDE))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder} (COUNTENANCE_DATA names another)")
    return folder


@pytest.fixture(scope="session")
def real(data_folder: Path) -> Callable[[str], Path]:
    """A function that finds one file of the data folder, or skips."""

    def find(name: str) -> Path:
        if not (data_folder / name).is_file():
            pytest.skip(f"no {data_folder / name}")
        return data_folder / name

    return find


@pytest.fixture(scope="session")
def pulled() -> Callable[[str], dict[str, Path]]:
    """A function that finds published weights, or skips."""

    def find(name: str) -> dict[str, Path]:
        try:
            return locate(name)
        except DataError as error:
            pytest.skip(f"weights {name}: {error.came}"[:200])

    return find


@pytest.fixture(scope="session")
def published_casia_surf(real: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lists and scores that the authors published, unpacked."""
    folder = tmp_path_factory.mktemp("published")
    with tarfile.open(real("casia_surf_published.tar.xz")) as packed:
        packed.extractall(folder, filter="data")
    return folder / "casia_surf"


@pytest.fixture(scope="session")
def presentations():
    """A function that builds a presentation table; a score of None is a presentation without a response."""

    def build(bona_fide, attacks, *, name="row", subjects=None, split=""):
        species = [""] * len(bona_fide) + [kind for kind, scores in attacks.items() for _ in scores]
        scores = np.array([*bona_fide, *(score for scores in attacks.values() for score in scores)], dtype=float)
        return PresentationTable(
            identifiers=text([f"{name}{i}" for i in range(len(scores))]),
            is_positive=np.arange(len(scores)) < len(bona_fide),
            scores=scores,
            responded=~np.isnan(scores),
            subjects=text([""] * len(scores) if subjects is None else subjects),
            species=text(species),
            splits=text([split] * len(scores)),
        )

    return build


@pytest.fixture(scope="session")
def comparisons():
    """A function that builds a comparison table; a score of None is a comparison without a score."""

    def build(mated, non_mated, *, name="pair", references=None, folds=None):
        scores = np.array([*mated, *non_mated], dtype=float)
        blank = [""] * len(scores)
        return ComparisonTable(
            identifiers=text([f"{name}{i}" for i in range(len(scores))]),
            is_positive=np.arange(len(scores)) < len(mated),
            scores=scores,
            responded=~np.isnan(scores),
            references=text(blank if references is None else references),
            probes=text(blank),
            folds=text(blank if folds is None else folds),
        )

    return build


@pytest.fixture(scope="session")
def recorded():
    """A function that writes frames (F, H, W, 3) as a video, and returns its path."""
    import av

    def record(path: Path, frames, *, rate: int = 30, codec: str = "libx264") -> Path:
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(codec, rate=rate)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for pixels in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        return path

    return record


@pytest.fixture(scope="session")
def clip_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that writes the run of a few-frame network that has learnt nothing; what is given goes to its card."""
    import torch

    from countenance.checkpoints import Checkpoint, write_checkpoint
    from countenance.networks.fewframe import slim_fewframe

    def write(*, frames: int = 5, threshold: float = 0.0, **card) -> Path:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = slim_fewframe(frames=frames)
            network.representative.copy_(torch.randn(network.features))
        points = [
            {"unit": unit, "value": value, "rule": "eer", "split": "development"}
            for unit, value in (("window", 0.9), ("clip", threshold))
        ]
        told = {"operating_points": points, "data": {"label": "drawn data"}}
        tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
        folder = tmp_path_factory.mktemp("fewframe")
        write_checkpoint(folder, "best", Checkpoint(tensors, {**network.described(), **told, **card}))
        return folder

    return write


STAND_IN = '''
"""Draws blocks of colour instead of faces: as repeatable as the drawn world, and a thousand times faster."""
from types import SimpleNamespace
import numpy as np
from countenance.vocabulary import Modality

def draw(spec):
    generator = np.random.default_rng([spec.root, spec.subject, spec.species.number, spec.clip])
    blocks = generator.integers(1, 255, (spec.frames, spec.size // 16, spec.size // 16, 5), dtype=np.uint8)
    planes = blocks.repeat(16, axis=1).repeat(16, axis=2)
    return SimpleNamespace(
        rgb=np.ascontiguousarray(planes[..., :3]),
        infrared=planes[..., 3] if Modality.INFRARED in spec.modalities else None,
        depth_view=planes[..., 4] if Modality.DEPTH in spec.modalities else None,
        depth=None,
        jpeg_quality=90,
        truth=SimpleNamespace(boxes=np.tile(np.float32([-3.4, 5.6, 20, 30]), (spec.frames, 1))),
    )
'''


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory):
    """A draw function in a module of its own, so that worker processes can import it too."""
    folder = tmp_path_factory.mktemp("stand_in")
    (folder / "countenance_stand_in.py").write_text(STAND_IN)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("countenance_stand_in").draw
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def postgresql():
    """A function that makes an empty schema on a real server, from Debian's package, and returns its address."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql")
    as_root = os.geteuid() == 0  # the server refuses to run as root
    try:
        owner: dict[str, Any] = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if as_root and getpwnam("postgres") else {}
        )
    except KeyError:
        pytest.skip("no user postgres, and the server refuses to run as root")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of our own in it
    folder = Path(tempfile.mkdtemp(prefix="countenance-", dir=memory))  # short, for its socket, which tmp_path is not
    if owner:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    made: list[str | Path] = [
        programs[-1] / "initdb",
        "-D",
        data,
        "-A",
        "trust",
        "-U",
        "postgres",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    subprocess.run(made, check=True, **quiet, **owner)
    options: list[str | Path] = ["-c", "fsync=off", "-c", "listen_addresses=", "-c", "max_connections=50", "-k", folder]
    server = subprocess.Popen([programs[-1] / "postgres", "-D", data, *options], **quiet, **owner)
    numbers = itertools.count(1)

    def create() -> str:
        import psycopg

        number = next(numbers)
        with psycopg.connect(host=str(folder), user="postgres", dbname="postgres") as connection:
            connection.execute(f"CREATE SCHEMA gate{number}".encode())  # ten times as quick as a database
        return f"postgresql+psycopg://postgres@/postgres?host={folder}&options=-csearch_path%3Dgate{number}"

    try:
        deadline = time.monotonic() + 30
        while subprocess.run([programs[-1] / "pg_isready", "-h", folder], check=False, **quiet).returncode:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)
        yield create
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: what it holds is thrown away
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
