"""What several test files share: the real data beside the repository, and score tables written down in one line."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from countenance.scores import ComparisonTable, PresentationTable, text


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of public data sets: $COUNTENANCE_DATA, or ../shared/data beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("COUNTENANCE_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder} (COUNTENANCE_DATA names another)")
    return folder


@pytest.fixture(scope="session")
def published_casia_surf(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lists and scores that the authors published, unpacked."""
    archive = data_folder / "casia_surf_published.tar.xz"
    if not archive.is_file():
        pytest.skip(f"no {archive}")
    folder = tmp_path_factory.mktemp("published")
    with tarfile.open(archive) as packed:
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
