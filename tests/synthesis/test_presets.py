from dataclasses import fields
from pathlib import Path

import pytest

import countenance.synthesis.presets as room
from countenance.errors import UsageError
from countenance.synthesis.presets import EASY, HARD, PAPER, PRESETS, Preset, preset_named


def test_presets_are_found_by_name():
    assert [preset_named(name) for name in PRESETS] == [EASY, PAPER, HARD]
    with pytest.raises(UsageError, match="expected a preset of easy, paper, hard; came 'x'"):
        preset_named("x")


def test_every_knob_is_read():
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(room.__file__).parent.glob("*.py")
        if path.name != "presets.py"
    )
    knobs = {field.name for field in fields(Preset)} - {"name"}
    assert {knob for knob in knobs if f"preset.{knob}" not in sources} == set()


def test_each_preset_is_harder_than_the_one_before():
    for easier, harder in ((EASY, PAPER), (PAPER, HARD)):
        assert easier.disparity_noise < harder.disparity_noise
        assert easier.drape_bent < harder.drape_bent
        assert easier.drape_flat < harder.drape_flat
        assert easier.distance_mm[1] < harder.distance_mm[1]
        assert easier.depth_failure <= harder.depth_failure
    assert PAPER.depth_failure == 0.06
