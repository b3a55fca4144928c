"""A drawn SiW: clips of live faces, of two printed papers and of four displays, with a box for each frame.

Each person has eight live clips (two sensors, two media, two sessions), one print on each paper and one replay on each
display, named as the set names them. A clip is calm for its first 60 frames, which protocol 1 trains on; then it moves.
The drawn sensors, media and sessions are of one kind, so they tell the live clips of a person apart and nothing more.
With another camera the same people do the same before it: a set of a camera that no network was trained on. The
published set is 1080p and 15 s long; its networks see face crops, and these are drawn at once.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from countenance.datasets.samples import PresentationSample, count_presentations
from countenance.datasets.siw import NAME, PRINTS, REPLAYS, TEST_SUBJECTS
from countenance.drawn_sets.writing import FRAMES_PER_SECOND, VIDEO_CODEC, PlannedClip, PlannedSet, video
from countenance.errors import UsageError
from countenance.synthesis.scene import DrawnClip
from countenance.synthesis.spec import ClipSpec, DrawnCamera, DrawnSpecies, Motion
from countenance.vocabulary import Modality, Presentation, Split

SCALES: Mapping[int, tuple[int, int]] = {15: (9, 6), 50: (30, 20), 165: (90, 75)}
"""Subjects in all: in Train (a third of whom the protocols keep for the threshold: 6/3, 20/10, 60/30) and in Test."""
DEFAULT_SUBJECTS = 15
FRAMES, SIZE, CROP_MM = 90, 256, 165.0
CALM_SECONDS = 2.0
SPECIES: Mapping[str, DrawnSpecies] = dict(
    zip(
        (*PRINTS, *REPLAYS),
        (
            DrawnSpecies.PRINT_MATTE,
            DrawnSpecies.PRINT_GLOSSY,
            DrawnSpecies.REPLAY_PHONE,
            DrawnSpecies.REPLAY_TABLET,
            DrawnSpecies.REPLAY_LAPTOP,
            DrawnSpecies.REPLAY_MONITOR,
        ),
        strict=True,
    )
)


def plan(
    *,
    subjects: int = DEFAULT_SUBJECTS,
    seed: int = 0,
    preset: str = "paper",
    frames: int = FRAMES,
    size: int = SIZE,
    camera: DrawnCamera = DrawnCamera.VARIED,
) -> PlannedSet:
    """Plan a set of `subjects` people.

    Args:
        subjects: 15, 50 or 165, as `SCALES` shares them out.
        seed: of every random number.
        preset: easy, paper or hard.
        frames: of each clip, at 30 a second.
        size: side of a frame in pixels, even.
        camera: of all clips; the card names it where it is not the usual one.

    Raises:
        UsageError: another number of subjects, or an unknown preset.
    """
    if subjects not in SCALES:
        raise UsageError(
            expected=f"{', '.join(map(str, SCALES))} subjects, for which SiW's split is known",
            came=str(subjects),
            remedy="ask for one of these with --subjects",
        )
    clips, samples = [], []
    for subject, split in _people(subjects):
        for place, (name, part, species) in enumerate(_recordings(subject)):
            drawn = SPECIES[species] if species else DrawnSpecies.BONA_FIDE
            spec = ClipSpec(
                root=seed,
                subject=int(subject),
                species=drawn,
                clip=place,
                frames=frames,
                seconds_between_frames=1 / FRAMES_PER_SECOND,
                size=size,
                crop_mm=CROP_MM,
                motion=Motion.LIVELY,
                calm_seconds=CALM_SECONDS,
                background=True,
                modalities=(Modality.RGB,),
                preset=preset,
                camera=camera,
            )
            stem = f"{'Train' if split is Split.TRAIN else 'Test'}/{part}/{subject}/{name}"
            clips.append(
                PlannedClip(
                    spec=spec,
                    files=(f"{stem}.mov", f"{stem}.face"),
                    encode=encode_clip,
                    subject=subject,
                    species=species,
                    group=str(drawn),
                )
            )
            samples.append(
                PresentationSample(
                    identifier=name,
                    subject=subject,
                    presentation=Presentation.ATTACK if species else Presentation.BONA_FIDE,
                    species=species,
                    split=split,
                    paths={Modality.RGB: Path(f"{stem}.mov")},
                )
            )
    facts: dict[str, str | int] = {"codec": VIDEO_CODEC, "frames": frames, "size": size}
    if camera is not DrawnCamera.VARIED:
        facts["camera"] = str(camera)
    return PlannedSet(
        name=NAME,
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists={},
        counts=count_presentations(samples),
        samples=len(samples),
        subjects=subjects,
        facts=facts,
    )


def encode_clip(clip: DrawnClip) -> list[bytes]:
    """Encode the frames as a video, and their boxes, cut at the picture's border, as a ``.face`` file."""
    height, width = clip.rgb.shape[1:3]
    rows = np.rint(np.clip(clip.truth.boxes, 0, (width, height, width, height))).astype(int).tolist()
    return [video(clip.rgb), "".join(f"{' '.join(map(str, row))}\n" for row in rows).encode()]


def _people(subjects: int) -> Iterator[tuple[str, Split]]:
    """The first of the published Train subjects and the first of the published Test subjects."""
    train, test = SCALES[subjects]
    everyone = [f"{number:03d}" for number in range(1, 166)]
    trained = [name for name in everyone if name not in TEST_SUBJECTS][:train]
    tested = [name for name in everyone if name in TEST_SUBJECTS][:test]
    yield from ((name, Split.TRAIN) for name in trained)
    yield from ((name, Split.TEST) for name in tested)


def _recordings(subject: str) -> Iterator[tuple[str, str, str]]:
    """Yield (name, folder, species) of each clip of a person."""
    for sensor in (1, 2):
        for medium in (1, 2):
            for session in (1, 2):
                yield f"{subject}-{sensor}-1-{medium}-{session}", "live", ""
    for kind, species in ((2, PRINTS), (3, REPLAYS)):
        for medium, name in enumerate(species, start=1):
            yield f"{subject}-1-{kind}-{medium}-1", "spoof", name
