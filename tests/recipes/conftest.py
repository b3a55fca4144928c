"""A drawn CASIA-SURF and a trunk that recipes learn from, made once."""

import pytest
import torch

from countenance.checkpoints import BEST, Checkpoint, write_checkpoint
from countenance.drawn_sets.casia_surf import plan
from countenance.drawn_sets.writing import write_set
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.trunk import RecognitionNetwork


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A drawn CASIA-SURF of 17 people, five of them in train, two frames a recording."""
    root = tmp_path_factory.mktemp("drawn") / "surf"
    write_set(plan(subjects=17, seed=5, preset="easy", frames=2), root)
    return f"casia-surf:{root}"


@pytest.fixture(scope="session")
def trunk(tmp_path_factory):
    """The folder of a trunk of width 2, with weights that were drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        state = RecognitionNetwork(slim_resnet(2)).state_dict()
    folder = tmp_path_factory.mktemp("trunk")
    card = {"network": "recognition", "trunk": "slim-resnet", "width": 2}
    write_checkpoint(folder, BEST, Checkpoint({f"module.{name}": tensor for name, tensor in state.items()}, card))
    return str(folder)
