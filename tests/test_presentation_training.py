"""What is the same for every network of presentations: schedules, dropped sensors, targets, stated thresholds."""

import numpy as np
import pytest
import torch

from countenance.checkpoints import BEST, Checkpoint, read_checkpoint, write_checkpoint
from countenance.datasets.samples import PresentationSample
from countenance.loading.batches import Batch
from countenance.loading.cache import CachedPlanes
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.presentation_scoring import LoadedPresentations
from countenance.presentation_training import (
    Regimen,
    drawn_presence,
    presentation_loss,
    state_operating_points,
)
from countenance.trained import described
from countenance.training import half_cosine
from countenance.vocabulary import Modality, Presentation, Split

SENSORS = (Modality.RGB, Modality.DEPTH, Modality.INFRARED)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def network():
    return MultiLevelNetwork(slim_resnet(2))


def planes(count):
    generator = np.random.default_rng(0)
    return {
        modality: generator.integers(0, 256, (count, 112, 112, 3 if modality is Modality.RGB else 1), np.uint8)
        for modality in SENSORS
    }


def regimen(network, **options):
    optimizer = torch.optim.Adam(network.parameters())
    return Regimen(optimizer=optimizer, batches=lambda _: [], steps=1, epochs=1, schedule=lambda _: 1.0, **options)


def test_half_a_cosine_falls_from_one_to_nothing():
    fall = half_cosine(10)
    assert [fall(0), fall(5), fall(10)] == pytest.approx([1, 0.5, 0])
    assert half_cosine(10, after=4)(9) == pytest.approx(0.5)


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.9])
def test_sensors_are_lost_one_by_one_and_one_is_left(probability):
    present = drawn_presence(4000, 3, probability)
    assert present.any(1).all()
    spared = probability**3  # rows that lost all three, and got one back
    expected = 1 - probability + spared / 3
    assert present.float().mean(0).tolist() == pytest.approx([expected] * 3, abs=0.03)


def test_the_loss_is_the_cross_entropy_of_two_classes(network):
    batch = Batch(planes(4), np.array([1, 0, 1, 0]), np.arange(4))
    network.eval()
    ours = presentation_loss(network, batch, regimen(network))
    stacked = torch.from_numpy(np.concatenate([batch.planes[each] for each in SENSORS], -1)).permute(0, 3, 1, 2) / 255
    logits = network.classify(network.embed(stacked))
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(logits, torch.tensor([1, 0, 1, 0])))
    labels = np.array([0.0, 1, 0, 1, 1, 0])  # of all samples; the batch has numbers 0 to 3
    turned = presentation_loss(network, batch, regimen(network), labels)
    torch.testing.assert_close(turned, torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 0, 1])))


def test_lost_sensors_are_drawn_in_training(network):
    batch = Batch(planes(4), np.array([1, 0, 1, 0]), np.arange(4))
    network.eval()
    whole = presentation_loss(network, batch, regimen(network))
    lost = presentation_loss(network, batch, regimen(network, sensor_dropout=0.9))
    assert not torch.equal(whole, lost)


@pytest.mark.parametrize(("dropout", "stated"), [(0.0, 1), (0.2, 7)])
def test_thresholds_are_stated_for_every_subset_that_a_network_may_judge(network, tmp_path, dropout, stated):
    count = 40
    labels = np.arange(count) % 2
    samples = [
        PresentationSample(
            identifier=f"p{number}",
            subject=f"s{number // 4}",
            presentation=Presentation.BONA_FIDE if label else Presentation.ATTACK,
            species="" if label else "print",
            split=Split.DEVELOPMENT,
            paths={},
        )
        for number, label in enumerate(labels.tolist())
    ]
    tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    card = {**described(network), "recipe": {"sensor_dropout": dropout}}
    write_checkpoint(tmp_path, BEST, Checkpoint(tensors, card))
    state_operating_points(tmp_path, LoadedPresentations(samples, CachedPlanes(planes(count), labels), "x"), rule="eer")
    points = read_checkpoint(tmp_path, BEST).card["operating_points"]
    assert len(points) == stated
    assert points[0]["modalities"] == ["rgb", "depth", "infrared"]
    assert {(point["rule"], point["split"]) for point in points} == {("eer", "development")}
    assert len({tuple(point["modalities"]) for point in points}) == stated
