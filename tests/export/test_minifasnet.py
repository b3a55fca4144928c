"""A MiniFASNet as an ONNX file sees what the module sees; its pair is asked in `tests/gate/test_engines.py`."""

import numpy as np
import pytest
import torch

from countenance.export.minifasnet import minifasnet_onnx, minifasnet_pair_onnx
from countenance.networks.minifasnet import MiniFasNetPair, build_v1se, build_v2

CROPS = np.random.default_rng(0).integers(0, 256, (3, 80, 80, 3), dtype=np.uint8)


def drawn(build, unsettled):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return unsettled(build())


def probabilities(network, crops):
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(crops.copy()).permute(0, 3, 1, 2).float() / 255)
    return torch.softmax(logits, 1).numpy()


@pytest.mark.parametrize("build", [build_v2, build_v1se])
def test_the_file_sees_what_the_module_sees(build, asked, unsettled):
    network = drawn(build, unsettled)
    written = minifasnet_onnx(network)
    assert network.training  # it was not changed
    assert written == minifasnet_onnx(network)
    expected = probabilities(network, CROPS)
    assert np.ptp(expected, axis=0).max() > 1e-4
    np.testing.assert_allclose(asked(written, {"crops": CROPS}), expected, atol=1e-5)


def test_the_pair_in_one_file_gives_the_mean_of_both(asked, unsettled):
    pair = MiniFasNetPair(v2=drawn(build_v2, unsettled), v1se=drawn(build_v1se, unsettled))
    wider = CROPS[::-1] // 2
    expected = (probabilities(pair.v2, CROPS) + probabilities(pair.v1se, wider))[:, 1] / 2
    scores = asked(minifasnet_pair_onnx(pair), {"crops_v2": CROPS, "crops_v1se": wider})
    np.testing.assert_allclose(scores[:, 0], expected, atol=1e-5)
