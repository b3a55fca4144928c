"""A MiniFASNet as an ONNX file sees what the module sees; its pair is asked in `tests/gate/test_engines.py`."""

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch

from countenance.export.minifasnet import minifasnet_onnx
from countenance.networks.minifasnet import build_v1se, build_v2

CROPS = np.random.default_rng(0).integers(0, 256, (3, 80, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize("build", [build_v2, build_v1se])
def test_the_file_sees_what_the_module_sees(build):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build()
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                assert part.running_mean is not None
                assert part.running_var is not None
                part.running_mean.normal_(0, 0.2)
                part.running_var.uniform_(0.5, 2)
            if isinstance(part, torch.nn.PReLU):
                part.weight.data.uniform_(-0.5, 1.5)
    written = minifasnet_onnx(network)
    assert network.training  # it was not changed
    assert written == minifasnet_onnx(network)
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(CROPS).permute(0, 3, 1, 2).float() / 255)
    expected = torch.softmax(logits, 1).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-4
    np.testing.assert_allclose(session.run(["probabilities"], {"crops": CROPS})[0], expected, atol=1e-5)
