"""The door to the data sets: NAME:ROOT to the reader of that set."""

from collections.abc import Callable, Mapping
from pathlib import Path

from countenance.datasets.afad import inspect as inspect_afad
from countenance.datasets.casia_surf import NAME as CASIA_SURF
from countenance.datasets.casia_surf import inspect as inspect_casia_surf
from countenance.datasets.casia_surf import read as read_casia_surf
from countenance.datasets.casia_webface import inspect as inspect_casia_webface
from countenance.datasets.ck_plus import inspect as inspect_ck_plus
from countenance.datasets.fer2013 import inspect as inspect_fer2013
from countenance.datasets.inspection import Inspection
from countenance.datasets.lfw import inspect as inspect_lfw
from countenance.datasets.manifest import inspect as inspect_manifest
from countenance.datasets.manifest import read as read_manifest
from countenance.datasets.ms_celeb_1m import inspect as inspect_ms_celeb_1m
from countenance.datasets.oulu_casia import inspect as inspect_oulu_casia
from countenance.datasets.samples import PresentationSample
from countenance.datasets.sfew import inspect as inspect_sfew
from countenance.datasets.siw import inspect as inspect_siw
from countenance.datasets.siw import read as read_siw
from countenance.datasets.vggface2 import inspect as inspect_vggface2
from countenance.datasets.ytf import inspect as inspect_ytf
from countenance.errors import UsageError
from countenance.progress import Progress, Say, unheard

INSPECTIONS: Mapping[str, Callable[..., Inspection]] = {
    CASIA_SURF: inspect_casia_surf,
    "siw": inspect_siw,
    "lfw": inspect_lfw,
    "ytf": inspect_ytf,
    "vggface2": inspect_vggface2,
    "casia-webface": inspect_casia_webface,
    "ms-celeb-1m": inspect_ms_celeb_1m,
    "afad": inspect_afad,
    "ck-plus": inspect_ck_plus,
    "oulu-casia": inspect_oulu_casia,
    "sfew": inspect_sfew,
    "fer2013": inspect_fer2013,
    "manifest": inspect_manifest,
}
"""Name of a set: looks at its whole tree, given the root and `progress`."""

PRESENTATIONS: Mapping[str, Callable[..., list[PresentationSample]]] = {
    CASIA_SURF: read_casia_surf,
    "siw": read_siw,
    "manifest": read_manifest,
}
"""Name of a set of presentations: reads all its samples, given the root."""


def split_name(data: str) -> tuple[str, Path]:
    """Take NAME:ROOT apart.

    Raises:
        UsageError: words of another form, or a set that is not known.

    >>> split_name("siw:/data/SiW")
    ('siw', PosixPath('/data/SiW'))
    """
    name, separator, root = data.partition(":")
    if not separator or not root:
        raise UsageError(expected="a data set as NAME:ROOT", came=repr(data), remedy="for example lfw:/data/lfw")
    if name not in INSPECTIONS:
        raise UsageError(
            expected=f"a data set among {', '.join(INSPECTIONS)}", came=repr(name), remedy="name one of them"
        )
    return name, Path(root)


def inspect_named(data: str, *, bona_fide_label: str | None = None, progress: Progress = unheard) -> Inspection:
    """Look at the whole tree of NAME:ROOT.

    Args:
        data: such as "casia-surf:/data/CASIA-SURF".
        bona_fide_label: what CASIA-SURF's lists write for bona fide, "1" (None) or "0"; of other sets None.
        progress: called with (files done, files in all).

    Raises:
        UsageError: words of another form, a set that is not known, or a label for a set whose labels have one form.
    """
    name, root = split_name(data)
    options = _options(name, bona_fide_label)
    if not root.exists():
        return Inspection(counts={"samples": 0}, missing=(str(root),))
    return INSPECTIONS[name](root, progress=progress, **options)


def read_presentations(data: str, *, bona_fide_label: str | None = None) -> list[PresentationSample]:
    """Read the presentations of NAME:ROOT, every file present.

    Args:
        data: as for `inspect_named`.
        bona_fide_label: as for `inspect_named`.

    Raises:
        UsageError: as for `inspect_named`, or a set that is not one of presentations.
        DataError: a tree that is not the published set.
    """
    name, root = split_name(data)
    if name not in PRESENTATIONS:
        raise UsageError(
            expected=f"a set of presentations among {', '.join(PRESENTATIONS)}",
            came=repr(name),
            remedy="name one of them",
        )
    return PRESENTATIONS[name](root, **_options(name, bona_fide_label))


def read_whole(
    data: str, *, bona_fide_label: str | None = None, say: Say = unheard
) -> tuple[list[PresentationSample], str]:
    """Look at the whole of NAME:ROOT and read its presentations, as training does before it starts.

    Args:
        data: as for `inspect_named`.
        bona_fide_label: as for `inspect_named`.
        say: called with a line before.

    Returns:
        The presentations, and the label of every figure from them, such as "drawn data".

    Raises:
        UsageError: as for `read_presentations`.
        DataError: the set is not whole, or contradicts itself.
    """
    say(f"looking at the whole of {data}")
    found = inspect_named(data, bona_fide_label=bona_fide_label)
    found.refuse(split_name(data)[0])
    return read_presentations(data, bona_fide_label=bona_fide_label), found.label


def _options(name: str, bona_fide_label: str | None) -> dict[str, str]:
    if bona_fide_label is None:
        return {}
    if name != CASIA_SURF:
        raise UsageError(
            expected=f"a bona fide label for {CASIA_SURF} alone",
            came=f"one for {name}",
            remedy="leave the label out: this set's labels have one form",
        )
    return {"bona_fide_label": bona_fide_label}
