"""Attack FaceLiveNet's challenge: a photograph, a replay, another person who smiles; with the challenge alone, and PAD.

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face Verification
with Interactive Facial Expression-based Liveness Detection, ICPR 2018, section III-B and Eq. 8. The paper measures its
challenge on people only; that a film of the right person smiles too is not asked. So there is no value of the paper's
to stand beside these. All is drawn (`drawn_sets.challenge`): it compares gates with each other, and says nothing about
a real camera.

A gate sees the last frame of a clip, in which the face has arrived at its expression: one pass of the network gives the
template, which is held against the neutral reference, and the expression. The threshold is that of the network's card.
Drawn faces are more alike than real ones, so that a threshold chosen on real people admits drawn strangers; beside it
stands one where the two errors are equal on drawn development people, whom nobody here is. The
PAD networks are the shipped ones at the thresholds of their cards: that of clips sees the colour clip, that of several
sensors the colour, depth and infrared picture of its last moment. The former was trained on these six species of drawn
prints and screens (of other people), the latter on cut prints alone. A sensor that shows nothing is refused, as
`check` does.

    countenance reproduce facelivenet-attacks --initial RUN --workers 2

In the folder lie, in the end: the drawn presentations, ``decisions-*.csv`` (a row an attempt), a score table for each
PAD network, which `evaluate` judges, and ``sheet-*.png`` of one person's presentations and what became of them.
"""

import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import chain
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from countenance.clips import ClipReader
from countenance.datasets.authentication_pairs import REQUIRED
from countenance.datasets.drawn_card import read_card
from countenance.datasets.samples import PresentationSample
from countenance.drawn_sets.challenge import (
    FRAMES,
    NAME,
    ChallengePlan,
    ChallengePresentation,
    Part,
    plan_challenge,
)
from countenance.drawn_sets.siw import SIZE
from countenance.drawn_sets.writing import Draw, write_set
from countenance.errors import MissingFile, ProtocolMismatch, UsageError
from countenance.faces.detection import Detector, central_face
from countenance.files import sha256_of, write_atomically
from countenance.images import read_image
from countenance.loading.aligned_sensors import read_aligned
from countenance.metrics.operating_point import OperatingPoint, choose
from countenance.mosaic import Strip, draw_strips
from countenance.networks.inception_resnet_v1 import SIDE, cut_box
from countenance.presentation_scoring import score_presentations
from countenance.progress import Progress, Say, unheard
from countenance.protocols.challenge_attacks import (
    ALONE,
    DISOBEDIENT,
    GENUINE,
    NEUTRAL_PRINT,
    STRANGER,
    WITH,
    ChallengeAttempts,
    JudgedByPad,
    challenge_rows,
    gates,
)
from countenance.protocols.table import TableRow
from countenance.released import detector
from countenance.scores import (
    ComparisonTable,
    FlagColumn,
    PresentationTable,
    comparison_table,
    read_table,
    text,
    write_rows,
    write_table,
)
from countenance.shipped import (
    FACELIVENET_SLIM,
    FEWFRAME_SLIM,
    MLFA_SLIM,
    digest_of,
    stated_clip_network,
    stated_face_live_network,
    stated_network,
    trunks_folder,
)
from countenance.synthesis.scene import draw_clip
from countenance.trained_facelivenet import StatedFaceLiveNet
from countenance.vocabulary import Expression, Modality, Presentation, Split
from countenance.window_scoring import score_clips

TABLE = "facelivenet-attacks"
PRESENTATIONS = "presentations"  # a folder beside the tables
CLIP_PAD, STILL_PAD = FEWFRAME_SLIM, MLFA_SLIM
_SENSORS = (Modality.RGB, Modality.DEPTH, Modality.INFRARED)
_BATCH = 16  # faces at once
_KINDS = {
    Part.GENUINE: GENUINE,
    Part.DISOBEDIENT: DISOBEDIENT,
    Part.NEUTRAL_PRINT: NEUTRAL_PRINT,
}


@dataclass(frozen=True, kw_only=True)
class AttackRecipe:
    """All that decides what is drawn.

    Attributes:
        subjects: people; each is attacked with their own pictures, and is the stranger of all others.
        development: other people, on whom the second threshold of verification is chosen.
        rule: by which it is, as `operating_point.choose` takes it.
        seed: of every random number; of no set that a shipped network was trained on.
        preset: easy, paper or hard.
        required: the expressions that the gate asks for.
        frames: of a clip, at 30 a second; a window of the PAD network of clips takes 13.
        size: side of its frames in pixels.
    """

    subjects: int = 30
    development: int = 40
    rule: str = "eer"
    seed: int = 707
    preset: str = "paper"
    required: tuple[Expression, ...] = REQUIRED
    frames: int = FRAMES
    size: int = SIZE


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the network says; NaN where no face was found.

    Attributes:
        references: (S, D) templates of length 1.
        templates: (N, D) of the presentations.
        probabilities: (N, E) of the network's expressions.
        development: (P, K, D) templates of the photographs of the development people.
    """

    references: NDArray[np.float32]
    templates: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    development: NDArray[np.float32]


def facelivenet_attacks(
    network: str | None = None,
    *,
    out: str | os.PathLike[str],
    recipe: AttackRecipe = AttackRecipe(),
    finder: Detector | None = None,
    draw: Draw = draw_clip,
    workers: int = 1,
    only_done: bool = False,
    say: Say = unheard,
) -> list[TableRow]:
    """Draw presentations, judge them, and count what passes; what is there already is not done again.

    Args:
        network: a FaceLiveNet that tells expressions, as `stated_face_live_network` takes it; None: the shipped one.
        out: the folder of the presentations and of all tables; several networks may share it.
        recipe: what is drawn.
        finder: of faces; YuNet where None.
        draw: makes a clip from its description; with several workers a function that can be pickled.
        workers: processes that draw.
        only_done: draw nothing more.
        say: called with a line before each part.

    Returns:
        The rows of `protocols.challenge_attacks.challenge_rows`.

    Raises:
        UsageError: a network that is unknown, states no threshold, or does not tell the required expressions; a folder
            with other presentations; nothing is drawn yet, with `only_done`.
        DataError: a damaged file.
    """
    found = stated_face_live_network(network or FACELIVENET_SLIM)
    stated = _threshold(found, recipe.required)
    planned = plan_challenge(**{name: value for name, value in asdict(recipe).items() if name != "rule"})
    root = Path(out) / PRESENTATIONS
    card = planned.set.card()
    if not only_done:
        say(f"drawing {len(planned.presentations):,} presentations of {recipe.subjects:,} people")
        write_set(planned.set, root, draw=draw, workers=workers, progress=_tenths(say, "files drawn"))
    elif not root.is_dir() or read_card(root, set_name=NAME) != card:
        raise UsageError(
            expected=f"these presentations in {root}", came="none, or others", remedy="leave --only-done out"
        )
    finder = detector("yunet") if finder is None else finder
    key = sha256_of(f"{card.as_text()}{type(finder).__name__}{metadata.version('countenance')}".encode())
    seen = _kept_faces(found, planned, root, finder, Path(out) / f"faces-{_short(found.digest + key)}.npz", say)
    attempts = _attempts(planned, seen, found.network.expressions)
    pads = {
        name: _kept_pad(name, planned, root, finder, Path(out) / f"{name}-{_short(_digest(name) + key)}.csv", say)
        for name in (CLIP_PAD, STILL_PAD)
    }
    points = {
        "card's threshold": stated,
        f"drawn threshold ({recipe.rule})": choose(_development(planned, seen), recipe.rule, split=Split.DEVELOPMENT),
    }
    mark = _short(found.digest + key)
    accepted = gates(attempts, points, pads)
    _write_decisions(Path(out) / f"decisions-{mark}.csv", planned, attempts, accepted)
    data = f"{card.told}, {recipe.subjects} people; {found.source}" + (f" ({found.label})" if found.label else "")
    sheet = _sheet(planned, root, seen, found.network.expressions, attempts, accepted)
    write_atomically(Path(out) / f"sheet-{mark}.png", sheet)
    return challenge_rows(attempts, points, pads, data=data)


def _threshold(found: StatedFaceLiveNet, required: Sequence[Expression]) -> OperatingPoint:
    """Return the network's threshold; refuse a network that cannot be asked."""
    unknown = [each for each in required if each not in found.network.expressions]
    if unknown:
        raise UsageError(
            expected=f"a network that tells {', '.join(required)}",
            came=f"{found.source}, which does not know {', '.join(unknown)}",
            remedy="train its second branch: countenance train facelivenet-expression --data fer2013:ROOT --out RUN",
        )
    if found.point is None:
        raise UsageError(
            expected="a network whose card states a threshold of verification",
            came=f"none in the card of {found.source}",
            remedy="name another network",
        )
    return found.point


def _short(words: str) -> str:
    return sha256_of(words.encode())[:12]


def _digest(pad: str) -> str:
    return digest_of(trunks_folder() / pad)


def _tenths(say: Say, what: str) -> Progress:
    told = [0]

    def heard(done: int, total: int) -> None:
        if total and 10 * done // total > told[0]:
            told[0] = 10 * done // total
            say(f"{done:,} of {total:,} {what}")

    return heard


def _kept_faces(  # what decides them, and where they are kept
    found: StatedFaceLiveNet, planned: ChallengePlan, root: Path, finder: Detector, file: Path, say: Say
) -> _Seen:
    if file.is_file():
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as kept:
                seen = _Seen(**{name: kept[name] for name in _Seen.__annotations__})
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ProtocolMismatch(
                expected=f"templates and expressions in {file}", came=f"a damaged file ({error})", remedy="delete it"
            ) from error
        if len(seen.templates) == len(planned.presentations) and len(seen.references) == len(planned.references):
            return seen
        raise ProtocolMismatch(
            expected=f"{len(planned.presentations)} templates in {file}",
            came=f"{len(seen.templates)}",
            remedy="delete it",
        )
    say(f"{found.source}: {len(planned.presentations):,} faces")
    photographs = [*planned.references.values(), *chain.from_iterable(planned.development.values())]
    enrolled, _ = _judged(found, [_face(read_image(root / path), finder) for path in photographs])
    references, others = np.split(enrolled, [len(planned.references)])
    faces = [_face(_last_frame(root / each.clip), finder) for each in planned.presentations]
    development = others.reshape(len(planned.development), -1, others.shape[1])
    seen = _Seen(references, *_judged(found, faces), development)
    written = io.BytesIO()
    np.savez(written, **vars(seen))
    write_atomically(file, written.getvalue())
    return seen


def _last_frame(path: Path) -> NDArray[np.uint8]:
    last: NDArray[np.uint8] = ClipReader(path).read(lambda seconds: np.array([len(seconds) - 1])).frames[0]
    return last


def _face(picture: NDArray[np.uint8], finder: Detector) -> NDArray[np.uint8] | None:
    """Cut the central face out; None where there is none."""
    faces = finder.detect(picture)
    return cut_box(picture, central_face(faces, picture.shape)) if faces else None


def _judged(
    found: StatedFaceLiveNet, faces: Sequence[NDArray[np.uint8] | None]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return templates (N, D) and probabilities (N, E), from one pass; rows of NaN for no face."""
    network = found.network.eval()
    templates, probabilities = [], []
    with torch.inference_mode():
        for first in range(0, len(faces), _BATCH):
            part = faces[first : first + _BATCH]
            there = torch.tensor([face is not None for face in part])[:, None]
            blank = np.zeros((SIDE, SIDE, 3), np.uint8)
            stacked = np.stack([blank if face is None else face for face in part])
            answer = network(torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255)
            templates.append(torch.where(there, answer.features, torch.nan).numpy())
            probabilities.append(torch.where(there, answer.logits.softmax(1), torch.nan).numpy())
    return np.concatenate(templates), np.concatenate(probabilities)


def _kept_pad(  # what decides the scores, and where they are kept
    name: str, planned: ChallengePlan, root: Path, finder: Detector, file: Path, say: Say
) -> JudgedByPad:
    samples = [each.sample(root, as_clip=name == CLIP_PAD) for each in planned.presentations]
    point = stated_clip_network(name).point if name == CLIP_PAD else stated_network(name).point_for(_SENSORS)
    if not file.is_file():
        say(f"{name}: {len(samples):,} presentations")
        write_table(_clips_judged(name, samples, finder) if name == CLIP_PAD else _stills_judged(name, samples), file)
    table = read_table(file)
    if not isinstance(table, PresentationTable) or table.identifiers.tolist() != [each.identifier for each in samples]:
        raise ProtocolMismatch(
            expected=f"a row for each of {len(samples)} presentations in {file}", came="others", remedy="delete it"
        )
    return JudgedByPad(table=table, point=point)


def _clips_judged(name: str, samples: Sequence[PresentationSample], finder: Detector) -> PresentationTable:
    return score_clips(samples, {name: stated_clip_network(name).module}, detector=finder).table


def _stills_judged(name: str, samples: Sequence[PresentationSample]) -> PresentationTable:
    """Score what every sensor shows something of; the others get no response."""
    whole = [not read_aligned(sample.paths).empty for sample in samples]
    scores = np.full(len(samples), np.nan)
    if any(whole):
        answered = [sample for sample, is_whole in zip(samples, whole, strict=True) if is_whole]
        scores[whole] = score_presentations(answered, stated_network(name).module).table.scores
    return PresentationTable(
        identifiers=text([sample.identifier for sample in samples]),
        is_positive=np.array([sample.presentation is Presentation.BONA_FIDE for sample in samples], np.bool_),
        scores=scores,
        responded=~np.isnan(scores),
        subjects=text([sample.subject for sample in samples]),
        species=text([sample.species for sample in samples]),
        splits=text([str(sample.split or "") for sample in samples]),
    )


def _development(planned: ChallengePlan, seen: _Seen) -> ComparisonTable:
    """Hold the photographs with an expression against the neutral ones, of all development people."""
    people = np.array(list(planned.development))
    count, pictures = seen.development.shape[:2]
    scores = np.einsum("rd,pkd->rpk", seen.development[:, 0], seen.development[:, 1:]).astype(np.float64)
    reference, probe, number = (place.ravel() for place in np.indices((count, count, pictures - 1)))
    shown = ~np.isnan(scores.ravel())
    names = [f"{people[one]}-{people[two]}-{k}" for one, two, k in zip(reference, probe, number, strict=True)]
    return comparison_table(
        identifiers=text(names)[shown].tolist(),
        references=people[reference][shown].tolist(),
        probes=people[probe][shown].tolist(),
        is_mated=(reference == probe)[shown],
        scores=scores.ravel()[shown],
    )


def _attempts(planned: ChallengePlan, seen: _Seen, expressions: Sequence[Expression]) -> ChallengeAttempts:
    """Hold each presentation against its own reference, and each obedient person against all others'.

    Who could not enrol, because no face was found in the reference, is not attacked.

    Raises:
        MissingFile: nobody could enrol.
    """
    people = {subject: place for place, subject in enumerate(planned.references)}
    enrolled = np.isfinite(seen.references[:, 0])
    if not enrolled.any():
        raise MissingFile(expected="a reference with a face", came="none", remedy="draw with another preset or seed")
    owners = [people[each.subject] for each in planned.presentations]
    strangers = [
        (row, person)
        for row, each in enumerate(planned.presentations)
        if each.part is Part.GENUINE
        for person in people.values()
        if person != owners[row]
    ]
    rows = np.array([*range(len(owners)), *(row for row, _ in strangers)], np.intp)
    claimed = np.array([*owners, *(person for _, person in strangers)], np.intp)
    kinds = [_kind(each) for each in planned.presentations] + [STRANGER] * len(strangers)
    named = np.array([str(expression) for expression in expressions])
    asked = np.array([str(each.required) for each in planned.presentations])
    answered = ~np.isnan(seen.probabilities).any(axis=1)
    best = named[np.nan_to_num(seen.probabilities).argmax(axis=1)]
    obeyed: FlagColumn = np.asarray(answered & (best == asked), np.bool_)
    kept = enrolled[claimed]
    similarities = (seen.templates[rows] * seen.references[claimed]).sum(axis=1, dtype=np.float64)
    return ChallengeAttempts(
        kinds=text(kinds)[kept],
        references=text(list(people))[claimed][kept],
        presentations=rows[kept],
        similarities=similarities[kept],
        obeyed=obeyed[rows][kept],
    )


def _kind(presentation: ChallengePresentation) -> str:
    return _KINDS.get(presentation.part, str(presentation.species))


def _write_decisions(
    file: Path, planned: ChallengePlan, attempts: ChallengeAttempts, accepted: dict[str, NDArray[np.bool_]]
) -> None:
    shown = [planned.presentations[row] for row in attempts.presentations.tolist()]
    columns = {
        "id": [each.identifier for each in shown],
        "reference": attempts.references.tolist(),
        "kind": attempts.kinds.tolist(),
        "required": [str(each.required) for each in shown],
        "shown": [str(each.shown) for each in shown],
        "similarity": ["" if np.isnan(value) else repr(value) for value in attempts.similarities.tolist()],
    } | {gate: [str(int(flag)) for flag in flags.tolist()] for gate, flags in accepted.items()}
    write_rows(file, list(columns), list(columns.values()))


def _sheet(  # all that it shows
    planned: ChallengePlan,
    root: Path,
    seen: _Seen,
    expressions: Sequence[Expression],
    attempts: ChallengeAttempts,
    accepted: dict[str, NDArray[np.bool_]],
) -> bytes:
    """Lay out the presentations of the first person who enrolled, each from top to bottom, with what became of it."""
    person = str(attempts.references[0])
    places = [
        place
        for place, kind in enumerate(attempts.kinds.tolist())
        if kind != STRANGER and attempts.references[place] == person
    ]
    shown = [planned.presentations[attempts.presentations[place]] for place in places]
    clips = [ClipReader(root / each.clip).read(lambda seconds: np.array([0, len(seconds) - 1])) for each in shown]
    label = planned.set.card().told
    strips: list[Strip] = [
        [
            f"*** {label} *** presentations against the reference on the left: first and last frame of a clip; then "
            "colour, depth and infrared of its last moment"
        ],
        ["reference", *(str(each.species) for each in shown)],
        ["", *(f"asked: {each.required}" for each in shown)],
        ["", *(f"shown: {each.shown}" for each in shown)],
        [read_image(root / planned.references[person]), *(clip.frames[0] for clip in clips)],
        [None, *(clip.frames[-1] for clip in clips)],
        *([None, *(read_image(root / each.stills[sensor]) for each in shown)] for sensor in _SENSORS),
        ["expression seen", *(_word(seen.probabilities[row], expressions) for row in attempts.presentations[places])],
        ["similarity", *(f"{attempts.similarities[place]:.2f}" for place in places)],
    ]
    for gate, flags in accepted.items():
        if gate.startswith((ALONE, WITH)):
            strips += [[gate], [None, *("ACCEPTED" if flags[place] else "refused" for place in places)]]
    return draw_strips(strips)


def _word(probabilities: NDArray[np.float32], expressions: Sequence[Expression]) -> str:
    if np.isnan(probabilities).any():
        return "no face"
    best = int(probabilities.argmax())
    return f"{expressions[best]} {probabilities[best]:.2f}"
