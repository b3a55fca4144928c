"""Scores of windows, and of clips as the mean over their windows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from countenance.datasets.samples import PresentationSample
from countenance.drawn_sets.writing import video
from countenance.errors import ProtocolMismatch, UsageError
from countenance.faces.detection import Face
from countenance.metrics.presentation import non_responses
from countenance.networks.fewframe import FewFrameNetwork
from countenance.scores import presentation_table
from countenance.vocabulary import Modality, Presentation, Split
from countenance.window_scoring import Unit, clip_table, score_clips


def test_a_clip_has_the_mean_of_its_windows_and_their_labels():
    table = presentation_table(
        identifiers=["b#0", "a#0", "b#15", "a#15", "a#30"],
        is_bona_fide=[False, True, False, True, True],
        scores=[0.2, 0.9, 0.4, 0.6, 0.3],
        subjects=["2", "1", "2", "1", "1"],
        species=["print/1", "", "print/1", "", ""],
        splits=["test"] * 5,
    )
    clips = clip_table(table)
    assert clips.identifiers.tolist() == ["b", "a"], "in the order of their first windows"
    assert clips.scores.tolist() == pytest.approx([0.3, 0.6])
    assert clips.is_positive.tolist() == [False, True]
    assert clips.subjects.tolist() == ["2", "1"]
    assert clips.species.tolist() == ["print/1", ""]


def test_a_mark_within_the_name_of_a_clip_stays_in_it():
    table = presentation_table(identifiers=["x#y#0", "x#y#15"], is_bona_fide=[True, True], scores=[0.5, 0.7])
    assert clip_table(table).identifiers.tolist() == ["x#y"]


class Halves:
    """Finds one face in every picture that is not black."""

    def detect(self, image):
        if image.max() < 40:
            return []
        return [Face((8.0, 8.0, 40.0, 40.0), np.zeros((5, 2), np.float32), 0.9)]


def recorded(folder, name, *, live, grey):
    path = folder / f"{name}.mov"
    path.write_bytes(video(np.full((30, 64, 64, 3), grey, np.uint8)))
    return PresentationSample(
        identifier=name,
        subject=name,
        presentation=Presentation.BONA_FIDE if live else Presentation.ATTACK,
        species="" if live else "print/1",
        split=Split.TEST,
        paths={Modality.RGB: path},
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    levels = {"a": (True, 200), "b": (False, 90), "dark": (True, 0)}
    return [recorded(folder, name, live=live, grey=grey) for name, (live, grey) in levels.items()]


def network(seed):
    torch.manual_seed(seed)
    built = FewFrameNetwork(frames=2, side=64, channels=(4, 4, 4, 4, 4), hidden=8)
    built.representative[0] = 1
    return built.eval()


def test_a_clip_without_a_face_gets_no_response(clips):
    report = score_clips(clips, {"one": network(1), "two": network(2)}, detector=Halves())
    assert report.table.identifiers.tolist() == ["a", "b", "dark"]
    assert report.table.responded.tolist() == [True, True, False]
    assert non_responses(report.table).bpnrr.count == 1
    both = [report.members[name].scores[:2] for name in ("one", "two")]
    assert report.table.scores[:2] == pytest.approx((both[0] + both[1]) / 2)


def test_windows_have_rows_of_their_own(clips):
    report = score_clips(clips, {"one": network(1)}, detector=Halves(), unit=Unit.WINDOW)
    assert report.table.identifiers.tolist() == ["a#0", "a#15", "b#0", "b#15", "dark#"]
    whole = score_clips(clips, {"one": network(1)}, detector=Halves()).table
    assert clip_table(report.table).scores[:2] == pytest.approx(whole.scores[:2])


def test_what_cannot_be_scored_is_refused(clips):
    larger = FewFrameNetwork(frames=2, side=96, channels=(4, 4, 4, 4, 4), hidden=8)
    with pytest.raises(UsageError, match="one side"):
        score_clips(clips, {"one": network(1), "two": larger}, detector=Halves())
    with pytest.raises(UsageError, match="0 clips"):
        score_clips([], {"one": network(1)}, detector=Halves())
    with pytest.raises(ProtocolMismatch, match="'a' without one"):
        score_clips([replace(clips[0], presentation=None)], {"one": network(1)}, detector=Halves())
