"""Train the slim network that tells drawn people before the gate from their prints and replays, by colour alone.

No paper's recipe. MiniFASNet, which learnt on real faces, and `fewframe-slim`, which learnt on drawn face crops, do not
tell drawn clips of the gate apart. This one learns on what the gate sees: single looks at people, whole prints and
screens, on the way to the gate's actions and at rest, from small and large pictures, some of them enlarged as a
browser's film is, encoded as JPEG, cut round the face that the gate's own detector finds. Masks, injected films and
twins are not among them.

    countenance train gate-slim --data drawn --out RUN

The people are numbers 300 and on of the gate's; the threshold for one picture is chosen on looks at those by whom
`recipes.gate_drawn` chooses the thresholds of a whole clip. It is drawn data: it says nothing about a real camera.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.checkpoints import BEST, Checkpoint, read_checkpoint, write_checkpoint
from countenance.datasets.drawn_card import LABEL
from countenance.drawn_sets.gate import FILM_QUALITY, FILM_SIZE, draw_glimpses, plan_glimpses
from countenance.drawn_sets.portraits import People
from countenance.drawn_sets.writing import jpeg
from countenance.errors import CountenanceError, ProtocolMismatch, UsageError, at_least
from countenance.faces.detection import Detector, only_face
from countenance.faces.surroundings import cut_surroundings
from countenance.files import sha256_of, write_atomically
from countenance.images import read_image
from countenance.loading.cache import CachedPlanes
from countenance.metrics.operating_point import choose
from countenance.networks.slim_pad import SIDE
from countenance.presentation_scoring import LoadedPresentations, judge
from countenance.presentation_training import Choice, TrainedRun
from countenance.progress import Progress, Say, unheard
from countenance.recipes.slim_pad import SlimPadRecipe, fit_slim_pad
from countenance.released import detector
from countenance.scores import PresentationTable, presentation_table
from countenance.synthesis.spec import ClipSpec, DrawnSpecies
from countenance.threads import one_thread
from countenance.trained import trained_network
from countenance.vocabulary import Modality, Split

NAME = "gate-slim"
DATA = "drawn"
RULE = "eer"
FIRST = {Split.TRAIN: int(People.GATE) + 300, Split.DEVELOPMENT: int(People.GATE) + 100}
"""Number of the first person of each split."""
_LOOKS = (  # species, clips, looks in each: 12 at the person and 14 at attacks
    (DrawnSpecies.BONA_FIDE, 3, 4),
    (DrawnSpecies.PRINT_MATTE, 1, 3),
    (DrawnSpecies.PRINT_GLOSSY, 1, 3),
    (DrawnSpecies.REPLAY_PHONE, 1, 2),
    (DrawnSpecies.REPLAY_TABLET, 1, 2),
    (DrawnSpecies.REPLAY_LAPTOP, 1, 2),
    (DrawnSpecies.REPLAY_MONITOR, 1, 2),
)
_WIDTHS = (320, 320, 320, 480, 640)  # of a drawn square; a large one takes four times as long
_ENLARGED = 0.5  # share of clips that become a browser's film first
_QUALITY = (75, 96)  # of JPEG, from and below: the page sends .9
_STREAM = 77  # of the random numbers of how looks are encoded


_TRAINING = SlimPadRecipe(modalities=(Modality.RGB,), epochs=6, choice=Choice.LAST)


@dataclass(frozen=True, kw_only=True)
class GateSlimRecipe:
    """All that decides what comes out.

    Attributes:
        people: who teach, 1 to 400.
        development: people by whom the threshold is chosen, 1 to 90.
        context: how much longer than the face's box the cut's side is.
        world: seed of the drawn world.
        training: of the network; the last epoch is taken.

    Raises:
        UsageError: a number outside its range.
    """

    people: int = 160
    development: int = 30
    context: float = 1.5
    world: int = 0
    training: SlimPadRecipe = _TRAINING

    def __post_init__(self) -> None:
        at_least(1, people=self.people, development=self.development)
        at_least(0, world=self.world)
        if self.people > 400 or self.development > 90 or not 1 <= self.context <= 4:
            raise UsageError(
                expected="at most 400 people and 90 for development, and a context from 1 to 4",
                came=f"{self.people}, {self.development} and {self.context:g}",
                remedy="correct the number",
            )

    def persons(self, split: Split) -> range:
        """Return the numbers of the people of a split."""
        return range(FIRST[split], FIRST[split] + (self.people if split is Split.TRAIN else self.development))


@dataclass(frozen=True, eq=False)
class Looks:
    """Single looks at what is presented in one person's name.

    Attributes:
        pictures: as JPEG.
        boxes: (N, 4) of the face in each.
        species: of each.
    """

    pictures: tuple[bytes, ...]
    boxes: NDArray[np.float64]
    species: tuple[DrawnSpecies, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) 1 for bona fide."""
        return np.array([each is DrawnSpecies.BONA_FIDE for each in self.species], np.int64)

    def cut(self, context: float) -> NDArray[np.uint8]:
        """(N, side, side, 3) round the faces."""
        cuts = [
            cut_surroundings(read_image(picture), (x, y, width, height), context=context, side=SIDE)
            for picture, (x, y, width, height) in zip(self.pictures, self.boxes.tolist(), strict=True)
        ]
        return np.stack(cuts)


def train_gate_slim(
    recipe: GateSlimRecipe,
    *,
    data: str,
    out: str | os.PathLike[str],
    progress: Progress = unheard,
    say: Say = unheard,
) -> TrainedRun:
    """Draw people before the gate and train on them; goes on where a run of the same recipe was stopped.

    Args:
        recipe: what to do.
        data: "drawn": the recipe draws what it learns from, and takes no set.
        out: folder of the run; what is drawn is kept in it.
        progress: called with (steps done, steps in all).
        say: called with a line before each part.

    Raises:
        UsageError: another set; the folder holds a run of another recipe.
        DataError: what was kept is damaged, or the detector's weights cannot be had.
    """
    if data != DATA:
        raise UsageError(
            expected=f"--data {DATA}, as this recipe draws its own people", came=repr(data), remedy="name that"
        )
    finder = detector()
    train, _ = _loaded(recipe, Split.TRAIN, Path(out), finder, say)
    say(f"training for {recipe.training.epochs} epochs on {len(train.planes):,} looks")
    run = fit_slim_pad(recipe.training, train, None, out=out, label=LABEL, progress=progress)
    development, table = _loaded(recipe, Split.DEVELOPMENT, Path(out), finder, say)
    scores = judge(development.planes, trained_network(out))
    point = choose(replace(table, scores=scores), RULE, split=Split.DEVELOPMENT)
    chosen = read_checkpoint(out, BEST)
    stated = {"modalities": [str(Modality.RGB)], "value": point.value, "rule": RULE, "split": str(point.split)}
    told = {"people": recipe.people, "development": recipe.development, "world": recipe.world}
    card = {**chosen.card, "context": recipe.context, "drawn": told, "operating_points": [stated]}
    write_checkpoint(out, BEST, Checkpoint(chosen.tensors, card))
    return run


def draw_looks(person: int, *, world: int, find: Detector) -> Looks:
    """Draw looks at a person, and at prints and screens that show the same one; those without one face are left out."""
    generator = np.random.default_rng([world, person, _STREAM])
    pictures: list[bytes] = []
    boxes: list[tuple[float, float, float, float]] = []
    shown: list[DrawnSpecies] = []
    for species, clips, looks in _LOOKS:
        for number in range(1, clips + 1):
            width = _WIDTHS[generator.integers(len(_WIDTHS))]
            enlarged, quality = generator.random() < _ENLARGED, int(generator.integers(*_QUALITY))
            spec = plan_glimpses(person, species, seed=world, number=number, width=width, frames=looks)
            for picture in _sent(spec, enlarged=enlarged, quality=quality):
                try:
                    face = only_face(find.detect(read_image(picture)))
                except CountenanceError:
                    continue
                pictures.append(picture)
                boxes.append(face.box)
                shown.append(species)
    return Looks(tuple(pictures), np.array(boxes, np.float64).reshape(-1, 4), tuple(shown))


def _sent(spec: ClipSpec, *, enlarged: bool, quality: int) -> Iterator[bytes]:
    """The looks of a clip as a gate receives them."""
    for look in draw_glimpses(spec):
        film = look
        if enlarged:
            film = np.asarray(cv2.resize(look, FILM_SIZE, interpolation=cv2.INTER_LINEAR), np.uint8)
            film = read_image(jpeg(film, FILM_QUALITY))
        yield jpeg(film, quality)


def _loaded(
    recipe: GateSlimRecipe, split: Split, out: Path, find: Detector, say: Say
) -> tuple[LoadedPresentations, PresentationTable]:
    """The looks of a split, cut; and a table of them, whose scores are yet to come."""
    kept, persons = [], recipe.persons(split)
    for place, person in enumerate(persons):
        file = out / "looks" / f"{recipe.world}-{person}.npz"
        if not file.is_file():
            say(f"drawing {split} person {place + 1:,} of {len(persons):,}")
            with one_thread():
                write_atomically(file, _packed(draw_looks(person, world=recipe.world, find=find)))
        kept.append(_unpacked(file))
    labels = np.concatenate([looks.labels for looks in kept])
    planes = CachedPlanes({Modality.RGB: np.concatenate([looks.cut(recipe.context) for looks in kept])}, labels)
    names = [
        (f"{person}-{place}", str(person), str(species))
        for person, looks in zip(persons, kept, strict=True)
        for place, species in enumerate(looks.species)
    ]
    table = presentation_table(
        identifiers=[name for name, _, _ in names],
        is_bona_fide=labels == 1,
        scores=np.zeros(len(labels)),
        subjects=[subject for _, subject, _ in names],
        species=["" if species == DrawnSpecies.BONA_FIDE else species for _, _, species in names],
    )
    digest = sha256_of(b"".join(picture for looks in kept for picture in looks.pictures) + f"{recipe.context}".encode())
    return LoadedPresentations((), planes, digest), table


def _packed(looks: Looks) -> bytes:
    written = io.BytesIO()
    np.savez(
        written,
        pictures=np.frombuffer(b"".join(looks.pictures), np.uint8),
        ends=np.cumsum([len(picture) for picture in looks.pictures]),
        boxes=looks.boxes,
        species=np.array([str(each) for each in looks.species]),
    )
    return written.getvalue()


def _unpacked(file: Path) -> Looks:
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as kept:
            content, ends = kept["pictures"].tobytes(), [0, *kept["ends"].tolist()]
            pictures = tuple(content[start:end] for start, end in pairwise(ends))
            return Looks(pictures, kept["boxes"], tuple(DrawnSpecies(each) for each in kept["species"].tolist()))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ProtocolMismatch(
            expected=f"drawn looks in {file}", came=f"a damaged file ({error})", remedy="delete it"
        ) from error
