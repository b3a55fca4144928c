"""docs/manifest.md: its commands run on a tiny set, and what it says is refused is refused before the first step."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.cli import main

DOCUMENT = (Path(__file__).resolve().parents[1] / "docs" / "manifest.md").read_text(encoding="utf-8")
TRAIN = "train slim-pad --data manifest:own --out run --modalities rgb --epochs 7"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Two people in each split: bona fide bright, attacks dark."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(2)
    rows = ["id,subject,presentation,species,split,rgb"]
    people = {"ann": "train", "eve": "train", "bob": "development", "joe": "development", "kim": "test", "lea": "test"}
    for person, split in people.items():
        (tmp_path / "own" / person).mkdir(parents=True)
        for number in range(1, 5):
            attack = number % 2 == 0
            pixels = generator.integers(20 if attack else 120, 140 if attack else 240, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / person / f"{number}.jpg")
            kind = "attack,print" if attack else "bona_fide,"
            rows.append(f"{person}-{number},{person},{kind},{split},{person}/{number}.jpg")
    csv = tmp_path / "own" / "manifest.csv"
    csv.write_text("\n".join(rows) + "\n")
    return csv


def run(command, capsys):
    """Run one command line; return its exit status, stdout and stderr."""
    status = main(shlex.split(command))
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.usefixtures("own")
def test_the_commands_run_in_their_order(capsys, tmp_path):
    (block,) = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    commands = [line.removeprefix("countenance ") for line in block.splitlines()]
    assert TRAIN in commands
    assert [line.split()[0] for line in commands] == ["datasets", "train", "score", "score", "evaluate"]
    outputs = []
    for command in commands:
        status, out, err = run(command, capsys)
        assert status == 0, err
        outputs.append(out)
    assert "7 epochs in " in outputs[1]
    assert "8 presentations in " in outputs[3]
    assert (tmp_path / "report.html").is_file()
    status, out, _ = run(f"{TRAIN} --json", capsys)
    assert status == 0
    assert {'"epochs": 7', '"checkpoint": "run/best.json"'} <= {line.strip(" ,") for line in out.splitlines()}


def test_its_example_is_a_manifest(own, capsys):
    (example,) = re.findall(r"```csv\n(.*?)```", DOCUMENT, re.DOTALL)
    own.write_text(example)
    status, out, err = run("datasets check manifest:own", capsys)
    assert (status, err) == (0, "")
    assert re.search(r"train/attack/print\W+1\b", out)


FAULTS = {
    "missing": ("1 missing, the first: ann/2.jpg", lambda own: (own.parent / "ann/2.jpg").unlink()),
    "empty": ("1 unreadable, the first: ann/2.jpg: ", lambda own: (own.parent / "ann/2.jpg").write_bytes(b"")),
    "two splits": (
        "1 subject in two of the splits: ann (train and test)",
        lambda own: own.write_text(own.read_text().replace(",kim,", ",ann,")),
    ),
    "another word": (
        "line 2: presentation must be one of bona_fide, attack, not 'live'",
        lambda own: own.write_text(own.read_text().replace("bona_fide", "live", 1)),
    ),
    "a field too few": (
        "1 row without 6 fields: line 3 (5)",
        lambda own: own.write_text(own.read_text().replace("attack,print", "attack", 1)),
    ),
    "one class": (
        "came 4 bona fide samples and 0 attacks in a split",
        lambda own: own.write_text(re.sub(r".*,print,train,.*\n", "", own.read_text())),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_damaged_is_refused_before_the_first_step(own, capsys, tmp_path, fault):
    words, damage = FAULTS[fault]
    damage(own)
    assert words in DOCUMENT
    status, out, err = run(TRAIN, capsys)
    assert (status, out) == (2, "")
    assert words in err.splitlines()[-1]
    assert not (tmp_path / "run").exists()
