import math
from dataclasses import fields
from pathlib import Path

import pytest

import countenance.service.settings as module
from countenance.errors import UsageError
from countenance.images import ImageLimits
from countenance.service.settings import Settings


@pytest.mark.parametrize("name", [field.name for field in fields(Settings) if field.name != "open_to_loopback"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_a_limit_is_a_number_above_0(name, value):
    with pytest.raises(UsageError, match=f"expected {name} above 0"):
        Settings(**{name: value})


def test_nothing_may_have_to_wait():
    assert Settings(waiting=0).waiting == 0


def test_every_setting_is_read():
    folder = Path(module.__file__).parent
    source = "".join(file.read_text() for file in folder.glob("*.py") if file.name != "settings.py")
    elsewhere = {"frame_pixels"}  # the gate reads frames: see frame_limits
    assert [field.name for field in fields(Settings) if f"settings.{field.name}" not in source] == [*elsewhere]


def test_the_limits_of_a_frame_are_those_of_its_file_and_its_pixels():
    assert Settings(frame_bytes=10, frame_pixels=20).frame_limits == ImageLimits(bytes=10, pixels=20)
