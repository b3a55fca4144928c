"""Writing a drawn set: the same bytes whoever draws, whole files, resumption, refusals."""

import io
from dataclasses import replace

import av
import numpy as np
import pytest
from PIL import Image

from countenance.datasets.drawn_card import CARD, TABLE, UNFINISHED, read_table
from countenance.drawn_sets.casia_surf import plan
from countenance.drawn_sets.writing import SCRATCH, contact_sheet, jpeg, video, write_set
from countenance.errors import UsageError
from countenance.files import sha256_of


@pytest.fixture(scope="module")
def planned():
    return plan(subjects=3, seed=7, frames=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, planned, stand_in):
    root = tmp_path_factory.mktemp("whole") / "set"
    assert write_set(planned, root, draw=stand_in) == 12
    return root


def tree(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_two_workers_write_the_same_bytes(planned, whole, stand_in, tmp_path):
    told = []
    write_set(planned, tmp_path / "set", draw=stand_in, workers=2, progress=lambda *done: told.append(done))
    assert tree(tmp_path / "set") == tree(whole)
    assert told == [(done, 12) for done in range(13)]


def test_another_seed_writes_other_bytes(whole, stand_in, tmp_path):
    write_set(plan(subjects=3, seed=8, frames=2), tmp_path / "set", draw=stand_in)
    ours, theirs = tree(whole), tree(tmp_path / "set")
    assert ours.keys() == theirs.keys()
    assert not any(ours[path] == theirs[path] for path in ours if path.suffix == ".jpg")


def test_the_table_knows_every_other_file(whole):
    table = read_table(whole)
    files = tree(whole)
    assert {str(path) for path in files} - {CARD, TABLE} == set(table)
    assert all(sha256_of(content) == table[str(path)].sha256 for path, content in files.items() if str(path) in table)
    assert not (whole / UNFINISHED).exists()


def test_a_finished_set_is_left_alone(planned, whole):
    def fail(spec):
        raise AssertionError(spec)

    assert write_set(planned, whole, draw=fail) == 0


def test_an_interrupted_set_goes_on_where_it_stopped(planned, whole, stand_in, tmp_path):
    root, drawn = tmp_path / "set", [0]

    def killed(spec):
        if drawn[0] == 5:
            raise KeyboardInterrupt
        drawn[0] += 1
        return stand_in(spec)

    with pytest.raises(KeyboardInterrupt):
        write_set(planned, root, draw=killed)
    assert (root / UNFINISHED).is_file()
    assert not (root / CARD).exists()
    assert not list(root.rglob("*.part"))
    half = planned.clips[0].files[0]
    (root / half).write_bytes(b"")  # as after a power failure
    assert write_set(planned, root, draw=stand_in) == 12 - 5 + 1
    assert tree(root) == tree(whole)


@pytest.mark.parametrize("other", [{"seed": 8}, {"preset": "hard"}, {"subjects": 4}, {"frames": 3}])
def test_a_folder_with_another_drawn_set_is_refused(whole, stand_in, other):
    planned = plan(**{"subjects": 3, "seed": 7, "frames": 2, **other})
    with pytest.raises(UsageError, match="which holds another drawn set; choose another folder"):
        write_set(planned, whole, draw=stand_in)


def test_a_folder_with_anything_else_is_refused(planned, stand_in, tmp_path):
    (tmp_path / "precious.jpg").touch()
    with pytest.raises(UsageError, match="expected a new or empty folder"):
        write_set(planned, tmp_path, draw=stand_in)
    with pytest.raises(UsageError, match="expected a new or empty folder"):
        write_set(planned, tmp_path / "precious.jpg", draw=stand_in)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.jpg"]


def test_no_worker_is_refused(planned, tmp_path):
    with pytest.raises(UsageError, match="at least 1 worker"):
        write_set(planned, tmp_path / "set", workers=0)


def test_what_lies_in_scratch_is_packed_and_removed(planned, stand_in, tmp_path):
    clip = replace(planned.clips[0], files=tuple(f"{SCRATCH}/{number}.jpg" for number in range(6)))

    def pack(root):
        content = b"".join((root / name).read_bytes() for name in clip.files)
        (root / "all.bin").write_bytes(content)
        return ["all.bin"]

    root = tmp_path / "set"
    write_set(replace(planned, clips=(clip,), lists={}, finish=pack), root, draw=stand_in)
    assert sorted(path.name for path in root.iterdir()) == ["all.bin", TABLE, CARD]
    assert list(read_table(root)) == ["all.bin"]


def test_a_still_keeps_its_grey():
    plane = np.arange(64, dtype=np.uint8).reshape(8, 8)
    pixels = np.asarray(Image.open(io.BytesIO(jpeg(plane, 95))))
    assert pixels.shape == (8, 8, 3)
    assert (pixels == pixels[..., :1]).all()
    assert np.abs(pixels[..., 0].astype(int) - plane).max() <= 3


def test_a_video_repeats_and_keeps_colour_at_full_resolution():
    columns = np.zeros((4, 32, 32, 3), np.uint8)
    columns[:, :, ::2] = (200, 60, 60)
    columns[:, :, 1::2] = (60, 60, 200)
    content = video(columns)
    assert content == video(columns)
    with av.open(io.BytesIO(content), "r") as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert frames.shape == columns.shape
    assert np.abs(frames.astype(int) - columns).mean() < 8  # 4:2:0 would give both columns one colour: 70


def test_a_contact_sheet_has_a_column_for_each_group(planned, stand_in):
    sheet = Image.open(io.BytesIO(contact_sheet(planned, draw=stand_in, examples=2)))
    assert sheet.size == (7 * 112, 14 + 2 * 3 * 112)
    alike = replace(planned, clips=tuple(replace(clip, group="face") for clip in planned.clips))
    sheet = Image.open(io.BytesIO(contact_sheet(alike, draw=stand_in, examples=1)))
    assert sheet.size == (10 * 112, 14 + 3 * 112)
