"""CASIA-WebFace: folders of seven digits, or InsightFace's record file; the published counts of both."""

import pytest

from countenance.datasets.casia_webface import COLLECTION, inspect, read
from countenance.errors import ProtocolMismatch


def test_folders_of_seven_digits(face_set):
    root = face_set("casia-webface")
    assert {sample.subject for sample in read(root)} == {"0000001", "0000002", "0000003"}
    assert len(read(root / "CASIA-WebFace" / "..")) == 15
    (root / "CASIA-WebFace" / "0000003").rename(root / "CASIA-WebFace" / "3")
    assert any("CASIA-WebFace/3" in words for words in inspect(root).problems)


def test_a_part_is_not_the_published_set(face_set):
    root = face_set("casia-webface")
    for name in ("drawn.json", "drawn.csv"):
        (root / name).unlink()
    with pytest.raises(ProtocolMismatch, match="photographs: 494,414 are published, 15 are here"):
        read(root)
    assert [form["identities"] for form in COLLECTION.forms] == [10_575, 10_572]
