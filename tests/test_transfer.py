"""Transfer: which tensor goes where, exactly; what stays as it was drawn; what is refused."""

from typing import Any

import pytest
import torch

from countenance.checkpoints import Checkpoint, write_checkpoint
from countenance.errors import DataError, MissingFile, UsageError
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.ir_resnet import ir_resnet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.resnet import resnet18, resnet34
from countenance.networks.trunk import RecognitionNetwork
from countenance.transfer import Aggregations, initialise, pretrained_trunk_state
from countenance.vocabulary import Modality

TRUNKS = {
    "slim": lambda: slim_resnet(2),
    "ir": lambda: ir_resnet(width=2),
    "resnet18": lambda: resnet18(width=2),
    "resnet34": lambda: resnet34(width=2),
}
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gates": {"attention": True},
    "excitation and bottleneck": {"excitation": True, "bottleneck": True},
    "without aggregation": {"aggregation": False},
    "one stream": {"streams": (Modality.DEPTH,)},
    "one sensor thrice": {"streams": (Modality.RGB,) * 3},
}
FIRST_LAYERS = {  # of stage 4: what sees the input
    "slim": ["opening.conv.weight"],
    "ir": [
        *(f"0.res_layer.0.{name}" for name in ("weight", "bias", "running_mean", "running_var")),
        "0.res_layer.1.weight",
        "0.shortcut_layer.0.weight",
    ],
    "resnet18": ["0.conv1.weight", "0.downsample.0.weight"],
}


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        yield


def source_of(trunk):
    """A state in which no number is what a new network has."""
    network = RecognitionNetwork(trunk)
    return {
        name: torch.full_like(tensor, 7) if tensor.ndim == 0 else torch.rand_like(tensor) + 0.1
        for name, tensor in network.state_dict().items()
    }


def part(state, prefix):
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("aggregations", Aggregations)
def test_every_tensor_is_where_the_released_code_puts_it(trunk, aggregations):
    source = source_of(TRUNKS[trunk]())
    network = MultiLevelNetwork(TRUNKS[trunk]())
    drawn = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    initialise(network, source, aggregations=aggregations)
    state = network.state_dict()
    for stream in range(3):
        assert same(part(state, f"branches.{stream}.0."), part(source, "stem."))
        for level in (1, 2, 3):
            assert same(part(state, f"branches.{stream}.{level}."), part(source, f"stages.{level - 1}."))
    for level in (1, 2, 3):
        mine = part(state, f"aggregations.{level - 1}.")
        from_source = same(mine, part(source, f"stages.{level}."))
        assert from_source is (aggregations is Aggregations.PRE_TRAINED)
        assert from_source or same(mine, part(drawn, f"aggregations.{level - 1}."))
    for random in ("fusions.", "head.", "mean", "spread"):
        assert same(part(state, random), part(drawn, random))


@pytest.mark.parametrize("trunk", FIRST_LAYERS)
def test_only_the_first_layer_of_the_main_path_is_repeated(trunk):
    source = source_of(TRUNKS[trunk]())
    network = MultiLevelNetwork(TRUNKS[trunk]())
    initialise(network, source)
    main = network.main.state_dict()
    repeated = [name for name, tensor in main.items() if tensor.shape != source[f"stages.3.{name}"].shape]
    assert sorted(repeated) == sorted(FIRST_LAYERS[trunk])
    for name, tensor in main.items():
        theirs = source[f"stages.3.{name}"]
        axis = 1 if theirs.ndim > 1 else 0
        for third in tensor.chunk(3, axis) if name in repeated else [tensor]:
            assert torch.equal(third, theirs), name


def test_three_sensors_count_as_their_sum_not_as_their_mean():
    network = MultiLevelNetwork(slim_resnet(2))
    recogniser = RecognitionNetwork(slim_resnet(2))
    initialise(network, recogniser.state_dict())
    seen = torch.randn(3, 2, 16, 12, 12)  # sensors, N, c3, H, W
    with torch.no_grad():
        ours = network.main.get_submodule("opening.conv")(torch.cat(list(seen), 1))
        theirs = recogniser.stages[3].get_submodule("opening.conv")(seen.sum(0))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("form", FORMS)
def test_what_no_recogniser_has_stays_as_it_was_drawn(form):
    network = MultiLevelNetwork(slim_resnet(4), **FORMS[form])
    drawn = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    initialise(network, source_of(slim_resnet(4)))
    state = network.state_dict()
    own = ("fusions", "excitations", "reductions", "head", "mean", "spread")
    for name, tensor in state.items():
        is_stem = name.startswith("branches") and name.split(".")[2] == "0"
        is_gate = not (is_stem or name.startswith(own) or "opening" in name or "blocks" in name)
        assert is_gate <= (form == "gates")
        assert torch.equal(tensor, drawn[name]) is (name.startswith(own) or is_gate), name
    first = next(tensor for name, tensor in state.items() if name.startswith("main") and "opening.conv" in name)
    assert first.shape[1] == 32 * len(network.streams)
    channels = sum(3 if modality is Modality.RGB else 1 for modality in network.modalities)
    assert network.eval()(torch.rand(2, channels, 112, 112)).shape == (2,)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: source_of(slim_resnet(4)), r"the trunk slim-resnet; came \(4, 3, 3, 3\) for \(2, 3, 3, 3\) in stem"),
        (lambda: source_of(resnet18(width=2)), "came a state that lacks stem.active.weight"),
        (
            lambda: {**source_of(slim_resnet(2)), "stages.3.extra": torch.ones(1)},
            "came a state that has stages.3.extra",
        ),
        (dict, "came a state that lacks stem.active.weight"),
        (
            lambda: {**source_of(slim_resnet(2)), "stages.3.opening.conv.weight": torch.ones(32, 24, 3, 3)},
            r"came \(32, 24, 3, 3\) for \(32, 48, 3, 3\) in stages.3.opening.conv.weight",
        ),
    ],
    ids=["width", "trunk", "more", "nothing", "shape"],
)
def test_another_trunk_is_refused_and_nothing_changes(other, words):
    network = MultiLevelNetwork(slim_resnet(2))
    drawn = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(DataError, match=words):
        initialise(network, other())
    assert same(network.state_dict(), drawn)


def test_a_word_that_is_not_known():
    network = MultiLevelNetwork(slim_resnet(2))
    with pytest.raises(UsageError, match="aggregations among pre-trained, random; came 'frozen'"):
        initialise(network, {}, aggregations="frozen")


def test_a_run_is_read_and_nothing_else(tmp_path):
    network = RecognitionNetwork(slim_resnet(2))
    tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    write_checkpoint(tmp_path / "run", "best", Checkpoint(tensors, {"network": "recognition"}))
    assert same(pretrained_trunk_state(tmp_path / "run"), network.state_dict())
    write_checkpoint(tmp_path / "pad", "best", Checkpoint(tensors, {"network": "mlfa"}))
    with pytest.raises(DataError, match=r"a recognition network in .*; came a network 'mlfa'"):
        pretrained_trunk_state(tmp_path / "pad")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFile, match="the card of the checkpoint 'best'"):
        pretrained_trunk_state(tmp_path / "empty")
    with pytest.raises(MissingFile, match="no file at"):
        pretrained_trunk_state(tmp_path / "nowhere.pth")
