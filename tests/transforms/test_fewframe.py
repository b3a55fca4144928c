import numpy as np

from countenance.transforms.fewframe import FewFrameView, apply_view, draw_view
from countenance.transforms.rectangle import Rectangle
from countenance.vocabulary import Modality


def test_nothing_drawn_changes_nothing(copies):
    for plane in apply_view(copies, FewFrameView()).values():
        np.testing.assert_array_equal(plane, copies[Modality.RGB])


def test_every_frame_is_flipped_and_loses_the_same_box(copies):
    part = Rectangle(5, 6, 7, 8)
    seen = apply_view(copies, FewFrameView(flipped=True, erased=part))
    mirrored = copies[Modality.RGB][:, :, ::-1]
    for plane in seen.values():
        kept = np.ones(plane.shape[1:3], bool)
        kept[part.rows, part.columns] = False
        np.testing.assert_array_equal(plane[:, kept], mirrored[:, kept])
        assert (np.ptp(plane[:, part.rows, part.columns], axis=(1, 2)) == 0).all()


def test_draws_follow_the_generator():
    drawn = [draw_view(np.random.default_rng(seed), (64, 48)) for seed in range(400)]
    assert draw_view(np.random.default_rng(7), (64, 48)) == drawn[7]
    assert 0.42 < np.mean([view.flipped for view in drawn]) < 0.58
    assert 0.42 < np.mean([view.erased is None for view in drawn]) < 0.58
    assert all(view.erased.left + view.erased.width <= 48 for view in drawn if view.erased)
