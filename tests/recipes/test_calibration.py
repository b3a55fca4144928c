"""What a calibration by 50 clips does to the clips of a camera that a threshold was not chosen on."""

import numpy as np
import pytest

from countenance.errors import OneClassOnly, UsageError
from countenance.metrics.operating_point import OperatingPoint
from countenance.recipes.calibration import calibration, calibration_rows
from countenance.scores import presentation_table

BEFORE = OperatingPoint(0.8, "eer", "development")


def scored(live, attacks=40, *, seed=0):
    """Live clips about .7 and attacks about .3, so that a threshold of .8 refuses nearly everybody."""
    generator = np.random.default_rng(seed)
    kinds = ["print/1", "replay/2"] * (attacks // 2)
    return presentation_table(
        identifiers=[f"clip{k}" for k in range(live + attacks)],
        is_bona_fide=[True] * live + [False] * attacks,
        scores=np.concatenate([generator.normal(0.7, 0.05, live), generator.normal(0.3, 0.05, attacks)]),
        subjects=[f"p{k % 15}" for k in range(live + attacks)],
        species=[""] * live + kinds,
        splits=["test"] * (live + attacks),
    )


def test_the_promise_is_kept_in_the_mean_where_the_old_threshold_refuses_nearly_all():
    rows = {row.name: row for row in calibration_rows(scored(150), BEFORE, data="d")}
    before, after = rows["BPCER, threshold of the training camera"], rows["BPCER, calibrated on 50 clips"]
    assert before.count is not None
    assert before.count.trials == 100, "the 50 that calibrate are judged by neither threshold"
    assert before.measured is not None
    assert after.measured is not None
    assert before.measured > 90
    assert after.measured < 20
    mean = rows["BPCER, calibrated, mean of 200 draws"]
    assert mean.measured == pytest.approx(100 * 2 / 51, abs=1)
    assert "promised: at most 5% in the mean, 3.9% expected; 95 % of the draws" in mean.note
    for kind in ("print", "replay"):
        row = rows[f"APCER of {kind}, calibrated"]
        assert row.count is not None
        assert (row.count.count, row.count.trials) == (0, 20)


def test_apcer_of_the_worse_kind_is_that_of_the_worse_kind():
    table = scored(120)
    rows = {row.name: row for row in calibration_rows(table, BEFORE, draws=3, data="d")}
    assert rows["APCER of the worse kind, calibrated, mean of 3 draws"].measured == 0


def test_too_few_clips_are_refused():
    with pytest.raises(OneClassOnly, match="more than 50 bona fide clips"):
        calibration_rows(scored(50), BEFORE, data="d")
    with pytest.raises(UsageError, match="at least 19 bona fide scores"):
        calibration_rows(scored(60), BEFORE, clips=10, data="d")
    with pytest.raises(UsageError, match="a set of clips"):
        calibration("casia-surf:x")
