"""What recipes learn from in tests: photographs of one's own, a drawn CASIA-SURF, a trunk, recognisers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from countenance.checkpoints import BEST, Checkpoint, write_checkpoint
from countenance.datasets.samples import IdentitySample
from countenance.datasets.universal_sets import UniversalSets
from countenance.drawn_sets.casia_surf import plan
from countenance.drawn_sets.writing import write_set
from countenance.faces.detection import Face
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.trunk import RecognitionNetwork
from countenance.recipes import amada, universal, universal_defence

HEADER = "id,subject,presentation,species,split,rgb,infrared,depth\n"


@pytest.fixture(scope="session")
def manifest_at():
    """A function that fills a folder: two people in each split, bona fide ones bright, attacks dark."""

    def fill(root, *, stills=3, side=40):
        generator = np.random.default_rng(5)
        rows = []
        for place, split in enumerate(("train", "development", "test")):
            for person in range(2):
                for number in range(2 * stills):
                    attack = number >= stills
                    name = f"{split}-{person}-{number}"
                    level = 70 if attack else 150
                    for sensor, channels in (("rgb", (3,)), ("infrared", ()), ("depth", ())):
                        pixels = generator.integers(level - 60, level + 60, (side, side, *channels), dtype=np.uint8)
                        Image.fromarray(pixels).save(root / f"{name}-{sensor}.png")
                    files = ",".join(f"{name}-{sensor}.png" for sensor in ("rgb", "infrared", "depth"))
                    kind = "attack,print" if attack else "bona_fide,"
                    rows.append(f"{name},person-{2 * place + person},{kind},{split},{files}\n")
        (root / "manifest.csv").write_text(HEADER + "".join(rows))
        return root

    return fill


@pytest.fixture(scope="session")
def own_set(manifest_at, tmp_path_factory):
    """Such a folder, not to be changed."""
    return manifest_at(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A drawn CASIA-SURF of 17 people, five of them in train, two frames a recording."""
    root = tmp_path_factory.mktemp("drawn") / "surf"
    write_set(plan(subjects=17, seed=5, preset="easy", frames=2), root)
    return f"casia-surf:{root}"


@pytest.fixture(scope="session")
def trunk(tmp_path_factory):
    """The folder of a trunk of width 2, with weights that were drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        state = RecognitionNetwork(slim_resnet(2)).state_dict()
    folder = tmp_path_factory.mktemp("trunk")
    card = {"network": "recognition", "trunk": "slim-resnet", "width": 2}
    write_checkpoint(folder, BEST, Checkpoint({f"module.{name}": tensor for name, tensor in state.items()}, card))
    return str(folder)


PEOPLE = 24


class LinearRecogniser(torch.nn.Module):
    """A random projection of a coarse picture: fast, smooth, and different for each name."""

    def __init__(self, name):
        super().__init__()
        generator = torch.Generator().manual_seed(sum(name.encode()))
        self.name = name
        self.weight = torch.randn(16, 3 * 8 * 8, generator=generator)

    def forward(self, chips):
        coarse = torch.nn.functional.adaptive_avg_pool2d(chips, 8).flatten(1)
        coarse = coarse - coarse.mean(1, keepdim=True)
        return torch.nn.functional.normalize(coarse @ self.weight.T)


class OneFace:
    """Finds one face, where every test picture has it."""

    def detect(self, image):
        height, width = image.shape[:2]
        points = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.6], [0.38, 0.75], [0.62, 0.75]]) * [width, height]
        return [Face(box=(10, 10, width - 20, height - 20), points=points.astype(np.float32), confidence=1.0)]


def embedder(name, **_):
    """Build the embedder of chips by such a recogniser."""
    network = LinearRecogniser(name)

    def embed(chips):
        pixels = torch.from_numpy(np.ascontiguousarray(chips)).permute(0, 3, 1, 2).float() / 255
        return network(pixels).numpy()

    return embed


@pytest.fixture(scope="session")
def universal_people(tmp_path_factory):
    """Seeds, training and unseen people: two, sixteen and eight of them, three drawn pictures of each."""
    folder = tmp_path_factory.mktemp("people")
    samples = []
    rng = np.random.default_rng(0)
    for person in range(PEOPLE):
        look = rng.integers(40, 216, (9, 9, 3))
        for number in range(3):
            picture = np.clip(look + rng.normal(0, 12, look.shape), 0, 255).astype(np.uint8)
            path = folder / f"p{person:02}_{number}.png"
            Image.fromarray(picture).resize((120, 120), Image.Resampling.BICUBIC).save(path)
            samples.append(IdentitySample(identifier=path.stem, subject=f"p{person:02}", path=path))
    train, unseen = samples[:48], samples[48:]
    seeds = (train[0], train[3])
    return UniversalSets(seeds, tuple(sample for sample in train if sample not in seeds), tuple(unseen))


@pytest.fixture
def standing_in(monkeypatch, universal_people):
    """Random projections in the place of sface, facenet and mobilefacenet, and drawn pictures in that of LFW."""
    sets = universal_people
    monkeypatch.setattr(universal, "DIFFERENTIABLE", dict.fromkeys(("sface", "facenet")))
    for module in (amada, universal_defence):
        monkeypatch.setattr(module, "WHITE_BOX", ("sface", "facenet"))
    for module in (universal, universal_defence):
        monkeypatch.setattr(module, "chip_embedder", embedder)
        monkeypatch.setattr(module, "differentiable", LinearRecogniser)
        monkeypatch.setattr(module, "detector", OneFace)
    monkeypatch.setattr(universal, "lfw_view_1", lambda _root, seeds: replace(sets, seeds=sets.seeds[:seeds]))
    return embedder


@pytest.fixture(scope="session")
def drawn_once(stand_in, tmp_path_factory):
    """A function of plans by name; it returns a function that draws the set of a name once, and returns its root."""

    def of(plans):
        written = {}

        def root(which):
            if which not in written:
                written[which] = tmp_path_factory.mktemp("faces") / which
                write_set(plans[which](), written[which], draw=stand_in)
            return written[which]

        return root

    return of
