"""AFAD: age and gender come from the folders, what is missing from the list."""

import pytest

from countenance.datasets.afad import inspect, read
from countenance.errors import MissingFile


@pytest.fixture
def afad(tmp_path):
    """Three photographs in AFAD-Full's layout, without a card."""
    folder = tmp_path / "AFAD-Full"
    names = ("20/111/638660-1.jpg", "20/111/638660-2.jpg", "34/112/77-0.jpg")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "AFAD-Full.txt").write_text("".join(f"./{name}\n" for name in names))
    return tmp_path


def test_age_and_gender_are_the_folders(face_trees):
    samples = read(face_trees("afad"))
    assert len({sample.subject for sample in samples}) == 6
    for sample in samples:
        age, gender = sample.path.parts[-3:-1]
        assert sample.attributes == {"age": age, "gender": {"111": "male", "112": "female"}[gender]}
        assert sample.path.name.startswith(f"{sample.subject}-")


def test_counts_are_those_of_the_full_set(afad):
    found = inspect(afad)
    assert found.counts == {"photographs": 3, "subjects": 2, "male": 2, "female": 1}
    assert "photographs: 164,432 are published, 3 are here" in found.problems
    assert inspect(afad / "AFAD-Full").counts == found.counts


def test_missing_and_unnamed_photographs(afad):
    folder = afad / "AFAD-Full"
    (folder / "34/112/77-0.jpg").rename(folder / "34/112/78-0.jpg")
    (folder / "35" / "113").mkdir(parents=True)
    (folder / "notes.doc").touch()
    found = inspect(afad)
    assert found.missing == ("AFAD-Full/34/112/77-0.jpg",)
    words = " ".join(found.problems)
    assert "1 photograph is not in the list: 34/112/78-0.jpg" in words
    assert "AFAD-Full/35/113" in words
    assert "1 file or folder beside the ages: notes.doc" in words


def test_the_lite_set_needs_its_list(afad):
    (afad / "AFAD-Full").rename(afad / "AFAD-Lite")
    assert inspect(afad).problems == ()  # three empty photographs, as the list says
    assert len(inspect(afad).unreadable) == 3
    (afad / "AFAD-Lite" / "AFAD-Full.txt").unlink()
    assert any("no list of all photographs" in words for words in inspect(afad).problems)


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(MissingFile, match="a folder AFAD-Lite or AFAD-Full"):
        read(tmp_path)
    assert inspect(tmp_path).missing == ("AFAD-Lite",)
