"""Files of others: their names become ours, and what could run code or is another network is refused."""

import os
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from countenance import foreign_checkpoints
from countenance.errors import DataError, MissingFile
from countenance.foreign_checkpoints import read_flow_network, read_foreign, read_recogniser
from countenance.networks import differentiable
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.flownets import FlowNetS
from countenance.networks.ir_resnet import UNITS, ir_resnet
from countenance.networks.ir_se_resnet import IrSeResNet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.resnet import resnet18
from countenance.networks.sphereface import UNITS_20, UNITS_36, SphereFace
from countenance.networks.trunk import RecognitionNetwork
from countenance.networks.vgg_face import VggFace
from countenance.networks.vggface2_resnet import VggFace2ResNet
from countenance.transfer import initialise, pretrained_trunk_state


def own_state(trunk):
    state = RecognitionNetwork(trunk).state_dict()
    return {name: torch.rand_like(tensor) if tensor.ndim else tensor for name, tensor in state.items()}


def torchvision_names(state):
    """As torchvision writes them, `fc` at the end."""
    theirs = {}
    for name, tensor in state.items():
        first, _, rest = name.partition(".")
        if first == "stem":
            theirs[rest] = tensor
        elif first == "stages":
            number, _, inside = rest.partition(".")
            theirs[f"layer{int(number) + 1}.{inside}"] = tensor
    return {**theirs, "fc.weight": torch.rand(10, 16), "fc.bias": torch.rand(10)}


def evolve_names(state):
    """As face.evoLVe writes them: `body` counts the units of all stages."""
    theirs = {}
    for name, tensor in state.items():
        first, _, rest = name.partition(".")
        if first == "stem":
            theirs[f"input_layer.{rest}"] = tensor
        elif first == "stages":
            stage, unit, inside = rest.split(".", 2)
            theirs[f"body.{sum(UNITS[: int(stage)]) + int(unit)}.{inside}"] = tensor
    return {**theirs, "output_layer.0.weight": torch.rand(16), "output_layer.3.weight": torch.rand(4, 9)}


FOREIGN = {
    "torchvision": (lambda: resnet18(width=2), torchvision_names),
    "face.evoLVe": (lambda: ir_resnet(width=2), evolve_names),
    "ours": (lambda: slim_resnet(2), lambda state: state),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("form", ["plain", "safetensors", "in a dictionary, of DataParallel", "half", "old"])
def test_names_become_ours(kind, form, tmp_path):
    trunk, rename = FOREIGN[kind]
    source = own_state(trunk())
    theirs = {name: tensor.contiguous() for name, tensor in rename(source).items()}
    path = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.pth")
    if form == "safetensors":
        save_file(theirs, path)
    elif form == "in a dictionary, of DataParallel":
        torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in theirs.items()}, "epoch": 3}, path)
    elif form == "half":
        torch.save({name: tensor.half() for name, tensor in theirs.items()}, path)
    else:
        without = {name: tensor for name, tensor in theirs.items() if not name.endswith("_tracked")}
        torch.save(without if form == "old" else theirs, path)
    found = read_foreign(path)
    wanted = {name: tensor for name, tensor in source.items() if name.startswith(("stem", "stages"))}
    assert found.keys() == wanted.keys()
    for name, tensor in found.items():
        assert tensor.dtype == wanted[name].dtype
        torch.testing.assert_close(tensor, wanted[name], rtol=1e-3 if form == "half" else 0, atol=0)
    network = MultiLevelNetwork(trunk())
    initialise(network, pretrained_trunk_state(path))


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("bomb",)


def test_no_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"layer4.0.conv1.weight": Bomb()}, tmp_path / "weights.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Bomb()))
    for name in ("weights.pth", "bare.pth"):
        with pytest.raises(DataError, match="read without running code"):
            read_foreign(tmp_path / name)
    assert not (tmp_path / "bomb").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"fc.weight": torch.rand(2, 2)}, "an IR-50 of face.evoLVe in .*; came tensors named fc.weight"),
        ({}, "came no tensor"),
        ([torch.rand(2)], "tensors by name in .*; came list"),
        ({"layer4.0.conv1.weight": 3}, "tensors by name in .*; came dict"),
    ],
)
def test_other_contents(content, words, tmp_path):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(DataError, match=words):
        read_foreign(tmp_path / "weights.pth")


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a network", b"PK\x03\x04 torn", b"\x80\x02torn"])
def test_damaged_files(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="read without running code"):
        read_foreign(tmp_path / name)


def test_no_file(tmp_path):
    with pytest.raises(MissingFile, match="the weights of a recognition network"):
        read_foreign(tmp_path / "nowhere.pth")


def chairs_file(path, network, **beside):
    """As FlowNetPytorch writes it: no encoder in the names, and more than weights in the file."""
    theirs = {name.removeprefix("encoder."): tensor for name, tensor in network.state_dict().items()}
    torch.save({"epoch": 300, "arch": "flownets", "state_dict": theirs, "best_EPE": 1.95, **beside}, path)
    return path


@pytest.fixture
def flow():
    torch.manual_seed(3)
    return FlowNetS(2).eval()


def test_a_network_of_the_flying_chairs(tmp_path, flow):
    network = read_flow_network(chairs_file(tmp_path / "flownets_EPE1.951.pth", flow, div_flow=20))
    assert not network.training
    assert network.width == 2
    pictures = torch.rand(2, 1, 3, 64, 64)
    assert torch.equal(network.flow(*pictures), flow.flow(*pictures))
    ours = tmp_path / "ours.safetensors"
    save_file(flow.state_dict(), ours)
    assert torch.equal(read_flow_network(ours).flow(*pictures), flow.flow(*pictures))


def test_a_first_layer_of_the_other_order_and_another_divisor(tmp_path, flow):
    path = chairs_file(tmp_path / "flownets.pth", flow, div_flow=1)
    network = read_flow_network(path, reads_rgb=True)
    first = network.state_dict()["encoder.conv1.0.weight"]
    assert torch.equal(first, flow.state_dict()["encoder.conv1.0.weight"][:, [2, 1, 0, 5, 4, 3]])
    pictures = torch.rand(2, 1, 3, 64, 64)
    torch.testing.assert_close(20 * read_flow_network(path).flow(*pictures), flow.flow(*pictures))


def test_with_batch_normalisation_it_is_another_network(tmp_path, flow):
    theirs = {name.removeprefix("encoder."): tensor for name, tensor in flow.state_dict().items()}
    del theirs["conv1.0.bias"]
    normalisation = {f"conv1.1.{name}": tensor for name, tensor in torch.nn.BatchNorm2d(2).state_dict().items()}
    torch.save({"arch": "flownets_bn", "state_dict": theirs | normalisation}, tmp_path / "bn.pth")
    with pytest.raises(DataError, match=r"without batch normalisation in .*; came one with it; .*flownets_EPE1"):
        read_flow_network(tmp_path / "bn.pth")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"conv1.0.weight": torch.zeros(2, 6, 7, 7)}, "came tensors named encoder.conv1.0.weight"),
        ({"conv1.0.weight": torch.zeros(())}, "the weights of a FlowNetS"),
        ({"state_dict": {}}, "came no tensor"),
        ([1, 2], "tensors by name"),
        ({"state_dict": {"conv1.0.weight": 4}}, "tensors by name"),
    ],
)
def test_what_is_no_flow_network(content, words, tmp_path):
    torch.save(content, tmp_path / "other.pth")
    for reads_rgb in (False, True):
        with pytest.raises(DataError, match=words):
            read_flow_network(tmp_path / "other.pth", reads_rgb=reads_rgb)


def test_no_code_of_a_flow_file_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"conv1.0.weight": Bomb()}}, tmp_path / "flownets.pth")
    with pytest.raises(DataError, match="without running code"):
        read_flow_network(tmp_path / "flownets.pth")
    assert not (tmp_path / "bomb").exists()
    with pytest.raises(MissingFile, match="the weights of a FlowNetS"):
        read_flow_network(tmp_path / "none.pth")


def torchvision_vgg(state):
    """As torchvision writes VGG-16: numbers in a row, in which rectifiers and poolings count."""
    places = iter([0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28])
    rows = {layer: f"features.{next(places)}" for layer in dict.fromkeys(name.rpartition(".")[0] for name in state)
            if layer.startswith("maps.")}  # fmt: skip
    rows |= {"fc6": "classifier.0", "fc7": "classifier.3"}
    theirs = {f"{rows[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": tensor for name, tensor in state.items()}
    return {**theirs, "classifier.6.weight": torch.rand(5, 4), "classifier.6.bias": torch.rand(5)}


def released_resnet(state):
    """As the authors of VGGFace2 write their ResNet-50 for PyTorch."""
    layers = {"1": "1x1_reduce", "2": "3x3", "3": "1x1_increase"}
    theirs = {}
    for name, tensor in state.items():
        parts = name.split(".")
        if len(parts) == 2:
            theirs[f"conv1_7x7_s2{'_bn' if parts[0] == 'bn1' else ''}.{parts[1]}"] = tensor
            continue
        block = f"conv{int(parts[0][-1]) + 1}_{int(parts[1]) + 1}"
        if parts[2] == "downsample":
            theirs[f"{block}_1x1_proj{'_bn' if parts[3] == '1' else ''}.{parts[4]}"] = tensor
        else:
            theirs[f"{block}_{layers[parts[2][-1]]}{'_bn' if parts[2][:2] == 'bn' else ''}.{parts[3]}"] = tensor
    return {**theirs, "classifier.weight": torch.rand(5, 4), "classifier.bias": torch.rand(5)}


RECOGNISERS = {
    "vgg16-face": (lambda: VggFace(width=1, features=4), torchvision_vgg),
    "vgg16-face-plain": (
        lambda: VggFace(width=1, features=4),
        lambda state: {name.removeprefix("maps."): tensor for name, tensor in state.items()},
    ),
    "resnet50-vggface2": (lambda: VggFace2ResNet(width=1), released_resnet),
    "sphereface20": (
        lambda: SphereFace(UNITS_20, width=1, features=4),
        lambda state: {**state, "fc6.weight": torch.rand(4, 9)},
    ),
    "sphereface36": (lambda: SphereFace(UNITS_36, width=1, features=4), lambda state: state),
    "ir-se50": (lambda: IrSeResNet(width=2, features=4), lambda state: state),
}


@pytest.fixture(params=list(RECOGNISERS))
def small(request, monkeypatch):
    """A recogniser of few channels in the place of the published one: its name, a network, and its release's names."""
    build, names = RECOGNISERS[request.param]
    known = replace(differentiable.foreign(request.param), build=build, features=4)
    monkeypatch.setattr(foreign_checkpoints, "foreign", lambda _: known)
    return request.param, build().eval(), names


@pytest.mark.parametrize("form", ["safetensors", "pytorch"])
def test_a_recogniser_with_the_names_of_its_release(tmp_path, small, form):
    name, network, names = small
    theirs = {key: tensor.contiguous() for key, tensor in names(network.state_dict()).items()}
    path = tmp_path / f"theirs.{form}"
    save_file(theirs, path) if form == "safetensors" else torch.save({"state_dict": theirs}, path)
    read = read_recogniser(name, path)
    chip = torch.rand(1, 3, 160, 160)
    expected = torch.nn.functional.normalize(network(read.pixels(chip)))
    torch.testing.assert_close(read(chip), expected.detach(), rtol=0, atol=1e-5)
    assert not any(each.requires_grad for each in read.parameters())
    assert not read.training


def test_another_recogniser_is_refused(tmp_path, small):
    name, network, names = small
    theirs = {key: tensor.contiguous() for key, tensor in names(network.state_dict()).items()}
    first = next(iter(theirs))
    for number, broken in enumerate(
        (
            {key: tensor for key, tensor in theirs.items() if key != first},
            {"weight": torch.rand(2)},
            {key: tensor.new_zeros(7, 7) if tensor.ndim == 4 else tensor for key, tensor in theirs.items()},
        )
    ):
        save_file(broken, tmp_path / f"{number}.safetensors")
        with pytest.raises(DataError, match="another network: "):
            read_recogniser(name, tmp_path / f"{number}.safetensors")
    with pytest.raises(MissingFile, match=f"the weights of {name}"):
        read_recogniser(name, tmp_path / "absent.pth")
    (tmp_path / "code.pth").write_bytes(pickle.dumps(os.getcwd))
    with pytest.raises(DataError, match="without running code"):
        read_recogniser(name, tmp_path / "code.pth")
