"""MS-Celeb-1M: InsightFace's record file as it is drawn, and folders of Freebase names."""

from countenance.datasets.face_collections import read_photograph
from countenance.datasets.ms_celeb_1m import COLLECTION, inspect, read


def test_the_record_file(face_trees):
    samples = read(face_trees("ms-celeb-1m"))
    assert [sample.identifier for sample in samples[:6]] == ["0/1", "0/2", "0/3", "0/4", "0/5", "1/6"]
    assert read_photograph(samples[5]).shape == (112, 112, 3)


def test_folders_of_freebase_names(face_trees, tmp_path):
    photograph = next(face_trees("casia-webface").glob("*/*/*.jpg")).read_bytes()
    for name in ("m.0107_f", "m.01_0d4"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0-FaceId-0.jpg").write_bytes(photograph)
    found = inspect(tmp_path)
    assert found.counts == {"photographs": 2, "identities": 2}
    assert found.unreadable == ()
    assert len(found.problems) == 2  # of no published form
    assert len({form["identities"] for form in COLLECTION.forms}) == 3
