"""Tables of the four papers by name: what the command `reproduce` does."""

import os

from countenance.errors import UsageError
from countenance.progress import Say, unheard
from countenance.protocols.casia_surf import table_3_from_published_scores
from countenance.protocols.table import TableRow

DRAWN_MODALITIES = "drawn-modalities"
PARKIN = ("parkin-3", "parkin-4", "parkin-5", "parkin-compared", "parkin-distilled")
TABLES = (
    *PARKIN,
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
    initial: str | os.PathLike[str] | None = None,
    workers: int = 1,
    say: Say = unheard,
) -> list[TableRow]:
    """Compute a published table, the paper's value beside the measured one.

    Args:
        table: one of `TABLES`; so far those of the multimodal system: "parkin-3" from the scores that its authors
            published, it and the others by training (`recipes.parkin`), and "drawn-modalities"
            (`recipes.modality_order`).
        published: the folder of those scores.
        data: the set to train on, as NAME:ROOT.
        out: the folder of the runs; "runs/parkin" or "runs/TABLE" where None.
        initial: the folder of the pre-trained trunks.
        workers: processes that train side by side.
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
    if table not in PARKIN:
        raise UsageError(
            expected=f"a table that is built so far: {', '.join(PARKIN)}, {DRAWN_MODALITIES}",
            came=table,
            remedy="see the README's table",
        )
    if data is not None:
        from countenance.recipes.parkin import study

        return study(table, data=data, out=out or "runs/parkin", trunks=initial, workers=workers, say=say)
    if table != PARKIN[0] or published is None:
        raise UsageError(
            expected="the authors' published scores" if table == PARKIN[0] else "a set to train on",
            came="no folder" if table == PARKIN[0] else "none",
            remedy="name the folder: --published DIR, or a set to train on: --data casia-surf:ROOT",
        )
    return table_3_from_published_scores(published)
