from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.expression import PROTOTYPES, FacialActions
from countenance.synthesis.head import LANDMARK_NAMES, HeadBase, face_maps, features, landmarks, prepare
from countenance.synthesis.identity import Beard, HairStyle, draw_identity
from countenance.synthesis.texture import (
    ALPHA,
    AO,
    BACKGROUND_Z,
    COLOUR,
    FACE,
    GLOSS,
    HAIR,
    NX,
    NY,
    X_EXTENT,
    Y_EXTENT,
    Map,
    Z,
    window,
)  # fmt: skip
from countenance.vocabulary import Expression

REST = FacialActions.neutral()


@pytest.fixture(scope="module")
def heads() -> list[HeadBase]:
    return [prepare(draw_identity(number, root=11)) for number in range(16)]


@pytest.fixture(scope="module")
def unveiled(heads: list[HeadBase]) -> list[HeadBase]:
    """Those without glasses."""
    return [head for head in heads if head.identity.glasses is None]


def texel(x: float, y: float) -> tuple[int, int]:
    row = round((y - Y_EXTENT[0]) / (Y_EXTENT[1] - Y_EXTENT[0]) * 215)
    return row, round((x - X_EXTENT[0]) / (X_EXTENT[1] - X_EXTENT[0]) * 179)


def points(head: HeadBase, actions: FacialActions) -> dict[str, Map]:
    return dict(zip(LANDMARK_NAMES, landmarks(head, actions), strict=True))


def in_eye(head: HeadBase, maps: Map, side: int = 1) -> Map:
    eyes = head.identity.eyes
    x = side * eyes.x
    return window(x - eyes.half_width, x + eyes.half_width, eyes.y - 7, eyes.y + 9).of(maps)


@pytest.mark.parametrize("expression", Expression)
def test_the_maps_are_sound(heads: list[HeadBase], expression: Expression) -> None:
    for head in heads[::3]:
        maps = face_maps(head, replace(PROTOTYPES[expression], blink=0.4, gaze=(0.7, -0.5)))
        assert maps.shape == (12, 216, 180)
        assert maps.dtype == np.float32
        assert np.isfinite(maps).all()
        assert set(np.unique(maps[ALPHA])) == {0.0, 1.0}
        assert (maps[Z][maps[ALPHA] == 0] == BACKGROUND_Z).all()
        assert (maps[Z][maps[ALPHA] == 1] > -50).all()
        assert maps[Z].max() < 125
        assert not maps[ALPHA, 0].any()  # air over the crown
        assert ((maps[COLOUR] > 0) & (maps[COLOUR] < 1)).all()
        for channel in (GLOSS, FACE, HAIR):
            assert 0 <= maps[channel].min() <= maps[channel].max() <= 1
        assert 0.45 <= maps[AO].min() <= maps[AO].max() <= 1.12 + 1e-6
        assert (maps[NX] ** 2 + maps[NY] ** 2 < 1).all()
        assert not maps[FACE][maps[ALPHA] == 0].any()


def test_the_same_face_is_the_same_bytes_whatever_was_drawn_before(heads: list[HeadBase]) -> None:
    happy = PROTOTYPES[Expression.HAPPY]
    first = face_maps(heads[3], happy)
    for head in heads[:5]:
        face_maps(head, PROTOTYPES[Expression.SURPRISE])
    np.testing.assert_array_equal(face_maps(heads[3], happy), first)
    np.testing.assert_array_equal(face_maps(draw_identity(3, root=11), happy), first)  # the simple form


def test_normals_are_those_of_the_relief(heads: list[HeadBase]) -> None:
    maps = face_maps(heads[0], REST)
    cheek = window(-45, -25, -10, 5)
    z = cheek.of(maps)[Z]
    slope = np.polyfit(np.broadcast_to(cheek.x, z.shape).ravel(), z.ravel(), 1)[0]
    facing = np.sqrt(1 - cheek.of(maps)[NX] ** 2 - cheek.of(maps)[NY] ** 2)
    assert -np.median(cheek.of(maps)[NX] / facing) == pytest.approx(slope, abs=0.15)
    assert cheek.of(maps)[NX].mean() < -0.1  # the left cheek looks to the left


def test_a_blink_closes_the_lids(unveiled: list[HeadBase]) -> None:
    for head in unveiled:
        dark = []
        for blink in (0.0, 0.5, 1.0):
            eye = in_eye(head, face_maps(head, replace(REST, blink=blink)))
            dark.append(int((eye[GLOSS] > 0.6).sum()))  # the wet cornea between the lids
        assert dark[0] > 20
        assert dark[0] > dark[1] > dark[2]
        assert dark[2] <= 0.1 * dark[0]


def test_dark_pixels_of_iris_and_pupil_go_with_a_blink(unveiled: list[HeadBase]) -> None:
    for head in unveiled:
        iris = head.identity.eyes.iris_radius
        x, y = head.identity.eyes.x, head.identity.eyes.y
        middle = window(x - iris, x + iris, y - 0.3 * iris, y + 0.8 * iris)  # above the lashes of closed lids
        opened, closed = (
            middle.of(face_maps(head, replace(REST, blink=blink)))[1] for blink in (0.0, 1.0)
        )  # red: dark in every iris, bright in every skin
        limit = 0.5 * (np.median(opened) + np.median(closed))
        assert np.median(opened) < 0.8 * np.median(closed)
        assert (closed < limit).sum() < 0.35 * (opened < limit).sum()


def test_the_gaze_moves_the_pupil(unveiled: list[HeadBase]) -> None:
    def pupil(head: HeadBase, gaze: tuple[float, float]) -> float:
        eye = in_eye(head, face_maps(head, replace(REST, gaze=gaze)))
        dark = np.where(eye[GLOSS] > 0.85, np.clip(0.1 - eye[1], 0, None), 0).sum(0)
        return float((dark * np.arange(dark.size)).sum() / dark.sum())

    for head in unveiled:
        assert pupil(head, (-1, 0)) + 3 < pupil(head, (1, 0))  # 8 mm are 6.4 texels, less what the corner hides


def test_happy_raises_the_corners_of_the_mouth(heads: list[HeadBase]) -> None:
    for head in heads:
        rest, happy = points(head, REST), points(head, PROTOTYPES[Expression.HAPPY])
        for name, outwards in (("mouth_left", -1), ("mouth_right", 1)):
            x, y, _ = happy[name] - rest[name]
            assert y > 7
            assert outwards * x > 4
        assert happy["lip_upper_inner"][1] - happy["lip_lower_inner"][1] > 4  # the teeth show
        assert abs(happy["nose_tip"][1] - rest["nose_tip"][1]) < 1e-6


def test_surprise_opens_mouth_and_eyes_and_raises_the_brows(heads: list[HeadBase]) -> None:
    for head in heads:
        rest, surprise = points(head, REST), points(head, PROTOTYPES[Expression.SURPRISE])
        assert surprise["lip_upper_inner"][1] - surprise["lip_lower_inner"][1] > 15
        assert surprise["chin"][1] < rest["chin"][1] - 20
        assert surprise["lid_left_upper"][1] > rest["lid_left_upper"][1] + 1
        assert surprise["brow_right_inner"][1] > rest["brow_right_inner"][1] + 6
        row, column = texel(0, 0.5 * float(surprise["lip_upper_inner"][1] + surprise["lip_lower_inner"][1]) - 2)
        opened, closed = (face_maps(head, actions) for actions in (PROTOTYPES[Expression.SURPRISE], REST))
        assert opened[Z, row, column] < closed[Z, row, column] - 3  # one looks into the mouth
        assert opened[FACE].sum() > closed[FACE].sum() + 200  # the face is longer


def test_anger_lowers_the_brows_and_sadness_lifts_their_inner_ends(heads: list[HeadBase]) -> None:
    rest, anger = points(heads[0], REST), points(heads[0], PROTOTYPES[Expression.ANGRY])
    sad = points(heads[0], PROTOTYPES[Expression.SAD])
    assert anger["brow_left_inner"][1] < rest["brow_left_inner"][1] - 5
    assert sad["brow_left_inner"][1] > rest["brow_left_inner"][1] + 5
    assert sad["mouth_left"][1] < rest["mouth_left"][1] - 5


def test_landmarks_lie_on_the_head(heads: list[HeadBase]) -> None:
    for head in heads:
        maps = face_maps(head, REST)
        found = landmarks(head, REST, maps=maps)
        assert found.dtype == np.float32
        assert found.shape == (len(LANDMARK_NAMES), 3)
        for name, (x, y, z) in zip(LANDMARK_NAMES, found.tolist(), strict=True):
            row, column = texel(x, y)
            assert maps[ALPHA, row, column] == 1, name
            near = maps[Z, row - 1 : row + 2, column - 1 : column + 2]
            assert near.min() - 0.1 <= z <= near.max() + 0.1, name
        tip = found[LANDMARK_NAMES.index("nose_tip")]
        assert tip[2] > found[LANDMARK_NAMES.index("mouth_left")][2] + 15


def test_what_a_forger_cuts_out_holds_the_landmarks(heads: list[HeadBase]) -> None:
    for head in heads:
        for expression in (Expression.NEUTRAL, Expression.HAPPY, Expression.SURPRISE):
            actions = PROTOTYPES[expression]
            cut, found = features(head.identity, actions), points(head, actions)
            for centre, side in zip(cut.eyes, ("left", "right"), strict=True):
                np.testing.assert_allclose(found[f"eye_{side}"][:2], centre, atol=1e-4)
                assert abs(found[f"lid_{side}_upper"][1] - centre[1]) <= cut.eye_half[1] + 1e-4
                assert abs(abs(found[f"eye_{side}_outer"][0] - centre[0]) - cut.eye_half[0]) < 1e-4
            assert cut.nose_bottom < cut.nose_tip[1] < cut.nose_top
            assert found["ala_right"][0] == pytest.approx(cut.ala_half)
            assert cut.mouth[1] + cut.mouth_half[1] == pytest.approx(float(found["lip_upper_top"][1]), abs=1e-3)
            assert cut.mouth[1] - cut.mouth_half[1] == pytest.approx(float(found["lip_lower_bottom"][1]), abs=1e-3)


def test_skin_is_brighter_in_the_infrared(heads: list[HeadBase]) -> None:
    for head in heads:
        maps = face_maps(head, REST)
        bare = (maps[FACE] > 0.9) & (maps[HAIR] < 0.05)
        red, green, blue, near = (float(np.median(plane[bare])) for plane in maps[COLOUR])
        assert near > max(red, green, blue)
        assert near > 0.35


def test_lips_and_freckles_vanish_in_the_infrared() -> None:
    person = draw_identity(2, root=11)
    pigment = replace(person.pigment, melanin=0.03, lipstick=None, lip_blood=0.05, freckles=1.0)
    plain = replace(pigment, freckles=0.0)
    with_freckles, without = (
        face_maps(replace(person, pigment=each, beard=Beard.NONE, woman=True), REST) for each in (pigment, plain)
    )
    lip_y = person.mouth.y - 0.5 * person.mouth.lower_lip
    lip, chin = (window(-6, 6, y - 1.5, y + 1.5).of(without)[COLOUR].mean((1, 2)) for y in (lip_y, lip_y - 18))
    assert lip[1] / chin[1] < 0.75
    assert lip[3] / chin[3] > 0.85
    cheeks = window(-40, 40, -10, 15)
    ratio = cheeks.of(with_freckles)[COLOUR] / cheeks.of(without)[COLOUR]
    assert ratio[1].min() < 0.75
    assert 1 - ratio[3].min() < 0.35 * (1 - ratio[1].min())


def test_people_differ_more_than_their_expressions(heads: list[HeadBase]) -> None:
    """In the relief of the middle of the face; and no two of two seeds are alike."""
    middle = window(-40, 40, -10, 50)
    people = [draw_identity(number, root=root) for root in (11, 12) for number in range(6)]
    reliefs = [middle.of(face_maps(person, REST))[Z] for person in people]
    across = [float(np.abs(a - b).mean()) for i, a in enumerate(reliefs) for b in reliefs[:i]]
    smiles = [middle.of(face_maps(head, PROTOTYPES[Expression.HAPPY]))[Z] for head in heads[:6]]
    within = [float(np.abs(a - b).mean()) for a, b in zip(reliefs[:6], smiles, strict=True)]
    assert min(across) > 0.4
    assert np.median(across) > 2 * np.median(within)


@pytest.mark.parametrize("style", HairStyle)
def test_hair_is_where_it_is_worn(style: HairStyle) -> None:
    person = draw_identity(5, root=11)
    hair = replace(person.hair, style=style, volume=8.0)
    maps = face_maps(replace(person, age=0.2, woman=True, hair=hair, beard=Beard.NONE), REST)
    crown, cheek = window(-20, 20, 100, 110).of(maps)[HAIR], window(-25, 25, -30, 10).of(maps)[HAIR]
    beside = window(74, 84, -40, -20).of(maps)
    assert not cheek.any()
    assert (crown.mean() > 0.9) == (style is not HairStyle.BALD)
    assert (beside[HAIR].mean() > 0.5) == (style in {HairStyle.LONG, HairStyle.FRINGE})
    forehead = window(-15, 15, hair.line_y - 12, hair.line_y - 8).of(maps)[HAIR].mean()
    assert (forehead > 0.5) == (style is HairStyle.FRINGE)


@pytest.mark.parametrize("beard", Beard)
def test_a_beard_grows_where_it_should_and_goes_down_with_the_jaw(beard: Beard) -> None:
    person = replace(draw_identity(5, root=11), woman=False, beard=beard)
    maps, open_mouth = (face_maps(person, replace(REST, jaw_drop=jaw)) for jaw in (0.0, 20.0))
    chin_y, mouth = person.outline.chin_y, person.mouth

    def hairy(drawn: Map, x: float, y: float) -> bool:
        return bool(window(x - 3, x + 3, y - 3, y + 3).of(drawn)[HAIR].mean() > 0.1)

    lip = 0.5 * (mouth.y + mouth.upper_lip + person.nose.tip_y - 11)
    found = hairy(maps, 9, lip), hairy(maps, 0, chin_y + 8), hairy(maps, 46, mouth.y - 8)
    wanted = {
        Beard.NONE: (False, False, False),
        Beard.STUBBLE: (True, True, True),
        Beard.MOUSTACHE: (True, False, False),
        Beard.GOATEE: (True, True, False),
        Beard.FULL: (True, True, True),
    }
    assert found == wanted[beard]
    assert hairy(open_mouth, 0, chin_y - 14) == wanted[beard][1]


def test_glasses_stand_before_the_eyes() -> None:
    person = next(p for p in (draw_identity(n, root=11) for n in range(60)) if p.glasses is not None)
    with_them, without = face_maps(person, REST), face_maps(replace(person, glasses=None), REST)
    stands_out = with_them[Z] - without[Z]
    frame = stands_out > 1
    assert 150 < frame.sum() < 1200
    assert np.abs(window(bottom=person.eyes.y - 30, top=person.eyes.y + 26).of(frame)).sum() == frame.sum()
    assert frame[texel(0, person.eyes.y + 3)[0] - 3 : texel(0, person.eyes.y + 3)[0] + 4, 85:95].any()  # the bridge
    row, column = texel(person.eyes.x, person.eyes.y)
    assert stands_out[row, column] == 0  # one sees through the lens


def test_age_folds_the_skin() -> None:
    person = replace(draw_identity(5, root=11), beard=Beard.NONE)
    rough = []
    for age in (0.0, 1.0):
        maps = face_maps(replace(person, age=age), REST)
        fold = window(16, 40, -36, -10).of(maps)[COLOUR][1]
        rough.append(float(np.abs(np.diff(fold, axis=1)).mean()))
    assert rough[1] > 1.15 * rough[0]
