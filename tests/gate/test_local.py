"""The gate over a folder: enrolment with networks that look at plain colours, the store behind it, and its keys."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import countenance
from countenance.admission import digest_of_weights
from countenance.checkpoints import Checkpoint, write_checkpoint
from countenance.cli import main
from countenance.errors import (
    AlreadyEnrolled,
    DataError,
    ManyFaces,
    MissingFile,
    NoFace,
    TemplateVersion,
    UnknownSubject,
    UsageError,
    WrongKey,
)
from countenance.faces.detection import Face
from countenance.gate import enrolling, former_gallery, local
from countenance.gate.local import (
    audit_gallery,
    enrol,
    export_subject,
    forget,
    list_people,
    opened,
)
from countenance.gate.networks import Networks
from countenance.gate.upkeep import backup_gallery, restore_gallery, rotate_gallery
from countenance.metrics.operating_point import OperatingPoint
from countenance.recognisers import StatedRecogniser, stated_recogniser
from countenance.scores import text
from countenance.screening import Examined, calibrate_screen, write_screen
from countenance.vault import Vault, new_key
from countenance.vocabulary import Action, Reason, Split

FEATURES = 128
WEIGHTS = digest_of_weights("sface")


class ByColour:
    """A recogniser whose template is drawn from the blue of the middle pixel; red pulls it to what all share."""

    def cut(self, image, _face):
        return image[:8, :8]

    def embed(self, faces):
        rows = np.stack([np.random.default_rng(int(face[4, 4, 2])).normal(size=FEATURES) for face in faces])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows[:, 0] += 0.5 + faces[:, 4, 4, 0] / 64
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def found_in(image):
    """As many faces as the green of the corner says."""
    face = Face((0, 0, 8, 8), np.zeros((5, 2), np.float32), 1.0)
    return [face] * int(image[0, 0, 1])


def stated(name):
    """The real threshold, and a recogniser that looks at colours."""
    point = stated_recogniser(name).point
    return StatedRecogniser(name=name, build=lambda _threads: ByColour(), stated=point, label="")


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch):
    """Blue 99 is too dark; anything else is well taken."""
    monkeypatch.setattr(local, "detector", lambda _name: SimpleNamespace(detect=found_in))
    monkeypatch.setattr(local, "stated_recogniser", stated)
    monkeypatch.setattr(enrolling, "measure_quality", lambda image, _face: int(image[4, 4, 2]))
    monkeypatch.setattr(enrolling, "advice", lambda blue, _limits: (Reason.TOO_DARK,) if blue == 99 else ())
    for name in ("COUNTENANCE_KEY", "COUNTENANCE_KEY_FILE", "COUNTENANCE_GALLERY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def photograph(tmp_path):
    def take(blue, *, red=0, faces=1):
        path = tmp_path / f"{red}-{faces}-{blue}.png"
        Image.fromarray(np.full((8, 8, 3), (red, faces, blue), np.uint8)).save(path)
        return path

    return take


def people_of(folder):
    return {each.subject: each.templates for each in list_people(folder=folder)}


def screen_of(folder, *, recogniser="sface"):
    generator = np.random.default_rng(0)

    def strangers(count):
        rows = generator.normal(size=(count, FEATURES)) / np.sqrt(FEATURES)
        rows[:, 0] += 0.5
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return Examined(rows.astype(np.float32), generator.uniform(0, 2, (count, 4)))

    screen = calibrate_screen(
        strangers(200),
        strangers(99),
        text([f"q{i}" for i in range(99)]),
        match=0.45,
        recogniser=recogniser,
        weights=digest_of_weights(recogniser),
        false_alarms=0.01,
    )
    write_screen(folder, screen)


def test_a_person_is_enrolled_and_forgotten(photograph, tmp_path):
    folder = tmp_path / "gallery"
    done = countenance.enrol("Ann", [photograph(1), photograph(1, red=1)], folder=folder, consent={"said": "yes"})
    assert (done.accepted, done.reasons, done.is_screened) == (True, (), False)
    card = done.as_json()
    assert card["scores"]["likeness"] > 0.9
    assert card["scores"]["nearest"] is None
    assert card["thresholds"] == {"screen": None, "verification": 0.3523}
    second = enrol("Bob", [photograph(2)], folder=folder).as_json()
    assert second["scores"]["nearest"]["subject"] == "Ann"
    assert second["scores"]["nearest"]["score"] < second["thresholds"]["verification"]
    assert people_of(folder) == {"Ann": 2, "Bob": 1}
    with pytest.raises(AlreadyEnrolled, match="'Ann'"):
        enrol("Ann", [photograph(3)], folder=folder)
    gone, left = forget("Ann", folder=folder)
    assert (gone.templates, gone.wiped, left, people_of(folder)) == (2, True, 1, {"Bob": 1})
    with pytest.raises(UnknownSubject):
        forget("Ann", folder=folder)
    with pytest.raises(MissingFile, match="a gallery in"):
        forget("Ann", folder=tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_two_people_or_one_twice_are_refused(photograph, tmp_path):
    assert enrol("Ann", [photograph(1), photograph(2)], folder=tmp_path).reasons == (Reason.NOT_THE_SAME_PERSON,)
    assert enrol("Ann", [photograph(99)], folder=tmp_path).reasons == (Reason.TOO_DARK,)
    assert people_of(tmp_path) == {}
    assert enrol("Ann", [photograph(1)], folder=tmp_path).accepted
    twin = enrol("Bob", [photograph(1, red=1)], folder=tmp_path)
    assert twin.reasons == (Reason.ENROLLED_ALREADY,)
    assert twin.as_json()["scores"]["nearest"]["subject"] == "Ann"
    assert enrol("Ann", [photograph(1, red=1), photograph(1)], folder=tmp_path, again=True).accepted
    assert people_of(tmp_path) == {"Ann": 2}
    with pytest.raises(UnknownSubject):
        enrol("Cy", [photograph(3)], folder=tmp_path, again=True)


def test_the_screen_is_asked(photograph, tmp_path):
    screen_of(tmp_path)
    assert enrol("Ann", [photograph(1)], folder=tmp_path).is_screened
    wolf = enrol("Eve", [photograph(5, red=200)], folder=tmp_path)
    assert not wolf.accepted
    assert Reason.MATCHES_STRANGERS in wolf.reasons
    assert wolf.as_json()["scores"]["matched"][0] > 0.1
    assert wolf.as_json()["scores"]["screen"][0] < wolf.as_json()["thresholds"]["screen"]
    assert people_of(tmp_path) == {"Ann": 1}


def test_live_faces_are_asked_for_where_the_operator_wants_them(photograph, tmp_path, monkeypatch):
    class ByRed:
        def bona_fide_score(self, image, _box):
            return 0.4999 if image[4, 4, 0] == 2 else 0.5001

    def loaded(policy, rules):
        assert [check.network for check in policy.checks] == ["minifasnet"]
        assert not {Action.HAPPY, Action.SURPRISE} & set(rules.actions)
        return Networks(detector=SimpleNamespace(detect=found_in), stills={"minifasnet": ByRed()})

    monkeypatch.setattr(local, "load_networks", loaded)
    printed, live = photograph(1, red=2), photograph(1, red=3)
    for shots in ([printed], [live, printed]):
        done = enrol("Ann", shots, folder=tmp_path, live="rgb")
        assert (done.accepted, done.reasons) == (False, (Reason.PRESENTATION_ATTACK,))
    assert enrol("Ann", [live], folder=tmp_path, live="rgb").accepted
    assert enrol("Bob", [photograph(2, red=2)], folder=tmp_path).accepted, "nobody asks by default"
    for policy, error, words in (
        ("sensors", UsageError, "a check of still presentations"),
        ("none.json", MissingFile, "a policy: a JSON file"),
    ):
        with pytest.raises(error, match=words):
            enrol("Cy", [live], folder=tmp_path, live=policy)
    assert main(["enrol", "Cy", str(photograph(3)), "--live", "sensors", "--gallery", str(tmp_path)]) == 2
    assert people_of(tmp_path) == {"Ann": 1, "Bob": 1}


def test_what_cannot_be_enrolled_is_an_error(photograph, tmp_path):
    folder = tmp_path / "gallery"
    with pytest.raises(UsageError, match="at least one photograph"):
        enrol("Ann", [], folder=folder)
    with pytest.raises(UsageError, match="printable"):
        enrol("", [photograph(1)], folder=folder)
    with pytest.raises(UsageError, match="for"):
        enrol("Ann", [photograph(1)], folder=folder, model="minifasnet")
    assert not folder.exists()
    with pytest.raises(NoFace):
        enrol("Ann", [photograph(1, faces=0)], folder=folder)
    with pytest.raises(ManyFaces):
        enrol("Ann", [photograph(1), photograph(1, faces=2)], folder=folder)
    screen_of(folder, recogniser="facenet")
    with pytest.raises(TemplateVersion, match="a screen for sface; came one for facenet"):
        enrol("Ann", [photograph(1)], folder=folder)
    assert people_of(folder) == {}


def test_one_recogniser_serves_a_gallery_and_another_takes_its_place_person_by_person(photograph, tmp_path):
    enrol("Ann", [photograph(1)], folder=tmp_path)
    enrol("Bob", [photograph(2)], folder=tmp_path)
    with pytest.raises(TemplateVersion, match=r"this gallery, sface; came facenet; .* enrol Ann \.\.\. --again"):
        enrol("Cy", [photograph(3)], folder=tmp_path, model="facenet")
    enrol("Bob", [photograph(2)], folder=tmp_path, model="facenet", again=True)
    with opened(tmp_path) as half, pytest.raises(TemplateVersion, match=r"enrol Ann \.\.\. --again"):
        half.gallery()
    enrol("Ann", [photograph(1)], folder=tmp_path, model="facenet", again=True)
    with opened(tmp_path) as done:
        assert (done.gallery().model, len(done.gallery())) == ("facenet", 2)
    assert enrol("Cy", [photograph(3)], folder=tmp_path, model="facenet").accepted


def test_a_clip_gives_photographs(photograph, recorded, tmp_path, monkeypatch):
    frames = np.zeros((12, 48, 48, 3), np.uint8)
    path = recorded(tmp_path / "ann.mp4", frames)
    good = np.full((8, 8, 3), (0, 1, 7), np.uint8)
    monkeypatch.setattr(local, "photographs_of_clip", lambda clip, **_options: [good, good] if clip == path else [])
    assert enrol("Ann", [path, photograph(7)], folder=tmp_path).accepted
    assert people_of(tmp_path) == {"Ann": 3}


def test_an_audit_takes_the_threshold_of_the_screen(tmp_path):
    rows = np.random.default_rng(0).normal(size=(50, FEATURES))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    with opened(tmp_path, make=True) as made:
        for number, row in enumerate(rows):
            made.store.enrol(f"p{number}", templates=row[None], model="sface", weights=WEIGHTS)
    assert audit_gallery(folder=tmp_path).threshold == pytest.approx(0.3523)
    screen_of(tmp_path)
    assert audit_gallery(folder=tmp_path).threshold == 0.45
    assert audit_gallery(folder=tmp_path, threshold=0.4).threshold == 0.4
    with pytest.raises(UsageError, match="a cosine"):
        audit_gallery(folder=tmp_path, threshold=2)


def test_a_person_gets_what_is_kept(photograph, tmp_path):
    enrol("Ann", [photograph(1)], folder=tmp_path, consent={"said": "yes"}, now=lambda: 5.0)
    told = export_subject("Ann", folder=tmp_path)
    assert (told["consent"], told["enrolled"]) == ({"said": "yes"}, 5.0)
    assert told["templates"] == [{"model": "sface", "weights": WEIGHTS, "made": 5.0}]
    assert len(export_subject("Ann", folder=tmp_path, templates=True)["templates"][0]["values"]) == FEATURES
    with pytest.raises(UnknownSubject):
        export_subject("Bob", folder=tmp_path)


def test_nothing_of_a_face_is_in_the_clear(photograph, tmp_path):
    enrol("Ann", [photograph(1)], folder=tmp_path, consent={"said": "a secret word"})
    with opened(tmp_path) as made:
        row = made.gallery().templates[0].tobytes()
        made.signer()
    held = b"".join(file.read_bytes() for file in tmp_path.glob("gate.db*"))
    assert row not in held
    assert row[:16] not in held
    assert b"a secret word" not in held
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("gate.db*")}
    assert modes["gate.db"] == modes["gate.db.key"] == modes["gate.db.signing.pem"] == 0o600


def test_a_backup_comes_back_where_its_key_is(photograph, tmp_path):
    folder, other, copy = tmp_path / "one", tmp_path / "two", tmp_path / "copy.db"
    enrol("Ann", [photograph(1)], folder=folder)
    assert backup_gallery(copy, folder=folder) == copy
    enrol("Bob", [photograph(2)], folder=folder)
    with pytest.raises(UsageError, match="no gallery in"):
        restore_gallery(copy, folder=folder)
    with pytest.raises(MissingFile, match="a backup"):
        restore_gallery(tmp_path / "none", folder=other)
    with pytest.raises(WrongKey, match="put the key file there first"):
        restore_gallery(copy, folder=other)
    assert not other.exists()
    other.mkdir()
    key = other / "gate.db.key"
    key.touch(0o600)
    key.write_text(new_key())
    with pytest.raises(WrongKey, match="sealed 1 values"):
        restore_gallery(copy, folder=other)
    assert [file.name for file in other.iterdir()] == ["gate.db.key"]
    key.write_bytes((folder / "gate.db.key").read_bytes())
    assert [each.subject for each in restore_gallery(copy, folder=other)] == ["Ann"]
    assert len(export_subject("Ann", folder=other, templates=True)["templates"]) == 1


def test_keys_are_changed(photograph, tmp_path, monkeypatch):
    enrol("Ann", [photograph(1)], folder=tmp_path, consent={"said": "yes"})
    key = tmp_path / "gate.db.key"
    (old,) = key.read_text().split()
    (tmp_path / "gate.db.key.new").write_text("of somebody who was stopped")
    assert rotate_gallery(folder=tmp_path) == 2
    assert (len(key.read_text().split()), key.read_text().split()[1], key.stat().st_mode & 0o777) == (2, old, 0o600)
    assert rotate_gallery(folder=tmp_path, drop=True) == 2
    (kept,) = key.read_text().split()
    assert kept != old
    assert export_subject("Ann", folder=tmp_path)["consent"] == {"said": "yes"}
    fresh = new_key()
    monkeypatch.setenv("COUNTENANCE_KEY", f"{fresh},{kept}")
    with pytest.raises(UsageError, match="a key file beside the gallery"):
        rotate_gallery(folder=tmp_path, drop=True)
    assert rotate_gallery(folder=tmp_path) == 2
    monkeypatch.setenv("COUNTENANCE_KEY", fresh)
    assert people_of(tmp_path) == {"Ann": 1}
    monkeypatch.delenv("COUNTENANCE_KEY")
    with pytest.raises(WrongKey, match="configure that key too"):
        list_people(folder=tmp_path)


def former(folder, people, *, seed=0):
    """Write a gallery as earlier releases did; return its templates."""
    rows = np.random.default_rng(seed).normal(size=(len(people), FEATURES))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    import torch

    card = {"model": "sface", "weights": WEIGHTS, "subjects": people}
    write_checkpoint(folder, "gallery", Checkpoint({"templates": torch.from_numpy(rows)}, card))
    return rows


def test_a_gallery_of_an_earlier_release_is_taken_over_once(photograph, tmp_path):
    rows = former(tmp_path, ["Bob", "Ann", "Bob"])
    before = {file.name for file in tmp_path.iterdir()}
    assert people_of(tmp_path) == {"Ann": 1, "Bob": 2}
    assert {file.name for file in tmp_path.iterdir()} & before == set()
    assert not list(tmp_path.glob(".taken-over-*"))
    with opened(tmp_path) as made:
        gallery = made.gallery()
        assert (gallery.model, gallery.weights) == ("sface", WEIGHTS)
        assert {row.tobytes() for row in gallery.templates} == {row.tobytes() for row in rows}
        np.testing.assert_array_equal(gallery.templates[gallery.subjects == "Ann"], rows[1:2])
        events = [each.event["event"] for each in made.store.audit()]
    assert events == ["enrolled", "enrolled", "taken over"]
    assert enrol("Cy", [photograph(3)], folder=tmp_path).accepted


def test_who_is_stopped_goes_on_where_he_was(tmp_path):
    former(tmp_path, ["Ann"])
    database = tmp_path / "gate.db"

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        former_gallery.take_over(tmp_path, database, vault=Vault.beside(database), stopped=stop)
    assert (tmp_path / "gallery.json").exists()
    assert people_of(tmp_path) == {"Ann": 1}
    assert not list(tmp_path.glob("gallery*"))


def test_two_galleries_in_a_folder_are_refused(photograph, tmp_path):
    enrol("Ann", [photograph(1)], folder=tmp_path)
    former(tmp_path, ["Ann"])  # the same name, another face
    for call in (list_people, lambda folder: enrol("Cy", [photograph(3)], folder=folder)):
        with pytest.raises(UsageError, match=r"one gallery in .* move gallery\.json"):
            call(folder=tmp_path)
    assert (tmp_path / "gallery.json").exists()
    with pytest.raises(UsageError, match="no gallery in"):
        restore_gallery(photograph(1), folder=tmp_path)


@pytest.mark.parametrize("damage", ["subjects", "tensors"])
def test_a_damaged_gallery_is_left_alone(tmp_path, damage):
    former(tmp_path, ["Ann", "Bob"])
    if damage == "tensors":
        (file,) = tmp_path.glob("gallery-*.safetensors")
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    else:
        sheet = json.loads((tmp_path / "gallery.json").read_text())
        sheet["card"]["subjects"] = ["Ann"]
        (tmp_path / "gallery.json").write_text(json.dumps(sheet))
    with pytest.raises(DataError, match="gallery"):
        list_people(folder=tmp_path)
    assert (tmp_path / "gallery.json").exists()
    assert not (tmp_path / "gate.db").exists()


def test_the_stand_in_states_the_real_threshold():
    assert stated("sface").point == OperatingPoint(0.3523, stated_recogniser("sface").point.rule, Split.DEVELOPMENT)
