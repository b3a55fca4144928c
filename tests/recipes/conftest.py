"""A set of own photographs, small enough to train on in a test."""

import numpy as np
import pytest
from PIL import Image

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
