"""Small drawn sets of faces: written once with the stand-in for the drawn world, copied for each test."""

import shutil
from pathlib import Path

import pytest

from countenance.drawn_sets.expression_sets import plan_ck_plus, plan_fer2013, plan_oulu_casia, plan_sfew
from countenance.drawn_sets.identity_sets import plan_afad, plan_casia_webface, plan_ms_celeb_1m, plan_vggface2
from countenance.drawn_sets.verification_sets import plan_lfw, plan_ytf
from countenance.drawn_sets.writing import write_set

PLANS = {
    "lfw": lambda: plan_lfw(subjects=20),
    "ytf": lambda: plan_ytf(subjects=20, frames_each=3),
    "vggface2": lambda: plan_vggface2(subjects=5, photographs_each=3),
    "casia-webface": lambda: plan_casia_webface(subjects=3, photographs_each=5),
    "ms-celeb-1m": lambda: plan_ms_celeb_1m(subjects=3, photographs_each=5),
    "afad": lambda: plan_afad(subjects=6),
    "ck-plus": lambda: plan_ck_plus(subjects=7),
    "oulu-casia": lambda: plan_oulu_casia(subjects=3),
    "sfew": lambda: plan_sfew(subjects=3),
    "fer2013": lambda: plan_fer2013(subjects=10),
    "fer2013 as table": lambda: plan_fer2013(subjects=10, as_table=True),
}


@pytest.fixture(scope="session")
def face_trees(stand_in, tmp_path_factory):
    """A function that writes a drawn set once."""
    written: dict[str, Path] = {}

    def write(name: str) -> Path:
        if name not in written:
            written[name] = tmp_path_factory.mktemp("faces") / name.split(maxsplit=1)[0]
            write_set(PLANS[name](), written[name], draw=stand_in)
        return written[name]

    return write


@pytest.fixture
def face_set(face_trees, tmp_path):
    """A function that returns a drawn set of the test's own, to be damaged."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(face_trees(name), tmp_path / name.split(maxsplit=1)[0]))

    return copy
