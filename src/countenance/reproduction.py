"""Tables of the four papers by name: what the command `reproduce` does."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from countenance.datasets.drawn_card import read_card
from countenance.datasets.named import read_presentations, split_name
from countenance.errors import UsageError
from countenance.files import write_atomically
from countenance.progress import Say, unheard
from countenance.protocols.casia_surf import table_3_from_published_scores
from countenance.protocols.table import TableRow
from countenance.vocabulary import Split

if TYPE_CHECKING:
    from countenance.recipes.ming_expressions import Shown
    from countenance.recipes.universal import Measured

DRAWN_MODALITIES = "drawn-modalities"
CALIBRATION = "calibration"
PARKIN = ("parkin-3", "parkin-4", "parkin-5", "parkin-compared", "parkin-distilled")
ITO = ("ito-2", "ito-3", "ito-4")
BLACK_BOX = "uax-black-box"
AMADA = ("uax-white-box", BLACK_BOX)
DEFENCE = ("uax-screen", "uax-audit")
MING = tuple(f"facelivenet-{number}" for number in range(1, 8))
ATTACKS = "facelivenet-attacks"
GATE = "gate-drawn"
TABLES = (
    *PARKIN,
    *ITO,
    *AMADA,
    *DEFENCE,
    *MING,
    ATTACKS,
    GATE,
    DRAWN_MODALITIES,
    CALIBRATION,
)

RUNS = "runs/parkin"
RUNS_OF = (
    dict.fromkeys(PARKIN, RUNS)
    | dict.fromkeys(ITO, "runs/ito")
    | dict.fromkeys((*AMADA, *DEFENCE), "runs/uax")
    | dict.fromkeys(MING, "runs/facelivenet")
    | {ATTACKS: "runs/facelivenet/attacks"}
)
_SETS_OF = (
    dict.fromkeys((*PARKIN, DRAWN_MODALITIES), "casia-surf")
    | dict.fromkeys((*ITO, CALIBRATION), "siw")
    | dict.fromkeys((*AMADA, *DEFENCE), "lfw")
)


def reproduce(
    table: str,
    *,
    published: str | os.PathLike[str] | None = None,
    data: str | None = None,
    out: str | os.PathLike[str] | None = None,
    initial: str | os.PathLike[str] | None = None,
    workers: int = 1,
    only_done: bool = False,
    say: Say = unheard,
) -> list[TableRow]:
    """Compute a published table, the paper's value beside the measured one.

    Args:
        table: one of `TABLES`: those of the multimodal system: "parkin-3" from the scores that its authors
            published, it and the others by training (`recipes.parkin`), and "drawn-modalities"
            (`recipes.modality_order`); those of the few-frame system, by training (`recipes.ito`), and "calibration"
            to a camera that was not seen in training (`recipes.calibration`); those of universal examples, by crafting
            (`recipes.amada`), and those of their defence, by screening and auditing (`recipes.universal_defence`);
            those of FaceLiveNet, by training, scoring or counting (`recipes.ming`), "facelivenet-2" without a set; and
            "facelivenet-attacks", on its challenge, and "gate-drawn", on the whole gate, which draw their own
            (`recipes.facelivenet_attacks`, `recipes.gate_drawn`).
        published: the folder of those scores.
        data: the set to train on, as NAME:ROOT; of FaceLiveNet's tables several, between commas.
        out: the folder of the runs; of `RUNS_OF` or "runs/TABLE" where None.
        initial: the folder of the pre-trained trunks; of the few-frame tables the flow encoder; of FaceLiveNet's as
            for `recipes.ming.ming`; of "gate-drawn" a network of expressions, where not facelivenet-slim.
        workers: processes that train, or craft, side by side; FaceLiveNet's tables are made by one.
        only_done: train nothing more, and compute rows of what is there.
        say: called with a line before each part.

    Raises:
        UsageError: an unknown table, no set or another one than the table takes, or no folder.
        DataError, ScoreError: the published files are missing or damaged.
    """
    if table not in TABLES:
        raise UsageError(expected=f"a table among {', '.join(TABLES)}", came=repr(table), remedy="name one of them")
    if table in PARKIN and data is None:
        if table != PARKIN[0] or published is None:
            raise UsageError(
                expected="the authors' published scores" if table == PARKIN[0] else "a set to train on",
                came="no folder" if table == PARKIN[0] else "none",
                remedy="name the folder: --published DIR, or a set to train on: --data casia-surf:ROOT",
            )
        return table_3_from_published_scores(published)
    if table in MING:
        return _facelivenet(table, data, out=out or RUNS_OF[table], initial=initial, only_done=only_done, say=say)
    if table == ATTACKS:
        place = out or RUNS_OF[table]
        return _attacks(data, out=place, initial=initial, workers=workers, only_done=only_done, say=say)
    if table == GATE:
        return _gate(data, out=out or f"runs/{GATE}", initial=initial, only_done=only_done, say=say)
    if data is None:
        words = "draw one and name it" if table == DRAWN_MODALITIES else "name one"
        raise UsageError(expected=f"a set: {_SETS_OF[table]}:ROOT", came="none", remedy=f"{words}: --data NAME:ROOT")
    return _computed(
        table,
        data,
        out=out or RUNS_OF.get(table, f"runs/{table}"),
        initial=initial,
        workers=workers,
        only_done=only_done,
        say=say,
    )


def _computed(
    table: str,
    data: str,
    *,
    out: str | os.PathLike[str],
    initial: str | os.PathLike[str] | None,
    workers: int,
    only_done: bool,
    say: Say,
) -> list[TableRow]:
    """Train or craft what the table needs; each recipe is imported where it is asked for."""
    if table == DRAWN_MODALITIES:
        from countenance.recipes.modality_order import modality_order

        return modality_order(data, out=out, say=say)
    if table == CALIBRATION:
        from countenance.recipes.calibration import calibration

        return calibration(data, say=say)
    if table in ITO:
        from countenance.recipes.ito import ito

        return ito(table, data=data, out=out, encoder=initial, workers=workers, only_done=only_done, say=say)
    if table in DEFENCE:
        from countenance.recipes.universal_defence import universal_defence

        return universal_defence(table, data=data, out=out, only_done=only_done, say=say)
    if table in AMADA:
        from countenance.recipes.amada import amada

        seen: list[tuple[str, Measured]] = []
        rows = amada(
            table,
            data=data,
            out=out,
            workers=workers,
            only_done=only_done,
            shown=lambda plan, measured: seen.append((plan.name, measured)),
            say=say,
        )
        if table == BLACK_BOX:
            _draw_transfer(seen, Path(out))
        return rows
    from countenance.recipes.parkin import study

    return study(table, data=data, out=out, trunks=initial, workers=workers, only_done=only_done, say=say)


def _facelivenet(
    table: str,
    data: str | None,
    *,
    out: str | os.PathLike[str],
    initial: str | os.PathLike[str] | None,
    only_done: bool,
    say: Say,
) -> list[TableRow]:
    """Compute a table of FaceLiveNet; its Figures 3 and 4 with the one that they belong to."""
    from countenance.recipes.ming import ming

    seen: list[Shown] = []
    rows = ming(table, data=data, out=out, initial=initial, only_done=only_done, shown=seen.append, say=say)
    if seen:
        _draw_expressions(seen, Path(out))
    return rows


def _attacks(
    data: str | None,
    *,
    out: str | os.PathLike[str],
    initial: str | os.PathLike[str] | None,
    workers: int,
    only_done: bool,
    say: Say,
) -> list[TableRow]:
    """Attack the challenge of the network `initial`, of the shipped one where None."""
    from countenance.recipes.facelivenet_attacks import facelivenet_attacks

    if data is not None:
        raise UsageError(
            expected=f"no set, as {ATTACKS} draws its own presentations", came=data, remedy="leave --data out"
        )
    network = None if initial is None else os.fspath(initial)
    return facelivenet_attacks(network, out=out, workers=workers, only_done=only_done, say=say)


def _gate(
    data: str | None,
    *,
    out: str | os.PathLike[str],
    initial: str | os.PathLike[str] | None,
    only_done: bool,
    say: Say,
) -> list[TableRow]:
    """Judge the whole gate, with the network of expressions `initial`, facelivenet-slim where None."""
    from countenance.recipes.gate_drawn import gate_drawn

    if data is not None:
        raise UsageError(expected=f"no set, as {GATE} draws its own clips", came=data, remedy="leave --data out")
    return gate_drawn(None if initial is None else os.fspath(initial), out=out, only_done=only_done, say=say)


def _draw_expressions(figures: Sequence["Shown"], folder: Path) -> None:
    """Write Figures 3 and 4 of FaceLiveNet: a confusion matrix of each row, and a sheet of faces of all."""
    from countenance.recipes.ming_members import file_name
    from countenance.report.confusion import write_confusion
    from countenance.report.expression_sheet import FaceBlock, JudgedFace, write_expression_sheet

    for figure in figures:
        confusion, classes = figure.accuracy.confusion, figure.accuracy.classes
        place = folder / f"confusion-{file_name(figure.name)}.svg"
        write_confusion(place, confusion, classes, title=figure.name, label=figure.label)
    blocks = [
        FaceBlock(
            title=figure.name,
            faces=tuple(
                JudgedFace(picture=face.picture, truth=face.truth, predicted=face.predicted)
                for face in figure.examples()
            ),
        )
        for figure in figures
    ]
    label = ", ".join(dict.fromkeys(figure.label for figure in figures if figure.label))
    write_expression_sheet(
        folder / "faces.png", blocks, title="faces named rightly and wrongly (Figure 3)", label=label
    )


def _draw_transfer(seen: Sequence[tuple[str, "Measured"]], folder: Path) -> None:
    """Write Figure 2 of the universal attack, one for each number of steps."""
    from countenance.recipes.universal import transfer_matrices
    from countenance.report.universal_sheet import draw_transfer

    for steps, matrix in transfer_matrices(seen).items():
        title = f"FMR on unseen people at the EER threshold, {steps:,} steps"
        drawing = draw_transfer(matrix.rates, matrix.crafted_with, matrix.judged_by, title=title)
        write_atomically(folder / f"transfer-{steps}.svg", drawing)


def write_sheets(data: str, folder: str | os.PathLike[str], *, runs: str | os.PathLike[str] = RUNS) -> list[Path]:
    """Write Figures 3 and 4 of Parkin and Grinchuk 2019 from networks that are trained.

    Args:
        data: the set that they were trained and tested on, as NAME:ROOT.
        folder: for the two pictures, ``conflicting.png`` and ``threshold.png``.
        runs: folder of the networks.

    Raises:
        UsageError: networks of fewer than two of the rows A to D; the folder cannot be written to.
        DataError: the set or a score table is damaged.
    """
    from countenance.recipes.parkin import hard_samples
    from countenance.report.sheets import write_sheet

    name, root = split_name(data)
    card = read_card(root, set_name=name)
    samples = [row for row in read_presentations(data) if row.split is Split.TEST]
    titles = {
        "conflicting": "networks disagree most (Figure 3): standard deviation of the score over rows A to D",
        "threshold": "nearest the threshold at FPR 1e-3 (Figure 4): score above it",
    }
    return [
        write_sheet(
            Path(folder) / f"{which}.png",
            chosen,
            samples,
            tables,
            title=titles[which],
            label=card.label if card else "",
        )
        for which, (chosen, tables) in hard_samples(runs).items()
    ]
