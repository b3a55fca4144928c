"""Build wheel and sdist into dist/, install each into a fresh environment outside the checkout, and run it there.

    make package [PLACE=FOLDER]            or: python3 .ci/package.py [FOLDER]

FOLDER is an empty or new one for the environments, 2 GB each; without it they are made in a temporary one, and deleted.
It prints a line for every step and ends with status 1 at the first that fails. Versions are those of constraints.txt.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ["--constraint", str(ROOT / "constraints.txt")]
QUIET = ["--quiet", "--disable-pip-version-check"]
COMMANDS = (
    ("--version",),
    ("policy", "check", "rgb"),
    ("networks", "list"),
    ("enrol", "--help"),
    ("authenticate", "--help"),
    ("keys", "add", "client", "the door", "--database", "sqlite:///gate.db"),  # makes the tables, step by step
    ("audit", "verify", "--database", "sqlite:///gate.db"),
    ("gallery", "backup", "copy.db", "--database", "sqlite:///gate.db"),
)
PARTS = sorted(file.name for file in (ROOT / "src" / "countenance" / "service" / "page").iterdir())
PAGE = ("/", *(f"/page/{name}" for name in PARTS if name != "index.html"))


def ran(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command; return what it printed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"FAILED ({done.returncode}): {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def environment(place: Path) -> Path:
    """Return the programs of a fresh environment."""
    ran(sys.executable, "-m", "venv", place, cwd=place.parent)
    return place / "bin"


def answer(url: str) -> bytes:
    """Return the body of an answer, which is 200."""
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own service
        body: bytes = response.read()
    return body


def serves(program: Path, place: Path, env: dict[str, str]) -> None:
    """Start the service, ask it for its health and for every file of its page, and end it."""
    command: list[str | Path] = [program, "serve", "--port", "0", "--database", "sqlite:///gate.db"]
    with subprocess.Popen(command, cwd=place, env=env, stderr=subprocess.PIPE, text=True) as service:  # noqa: S603
        assert service.stderr is not None
        address = ""
        for line in service.stderr:
            if "http://" in line:
                address = line[line.index("http://") :].split("/ ")[0]
                break
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    answer(f"{address}/v1/health")
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
            sizes = [len(answer(address + file)) for file in PAGE]
        finally:
            service.terminate()
            service.stderr.read()
    if service.returncode not in (0, -signal.SIGTERM):  # uvicorn ends what it has begun, and then by the signal
        sys.exit(f"FAILED: the service ended with {service.returncode}")
    print(f"  serve: /v1/health and {len(PAGE)} files of the page, {sum(sizes):,} bytes; ended by SIGTERM")


def check(place: Path) -> None:
    """Build, install, run."""
    place.mkdir(parents=True, exist_ok=True)
    if ROOT in (place, *place.parents):
        sys.exit(f"{place} is inside the checkout: name a folder outside")
    builder = environment(place / "builder")
    ran(builder / "pip", "install", *QUIET, "build", cwd=place)
    ran(builder / "python", "-m", "build", "--outdir", place / "dist", ROOT, cwd=place)
    for packed in sorted((place / "dist").iterdir()):
        kind = "sdist" if packed.suffix == ".gz" else "wheel"
        began = time.monotonic()
        programs = environment(place / kind)
        ran(programs / "pip", "install", *QUIET, *CONSTRAINTS, "torch", cwd=place)
        ran(programs / "pip", "install", *QUIET, *CONSTRAINTS, f"{packed}[service]", cwd=place)
        print(f"{packed.name}: {packed.stat().st_size:,} bytes, installed in {time.monotonic() - began:.0f} s")
        here = place / f"{kind}-run"
        here.mkdir(exist_ok=True)
        env = {"PATH": os.environ["PATH"], "HOME": str(here), "COUNTENANCE_GALLERY": str(here)}
        where = ran(programs / "python", "-c", "import countenance; print(countenance.__file__)", cwd=here, env=env)
        if not Path(where.strip()).is_relative_to(place):
            sys.exit(f"FAILED: it runs from {where}")
        for arguments in COMMANDS:
            told = ran(programs / "countenance", *arguments, cwd=here, env=env)
            print(f"  countenance {' '.join(arguments)}: {len(told.splitlines()):,} lines")
        serves(programs / "countenance", here, env)
        (ROOT / "dist").mkdir(exist_ok=True)
        shutil.copy(packed, ROOT / "dist")
    print(f"both work; they lie in {ROOT / 'dist'}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        check(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory(prefix="countenance-package-") as folder:
            check(Path(folder).resolve())
