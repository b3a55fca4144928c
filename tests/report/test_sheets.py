"""Picture sheets: a row a sample, every sensor in its column, drawn data said so, whole or not at all."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from countenance.datasets.samples import PresentationSample
from countenance.errors import MissingFile, ProtocolMismatch, UsageError
from countenance.mosaic import LINE, TILE
from countenance.protocols.hard_samples import Group, HardSample
from countenance.report.sheets import write_sheet
from countenance.vocabulary import Modality, Presentation, Split

LIGHT = {Modality.RGB: 200, Modality.INFRARED: 120, Modality.DEPTH: 60}


@pytest.fixture
def samples(tmp_path):
    made = []
    for number in range(2):
        paths = {modality: tmp_path / f"{number}-{modality}.png" for modality in Modality}
        for modality, path in paths.items():
            shape = (16, 16, 3) if modality is Modality.RGB else (16, 16)
            Image.fromarray(np.full(shape, LIGHT[modality] + number, np.uint8)).save(path)
        attack = number == 1
        made.append(
            PresentationSample(
                identifier=f"row{number}",
                subject="s",
                presentation=Presentation.ATTACK if attack else Presentation.BONA_FIDE,
                species="flat" if attack else "",
                split=Split.TEST,
                paths=paths,
            )
        )
    return made


CHOSEN = [
    HardSample(identifier="row1", species="flat", group=Group.ATTACK, value=0.4),
    HardSample(identifier="row0", species="", group=Group.BONA_FIDE, value=0.1),
]


@pytest.fixture
def members(presentations):
    return {f"network-{number}": presentations([0.9], {"flat": [0.1]}) for number in range(4)}


def drawn(path, *arguments, **options):
    return np.asarray(Image.open(write_sheet(path, *arguments, title="a title", **options)))


def test_a_row_a_sample(samples, members, tmp_path):
    pixels = drawn(tmp_path / "sheet.png", CHOSEN, samples, members, label="drawn data")
    head, row = 3 * LINE, 2 * LINE + TILE + 2 * LINE  # four networks take two lines
    assert pixels.shape == (head + 2 * row, 3 * TILE, 3)
    for place, number in ((0, 1), (1, 0)):  # as chosen, not as the set has them
        top = head + place * row + 2 * LINE
        for column, modality in enumerate(Modality):
            tile = pixels[top : top + TILE, column * TILE : (column + 1) * TILE]
            assert (tile == LIGHT[modality] + number).all()
        for line in (top - LINE, top + TILE, top + TILE + LINE):
            assert (pixels[line : line + LINE] < 128).any(), "words above, and the networks' scores below"


def test_drawn_data_is_said_to_be(samples, members, tmp_path):
    with_label = drawn(tmp_path / "a.png", CHOSEN, samples, members, label="drawn data")
    without = drawn(tmp_path / "b.png", CHOSEN, samples, members)
    np.testing.assert_array_equal(with_label[LINE:], without)


def test_a_sensor_that_is_not_there_leaves_its_place_empty(samples, members, tmp_path):
    del samples[1].paths[Modality.INFRARED]
    pixels = drawn(tmp_path / "sheet.png", CHOSEN[:1], samples, members)
    assert (pixels[4 * LINE : 4 * LINE + TILE, TILE : 2 * TILE] == 255).all()


def test_what_it_refuses(samples, members, tmp_path):
    sheet = tmp_path / "folder" / "sheet.png"
    with pytest.raises(UsageError, match="samples to show; came none"):
        drawn(sheet, [], samples, members)
    with pytest.raises(ProtocolMismatch, match="came 'row1'"):
        drawn(sheet, CHOSEN, samples[:1], members)
    with pytest.raises(ProtocolMismatch, match="came 'other'"):
        drawn(sheet, [replace(CHOSEN[0], identifier="other")], samples, members)
    samples[0].paths[Modality.DEPTH].unlink()
    with pytest.raises(MissingFile, match="0-depth"):
        drawn(sheet, CHOSEN, samples, members)
    assert not sheet.parent.exists()
