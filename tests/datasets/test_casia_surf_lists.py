"""CASIA-SURF's lists in their three forms, on trees of six files."""

import pytest

from countenance.datasets.casia_surf_lists import LATER_BONA_FIDE, pictures_beside, read_list, walk_folders
from countenance.datasets.drawn_card import DrawnFile
from countenance.errors import ProtocolMismatch
from countenance.vocabulary import Modality, Presentation, Split

REAL = [f"Training/real_part/CLKJ_AS0005/real.rssdk/{name}/1.jpg" for name in ("color", "depth", "ir")]
FAKE = [f"Training/fake_part/CLKJ_BS0007/04_en_b.rssdk/{name}/11.jpg" for name in ("color", "depth", "ir")]


def plant(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def reading(root, content, *, name="train_list.txt", **options):
    (root / name).write_text(content)
    return read_list(root / name, root=root, split=Split.TRAIN, **options)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (f"{' '.join(REAL)} 1\n{' '.join(FAKE)} 0\n", {}),
        (f"{' '.join(REAL)} 0\n{' '.join(FAKE)} 1\n", {"bona_fide_label": LATER_BONA_FIDE}),
        (f"rgb,depth,ir,label\n{','.join(REAL)},1\n{','.join(FAKE)},0\n", {}),
    ],
)
def test_a_labelled_list_of_either_form_and_polarity(tmp_path, content, options):
    plant(tmp_path, *REAL, *FAKE)
    real, fake = reading(tmp_path, content, **options).or_refuse()
    assert (real.subject, real.presentation, real.species) == ("CLKJ_AS0005", Presentation.BONA_FIDE, "")
    assert (fake.subject, fake.presentation, fake.species) == ("CLKJ_BS0007", Presentation.ATTACK, "04_en_b")
    assert fake.identifier == " ".join(FAKE)
    assert fake.paths == {
        Modality.RGB: tmp_path / FAKE[0],
        Modality.DEPTH: tmp_path / FAKE[1],
        Modality.INFRARED: tmp_path / FAKE[2],
    }


def test_a_public_list_has_no_labels(tmp_path):
    names = [f"Val/0000/000000-{name}.jpg" for name in ("color", "depth", "ir")]
    (row,) = reading(tmp_path, " ".join(names) + "\n", name="val_public_list.txt").or_refuse()
    assert (row.subject, row.presentation, row.species) == ("", None, "")


def test_a_drawn_table_tells_what_an_anonymous_name_withholds(tmp_path):
    names = [f"Val/0000/000000-{name}.jpg" for name in ("color", "depth", "ir")]
    drawn = {names[0]: DrawnFile(names[0], "", "CLKJ_AS0031", "01_e_s")}
    (row,) = reading(tmp_path, f"{' '.join(names)} 0\n", drawn=drawn).or_refuse()
    assert (row.subject, row.presentation, row.species) == ("CLKJ_AS0031", Presentation.ATTACK, "01_e_s")


def test_a_folder_that_the_archive_was_unpacked_into_may_be_left_out(tmp_path):
    plant(tmp_path, *REAL)
    (row,) = reading(tmp_path, "rgb,depth,ir,label\n" + ",".join(f"train/{name}" for name in REAL) + ",1\n").samples
    assert row.paths[Modality.RGB] == tmp_path / REAL[0]


def test_the_unscaled_file_stands_in_for_one_that_was_never_scaled(tmp_path):
    scaled = [REAL[0], *(name.replace(".jpg", "_resized.jpg") for name in REAL[1:])]
    plant(tmp_path, *REAL)
    content = f"{' '.join(scaled)} 1\n"
    (row,) = reading(tmp_path, content).samples
    assert row.paths[Modality.DEPTH] == tmp_path / REAL[1]
    plant(tmp_path, *scaled)
    (row,) = reading(tmp_path, content).samples
    assert row.paths[Modality.DEPTH] == tmp_path / scaled[1]
    assert set(pictures_beside([row])) == set(row.paths.values())


def test_a_missing_file_keeps_its_listed_name(tmp_path):
    (row,) = reading(tmp_path, f"{' '.join(REAL)} 1\n").samples
    assert row.paths[Modality.RGB] == tmp_path / REAL[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            f"{REAL[0]}\n{' '.join(FAKE)} 0\n",
            r"1 line with the wrong number of fields: line 1 of .* \(1 instead of 4\)",
        ),
        (f"{' '.join(REAL)}\n", r"\(3 instead of 4\)"),
        (f"{' '.join(REAL)} 2\n", r"label that is neither 1 nor 0: line 1 of train_list.txt \('2'\)"),
        (f"{' '.join(REAL)} 0\n{' '.join(FAKE)} 0\n", r"1 label that its path contradicts: line 1"),
        (f"{' '.join(REAL)} 1\n" * 2, "1 sample named twice: line 2"),
        ("", "train_list.txt names no sample"),
    ],
)
def test_a_broken_list_is_refused(tmp_path, content, words):
    with pytest.raises(ProtocolMismatch, match=words):
        reading(tmp_path, content).or_refuse()


def test_the_other_polarity_is_called_by_its_name(tmp_path):
    problems = reading(tmp_path, f"{' '.join(REAL)} 0\n{' '.join(FAKE)} 1\n").problems
    assert problems[0].startswith("2 labels that their paths contradict: line 1 of train_list.txt (0, read with 1")
    assert (
        problems[1] == "the label polarity of train_list.txt is the other one: read it with the other bona fide label"
    )


def test_the_later_layout_has_folders_instead_of_a_list(tmp_path):
    real = [f"Val/real_part/CLKJ_CS0001/real.rssdk/{name}/0011.jpg" for name in ("color", "depth", "ir")]
    fake = [f"Val/fake_part/CLKJ_CS0001/02_e_b.rssdk/{name}/0001.jpg" for name in ("color", "depth", "ir")]
    plant(tmp_path, *real, *fake[:2])
    first, second = walk_folders(tmp_path, Split.DEVELOPMENT).or_refuse()
    assert (first.presentation, first.subject, first.split) == (
        Presentation.BONA_FIDE,
        "CLKJ_CS0001",
        Split.DEVELOPMENT,
    )
    assert second.species == "02_e_b"
    assert second.paths[Modality.INFRARED] == tmp_path / fake[2]
    assert walk_folders(tmp_path, Split.TEST).problems
