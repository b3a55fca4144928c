"""A network of a few frames as an ONNX file sees what the module sees."""

import numpy as np
import pytest
import torch

from countenance.errors import UsageError
from countenance.export.fewframe import fewframe_onnx
from countenance.networks.fewframe import FewFrameNetwork


@pytest.mark.parametrize(("frames", "flow_width"), [(5, 2), (2, 0)])
def test_the_file_sees_what_the_module_sees(frames, flow_width, asked, unsettled):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = FewFrameNetwork(
            frames=frames, side=80, channels=(4, 6, 6, 5, 4), hidden=16, flow_width=flow_width, dropout=0.5
        )
        unsettled(network.convolutions)
    for part in network.modules():
        if isinstance(part, torch.nn.Conv3d | torch.nn.Linear):
            part.weight.data *= 4  # so that windows are told apart
    with pytest.raises(UsageError, match="the representative vector"):
        fewframe_onnx(network)
    network.representative.copy_(torch.arange(16.0) - 5)
    windows = np.random.default_rng(0).integers(0, 256, (3, frames, 80, 80, 3), dtype=np.uint8)
    windows[1] //= 64
    windows[2] = np.linspace(0, 255, 80)[None, :, None]
    data = fewframe_onnx(network)
    assert network.training
    with torch.inference_mode():
        clips = torch.from_numpy(windows).permute(0, 1, 4, 2, 3).float() / 255
        expected = network.eval().score(clips).numpy()
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(asked(data, {"frames": windows})[:, 0], expected, atol=1e-5)
