"""The loop: by hand on one number, by limit, in the order that it promises, and what it refuses."""

import pytest
import torch
from torch import nn

from countenance.errors import UsageError
from countenance.training import EpochReport, Position, fit


class OneNumber(nn.Module):
    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))


def squared_distance(module, target):
    return (module.value - target) ** 2


def run(module, batches, *, lr=0.25, **options):
    return fit(module, squared_distance, batches, optimizer=torch.optim.SGD(module.parameters(), lr=lr), **options)


def test_plain_steps_worked_by_hand():
    module = OneNumber()
    # gradient 2 (v - t), step .25: v goes half the way to each target: 1 -> .5 -> 1.25; then 1.25 -> .625 -> 1.3125
    reports = run(module, lambda _: [0.0, 2.0], epochs=2)
    assert module.value.item() == 1.3125
    assert reports == [
        EpochReport(Position(1, 2), (1.0**2 + 1.5**2) / 2),
        EpochReport(Position(2, 4), (1.25**2 + 1.375**2) / 2),
    ]


def test_no_epoch_changes_nothing():
    module = OneNumber()
    assert run(module, lambda _: pytest.fail("no batch is asked for"), epochs=0) == []
    assert run(module, lambda _: pytest.fail("no batch is asked for"), epochs=2, start=Position(2, 4)) == []
    assert module.value.item() == 1.0


def test_the_schedule_is_a_factor_on_the_first_learning_rate():
    module = OneNumber()
    run(module, lambda _: [0.0] * 3, epochs=1, schedule=[1.0, 0.0, 2.0].__getitem__)
    assert module.value.item() == 0.0  # half the way, nothing, the whole way
    still = OneNumber()
    run(still, lambda _: [0.0], epochs=3, schedule=lambda _: 0.0)
    assert still.value.item() == 1.0


def test_a_second_half_goes_on_where_the_first_stopped():
    whole, halves, asked = OneNumber(), OneNumber(), []

    def batches(epoch):
        asked.append(epoch)
        return [float(epoch), 1.0]

    factor = [1.0, 0.5, 0.25, 0.125].__getitem__
    run(whole, batches, epochs=2, schedule=factor)
    (report,) = run(halves, batches, epochs=1, schedule=factor)
    run(halves, batches, epochs=2, start=report.position, schedule=factor)
    assert halves.value.item() == whole.value.item()
    assert asked == [0, 1, 0, 1]


def test_what_happens_after_a_step_and_after_an_epoch():
    module, heard = OneNumber(), []

    def project(step):
        heard.append(step)
        with torch.no_grad():
            module.value.clamp_(0.9, 1.1)

    def note(report):
        heard.append(report.position)
        module.eval()

    run(module, lambda _: [0.0, 9.0], epochs=2, after_step=project, after_epoch=note)
    assert heard == [1, 2, Position(1, 2), 3, 4, Position(2, 4)]
    assert module.value.item() == 1.1
    assert not module.training  # as the last `after_epoch` left it; each epoch begins in training mode


def test_each_epoch_is_in_training_mode():
    module, modes = OneNumber(), []

    def loss(trained, target):
        modes.append(trained.training)
        return squared_distance(trained, target)

    def leave_it(_):
        module.eval()

    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    fit(module, loss, lambda _: [0.0], optimizer=optimizer, epochs=2, after_epoch=leave_it)
    assert modes == [True, True]


@pytest.mark.parametrize(
    ("batches", "epochs", "words"),
    [
        ([], 1, "at least one batch in an epoch; came none"),
        ([0.0, float("nan")], 1, "a finite loss; came nan at step 2 of epoch 1; lower the learning rate"),
        ([0.0], -1, "epochs of at least 0"),
    ],
)
def test_what_it_refuses(batches, epochs, words):
    with pytest.raises(UsageError, match=words):
        run(OneNumber(), lambda _: batches, epochs=epochs)
