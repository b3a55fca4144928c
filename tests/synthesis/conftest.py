"""What the tests of the drawn world share: clips that are drawn once."""

from functools import cache

import pytest

from countenance.synthesis.scene import draw_clip
from countenance.synthesis.spec import ClipSpec, DrawnSpecies


@pytest.fixture(scope="session")
def describe():
    """A function that describes a clip of two small stills, changed as asked."""

    def build(species=DrawnSpecies.BONA_FIDE, **changes):
        attacker = 600_000 if species.is_worn else None
        given = {"root": 5, "subject": 1, "clip": 0, "attacker": attacker, "frames": 2, "seconds_between_frames": 0.1}
        return ClipSpec(species=species, **{**given, **changes})

    return build


@pytest.fixture(scope="session")
def drawn():
    """A function that draws a clip, once a session."""
    return cache(draw_clip)
