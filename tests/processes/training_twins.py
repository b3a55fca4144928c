"""What several processes do in tests: a module of its own, so that they can import it too."""

import os
import signal
from pathlib import Path

import numpy as np
import torch

from countenance.errors import UsageError
from countenance.loading.batches import Loader
from countenance.loading.cache import CachedPlanes
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.slim_pad import SlimPad
from countenance.presentation_scoring import LoadedPresentations
from countenance.presentation_training import Regimen, TrainedRun, train_network
from countenance.processes.group import agree, own_share, told_by_first
from countenance.transforms.flipping import draw_flip, flip
from countenance.vocabulary import Modality

SENSORS = (Modality.RGB, Modality.DEPTH, Modality.INFRARED)
COUNT, BATCH = 11, 5  # two steps an epoch; one sample is left out


def presentations():
    """Eleven stills, bona fide ones bright."""
    labels = np.arange(COUNT) % 2
    generator = np.random.default_rng(1)
    planes = {
        sensor: generator.integers(0, 180, (COUNT, 112, 112, 3 if sensor is Modality.RGB else 1), np.uint8)
        + (40 * labels[:, None, None, None]).astype(np.uint8)
        for sensor in SENSORS
    }
    return LoadedPresentations([], CachedPlanes(planes, labels), "eleven")


def trained(kind: str, out: Path, epochs: int) -> TrainedRun:
    """Train a network in float64 by a part of each batch of five, mirrored, some sensors lost where it may."""
    train = presentations()

    def build():
        network = SlimPad(SENSORS, width=4) if kind == "slim" else MultiLevelNetwork(slim_resnet(2))
        network.double().register_forward_pre_hook(lambda _, given: (given[0].double(), *given[1:]))
        loader = Loader(
            source=train.planes,
            batch=BATCH,
            whole_batches=True,
            augment=lambda generator, planes: flip(planes) if draw_flip(generator) else planes,
            share=own_share(),
        )
        return network, Regimen(
            optimizer=torch.optim.AdamW(network.parameters(), lr=3e-3),
            batches=loader.epoch,
            steps=len(loader),
            epochs=epochs,
            schedule=lambda step: 1 / (1 + step),
            sensor_dropout=0.0 if kind == "slim" else 0.4,
        )

    return train_network(build, seed=3, recipe={"kind": kind}, train=train, development=None, out=out)


def train_together(_device, progress, say, *, jobs):
    """Train each of `jobs`, and say what else the processes know of each other."""
    for job in jobs:
        trained(*job)
    share = own_share()
    try:
        agree(share.number, on="numbers")
    except UsageError as error:
        say(str(error))
    progress(share.number, share.of)
    return told_by_first(f"of process {share.number}")


def end_early(_device, _progress, _say, *, way):
    """The second process ends, by an error or by a signal, while the first waits for it."""
    if own_share().number == 1:
        if way == "error":
            raise UsageError(expected="a cause", came="another", remedy="look at process 1")
        if way == "defect":
            raise ZeroDivisionError("of process 1")
        os.kill(os.getpid(), signal.SIGKILL)
    agree(0, on="nothing")
