"""What is built and sent: the wheel's and the sdist's lists of files, and an image recipe that names what is there."""

import email
import io
import json
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from packaging.specifiers import SpecifierSet
from tests.service.conftest import client_of

import countenance
from countenance.cli import _parsed
from countenance.policy import read_policy
from countenance.service.application import create_app
from countenance.service.observing import open_log
from countenance.service.running import open_database
from countenance.service.settings import Settings
from countenance.store.place import FOLDER
from countenance.weights import RECORDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "countenance"
BUILD = "import setuptools.build_meta as b; print(b.build_wheel('dist'), b.build_sdist('dist'))"


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The checkout without what git ignores, its tensors empty, so that it builds in a moment."""
    place = tmp_path_factory.mktemp("checkout")
    for name in (".ci", "docs", "src", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.jpg", "*.png", "*.safetensors")
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    for tensors in PACKAGE.glob("shipped_networks/*/*.safetensors"):
        (place / tensors.relative_to(ROOT)).touch()
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, place)
    return place


@pytest.fixture(scope="module")
def built(copied):
    """The wheel and the sdist."""
    command = [sys.executable, "-c", BUILD]
    done = subprocess.run(command, cwd=copied, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    wheel, sdist = done.stdout.split()[-2:]
    return copied / "dist" / wheel, copied / "dist" / sdist


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(wheel.read(name))


def test_the_wheel_holds_the_package_whole_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
    told = [name for name in names if ".dist-info/" in name]
    there = [file for file in PACKAGE.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert sorted(set(names) - set(told)) == sorted(str(file.relative_to(PACKAGE.parent)) for file in there)
    assert {name.partition(".dist-info/")[2] for name in told} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"
    }  # fmt: skip
    for part, least in (  # the list above is made from the tree: these must be in the tree
        (r"countenance/py\.typed", 1),
        (r"countenance/policies/\w[\w-]*\.json", 4),
        (r"countenance/service/page/(index\.html|\w+\.(js|css|svg))", 7),
        (r"countenance/shipped_networks/[\w-]+/best\.json", 9),
        (r"countenance/shipped_networks/[\w-]+/best-\w+\.safetensors", 9),
        (r"countenance/store/migrations/versions/v\d+_\w+\.py", 1),
        (r"countenance/report/page\.(css|html\.j2)", 2),
    ):
        assert sum(bool(re.fullmatch(part, name)) for name in names) >= least, part


def test_the_sdist_holds_what_the_wheel_is_built_from_and_tested_with(built, copied):
    with tarfile.open(built[1]) as packed:
        names = {"/".join(Path(name).parts[1:]) for name in packed.getnames()}
    wanted = [file for folder in (".ci", "docs", "src/countenance", "tests") for file in (copied / folder).rglob("*")]
    assert {str(file.relative_to(copied)) for file in wanted if file.is_file()} <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "Containerfile", "Makefile", "constraints.txt"} <= names
    assert not [name for name in names if name.endswith(".pyc") or name.startswith(("runs", ".venv", "dist"))]


def test_its_metadata_say_what_it_is(metadata):
    assert (metadata["Name"], metadata["Version"]) == ("countenance", countenance.__version__)
    assert (metadata["License-Expression"], metadata.get_all("License-File")) == ("Apache-2.0", ["LICENSE"])
    assert {"faces", "gate", "service"} <= set(metadata.get_all("Provides-Extra"))


@pytest.fixture(scope="module")
def recipe():
    """The instructions of the image recipe in their order: (word, the rest of its line)."""
    lines = [line for line in (ROOT / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in joined.splitlines()]


def only(recipe, word):
    (rest,) = [rest for name, rest in recipe if name == word]
    return rest


def test_the_image_recipe_is_over_the_wheel_alone(recipe, built, metadata):
    known = {"FROM", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in recipe} == known
    assert len(recipe) <= 12
    assert "UNBUILT" in (ROOT / "Containerfile").read_text()
    python = re.fullmatch(r"docker\.io/library/python:(3\.\d+)-slim", only(recipe, "FROM"))
    assert python
    assert f"{python[1]}.0" in SpecifierSet(metadata["Requires-Python"])
    *sources, target = only(recipe, "COPY").split()
    assert sources == ["constraints.txt", f"dist/{built[0].name}"]
    assert (ROOT / sources[0]).is_file()
    runs = " && ".join(rest for word, rest in recipe if word == "RUN")
    assert f"--constraint {target}constraints.txt" in runs
    (extras,) = re.findall(rf'"{target}{re.escape(built[0].name)}\[([\w,]+)\]"', runs)
    assert set(extras.split(",")) <= set(metadata.get_all("Provides-Extra")) - {"dev"}


def test_the_image_pulls_what_its_policy_asks_for(recipe):
    (pulled,) = [rest.partition(" && ")[0] for word, rest in recipe if word == "RUN" and "weights pull" in rest]
    program, *arguments = pulled.split()
    _parsed(arguments)
    names = arguments[2:]
    assert program == "countenance"
    assert set(names) <= {record.name for record in RECORDS}
    networks = {check.network for check in read_policy("rgb").checks if check.network}
    assert {name.partition("_")[0] for name in names} == {"yunet", *networks}


def test_the_image_serves_as_nobody_in_particular_and_is_asked_for_its_health(recipe, tmp_path):
    settings = dict(pair.split("=") for pair in only(recipe, "ENV").split())
    assert only(recipe, "VOLUME") == settings[FOLDER]
    assert f"useradd --uid 10001 {only(recipe, 'USER')} && install -d -o {only(recipe, 'USER')}" in str(recipe)
    (entry,), command = json.loads(only(recipe, "ENTRYPOINT")), json.loads(only(recipe, "CMD"))
    assert entry == "countenance"
    bound: Any = _parsed(command)
    served = bound.keywords
    assert (served["host"], str(served["port"]), served["database"]) == ("0.0.0.0", only(recipe, "EXPOSE"), None)  # noqa: S104
    interpreter, flag, code = json.loads(only(recipe, "HEALTHCHECK").partition("CMD ")[2])
    assert (interpreter, flag) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    port, path = re.findall(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)'", code)[0]
    assert port == only(recipe, "EXPOSE")
    store, _ = open_database(f"sqlite:///{tmp_path}/gate.db")
    log, signer = open_log(io.StringIO()), Ed25519PrivateKey.generate()
    app = create_app(
        Future(), store, settings=Settings(), signer=signer, clock=time.time, random=secrets.token_bytes, log=log
    )
    with client_of(app) as client:
        assert client.get(path).status_code == 200


def test_the_image_is_built_from_two_files(recipe):
    kept = [line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")]
    sources = only(recipe, "COPY").split()[:-1]
    assert all(any(Path(source).match(pattern) for pattern in kept) for source in sources)
