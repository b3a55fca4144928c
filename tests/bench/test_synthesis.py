"""The rate of drawing, with a stand-in."""

from countenance.bench.synthesis import bench_synthesis


def test_both_rates_stand_beside_what_is_asked_for(stand_in, monkeypatch):
    monkeypatch.setattr("countenance.bench.synthesis.VIDEO_FRAMES", 3)
    said: list[str] = []
    stills, frames = bench_synthesis(rounds=1, draw=stand_in, say=said.append)
    assert (stills.name, frames.name) == ("synthesis-stills", "synthesis-video")
    assert (stills.peer, frames.peer) == (35, 20)
    for row in (stills, frames):
        assert row.ours > 0
        assert row.ratio == row.ours / row.peer
        assert row.spread == (row.ratio, row.ratio)
    assert said == ["synthesis-stills: 120 frames, 2 rounds", "synthesis-video: 42 frames, 2 rounds"]
