"""Where the published weights and the real pictures come from, or the one line that says why not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from countenance import weights
from countenance.errors import MissingFile

DATA = Path(os.environ.get("COUNTENANCE_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.fixture(scope="session")
def pulled() -> Callable[[str], dict[str, Path]]:
    def pull(name: str) -> dict[str, Path]:
        try:
            return weights.pull(name, mirror=DATA / "minifasnet")
        except MissingFile as error:
            pytest.skip(f"weights {name}: {error.came}")

    return pull


@pytest.fixture(scope="session")
def real() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        if not (DATA / name).is_file():
            pytest.skip(f"no {DATA / name}")
        return DATA / name

    return find
