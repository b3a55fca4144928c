"""Scoring presentations: sensors in their order, a row for each sample, nothing guessed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from countenance.datasets.samples import PresentationSample
from countenance.errors import MissingFile, NonFiniteScore, OneClassOnly, ProtocolMismatch, UsageError
from countenance.networks.slim_pad import SlimPad
from countenance.presentation_scoring import (
    entries_of,
    judge,
    load_presentations,
    score_presentations,
    stack_planes,
)
from countenance.vocabulary import Modality, Presentation, Split

BOTH = (Modality.RGB, Modality.DEPTH)


class Reddest(nn.Module):
    """Scores a presentation by its red; it remembers what it was shown."""

    modalities = BOTH
    side = 4

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, planes):
        self.shapes.append((self.training, tuple(planes.shape)))
        return planes[:, 0].mean((1, 2))


@pytest.fixture
def samples(tmp_path):
    """Bona fide ones of red 255 and 51, an attack of red 102; depth of 10, 11 and 12."""
    made = []
    for number, red in enumerate((255, 102, 51)):
        colour = np.full((8, 8, 3), (red, 0, 1), np.uint8)
        Image.fromarray(colour).save(tmp_path / f"{number}-rgb.png")
        Image.fromarray(np.full((8, 8), 10 + number, np.uint8)).save(tmp_path / f"{number}-depth.png")
        attack = number == 1
        made.append(
            PresentationSample(
                identifier=f"p{number}",
                subject=f"s{number}",
                presentation=Presentation.ATTACK if attack else Presentation.BONA_FIDE,
                species="print" if attack else "",
                split=Split.TEST,
                paths={modality: tmp_path / f"{number}-{modality}.png" for modality in BOTH},
            )
        )
    return made


def test_every_presentation_gets_a_row_in_its_order(samples):
    network, heard = Reddest().train(), []
    report = score_presentations(samples, network, batch=2, progress=lambda *done: heard.append(done))
    table = report.table
    margins = np.array([1.0, 0.4, 0.2])
    np.testing.assert_allclose(table.scores, 1 / (1 + np.exp(-margins)), atol=1e-6)  # P(bona fide)
    assert table.identifiers.tolist() == ["p0", "p1", "p2"]
    assert table.is_positive.tolist() == [True, False, True]
    assert table.species.tolist() == ["", "print", ""]
    assert table.splits.tolist() == ["test"] * 3
    assert heard == [(2, 3), (3, 3)]
    assert network.shapes == [(False, (2, 4, 4, 4)), (False, (1, 4, 4, 4))]
    assert report.images_per_second == pytest.approx(3 / report.seconds)


def test_the_batch_changes_no_score(samples):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SlimPad(BOTH)
    alone, together = (score_presentations(samples, network, batch=size).table.scores for size in (1, 3))
    np.testing.assert_allclose(alone, together, atol=1e-5)
    assert len(set(together.tolist())) == 3


def test_planes_are_stacked_in_the_order_of_the_sensors():
    planes = {
        Modality.DEPTH: np.full((1, 2, 2, 1), 51, np.uint8),
        Modality.RGB: np.full((1, 2, 2, 3), (0, 102, 255), np.uint8),
    }
    assert stack_planes(planes, BOTH)[0, :, 0, 0].tolist() == pytest.approx([0.0, 0.4, 1.0, 0.2])
    assert stack_planes(planes, BOTH[::-1])[0, :, 0, 0].tolist() == pytest.approx([0.2, 0.0, 0.4, 1.0])


def test_loaded_pixels_are_judged_as_files_are(samples):
    heard = []
    loaded = load_presentations(samples, BOTH, side=4, progress=lambda *done: heard.append(done))
    assert loaded.planes.labels.tolist() == [1, 0, 1]
    assert loaded.planes.planes[Modality.DEPTH][:, 0, 0, 0].tolist() == [10, 11, 12]
    np.testing.assert_array_equal(judge(loaded.planes, Reddest()), score_presentations(samples, Reddest()).table.scores)
    assert heard == [(3, 3)]
    depth = loaded.only([Modality.DEPTH])
    assert list(depth.planes.planes) == [Modality.DEPTH]
    assert depth.digest == loaded.digest


def test_the_digest_tells_files_and_labels(samples):
    turned = [*samples[:2], replace(samples[2], presentation=Presentation.ATTACK)]
    digests = [load_presentations(rows, BOTH, side=4).digest for rows in (samples, samples[::-1], turned, samples)]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_what_it_refuses(samples):
    with pytest.raises(UsageError, match="presentations to score; came none"):
        score_presentations([], Reddest())
    with pytest.raises(UsageError, match=r"infrared of every sample; came no infrared of 'p0'; .* rgb, depth"):
        entries_of(samples, [Modality.INFRARED])
    with pytest.raises(ProtocolMismatch, match="samples with labels; came 'p0' without one"):
        entries_of([replace(samples[0], presentation=None)], BOTH)
    with pytest.raises(OneClassOnly, match="came 2 bona fide samples and 0 attacks"):
        load_presentations(samples[::2], BOTH, side=4)
    samples[2].paths[Modality.RGB].unlink()
    with pytest.raises(MissingFile, match=r"2-rgb\.png"):
        score_presentations(samples, Reddest())


def test_a_score_that_is_no_number_is_refused(samples):
    class Broken(Reddest):
        def forward(self, planes):
            return torch.full((len(planes),), torch.nan)

    with pytest.raises(NonFiniteScore, match="id 'p0'"):
        score_presentations(samples, Broken())
