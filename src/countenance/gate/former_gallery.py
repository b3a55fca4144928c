"""A gallery as it was kept before there was a store, and how it is taken over: once, wholly or not at all.

It was two files in a folder: ``gallery.json``, which names the recogniser and says whose each row is, and a tensor file
that its digest names; nothing was encrypted. Its people are put into a store beside it, sealed; that store takes its
place under its name in one step; then the two files are deleted. Whoever is stopped between the two finds a store that
holds the very same people, and deletes the files. Any other gallery beside a store is refused.

Deleting does not overwrite: where the old templates may be read from the disk later, enrol everybody again.
"""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from countenance.checkpoints import read_checkpoint
from countenance.errors import DataError, UsageError
from countenance.gallery import Gallery
from countenance.scores import text
from countenance.store.database import Store, open_store
from countenance.vault import Vault

NAME = "gallery"
"""Of its files in a folder."""


def has_former_gallery(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a gallery of an earlier release is in a folder."""
    return (Path(folder) / f"{NAME}.json").is_file()


def take_over(folder: Path, database: Path, *, vault: Vault, stopped: Callable[[], None] = lambda: None) -> None:
    """Put the people of a former gallery into a store, and delete the gallery.

    Args:
        folder: of the gallery.
        database: the store's file in it.
        vault: that seals templates.
        stopped: called between the two steps; a test stops there.

    Raises:
        UsageError: there is a store with other people in it.
        DigestMismatch: the gallery's templates are not those that its card was written for.
        DataError: it is not a gallery.
    """
    gallery = read_former_gallery(folder)
    if not database.exists():
        with TemporaryDirectory(dir=folder, prefix=".taken-over-") as place:
            made = open_store(f"sqlite:///{Path(place) / database.name}", vault=vault)
            try:
                for subject in dict.fromkeys(gallery.subjects.tolist()):
                    rows = np.ascontiguousarray(gallery.templates[gallery.subjects == subject])
                    made.enrol(subject, templates=rows, model=gallery.model, weights=gallery.weights)
                made.append_audit({"event": "taken over", "templates": len(gallery), "model": gallery.model})
                _put(made, database)
            finally:
                made.close()
        stopped()
    else:
        store = open_store(f"sqlite:///{database}", vault=vault)
        try:
            if not _holds_the_same(store, gallery):
                raise UsageError(
                    expected=f"one gallery in {folder}",
                    came=f"{database.name}, and the {NAME}.json of an earlier release with other people",
                    remedy=f"move {NAME}.json and its {NAME}-*.safetensors into a folder of their own, and name that",
                )
        finally:
            store.close()
    (folder / f"{NAME}.json").unlink(missing_ok=True)
    for file in folder.glob(f"{NAME}-*.safetensors"):
        file.unlink(missing_ok=True)


def _put(made: Store, database: Path) -> None:
    try:
        made.backup(database)
    except UsageError:
        if not database.exists():  # otherwise another process did the same in this moment
            raise


def read_former_gallery(folder: str | os.PathLike[str]) -> Gallery:
    """Read a gallery of an earlier release.

    Raises:
        DigestMismatch: its templates are not those that its card was written for.
        DataError: it is not a gallery.
    """
    found = read_checkpoint(folder, NAME)
    try:
        templates = found.tensors["templates"].numpy()
        gallery = Gallery(str(found.card["model"]), str(found.card["weights"]), templates, text(found.card["subjects"]))
        if templates.dtype != np.float32 or templates.ndim != 2 or len(templates) != len(gallery.subjects):
            raise ValueError("other rows than names")
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            expected=f"a gallery in {folder}, as countenance enrol wrote it",
            came=f"something else ({type(error).__name__})",
            remedy="restore it, or name another folder",
        ) from error
    return gallery


def _holds_the_same(store: Store, gallery: Gallery) -> bool:
    """Tell whether a store holds these people with these templates, and nobody else."""
    if [person.subject for person in store.people()] != sorted(set(gallery.subjects.tolist())):
        return False
    names, templates = store.templates(gallery.model, gallery.weights)
    return _rows(Gallery(gallery.model, gallery.weights, templates, names)) == _rows(gallery)


def _rows(gallery: Gallery) -> list[tuple[str, bytes]]:
    return sorted(
        (name, row.astype("<f4").tobytes())
        for name, row in zip(gallery.subjects.tolist(), gallery.templates, strict=True)
    )
