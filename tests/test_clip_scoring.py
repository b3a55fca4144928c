"""A score of a window is the cosine that the network gives its own frames of it."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from countenance.clip_scoring import as_tensor, clip_score, judge_windows, places
from countenance.errors import EmptyScores, UsageError
from countenance.trained import trained_clip_network


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(0).integers(0, 256, (3, 5, 112, 112, 3), np.uint8)


@pytest.mark.parametrize(("frames", "which"), [(5, (0, 1, 2, 3, 4)), (3, (0, 2, 4)), (2, (0, 4))])
def test_a_network_sees_its_frames_of_a_window(windows, clip_run, frames, which):
    assert places(frames) == which
    clips = as_tensor(windows, frames)
    assert clips.shape == (3, frames, 3, 112, 112)
    np.testing.assert_array_equal((clips * 255).round().numpy(), windows[:, which].transpose(0, 1, 4, 2, 3))
    network = trained_clip_network(clip_run(frames=frames))
    with torch.inference_mode():
        expected = cosine_similarity(network(clips), network.representative, dim=1)
    np.testing.assert_allclose(judge_windows(network, windows), expected.numpy(), atol=1e-6)


def test_scores_are_cosines_whatever_the_batch(windows, clip_run):
    network = trained_clip_network(clip_run()).train()
    scores = judge_windows(network, windows)
    assert scores.dtype == np.float64
    assert (abs(scores) <= 1).all()
    assert len(set(scores.tolist())) == 3
    np.testing.assert_allclose(judge_windows(network, windows, batch=1), scores, atol=1e-6)
    assert judge_windows(network, windows[:0]).shape == (0,)


@pytest.mark.parametrize("frames", [1, 4, 6])
def test_frames_that_do_not_lie_evenly_are_refused(frames):
    with pytest.raises(UsageError, match="2, 3 or 5 frames"):
        places(frames)


def test_a_network_without_a_representative_vector_is_refused(windows, clip_run):
    network = trained_clip_network(clip_run())
    network.representative.zero_()
    with pytest.raises(UsageError, match="representative vector"):
        judge_windows(network, windows)


def test_the_score_of_a_clip_is_the_mean():
    assert clip_score(np.array([-1.0, 0.5, 1.0])) == pytest.approx(1 / 6)
    with pytest.raises(EmptyScores, match="at least one window"):
        clip_score(np.empty(0))
