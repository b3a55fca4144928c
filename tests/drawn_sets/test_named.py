"""`synthesize` by name; test_cli.py draws a small set through the real renderer."""

from functools import partial

import pytest

from countenance.drawn_sets.named import OTHER_CAMERAS, PLANS, plan_named, synthesize
from countenance.errors import UsageError


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_carries_its_name_seed_and_preset(name):
    card = plan_named(name, subjects=None, seed=5, preset="hard").card()
    assert (card.set, card.seed, card.preset, card.label) == (name, 5, "hard", "drawn data")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preset": "harder"}, "expected a preset of easy, paper, hard"),
        ({"subjects": 1}, "expected at least 3 subjects"),
        ({"workers": 0}, "expected at least 1 worker"),
    ],
)
def test_a_wrong_request_is_refused(tmp_path, options, words):
    with pytest.raises(UsageError, match=words):
        partial(synthesize, "casia-surf", tmp_path / "set")(**options)
    assert not (tmp_path / "set").exists()


def test_a_set_that_is_not_drawn_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"a set that is drawn: casia-surf, siw.*; came 'imagenet'"):
        synthesize("imagenet", tmp_path)


@pytest.mark.parametrize("name", OTHER_CAMERAS)
def test_a_set_before_another_camera_has_the_name_that_its_reader_knows(name):
    card = plan_named(name, subjects=None, seed=5, preset="hard").card()
    assert name == f"{card.set}-{card.facts['camera']}"
    assert card.set in PLANS
