"""The files of an attack: card and figures of this very run."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from countenance.attack_report import write_attack_report
from countenance.attacks.universal import UniversalOptimizer, UniversalRecipe
from countenance.datasets.samples import IdentitySample
from countenance.datasets.universal_sets import UniversalSets
from countenance.images import read_image
from countenance.protocols.universal_matches import Gathering, match_thresholds, universal_matches
from countenance.recipes.universal import Campaign, Examples, Measured, Study, Victim
from countenance.scores import text


def gathering(rng, people, each):
    middles = np.repeat(rng.normal(size=(people, 8)), each, axis=0)
    templates = (middles + 0.4 * rng.normal(size=middles.shape)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    return templates, [f"p{number // each:02}" for number in range(people * each)]


@pytest.fixture
def campaign(tmp_path):
    rng = np.random.default_rng(0)
    templates, names = gathering(rng, 20, 3)
    train = Gathering(templates[:30], text(names[:30]))
    unseen = Gathering(templates[30:], text(names[30:]))
    seeds = Gathering(templates[[0, 3]], text([names[0], names[3]]))
    samples = [IdentitySample(identifier=f"{name}_{k}", subject=name, path=tmp_path) for k, name in enumerate(names)]
    victims = {
        name: Victim(
            name=name,
            source=name,
            seeds=seeds,
            train=train,
            unseen=unseen,
            thresholds=match_thresholds(train),
            chips={},
        )
        for name in ("sface", "facenet")
    }
    pictures = rng.integers(0, 256, (2, 160, 160, 3), dtype=np.uint8)
    study = Study(
        sets=UniversalSets((samples[0], samples[3]), tuple(samples[1:3] + samples[4:30]), tuple(samples[30:])),
        seeds=pictures,
        chips={},
        victims=victims,
        without_face=[],
        digest="d",
        data="lfw",
    )
    recipe = UniversalRecipe(epsilon=8 / 255, iterations=2, optimizer=UniversalOptimizer.SIGN)
    examples = Examples(("sface",), recipe, 2, pictures, 1.0)
    measured = [
        Measured(
            crafted_on=("sface",),
            judged_on=name,
            recipe=recipe,
            iterations=2,
            matches=universal_matches(
                victim.seeds, victim.seeds, train=train, unseen=unseen, thresholds=victim.thresholds
            ),
            mean_cosine=0.1,
            templates=victim.seeds.templates,
            seconds=1.0,
        )
        for name, victim in victims.items()
    ]
    return Campaign(study, [examples], measured)


def test_the_card_and_every_figure_can_be_read(campaign, tmp_path):
    files = write_attack_report(campaign, {**campaign.as_json(), "out": "x"}, tmp_path / "out")
    assert [file.name for file in files] == [
        "report.json",
        "examples-sface.png",
        "histogram-sface-sface.svg",
        "transfer.svg",
    ]
    card = json.loads(files[0].read_text())
    assert card["targets"][0]["quality"]["psnr"] == [None, None], "nothing was changed"
    assert card["targets"][0]["quality"]["ssim"] == pytest.approx([1, 1])
    assert read_image(files[1]).shape[2] == 3
    assert [ElementTree.parse(file).getroot().tag.endswith("svg") for file in files[2:]] == [True, True]  # noqa: S314
    assert "facenet" in files[3].read_text()


def test_one_recogniser_has_no_transfer(campaign, tmp_path):
    alone = Campaign(campaign.study, campaign.examples, campaign.measured[:1])
    assert alone.as_json()["transfer"] is None
    assert len(write_attack_report(alone, alone.as_json(), tmp_path)) == 3
