"""The recipe of the gate's slim network, with pictures instead of drawn people: what is kept, learnt and stated."""

import numpy as np
import pytest

from countenance.checkpoints import BEST, read_checkpoint
from countenance.drawn_sets.gate import plan_glimpses
from countenance.errors import ProtocolMismatch, UsageError
from countenance.faces.detection import Face
from countenance.presentation_training import Choice
from countenance.recipes import gate_drawn, gate_slim
from countenance.recipes.gate_slim import FIRST, GateSlimRecipe, draw_looks, train_gate_slim
from countenance.recipes.slim_pad import SlimPadRecipe
from countenance.shipped import stated_network
from countenance.synthesis.spec import DrawnSpecies
from countenance.vocabulary import Modality, Split

TRAINING = SlimPadRecipe(modalities=(Modality.RGB,), width=2, epochs=1, batch_size=32, choice=Choice.LAST)
RECIPE = GateSlimRecipe(people=2, development=2, training=TRAINING)
BOX = (10.0, 8.0, 24.0, 24.0)


class Finder:
    """Finds a face at one place, but not where the picture is black."""

    def detect(self, image):
        scale = image.shape[1] / 48
        return [Face(tuple(scale * x for x in BOX), np.zeros((5, 2), np.float32), 1.0)] if image.max() > 30 else []


@pytest.fixture
def drawn(monkeypatch):
    """Everything that was drawn, as (person, species)."""
    asked = []

    def draw(spec):
        asked.append((spec.subject, spec.species))
        generator = np.random.default_rng([spec.subject, spec.species.number, spec.clip])
        low = 150 if spec.species is DrawnSpecies.BONA_FIDE else 60
        frames = generator.integers(low, low + 60, (spec.frames, 36, 48, 3), np.uint8)
        frames[-1] *= spec.species is not DrawnSpecies.PRINT_MATTE  # one look that shows nobody
        return list(frames)

    monkeypatch.setattr(gate_slim, "draw_glimpses", draw)
    monkeypatch.setattr(gate_slim, "detector", Finder)
    return asked


def test_it_learns_says_when_to_say_yes_and_draws_nothing_twice(drawn, tmp_path):
    run = train_gate_slim(RECIPE, data="drawn", out=tmp_path / "run")
    assert (run.epochs, run.label) == (1, "drawn data")
    assert {person for person, _ in drawn} == {*RECIPE.persons(Split.TRAIN), *RECIPE.persons(Split.DEVELOPMENT)}
    stated = stated_network(str(tmp_path / "run"))
    assert stated.context == RECIPE.context
    assert stated.label == "drawn data"
    point = stated.point_for([Modality.RGB])
    assert (point.rule, point.split) == ("eer", Split.DEVELOPMENT)
    card = read_checkpoint(tmp_path / "run", BEST).card
    assert card["drawn"] == {"people": 2, "development": 2, "world": 0}
    count = len(drawn)
    again = train_gate_slim(RECIPE, data="drawn", out=tmp_path / "run")
    assert len(drawn) == count
    assert again.losses == run.losses
    with pytest.raises(UsageError, match="another"):
        train_gate_slim(GateSlimRecipe(people=1, development=2, training=TRAINING), data="drawn", out=tmp_path / "run")
    (tmp_path / "run" / "looks" / f"0-{FIRST[Split.TRAIN]}.npz").write_bytes(b"PK")
    with pytest.raises(ProtocolMismatch, match="a damaged file"):
        train_gate_slim(RECIPE, data="drawn", out=tmp_path / "run")


@pytest.mark.usefixtures("drawn")
def test_looks_are_of_every_kind_and_without_those_that_show_nobody():
    looks = draw_looks(FIRST[Split.TRAIN], world=0, find=Finder())
    counts = {species: looks.species.count(species) for species in set(looks.species)}
    assert counts == {
        DrawnSpecies.BONA_FIDE: 12,
        DrawnSpecies.PRINT_MATTE: 2,
        DrawnSpecies.PRINT_GLOSSY: 3,
        **dict.fromkeys([each for each in DrawnSpecies if each.display is not None], 2),
    }
    assert looks.labels.sum() == 12
    assert looks.cut(1.5).shape == (25, 112, 112, 3)
    again = draw_looks(FIRST[Split.TRAIN], world=0, find=Finder())
    assert again.pictures == looks.pictures
    assert draw_looks(FIRST[Split.TRAIN], world=1, find=Finder()).pictures != looks.pictures


def test_nobody_teaches_who_is_judged():
    most = gate_drawn.MOST_PEOPLE
    teachers = set(GateSlimRecipe(people=400).persons(Split.TRAIN))
    for split in (Split.DEVELOPMENT, Split.TEST):
        assert not teachers & set(range(gate_drawn.FIRST[split], gate_drawn.FIRST[split] + most + 1))
    assert set(GateSlimRecipe().persons(Split.DEVELOPMENT)) == set(gate_drawn.GateRecipe().people(Split.DEVELOPMENT))
    spec = plan_glimpses(FIRST[Split.DEVELOPMENT], DrawnSpecies.BONA_FIDE)
    assert spec.clip > 1000  # no clip of the gate has that number


@pytest.mark.parametrize(
    "wrong", [{"people": 0}, {"people": 401}, {"development": 91}, {"context": 0.5}, {"world": -1}]
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        GateSlimRecipe(**wrong)


def test_a_set_is_refused(tmp_path):
    with pytest.raises(UsageError, match="draws its own people; came 'siw:x'"):
        train_gate_slim(RECIPE, data="siw:x", out=tmp_path)
