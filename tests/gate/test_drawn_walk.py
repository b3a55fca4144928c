"""From the command line with published weights: a drawn person is let in, all else refused, each for its reason."""

import json
import os
import shutil

import pytest

from countenance.cli import main
from countenance.drawn_sets.gate import GateKind, draw_frames, draw_photographs, plan_clip, write_clip
from countenance.drawn_sets.portraits import People
from countenance.drawn_sets.writing import jpeg
from countenance.vocabulary import Action

PERSON = int(People.GATE)  # nobody learnt on this one, and no threshold was chosen by this one
ASKED = (Action.TURN_LEFT, Action.HAPPY)
SLOW = 4  # frames a second, which are enough where nobody is asked to blink
KINDS = {
    GateKind.GENUINE: set(),
    GateKind.REPLAY: {"presentation_attack"},
}
if os.environ.get("COUNTENANCE_DRAWN_WALK") == "whole":  # half a minute of a core
    KINDS |= {
        GateKind.OTHER_PERSON: {"not_the_same_person"},
        GateKind.PRINT: {"presentation_attack", "action_not_shown"},
        GateKind.ACTION_MISSING: {"wrong_order"},  # a smile, where a turn is waited for
        GateKind.WRONG_ORDER: {"wrong_order"},
    }


def ran(capsys, *arguments):
    """The exit status of a command, and its JSON object."""
    status = main([str(argument) for argument in (*arguments, "--json")])
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, pulled):
    """A folder with photographs of a person and clips by their kind."""
    for name in ("yunet", "sface"):
        pulled(name)
    folder = tmp_path_factory.mktemp("drawn")
    for number, picture in enumerate(draw_photographs(PERSON, width=320)):
        (folder / f"{number}.jpg").write_bytes(jpeg(picture, 95))
    for kind in KINDS:
        clip = plan_clip(kind, PERSON, ASKED, width=320, frames_per_second=SLOW)
        write_clip(draw_frames(clip), folder / f"{kind}.mov")
    return folder


def test_a_drawn_person_is_let_in_and_everything_else_is_refused(drawn, tmp_path, capsys):
    photographs = [drawn / f"{number}.jpg" for number in range(3)]
    status, card = ran(capsys, "enrol", "ann", *photographs, "--consent", "drawn", "--gallery", tmp_path / "enrolled")
    assert (status, card["accepted"]) == (0, True)

    def attempt(kind):
        asked = ("--policy", "drawn", "--challenge", ",".join(ASKED), "--gallery", tmp_path / kind)
        return ran(capsys, "authenticate", "ann", drawn / f"{kind}.mov", *asked)

    for kind, reasons in KINDS.items():
        shutil.copytree(tmp_path / "enrolled", tmp_path / kind)  # one for each, since five failures would lock
        status, card = attempt(kind)
        assert (kind, status, card["accepted"]) == (kind, int(bool(reasons)), not reasons)
        assert reasons <= set(card["reasons"]), kind
    status, card = attempt(GateKind.GENUINE)
    assert (status, card["reasons"]) == (1, ["used_before"])
