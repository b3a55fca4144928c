"""The recipe of flownets-slim: learns, resumes bit for bit, holds people out, and starts on nothing that is not fit."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from countenance.checkpoints import read_checkpoint
from countenance.datasets.samples import PresentationSample
from countenance.drawn_sets.identity_sets import plan_casia_webface
from countenance.drawn_sets.writing import video, write_set
from countenance.errors import UsageError
from countenance.metrics.intervals import Interval
from countenance.recipes import flow_errors, flownets
from countenance.recipes.flow_errors import FlowErrors
from countenance.recipes.flownets import FlowRecipe, train_flownets
from countenance.trained import load_flow_encoder
from countenance.vocabulary import Modality, Split

QUICK = FlowRecipe(
    width=1,
    epochs=2,
    pairs=16,
    batch_size=2,
    small_share=0.5,
    held_out=0.4,
    taught_people=0,
    drawn_people=0,
)


@pytest.fixture(scope="module")
def data(stand_in, tmp_path_factory):
    root = tmp_path_factory.mktemp("faces") / "web"
    write_set(plan_casia_webface(subjects=6, photographs_each=4), root, draw=stand_in)
    return f"casia-webface:{root}"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Pairs of 32 and 64 pixels, and few to judge."""
    for name, value in {"SIDE": 64, "SMALL_SIDE": 32, "KEPT_SIDE": 64, "JUDGED_PAIRS": 8}.items():
        monkeypatch.setattr(flownets, name, value)


def weights(folder, name="last"):
    return read_checkpoint(folder, name).tensors


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_learns_and_tells_an_honest_figure(data, tmp_path):
    heard: list[tuple[int, int]] = []
    said: list[str] = []
    state = torch.random.get_rng_state()
    run = train_flownets(
        replace(QUICK, epochs=3),
        data=data,
        out=tmp_path / "run",
        progress=lambda done, total: heard.append((done, total)),
        say=said.append,
    )
    assert torch.equal(torch.random.get_rng_state(), state), "nobody else's randomness is touched"
    assert heard == [(step, 96) for step in range(1, 97)]  # 8 batches a block, each pair four times, 3 epochs
    assert said == [f"reading photographs of {data}", "training for 3 epochs of 16 pairs, from 16 photographs"]
    assert len(run.losses) == run.epochs == 3
    assert run.label == "drawn data"
    assert run.figures["moved_error_pixels"] < 0.7 * run.figures_before["moved_error_pixels"]
    still = run.figures["moved_error_of_no_flow_pixels"]
    assert still == run.figures_before["moved_error_of_no_flow_pixels"] > 0
    card = json.loads((tmp_path / "run" / "best.json").read_text())["card"]
    assert (card["network"], card["width"], card["epoch"]) == ("flownets", 1, 3)
    assert card["data"]["people"] + card["data"]["people_held_out"] == 6
    assert card["figures"][-1] == run.figures
    assert load_flow_encoder(tmp_path / "run").features == 16
    json.dumps(run.as_json())


def test_an_interrupted_run_goes_on_bit_for_bit(data, tmp_path):
    whole = train_flownets(QUICK, data=data, out=tmp_path / "whole")

    class KilledError(Exception):
        pass

    def kill(done, _total):
        if done == 40:  # of 64: in the second epoch
            raise KilledError

    with pytest.raises(KilledError):
        train_flownets(QUICK, data=data, out=tmp_path / "cut", progress=kill)
    assert not (tmp_path / "cut" / "best.json").exists()
    again = train_flownets(QUICK, data=data, out=tmp_path / "cut")
    assert equal(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    assert equal(weights(tmp_path / "cut", "best"), weights(tmp_path / "whole", "best"))
    assert (again.losses, again.figures) == (whole.losses, whole.figures)
    done = train_flownets(QUICK, data=data, out=tmp_path / "cut")
    assert (done.losses, done.figures) == (whole.losses, whole.figures), "nothing is left to do"
    with pytest.raises(UsageError, match=r"the recipe that the run in .* was begun with; came another one .seed."):
        train_flownets(replace(QUICK, seed=1), data=data, out=tmp_path / "cut")


def test_nobody_is_learnt_from_and_judged(data):
    sources, label = flownets._sources(data)
    assert label == "drawn data"
    course = flownets._course(QUICK, sources)
    assert course.people == (4, 2)
    assert (len(course.train), len(course.held_out)) == (16, 8)
    assert flownets._course(QUICK, sources).told("x", "")["digest"] == course.told("x", "")["digest"]
    fewer = flownets._course(replace(QUICK, photographs=12), sources)
    assert len(fewer.train) + len(fewer.held_out) == 12


def test_a_clip_gives_its_middle_frame_and_those_of_the_test_split_none(monkeypatch, tmp_path):
    frames = np.stack([np.full((64, 48, 3), level, np.uint8) for level in (20, 120, 220)])
    (tmp_path / "clip.mov").write_bytes(video(frames))
    samples = [
        PresentationSample(
            identifier=f"{split}",
            subject="one",
            presentation=None,
            species="",
            split=split,
            paths={Modality.RGB: tmp_path / "clip.mov"},
        )
        for split in Split
    ]
    monkeypatch.setattr(flownets, "read_presentations", lambda _data: samples)
    sources, label = flownets._sources(f"siw:{tmp_path}")
    assert [(source.identifier, source.subject) for source in sources] == [("train", "one")]
    assert label == ""
    picture = flownets._squared(sources[0].read())
    assert picture.shape == (64, 64, 3)
    assert picture.mean() == pytest.approx(120, abs=5)


def test_each_pair_is_seen_in_four_ways(data):
    course = flownets._course(QUICK, flownets._sources(data)[0])
    seen = list(flownets._batches(QUICK, course.train, [], 1))
    assert len(seen) == 32
    flows = torch.cat([flow for _, _, flow, _ in seen])
    assert all(known.all() for _, _, _, known in seen)
    assert flows.shape == (64, 2, 64, 64)
    lengths = flows.norm(dim=1).mean((1, 2))
    assert len(set(lengths.mul(1e3).round().tolist())) == 16, "turning changes no length"
    assert [batch[0].shape[2] for batch in flownets._batches(QUICK, course.train, [], 0)] == [32] * 32
    pairs = flownets._stacked([flownets._drawn(course.train, (0, k), 64) for k in range(2)])
    first, last, flow, known = flownets._turned(pairs, torch.tensor([1]), 3)
    assert torch.equal(first[0, :, 5, 9], pairs[0][1, :, 9, 63 - 5])
    assert torch.equal(flow[0, :, 5, 9], pairs[2][1, :, 9, 63 - 5].flip(0) * torch.tensor([1.0, -1.0]))
    assert last.shape == first.shape
    assert known.shape == first[:, 0].shape


def lesson(level, unknown):
    picture = np.full((64, 64, 3), level, np.uint8)
    flow = np.full((64, 64, 2), (3, 1), np.float32)
    flow[unknown:] = np.nan
    return flownets._Lesson(picture, picture, flow, np.isfinite(flow[..., 0]))


def test_half_of_the_pairs_at_full_size_are_windows_of_drawn_people(data, monkeypatch, tmp_path):
    asked: list[dict[str, int]] = []

    def windows(**wanted):
        asked.append(wanted)
        return [lesson(200, 40), lesson(201, 48)]

    monkeypatch.setattr(flownets, "flow_windows", windows)
    recipe = replace(QUICK, taught_people=5, seed=2)
    lessons = flownets._lessons(recipe)
    assert asked == [{"people": 5, "seed": flow_errors.SEED + 3}], "nobody whom the flow is measured on"
    course = flownets._course(recipe, flownets._sources(data)[0])
    seen = list(flownets._batches(recipe, course.train, lessons, 1))
    drawn = [known for _, _, _, batch in seen for known in batch if not known.all()]
    assert 16 <= len(drawn) <= 48, "of 64, each four times"
    assert {int(known.sum()) for known in drawn} <= {40 * 64, 48 * 64}
    assert all(known.all() for _, _, _, known in flownets._batches(recipe, course.train, lessons, 0)), "small: none"
    run = train_flownets(recipe, data=data, out=tmp_path)
    assert np.isfinite(run.losses).all(), "what is not known is not learnt"


def test_drawn_clips_are_measured_in_the_end(data, tmp_path, monkeypatch):
    interval = Interval(1.0, 2.0, "bootstrap over people")
    row = FlowErrors(
        kind="all",
        people=3,
        windows=105,
        error=1.5,
        error_of_no_flow=6.0,
        interval=interval,
        interval_of_ratio=interval,
    )
    asked: list[int] = []

    def measured(_network, *, people):
        asked.append(people)
        return [row]

    monkeypatch.setattr(flownets, "flow_on_drawn_clips", measured)
    run = train_flownets(replace(QUICK, drawn_people=3), data=data, out=tmp_path)
    assert asked == [3]
    assert (run.figures["drawn_error_pixels"], run.figures["drawn_error_of_no_flow_pixels"]) == (1.5, 6.0)
    assert read_checkpoint(tmp_path, "best").card["drawn_clips"][0]["ratio"] == 0.25


def test_what_cannot_be_asked(data, tmp_path):
    for changes in (
        {"width": 0},
        {"epochs": 0},
        {"pairs": 15},
        {"learning_rate": 0.0},
        {"held_out": 1.0},
        {"small_share": 1.5},
        {"drawn_share": -0.5},
        {"taught_people": -1},
        {"photographs": 3},
        {"drawn_people": 1},
        {"seed": -1},
    ):
        with pytest.raises(UsageError):
            replace(QUICK, **changes)
    with pytest.raises(UsageError, match="a set of photographs or of presentations among"):
        train_flownets(QUICK, data=f"fer2013:{tmp_path}", out=tmp_path / "run")
    with pytest.raises(UsageError, match="at least two people to learn from and two to hold out"):
        train_flownets(replace(QUICK, held_out=0.9), data=data, out=tmp_path / "run")


def test_every_field_is_in_the_card(data, tmp_path):
    train_flownets(replace(QUICK, epochs=1), data=data, out=tmp_path)
    recipe = read_checkpoint(tmp_path, "best").card["recipe"]
    assert set(recipe) == {field.name for field in fields(FlowRecipe)}
    assert np.isclose(recipe["learning_rate"], QUICK.learning_rate)
