"""Tables of the four papers by name: what the command `reproduce` does."""

import os

from countenance.errors import UsageError
from countenance.protocols.casia_surf import table_3_from_published_scores
from countenance.protocols.table import TableRow

TABLES = (
    *(f"parkin-{number}" for number in (3, 4, 5)),
    *(f"ito-{number}" for number in (2, 3, 4)),
    "uax-white-box",
    "uax-black-box",
    *(f"facelivenet-{number}" for number in range(1, 8)),
)


def reproduce(table: str, *, published: str | os.PathLike[str] | None = None) -> list[TableRow]:
    """Compute a published table, the paper's value beside the measured one.

    Args:
        table: one of `TABLES`; so far "parkin-3", from the scores that its authors published.
        published: the folder of those scores.

    Raises:
        UsageError: an unknown table, one that is not built yet, or no folder.
        DataError, ScoreError: the published files are missing or damaged.
    """
    if table not in TABLES:
        raise UsageError(expected=f"a table among {', '.join(TABLES)}", came=repr(table), remedy="name one of them")
    if table != "parkin-3":
        raise UsageError(expected="a table that is built so far: parkin-3", came=table, remedy="see the README's table")
    if published is None:
        raise UsageError(
            expected="the authors' published scores",
            came="no folder",
            remedy="unpack their score files and name the folder: --published DIR",
        )
    return table_3_from_published_scores(published)
