"""Checkpoints: the same after reading back, whole or not at all, and nothing that runs code."""

import json

import pytest
import torch
from torch import nn

from countenance import checkpoints, files
from countenance.checkpoints import (
    Checkpoint,
    module_tensors,
    read_checkpoint,
    restore_training,
    training_state,
    write_checkpoint,
)
from countenance.errors import DataError, DigestMismatch, MissingFile

OPTIMIZERS = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, betas=(0.8, 0.9)),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
    "plain": lambda parameters: torch.optim.SGD(parameters, lr=0.01),
}


class Training:
    """A network with running statistics, an optimizer with moments, and noise: everything that must be kept."""

    def __init__(self, optimizer):
        self.generator = torch.Generator().manual_seed(7)
        self.network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        with torch.no_grad():
            for parameter in self.network.parameters():
                parameter.copy_(torch.rand(parameter.shape, generator=self.generator))
        self.optimizer = OPTIMIZERS[optimizer](self.network.parameters())

    def steps(self, count):
        for _ in range(count):
            self.optimizer.zero_grad()
            self.network(torch.rand(5, 3, generator=self.generator)).square().mean().backward()
            self.optimizer.step()

    @property
    def state(self):
        return training_state(self.network, self.optimizer, self.generator)


def same(ours, theirs):
    assert ours.tensors.keys() == theirs.tensors.keys()
    for name, tensor in ours.tensors.items():
        assert tensor.dtype == theirs.tensors[name].dtype
        assert torch.equal(tensor, theirs.tensors[name]), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_goes_on_as_if_it_had_never_stopped(tmp_path, optimizer):
    whole, first, second = Training(optimizer), Training(optimizer), Training(optimizer)
    whole.steps(6)
    first.steps(3)
    write_checkpoint(tmp_path, "last", first.state)
    second.steps(1)  # whatever it holds is replaced
    restore_training(read_checkpoint(tmp_path, "last"), second.network, second.optimizer, second.generator)
    second.steps(3)
    same(second.state, whole.state)


def test_the_state_is_a_copy():
    training = Training("adamw")
    training.steps(1)
    state = training.state
    before = {name: tensor.clone() for name, tensor in state.tensors.items()}
    training.steps(1)
    same(state, Checkpoint(before, {}))


def test_the_card_comes_back_and_an_old_file_goes(tmp_path):
    for number in (1.0, 2.0):
        path = write_checkpoint(tmp_path, "best", Checkpoint({"module.a": torch.tensor([number])}, {"epoch": number}))
    write_checkpoint(tmp_path, "last", Checkpoint({"module.a": torch.tensor([3.0])}, {}))
    back = read_checkpoint(tmp_path, "best")
    assert back.card == {"epoch": 2.0}
    assert module_tensors(back)["a"].tolist() == [2.0]
    assert path == tmp_path / "best.json"
    assert len(list(tmp_path.glob("best-*.safetensors"))) == len(list(tmp_path.glob("last-*.safetensors"))) == 1


def test_a_transposed_tensor_comes_back_as_it_was(tmp_path):
    tensor = torch.arange(6.0).reshape(2, 3).T
    write_checkpoint(tmp_path, "best", Checkpoint({"a": tensor}, {}))
    assert torch.equal(read_checkpoint(tmp_path, "best").tensors["a"], tensor)


@pytest.mark.parametrize("ending", [".safetensors", ".json"])
def test_a_kill_while_writing_leaves_the_old_checkpoint(tmp_path, monkeypatch, ending):
    write_checkpoint(tmp_path, "last", Checkpoint({"a": torch.zeros(2)}, {"epoch": 1}))
    real = files.write_atomically

    def killed(path, data):
        if path.name.endswith(ending):
            raise KeyboardInterrupt
        return real(path, data)

    monkeypatch.setattr(checkpoints, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(tmp_path, "last", Checkpoint({"a": torch.ones(2)}, {"epoch": 2}))
    back = read_checkpoint(tmp_path, "last")
    assert (back.card, back.tensors["a"].tolist()) == ({"epoch": 1}, [0.0, 0.0])


def test_what_is_damaged_is_refused(tmp_path):
    with pytest.raises(MissingFile, match="the card of the checkpoint 'best'"):
        read_checkpoint(tmp_path, "best")
    card = write_checkpoint(tmp_path, "best", Checkpoint({"a": torch.zeros(2)}, {}))
    (tensors,) = tmp_path.glob("*.safetensors")
    content = tensors.read_bytes()
    tensors.write_bytes(content[:-1] + b"\1")
    with pytest.raises(DigestMismatch, match="as it was written; came other bytes"):
        read_checkpoint(tmp_path, "best")
    tensors.unlink()
    with pytest.raises(MissingFile, match="the tensors of"):
        read_checkpoint(tmp_path, "best")
    for sheet in ("{", "[]", json.dumps({"tensors": "a", "sha256": "b"})):
        card.write_text(sheet)
        with pytest.raises(DataError, match=r"the card of a checkpoint in .*; came something else"):
            read_checkpoint(tmp_path, "best")


def test_a_card_cannot_name_a_file_elsewhere(tmp_path):
    folder = tmp_path / "run"
    card = write_checkpoint(folder, "best", Checkpoint({"a": torch.zeros(2)}, {}))
    (tensors,) = folder.glob("*.safetensors")
    tensors.rename(tmp_path / tensors.name)
    card.write_text(card.read_text().replace(tensors.name, f"../{tensors.name}"))
    with pytest.raises(MissingFile):
        read_checkpoint(folder, "best")


def test_the_state_of_another_training_is_refused():
    ours, other = Training("adamw"), nn.Linear(2, 2)
    ours.steps(1)
    with pytest.raises(DataError, match="the state of this very training"):
        restore_training(ours.state, other, torch.optim.AdamW(other.parameters()), ours.generator)
    with pytest.raises(DataError, match="the state of this very training"):
        restore_training(Checkpoint({}, {}), ours.network, ours.optimizer, ours.generator)
