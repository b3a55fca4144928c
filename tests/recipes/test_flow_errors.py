"""Flow on drawn clips: the truth fits the pixels that were cut, and errors are summed as they should be."""

import numpy as np
import pytest
import torch

from countenance.errors import UsageError
from countenance.networks.flownets import FlowNetS
from countenance.recipes import flow_errors
from countenance.recipes.flow_errors import FlowWindow, flow_on_drawn_clips, flow_windows, predicted_flow
from countenance.synthesis.moving_images import carried_back


class Knowing(FlowNetS):
    """A network that says, of each window in turn, what it was told, times a share."""

    def __init__(self, windows, share):
        super().__init__(1)
        self.said = iter([share * torch.from_numpy(window.flow.transpose(2, 0, 1)[None].copy()) for window in windows])

    def flow(self, _first, _last):
        return next(self.said)


@pytest.fixture(scope="module")
def prints():
    return list(flow_windows(people=1, kinds=["print"]))


def windows_of(shifts):
    """Windows whose flow is `shifts` pixels to the right, a person each, every second one calm."""
    for person, shift in enumerate(shifts):
        flow = np.zeros((8, 8, 2), np.float32)
        flow[..., 0] = shift
        known, face = np.ones((8, 8), bool), np.zeros((8, 8), bool)
        face[2:4] = True
        picture = np.zeros((8, 8, 3), np.uint8)
        yield FlowWindow(
            person=person,
            kind="live" if person < 2 else "print",
            is_calm=bool(person % 2),
            first=picture,
            last=picture,
            flow=flow,
            known=known,
            face=face,
        )


def test_the_truth_is_of_the_pixels_that_were_cut(prints):
    assert len(prints) == 2 * 5
    assert [window.is_calm for window in prints[:5]] == [True, True, False, False, False]
    left, moved = [], []
    for window in prints:
        assert window.first.shape == window.last.shape == (112, 112, 3)
        assert window.flow.dtype == np.float32
        assert not (window.face & ~window.known).any()
        assert window.face.mean() > 0.2
        carried, inside = carried_back(window.last, window.flow)
        seen = window.face & inside
        left.append(np.abs(window.first - carried)[seen].mean())
        moved.append(np.abs(window.first - window.last.astype(np.float32))[seen].mean())
    assert np.mean(left) < 0.75 * np.mean(moved)  # noise, light and interpolation are left


def test_errors_by_hand(monkeypatch):
    shifts = [2.0, 4.0, 6.0, 8.0]
    monkeypatch.setattr(flow_errors, "flow_windows", lambda **_: windows_of(shifts))
    rows = flow_on_drawn_clips(Knowing(windows_of(shifts), 0.75), people=4, kinds=["live", "print"])
    told = {row.kind: (row.people, row.windows, row.error, row.error_of_no_flow) for row in rows}
    assert told == {
        "all": (4, 4, 1.25, 5.0),
        "all, face": (4, 4, 1.25, 5.0),
        "live": (2, 2, 0.75, 3.0),
        "print": (2, 2, 1.75, 7.0),
        "calm": (2, 2, 1.5, 6.0),
        "lively": (2, 2, 1.0, 4.0),
    }
    for row in rows:
        assert row.ratio == 0.25
        assert row.interval.low <= row.error <= row.interval.high
        assert (row.interval_of_ratio.low, row.interval_of_ratio.high) == (0.25, 0.25)
    assert rows[0].interval.high - rows[0].interval.low > 0.5, "over people, who differ"
    assert rows[2].told().startswith("live: 0.75 px [0.50, 1.00], no flow 3.00 px, ratio 0.25 [0.25, 0.25] (2 windows")
    assert rows[0].as_json()["interval"]["method"] == "bootstrap over people"


def test_what_a_network_says_of_two_pictures():
    torch.manual_seed(0)
    network = FlowNetS(1).eval()
    first, last = np.random.default_rng(0).integers(0, 256, (2, 64, 80, 3), dtype=np.uint8)
    flow = predicted_flow(network, first, last)
    assert flow.shape == (64, 80, 2)
    pictures = [torch.from_numpy(each).permute(2, 0, 1)[None] / 255 for each in (first, last)]
    assert np.allclose(flow, network.flow(*pictures)[0].permute(1, 2, 0).detach().numpy())


def test_what_cannot_be_asked():
    with pytest.raises(UsageError, match="people"):
        flow_on_drawn_clips(FlowNetS(1), people=1)
    with pytest.raises(UsageError, match="kinds among live, print, replay; came mask"):
        flow_on_drawn_clips(FlowNetS(1), kinds=["mask"])
