"""Two processes learn what one does: the same losses, the same weights, whoever began the run."""

from functools import partial

import pytest
import torch
from torch import nn

from countenance.checkpoints import read_checkpoint
from countenance.errors import UsageError
from countenance.networks.inception_resnet_v1 import ShiftedNorm
from countenance.processes import learning
from countenance.processes.group import ALONE, Share, joined
from countenance.processes.learning import own, shared, whole_loss
from countenance.processes.starting import together


def state(folder):
    """The losses of each epoch, and every tensor of network and optimizer."""
    last = read_checkpoint(folder, "last")
    return last.card["losses"], {name: tensor for name, tensor in last.tensors.items() if name != "generator"}


def test_two_processes_learn_what_one_does(twins, tmp_path):
    for kind in ("slim", "mlfa"):
        twins.trained(kind, tmp_path / f"{kind}-alone", 2)
    twins.trained("slim", tmp_path / "from-one-to-two", 1)
    jobs = [
        ("slim", tmp_path / "slim", 2),
        ("mlfa", tmp_path / "mlfa", 2),
        ("slim", tmp_path / "from-one-to-two", 2),
        ("slim", tmp_path / "from-two-to-one", 1),
    ]
    told: list[tuple[int, int]] = []
    said: list[str] = []
    done = together(
        ("cpu", "cpu"),
        partial(twins.train_together, jobs=jobs),
        progress=lambda *steps: told.append(steps),
        say=said.append,
    )
    assert done == "of process 0"
    assert told == [(0, 2)]
    assert "expected numbers alike in all 2 processes; came another in process 1" in said[0]
    twins.trained("slim", tmp_path / "from-two-to-one", 2)
    for folder in ("slim", "mlfa", "from-one-to-two", "from-two-to-one"):
        losses, tensors = state(tmp_path / folder)
        expected_losses, expected = state(tmp_path / f"{'mlfa' if folder == 'mlfa' else 'slim'}-alone")
        assert len(losses) == 2
        assert losses == pytest.approx(expected_losses, rel=0, abs=1e-8), folder
        assert tensors.keys() == expected.keys()
        for name, tensor in tensors.items():
            torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-7, msg=f"{folder}: {name}")
        generators = [
            read_checkpoint(tmp_path / each, "last").tensors["generator"]
            for each in (folder, "mlfa-alone" if folder == "mlfa" else "slim-alone")
        ]
        assert torch.equal(*generators), "nothing more and nothing less was drawn"


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.BatchNorm1d, (6, 4)), (nn.BatchNorm2d, (3, 4, 5, 2)), (nn.BatchNorm3d, (2, 4, 2, 3, 3))]
)
def test_the_shared_normalisation_is_the_usual_one_where_one_has_all(tmp_path, kind, shape):
    generator = torch.Generator().manual_seed(0)
    ours, usual = nn.Sequential(kind(4)).double(), nn.Sequential(kind(4)).double()
    learning._normalise_together(ours)
    assert ours.state_dict().keys() == usual.state_dict().keys()
    given = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]
    with torch.no_grad():
        given[1].copy_(given[0])
    wanted = torch.randn(shape, generator=generator, dtype=torch.float64)
    with joined("cpu", share=ALONE, folder=tmp_path):
        for module, maps in zip((ours, usual), given, strict=True):
            (module(maps) - wanted).square().sum().backward()
    torch.testing.assert_close(given[0].grad, given[1].grad)
    for name, tensor in usual.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, msg=name)
    for one, other in zip(ours.parameters(), usual.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    torch.testing.assert_close(ours.eval()(wanted), usual.eval()(wanted))


def test_alone_nothing_is_exchanged():
    network, loss = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout()), torch.ones(())
    assert shared(network) is network is own(network)
    assert type(network[0]) is nn.BatchNorm2d
    assert whole_loss(loss, part=2, whole=2) is loss


@pytest.mark.parametrize(
    ("layer", "words"), [(nn.Dropout(0.1), "Dropout in 1"), (ShiftedNorm(3), "ShiftedNorm in 1")], ids=["draws", "norm"]
)
def test_a_network_that_a_part_of_a_batch_changes_is_refused(monkeypatch, layer, words):
    monkeypatch.setattr(learning, "own_share", lambda: Share(0, 2))
    with pytest.raises(UsageError, match=f"came {words}; train it in one process"):
        shared(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(nn.Dropout(0.0), layer)))
