"""Networks of one's own, by the folder of their run."""

import pytest
import torch

from countenance.checkpoints import Checkpoint, write_checkpoint
from countenance.errors import DataError, MissingFile
from countenance.networks.slim_pad import SlimPad
from countenance.trained import is_run, trained_network
from countenance.vocabulary import Modality

CARD = {"network": "slim-pad", "modalities": ["depth", "rgb"], "width": 4}


@pytest.fixture
def network():
    return SlimPad([Modality.DEPTH, Modality.RGB], width=4)


def written(folder, module, **changes):
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    write_checkpoint(folder, "best", Checkpoint(tensors, CARD | changes))


def test_the_network_comes_back_ready_to_judge(tmp_path, network):
    assert not is_run(tmp_path)
    written(tmp_path, network)
    assert is_run(tmp_path)
    back = trained_network(tmp_path)
    assert back.modalities == (Modality.DEPTH, Modality.RGB)
    assert not back.training
    planes = torch.rand(2, 4, 112, 112)
    assert torch.equal(back(planes), network.eval()(planes))


def test_what_is_no_network_of_ours(tmp_path, network):
    with pytest.raises(MissingFile, match="the checkpoint 'best'"):
        trained_network(tmp_path)
    for changes in ({"network": "resnet"}, {"width": 6}, {"modalities": ["thermal"]}, {"modalities": ["rgb"]}):
        written(tmp_path, network, **changes)
        with pytest.raises(DataError, match="a network among slim-pad in"):
            trained_network(tmp_path)
