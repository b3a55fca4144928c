"""Where a machine that serves itself keeps its store, so that the commands and the service open one file."""

import os
from pathlib import Path

FOLDER = "COUNTENANCE_GALLERY"
"""The environment variable that names the gallery's folder, where no other is named."""
DATABASE = "gate.db"


def gallery_folder(named: str | os.PathLike[str] | None = None) -> Path:
    """Return the gallery's folder: the one named, that of the environment, or one among the user's data."""
    if named is not None:
        return Path(named)
    if FOLDER in os.environ:
        return Path(os.environ[FOLDER])
    from platformdirs import user_data_path

    return user_data_path("countenance") / "gallery"


def default_database() -> str:
    """Return the address of the SQLite file in the gallery's folder."""
    return f"sqlite:///{gallery_folder() / DATABASE}"
