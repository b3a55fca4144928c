"""Where the store lies when nobody says where: one place for the commands and the service."""

from countenance.store.place import default_database, gallery_folder


def test_the_folder_is_the_one_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COUNTENANCE_GALLERY", str(tmp_path))
    assert gallery_folder() == tmp_path
    assert gallery_folder("here").name == "here"
    assert default_database() == f"sqlite:///{tmp_path / 'gate.db'}"
    monkeypatch.delenv("COUNTENANCE_GALLERY")
    assert gallery_folder().name == "gallery"
