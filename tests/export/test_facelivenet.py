"""A FaceLiveNet as an ONNX file: ONNX Runtime reads from bytes what the module sees, whatever the layout."""

import copy

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch

from countenance.export.facelivenet import EXPRESSIONS, facelivenet_onnx
from countenance.networks.facelivenet import OFFICIAL, SEVEN, BranchVariant, FaceLiveNet, Layout, narrowed
from countenance.networks.inception_resnet_v1 import ShiftedNorm, fused

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
ENDED = Layout(**{**vars(TINY), "bottleneck": 12, "blocks_35": 2, "blocks_17": 2, "blocks_8": 3})
FACES = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)
FACES[1] = 77  # of one colour: nothing to divide by
FACES[2, :, :] = np.linspace(0, 255, 160)[None, :, None]


def drawn(layout=TINY, expressions=SEVEN, **options):
    """A network with shifts and statistics at random, some of them such that features are of unequal size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = FaceLiveNet(layout, expressions, **options).eval()
        for part in network.modules():
            if isinstance(part, ShiftedNorm):
                assert part.running_mean is not None
                assert part.running_var is not None
                part.bias.data.uniform_(-0.1, 0.1)
                part.running_mean.uniform_(-0.1, 0.1)
                part.running_var.uniform_(0.05, 0.2)
    return network


def judged(network):
    with torch.inference_mode():
        found = network(torch.from_numpy(FACES).permute(0, 3, 1, 2).float() / 255)
        return found.features.numpy(), torch.softmax(found.logits, 1).numpy()


def session(data):
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("layout", "options"),
    [
        (TINY, {}),
        (TINY, {"variant": BranchVariant.BLOCK5_X1, "rectified_logits": True}),
        (TINY, {"variant": BranchVariant.BLOCK5_X2_BLOCK4}),
        (ENDED, {}),
    ],
)
def test_the_file_sees_what_the_module_sees(layout, options):
    network = drawn(layout, **options)
    templates, probabilities = session(facelivenet_onnx(network)).run(["templates", "probabilities"], {"faces": FACES})
    features, softmax = judged(network)
    assert np.ptp(softmax) > 0.01
    np.testing.assert_allclose(templates, features, atol=1e-5)
    np.testing.assert_allclose(probabilities, softmax, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-6)


def test_a_face_alone_is_seen_as_among_others():
    run = session(facelivenet_onnx(drawn())).run
    for alone, among in zip(run(None, {"faces": FACES[:1]}), run(None, {"faces": FACES}), strict=True):
        np.testing.assert_allclose(alone, among[:1], atol=1e-6)


def test_a_network_without_expressions_has_templates_alone():
    network = drawn(expressions=())
    data = facelivenet_onnx(network)
    found = session(data)
    assert [(each.name, each.shape) for each in found.get_outputs()] == [("templates", ["N", network.features])]
    np.testing.assert_allclose(found.run(None, {"faces": FACES})[0], judged(network)[0], atol=1e-5)


def test_what_the_file_says():
    network = drawn()
    found = session(facelivenet_onnx(network))
    assert [(each.name, each.shape, each.type) for each in found.get_inputs()] == [
        ("faces", ["N", 160, 160, 3], "tensor(uint8)")
    ]
    assert [(each.name, each.shape) for each in found.get_outputs()] == [
        ("templates", ["N", 112]),
        ("probabilities", ["N", 7]),
    ]
    assert found.get_modelmeta().custom_metadata_map == {EXPRESSIONS: ",".join(SEVEN)}


def test_the_network_stays_as_it_was_and_the_file_too():
    network = drawn().train()
    before = copy.deepcopy(network.state_dict())
    data = facelivenet_onnx(network)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert data == facelivenet_onnx(copy.deepcopy(network))
    assert {node.op_type for node in onnx.load_from_string(data).graph.node}.isdisjoint({"BatchNormalization"})
    network.eval()
    np.testing.assert_allclose(judged(fused(copy.deepcopy(network)))[0], judged(network)[0], atol=1e-5)
    assert len(facelivenet_onnx(fused(network))) == len(data)
