"""Searches of a gallery: exact, at a threshold of their own, and the verb."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from countenance.admission import digest_of_weights
from countenance.cli import main
from countenance.errors import EmptyScores, NonFiniteScore, TemplateVersion, UsageError
from countenance.faces.detection import Face
from countenance.gate import identification
from countenance.gate.identification import SearchMatrix, choose_identification_point, identify
from countenance.gate.local import opened
from countenance.metrics.operating_point import OperatingPoint
from countenance.recognisers import StatedRecogniser
from countenance.scores import text
from countenance.vocabulary import Split

PAIR = OperatingPoint(0.35, "fmr:0.001", Split.DEVELOPMENT)
FEATURES = 64


def people(count, *, each=2, seed=0):
    """Names and templates, those of one person near each other, in a mixed order."""
    generator = np.random.default_rng(seed)
    middles = generator.normal(size=(count, FEATURES))
    rows = (middles[:, None] + 0.3 * generator.normal(size=(count, each, FEATURES))).reshape(-1, FEATURES)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = np.repeat([f"p{i}" for i in range(count)], each)
    order = generator.permutation(len(names))
    return text(names[order].tolist()), rows[order].astype(np.float32)


def test_a_search_is_the_slow_search():
    names, rows = people(40, each=3)
    matrix = SearchMatrix.of(names, rows)
    probe = people(40, each=3, seed=1)[1][5]
    slow = {name: max(float(row @ probe) for row in rows[names == name]) for name in set(names.tolist())}
    found = identify(probe, matrix, PAIR, model="m", top=7)
    assert [each.subject for each in found.candidates] == sorted(slow, key=lambda name: -slow[name])[:7]
    assert [each.score for each in found.candidates] == pytest.approx(sorted(slow.values())[::-1][:7])
    assert found.people == 40
    assert len(identify(probe, matrix, PAIR, model="m", top=100).candidates) == 40


def test_searches_for_strangers_are_the_slow_ones(monkeypatch):
    names, rows = people(30, each=2)
    monkeypatch.setattr(identification, "_PEOPLE", 7)
    matrix = SearchMatrix.of(names, rows)
    slow = [(rows[names == name] @ rows[names != name].T).max() for name in matrix.names]
    np.testing.assert_allclose(matrix.strangers(), slow, rtol=1e-6)
    monkeypatch.setattr(identification, "_SCORES", 150)  # of 60 templates: two people a block
    np.testing.assert_allclose(matrix.strangers(), slow, rtol=1e-6)
    assert len(matrix.strangers(10)) == 10
    assert set(matrix.strangers(10)) <= set(matrix.strangers())


def test_a_person_is_found_and_a_stranger_is_not():
    names, rows = people(600)
    matrix = SearchMatrix.of(names, rows)
    point = choose_identification_point(matrix, verification=PAIR)
    assert point.rule == "fpir:0.01 by the searches of 600 people"
    assert point.value == np.nextafter(np.float32(np.sort(matrix.strangers())[-5]), np.float32(np.inf))
    mine = identify(rows[0], matrix, point, model="m")
    assert mine.accepted
    assert mine.as_json()["subject"] == names[0] == mine.candidates[0].subject
    strangers = people(1_000, each=1, seed=9)[1]
    hits = sum(identify(each, matrix, point, model="m").accepted for each in strangers)
    assert 1 <= hits <= 25  # 10 expected
    loose = sum(identify(each, matrix, PAIR, model="m").accepted for each in strangers)
    assert loose > 10 * hits  # the threshold of a comparison of two does not serve


def test_the_promise_holds_in_the_mean():
    shares = []
    for seed in range(60):
        matrix = SearchMatrix.of(*people(59, each=1, seed=seed))
        point = choose_identification_point(matrix, verification=OperatingPoint(-1.0, "", None), rate=0.05)
        strangers = people(100, each=1, seed=1_000 + seed)[1]
        shares.append((matrix.scores(strangers).max(axis=1) >= point.value).mean())
    assert 0.02 < np.mean(shares) < 0.05 + 3 * np.std(shares) / np.sqrt(60)


def test_a_small_gallery_says_what_it_promises():
    matrix = SearchMatrix.of(*people(9))
    point = choose_identification_point(matrix, verification=OperatingPoint(-1.0, "fmr:0.5", None))
    assert point.rule == "fpir:0.2 by the searches of 9 people"
    assert point.value > matrix.strangers().max()
    high = choose_identification_point(matrix, verification=OperatingPoint(0.9, "fmr:0.001", Split.DEVELOPMENT))
    assert (high.value, high.rule) == (0.9, "fpir:0.2 by the searches of 9 people, at least fmr:0.001")
    one = choose_identification_point(SearchMatrix.of(*people(1)), verification=PAIR)
    assert (one.value, one.rule) == (0.35, "fmr:0.001, of one person")


def test_what_cannot_be_searched_is_an_error():
    names, rows = people(3)
    matrix = SearchMatrix.of(names, rows)
    with pytest.raises(EmptyScores, match="an empty gallery"):
        SearchMatrix.of(text([]), np.zeros((0, 0), np.float32))
    with pytest.raises(NonFiniteScore, match="enrol anew"):
        SearchMatrix.of(names, rows * np.float32(np.nan))
    with pytest.raises(NonFiniteScore, match="embed it again"):
        identify(rows[0] * np.float32(np.nan), matrix, PAIR, model="m")
    with pytest.raises(TemplateVersion, match="64"):
        identify(rows[0, :10], matrix, PAIR, model="m")
    with pytest.raises(UsageError, match="top of at least 1"):
        identify(rows[0], matrix, PAIR, model="m", top=0)
    with pytest.raises(UsageError, match="between 0 and 1"):
        choose_identification_point(matrix, verification=PAIR, rate=1.0)
    with pytest.raises(EmptyScores, match="two people"):
        SearchMatrix.of(*people(1)).strangers()


class ByBlue:
    """A recogniser whose template is the gallery's row of the blue value."""

    def __init__(self, rows):
        self.rows = rows

    def cut(self, image, _face):
        return image

    def embed(self, faces):
        return self.rows[faces[:, 0, 0, 2]]


def found_in(image):
    """As many faces as the green says."""
    return [Face((0, 0, 8, 8), np.zeros((5, 2), np.float32), 1.0)] * int(image[0, 0, 1])


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory):
    place, (names, rows) = tmp_path_factory.mktemp("gallery"), people(60)
    with opened(place, make=True) as local:
        for name in np.unique(names[:119]).tolist():
            kept = rows[:119][names[:119] == name]
            local.store.enrol(name, templates=kept, model="sface", weights=digest_of_weights("sface"))
    return place


@pytest.fixture
def folder(enrolled, tmp_path, monkeypatch):
    rows = people(60)[1]
    strangers = people(60, seed=5)[1]
    monkeypatch.setattr(identification, "detector", lambda _name: SimpleNamespace(detect=found_in))
    network = ByBlue(np.concatenate([rows, strangers]))
    stated = StatedRecogniser(name="sface", build=lambda _threads: network, stated=PAIR, label="")
    monkeypatch.setattr(identification, "stated_recogniser", lambda _name: stated)
    return shutil.copytree(enrolled, tmp_path / "gallery")


def photograph(folder, blue, *, faces=1):
    path = folder / f"{blue}-{faces}.png"
    Image.fromarray(np.full((8, 8, 3), (0, faces, blue), np.uint8)).save(path)
    return str(path)


def test_the_verb_answers_by_its_status(folder, capsys):
    names = people(60)[0]
    status = main(["identify", photograph(folder, 3), "--top", "2", "--gallery", str(folder), "--json"])
    card = json.loads(capsys.readouterr().out)
    assert (status, card["accepted"], card["subject"], card["reasons"]) == (0, True, names[3], [])
    assert [*card["candidates"][0]] == ["subject", "score"]
    assert len(card["candidates"]) == 2
    assert card["rule"].startswith("fpir:0.0328 by the searches of 60 people")
    status = main(["identify", photograph(folder, 200), "--gallery", str(folder), "--json"])
    card = json.loads(capsys.readouterr().out)
    assert (status, card["accepted"], card["subject"]) == (1, False, None)
    assert card["reasons"] == ["not_the_same_person"]
    assert main(["identify", photograph(folder, 200), "--gallery", str(folder)]) == 1
    assert "nobody of 60 people" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("blue", "faces", "options", "words"),
    [
        (1, 0, [], "expected a face"),
        (1, 2, [], "one person before the camera"),
        (1, 1, ["--top", "0"], "top of at least 1"),
        (1, 1, ["--rate", "2"], "a rate between 0 and 1"),
        (1, 1, ["--detect", "eyes"], "detector"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(folder, blue, faces, options, words, capsys, monkeypatch):
    if "--detect" in options:
        monkeypatch.undo()
    status = main(["identify", photograph(folder, blue, faces=faces), "--gallery", str(folder), "--json", *options])
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert words in said.err


def test_a_folder_without_a_gallery_is_told(tmp_path, capsys):
    assert main(["identify", photograph(tmp_path, 1), "--gallery", str(tmp_path / "none"), "--json"]) == 2
    assert "begin with: countenance enrol" in capsys.readouterr().err


def test_templates_of_other_weights_are_not_searched(tmp_path, capsys):
    with opened(tmp_path, make=True) as local:
        local.store.enrol("Ann", templates=people(1)[1][:1], model="sface", weights="5" * 64)
    assert main(["identify", photograph(tmp_path, 1), "--gallery", str(tmp_path), "--json"]) == 2
    assert "enrol everybody again" in capsys.readouterr().err
