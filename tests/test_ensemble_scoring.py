"""Several networks at once: as each alone, decoded once, mirrored views, means of means, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from countenance import ensemble_scoring
from countenance.datasets.samples import PresentationSample
from countenance.ensemble_scoring import nested_mean, score_ensemble
from countenance.errors import EmptyScores, MissingFile, NonFiniteScore, ProtocolMismatch, UsageError
from countenance.loading.pictures import load
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.slim_pad import SlimPad
from countenance.presentation_scoring import Precision, score_presentations
from countenance.vocabulary import Modality, Presentation, Split


class Left(nn.Module):
    """Scores a presentation by how light the left half of its depth is, less the right half."""

    modalities = (Modality.DEPTH,)
    side = 48

    def forward(self, planes):
        assert not self.training
        return planes[:, 0, :, :24].mean((1, 2)) - planes[:, 0, :, 24:].mean((1, 2))


@pytest.fixture
def samples(tmp_path):
    """Five presentations of 48 x 48 noise; the right half of their depth is black."""
    made, generator = [], np.random.default_rng(0)
    for number in range(5):
        paths = {modality: tmp_path / f"{number}-{modality}.png" for modality in Modality}
        for modality, path in paths.items():
            pixels = generator.integers(0, 256, (48, 48, 3) if modality is Modality.RGB else (48, 48), dtype=np.uint8)
            if modality is Modality.DEPTH:
                pixels[:] = 51 * (number + 1)
                pixels[:, 24:] = 0
            Image.fromarray(pixels).save(path)
        made.append(
            PresentationSample(
                identifier=f"p{number}",
                subject=f"s{number}",
                presentation=Presentation.ATTACK if number % 2 else Presentation.BONA_FIDE,
                species="print" if number % 2 else "",
                split=Split.TEST,
                paths=paths,
            )
        )
    return made


@pytest.fixture
def networks():
    """One of every kind: all sensors, one sensor, another side."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {
            "all": MultiLevelNetwork(slim_resnet(2)),
            "infrared": SlimPad([Modality.INFRARED], width=2),
            "left": Left().train(),
        }


def sigmoid(margins):
    return 1 / (1 + np.exp(-np.asarray(margins, np.float64)))


def test_each_network_scores_as_it_does_alone(samples, networks):
    report = score_ensemble(samples, networks)
    assert list(report.members) == list(networks)
    for name, network in networks.items():
        alone = score_presentations(samples, network).table
        np.testing.assert_allclose(report.members[name].scores, alone.scores, atol=2e-5)
        own = score_ensemble(samples, {name: network}).table.scores
        np.testing.assert_array_equal(report.members[name].scores, own)
    np.testing.assert_allclose(
        report.table.scores, np.mean([table.scores for table in report.members.values()], axis=0), rtol=1e-15
    )
    assert report.table.species.tolist() == ["", "print", "", "print", ""]
    assert report.images_per_second == pytest.approx(5 / report.seconds)


def test_the_score_of_two_views_is_the_mean_of_probabilities(samples, networks):
    left = {"left": networks["left"]}
    margins = np.arange(1, 6) / 5
    np.testing.assert_allclose(score_ensemble(samples, left).table.scores, sigmoid(margins), atol=1e-6)
    mirrored = score_ensemble(samples, left, mirror=True).table.scores
    np.testing.assert_allclose(mirrored, (sigmoid(margins) + sigmoid(-margins)) / 2, atol=1e-6)
    assert mirrored.dtype == np.float64


def test_the_batch_changes_no_score(samples, networks):
    heard = []
    whole = score_ensemble(samples, networks, mirror=True)
    parts = score_ensemble(samples, networks, mirror=True, batch=2, progress=lambda *done: heard.append(done))
    np.testing.assert_allclose(parts.table.scores, whole.table.scores, atol=2e-5)
    assert heard == [(2, 5), (4, 5), (5, 5)]


def test_each_picture_is_decoded_once(samples, networks, monkeypatch):
    opened = []

    def counted(entry):
        opened.extend(entry.paths.values())
        return load(entry)

    monkeypatch.setattr(ensemble_scoring, "load", counted)
    score_ensemble(samples, networks, mirror=True, batch=2)
    assert len(opened) == len(set(opened)) == 5 * 3
    opened.clear()
    score_ensemble(samples, {"left": networks["left"]})
    assert opened == [sample.paths[Modality.DEPTH] for sample in samples]


def test_half_precision_is_near_and_changes_no_weight(samples, networks):
    before = {name: value.clone() for name, value in networks["all"].state_dict().items()}
    exact = score_ensemble(samples, networks).table.scores
    near = score_ensemble(samples, networks, precision=Precision.BFLOAT16).table.scores
    np.testing.assert_allclose(near, exact, atol=0.05)
    assert (near != exact).any()
    for name, value in networks["all"].state_dict().items():
        assert torch.equal(value, before[name])
        assert value.dtype == before[name].dtype


def test_a_mean_of_means(presentations):
    one, two, three = (presentations([score], {"flat": [0.0]}) for score in (1.0, 0.4, 0.2))
    assert nested_mean([[one], [two, three]]).scores[0] == pytest.approx((1.0 + 0.3) / 2)
    assert nested_mean([one, two, three]).scores[0] == pytest.approx(1.6 / 3)
    assert nested_mean(one) is one
    with pytest.raises(EmptyScores):
        nested_mean([[one], []])


def test_what_it_refuses_before_anything_is_decoded(samples, networks, monkeypatch):
    monkeypatch.setattr(ensemble_scoring, "load", None)
    bare = [*samples[:4], replace(samples[4], paths={Modality.DEPTH: samples[4].paths[Modality.DEPTH]})]
    for given, chosen, error, words in (
        (samples, {}, UsageError, "a network to score with; came none"),
        ([], networks, UsageError, "presentations to score; came none"),
        (bare, networks, UsageError, "as all reads them; came samples without rgb, infrared"),
        ([replace(samples[0], presentation=None)], networks, ProtocolMismatch, "samples with labels"),
    ):
        with pytest.raises(error, match=words):
            score_ensemble(given, chosen)
    with pytest.raises(UsageError, match="batch of at least 1"):
        score_ensemble(samples, networks, batch=0)


def test_what_goes_wrong_on_the_way(samples, networks):
    class Broken(Left):
        def forward(self, planes):
            return torch.full((len(planes),), torch.nan)

    with pytest.raises(NonFiniteScore, match="id 'p0'"):
        score_ensemble(samples, {"broken": Broken()})
    samples[3].paths[Modality.RGB].unlink()
    with pytest.raises(MissingFile, match=r"3-rgb\.png"):
        score_ensemble(samples, networks, batch=2)
