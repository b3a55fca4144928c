"""The door to the drawn sets: the name of a published set to the plan that draws it."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from countenance.drawn_sets.casia_surf import plan as plan_casia_surf
from countenance.drawn_sets.expression_sets import plan_ck_plus, plan_fer2013, plan_oulu_casia, plan_sfew
from countenance.drawn_sets.gate import plan_gate
from countenance.drawn_sets.identity_sets import plan_afad, plan_casia_webface, plan_ms_celeb_1m, plan_vggface2
from countenance.drawn_sets.siw import plan as plan_siw
from countenance.drawn_sets.verification_sets import plan_lfw, plan_ytf
from countenance.drawn_sets.writing import PlannedSet, contact_sheet, write_set
from countenance.errors import UsageError
from countenance.files import write_atomically
from countenance.progress import Progress, unheard
from countenance.synthesis.spec import DrawnCamera

PLANS: Mapping[str, Callable[..., PlannedSet]] = {
    "casia-surf": plan_casia_surf,
    "siw": plan_siw,
    "lfw": plan_lfw,
    "ytf": plan_ytf,
    "vggface2": plan_vggface2,
    "casia-webface": plan_casia_webface,
    "ms-celeb-1m": plan_ms_celeb_1m,
    "afad": plan_afad,
    "ck-plus": plan_ck_plus,
    "oulu-casia": plan_oulu_casia,
    "sfew": plan_sfew,
    "fer2013": plan_fer2013,
    "gate": plan_gate,
}
"""Name of a set: plans it, given `seed`, `preset`, and `subjects` where they are asked for; the last one, which nobody
published, is what people show to a gate."""

OTHER_CAMERAS: Mapping[str, Callable[..., PlannedSet]] = {
    "siw-webcam": partial(plan_siw, camera=DrawnCamera.WEBCAM),
}
"""The same for sets before a camera that the others never use; each has the layout and the name of its first part."""


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """What was drawn.

    Attributes:
        samples: that the set holds.
        subjects: that the set holds.
        clips: that the set is made of.
        drawn: of these clips, now; the others were there.
        seconds: it took.
    """

    samples: int
    subjects: int
    clips: int
    drawn: int
    seconds: float


def synthesize(
    name: str,
    out: str | os.PathLike[str],
    *,
    subjects: int | None = None,
    preset: str = "paper",
    seed: int = 0,
    workers: int | None = None,
    sheet: Path | None = None,
    progress: Progress = unheard,
) -> Synthesis:
    """Draw a set in the layout and the lists of the published one; the same options give the same bytes.

    Args:
        name: of a set, one of `PLANS`, or of one before another camera, one of `OTHER_CAMERAS`.
        out: a folder that is new, empty, or holds this very set, which is then completed.
        subjects: how many people; the set's own default for None.
        preset: easy, paper or hard.
        seed: of every random number.
        workers: processes; as many as processors for None.
        sheet: write a contact sheet here, as PNG.
        progress: called with (clips done, clips in all).

    Raises:
        UsageError: a set that is not drawn, options that it does not have, or a folder that holds something else.
    """
    started = time.monotonic()
    planned = plan_named(name, subjects=subjects, seed=seed, preset=preset)
    drawn = write_set(planned, out, workers=(os.cpu_count() or 1) if workers is None else workers, progress=progress)
    if sheet is not None:
        write_atomically(sheet, contact_sheet(planned))
    return Synthesis(
        samples=planned.samples,
        subjects=planned.subjects,
        clips=len(planned.clips),
        drawn=drawn,
        seconds=time.monotonic() - started,
    )


def plan_named(name: str, *, subjects: int | None, seed: int, preset: str) -> PlannedSet:
    """Plan the set of that name.

    Args:
        name: of `PLANS` or of `OTHER_CAMERAS`.
        subjects: how many people; the set's own default for None.
        seed: of every random number.
        preset: easy, paper or hard.

    Raises:
        UsageError: a set that is not drawn, or a number of subjects or a preset that it does not have.
    """
    plans = {**PLANS, **OTHER_CAMERAS}
    if name not in plans:
        raise UsageError(
            expected=f"a set that is drawn: {', '.join(plans)}", came=repr(name), remedy="name one of them"
        )
    wanted = {} if subjects is None else {"subjects": subjects}
    return plans[name](seed=seed, preset=preset, **wanted)
