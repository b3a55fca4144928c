"""Scoring a set of presentations with networks of one's own: the mean of their scores, and what is refused."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from countenance import bulk
from countenance.bulk import PresentationOptions, run_names, score
from countenance.checkpoints import Checkpoint, write_checkpoint
from countenance.datasets.samples import PresentationSample
from countenance.ensemble_scoring import EnsembleReport
from countenance.errors import MissingFile, UsageError
from countenance.faces.detection import Face
from countenance.networks.slim_pad import SlimPad
from countenance.scores import read_table
from countenance.vocabulary import Modality, Presentation, Split


@pytest.fixture
def data(tmp_path):
    """A manifest of three grey pictures, two of them in test."""
    root = tmp_path / "own"
    root.mkdir()
    rows = ["id,subject,presentation,species,split,infrared"]
    for name, kind, split in (("a", "bona_fide,", "test"), ("b", "attack,print", "test"), ("c", "bona_fide,", "train")):
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{name}.png")
        rows.append(f"{name},s-{name},{kind},{split},{name}.png")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return f"manifest:{root}"


@pytest.fixture
def runs(tmp_path):
    """Two runs, of other weights."""
    card = {"network": "slim-pad", "modalities": ["infrared"], "width": 2}
    folders = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            state = SlimPad([Modality.INFRARED], width=2).state_dict()
        folders.append(str(tmp_path / f"run-{seed}"))
        write_checkpoint(folders[-1], "best", Checkpoint({f"module.{name}": state[name] for name in state}, card))
    return folders


def test_several_runs_give_the_mean_of_their_scores(data, runs):
    alone = [score([run], data=data, split="test").table for run in runs]
    together = score(runs, data=data, split="test").table
    assert together.identifiers.tolist() == ["a", "b"]
    np.testing.assert_allclose(together.scores, (alone[0].scores + alone[1].scores) / 2)
    assert (alone[0].scores != alone[1].scores).all()


def test_mirrored_views_and_the_table_of_each_network(data, runs, tmp_path):
    plain = score(runs, data=data, split="test")
    folder = tmp_path / "members"
    mirrored = score(runs, data=data, split="test", options=PresentationOptions(mirror=True, members=folder))
    assert isinstance(mirrored, EnsembleReport)
    assert (mirrored.table.scores != plain.table.scores).all()
    assert sorted(path.name for path in folder.iterdir()) == ["run-0.csv", "run-1.csv"]
    for name, table in mirrored.members.items():
        written = read_table(folder / f"{name}.csv")
        np.testing.assert_array_equal(written.scores, table.scores)
        assert written.identifiers.tolist() == ["a", "b"]


def test_runs_are_named_below_what_they_have_in_common():
    assert run_names(["/r/one/fold-1", "/r/two/fold-1"]) == {
        "one/fold-1": "/r/one/fold-1",
        "two/fold-1": "/r/two/fold-1",
    }
    with pytest.raises(UsageError, match="each network once"):
        run_names(["/r/one", "/r/two/../one"])


@pytest.mark.parametrize(
    ("networks", "options", "error", "words"),
    [
        (["sface"], {"split": "test"}, UsageError, "or the folder of a run; came the network 'sface'; train one"),
        (None, {"split": "view1"}, UsageError, "came split 'view1' and folds None"),
        (None, {"split": "test", "folds": "1-2"}, UsageError, "came split 'test' and folds 1-2"),
        (None, {"split": "development"}, UsageError, "presentations to score; came none"),
        ([], {"split": "test"}, UsageError, "a network to score with"),
        (None, {"split": "test", "data": "manifest:/nowhere"}, MissingFile, "manifest"),
        (
            None,
            {"split": "test", "options": PresentationOptions(precision="int8")},
            UsageError,
            "float32, bfloat16; came",
        ),
        (None, {"split": "test", "options": PresentationOptions(members=Path("/proc"))}, UsageError, "able to write"),
        (
            ["sface"],
            {"split": "test", "data": "lfw:/", "options": PresentationOptions(mirror=True)},
            UsageError,
            "lfw:/",
        ),
    ],
)
def test_what_it_refuses(data, runs, networks, options, error, words):
    with pytest.raises(error, match=words):
        score(runs if networks is None else networks, **{"data": data, **options})


@pytest.fixture
def clips(tmp_path, recorded, monkeypatch):
    """A set of two clips, live and printed, with a face in the middle of every frame."""
    samples = [
        PresentationSample(
            identifier=name,
            subject=name,
            presentation=Presentation.ATTACK if species else Presentation.BONA_FIDE,
            species=species,
            split=Split.TEST,
            paths={
                Modality.RGB: recorded(
                    tmp_path / f"{name}.mp4",
                    np.random.default_rng(ord(name)).integers(0, 256, (30, 64, 64, 3), np.uint8),
                )
            },
        )
        for name, species in (("a", ""), ("b", "print/1"))
    ]
    face = Face((8.0, 8.0, 48.0, 48.0), np.zeros((5, 2), np.float32), 0.9)
    monkeypatch.setattr(bulk, "read_presentations", lambda _: samples)
    monkeypatch.setattr(bulk, "detector", lambda _: SimpleNamespace(detect=lambda _: [face]))
    return "siw:there"


def test_clips_have_a_row_each_or_one_for_each_window(clips, clip_run):
    run = str(clip_run())
    table = score([run], data=clips, split="test").table
    assert table.identifiers.tolist() == ["a", "b"]
    windows = score([run], data=clips, split="test", options=PresentationOptions(unit="window")).table
    assert windows.identifiers.tolist() == ["a#0", "a#15", "b#0", "b#15"]
    np.testing.assert_allclose(table.scores, windows.scores.reshape(2, 2).mean(1))
    assert np.abs(windows.scores).max() <= 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (PresentationOptions(unit="hour"), "a unit among clip, window"),
        (PresentationOptions(mirror=True), "leave --mirror, --precision and --engine out"),
        (PresentationOptions(precision="bfloat16"), "leave --mirror, --precision and --engine out"),
    ],
)
def test_what_clips_do_not_have_is_refused(clips, clip_run, options, words):
    with pytest.raises(UsageError, match=words):
        score([str(clip_run())], data=clips, split="test", options=options)


def test_stills_and_networks_of_the_other_kind_are_refused(data, runs, clips, clip_run):
    with pytest.raises(UsageError, match="leave --unit out"):
        score(runs, data=data, split="test", options=PresentationOptions(unit="clip"))
    with pytest.raises(UsageError, match="a network of pictures"):
        score([str(clip_run())], data=data, split="test")
    with pytest.raises(UsageError, match="a network of clips"):
        score(runs[:1], data=clips, split="test")
