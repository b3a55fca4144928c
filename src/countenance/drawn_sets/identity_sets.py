"""Drawn sets to learn faces from: VGGFace2, CASIA-WebFace and MS-Celeb-1M by identity, AFAD by age and gender.

One idea, a folder for each person, in four layouts; MS-Celeb-1M is packed into InsightFace's record file, as it is
handed on. Gender and age are those with which the person was drawn.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from countenance.datasets.afad import FORMS as AFAD_FORMS
from countenance.datasets.afad import GENDERS
from countenance.datasets.mxnet_records import write_records
from countenance.datasets.vggface2 import COLUMNS, TABLE
from countenance.drawn_sets.portraits import People, Studio, check_subjects, photographs
from countenance.drawn_sets.writing import SCRATCH, PlannedClip, PlannedSet
from countenance.errors import UsageError
from countenance.synthesis.identity import draw_identity

SUBJECTS = 100
PHOTOGRAPHS = 8  # of a person
ALIGNED = 112  # pixels, the side of InsightFace's crops
_TEST_SHARE = 500 / 9_131  # of VGGFace2's people


def plan_vggface2(
    *, subjects: int = SUBJECTS, seed: int = 0, preset: str = "paper", photographs_each: int = PHOTOGRAPHS
) -> PlannedSet:
    """Plan VGGFace2's two parts, the share of test people as published but at least two, table and lists.

    Args:
        subjects: 4 or more, over both parts.
        seed: of every random number.
        preset: easy, paper or hard.
        photographs_each: of a person.

    Raises:
        UsageError: too few or too many subjects or photographs, or an unknown preset.
    """
    _check(subjects, photographs_each, least=4, name="vggface2")
    test = max(2, round(subjects * _TEST_SHARE))
    first_of_train = test + 1  # the published numbers mix the parts; here test comes first
    clips: list[PlannedClip] = []
    rows = [", ".join(COLUMNS)]
    studio = _studio(seed, preset)
    names: dict[str, list[str]] = {"train": [], "test": []}
    for number in range(1, subjects + 1):
        split = "train" if number >= first_of_train else "test"
        identity = f"n{number:06d}"
        files = [f"{identity}/{k:04d}_01.jpg" for k in range(1, photographs_each + 1)]
        names[split] += files
        person = People.VGGFACE2 + number
        gender = "f" if draw_identity(person, root=seed).woman else "m"
        rows.append(f'{identity}, "Drawn_{number}", {len(files)}, {int(split == "train")}, {gender}')
        clips += studio.portraits(person, [f"{split}/{name}" for name in files], subject=identity, group=split)
    return PlannedSet(
        name="vggface2",
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists={
            TABLE: "\n".join(rows) + "\n",
            **{f"{split}_list.txt": "".join(f"{name}\n" for name in listed) for split, listed in names.items()},
        },
        counts={
            "train/identities": subjects - test,
            "train/photographs": len(names["train"]),
            "test/identities": test,
            "test/photographs": len(names["test"]),
        },
        samples=subjects * photographs_each,
        subjects=subjects,
    )


def plan_casia_webface(
    *, subjects: int = SUBJECTS, seed: int = 0, preset: str = "paper", photographs_each: int = PHOTOGRAPHS
) -> PlannedSet:
    """Plan CASIA-WebFace's folders, `CASIA-WebFace/0000045/001.jpg`; arguments as for `plan_vggface2`.

    Raises:
        UsageError: too few or too many subjects or photographs, or an unknown preset.
    """
    _check(subjects, photographs_each, least=1, name="casia-webface")
    studio = _studio(seed, preset)
    clips: list[PlannedClip] = []
    for number in range(1, subjects + 1):
        files = [f"CASIA-WebFace/{number:07d}/{k:03d}.jpg" for k in range(1, photographs_each + 1)]
        clips += studio.portraits(People.CASIA_WEBFACE + number, files, subject=f"{number:07d}")
    return _of_identities("casia-webface", seed, preset, clips, subjects)


def plan_ms_celeb_1m(
    *, subjects: int = SUBJECTS, seed: int = 0, preset: str = "paper", photographs_each: int = PHOTOGRAPHS
) -> PlannedSet:
    """Plan MS-Celeb-1M as one record file of 112 x 112 crops; arguments as for `plan_vggface2`.

    Raises:
        UsageError: too few or too many subjects or photographs, or an unknown preset.
    """
    _check(subjects, photographs_each, least=1, name="ms-celeb-1m")
    studio = _studio(seed, preset, size=ALIGNED, crop_mm=165)
    clips: list[PlannedClip] = []
    for label in range(subjects):
        files = [f"{SCRATCH}/{label:06d}/{k:04d}.jpg" for k in range(photographs_each)]
        clips += studio.portraits(People.MS_CELEB_1M + label, files, subject=str(label))
    finish = partial(pack_records, size=(ALIGNED, ALIGNED))
    return _of_identities("ms-celeb-1m", seed, preset, clips, subjects, finish)


def pack_records(root: Path, *, size: tuple[int, int]) -> list[str]:
    """Pack the scratch folder of every label into `train.rec`, and name the three files of the record set."""
    folders = sorted((root / SCRATCH).iterdir())
    pictures = ((path.read_bytes() for path in sorted(folder.iterdir())) for folder in folders)
    write_records(root, pictures, size=size)
    return ["train.rec", "train.idx", "property"]


def plan_afad(
    *, subjects: int = SUBJECTS, seed: int = 0, preset: str = "paper", photographs_each: int = 2
) -> PlannedSet:
    """Plan AFAD-Lite: folders by age and gender, `AFAD-Lite/20/111/638660-1.jpg`, and its list.

    Args:
        subjects: any number.
        seed: of every random number.
        preset: easy, paper or hard.
        photographs_each: of a person, all at one age.

    Raises:
        UsageError: too few or too many subjects or photographs, or an unknown preset.
    """
    _check(subjects, photographs_each, least=1, name="afad")
    folder = AFAD_FORMS[0]
    studio = _studio(seed, preset, size=ALIGNED)
    clips: list[PlannedClip] = []
    counts = dict.fromkeys(GENDERS.values(), 0)
    for person in range(People.AFAD, People.AFAD + subjects):
        identity = draw_identity(person, root=seed)
        code, gender = next((code, word) for code, word in GENDERS.items() if (word == "female") == identity.woman)
        files = [f"{folder}/{identity.years}/{code}/{person}-{k}.jpg" for k in range(photographs_each)]
        counts[gender] += len(files)
        clips += studio.portraits(person, files, subject=str(person), group=gender)
    listed = sorted(name.removeprefix(f"{folder}/") for name in _files(clips))
    return PlannedSet(
        name="afad",
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists={f"{folder}/{folder}.txt": "".join(f"./{name}\n" for name in listed)},
        counts={"photographs": len(listed), "subjects": subjects, **counts},
        samples=len(listed),
        subjects=subjects,
    )


def _studio(seed: int, preset: str, *, size: int = 160, crop_mm: float = 205) -> Studio:
    return Studio(seed=seed, preset=preset, size=size, crop_mm=crop_mm, encode=photographs)


def _of_identities(
    name: str,
    seed: int,
    preset: str,
    clips: Iterable[PlannedClip],
    subjects: int,
    finish: Callable[[Path], Iterable[str]] | None = None,
) -> PlannedSet:
    planned = tuple(clips)
    pictures = len(list(_files(planned)))
    return PlannedSet(
        name=name,
        seed=seed,
        preset=preset,
        clips=planned,
        lists={},
        counts={"photographs": pictures, "identities": subjects},
        samples=pictures,
        subjects=subjects,
        finish=finish,
    )


def _files(clips: Iterable[PlannedClip]) -> Iterator[str]:
    for clip in clips:
        yield from clip.files


def _check(subjects: int, photographs_each: int, *, least: int, name: str) -> None:
    check_subjects(subjects, least=least, name=name)
    if not 1 <= photographs_each <= 999:
        raise UsageError(
            expected="1 to 999 photographs of a person", came=str(photographs_each), remedy="ask for another number"
        )
