"""Tables of the four papers by name: what the command `reproduce` does."""

import os

from countenance.errors import UsageError
from countenance.progress import Say, unheard
from countenance.protocols.casia_surf import table_3_from_published_scores
from countenance.protocols.table import TableRow

DRAWN_MODALITIES = "drawn-modalities"
TABLES = (
    *(f"parkin-{number}" for number in (3, 4, 5)),
    *(f"ito-{number}" for number in (2, 3, 4)),
    "uax-white-box",
    "uax-black-box",
    *(f"facelivenet-{number}" for number in range(1, 8)),
    DRAWN_MODALITIES,
)


def reproduce(
    table: str,
    *,
    published: str | os.PathLike[str] | None = None,
    data: str | None = None,
    out: str | os.PathLike[str] | None = None,
    say: Say = unheard,
) -> list[TableRow]:
    """Compute a published table, the paper's value beside the measured one.

    Args:
        table: one of `TABLES`; so far "parkin-3", from the scores that its authors published, and "drawn-modalities",
            which trains on drawn data (`recipes.modality_order`).
        published: the folder of those scores.
        data: the set to train on, as NAME:ROOT.
        out: the folder of the runs; "runs/TABLE" where None.
        say: called with a line before each part.

    Raises:
        UsageError: an unknown table, one that is not built yet, or no folder.
        DataError, ScoreError: the published files are missing or damaged.
    """
    if table not in TABLES:
        raise UsageError(expected=f"a table among {', '.join(TABLES)}", came=repr(table), remedy="name one of them")
    if table == DRAWN_MODALITIES:
        if data is None:
            raise UsageError(
                expected="a drawn set to train on", came="none", remedy="draw one and name it: --data casia-surf:ROOT"
            )
        from countenance.recipes.modality_order import modality_order

        return modality_order(data, out=out or f"runs/{table}", say=say)
    if table != "parkin-3":
        raise UsageError(
            expected=f"a table that is built so far: parkin-3, {DRAWN_MODALITIES}",
            came=table,
            remedy="see the README's table",
        )
    if published is None:
        raise UsageError(
            expected="the authors' published scores",
            came="no folder",
            remedy="unpack their score files and name the folder: --published DIR",
        )
    return table_3_from_published_scores(published)
