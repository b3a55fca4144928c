"""Files: read with words when they are missing, written whole or not at all."""

import hashlib
import math
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from countenance.errors import MissingFile, UsageError, WrongKey


def existing_file(path: str | os.PathLike[str], *, expected: str = "a file") -> Path:
    """Return `path` when a regular file is there.

    Args:
        path: where to look.
        expected: what the file should be, for the message ("a score table").

    Raises:
        MissingFile: nothing is there, or a folder is, or what is there may not be read.
    """
    found = Path(path)
    try:
        if found.is_dir():
            raise MissingFile(expected=expected, came=f"the folder {found}", remedy="name one file inside it")
        if not found.is_file():
            raise MissingFile(expected=expected, came=f"no file at {found}", remedy="check the path")
    except OSError as error:  # a name that is too long, a folder that may not be searched
        reason = error.strerror or type(error).__name__
        raise MissingFile(expected=expected, came=f"{reason} at {found}", remedy="check the path") from error
    if not os.access(found, os.R_OK):
        raise MissingFile(expected=expected, came=f"{found}, which may not be read", remedy="check its permissions")
    return found


def refuse_as_target(path: str | os.PathLike[str], *, inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Refuse, before long work, a place that could not be written to, or that would overwrite an input.

    Raises:
        UsageError: a folder stands there, its parent cannot be written to, or it is one of `inputs`.
    """
    target = Path(path)
    parent = next(folder for folder in (*target.absolute().parents, Path("/")) if folder.exists())
    if target.is_dir() or not parent.is_dir() or not os.access(parent, os.W_OK):
        came = "a folder or no right"
        raise UsageError(expected=f"to be able to write {target}", came=came, remedy="name a file that can be written")
    for source in inputs:
        if target.resolve() == Path(source).resolve():
            came = str(target)
            raise UsageError(expected="to write elsewhere than an input", came=came, remedy="name another file")


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of `data` in lower-case hexadecimal.

    >>> sha256_of(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def write_atomically(path: str | os.PathLike[str], data: str | bytes) -> Path:
    """Write `data` to `path` so that a reader sees the old file or the whole new one, never a part.

    The parent folder is made when it is missing; text is written as UTF-8 with Unix line ends.

    Returns:
        The path written.

    Raises:
        UsageError: the place cannot be written to.
    """
    target = Path(path)
    content = data.encode() if isinstance(data, str) else data
    part: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).chmod(0o644)  # mkstemp makes it private; a report or a table is not
        Path(part).replace(target)
    except OSError as error:
        raise UsageError(
            expected=f"to be able to write {target}",
            came=error.strerror or type(error).__name__,
            remedy="choose a folder that can be written to, with space left",
        ) from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)
    return target


def write_private(path: str | os.PathLike[str], data: bytes, *, keep: bool = False) -> Path:
    """Write a new file that only its owner may read (mode 0600), whole or not at all: a key.

    Args:
        path: where; nothing may be there.
        data: what it holds.
        keep: leave the file that is there already, which another process may have made in this moment.

    Returns:
        The path written.

    Raises:
        UsageError: something is there already, or the place cannot be written to.
    """
    target = Path(path)
    part: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, target)  # unlike a rename, it never takes the place of what is there
    except OSError as error:
        if not (keep and isinstance(error, FileExistsError)):
            raise UsageError(
                expected=f"to be able to write a new file {target}",
                came=error.strerror or type(error).__name__,
                remedy="name a place that can be written to, where nothing is yet",
            ) from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)
    return target


def private_file(path: str | os.PathLike[str], *, expected: str) -> Path:
    """Return `path` when a file is there that neither its group nor others may read or write.

    Args:
        path: where to look.
        expected: what the file should be, for the message ("a key file").

    Raises:
        MissingFile: nothing is there.
        WrongKey: naming its mode.
    """
    file = existing_file(path, expected=expected)
    mode = stat.S_IMODE(file.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise WrongKey(
            expected=f"{file} to be its owner's alone (mode 0600)", came=f"mode {mode:04o}", remedy=f"chmod 600 {file}"
        )
    return file


def finite(value: object) -> object:
    """Return a value as JSON can hold it, at any depth: a NaN, a figure without a value, and an infinity become null.

    >>> finite({"psnr": [float("inf"), 40.0], "name": "x"})
    {'psnr': [None, 40.0], 'name': 'x'}
    """
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
