"""Every architecture in one table: how it is built, how large it is, what it reads, where it comes from.

A row says what can be built, not that weights are there; networks with weights have records (`networks.catalogue`).
Parameters are written down, so that the table is printed without building anything; a test builds each row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from countenance.networks.caffe_resnet import caffe_resnet, slim_resnet
from countenance.networks.facebagnet import B, C, FaceBagNet
from countenance.networks.facelivenet import FULL, OFFICIAL, SEVEN, SLIM, FaceLiveNet
from countenance.networks.feathernet import feathernet_a, feathernet_b
from countenance.networks.fewframe import WIDE, FewFrameNetwork, slim_fewframe
from countenance.networks.flownets import SLIM_WIDTH, WIDTH, FlowNetSEncoder
from countenance.networks.ir_resnet import ir_resnet
from countenance.networks.ir_se_resnet import IrSeResNet
from countenance.networks.mlfa import STREAMS, MultiLevelNetwork
from countenance.networks.record import Task
from countenance.networks.resnet import resnet18, resnet34
from countenance.networks.sef_resnet import SefResNet
from countenance.networks.slim_pad import SlimPad
from countenance.networks.sphereface import UNITS_20, UNITS_36, SphereFace
from countenance.networks.vgg_face import VggFace
from countenance.networks.vggface2_resnet import VggFace2ResNet


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network that can be built.

    Attributes:
        name: how a command line names it.
        build: returns it untrained.
        parameters: trainable numbers, without those in `head`.
        head: trainable numbers of the last layer where the source counts it apart; 0: it is in `parameters`.
        inputs: what goes in, with shapes.
        source: paper or repository.
        task: what it is asked.
    """

    name: str
    build: Callable[[], nn.Module]
    parameters: int
    head: int = 0
    inputs: str = "colour, depth and infrared, (N, 5, 112, 112) in [0, 1]"
    source: str
    task: Task = Task.PRESENTATION_ATTACK_DETECTION


_PARKIN = "Parkin, Grinchuk, CVPR Workshops 2019; https://github.com/AlexanderParkin/ChaLearn_liveness_challenge"
_FIGURE_2 = "Parkin, Grinchuk, CVPR Workshops 2019, Figure 2, with He et al., https://arxiv.org/abs/1512.03385"
_BASELINE = "Zhang et al., CVPR 2019, https://arxiv.org/abs/1812.00408"
_BAG = "Shen, Huang, Tong, CVPR Workshops 2019; https://github.com/SeuTao/FaceBagNet"
_FEATHER = "Zhang et al., CVPR Workshops 2019, https://arxiv.org/abs/1904.09290"
_PATCHES = "colour, depth and infrared, (N, 5, 112, 112) in [0, 1], cut into 36 patches of 48 x 48"
_ONE_SENSOR = "depth, (N, 1, 224, 224) in [0, 1], or another sensor"
_ITO = "Ito, Kimura, Aoki, Performance Evaluation of Face Anti-Spoofing Method Using Deep Metric Learning"
_FLOWNET = "Dosovitskiy et al., ICCV 2015, https://arxiv.org/abs/1504.06852"
_CLIPS = "clips of 5 frames, (N, 5, 3, 244, 244) in [0, 1]; 2, 3 and 224 with the same weights"
_SPHEREFACE = "Liu et al., CVPR 2017, https://arxiv.org/abs/1704.08063; https://github.com/clcarwin/sphereface_pytorch"
_SPHEREFACE_FACES = "aligned colour face, (N, 3, 112, 96): blue, green, red of 0 to 255 less 127.5, over 128"
_FACELIVENET = "Ming et al., ICPR 2018, https://hal.science/hal-02552657; https://github.com/hengxyz/FaceLiveNet"
_WHITENED_FACES = "colour face, (N, 3, 160, 160): RGB in [0, 1]; the network whitens each"
_SLIM_CLIPS = "clips of 5 frames, (N, 5, 3, 112, 112) in [0, 1]"

ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture(
        name="mlfa-resnet34",
        build=lambda: MultiLevelNetwork(caffe_resnet()),
        parameters=61_059_520,
        head=1_026,
        source=_PARKIN,
    ),
    Architecture(
        name="mlfa-resnet34-b",
        build=lambda: MultiLevelNetwork(caffe_resnet(), attention=True),
        parameters=61_495_088,
        head=1_026,
        source=_PARKIN,
    ),
    Architecture(
        name="mlfa-resnet34-c",
        build=lambda: MultiLevelNetwork(caffe_resnet(), bottleneck=True),
        parameters=61_190_848,
        head=258,
        source=_PARKIN,
    ),
    Architecture(
        name="mlfa-resnet34-se",
        build=lambda: MultiLevelNetwork(caffe_resnet(), excitation=True),
        parameters=61_084_912,
        head=1_026,
        source=_PARKIN,
    ),
    Architecture(
        name="mlfa-resnet34-no-aggregation",
        build=lambda: MultiLevelNetwork(caffe_resnet(), aggregation=False),
        parameters=38_587_776,
        head=1_026,
        source=_PARKIN,
    ),
    Architecture(
        name="mlfa-resnet34-se-no-aggregation",
        build=lambda: MultiLevelNetwork(caffe_resnet(), excitation=True, aggregation=False),
        parameters=38_613_168,
        head=1_026,
        source=_PARKIN,
    ),
    Architecture(
        name="mlfa-ir50",
        build=lambda: MultiLevelNetwork(ir_resnet()),
        parameters=99_335_552,
        head=1_026,
        source=_PARKIN,
    ),
    Architecture(
        name="mlfa-ir50-se",
        build=lambda: MultiLevelNetwork(ir_resnet(), excitation=True),
        parameters=99_360_944,
        head=1_026,
        source=_PARKIN,
    ),
    Architecture(
        name="mlfa-ir50-no-aggregation",
        build=lambda: MultiLevelNetwork(ir_resnet(), aggregation=False),
        parameters=68_573_760,
        head=1_026,
        source=_PARKIN,
    ),
    Architecture(
        name="mlfa-true-resnet34",
        build=lambda: MultiLevelNetwork(resnet34(), excitation=True),
        parameters=61_584_818,
        source=_FIGURE_2,
    ),
    Architecture(
        name="mlfa-true-resnet34-no-aggregation",
        build=lambda: MultiLevelNetwork(resnet34(), excitation=True, aggregation=False),
        parameters=40_273_138,
        source=_FIGURE_2,
    ),
    Architecture(
        name="mlfa-true-resnet18",
        build=lambda: MultiLevelNetwork(resnet18(), excitation=True),
        parameters=30_667_442,
        source=_FIGURE_2,
    ),
    Architecture(
        name="mlfa-true-resnet18-no-aggregation",
        build=lambda: MultiLevelNetwork(resnet18(), excitation=True, aggregation=False),
        parameters=19_389_938,
        source=_FIGURE_2,
    ),
    Architecture(
        name="mlfa-slim",
        build=lambda: MultiLevelNetwork(slim_resnet()),
        parameters=961_496,
        head=130,
        source=_PARKIN + ", at an eighth of the width",
    ),
    Architecture(name="sef-resnet18", build=SefResNet, parameters=13_336_410, source=_BASELINE),
    Architecture(
        name="halfway-resnet18",
        build=lambda: SefResNet(excitation=False),
        parameters=13_329_858,
        source=_BASELINE,
    ),
    Architecture(name="facebagnet", build=FaceBagNet, parameters=14_550_228, inputs=_PATCHES, source=_BAG),
    Architecture(name="facebagnet-b", build=lambda: FaceBagNet(B), parameters=16_445_844, inputs=_PATCHES, source=_BAG),
    Architecture(name="facebagnet-c", build=lambda: FaceBagNet(C), parameters=14_812_356, inputs=_PATCHES, source=_BAG),
    Architecture(name="feathernet-a", build=feathernet_a, parameters=345_332, inputs=_ONE_SENSOR, source=_FEATHER),
    Architecture(name="feathernet-b", build=feathernet_b, parameters=351_220, inputs=_ONE_SENSOR, source=_FEATHER),
    Architecture(
        name="slim-pad",
        build=lambda: SlimPad(STREAMS),
        parameters=52_993,
        source="no paper's: five convolutions of this project",
    ),
    Architecture(
        name="alexnet2plus1d",
        build=FewFrameNetwork,
        parameters=61_943_381,  # a loss has the head, where it has one
        inputs=_CLIPS,
        source=_ITO,
    ),
    Architecture(
        name="alexnet2plus1d-flow",
        build=lambda: FewFrameNetwork(flow_width=WIDTH),
        parameters=66_137_685,  # those of flownets-encoder are frozen
        inputs=_CLIPS,
        source=_ITO,
    ),
    Architecture(
        name="alexnet2plus1d-wide",
        build=lambda: FewFrameNetwork(channels=WIDE),
        parameters=65_775_858,
        inputs=_CLIPS,
        source=_ITO + ", with the widths of the AlexNet of two columns",
    ),
    Architecture(
        name="alexnet2plus1d-slim",
        build=slim_fewframe,
        parameters=222_174,
        inputs=_SLIM_CLIPS,
        source=_ITO + ", at an eighth of the width",
    ),
    Architecture(
        name="alexnet2plus1d-slim-flow",
        build=lambda: slim_fewframe(flow_width=SLIM_WIDTH),
        parameters=254_942,
        inputs=_SLIM_CLIPS,
        source=_ITO + ", at an eighth of the width",
    ),
    Architecture(
        name="flownets-encoder",
        build=FlowNetSEncoder,
        parameters=24_050_752,
        inputs="the first and the last frame, 2 x (N, 3, H, W) in [0, 1]",
        source=_FLOWNET,
        task=Task.OPTICAL_FLOW,
    ),
    Architecture(
        name="vgg16-face",
        build=VggFace,
        parameters=134_260_544,  # a layer for 2,622 people, 10,742,334, is left out
        inputs="colour face, (N, 3, 224, 224): blue, green, red of 0 to 255 less their means",
        source="Parkhi, Vedaldi, Zisserman, BMVC 2015; https://github.com/yzhang559/vgg-face",
        task=Task.VERIFICATION,
    ),
    Architecture(
        name="resnet50-vggface2",
        build=VggFace2ResNet,
        parameters=23_508_032,  # a layer for 8,631 people, 17,684,919, is left out
        inputs="colour face, (N, 3, 224, 224): blue, green, red of 0 to 255 less their means",
        source="Cao et al., FG 2018, https://arxiv.org/abs/1710.08092; https://github.com/rcmalli/keras-vggface",
        task=Task.VERIFICATION,
    ),
    Architecture(
        name="sphereface20",
        build=lambda: SphereFace(UNITS_20),
        parameters=22_670_656,
        inputs=_SPHEREFACE_FACES,
        source=_SPHEREFACE,
        task=Task.VERIFICATION,
    ),
    Architecture(
        name="sphereface36",
        build=lambda: SphereFace(UNITS_36),
        parameters=32_778_816,
        inputs=_SPHEREFACE_FACES,
        source=_SPHEREFACE,
        task=Task.VERIFICATION,
    ),
    Architecture(
        name="ir-se50",
        build=IrSeResNet,
        parameters=43_797_696,
        inputs="aligned colour face, (N, 3, 112, 112): blue, green, red of 0 to 255 less 127.5, over 127.5",
        source="Deng et al., CVPR 2019, https://arxiv.org/abs/1801.07698; https://github.com/TreB1eN/InsightFace_Pytorch",
        task=Task.VERIFICATION,
    ),
    Architecture(
        name="facelivenet",
        build=lambda: FaceLiveNet(OFFICIAL, SEVEN),
        parameters=13_065_399,
        inputs=_WHITENED_FACES,
        source=_FACELIVENET,
        task=Task.VERIFICATION,
    ),
    Architecture(
        name="facelivenet-slim",
        build=lambda: FaceLiveNet(SLIM, SEVEN),
        parameters=1_311_510,
        inputs=_WHITENED_FACES,
        source=_FACELIVENET + ", at 5/16 of the width",
        task=Task.VERIFICATION,
    ),
    Architecture(
        name="facelivenet-full",
        build=lambda: FaceLiveNet(FULL, SEVEN),
        parameters=26_209_719,  # 22,779,312 of them facenet's
        inputs=_WHITENED_FACES,
        source=_FACELIVENET + ", on the whole of facenet",
        task=Task.VERIFICATION,
    ),
)
