from dataclasses import replace

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.synthesis.expression import ACTION_NAMES, PROTOTYPES, FacialActions, between, express
from countenance.vocabulary import Expression


def made(expression: Expression, intensity: float, seed: int = 3) -> np.ndarray:
    return np.array(express(expression, intensity, np.random.default_rng(seed)).numbers())


def test_sixteen_actions_and_a_prototype_for_every_expression() -> None:
    assert len(ACTION_NAMES) == 16
    assert set(PROTOTYPES) == set(Expression)
    assert PROTOTYPES[Expression.NEUTRAL] == FacialActions.neutral()
    assert len({prototype.numbers() for prototype in PROTOTYPES.values()}) == len(Expression)


@pytest.mark.parametrize("expression", Expression)
def test_an_expression_grows_with_its_intensity(expression: Expression) -> None:
    assert not made(expression, 0).any()  # limit: no intensity is a face at rest
    np.testing.assert_allclose(made(expression, 0.3), 0.3 * made(expression, 1), atol=1e-12)


@pytest.mark.parametrize("expression", Expression)
def test_individuality_is_twelve_percent_of_each_action(expression: Expression) -> None:
    generator = np.random.default_rng(0)
    drawn = np.array([express(expression, 1, generator).numbers() for _ in range(800)])
    prototype = np.array(PROTOTYPES[expression].numbers())
    if expression is Expression.CONTEMPT:  # on either side: the raised corner, whichever it is
        drawn[:, :2] = np.sort(drawn[:, :2])
    np.testing.assert_allclose(drawn.mean(0), prototype, atol=0.02 * np.abs(prototype).max())
    np.testing.assert_allclose(drawn.std(0), 0.12 * np.abs(prototype), rtol=0.12)


def test_the_draws_do_not_depend_on_what_is_expressed() -> None:
    after = []
    for expression in Expression:
        generator = np.random.default_rng(1)
        express(expression, 0.5, generator)
        after.append(generator.random())
    assert len(set(after)) == 1


def test_happy_lifts_the_corners_and_contempt_one_of_them() -> None:
    happy = express(Expression.HAPPY, 1, np.random.default_rng(0))
    assert min(happy.corner_up_left, happy.corner_up_right) > 6
    assert happy.cheek_raise > 0.5
    sides = set()
    for seed in range(20):
        actions = express(Expression.CONTEMPT, 1, np.random.default_rng(seed))
        left, right = actions.corner_up_left, actions.corner_up_right
        assert min(left, right) == 0
        assert max(left, right) > 4
        sides.add(left > right)
    assert sides == {True, False}


def test_between_two_faces() -> None:
    first = replace(PROTOTYPES[Expression.HAPPY], blink=1.0, gaze=(1.0, 0.0))
    second = PROTOTYPES[Expression.SURPRISE]
    assert between(first, second, 0.0) == first
    assert between(first, second, 1.0) == second
    half = between(first, second, 0.5)
    np.testing.assert_allclose(half.numbers(), (np.array(first.numbers()) + np.array(second.numbers())) / 2)
    assert (half.blink, half.gaze) == (0.5, (0.5, 0.0))


@pytest.mark.parametrize("intensity", [-0.1, 1.01, float("nan")])
def test_an_intensity_outside_is_refused(intensity: float) -> None:
    with pytest.raises(UsageError, match=rf"expected an intensity from 0 to 1; came {intensity}; scale it"):
        express(Expression.HAPPY, intensity, np.random.default_rng(0))
