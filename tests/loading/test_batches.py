import threading

import numpy as np
import pytest

from countenance.errors import UnreadableImage, UsageError
from countenance.loading.batches import Loader
from countenance.loading.cache import CachedPlanes
from countenance.loading.pictures import FilePlanes
from countenance.processes.group import ALONE, Share
from countenance.transforms.fewframe import apply_view, draw_view
from countenance.vocabulary import Modality

RGB, DEPTH = Modality.RGB, Modality.DEPTH


def source(count=23, shape=(6, 8)):
    """Sample k is k everywhere in RGB and 100 + k in depth; its label is 2 k."""
    numbers = np.arange(count, dtype=np.uint8)
    rgb = np.broadcast_to(numbers.reshape(-1, 1, 1, 1), (count, *shape, 3))
    return CachedPlanes({RGB: rgb.copy(), DEPTH: rgb[..., :1] + 100}, 2 * np.arange(count))


def noise(count=23):
    planes = np.random.default_rng(0).integers(0, 256, (count, 12, 16, 3), np.uint8)
    return CachedPlanes({RGB: planes, DEPTH: planes[..., :1].copy()}, np.arange(count))


def erased(generator, planes):
    return apply_view(planes, draw_view(generator, (12, 16)))


def content(batches):
    return [(batch.numbers.tolist(), {s: p.tobytes() for s, p in batch.planes.items()}) for batch in batches]


@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize("count", [20, 23, 4])
def test_every_sample_comes_once_with_its_label(shuffled, count):
    loader = Loader(source=source(count), batch=4, seed=3, shuffled=shuffled)
    for epoch in range(3):
        batches = list(loader.epoch(epoch))
        assert len(batches) == len(loader) == -(-count // 4)
        assert [len(batch) for batch in batches[:-1]] == [4] * (len(batches) - 1)
        numbers = np.concatenate([batch.numbers for batch in batches])
        assert sorted(numbers.tolist()) == list(range(count))
        assert (numbers.tolist() == list(range(count))) == (not shuffled)
        for batch in batches:
            assert batch.labels.tolist() == (2 * batch.numbers).tolist()
            for row, number in enumerate(batch.numbers):
                assert (batch.planes[RGB][row] == number).all()
                assert (batch.planes[DEPTH][row] == number + 100).all()
            assert all(plane.flags.c_contiguous and plane.dtype == np.uint8 for plane in batch.planes.values())


def test_orders_repeat_by_seed_and_differ_by_epoch():
    loader, again, other = (Loader(source=source(), batch=4, seed=seed) for seed in (3, 3, 4))
    assert loader.order(5).tolist() == again.order(5).tolist()
    assert loader.order(5).tolist() != loader.order(6).tolist()
    assert loader.order(5).tolist() != other.order(5).tolist()


@pytest.mark.parametrize("augment", [None, erased])
def test_batches_do_not_depend_on_prefetching(augment):
    plain = content(Loader(source=noise(), batch=4, seed=1, augment=augment, ahead=0).epoch(2))
    for ahead, threads in ((1, 1), (2, 1), (3, 4), (50, 2)):
        loader = Loader(source=noise(), batch=4, seed=1, augment=augment, ahead=ahead, threads=threads)
        assert content(loader.epoch(2)) == plain
    assert content(loader.epoch(3)) != plain


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("first", [0, 1, 4, 6])
def test_an_epoch_is_resumed_at_a_batch(first, ahead):
    loader = Loader(source=noise(), batch=4, seed=1, augment=erased, ahead=ahead)
    assert content(loader.epoch(7, first=first)) == content(loader.epoch(7))[first:]


def test_what_is_drawn_belongs_to_the_sample_and_the_epoch():
    """The size of the batch changes nothing in a sample, the epoch does."""

    def by_sample(batch, epoch):
        loader = Loader(source=noise(), batch=batch, seed=1, augment=erased)
        return {n: b.planes[RGB][row].tobytes() for b in loader.epoch(epoch) for row, n in enumerate(b.numbers)}

    assert by_sample(4, 0) == by_sample(7, 0)
    apart = [by_sample(4, 0)[n] != by_sample(4, 1)[n] for n in range(23)]
    assert sum(apart) > 10


def test_a_rest_is_left_out_on_request():
    loader = Loader(source=source(23), batch=4, whole_batches=True)
    assert len(loader) == 5
    assert [len(batch) for batch in loader.epoch(0)] == [4] * 5
    left_out = [set(range(23)) - {n for b in loader.epoch(e) for n in b.numbers.tolist()} for e in range(3)]
    assert len(set(map(frozenset, left_out))) > 1, "not the same samples each time"


@pytest.mark.parametrize("whole_batches", [True, False])
def test_the_parts_of_several_processes_are_the_batches_of_one(whole_batches):
    def of(share):
        loader = Loader(source=noise(23), batch=5, augment=erased, whole_batches=whole_batches, share=share)
        return list(loader.epoch(1))

    parts = [of(Share(number, 3)) for number in range(3)]
    for alone, *several in zip(of(ALONE), *parts, strict=True):
        assert [batch.whole for batch in several] == [len(alone)] * 3
        assert [batch.before for batch in several] == [sum(map(len, several[:number])) for number in range(3)]
        assert np.concatenate([batch.numbers for batch in several]).tolist() == alone.numbers.tolist()
        for sensor, planes in alone.planes.items():
            assert np.array_equal(np.concatenate([batch.planes[sensor] for batch in several]), planes)


def test_a_batch_has_a_sample_for_each_process():
    Loader(source=source(23), batch=4, whole_batches=True, share=Share(0, 4))
    for whole_batches, least in ((True, 4), (False, 3)):
        with pytest.raises(UsageError, match=f"each of 5 processes; came a batch of {least}; make the batch larger"):
            Loader(source=source(23), batch=4, share=Share(0, 5), whole_batches=whole_batches)


def test_batches_are_made_ahead_and_no_further():
    made: list[list[int]] = []
    ready = threading.Semaphore(0)

    class Watched(CachedPlanes):
        def gather(self, numbers):
            made.append(numbers.tolist())
            ready.release()
            return super().gather(numbers)

    whole = source(40)
    batches = Loader(source=Watched(whole.planes, whole.labels), batch=4, ahead=2).epoch(0)
    assert made == []
    next(batches)
    for _ in range(3):
        assert ready.acquire(timeout=10)
    assert len(made) == 3, "the one handed out, and two ahead"
    batches.close()
    assert len(made) == 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_unreadable_sample_is_told_at_its_batch(entries, ahead):
    entries[5].paths[RGB].write_bytes(b"broken")
    loader = Loader(source=FilePlanes(entries, None), batch=4, shuffled=False, ahead=ahead)
    batches = loader.epoch(0)
    assert next(batches).numbers.tolist() == [0, 1, 2, 3]
    with pytest.raises(UnreadableImage, match="5_rgb"):
        next(batches)


def test_clips_keep_their_frames():
    planes = np.random.default_rng(0).integers(0, 256, (9, 5, 12, 16, 3), np.uint8)
    loader = Loader(source=CachedPlanes({RGB: planes}, np.arange(9)), batch=3, augment=erased)
    shapes = {batch.planes[RGB].shape for batch in loader.epoch(0)}
    assert shapes == {(3, 5, 12, 16, 3)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 0}, "came batch 0"),
        ({"batch": 4, "threads": 0}, "threads 0"),
        ({"batch": 4, "ahead": -1}, "ahead -1"),
        ({"batch": 24, "whole_batches": True}, "expected samples for a batch of 24; came 23"),
    ],
)
def test_impossible_loaders_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        Loader(source=source(), **options)


@pytest.mark.parametrize("first", [-1, 7])
def test_a_batch_outside_the_epoch_is_refused(first):
    loader = Loader(source=source(), batch=4)
    with pytest.raises(UsageError, match="expected a first batch from 0 to 6"):
        loader.epoch(0, first=first)
