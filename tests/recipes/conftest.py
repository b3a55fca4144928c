"""What recipes learn from in tests: photographs of one's own, a drawn CASIA-SURF, a trunk."""

import numpy as np
import pytest
import torch
from PIL import Image

from countenance.checkpoints import BEST, Checkpoint, write_checkpoint
from countenance.drawn_sets.casia_surf import plan
from countenance.drawn_sets.writing import write_set
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.trunk import RecognitionNetwork

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
