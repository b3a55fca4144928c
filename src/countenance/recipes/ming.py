"""Tables I to VII of FaceLiveNet by name; II and IV, which are counts, stand here.

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face Verification
with Interactive Facial Expression-Based Liveness Detection, ICPR 2018, https://hal.science/hal-02552657.

    countenance reproduce facelivenet-1 --data ck-plus:ROOT,oulu-casia:ROOT
    countenance reproduce facelivenet-2
    countenance reproduce facelivenet-3 --data lfw:ROOT,ytf:ROOT --initial RUN,RUN
    countenance reproduce facelivenet-4 --data fer2013:ROOT,sfew:ROOT,ck-plus:ROOT,oulu-casia:ROOT
    countenance reproduce facelivenet-5 --data fer2013:ROOT,sfew:ROOT,ck-plus:ROOT,oulu-casia:ROOT
    countenance reproduce facelivenet-6 --data ck-plus:ROOT,oulu-casia:ROOT
    countenance reproduce facelivenet-7 --data ck-plus:ROOT,oulu-casia:ROOT

The first stage of I, V and VII is `--initial`: facenet's published weights in the full layout unless the folder of a
FaceLiveNet's run is named. A set that is not at hand leaves its rows out. Networks are trained once, in the folder that
the tables share, and what is there is not trained again.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from countenance.datasets.ck_plus import NAME as CK_PLUS
from countenance.datasets.fer2013 import NAME as FER2013
from countenance.datasets.lfw import NAME as LFW
from countenance.datasets.named import split_name
from countenance.datasets.oulu_casia import NAME as OULU_CASIA
from countenance.datasets.sfew import NAME as SFEW
from countenance.datasets.sfew import read as read_sfew
from countenance.datasets.ytf import NAME as YTF
from countenance.errors import UsageError
from countenance.networks.architectures import ARCHITECTURES
from countenance.networks.facelivenet import FULL, FaceLiveNet
from countenance.progress import Say, unheard
from countenance.protocols.table import TableRow
from countenance.recipes.expression_faces import READERS
from countenance.recipes.ming_authentication import authentication, pair_counts
from countenance.recipes.ming_expressions import Shown, table_1, table_5
from countenance.recipes.ming_members import Sitting, told_of
from countenance.recipes.ming_verification import verification
from countenance.trained_facelivenet import FACENET
from countenance.vocabulary import Expression

_POSED, _FACES = (CK_PLUS, OULU_CASIA), (LFW, YTF)
_ALL = (FER2013, SFEW, CK_PLUS, OULU_CASIA)
SETS: Mapping[str, tuple[str, ...]] = {
    "facelivenet-1": _POSED,
    "facelivenet-2": (),
    "facelivenet-3": _FACES,
    "facelivenet-4": _ALL,
    "facelivenet-5": _ALL,
    "facelivenet-6": _POSED,
    "facelivenet-7": _POSED,
}
"""Name of a table: the sets that it takes, one or several."""
WITHOUT_SETS = "facelivenet-2"

MILLIONS: Mapping[str, float] = {"FaceLiveNet": 1.31, "VGG16": 138, "AlexNet": 60, "FaceNet": 7.5}
"""Table II."""
_VGG_FEATURES, _VGG_CLASSES = 4_096, 1_000  # of VGG16's last layer, which VGG-Face has for 2,622 people

_ORDER = (
    Expression.NEUTRAL,
    Expression.ANGRY,
    Expression.DISGUST,
    Expression.FEAR,
    Expression.HAPPY,
    Expression.SAD,
    Expression.SURPRISE,
    Expression.CONTEMPT,
)
TABLE_4: Mapping[str, tuple[int | None, ...]] = {
    CK_PLUS: (327, 135, 177, 75, 147, 84, 249, 54),
    OULU_CASIA: (None, 240, 240, 240, 240, 240, 240, None),
    SFEW: (228, 225, 75, 124, 256, 234, 150, None),
    FER2013: (4965, 3995, 436, 4097, 7215, 4830, 3171, None),
}
"""Images of each expression, in the order of `_ORDER`."""
_NOTES = {
    CK_PLUS: "ck-plus, happy: 147 is printed; 69 sequences of three frames make 207, and only so the row adds up to "
    "4 times 327",
    SFEW: "sfew: both lists; as published they hold 958 + 436 pictures, the paper counts 1,292",
    FER2013: "fer2013: Training",
}


def ming(
    table: str,
    *,
    data: str | None,
    out: str | os.PathLike[str],
    initial: str | os.PathLike[str] | None = None,
    only_done: bool = False,
    shown: Callable[[Shown], None] | None = None,
    say: Say = unheard,
) -> list[TableRow]:
    """Compute a table.

    Args:
        table: of `SETS`.
        data: the sets as NAME:ROOT, between commas; None for table II.
        out: folder of networks, maps and scores, which the tables share.
        initial: the first stage of tables I, V and VII, facenet where None; of table III the networks to be judged
            beside facelivenet-full, between commas.
        only_done: train and score nothing more, and return rows of what is there.
        shown: called with what each confusion matrix and sample sheet of table V is drawn from.
        say: called with a line before each part.

    Raises:
        UsageError: an unknown table, no set or one that the table does not take, no such first stage, a folder of other
            networks, or nothing is done yet, with `only_done`.
        DataError: a set is not whole; weights cannot be had, or are damaged.
    """
    if table not in SETS:
        raise UsageError(expected=f"a table among {', '.join(SETS)}", came=repr(table), remedy="name one of these")
    sets = _named(table, data)
    if table == WITHOUT_SETS:
        return parameter_counts()
    if table == "facelivenet-3":
        names = [] if initial is None else os.fspath(initial).split(",")
        rows = verification(sets, networks=names, out=Path(out), only_done=only_done, say=say)
        return _not_none(rows, table, out, is_there=any(row.measured is not None for row in rows))
    if table in {"facelivenet-4", "facelivenet-6"}:
        return image_counts(sets) if table == "facelivenet-4" else pair_counts(sets)
    sitting = Sitting(
        sets=sets,
        out=Path(out),
        initial=FACENET if initial is None else os.fspath(initial),
        only_done=only_done,
        say=say,
    )
    if table == "facelivenet-5":
        rows = table_5(sitting, shown=shown)
    else:
        rows = (table_1 if table == "facelivenet-1" else authentication)(sitting)
    return _not_none(rows, table, out, is_there=bool(rows))


def _named(table: str, data: str | None) -> dict[str, Path]:
    taken = SETS[table]
    if (data is None) != (not taken):
        raise UsageError(
            expected=f"a set: {' or '.join(f'{name}:ROOT' for name in taken)}" if taken else f"no set for {table}",
            came=data or "none",
            remedy="name one, or several between commas: --data NAME:ROOT" if taken else "leave --data out",
        )
    named = [] if data is None else [split_name(part) for part in data.split(",")]
    names = [name for name, _ in named]
    if len(set(names)) < len(names) or not set(names) <= set(taken):
        raise UsageError(
            expected=f"sets that {table} takes, each once: {', '.join(taken)}",
            came=", ".join(names),
            remedy=f"for example --data {taken[0]}:ROOT",
        )
    return dict(named)


def _not_none(rows: list[TableRow], table: str, out: str | os.PathLike[str], *, is_there: bool) -> list[TableRow]:
    if not is_there:
        raise UsageError(
            expected=f"networks or scores of {table} in {os.fspath(out)}",
            came="none of them",
            remedy="leave --only-done out, and they are made",
        )
    return rows


def parameter_counts() -> list[TableRow]:
    """Return the rows of table II: trainable parameters in millions, of networks that are built for it."""
    build = {each.name: each.build for each in ARCHITECTURES}
    slip = (
        "FaceLiveNet: 1.31 million is printed; the released network has ten times as many, 5/16 of its widths have it"
    )
    return [
        _counted_row("FaceLiveNet, as released", MILLIONS["FaceLiveNet"], build["facelivenet"], slip),
        _counted_row("FaceLiveNet, slim", MILLIONS["FaceLiveNet"], build["facelivenet-slim"], slip),
        _counted_row(
            "FaceLiveNet, full", None, build["facelivenet-full"], "FaceLiveNet, full: all of facenet's blocks"
        ),
        _counted_row(
            "VGG16",
            MILLIONS["VGG16"],
            lambda: torch.nn.Sequential(build["vgg16-face"](), torch.nn.Linear(_VGG_FEATURES, _VGG_CLASSES)),
            "VGG16: vgg16-face with a last layer for 1,000 classes",
        ),
        _counted_row("AlexNet", MILLIONS["AlexNet"], None, "AlexNet, FaceNet: not among the networks here"),
        _counted_row("FaceNet", MILLIONS["FaceNet"], None, "AlexNet, FaceNet: not among the networks here"),
        _counted_row(
            "davidsandberg's facenet",
            None,
            lambda: FaceLiveNet(FULL),
            "davidsandberg's facenet: trunk and branch 1 of the full layout",
        ),
    ]


def _counted_row(name: str, reported: float | None, build: Callable[[], torch.nn.Module] | None, note: str) -> TableRow:
    measured = None
    if build is not None:
        with torch.device("meta"):  # counted, never filled
            module = build()
        measured = sum(each.numel() for each in module.parameters() if each.requires_grad) / 1e6
    return TableRow(
        name=f"{name}, millions of parameters",
        reported=reported,
        measured=measured,
        count=None,
        interval=None,
        data="networks as they are built",
        note=note,
    )


def image_counts(sets: Mapping[str, Path]) -> list[TableRow]:
    """Return the rows of table IV: images of each expression, numbers and not percent.

    Args:
        sets: roots of fer2013, sfew, ck-plus, oulu-casia.

    Raises:
        DataError: a set is not whole.
    """
    rows = []
    for name, root in sets.items():
        samples = read_sfew(root) if name == SFEW else READERS[name](root)
        counts = Counter(sample.expression for sample in samples)
        rows += [
            TableRow(
                name=f"{name}, {expression}, images",
                reported=reported,
                measured=counts[expression],
                count=None,
                interval=None,
                data=told_of({name: root}),
                note=_NOTES.get(name, ""),
            )
            for expression, reported in zip(_ORDER, TABLE_4[name], strict=True)
            if reported is not None or counts[expression]
        ]
    return rows
