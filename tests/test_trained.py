"""Networks of one's own, by the folder of their run."""

import pytest
import torch

from countenance.checkpoints import Checkpoint, write_checkpoint
from countenance.errors import DataError, MissingFile
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.flownets import FlowNetS
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.slim_pad import SlimPad
from countenance.trained import described, flow_network, is_run, load_flow_encoder, trained_network, trunk_named
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
    planes = torch.rand(2, 4, 112, 112).double()  # another memory layout rounds otherwise
    torch.testing.assert_close(back.double()(planes), network.double().eval()(planes))


@pytest.mark.parametrize(
    "switches", [{}, {"aggregation": False, "excitation": True}, {"bottleneck": True, "side": 125}]
)
def test_a_multi_level_network_comes_back_from_its_card(tmp_path, switches):
    network = MultiLevelNetwork(slim_resnet(2), streams=(Modality.DEPTH,) * 3, **switches)
    tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    write_checkpoint(tmp_path, "best", Checkpoint(tensors, described(network)))
    back = trained_network(tmp_path)
    assert isinstance(back, MultiLevelNetwork)
    assert (back.streams, back.switches, back.side) == (network.streams, network.switches, network.side)
    planes = torch.rand(2, 1, network.side, network.side).double()  # another memory layout rounds otherwise
    torch.testing.assert_close(back.double()(planes), network.double().eval()(planes))


def test_a_trunk_has_a_name():
    assert trunk_named("caffe-resnet34", 8).channels == (8, 16, 32, 64, 128)
    with pytest.raises(DataError, match="a trunk among caffe-resnet34"):
        trunk_named("vgg", 8)


def test_what_is_no_network_of_ours(tmp_path, network):
    with pytest.raises(MissingFile, match="the checkpoint 'best'"):
        trained_network(tmp_path)
    for changes in ({"network": "resnet"}, {"width": 6}, {"modalities": ["thermal"]}, {"modalities": ["rgb"]}):
        written(tmp_path, network, **changes)
        with pytest.raises(DataError, match="a network among slim-pad, mlfa in"):
            trained_network(tmp_path)


def test_a_flow_network_and_its_encoder_come_back(tmp_path):
    network = FlowNetS(2).eval()
    written(tmp_path, network, network="flownets", width=2)
    pictures = torch.rand(2, 1, 3, 64, 64)
    assert torch.equal(flow_network(tmp_path).flow(*pictures), network.flow(*pictures))
    encoder = load_flow_encoder(tmp_path)
    assert not encoder.training
    assert encoder.features == 32
    assert torch.equal(encoder.pooled(*pictures), network.encoder.pooled(*pictures))
    theirs = tmp_path / "flownets.pth"
    torch.save({"state_dict": {k.removeprefix("encoder."): v for k, v in network.state_dict().items()}}, theirs)
    assert torch.equal(load_flow_encoder(theirs).pooled(*pictures), network.encoder.pooled(*pictures))


def test_what_is_no_flow_network(tmp_path, network):
    written(tmp_path / "pad", network)
    with pytest.raises(DataError, match=r"a flow network in .*; came a network 'slim-pad'"):
        load_flow_encoder(tmp_path / "pad")
    written(tmp_path / "torn", network, network="flownets")
    with pytest.raises(DataError, match="the weights of a FlowNetS"):
        load_flow_encoder(tmp_path / "torn")
    with pytest.raises(MissingFile):
        load_flow_encoder(tmp_path / "none")
