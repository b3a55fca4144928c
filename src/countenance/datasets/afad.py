"""AFAD: the Asian Face Age Dataset, here for the gender that its folders tell.

Niu, Zhou, Wang, Gao and Hua 2016, "Ordinal Regression with Multiple Output CNN for Age Estimation", CVPR. A folder for
each age, in it 111 for men and 112 for women: `AFAD-Full/20/111/638660-1.jpg`, where 638660 is the person. AFAD-Full
has 164,432 photographs, 100,752 of men and 63,680 of women; AFAD-Lite is a part of it, on which Parkin and Grinchuk
pre-trained a network to tell gender. The list in the folder (`AFAD-Lite.txt`) names every photograph, and is the
authority on what is missing.
"""

import os
import re
from pathlib import Path

from countenance.datasets.identity_folders import walk_identities
from countenance.datasets.inspection import Inspection, relative, several
from countenance.datasets.samples import IdentitySample
from countenance.datasets.survey import CARD_FILES, Survey
from countenance.errors import MissingFile
from countenance.progress import Progress, unheard

NAME = "afad"
FORMS = ("AFAD-Lite", "AFAD-Full")
GENDERS = {"111": "male", "112": "female"}
PUBLISHED = {"photographs": 164_432, "male": 100_752, "female": 63_680}  # AFAD-Full

_AGE = re.compile(r"\d{2}")
_GENDER = re.compile("|".join(GENDERS))
_PICTURE = re.compile(r"\d+-\d+\.jpg", re.IGNORECASE)


def read(root: str | os.PathLike[str]) -> list[IdentitySample]:
    """Read every photograph with its age and gender; the subject is the number before the hyphen.

    Args:
        root: holds AFAD-Lite or AFAD-Full, or is that folder.

    Raises:
        MissingFile: no such folder, or a photograph that the list names is not there.
        ProtocolMismatch: counts that are not the published ones, or files that fit the layout nowhere.
    """
    base = Path(root)
    folder = _folder(base)
    if folder is None:
        raise MissingFile(
            expected=f"a folder {' or '.join(FORMS)}, or folders of ages, in {base}",
            came="none",
            remedy="check the path",
        )
    return _survey(base, folder).complete()


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Decode every photograph; compare with the list of the set and, for AFAD-Full, with the published counts."""
    base = Path(root)
    folder = _folder(base)
    if folder is None:
        return Inspection(counts={}, missing=FORMS[:1])
    return _survey(base, folder).inspect(progress=progress)


def _folder(base: Path) -> Path | None:
    found = next((base / name for name in FORMS if (base / name).is_dir()), None)
    if found is None and base.is_dir() and any(_AGE.fullmatch(path.name) for path in base.iterdir() if path.is_dir()):
        return base
    return found


def _survey(base: Path, folder: Path) -> Survey[IdentitySample]:
    lists = [path for path in folder.glob("AFAD-*.txt") if path.is_file()]
    ages = sorted(path for path in folder.iterdir() if path.is_dir() and _AGE.fullmatch(path.name))
    parts = {age.name: walk_identities(age, identity=_GENDER, picture=_PICTURE) for age in ages}
    samples = [
        IdentitySample(
            identifier=f"{age}/{gender}/{Path(name).stem}",
            subject=name.partition("-")[0],
            path=part.root / gender / name,
            attributes={"age": age, "gender": GENDERS[gender]},
        )
        for age, part in parts.items()
        for gender, names in part.files.items()
        for name in names
    ]
    counts = {"photographs": len(samples), "subjects": len({sample.subject for sample in samples})}
    for gender in GENDERS.values():
        counts[gender] = sum(sample.attributes["gender"] == gender for sample in samples)
    there = {relative(sample.path, folder) for sample in samples}
    named = {
        line.strip().removeprefix("./")
        for path in lists
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if _PICTURE.fullmatch(line.strip().rpartition("/")[2])
    }
    problems = [words for part in parts.values() for words in part.problems(base)]
    strangers, unnamed = _strangers(folder), sorted(there - named)
    if strangers:
        problems.append(several(strangers, "file or folder beside the ages", "files or folders beside the ages"))
    if not lists and folder.name != "AFAD-Full":
        problems.append("no list of all photographs (AFAD-Lite.txt), which says what is missing")
    if lists and unnamed:
        problems.append(several(unnamed, "photograph is not in the list", "photographs are not in the list"))
    missing = [relative(folder / name, base) for name in sorted(named - there)]
    return Survey(
        set_name=NAME,
        root=base,
        samples=samples,
        counts=counts,
        published=(PUBLISHED,) if folder.name == "AFAD-Full" else (),
        missing=missing,
        problems=problems,
        pictures=[sample.path for sample in samples],
    )


def _strangers(folder: Path) -> list[str]:
    """Name what is neither an age's folder nor a list nor a note in the folder of all ages."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if not (path.is_dir() and _AGE.fullmatch(path.name))
        and not (path.is_file() and (path.suffix in {".txt", ".md"} or path.name in CARD_FILES))
        and not path.name.startswith(".")
    )
