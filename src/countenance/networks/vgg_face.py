"""VGG-Face: the first network of the paper on universal adversarial spoofing examples.

O. M. Parkhi, A. Vedaldi, A. Zisserman, Deep Face Recognition, BMVC 2015, https://doi.org/10.5244/C.29.41: VGG-16
(configuration D of Simonyan, Zisserman, https://arxiv.org/abs/1409.1556) for 2,622 people. A template is what the
second fully connected layer gives, rectified, as it stands in the Caffe network.

The release takes blue, green, red of 0 to 255 less their means. The repository that the paper names
(https://github.com/yzhang559/vgg-face) takes red, green, blue in [0, 1] instead.
"""

from collections import OrderedDict
from typing import Final

from torch import Tensor, nn

SIDE = 224
FEATURES = 4096
PEOPLE = 2_622
MEAN_BGR: Final = (93.5940, 104.7624, 129.1863)
STAGES: Final = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions before each pooling


class VggFace(nn.Module):
    """The network up to its template; layers are called as in the release.

    Args:
        width: channels of the first stage; the published 64 unless a test wants less.
        features: numbers of a template.
    """

    def __init__(self, *, width: int = STAGES[0][0], features: int = FEATURES) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        ins = 3
        for stage, (channels, convolutions) in enumerate(STAGES, start=1):
            outs = channels * width // STAGES[0][0]
            for number in range(1, convolutions + 1):
                layers[f"conv{stage}_{number}"] = nn.Conv2d(ins, outs, 3, padding=1)
                layers[f"relu{stage}_{number}"] = nn.ReLU()
                ins = outs
            layers[f"pool{stage}"] = nn.MaxPool2d(2)
        self.maps = nn.Sequential(layers)  # 224 -> 7
        self.fc6 = nn.Linear(ins * 49, features)
        self.fc7 = nn.Linear(features, features)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features (N, 4096), none negative, of any length, of pixels (N, 3, 224, 224)."""
        features: Tensor = self.fc7(self.fc6(self.maps(pixels).flatten(1)).relu())
        return features.relu()


def renamed(name: str) -> str:
    """Our name of a tensor in the release's or in torchvision's naming; "" for one that is not taken over.

    >>> renamed("conv5_3.weight"), renamed("features.28.weight"), renamed("classifier.3.bias"), renamed("fc8.bias")
    ('maps.conv5_3.weight', 'maps.conv5_3.weight', 'fc7.bias', '')
    """
    layer, _, kind = name.rpartition(".")
    return f"{place}.{kind}" if (place := _PLACES.get(layer, "")) else ""


def _places() -> dict[str, str]:
    """Our names by those of others: in torchvision's row a rectifier follows each layer, a pooling each stage."""
    found = {"fc6": "fc6", "fc7": "fc7", "classifier.0": "fc6", "classifier.3": "fc7"}
    place = 0
    for stage, (_, convolutions) in enumerate(STAGES, start=1):
        for number in range(1, convolutions + 1):
            ours = f"maps.conv{stage}_{number}"
            found |= {f"conv{stage}_{number}": ours, ours: ours, f"features.{place}": ours}
            place += 2
        place += 1
    return found


_PLACES: Final = _places()
