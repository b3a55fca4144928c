"""The demonstration, on blocks of colour in place of faces; `test_cli` runs it on the drawn world."""

import numpy as np
import pytest

from countenance import demonstration
from countenance.datasets.samples import PresentationSample
from countenance.demonstration import FIRST_WORLD, demonstrate
from countenance.drawn_sets.casia_surf import plan
from countenance.drawn_sets.writing import write_set
from countenance.errors import UsageError
from countenance.presentation_scoring import table_of
from countenance.scores import PresentationTable
from countenance.shipped import MLFA_SLIM, stated_network
from countenance.vocabulary import Presentation, Split


@pytest.fixture(autouse=True)
def seeds(stand_in, monkeypatch):
    """Draw three people as blocks; the list holds the seeds that were asked for."""
    asked = []

    def synthesize(_name, out, *, subjects, seed, workers, progress):
        asked.append(seed)
        write_set(plan(subjects=subjects, seed=seed), out, draw=stand_in, workers=workers, progress=progress)

    monkeypatch.setattr(demonstration, "synthesize", synthesize)
    monkeypatch.setattr(demonstration, "SUBJECTS", 3)
    return asked


def test_the_shipped_network_is_judged_at_its_own_threshold(tmp_path, seeds):
    done = demonstrate(tmp_path, seed=2, ensemble=None)
    network = stated_network(MLFA_SLIM)
    assert seeds == [FIRST_WORLD + 2]
    assert done.evaluation.point.value == network.point_for(network.module.modalities).value
    assert isinstance(done.evaluation.table, PresentationTable)
    assert set(done.evaluation.table.splits.tolist()) == {"test"}
    assert (len(done.evaluation.table), done.evaluation.counts["set_aside"]) == (40, 40)
    assert done.as_json()["network"] == MLFA_SLIM
    assert done.as_json()["ensemble"] is None
    assert "drawn data" in done.report.read_text()


def test_the_same_seed_gives_the_same_table(tmp_path):
    first, again = (demonstrate(tmp_path / name, ensemble=None).scores.read_bytes() for name in ("a", "b"))
    assert first == again


def test_an_ensemble_is_judged_beside_it(tmp_path):
    seen: list[PresentationSample] = []

    def ensemble(samples, folder):
        assert folder == tmp_path / "ensemble"
        seen.extend(samples)
        judged = [row for row in samples if row.split is not Split.TRAIN]
        bona_fide = np.array([row.presentation is Presentation.BONA_FIDE for row in judged])
        return table_of(judged, bona_fide + np.arange(len(judged)) / 1000)

    done = demonstrate(tmp_path, ensemble=ensemble)
    assert {row.split for row in seen} == set(Split)
    assert done.ensemble is not None
    assert done.ensemble.point.split == "development"
    card = done.as_json()["ensemble"]
    assert isinstance(card, dict)
    assert card["auc"] == 1.0


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(UsageError, match="seed of at least 0"):
        demonstrate(tmp_path, seed=-1)
