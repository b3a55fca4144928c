"""Training a few-frame network: it learns, stops, goes on after an interruption, and states its thresholds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from countenance.checkpoints import BEST, read_checkpoint
from countenance.clip_scoring import as_tensor
from countenance.datasets.samples import PresentationSample
from countenance.datasets.siw import PRINTS, REPLAYS, TEST_SUBJECTS
from countenance.errors import OneClassOnly, UsageError
from countenance.loading.window_cache import WindowSet
from countenance.losses.metric_learning import FewFrameLoss
from countenance.networks.flownets import FlowNetS
from countenance.recipes import fewframe
from countenance.recipes.fewframe import SLIM, cut_set, fit_fewframe, folds_of, named_fold
from countenance.trained import trained_clip_network
from countenance.vocabulary import Modality, Presentation, Split
from countenance.window_scoring import clip_table, score_windows

SIDE = 64
TINY = replace(SLIM, side=SIDE, channels=(4, 4, 4, 4, 4), hidden=8, epochs=3, batch_size=8)


class Blind:
    def detect(self, _image):
        return []


def sample(name: str, *, species: str = "", split: Split = Split.TRAIN) -> PresentationSample:
    return PresentationSample(
        identifier=name,
        subject=name[:3],
        presentation=Presentation.ATTACK if species else Presentation.BONA_FIDE,
        species=species,
        split=split,
        paths={Modality.RGB: Path(f"{name}.mov")},
    )


def windows_of(clips: int, *, seed: int) -> WindowSet:
    """Two windows a clip; live faces are lighter at the top, attacks at the bottom, on noise."""
    generator = np.random.default_rng(seed)
    samples = [sample(f"{k:03d}", species=PRINTS[0] if k % 2 else "") for k in range(clips)]
    clip = np.repeat(np.arange(clips), 2)
    pixels = generator.integers(60, 120, (2 * clips, 5, SIDE, SIDE, 3), dtype=np.uint8)
    for row, owner in enumerate(clip):
        half = slice(SIDE // 2, None) if owner % 2 else slice(None, SIDE // 2)
        pixels[row, :, half] += 90
    return WindowSet(samples, pixels, clip, np.tile([0, 15], clips), np.arange(2 * clips), f"seed {seed}")


@pytest.fixture(scope="module")
def train():
    return windows_of(16, seed=1)


@pytest.fixture(scope="module")
def development():
    return windows_of(8, seed=2)


@pytest.fixture(scope="module")
def run(train, development, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, fit_fewframe(replace(TINY, learning_rate=0.01, epochs=6), train, development, out=folder)


def test_it_learns_to_tell_people_it_has_not_seen(run, development):
    folder, done = run
    table = score_windows(trained_clip_network(folder), development)
    assert table.positives.min() > table.negatives.max()
    assert done.losses[-1] < done.losses[0]
    assert np.abs(table.scores).max() <= 1


def test_the_card_states_a_threshold_for_clips_and_one_for_windows(run, development):
    folder, done = run
    card = read_checkpoint(folder, BEST).card
    assert [(point["unit"], point["rule"], point["split"]) for point in card["operating_points"]] == [
        ("clip", "eer", "development"),
        ("window", "eer", "development"),
    ]
    clips = clip_table(score_windows(trained_clip_network(folder), development))
    assert clips.negatives.max() < card["operating_points"][0]["value"] <= clips.positives.min()
    assert card["epoch"] == done.best == 1 + int(np.argmin(card["watched_losses"]))


def test_an_interrupted_run_comes_to_the_same_bytes(run, train, development, tmp_path):
    class Killed(Exception):
        pass

    def kill(done, total):
        if done == total // 2 + 1:
            raise Killed

    recipe = replace(TINY, learning_rate=0.01, epochs=6)
    with pytest.raises(Killed):
        fit_fewframe(recipe, train, development, out=tmp_path, progress=kill)
    assert not (tmp_path / "best.json").is_file(), "no network before the run is finished"
    again = fit_fewframe(recipe, train, development, out=tmp_path)
    assert again.losses == run[1].losses
    assert read_checkpoint(tmp_path, BEST).digest == read_checkpoint(run[0], BEST).digest


def test_a_finished_run_is_left_as_it_is(run, train, development):
    folder, done = run
    before = (folder / "best.json").read_bytes()
    again = fit_fewframe(replace(TINY, learning_rate=0.01, epochs=6), train, development, out=folder)
    assert (again.epochs, again.best) == (done.epochs, done.best)
    assert (folder / "best.json").read_bytes() == before
    with pytest.raises(UsageError, match="recipe"):
        fit_fewframe(TINY, train, development, out=folder)


def test_it_stops_where_the_loss_of_the_threshold_subjects_does_not_fall(train, development, tmp_path, monkeypatch):
    losses = iter([1.0, 2.0, 3.0, 0.5])
    monkeypatch.setattr(fewframe._History, "_watched_loss", lambda _: next(losses))
    done = fit_fewframe(replace(TINY, epochs=9, patience=2), train, development, out=tmp_path)
    assert (done.epochs, done.best) == (3, 1)


@pytest.mark.parametrize("loss", [FewFrameLoss.CROSS_ENTROPY, FewFrameLoss.ARCFACE, FewFrameLoss.TRIPLET])
def test_the_representative_vector_is_the_class_weight_or_the_mean(train, development, tmp_path, loss):
    fit_fewframe(replace(TINY, loss=loss, epochs=1), train, development, out=tmp_path)
    network = trained_clip_network(tmp_path)
    vector = network.representative
    assert float(vector.norm()) == pytest.approx(1, abs=1e-5)
    if loss is FewFrameLoss.ARCFACE:
        weight = read_checkpoint(tmp_path, fewframe.CHOSEN).tensors["module.criterion.angular.weight"][1]
        assert torch.allclose(vector, normalize(weight, dim=0), atol=1e-6)
    else:
        live = train.gather(np.flatnonzero(train.labels == 1))[Modality.RGB]
        with torch.inference_mode():
            each = [normalize(network(as_tensor(window[None], 5)))[0] for window in live]
        assert torch.allclose(vector, normalize(torch.stack(each).sum(0), dim=0), atol=1e-5)


@pytest.mark.parametrize("frames", [2, 3])
def test_fewer_frames_are_taken_from_the_same_windows(train, development, tmp_path, frames):
    fit_fewframe(replace(TINY, frames=frames, epochs=1), train, development, out=tmp_path)
    assert trained_clip_network(tmp_path).frames == frames


def test_the_flow_encoder_stays_as_it_was(train, development, tmp_path, monkeypatch):
    torch.manual_seed(5)
    encoder = FlowNetS(width=2).eval().encoder
    monkeypatch.setattr(fewframe, "load_flow_encoder", lambda _: encoder)
    monkeypatch.setattr(fewframe, "digest_of", lambda _: "d")
    fit_fewframe(replace(TINY, flow="mine", epochs=1), train, development, out=tmp_path)
    network = trained_clip_network(tmp_path)
    assert network.flow is not None
    assert network.flow_width == 2
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(network.flow.state_dict()[name], tensor), name
    assert read_checkpoint(tmp_path, BEST).card["recipe"]["flow"] == "mine"


def test_windows_of_one_class_are_refused(train, development, tmp_path):
    live = train.of([each for each in train.samples if each.presentation is Presentation.BONA_FIDE])
    with pytest.raises(OneClassOnly, match="both classes"):
        fit_fewframe(TINY, live, development, out=tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"epochs": 0}, "at least 1"), ({"decay": 0.0}, "decay above 0"), ({"frames": 1}, "at least 2")],
)
def test_numbers_outside_their_range_are_refused(wrong, said):
    with pytest.raises(UsageError, match=said):
        replace(TINY, **wrong)


def test_the_folds_are_those_of_the_three_protocols():
    people = [f"{k:03d}" for k in range(1, 40)]
    samples = [
        sample(f"{person}-{place}", species=species, split=Split.TEST if person in TEST_SUBJECTS else Split.TRAIN)
        for person in people
        for place, species in enumerate(("", *PRINTS, *REPLAYS))
    ]
    folds = folds_of(samples)
    assert list(folds) == ["protocol-1", *(f"protocol-2-{k}" for k in (1, 2, 3, 4)), "protocol-3-1", "protocol-3-2"]
    assert named_fold(samples, "protocol-2-3") == folds["protocol-2-3"]
    assert {row.species for row in folds["protocol-2-3"].test} == {"", "replay/3"}
    with pytest.raises(UsageError, match="protocol-9"):
        named_fold(samples, "protocol-9")


def test_clips_without_a_face_are_named(train, tmp_path, monkeypatch):
    silent = WindowSet(
        [*train.samples, sample("777")], train.pixels, train.clip, train.starts, train.rows, train.digest
    )
    monkeypatch.setattr(fewframe, "window_cache", lambda *_, **__: silent)
    said: list[str] = []
    assert cut_set(silent.samples, tmp_path, side=SIDE, detector=Blind(), say=said.append) is silent
    assert said[-1] == "no face in 1 clips, such as 777: they are left out"
