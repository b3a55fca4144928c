"""Weights: only the recorded bytes come in, from wherever they can be had, and nothing else is left behind."""

import io
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save

from countenance import weights
from countenance.errors import DataError, DigestMismatch, MissingFile, UsageError
from countenance.files import sha256_of
from countenance.published import Repository, Source
from countenance.weights import Member, WeightRecord, WeightState

NOWHERE = Repository(name="nobody/nothing", addresses=("http://127.0.0.1:9/",))


def member(data: bytes, **fields: str) -> Member:
    names = {"key": "plain", "path": "folder/plain.onnx", "stored": "plain.onnx", **fields}
    return Member(size=len(data), sha256=sha256_of(data), **names)


def weight_record(*members: Member, source: Source = NOWHERE) -> WeightRecord:
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
    with pytest.raises(UsageError, match="yunet, sface, facenet, fr_feature, dlib_resnet, mobilefacenet, mtcnn, mini"):
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


def keras_file(groups: dict[str, dict[str, np.ndarray]], *, root: str = "model_weights") -> bytes:
    """A file as Keras writes it: LAYER/LAYER/WEIGHT:0."""
    file = io.BytesIO()
    with h5py.File(file, "w") as layers:
        layers.attrs["model_config"] = "code of a Lambda layer, which nobody reads"
        for layer, arrays in groups.items():
            for name, values in arrays.items():
                layers[f"{root}/{layer}/{layer}/{name}:0"] = values
    return file.getvalue()


def test_the_layers_of_a_keras_file_are_kept_by_name(mirror: Path, use: Callable[[WeightRecord], None]) -> None:
    arrays = {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.ones(3, np.float32)}
    data = keras_file({"Dense": arrays, "Last": {"kernel": arrays["bias"]}})
    expected = {"Dense/kernel": arrays["kernel"], "Dense/bias": arrays["bias"], "Last/kernel": arrays["bias"]}
    digest = weights.tensor_digest(expected)
    use(weight_record(member(data, path="model/toy.h5", stored="toy.safetensors", tensors=digest)))
    (mirror / "toy.h5").write_bytes(data)
    kept = load_file(weights.pull("toy", mirror=mirror)["plain"])
    assert kept.keys() == expected.keys()
    assert all((kept[name] == values).all() for name, values in expected.items())


def test_other_files_than_keras_s_are_refused(
    mirror: Path, tmp_path: Path, use: Callable[[WeightRecord], None]
) -> None:
    for data in (b"no HDF5", keras_file({"Dense": {"kernel": np.ones(1)}}, root="elsewhere")):
        use(weight_record(member(data, path="model/toy.h5", stored="toy.safetensors", tensors="0" * 64)))
        (mirror / "toy.h5").write_bytes(data)
        with pytest.raises(DataError, match=r"toy\.h5 to hold the layers of a Keras model"):
            weights.pull("toy", mirror=mirror)
    assert cached(tmp_path) == []


def test_two_processes_may_pull_at_once(mirror: Path, tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(8_000_000)
    (mirror / "plain.onnx").write_bytes(data)
    script = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from countenance import published, weights as w\n"
        f"member = w.Member(key='plain', path='plain.onnx', size={len(data)}, sha256='{sha256_of(data)}', stored='p')\n"
        "source = published.Repository(name='', addresses=())\n"
        "w.RECORDS = (w.WeightRecord(name='toy', source=source, members=(member,),\n"
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


def test_no_more_is_read_than_the_recorded_size(mirror: Path, use: Callable[[WeightRecord], None]) -> None:
    use(weight_record(member(b"right")))
    with (mirror / "plain.onnx").open("wb") as file:
        file.truncate(50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(DigestMismatch, match=r"plain\.onnx \(other bytes\)"):
            weights.pull("toy", mirror=mirror)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the publisher has of each file, one place after the other, instead of the network."""
    monkeypatch.delenv("COUNTENANCE_OFFLINE")
    places: list[bytes] = []

    def fetch(source: Source, sizes: dict[str, int], *, tried: list[str]) -> Iterator[tuple[str, bytes, str]]:
        for number, data in enumerate(places):
            for path in tuple(sizes):
                yield path, data, f"place {number}"
        if sizes:
            raise MissingFile(expected="", came=f"{source} is down", remedy=f"{len(tried)} tried before")

    monkeypatch.setattr(weights, "fetch", fetch)
    return places


def test_the_publisher_is_asked_last_and_its_bytes_are_checked(
    mirror: Path, tmp_path: Path, use: Callable[[WeightRecord], None], offered: list[bytes]
) -> None:
    use(weight_record(member(b"right"), member(b"right", key="other", stored="other.onnx", path="other.onnx")))
    with pytest.raises(MissingFile, match=r"plain\.onnx \(not there\).*the repository nobody/nothing is down"):
        weights.pull("toy", mirror=mirror)
    offered[:] = [b"wrong"]
    with pytest.raises(DigestMismatch, match=r"place 0 \(other bytes\)"):
        weights.pull("toy", mirror=mirror)
    assert cached(tmp_path) == []
    offered[:] = [b"wrong", b"right", b"right"]
    lines: list[str] = []
    weights.pull("toy", mirror=mirror, progress=lines.append)
    assert lines == ["plain.onnx: from place 1", "other.onnx: from place 1"]
    assert cached(tmp_path) == ["other.onnx", "plain.onnx"]


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
